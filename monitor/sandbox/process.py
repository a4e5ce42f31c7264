"""The sandbox as a process beside this one: for the demo, ``doctor`` and tests."""

import json
import os
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType

import httpx

from baselines.errors import Smart360Error

_PATIENCE = 20.0  #: seconds; it usually takes one


class SandboxFailed(Smart360Error):
    """The sandbox did not come up."""

    code = "sandbox_failed"


@dataclass
class SandboxProcess:
    """A running sandbox; leaving the context ends it."""

    process: subprocess.Popen[str]
    url: str  #: of the server; the manifest's paths come after it
    utility: str  #: id of the one utility it has

    @cached_property
    def client(self) -> httpx.Client:
        """For the control API, e.g. ``client.post("/sandbox/changes", json=…)``."""
        return httpx.Client(base_url=self.url, trust_env=False)

    def close(self) -> None:
        """End it."""
        if "client" in self.__dict__:
            self.client.close()
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> "SandboxProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def start_sandbox(
    port: int = 0, config: Path | None = None, start: datetime | None = None, faults: tuple[str, ...] = ()
) -> SandboxProcess:
    """Start a sandbox on loopback and wait until it answers.

    It ends with the thread that starts it (Linux), so that nothing is left behind.

    Args:
        port: 0 takes a free one.
        config: a configuration file; None serves the shipped San Francisco Water Authority.
        start: the world's time at first; None: 2026-11-24.
        faults: names of faults that are on from the beginning.

    Raises:
        SandboxFailed: it ended or did not answer in time; the message is its own.
    """
    command = [sys.executable, "-m", "monitor.sandbox", "--port", str(port), "--parent", str(os.getpid())]
    command += ["--config", str(config)] if config is not None else []
    command += ["--start", start.isoformat()] if start is not None else []
    command += [f"--fault={name}" for name in faults]
    told = tempfile.TemporaryFile()  # noqa: SIM115 - the process keeps it; a pipe that nobody reads would fill
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, stdout=subprocess.PIPE, stderr=told, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        process.communicate()
        told.seek(0)
        what = told.read().decode().strip() or f"It did not answer within {_PATIENCE:.0f} s."
        raise SandboxFailed(what, where="sandbox", mend="Mend the file or the option that it names.")
    told.close()
    return SandboxProcess(process, **json.loads(line))
