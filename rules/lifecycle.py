"""The life of a finding: open → acknowledged → resolved → open again. Pure; the store only writes it down."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from baselines.compare import Comparison
from baselines.configuration import Configuration
from baselines.coverage import Reason
from rules.evaluate import Verdict
from rules.findings import Finding, Kind
from rules.judge import Judgement
from rules.pack import CONFIGURATION
from rules.quiet import Quiet, Standing


class State(StrEnum):
    """Where a finding stands; reopened is an event that leads to open."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Event(StrEnum):
    """What happens to a finding."""

    OPENED = "opened"
    SEEN = "seen"
    CHANGED = "changed"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    WOKEN = "woken"  #: a person takes an acknowledgement, a snooze or an announcement back
    SNOOZED = "snoozed"
    EXPECTED = "expected"
    WAIVED = "waived"
    ASSIGNED = "assigned"
    NOTED = "noted"


class Resolution(StrEnum):
    """Why a finding is no longer open; only ``healed`` says that SMART360 is right again."""

    HEALED = "healed"
    ACCEPTED = "accepted"
    RULE_GONE = "rule gone"
    NOT_DESCRIBED = "no longer described"  #: neither catalogue nor overlay knows its resource type any more
    IGNORED = "ignored"
    TARGET_REMOVED = "target removed"


_OPEN: Final = (State.OPEN, State.ACKNOWLEDGED)
#: What people say of a finding that stays where it is.
LEAVES_STATE: Final = frozenset({Event.SNOOZED, Event.EXPECTED, Event.WAIVED, Event.ASSIGNED, Event.NOTED})
FLAPPING: Final = 3  #: openings
FLAPPING_WITHIN: Final = timedelta(days=7)
#: state before (None: not known yet) and event → state after. What is not here cannot happen.
TRANSITIONS: Final[Mapping[tuple[State | None, Event], State]] = {
    (None, Event.OPENED): State.OPEN,
    (State.OPEN, Event.SEEN): State.OPEN,
    (State.OPEN, Event.CHANGED): State.OPEN,
    (State.OPEN, Event.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.OPEN, Event.RESOLVED): State.RESOLVED,
    (State.ACKNOWLEDGED, Event.SEEN): State.ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Event.CHANGED): State.OPEN,
    (State.ACKNOWLEDGED, Event.RESOLVED): State.RESOLVED,
    (State.RESOLVED, Event.REOPENED): State.OPEN,
    **dict.fromkeys(((state, Event.WOKEN) for state in _OPEN), State.OPEN),
    **{(state, event): state for state in _OPEN for event in LEAVES_STATE},
    (State.RESOLVED, Event.NOTED): State.RESOLVED,
}


def transition(state: State | None, event: Event) -> State | None:
    """The state after an event; None where the event cannot happen in this state."""
    return TRANSITIONS.get((state, event))


@dataclass(frozen=True, slots=True)
class Known:
    """A finding as the store knows it."""

    id: int
    number: str
    finding: Finding
    state: State
    opened_at: datetime
    changed_at: datetime
    last_seen: datetime
    times_opened: int
    version: int  #: of the row; a write over another one is refused
    resolution: str = ""
    detail: str = ""
    by: str = ""
    note: str = ""
    alert_key: str = ""  #: of the message it was first told in; "": nobody was told
    quiet: Quiet | None = None  #: why nobody is alerted, as of the last sweep or act; see waivers.as_of
    hush: Quiet | None = None  #: what a person said of it: snoozed or expected; kept until a sweep after its end
    assignee: str = ""
    openings: tuple[datetime, ...] = ()  #: the last ``FLAPPING`` times a sweep opened it
    fleet: int | None = None  #: number of the fleet event it is a member of

    @property
    def standing(self) -> Standing:
        """Whether anybody is alerted of it; one that is plain may still say why nobody was."""
        return self.quiet.standing if self.quiet is not None else Standing.PLAIN

    @property
    def is_flapping(self) -> bool:
        """True if it was opened again and again of late: it stays in one message, which is edited."""
        return len(self.openings) == FLAPPING and self.last_seen - self.openings[0] <= FLAPPING_WITHIN

    def flaps(self, now: datetime) -> bool:
        """True if one more opening makes it a flapping one."""
        return len(self.openings) >= FLAPPING - 1 and now - self.openings[1 - FLAPPING] <= FLAPPING_WITHIN

    @property
    def was_hushed(self) -> bool:
        """True if a person kept it quiet at the last sweep or since: once it is not, it is told again."""
        return self.hush is not None or self.standing is Standing.WAIVED


