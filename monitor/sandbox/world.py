"""The state of a make-believe SMART360: objects under the catalogue's names, changed as an administrator would.

References are held as the objects themselves, so that renaming one keeps the others pointing at it; a
key that names nothing is an object that is not there.
"""

import re
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

from baselines import document
from baselines.catalogue import RESERVED, Catalogue, Field, FieldType, ResourceType
from baselines.errors import InvalidConfiguration, Mistake, Smart360Error, did_you_mean
from baselines.values import Unreadable, boolean, key_text, parse_value

START: Final = datetime(2026, 11, 24, 14, 12, tzinfo=UTC)  #: of the world, so that every year shows the same
_NAMESPACE: Final = uuid.UUID("9a6d1c52-6a0e-4f0b-8c55-2b7c9b1f3600")
_CREATOR: Final = "migration@smart360.example"


class ImpossibleChange(Smart360Error):
    """A change that names no object, or that the state does not allow."""

    code = "impossible_change"


class Op(StrEnum):
    """What an administrator can do to one object."""

    SET = "set"  #: write one field; null clears it
    ADD = "add"  #: bring a new object
    REMOVE = "remove"  #: take it away for good
    DEACTIVATE = "deactivate"  #: SMART360's own delete: the object leaves the lists, its detail stays


@dataclass(frozen=True, slots=True)
class Change:
    """One change, in the form of the incident files.

    ``field`` may be a path as a difference shows it: ``rates[up_to=10].rate``.
    """

    op: Op
    resource: str
    key: str
    field: str = ""
    value: Any = None


@dataclass(slots=True, eq=False)
class Record:
    """One object: values as written, references as records. What is not there has no place in ``by_id``."""

    kind: ResourceType
    id: str
    text: str  #: the key under which it was created or referred to
    values: dict[str, Any]
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str

    @property
    def key(self) -> str:
        """Natural key as it is now; a referred object's key is part of it."""
        return _key(self.kind, self.values) if self.values else self.text

    @property
    def label(self) -> str:
        """What people read in its place: its name, else its key."""
        name = self.values.get("name")
        return name if isinstance(name, str) and name else self.key

    def is_active(self, field_name: str) -> bool:
        """False where the field says so; a text that is no boolean leaves it active."""
        try:
            return boolean(self.values.get(field_name, True))
        except Unreadable:
            return True


Raw: TypeAlias = "dict[str, list[dict[str, Any]]]"


