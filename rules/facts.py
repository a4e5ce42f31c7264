"""What an expression sees: objects with the fields and links it names, to the depth it names them.

References are given as flat copies, never as live links: the engine ends the process on a cycle
(docs/decisions/0004). A reference that does not resolve reads as an object without any field, and is
remembered: an expression that meets it fails for that object (contracts §4).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from baselines.catalogue import BackReference, Catalogue, Field, FieldType, ResourceType
from baselines.configuration import ConfigObject, Configuration
from baselines.coverage import Reason
from baselines.fields import spelled
from baselines.fingerprints import SecretKey
from baselines.values import Canonical, fits, is_allowed, scalar_text
from rules.expressions import PLACEHOLDER
from rules.functions import quantity
from rules.syntax import Shape

Values = dict[str, Canonical]
LAST_DAY: Final = "9999-12-31"
_MEASURED: Final = frozenset((FieldType.INTEGER, FieldType.DECIMAL, FieldType.DURATION))
_NEVER_BLANK: Final = frozenset((FieldType.INTEGER, FieldType.DECIMAL, FieldType.BOOLEAN, FieldType.CHOICE))

#: Path of evidence that says when something was first read; its value is None where it never was.
FIRST_READ: Final = "first_read"


@dataclass(frozen=True, slots=True)
class Appearance:
    """The first snapshot of a target in which a resource type had objects."""

    at: datetime  #: when it was taken
    then: Configuration
    before: Configuration | None  #: the snapshot before it; None where there is none


History = Mapping[str, Appearance]  #: by resource type


class Facts:
    """A configuration as expressions see it; built lazily, shared by all rules of one judgement."""

    def __init__(
        self, configuration: Configuration, catalogue: Catalogue, today: str, secrets: SecretKey,
        history: History | None = None,
    ) -> None:  # fmt: skip
        self.configuration, self.catalogue, self.today, self.secrets = configuration, catalogue, today, secrets
        self.history: History = history or {}
        self._created: dict[str, tuple[datetime, str] | None] = {}
        self._bodies: dict[tuple[int, str], dict[str, bytes]] = {}
        self._objects: dict[str, list[tuple[ConfigObject, Values]]] = {}
        self._by_key: dict[str, dict[str, Values]] = {}
        self._back: dict[tuple[str, str], dict[str, list[tuple[str, Values]]]] = {}
        self._built: dict[tuple[int, str, str], tuple[dict[str, Any], bool]] = {}
        self._stand_ins: dict[tuple[str, str], frozenset[str]] = {}
        self._shapes: list[Shape] = []  # kept alive: their ids are keys above
        whole = [gap for gap in configuration.gaps if gap.path and not gap.key]
        #: Fields that a whole list lost, or that came in another type (F21, F22): told once, judged in no object.
        self.gone = {(gap.resource_type, gap.path) for gap in whole if gap.reason is Reason.FIELD_MISSING}
        self._other = {(gap.resource_type, gap.path) for gap in whole if gap.reason is Reason.TYPE_CHANGED}
        self._groups: dict[tuple[str, tuple[str, ...]], Mapping[str, Sequence[tuple[str, Values]]]] = {}
        self._base: Facts | None = None
        self._differs: frozenset[str] = frozenset()
        self._only: Mapping[str, Collection[str]] | None = None

    def changed(
        self, configuration: Configuration, differs: Collection[str], only: Mapping[str, Collection[str]]
    ) -> "Facts":
        """Facts of a configuration that differs from this one in a few lists; all else is shared with it.

        Args:
            configuration: the other one.
            differs: resource types of lists that are not the same.
            only: by resource type, the keys of objects that are judged; none of a type that is not named.
        """
        other = Facts(configuration, self.catalogue, self.today, self.secrets)
        other._base, other._differs, other._only = self, frozenset(differs), only
        return other

    def subjects(self, name: str) -> list[tuple[ConfigObject, Values]]:
        """The objects of a type that are to be judged."""
        if self._only is None:
            return self.objects(name)
        keys = self._only.get(name, ())
        return [pair for pair in self.objects(name) if pair[0].key in keys] if keys else []

    def objects(self, name: str) -> list[tuple[ConfigObject, Values]]:
        """Objects of a type with their values, decoded once."""
        if self._base is not None and name not in self._differs:
            return self._base.objects(name)
        if name not in self._objects:
            self._objects[name] = [(each, each.values) for each in self.configuration.objects(name)]
        return self._objects[name]

    def judged_types(self) -> Iterator[ResourceType]:
        """Types of the catalogue that have objects which are to be judged."""
        for name, listed in self.configuration.lists.items():
            if listed.count and name in self.catalogue.types and (self._only is None or self._only.get(name)):
                yield self.catalogue.types[name]

    def by_key(self, name: str) -> dict[str, Values]:
        """Values of a type's objects by natural key."""
        if self._base is not None and name not in self._differs:
            return self._base.by_key(name)
        if name not in self._by_key:
            self._by_key[name] = {each.key: values for each, values in self.objects(name)}
        return self._by_key[name]

    def of(self, name: str, each: ConfigObject, values: Values, shape: Shape) -> tuple[dict[str, Any], bool]:
        """One object as ``self``, and whether a reference it shows does not resolve."""
        return self._object(self.catalogue.types[name], each.key, values, shape)

    def _linked(self, name: str, key: str, shape: Shape) -> tuple[dict[str, Any], bool]:
        """The object referred to; an object without fields where there is none."""
        place = (id(shape), name, key)
        if place not in self._built:
            values = self.by_key(name).get(key)
            self._shapes.append(shape)
            if values is None:
                self._built[place] = ({}, True)
            else:
                self._built[place] = self._object(self.catalogue.types[name], key, values, shape)
        return self._built[place]

    def _object(self, kind: ResourceType, key: str, values: Values, shape: Shape) -> tuple[dict[str, Any], bool]:
        built: dict[str, Any] = {"key": key}
        dangles = False
        backs = self.catalogue.back_references[kind.name]
        for name, below in shape.fields.items():
            field = kind.fields.get(name)
            if field is None:
                back = backs.get(name)
                if back is not None:
                    links = [
                        self._object(self.catalogue.types[back.source], source_key, source, below)
                        for source_key, source in self.back_links(back).get(key, ())
                    ]
                    built[name] = [item for item, _ in links]
                    dangles |= any(each for _, each in links)
                continue
            value = values.get(name)
            if field.type is FieldType.LIST:
                built[name], broken = self._list(field, value, below)
                dangles |= broken
            elif value is None:
                continue
            elif field.type is FieldType.REF:
                built[name], broken = self._linked(field.to, scalar_text(value), below)
                dangles |= broken
            elif field.is_secret and value in self.placeholders(kind.name, name):
                built[name] = f"{PLACEHOLDER}{value}"
            else:
                built[name] = value
        return built, dangles

    def placeholders(self, resource_type: str, path: str) -> frozenset[str]:
        """Fingerprints of known stand-ins in this field."""
        if self._base is not None:
            return self._base.placeholders(resource_type, path)
        place = (resource_type, path)
        if place not in self._stand_ins:
            self._stand_ins[place] = self.secrets.placeholders(resource_type, path)
        return self._stand_ins[place]

    def _list(self, field: Field, value: Canonical, below: Shape) -> tuple[list[Any], bool]:
        items = value if isinstance(value, list) else []
        if not field.target:
            return items, False
        links = [self._linked(field.target, scalar_text(item), below) for item in items]
        return [item for item, _ in links], any(broken for _, broken in links)

    def back_links(self, back: BackReference) -> dict[str, list[tuple[str, Values]]]:
        """For each key of the target type: the objects that refer to it by this reference."""
        if self._base is not None and back.source not in self._differs:
            return self._base.back_links(back)
        place = (back.source, back.field)
        if place not in self._back:
            found: dict[str, list[tuple[str, Values]]] = defaultdict(list)
            for each, values in self.objects(back.source):
                value = values.get(back.field)
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, str):
                        found[item].append((each.key, values))
            self._back[place] = found
        return self._back[place]

    def whole(self, shape: Shape) -> tuple[dict[str, Any], bool]:
        """``configuration``: the lists an expression names."""
        built: dict[str, Any] = {}
        dangles = False
        for name, below in shape.fields.items():
            links = [self.of(name, each, values, below) for each, values in self.objects(name)]
            built[name] = [item for item, _ in links]
            dangles |= any(broken for _, broken in links)
        return built, dangles

    def counts(self, shape: Shape) -> dict[str, Any]:
        """``counts``: how many there are, how many are active, and by value of the fields named."""
        built: dict[str, Any] = {}
        for name, below in shape.fields.items():
            kind = self.catalogue.types[name]
            values = [each for _, each in self.objects(name)]
            built[name] = {
                "all": len(values),
                "active": sum(1 for each in values if each.get("is_active") is not False),
                "by": {part: self._counted(kind.fields[part], values) for part in below.child("by").fields},
            }
        return built

    def _counted(self, field: Field, values: list[Values]) -> dict[str, int]:
        known = {*field.choices, *(self.by_key(field.to) if field.to else ())}
        known |= {"true", "false"} if field.type is FieldType.BOOLEAN else set()
        counted = Counter(scalar_text(each[field.name]) for each in values if each.get(field.name) is not None)
        return {**dict.fromkeys(known, 0), **counted}

    # -- rules for every type ----------------------------------------------------------------------

    def generic(self, kind: ResourceType, each: ConfigObject, values: Values, shape: Shape) -> dict[str, Any]:
        """``self`` of a rule ``for: any``; what cannot be decided is left out, so that the rule is undecided."""
        built: dict[str, Any] = {"resource_type": kind.name, "key": each.key}
        if "missing" in shape.fields:
            absent = [
                field.name
                for field in kind.fields.values()
                if field.is_required and not field.is_volatile and values.get(field.name) in (None, "", [])
            ]
            missing = [field for field in absent if (kind.name, field) not in self.gone]
            if missing or not absent:
                built["missing"] = missing
        if "dangling" in shape.fields:
            dangling, unknown = self._dangling(kind, values)
            if dangling or not unknown:
                built["dangling"] = dangling
        if "not_allowed" in shape.fields:
            found = list(_not_allowed(kind.fields, values))
            wrong = [field for field in found if (kind.name, field.split(".")[0]) not in self._other]
            if wrong or not found:
                built["not_allowed"] = wrong
        if "out_of_range" in shape.fields:
            built["out_of_range"] = list(_out_of_range(kind.fields, values))
        if "duplicated" in shape.fields:
            built["duplicated"] = self._duplicated(kind, values)
        if "too_early" in shape.fields:
            needed = _needed(kind)
            known = [name for name in needed if self.configuration.why_unknown(name) is None]
            early = [name for name in known if not self.configuration.lists[name].count]
            if early or len(known) == len(needed):
                built["too_early"] = early
        if "overtaken" in shape.fields:
            built["overtaken"] = [name for name in _needed(kind) if self._came_before(kind, each, name)]
        return built

    # -- the order in which things appeared --------------------------------------------------------

    def appeared(self, name: str, each: ConfigObject | None = None) -> tuple[str, str, str | None]:
        """Key, path and moment that tell when an object, or the first of a type, was there: as SMART360 says, else
        as it was first read."""
        created = self._first_created(name)
        if each is not None:
            moment = _moment(each.about.get("created_at", ""))
            created = (moment, each.key) if moment is not None else None
        if created is not None:
            return created[1], "created_at", _utc(created[0])
        known = self.history.get(name) if self.configuration.objects(name) else None
        return each.key if each is not None else "", FIRST_READ, _utc(known.at) if known is not None else None

    def _came_before(self, kind: ResourceType, each: ConfigObject, name: str) -> bool:
        """True if an object was there before the first of a type it needs, and is as it was then."""
        first, known = self._first_created(name), self.history.get(name)
        created = _moment(each.about.get("created_at", ""))
        if created is not None and first is not None:
            was_before = created < first[0]
        else:
            was_before = known is not None and each.key in self._bodies_of(known.before, kind.name)
        then = self._bodies_of(known.then, kind.name).get(each.key) if was_before and known is not None else None
        return was_before and then in (None, each.body)

    def _first_created(self, name: str) -> tuple[datetime, str] | None:
        """When the oldest object of a type was created, and its key; None where the source does not say of all.

        Those of its first snapshot count too: they may have been replaced since.
        """
        if name not in self._created:
            known = self.history.get(name)
            first = known.then.objects(name) if known is not None else ()
            several = (*first, *self.configuration.objects(name))
            created = [(_moment(each.about.get("created_at", "")), each.key) for each in several]
            told = [(moment, key) for moment, key in created if moment is not None]
            self._created[name] = min(told) if told and len(told) == len(created) else None
        return self._created[name]

    def _bodies_of(self, configuration: Configuration | None, name: str) -> dict[str, bytes]:
        if configuration is None:
            return {}
        place = (id(configuration), name)
        if place not in self._bodies:
            self._bodies[place] = {each.key: each.body for each in configuration.objects(name)}
        return self._bodies[place]

    def _duplicated(self, kind: ResourceType, values: Values) -> list[str]:
        """Fields that another object has in common which should be alone with them: the key, or what is unique."""
        found: dict[str, None] = {}
        for group, _, other in self.alike(kind, values):
            if group == kind.key or _at_once(kind, values, other):
                found.update(dict.fromkeys(group))
        return list(found)

    def alike(self, kind: ResourceType, values: Values) -> Iterator[tuple[tuple[str, ...], str, Values]]:
        """Other objects that say the same in the key or in what is unique: those fields, the key, the values."""
        for group in (kind.key, *kind.unique):
            said = _said(group, values)
            if said is not None:
                for key, other in self._by_group(kind.name, group).get(said, ()):
                    if other is not values:
                        yield group, key, other

    def _by_group(self, name: str, group: tuple[str, ...]) -> Mapping[str, Sequence[tuple[str, Values]]]:
        if self._base is not None and name not in self._differs:
            return self._base._by_group(name, group)
        place = (name, group)
        if place not in self._groups:
            found: dict[str, list[tuple[str, Values]]] = defaultdict(list)
            for each, values in self.objects(name):
                said = _said(group, values)
                if said is not None:
                    found[said].append((each.key, values))
            self._groups[place] = found
        return self._groups[place]

    def _dangling(self, kind: ResourceType, values: Values) -> tuple[list[str], bool]:
        dangling, unknown = [], False
        for field in kind.references():
            value = values.get(field.name)
            items = value if isinstance(value, list) else [] if value is None else [value]
            if not items:
                continue
            if self.configuration.why_unknown(field.target) is not None:
                unknown = True
            elif any(scalar_text(item) not in self.by_key(field.target) for item in items):
                dangling.append(field.name)
        return dangling, unknown


