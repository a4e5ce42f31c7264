"""The resource types of SMART360: their fields, natural keys, references, severities, screens.

The data stand in ``resource_types/*.yaml``, one file for each product module in the order of the
vendor's guide. They are checked when loaded: a reference to an unknown type, a key that is no field
or a severity for a misspelt field is refused with file and line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property, lru_cache
from importlib import resources
from typing import Final

from blake3 import blake3

from baselines import document
from baselines.errors import InvalidCatalogue, Mistake, did_you_mean, shown
from baselines.severity import Severity


class FieldType(StrEnum):
    """What a field holds; ``values`` has one function for each."""

    TEXT = "text"
    MULTILINE = "multiline"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    COUNTRY = "country"
    CURRENCY = "currency"
    TIMEZONE = "timezone"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    CRON = "cron"
    REF = "ref"
    LIST = "list"
    ITEM = "item"  #: an object inside a list: named fields, no life of its own


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a resource type, or of the items of a list."""

    name: str
    type: FieldType
    severity: Severity
    is_required: bool = False
    default: str | bool | int | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    to: str = ""  #: the resource type a reference points at
    inverse: str = ""  #: the reference read backwards, on the type it points at
    item: "Field | None" = None  #: of a list: what an item is
    fields: "Mapping[str, Field]" = field(default_factory=dict)  #: of an item object
    order_matters: bool = False
    item_key: tuple[str, ...] = ()
    is_volatile: bool = False
    is_secret: bool = False
    is_personal: bool = False
    minimum: str = ""  #: least value that can mean anything: a number, duration or date; "" for none
    maximum: str = ""
    not_before: str = ""  #: a field beside it that this one may not come before, or be less than

    @property
    def target(self) -> str:
        """The type that this field, or the items of this list, refer to; "" for none."""
        if self.type is FieldType.LIST and self.item is not None:
            return self.item.to
        return self.to


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind of object that SMART360 configures, e.g. ``service_plan``."""

    name: str
    title: str
    module: str
    key: tuple[str, ...]
    plural: str
    fields: Mapping[str, Field]
    severity: Severity  #: of a change, where no field says otherwise
    is_bulk: bool
    scope: str
    summary: str
    screen: str  #: where SMART360 sets it, "" if not known
    source: str
    line: int = 0
    unique: tuple[tuple[str, ...], ...] = ()  #: fields that no two objects in force at once have in common

    @property
    def existence_severity(self) -> Severity:
        """How bad it is that a whole object came or went: that of ``is_active``, else the type's."""
        active = self.fields.get("is_active")
        return active.severity if active is not None else self.severity

    @property
    def compared_fields(self) -> tuple[Field, ...]:
        """All but the volatile ones."""
        return tuple(each for each in self.fields.values() if not each.is_volatile)

    def references(self) -> Iterator[Field]:
        """Fields that refer to other objects, single or in lists."""
        return (each for each in self.fields.values() if each.target)


@dataclass(frozen=True, slots=True)
class BackReference:
    """A reference read backwards: ``consumer_category.service_plans``."""

    name: str
    source: str  #: the resource type that holds the reference
    field: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the product, in the guide's order."""

    name: str
    title: str
    order: int
    types: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All resource types; ``version`` is part of every digest, since it decides what values mean."""

    types: Mapping[str, ResourceType]
    modules: tuple[Module, ...]
    version: str
    #: Fields that an overlay brought, as ``type.field``, and what each means; older baselines do not know them.
    declared: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def back_references(self) -> Mapping[str, Mapping[str, BackReference]]:
        """For each type, the names that lead back to what refers to it."""
        found: dict[str, dict[str, BackReference]] = {name: {} for name in self.types}
        for name, back in _back_references(self.types):
            found[name][back.name] = back
        return found

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The place of each module, and of each type, in the order of configuration."""
        places = {module.name: place for place, module in enumerate(self.modules)}
        places.update({name: place for place, name in enumerate(self.types)})
        return places

    @cached_property
    def dependency_order(self) -> tuple[str, ...]:
        """Types so that each comes after those it refers to (references to its own type apart)."""
        done: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in done:
                for reference in self.types[name].references():
                    if reference.target != name:
                        visit(reference.target)
                done[name] = None

        for name in self.types:
            visit(name)
        return tuple(done)

    def module_of(self, resource_type: str) -> str:
        """The module of a type; "" for a type the catalogue does not know."""
        found = self.types.get(resource_type)
        return found.module if found is not None else ""

    def module_place(self, module: str) -> int:
        """For sorting: the place of a module, unknown ones last."""
        places = {each.name: each.order for each in self.modules}
        return places.get(module, 99)

    def nearest(self, resource_type: str) -> str:
        """The type someone may have meant; "" if none is near."""
        return next(iter(get_close_matches(resource_type, self.types, n=1, cutoff=0.75)), "")


