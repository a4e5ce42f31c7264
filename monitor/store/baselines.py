"""Baselines and proposals: kept as approved, checked against their digest on every read (P6).

What people did to a proposal is only ever added to; the decisions that hold are read from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.engine import Connection

from baselines.approval import Act, Baseline, ChangeKey, Decided, Did, Proposal, ProposalState, decisions_of
from baselines.configuration import Configuration
from monitor.errors import NotFound
from monitor.store.engine import insert_into
from monitor.store.seen import Tenants, of_seen
from monitor.store.snapshots import Snapshots, damaged
from monitor.store.tables import BaselineRow, ProposalActRow, ProposalRow, TargetRow
from monitor.store.values import from_json, to_json
from monitor.target import Target

_BASELINES = BaselineRow.__table__.c
_PROPOSALS = ProposalRow.__table__.c
_ACTS = ProposalActRow.__table__.c
_TARGETS = TargetRow.__table__.c


class Baselines:
    """The tables ``baselines``, ``proposals`` and ``proposal_acts``."""

    def __init__(self, connection: Connection, snapshots: Snapshots, seen: Tenants = None) -> None:
        self._connection, self._snapshots, self._seen = connection, snapshots, of_seen(seen)

    def current(self, target: Target) -> Baseline | None:
        """The newest baseline of a target; None before the first."""
        return next(iter(self._history(target, 1)), None)

    def version(self, target: Target) -> int:
        """Of the newest baseline of a target; 0 before the first."""
        newest = select(func.max(_BASELINES.version)).where(_BASELINES.target_id == target.id)
        return self._connection.execute(newest).scalar() or 0

    def at(self, target: Target, moment: datetime) -> Baseline | None:
        """The baseline that held at a moment; None before the first."""
        return next(iter(self._history(target, 1, _BASELINES.approved_at <= moment)), None)

    def history(self, target: Target) -> Sequence[Baseline]:
        """All baselines of a target, newest first."""
        return self._history(target, None)

    def _history(self, target: Target, most: int | None, *which: ColumnElement[bool]) -> Sequence[Baseline]:
        rows = self._connection.execute(
            select(BaselineRow.__table__)
            .where(_BASELINES.target_id == target.id, *which)
            .order_by(_BASELINES.version.desc())
            .limit(most)
        )
        return [_baseline(row, target) for row in rows]

    def configuration(self, target: Target, version: int) -> Configuration:
        """What was approved.

        Raises:
            NotFound: no baseline of that version.
            DamagedContent: the stored lists do not have the approved digest.
        """
        row = self._connection.execute(
            select(BaselineRow.__table__).where(_BASELINES.target_id == target.id, _BASELINES.version == version)
        ).first()
        if row is None:
            raise NotFound("no such baseline.", where=f"{target.name} baseline {version}", mend="See: baseline list.")
        about = {"tenant": target.tenant, "environment": target.environment}
        configuration = self._snapshots.configuration(row.tree, row.form, about=about)
        if configuration.digest != row.digest:
            raise damaged(f"{target.name} baseline {version}")
        return configuration

    def approved(self, target: Target) -> Configuration | None:
        """The configuration of the newest baseline; None before the first."""
        current = self.current(target)
        return self.configuration(target, current.version) if current is not None else None

    def current_of(self, targets: Sequence[Target]) -> Mapping[int, Baseline]:
        """The newest baselines of several targets, by id of the target; one query."""
        newest = select(func.max(_BASELINES.id)).group_by(_BASELINES.target_id)
        rows = self._connection.execute(select(BaselineRow.__table__).where(_BASELINES.id.in_(newest)))
        named = {target.id: target for target in targets}
        return {row.target_id: _baseline(row, named[row.target_id]) for row in rows if row.target_id in named}

    def make(
        self, target: Target, proposal: Proposal, result: Configuration, approver: str, now: datetime, accepted: int,
        rejected: int,
    ) -> Baseline:  # fmt: skip
        """Write version n+1; its lists are kept as they are."""
        tree = self._snapshots.keep_tree(result)
        made = Baseline(
            target.name, proposal.base_version + 1, result.digest, result.version, proposal.proposer, approver, now,
            proposal.id, accepted, rejected,
        )  # fmt: skip
        self._connection.execute(
            insert(BaselineRow).values(
                target_id=target.id, version=made.version, digest=made.digest, form=made.form, tree=tree,
                proposal_id=proposal.id, proposer=made.proposer, approver=approver, approved_at=now,
                accepted=accepted, rejected=rejected,
            )
        )  # fmt: skip
        return made

    def propose(
        self, target: Target, snapshot: int, base_version: int, proposer: str, title: str, now: datetime,
        scope: Iterable[str] = (), source_version: int = 0,
    ) -> tuple[Proposal, bool]:  # fmt: skip
        """Put a snapshot, or an earlier baseline, forward.

        Returns:
            The proposal, and True if it was made now: the open one of the same content, base and scope is
            returned where there is one.
        """
        words = to_json(sorted(set(scope)))
        same = select(_PROPOSALS.id).where(
            _PROPOSALS.target_id == target.id, _PROPOSALS.base_version == base_version, _PROPOSALS.scope == words,
            _PROPOSALS.source_version == source_version, _PROPOSALS.state == "open",
            _PROPOSALS.snapshot_id == snapshot if snapshot else _PROPOSALS.snapshot_id.is_(None),
        )  # fmt: skip
        there = self._connection.execute(same).scalar()
        if there is not None:
            return self.proposal(there), False
        made = self._connection.execute(
            insert_into(self._connection, ProposalRow)
            .values(
                target_id=target.id, snapshot_id=snapshot or None, source_version=source_version, scope=words,
                base_version=base_version, state="open", title=title, proposer=proposer, created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(_PROPOSALS.id)
        ).scalar()  # fmt: skip
        if made is None:  # somebody proposed the same at this very moment
            return self.proposal(self._connection.execute(same).scalar_one()), False
        self.note(made, Did.PROPOSED, proposer, now, title)
        return self.proposal(made), True

    def proposal(self, identity: int) -> Proposal:
        """A proposal by number.

        Raises:
            NotFound: there is none.
        """
        found = self._proposals(_PROPOSALS.id == identity)
        if not found:
            raise NotFound("no such proposal.", where=f"proposal {identity}", mend="See: baseline list TARGET.")
        return found[0]

    def held(self, proposal: Proposal) -> Proposal:
        """The proposal as it stands now; nobody else can act on it, or on another of its target, until the end.

        Acts on proposals of one target come one after the other: two approvals at once make one version.
        """
        which = select(_PROPOSALS.target_id).where(_PROPOSALS.id == proposal.id).scalar_subquery()
        self._connection.execute(
            select(_PROPOSALS.id)
            .where(_PROPOSALS.target_id == which, (_PROPOSALS.state == "open") | (_PROPOSALS.id == proposal.id))
            .order_by(_PROPOSALS.id)
            .with_for_update()
        )
        return self.proposal(proposal.id)

    def proposals(self, target: Target) -> Sequence[Proposal]:
        """All proposals of a target, newest first."""
        return self._proposals(_PROPOSALS.target_id == target.id)[::-1]

    def _proposals(self, which: ColumnElement[bool]) -> Sequence[Proposal]:
        rows = self._connection.execute(
            select(ProposalRow.__table__, _TARGETS.tenant, _TARGETS.environment)
            .join(TargetRow, _TARGETS.id == _PROPOSALS.target_id)
            .where(which, self._seen)
            .order_by(_PROPOSALS.id)
        )
        return [
            Proposal(
                row.id, f"{row.tenant}/{row.environment}", row.snapshot_id or 0, row.base_version,
                ProposalState(row.state), row.proposer, row.created_at, row.title, row.closed_by, row.closed_at,
                row.reason, from_json(row.scope, tuple[str, ...]), row.source_version,
            )
            for row in rows
        ]  # fmt: skip

    def open_proposals(self, target: Target) -> Sequence[Proposal]:
        """Proposals of a target that wait, oldest first."""
        return [self.proposal(each) for each in self.open_numbers().get(target.id, ())]

    def open_numbers(self) -> Mapping[int, tuple[int, ...]]:
        """Numbers of the proposals that wait, oldest first, by id of each target that has any; one query."""
        found: dict[int, tuple[int, ...]] = {}
        query = (
            select(_PROPOSALS.target_id, _PROPOSALS.id)
            .join(TargetRow, _TARGETS.id == _PROPOSALS.target_id)
            .where(_PROPOSALS.state == "open", self._seen)
            .order_by(_PROPOSALS.id)
        )
        for target_id, number in self._connection.execute(query):
            found[target_id] = (*found.get(target_id, ()), number)
        return found

    def close(self, proposal: Proposal, state: ProposalState, by: str, reason: str, now: datetime) -> bool:
        """End an open proposal, and say so among its acts; False if somebody was quicker."""
        done = self._connection.execute(
            update(ProposalRow)
            .where(_PROPOSALS.id == proposal.id, _PROPOSALS.state == "open")
            .values(state=state.value, closed_by=by, closed_at=now, reason=reason)
        )
        if done.rowcount == 1:
            self.note(proposal.id, Did(state.value), by, now, reason)
        return done.rowcount == 1

    def note(
        self, proposal: int, did: Did, by: str, at: datetime, words: str = "", change: ChangeKey | None = None,
        carried: int = 0,
    ) -> None:  # fmt: skip
        """Write down what somebody did to a proposal, or to one of its changes."""
        resource_type, key, path = change or ("", "", "")
        self._connection.execute(
            insert(ProposalActRow).values(
                proposal_id=proposal, did=did.value, by=by, at=at, words=words, resource_type=resource_type, key=key,
                path=path, carried=carried,
            )
        )  # fmt: skip

    def acts(self, proposal: Proposal) -> Sequence[Act]:
        """What was done to a proposal, oldest first."""
        return self._acts(_ACTS.proposal_id == proposal.id)

    def all_acts(self, target: Target) -> Sequence[Act]:
        """What was done to all proposals of a target, in the order in which it was done."""
        return self._acts(_PROPOSALS.target_id == target.id)

    def _acts(self, which: ColumnElement[bool]) -> Sequence[Act]:
        rows = self._connection.execute(
            select(ProposalActRow.__table__)
            .join(ProposalRow, _PROPOSALS.id == _ACTS.proposal_id)
            .join(TargetRow, _TARGETS.id == _PROPOSALS.target_id)
            .where(which, self._seen)
            .order_by(_ACTS.id)
        )
        return [_act(row) for row in rows]

    def decisions(self, proposal: Proposal) -> Mapping[ChangeKey, Decided]:
        """Decisions that hold."""
        return decisions_of(self.acts(proposal))


def _act(row: Row[Any]) -> Act:
    change = (row.resource_type, row.key, row.path) if row.resource_type else None
    return Act(row.id, row.proposal_id, Did(row.did), row.by, row.at, row.words, change, row.carried)


def _baseline(row: Row[tuple[object, ...]], target: Target) -> Baseline:
    found = row._mapping
    return Baseline(
        target.name, found["version"], found["digest"], found["form"], found["proposer"], found["approver"],
        found["approved_at"], found["proposal_id"], found["accepted"], found["rejected"],
    )  # fmt: skip
