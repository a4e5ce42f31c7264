"""Findings: one query for what is open, one place where their life is written down."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, case, func, insert, literal_column, select, text, true, update
from sqlalchemy.engine import Connection

from baselines.severity import Severity
from monitor.errors import Moved
from monitor.store.seen import Tenants, of_seen
from monitor.store.tables import FindingEventRow, FindingRow, TargetRow
from monitor.store.values import from_json, to_json
from monitor.target import Target
from rules.findings import Finding, Kind
from rules.lifecycle import FLAPPING, Event, Known, Resolution, Settlement, State, Step, transition
from rules.precision import Mark, Opinion, Precision, latest, mark_of
from rules.quiet import Quiet

_COLUMNS = FindingRow.__table__.c
_TARGETS = TargetRow.__table__.c
_EVENTS = FindingEventRow.__table__.c
_SUBJECT = case((_COLUMNS.kind == Kind.RULE.value, _COLUMNS.rule), else_=_COLUMNS.kind).label("subject")
#: Written out, so that the partial index is known to hold all that is asked for.
IS_OPEN = _COLUMNS.state != literal_column("'resolved'")
_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
#: Odd, so that it is a bijection on four characters: numbers look unrelated and never come twice.
_SPREAD: Final = 700_001
_AT_ONCE: Final = 10_000  #: PostgreSQL takes 65,535 parameters in a statement


@dataclass(frozen=True, slots=True)
class Happened:
    """One event in a finding's life."""

    event: str
    at: datetime
    by: str
    note: str
    sweep: int | None
    hush: Quiet | None = None  #: that a person asked for: a snooze, an announcement


def number_of(identity: int) -> str:
    """The public number of a finding: four characters, more from the 1,048,577th on."""
    size = 32**4
    block, within = divmod(identity, size)
    value = (within * _SPREAD + 12_345) % size
    text = ""
    for _ in range(4):
        value, place = divmod(value, 32)
        text = _ALPHABET[place] + text
    while block:
        block, place = divmod(block, 32)
        text = _ALPHABET[place] + text
    return text


