"""Proposals, decisions and baselines: what a person approved, bound to its content (contracts §7). Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Final

from baselines.apply import apply
from baselines.catalogue import Catalogue
from baselines.compare import Change, Comparison
from baselines.configuration import Configuration, ObjectList
from baselines.errors import ApprovalRefused, shown
from baselines.scope import Scope, declared_of, left_behind, part_of, within
from baselines.severity import Severity
from baselines.values import Canonical


class Decision(StrEnum):
    """What a reviewer says of one change; a rejected change stays drift."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNDO = "undo"  #: takes an earlier decision back


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    OUTDATED = "outdated"


class Did(StrEnum):
    """What somebody did to a proposal, or to one of its changes."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"  #: a change
    REJECTED = "rejected"  #: a change, or the proposal
    UNDONE = "undone"  #: the decision on a change
    COMMENTED = "commented"
    HANDED_OVER = "handed over"  #: for approval
    SENT_BACK = "sent back"  #: to its proposer
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"
    OUTDATED = "outdated"  #: by the approval of another


class Awaited(StrEnum):
    """Who is awaited while a proposal is open."""

    REVIEW = "review"  #: its proposer, to decide and hand over
    APPROVAL = "approval"  #: another person, to approve or send back


ChangeKey = tuple[str, str, str]  #: resource type, key, path


@dataclass(frozen=True, slots=True)
class Act:
    """One thing one person did; never edited, never removed."""

    id: int  #: grows with time
    proposal: int
    did: Did
    by: str
    at: datetime
    words: str = ""  #: the reason or the comment
    change: ChangeKey | None = None  #: None: the proposal as a whole
    carried: int = 0  #: number of the proposal in which it was done; 0: in this one


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision that holds on a change."""

    decision: Decision
    by: str
    at: datetime
    reason: str = ""
    act: int = 0  #: its number: who decides otherwise says that he saw this one
    carried: int = 0  #: number of the proposal it was taken over from; 0: made in this one


@dataclass(frozen=True, slots=True)
class Proposal:
    """A complete snapshot, or an earlier baseline, put forward as the next one."""

    id: int
    target: str
    snapshot: int  #: 0: it proposes an earlier baseline
    base_version: int  #: 0: the target has no baseline yet
    state: ProposalState
    proposer: str
    created_at: datetime
    title: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None
    reason: str = ""
    scope: tuple[str, ...] = ()  #: modules, resource types, ``service=WATER``; empty: everything
    source_version: int = 0  #: of the earlier baseline it proposes; 0: it proposes a snapshot


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


@dataclass(frozen=True)
class Group:
    """Changes that are looked at together: of one resource type, or of one cause."""

    name: str  #: ``billing/service_plan``, or ``cause:A-HAP-C``
    module: str  #: "" for a cause
    resource_type: str  #: "" for a cause
    title: str
    changes: tuple[Change, ...]
    decisions: Mapping[ChangeKey, Decided]  #: those that hold on its changes

    @property
    def severities(self) -> Mapping[Severity, int]:
        """How many changes of each severity, worst first."""
        found = Counter(each.severity for each in self.changes)
        return {each: found[each] for each in Severity if found[each]}

    @property
    def undecided(self) -> tuple[Change, ...]:
        """Changes nobody has decided."""
        return tuple(each for each in self.changes if change_key(each) not in self.decisions)

    @property
    def together(self) -> tuple[Change, ...]:
        """What one decision on the group decides: the undecided ones, but no critical one: they want their own."""
        return tuple(each for each in self.undecided if each.severity is not Severity.CRITICAL)


