"""What is done to a world in a drift injection, and what must be told of it, worked out without comparing anything."""

import random
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from baselines.canonical import Canonicaliser
from baselines.catalogue import Field, FieldType, ResourceType
from baselines.configuration import Configuration
from baselines.fingerprints import SecretKey
from monitor.source.manifest import smart360_manifest
from rules.mutations import Mutation, MutationKind, mutations
from tests.support import CATALOGUE, FORM

Told = tuple[str, str, str, str, str, str]  #: op, type, key, path, old, new; values as JSON
Raw = dict[str, list[dict[str, Any]]]
MUTATED_TYPES = smart360_manifest().routes


def told(op: str, resource_type: str, key: str, path: str, old: Any, new: Any) -> Told:
    """One change, so that sets of them can be compared."""
    old, new = (orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() for value in (old, new))
    return op, resource_type, key, path, old, new


@dataclass(frozen=True)
class Injected:
    """A true change: what to ask of the sandbox, and what must come of it."""

    what: str
    mutation: Mutation
    changes: tuple[dict[str, Any], ...]
    expected: frozenset[Told]

    @property
    def leaves_the_list(self) -> bool:
        """The object is not shown any more: removed, or inactive."""
        after = self.mutation.after
        return self.what in ("object removed", "deactivated") or (
            self.mutation.path == "is_active" and after is not None and after.values.get("is_active") is False
        )

    @property
    def changes_its_key(self) -> bool:
        """The same object under another natural key."""
        before, after = self.mutation.before, self.mutation.after
        return before is not None and after is not None and before.key != after.key

    @property
    def touches_identity(self) -> bool:
        """Others that refer to the object see it."""
        return self.leaves_the_list or self.mutation.before is None or self.changes_its_key


def corpus(
    approved: Configuration, secrets: SecretKey, rng: random.Random, types: Iterable[str] | None = None
) -> Iterator[Injected]:
    """True changes without end: every kind in turn, each drawn from all of its kind, none twice before all were.

    ``types``: only of these resource types; None: of all.
    """
    by_kind: dict[str, list[Injected]] = {}
    keys = {name: {each.key for each in approved.objects(name)} for name in CATALOGUE.types}
    for one in mutations(approved, CATALOGUE, secrets, types):
        for made in injections(one, keys[one.resource_type]):
            by_kind.setdefault(made.what, []).append(made)
    kinds = sorted(by_kind)
    left: dict[str, list[Injected]] = {}
    while True:
        for kind in kinds:
            if not left.get(kind):
                left[kind] = by_kind[kind][:]
                rng.shuffle(left[kind])
            yield left[kind].pop()


def injections(one: Mutation, keys: set[str]) -> Iterator[Injected]:
    """A mutation as changes of the world; none where it is no true change of one readable object."""
    kind = CATALOGUE.types[one.resource_type]
    if one.resource_type not in MUTATED_TYPES:
        return
    if one.before is None:
        assert one.after is not None
        has_secret = any(each.is_secret for each in kind.fields.values())
        if one.after.key not in keys and not has_secret:
            added = told("added", kind.name, one.after.key, "", None, _shown(kind, one.after.values))
            yield Injected(
                "object added", one, (_change("add", kind, one.after.key, value=one.value),), frozenset((added,))
            )
        return
    if one.after is None:
        removed = told("removed", kind.name, one.key, "", _shown(kind, one.before.values), None)
        yield Injected("object removed", one, (_change("remove", kind, one.key),), frozenset((removed,)))
        if one.before.values.get("is_active") is True:
            off = told("changed", kind.name, one.key, "is_active", True, False)
            yield Injected("deactivated", one, (_change("deactivate", kind, one.key),), frozenset((off,)))
        return
    if one.kind is MutationKind.DANGLING and MUTATED_TYPES[kind.name].references == "id":
        return  # the wire shows an id alone, and so does what is told
    name = one.path.partition("[")[0]
    read = FORM.canonicalise(kind.name, dict(one.after.values))
    if read.problems or read.key_problem or (one.after.key != one.before.key and one.after.key in keys):
        return  # told as coverage: what cannot be read, who has no key, two under one
    expected = _expected(one, kind.fields[name])
    if expected is None:
        return
    is_secret = kind.fields[name].is_secret
    written = one.value if is_secret else one.after.values.get(name)
    old_key = one.before.key
    yield Injected(one.kind.value, one, (_change("set", kind, old_key, name, written),), frozenset(expected))