def state_words(known: Known, when: Callable[[datetime], str], now: datetime) -> str:
    """Where a finding stands, as every page and command says it.

    ``open``, ``acknowledged by carla``, ``snoozed until Fri 27 Nov 08:00 by carla``, ``resolved, healed 05:10``.

    Args:
        known: as of now (``waivers.as_of``).
        when: how a moment is written there.
        now: aware.
    """
    if known.state is State.RESOLVED:
        return f"resolved, {known.resolution} {when(known.changed_at)}"
    words = [f"acknowledged by {known.by}" if known.state is State.ACKNOWLEDGED else known.state.value]
    if known.state is State.OPEN and known.standing in (Standing.SNOOZED, Standing.WAIVED):
        words = []
    words += [known.quiet.words(when, now)] if known.quiet is not None else []
    words += [f"assigned to {known.assignee}"] if known.assignee else []
    words += [f"part of fleet-{known.fleet}"] if known.fleet is not None else []
    words += [f"flapping, opened {known.times_opened} times"] if known.is_flapping else []
    return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Step:
    """One finding and what happens to it now."""

    event: Event
    finding: Finding
    known: Known | None = None
    resolution: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a judgement means for the findings of a target."""

    steps: tuple[Step, ...]
    untouched: tuple[Known, ...]  #: open, and could not be decided: they stay as they were

    def of(self, *events: Event) -> tuple[Step, ...]:
        """Steps with one of these events."""
        return tuple(step for step in self.steps if step.event in events)

    @property
    def news(self) -> tuple[Step, ...]:
        """All but what was merely seen again."""
        return tuple(step for step in self.steps if step.event is not Event.SEEN)


def settle(
    known: Iterable[Known], judgement: Judgement, comparison: Comparison, configuration: Configuration
) -> Settlement:
    """Hold what is wrong now against what was known.

    A finding resolves only where coverage allowed deciding; what could not be decided stays as it was.

    Args:
        known: findings of this target, resolved ones included.
        judgement: of the newest snapshot.
        comparison: that it rests on.
        configuration: that snapshot's, with its gaps.
    """
    by_fingerprint = {each.finding.fingerprint: each for each in known}
    steps: list[Step] = []
    untouched: list[Known] = []
    ignored = {finding.fingerprint: by for finding, by in judgement.ignored}
    now_wrong = {finding.fingerprint: finding for finding in judgement.findings}
    for print_, finding in now_wrong.items():
        earlier = by_fingerprint.get(print_)
        if earlier is None:
            steps.append(Step(Event.OPENED, finding))
        elif earlier.state is State.RESOLVED:
            steps.append(Step(Event.REOPENED, finding, earlier))
        elif earlier.finding.evidence_digest != finding.evidence_digest:
            steps.append(Step(Event.CHANGED, finding, earlier))
        else:
            steps.append(Step(Event.SEEN, finding, earlier))
    for print_, earlier in by_fingerprint.items():
        if print_ in now_wrong or earlier.state is State.RESOLVED:
            continue
        if by := ignored.get(print_):
            detail = f"ignored by {by.place} ({by.owner}): {by.reason}"
            steps.append(Step(Event.RESOLVED, earlier.finding, earlier, Resolution.IGNORED.value, detail))
            continue
        resolution = _resolution(earlier.finding, judgement, comparison, configuration)
        if resolution is None:
            untouched.append(earlier)
        else:
            gone = f"no overlay describes {earlier.finding.resource_type} any more, so nobody looks at it"
            detail = gone if resolution is Resolution.NOT_DESCRIBED else ""
            steps.append(Step(Event.RESOLVED, earlier.finding, earlier, resolution.value, detail))
    return Settlement(tuple(steps), tuple(untouched))


def _resolution(
    finding: Finding, judgement: Judgement, comparison: Comparison, configuration: Configuration
) -> Resolution | None:
    """Why a finding that is not there any more is resolved; None: nobody could look."""
    name = finding.resource_type
    if name not in configuration.lists and comparison.not_compared.get(name) is Reason.UNKNOWN_TYPE:
        return Resolution.NOT_DESCRIBED
    match finding.kind:
        case Kind.RULE:
            kept = judgement.results.get(finding.rule)
            if kept is None:
                return Resolution.RULE_GONE
            result = kept.result
            if result.verdict is Verdict.UNDECIDED and not result.undecided_objects:
                return None
            if (finding.resource_type, finding.key) in result.undecided_objects:
                return None
            if finding.resource_type != CONFIGURATION and configuration.why_unknown(finding.resource_type) is not None:
                return None
        case Kind.DRIFT:
            if comparison.compared_nothing or finding.resource_type in comparison.not_compared:
                return None
            gaps = (*configuration.gaps, *comparison.unchecked)
            if any(_covers(gap.resource_type, gap.key, gap.path, finding) for gap in gaps):
                return None
        case Kind.COVERAGE:
            # A field or object is known to be readable again only when its list was read.
            if (finding.path or finding.key) and configuration.why_unknown(finding.resource_type) is not None:
                return None
    return Resolution.HEALED


def _covers(resource_type: str, key: str, path: str, finding: Finding) -> bool:
    """True if a gap in a field or object hides what the finding is about."""
    if resource_type != finding.resource_type or not (key or path):
        return False
    return (not key or key == finding.key) and (not path or finding.path.split("[")[0].split(".")[0] == path)
