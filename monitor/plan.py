"""The fix plan of a target: what is open there as steps, proven on the newest reading (``rules/fixplan.py``)."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time

from baselines.approval import Baseline
from baselines.canonical import renewed
from baselines.compare import compare
from baselines.configuration import Configuration
from monitor.deps import Deps
from monitor.store.snapshots import Snapshot
from monitor.target import Target
from rules.fixplan import PlanStep, fix_plan
from rules.judge import judge, zone_of
from rules.lifecycle import Event, Resolution, settle
from rules.pack import ANY, Packs


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What to do at a target, and on what it rests."""

    target: Target
    snapshot: Snapshot | None  #: None: it was never read
    baseline: Baseline | None
    steps: tuple[PlanStep, ...]


def plan_of(name: str, deps: Deps) -> TargetPlan:
    """What is open at a target as steps in the order of configuration.

    Raises:
        UnknownTarget: it is not watched.
    """
    with deps.store.read() as unit:
        target = unit.targets.named(name)
        known = [each for _, each in unit.findings.open(target)]
        snapshot = unit.snapshots.last(target)
        baseline = unit.baselines.current(target)
        if not known or snapshot is None:
            return TargetPlan(target, snapshot, baseline, ())
        approved = unit.baselines.approved(target)
        runs = unit.sweeps.last(target, states=("complete", "partial"))
    configuration, base = (
        renewed(each, deps.form_of(target)) if each is not None else None for each in (snapshot.configuration, approved)
    )
    assert configuration is not None
    at = snapshot.taken_at
    if target.definition.clock == "source" and runs:  # the day judged was the source's, not ours
        noon = datetime.combine(date.fromisoformat(runs[0].report["day"]), time(12))
        at = noon.replace(tzinfo=zone_of(configuration, target.zone))
    failed = {each.finding.rule for each in known}
    packs = Packs(tuple(replace(p, rules=tuple(r for r in p.rules if r.id in failed)) for p in deps.packs.packs))

    def healed(mended: Configuration) -> frozenset[str]:
        comparison = compare(base, mended, deps.catalogue, tolerate_new_fields=True)
        judgement = judge(
            mended, comparison, packs, deps.catalogue, at=at, secrets=deps.secrets_of(target.tenant), zone=target.zone,
            stage=target.definition.stage,
        )  # fmt: skip
        gone = settle(known, judgement, comparison, mended).of(Event.RESOLVED)
        return frozenset(each.finding.fingerprint for each in gone if each.resolution == Resolution.HEALED)

    reads = {rule.id: rule.types for rule in packs.rules if rule.subject != ANY}
    steps = fix_plan(known, configuration, base, deps.catalogue, reads, healed)
    return TargetPlan(target, snapshot, baseline, steps)
