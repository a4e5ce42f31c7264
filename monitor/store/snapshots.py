"""Snapshots: content-addressed, so what did not change costs one row and no second copy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec
import zstandard
from blake3 import blake3
from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, select
from sqlalchemy.engine import Connection

from baselines.configuration import ConfigObject, Configuration, ObjectList, list_digest, packed, unpacked
from baselines.coverage import Gap
from baselines.errors import DamagedContent
from monitor.store.engine import insert_into, told_as_store_errors
from monitor.store.tables import ListRow, MemoryRow, SnapshotRow, SweepRow, TreeRow
from monitor.store.values import from_json, to_json
from monitor.store.values import packed as packed_value
from monitor.store.values import unpacked as unpacked_value
from monitor.target import Target
from rules.facts import Appearance
from rules.judge import Kept

_LISTS = ListRow.__table__.c
_SNAPSHOTS = SnapshotRow.__table__.c
_DECLARED = "_declared"  #: in a tree, where no type is called so: what an overlay had described


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it is kept; ``configuration`` opens its lists only when looked into."""

    id: int
    target: str
    taken_at: datetime
    digest: str
    lists_read: int
    lists_total: int
    objects: int
    configuration: Configuration

    @property
    def is_complete(self) -> bool:
        """True if every list of the scope was read."""
        return self.lists_read == self.lists_total


@dataclass(frozen=True, slots=True)
class Judged:
    """A snapshot that was judged, without its lists."""

    id: int
    taken_at: datetime
    today: date  #: the day by which it was judged
    content: tuple[str, str, str]  #: equal ones hold the same: tree, form, gaps


class _Report(msgspec.Struct):
    """Of a sweep's report, what a replay needs."""

    day: date


@dataclass(frozen=True, slots=True)
class Memory:
    """What the next sweep of a target may rely on."""

    seals: Mapping[str, str] = field(default_factory=dict)
    suspects: Mapping[str, str] = field(default_factory=dict)
    privileges: tuple[str, ...] = ()
    results: Mapping[str, Kept] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)  #: newest reading of each list, by its content
    gone: Mapping[str, str] = field(default_factory=dict)  #: keys of what is gone and still referred to


