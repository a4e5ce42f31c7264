"""Which part of a configuration a proposal is about: modules, resource types, services. Pure.

Water goes live now and wastewater later: what is outside the scope keeps the content of the base, is no
change to decide, and need not have been read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from baselines.catalogue import Catalogue, Field, FieldType, ResourceType
from baselines.compare import Change, Comparison
from baselines.configuration import Configuration, ObjectList
from baselines.errors import ApprovalRefused, did_you_mean, shown
from baselines.fields import items_of
from baselines.values import Canonical

SERVICE: Final = "utility_service"
_BY_SERVICE: Final = "service="


@dataclass(frozen=True, slots=True)
class Scope:
    """What a proposal is about; without words: everything.

    A service leaves out the objects that name services and not this one: what names none, and the
    services themselves, belong to all of them.
    """

    words: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()  #: empty: all
    services: frozenset[str] = frozenset()  #: empty: all

    @classmethod
    def of(cls, words: Iterable[str], catalogue: Catalogue) -> "Scope":
        """The scope of words: a module, a resource type, ``service=WATER``."""
        given = tuple(sorted(set(words)))
        services = frozenset(each.removeprefix(_BY_SERVICE) for each in given if each.startswith(_BY_SERVICE))
        named = {each for each in given if not each.startswith(_BY_SERVICE)}
        of_modules = {name for name, kind in catalogue.types.items() if kind.module in named}
        return cls(given, frozenset(named | of_modules), services)

    def has_type(self, resource_type: str) -> bool:
        """True if objects of this type may belong to it."""
        return not self.types or resource_type in self.types

    def has(self, kind: ResourceType | None, values: Mapping[str, Canonical]) -> bool:
        """True if an object of a type of the scope belongs to it."""
        if not self.services or kind is None or kind.name == SERVICE:
            return True
        named = {key for each, key in references_of(kind, values) if each == SERVICE}
        return not named or bool(named & self.services)


def refuse_unknown(scope: Scope, snapshot: Configuration, catalogue: Catalogue, where: str) -> None:
    """A scope names what there is.

    Raises:
        ApprovalRefused: ``unknown_scope``.
    """
    modules = {kind.module for kind in catalogue.types.values()}
    services = {_BY_SERVICE + each.key for each in snapshot.objects(SERVICE)}
    known = {*modules, *catalogue.types, *snapshot.lists, *services}
    for word in scope.words:
        if word not in known:
            mend = did_you_mean(word, sorted(known), f"Name a module ({', '.join(sorted(modules))}) or a type.")
            raise ApprovalRefused("unknown_scope", f"{shown(word)} is no part of it.", where=where, mend=mend)


def references_of(kind: ResourceType, values: Mapping[str, Canonical]) -> Iterator[tuple[str, str]]:
    """What an object refers to: (resource type, key), also from inside its lists."""
    for field in kind.fields.values():
        yield from _referred(field, values.get(field.name))


def _referred(field: Field, value: Canonical) -> Iterator[tuple[str, str]]:
    if field.type is FieldType.LIST and field.item is not None:
        for item in items_of(value):
            yield from _referred(field.item, item)
    elif field.to and isinstance(value, str):
        yield field.to, value
    elif isinstance(value, dict):
        for each in field.fields.values():
            yield from _referred(each, value.get(each.name))


def within(
    scope: Scope, comparison: Comparison, base: Configuration, snapshot: Configuration, catalogue: Catalogue
) -> tuple[Comparison, int]:
    """The part of a comparison that is in the scope, and how many changes are not.

    An object that belongs to it on either side is in it.
    """
    if not scope.words:
        return comparison, 0
    belonging: dict[str, set[str]] = {}

    def has(change: Change) -> bool:
        name, kind = change.resource_type, catalogue.types.get(change.resource_type)
        if not scope.has_type(name) or not scope.services or kind is None:
            return scope.has_type(name)
        if name not in belonging:
            sides = (*base.objects(name), *snapshot.objects(name))
            belonging[name] = {each.key for each in sides if scope.has(kind, each.values)}
        return change.key in belonging[name]

    kept = tuple(each for each in comparison.changes if has(each))
    not_compared = {name: why for name, why in comparison.not_compared.items() if scope.has_type(name)}
    return replace(comparison, changes=kept, not_compared=not_compared), len(comparison.changes) - len(kept)


def part_of(snapshot: Configuration, scope: Scope, catalogue: Catalogue) -> Configuration:
    """What of a configuration is in the scope: the first baseline of a part."""
    if not scope.words:
        return snapshot
    lists = {}
    for name, listed in snapshot.lists.items():
        if not scope.has_type(name):
            continue
        kind = catalogue.types.get(name)
        inside = [each for each in listed.objects if scope.has(kind, each.values)] if scope.services else None
        is_whole = inside is None or len(inside) == listed.count
        lists[name] = listed if is_whole else ObjectList.of(name, inside or (), listed.version)
    gaps = tuple(each for each in snapshot.gaps if scope.has_type(each.resource_type))
    return replace(snapshot, lists=lists, gaps=gaps)


def declared_of(base: Configuration, snapshot: Configuration, scope: Scope) -> Mapping[str, str]:
    """What an overlay had described, of each type as of the side its content comes from."""
    of_base = {place: meant for place, meant in base.declared.items() if not scope.has_type(place.split(".")[0])}
    return of_base | {place: each for place, each in snapshot.declared.items() if scope.has_type(place.split(".")[0])}


def left_behind(
    result: Configuration, source: Configuration, scope: Scope, catalogue: Catalogue
) -> tuple[tuple[str, str, str], ...]:
    """References from inside the scope to what is there, outside of it, and would be missing in the baseline.

    Returns:
        (where from, resource type, key), each once. What dangles in the source too is not the scope's doing.
    """
    if not scope.words:
        return ()
    in_result: dict[str, set[str]] = {}
    outside: dict[str, set[str]] = {}

    def is_left(name: str, key: str) -> bool:
        if name not in in_result:
            kind = catalogue.types.get(name)
            in_result[name] = {each.key for each in result.objects(name)}
            outside[name] = {
                each.key for each in source.objects(name) if not (scope.has_type(name) and scope.has(kind, each.values))
            }
        return key in outside[name] and key not in in_result[name]

    found: dict[tuple[str, str], str] = {}
    for name in result.lists:
        kind = catalogue.types.get(name)
        if kind is None or not scope.has_type(name):
            continue
        for each in result.objects(name):
            if scope.has(kind, each.values):
                for target, key in references_of(kind, each.values):
                    if is_left(target, key):
                        found.setdefault((target, key), f"{name} {each.key}")
    return tuple((origin, target, key) for (target, key), origin in found.items())
