"""Baselines and proposals: kept as approved, checked against their digest on every read (P6)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from baselines.approval import Baseline, ChangeKey, Decided, Decision, Proposal, ProposalState
from baselines.configuration import Configuration
from monitor.errors import NotFound
from monitor.store.seen import Tenants, of_seen
from monitor.store.snapshots import Snapshots, damaged
from monitor.store.tables import BaselineRow, DecisionRow, ProposalRow, TargetRow
from monitor.target import Target

_BASELINES = BaselineRow.__table__.c
_PROPOSALS = ProposalRow.__table__.c
_DECISIONS = DecisionRow.__table__.c
_TARGETS = TargetRow.__table__.c


class Baselines:
    """The tables ``baselines``, ``proposals`` and ``decisions``."""

    def __init__(self, connection: Connection, snapshots: Snapshots, seen: Tenants = None) -> None:
        self._connection, self._snapshots, self._seen = connection, snapshots, of_seen(seen)

    def current(self, target: Target) -> Baseline | None:
        """The newest baseline of a target; None before the first."""
        row = self._connection.execute(
            select(BaselineRow.__table__)
            .where(_BASELINES.target_id == target.id)
            .order_by(_BASELINES.version.desc())
            .limit(1)
        ).first()
        return _baseline(row, target) if row is not None else None

    def history(self, target: Target) -> Sequence[Baseline]:
        """All baselines of a target, newest first."""
        rows = self._connection.execute(
            select(BaselineRow.__table__).where(_BASELINES.target_id == target.id).order_by(_BASELINES.version.desc())
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
        self, target: Target, snapshot: int, base_version: int, proposer: str, title: str, now: datetime
    ) -> Proposal:
        """Put a snapshot forward; the open proposal of the same snapshot is returned where there is one."""
        there = self._connection.execute(
            select(_PROPOSALS.id).where(
                _PROPOSALS.target_id == target.id, _PROPOSALS.snapshot_id == snapshot, _PROPOSALS.state == "open"
            )
        ).scalar()
        if there is None:
            there = self._connection.execute(
                insert(ProposalRow)
                .values(
                    target_id=target.id, snapshot_id=snapshot, base_version=base_version, state="open", title=title,
                    proposer=proposer, created_at=now,
                )
                .returning(_PROPOSALS.id)
            ).scalar_one()  # fmt: skip
        return self.proposal(there)

    def proposal(self, identity: int) -> Proposal:
        """A proposal by number.

        Raises:
            NotFound: there is none.
        """
        row = self._connection.execute(
            select(ProposalRow.__table__, _TARGETS.tenant, _TARGETS.environment)
            .join(TargetRow, _TARGETS.id == _PROPOSALS.target_id)
            .where(_PROPOSALS.id == identity, self._seen)
        ).first()
        if row is None:
            raise NotFound("no such proposal.", where=f"proposal {identity}", mend="See: baseline list TARGET.")
        return Proposal(
            row.id, f"{row.tenant}/{row.environment}", row.snapshot_id, row.base_version, ProposalState(row.state),
            row.proposer, row.created_at, row.title, row.closed_by, row.closed_at, row.reason,
        )  # fmt: skip

    def open_proposals(self, target: Target) -> Sequence[Proposal]:
        """Proposals of a target that wait, oldest first."""
        return [self.proposal(each) for each in self.open_numbers().get(target.id, ())]

    def open_numbers(self) -> Mapping[int, tuple[int, ...]]:
        """Numbers of the proposals that wait, oldest first, by id of each target that has any; one query."""
        found: dict[int, tuple[int, ...]] = {}
        query = select(_PROPOSALS.target_id, _PROPOSALS.id).where(_PROPOSALS.state == "open").order_by(_PROPOSALS.id)
        for target_id, number in self._connection.execute(query):
            found[target_id] = (*found.get(target_id, ()), number)
        return found

    def close(self, proposal: Proposal, state: ProposalState, by: str, reason: str, now: datetime) -> bool:
        """End an open proposal; False if somebody was quicker."""
        done = self._connection.execute(
            update(ProposalRow)
            .where(_PROPOSALS.id == proposal.id, _PROPOSALS.state == "open")
            .values(state=state.value, closed_by=by, closed_at=now, reason=reason)
        )
        return done.rowcount == 1

    def decide(self, proposal: Proposal, decisions: Mapping[ChangeKey, Decided]) -> None:
        """Keep decisions at once; a later one of the same change replaces the earlier (F91)."""
        for (resource_type, key, path), decided in decisions.items():
            self._connection.execute(
                delete(DecisionRow).where(
                    _DECISIONS.proposal_id == proposal.id, _DECISIONS.resource_type == resource_type,
                    _DECISIONS.key == key, _DECISIONS.path == path,
                )
            )  # fmt: skip
            self._connection.execute(
                insert(DecisionRow).values(
                    proposal_id=proposal.id, resource_type=resource_type, key=key, path=path,
                    decision=decided.decision.value, by=decided.by, at=decided.at, reason=decided.reason,
                )
            )  # fmt: skip

    def decisions(self, proposal: Proposal) -> Mapping[ChangeKey, Decided]:
        """Decisions made so far."""
        rows = self._connection.execute(select(DecisionRow.__table__).where(_DECISIONS.proposal_id == proposal.id))
        return {
            (row.resource_type, row.key, row.path): Decided(Decision(row.decision), row.by, row.at, row.reason)
            for row in rows
        }


def _baseline(row: Row[tuple[object, ...]], target: Target) -> Baseline:
    found = row._mapping
    return Baseline(
        target.name, found["version"], found["digest"], found["form"], found["proposer"], found["approver"],
        found["approved_at"], found["proposal_id"], found["accepted"], found["rejected"],
    )  # fmt: skip