class Snapshots:
    """The tables ``snapshots``, ``trees``, ``lists`` and ``memories``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(
        self, target: Target, sweep: int, configuration: Configuration, taken_at: datetime, lists_read: int,
        lists_total: int,
    ) -> int:  # fmt: skip
        """Keep a configuration as a snapshot of a sweep; lists that are there already are not opened."""
        tree = self.keep_tree(configuration)
        made: int = self._connection.execute(
            insert(SnapshotRow)
            .values(
                target_id=target.id, sweep_id=sweep, taken_at=taken_at, digest=configuration.digest,
                form=configuration.version, tree=tree, gaps=to_json(configuration.gaps), lists_read=lists_read,
                lists_total=lists_total, objects=configuration.object_count,
            )
            .returning(_SNAPSHOTS.id)
        ).scalar_one()  # fmt: skip
        return made

    def keep_tree(self, configuration: Configuration) -> str:
        """Keep the lists of a configuration and which they are; returns the tree's name."""
        contents = {name: self._keep_list(listed) for name, listed in sorted(configuration.lists.items())}
        if configuration.declared:
            contents[_DECLARED] = to_json(configuration.declared)
        body = to_json(contents)
        name = blake3(body.encode()).hexdigest()
        self._keep_once(TreeRow, content=name, body=body)
        return name

    def keep_lists(self, lists: Mapping[str, ObjectList]) -> Mapping[str, str]:
        """Keep lists without a tree; returns the names of their contents."""
        return {name: self._keep_list(listed) for name, listed in sorted(lists.items())}

    def known_lists(self, memory: Memory) -> Mapping[str, ObjectList]:
        """The newest reading of each list that the memory names, opened only when looked into."""
        return self._lists(memory.known)

    def _lists(self, contents: Mapping[str, str]) -> Mapping[str, ObjectList]:
        heads = {
            row.content: row
            for row in self._connection.execute(
                select(_LISTS.content, _LISTS.digest, _LISTS.form, _LISTS.count, _LISTS.resource_type).where(
                    _LISTS.content.in_(list(contents.values()))
                )
            )
        }
        for content in contents.values():
            if content not in heads:
                raise damaged(f"list {content[:12]}")
        return {name: StoredList(self._connection.engine, heads[content]) for name, content in contents.items()}

    def _keep_list(self, listed: ObjectList) -> str:
        stored = getattr(listed, "content", "")
        if stored:
            return str(stored)
        content = content_of(listed.digest, listed.objects)
        there = self._connection.execute(select(_LISTS.content).where(_LISTS.content == content)).first()
        if there is None:
            body = zstandard.ZstdCompressor(level=3).compress(packed(listed.objects))
            self._keep_once(
                ListRow, content=content, digest=listed.digest, form=listed.version, count=listed.count,
                resource_type=listed.resource_type, body=body,
            )  # fmt: skip
        return content

    def _keep_once(self, table: Any, **values: Any) -> None:
        """Content-addressed rows are the same whoever writes them."""
        self._connection.execute(insert_into(self._connection, table).values(**values).on_conflict_do_nothing())

    def configuration(
        self, tree: str, form: str, *, gaps: tuple[Gap, ...] = (), about: Mapping[str, Any] | None = None
    ) -> Configuration:
        """A configuration whose lists are read from the database only when looked into.

        Raises:
            DamagedContent: its tree or one of its lists is not what was kept (F62).
        """
        body = self._connection.execute(select(TreeRow.body).where(TreeRow.content == tree)).scalar()
        if body is None or blake3(body.encode()).hexdigest() != tree:
            raise damaged(f"tree {tree[:12]}")
        contents: dict[str, str] = from_json(body, dict[str, str])
        declared = from_json(contents.pop(_DECLARED, "{}"), dict[str, str])
        lists = self._lists(contents)
        return Configuration(lists=lists, version=form, about=about or {}, gaps=gaps, declared=declared)

    def last(self, target: Target) -> Snapshot | None:
        """The newest snapshot of a target."""
        return next(iter(self.history(target, 1)), None)

    def by_id(self, target: Target, identity: int) -> Snapshot | None:
        """A snapshot of this target by number."""
        return next(iter(self._history(target, 1, _SNAPSHOTS.id == identity)), None)

    def at(self, target: Target, moment: datetime) -> Snapshot | None:
        """The newest snapshot of a target that was taken by this moment."""
        return next(iter(self.history(target, 1, by=moment)), None)

    def history(self, target: Target, most: int, *, by: datetime | None = None) -> Sequence[Snapshot]:
        """Snapshots of a target, those taken by a moment, newest first."""
        return self._history(target, most, *(() if by is None else (_SNAPSHOTS.taken_at <= by,)))

    def _history(self, target: Target, most: int, *which: ColumnElement[bool]) -> Sequence[Snapshot]:
        rows = self._connection.execute(
            select(SnapshotRow.__table__)
            .where(_SNAPSHOTS.target_id == target.id, *which)
            .order_by(_SNAPSHOTS.id.desc())
            .limit(most)
        )
        return [self._snapshot(row, target) for row in rows.all()]

    def judged(self, target: Target, since: datetime, after: int, most: int) -> Sequence[Judged]:
        """Snapshots of a target that its sweep lived to judge, oldest first, from the one after ``after`` on."""
        rows = self._connection.execute(
            select(_SNAPSHOTS.id, _SNAPSHOTS.taken_at, _SNAPSHOTS.tree, _SNAPSHOTS.form, _SNAPSHOTS.gaps,
                   SweepRow.report)
            .join(SweepRow, SweepRow.id == _SNAPSHOTS.sweep_id)
            .where(_was_judged(target, since), _SNAPSHOTS.id > after)
            .order_by(_SNAPSHOTS.id)
            .limit(most)
        )  # fmt: skip
        return [Judged(row.id, row.taken_at, from_json(row.report, _Report).day, (row.tree, row.form, row.gaps))
                for row in rows]  # fmt: skip

    def judged_until(self, target: Target, sweep: int, most: int) -> Iterator[tuple[Snapshot, date]]:
        """Snapshots that a sweep and those before it judged, newest first, each with its day; opened one by one."""
        rows = self._connection.execute(
            select(SnapshotRow.__table__, SweepRow.report)
            .join(SweepRow, SweepRow.id == _SNAPSHOTS.sweep_id)
            .where(_SNAPSHOTS.target_id == target.id, _SNAPSHOTS.sweep_id <= sweep, SweepRow.report != "{}")
            .order_by(_SNAPSHOTS.sweep_id.desc())
            .limit(most)
        ).all()
        return ((self._snapshot(row, target), from_json(row.report, _Report).day) for row in rows)

    def judged_count(self, target: Target, since: datetime) -> int:
        """How many ``judged`` gives in all."""
        query = select(func.count()).select_from(SnapshotRow).join(SweepRow, SweepRow.id == _SNAPSHOTS.sweep_id)
        return int(self._connection.execute(query.where(_was_judged(target, since))).scalar_one())

    def appearances(self, target: Target) -> Mapping[str, Appearance]:
        """For each resource type the first snapshot in which it had objects, and the one before it."""
        rows = self._connection.execute(
            select(_SNAPSHOTS.taken_at, _SNAPSHOTS.tree, _SNAPSHOTS.form, TreeRow.body)
            .join(TreeRow, TreeRow.content == _SNAPSHOTS.tree)
            .where(_SNAPSHOTS.target_id == target.id)
            .order_by(_SNAPSHOTS.id)
        ).all()
        found: dict[str, Appearance] = {}
        before, looked_at = None, ""
        for row in rows:
            if row.tree != looked_at:
                lists = {n: c for n, c in from_json(row.body, dict[str, str]).items() if n not in found}
                new = [name for name, listed in self._lists(lists).items() if listed.count]
                if new:
                    then = self.configuration(row.tree, row.form)
                    earlier = self.configuration(before.tree, before.form) if before is not None else None
                    for name in new:  # a list that was not read before says nothing of when it began
                        was_read = earlier is not None and name in earlier.lists
                        found[name] = Appearance(row.taken_at, then, earlier if was_read else None)
            before, looked_at = row, row.tree
        return found

    def _snapshot(self, row: Row[tuple[object, ...]], target: Target) -> Snapshot:
        found = row._mapping
        about = {"tenant": target.tenant, "environment": target.environment, "taken_at": found["taken_at"]}
        configuration = self.configuration(
            found["tree"], found["form"], gaps=from_json(found["gaps"], tuple[Gap, ...]), about=about
        )
        if configuration.digest != found["digest"]:
            raise damaged(f"{target.name} snapshot {found['id']}")
        return Snapshot(
            found["id"], target.name, found["taken_at"], found["digest"], found["lists_read"], found["lists_total"],
            found["objects"], configuration,
        )  # fmt: skip

    def remember(self, target: Target, memory: Memory) -> None:
        """Replace what the next sweep may rely on."""
        self._connection.execute(delete(MemoryRow).where(MemoryRow.target_id == target.id))
        self._connection.execute(insert(MemoryRow).values(target_id=target.id, body=packed_value(memory)))

    def memory(self, target: Target) -> Memory:
        """What the last sweep left; empty for the first."""
        body = self._connection.execute(select(MemoryRow.body).where(MemoryRow.target_id == target.id)).scalar()
        return unpacked_value(body, Memory) if body is not None else Memory()


