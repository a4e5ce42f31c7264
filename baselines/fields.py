"""What differs inside one object, each edited field once.

Lists are brought to keyed form first: items under their key, or under the old item at the same
place; then DeepDiff, which is used here and nowhere else, walks what is left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any, Final

import orjson

from baselines.catalogue import Field, FieldType
from baselines.values import Canonical, scalar_text


class Op(StrEnum):
    """What happened: ``moved`` is only the order of a significant list."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference inside an object."""

    path: str
    op: Op
    old: Canonical
    new: Canonical
    steps: tuple[str | int, ...]  #: the path in parts: field, item, field of the item
    place: int = -1  #: of an added item in the new list


def differences(
    fields: Mapping[str, Field], old: dict[str, Canonical], new: dict[str, Canonical]
) -> Iterator[Difference]:
    """All differences between two canonical states of one object, in no particular order."""
    keyed_old: dict[str, Any] = {}
    keyed_new: dict[str, Any] = {}
    for name in old.keys() | new.keys():
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        each = fields.get(name)
        if each is not None and each.type is FieldType.LIST and not isinstance(one, str) and not isinstance(other, str):
            if each.order_matters and not each.item_key:
                yield from _sequence_differences(name, items_of(one), items_of(other))
                continue
            pairs = _paired(each, items_of(one), items_of(other))
            yield from _moves(each, items_of(one), items_of(other), pairs)
            keyed_old[name] = {named: item for named, (_, item, _) in pairs.items() if item is not _ABSENT}
            keyed_new[name] = {named: item for named, (_, _, item) in pairs.items() if item is not _ABSENT}
        else:
            for side, value in ((keyed_old, one), (keyed_new, other)):
                if value is not None:
                    side[name] = value
    if keyed_old or keyed_new:
        yield from _walked(fields, keyed_old, keyed_new, new)


def items_of(value: Canonical) -> list[Canonical]:
    """A list field's items, [] where it is absent."""
    return value if isinstance(value, list) else []


_ABSENT: Final = object()


def item_name(each: Field, item: Canonical) -> str:
    """How a path names a list item: ``up_to=10``, or the item itself."""
    if each.item_key and isinstance(item, dict):
        return ",".join(f"{part}={scalar_text(item.get(part))}" for part in each.item_key)
    if isinstance(item, dict | list):
        return spelled(item)
    return scalar_text(item)


def _paired(each: Field, olds: list[Canonical], news: list[Canonical]) -> dict[str, tuple[int, Any, Any]]:
    """Items of both sides under one name: their own, or that of the old item at the same place."""
    old_names, new_names = unique_names(each, olds), unique_names(each, news)
    pairs: dict[str, tuple[int, Any, Any]] = {}
    for place, (name, item) in enumerate(zip(old_names, olds, strict=True)):
        pairs[name] = (place, item, _ABSENT)
    for place, (name, item) in enumerate(zip(new_names, news, strict=True)):
        if name in pairs:
            pairs[name] = (place, pairs[name][1], item)
        elif each.item_key and place < len(olds) and old_names[place] not in new_names:
            pairs[old_names[place]] = (place, olds[place], item)
        else:
            pairs[name] = (place, _ABSENT, item)
    return pairs


def unique_names(each: Field, items: list[Canonical]) -> list[str]:
    """Names of items; one that stands twice gets its place besides, so that none hides another."""
    names: list[str] = []
    seen: set[str] = set()
    for place, item in enumerate(items):
        name = item_name(each, item)
        names.append(name if name not in seen else f"{name}#{place}")
        seen.add(name)
    return names


def _moves(
    each: Field, olds: list[Canonical], news: list[Canonical], pairs: dict[str, tuple[int, Any, Any]]
) -> Iterator[Difference]:
    if not each.order_matters:
        return
    stay_old = [id(one) for one in olds]
    places = {id(one): other for _, one, other in pairs.values() if one is not _ABSENT and other is not _ABSENT}
    new_places = {id(item): place for place, item in enumerate(news)}
    order = [new_places[id(places[one])] for one in stay_old if one in places]
    if order != sorted(order):
        yield Difference(each.name, Op.MOVED, olds, news, (each.name,))


def _sequence_differences(name: str, olds: list[Canonical], news: list[Canonical]) -> Iterator[Difference]:
    """A significant list without a key: aligned so that the fewest changes result."""
    spelled_old = [spelled(item) for item in olds]
    spelled_new = [spelled(item) for item in news]
    if sorted(spelled_old) == sorted(spelled_new):
        yield Difference(name, Op.MOVED, olds, news, (name,))
        return
    for op, i, j in _alignment(spelled_old, spelled_new):
        if op is Op.CHANGED:
            yield Difference(f"{name}[{i}]", op, olds[i], news[j], (name, i))
        elif op is Op.REMOVED:
            yield Difference(f"{name}[{i}]", op, olds[i], None, (name, i))
        else:
            yield Difference(f"{name}[{j}]", op, None, news[j], (name, j), place=j)


