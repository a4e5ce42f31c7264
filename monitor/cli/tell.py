"""How commands speak: results on standard output, everything else on standard error."""

import getpass
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final, TypeVar

from baselines.errors import shown, shown_path
from monitor.access import Actor, on_host

T = TypeVar("T")


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


#: For terminals without UTF-8 (C5): our signs in letters they have.
_IN_ASCII: Final = str.maketrans(
    {"◆": "!!", "▲": "!", "■": "*", "●": ".", "○": "i", "◪": "?", "›": ">", "→": "->", "·": "|", "–": "-", "—": "-",
     "…": "...", "“": '"', "”": '"', "’": "'", "✓": "ok", "✗": "x", "⟨": "<", "⟩": ">", "⏎": "<newline>", "⇥": "<tab>"}
)  # fmt: skip
_speech: Final = {"notes": True, "progress": True}  #: of this run, as asked on the command line


def speak(*, notes: bool, progress: bool) -> None:
    """How much this run says beside its result."""
    _speech.update(notes=notes, progress=progress)


def result(text: str) -> None:
    """A line of the result."""
    sys.stdout.write((text if _speaks_utf8() else text.translate(_IN_ASCII)) + "\n")


def _speaks_utf8() -> bool:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return encoding == "utf8" and os.environ.get("LC_ALL") not in ("C", "POSIX")


def note(text: str) -> None:
    """Anything beside the result; control characters are shown, not sent."""
    if _speech["notes"]:
        sys.stderr.write(shown_path(text).encode(sys.stderr.encoding or "utf-8", "backslashreplace").decode() + "\n")


def counted(items: Iterable[T], what: str, total: int, *, in_parts: bool = False) -> Iterator[T]:
    """The items; on a terminal, from the second second on, how many are done. The line goes when they are.

    Args:
        items: to be passed on.
        what: they are.
        total: how many there are.
        in_parts: tell the part that is done and the time left, where ``what`` names the total.
    """
    begun = time.monotonic()
    shows = _speech["progress"] and sys.stderr.isatty()
    told = ""
    for done, item in enumerate(items):
        spent = time.monotonic() - begun
        if shows and spent > 1:
            line = f"{what}  {done:,} of {total:,}  {spent:.0f} s"
            if in_parts:
                left = int(spent * (total - done) / max(1, done))
                line = f"{what}  {100 * done // total} %  " + (f"{left // 60}:{left % 60:02} left" if done else "")
            line = line.ljust(len(told))  # what stood there before is longer, or the same
            if line != told:
                sys.stderr.write(f"\r{line}")
                told = line
        yield item
    sys.stderr.write("\r" + " " * len(told) + "\r" if told else "")


def width() -> int | None:
    """Columns of the terminal; None where the result goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def document(kind: str, content: Mapping[str, Any]) -> None:
    """One JSON document and nothing else; the same content gives the same bytes."""
    sys.stdout.write(
        json.dumps({"format": f"smart360-monitor/{kind}/1", **content}, ensure_ascii=False, indent=1, default=_plain)
        + "\n"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows for people: aligned on a terminal, plain and uncut elsewhere."""
    safe = [[shown_whole(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        made = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            made.add_column(column, overflow="fold")
        for row in safe:
            made.add_row(*row)
        Console(highlight=False, markup=False).print(made)
        return
    for row in safe:
        result("  ".join(row))


shown_whole: Final = shown_path


def moment(at: datetime | None) -> str:
    """A moment for people, in UTC; "–" for none."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at is not None else "–"


def span(open_for: timedelta) -> str:
    """``19 h``, ``3 d 4 h``, ``25 min``; nothing is rounded up."""
    minutes = int(open_for.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h" if hours else f"{minutes} min"


def since(text: str, now: datetime) -> datetime:
    """The moment that ``90d``, ``12h`` or ``2026-08-26`` (in UTC) names.

    Raises:
        BadUsage: it names none.
    """
    try:
        if text[-1:] in ("d", "h") and text[:-1].isdigit():
            return now - int(text[:-1]) * timedelta(**{"days" if text[-1] == "d" else "hours": 1})
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        from monitor.cli import BadUsage

        what, mend = f"{shown(text)} is no time.", "Write 90d, 12h or a date: 2026-08-26."
        raise BadUsage(what, where="--since", mend=mend) from None


def until(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The moment in the future that ``7d``, ``12h``, ``2026-12-15`` or ``2026-12-15T08:00`` names, in a zone.

    Raises:
        BadUsage: it names none.
    """
    try:
        if text[-1:] in ("d", "h") and text[:-1].isdigit():
            return now + int(text[:-1]) * timedelta(**{"days" if text[-1] == "d" else "hours": 1})
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        from monitor.cli import BadUsage

        what, mend = f"{shown(text)} is no time.", "Write 7d, 12h, 2026-12-15 or 2026-12-15T08:00."
        raise BadUsage(what, where="--until", mend=mend) from None


def actor(name: str) -> Actor:
    """Who acts: as named, else the user of this machine."""
    return on_host(name or getpass.getuser())