def plural_of(name: str) -> str:
    """English plural as the catalogue forms it where none is written."""
    if name.endswith("y") and not name.endswith(("ay", "ey", "oy", "uy")):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x")) else "s")


def _back_references(types: Mapping[str, ResourceType]) -> Iterator[tuple[str, BackReference]]:
    for source in types.values():
        for reference in source.references():
            yield reference.target, BackReference(reference.inverse or source.plural, source.name, reference.name)


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """The catalogue shipped with the product.

    Raises:
        InvalidCatalogue: with file and line of every contradiction.
    """
    folder = resources.files("baselines") / "resource_types"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return read_catalogue({entry.name: entry.read_bytes() for entry in files})


def read_catalogue(files: Mapping[str, bytes]) -> Catalogue:
    """A catalogue from files (name → content), as ``load_catalogue`` reads those of the package.

    Raises:
        InvalidCatalogue: with file and line of every contradiction.
    """
    reader = _Reader()
    for name, data in files.items():
        reader.read(name, data)
    return reader.finish()


def extended(
    base: Catalogue, file: str, types: document.Node | None, fields: document.Node | None
) -> tuple[Catalogue, tuple[Mistake, ...]]:
    """A catalogue with further types and fields, and every mistake in them; with one, ``base`` itself.

    Args:
        file: stands in mistakes.
        types: type → as in a catalogue file, and its ``module``, which must be known.
        fields: type → further fields. What is known already cannot be said anew.
    """
    reader = _Reader()
    reader.file, reader.types, reader.modules = file, dict(base.types), list(base.modules)
    start = types or fields or document.Mapping(1, 1)
    reader.places = {(name, each): (file, start) for name, kind in base.types.items() for each in kind.fields}
    for place in (types, fields):
        if place is not None and not isinstance(place, document.Mapping):
            reader.mistake(place, "", "not_a_mapping", "types and fields are mappings.", "Begin with a resource type.")
    for name, node in types.items.items() if isinstance(types, document.Mapping) else ():
        reader.read_further_type(name, node)
    for name, node in fields.items.items() if isinstance(fields, document.Mapping) else ():
        reader.read_further_fields(name, node)
    try:
        found = reader.finish()
    except InvalidCatalogue as error:
        return base, error.mistakes
    further = [(kind, each) for kind in found.types.values() for each in kind.fields.values()
               if kind.name not in base.types or each.name not in base.types[kind.name].fields]  # fmt: skip
    declared = {f"{kind.name}.{each.name}": _digest(_meaning(each)) for kind, each in further}
    return replace(found, declared={**base.declared, **declared}), ()


def with_severities(base: Catalogue, severities: Mapping[str, Mapping[str, Severity]]) -> Catalogue:
    """The catalogue with other severities of drift: type → field (``default``: the type itself) → severity."""
    types = dict(base.types)
    for name, words in severities.items():
        kind = types[name]
        fields = {part: replace(each, severity=words.get(part, each.severity)) for part, each in kind.fields.items()}
        types[name] = replace(kind, fields=fields, severity=words.get("default", kind.severity))
    return replace(base, types=types)


def _digest(meaning: object) -> str:
    return blake3(repr(meaning).encode()).hexdigest()[:16]


def _version(types: Mapping[str, ResourceType]) -> str:
    """Names what decides meaning: keys, types, defaults, order, what is volatile or secret. Titles do not."""
    meaning = [
        (name, each.key, [_meaning(inner) for inner in each.fields.values()]) for name, each in sorted(types.items())
    ]
    return _digest(meaning)


def _meaning(each: Field) -> tuple[object, ...]:
    inner = [_meaning(part) for part in ([each.item] if each.item else each.fields.values())]
    return (
        each.name, each.type.value, each.default, each.to, each.order_matters, each.item_key, each.is_volatile,
        each.is_secret, inner,
    )  # fmt: skip


