"""The connector manifest: how a SMART360 speaks, as data.

Nothing outside the manifest knows a route or a field spelling of SMART360. What follows from the
catalogue by convention (a route's name, a field's spelling, how references are written) is derived;
only exceptions are written down. The sandbox serves by the same manifest, so the mapping is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any, Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from baselines import document
from baselines.catalogue import RESERVED, Catalogue, FieldType, ResourceType, load_catalogue
from baselines.catalogue import Field as CatalogueField
from baselines.errors import InvalidInput, Mistake
from baselines.places import place_of


class InvalidManifest(InvalidInput):
    """A connector manifest that contradicts itself or the catalogue."""

    code = "invalid_manifest"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogIn(_Part):
    """How to log in and how the token is sent."""

    path: str
    send: dict[str, str]  #: names of the body's fields → `user` or `password`
    token: str  #: dotted place of the token in the answer
    header: str = "Authorization"
    scheme: str = ""  #: word before the token; "" sends it bare


class Paging(_Part):
    """How a list is turned page by page.

    ``page``: numbers from 1. ``offset``: rows to skip. ``cursor``: the answer names the next page.
    """

    style: Literal["page", "offset", "cursor"]
    at: str  #: query parameter of page, offset or cursor
    size: str  #: query parameter of the rows wanted on a page
    ask: int = Field(ge=1, le=10_000)
    rows: str = "results"  #: dotted place of the rows in the answer
    count: str = ""  #: dotted place of the total; "" where none is told
    next: str = ""  #: dotted place of the next page's address or cursor
    order: dict[str, str] = {}  #: query parameters that ask for a stable order


class Empty(_Part):
    """What an empty list answers, beside a page without rows."""

    status: int = 200
    has: dict[str, str] = {}  #: fields the body must have
    contains: str = ""  #: words in the body's text


class Lists(_Part):
    """Routes of lists; ``{utility}``, ``{thing}`` and ``{id}`` are filled in."""

    path: str
    detail: str = ""  #: one object by id; "" where there is none
    paging: Paging
    empty: Empty = Empty()


class Names(_Part):
    """What every object carries, in the source's spelling."""

    id: str
    created_at: str = ""
    created_by: str = ""
    updated_at: str = ""
    updated_by: str = ""
    ignored: tuple[str, ...] = ()  #: fields of every object that say nothing (tenant, utility)


class Items(_Part):
    """Spelling of a list of item objects."""

    name: str = ""
    fields: dict[str, str] = {}


class TypeException(_Part):
    """What of one type does not follow the convention."""

    thing: str = ""
    fields: dict[str, str | Items] = {}
    references: Literal["nested", "id", "key", ""] = ""
    privilege: str = ""


class _Document(_Part):
    manifest: str
    version: int
    api: str = ""
    log_in: LogIn
    utility: str  #: the control read: proves that the utility is there
    privileges: str = ""  #: the service user's own privileges; "" where they cannot be asked
    lists: Lists
    object: Names
    spelling: Literal["snake", "camel"] = "snake"
    things: Literal["kebab", "snake", "camel"] = "kebab"
    references: Literal["nested", "id", "key"] = "nested"
    label: str = "name"  #: beside the id in a nested reference
    booleans: Literal["yes_no", "true_false"] = "true_false"  #: read either way; the sandbox writes so
    active: str = "is_active"  #: catalogue field that leaves objects out of lists when false
    fields: dict[str, str] = {}  #: catalogue field → spelling, for every type
    privilege: dict[str, str] = {}  #: module → what must be viewable
    only: tuple[str, ...] = ()  #: types this source has; none named: all
    without: tuple[str, ...] = ()  #: types it has no route for
    types: dict[str, TypeException] = {}


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference as the wire wrote it: an id, and a label for people. Resolved when all lists are read."""

    id: str
    label: str = ""


@dataclass(frozen=True)
class Route:
    """One resource type as this source serves it."""

    kind: ResourceType
    thing: str
    privilege: str
    references: str
    names: Mapping[str, str]  #: catalogue field → wire field
    items: Mapping[str, Mapping[str, str]]  #: list field → item field → wire field
    about: Mapping[str, str]  #: id, created_at … → wire field
    ignored: frozenset[str]

    @cached_property
    def _back(self) -> dict[str, str]:
        back = {wire: name for name, wire in self.names.items()}
        return back | {wire: name for name, wire in self.about.items() if wire}

    @cached_property
    def _item_back(self) -> dict[str, dict[str, str]]:
        return {name: {wire: inner for inner, wire in spelled.items()} for name, spelled in self.items.items()}

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of the wire under the catalogue's names; references become ``Reference``."""
        raw: dict[str, Any] = {}
        for wire, value in row.items():
            if wire in self.ignored:
                continue
            name = self._back.get(wire, wire)
            each = self.kind.fields.get(name)
            if each is not None and value is not None:
                value = self._value(each, value)
            raw[name] = value
        return raw

    def _value(self, each: CatalogueField, value: Any) -> Any:
        if each.type is FieldType.REF:
            return self._reference(value)
        if each.type is FieldType.LIST and isinstance(value, list) and each.item is not None:
            if each.item.type is FieldType.REF:
                return [self._reference(item) for item in value]
            back = self._item_back.get(each.name)
            if back:
                return [
                    {back.get(wire, wire): inner for wire, inner in item.items()} if isinstance(item, dict) else item
                    for item in value
                ]
        return value

    def _reference(self, value: Any) -> Any:
        identity = self.about["id"]
        if isinstance(value, dict) and value.get(identity):
            label = next((str(v) for k, v in value.items() if k != identity and isinstance(v, str)), "")
            return Reference(str(value[identity]), label)
        if self.references != "key" and isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return Reference(str(value))
        return value


