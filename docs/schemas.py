"""The JSON Schemas of the files people write, made from what the readers know. ``make docs`` writes them.

They hold what a reader decides by structure alone; names of other objects, expressions and addresses
are the reader's. A schema is never stricter than its reader, but for one thing: in a configuration it
also marks what ``check`` would report of a single field (required and absent, a choice outside its list).
"""

import re
from collections.abc import Iterable, Mapping
from inspect import getsource
from itertools import chain
from typing import Any, Final

from baselines import catalogue, values
from baselines.catalogue import Field, FieldType, ResourceType, load_catalogue
from baselines.severity import Severity
from monitor import tenantfile
from monitor.source import manifest
from rules import pack

Schema = dict[str, Any]
NAME: Final = "^[a-z][a-z0-9_]*$"
ABSENT: Final[list[Any]] = [None, ""]
TEXT: Final[Schema] = {"type": ["string", "number", "boolean"]}  #: as our readers take what is written
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}


def schemas() -> dict[str, Schema]:
    """Each schema by the name of what it describes."""
    made = {
        "configuration": _configuration(), "catalogue": _catalogue(), "pack": _pack(), "manifest": _manifest(),
        "tenant": _tenant(), "overlay": _overlay(),
    }  # fmt: skip
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {name: {"$schema": draft, **schema} for name, schema in made.items()}


