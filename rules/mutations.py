"""What people and programs may do to a configuration, made from the catalogue: deterministic and in order.

Every field of every object is removed, blanked, put at and beyond its bounds, pointed at nothing and at
something else; objects are duplicated, renamed, added and removed; list items come, go and move.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from baselines.canonical import Canonicaliser
from baselines.catalogue import Catalogue, Field, FieldType, ResourceType
from baselines.compare import followed
from baselines.configuration import ConfigObject, Configuration, ObjectList
from baselines.fields import items_of, unique_names
from baselines.fingerprints import SecretKey
from baselines.severity import Severity
from baselines.values import Canonical, decimal_text, key_text, scalar_text


class MutationKind(StrEnum):
    """What is done; the first five of a required, critical or high field are what rules must see."""

    REMOVED = "removed"  #: the field is absent
    BLANK = "blank"  #: it is there and says nothing
    OUT_OF_RANGE = "out_of_range"  #: beyond its bounds, before what it follows, or malformed
    DANGLING = "dangling"  #: a reference to nothing
    DUPLICATED = "duplicated"  #: the object twice, under its key or another
    BOUNDARY = "boundary"  #: at its bounds
    SWAPPED = "swapped"  #: a reference to another object of its type
    PLAUSIBLE = "plausible"  #: another value that may be meant
    ITEM_REMOVED = "item_removed"
    ITEM_ADDED = "item_added"
    MOVED = "moved"  #: only the order of a significant list
    RENAMED = "renamed"  #: another natural key, same id
    OBJECT_ADDED = "object_added"
    OBJECT_REMOVED = "object_removed"


#: What a rule must see, and drift alone may not.
IMPLAUSIBLE: Final = frozenset(
    (MutationKind.REMOVED, MutationKind.BLANK, MutationKind.OUT_OF_RANGE, MutationKind.DANGLING,
     MutationKind.DUPLICATED)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing done to one object."""

    kind: MutationKind
    resource_type: str
    key: str  #: of the object before; of an added one, its own
    path: str  #: as in a difference: ``rates[up_to=10].rate``; "" is the whole object
    severity: Severity  #: of the field, as drift would tell it
    is_required: bool
    before: ConfigObject | None  #: None: an object comes
    after: ConfigObject | None  #: None: the object goes
    value: Any = None  #: what was written at the path, a secret in clear; None where it was taken away

    @property
    def field(self) -> str:
        """The field, without items: ``rates.rate``; "" for the whole object."""
        top, _, inner = self.path.partition("[")
        below = inner.rpartition("]")[2] if inner else ""
        return top + below

    @property
    def must_be_seen(self) -> bool:
        """True if a rule must see it: no plausible value, on a field that matters."""
        return self.kind in IMPLAUSIBLE and (self.is_required or self.severity in (Severity.CRITICAL, Severity.HIGH))


def mutations(
    configuration: Configuration, catalogue: Catalogue, secrets: SecretKey, types: Iterable[str] | None = None
) -> Iterator[Mutation]:
    """Every mutation of every object, in the order of the catalogue, keys, fields and kinds.

    Args:
        configuration: canonical; types the catalogue does not know are left out.
        catalogue: says what each field may hold.
        secrets: of the configuration: a mutated secret is a fingerprint too.
        types: only these resource types; None: all.
    """
    form = Canonicaliser(catalogue, secrets=secrets)
    wanted = catalogue.types.keys() if types is None else set(types)
    for name, kind in catalogue.types.items():
        if name in wanted:
            for each in configuration.objects(name):
                yield from _Object(kind, each, configuration, form).mutations()


def mutated(configuration: Configuration, done: Sequence[Mutation], catalogue: Catalogue) -> Configuration:
    """The configuration with mutations made, of different objects each; what was not touched is shared.

    References follow a changed key, as they do in SMART360, where they are ids.
    """
    lists: dict[str, ObjectList] = dict(configuration.lists)
    for name in dict.fromkeys(each.resource_type for each in done):
        mine = [each for each in done if each.resource_type == name]
        swaps = {(each.key, each.before.id, each.before.body): each.after for each in mine if each.before is not None}
        objects = [swaps.get((one.key, one.id, one.body), one) for one in configuration.objects(name)]
        objects += [each.after for each in mine if each.before is None]
        lists[name] = ObjectList.of(name, (one for one in objects if one is not None), configuration.version)
    renames: dict[str, dict[str, str]] = {}
    for each in done:
        if each.before is not None and each.after is not None and each.after.key != each.key:
            renames.setdefault(each.resource_type, {})[each.key] = each.after.key
    for name in catalogue.dependency_order if renames else ():
        kind = catalogue.types[name]
        if name in lists and any(reference.target in renames for reference in kind.references()):
            moved = [_followed(kind, one, renames) for one in lists[name].objects]
            lists[name] = ObjectList.of(name, moved, configuration.version)
    return Configuration(lists, configuration.version, configuration.about, configuration.gaps, configuration.file)


