"""How pages say things: moments in a zone, ages, counts. One wording for all pages."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from baselines.errors import shown


def filters() -> Mapping[str, Callable[..., str]]:
    """The filters that templates use."""
    return {"moment": moment, "clock": clock, "age": age, "plain": plain}


def moment(at: datetime, zone: str) -> str:
    """``Tue 24 Nov 06:12 PST``."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def clock(at: datetime, zone: str) -> str:
    """``06:12``."""
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M}"


def age(span: timedelta) -> str:
    """``1 h 28 min``, ``3 days``, ``under a minute``."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "under a minute"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} days"


def plain(text: object) -> str:
    """A value without control and bidirectional characters."""
    written = str(text)
    return written if written.isprintable() else "".join(shown(each) for each in written)
