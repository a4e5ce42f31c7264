"""What people approve: propose, review, decide, hand over, approve, reject, roll back (contracts §7). One screen each.

Each act is one transaction with its entry in the audit log. Acts on one target's proposals come one after the
other (``held``); what somebody else did meanwhile is never overwritten, it is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from alerts.alert import AlertReason
from baselines.approval import (
    DID,
    Act,
    Awaited,
    Baseline,
    ChangeKey,
    Decision,
    Did,
    Proposal,
    ProposalState,
    Review,
    carried,
    change_key,
    refuse_approval,
    refuse_closed,
    refuse_incomplete,
    refuse_overtaken,
    refuse_scope,
    refuse_undecided,
    review,
    told_of,
)
from baselines.canonical import renewed
from baselines.catalogue import Catalogue
from baselines.compare import Comparison, compare
from baselines.configuration import Configuration
from baselines.errors import ApprovalRefused
from baselines.scope import Scope, declared_of, refuse_unknown
from monitor.access import Actor, Right
from monitor.care import tell_of
from monitor.deps import Deps
from monitor.errors import NotAllowed, NotFound
from monitor.killpoints import reached
from monitor.store.unit import Unit, tried_again
from monitor.target import Target
from rules.drift import masked
from rules.findings import Kind, fingerprint
from rules.impact import Impact
from rules.judge import Judgement, judge, zone_of
from rules.lifecycle import Known, Resolution

LONGEST: Final = 10_000  #: characters of a reason or comment


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval made."""

    baseline: Baseline
    audit: int
    resolved: int  #: drift findings it closed


@tried_again
def propose_baseline(
    target: Target, actor: Actor, deps: Deps, *, snapshot: int = 0, title: str = "", scope: Iterable[str] = (),
    carry: int = 0,
) -> Proposal:  # fmt: skip
    """Freeze a snapshot, complete for its scope, as a proposal against the current baseline.

    The open proposal of the same snapshot, base and scope is returned where there is one.

    Args:
        snapshot: its number; 0: the newest.
        scope: modules, resource types, ``service=WATER``; none: everything.
        carry: number of an earlier proposal; its decisions on changes that are still the same are taken over.

    Raises:
        ApprovalRefused: ``incomplete``, ``unknown_scope``, ``left_behind``, or ``other_target`` to carry from.
        NotFound: no such snapshot or proposal.
    """
    actor.needs(Right.PROPOSE, target.tenant)
    with deps.store.write(actor.tenants()) as unit:
        found = unit.snapshots.by_id(target, snapshot) if snapshot else unit.snapshots.last(target)
        if found is None:
            raise NotFound("no such snapshot.", where=target.name, mend=f"smart360-monitor sweep {target.name} --wait")
        catalogue, where = deps.catalogue_of(target), f"{target.name} snapshot {found.id}"
        wanted = Scope.of(scope, catalogue)
        refuse_unknown(wanted, found.configuration, catalogue, where)
        refuse_incomplete(found.configuration, filter(wanted.has_type, target.scope(catalogue)), where)
        proposal, is_new = unit.baselines.propose(
            target, found.id, unit.baselines.version(target), actor.name, worded(title, where), deps.clock.now(),
            wanted.words,
        )  # fmt: skip
        refuse_scope(_if_all_accepted(proposal, deps, unit))
        if is_new:
            _audit(unit, proposal, "propose", actor, deps, found.digest, title)
        if carry:
            _carry(unit.baselines.proposal(carry), proposal, actor, deps, unit)
    return proposal


def _carry(old: Proposal, proposal: Proposal, actor: Actor, deps: Deps, unit: Unit) -> None:
    if old.target != proposal.target:
        what, mend = f"proposal {old.id} is one of {old.target}.", "Carry over from a proposal of the same target."
        raise ApprovalRefused("other_target", what, where=proposal.target, mend=mend)
    taken = carried(review_of(old, deps, unit), review_of(proposal, deps, unit))
    for key, each in taken.items():
        origin = each.carried or old.id
        unit.baselines.note(proposal.id, DID[each.decision], each.by, each.at, each.reason, key, origin)
    digest = review_of(proposal, deps, unit).digest
    _audit(unit, proposal, "carry", actor, deps, digest, f"{len(taken)} decisions of proposal {old.id}")