def _mapping(known: Mapping[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    needed: Schema = {"required": list(required)} if required else {}
    return {"type": "object", "properties": dict(known), "additionalProperties": False, **needed, **more}


def _told(keys: Mapping[str, str], known: Iterable[str], schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schema of each key that a reader knows, with its description; a key without one is an error here."""
    missing = set(known) - keys.keys()
    assert not missing, f"describe {sorted(missing)} in docs/schemas.py"
    return {key: {**schemas.get(key, TEXT), "description": what} for key, what in keys.items() if key in known}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


# Configuration


def _spaced(pattern: str, blank: str = "|") -> str:
    """Of a text that may stand in space, and be blank where that means absent."""
    return rf"^\s*(?:{pattern}{blank})\s*$"


def _any_case(pattern: str) -> str:
    return re.sub("[a-zA-Z]", lambda letter: f"[{letter[0].upper()}{letter[0].lower()}]", pattern)


_NULLABLE: Final = ["string", "null"]
_NUMBER: Final = _spaced(values._DECIMAL.pattern, "")  #: blank is no number
_KINDS: Final[dict[str, Schema]] = {
    "text": {"type": [*_NULLABLE, "number", "boolean"]},
    "ref": {"type": [*_NULLABLE, "number"]},
    "boolean": {"type": ["boolean", "integer", "string", "null"], "minimum": 0, "maximum": 1,
                "pattern": _spaced(_any_case("true|false|yes|no|1|0"), "")},
    "integer": {"type": ["number", "string", "null"], "multipleOf": 1, "pattern": _NUMBER},
    "decimal": {"type": ["number", "string", "null"], "pattern": _NUMBER},
    "date": {"type": _NULLABLE, "pattern": _spaced("[0-9]{4}-[0-9]{2}-[0-9]{2}")},
    "time": {"type": _NULLABLE, "pattern": _spaced(r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.0+)?)?")},
    "timestamp": {"type": _NULLABLE, "pattern": _spaced(r"[0-9].{10,}")},
    "duration": {"type": _NULLABLE, "pattern": _spaced(_any_case(values.DURATION.pattern))},
}  # fmt: skip


def _configuration() -> Schema:
    known = load_catalogue()
    about = _mapping(
        {
            "tenant": TEXT, "environment": TEXT, "source": TEXT, "fingerprint_key": TEXT,
            "taken_at": {"type": "string", "minLength": 11, "description": "When it was read; judged as of then."},
            "unread": {"anyOf": [TEXTS, {"type": "object"}], "description": "Types not read, so not compared."},
        },
        additionalProperties=True, description="About the file; never compared.",
    )  # fmt: skip
    lists = {
        name: {"type": "array", "items": _ref(name), "description": f"{kind.title}. {kind.summary}"}
        for name, kind in known.types.items()
    }
    kinds = {name: _object(kind) for name, kind in known.types.items()}
    return {
        "title": "Configuration of a SMART360 utility",
        **_mapping({"_about": about, **lists}, additionalProperties={"type": "array", "items": {"type": "object"}}),
        "minProperties": 1, "not": {"required": ["_about"], "maxProperties": 1},
        "$defs": {**_KINDS, **kinds},
    }  # fmt: skip


def _object(kind: ResourceType) -> Schema:
    where = f" Set under {kind.screen}." if kind.screen else ""
    beside = dict.fromkeys(catalogue.RESERVED, _ref("text"))
    fields = {name: _field(each) for name, each in kind.fields.items()} | dict(sorted(beside.items()))
    needed = tuple(name for name, each in kind.fields.items() if _is_needed(each))
    return {"title": kind.title, "description": kind.summary + where,
            **_mapping(fields, needed, additionalProperties=True)}  # fmt: skip


def _is_needed(each: Field) -> bool:
    return each.is_required and each.default is None and not each.is_volatile


def _field(each: Field) -> Schema:
    if each.is_volatile:  # it is not even read
        made: Schema = {}
    elif each.type is FieldType.LIST:
        assert each.item is not None
        inner = _field(each.item)
        inner.pop("description", None)
        made = {"type": ["array", "null"], "items": inner}
    elif each.type is FieldType.ITEM:
        parts = {name: _field(part) for name, part in each.fields.items()}
        needed = tuple(name for name, part in each.fields.items() if _is_needed(part))
        made = _mapping(parts, needed, additionalProperties=True)
    elif each.type is FieldType.CHOICE:
        numbers = [int(choice) for choice in each.choices if choice.isdecimal()]
        made = {"enum": [*each.choices, *numbers, *([] if _is_needed(each) else ABSENT)]}
    else:
        made = _ref(each.type if each.type in _KINDS else "text")
    if _is_needed(each) and each.type is not FieldType.CHOICE:
        made["not"] = {"enum": ABSENT if each.type is not FieldType.LIST else [None, []]}
    words = [f"Refers to {each.target}." if each.target else "", f"In {each.unit}." if each.unit else "",
             "Required." if each.is_required else "", "Secret." if each.is_secret else "",
             "Order matters." if each.order_matters else "", "Never compared." if each.is_volatile else ""]  # fmt: skip
    told = " ".join(filter(None, words))
    made |= {"description": told} if told else {}
    return made | ({"default": each.default} if each.default is not None else {})


# Catalogue


def _catalogue() -> Schema:
    severity = _ref("severity")
    field_keys = {
        "type": "What it holds.", "required": "A finding where it is absent.", "default": "What absent means.",
        "unit": "For people: days, currency, kgal …", "of": "Choices of a choice; what an item of a list is.",
        "to": "The resource type a reference points at.", "inverse": "The reference read backwards.",
        "order": "Whether the order of a list means anything.", "item_key": "Fields that name an item of the list.",
        "volatile": "Never compared.", "secret": "Kept as a fingerprint only.", "personal": "About a person.",
        "minimum": "The least it may be.", "maximum": "The most it may be.", "not_before": "A field of an earlier day.",
    }  # fmt: skip
    field = _told(field_keys, catalogue._FIELD_KEYS, {
        "type": {"enum": [each.value for each in FieldType if each is not FieldType.ITEM]},
        "default": {"type": ["string", "boolean", "integer"]},
        "of": {"anyOf": [{"type": "array", "minItems": 1}, _ref("item")]},
        "order": {"enum": ["significant", "insignificant"]}, "item_key": TEXTS,
        **{key: {"type": ["string", "number"]} for key in ("minimum", "maximum")},
        **{key: {"type": "boolean"} for key in ("required", "volatile", "secret", "personal")},
    })  # fmt: skip
    type_keys = {
        "title": "For people.", "key": "Fields that name an object.", "plural": "Where it is not the usual one.",
        "scope": "One for each utility, or for the whole tenant.", "volume": "bulk: only counts are judged.",
        "summary": "What it is for, in a sentence.", "screen": "Where SMART360 sets it.", "fields": "In their order.",
        "severity": "How bad a change is: default, then by field.", "source": "How sure we are that it is so.",
        "unique": "Fields that no two objects share.",
    }  # fmt: skip
    kind = _told(type_keys, catalogue._TYPE_KEYS, {
        "key": {**TEXTS, "minItems": 1}, "volume": {"enum": ["bulk"]},
        "scope": {"enum": ["utility", "tenant"]},
        "fields": {"type": "object", "minProperties": 1, "additionalProperties": _ref("field"),
                   "propertyNames": {"not": {"enum": sorted(catalogue.RESERVED)}}},
        "severity": {"type": "object", "additionalProperties": severity},
        "unique": {"type": "array", "items": {"anyOf": [TEXT, TEXTS]}},
    })  # fmt: skip
    is_type = lambda *names: {"properties": {"type": {"enum": list(names)}}, "required": ["type"]}  # noqa: E731
    checks = [
        {"if": is_type("list", "choice"), "then": {"required": ["of"]}},
        {"if": is_type("choice"), "then": {"properties": {"of": {"type": "array"}}}},
        {"if": is_type("ref"), "then": {"required": ["to"]}, "else": {"not": {"required": ["to"]}}},
    ]
    named: Schema = {"type": "object", "minProperties": 1, "propertyNames": {"pattern": NAME}}
    return {
        "title": "Resource types of one module of SMART360",
        **_mapping(
            {"module": {**TEXT, "pattern": NAME}, "order": {"type": "integer", "description": "Place in the set-up."},
             "title": TEXT, "resources": {**named, "additionalProperties": _ref("resource")}},
            ("module", "order", "title", "resources"),
        ),
        "$defs": {
            "severity": {"enum": [each.value for each in Severity]},
            "resource": _mapping(kind, ("title", "key", "fields")),
            "field": _mapping(field, ("type",), allOf=checks),
            "item": {"anyOf": [{"enum": [each.value for each in FieldType]}, _ref("field"),
                               {"type": "object", "additionalProperties": _ref("item"),
                                "properties": {"type": {"type": "object"}}}]},
        },
    }  # fmt: skip


# Pack


def _pack() -> Schema:
    known = load_catalogue()
    modules = "|".join(module.name for module in known.modules)
    rule_keys = {
        "id": "<module>.<what-must-hold>", "title": "What must hold, in words.", "severity": "How bad a finding is.",
        "required": "Counts for readiness.", "for": "A type: once per object; any: of every type; configuration: once.",
        "when": "CEL; false: does not apply to this object.", "let": "Names for expressions, used by those after.",
        "expect": "CEL; true: passed, false: a finding.", "message": "What is wrong now; {self.name} and names of let.",
        "why": "The harm.", "fix": "What to do, naming the screen.", "references": "Titles with addresses.",
        "tests": "At least one that passes and one that finds.", "applies": "Where it applies; all must fit.",
        "statement": "The expression in words.", "kind": "What sort of requirement.",
        "basis": "Verified law, or an assumption.", "parameters": "Names with defaults, read as parameters.x.",
    }  # fmt: skip
    filled = {**TEXT, "minLength": 1}
    parameters = {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}}
    applies = _mapping({key: {"type": "array"} for key in sorted(pack._APPLIES_KEYS)})
    rule = _told(rule_keys, pack._RULE_KEYS, {
        **dict.fromkeys(pack._TEXT_KEYS, filled),
        "id": {**TEXT, "pattern": rf"^({modules})\.[a-z0-9][a-z0-9-]*$"},
        "severity": {"enum": [each.value for each in Severity]}, "required": {"type": "boolean"},
        "for": {"enum": [*known.types, pack.ANY, pack.CONFIGURATION]},
        "let": {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": filled},
        "references": {"type": "array", "items": {"type": "object", "properties": {"title": TEXT, "url": TEXT}}},
        "tests": {"type": "array", "minItems": 2, "items": _ref("test")}, "applies": applies, "parameters": parameters,
    })  # fmt: skip
    test_keys = {
        "name": "What it shows.", "at": "The day it is judged; due where today is read.",
        "given": "A small configuration; types not given are read and empty.", "finds": "Nothing, or [{key: …}].",
        "stage": "live unless said.", "parameters": "Other values than the rule's defaults.",
    }  # fmt: skip
    objects = {
        name: {
            "type": "array",
            "items": {"type": "object", "propertyNames": {"enum": [*sorted(catalogue.RESERVED), *kind.fields]}},
        }
        for name, kind in known.types.items()
    }
    test = _told(test_keys, pack._TEST_KEYS, {
        "name": filled, "parameters": parameters, "given": _mapping(objects),
        "finds": {"type": "array", "items": {"type": "object"}},
    })  # fmt: skip
    head: Schema = {
        "pack": filled,
        "version": filled,
        "title": TEXT,
        "requires": {"type": "object", "additionalProperties": filled},
    }
    return {
        "title": "Rule pack, or the rules of a module in a pack's folder",
        **_mapping({**head, "applies": applies, "rules": {"type": "array", "items": _ref("rule")}}),
        "anyOf": [{"required": ["pack", "version"]}, {"required": ["rules"], "maxProperties": 1}],
        "$defs": {"rule": _mapping(rule, pack._REQUIRED_KEYS), "test": _mapping(test, ("name", "given", "finds"))},
    }  # fmt: skip


# Manifest: pydantic's own, with what the comments beside the keys say

_COMMENTED: Final = re.compile(r"^    (\w+): .*?  #: (.*)$", re.M)


def _manifest() -> Schema:
    made = {"title": "", **manifest._Document.model_json_schema()}
    made["title"] = "How a SMART360 speaks"
    for name, schema in chain([("_Document", made)], made["$defs"].items()):
        source = getattr(manifest, name)
        comments = dict(_COMMENTED.findall(getsource(source)))
        for key, each in schema["properties"].items():
            each.pop("title", None)
            each |= {"description": comments[key]} if key in comments else {}
    made["properties"]["types"]["propertyNames"] = {"enum": list(load_catalogue().types)}
    for key in ("only", "without"):
        made["properties"][key]["items"] = {"enum": list(load_catalogue().types)}
    return made


# Tenant file


def _tenant() -> Schema:
    known = load_catalogue()
    keys = {
        "source": "How it is read.", "url": "Address of the API: https, without a user in it.",
        "utility": "id_string of the utility.", "user": "Reference (env:, file:) of the service user.",
        "password": "Reference (env:, file:) of its password.", "folder": "Of exports, for source: files.",
        "time_zone": "For the schedule, e.g. America/Los_Angeles.",
        "schedule": "every 6h, or five crontab fields in time_zone.", "stage": "onboarding until signed off.",
        "channel": "Who hears of it, by the routes file.", "scope": "Modules or resource types; none: all.",
        "consumers": "Consumers of each category, for money.",
        "consumption": "What a typical consumer of each category uses, for money.",
        "overlays": "Files that say how it differs; the last one wins.",
        "requests_per_second": "What the source is asked at most.", "requests_at_once": "Side by side, at most.",
        "clock": "source: today is the source's.",
    }  # fmt: skip
    names = [*(module.name for module in known.modules), *known.types]  # an overlay may bring others
    secret = {**TEXT, "pattern": "^(env:|file:/)."}
    environment = _told(keys, tenantfile._KNOWN, {
        "source": {"enum": ["smart360", "files"]}, "url": {**TEXT, "pattern": "^https?://[^/@]+(/|$)"},
        "user": secret, "password": secret, "stage": {"enum": ["live", "onboarding"], "default": "live"},
        "schedule": {**TEXT, "pattern": r"^\s*(every\s+\S+|(\S+\s+){4}\S+)\s*$", "default": "every 6h"},
        "scope": {"type": "array", "items": {"anyOf": [{"enum": names}, {"pattern": NAME}]}},
        "consumers": {"type": "object", "additionalProperties": {"type": "integer"}},
        "consumption": {"type": "array"}, "overlays": TEXTS,
        "requests_per_second": {"type": "number", "exclusiveMinimum": 0, "maximum": 10_000, "default": 10},
        "requests_at_once": {"type": "integer", "minimum": 1, "maximum": 64, "default": 4},
    })  # fmt: skip
    needs = {"smart360": ["url", "utility", "user", "password"], "files": ["folder"]}
    checks = [{"if": {"properties": {"source": {"const": source}}}, "then": {"required": keys}}
              for source, keys in needs.items()]  # fmt: skip
    name = {"pattern": f"^{tenantfile._ID.pattern}$"}
    return {
        "title": "Targets to watch, of one tenant",
        **_mapping(
            {"tenant": {**TEXT, **name, "description": "a-z, 0-9 and -, at most 40."},
             "overlays": {**TEXTS, "description": "Of all environments."},
             "groups": {**TEXTS, "description": "Groups of tenants, on which roles are granted."},
             "environments": {"type": "object", "minProperties": 1, "propertyNames": name,
                              "additionalProperties": _mapping(environment, ("source", "time_zone"), allOf=checks)}},
            ("tenant", "environments"),
        ),
    }  # fmt: skip


# Overlay


def _overlay() -> Schema:
    known, defs = load_catalogue(), _catalogue()["$defs"]
    said, severity = {**TEXT, "minLength": 1}, _ref("severity")
    severities = {"type": "object", "additionalProperties": severity}
    kind = {"enum": ["drift", "rule", "coverage"], "description": "What was not read is meant only by coverage."}
    match = _mapping({"rule": TEXT, "resource_type": TEXT, "key": TEXT, "path": TEXT, "kind": kind})
    match["description"] = "Findings by pattern: * is any text, what is left out anything."
    moment = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d.*(Z|[+-]\d\d:?\d\d)$", "description": "With its offset."}
    by = {"reason": said, "owner": said}
    module = {"enum": [each.name for each in known.modules]}
    defs["resource"]["properties"]["module"] = module
    defs["resource"]["required"] = ["module", *defs["resource"]["required"]]
    fields = {"type": "object", "additionalProperties": _ref("field"), "propertyNames": {"pattern": NAME}}
    typed = {"propertyNames": {"pattern": NAME}, "additionalProperties": _ref("resource")}
    values = {"anyOf": [{"const": "any"}, {"type": "array"}], "description": "That may be there; or any."}
    parts = {
        "overlay": {**said, "description": "Its name, for people."},
        "types": {"type": "object", **typed, "description": "Resource types that the catalogue lacks."},
        "fields": {"type": "object", "additionalProperties": fields, "description": "Further fields of known types."},
        "severities": _mapping({"rules": severities, "fields": {"type": "object", "additionalProperties": severities}}),
        "parameters": {"type": "object", "description": "Limits of rules.", "additionalProperties": {
            "type": "object", "additionalProperties": {"type": ["string", "integer"]}}},
        "ignore": _list(_mapping({"match": {**match, "minProperties": 1}, **by}, ("match", *by)),
                        "Findings that are none here."),
        "expected": _list(
            _mapping({"resource_type": said, "key": TEXT, "path": TEXT, "values": values, **by},
                     ("resource_type", "values", *by)), "Differences from the baseline that are no drift."),
        "change_windows": _list(
            _mapping({"starts": moment, "ends": moment, "ticket": said, **by, "match": match},
                     ("starts", "ends", "ticket", *by)), "Times in which changes are announced."),
    }  # fmt: skip
    title = "How a group of tenants, or one, differs from what is shipped"
    return {"title": title, **_mapping(parts, ("overlay",)), "$defs": defs}


def _list(of: Schema, what: str) -> Schema:
    return {"type": "array", "items": of, "description": what}
