"""Meaning → one form → one digest. The only way from raw values to a configuration.

Left out of the form: volatile fields, absent and blank values. Filled in: defaults. Brought to one
spelling: booleans, decimals, timestamps, Unicode, the order of insignificant lists. Secrets leave as
keyed fingerprints.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final

import orjson

from baselines.catalogue import RESERVED, Catalogue, Field, FieldType, ResourceType
from baselines.configuration import FORM, ConfigObject, Configuration, ObjectList
from baselines.fingerprints import SecretKey, is_fingerprint, looks_secret
from baselines.values import Canonical, Raw, Unreadable, key_text, parse_value, scalar_text, unknown_value


def form_version(catalogue: Catalogue) -> str:
    """Version of canonical form and catalogue, kept beside each digest."""
    return f"{FORM}.{catalogue.version}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that could not be read: where in the object (fields and indices), and why."""

    where: tuple[str | int, ...]
    code: str
    what: str
    mend: str
    field: str  #: dotted path without indices, e.g. ``rates.rate``


@dataclass(slots=True)
class Canonicalised:
    """One object in canonical form, with what could not be read and what nobody described."""

    object: ConfigObject
    key_problem: Problem | None = None
    problems: list[Problem] = field(default_factory=list)
    unknown_fields: list[str] = field(default_factory=list)


class Canonicaliser:
    """Brings objects of every type to their one form.

    Args:
        catalogue: decides what each field means.
        zone: of the utility; timestamps without an offset are in it.
        secrets: makes fingerprints of secret fields.
    """

    def __init__(self, catalogue: Catalogue, *, zone: tzinfo = UTC, secrets: SecretKey) -> None:
        self.catalogue, self.zone, self.secrets = catalogue, zone, secrets
        self.version = form_version(catalogue)
        self.met_secrets = False  #: a secret came in clear, and its fingerprint was made with our key
        self.met_fingerprints = False  #: a secret came as a fingerprint already, so under a key of its own

    def hidden(self, type_name: str, path: str, secret: str) -> str:
        """The fingerprint of a secret, which may be one already."""
        if is_fingerprint(secret):
            self.met_fingerprints = True
        else:
            self.met_secrets = True
        return self.secrets.fingerprint(type_name, path, secret)

    def canonicalise(self, type_name: str, raw: Mapping[str, Raw], line: int = 0) -> Canonicalised:
        """One object. Unreadable values are kept as they came and told in ``problems``."""
        kind = self.catalogue.types.get(type_name)
        run = _Run(self, type_name)
        touched = {name: scalar_text(unknown_value(raw.get(name))) for name in RESERVED if name != "id"}
        about = {name: value for name, value in touched.items() if value}
        identity = raw.get("id")
        values = run.fields(kind.fields if kind else {}, raw, (), is_object=True)
        key, key_problem = self._key(kind, values, identity)
        # Copied, because orjson leaves 4 KiB of room behind each of its results.
        body = bytes(memoryview(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)))
        made = ConfigObject(key, body, scalar_text(unknown_value(identity)) if identity else "", about, line)
        return Canonicalised(made, key_problem, run.problems, run.unknown)

    def _key(
        self, kind: ResourceType | None, values: Mapping[str, Canonical], identity: Raw
    ) -> tuple[str, Problem | None]:
        if kind is None:  # nobody described the type: its id, else a usual name, else all it holds
            for name in ("code", "name", "key"):
                if isinstance(values.get(name), str | int):
                    return key_text([values[name]]), None
            return (str(identity) if identity else orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()), None
        parts = [values.get(name) for name in kind.key]
        for name, part in zip(kind.key, parts, strict=True):
            if part is None or part == "" or isinstance(part, list | dict):
                what = f"The key field {name} is missing."
                return "", Problem((name,), "missing_key", what, f"Give {name}: it names the object.", name)
        return key_text(parts), None

    def configuration(self, lists: Mapping[str, Iterable[ConfigObject]], **rest: Any) -> Configuration:
        """Lists of canonical objects as a configuration; ``rest``: about, gaps, file."""
        made = {name: ObjectList.of(name, objects, self.version) for name, objects in lists.items()}
        return Configuration(lists=made, version=self.version, **{"declared": self.catalogue.declared, **rest})


