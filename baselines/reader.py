"""Configuration files in: YAML, JSON, zst, with a place for every mistake (reliability §3).

All mistakes of a file are told at once; bad input changes nothing. What the catalogue does not know
is kept, compared and told as a gap, never dropped.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from baselines import document
from baselines.canonical import Canonicaliser, Problem
from baselines.catalogue import Catalogue, ResourceType
from baselines.configuration import ConfigObject, Configuration
from baselines.coverage import Gap, Reason
from baselines.errors import InvalidConfiguration, InvalidInput, Mistake, shown
from baselines.fingerprints import SecretKey
from baselines.values import Plain, Raw, Unreadable, timestamp

ABOUT: Final = "_about"


def read_file(path: Path | str, limits: document.Limits = document.CONFIGURATION_LIMITS) -> tuple[bytes, str]:
    """Bytes and name of a file, or of standard input for ``-``.

    Raises:
        InvalidConfiguration: ``not_found``, ``not_a_file``, ``permission`` or ``too_large``.
    """
    if str(path) == "-":
        return _bounded(sys.stdin.buffer, "-", limits), "-"
    path = Path(path)
    name = str(path)
    try:
        if not path.exists():
            near = get_close_matches(path.name, _neighbours(path), n=1)
            mend = f"In this folder there is {shown(near[0])}." if near else "Check the path."
            raise _refused(name, "not_found", "No such file.", mend)
        if not path.is_file():
            raise _refused(name, "not_a_file", "This is not a file.", "Name a file, or - for standard input.")
        with path.open("rb") as stream:
            return _bounded(stream, name, limits), name
    except PermissionError:
        raise _refused(name, "permission", "The file may not be read.", "Give yourself the right to read it.") from None
    except OSError as error:
        what = f"It cannot be read: {error.strerror or 'unknown error'}."
        raise _refused(name, "not_found", what, "Check the path.") from None


def _neighbours(path: Path) -> list[str]:
    return [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []


def _bounded(stream: IO[bytes], name: str, limits: document.Limits) -> bytes:
    data = stream.read(limits.size + 1)
    if len(data) > limits.size:
        raise _refused(name, "too_large", f"More than {limits.size} bytes.", "Split the file.")
    return data


def _refused(name: str, code: str, what: str, mend: str) -> InvalidConfiguration:
    return InvalidConfiguration([Mistake(shown(name), 0, 0, "", code, what, mend)])


def read_configuration(
    path: Path | str,
    catalogue: Catalogue,
    secrets: SecretKey,
    *,
    limits: document.Limits = document.CONFIGURATION_LIMITS,
) -> Configuration:
    """A configuration from a file or standard input.

    Raises:
        InvalidConfiguration: with every mistake and its place.
    """
    data, name = read_file(path, limits)
    return parse_configuration(data, name, catalogue, secrets, limits=limits)


def parse_configuration(
    data: bytes,
    name: str,
    catalogue: Catalogue,
    secrets: SecretKey,
    *,
    limits: document.Limits = document.CONFIGURATION_LIMITS,
) -> Configuration:
    """A configuration from bytes; ``name`` decides the format and stands in messages.

    Raises:
        InvalidConfiguration: with every mistake and its place.
    """
    try:
        tree = document.read_document(data, name, limits=limits)
    except InvalidInput as error:
        raise InvalidConfiguration(error.mistakes) from None
    return _Reader(name, catalogue, secrets).read(tree)


def raw_value(node: document.Node) -> Raw:
    """A node as the canonical form takes it: scalars as written, unquoted ones marked so."""
    if isinstance(node, document.Scalar):
        if node.is_null:
            return None
        return Plain(node.text) if node.is_plain else node.text
    if isinstance(node, document.Sequence):
        return [raw_value(item) for item in node.items]
    return {key: raw_value(value) for key, value in node.items.items()}


@dataclass(slots=True)
class _Seen:
    """What was told once already for a type: its unknown fields, and where each key stands."""

    unknown: set[str] = field(default_factory=set)
    places: dict[str, list[tuple[int, str]]] = field(default_factory=dict)


class _Reader:
    """One reading of one tree."""

    def __init__(self, name: str, catalogue: Catalogue, secrets: SecretKey) -> None:
        self.name, self.catalogue, self.secrets = shown(name), catalogue, secrets
        self.mistakes: list[Mistake] = []
        self.gaps: list[Gap] = []

    def mistake(self, node: document.Node, path: str, code: str, what: str, mend: str) -> None:
        self.mistakes.append(Mistake(self.name, node.line, node.column, path, code, what, mend))

    def read(self, tree: document.Node) -> Configuration:
        if not isinstance(tree, document.Mapping):
            self.mistake(tree, "", "not_a_mapping", "A configuration maps resource types to lists of objects.",
                         "Begin with a resource type, e.g. service_plan:.")  # fmt: skip
            raise InvalidConfiguration(self.mistakes)
        if not tree.items.keys() - {ABOUT}:
            what = "There is no resource type in it."
            self.mistake(tree, "", "empty", what, "Nothing is not a clean configuration; fill it.")
            raise InvalidConfiguration(self.mistakes)
        about = self.about(tree)
        self.form = Canonicaliser(self.catalogue, zone=self.zone(tree), secrets=self.secrets)
        lists: dict[str, list[ConfigObject]] = {}
        for type_name, node in tree.items.items():
            if type_name != ABOUT:
                objects = self.objects(type_name, tree.keys[type_name], node)
                if objects is not None and type_name not in {gap.resource_type for gap in self.unread(about)}:
                    lists[type_name] = objects
        self.gaps.extend(self.unread(about))
        if self.mistakes:
            raise InvalidConfiguration(self.mistakes)
        return self.form.configuration(lists, about=about, gaps=tuple(self.gaps), file=self.name)

    def about(self, tree: document.Mapping) -> dict[str, Any]:
        node = tree.items.get(ABOUT)
        if node is None:
            return {}
        if not isinstance(node, document.Mapping):
            self.mistake(node, ABOUT, "not_a_mapping", "_about is a mapping.", "Write {tenant: …, taken_at: …}.")
            return {}
        about: dict[str, Any] = document.plain_value(node)
        taken = node.items.get("taken_at")
        if isinstance(taken, document.Scalar) and not taken.is_null:
            try:
                about["taken_at"] = datetime.fromisoformat(timestamp(taken.text, self.zone(tree)))
            except Unreadable as error:
                self.mistake(taken, f"{ABOUT}.taken_at", error.code, error.what, error.mend)
        return about

    def unread(self, about: Mapping[str, Any]) -> list[Gap]:
        named = about.get("unread") or ()
        if isinstance(named, dict):
            return [Gap(str(name), Reason.UNREAD, detail=str(why)) for name, why in named.items()]
        return [Gap(str(name), Reason.UNREAD) for name in named] if isinstance(named, list) else []

    def zone(self, tree: document.Mapping) -> Any:
        utilities = tree.items.get("utility")
        if isinstance(utilities, document.Sequence) and utilities.items:
            first = utilities.items[0]
            zone = first.items.get("timezone") if isinstance(first, document.Mapping) else None
            if isinstance(zone, document.Scalar):
                try:
                    return ZoneInfo(zone.text)
                except (ZoneInfoNotFoundError, ValueError, OSError):
                    return UTC
        return UTC

    def objects(self, type_name: str, key: document.Scalar, node: document.Node) -> list[ConfigObject] | None:
        kind = self.catalogue.types.get(type_name)
        if kind is None:
            near = self.catalogue.nearest(type_name)
            detail = f"unknown resource type; did you mean {near}?" if near else "unknown resource type"
            self.gaps.append(Gap(type_name, Reason.UNKNOWN_TYPE, detail=detail))
        if not isinstance(node, document.Sequence):
            self.mistake(key, type_name, "not_a_list", "A list of objects is due here.", "Write [] for none.")
            return None
        seen = _Seen()
        objects = [
            made for index, item in enumerate(node.items) if (made := self.one(type_name, kind, index, item, seen))
        ]
        self.duplicates(type_name, kind, seen)
        return objects

    def one(
        self, type_name: str, kind: ResourceType | None, index: int, node: document.Node, seen: _Seen
    ) -> ConfigObject | None:
        if not isinstance(node, document.Mapping):
            what = "An object is a mapping of fields."
            self.mistake(node, f"{type_name}[{index}]", "not_an_object", what, "Write {field: value, …}.")
            return None
        raw = {name: raw_value(value) for name, value in node.items.items()}
        done = self.form.canonicalise(type_name, raw, node.line)
        for name in done.unknown_fields:
            if kind is not None and name not in seen.unknown:
                seen.unknown.add(name)
                near = next(iter(get_close_matches(name, kind.fields, n=1, cutoff=0.75)), "")
                detail = f"unknown field; did you mean {near}?" if near else "unknown field"
                self.gaps.append(Gap(type_name, Reason.UNKNOWN_FIELD, path=name, detail=detail))
        for problem in done.problems:
            self.problem(type_name, kind, index, node, raw, problem)
        if done.key_problem is not None:
            if not any(problem.where[0] == done.key_problem.where[0] for problem in done.problems):
                self.problem(type_name, kind, index, node, raw, done.key_problem)
            return None
        seen.places.setdefault(done.object.key, []).append((node.line, done.object.id))
        return done.object

    def problem(
        self,
        type_name: str,
        kind: ResourceType | None,
        index: int,
        node: document.Mapping,
        raw: Mapping[str, Raw],
        problem: Problem,
    ) -> None:
        place: document.Node = node
        path = self.name_of(type_name, kind, index, raw)
        for part in problem.where:
            path += f"[{part}]" if isinstance(part, int) else f".{part}"
            if isinstance(place, document.Mapping) and part in place.items:
                place = place.items[str(part)]
            elif isinstance(place, document.Sequence) and isinstance(part, int):
                place = place.items[part]
        code = "missing_key" if kind is not None and problem.where[0] in kind.key else problem.code
        if code == "missing_key":
            path = f"{type_name}[{index}]"
        what, mend = problem.what, problem.mend
        if code == "missing_key" and problem.code != "missing_key":
            what = f"The key field {problem.where[0]} cannot be read. {what}"
        self.mistake(place, path, code, what, mend)

    def name_of(self, type_name: str, kind: ResourceType | None, index: int, raw: Mapping[str, Raw]) -> str:
        if kind is not None and all(isinstance(raw.get(part), str) and raw[part] for part in kind.key):
            named = ",".join(f"{part}={shown(str(raw[part]))}" for part in kind.key)
            return f"{type_name}[{named}]"
        return f"{type_name}[{index}]"

    def duplicates(self, type_name: str, kind: ResourceType | None, seen: _Seen) -> None:
        for key, places in seen.places.items():
            ids = [identity for _, identity in places]
            if len(places) < 2 or kind is None or (all(ids) and len(set(ids)) == len(ids)):
                if len(places) > 1 and kind is not None:
                    detail = f"two objects have this key: {', '.join(sorted(ids))}"
                    self.gaps.append(Gap(type_name, Reason.DUPLICATE_KEY, key=key, detail=detail))
                continue
            first = places[0][0]
            for line, _ in places[1:]:
                mend = f"Give one of them another {' and '.join(kind.key)}, or delete it."
                path = f"{type_name}[{','.join(kind.key)}={shown(key)}]"
                what = f"Same {' and '.join(kind.key)} as line {first}."
                self.mistakes.append(Mistake(self.name, line, 1, path, "duplicate_object", what, mend))
