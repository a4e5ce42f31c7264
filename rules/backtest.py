"""What rules would have found over a history: the same judgement and the same life as a sweep's. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.fingerprints import SecretKey
from rules.evaluate import Verdict
from rules.findings import Finding, Kind
from rules.judge import Judgement, judge, zone_of
from rules.lifecycle import Event, Known, State, Step, settle, transition
from rules.overlay import Overlay


@dataclass(frozen=True, slots=True)
class Moment:
    """A configuration as it was read once. One that is unchanged is the same object, and costs nothing."""

    at: datetime  #: of the reading
    today: date  #: the day by which it was judged, in the utility's zone
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class Firing:
    """A finding that would have been opened; one that came back is a firing of its own."""

    finding: Finding  #: as it was seen last
    first_seen: datetime
    last_seen: datetime  #: before ``ended`` where it could not be decided in between
    ended: datetime | None  #: None: still open at the end of the history
    again_after: timedelta | None = None  #: how long it was over before; None: it is the first time


@dataclass(frozen=True, slots=True)
class Replay:
    """What a history would have told."""

    firings: tuple[Firing, ...]  #: in the order in which they would have opened
    moments: int
    judged: int  #: rules evaluated, once for each moment that could change their answer
    undecided: Mapping[str, int]  #: rule → moments at which it could not be decided
    first: datetime | None  #: None: the history is empty
    last: datetime | None

    def open_for(self, firing: Firing) -> timedelta:
        """How long it would have been open, up to the last moment of the history."""
        return (firing.ended or self.last or firing.last_seen) - firing.first_seen


def replay(
    history: Iterable[Moment], overlay: Overlay, *, secrets: SecretKey, zone: tzinfo = UTC, stage: str = "live"
) -> Replay:  # fmt: skip
    """Judge rules at every moment of one target's history, oldest first, and settle what they find.

    It judges when a sweep did and not in between, since that is when the service would have said it
    (decision 0021). What could not be decided closes nothing. One configuration is held at a time.

    Args:
        history: of one target, all configurations under one version of form and catalogue.
        overlay: with the rules to try and no others, and the catalogue of the history.
        secrets: as for ``judge``.
        zone: of the target, where the utility names none.
        stage: of the target, throughout.
    """
    known: dict[str, Known] = {}
    seen: dict[str, datetime] = {}
    again: dict[str, timedelta] = {}
    over: list[Firing] = []
    undecided: Counter[str] = Counter()
    moments = judged = 0
    judgement: Judgement | None = None
    first: datetime | None = None
    last: Moment | None = None
    wrong: list[str] = []
    open_questions: list[str] = []

    def firing(print_: str, each: Known, ended: datetime | None) -> Firing:
        return Firing(each.finding, each.opened_at, seen[print_], ended, again.get(print_))

    for moment in history:
        is_as_last = last is not None and last.configuration is moment.configuration and last.today == moment.today
        if judgement is None or not is_as_last:
            noon = datetime.combine(moment.today, time(12), zone_of(moment.configuration, zone))
            comparison = compare(None, moment.configuration, overlay.catalogue)
            judgement = judge(
                moment.configuration, comparison, overlay.packs, overlay.catalogue, at=noon, secrets=secrets, zone=zone,
                stage=stage, kept=judgement.kept if judgement is not None else None, overlay=overlay,
            )  # fmt: skip
            judged += judgement.judged_anew
            found = tuple(each for each in judgement.findings if each.kind is Kind.RULE)
            settlement = settle(known.values(), replace(judgement, findings=found), comparison, moment.configuration)
            for step in settlement.news:
                print_ = step.finding.fingerprint
                if step.event is Event.RESOLVED and step.known is not None:
                    over.append(firing(print_, step.known, moment.at))
                if step.event is Event.REOPENED and step.known is not None:
                    again[print_] = moment.at - step.known.changed_at
                known[print_] = _after(step, moment.at)
            wrong = [each.fingerprint for each in found]
            open_questions = [name for name, kept in judgement.results.items()
                              if kept.result.verdict is Verdict.UNDECIDED]  # fmt: skip
        seen.update(dict.fromkeys(wrong, moment.at))
        undecided.update(open_questions)
        moments, first, last = moments + 1, first or moment.at, moment
    standing = [firing(print_, each, None) for print_, each in known.items() if each.state is not State.RESOLVED]
    ordered = sorted([*over, *standing], key=lambda each: (each.first_seen, each.finding.severity.rank))
    return Replay(tuple(ordered), moments, judged, undecided, first, last.at if last is not None else None)


def _after(step: Step, at: datetime) -> Known:
    """The finding after a step, begun anew where it opens."""
    state = transition(step.known.state if step.known is not None else None, step.event)
    assert state is not None, f"{step.event} cannot happen"
    if step.known is None or step.event is Event.REOPENED:
        times = step.known.times_opened + 1 if step.known is not None else 1
        return Known(0, "", step.finding, state, at, at, at, times, 1)
    return replace(step.known, finding=step.finding, state=state, changed_at=at)