class _Run:
    """One walk over one object."""

    __slots__ = ("owner", "problems", "type_name", "unknown")

    def __init__(self, owner: Canonicaliser, type_name: str) -> None:
        self.owner, self.type_name = owner, type_name
        self.problems: list[Problem] = []
        self.unknown: list[str] = []

    def fields(
        self, known: Mapping[str, Field], raw: Mapping[str, Raw], where: tuple[str | int, ...], *, is_object: bool
    ) -> dict[str, Canonical]:
        values: dict[str, Canonical] = {}
        for name, value in raw.items():
            if is_object and name in RESERVED:
                continue
            each = known.get(name)
            if each is None:
                name = name if name.isascii() else unicodedata.normalize("NFC", name)
                kept = self.unknown_field(name, value, (*where, name))
                if kept is not None:
                    values[name] = kept
                continue
            if each.is_volatile:
                continue
            kept = self.value(each, value, (*where, name))
            if kept is not None and kept != []:
                values[name] = kept
        for each in known.values():
            if each.default is not None and each.name not in values and not each.is_volatile:
                values[each.name] = parse_value(each, each.default, UTC)
        return values

    def value(self, each: Field, raw: Raw, where: tuple[str | int, ...]) -> Canonical:
        try:
            if each.type is FieldType.LIST:
                return self.list_value(each, raw, where)
            if each.type is FieldType.ITEM:
                return self.item(each, raw, where)
            value = parse_value(each, raw, self.owner.zone)
        except Unreadable as error:
            what, mend = (error.what, error.mend) if not each.is_secret else ("The secret cannot be read.", "Mend it.")
            self.problems.append(Problem(where, error.code, what, mend, _dotted(where)))
            kept = unknown_value(raw)
            return self.hidden(kept, where) if each.is_secret else kept
        if each.is_secret and isinstance(value, str) and value:
            return self.owner.hidden(self.type_name, _dotted(where), value)
        return value

    def list_value(self, each: Field, raw: Raw, where: tuple[str | int, ...]) -> Canonical:
        if raw is None:
            return None
        if not isinstance(raw, list):
            raise Unreadable("bad_list", "A list is due here.", "Write [ … ].")
        assert each.item is not None
        items: list[Canonical] = []
        for index, item in enumerate(raw):
            value = self.value(each.item, item, (*where, index))
            if value is None or value == "":
                problem = Problem((*where, index), "bad_list", "An empty item.", "Remove it.", _dotted(where))
                self.problems.append(problem)
                continue
            items.append(value)
        if each.order_matters:
            return items
        return _sorted_set(items)

    def item(self, each: Field, raw: Raw, where: tuple[str | int, ...]) -> Canonical:
        if not isinstance(raw, dict):
            raise Unreadable("bad_item", "A mapping of fields is due here.", "Write {field: value, …}.")
        return self.fields(each.fields, raw, where, is_object=False)

    def unknown_field(self, name: str, raw: Raw, where: tuple[str | int, ...]) -> Canonical:
        value = unknown_value(raw)
        if value is None or value == "" or value == []:
            return None
        self.unknown.append(_dotted(where))
        return self.hidden(value, where) if _hides_secret(name, value) else value

    def hidden(self, value: Canonical, where: tuple[str | int, ...]) -> Canonical:
        written = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        return self.owner.hidden(self.type_name, _dotted(where), written)


def _hides_secret(name: str, value: Canonical) -> bool:
    if isinstance(value, dict):
        return looks_secret(name, "") or any(_hides_secret(inner, item) for inner, item in value.items())
    if isinstance(value, list):
        return any(_hides_secret(name, item) for item in value)
    return not isinstance(value, bool) and looks_secret(name, scalar_text(value))


def _dotted(where: tuple[str | int, ...]) -> str:
    return ".".join(part for part in where if isinstance(part, str))


_SORT: Final = orjson.OPT_SORT_KEYS


def _sorted_set(items: list[Canonical]) -> list[Canonical]:
    """An insignificant list is a set: its order and repeats mean nothing."""
    if all(isinstance(item, str) for item in items):
        texts: list[Canonical] = []
        texts.extend(sorted({scalar_text(item) for item in items}))
        return texts
    return [orjson.loads(item) for item in sorted({orjson.dumps(item, option=_SORT) for item in items})]


def renewed(configuration: Configuration, form: Canonicaliser) -> Configuration:
    """A configuration under the newest form and catalogue, so that a new release alone never makes drift."""
    if configuration.version == form.version:
        return configuration
    lists = {}
    for name, listed in configuration.lists.items():
        objects = []
        for each in listed.objects:
            raw: dict[str, Any] = {**each.values, **each.about, "id": each.id}
            done = form.canonicalise(name, raw)
            objects.append(done.object)
        lists[name] = objects
    kept = {name: getattr(configuration, name) for name in ("about", "gaps", "file", "declared")}
    return form.configuration(lists, **kept)