def _was_judged(target: Target, since: datetime) -> ColumnElement[bool]:
    return and_(_SNAPSHOTS.target_id == target.id, _SNAPSHOTS.taken_at >= since, SweepRow.report != "{}")


class StoredList(ObjectList):
    """A list in the database; its bytes are checked against its name when it is opened (F62)."""

    __slots__ = ("content",)

    def __init__(self, engine: Any, head: Any) -> None:
        self.content: str = head.content

        def load() -> tuple[ConfigObject, ...]:
            with told_as_store_errors(engine), engine.connect().execution_options(readonly=True) as connection:
                body = connection.execute(select(_LISTS.body).where(_LISTS.content == head.content)).scalar()
            try:
                objects = unpacked(zstandard.ZstdDecompressor().decompress(body or b""))
            except (zstandard.ZstdError, msgspec.DecodeError):
                raise damaged(f"list {head.content[:12]}") from None
            digest = list_digest(head.resource_type, objects, head.form)
            if digest != head.digest or content_of(digest, objects) != head.content:
                raise damaged(f"list {head.content[:12]}")
            return objects

        super().__init__(head.resource_type, head.form, head.digest, head.count, load)


def damaged(where: str) -> DamagedContent:
    """What is stored there is not what was kept; it is used for nothing (F62)."""
    what = "the stored bytes do not have their digest."
    return DamagedContent(what, where=where, mend="Stop the service and restore a backup of the database.")


def content_of(digest: str, objects: Iterable[ConfigObject]) -> str:
    """Name of a list's content: meaning and ids; who touched an object when does not make another one."""
    hasher = blake3(f"{digest}\0".encode())
    for each in objects:
        hasher.update(f"{each.key}\0{each.id}\0".encode())
    return hasher.hexdigest()
