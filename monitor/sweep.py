"""A sweep: read a target, compare and judge it, and queue what people must hear. One screen."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import structlog

from alerts.alert import AlertReason
from alerts.plan import Scene, ending_story, key_of, plan_alerts, reopened_goes_back
from baselines.canonical import renewed
from baselines.compare import Comparison, compare
from baselines.configuration import Configuration
from baselines.errors import Smart360Error
from monitor.approval import review_of
from monitor.collect import Last, Reading, collect
from monitor.deps import Deps
from monitor.errors import Fenced, Moved, StoreError
from monitor.fleet import gather, tell_fleet
from monitor.killpoints import reached
from monitor.store.snapshots import Memory
from monitor.store.sweeps import DEATHS, Claim
from monitor.store.unit import Unit, tried_again
from monitor.target import Target
from rules.judge import Judgement, judge
from rules.lifecycle import Event, Known, Settlement, State, settle
from rules.quiet import Quiet, proposed_by, quiet_now
from rules.waivers import Waivers, hushed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did and saw."""

    target: str
    state: str  #: complete, partial, failed, skipped, poisoned
    lists_read: int = 0
    lists_total: int = 0
    objects: int = 0
    drift: int = 0
    findings: int = 0
    opened: int = 0
    resolved: int = 0
    alerts: int = 0
    judged: int = 0  #: rules evaluated anew
    kept: int = 0  #: lists recognised as unchanged without decoding
    announced: int = 0  #: findings that are expected, so that nobody is alerted of them
    unconfirmed: int = 0  #: changes that one reading showed and the next did not
    readiness: float | None = None
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""
    cure: str = ""

    @property
    def exit_code(self) -> int:
        """1: something is wrong; 3: a list is unread; 0: neither."""
        if self.drift or self.findings:
            return 1
        return 0 if self.state == "complete" else 3


@dataclass(slots=True)
class Stages:
    """How long each step took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one step."""
        start = monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + monotonic() - start, 4)


def sweep(target: Target, slot: datetime, deps: Deps, claim: Claim | None = None) -> SweepReport:
    """Read a target, compare and judge it, and queue what people must hear.

    Safe to run twice at once (one claims, the other is skipped) and to be killed anywhere: a slot is
    a unique row, the snapshot is kept before it is judged, and everything that follows from it is one
    transaction under the sweep's fencing number.

    Args:
        target: as registered.
        slot: the planned moment.
        deps: store, source, packs and clock.
        claim: the right to this slot, where the scheduler took it in the transaction of its turn.
    """
    if claim is None:
        with deps.store.write() as unit:
            claimed = claim_slot(unit, target, slot, deps)
        if isinstance(claimed, SweepReport):
            return claimed
        claim = claimed
    reached("claimed")
    start, stages = monotonic(), Stages()
    with _living(claim, deps):
        try:
            with stages.stage("collect"):
                reading, memory = _read(claim, deps)
            reached("collected")
            with stages.stage("store"):
                _keep(claim, reading, memory, deps)
            reached("kept")
            report = _judged(claim, reading, memory, stages, deps)
        except Fenced:
            log.warning("fenced", target=target.name, sweep=claim.fence)
            return SweepReport(target.name, "failed", fault="fenced", cure="Another worker has taken it over.")
        except Smart360Error as error:
            return _failed(claim, error, deps)
    log.info("sweep_finished", target=target.name, outcome=report.state, lists_read=report.lists_read,
             drift=report.drift, findings=report.findings, unconfirmed=report.unconfirmed,
             seconds=round(monotonic() - start, 2))  # fmt: skip
    return report


