"""Configuration files in: YAML, JSON, zst, with a place for every mistake (reliability §3).

All mistakes of a file are told at once; bad input changes nothing. What the catalogue does not know
is kept, compared and told as a gap, never dropped.
"""

import os
import stat
import sys
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from baselines import document
from baselines.canonical import Canonicaliser, Problem
from baselines.catalogue import Catalogue, Field, FieldType, ResourceType
from baselines.configuration import ConfigObject, Configuration
from baselines.coverage import Gap, Reason
from baselines.errors import InvalidConfiguration, InvalidInput, Mistake, shown, shown_path
from baselines.fingerprints import SecretKey
from baselines.values import Plain, Raw, Unreadable, timestamp

ABOUT: Final = "_about"
KEY: Final = "fingerprint_key"  #: in it: which key the secrets' fingerprints were made with


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
        with open(path, "rb", opener=_open_at_once) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise _refused(name, "not_a_file", "This is not a file.", "Name a file, or - for standard input.")
            return _bounded(stream, name, limits), name
    except IsADirectoryError:
        what, mend = "This is a folder.", "Name a file, or - for standard input."
        raise _refused(name, "not_a_file", what, mend) from None
    except PermissionError:
        raise _refused(name, "permission", "The file may not be read.", "Give yourself the right to read it.") from None
    except OSError as error:
        what = f"It cannot be read: {error.strerror or 'unknown error'}."
        raise _refused(name, "not_found", what, "Check the path.") from None


def _open_at_once(path: str, flags: int) -> int:
    """A FIFO that nobody writes to would hold us at its opening."""
    return os.open(path, flags | os.O_NONBLOCK)


def _neighbours(path: Path) -> list[str]:
    return [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []


def _bounded(stream: IO[bytes], name: str, limits: document.Limits) -> bytes:
    data = stream.read(limits.size + 1)
    if len(data) > limits.size:
        raise _refused(name, "too_large", f"More than {limits.size} bytes.", "Split the file.")
    return data


def _refused(name: str, code: str, what: str, mend: str) -> InvalidConfiguration:
    return InvalidConfiguration([Mistake(shown_path(name), 0, 0, "", code, what, mend)])


def parse_configuration(data: bytes, name: str, catalogue: Catalogue, secrets: SecretKey) -> Configuration:
    """A configuration from bytes; ``name`` decides the format and stands in messages.

    Raises:
        InvalidConfiguration: with every mistake and its place.
    """
    reader = _Reader(name, catalogue, secrets)
    try:
        tree = document.read_document(data, name, take=reader.take, mistakes=reader.mistakes)
        return reader.finish(tree)
    except InvalidInput:
        raise reader.refusal() from None


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
class _List:
    """What was read of one type: its objects, where each key stands, and what was told once already."""

    objects: list[ConfigObject] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    places: dict[str, tuple[int, int, str]] = field(default_factory=dict)  #: line, column, id
    repeated: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)