_FIELD_KEYS: Final = frozenset(
    ("type", "required", "default", "unit", "of", "to", "inverse", "order", "item_key", "volatile", "secret",
     "personal", "minimum", "maximum", "not_before")
)  # fmt: skip
_TYPE_KEYS: Final = frozenset(
    ("title", "key", "plural", "scope", "volume", "summary", "screen", "fields", "severity", "source", "unique")
)
FIRST_DAY: Final = "1900-01-01"  #: what is dated before it is a slip of the hand; open ends are often 9999-12-31
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
#: An object's id and who touched it when are kept beside it, never fields (contracts §2).
RESERVED: Final = frozenset(("id", "created_at", "created_by", "updated_at", "updated_by"))


class _Reader:
    """Collects types of several files and every mistake in them."""

    def __init__(self) -> None:
        self.types: dict[str, ResourceType] = {}
        self.modules: list[Module] = []
        self.mistakes: list[Mistake] = []
        self.file = ""
        self.places: dict[tuple[str, str], tuple[str, document.Node]] = {}

    def mistake(self, node: document.Node, path: str, code: str, what: str, mend: str) -> None:
        self.mistakes.append(Mistake(self.file, node.line, node.column, path, code, what, mend))

    def read(self, name: str, data: bytes) -> None:
        self.file = name
        tree = document.read_document(data, name)
        if not isinstance(tree, document.Mapping):
            self.mistake(tree, "", "not_a_mapping", "A catalogue file is a mapping.", "Begin with module:, order:.")
            return
        head = {key: document.plain_value(node) for key, node in tree.items.items() if key != "resources"}
        resources_node = tree.items.get("resources")
        is_whole = {"module", "title"} <= head.keys() and isinstance(head.get("order"), int)
        if not isinstance(resources_node, document.Mapping) or not is_whole:
            self.mistake(tree, "", "missing_key", "module, order, title, resources are needed.", "Add them.")
            return
        module = str(head["module"])
        for type_name, node in resources_node.items.items():
            self.read_type(module, type_name, node)
        self.modules.append(Module(module, str(head["title"]), head["order"], tuple(resources_node.items)))

    def read_type(self, module: str, name: str, node: document.Node) -> None:
        if not isinstance(node, document.Mapping) or not _NAME.fullmatch(name):
            self.mistake(node, name, "bad_value", f"{shown(name)} is no resource type.", "Give title, key, fields.")
            return
        self.unknown_keys(node, _TYPE_KEYS, name)
        raw = {key: document.plain_value(value) for key, value in node.items.items() if key != "fields"}
        fields_node = node.items.get("fields")
        if not isinstance(fields_node, document.Mapping) or "key" not in raw or "title" not in raw:
            self.mistake(node, name, "missing_key", f"{name} lacks title, key or fields.", "Add them.")
            return
        if name in self.types:
            self.mistake(node, name, "duplicate_key", f"{name} is described already.", "Keep one.")
            return
        severities = raw.get("severity") or {}
        if not isinstance(severities, dict) or not isinstance(raw["key"], list):
            self.mistake(node, name, "bad_value", "key is a list, severity a mapping.", "Write key: [code].")
            return
        default = self.severity(node, name, severities.get("default", "medium"))
        for misspelt in severities.keys() - fields_node.items.keys() - {"default"}:
            self.mistake(node, name, "unknown_name", f"severity names no field: {misspelt}.", "Correct the name.")
        fields: dict[str, Field] = {}
        for field_name, field_node in fields_node.items.items():
            if field_name in RESERVED:
                self.mistake(field_node, f"{name}.{field_name}", "bad_value", f"{field_name} is reserved.", "Rename.")
            severity = self.severity(node, name, severities.get(field_name, default))
            fields[field_name] = self.read_field(field_node, f"{name}.{field_name}", field_name, severity)
            self.places[name, field_name] = (self.file, field_node)
        self.check_named(node, name, fields, [each.not_before for each in fields.values()])
        key = tuple(raw["key"])
        for part in key:
            if part not in fields or not fields[part].is_required:
                self.mistake(node, name, "bad_value", f"key {part} is no required field.", "Keys are required.")
        unique = tuple((each,) if isinstance(each, str) else tuple(each) for each in raw.get("unique", ()))
        self.check_named(node, name, fields, [part for group in unique for part in group])
        self.types[name] = ResourceType(
            name=name, title=str(raw["title"]), module=module, key=key,
            plural=str(raw.get("plural") or plural_of(name)), fields=fields, severity=default,
            is_bulk=raw.get("volume") == "bulk", scope=str(raw.get("scope", "utility")),
            summary=str(raw.get("summary", "")), screen=str(raw.get("screen", "")),
            source=str(raw.get("source", "")), line=node.line,
            unique=unique,
        )  # fmt: skip

    def check_named(self, node: document.Node, path: str, fields: Mapping[str, Field], names: list[str]) -> None:
        """What ``not_before`` and ``unique`` name must be fields beside them."""
        for name in names:
            if name and name not in fields:
                near = next(iter(get_close_matches(name, fields, n=1)), "")
                mend = f"Did you mean {near}?" if near else "Name a field beside it."
                self.mistake(node, path, "unknown_name", f"No field {shown(name)}.", mend)

    def read_further_type(self, name: str, node: document.Node) -> None:
        if not isinstance(node, document.Mapping):
            self.mistake(node, name, "bad_value", f"{shown(name)} is no type.", "Give module, title, key, fields.")
            return
        said = node.items.pop("module", None)
        module = said.text if isinstance(said, document.Scalar) else ""
        known = {each.name: place for place, each in enumerate(self.modules)}
        if module not in known:
            mend = did_you_mean(module, known, f"Name one of {', '.join(known)}.")
            self.mistake(said or node, name, "unknown_name", f"{name} needs a module.", mend)
            return
        self.read_type(module, name, node)
        place = known[module]
        self.modules[place] = replace(self.modules[place], types=(*self.modules[place].types, name))

    def read_further_fields(self, name: str, node: document.Node) -> None:
        kind = self.types.get(name)
        if kind is None or not isinstance(node, document.Mapping):
            near = next(iter(get_close_matches(name, self.types, n=1)), "")
            mend = f"Did you mean {near}?" if near and kind is None else "Write a type of the catalogue: {field: {…}}."
            self.mistake(node, name, "unknown_name", f"{shown(name)} is no type with fields.", mend)
            return
        further = {}
        for each, field_node in node.items.items():
            if each in kind.fields or each in RESERVED or not _NAME.fullmatch(each):
                what = f"{name} has a field {shown(each)} already, or it is no name."
                self.mistake(node.keys[each], f"{name}.{each}", "duplicate_key", what, "Remove it, or rename.")
                continue
            further[each] = self.read_field(field_node, f"{name}.{each}", each, kind.severity)
            self.places[name, each] = (self.file, field_node)
        self.types[name] = replace(kind, fields={**kind.fields, **further})

    def unknown_keys(self, node: document.Mapping, known: frozenset[str], path: str) -> None:
        for key in node.items.keys() - known:
            mend = did_you_mean(key, known, "Remove it.")
            self.mistake(node.keys[key], path, "unknown_key", f"Unknown key {shown(key)}.", mend)

    def severity(self, node: document.Node, path: str, word: object) -> Severity:
        try:
            return Severity(str(word))
        except ValueError:
            self.mistake(node, path, "bad_value", f"{shown(str(word))} is no severity.", "critical … info.")
            return Severity.MEDIUM

    def read_field(self, node: document.Node, path: str, name: str, severity: Severity) -> Field:
        if isinstance(node, document.Scalar):  # `of: text`, short for {type: text}
            raw: dict[str, object] = {"type": node.text}
            of: document.Node | None = None
        elif isinstance(node, document.Mapping):
            self.unknown_keys(node, _FIELD_KEYS, path)
            raw = {key: document.plain_value(value) for key, value in node.items.items() if key != "of"}
            of = node.items.get("of")
        else:
            self.mistake(node, path, "bad_value", "A field is a mapping.", "Write {type: …}.")
            return Field(name, FieldType.TEXT, severity)
        try:
            kind = FieldType(str(raw.get("type")))
        except ValueError:
            near = next(iter(get_close_matches(str(raw.get("type")), list(FieldType), n=1)), "text")
            self.mistake(node, path, "bad_value", f"{shown(str(raw.get('type')))} is no type.", f"Say {near}.")
            return Field(name, FieldType.TEXT, severity)
        item: Field | None = None
        choices: tuple[str, ...] = ()
        if kind is FieldType.LIST:
            item = self.read_item(of, node, path, name, severity)
        elif kind is FieldType.CHOICE:
            if not isinstance(of, document.Sequence) or not of.items:
                self.mistake(node, path, "missing_key", "A choice needs of: [ … ].", "List the values.")
            else:
                choices = tuple(each.text for each in of.items if isinstance(each, document.Scalar))
        if (kind is FieldType.REF) != ("to" in raw):
            self.mistake(node, path, "missing_key", "A reference, and only it, has to:.", "Name the type.")
        default, item_key = raw.get("default"), raw.get("item_key", [])
        if not isinstance(item_key, list):
            self.mistake(node, path, "bad_value", "item_key is a list.", "Write [code].")
            item_key = []
        return Field(
            name=name, type=kind, severity=severity, is_required=raw.get("required") is True,
            default=default if isinstance(default, str | bool | int) else None,
            unit=str(raw.get("unit", "")), choices=choices, to=str(raw.get("to", "")),
            inverse=str(raw.get("inverse", "")), item=item,
            order_matters=raw.get("order") == "significant",
            item_key=tuple(map(str, item_key)),
            is_volatile=raw.get("volatile") is True, is_secret=raw.get("secret") is True,
            is_personal=raw.get("personal") is True,
            minimum=str(raw.get("minimum", FIRST_DAY if kind is FieldType.DATE else "")),
            maximum=str(raw.get("maximum", "")), not_before=str(raw.get("not_before", "")),
        )  # fmt: skip

    def read_item(
        self, of: document.Node | None, node: document.Node, path: str, name: str, severity: Severity
    ) -> Field:
        if isinstance(of, document.Mapping) and not isinstance(of.items.get("type"), document.Scalar):
            fields = {
                inner: self.read_field(inner_node, f"{path}[].{inner}", inner, severity)
                for inner, inner_node in of.items.items()
            }
            self.check_named(of, f"{path}[]", fields, [each.not_before for each in fields.values()])
            return Field(name, FieldType.ITEM, severity, fields=fields)
        if of is None:
            self.mistake(node, path, "missing_key", "A list needs of:.", "Say what an item is.")
            return Field(name, FieldType.TEXT, severity)
        return self.read_field(of, path + "[]", name, severity)

    def finish(self) -> Catalogue:
        for (type_name, field_name), (file, node) in self.places.items():
            self.file = file
            target = self.types[type_name].fields[field_name].target
            if target and target not in self.types:
                mend = did_you_mean(target, self.types, "Name a type of the catalogue.")
                self.mistake(node, f"{type_name}.{field_name}", "unknown_name", f"No type {shown(target)}.", mend)
        if not self.mistakes:
            self.check_back_references()
            self.check_order()
        if self.mistakes:
            raise InvalidCatalogue(self.mistakes)
        modules = tuple(sorted(self.modules, key=lambda module: module.order))
        ordered = {name: self.types[name] for module in modules for name in module.types}
        return Catalogue(types=ordered, modules=modules, version=_version(ordered))

    def check_back_references(self) -> None:
        seen: dict[tuple[str, str], str] = {}
        for target, back in _back_references(self.types):
            self.file, node = self.places[back.source, back.field]
            where = f"{back.source}.{back.field}"
            if back.name in self.types[target].fields:
                what = f"{target}.{back.name} is a field and a way back."
                self.mistake(node, where, "duplicate_key", what, "Give inverse: another name.")
            if (target, back.name) in seen:
                what = f"{target}.{back.name} leads back here and to {seen[target, back.name]}."
                self.mistake(node, where, "duplicate_key", what, "Give inverse: another name.")
            seen[target, back.name] = where

    def check_order(self) -> None:
        """A reference points at the same or an earlier module: the sequence of set-up follows from it."""
        order = {module.name: module.order for module in self.modules}
        for (type_name, field_name), (file, node) in self.places.items():
            target = self.types[type_name].fields[field_name].target
            if target and order[self.types[target].module] > order[self.types[type_name].module]:
                self.file = file
                what = f"{target} is of a later module."
                self.mistake(node, f"{type_name}.{field_name}", "bad_value", what, "References lead back.")
