"""When a finding is expected, snoozed or waived: shown, and nobody is alerted until the time for it is over."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from baselines.approval import Decision, Review, change_key
from baselines.compare import Change
from rules.findings import Finding, Kind, fingerprint
from rules.selector import Selector

LONGEST: Final = timedelta(days=31)  #: of a window, a snooze; a longer one is refused where it is read


class Standing(StrEnum):
    """Whether anybody is alerted of a finding that is wrong, and if not, why."""

    PLAIN = "plain"
    EXPECTED = "expected"  #: announced: by a window, a proposal, or a person on one finding
    SNOOZED = "snoozed"  #: a person wants quiet until a time
    WAIVED = "waived"  #: two people agreed that it may be so until a time


_SHORT: Final = 60  #: characters of a waiver's reason in a line


@dataclass(frozen=True, slots=True)
class ChangeWindow:
    """A time in which somebody announced changes."""

    starts: datetime  #: aware; included
    ends: datetime  #: aware; not included
    ticket: str
    reason: str
    owner: str
    match: Selector


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why nobody is alerted of a finding now, and until when."""

    reason: str
    ticket: str  #: of the window, or ``proposal 4``
    until: datetime | None  #: aware; not included; None: until the proposal is decided
    by: str  #: who announced, snoozed, or asked for the waiver
    standing: Standing = Standing.EXPECTED
    waiver: int = 0  #: its number

    def holds(self, now: datetime) -> bool:
        """True until just before its end."""
        return self.until is None or now < self.until

    def words(self, when: Callable[[datetime], str], now: datetime) -> str:
        """``announced (CHG-123, until 18:00)``, ``snoozed until Fri 08:00 by carla``, ``waived until … (why) by …``.

        The finding is alerted by the first sweep after that.
        """
        until = f"until {when(self.until)}" if self.until is not None else "until it is decided"
        if self.standing is Standing.SNOOZED:
            return f"snoozed {until} by {self.by}"
        if self.standing is Standing.WAIVED:
            short = self.reason if len(self.reason) <= _SHORT else f"{self.reason[: _SHORT - 1]}…"
            return f"waived {until} ({short}) by {self.by}"
        if not self.holds(now):
            return f"was announced ({self.ticket}, {until}); alerted at the next sweep if it is still wrong"
        return f"announced ({self.ticket}, {until})"


def quiet_now(
    finding: Finding, windows: Iterable[ChangeWindow], proposed: Mapping[str, Quiet], now: datetime
) -> Quiet | None:
    """Whether a finding is expected now: its change is proposed, or a window in force names it.

    What was not read is never expected by the way: only a window that says ``kind: coverage`` hushes it.

    Args:
        windows: of the finding's target; of several the one that ends last counts.
        proposed: of drift, by fingerprint (``proposed_by``).
        now: aware.
    """
    if finding.kind is Kind.DRIFT and (quiet := proposed.get(finding.fingerprint)):
        return quiet
    in_force = [
        each
        for each in windows
        if each.starts <= now < each.ends
        and (finding.kind is not Kind.COVERAGE or each.match.kind == Kind.COVERAGE)
        and each.match.matches(finding)
    ]
    last = max(in_force, key=lambda each: each.ends, default=None)
    return Quiet(last.reason, last.ticket, last.ends, last.owner) if last is not None else None


def proposed_by(reviews: Iterable[Review], changes: Iterable[Change]) -> Mapping[str, Quiet]:
    """Changes that stand in an open proposal as they are now, by fingerprint of their drift finding.

    A change that a reviewer rejected, or that has another value than was proposed, is expected by nobody.
    """
    quiet = {}
    for review in reviews:
        rejected = {change_key(each) for each in review.decided(Decision.REJECT)}
        offered = {change_key(each): (each.op, each.new) for each in review.comparison.changes}
        told = Quiet(review.proposal.title, f"proposal {review.proposal.id}", None, review.proposal.proposer)
        for each in changes:
            key = change_key(each)
            if key not in rejected and key in offered and offered[key] == (each.op, each.new):
                quiet[fingerprint(Kind.DRIFT, "", *key)] = told
    return quiet