def _shown(kind: ResourceType, values: dict[str, Any]) -> dict[str, Any]:
    """A whole object as people may see it: personal values are masked, but for the key."""
    hidden = {name for name, field in kind.fields.items() if field.is_personal and name not in kind.key}
    return {name: "(personal)" if name in hidden else value for name, value in values.items()}


def _change(op: str, kind: ResourceType, key: str, field: str = "", value: Any = None) -> dict[str, Any]:
    return {"op": op, "resource": kind.name, "key": key, "field": field, "value": value}


def _expected(one: Mutation, field: Field) -> list[Told] | None:
    """What must be told, by the kind of the mutation; None where several sayings would be right."""
    assert one.before is not None
    assert one.after is not None
    where = (one.resource_type, one.before.key)
    old, new = one.before.values.get(field.name), one.after.values.get(field.name)
    if field.type is not FieldType.LIST:
        if field.is_personal:
            old, new = (None if value is None else "(personal)" for value in (old, new))
        return [told(_op(old, new), *where, field.name, old, new)]
    before, after = list(old or []), list(new or [])
    assert field.item is not None
    if len({orjson.dumps(each) for each in before}) < len(before):
        return None
    if len({orjson.dumps(each) for each in after}) < len(after):
        return None
    if one.kind is MutationKind.MOVED:
        return [told("moved", *where, field.name, before, after)]
    if one.path == field.name and not after:
        return [told("removed", *where, path, each, None) for path, each in _named(field, before)]
    if one.path == field.name:  # one came, in a significant list at the end
        (came,) = [found for found in _named(field, after) if found[1] not in before]
        return [told("added", *where, came[0], None, came[1])]
    if one.kind is MutationKind.ITEM_REMOVED:
        (gone,) = [each for each in before if each not in after]
        (path,) = [path for path, each in _named(field, before) if each == gone]
        return [told("removed", *where, path, gone, None)]
    if len(after) < len(before):
        return None  # written over by one that is there already
    place = next(place for place, (one_, other) in enumerate(zip(before, after, strict=True)) if one_ != other) if (
        field.order_matters
    ) else -1  # fmt: skip
    if field.item.fields:
        if len(dict(_named(field, after))) < len(after):
            return None
        inner = one.path.rpartition("].")[2]
        path, each = _named(field, before)[place]
        old, new = each.get(inner), after[place].get(inner)
        return [told(_op(old, new), *where, f"{path}.{inner}", old, new)]
    if field.order_matters:
        return [told("changed", *where, f"{field.name}[{place}]", before[place], after[place])]
    (gone,), (came,) = [e for e in before if e not in after], [e for e in after if e not in before]
    (came_path, _), (gone_path, _) = _named(field, [came])[0], _named(field, [gone])[0]
    return [told("removed", *where, gone_path, gone, None), told("added", *where, came_path, None, came)]


def _op(old: Any, new: Any) -> str:
    return "removed" if new is None else "added" if old is None else "changed"


def _named(field: Field, items: Sequence[Any]) -> list[tuple[str, Any]]:
    """Items with their paths (contracts: named by key, by place in a significant list without one, by value)."""
    found = []
    for place, each in enumerate(items):
        if field.item_key:
            name = ",".join(f"{part}={'' if each.get(part) is None else each[part]}" for part in field.item_key)
        else:
            name = str(place) if field.order_matters else str(each)
        found.append((f"{field.name}[{name.replace(']', chr(92) + ']')}]", each))
    return found