def at_once(found: Iterable[Mutation], count: int) -> Iterator[tuple[Mutation, ...]]:
    """Mutations in groups of ``count``, each group of different objects; what is left over is a smaller group."""
    waiting: list[Mutation] = []
    group: dict[tuple[str, str], Mutation] = {}
    source = iter(found)
    while True:
        for place, each in enumerate(waiting):
            if (each.resource_type, each.key) not in group:
                group[each.resource_type, each.key] = waiting.pop(place)
                break
        else:
            following = next(source, None)
            if following is None:
                break
            waiting.append(following)
            continue
        if len(group) == count:
            yield tuple(group.values())
            group = {}
    if group:
        yield tuple(group.values())
    yield from ((each,) for each in waiting)


def _followed(kind: ResourceType, one: ConfigObject, renames: dict[str, dict[str, str]]) -> ConfigObject:
    values = followed(kind, one.values, renames)
    key = key_text([values.get(part) for part in kind.key])
    if key != one.key:
        renames.setdefault(kind.name, {})[one.key] = key
    return msgspec.structs.replace(one, key=key, body=orjson.dumps(values, option=orjson.OPT_SORT_KEYS))


class _Value(NamedTuple):
    """What may be written into a field instead of what stands there; None takes it away."""

    kind: MutationKind
    value: Any


