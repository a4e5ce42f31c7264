"""What of a live source neither manifest nor catalogue describes, and what to write; it only reads."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from difflib import get_close_matches
from typing import Any, Final

from baselines.canonical import Canonicaliser
from baselines.catalogue import RESERVED, Field, FieldType, ResourceType
from baselines.coverage import Reason
from baselines.errors import shown
from baselines.severity import Severity
from baselines.values import Unreadable, parse_value
from monitor.deps import Deps
from monitor.source import Row, Source, SourceFault
from monitor.source.client import Client
from monitor.source.manifest import Reference
from monitor.target import Target

#: What a manifest that does not fit brings about; any other fault is the source's own.
_ROUTE: Final = (Reason.NOT_FOUND, Reason.MOVED, Reason.NO_ROUTE)
_PAGING: Final = (Reason.BAD_SHAPE, Reason.PAGE_LOOP)
_GUESSES: Final = (FieldType.INTEGER, FieldType.DECIMAL, FieldType.BOOLEAN, FieldType.DATE, FieldType.TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that does not fit."""

    resource_type: str
    path: str  #: the field; "" for the whole list
    reason: str  #: of ``baselines.coverage``
    told: str
    write: str  #: a line of an overlay or of the connector manifest, or what else mends it

    @property
    def is_unread(self) -> bool:
        """True where the list could not be read, and manifest and catalogue are not to blame."""
        return not self.path and self.reason not in (*_ROUTE, *_PAGING)


def misfits_of(target: Target, deps: Deps) -> tuple[Misfit, ...]:
    """Read every list of a target's scope once, and hold it against manifest and catalogue.

    Raises:
        SourceFault: nothing can be read at all.
        SecretMissing: a reference leads nowhere.
    """
    return asyncio.run(_look(target, deps.source(target), deps.form_of(target)))


async def _look(target: Target, source: Source, form: Canonicaliser) -> tuple[Misfit, ...]:
    types = form.catalogue.types
    async with source:
        await source.begin()
        nowhere = await source.nowhere() if isinstance(source, Client) else ""
        scope = target.scope(form.catalogue)
        found = await asyncio.gather(*(_list(types[name], source, form, nowhere) for name in scope))
    return tuple(each for several in found for each in several)


async def _list(kind: ResourceType, source: Source, form: Canonicaliser, nowhere: str) -> Sequence[Misfit]:
    name = kind.name
    if not source.has(name):
        write = f"connector manifest: types: {{{name}: {{thing: …}}}}"
        return [Misfit(name, "", Reason.NO_ROUTE.value, "the manifest has no route for it", write)]
    try:
        listing = await source.read(name)
        if listing.is_absent and listing.digest == nowhere:
            what = "It answers as a path does that is none: there is no object, or the route is another."
            raise SourceFault(Reason.NOT_FOUND, what, where=name)
        return list(_rows(listing.load_rows(), kind, form))
    except SourceFault as fault:
        write = fault.mend
        if fault.reason in _ROUTE:
            write = f"connector manifest: types: {{{name}: {{thing: …}}}}, or without: [{name}]"
        elif fault.reason in _PAGING and isinstance(source, Client):
            write = await _paging(name, source)
        return [Misfit(name, "", fault.reason.value, f"{fault.where}: {fault.what}", write)]


async def _paging(name: str, source: Client) -> str:
    """How a page that cannot be read is built, as the manifest would say it."""
    try:
        shape = await source.shape(name)
    except SourceFault as fault:
        return fault.mend
    rows, counts = ([key for key, held in shape.items() if held is kind] for kind in (list, int))
    told = ", ".join(f"{shown(key) or 'it'}: {held.__name__}" for key, held in shape.items())
    line = f"rows: {rows[0] if rows else '…'}, count: {next(iter(counts), '')!r}"
    return f"connector manifest: lists: {{paging: {{{line}, …}}}}; a page holds {told}"


def _rows(rows: Sequence[Row], kind: ResourceType, form: Canonicaliser) -> Iterable[Misfit]:
    name, fields = kind.name, kind.fields
    held, unknown, others = Counter[str](), dict[str, list[Any]](), dict[str, str]()
    for row in rows:
        held.update(row.keys())
        for field_name, value in row.items():
            each = fields.get(field_name)
            if each is None and field_name not in RESERVED:
                unknown.setdefault(field_name, []).append(value)
            elif each is not None and each.target and not _refers(value):
                others[field_name] = "no reference."
        done = form.canonicalise(name, {field_name: _plain(value) for field_name, value in row.items()})
        others.update({problem.field: problem.what for problem in done.problems})
        unknown.update({path: [] for path in done.unknown_fields if "." in path})
    missing = [each.name for each in kind.compared_fields if each.name not in held] if rows else []
    for path, values in unknown.items():
        near = next(iter(get_close_matches(path, missing, n=1)), "")
        write = f"overlay: fields: {{{name}: {{{path}: {_guess(values)}}}}}"
        if near or "." in path:
            part, _, inner = path.partition(".")
            spelled = f"{part}: {{fields: {{…: {inner}}}}}" if inner else f"{near}: {path}"
            write = f"connector manifest: types: {{{name}: {{fields: {{{spelled}}}}}}}"
        told = f"unknown field, in {held[path] or 'some'} of {len(rows)} objects"
        yield Misfit(name, path, Reason.UNKNOWN_FIELD.value, told, write)
    for path in missing:
        write = f"connector manifest: types: {{{name}: {{fields: {{{path}: …}}}}}}, if it is spelled otherwise there"
        yield Misfit(name, path, Reason.FIELD_MISSING.value, f"no object of {len(rows)} has this field", write)
    for path, what in others.items():
        described = f"{name}.{path}" in form.catalogue.declared
        write = f"overlay: fields: {{{name}: {{{path}: {{type: text}}}}}}" if described else "Report it with this line."
        due = fields[path.split(".")[0]].type
        yield Misfit(name, path, Reason.TYPE_CHANGED.value, f"the catalogue says {due}; {what}", write)


def _refers(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return all(part is None or isinstance(part, Reference | str | int) for part in parts)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.label or value.id if isinstance(value, Reference) else value


def _guess(values: Sequence[Any]) -> str:
    """A description that all these values fit; values themselves are never shown."""
    there = [value for value in values if value not in (None, "")]
    if there and all(isinstance(value, dict) for value in there):
        return "{type: ref, to: …}"
    if there and all(isinstance(value, list) for value in there):
        return "{type: list, of: text}"
    for guess in _GUESSES if there else ():
        probe = Field("probe", guess, Severity.INFO)
        try:
            for value in there:
                parse_value(probe, value, UTC)
        except Unreadable:
            continue
        return f"{{type: {guess}}}"
    return "{type: text}"