LONGEST_ALIGNED: Final = 1_000_000  #: cells of the table; beyond it difflib's quicker, coarser alignment


def _alignment(olds: list[str], news: list[str]) -> list[tuple[Op, int, int]]:
    """Fewest changes, additions and removals that turn one into the other (edit distance)."""
    start = 0
    while start < min(len(olds), len(news)) and olds[start] == news[start]:
        start += 1
    end = 0
    while end < min(len(olds), len(news)) - start and olds[-1 - end] == news[-1 - end]:
        end += 1
    a, b = olds[start : len(olds) - end], news[start : len(news) - end]
    if len(a) * len(b) > LONGEST_ALIGNED:
        return [(op, i + start, j + start) for op, i, j in _coarse_alignment(a, b)]
    cost = [list(range(len(b) + 1))]
    for i, one in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            row.append(min(cost[-1][j] + 1, row[-1] + 1, cost[-1][j - 1] + (one != other)))
        cost.append(row)
    steps: list[tuple[Op, int, int]] = []
    i, j = len(a), len(b)
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            if a[i] != b[j]:
                steps.append((Op.CHANGED, i + start, j + start))
        elif i and cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            steps.append((Op.REMOVED, i + start, j + start))
        else:
            j -= 1
            steps.append((Op.ADDED, i + start, j + start))
    return steps[::-1]


def _coarse_alignment(a: list[str], b: list[str]) -> Iterator[tuple[Op, int, int]]:
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        both = min(i2 - i1, j2 - j1)
        yield from ((Op.CHANGED, i1 + k, j1 + k) for k in range(both))
        yield from ((Op.REMOVED, i, j1 + both) for i in range(i1 + both, i2))
        yield from ((Op.ADDED, i1 + both, j) for j in range(j1 + both, j2))


def spelled(value: Canonical) -> str:
    """A value as canonical JSON text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class _Leaf(str):
    """A value that is compared whole, spelled as canonical JSON."""

    __slots__ = ()


def _walked(
    fields: Mapping[str, Field], old: dict[str, Any], new: dict[str, Any], whole_new: dict[str, Canonical]
) -> Iterator[Difference]:
    """DeepDiff over the keyed form: fields, item objects under their names, and leaves."""
    from deepdiff import DeepDiff  # 0.25 s to import; most runs find no difference

    tree = DeepDiff(_leaves(old, fields), _leaves(new, fields), view="tree", threshold_to_diff_deeper=0)
    ops = {
        "dictionary_item_added": Op.ADDED, "dictionary_item_removed": Op.REMOVED,
        "values_changed": Op.CHANGED, "type_changes": Op.CHANGED,
    }  # fmt: skip
    for report, op in ops.items():
        for level in tree.get(report, ()):
            steps = tuple(level.path(output_format="list"))
            for inner in _spread(fields, steps, op, old, new):
                place = -1
                if inner.op is Op.ADDED and len(inner.steps) == 2:
                    listed = whole_new.get(str(inner.steps[0]))
                    place = listed.index(inner.new) if isinstance(listed, list) else -1
                yield replace(inner, place=place)


def _leaves(keyed: dict[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    def leaf(value: Any) -> Any:
        return _Leaf(spelled(value)) if isinstance(value, dict | list) else value

    result: dict[str, Any] = {}
    for name, value in keyed.items():
        each = fields.get(name)
        if each is None or each.type is not FieldType.LIST or not isinstance(value, dict):
            result[name] = leaf(value)
        else:
            result[name] = {
                named: {inner: leaf(part) for inner, part in item.items()} if isinstance(item, dict) else leaf(item)
                for named, item in value.items()
            }
    return result


def _spread(
    fields: Mapping[str, Field], steps: tuple[str, ...], op: Op, old: dict[str, Any], new: dict[str, Any]
) -> Iterator[Difference]:
    """One report as our changes: a whole list that came or went is one change for each item."""
    name = steps[0]
    each = fields.get(name)
    one, other = _at(old, steps), _at(new, steps)
    if len(steps) == 1 and each is not None and each.type is FieldType.LIST and isinstance(one or other, dict):
        for named in {**(one or {}), **(other or {})}:
            yield from _spread(fields, (name, named), op, old, new)
        return
    path = name
    if len(steps) > 1:
        path += "[" + steps[1].replace("]", "\\]") + "]"
    if len(steps) > 2:
        path += "." + steps[2]
        if each is not None and steps[2] in each.item_key:
            op = Op.CHANGED
    yield Difference(path, op, one, other, steps)


def _at(keyed: dict[str, Any], steps: tuple[str, ...]) -> Any:
    value: Any = keyed
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value
