"""The reverse of a comparison: changes made to a configuration.

``apply(compare(a, b).changes, a)`` means the same as ``b`` (property-tested). A proposal's result is
made here: the base with the accepted changes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import orjson

from baselines.catalogue import Catalogue, Field, FieldType, ResourceType
from baselines.compare import Change, Renames, followed
from baselines.configuration import ConfigObject, Configuration, ObjectList
from baselines.fields import Op, item_name, items_of, unique_names
from baselines.values import Canonical, key_text


def apply(changes: Iterable[Change], old: Configuration, catalogue: Catalogue) -> Configuration:
    """The configuration that comes out when some changes are made to ``old``.

    ``apply(compare(a, b).changes, a)`` means the same as ``b`` (property-tested). Changes come from
    ``compare`` with ``old`` as its old side; any part of them may be given.
    """
    by_type: dict[str, dict[str, list[Change]]] = defaultdict(lambda: defaultdict(list))
    renames: dict[str, dict[str, str]] = defaultdict(dict)
    for change in changes:
        by_type[change.resource_type][change.key].append(change)
    for name in catalogue.dependency_order:
        kind = catalogue.types[name]
        for key, several in by_type.get(name, {}).items():
            if any(each.path in kind.key for each in several):
                values = _changed_values(kind, old, key, several, renames)
                if values is not None:
                    renames[name][key] = key_text([values.get(part) for part in kind.key])
        for each in old.objects(name) if any(renames.get(kind.fields[part].target) for part in kind.key) else ():
            if each.key not in renames[name]:
                moved = key_text([followed(kind, each.values, renames).get(part) for part in kind.key])
                if moved != each.key:
                    renames[name][each.key] = moved
    lists: dict[str, ObjectList] = dict(old.lists)
    touched = set(by_type) | {
        name
        for name in old.lists
        if name in catalogue.types and any(renames.get(each.target) for each in catalogue.types[name].references())
    }
    for name in touched:
        lists[name] = ObjectList.of(name, _applied(name, old, by_type.get(name, {}), renames, catalogue), old.version)
    return replace(old, lists=lists)


def _changed_values(
    kind: ResourceType, old: Configuration, key: str, changes: list[Change], renames: Renames
) -> dict[str, Canonical] | None:
    found = old.named(kind.name, key)
    if found is None:
        return None
    values = followed(kind, found.values, renames)
    _write(kind.fields, values, changes)
    return values


def _applied(
    name: str,
    old: Configuration,
    changes: Mapping[str, list[Change]],
    renames: Renames,
    catalogue: Catalogue,
) -> Iterator[ConfigObject]:
    kind = catalogue.types.get(name)
    fields = kind.fields if kind is not None else {}
    for each in old.objects(name):
        mine = [change for change in changes.get(each.key, ()) if not change.id or not each.id or change.id == each.id]
        if any(change.is_whole_object and change.op is Op.REMOVED and change.old == each.values for change in mine):
            continue
        mine = [change for change in mine if not change.is_whole_object]
        values = each.values
        if kind is not None:
            values = followed(kind, values, renames)
        _write(fields, values, mine)
        key = key_text([values.get(part) for part in kind.key]) if kind is not None else each.key
        yield ConfigObject(key, orjson.dumps(values, option=orjson.OPT_SORT_KEYS), each.id, each.about)
    for several in changes.values():
        for change in several:
            if change.is_whole_object and change.op is Op.ADDED and isinstance(change.new, dict):
                body = orjson.dumps(change.new, option=orjson.OPT_SORT_KEYS)
                yield ConfigObject(change.key, body, change.id)


def _write(fields: Mapping[str, Field], values: dict[str, Canonical], changes: list[Change]) -> None:
    by_field: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_field[str(change.steps[0])].append(change)
    for name, several in by_field.items():
        each = fields.get(name)
        if (
            each is not None
            and each.type is FieldType.LIST
            and any(len(change.steps) > 1 or change.op is Op.MOVED for change in several)
        ):
            written: Canonical = _written_list(each, items_of(values.get(name)), several)
        else:
            written = several[-1].new
        if written is None or written == []:
            values.pop(name, None)
        else:
            values[name] = written


def _written_list(each: Field, items: list[Canonical], changes: list[Change]) -> list[Canonical]:
    named: list[tuple[str | int, Canonical]]
    if each.order_matters and not each.item_key:
        named = list(enumerate(items))
    else:
        named = list(zip(unique_names(each, items), items, strict=True))
    gone = {change.steps[1] for change in changes if change.op is Op.REMOVED and len(change.steps) == 2}
    result = [(name, _written_item(item, [c for c in changes if c.steps[1:2] == (name,)])) for name, item in named
              if name not in gone]  # fmt: skip
    moved = next((change for change in changes if change.op is Op.MOVED), None)
    if moved is not None:
        result = _reordered(each, result, items_of(moved.new))
    for change in sorted((c for c in changes if c.op is Op.ADDED and len(c.steps) == 2), key=lambda c: c.place):
        result.insert(
            min(change.place, len(result)) if change.place >= 0 else len(result), (change.steps[1], change.new)
        )
    values = [item for _, item in result]
    return (
        values
        if each.order_matters
        else sorted(values, key=lambda item: orjson.dumps(item, option=orjson.OPT_SORT_KEYS))
    )


def _written_item(item: Canonical, changes: list[Change]) -> Canonical:
    for change in changes:
        if len(change.steps) == 2 and change.op is Op.CHANGED:
            item = change.new
        elif len(change.steps) == 3 and isinstance(item, dict):
            item = dict(item)
            if change.new is None:
                item.pop(str(change.steps[2]), None)
            else:
                item[str(change.steps[2])] = change.new
    return item


def _reordered(
    each: Field, result: list[tuple[str | int, Canonical]], order: list[Canonical]
) -> list[tuple[str | int, Canonical]]:
    if not each.item_key:
        return list(enumerate(order))
    places = {name: place for place, name in enumerate(unique_names(each, order))}
    final = [item_name(each, item) for _, item in result]
    return [pair for _, pair in sorted(zip(final, result, strict=True), key=lambda one: places.get(one[0], len(order)))]
