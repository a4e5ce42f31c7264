"""Random true edits and meaning-preserving rewrites of raw objects, for properties."""

import copy
import random
import unicodedata
from decimal import Decimal
from typing import Any

from baselines.catalogue import Field, FieldType
from tests.support import CATALOGUE

Raw = dict[str, list[dict[str, Any]]]
NO = object()


def other_value(field: Field, old: Any, rng: random.Random, raw: Raw) -> Any:
    """A value of the field's type with another meaning than ``old``; NO where none is at hand."""
    match field.type:
        case FieldType.BOOLEAN:
            current = field.default if old is None else str(old).lower() in ("true", "yes", "1")
            return not current
        case FieldType.INTEGER:
            return int(Decimal(str(old if old is not None else field.default or 0))) + rng.randint(1, 9)
        case FieldType.DECIMAL:
            base = Decimal(str(old if old is not None else field.default or 0))
            return str(base + Decimal(rng.randint(1, 999)) / 100)
        case FieldType.CHOICE:
            current = field.default if old is None else old
            return rng.choice([each for each in field.choices if each != current])
        case FieldType.DATE:
            return f"20{rng.randint(30, 60)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}"
        case FieldType.TIME:
            return "23:5" + str(rng.randint(0, 9)) if old != "23:59" else "00:01"
        case FieldType.DURATION:
            return f"PT{rng.randint(100, 999)}H"
        case FieldType.CRON:
            return f"{rng.randint(0, 59)} 3 {rng.randint(1, 28)} * *" if old else "1 1 1 * *"
        case FieldType.TIMEZONE:
            return "Europe/Oslo"
        case FieldType.TIMESTAMP:
            return f"2031-01-01T00:00:{rng.randint(10, 59)}Z"
        case FieldType.LIST | FieldType.ITEM:
            return NO
        case FieldType.REF:
            return f"ANOTHER {rng.randint(0, 10**6)}"
        case _:
            return f"{old or field.default or ''} x{rng.randint(0, 10**6)}"


def one_edit(raw: Raw, rng: random.Random) -> tuple[Raw, str] | None:
    """One true edit of one field, item or object; None where this draw has none. Says what it did."""
    name = rng.choice([each for each in raw if raw[each] and each in CATALOGUE.types])
    kind = CATALOGUE.types[name]
    edited = {**raw, name: copy.deepcopy(raw[name])}
    target = rng.choice(edited[name])
    choice = rng.random()
    if choice < 0.1:
        edited[name].remove(target)
        return edited, f"removed {name}"
    if choice < 0.2:
        added = copy.deepcopy(target)
        for part in kind.key:
            value = other_value(kind.fields[part], added[part], rng, raw)
            if value is NO:
                return None
            added[part] = value
        edited[name].append(added)
        return edited, f"added {name}"
    field = rng.choice([each for each in kind.compared_fields if each.name not in kind.key])
    old = target.get(field.name)
    if field.type is FieldType.LIST:
        return (edited, f"{name}.{field.name}") if _edit_list(field, target, rng) else None
    value = None if choice < 0.3 and old is not None and field.default is None else other_value(field, old, rng, raw)
    if value is NO:
        return None
    target[field.name] = value
    return edited, f"{name}.{field.name}"


def _edit_list(field: Field, target: dict[str, Any], rng: random.Random) -> bool:
    items = list(target.get(field.name) or [])
    assert field.item is not None
    draw = rng.random()
    if field.item.fields:
        if not items:
            return False
        item = dict(rng.choice(items))
        place = items.index(item)
        if draw < 0.3:
            inner = rng.choice([each for each in field.item.fields.values() if each.name not in field.item_key])
            item[inner.name] = other_value(inner, item.get(inner.name), rng, {})
            items[place] = item
        elif draw < 0.5:
            key = field.item.fields[field.item_key[0]]
            item[key.name] = str(Decimal(str(item.get(key.name) or 0)) + Decimal("0.37"))
            items[place] = item
        elif draw < 0.7:
            items.pop(place)
        elif draw < 0.85:
            added = {name: str(rng.randint(1000, 9999)) for name in field.item.fields}
            items.insert(rng.randint(0, len(items)), added)
        else:
            if len(items) < 2:
                return False
            items.append(items.pop(0))
    elif draw < 0.5 and items:
        items.pop(rng.randrange(len(items)))
    elif draw < 0.8 or len(items) < 2 or not field.order_matters:
        value = other_value(field.item, None, rng, {})
        if value is NO or value in items or str(value) in map(str, items):
            return False
        items.insert(rng.randint(0, len(items)), value)
    else:
        before = list(items)
        items.append(items.pop(0))
        if items == before:
            return False
    target[field.name] = items
    return True


def neutral(raw: Raw, rng: random.Random, part: float = 0.3) -> Raw:
    """The same meaning in other bytes: order, spelling, volatile fields, absence, Unicode forms, ids."""
    result: Raw = {}
    names = list(raw)
    rng.shuffle(names)
    for name in names:
        kind = CATALOGUE.types.get(name)
        objects = copy.deepcopy(raw[name]) if rng.random() < part else list(raw[name])
        if objects is not raw[name] and kind is not None:
            objects = [_neutral_object(kind.fields, each, rng) for each in objects]
            for each in objects:
                if rng.random() < 0.3:
                    each["updated_at"] = f"2026-10-10T00:00:{rng.randint(10, 59)}Z"
                    each["updated_by"] = "someone"
        rng.shuffle(objects)
        result[name] = objects
    return result


def _neutral_object(fields: Any, each: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    pairs = list(each.items())
    rng.shuffle(pairs)
    out: dict[str, Any] = {}
    for name, value in pairs:
        field = fields.get(name)
        out[name] = _spelled(field, value, rng) if field is not None else value
    for field in fields.values():
        if field.name not in out and rng.random() < 0.3:
            if field.default is not None:
                out[field.name] = field.default
            elif field.type is FieldType.LIST:
                out[field.name] = []
            elif not field.is_required:
                out[field.name] = None
        if field.is_volatile and rng.random() < 0.5:
            out[field.name] = rng.randint(0, 10**6)
    return out


def _spelled(field: Field, value: Any, rng: random.Random) -> Any:
    if value is None:
        return value
    if field.type is FieldType.BOOLEAN:
        is_true = str(value).lower() in ("true", "yes", "1")
        return rng.choice([is_true, "Yes" if is_true else "No", str(is_true).lower(), int(is_true)])
    if field.type is FieldType.DECIMAL:
        number = Decimal(str(value))
        return rng.choice([str(number), f"{number:.4f}", f"{number}e0", number, f" {number}"])
    if field.type is FieldType.INTEGER:
        return rng.choice([int(value), str(value), f"{value}.0"])
    if field.type in (FieldType.TEXT, FieldType.MULTILINE, FieldType.REF) and isinstance(value, str):
        return rng.choice([value, f"  {value} ", unicodedata.normalize("NFD", value)])
    if field.type is FieldType.LIST and isinstance(value, list) and field.item is not None:
        items = [
            _neutral_object(field.item.fields, item, rng) if isinstance(item, dict) else _spelled(field.item, item, rng)
            for item in value
        ]
        if not field.order_matters:
            rng.shuffle(items)
        return items
    return value