# Which go together


DEPENDENTS: dict[str, set[str]] = {name: {name} for name in CATALOGUE.types}
for _name in reversed(CATALOGUE.dependency_order):
    for _reference in CATALOGUE.types[_name].references():
        DEPENDENTS[_reference.target] |= DEPENDENTS[_name]


def go_together(group: Sequence[Injected], one: Injected) -> bool:
    """True where what is told of each does not hang on the other: other objects, and no reference to what went."""
    mine = one.mutation.resource_type
    for other in group:
        theirs = other.mutation.resource_type
        if mine == theirs and (
            other.mutation.key == one.mutation.key or other.touches_identity or one.touches_identity
        ):
            return False
        if other.touches_identity and mine in DEPENDENTS[theirs]:
            return False
        if one.touches_identity and theirs in DEPENDENTS[mine]:
            return False
    return True


def empties(one: Injected, approved: Configuration) -> bool:
    """The list has nothing to show afterwards, which nobody believes at once (P2)."""
    return one.leaves_the_list and len(approved.objects(one.mutation.resource_type)) == 1


# Rewrites that mean nothing


@dataclass(frozen=True)
class Rewrite:
    """A change of the world that means nothing."""

    resource_type: str
    key: str
    changes: tuple[dict[str, Any], ...]


def rewrites(raw: Raw, form: Canonicaliser, rng: random.Random) -> Iterator[Rewrite]:
    """Rewrites without end: other spellings, other order, counters that move, objects that come again as they were."""
    everything = [(name, each) for name, objects in raw.items() if name in MUTATED_TYPES for each in objects]
    keys = {id(each): form.canonicalise(name, each).object.key for name, each in everything}
    while True:
        rng.shuffle(everything)
        for name, each in everything:
            kind = CATALOGUE.types[name]
            key = keys[id(each)]
            if rng.random() < 0.1:
                yield Rewrite(name, key, (_change("remove", kind, key), _change("add", kind, key, value=dict(each))))
                continue
            fields = [field for field in kind.fields.values() if field.name not in kind.key and not field.is_secret]
            rng.shuffle(fields)
            for field in fields:
                spelled = list(_spellings(field, each.get(field.name)))
                if spelled:
                    yield Rewrite(name, key, (_change("set", kind, key, field.name, rng.choice(spelled)),))
                    break


def _spellings(field: Field, value: Any) -> Iterable[Any]:
    """Other ways to write a value; none where there is no other."""
    if field.is_volatile:
        return [7, 51_000] if field.type is FieldType.INTEGER else []
    if value is None:
        return [field.default] if field.default is not None and field.type is not FieldType.LIST else []
    match field.type:
        case FieldType.BOOLEAN:
            return ["Yes", "true", "1"] if str(value).lower() == "true" else ["No", "false", "0"]
        case FieldType.DECIMAL:
            number = Decimal(str(value))
            return [f"{number:.4f}", f"{number:.6f}", f"+{number}", f"{number}e0"]
        case FieldType.INTEGER:
            return [str(value), f"{value}.0"]
        case FieldType.TEXT | FieldType.MULTILINE:
            return [f"  {value} ", f"{value}\n", unicodedata.normalize("NFD", value)]
        case FieldType.LIST if isinstance(value, list) and not field.order_matters and len(value) > 1:
            return [value[::-1], [*value[1:], value[0]]]
        case FieldType.LIST if isinstance(value, list) and field.name == "rates":
            return [[{name: f"{Decimal(str(part)):.5f}" for name, part in item.items()} for item in value]]
    return []


def all_told(found: Iterable[Injected]) -> frozenset[Told]:
    """All that must be told of several."""
    return frozenset(each for one in found for each in one.expected)