@tried_again
def rollback(target: Target, version: int, reason: str, actor: Actor, deps: Deps) -> Proposal:
    """Propose an earlier baseline again; it is reviewed and approved like any other.

    Types that the earlier one did not know yet keep what is approved now: it said nothing of them.

    Raises:
        ApprovalRefused: ``no_reason``, or ``current`` where that version is the current one.
        NotFound: no such baseline.
    """
    actor.needs(Right.PROPOSE, target.tenant)
    where = f"{target.name} baseline {version}"
    why = worded(reason, where, is_due=True)
    with deps.store.write(actor.tenants()) as unit:
        digest = unit.baselines.configuration(target, version).digest
        current = unit.baselines.version(target)
        if current == version:
            what = "it is the current baseline."
            raise ApprovalRefused("current", what, where=where, mend="Name an earlier one: baseline list.")
        proposal, is_new = unit.baselines.propose(
            target, 0, current, actor.name, f"Baseline {version} again: {why}", deps.clock.now(),
            source_version=version,
        )  # fmt: skip
        if is_new:
            _audit(unit, proposal, "rollback", actor, deps, digest, why)
    return proposal


def review_of(proposal: Proposal, deps: Deps, unit: Unit) -> Review:
    """The proposal with its changes, decisions, comments and result, recomputed from stored bytes."""
    base, new, comparison, catalogue = _sides(proposal, deps, unit)
    return review(proposal, base, new, comparison, unit.baselines.acts(proposal), catalogue)


def _if_all_accepted(proposal: Proposal, deps: Deps, unit: Unit) -> Review:
    base, new, comparison, catalogue = _sides(proposal, deps, unit)
    acts = [Act(0, proposal.id, Did.ACCEPTED, "", proposal.created_at, "", change_key(each))
            for each in comparison.changes]  # fmt: skip
    return review(proposal, base, new, comparison, acts, catalogue)


def _sides(
    proposal: Proposal, deps: Deps, unit: Unit
) -> tuple[Configuration | None, Configuration, Comparison, Catalogue]:
    """Base and what is proposed, in today's form, and what differs."""
    target = unit.targets.named(proposal.target)
    form, catalogue = deps.form_of(target), deps.catalogue_of(target)
    stored = unit.baselines.configuration(target, proposal.base_version) if proposal.base_version else None
    base = renewed(stored, form) if stored is not None else None
    if proposal.source_version and base is not None:
        old = renewed(unit.baselines.configuration(target, proposal.source_version), form)
        known = declared_of(base, old, Scope(types=frozenset(old.lists)))
        new = replace(old, lists={**base.lists, **old.lists}, declared=known)
    else:
        snapshot = unit.snapshots.by_id(target, proposal.snapshot)
        assert snapshot is not None, "a proposal refers to its snapshot by foreign key"
        new = renewed(snapshot.configuration, form)
    return base, new, compare(base, new, catalogue), catalogue


def verdict_of(made: Review, target: Target, deps: Deps) -> Judgement:
    """What the rules say of the configuration that would be approved."""
    overlay = deps.overlay_of(target)
    comparison = compare(made.result, made.result, overlay.catalogue)
    return judge(
        made.result, comparison, overlay.packs, overlay.catalogue, overlay=overlay, at=made.proposal.created_at,
        secrets=deps.secrets_of(target.tenant), zone=target.zone, stage=target.definition.stage,
    )  # fmt: skip


def impact_of(made: Review, target: Target, deps: Deps, unit: Unit) -> Impact:
    """What the changes of a proposal mean in money, each alone and all together, on the day it was made."""
    base, new, _, catalogue = _sides(made.proposal, deps, unit)
    day = made.proposal.created_at.astimezone(zone_of(new, target.zone)).date()
    known = target.definition
    return Impact(base, new, made.comparison.changes, catalogue, day, known.consumers, known.consumption)


@tried_again
def decide(
    proposal: Proposal, decisions: Sequence[tuple[ChangeKey, Decision, str]], actor: Actor, deps: Deps, *,
    seen: Mapping[ChangeKey, int] | None = None,
) -> Review:  # fmt: skip
    """Decide changes of an open proposal, or take decisions back; all or nothing.

    Args:
        decisions: change, decision (``UNDO`` takes back), reason.
        seen: number of the decision (``Decided.act``) that the actor saw on each change; those not in it he
            saw undecided. What another decided and he did not see is not overwritten.

    Raises:
        ApprovalRefused: ``closed``, ``unknown_change``, ``not_decided``, or ``decided_meanwhile``, with who and when.
        NotAllowed: no person, or one without the right.
    """
    needs_person(actor, proposal)
    with deps.store.write(actor.tenants()) as unit:
        made = review_of(unit.baselines.held(proposal), deps, unit)
        refuse_closed(made.proposal)
        target = unit.targets.named(proposal.target)
        refuse_overtaken(made, [each[:2] for each in decisions], seen or {}, actor.name, target.zone)
        for key, each, why in decisions:
            reason = worded(why, f"proposal {proposal.id}")
            unit.baselines.note(proposal.id, DID[each], actor.name, deps.clock.now(), reason, key)
        made = review_of(made.proposal, deps, unit)
        told = ", ".join(f"{decision} {told_of(key)}" for key, decision, _ in decisions[:5])
        more = f" and {len(decisions) - 5} more" if len(decisions) > 5 else ""
        _audit(unit, made.proposal, "decide", actor, deps, made.digest, told + more)
    return made