class Findings:
    """The tables ``findings`` and ``finding_events``."""

    def __init__(self, connection: Connection, seen: Tenants = None) -> None:
        self._connection, self._seen = connection, of_seen(seen)

    def known(self, target: Target) -> Sequence[Known]:
        """All findings of a target, resolved ones included."""
        return self._select(_COLUMNS.target_id == target.id)

    def open(
        self, target: Target | None = None, states: Collection[State] = (State.OPEN, State.ACKNOWLEDGED)
    ) -> Sequence[tuple[str, Known]]:
        """What is open (not resolved), or in these states, at one target or at all, worst first, with its name."""
        query = (
            select(FindingRow.__table__, _TARGETS.tenant, _TARGETS.environment)
            .join(TargetRow, _TARGETS.id == _COLUMNS.target_id)
            .where(_COLUMNS.state.in_([each.value for each in states]), _TARGETS.removed_at.is_(None), self._seen)
        )
        if target is not None:
            query = query.where(_COLUMNS.target_id == target.id)
        found = [(f"{row.tenant}/{row.environment}", known_of(row)) for row in self._connection.execute(query)]
        return sorted(found, key=lambda each: (each[1].finding.severity.rank, each[1].opened_at, each[1].id))

    def counts(self, target: Target | None = None) -> Mapping[tuple[str, str, str, str, str], int]:
        """How many are open, by (tenant, environment, module, severity, kind); the same query as ``open``."""
        rows = self._connection.execute(
            select(_TARGETS.tenant, _TARGETS.environment, _COLUMNS.module, _COLUMNS.severity, _COLUMNS.kind,
                   func.count())
            .join(TargetRow, _TARGETS.id == _COLUMNS.target_id)
            .where(IS_OPEN, _TARGETS.removed_at.is_(None), self._seen,
                   _COLUMNS.target_id == target.id if target is not None else true())
            .group_by(_TARGETS.tenant, _TARGETS.environment, _COLUMNS.module, _COLUMNS.severity, _COLUMNS.kind)
        )  # fmt: skip
        return {tuple(row[:5]): row[5] for row in rows}

    def tallies(self, target: Target | None = None) -> Mapping[int, Mapping[str, int]]:
        """How many are open of each severity and of each kind, by id of the target; the same findings as ``open``."""
        words = {**{each.value: _COLUMNS.severity for each in Severity}, **{each.value: _COLUMNS.kind for each in Kind}}
        rows = self._connection.execute(
            select(_COLUMNS.target_id, *(func.count(case((column == word, 1))) for word, column in words.items()))
            .where(IS_OPEN, _COLUMNS.target_id == target.id if target is not None else true())
            .group_by(_COLUMNS.target_id)
        )
        return {identity: dict(zip(words, counts, strict=True)) for identity, *counts in rows}

    def worst_of(self, targets: Collection[int]) -> Mapping[int, Known]:
        """The worst that is open at each target: of drift and rules, else of what was not read; drift leads."""
        order = (_COLUMNS.kind == Kind.COVERAGE.value, _COLUMNS.rank, _COLUMNS.kind != Kind.DRIFT.value, _COLUMNS.rule,
                 _COLUMNS.key, _COLUMNS.id)  # fmt: skip
        placed = (
            select(_COLUMNS.id, func.row_number().over(partition_by=_COLUMNS.target_id, order_by=order).label("place"))
            .where(IS_OPEN, _COLUMNS.target_id.in_(list(targets)))
            .subquery()
        )
        rows = self._connection.execute(
            select(FindingRow.__table__).join(placed, placed.c.id == _COLUMNS.id).where(placed.c.place == 1)
        )
        return {row.target_id: known_of(row) for row in rows}

    def unread_of(self, targets: Collection[int]) -> Mapping[int, Sequence[Known]]:
        """What is open of the kind coverage, by id of each target."""
        asked = select(FindingRow.__table__).where(
            IS_OPEN, _COLUMNS.kind == Kind.COVERAGE.value, _COLUMNS.target_id.in_(list(targets))
        )
        found: dict[int, list[Known]] = {}
        for row in self._connection.execute(asked.order_by(_COLUMNS.rank, _COLUMNS.id)):
            found.setdefault(row.target_id, []).append(known_of(row))
        return found

    def elsewhere(self, known: Known) -> Sequence[str]:
        """Other targets at which the same is open, by name."""
        rows = self._connection.execute(
            select(_TARGETS.tenant, _TARGETS.environment)
            .join(FindingRow, _TARGETS.id == _COLUMNS.target_id)
            .where(_COLUMNS.fingerprint == known.finding.fingerprint, _COLUMNS.id != known.id, IS_OPEN, self._seen,
                   _TARGETS.removed_at.is_(None))
            .order_by(_TARGETS.tenant, _TARGETS.environment)
        )  # fmt: skip
        return [f"{row.tenant}/{row.environment}" for row in rows]

    def numbered(self, number: str) -> tuple[str, Known] | None:
        """A finding by its number, with its target's name."""
        row = self._connection.execute(
            select(FindingRow.__table__, _TARGETS.tenant, _TARGETS.environment)
            .join(TargetRow, _TARGETS.id == _COLUMNS.target_id)
            .where(_COLUMNS.number == number.upper(), self._seen)
        ).first()
        return (f"{row.tenant}/{row.environment}", known_of(row)) if row is not None else None

    def in_fleet(self, events: Collection[int]) -> Sequence[tuple[str, Known]]:
        """Members of fleet events with their targets' names, as they appeared."""
        rows = self._connection.execute(
            select(FindingRow.__table__, _TARGETS.tenant, _TARGETS.environment)
            .join(TargetRow, _TARGETS.id == _COLUMNS.target_id)
            .where(_COLUMNS.fleet.in_(list(events)), self._seen)
            .order_by(_COLUMNS.appeared_at, _COLUMNS.id)
        )
        return [(f"{row.tenant}/{row.environment}", known_of(row)) for row in rows]

    def first_in_fleet(self, event: int) -> Sequence[tuple[str, Known, int]]:
        """Of each target with members of an event the one to be looked at first, and how many it has there."""
        looked_at = case({State.OPEN.value: 0, State.ACKNOWLEDGED.value: 1}, value=_COLUMNS.state, else_=2)
        there, worst = _COLUMNS.target_id, (looked_at, _COLUMNS.rank, _COLUMNS.id)
        place = func.row_number().over(partition_by=there, order_by=worst).label("place")
        members = func.count().over(partition_by=there).label("members")
        ranked = select(_COLUMNS.id, place, members).where(_COLUMNS.fleet == event).subquery()
        rows = self._connection.execute(
            select(FindingRow.__table__, _TARGETS.tenant, _TARGETS.environment, ranked.c.members)
            .join(ranked, ranked.c.id == _COLUMNS.id)
            .join(TargetRow, _TARGETS.id == _COLUMNS.target_id)
            .where(ranked.c.place == 1, self._seen)
            .order_by(_COLUMNS.appeared_at, _COLUMNS.id)
        )
        return [(f"{row.tenant}/{row.environment}", known_of(row), row.members) for row in rows]

    def told_in(self, target: Target, keys: Iterable[str]) -> Sequence[Known]:
        """All findings of a target that were told in these messages."""
        return self._select(_COLUMNS.target_id == target.id, _COLUMNS.alert_key.in_(list(keys)))

    def history(self, known: Known) -> Sequence[Happened]:
        """Events of a finding, oldest first."""
        table = FindingEventRow.__table__.c
        rows = self._connection.execute(
            select(table.event, table.at, table.by, table.note, table.sweep_id)
            .where(table.finding_id == known.id)
            .order_by(table.id)
        )
        return [Happened(*row) for row in rows]

    def happened_by(self, target: Target, moment: datetime) -> Sequence[tuple[int, Happened]]:
        """What had happened by a moment to a target's findings: (finding, event), in its order."""
        rows = self._connection.execute(
            select(
                _EVENTS.finding_id, _EVENTS.event, _EVENTS.at, _EVENTS.by, _EVENTS.note, _EVENTS.sweep_id, _EVENTS.hush
            )
            .join(FindingRow, _COLUMNS.id == _EVENTS.finding_id)
            .where(_COLUMNS.target_id == target.id, _EVENTS.at <= moment)
            .order_by(_EVENTS.id)
        )
        return [(row[0], Happened(*row[1:6], from_json(row.hush, Quiet) if row.hush else None)) for row in rows]

    def opinions(
        self, *, target: Target | None = None, known: Known | None = None, since: datetime | None = None
    ) -> Sequence[Opinion]:
        """What people said of findings, in the order they said it: of one, a target's, those that were there since."""
        query = (
            select(_COLUMNS.id, _SUBJECT, _EVENTS.event, _EVENTS.by, _EVENTS.at, _EVENTS.note)
            .join(FindingRow, _COLUMNS.id == _EVENTS.finding_id)
            .join(TargetRow, _TARGETS.id == _COLUMNS.target_id)
            .where(_EVENTS.event.in_([each.value for each in Mark]), self._seen)
            .order_by(_EVENTS.id)
        )
        if target is not None:
            query = query.where(_COLUMNS.target_id == target.id)
        if known is not None:
            query = query.where(_COLUMNS.id == known.id)
        if since is not None:
            query = query.where(_COLUMNS.last_seen >= since)
        return [Opinion(row[0], row[1], Mark(row[2]), *row[3:]) for row in self._connection.execute(query)]

    def precisions(self, since: datetime | None = None) -> Mapping[str, Precision]:
        """By rule, drift and coverage: what people said of the findings that were there since then."""
        there = _COLUMNS.last_seen >= since if since is not None else true()
        is_open = _COLUMNS.state != State.RESOLVED.value
        counted = self._connection.execute(
            select(_SUBJECT, func.count(), func.count(case((is_open, 1))),
                   func.count(case((is_open, _COLUMNS.target_id)).distinct()))
            .join(TargetRow, _TARGETS.id == _COLUMNS.target_id)
            .where(there, self._seen)
            .group_by(text("subject"))
        )  # fmt: skip
        found = {row[0]: Precision(found=row[1], open=row[2], targets=row[3]) for row in counted}
        for said in latest(self.opinions(since=since)).values():
            each = found[said[0].subject]
            useful = mark_of(said) is Mark.USEFUL
            found[said[0].subject] = replace(
                each, useful=each.useful + useful, not_useful=each.not_useful + (not useful)
            )
        return found

    def mark(self, known: Known, mark: Mark, by: str, reason: str, now: datetime) -> None:
        """Keep what a person says of a finding; nothing else of it changes."""
        self._note(known.id, mark, now, None, by=by, note=reason)

    def _select(self, *where: Any) -> list[Known]:
        rows = self._connection.execute(select(FindingRow.__table__).where(*where).order_by(_COLUMNS.id))
        return [known_of(row) for row in rows]

    def apply(
        self, target: Target, settlement: Settlement, sweep: int, now: datetime, alert_key: str,
        told_anew: Collection[int] = (), quiet: Mapping[str, Quiet] | None = None,
    ) -> Mapping[str, Known]:  # fmt: skip
        """Write a settlement down; returns what every finding it touched has become, by fingerprint.

        Args:
            target: of all of them.
            settlement: what happened.
            sweep: that saw it.
            now: in UTC.
            alert_key: of the message new findings are told in, and those that were quiet until now.
            told_anew: ids of reopened findings that go into that message too, not back to their old one.
            quiet: findings that nobody is to be told of now, by fingerprint: what happens to them is
                told in no message until a sweep at which they are quiet no more.

        Raises:
            Moved: a person acted meanwhile; nothing of the transaction may stand.
        """
        quiet = quiet or {}
        seen = [step.known for step in settlement.of(Event.SEEN) if step.known is not None]
        for start in range(0, len(seen), _AT_ONCE):
            ids = [each.id for each in seen[start : start + _AT_ONCE]]
            self._connection.execute(update(FindingRow).where(_COLUMNS.id.in_(ids)).values(last_seen=now))
        undecided = [each for each in settlement.untouched if not each.was_hushed or each.finding.fingerprint in quiet]
        self._hush((*seen, *undecided), quiet)  # of the others it is told that their time is over once they are decided
        result = {}
        for each in seen:
            print_ = each.finding.fingerprint
            result[print_] = replace(each, quiet=quiet.get(print_))
            if print_ not in quiet and (not each.alert_key or each.was_hushed):
                over = {"alert_key": alert_key, "quiet": "", "hush": "", "version": each.version + 1}
                result[print_] = self._write(each, over)
        for step in settlement.of(Event.SEEN):  # the next bill run moves on although nothing happened
            if step.known is not None and step.known.finding.money != step.finding.money:
                print_ = step.finding.fingerprint
                told = replace(step.known.finding, money=step.finding.money)
                self._connection.execute(
                    update(FindingRow).where(_COLUMNS.id == step.known.id).values(content=to_json(told))
                )
                result[print_] = replace(result[print_], finding=told)
        for step in settlement.news:
            hushed = quiet.get(step.finding.fingerprint)
            if step.known is None:
                known = self._open(target, step.finding, now, "" if hushed else alert_key, hushed)
            else:
                message = step.known.alert_key
                if step.event is not Event.RESOLVED:
                    is_over = step.known.was_hushed and step.event is Event.CHANGED
                    is_anew = step.known.id in told_anew or not message or is_over
                    message = "" if hushed else alert_key if is_anew else message
                known = self._move(step, now, message, hushed)
            note = step.resolution or (hushed.words(datetime.isoformat, now) if hushed else "")
            self._note(known.id, step.event, now, sweep, note=note)
            result[known.finding.fingerprint] = known
        return result

    def _hush(self, several: Iterable[Known], quiet: Mapping[str, Quiet]) -> None:
        """Keep with each finding whether it is quiet now, where that has changed."""
        moved: dict[str, list[int]] = {}
        for known in several:
            if (now := quiet.get(known.finding.fingerprint)) != known.quiet:
                moved.setdefault(to_json(now) if now else "", []).append(known.id)
        for told, ids in moved.items():
            for start in range(0, len(ids), _AT_ONCE):
                chosen = _COLUMNS.id.in_(ids[start : start + _AT_ONCE])
                self._connection.execute(update(FindingRow).where(chosen).values(quiet=told))

    def _open(self, target: Target, finding: Finding, now: datetime, alert_key: str, quiet: Quiet | None) -> Known:
        identity = self._connection.execute(
            insert(FindingRow)
            .values(
                target_id=target.id, fingerprint=finding.fingerprint, state=State.OPEN.value, opened_at=now,
                changed_at=now, last_seen=now, times_opened=1, alert_key=alert_key,
                quiet=to_json(quiet) if quiet else "", openings=to_json([now]), **searchable(finding),
            )
            .returning(_COLUMNS.id)
        ).scalar_one()  # fmt: skip
        number = number_of(identity)
        self._connection.execute(update(FindingRow).where(_COLUMNS.id == identity).values(number=number))
        return Known(
            identity, number, finding, State.OPEN, now, now, now, 1, 1, alert_key=alert_key, quiet=quiet,
            openings=(now,),
        )  # fmt: skip

    def _move(self, step: Step, now: datetime, alert_key: str, quiet: Quiet | None) -> Known:
        known = step.known
        assert known is not None
        state = transition(known.state, step.event)
        assert state is not None, f"{step.event} in {known.state}"
        values: dict[str, Any] = {"state": state.value, "changed_at": now, "version": known.version + 1}
        values |= {"resolution": step.resolution, "detail": step.detail, "quiet": ""}
        if step.event is not Event.RESOLVED:
            values |= {"last_seen": now, "by": "", "note": "", "alert_key": alert_key, **searchable(step.finding)}
            values |= {"quiet": to_json(quiet)} if quiet else {"hush": ""}
        if step.event is Event.REOPENED:
            values |= {"times_opened": known.times_opened + 1, "openings": _openings(known, now)}
        return self._write(known, values)

    def _write(self, known: Known, values: Mapping[str, Any]) -> Known:
        done = self._connection.execute(
            update(FindingRow).where(_COLUMNS.id == known.id, _COLUMNS.version == known.version).values(**values)
        )
        if done.rowcount != 1:
            raise Moved(known.number)
        row = self._connection.execute(select(FindingRow.__table__).where(_COLUMNS.id == known.id)).one()
        return known_of(row)

    def _note(
        self, identity: int, event: Event | Mark, now: datetime, sweep: int | None, *, by: str = "", note: str = "",
        hush: str = "",
    ) -> None:  # fmt: skip
        self._connection.execute(
            insert(FindingEventRow).values(
                finding_id=identity, sweep_id=sweep, event=event.value, at=now, by=by, note=note, hush=hush
            )
        )

    def act(self, known: Known, event: Event, by: str, note: str, now: datetime, **changes: Any) -> Known | None:
        """What a person does to a finding, with its event; None where its state does not allow that.

        Args:
            known: as the person saw it; if it moved since, nothing is written.
            event: that happens to it.
            by: the person.
            note: what he says of it.
            now: in UTC.
            changes: further columns: ``assignee``, or ``quiet`` and ``hush`` as values.

        Raises:
            Moved: somebody else, or a sweep, moved it meanwhile.
        """
        state = transition(known.state, event)
        if state is None:
            return None
        values: dict[str, Any] = {"state": state.value, "version": known.version + 1}
        for name, value in changes.items():
            values[name] = value if isinstance(value, str) else to_json(value) if value is not None else ""
        if state is not known.state:
            is_acknowledged = state is State.ACKNOWLEDGED
            values |= {"changed_at": now, "by": by if is_acknowledged else "", "note": note if is_acknowledged else ""}
        if event is Event.REOPENED:
            values |= {"resolution": "", "detail": "", "times_opened": known.times_opened + 1}
        moved = self._write(known, values)
        self._note(known.id, event, now, None, by=by, note=note, hush=values.get("hush", ""))
        return moved

    def acknowledge(self, known: Known, by: str, note: str, now: datetime) -> Known | None:
        """A person has seen it and works on it; None where its state does not allow that."""
        return self.act(known, Event.ACKNOWLEDGED, by, note, now)

    def resolve(
        self, several: Iterable[Known], resolution: Resolution, detail: str, by: str, now: datetime
    ) -> Sequence[Known]:
        """Findings that a person's act ends: accepted in a baseline, target removed."""
        resolved = []
        for known in several:
            if transition(known.state, Event.RESOLVED) is None:
                continue
            values = {"state": State.RESOLVED.value, "resolution": resolution.value, "detail": detail, "quiet": "",
                      "changed_at": now, "version": known.version + 1}  # fmt: skip
            resolved.append(self._write(known, values))
            self._note(known.id, Event.RESOLVED, now, None, by=by, note=detail or resolution.value)
        return resolved


def searchable(finding: Finding) -> dict[str, Any]:
    """The columns that hold a finding."""
    return {
        "kind": finding.kind.value, "rule": finding.rule, "severity": finding.severity.value,
        "rank": finding.severity.rank, "module": finding.module, "message": finding.message,
        "resource_type": finding.resource_type, "key": finding.key, "path": finding.path, "content": to_json(finding),
    }  # fmt: skip


def known_of(row: Row[Any]) -> Known:
    """A finding from its row."""
    return Known(
        row.id, row.number or "", from_json(row.content, Finding), State(row.state), row.opened_at, row.changed_at,
        row.last_seen, row.times_opened, row.version, row.resolution, row.detail, row.by, row.note, row.alert_key,
        from_json(row.quiet, Quiet) if row.quiet else None, from_json(row.hush, Quiet) if row.hush else None,
        row.assignee, tuple(from_json(row.openings, list[datetime])), row.fleet,
    )  # fmt: skip


def _openings(known: Known, now: datetime) -> str:
    return to_json([*known.openings, now][-FLAPPING:])
