"""Everything the product tells as JSON: one function for each, for the command line and the API alike.

Their shapes are types: mypy checks that an item has them, and the OpenAPI document is made of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired, TypeAlias, TypedDict, cast, overload
from zoneinfo import ZoneInfo

from msgspec import Meta

from baselines.approval import Act, Baseline, Group, Proposal, Review, change_key
from baselines.catalogue import Catalogue
from baselines.severity import Severity
from monitor.access import Grant, Role
from monitor.chain import Entry
from monitor.fleet import FleetEvent
from monitor.moments import AsOf, Compared, Side
from monitor.plan import TargetPlan
from monitor.reports.json import change_json
from monitor.store.people import Person as Person_
from monitor.store.people import Token
from monitor.store.unit import Unit
from monitor.target import Target
from rules.drift import sentence
from rules.explain import Explanation, note_for_utility
from rules.findings import Kind
from rules.fixplan import PlanStep
from rules.impact import Impact
from rules.judge import Judgement
from rules.lifecycle import Known, State, state_words
from rules.money import Money
from rules.precision import Mark, latest, mark_of
from rules.quiet import Quiet, Standing
from rules.waivers import Waiver

Moment: TypeAlias = Annotated[str, Meta(description="UTC, ISO 8601 with Z.", examples=["2026-11-24T14:12:03Z"])]
TargetName: TypeAlias = Annotated[str, Meta(description="tenant/environment", examples=["swa/production"])]
Number: TypeAlias = Annotated[str, Meta(description="Of a finding, as people say it.", examples=["7F3K"])]
Type: TypeAlias = Annotated[str, Meta(description="A resource type.", examples=["service_plan"])]
Key: TypeAlias = Annotated[str, Meta(description="Natural key of an object.", examples=["RES-VAR"])]
Path: TypeAlias = Annotated[
    str, Meta(description='Inside the object; "": the whole.', examples=["rates[up_to=10].rate"])
]
Digest: TypeAlias = Annotated[str, Meta(description="Of a configuration's meaning.", examples=["b3:91c25d0e77aa"])]
Person: TypeAlias = Annotated[str, Meta(description='Who; "": nobody.', examples=["nisha.rao"])]
Amount: TypeAlias = Annotated[str, Meta(description="An exact decimal.", examples=["154.98"])]
Value: TypeAlias = Annotated[Any, Meta(description="Canonical; a secret is secret:…; null where there is none.")]


class TargetItem(TypedDict):
    """What is watched, in one line."""

    target: TargetName
    title: Annotated[str, Meta(description="The utility's own name.", examples=["San Francisco Water Authority"])]
    stage: Annotated[str, Meta(description="onboarding or live")]
    open: Annotated[int, Meta(description="Findings that are not resolved.")]
    last_sweep: Annotated[str, Meta(description="complete, partial, failed, skipped, poisoned, running; or none yet")]
    next_run_at: Moment | None
    paused_by: Person


class ShortFinding(TypedDict):
    """A finding where it is named beside something else."""

    number: Number
    severity: Severity
    message: Annotated[str, Meta(description="What is wrong now, a sentence.")]
    state: State


class BaselineItem(TypedDict):
    """What a person approved."""

    target: TargetName
    version: Annotated[int, Meta(examples=[8])]
    digest: Digest
    form: Annotated[str, Meta(description="Version of canonical form and catalogue.")]
    proposer: Person
    approver: Person
    approved_at: Moment
    proposal: int
    accepted: Annotated[int, Meta(description="Changes it accepted.")]
    rejected: Annotated[int, Meta(description="Changes that stay drift.")]


class TargetInFull(TypedDict):
    """A target: what was registered, read, judged and approved."""

    target: TargetName
    title: str
    definition: Annotated[dict[str, Any], Meta(description="Its tenant file; secrets only as references.")]
    readiness: Annotated[float | None, Meta(description="Required rules passed ÷ (passed + failed).")]
    rules: Annotated[dict[str, int] | None, Meta(description="How many rules, by verdict.")]
    drift: Annotated[int | None, Meta(description="Changes against the baseline that nobody expected.")]
    read_at: Moment | None
    next_run_at: Moment | None
    baseline: BaselineItem | None
    proposals: Annotated[list[int], Meta(description="Numbers of those that wait.")]
    findings: Annotated[list[ShortFinding], Meta(description="That are not resolved, worst first.")]


class QuietItem(TypedDict):
    """Why nobody is alerted of a finding."""

    reason: str
    ticket: str
    until: Moment | None
    by: Person
    waiver: int | None


class Working(TypedDict):
    """A bill line by line, before and after."""

    before: list[str]
    after: list[str]


class BillItem(TypedDict):
    """A typical bill before and after."""

    category: str
    plan: str
    place: str
    size: str
    usage: str
    before: Amount | None
    after: Amount | None
    why_none: Annotated[str, Meta(description="Why a bill cannot be made.")]
    difference: Amount
    working: Working


class MoneyItem(TypedDict):
    """What a finding means for bills."""

    told: Annotated[str, Meta(description="In one line.")]
    currency: str
    bills: list[BillItem]
    monthly: Annotated[Amount | None, Meta(description="For all consumers, by month.")]
    consumers: int | None
    note: str
    starts: str
    next_run: str
    cycle: str
    each_time: str


class EvidenceItem(TypedDict):
    """A value that was judged, and where it stands."""

    resource_type: Type
    key: Key
    path: Path
    value: Value


class FindingItem(TypedDict):
    """One thing that is or was wrong at a target."""

    number: Number
    target: TargetName
    fingerprint: Annotated[str, Meta(description="The same thing wrong again has the same one.")]
    kind: Kind
    op: Annotated[str | None, Meta(description="Of drift: added, removed, changed, moved")]
    rule: Annotated[str, Meta(description='Id of a rule; "" for drift; the reason for coverage.')]
    rule_kind: str
    basis: Annotated[str, Meta(description="What a regulatory rule rests on.")]
    severity: Severity
    module: Annotated[str, Meta(examples=["billing"])]
    resource_type: Type
    key: Key
    path: Path
    message: Annotated[str, Meta(description="What is wrong now, a sentence.")]
    why: str
    fix: str
    state: State
    resolution: Annotated[str, Meta(description="healed, accepted, ignored, rule gone, target removed; or none")]
    detail: str
    opened_at: Moment
    changed_at: Moment
    last_seen: Moment
    times_opened: int
    by: Person
    note: str
    old: Value
    new: Value
    standing: Standing
    stands: Annotated[str, Meta(description="State and standing in words, moments in UTC.")]
    quiet: QuietItem | None
    assignee: Person
    is_flapping: Annotated[bool, Meta(description="It comes and goes; it stays in one message.")]
    fleet_event: Annotated[str | None, Meta(examples=["fleet-3"])]
    money: MoneyItem | None
    evidence: list[EvidenceItem]


class MarkItem(TypedDict):
    """What a person said of a finding."""

    mark: Mark
    by: Person
    at: Moment
    reason: str


class EventItem(TypedDict):
    """What happened to a finding."""

    event: str
    at: Moment
    by: Person
    note: str


class FindingInFull(FindingItem):
    """A finding with what people said of it and its history, oldest first."""

    mark: Mark | None
    marks: list[MarkItem]
    history: list[EventItem]
    explanation: Annotated[
        dict[str, Any] | None,
        Meta(description="When, who may have done it, what depends on it, how to mend it, who was told."),
    ]


class StepValue(TypedDict):
    """A value to set."""

    path: Path
    now: Value
    should: Value
    told: Annotated[str, Meta(description="In words.")]
    exact: Annotated[bool, Meta(description="False where no clear value is kept: a secret, something personal.")]


class StepFinding(ShortFinding):
    """A finding that is done with after a step."""

    fix: str
    basis: str
    healing: Annotated[str, Meta(description="proven, likely, or by_hand where its fix says what to do")]


class StepItem(TypedDict):
    """One visit to one object."""

    number: int
    act: str
    title: Annotated[str, Meta(examples=["Create Service plan RES-VAR"])]
    module: str
    resource_type: Type
    key: Key
    screen: str
    place_is_known: bool
    blocked_by: list[int]
    values: list[StepValue]
    findings: list[StepFinding]


class PlanHead(TypedDict):
    """On what a plan rests."""

    target: TargetName
    read_at: Moment | None
    baseline: int | None


class ChangeName(TypedDict):
    """Which change is meant."""

    resource_type: Type
    key: Key
    path: Path


class PlainChange(ChangeName):
    """One difference between two configurations."""

    op: Annotated[str, Meta(description="added, removed, changed, moved")]
    module: str
    old: Value
    new: Value
    severity: Severity


class ActItem(TypedDict):
    """What somebody did to a proposal, or said of it."""

    id: int
    proposal: int
    did: Annotated[str, Meta(examples=["accepted"])]
    by: Person
    at: Moment
    words: str
    change: ChangeName | None
    carried_from: int | None


class ChangeItem(PlainChange):
    """One change of a proposal, and what was said of it."""

    sentence: Annotated[str, Meta(description="What differs.")]
    decision: Annotated[str, Meta(description="accept, reject; or none yet")]
    by: Person
    at: Moment | None
    reason: str
    act: Annotated[int, Meta(description="Number of the decision; 0: there is none.")]
    carried_from: int | None
    comments: list[ActItem]
    money: NotRequired[MoneyItem | None]


class ProposalItem(TypedDict):
    """A snapshot, or an earlier baseline, put forward as the next one."""

    id: Annotated[int, Meta(examples=[12])]
    target: TargetName
    snapshot: Annotated[int, Meta(description="0: it proposes an earlier baseline.")]
    base_version: Annotated[int, Meta(description="0: there is no baseline yet.")]
    state: Annotated[str, Meta(description="open, approved, rejected, withdrawn, outdated")]
    proposer: Person
    created_at: Moment
    title: str
    closed_by: Person
    closed_at: Moment | None
    reason: str
    scope: Annotated[list[str], Meta(description="Modules, resource types, service=WATER; none: everything.")]
    source_version: Annotated[int, Meta(description="Of the earlier baseline it proposes; 0: it proposes a snapshot.")]


class GroupItem(TypedDict):
    """Changes that are looked at together."""

    name: Annotated[str, Meta(examples=["billing/service_plan"])]
    title: str
    changes: int
    undecided: int
    together: Annotated[int, Meta(description="What one decision decides: undecided, not critical.")]
    severities: dict[str, int]


Left = TypedDict("Left", {"from": str, "resource_type": Type, "key": Key})


class ReviewItem(TypedDict):
    """A proposal with its changes, what was decided, and what would come out."""

    proposal: ProposalItem
    awaited: Annotated[str | None, Meta(description="review, approval; null where it is closed")]
    result: Annotated[Digest, Meta(description="Of the result: what an approver names.")]
    undecided: int
    outside: Annotated[int, Meta(description="Changes out of its scope, which stay as they are.")]
    changes: list[ChangeItem]
    groups: list[GroupItem]
    comments: list[ActItem]
    left_behind: list[Left]


class ReviewInFull(ReviewItem):
    """The same with what it costs and what the rules say of the result."""

    money: MoneyItem | None
    rules: Annotated[dict[str, int], Meta(description="How many rules, by verdict.")]


class ApprovedItem(TypedDict):
    """What an approval made."""

    baseline: BaselineItem
    audit: Annotated[int, Meta(description="Number of its entry in the audit log.")]
    resolved: Annotated[int, Meta(description="Drift findings it closed.")]


class MatchItem(TypedDict):
    """What a wider waiver covers: * stands for any text, a blank part for anything."""

    rule: str
    resource_type: str
    key: str
    path: str
    kind: str


class WaiverItem(TypedDict):
    """What may stay wrong, why, until when."""

    number: int
    state: Annotated[str, Meta(description="asked, in force, refused, ended, too late")]
    subject: Annotated[str, Meta(examples=["finding 7F3K"])]
    targets: list[TargetName]
    fingerprint: str
    match: MatchItem
    reason: str
    ticket: str
    ends: Moment
    ends_soon: bool
    matches: Annotated[int, Meta(description="Open findings it covers.")]
    asked_by: Person
    asked_at: Moment
    decided_by: Person
    decided_at: Moment | None
    ended_by: Person
    ended_at: Moment | None
    note: str
    digest: Digest


class FleetMember(ShortFinding):
    """A finding of a fleet event."""

    target: TargetName


class FleetItem(TypedDict):
    """What came on many targets at once and is probably one cause."""

    event: Annotated[str, Meta(examples=["fleet-3"])]
    sentence: str
    state: State
    severity: Severity
    cause: dict[str, Any]
    first_at: Moment
    last_at: Moment
    channel: str
    targets: list[TargetName]
    open: int
    members: list[FleetMember]


class SideItem(TypedDict):
    """One side of a comparison of moments."""

    name: Annotated[str, Meta(examples=["baseline 7"])]
    at: Moment
    digest: Digest


class ComparedItem(TypedDict):
    """What differs between two moments of a target."""

    old: SideItem
    new: SideItem
    changes: list[PlainChange]
    not_compared: Annotated[dict[str, str], Meta(description="Resource types, and why.")]


class AsOfItem(TypedDict):
    """A target as it was at a moment; sentences as they were last seen."""

    target: TargetName
    at: Moment
    snapshot: int | None
    digest: Digest | None
    read_at: Moment | None
    baseline: BaselineItem | None
    findings: list[FindingItem]


class GrantItem(TypedDict):
    """A role somebody has."""

    role: Role
    on: Annotated[str, Meta(description="A tenant, group:<name>, or *.")]
    ends_at: Moment | None


class PersonItem(TypedDict):
    """Somebody who may sign in."""

    name: Person
    email: str | None
    shown: str
    seen_at: Moment | None
    signs_in: Annotated[str, Meta(description="password, or single sign-on")]
    grants: list[GrantItem]


class TokenItem(TypedDict):
    """What a program signs in with; never the token itself."""

    name: str
    scopes: list[str]
    tenants: list[str]
    person: Annotated[Person, Meta(description="Whose own it is; blank: a program's.")]
    created_by: Person
    created_at: Moment
    ends_at: Moment
    used_at: Moment | None
    revoked_at: Moment | None


class EntryItem(TypedDict):
    """One act in the audit log."""

    seq: int
    at: Moment
    actor: Person
    tenant: str
    action: Annotated[str, Meta(examples=["baseline.approve"])]
    object: str
    content: str
    reason: str
    request: str
    hash: str


def target_item(unit: Unit, target: Target) -> TargetItem:
    """One line of ``tenant list``."""
    runs = unit.sweeps.last(target)
    return {
        "target": target.name, "title": target.title, "stage": target.definition.stage,
        "open": len(unit.findings.open(target)), "last_sweep": runs[0].state if runs else "",
        "next_run_at": moment(target.next_run_at), "paused_by": target.paused_by or unit.targets.paused_all(),
    }  # fmt: skip


def target_in_full(unit: Unit, target: Target) -> TargetInFull:
    """``tenant show``: what was registered, read, judged and approved."""
    runs = unit.sweeps.last(target, states=("complete", "partial"))
    report: Mapping[str, Any] = runs[0].report if runs else {}
    snapshot, baseline = unit.snapshots.last(target), unit.baselines.current(target)
    return {
        "target": target.name, "title": target.title, "definition": target.definition.public(),
        "readiness": report.get("readiness"), "rules": report.get("rules"), "drift": report.get("drift"),
        "read_at": moment(snapshot.taken_at) if snapshot else None, "next_run_at": moment(target.next_run_at),
        "baseline": approval_item(baseline) if baseline is not None else None,
        "proposals": [each.id for each in unit.baselines.open_proposals(target)],
        "findings": [_in_short(each) for _, each in unit.findings.open(target)],
    }  # fmt: skip


@overload
def approval_item(each: Baseline) -> BaselineItem: ...
@overload
def approval_item(each: Proposal) -> ProposalItem: ...
def approval_item(each: Baseline | Proposal) -> BaselineItem | ProposalItem:
    """One baseline or proposal of ``baseline list``."""
    told: dict[str, Any] = {n: moment(v) if isinstance(v, datetime) else v for n, v in asdict(each).items()}
    return cast(BaselineItem, told) if isinstance(each, Baseline) else cast(ProposalItem, told)


def act_item(act: Act) -> ActItem:
    """One act on a proposal: of its history, or a comment; ``change`` is null for the proposal as a whole."""
    change: ChangeName | None = None
    if act.change:
        change = {"resource_type": act.change[0], "key": act.change[1], "path": act.change[2]}
    return {"id": act.id, "proposal": act.proposal, "did": act.did.value, "by": act.by, "at": moment(act.at),
            "words": act.words, "change": change, "carried_from": act.carried or None}  # fmt: skip


def review_item(made: Review, catalogue: Catalogue) -> ReviewItem:
    """``baseline review``: changes with what was decided of them, groups, comments, who is awaited, the result."""
    changes: list[ChangeItem] = []
    for each in made.comparison.changes:
        said = made.decisions.get(change_key(each))
        changes.append({
            "op": each.op.value, "module": each.module, "resource_type": each.resource_type, "key": each.key,
            "path": each.path, "old": each.old, "new": each.new, "severity": each.severity,
            "sentence": sentence(each, catalogue.types.get(each.resource_type)),
            "decision": said.decision.value if said else "", "by": said.by if said else "",
            "at": moment(said.at) if said else None, "reason": said.reason if said else "",
            "act": said.act if said else 0, "carried_from": (said.carried or None) if said else None,
            "comments": [act_item(one) for one in made.comments(change_key(each))],
        })  # fmt: skip
    return {
        "proposal": approval_item(made.proposal), "awaited": made.awaited, "result": made.digest,
        "undecided": len(made.undecided), "outside": made.outside, "changes": changes,
        "groups": [_group_item(each) for each in (*made.groups, *made.causes)],
        "comments": [act_item(each) for each in made.comments()],
        "left_behind": [{"from": origin, "resource_type": kind, "key": key} for origin, kind, key in made.left_behind],
    }  # fmt: skip


def review_in_full(made: Review, catalogue: Catalogue, impact: Impact, judgement: Judgement) -> ReviewInFull:
    """The same with what each change and all together cost, and what the rules say of the result."""
    item = review_item(made, catalogue)
    for told, each in zip(item["changes"], made.comparison.changes, strict=True):
        told["money"] = money_item(impact.of(each))
    rules = {verdict.value: count for verdict, count in judgement.tally.items()}
    return {**item, "money": money_item(impact.together()), "rules": rules}


def money_item(money: Money | None) -> MoneyItem | None:
    """What something means for bills."""
    return cast(MoneyItem, money.as_json()) if money is not None else None


def _group_item(group: Group) -> GroupItem:
    return {"name": group.name, "title": group.title, "changes": len(group.changes),
            "undecided": len(group.undecided), "together": len(group.together),
            "severities": {each.value: count for each, count in group.severities.items()}}  # fmt: skip


def _in_short(known: Known) -> ShortFinding:
    return {"number": known.number, "severity": known.finding.severity, "message": known.finding.message,
            "state": known.state}  # fmt: skip


def finding_item(target: str, known: Known, now: datetime) -> FindingItem:
    """One line of ``findings list``; ``known`` as it stands ``now`` (``as_of``)."""
    finding = known.finding
    return {
        "number": known.number, "target": target, "fingerprint": finding.fingerprint, "kind": finding.kind,
        "op": finding.op.value if finding.op is not None else None, "rule": finding.rule,
        "rule_kind": finding.rule_kind, "basis": finding.basis, "severity": finding.severity,
        "module": finding.module, "resource_type": finding.resource_type, "key": finding.key, "path": finding.path,
        "message": finding.message, "why": finding.why, "fix": finding.fix, "state": known.state,
        "resolution": known.resolution, "detail": known.detail, "opened_at": moment(known.opened_at),
        "changed_at": moment(known.changed_at), "last_seen": moment(known.last_seen),
        "times_opened": known.times_opened, "by": known.by, "note": known.note, "old": finding.old,
        "new": finding.new, "standing": known.standing,
        "stands": state_words(known, in_utc, now), "quiet": _quiet(known.quiet), "assignee": known.assignee,
        "is_flapping": known.is_flapping, "fleet_event": f"fleet-{known.fleet}" if known.fleet is not None else None,
        "money": money_item(finding.money),
        "evidence": [
            {"resource_type": each.resource_type, "key": each.key, "path": each.path, "value": each.value}
            for each in finding.evidence
        ],
    }  # fmt: skip


def _quiet(quiet: Quiet | None) -> QuietItem | None:
    if quiet is None:
        return None
    return {"reason": quiet.reason, "ticket": quiet.ticket, "until": moment(quiet.until), "by": quiet.by,
            "waiver": quiet.waiver or None}  # fmt: skip


def waiver_item(waiver: Waiver, matches: int, now: datetime) -> WaiverItem:
    """One line of ``waiver list``.

    Args:
        waiver: as kept.
        matches: how many open findings it covers.
        now: aware; whether it is in force is told as of then.
    """
    return {
        "number": waiver.number, "state": waiver.word(now), "subject": waiver.subject, "targets": list(waiver.targets),
        "fingerprint": waiver.fingerprint, "match": cast(MatchItem, asdict(waiver.match)), "reason": waiver.reason,
        "ticket": waiver.ticket, "ends": moment(waiver.ends), "ends_soon": waiver.ends_soon(now), "matches": matches,
        "asked_by": waiver.asked_by, "asked_at": moment(waiver.asked_at), "decided_by": waiver.decided_by,
        "decided_at": moment(waiver.decided_at), "ended_by": waiver.ended_by, "ended_at": moment(waiver.ended_at),
        "note": waiver.note, "digest": waiver.digest,
    }  # fmt: skip


def finding_in_full(
    unit: Unit, target: str, known: Known, now: datetime, explained: Explanation | None = None
) -> FindingInFull:
    """``findings show``: with what people said of it, its history, oldest first, and what helps to decide.

    Args:
        explained: null where its target is not watched any more.
    """
    said = latest(unit.findings.opinions(known=known)).get(known.id, ())
    marks: list[MarkItem] = [
        {"mark": each.mark, "by": each.by, "at": moment(each.at), "reason": each.reason} for each in said
    ]
    events: list[EventItem] = [
        {"event": each.event, "at": moment(each.at), "by": each.by, "note": each.note}
        for each in unit.findings.history(known)
    ]
    explanation = explanation_item(explained) if explained is not None else None
    return {
        **finding_item(target, known, now), "mark": mark_of(said), "marks": marks, "history": events,
        "explanation": explanation,
    }  # fmt: skip


def explanation_item(explained: Explanation) -> dict[str, Any]:
    """When, who may have done it (null to who may not see it), what depends on it, how to mend it, who was told."""
    window, radius, mend = explained.window, explained.radius, explained.mend
    return {
        "values": [asdict(each) for each in explained.values],
        "window": {"last_right": moment(window.last_right), "first_wrong": moment(window.first_wrong),
                   "unread": [moment(each) for each in window.unread]},
        "actors": asdict(explained.actors) if explained.actors is not None else None,
        "depends": {**asdict(radius), "words": radius.words(explained.catalogue)},
        "mend": asdict(mend),
        "told": [{**asdict(each), "at": moment(each.at), "edited_at": moment(each.edited_at)}
                 for each in explained.told],
        "note_for_utility": note_for_utility(explained, lambda at: clock(at, explained.zone)),
    }  # fmt: skip


def fleet_item(event: FleetEvent) -> FleetItem:
    """One line of ``findings fleet``: what is probably one cause, and its members."""
    first, last = event.moments
    return {
        "event": event.label, "sentence": event.sentence, "state": event.state, "severity": event.severity,
        "cause": asdict(event.cause), "first_at": moment(first), "last_at": moment(last), "channel": event.channel,
        "targets": sorted(event.by_target), "open": len(event.open),
        "members": [{"target": name, **_in_short(known)} for name, known in event.members],
    }  # fmt: skip


def in_utc(at: datetime) -> str:
    """``2026-11-24 14:12:03 UTC``."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(at: datetime, zone: str) -> str:
    """``Tue 24 Nov 06:12 PST``."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def step_item(step: PlanStep) -> StepItem:
    """One step of ``findings plan``; ``healing``: proven, likely, or by_hand where its fix says what to do."""
    by_healing = {"proven": step.heals, "likely": step.may_heal, "by_hand": step.by_hand}
    return {
        "number": step.number, "act": step.act.value, "title": step.title, "module": step.module,
        "resource_type": step.resource_type, "key": step.key, "screen": step.screen,
        "place_is_known": step.place_is_known, "blocked_by": list(step.blocked_by),
        "values": [{"path": each.path, "now": each.now, "should": each.should, "told": each.told,
                    "exact": each.is_exact}
                   for each in step.values],
        "findings": [{**_in_short(each), "fix": each.finding.fix, "basis": each.finding.basis, "healing": healing}
                     for healing, several in by_healing.items() for each in several],
    }  # fmt: skip


def plan_head(plan: TargetPlan) -> PlanHead:
    """On what a plan rests."""
    return {
        "target": plan.target.name, "read_at": moment(plan.snapshot.taken_at) if plan.snapshot else None,
        "baseline": plan.baseline.version if plan.baseline else None,
    }  # fmt: skip


def compared_item(made: Compared) -> ComparedItem:
    """``snapshot diff``: any two moments of a target."""
    return {
        "old": _side(made.old), "new": _side(made.new),
        "changes": [cast(PlainChange, change_json(each)) for each in made.comparison.changes],
        "not_compared": {name: str(why) for name, why in made.comparison.not_compared.items()},
    }  # fmt: skip


def _side(side: Side) -> SideItem:
    return {"name": side.name, "at": moment(side.at), "digest": side.configuration.digest}


def as_of_item(made: AsOf) -> AsOfItem:
    """What was read, approved and wrong at a moment."""
    read = made.snapshot
    return {
        "target": made.target.name, "at": moment(made.at), "snapshot": read.id if read else None,
        "digest": read.configuration.digest if read else None, "read_at": moment(read.taken_at) if read else None,
        "baseline": approval_item(made.baseline) if made.baseline else None,
        "findings": [finding_item(made.target.name, each, made.at) for each in made.findings],
    }  # fmt: skip


def person_item(person: Person_, grants: Iterable[Grant]) -> PersonItem:
    """One line of ``people list``."""
    return {
        "name": person.name, "email": person.email, "shown": person.shown, "seen_at": moment(person.seen_at),
        "signs_in": "password" if person.password else "single sign-on",
        "grants": [{"role": each.role, "on": each.on, "ends_at": moment(each.ends)} for each in grants],
    }  # fmt: skip


def token_item(token: Token) -> TokenItem:
    """One line of ``token list``."""
    return {
        "name": token.name, "scopes": sorted(each.name.lower() for each in token.rights),
        "tenants": sorted(token.tenants), "person": token.person,
        "created_by": token.created_by, "created_at": moment(token.created_at),
        "ends_at": moment(token.ends_at), "used_at": moment(token.used_at), "revoked_at": moment(token.revoked_at),
    }  # fmt: skip


def entry_item(entry: Entry) -> EntryItem:
    """One entry of the audit log as people read it; ``audit export`` gives what proves it."""
    return {
        "seq": entry.seq, "at": moment(entry.at), "actor": entry.actor, "tenant": entry.tenant,
        "action": entry.action, "object": entry.object, "content": entry.content, "reason": entry.reason,
        "request": entry.request, "hash": entry.hash,
    }  # fmt: skip


@overload
def moment(at: datetime) -> str: ...
@overload
def moment(at: None) -> None: ...
def moment(at: datetime | None) -> str | None:
    """UTC with Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None
