"""The fix plan of a target: what is open there as steps, proven on the newest reading (``rules/fixplan.py``)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any, Final
from weakref import WeakKeyDictionary

from baselines.approval import Baseline
from baselines.canonical import renewed
from baselines.compare import compare
from baselines.configuration import Configuration
from monitor.deps import Deps
from monitor.store.seen import Tenants
from monitor.store.snapshots import Snapshot
from monitor.store.sweeps import Run
from monitor.store.unit import Store
from monitor.target import Target
from rules.fixplan import PlanStep, fix_plan
from rules.judge import judge, zone_of
from rules.lifecycle import Event, Known, Resolution, settle
from rules.pack import ANY, Packs

#: The newest plan of each target with what it rests on: proving it takes as long as judging some rules a dozen times.
_KEPT: Final[WeakKeyDictionary[Store, dict[str, tuple[Any, tuple[PlanStep, ...]]]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What to do at a target, and on what it rests."""

    target: Target
    snapshot: Snapshot | None  #: None: it was never read
    baseline: Baseline | None
    steps: tuple[PlanStep, ...]


def plan_of(name: str, deps: Deps, seen: Tenants = None) -> TargetPlan:
    """What is open at a target as steps in the order of configuration.

    Raises:
        UnknownTarget: it is not watched.
    """
    with deps.store.read(seen) as unit:
        target = unit.targets.named(name)
        known = [each for _, each in unit.findings.open(target)]
        snapshot = unit.snapshots.last(target)
        baseline = unit.baselines.current(target)
        if not known or snapshot is None:
            return TargetPlan(target, snapshot, baseline, ())
        approved = unit.baselines.approved(target)
        runs = unit.sweeps.last(target, states=("complete", "partial"))
    rests_on = (
        snapshot.id,
        baseline,
        deps.packs_of(target).digest,
        target.definition.overlays,
        [(each.id, each.version) for each in known],
    )
    kept = _KEPT.setdefault(deps.store, {})
    if name not in kept or kept[name][0] != rests_on:
        kept[name] = rests_on, _steps(target, known, snapshot, approved, runs, deps)
    return TargetPlan(target, snapshot, baseline, kept[name][1])


def _steps(
    target: Target, known: Sequence[Known], snapshot: Snapshot, approved: Configuration | None, runs: Sequence[Run],
    deps: Deps,
) -> tuple[PlanStep, ...]:  # fmt: skip
    configuration, base = (
        renewed(each, deps.form_of(target)) if each is not None else None for each in (snapshot.configuration, approved)
    )
    assert configuration is not None
    at = snapshot.taken_at
    if target.definition.clock == "source" and runs:  # the day judged was the source's, not ours
        noon = datetime.combine(date.fromisoformat(runs[0].report["day"]), time(12))
        at = noon.replace(tzinfo=zone_of(configuration, target.zone))

    overlay = deps.overlay_of(target)

    def healed(mended: Configuration, rules: Collection[str]) -> frozenset[str]:
        packs = Packs(tuple(replace(p, rules=tuple(r for r in p.rules if r.id in rules)) for p in overlay.packs.packs))
        comparison = compare(base, mended, overlay.catalogue, tolerate_new_fields=True)
        judgement = judge(
            mended, comparison, packs, overlay.catalogue, at=at, secrets=deps.secrets_of(target.tenant),
            zone=target.zone, stage=target.definition.stage, overlay=overlay,
        )  # fmt: skip
        gone = settle(known, judgement, comparison, mended).of(Event.RESOLVED)
        return frozenset(each.finding.fingerprint for each in gone if each.resolution == Resolution.HEALED)

    reads = {rule.id: rule.types for rule in overlay.packs.rules if rule.subject != ANY}
    return fix_plan(known, configuration, base, overlay.catalogue, reads, healed)