class Manifest:
    """A loaded manifest, with a route for each resource type this source has."""

    def __init__(self, content: _Document, catalogue: Catalogue) -> None:
        self.content, self.catalogue = content, catalogue
        self.name, self.version = content.manifest, content.version
        self.digest = blake3(content.model_dump_json().encode()).hexdigest()[:16]  #: of all it says
        self.routes: Mapping[str, Route] = {
            name: self._route(kind)
            for name, kind in catalogue.types.items()
            if name not in content.without and (not content.only or name in content.only)
        }

    def under(self, catalogue: Catalogue) -> "Manifest":
        """The same for a catalogue with further types and fields, whose routes and spellings follow by convention."""
        if catalogue.declared == self.catalogue.declared:
            return self
        return Manifest(self.content, catalogue)

    def _route(self, kind: ResourceType) -> Route:
        content = self.content
        odd = content.types.get(kind.name, TypeException())
        names: dict[str, str] = {}
        items: dict[str, dict[str, str]] = {}
        for name, each in kind.fields.items():
            written = odd.fields.get(name)
            spelled = written.name if isinstance(written, Items) else written
            names[name] = spelled or content.fields.get(name) or self._spelled(name)
            if each.item is not None and each.item.fields:
                inner = written.fields if isinstance(written, Items) else {}
                items[name] = {part: inner.get(part) or self._spelled(part) for part in each.item.fields}
        return Route(
            kind=kind,
            thing=odd.thing or _cased(kind.name, content.things),
            privilege=odd.privilege or content.privilege.get(kind.module, ""),
            references=odd.references or content.references,
            names=names,
            items=items,
            about={name: getattr(content.object, name) for name in RESERVED},
            ignored=frozenset(content.object.ignored),
        )

    def _spelled(self, name: str) -> str:
        return _cased(name, self.content.spelling)

    def list_path(self, route: Route, utility: str) -> str:
        """Path of a type's list."""
        return self.content.api + self.content.lists.path.format(utility=utility, thing=route.thing)

    def detail_path(self, route: Route, utility: str, identity: str) -> str:
        """Path of one object by id; "" where the source has none."""
        path = self.content.lists.detail
        return self.content.api + path.format(utility=utility, thing=route.thing, id=identity) if path else ""

    def utility_path(self, utility: str) -> str:
        """Path of the control read."""
        return self.content.api + self.content.utility.format(utility=utility)


def _cased(name: str, style: str) -> str:
    if style == "kebab":
        return name.replace("_", "-")
    if style == "camel":
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)
    return name


def read_manifest(data: bytes, name: str, catalogue: Catalogue) -> Manifest:
    """A manifest from YAML.

    Raises:
        InvalidManifest: with file and line of every mistake, misspelt types and fields included.
    """
    tree = document.read_document(data, name, limits=document.SETTINGS_LIMITS)
    try:
        content = _Document.model_validate(document.plain_value(tree))
    except ValidationError as error:
        raise InvalidManifest(
            [
                Mistake(name, *place_of(tree, item["loc"]), ".".join(map(str, item["loc"])), "bad_value",
                        f"{item['msg']}.", "See docs/decisions/0009-one-client-behind-a-manifest.md.")
                for item in error.errors()
            ]
        ) from None  # fmt: skip
    mistakes = []
    named: list[tuple[tuple[str | int, ...], str]] = [(("types", each), each) for each in content.types]
    named += [(("only", i), each) for i, each in enumerate(content.only)]
    named += [(("without", i), each) for i, each in enumerate(content.without)]
    for where, each in named:
        if each not in catalogue.types:
            near = catalogue.nearest(each)
            mistakes.append(
                Mistake(name, *place_of(tree, where), each, "unknown_name", f"No resource type {each}.",
                        f"Did you mean {near}?" if near else "Name a type of the catalogue.")
            )  # fmt: skip
    for each, odd in content.types.items():
        for field_name in odd.fields if each in catalogue.types else ():
            if field_name not in catalogue.types[each].fields:
                place = place_of(tree, ("types", each, "fields", field_name))
                what = f"{each} has no field {field_name}."
                mistakes.append(Mistake(name, *place, each, "unknown_name", what, "Correct the name."))
    if mistakes:
        raise InvalidManifest(mistakes)
    return Manifest(content, catalogue)


@lru_cache(maxsize=1)
def smart360_manifest() -> Manifest:
    """The manifest of SMART360 as shipped."""
    data = (resources.files("monitor") / "source" / "smart360.yaml").read_bytes()
    return read_manifest(data, "smart360.yaml", load_catalogue())
