"""One cause, one story: what appears on many targets within a short time is probably one thing that happened. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from baselines.catalogue import Catalogue
from baselines.coverage import LIST_GAPS, Reason
from baselines.fields import Op
from rules.findings import Finding, Kind

#: What comes later than this after the last of a story is no part of it.
APART: Final = timedelta(hours=2)
LONGEST: Final = timedelta(hours=24)  #: from the first of a story to its last
LEAST: Final = 3  #: targets; and of more than one tenant: who has three environments may roll out a change by himself
SHARE: Final = 0.5  #: of the targets swept meanwhile

#: What we ourselves say of an overlay has its cause here, not at SMART360.
_OURS: Final = frozenset((Reason.MATCHES_NOTHING, Reason.NO_BASELINE))
_ITEM: Final = re.compile(r"\[(?:\\.|[^\]\\])*\]")


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """What findings of several targets have in common."""

    kind: Kind
    rule: str  #: rule id; the reason of coverage; "" of drift
    op: str  #: of drift
    resource_type: str  #: "" where lists were not read: that is rarely one list's fault
    path: str  #: without the names of items: ``rates[].rate``


def cause_of(finding: Finding) -> Cause | None:
    """By what a finding is recognised on other targets; None where its cause is none that targets share."""
    if finding.kind is Kind.COVERAGE and finding.rule in _OURS:
        return None
    if finding.kind is Kind.COVERAGE and finding.rule in LIST_GAPS and not finding.path:
        return Cause(finding.kind, finding.rule, "", "", "")
    path = _ITEM.sub("[]", finding.path)
    return Cause(finding.kind, finding.rule, finding.op.value if finding.op else "", finding.resource_type, path)


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """A finding as it appeared (was opened, or came back) at a target."""

    at: datetime  #: of the sweep: findings of one sweep appear at the same moment
    target: str  #: ``tenant/environment``
    finding: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Sightings of one cause that hang together, oldest first."""

    cause: Cause
    sightings: tuple[Sighting, ...]

    @property
    def targets(self) -> frozenset[str]:
        """Where it was seen."""
        return frozenset(each.target for each in self.sightings)

    @property
    def sweeps(self) -> frozenset[tuple[str, datetime]]:
        """The sweeps that saw it."""
        return frozenset((each.target, each.at) for each in self.sightings)


def runs(cause: Cause, sightings: Iterable[Sighting]) -> Iterator[Cluster]:
    """Sightings of one cause, apart wherever ``APART`` passed without one, or ``LONGEST`` since the first."""
    run: list[Sighting] = []
    for each in sorted(set(sightings)):
        if run and (each.at - run[-1].at > APART or each.at - run[0].at > LONGEST):
            yield Cluster(cause, tuple(run))
            run = []
        run.append(each)
    if run:
        yield Cluster(cause, tuple(run))


def clusters(
    seen: Mapping[Cause, Iterable[Sighting]], swept: Callable[[datetime, datetime], int]
) -> tuple[Cluster, ...]:
    """What is one story because it came on many targets; in whatever order it is given, the same.

    Args:
        seen: sightings by cause.
        swept: how many targets were swept between two moments, both included.
    """
    return tuple(
        run
        for cause in sorted(seen)
        for run in runs(cause, seen[cause])
        if len(run.targets) >= LEAST
        and len({name.split("/")[0] for name in run.targets}) > 1
        and len(run.targets) >= SHARE * swept(run.sightings[0].at, run.sightings[-1].at)
    )


def stories(several: Iterable[Cluster]) -> tuple[tuple[Cluster, ...], ...]:
    """Clusters by story, the leading one first: what came only in sweeps that saw another cluster follows from it.

    A field that is lost makes drift, and the rules that read it fail in the same sweeps: that is one story.
    """
    told: list[list[Cluster]] = []
    for each in sorted(several, key=lambda one: (-len(one.sweeps), one.cause, one.sightings)):
        lead = next((story for story in told if each.sweeps <= story[0].sweeps), None)
        if lead is None:
            told.append([each])
        else:
            lead.append(each)
    return tuple(tuple(story) for story in told)


def sentence(cause: Cause, targets: int, first: str, last: str, catalogue: Catalogue, title: str = "") -> str:
    """What happened, in numbers: the fact first, then what is only probable.

    Args:
        targets: on how many it was seen.
        first, last: the moments in UTC, since targets are in many zones.
        title: of the rule, where it is one: what must hold.
    """
    number = f"{targets:,} target{'' if targets == 1 else 's'}"
    when = f"between {first} and {last} UTC" if first != last else f"at {first} UTC"
    return f"{number} {_what(cause, catalogue, title)}, seen {when}. {probably(cause)}"


def _what(cause: Cause, catalogue: Catalogue, title: str) -> str:
    kind = catalogue.types.get(cause.resource_type)
    place = ".".join(filter(None, (cause.resource_type, cause.path)))
    thing = f"an object of {(kind.title.split(' (')[0] if kind else cause.resource_type)}"
    match cause.kind:
        case Kind.DRIFT if cause.path:
            verb = {Op.ADDED: "gained", Op.REMOVED: "lost", Op.MOVED: "have another order of"}.get(
                Op(cause.op), "have another"
            )
            return f"{verb} {place}"
        case Kind.DRIFT:
            return f"{'gained' if cause.op == Op.ADDED else 'lost'} {thing}"
        case Kind.COVERAGE:
            words = cause.rule.replace("_", " ")
            return f"are not checked at {place}: {words}" if place else f"could not be read: {words}"
    return f"fail “{title or cause.rule}”"


def probably(cause: Cause) -> str:
    """What may be behind it; no more than that is known."""
    if cause.kind is Kind.COVERAGE and not cause.resource_type:
        return "Probably SMART360 or the way to it, not the targets."
    return "Probably one cause for all." if cause.kind is Kind.RULE else "Probably a release of SMART360."
