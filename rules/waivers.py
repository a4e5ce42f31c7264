"""Waivers: exceptions that two people agreed on, with a reason and an end; the one place that judges what is quiet.

Everything is decided when it is read: a waiver or snooze that ends needs no write, and holds until just before its
end. What is waived or snoozed stays open and counts as open; nobody is alerted of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import orjson
from blake3 import blake3

from rules.findings import Finding, Kind
from rules.lifecycle import Known, State
from rules.quiet import Quiet, Standing
from rules.selector import Selector

SHORTEST_REASON: Final = 20  #: characters
LONGEST_REASON: Final = 2_000
LONGEST_WIDE: Final = timedelta(days=90)  #: of a waiver that is wider than one finding
WARNED_BEFORE: Final = timedelta(days=7)


class WaiverState(StrEnum):
    """asked → approved → ended (early, by a person); asked → refused. Its time being over is no state."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception to one finding (by fingerprint), or to what a selector names, at targets of one tenant."""

    number: int
    targets: tuple[str, ...]  #: ``tenant/environment``
    fingerprint: str  #: of the finding; "": it is wider, and ``match`` says what it covers
    match: Selector
    subject: str  #: of people's words: ``finding 7F3K``, ``rule billing.x, key RES-*``
    reason: str
    ticket: str
    ends: datetime  #: aware; not included
    asked_by: str
    asked_at: datetime
    state: WaiverState = WaiverState.ASKED
    decided_by: str = ""  #: who approved or refused it
    decided_at: datetime | None = None
    ended_by: str = ""  #: who ended it early
    ended_at: datetime | None = None
    note: str = ""  #: why it was refused or ended

    @property
    def is_wide(self) -> bool:
        """True if it may cover more than one finding."""
        return not self.fingerprint or len(self.targets) > 1

    @property
    def digest(self) -> str:
        """Of what was asked for; an approval is of this and nothing else."""
        asked = (self.targets, self.fingerprint, self.match, self.reason, self.ticket,
                 self.ends.astimezone(UTC).isoformat())  # fmt: skip
        return f"b3:{blake3(orjson.dumps(asked)).hexdigest()}"

    def is_in_force(self, now: datetime) -> bool:
        """True from its approval until just before its end."""
        return self.state is WaiverState.APPROVED and now < self.ends

    def ends_soon(self, now: datetime) -> bool:
        """True in its last days, or in its second half where it is a short one."""
        if not self.is_in_force(now) or self.decided_at is None:
            return False
        return self.ends - now <= min(WARNED_BEFORE, (self.ends - self.decided_at) / 2)

    def word(self, now: datetime) -> str:
        """``asked``, ``in force``, ``refused``, ``ended``; one that nobody approved in time is ``too late``."""
        if self.state is WaiverState.APPROVED:
            return "in force" if now < self.ends else "ended"
        return "too late" if self.state is WaiverState.ASKED and now >= self.ends else self.state.value

    def covers(self, finding: Finding, target: str) -> bool:
        """True if it is about this finding; a wide one covers what was not read only if it says ``kind: coverage``."""
        if target not in self.targets:
            return False
        if self.fingerprint:
            return finding.fingerprint == self.fingerprint
        return (finding.kind is not Kind.COVERAGE or self.match.kind == Kind.COVERAGE) and self.match.matches(finding)


#: Those that may be in force, by target (``in_force``).
Waivers = Mapping[str, Sequence[Waiver]]


def in_force(waivers: Iterable[Waiver], now: datetime) -> Waivers:
    """Waivers in force at a moment, by the targets they name."""
    found: dict[str, list[Waiver]] = {}
    for waiver in waivers:
        if waiver.is_in_force(now):
            for target in waiver.targets:
                found.setdefault(target, []).append(waiver)
    return found


def hushed(finding: Finding, target: str, said: Quiet | None, waivers: Waivers, now: datetime) -> Quiet | None:
    """Why people want nobody alerted of a finding now: a waiver, of several the one that ends last, or what one said.

    Args:
        finding: that is wrong.
        target: ``tenant/environment``.
        said: that it is snoozed or expected (``Known.hush``).
        waivers: in force.
        now: aware.
    """
    covering = [each for each in waivers.get(target, ()) if each.is_in_force(now) and each.covers(finding, target)]
    last = max(covering, key=lambda each: each.ends, default=None)
    if last is not None:
        return Quiet(last.reason, last.ticket, last.ends, last.asked_by, Standing.WAIVED, last.number)
    return said if said is not None and said.holds(now) else None


def standing(known: Known, target: str, waivers: Waivers, now: datetime) -> Quiet | None:
    """Whether anybody is alerted of a known finding at this moment; None, or one that is ``plain``: yes.

    What windows and proposals announce is as of the last sweep; after its end it is plain, and still says so.
    """
    if known.state is State.RESOLVED:
        return None
    if (hush := hushed(known.finding, target, known.hush, waivers, now)) is not None:
        return hush
    kept = known.quiet
    if kept is None or kept.standing is not Standing.EXPECTED:
        return None
    return kept if kept.holds(now) else replace(kept, standing=Standing.PLAIN)


def as_of(found: Iterable[tuple[str, Known]], waivers: Waivers, now: datetime) -> list[tuple[str, Known]]:
    """Findings, each with its target's name, as they stand at this moment."""
    return [(name, replace(known, quiet=standing(known, name, waivers, now))) for name, known in found]


def latest_end(now: datetime, *, is_wide: bool) -> datetime:
    """Until when a waiver may last at most: a year, 90 days where it is wider than one finding."""
    try:
        return now + LONGEST_WIDE if is_wide else now.replace(year=now.year + 1)
    except (OverflowError, ValueError):
        if now.year == MAXYEAR:
            return datetime.max.replace(tzinfo=now.tzinfo)
        return now.replace(year=now.year + 1, month=3, day=1)  # asked for on 29 February