class _Object:
    """All mutations of one object."""

    def __init__(
        self, kind: ResourceType, each: ConfigObject, configuration: Configuration, form: Canonicaliser
    ) -> None:
        self.kind, self.each, self.configuration, self.form = kind, each, configuration, form
        self.values = each.values

    def mutations(self) -> Iterator[Mutation]:
        for field in self.kind.compared_fields:
            for kind, path, value, written in self.field_values(field):
                yield from self.made(kind, field, path, {**self.values, field.name: value}, written)
        yield from self.whole()

    def field_values(self, field: Field) -> Iterator[tuple[MutationKind, str, Any, Any]]:
        """Kind, path, the whole field afterwards, and what was written at the path."""
        value = self.values.get(field.name)
        if field.type is not FieldType.LIST:
            for one in self.scalars(field, value, self.values):
                yield one.kind, field.name, one.value, one.value
            return
        items = items_of(value)
        if not items:
            return
        yield MutationKind.REMOVED, field.name, None, None
        yield MutationKind.BLANK, field.name, [], []
        assert field.item is not None
        for place, (name, item) in enumerate(zip(unique_names(field, items), items, strict=True)):
            before, rest = items[:place], items[place + 1 :]
            named = str(place) if field.order_matters and not field.item_key else name.replace("]", "\\]")
            path = f"{field.name}[{named}]"
            yield MutationKind.ITEM_REMOVED, path, [*before, *rest], None
            if isinstance(item, dict):
                for inner in field.item.fields.values():
                    for one in self.scalars(inner, item.get(inner.name), item):
                        changed = {**item, inner.name: one.value}
                        yield one.kind, f"{path}.{inner.name}", [*before, changed, *rest], one.value
            else:
                for one in self.scalars(field.item, item, {}):
                    if one.kind in (MutationKind.DANGLING, MutationKind.SWAPPED, MutationKind.OUT_OF_RANGE):
                        yield one.kind, path, [*before, one.value, *rest], one.value
        added = self.another_item(field, items)
        if added is not None:
            yield MutationKind.ITEM_ADDED, field.name, [*items, added], added
        if field.order_matters and len(items) > 1:
            yield MutationKind.MOVED, field.name, [*items[1:], items[0]], None

    def another_item(self, field: Field, items: list[Canonical]) -> Canonical:
        assert field.item is not None
        if isinstance(items[-1], dict):
            return None  # an item of several fields is no single slip; its fields are changed above
        for one in self.scalars(field.item, items[-1], {}):
            if one.kind in (MutationKind.SWAPPED, MutationKind.PLAUSIBLE) and one.value not in items:
                return one.value  # type: ignore[no-any-return]
        return None

    def scalars(self, field: Field, value: Canonical, beside: Mapping[str, Canonical]) -> Iterator[_Value]:
        if value is not None and value != "":
            yield _Value(MutationKind.REMOVED, None)
            yield _Value(MutationKind.BLANK, "")
        yield from (_Value(MutationKind.OUT_OF_RANGE, bad) for bad in _out_of_range(field, value, beside))
        if value is None or value == "":
            return
        if field.type is FieldType.REF:
            yield _Value(MutationKind.DANGLING, f"{value}-gone")
            keys = [one.key for one in self.configuration.objects(field.to)]
            other = next((key for key in [*keys[_place(keys, value) :], *keys] if key != value), None)
            if other is not None:
                yield _Value(MutationKind.SWAPPED, other)
            return
        yield from (_Value(MutationKind.BOUNDARY, bound) for bound in _bounds(field, beside))
        meant = _plausible(field, value)
        if meant is not None:
            yield _Value(MutationKind.PLAUSIBLE, meant)

    def whole(self) -> Iterator[Mutation]:
        severity = self.kind.existence_severity
        twin = msgspec.structs.replace(self.each, id=f"{self.each.id}-twin", line=0)
        yield self.mutation(MutationKind.DUPLICATED, "", severity, None, twin, self.values)
        named = next((part for part in self.kind.key if self.kind.fields[part].type in _NAMING), None)
        if named is not None:
            values: dict[str, Any] = {**self.values, named: _renamed(self.kind.fields[named], self.values[named])}
            other = self.form.canonicalise(self.kind.name, values).object
            yield self.mutation(MutationKind.DUPLICATED, "", severity, None, twin_of(other, twin), values)
            field = self.kind.fields[named]
            after = msgspec.structs.replace(other, id=self.each.id, about=self.each.about)
            yield self.mutation(MutationKind.RENAMED, named, field.severity, self.each, after, values[named])
            fresh = {**values, **{name: _renamed(self.kind.fields[name], values[name]) for name in self.told_apart()}}
            made = self.form.canonicalise(self.kind.name, fresh).object
            yield self.mutation(MutationKind.OBJECT_ADDED, "", severity, None, twin_of(made, twin), fresh)
        yield self.mutation(MutationKind.OBJECT_REMOVED, "", severity, self.each, None, None)

    def told_apart(self) -> Iterator[str]:
        """Fields besides the key by which people tell objects of this type apart."""
        for name in dict.fromkeys(name for group in self.kind.unique for name in group):
            if name not in self.kind.key and self.kind.fields[name].type in _NAMING and self.values.get(name):
                yield name

    def made(
        self, kind: MutationKind, field: Field, path: str, values: Mapping[str, Any], written: Any
    ) -> Iterator[Mutation]:
        done = self.form.canonicalise(self.kind.name, {k: v for k, v in values.items() if v is not None})
        # What has lost its key keeps its old one, as in a sweep: nobody may take it for removed.
        key = self.each.key if done.key_problem is not None else done.object.key
        after = msgspec.structs.replace(done.object, key=key, id=self.each.id, about=self.each.about)
        if after.body != self.each.body:  # a default left out is no mutation
            yield self.mutation(kind, path, field.severity, self.each, after, written, is_required=field.is_required)

    def mutation(
        self,
        kind: MutationKind,
        path: str,
        severity: Severity,
        before: ConfigObject | None,
        after: ConfigObject | None,
        value: Any,
        *,
        is_required: bool = False,
    ) -> Mutation:
        key = (before or after).key  # type: ignore[union-attr]
        return Mutation(kind, self.kind.name, key, path, severity, is_required, before, after, value)


def twin_of(other: ConfigObject, twin: ConfigObject) -> ConfigObject:
    """Another object with an id of its own."""
    return msgspec.structs.replace(other, id=twin.id, about=twin.about)


