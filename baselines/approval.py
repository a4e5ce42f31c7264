"""Proposals, decisions and baselines: what a person approved, bound to its content (contracts §7). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from baselines.apply import apply
from baselines.catalogue import Catalogue
from baselines.compare import Change, Comparison
from baselines.configuration import Configuration, ObjectList
from baselines.errors import ApprovalRefused


class Decision(StrEnum):
    """What a reviewer says of one change; a rejected change stays drift."""

    ACCEPT = "accept"
    REJECT = "reject"


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    OUTDATED = "outdated"


ChangeKey = tuple[str, str, str]  #: resource type, key, path


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision of one person."""

    decision: Decision
    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A complete snapshot put forward as the next baseline."""

    id: int
    target: str
    snapshot: int
    base_version: int  #: 0: the target has no baseline yet
    state: ProposalState
    proposer: str
    created_at: datetime
    title: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A configuration a person approved; never edited."""

    target: str
    version: int
    digest: str
    form: str  #: version of canonical form and catalogue at the time
    proposer: str
    approver: str
    approved_at: datetime
    proposal: int
    accepted: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Review:
    """Everything a reviewer sees of a proposal, and what would come out."""

    proposal: Proposal
    comparison: Comparison
    decisions: Mapping[ChangeKey, Decided]
    result: Configuration

    @property
    def undecided(self) -> tuple[Change, ...]:
        """Changes nobody has decided."""
        return tuple(each for each in self.comparison.changes if change_key(each) not in self.decisions)

    def decided(self, decision: Decision) -> tuple[Change, ...]:
        """Changes with this decision."""
        return tuple(
            each
            for each in self.comparison.changes
            if (found := self.decisions.get(change_key(each))) is not None and found.decision is decision
        )

    @property
    def digest(self) -> str:
        """Of the configuration that would be approved: what the approver names."""
        return self.result.digest


def change_key(change: Change) -> ChangeKey:
    """What names a change in decisions."""
    return change.resource_type, change.key, change.path


def review(
    proposal: Proposal,
    base: Configuration | None,
    snapshot: Configuration,
    comparison: Comparison,
    decisions: Mapping[ChangeKey, Decided],
    catalogue: Catalogue,
) -> Review:
    """The result of the decisions made so far: base plus accepted changes; a first baseline is taken whole."""
    if base is None:
        return Review(proposal, Comparison((), {}, comparison.compared), {}, snapshot)
    known = {change_key(each) for each in comparison.changes}
    current = {key: decided for key, decided in decisions.items() if key in known}
    accepted = [
        each
        for each in comparison.changes
        if (found := current.get(change_key(each))) is not None and found.decision is Decision.ACCEPT
    ]
    made = apply(accepted, base, catalogue) if accepted else base
    # All that was read was laid before the reviewer, so the next baseline knows of it, if only as none.
    further = {name: ObjectList.of(name, (), made.version) for name in snapshot.lists if name not in made.lists}
    result = replace(made, lists={**made.lists, **further}, declared=snapshot.declared)
    return Review(proposal, comparison, current, result)


def refuse_incomplete(snapshot: Configuration, scope: Iterable[str], where: str) -> None:
    """A proposal needs a snapshot that is complete for its scope.

    Raises:
        ApprovalRefused: ``incomplete``, naming the lists.
    """
    unread = sorted(set(snapshot.unread) & set(scope))
    if unread or not snapshot.lists:
        told = ", ".join(unread[:5]) + (f" and {len(unread) - 5} more" if len(unread) > 5 else "")
        raise ApprovalRefused(
            "incomplete", f"the reading is incomplete: {told or 'nothing'} was not read.", where=where,
            mend="Mend the reading, sweep again, propose that.",
        )  # fmt: skip


def refuse_approval(made: Review, *, digest: str, approver: str, current_version: int, four_eyes: bool) -> None:
    """Every gate of contracts §7, one cause each.

    Args:
        made: the review, recomputed from stored bytes.
        digest: the one the approver names, whole or at least 12 hex digits of it.
        approver: who approves.
        current_version: of the target's baseline now.
        four_eyes: False where a setting for small teams turns it off.

    Raises:
        ApprovalRefused: ``closed``, ``base_moved``, ``undecided``, ``digest``, or ``own_proposal``.
    """
    proposal = made.proposal
    where = f"proposal {proposal.id}"
    if proposal.state is not ProposalState.OPEN:
        who = f" by {proposal.closed_by}" if proposal.closed_by else ""
        what = f"it is {proposal.state.value} already{who}."
        raise ApprovalRefused("closed", what, where=where, mend="Propose the newest reading.")
    if proposal.base_version != current_version:
        what = f"its base is baseline {proposal.base_version}, the current one is {current_version}."
        raise ApprovalRefused("base_moved", what, where=where, mend="Propose anew; decisions can be carried over.")
    if made.undecided:
        what = f"{len(made.undecided)} changes are undecided."
        raise ApprovalRefused("undecided", what, where=where, mend="Accept or reject each in the review.")
    if four_eyes and approver == proposal.proposer:
        what = f"{approver} proposed it; another person approves."
        raise ApprovalRefused("own_proposal", what, where=where, mend="Ask a colleague to review and approve.")
    named = digest.removeprefix("b3:")
    if len(named) < 12 or not made.digest.removeprefix("b3:").startswith(named):
        shown = made.digest[:15]
        what = f"the digest is {shown}, not {digest[:20]}; something was decided after you looked."
        raise ApprovalRefused("digest", what, where=where, mend="Review it again and name the digest it shows.")
