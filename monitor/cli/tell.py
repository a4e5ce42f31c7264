"""How commands speak: results on standard output, everything else on standard error."""

import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from baselines.errors import shown


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


def result(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Anything beside the result."""
    sys.stderr.write(text + "\n")


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


def shown_whole(text: str) -> str:
    """A value without control and escape sequences, not cut."""
    return "".join(shown(character) for character in text) if not text.isprintable() else text


def moment(at: datetime | None) -> str:
    """A moment for people, in UTC; "–" for none."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at is not None else "–"


def actor(name: str) -> str:
    """Who acts: as named, else the user of this machine."""
    return name or getpass.getuser()
