"""Changes against the approved baseline as findings, each a sentence about the utility."""

from collections.abc import Iterator

from baselines.catalogue import Catalogue, Field, FieldType, ResourceType
from baselines.compare import Change, Comparison
from baselines.fields import Op, spelled
from baselines.fingerprints import is_fingerprint
from baselines.values import Canonical, scalar_text
from rules.findings import Finding, Kind
from rules.impact import Impact

PERSONAL = "(personal)"
LONGEST = 60  #: characters of a value inside a sentence


def drift_findings(comparison: Comparison, catalogue: Catalogue, impact: Impact) -> Iterator[Finding]:
    """A finding for each change, with what it alone means for bills."""
    for change in comparison.changes:
        kind = catalogue.types.get(change.resource_type)
        by = f"{change.updated_by}, {change.updated_at}" if change.updated_by else ""
        yield Finding(
            kind=Kind.DRIFT, rule="", severity=change.severity, module=change.module,
            resource_type=change.resource_type, key=change.key, path=change.path, title=_title(change, kind),
            message=sentence(change, kind), why="It is not what was approved.", fix=_fix(change, kind), op=change.op,
            old=masked(change, kind, change.old), new=masked(change, kind, change.new), seen_by=by,
            money=impact.of(change),
        )  # fmt: skip


def masked(change: Change, kind: ResourceType | None, value: Canonical) -> Canonical:
    """The value as a finding may show it: personal values are not."""
    field = kind.fields.get(str(change.steps[0])) if kind is not None and change.steps else None
    if field is not None and field.is_personal and value is not None:
        return PERSONAL
    if kind is not None and not change.steps and isinstance(value, dict):
        hidden = {name for name, each in kind.fields.items() if each.is_personal and name not in kind.key}
        return {name: PERSONAL if name in hidden else part for name, part in value.items()}
    return value


def _name(change: Change, kind: ResourceType | None) -> str:
    title = kind.title if kind is not None else change.resource_type
    return f"{title.split(' (')[0]} {change.key}"


def _title(change: Change, kind: ResourceType | None) -> str:
    where = f" {change.path}" if change.path else ""
    return f"{_name(change, kind)}{where} {_WORDS[change.op]}"


_WORDS = {Op.ADDED: "added", Op.REMOVED: "removed", Op.CHANGED: "changed", Op.MOVED: "moved"}


def field_of(change: Change, kind: ResourceType | None) -> Field | None:
    """The field a change is in, in the item of a list where it is there."""
    if kind is None or not change.steps:
        return None
    field = kind.fields.get(str(change.steps[0]))
    if field is not None and field.item is not None and len(change.steps) > 1:
        field = field.item.fields.get(str(change.steps[2])) if len(change.steps) > 2 else field.item
    return field


def worded(value: Canonical, field: Field | None) -> str:
    """A value as people read it: money with two places, booleans as yes and no, nothing as “nothing”."""
    if value is None or value == "" or value == []:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_fingerprint(value):
        return "another secret"
    if isinstance(value, dict | list):
        text = spelled(value)
    else:
        text = with_places(scalar_text(value), field)
    text = text.replace("\n", " ")
    return text if len(text) <= LONGEST else f"{text[:28]}…({len(text)} characters)…{text[-12:]}"


def with_places(text: str, field: Field | None) -> str:
    """A number as people read it: money has at least two places."""
    if field is None or field.type is not FieldType.DECIMAL or field.unit != "currency" or not text[-1:].isdigit():
        return text
    whole, _, places = text.partition(".")
    return f"{whole}.{places:0<2}"


def sentence(change: Change, kind: ResourceType | None) -> str:
    """What is wrong now, in one sentence."""
    name = _name(change, kind)
    if change.is_whole_object:
        return f"{name} {'came' if change.op is Op.ADDED else 'is gone'}; nobody approved it."
    field = field_of(change, kind)
    old, new = worded(masked(change, kind, change.old), field), worded(masked(change, kind, change.new), field)
    unit = f" {field.unit}" if field is not None and field.unit not in ("", "currency") else ""
    if change.path == "is_active" and isinstance(change.new, bool):
        return f"{name} was switched {'on' if change.new else 'off'}."
    if change.op is Op.MOVED:
        return f"{name}: the order of {change.path} is another."
    if is_fingerprint(change.new) and is_fingerprint(change.old):
        return f"{name}: {change.path} is another secret than approved."
    if len(change.steps) == 2 and change.op in (Op.ADDED, Op.REMOVED):
        verb, item = ("now has", new) if change.op is Op.ADDED else ("no longer has", old)
        return f"{name}: {change.steps[0]} {verb} {item}."
    return f"{name}: {change.path} is {new}{unit if new != 'nothing' else ''} instead of {old}."


def _fix(change: Change, kind: ResourceType | None) -> str:
    screen = kind.screen if kind is not None else ""
    where = f"{screen} › {change.key}" if screen else f"{change.resource_type} {change.key}"
    field = field_of(change, kind)
    if change.is_whole_object:
        act = "remove it" if change.op is Op.ADDED else "create it again as approved"
    elif change.op is Op.MOVED:
        act = f"bring {change.path} back into its order"
    else:
        act = f"set {change.path} back to {worded(masked(change, kind, change.old), field)}"
    return f"{where}: {act}, or propose a new baseline."
