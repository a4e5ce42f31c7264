"""A folder of exports as a source: ``<resource_type>.yaml|.yml|.json|.csv``, or configuration files with several types.

Fields and keys are the catalogue's. In CSV the first row names the fields, a cell of a list holds JSON.
"""

# ruff: noqa: ARG002 - the signatures are those of every source

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from blake3 import blake3

from baselines import document
from baselines.catalogue import Catalogue, FieldType, ResourceType
from baselines.coverage import Reason
from baselines.errors import InvalidConfiguration, InvalidInput, Mistake, shown
from baselines.reader import ABOUT, raw_value, read_file
from baselines.values import Plain
from monitor.source import Listing, Row, SourceFault

_ENDINGS: Final = (".yaml", ".yml", ".json", ".csv")
_MEND: Final = "Export the list again, or correct the file."


class Folder:
    """Exports in one folder, read anew at each sweep."""

    name = "files"
    version = "files 1"
    has_details = False
    date: datetime | None = None

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder, self._catalogue = folder, catalogue
        self.requests: Counter[str] = Counter()
        self.seconds: list[float] = []
        self._found: dict[str, list[tuple[Path, bytes, list[Row]]]] = {}
        self._broken: dict[str, SourceFault] = {}  #: by resource type; "" is any type that stands in no good file

    async def __aenter__(self) -> "Folder":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._found.clear()

    async def begin(self) -> tuple[str, ...] | None:
        """Read all files; nothing is said of privileges.

        Raises:
            SourceFault: there is no such folder, or no export in it.
        """
        self._found, self._broken = {}, {}
        files = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        exports = [each for each in files if each.suffix in _ENDINGS and not each.name.startswith(".")]
        if not exports:
            what = "There are no exports in this folder." if files else "There is no such folder, or nothing in it."
            mend = "Put one file for each resource type there, e.g. service_plan.csv."
            raise SourceFault(Reason.NOT_FOUND, what, where=str(self._folder), mend=mend)
        for each in exports:
            own = each.stem if each.stem in self._catalogue.types else ""
            try:
                data, name = read_file(each)
                for resource_type, rows in _lists(data, name, self._catalogue.types.get(own)):
                    self._found.setdefault(resource_type, []).append((each, data, rows))
            except InvalidInput as error:
                mistake = error.mistakes[0]
                place = f"{each.name}:{mistake.line}" if mistake.line else each.name
                what = f"{place}: {mistake.what}"
                self._broken[own] = SourceFault(Reason.BAD_FILE, what, where=str(each), mend=mistake.mend)
        return None

    def has(self, resource_type: str) -> bool:
        """Any type may be exported."""
        return resource_type in self._catalogue.types

    def privilege(self, resource_type: str) -> str:
        """None is needed."""
        return ""

    def active_field(self, resource_type: str) -> str:
        """Exports hold inactive objects too."""
        return ""

    async def read(self, resource_type: str, size: int = 0) -> Listing:
        """A list from its file.

        Raises:
            SourceFault: ``bad_file``; ``unread`` where nothing was exported.
        """
        found = self._found.get(resource_type, [])
        broken = self._broken.get(resource_type) or (self._broken.get("") if not found else None)
        if broken is not None:
            raise broken
        if len(found) > 1:
            names = " and ".join(path.name for path, _, _ in found)
            what = f"It stands in {names}."
            raise SourceFault(Reason.BAD_FILE, what, where=str(self._folder), mend="Keep one of them.")
        if not found:
            mend = f"Export it as {resource_type}.csv or .yaml."
            raise SourceFault(Reason.UNREAD, "There is no export of it.", where=str(self._folder), mend=mend)
        ((_, data, rows),) = found
        self.requests["200"] += 1
        ids = tuple(str(row.get("id") or "") for row in rows)
        return Listing(blake3(data).hexdigest(), (None,), len(rows), lambda: [ids], lambda: [dict(row) for row in rows])

    async def detail(self, resource_type: str, identity: str) -> Row | None:
        """There are none."""
        return None


def _lists(data: bytes, name: str, own: ResourceType | None) -> Iterator[tuple[str, list[Row]]]:
    """The lists of one file: of its own type, or of every type it names.

    Raises:
        InvalidInput: with every mistake and its place.
    """
    if name.endswith(".csv"):
        if own is not None:
            yield own.name, _csv_rows(data, name, own)
        return
    tree = document.read_document(data, name)
    if own is not None and isinstance(tree, document.Sequence):
        tree, whole = document.Mapping(tree.line, tree.column), tree
        tree.items[own.name] = whole
    if not isinstance(tree, document.Mapping):
        raise _mistake(name, tree, "A list of objects, or a configuration, is due here.")
    about = document.plain_value(tree.items[ABOUT]) if ABOUT in tree.items else {}
    unread = about.get("unread") if isinstance(about, dict) else None
    for resource_type, node in tree.items.items():
        if resource_type == ABOUT or resource_type in (unread or ()):
            continue
        if not isinstance(node, document.Sequence):
            raise _mistake(name, node, f"{shown(resource_type)} is no list of objects.")
        yield resource_type, [_row(name, item) for item in node.items]


def _row(name: str, node: document.Node) -> Row:
    value = raw_value(node)
    if not isinstance(value, dict):
        raise _mistake(name, node, "An object is a mapping of fields.")
    return dict(value)


def _csv_rows(data: bytes, name: str, kind: ResourceType) -> list[Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = document.Mapping(data.count(b"\n", 0, error.start) + 1, 1)
        raise _mistake(name, where, "This is not UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        heading = [each.strip() for each in next(reader, [])]
        if not all(heading) or len(set(heading)) != len(heading) or not heading:
            raise _mistake(name, document.Mapping(1, 1), "The first row must name the fields, each once.")
        for cells in reader:
            place = document.Mapping(reader.line_num, 1)
            if not any(cells):
                continue
            if len(cells) != len(heading):
                raise _mistake(name, place, f"{len(cells)} cells where {len(heading)} are due.")
            rows.append({
                field: _cell(name, place, cell, kind) if _is_list(kind, field) else Plain(cell)
                for field, cell in zip(heading, cells, strict=True)
                if cell != ""
            })  # fmt: skip
    except csv.Error:
        raise _mistake(name, document.Mapping(reader.line_num, 1), "This is not CSV.") from None
    return rows


def _is_list(kind: ResourceType, field: str) -> bool:
    return field in kind.fields and kind.fields[field].type is FieldType.LIST


def _cell(name: str, place: document.Mapping, cell: str, kind: ResourceType) -> object:
    try:
        return raw_value(document.read_document(cell.encode(), "cell.json"))
    except InvalidInput:
        what = f"A list of {kind.title} is no JSON: {shown(cell)}"
        raise _mistake(name, place, what) from None


def _mistake(name: str, node: document.Node, what: str) -> InvalidInput:
    return InvalidConfiguration([Mistake(name, node.line, node.column, "", Reason.BAD_FILE.value, what, _MEND)])