@tried_again
def comment(proposal: Proposal, text: str, actor: Actor, deps: Deps, *, change: ChangeKey | None = None) -> Review:
    """Say something of a proposal, open or closed, or of one of its changes.

    Raises:
        ApprovalRefused: ``no_reason`` where nothing is said, ``too_long``, or ``unknown_change``.
    """
    actor.needs(Right.ACT, proposal.target.split("/")[0])
    where = f"proposal {proposal.id}"
    said = worded(text, where, is_due=True)
    with deps.store.write(actor.tenants()) as unit:
        made = review_of(unit.baselines.proposal(proposal.id), deps, unit)
        if change is not None and change not in {change_key(each) for each in made.comparison.changes}:
            what = f"{told_of(change)} is no change of it."
            raise ApprovalRefused("unknown_change", what, where=where, mend="See: baseline review.")
        unit.baselines.note(proposal.id, Did.COMMENTED, actor.name, deps.clock.now(), said, change)
        _audit(unit, made.proposal, "comment", actor, deps, "", said)
        return review_of(made.proposal, deps, unit)


def hand_over(proposal: Proposal, actor: Actor, deps: Deps, *, note: str = "") -> Review:
    """Ask for the approval of a decided proposal: another person is awaited now.

    Raises:
        ApprovalRefused: ``closed``, ``undecided``, or ``awaited`` where it is handed over already.
    """
    return _hand(proposal, Awaited.APPROVAL, worded(note, f"proposal {proposal.id}"), actor, deps)


def send_back(proposal: Proposal, reason: str, actor: Actor, deps: Deps) -> Review:
    """Give a proposal that was handed over back to its proposer, and say why.

    Raises:
        ApprovalRefused: ``closed``, ``no_reason``, or ``awaited`` where it was not handed over.
    """
    needs_person(actor, proposal)
    return _hand(proposal, Awaited.REVIEW, worded(reason, f"proposal {proposal.id}", is_due=True), actor, deps)


@tried_again
def _hand(proposal: Proposal, awaited: Awaited, words: str, actor: Actor, deps: Deps) -> Review:
    needs_person(actor, proposal)
    is_over = awaited is Awaited.APPROVAL
    with deps.store.write(actor.tenants()) as unit:
        made = review_of(unit.baselines.held(proposal), deps, unit)
        refuse_closed(made.proposal)
        if is_over:
            refuse_undecided(made)
        if made.awaited is awaited:
            what = "it was handed over already." if is_over else "nobody has handed it over."
            raise ApprovalRefused("awaited", what, where=f"proposal {proposal.id}", mend="Nothing to do.")
        did = Did.HANDED_OVER if is_over else Did.SENT_BACK
        unit.baselines.note(proposal.id, did, actor.name, deps.clock.now(), words)
        _audit(unit, made.proposal, did.value.replace(" ", "_"), actor, deps, made.digest, words)
        return review_of(made.proposal, deps, unit)


