"""The command as a person runs it: in this process where that is enough, as a process of its own elsewhere."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog

from monitor.__main__ import main
from monitor.cli.context import deps


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        """The JSON document it printed."""
        return json.loads(self.out)


def environment(home: Path, **more: str) -> dict[str, str]:
    """No settings, and a home of its own."""
    unwanted = ("SMART360_", "LC_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "SMART360_STATE_FOLDER": str(home / "state"), **more}


def command(home: Path, *words: object, given: bytes = b"", **more: str) -> Done:
    """Run a command line in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    stdin = io.TextIOWrapper(io.BytesIO(given))
    deps.cache_clear()
    with (
        patch.dict(os.environ, environment(home, **more), clear=True), patch.object(sys, "stdin", stdin),
        redirect_stdout(out), redirect_stderr(err),
    ):  # fmt: skip
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    deps.cache_clear()
    for stream in (out, err):
        stream.flush()
    told = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return Done(code, *told)


def process(home: Path, *words: object, given: bytes | None = b"", code: str = "", **more: str) -> Done:
    """Run a command line, or Python with ``code``, as a process of its own."""
    begin = ["-c", code] if code else ["-m", "monitor"]
    done = subprocess.run(
        [sys.executable, *begin, *map(str, words)], env=environment(home, **more), input=given, capture_output=True,
        timeout=60,
    )  # fmt: skip
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
