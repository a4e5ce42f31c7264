"""An object as the wire spells it: the way back of ``Route.read``."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from baselines.catalogue import Field, FieldType
from monitor.sandbox.world import Record, World, stamp
from monitor.source.manifest import Manifest, Route

_NUMBERS: Final = (FieldType.INTEGER, FieldType.DECIMAL)


@lru_cache(1 << 12)
def four_decimals(text: str) -> str:
    """A decimal with four places, as SMART360 writes amounts; with all its places where they are more."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    exponent = number.as_tuple().exponent
    return f"{number:.4f}" if isinstance(exponent, int) and -4 <= exponent <= 0 else text


@dataclass(frozen=True, slots=True)
class Style:
    """How booleans and decimals are written; faults change it."""

    boolean: Callable[[bool], Any]
    decimal: Callable[[str], Any] = four_decimals


YES_NO: Final = Style(lambda value: "Yes" if value else "No")
TRUE_FALSE: Final = Style(bool)


def usual_style(manifest: Manifest) -> Style:
    """The style the manifest says."""
    return YES_NO if manifest.content.booleans == "yes_no" else TRUE_FALSE


def write_row(record: Record, route: Route, manifest: Manifest, world: World, style: Style) -> dict[str, Any]:
    """One object as a list or a detail shows it: every field there, null where it is not set."""
    content, names = manifest.content, route.names
    row: dict[str, Any] = {route.about["id"]: record.id}
    for wire in content.object.ignored:
        row[wire] = world.tenant if wire == "tenant" else world.utility
    for name, each in route.kind.fields.items():
        value = record.values.get(name)
        if each.is_volatile:
            value = _moving(each, value, world)
        row[names[name]] = None if value is None else _written(each, value, route, content.label, style)
    for name, value in record.values.items():
        if name not in names:
            row[name] = _written(None, value, route, content.label, style)
    for name in ("created_at", "created_by", "updated_at", "updated_by"):
        if route.about[name]:
            row[route.about[name]] = getattr(record, name)
    return row


def is_moving(route: Route) -> bool:
    """True where rows differ from second to second, because counters run."""
    return any(each.is_volatile for each in route.kind.fields.values())


def _moving(each: Field, value: Any, world: World) -> Any:
    passed = int(world.elapsed())
    if each.type is FieldType.TIMESTAMP:
        return stamp(world.now() - timedelta(seconds=60))
    if each.type in _NUMBERS and isinstance(value, str | int) and not isinstance(value, bool):
        return str(Decimal(value) + passed) if isinstance(value, str) else value + passed
    return value


def _written(each: Field | None, value: Any, route: Route, label: str, style: Style) -> Any:
    if isinstance(value, Record):
        if route.references == "nested":
            return {route.about["id"]: value.id, label: value.label}
        return value.id if route.references == "id" else value.key
    if isinstance(value, bool):
        return style.boolean(value) if each is None or each.type is FieldType.BOOLEAN else str(value).lower()
    if isinstance(value, list):
        item = each.item if each is not None else None
        spelled = route.items.get(each.name, {}) if each is not None else {}
        return [_item(item, part, spelled, route, label, style) for part in value]
    if each is not None and each.type is FieldType.DECIMAL:
        return style.decimal(str(value))
    return value


def _item(each: Field | None, value: Any, spelled: Any, route: Route, label: str, style: Style) -> Any:
    if not isinstance(value, dict):
        return _written(each, value, route, label, style)
    fields = each.fields if each is not None else {}
    return {
        spelled.get(name, name): _written(fields.get(name), part, route, label, style) for name, part in value.items()
    }
