"""Time travel: what was read, approved and wrong at a moment, and what differs between any two. Nothing is written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from baselines.approval import Baseline
from baselines.canonical import renewed
from baselines.compare import Comparison, compare
from baselines.configuration import Configuration
from baselines.coverage import Gap
from baselines.errors import Smart360Error, shown
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.store.findings import Happened
from monitor.store.snapshots import Snapshot
from monitor.store.unit import Unit
from monitor.target import Target
from rules.lifecycle import LEAVES_STATE, Event, Known, State, transition
from rules.waivers import as_of as stood_as_of

NOW: Final = "now"


class BadMoment(Smart360Error):
    """A word that names no moment, snapshot or baseline."""

    code = "bad_moment"


@dataclass(frozen=True, slots=True)
class AsOf:
    """A target as it was at a moment."""

    target: Target
    at: datetime
    snapshot: Snapshot | None  #: the newest reading by then; None before the first
    baseline: Baseline | None  #: that held then
    #: Open then, worst first; state, who, snooze and waiver as of then, sentence and values as last seen.
    findings: tuple[Known, ...]

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What that reading had not read, and why."""
        return self.snapshot.configuration.gaps if self.snapshot is not None else ()


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison of moments."""

    name: str  #: ``snapshot 12``, ``baseline 7``
    at: datetime  #: when it was taken or approved
    configuration: Configuration
    is_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """Two moments of one target, and what differs."""

    old: Side
    new: Side
    comparison: Comparison


def moment_of(word: str, target: Target, deps: Deps) -> datetime:
    """The moment a word names: ISO 8601, without an offset in the target's zone, or ``now``.

    Raises:
        BadMoment: it names none.
    """
    if word == NOW:
        return deps.clock.now()
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        what = f"{shown(word)} names no moment."
        mend = "Write 2026-10-02T09:00, now, 12 (a snapshot) or baseline:7."
        raise BadMoment(what, where=target.name, mend=mend) from None
    return at if at.tzinfo else at.replace(tzinfo=target.zone)


def end_of(word: str, target: Target, deps: Deps) -> datetime:
    """The moment to come that ``7d``, ``12h``, ``2026-12-15`` or ``2026-12-15T08:00`` names, in the target's zone.

    Raises:
        BadMoment: it names none.
    """
    try:
        if word[-1:] in ("d", "h") and word[:-1].isdecimal():
            return deps.clock.now() + int(word[:-1]) * timedelta(**{"days" if word[-1] == "d" else "hours": 1})
        at = datetime.fromisoformat(word)
        return (at if at.tzinfo else at.replace(tzinfo=target.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        what, mend = f"{shown(word)} is no time.", "Write 7d, 12h, 2026-12-15 or 2026-12-15T08:00."
        raise BadMoment(what, where="--until", mend=mend) from None


def as_of(target: Target, at: datetime, unit: Unit) -> AsOf:
    """Configuration, coverage, baseline and findings of a target as of any moment.

    Args:
        at: aware.
    """
    happened: dict[int, list[Happened]] = {}
    for identity, each in unit.findings.happened_by(target, at):
        happened.setdefault(identity, []).append(each)
    then = (_then(known, happened[known.id], at) for known in unit.findings.known(target) if known.id in happened)
    stood = stood_as_of(((target.name, each) for each in then), unit.waivers.in_force_at(at), at)
    found = sorted(
        (each for _, each in stood if each.state is not State.RESOLVED),
        key=lambda each: (each.finding.severity.rank, each.opened_at, each.id),
    )
    return AsOf(target, at, unit.snapshots.at(target, at), unit.baselines.at(target, at), tuple(found))


def _then(known: Known, events: Iterable[Happened], at: datetime) -> Known:
    """A finding as its events left it by then."""
    state: State | None = None
    made = replace(
        known, by="", note="", resolution="", detail="", last_seen=min(known.last_seen, at), quiet=None, hush=None
    )
    for each in events:
        after = transition(state, Event(each.event)) if each.event in tuple(Event) else None
        if each.hush is not None or each.event == Event.WOKEN or (each.event == Event.REOPENED and each.by):
            made = replace(made, hush=each.hush)  # asked for, or taken back, by a person
        if after is None or each.event in LEAVES_STATE:  # a mark, a note: it moves nothing
            continue
        is_again = each.event == Event.REOPENED
        state = after
        made = replace(
            made, state=after, changed_at=each.at, times_opened=made.times_opened + 1 if is_again else 1
            if each.event == Event.OPENED else made.times_opened,
            by=each.by if after is State.ACKNOWLEDGED else "", note=each.note if after is State.ACKNOWLEDGED else "",
            resolution=each.note if after is State.RESOLVED else "",
        )  # fmt: skip
    return made


def side_of(target: Target, word: str, deps: Deps, unit: Unit) -> Side:
    """What a word names: a snapshot (``12``), a baseline (``baseline:7``), the newest reading
    (``now``), or that of a moment.

    Raises:
        BadMoment: it names nothing.
        NotFound: there was none.
    """
    if word.startswith("baseline:"):
        version = word.removeprefix("baseline:")
        found = [each for each in unit.baselines.history(target) if str(each.version) == version]
        if not found:
            raise NotFound("no such baseline.", where=f"{target.name} {shown(word)}", mend="See: baseline list.")
        stored = unit.baselines.configuration(target, found[0].version)
        return Side(f"baseline {version}", found[0].approved_at, stored, is_baseline=True)
    if word == NOW:
        snapshot = unit.snapshots.last(target)
    elif word.isascii() and word.isdigit() and len(word) < 16:
        snapshot = unit.snapshots.by_id(target, int(word))
    else:
        snapshot = unit.snapshots.at(target, moment_of(word, target, deps))
    if snapshot is None:
        mend = f"smart360-monitor snapshot list {target.name}"
        raise NotFound("no such snapshot.", where=f"{target.name} {shown(word)}", mend=mend)
    return Side(f"snapshot {snapshot.id}", snapshot.taken_at, snapshot.configuration)


def compare_moments(target: Target, old: str, new: str, deps: Deps, unit: Unit) -> Compared:
    """What differs between any two moments, snapshots or baselines of a target; words as ``side_of`` takes them.

    Raises:
        BadMoment: a word names nothing.
        NotFound: there was none.
    """
    form = deps.form_of(target)
    sides: Sequence[Side] = [side_of(target, word, deps, unit) for word in (old, new)]
    before, after = (replace(each, configuration=renewed(each.configuration, form)) for each in sides)
    comparison = compare(
        before.configuration, after.configuration, deps.catalogue_of(target),
        tolerate_new_fields=before.is_baseline and not after.is_baseline,
    )  # fmt: skip
    return Compared(before, after, comparison)
