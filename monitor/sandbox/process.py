"""A stand-in as a process beside this one, for the demo and tests; it ends when this process does."""

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import httpx

from baselines.errors import Smart360Error

_PATIENCE: Final = 20.0  #: seconds; it usually takes one
FOLLOW: Final = "--follow-stdin"


class StandInFailed(Smart360Error):
    """A stand-in did not come up."""

    code = "stand_in_failed"


@dataclass
class StandIn:
    """A running stand-in; leaving the context ends it."""

    process: subprocess.Popen[str]
    url: str  #: of the server; paths of its API come after it

    @cached_property
    def client(self) -> httpx.Client:
        """For its control side, e.g. ``client.post("/sandbox/changes", json=…)``."""
        return httpx.Client(base_url=self.url, trust_env=False)

    def close(self) -> None:
        """End it."""
        if "client" in self.__dict__:
            self.client.close()
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class SandboxProcess(StandIn):
    """A running sandbox."""

    utility: str  #: id of the one utility it has


def begun(module: str, options: Sequence[str]) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A module as a process that follows this one, and the JSON line it writes once it takes connections.

    Raises:
        StandInFailed: it ended or did not answer in time; the message is its own.
    """
    with tempfile.TemporaryFile("w+") as complaints:  # a pipe that nobody reads would fill and stop it
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", module, FOLLOW, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
        line = process.stdout.readline() if ready else ""
        if not line:
            process.kill()
            process.communicate()
            complaints.seek(0)
            what = complaints.read().strip() or f"It did not answer within {_PATIENCE:.0f} s."
            raise StandInFailed(what, where=module, mend="Mend the file or the option that it names.")
    return process, json.loads(line)


def end_with_stdin() -> None:
    """For the stand-in itself: end when standard input closes, as it does with the process that holds its other end."""

    def follow() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()


def start_sandbox(
    port: int = 0, config: Path | None = None, start: datetime | None = None, faults: tuple[str, ...] = (),
    overlays: tuple[Path, ...] = (),
) -> SandboxProcess:  # fmt: skip
    """Start a sandbox on loopback and wait until it answers.

    Args:
        port: 0 takes a free one.
        config: a configuration file; None serves the shipped San Francisco Water Authority.
        start: the world's time at first; None: 2026-11-24.
        faults: names of faults that are on from the beginning.
        overlays: files with types and fields that it has besides.

    Raises:
        StandInFailed: it ended or did not answer in time; the message is its own.
    """
    options = [
        "--port",
        str(port),
        *(f"--fault={name}" for name in faults),
        *(f"--overlay={path}" for path in overlays),
    ]
    options += ["--config", str(config)] if config is not None else []
    options += ["--start", start.isoformat()] if start is not None else []
    process, told = begun("monitor.sandbox", options)
    return SandboxProcess(process, **told)
