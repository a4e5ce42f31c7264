"""What people approve: propose, review, decide, approve, reject (contracts §7). One screen each."""

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.alert import AlertReason
from baselines.approval import (
    Baseline,
    ChangeKey,
    Decided,
    Decision,
    Proposal,
    ProposalState,
    Review,
    change_key,
    refuse_approval,
    refuse_incomplete,
    review,
)
from baselines.canonical import renewed
from baselines.compare import compare
from baselines.errors import ApprovalRefused
from monitor.access import Actor, Right
from monitor.care import tell_of
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.killpoints import reached
from monitor.store.unit import Unit
from monitor.target import Target
from rules.findings import Kind, fingerprint
from rules.judge import Judgement, judge
from rules.lifecycle import Known, Resolution


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval made."""

    baseline: Baseline
    audit: int
    resolved: int  #: drift findings it closed


def propose_baseline(target: Target, actor: Actor, deps: Deps, *, snapshot: int = 0, title: str = "") -> Proposal:
    """Freeze a complete snapshot as a proposal against the current baseline.

    Args:
        snapshot: its number; 0: the newest.

    Raises:
        ApprovalRefused: ``incomplete``.
        NotFound: no such snapshot.
    """
    actor.needs(Right.PROPOSE, target.tenant)
    now = deps.clock.now()
    with deps.store.write() as unit:
        found = unit.snapshots.by_id(target, snapshot) if snapshot else unit.snapshots.last(target)
        if found is None:
            raise NotFound("no such snapshot.", where=target.name, mend=f"smart360-monitor sweep {target.name} --wait")
        scope = target.scope(deps.catalogue_of(target))
        refuse_incomplete(found.configuration, scope, f"{target.name} snapshot {found.id}")
        current = unit.baselines.current(target)
        proposal = unit.baselines.propose(target, found.id, current.version if current else 0, actor.name, title, now)
        unit.audit.append(
            deps.audit_key, at=now, actor=actor.name, tenant=target.tenant, action="baseline.propose",
            object=f"{target.name} proposal {proposal.id}", content=found.digest, reason=title,
        )  # fmt: skip
    return proposal


def review_of(proposal: Proposal, deps: Deps, unit: Unit) -> Review:
    """The proposal with its changes, decisions and result, recomputed from stored bytes."""
    target = unit.targets.named(proposal.target)
    form = deps.form_of(target)
    snapshot = unit.snapshots.by_id(target, proposal.snapshot)
    assert snapshot is not None, "a proposal refers to its snapshot by foreign key"
    new = renewed(snapshot.configuration, form)
    stored = unit.baselines.configuration(target, proposal.base_version) if proposal.base_version else None
    base = renewed(stored, form) if stored is not None else None
    catalogue = deps.catalogue_of(target)
    comparison = compare(base, new, catalogue)
    return review(proposal, base, new, comparison, unit.baselines.decisions(proposal), catalogue)


def verdict_of(made: Review, target: Target, deps: Deps) -> Judgement:
    """What the rules say of the configuration that would be approved."""
    overlay = deps.overlay_of(target)
    comparison = compare(made.result, made.result, overlay.catalogue)
    return judge(
        made.result, comparison, overlay.packs, overlay.catalogue, overlay=overlay, at=made.proposal.created_at,
        secrets=deps.secrets_of(target.tenant), zone=target.zone, stage=target.definition.stage,
    )  # fmt: skip


def decide(
    proposal: Proposal, decisions: Sequence[tuple[ChangeKey, Decision, str]], actor: Actor, deps: Deps
) -> Review:
    """Keep decisions on changes of an open proposal, all or nothing.

    Raises:
        ApprovalRefused: ``closed``, or ``unknown_change`` for what is no change of it.
    """
    actor.needs(Right.PROPOSE, proposal.target.split("/")[0])
    now = deps.clock.now()
    with deps.store.write() as unit:
        made = review_of(proposal, deps, unit)
        where = f"proposal {proposal.id}"
        if made.proposal.state is not ProposalState.OPEN:
            what = f"it is {proposal.state.value} already."
            raise ApprovalRefused("closed", what, where=where, mend="Propose the newest reading.")
        known = {change_key(each) for each in made.comparison.changes}
        for key, _, _ in decisions:
            if key not in known:
                what = f"{' '.join(part for part in key if part)} is no change of it."
                raise ApprovalRefused("unknown_change", what, where=where, mend="See: baseline review.")
        unit.baselines.decide(proposal, {key: Decided(each, actor.name, now, why) for key, each, why in decisions})
        return review_of(proposal, deps, unit)


def approve(proposal: Proposal, digest: str, actor: Actor, deps: Deps) -> Approved:
    """Make the next baseline of a decided proposal; everything in one transaction (P6).

    Raises:
        ApprovalRefused: one of the gates of contracts §7.
        DamagedContent: stored bytes do not have their digest.
    """
    actor.needs(Right.APPROVE, proposal.target.split("/")[0])
    now = deps.clock.now()
    reached("approving")
    with deps.store.write() as unit:
        proposal = unit.baselines.proposal(proposal.id)
        target = unit.targets.named(proposal.target)
        current = unit.baselines.current(target)
        made = review_of(proposal, deps, unit)
        refuse_approval(
            made, digest=digest, approver=actor.name, current_version=current.version if current else 0,
            four_eyes=deps.settings.four_eyes,
        )  # fmt: skip
        accepted, rejected = made.decided(Decision.ACCEPT), made.decided(Decision.REJECT)
        baseline = unit.baselines.make(target, proposal, made.result, actor.name, now, len(accepted), len(rejected))
        if not unit.baselines.close(proposal, ProposalState.APPROVED, actor.name, "", now):
            mend = "See: baseline list."
            raise ApprovalRefused("closed", "somebody was quicker.", where=f"proposal {proposal.id}", mend=mend)
        for other in unit.baselines.open_proposals(target):
            unit.baselines.close(other, ProposalState.OUTDATED, actor.name, f"baseline {baseline.version}", now)
        resolved = _resolve_accepted(unit, target, made, baseline, deps)
        four_eyes = "" if deps.settings.four_eyes else "four eyes off by setting"
        entry = unit.audit.append(
            deps.audit_key, at=now, actor=actor.name, tenant=target.tenant, action="baseline.approve",
            object=f"{target.name} baseline {baseline.version}", content=baseline.digest, reason=four_eyes,
        )  # fmt: skip
    reached("approved")
    return Approved(baseline, entry.seq, len(resolved))


def reject(proposal: Proposal, reason: str, actor: Actor, deps: Deps) -> Proposal:
    """End a proposal: rejected by another, withdrawn by its proposer. What differs stays drift.

    Raises:
        ApprovalRefused: ``closed``.
    """
    is_own = actor.name == proposal.proposer
    actor.needs(Right.PROPOSE if is_own else Right.APPROVE, proposal.target.split("/")[0])
    now = deps.clock.now()
    state = ProposalState.WITHDRAWN if is_own else ProposalState.REJECTED
    with deps.store.write() as unit:
        if not unit.baselines.close(proposal, state, actor.name, reason, now):
            what = f"it is {proposal.state.value} already."
            raise ApprovalRefused("closed", what, where=f"proposal {proposal.id}", mend="See: baseline list.")
        target = unit.targets.named(proposal.target)
        unit.audit.append(
            deps.audit_key, at=now, actor=actor.name, tenant=target.tenant, action=f"baseline.{state.value}",
            object=f"{target.name} proposal {proposal.id}", reason=reason,
        )  # fmt: skip
        return unit.baselines.proposal(proposal.id)


def _resolve_accepted(unit: Unit, target: Target, made: Review, baseline: Baseline, deps: Deps) -> Sequence[Known]:
    """Close the drift that the new baseline accepts, and say so in the messages that told it."""
    prints = {
        fingerprint(Kind.DRIFT.value, "", each.resource_type, each.key, each.path)
        for each in made.decided(Decision.ACCEPT)
    }
    touched = [known for _, known in unit.findings.open(target) if known.finding.fingerprint in prints]
    detail = f"accepted in baseline {baseline.version} by {baseline.approver}"
    resolved = unit.findings.resolve(touched, Resolution.ACCEPTED, detail, baseline.approver, deps.clock.now())
    tell_of(unit, target, resolved, AlertReason.RESOLVED, baseline.approver, Resolution.ACCEPTED.value, deps)
    return resolved