def claim_slot(unit: Unit, target: Target, slot: datetime, deps: Deps) -> Claim | SweepReport:
    """Take the right to sweep a target for a slot, or say why there is none to take."""
    now = deps.clock.now()
    if unit.sweeps.deaths(target) >= DEATHS:
        unit.sweeps.poison(target, slot, deps.worker, now)
        unit.targets.pause(target, "smart360-monitor", f"{DEATHS} sweeps in a row died with their worker", now)
        return SweepReport(target.name, "poisoned", fault="poisoned", cure="See the log, then tenant resume.")
    claim = unit.sweeps.claim(target, slot, deps.worker, now, deps.settings.lease)
    if claim is None:
        return SweepReport(target.name, "skipped")
    return claim


@contextmanager
def _living(claim: Claim, deps: Deps) -> Iterator[None]:
    """Renew the lease while the sweep runs, so that nobody takes a living one for dead."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(deps.settings.lease_seconds / 3):
            try:
                with deps.store.write() as unit:
                    if not unit.sweeps.renew(claim, deps.clock.now(), deps.settings.lease):
                        log.warning("lease_lost", target=claim.target.name, sweep=claim.fence)
                        return
            except StoreError as error:
                log.warning("lease_not_renewed", target=claim.target.name, kind=error.kind)

    thread = threading.Thread(target=renew, name=f"lease-{claim.fence}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(5)


def _progress(claim: Claim, deps: Deps) -> Callable[[int, int], None]:
    """Keeps how many lists were read, once a second at most (U17); a sweep never fails because of it."""
    last = monotonic()

    def told(read: int, total: int) -> None:
        nonlocal last
        if monotonic() - last < 1:
            return
        last = monotonic()
        with suppress(StoreError), deps.store.write() as unit:
            unit.sweeps.tell(claim, f"{read} of {total} lists")

    return told


def _read(claim: Claim, deps: Deps) -> tuple[Reading, Memory]:
    target = claim.target
    with deps.store.read() as unit:
        memory = unit.snapshots.memory(target)
        known = unit.snapshots.known_lists(memory)
        last_snapshot = unit.snapshots.last(target)
    last = Last(
        known, memory.seals, memory.privileges, memory.suspects,
        last_snapshot.configuration.gaps if last_snapshot is not None else (), memory.gone,
    )  # fmt: skip
    reading = collect(
        deps.source(target), deps.catalogue_of(target), target.scope(deps.catalogue_of(target)), last,
        target=(target.tenant, target.environment), secrets=deps.secrets_of(target.tenant), zone=target.zone,
        now=deps.clock.now, log=log, told=_progress(claim, deps),
    )  # fmt: skip
    return reading, memory


def _keep(claim: Claim, reading: Reading, memory: Memory, deps: Deps) -> None:
    with deps.store.write() as unit:
        unit.sweeps.check(claim)
        unit.snapshots.keep(
            claim.target, claim.fence, reading.configuration, reading.taken_at, reading.coverage.lists_read,
            len(reading.coverage.scope),
        )  # fmt: skip
        unit.snapshots.remember(
            claim.target,
            Memory(reading.seals, reading.suspects, reading.privileges, memory.results,
                   unit.snapshots.keep_lists(reading.known), reading.gone),
        )  # fmt: skip
        _count(unit, claim.target, reading)


def _count(unit: Unit, target: Target, reading: Reading) -> None:
    place = (target.tenant, target.environment)
    unit.counters.add("source_requests", {(*place, status): n for status, n in reading.requests.items()})
    unit.counters.add("source_faults", {(*place, fault): n for fault, n in reading.faults.items()})
    if reading.unconfirmed:
        unit.counters.add("changes_unconfirmed", {place: sum(reading.unconfirmed.values())})
    unit.counters.observe("source_request_duration", (), reading.seconds)


@dataclass(frozen=True, slots=True)
class _Against:
    """What a reading is beside what was approved then."""

    version: int  #: of the baseline; 0: there was none
    comparison: Comparison
    judgement: Judgement


def _judged(claim: Claim, reading: Reading, memory: Memory, stages: Stages, deps: Deps) -> SweepReport:
    """Compare, judge, settle and write down; anew where a person acted or approved meanwhile."""
    target, against = claim.target, _against(claim.target, reading, memory, stages, deps)

    @tried_again
    def settled() -> SweepReport:
        nonlocal against
        with deps.store.read() as unit:
            is_approved_anew = unit.baselines.version(target) != against.version
        if is_approved_anew:
            against = _against(target, reading, memory, stages, deps)
        now = deps.clock.now()
        with deps.store.read() as unit:
            known = unit.findings.known(target)
            proposed = _proposed(unit, target, against.comparison, deps)
        with stages.stage("settle"):
            settlement = settle(known, against.judgement, against.comparison, reading.configuration)
        with deps.store.write() as unit:  # all or nothing: no finding without its alert (P4)
            unit.targets.hold(target)
            if unit.baselines.version(target) != against.version:
                raise Moved(f"{target.name} baseline")
            quiet = _quiet(target, against.judgement, settlement, proposed, unit.waivers.in_force(now), now, deps)
            report = _written(unit, claim, reading, against.judgement, settlement, quiet, stages, now, deps)
            reached("before-commit")
        reached("committed")
        return report

    return settled()


def _against(target: Target, reading: Reading, memory: Memory, stages: Stages, deps: Deps) -> _Against:
    configuration = reading.configuration
    with deps.store.read() as unit:
        version, approved = unit.baselines.version(target), unit.baselines.approved(target)
        history = unit.snapshots.appearances(target) if target.definition.stage == "onboarding" else None
    with stages.stage("compare"):
        base = renewed(approved, deps.form_of(target)) if approved is not None else None
        comparison = compare(base, configuration, deps.catalogue_of(target), tolerate_new_fields=True)
    at = reading.source_date if target.definition.clock == "source" and reading.source_date else reading.taken_at
    with stages.stage("judge"):
        overlay = deps.overlay_of(target)
        judgement = judge(
            configuration, comparison, overlay.packs, overlay.catalogue, at=at, secrets=deps.secrets_of(target.tenant),
            zone=target.zone, stage=target.definition.stage, kept=memory.results, history=history,
            overlay=overlay, base=base, consumers=target.definition.consumers,
            profiles=target.definition.consumption,
        )  # fmt: skip
    reached("judged")
    return _Against(version, comparison, judgement)


def _proposed(unit: Unit, target: Target, comparison: Comparison, deps: Deps) -> Mapping[str, Quiet]:
    """What is expected because it stands in an open proposal; one that cannot be read expects nothing."""
    reviews = []
    for proposal in unit.baselines.open_proposals(target) if comparison.changes else ():
        try:
            reviews.append(review_of(proposal, deps, unit))
        except Smart360Error as error:
            log.warning("proposal_not_read", target=target.name, proposal=proposal.id, what=error.what)
    return proposed_by(reviews, comparison.changes)


def _quiet(
    target: Target, judgement: Judgement, settlement: Settlement, proposed: Mapping[str, Quiet], waivers: Waivers,
    now: datetime, deps: Deps,
) -> Mapping[str, Quiet]:  # fmt: skip
    """Which of what is wrong nobody is to be told of now, by fingerprint."""
    windows = deps.change_windows_of(target)
    said = {step.finding.fingerprint: step.known.hush for step in settlement.steps if step.known is not None}
    said |= {known.finding.fingerprint: known.hush for known in settlement.untouched}
    quiet = {}
    for each in (*judgement.findings, *(known.finding for known in settlement.untouched)):
        hush = hushed(each, target.name, said.get(each.fingerprint), waivers, now)
        if found := hush or quiet_now(each, windows, proposed, now):
            quiet[each.fingerprint] = found
    return quiet


def _warn_of_ending(unit: Unit, target: Target, channel: str, scene: Scene, now: datetime, deps: Deps) -> int:
    """Say of each waiver, once, that it is about to end, and what is told again after it; returns of how many."""
    ending = [each for each in unit.waivers.in_force(now).get(target.name, ()) if each.ends_soon(now)]
    found = [known for _, known in unit.findings.open(target)] if ending else []
    warned = 0
    for waiver in ending:
        covered = [known for known in found if waiver.covers(known.finding, target.name)]
        story = ending_story(waiver, covered, scene, deps.catalogue_of(target)) if covered else None
        if story is not None and unit.alerts.last_story(channel, story.key) is None:
            unit.alerts.queue(target, channel, story, AlertReason.ENDING.value, now)
            warned += 1
    return warned


def _written(
    unit: Unit, claim: Claim, reading: Reading, judgement: Judgement, settlement: Settlement,
    quiet: Mapping[str, Quiet], stages: Stages, now: datetime, deps: Deps,
) -> SweepReport:  # fmt: skip
    target = claim.target
    previous = unit.sweeps.last(target, states=("complete", "partial"))
    scene = _scene(target, reading, judgement, previous[0].report if previous else {}, deps)
    key = key_of(target.name, claim.fence)
    if settlement.of(Event.OPENED, Event.REOPENED):
        unit.fleet.one_at_a_time()
    returning = {
        step.known.id
        for step in settlement.of(Event.REOPENED)
        if step.known is not None and not reopened_goes_back(step.known, now)
    }
    after = unit.findings.apply(target, settlement, claim.fence, now, key, told_anew=returning, quiet=quiet)
    joined: frozenset[int] = frozenset()
    if not scene.first_reading:  # at which everything appears
        after, joined = gather(unit, target, settlement, after, now, deps)
    channel = target.definition.channel or deps.settings.default_channel
    told = {}
    before = (step.known for step in settlement.of(Event.CHANGED) if step.known is not None)
    for other in {known.alert_key for known in (*after.values(), *before)} - {"", key}:
        story = unit.alerts.last_story(channel, other)
        if story is not None:
            told[other] = (story, unit.findings.told_in(target, [other]))
    planned = plan_alerts(settlement, after, told, scene, key=key, now=now, catalogue=deps.catalogue_of(target))
    for each in planned:
        unit.alerts.queue(target, channel, each.story, each.reason.value, now)
    warned = _warn_of_ending(unit, target, channel, scene, now, deps)
    happened = (after[step.finding.fingerprint].fleet for step in settlement.news)
    for number in sorted({each for each in (*joined, *happened) if each is not None}):
        tell_fleet(unit, target, number, deps)
    utility = next((one.values for one in reading.configuration.objects("utility")), {})
    unit.targets.set_title(target, str(utility.get("name", "")))
    memory = unit.snapshots.memory(target)
    unit.snapshots.remember(target, replace(memory, results=judgement.kept))
    report = _report(claim, reading, judgement, settlement, len(planned) + warned, len(quiet), stages)
    for stage, seconds in stages.seconds.items():
        unit.counters.observe("sweep_duration", (stage,), (seconds,))
    fault, cure = _worst_gap(reading.configuration)
    still = _severities(after, settlement)
    unit.sweeps.finish(
        claim, report.state, now, fault=fault, cure=cure, report={**_figures(report, judgement, reading), "open": still}
    )
    if reading.wait_s:  # the source asks not to be asked before (F32)
        unit.targets.set_next_run(target, now + timedelta(seconds=reading.wait_s))
    return report


def _scene(target: Target, reading: Reading, judgement: Judgement, before: Mapping[str, Any], deps: Deps) -> Scene:
    utility = next((one.values for one in reading.configuration.objects("utility")), {})
    types = deps.catalogue_of(target).types
    names = [types[name].title for name in reading.coverage.unread if name in types]
    return Scene(
        target=target.name, utility=str(utility.get("name") or target.title), zone=target.definition.time_zone,
        read_at=reading.taken_at, lists_read=reading.coverage.lists_read, lists_total=len(reading.coverage.scope),
        objects=reading.configuration.object_count, rules=len(judgement.results), readiness=judgement.readiness,
        readiness_before=before.get("readiness"), link=deps.settings.public_url.rstrip("/"),
        first_reading=not before, unread=tuple(names),
    )  # fmt: skip


def _report(
    claim: Claim, reading: Reading, judgement: Judgement, settlement: Settlement, alerts: int,
    announced: int, stages: Stages,
) -> SweepReport:  # fmt: skip
    kinds = Counter(finding.kind.value for finding in judgement.findings)
    still = Counter(known.finding.kind.value for known in settlement.untouched if known.state is not State.RESOLVED)
    if reading.coverage.is_complete:
        state = "complete"
    else:
        state = "partial" if reading.configuration.lists else "failed"
    return SweepReport(
        target=claim.target.name, state=state, lists_read=reading.coverage.lists_read,
        lists_total=len(reading.coverage.scope), objects=reading.configuration.object_count,
        drift=kinds["drift"] + still["drift"], findings=kinds["rule"] + still["rule"],
        opened=len(settlement.of(Event.OPENED, Event.REOPENED)), resolved=len(settlement.of(Event.RESOLVED)),
        alerts=alerts, judged=judgement.judged_anew, kept=len(reading.kept), readiness=judgement.readiness,
        unconfirmed=sum(reading.unconfirmed.values()), announced=announced,
        seconds=round(sum(stages.seconds.values()), 3), stages=dict(stages.seconds),
        fault=_worst_gap(reading.configuration)[0], cure=_worst_gap(reading.configuration)[1],
    )  # fmt: skip


def _worst_gap(configuration: Configuration) -> tuple[str, str]:
    gap = next(iter(configuration.unread.values()), None)
    return (gap.reason.value, gap.mend) if gap is not None else ("", "")


def _figures(report: SweepReport, judgement: Judgement, reading: Reading) -> dict[str, Any]:
    """What pages and metrics show of the newest sweep."""
    modules: dict[str, dict[str, int]] = {}
    for name, kept in judgement.results.items():
        rule = judgement.rules[name]
        if rule.required:
            counted = modules.setdefault(rule.module, {})
            counted[kept.result.verdict.value] = counted.get(kept.result.verdict.value, 0) + 1
    objects: Counter[str] = Counter()
    for listed in reading.configuration.lists.values():
        objects[listed.resource_type] += listed.count
    return {
        "readiness": report.readiness, "drift": report.drift, "findings": report.findings, "opened": report.opened,
        "resolved": report.resolved, "announced": report.announced,
        "lists_read": report.lists_read, "lists_total": report.lists_total,
        "objects": dict(objects), "kept": report.kept, "judged": report.judged,
        "unconfirmed": dict(reading.unconfirmed), "stages": dict(report.stages),
        "rules": {verdict.value: n for verdict, n in judgement.tally.items()}, "modules": modules,
        "undecided": [[each.rule, each.reason, each.detail] for each in judgement.undecided][:100],
        "rules_total": len(judgement.results), "day": judgement.day.isoformat(),
        "taken_at": reading.taken_at.astimezone(UTC).isoformat(),
    }  # fmt: skip


def _severities(after: Mapping[str, Known], settlement: Settlement) -> Mapping[str, int]:
    """What is open after a sweep, by severity, for the chart of 30 days."""
    still = (*after.values(), *settlement.untouched)
    return Counter(each.finding.severity.value for each in still if each.state is not State.RESOLVED)


def _failed(claim: Claim, error: Smart360Error, deps: Deps) -> SweepReport:
    """Write down that nothing could be read; what is known stays as it is."""
    log.warning("sweep_failed", target=claim.target.name, code=error.code, what=error.what)
    with deps.store.write() as unit:
        unit.sweeps.finish(claim, "failed", deps.clock.now(), fault=error.code, cure=error.mend, report={})
    return SweepReport(claim.target.name, "failed", fault=error.code, cure=error.mend)