class World:
    """All objects of one utility, its clock and what was done to it."""

    def __init__(
        self, content: Raw, about: dict[str, Any], catalogue: Catalogue, *, start: datetime, clock: Callable[[], float]
    ) -> None:
        self.catalogue, self.about = catalogue, about
        self._content, self._start, self._clock = content, start, clock
        self._began, self._advanced = clock(), 0.0
        self.utility = _identity("utility", str(about.get("tenant", "")), 0)
        self.tenant = _identity("tenant", str(about.get("tenant", "")), 0)
        self.trail: deque[dict[str, str]] = deque(maxlen=10_000)  #: who logged in, and when
        self.revision: Counter[str] = Counter()  #: of each list; grows when anything it shows has changed
        self._referrers = _referrers(catalogue)
        self.reset()

    @classmethod
    def from_configuration(
        cls, data: bytes, name: str, catalogue: Catalogue, *, start: datetime = START, clock: Callable[[], float]
    ) -> "World":
        """A world from a configuration file.

        Args:
            data, name: content and name of the file; the ending says how it is read.
            start: the world's time at first.
            clock: seconds, e.g. ``time.monotonic``; the world's time moves on with it.

        Raises:
            InvalidInput: the file cannot be read or is no mapping of lists of objects.
        """
        tree = document.read_document(data, name)
        content: Raw = {}
        about: dict[str, Any] = {}
        mistakes = []
        for key, node in tree.items.items() if isinstance(tree, document.Mapping) else ():
            if key == "_about":
                about = document.plain_value(node)
            elif isinstance(node, document.Sequence) and all(isinstance(i, document.Mapping) for i in node.items):
                content[key] = _written(node)
            else:
                mend = "Write a list of mappings, or [] for none."
                mistakes.append(Mistake(name, node.line, node.column, key, "bad_list", "No list of objects.", mend))
        if mistakes or not isinstance(tree, document.Mapping):
            what = "A configuration maps resource types to lists of objects."
            whole = Mistake(name, 1, 1, "", "not_a_mapping", what, "Begin with a resource type.")
            raise InvalidConfiguration(mistakes or [whole])
        return cls(content, about, catalogue, start=start, clock=clock)

    def reset(self) -> None:
        """Back to the state of the file; the clock goes on."""
        self.lists: dict[str, list[Record]] = {name: [] for name in self.catalogue.types}
        self.by_id: dict[str, Record] = {}
        self._serials: Counter[tuple[str, str]] = Counter()
        self._gone: dict[tuple[str, str], Record] = {}  #: referred to or removed, and not there
        self._index: dict[str, dict[str, Record]] = {}
        self.revision.update(self.lists.keys())
        for name, objects in self._content.items():
            if name in self.lists:
                for values in objects:
                    self._bring(self.catalogue.types[name], dict(values), "")
        for records in self.lists.values():
            for record in records:
                self._resolve(record)

    def now(self) -> datetime:
        """The world's time."""
        return self._start + timedelta(seconds=self.elapsed())

    def elapsed(self) -> float:
        """Seconds since the world began."""
        return self._clock() - self._began + self._advanced

    def advance(self, seconds: float) -> None:
        """Move the world's time on."""
        self._advanced += seconds

    def log_in(self, login: str) -> None:
        """Leave an entry in the log-in trail."""
        self.trail.append({"login": login, "at": stamp(self.now())})

    def records(self, resource_type: str) -> list[Record]:
        """All objects of a type, inactive ones too.

        Raises:
            ImpossibleChange: there is no such type.
        """
        if resource_type not in self.lists:
            mend = did_you_mean(resource_type, self.catalogue.types, "Name a type of the catalogue.", cutoff=0.75)
            raise ImpossibleChange(f"No resource type {resource_type}.", where=resource_type, mend=mend)
        return self.lists[resource_type]

    def find(self, resource_type: str, key: str) -> Record:
        """The object with this natural key (of equal ones the first).

        Raises:
            ImpossibleChange: there is none, or no such type.
        """
        records = self.records(resource_type)
        index = self._index.get(resource_type)
        if index is None:
            index = self._index[resource_type] = {}
            for record in records:
                index.setdefault(record.key, record)
        if key not in index:
            where = f"{resource_type}/{key}"
            raise ImpossibleChange("There is no such object.", where=where, mend="Write its natural key.")
        return index[key]

    def apply(self, changes: Iterable[Change], by: str) -> None:
        """Change objects one after the other, as the administrator ``by``.

        Raises:
            ImpossibleChange: at the first that cannot be done; those before it stay done.
        """
        self.log_in(by)
        for change in changes:
            if change.op is Op.ADD:
                self._add(change, by)
                continue
            record = self.find(change.resource, change.key)
            if change.op is Op.REMOVE:
                self._remove(record)
            elif change.op is Op.DEACTIVATE:
                self._set(record, "is_active", False, by)
            else:
                self._set(record, change.field, change.value, by)

    def renew(self, resource_types: Iterable[str]) -> None:
        """Give every object of these types a new id, as if all were deleted and created again."""
        for name in resource_types:
            for record in self.records(name):
                self.by_id.pop(record.id, None)
                record.id = self._new_id(record.kind, record.key)
                self.by_id[record.id] = record
            self._touched(name, spreads=True)

    def configuration(self) -> dict[str, Any]:
        """The state as a configuration document: natural keys for references, nothing cleared written."""
        unknown = {name: objects for name, objects in self._content.items() if name not in self.lists}
        lists = {name: [plain(record) for record in records] for name, records in self.lists.items()}
        return {"_about": {**self.about, "taken_at": stamp(self.now())}, **lists, **unknown}

    def _add(self, change: Change, by: str) -> None:
        where = f"{change.resource}/{change.key}"
        kind = self.catalogue.types.get(change.resource)
        if kind is None or not isinstance(change.value, dict):
            mend = "Name a type of the catalogue and give value: {field: …}."
            raise ImpossibleChange("No object can be made of this.", where=where, mend=mend)
        values = {name: _as_written(value) for name, value in change.value.items() if value is not None}
        record = self._bring(kind, values, by)
        self._resolve(record)
        if change.key and record.key != change.key:
            self._remove(record)
            raise ImpossibleChange(f"Its key would be {record.key}.", where=where, mend="Correct the key.")
        self._touched(kind.name, spreads=True)

    def _bring(self, kind: ResourceType, values: dict[str, Any], by: str) -> Record:
        """A new object; what others referred to under its key comes to be there."""
        text = _key(kind, values)
        about = {name: str(values.pop(name)) for name in RESERVED if values.get(name)}
        identity = about.get("id") or self._new_id(kind, text)
        # The world at its start was set up in the order of configuration, a resource type a day.
        days = 180 - self.catalogue.dependency_order.index(kind.name)
        first = self._start - timedelta(days=days) + timedelta(minutes=sum(identity.encode()) % 600)
        created = stamp(self.now() if by else first)
        record = self._gone.pop((kind.name, text), None)
        if record is None:
            record = Record(kind, identity, text, values, created, "", created, "")
        record.id, record.values = identity, values
        record.created_at = about.get("created_at", created)
        record.updated_at = about.get("updated_at", record.created_at)
        record.created_by = about.get("created_by", by or _CREATOR)
        record.updated_by = about.get("updated_by", record.created_by)
        self.lists[kind.name].append(record)
        self.by_id[record.id] = record
        return record

    def _new_id(self, kind: ResourceType, key: str) -> str:
        serial = self._serials[kind.name, key]
        self._serials[kind.name, key] += 1
        return _identity(kind.name, key, serial)

    def _resolve(self, record: Record) -> None:
        for each in record.kind.references():
            if each.name in record.values:
                record.values[each.name] = self._referred(each, record.values[each.name])

    def _referred(self, each: Field, value: Any) -> Any:
        if isinstance(value, list):
            return [self._referred(each, item) for item in value]
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            return value
        text = str(value).strip()
        try:
            return self.find(each.target, text)
        except ImpossibleChange:
            gone = self._gone.get((each.target, text))
            if gone is None:
                kind = self.catalogue.types[each.target]
                gone = Record(kind, _identity(each.target, text, -1), text, {}, "", "", "", "")
                self._gone[each.target, text] = gone
            return gone

    def _remove(self, record: Record) -> None:
        key = record.key
        self.lists[record.kind.name].remove(record)
        self.by_id.pop(record.id, None)
        self._gone[record.kind.name, key] = record
        self._touched(record.kind.name, spreads=True)

    def _set(self, record: Record, path: str, value: Any, by: str) -> None:
        name, _, rest = path.partition("[")
        each = record.kind.fields.get(name)
        where = f"{record.kind.name}/{record.key}"
        if not name or name in RESERVED or (path == "is_active" and each is None):
            what = f"{record.kind.name} has no field {path}."
            raise ImpossibleChange(what, where=where, mend="Name a field of the catalogue.")
        written = _as_written(value)
        if each is not None and each.target:
            written = self._referred(each, written)
        if rest:
            written = _with_item(each, record.values.get(name), rest, written, where)
        if written is None:
            record.values.pop(name, None)
        else:
            record.values[name] = written
        record.updated_at, record.updated_by = stamp(self.now()), by
        self._touched(record.kind.name, spreads=name == "name" or name in record.kind.key)

    def _touched(self, resource_type: str, *, spreads: bool) -> None:
        """Lists show ids and labels of what they refer to: such a change is also theirs."""
        for name in self._referrers[resource_type] if spreads else (resource_type,):
            self.revision[name] += 1
            if spreads:
                self._index.pop(name, None)