@tried_again
def approve(proposal: Proposal, digest: str, actor: Actor, deps: Deps, *, reason: str = "") -> Approved:
    """Make the next baseline of a decided proposal; everything in one transaction (P6).

    Raises:
        ApprovalRefused: one of the gates of contracts §7.
        DamagedContent: stored bytes do not have their digest.
    """
    actor.needs(Right.APPROVE, proposal.target.split("/")[0])
    why = worded(reason, f"proposal {proposal.id}")
    reached("approving")
    with deps.store.write(actor.tenants()) as unit:
        proposal = unit.baselines.held(proposal)
        now = deps.clock.now()
        target = unit.targets.named(proposal.target)
        unit.targets.hold(target)
        made = review_of(proposal, deps, unit)
        refuse_approval(
            made, digest=digest, approver=actor.name, current_version=unit.baselines.version(target),
            four_eyes=deps.settings.four_eyes,
        )  # fmt: skip
        accepted, rejected = made.decided(Decision.ACCEPT), made.decided(Decision.REJECT)
        baseline = unit.baselines.make(target, proposal, made.result, actor.name, now, len(accepted), len(rejected))
        version = f"baseline {baseline.version}"
        words = f"{version}: {why}" if why else version
        assert unit.baselines.close(proposal, ProposalState.APPROVED, actor.name, words, now), "it is held, and open"
        for other in unit.baselines.open_proposals(target):
            unit.baselines.close(other, ProposalState.OUTDATED, actor.name, version, now)
        resolved = _resolve_accepted(unit, target, made, baseline, deps)
        four_eyes = "" if deps.settings.four_eyes else "four eyes off by setting"
        entry = unit.audit.append(
            deps.audit_key, at=now, actor=actor.name, tenant=target.tenant, action="baseline.approve",
            object=f"{target.name} {version}", content=baseline.digest,
            reason=". ".join(each for each in (why, four_eyes) if each),
        )  # fmt: skip
    reached("approved")
    return Approved(baseline, entry.seq, len(resolved))


@tried_again
def reject(proposal: Proposal, reason: str, actor: Actor, deps: Deps) -> Proposal:
    """End a proposal: rejected by another, withdrawn by its proposer. What differs stays drift.

    Raises:
        ApprovalRefused: ``closed``.
    """
    is_own = actor.name == proposal.proposer
    actor.needs(Right.PROPOSE if is_own else Right.APPROVE, proposal.target.split("/")[0])
    state = ProposalState.WITHDRAWN if is_own else ProposalState.REJECTED
    why = worded(reason, f"proposal {proposal.id}")
    with deps.store.write(actor.tenants()) as unit:
        held = unit.baselines.held(proposal)
        refuse_closed(held)
        unit.baselines.close(held, state, actor.name, why, deps.clock.now())
        _audit(unit, held, state.value, actor, deps, "", why)
        return unit.baselines.proposal(proposal.id)


def worded(text: str, where: str, *, is_due: bool = False) -> str:
    """What a person wrote, without space around it.

    Raises:
        ApprovalRefused: ``too_long``, or ``no_reason`` where it is due and nothing is said.
    """
    said = text.strip()
    if is_due and not said:
        raise ApprovalRefused("no_reason", "nothing is said.", where=where, mend="Say it in a sentence.")
    if len(said) > LONGEST:
        what = f"{len(said):,} characters are too many."
        raise ApprovalRefused("too_long", what, where=where, mend=f"Say it in {LONGEST:,}.")
    return said


def needs_person(actor: Actor, proposal: Proposal) -> None:
    """Deciding is for people; a token only proposes.

    Raises:
        NotAllowed: no person, or one without the right.
        NotFound: he may not even see the target.
    """
    tenant = proposal.target.split("/")[0]
    actor.needs(Right.PROPOSE, tenant)
    if not actor.is_person:
        raise NotAllowed(Right.PROPOSE.value, actor.name, tenant)


def _audit(unit: Unit, proposal: Proposal, act: str, actor: Actor, deps: Deps, content: str, reason: str) -> None:
    unit.audit.append(
        deps.audit_key, at=deps.clock.now(), actor=actor.name, tenant=proposal.target.split("/")[0],
        action=f"baseline.{act}", object=f"{proposal.target} proposal {proposal.id}", content=content, reason=reason,
    )  # fmt: skip


def _resolve_accepted(unit: Unit, target: Target, made: Review, baseline: Baseline, deps: Deps) -> Sequence[Known]:
    """Close the drift that the new baseline accepts, and say so in the messages that told it.

    Drift to another value than was accepted is still drift.
    """
    types = deps.catalogue_of(target).types
    accepted = {}
    for each in made.decided(Decision.ACCEPT):
        print_ = fingerprint(Kind.DRIFT.value, "", each.resource_type, each.key, each.path)
        accepted[print_] = masked(each, types.get(each.resource_type), each.new)
    touched = [
        known
        for _, known in unit.findings.open(target)
        if known.finding.fingerprint in accepted and known.finding.new == accepted[known.finding.fingerprint]
    ]
    detail = f"accepted in baseline {baseline.version} by {baseline.approver}"
    resolved = unit.findings.resolve(touched, Resolution.ACCEPTED, detail, baseline.approver, deps.clock.now())
    tell_of(unit, target, resolved, AlertReason.RESOLVED, baseline.approver, Resolution.ACCEPTED.value, deps)
    return resolved
