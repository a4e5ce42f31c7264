"""How pages say things: moments in a zone, ages, figures. One wording for all pages."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from baselines.errors import shown_path
from baselines.fingerprints import is_fingerprint
from rules.drift import worded


def filters() -> Mapping[str, Callable[..., str]]:
    """The filters that templates use."""
    return {"moment": moment, "clock": clock, "day": day, "age": age, "plain": plain, "figure": figure,
            "value": value}  # fmt: skip


def moment(at: datetime, zone: str) -> str:
    """``Tue 24 Nov 06:12 PST``."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def clock(at: datetime, zone: str, now: datetime) -> str:
    """``06:12``, with the weekday where that was another day, with the date where that was another week."""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    apart = abs((today - local.date()).days)
    if apart == 0:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if apart < 7 else f"{local.day} {local:%b %H:%M}"


def day(at: datetime, zone: str, *, year: bool = False) -> str:
    """``24 Nov``, with the year where it is asked for."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y}" if year else f"{local.day} {local:%b}"


def age(span: timedelta) -> str:
    """``1 h 28 min``, ``3 days``, ``1 min`` from the first second on."""
    minutes = max(1, int(span.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} days"


def figure(readiness: float | None) -> str:
    """``0.992``; a dash where nothing was decided."""
    return f"{readiness:.3f}" if readiness is not None else "–"


def plain(text: object) -> str:
    """A value without control and bidirectional characters."""
    return shown_path(str(text))


def value(found: object) -> str:
    """A canonical value as people read it; a secret as the beginning of its fingerprint (U5)."""
    return f"{str(found)[:11]}…" if is_fingerprint(found) else worded(cast(Any, found), None)