_NAMING: Final = frozenset((FieldType.TEXT, FieldType.EMAIL))
_MALFORMED: Final[Mapping[FieldType, str]] = {
    FieldType.EMAIL: "nobody", FieldType.URL: "htp:/nowhere", FieldType.PHONE: "n/a", FieldType.COUNTRY: "Oregon",
    FieldType.CURRENCY: "dollar", FieldType.TIMEZONE: "Oregon/Portland", FieldType.CHOICE: "no_such_choice",
    FieldType.TIME: "25:70", FieldType.CRON: "61 25 * * *", FieldType.DATE: "2026-02-31", FieldType.DURATION: "soon",
    FieldType.DECIMAL: "four", FieldType.INTEGER: "four", FieldType.BOOLEAN: "perhaps",
}  # fmt: skip
_NUMBERS: Final = frozenset((FieldType.DECIMAL, FieldType.INTEGER))


def _place(keys: list[str], value: Canonical) -> int:
    return keys.index(scalar_text(value)) + 1 if value in keys else 0


def _renamed(field: Field, value: Canonical) -> str:
    return f"x.{value}" if field.type is FieldType.EMAIL else f"{value}-2"


def _out_of_range(field: Field, value: Canonical, beside: Mapping[str, Canonical]) -> Iterator[Canonical]:
    """Beyond each bound, before what it follows, and what is no value of its type."""
    for bound, step in ((field.minimum, -1), (field.maximum, 1)):
        if bound and value is not None:
            yield _stepped(field, bound, step)
    follows = beside.get(field.not_before)
    if field.not_before and follows is not None and follows != "" and field.type is not FieldType.DURATION:
        yield _stepped(field, follows, -1)
    if field.type in _MALFORMED and value is not None:
        yield _MALFORMED[field.type]


def _bounds(field: Field, beside: Mapping[str, Canonical]) -> Iterator[Canonical]:
    yield from (_cast(field, bound) for bound in (field.minimum, field.maximum) if bound)
    follows = beside.get(field.not_before)
    if follows is not None:
        yield follows


def _cast(field: Field, written: str) -> Canonical:
    return int(written) if field.type is FieldType.INTEGER else written


def _stepped(field: Field, value: Canonical, step: int) -> Canonical:
    """A little more or less than a value."""
    match field.type:
        case FieldType.INTEGER:
            return int(scalar_text(value)) + step
        case FieldType.DECIMAL:
            return decimal_text(Decimal(scalar_text(value)) + step)
        case FieldType.DATE:
            return (date.fromisoformat(scalar_text(value)) + timedelta(days=step)).isoformat()
        case FieldType.DURATION:
            return "PT0S" if step < 0 else "P9000Y"
        case FieldType.TIME:
            hour, minute = divmod((int(scalar_text(value)[:2]) * 60 + int(scalar_text(value)[3:5]) + step) % 1440, 60)
            return f"{hour:02d}:{minute:02d}"
    return None


def _plausible(field: Field, value: Canonical) -> Canonical:
    """Another value of the field's type that a person may mean."""
    match field.type:
        case FieldType.BOOLEAN:
            return not value
        case FieldType.INTEGER:
            return int(scalar_text(value)) + 1
        case FieldType.DECIMAL:
            number = Decimal(scalar_text(value))
            return decimal_text((number * Decimal("1.18")).quantize(Decimal("0.01")) if number else Decimal("0.5"))
        case FieldType.DATE:
            return _stepped(field, value, 31)
        case FieldType.TIME:
            return _stepped(field, value, 30)
        case FieldType.DURATION:
            return "PT36H" if value != "PT36H" else "PT48H"
        case FieldType.CHOICE:
            place = _place(list(field.choices), value)
            return next((each for each in [*field.choices[place:], *field.choices] if each != value), None)
        case FieldType.CRON:
            return f"30 3 {scalar_text(value).split(' ', 2)[-1]}"
        case FieldType.TIMEZONE:
            return "America/Denver" if value != "America/Denver" else "America/Chicago"
        case FieldType.CURRENCY | FieldType.COUNTRY:
            one, other = ("USD", "CAD") if field.type is FieldType.CURRENCY else ("US", "CA")
            return other if value == one else one
        case FieldType.TIMESTAMP:
            return "2031-01-01T00:00:00Z" if value != "2031-01-01T00:00:00Z" else "2032-01-01T00:00:00Z"
        case FieldType.EMAIL:
            return f"new.{value}"
        case FieldType.PHONE:
            return f"{value}1"
        case FieldType.URL:
            return f"{value}/new"
        case FieldType.TEXT | FieldType.MULTILINE:
            return f"{value} (new)" if not field.is_secret else "sk-another-4f9a1c07"
    return None