def _needed(kind: ResourceType) -> list[str]:
    """Types without which an object of this one cannot be whole."""
    return sorted({field.target for field in kind.references() if field.is_required and field.target != kind.name})


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def fields_read(kind: ResourceType, shape: Shape, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """(resource type, field) of all that an expression touches below an object, over references both ways."""
    for name, below in shape.fields.items():
        field, back = kind.fields.get(name), catalogue.back_references[kind.name].get(name)
        if field is not None:
            yield kind.name, name
        elif back is not None:
            yield back.source, back.field
        target = field.target if field is not None else back.source if back is not None else ""
        if target:
            yield from fields_read(catalogue.types[target], below, catalogue)


def _said(group: tuple[str, ...], values: Values) -> str | None:
    """What an object says in these fields; None where it says nothing in the first."""
    if values.get(group[0]) in (None, "", []):
        return None
    return spelled([values.get(name) for name in group])


def _at_once(kind: ResourceType, one: Values, other: Values) -> bool:
    """True if both are active, and in force on some day together."""
    if one.get("is_active") is False or other.get("is_active") is False:
        return False
    end = next((field.name for field in kind.fields.values() if field.not_before == "effective_from"), "")
    return all(
        scalar_text(each.get("effective_from")) <= (scalar_text(beside.get(end)) or LAST_DAY)
        for each, beside in ((one, other), (other, one))
    )


def _out_of_range(fields: Mapping[str, Field], values: Values) -> Iterator[str]:
    for field in fields.values():
        value = values.get(field.name)
        if value is None or value == "" or not fits(field, value):
            continue  # what is no value of its type is not allowed already
        if field.item is not None and isinstance(value, list):
            inner = field.item.fields
            below = [name for item in value if isinstance(item, dict) for name in _out_of_range(inner, item)]
            yield from (f"{field.name}.{name}" for name in dict.fromkeys(below))
            continue
        follows = values.get(field.not_before)
        followed = field.not_before and follows is not None and fits(fields[field.not_before], follows)
        if (
            (field.minimum and _less(field, value, field.minimum))
            or (field.maximum and _less(field, field.maximum, value))
            or (followed and _less(field, value, follows))
        ):
            yield field.name


def _less(field: Field, one: Canonical, other: Canonical) -> bool:
    if field.type in _MEASURED:
        return quantity(scalar_text(one)) < quantity(scalar_text(other))
    return scalar_text(one) < scalar_text(other)


def _not_allowed(fields: Mapping[str, Field], values: Values) -> Iterator[str]:
    for field in fields.values():
        value = values.get(field.name)
        if value is None or (value == "" and (field.is_required or field.type not in _NEVER_BLANK)):
            continue  # missing already, or a text that says nothing
        if not fits(field, value):
            yield field.name
            continue
        items = value if isinstance(value, list) else [value]
        part = field.item if field.item is not None else field
        if part.fields:
            for item in items:
                if isinstance(item, dict):
                    yield from (f"{field.name}.{inner}" for inner in _not_allowed(part.fields, item))
        elif not all(is_allowed(part, item) for item in items):
            yield field.name