def stamp(moment: datetime) -> str:
    """A moment as SMART360 writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(record: Record) -> dict[str, Any]:
    """One object as a configuration file holds it."""
    values = {name: _plain_value(value) for name, value in record.values.items()}
    return {"id": record.id, **values, "updated_at": record.updated_at, "updated_by": record.updated_by}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Record):
        return value.key
    return [_plain_value(item) for item in value] if isinstance(value, list) else value


def _identity(resource_type: str, key: str, serial: int) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{resource_type}\0{key}\0{serial}"))


def _key(kind: ResourceType, values: dict[str, Any]) -> str:
    parts = []
    for name in kind.key:
        value = values.get(name)
        if isinstance(value, Record):
            parts.append(value.key)
            continue
        try:
            parts.append(parse_value(kind.fields[name], value, UTC))  # type: ignore[arg-type]
        except Unreadable:
            parts.append(str(value))
    return key_text(parts)  # type: ignore[arg-type]


def _referrers(catalogue: Catalogue) -> dict[str, set[str]]:
    """For each type: itself and all that show it, directly or through a key."""
    found = {name: {name} for name in catalogue.types}
    for name in reversed(catalogue.dependency_order):
        for reference in catalogue.types[name].references():
            found[reference.target] |= found[name]
    return found


def _written(node: document.Node) -> Any:
    """Values as the file has them: decimals stay texts, so that no digit is lost or added."""
    if isinstance(node, document.Sequence):
        return [_written(item) for item in node.items]
    if isinstance(node, document.Mapping):
        return {name: _written(item) for name, item in node.items.items()}
    if node.is_null:
        return None
    if node.is_plain and node.text in ("true", "false"):
        return node.text == "true"
    return int(node.text) if node.is_plain and re.fullmatch(r"0|-?[1-9][0-9]{0,17}", node.text) else node.text


def _as_written(value: Any) -> Any:
    """A value of a change: numbers with a point become texts."""
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    if isinstance(value, dict):
        return {name: _as_written(item) for name, item in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _with_item(each: Field | None, items: Any, rest: str, value: Any, where: str) -> list[Any]:
    """A list with one item changed; ``rest`` is ``up_to=10].rate``, ``0]`` or ``A-LAK-S]``; None takes it out."""
    selector, _, inner = rest.partition("]")
    inner = inner.removeprefix(".")
    place = next(_places(each, items if isinstance(items, list) else [], selector), None)
    if place is None:
        raise ImpossibleChange(f"No item [{selector}].", where=where, mend="Name an item that is there.")
    changed = list(items)
    if inner:
        changed[place] = {name: part for name, part in (changed[place] | {inner: value}).items() if part is not None}
    else:
        changed[place : place + 1] = [] if value is None else [value]
    return changed


def _places(each: Field | None, items: list[Any], selector: str) -> Iterator[int]:
    item = each.item if each is not None else None
    for place, value in enumerate(items):
        if isinstance(value, dict) and "=" in selector:
            wanted = dict(part.partition("=")[::2] for part in selector.split(","))
            inner = item.fields if item is not None else {}
            if all(_same(inner.get(name), value.get(name), text) for name, text in wanted.items()):
                yield place
        elif selector == (value.key if isinstance(value, Record) else str(place)) or selector == value:
            yield place


def _same(each: Field | None, value: Any, text: str) -> bool:
    if value is None or each is None or each.type is FieldType.LIST:
        return str("" if value is None else value) == text
    try:
        return parse_value(each, value, UTC) == parse_value(each, text, UTC)
    except Unreadable:
        return False
