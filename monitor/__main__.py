"""The entrance: ``smart360-monitor``. Turns errors into lines and exit codes; no user sees a traceback."""

import io
import json
import os
import signal
import sys
import traceback
import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

from baselines.errors import InvalidInput, Smart360Error, shown_path


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end with its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    is_json = "--output=json" in words or ("--output", "json") in pairwise(words)
    _speak_any_text(is_json)
    if words[:1] == ["serve"]:  # stopped before anything has begun: that is a clean end too
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        from monitor.cli import run

        code = run(words)
    except InvalidInput as error:
        _tell(error.lines())
        count = len(error.mistakes)
        _tell([f"{count} mistake{'s' if count != 1 else ''}, nothing was done."])
        if is_json:
            _tell_json([_mistake(each) for each in error.mistakes])
        code = error.exit_code
    except Smart360Error as error:
        _tell([f"{error.where}: {error.what} Mend: {error.mend}"])
        if is_json:
            _tell_json([{"file": error.where, "line": 0, "column": 0, "path": "", "code": error.code,
                         "message": error.what, "mend": error.mend}])  # fmt: skip
        code = error.exit_code
    except KeyboardInterrupt:
        _tell(["Stopped."])
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:
        code = _unforeseen()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _speak_any_text(is_json: bool) -> None:
    """Where standard output has no sign for a letter, it is escaped; JSON is UTF-8 everywhere."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - closed before we began
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        if is_json:
            sys.stdout.reconfigure(encoding="utf-8")
        else:
            sys.stdout.reconfigure(errors="backslashreplace")


def _tell(lines: list[str]) -> None:
    """Lines on standard error, with control characters of names and values shown, not sent."""
    for line in lines:
        sys.stderr.write(shown_path(line).encode(sys.stderr.encoding or "utf-8", "backslashreplace").decode() + "\n")


def _mistake(each: Any) -> dict[str, object]:
    return {
        "file": each.file, "line": each.line, "column": each.column, "path": each.path, "code": each.code,
        "message": each.what, "mend": each.mend,
    }  # fmt: skip


def _tell_json(errors: list[dict[str, object]]) -> None:
    document = {"format": "smart360-monitor/error/1", "errors": errors}
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def _unforeseen() -> int:
    """An error nobody foresaw: a number for the person, the trace in a file of their own."""
    number = uuid.uuid4().hex[:8]
    from monitor.secrets import without_secrets
    from monitor.settings import read_settings, state_folder

    place = "standard error"
    try:
        folder: Path = read_settings().state_folder
    except Smart360Error:
        folder = state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "errors.log"
        with path.open("a", encoding="utf-8") as log:
            log.write(f"== {number}\n{without_secrets(traceback.format_exc())}\n")
        path.chmod(0o600)
        place = str(path)
    except OSError:
        pass
    _tell([f"error {number}: this is a defect of smart360-monitor. Mend: report it with what {place} says of it."])
    return 2


if __name__ == "__main__":
    main()