class _Reader:
    """One reading of one document.

    Objects are brought to canonical form as they end, so that their nodes need not be kept; those
    with timestamps wait in the tree until the utility, whose time zone they may need, is known.
    """

    def __init__(self, name: str, catalogue: Catalogue, secrets: SecretKey) -> None:
        self.name, self.catalogue, self.secrets = shown_path(name), catalogue, secrets
        self.form = Canonicaliser(catalogue, zone=UTC, secrets=secrets)
        self.is_zone_known = False
        self.mistakes: list[Mistake] = []
        self.gaps: list[Gap] = []
        self.lists: dict[str, _List] = defaultdict(_List)

    def mistake(self, node: document.Node, path: str, code: str, what: str, mend: str) -> None:
        self.mistakes.append(Mistake(self.name, node.line, node.column, path, code, what, mend))
        if len(self.mistakes) > document.MOST_COLLECTED:
            raise self.refusal()

    def refusal(self) -> InvalidConfiguration:
        """One mistake for each place: what a mistake of syntax leads to is not told besides."""
        first: dict[tuple[int, int], Mistake] = {}
        for mistake in self.mistakes:
            first.setdefault((mistake.line, mistake.column), mistake)
        return InvalidConfiguration(list(first.values()))

    def take(self, type_name: str, index: int, node: document.Node) -> bool:
        """An object as soon as it ends; False if it must wait."""
        if type_name == ABOUT:
            return False
        if type_name == "utility" and index == 0:
            self.set_zone(node)
        kind = self.catalogue.types.get(type_name)
        if kind is not None and not self.is_zone_known and any(map(_has_moments, kind.fields.values())):
            return False
        self.read(type_name, kind, index, node)
        return True

    def finish(self, tree: document.Node) -> Configuration:
        if not isinstance(tree, document.Mapping):
            self.mistake(tree, "", "not_a_mapping", "A configuration maps resource types to lists of objects.",
                         "Begin with a resource type, e.g. service_plan:.")  # fmt: skip
            raise self.refusal()
        if not tree.items.keys() - {ABOUT}:
            what = "There is no resource type in it."
            self.mistake(tree, "", "empty", what, "Nothing is not a clean configuration; fill it.")
            raise self.refusal()
        utilities = tree.items.get("utility")
        if not self.is_zone_known and isinstance(utilities, document.Sequence) and utilities.items:
            self.set_zone(utilities.items[0])
        about = self.about(tree)
        for type_name, node in tree.items.items():
            if type_name != ABOUT:
                self.finish_list(type_name, tree.keys[type_name], node)
        if self.mistakes:
            raise self.refusal()
        unread = self.unread(about)
        self.gaps.extend(unread)
        not_read = {gap.resource_type for gap in unread}
        lists = {name: each.objects for name, each in self.lists.items() if name not in not_read}
        if self.form.met_fingerprints:
            about.setdefault(KEY, "unknown")
        elif self.form.met_secrets:
            about[KEY] = self.secrets.id
        return self.form.configuration(lists, about=about, gaps=tuple(self.gaps), file=self.name)

    def about(self, tree: document.Mapping) -> dict[str, Any]:
        node = tree.items.get(ABOUT)
        if node is None:
            return {}
        if not isinstance(node, document.Mapping):
            self.mistake(node, ABOUT, "not_a_mapping", "_about is a mapping.", "Write {tenant: …, taken_at: …}.")
            return {}
        about: dict[str, Any] = document.plain_value(node)
        taken = raw_value(node.items["taken_at"]) if "taken_at" in node.items else None
        if taken is not None:
            try:
                about["taken_at"] = datetime.fromisoformat(timestamp(taken, self.form.zone))
            except Unreadable as error:
                self.mistake(node.items["taken_at"], f"{ABOUT}.taken_at", error.code, error.what, error.mend)
        for name in ("tenant", "environment", "source"):
            if isinstance(about.get(name), list | dict):
                self.mistake(node.items[name], f"{ABOUT}.{name}", "bad_text", "This is no text.", "Write a text.")
        unread = about.get("unread")
        if not (unread is None or isinstance(unread, list | dict)):
            what, mend = "A list of resource types is due here.", "Write [type, …] or {type: reason, …}."
            self.mistake(node.items["unread"], f"{ABOUT}.unread", "not_a_list", what, mend)
        return about

    def unread(self, about: Mapping[str, Any]) -> list[Gap]:
        named = about.get("unread") or ()
        if isinstance(named, dict):
            return [Gap(str(name), Reason.UNREAD, detail=str(why)) for name, why in named.items()]
        return [Gap(str(name), Reason.UNREAD) for name in named]

    def set_zone(self, utility: document.Node) -> None:
        self.is_zone_known = True
        zone = utility.items.get("timezone") if isinstance(utility, document.Mapping) else None
        if isinstance(zone, document.Scalar):
            with suppress(ZoneInfoNotFoundError, ValueError, OSError):  # a wrong zone is a finding, not bad input
                self.form.zone = ZoneInfo(zone.text)

    def finish_list(self, type_name: str, key: document.Scalar, node: document.Node) -> None:
        kind = self.catalogue.types.get(type_name)
        if kind is None:
            near = self.catalogue.nearest(type_name)
            detail = f"unknown resource type; did you mean {near}?" if near else "unknown resource type"
            self.gaps.append(Gap(type_name, Reason.UNKNOWN_TYPE, detail=detail))
        if not isinstance(node, document.Sequence):
            self.mistake(key, type_name, "not_a_list", "A list of objects is due here.", "Write [] for none.")
            return
        for index, item in enumerate(node.items):
            self.read(type_name, kind, index, item)
        self.check_keys(type_name, kind, self.lists[type_name])

    def read(self, type_name: str, kind: ResourceType | None, index: int, node: document.Node) -> None:
        if not isinstance(node, document.Mapping):
            what = "An object is a mapping of fields."
            self.mistake(node, f"{type_name}[{index}]", "not_an_object", what, "Write {field: value, …}.")
            return
        seen = self.lists[type_name]
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
            return
        made = done.object
        place = (node.line, node.column, made.id)
        if seen.places.setdefault(made.key, place) is not place:
            seen.repeated.setdefault(made.key, [seen.places[made.key]]).append(place)
        seen.objects.append(made)

    def problem(
        self, type_name: str, kind: ResourceType | None, index: int, node: document.Mapping, raw: Mapping[str, Raw],
        problem: Problem,
    ) -> None:  # fmt: skip
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

    def check_keys(self, type_name: str, kind: ResourceType | None, seen: _List) -> None:
        """Objects with one key are told apart by their ids, or one of them is a mistake."""
        if kind is None:
            return
        for key, places in seen.repeated.items():
            ids = sorted(identity for _, _, identity in places)
            if all(ids) and len(set(ids)) == len(ids):
                detail = f"two objects have this key: {', '.join(ids)}"
                self.gaps.append(Gap(type_name, Reason.DUPLICATE_KEY, key=key, detail=detail))
                continue
            fields = " and ".join(kind.key)
            for line, column, _ in places[1:]:
                self.mistake(
                    document.Mapping(line, column),
                    f"{type_name}[{','.join(kind.key)}={shown(key)}]",
                    "duplicate_object",
                    f"Same {fields} as line {places[0][0]}.",
                    f"Give one of them another {fields}, or delete it.",
                )


def _has_moments(each: Field) -> bool:
    inner = [each.item] if each.item is not None else each.fields.values()
    return not each.is_volatile and (each.type is FieldType.TIMESTAMP or any(map(_has_moments, inner)))