@dataclass(frozen=True)
class Review:
    """Everything a reviewer sees of a proposal, and what would come out."""

    proposal: Proposal
    comparison: Comparison  #: the part in the scope of the proposal
    decisions: Mapping[ChangeKey, Decided]
    result: Configuration
    acts: tuple[Act, ...] = ()  #: all that was done to it, oldest first
    outside: int = 0  #: changes that are not in its scope, and stay as they are
    left_behind: tuple[tuple[str, str, str], ...] = ()  #: (from, type, key): references that would dangle by its scope

    @cached_property
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

    @property
    def awaited(self) -> Awaited | None:
        """Who is awaited; None where it is closed."""
        return awaited_of(self.proposal, self.acts)

    def comments(self, change: ChangeKey | None = None) -> tuple[Act, ...]:
        """What was said of the proposal, or of one change, oldest first."""
        return tuple(each for each in self.acts if each.did is Did.COMMENTED and each.change == change)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All changes by module and resource type, in the order of the comparison; each change is in one."""
        found: dict[tuple[str, str], list[Change]] = defaultdict(list)
        for each in self.comparison.changes:
            found[each.module, each.resource_type].append(each)
        return tuple(
            self._group("/".join(part for part in place if part), *place, place[1], several)
            for place, several in found.items()
        )

    @cached_property
    def causes(self) -> tuple[Group, ...]:
        """Changes that seem to have one cause, greatest first: an object came or went, and others mention it."""
        mentions = {change_key(each): _mentioned(each) for each in self.comparison.changes}
        left = list(self.comparison.changes)
        candidates = {each.key for each in left if each.is_whole_object}
        found: list[Group] = []
        while True:
            counted = Counter(key for each in left for key in mentions[change_key(each)] & candidates)
            key, count = min(counted.items(), key=lambda each: (-each[1], each[0]), default=("", 0))
            if count < FEWEST_OF_A_CAUSE:
                return tuple(found)
            of_it = [each for each in left if key in mentions[change_key(each)]]
            title = f"{count} of the {len(mentions)} changes mention {key}"
            found.append(self._group(f"cause:{key}", "", "", title, of_it))
            left = [each for each in left if key not in mentions[change_key(each)]]

    def _group(self, name: str, module: str, kind: str, title: str, changes: Iterable[Change]) -> Group:
        several = tuple(changes)
        keys = {change_key(each) for each in several} & self.decisions.keys()
        return Group(name, module, kind, title, several, {key: self.decisions[key] for key in keys})

    def named(self, group: str) -> tuple[Change, ...]:
        """Changes of a group by its name, of a module or resource type, ``all``, or one: ``tax ULF-PDX percentage``.

        Raises:
            ApprovalRefused: ``unknown_change``.
        """
        for each in (*self.groups, *self.causes):
            if group == each.name:
                return each.changes
        found = tuple(
            each
            for each in self.comparison.changes
            if group in ("all", each.module, each.resource_type, told_of(change_key(each)))
        )
        if not found:
            mend = f"Its groups: {', '.join(each.name for each in (*self.groups, *self.causes)) or 'none'}."
            what = f"{group} is no group of its changes."
            raise ApprovalRefused("unknown_change", what, where=f"proposal {self.proposal.id}", mend=mend)
        return found


def chosen_of(
    made: Review, groups: Iterable[tuple[str, Decision, str]]
) -> tuple[list[tuple[ChangeKey, Decision, str]], Mapping[str, int]]:
    """What decisions on groups (name, decision, reason) decide: their undecided changes; ``UNDO``: the decided ones.

    Accepting several at once leaves out the critical ones.

    Returns:
        The decisions, and by group how many critical changes want their own.

    Raises:
        ApprovalRefused: ``unknown_change``.
    """
    chosen: dict[ChangeKey, tuple[Decision, str]] = {}
    left: dict[str, int] = {}
    for name, decision, reason in groups:
        for each in made.named(name):
            key = change_key(each)
            if (key in made.decisions) is not (decision is Decision.UNDO):
                continue
            is_alone = decision is not Decision.ACCEPT or name == told_of(key)
            if each.severity is Severity.CRITICAL and not is_alone:
                left[name] = left.get(name, 0) + 1
            else:
                chosen[key] = (decision, reason)
    return [(key, *each) for key, each in chosen.items()], left


def awaited_of(proposal: Proposal, acts: Iterable[Act]) -> Awaited | None:
    """Who is awaited; None where it is closed.

    Args:
        acts: on this proposal, oldest first.
    """
    if proposal.state is not ProposalState.OPEN:
        return None
    moved = [each.did for each in acts if each.did in (Did.HANDED_OVER, Did.SENT_BACK)]
    return Awaited.APPROVAL if moved[-1:] == [Did.HANDED_OVER] else Awaited.REVIEW


FEWEST_OF_A_CAUSE: Final = 3  #: changes that mention an object which came or went


def _mentioned(change: Change) -> frozenset[str]:
    """Texts a change holds that may be keys of objects: its own, of its parts, of what it refers to."""

    def texts(value: Canonical) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from texts(part)

    return frozenset((change.key, *change.key.split("/"), *texts(change.old), *texts(change.new)))


def change_key(change: Change) -> ChangeKey:
    """What names a change in decisions."""
    return change.resource_type, change.key, change.path


def told_of(key: ChangeKey) -> str:
    """A change as people name it: ``tax ULF-PDX percentage``."""
    return " ".join(part for part in key if part)


_DECISIONS: Final = {Did.ACCEPTED: Decision.ACCEPT, Did.REJECTED: Decision.REJECT, Did.UNDONE: Decision.UNDO}
DID: Final[Mapping[Decision, Did]] = {decision: did for did, decision in _DECISIONS.items()}


def last_decisions(acts: Iterable[Act]) -> Mapping[ChangeKey, Decided]:
    """The last decision on each change, also where it was taken back (``UNDO``).

    Args:
        acts: of one proposal, oldest first.
    """
    found = {}
    for each in acts:
        if each.change is not None and each.did in _DECISIONS:
            found[each.change] = Decided(
                _DECISIONS[each.did], each.by, each.at, each.words, each.id, each.carried
            )  # fmt: skip
    return found


def decisions_of(acts: Iterable[Act]) -> Mapping[ChangeKey, Decided]:
    """The decisions that hold."""
    return {key: each for key, each in last_decisions(acts).items() if each.decision is not Decision.UNDO}


def review(
    proposal: Proposal,
    base: Configuration | None,
    snapshot: Configuration,
    comparison: Comparison,
    acts: Iterable[Act],
    catalogue: Catalogue,
) -> Review:
    """The result of the decisions made so far: base plus accepted changes; a first baseline is taken whole.

    Args:
        snapshot: what is proposed; also an earlier baseline.
        comparison: of ``base`` with it.
        acts: on this proposal, oldest first.
    """
    scope, done = Scope.of(proposal.scope, catalogue), tuple(acts)
    if base is None:
        first = part_of(snapshot, scope, catalogue)
        outside = snapshot.object_count - first.object_count
        left = left_behind(first, snapshot, scope, catalogue)
        return Review(proposal, Comparison((), {}, comparison.compared), {}, first, done, outside, left)
    inside, outside = within(scope, comparison, base, snapshot, catalogue)
    known = {change_key(each) for each in inside.changes}
    current = {key: decided for key, decided in decisions_of(done).items() if key in known}
    accepted = [
        each
        for each in inside.changes
        if (found := current.get(change_key(each))) is not None and found.decision is Decision.ACCEPT
    ]
    made = apply(accepted, base, catalogue) if accepted else base
    # All that was read was laid before the reviewer, so the next baseline knows of it, if only as none.
    further = {
        name: ObjectList.of(name, (), made.version)
        for name in snapshot.lists
        if name not in made.lists and scope.has_type(name)
    }
    result = replace(made, lists={**made.lists, **further}, declared=declared_of(base, snapshot, scope))
    left = left_behind(result, snapshot, scope, catalogue)
    return Review(proposal, inside, current, result, done, outside, left)


def carried(old: Review, new: Review) -> Mapping[ChangeKey, Decided]:
    """Decisions of another proposal that hold in a new one: on the same change, from and to the same value.

    What somebody has decided in the new one is left as it is.
    """
    before = {change_key(each): (each.op, each.old, each.new) for each in old.comparison.changes}
    return {
        key: old.decisions[key]
        for each in new.undecided
        if (key := change_key(each)) in old.decisions and before[key] == (each.op, each.old, each.new)
    }


def refuse_closed(proposal: Proposal) -> None:
    """Only an open proposal can be acted upon.

    Raises:
        ApprovalRefused: ``closed``, with who closed it.
    """
    if proposal.state is not ProposalState.OPEN:
        who = f" by {proposal.closed_by}" if proposal.closed_by else ""
        why = f": {shown(proposal.reason)}" if proposal.reason else ""
        what = f"it is {proposal.state.value} already{who}{why}."
        raise ApprovalRefused("closed", what, where=f"proposal {proposal.id}", mend="Propose the newest reading.")


def refuse_overtaken(
    made: Review, decisions: Iterable[tuple[ChangeKey, Decision]], seen: Mapping[ChangeKey, int], by: str, zone: tzinfo
) -> None:
    """A decision changes no other that its maker has not seen (U15).

    Args:
        made: as it stands now.
        decisions: to be made.
        seen: number (``Decided.act``) of the decision that was seen on each change; none: it was undecided.
        by: who decides; what he decided himself he may always decide otherwise.
        zone: of the target, for the time that is told.

    Raises:
        ApprovalRefused: ``unknown_change``, ``not_decided`` where there is nothing to take back, or
            ``decided_meanwhile``.
    """
    known, where = {change_key(each) for each in made.comparison.changes}, f"proposal {made.proposal.id}"
    last = last_decisions(made.acts)
    for key, decision in decisions:
        told = told_of(key)
        if key not in known:
            raise ApprovalRefused(
                "unknown_change", f"{told} is no change of it.", where=where, mend="See: baseline review."
            )
        now, before = made.decisions.get(key), last.get(key)
        if before is not None and before.by != by and (now.act if now is not None else 0) != seen.get(key, 0):
            did = {Decision.UNDO: "took the decision on this back"}.get(before.decision, f"{DID[before.decision]} this")
            at = before.at.astimezone(zone)
            what = f"{before.by} {did} at {at:%H:%M} ({at:%d %b %Y}, {told}). Your decision was not saved."
            mend = "Look at it again, and decide it anew if you see it otherwise."
            raise ApprovalRefused("decided_meanwhile", what, where=where, mend=mend)
        if now is None and decision is Decision.UNDO:
            what = f"nobody has decided {told}."
            raise ApprovalRefused("not_decided", what, where=where, mend="There is nothing to take back.")


def refuse_scope(made: Review) -> None:
    """A part can only be approved where all it refers to is in the baseline.

    Raises:
        ApprovalRefused: ``left_behind``, naming what is missing.
    """
    if made.left_behind:
        told = "; ".join(f"{origin} refers to {kind} {key}" for origin, kind, key in made.left_behind[:3])
        more = len(made.left_behind) - 3
        what = f"it leaves behind what it needs: {told}{f' and {more} more' if more > 0 else ''}."
        where = f"proposal {made.proposal.id}" if made.proposal.id else made.proposal.target
        types = sorted({kind for _, kind, _ in made.left_behind})
        raise ApprovalRefused(
            "left_behind", what, where=where, mend=f"Widen the scope by {', '.join(types[:5])}, or by their service."
        )


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


def refuse_undecided(made: Review) -> None:
    """Every change of a proposal is decided before it is handed over or approved.

    Raises:
        ApprovalRefused: ``undecided``.
    """
    if made.undecided:
        what = f"{len(made.undecided)} of {len(made.comparison.changes)} changes are undecided."
        where = f"proposal {made.proposal.id}"
        raise ApprovalRefused("undecided", what, where=where, mend="Accept or reject each in the review.")


def refuse_approval(made: Review, *, digest: str, approver: str, current_version: int, four_eyes: bool) -> None:
    """Every gate of contracts §7, one cause each.

    Args:
        made: the review, recomputed from stored bytes.
        digest: the one the approver names, whole or at least 12 hex digits of it.
        approver: who approves.
        current_version: of the target's baseline now.
        four_eyes: False where a setting for small teams turns it off.

    Raises:
        ApprovalRefused: ``closed``, ``base_moved``, ``undecided``, ``left_behind``, ``own_proposal``, or ``digest``.
    """
    proposal = made.proposal
    where = f"proposal {proposal.id}"
    refuse_closed(proposal)
    if proposal.base_version != current_version:
        what = f"its base is baseline {proposal.base_version}, the current one is {current_version}."
        raise ApprovalRefused(
            "base_moved",
            what,
            where=where,
            mend=f"Propose anew: baseline propose {proposal.target} --carry {proposal.id}.",
        )
    refuse_undecided(made)
    refuse_scope(made)
    if four_eyes and approver == proposal.proposer:
        what = f"{approver} proposed it; another person approves."
        raise ApprovalRefused("own_proposal", what, where=where, mend="Ask a colleague to review and approve.")
    named = digest.removeprefix("b3:")
    if len(named) < 12 or not made.digest.removeprefix("b3:").startswith(named):
        what = f"the digest is {made.digest[:15]}, not {shown(digest)[:20]}; something was decided after you looked."
        raise ApprovalRefused("digest", what, where=where, mend="Review it again and name the digest it shows.")
