"""Faults by name: what a SMART360, or the way to it, may do wrong (each a small function in one table)."""

# ruff: noqa: ARG001 - all have one signature, few need all of it

import asyncio
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from email.utils import format_datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

import orjson

from baselines.catalogue import Field, FieldType
from baselines.errors import Smart360Error
from baselines.values import decimal_text
from monitor.sandbox.exchange import Answer, Asked, Exchange, not_found, refused, send_answer
from monitor.sandbox.rows import Style
from monitor.sandbox.world import Change, Op, Record, World


class UnknownFault(Smart360Error):
    """No fault has this name."""

    code = "unknown_fault"


class Stage(StrEnum):
    """Where in the making of an answer a fault comes in; each has a value that the fault may change."""

    ASK = "ask"  #: before anything is looked up: None → the answer
    RECORDS = "records"  #: the whole list, as records
    SIZE = "size"  #: rows on a page
    WINDOW = "window"  #: first and last row of the page
    STYLE = "style"  #: how booleans and decimals are written
    ROWS = "rows"  #: the rows of the page, as the wire spells them
    BODY = "body"  #: the page
    PRIVILEGES = "privileges"  #: what the user may view
    SEND = "send"  #: the answer, about to be sent


@dataclass(slots=True)
class Active:
    """A fault that is on."""

    name: str
    lists: frozenset[str]  #: resource types; empty: all
    times: int | None  #: how often it fires; None: until it is switched off
    options: dict[str, Any]
    fired: int = 0
    seen: dict[str, int] = field(default_factory=dict)  #: first pages asked, by type

    def turn(self, choices: tuple[Any, ...]) -> Any:
        """One choice after the other, at each firing."""
        return choices[self.fired % len(choices)]

    def told(self) -> dict[str, Any]:
        """For people: what is on, and how often it fired."""
        lists = sorted(self.lists) or None
        return {
            "name": self.name, "lists": lists, "times": self.times, "options": self.options, "fired": self.fired
        }  # fmt: skip


Turn: TypeAlias = Callable[[Active, Asked, Any], Any]  #: None: this time it does not fire
ON_LISTS: Final = frozenset(("list",))
ON_OBJECTS: Final = frozenset(("list", "detail"))
ON_READS: Final = frozenset(("list", "detail", "utility", "privileges"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table."""

    name: str
    what: str
    on: frozenset[str]
    times: int | None
    stages: Mapping[Stage, Turn]
    at_once: Callable[[World, Iterable[str]], None] | None = None  #: done when it is switched on


def _renew(world: World, lists: Iterable[str]) -> None:
    world.renew(lists or world.lists)


def _deactivate(world: World, lists: Iterable[str]) -> None:
    for name in lists or world.lists:
        if world.lists[name] and "is_active" in world.lists[name][0].kind.fields:
            world.apply([Change(Op.DEACTIVATE, name, world.lists[name][0].key)], "an administrator")


FAULTS: Final[dict[str, Fault]] = {
    name: Fault(name, what, frozenset(), None, {}, at_once)
    for name, what, at_once in (
        ("reactivated-new-id", "all objects get new ids, once", _renew),
        ("deactivated", "the first object of each list is set inactive, and leaves it", _deactivate),
    )
}


def fault(
    name: str, stage: Stage, what: str, *, on: frozenset[str] = ON_LISTS, times: int | None = None
) -> Callable[[Turn], Turn]:
    """Put a function into the table; a fault with two stages has two functions."""

    def put(change: Turn) -> Turn:
        known = FAULTS.get(name)
        stages = {**known.stages, stage: change} if known is not None else {stage: change}
        on_all = on | (known.on if known is not None else frozenset())
        FAULTS[name] = Fault(name, what, on_all, times, stages)
        return change

    return put


class Faults:
    """The faults that are on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.active: list[Active] = []

    def switch_on(
        self, name: str, lists: Iterable[str] = (), times: int | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        """Switch a fault on; ``times`` absent: as often as is usual for it.

        Raises:
            UnknownFault: with the names that are near.
        """
        if name not in FAULTS:
            near = get_close_matches(name, FAULTS, n=3, cutoff=0.4)
            mend = f"Did you mean {', '.join(near)}?" if near else "GET /sandbox/faults tells all names."
            raise UnknownFault(f"No fault {name}.", where="faults", mend=mend)
        wanted = FAULTS[name].times if times is None else times
        active = Active(name, frozenset(lists), wanted, dict(options or {}))
        if at_once := FAULTS[name].at_once:
            at_once(self._world, active.lists)
            active.fired = 1
        self.active.append(active)

    def answer(self, asked: Asked) -> Answer | None:
        """The answer of a fault instead of any other."""
        answer: Answer | None = self.changed(Stage.ASK, asked, None)
        return answer

    def touches_rows(self, asked: Asked) -> bool:
        """True where kept rows cannot be sent as they are."""
        stages = (Stage.STYLE, Stage.ROWS, Stage.BODY)
        return any(stage in FAULTS[each.name].stages for each in self.active for stage in stages if _meets(each, asked))

    def changed(self, stage: Stage, asked: Asked, value: Any) -> Any:
        """The value of a stage after all faults; each that changes it counts."""
        for each in self.active:
            change = FAULTS[each.name].stages.get(stage)
            if change is None or not _meets(each, asked):
                continue
            after = change(each, asked, value)
            if after is not None:
                each.fired += 1
                value = after
                if stage is Stage.ASK:
                    break
        return value


def _meets(active: Active, asked: Asked) -> bool:
    if asked.kind not in FAULTS[active.name].on or (active.times is not None and active.fired >= active.times):
        return False
    return not active.lists or (asked.route is not None and asked.route.kind.name in active.lists)


# Answers instead of the list


def _answers(
    name: str, what: str, answer: Callable[[Active, Asked], Answer], on: frozenset[str] = ON_READS,
    times: int | None = None,
) -> None:  # fmt: skip
    fault(name, Stage.ASK, what, on=on, times=times)(lambda active, asked, _: answer(active, asked))


def _denied(active: Active, _: Asked) -> Answer:
    return refused(int(active.options.get("status", 403)), "You do not have permission to perform this action.")


def _page(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), {"content-type": "text/html; charset=utf-8"})


def _titled(_: Active, asked: Asked) -> Answer:
    assert asked.route is not None
    return not_found(asked.route.kind.title)


_answers("empty-404", "a list answers as an empty one does", _titled, ON_LISTS)
_answers("wrong-path-404", "every path answers 404, as if the API had moved", lambda *_: not_found())
_answers("wrong-utility", "the utility is unknown", lambda *_: not_found(), ON_OBJECTS | {"utility"})


@fault("token-expired", Stage.ASK, "the token dies at a request (options: after, how many pass)", on=ON_READS, times=1)
def _token_expired(active: Active, asked: Asked, _: Any) -> Answer | None:
    active.seen["all"] = active.seen.get("all", 0) + 1
    if active.seen["all"] <= int(active.options.get("after", 0)):
        return None
    answer = refused(401, "Token has expired.")
    answer.ends_log_in = True
    return answer


_answers(
    "login-refused", "right credentials are refused",
    lambda *_: refused(401, "Unable to log in with the credentials provided."), frozenset(("login",)),
)  # fmt: skip


@fault("forbidden-some", Stage.ASK, "some lists are forbidden (options: status, 403 or 401)", on=ON_OBJECTS)
def _forbidden_some(active: Active, asked: Asked, _: Any) -> Answer | None:
    assert asked.route is not None
    if not active.lists and sum(asked.route.thing.encode()) % 5:  # where none is named, every fifth or so
        return None
    return _denied(active, asked)


_answers("forbidden-all", "everything is forbidden", _denied)
_MAINTENANCE: Final = "<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"
_answers("html-200", "a page for people, with status 200", lambda *_: _page(200, _MAINTENANCE))
_answers("500-once", "500, usually once", lambda *_: _page(500, "<h1>Server Error (500)</h1>"), times=1)
_answers("502", "502, usually once", lambda *_: _page(502, "<html><h1>502</h1><hr>nginx</html>"), times=1)
_answers("503", "503, usually once", lambda *_: _page(503, "<html><h1>503</h1><hr>nginx</html>"), times=1)
_answers("504", "504, usually once", lambda *_: _page(504, "<html><h1>504</h1><hr>nginx</html>"), times=1)
_answers("500-always", "500 until switched off", lambda *_: _page(500, "<h1>Server Error (500)</h1>"))


@fault("429-seconds", Stage.ASK, "too many requests (options: seconds, 7)", on=ON_READS, times=1)
def _throttled(active: Active, asked: Asked, _: Any) -> Answer:
    answer = refused(429, "Request was throttled.")
    answer.headers["retry-after"] = str(active.options.get("seconds", 7))
    return answer


@fault(
    "429-date", Stage.ASK, "too many requests until a date (options: seconds from now, or value)", on=ON_READS, times=1
)
def _throttled_until(active: Active, asked: Asked, _: Any) -> Answer:
    until = asked.world.now() + timedelta(seconds=float(active.options.get("seconds", 7)))
    answer = refused(429, "Request was throttled.")
    answer.headers["retry-after"] = str(active.options.get("value") or format_datetime(until, usegmt=True))
    return answer


@fault(
    "future-api", Stage.ASK, "this version of the API is gone (options: status, 410 or 301)", on=ON_READS | {"login"}
)
def _future_api(active: Active, asked: Asked, _: Any) -> Answer:
    answer = refused(int(active.options.get("status", 410)), "This version of the API is no longer served.")
    if answer.status == 301:
        answer.headers["location"] = asked.url.replace("/v1/", "/v2/")
    return answer


@fault("redirect-host", Stage.ASK, "a redirect to another host (options: to)", on=ON_READS)
def _redirect(active: Active, asked: Asked, _: Any) -> Answer:
    to = str(active.options.get("to", "http://169.254.169.254/latest/meta-data/"))
    return Answer(302, b"", {"location": to})


# Other rows than there are


@fault("page-size-capped", Stage.SIZE, "fewer rows on a page than asked (options: size, 10)")
def _capped(active: Active, asked: Asked, size: int) -> int | None:
    cap = int(active.options.get("size", 10))
    return cap if cap < size else None


@fault("page-repeat", Stage.WINDOW, "the last row of a page shows again on the next")
def _page_repeat(active: Active, asked: Asked, window: tuple[int, int]) -> tuple[int, int] | None:
    return (window[0] - 1, window[1] - 1) if asked.page > 1 else None


@fault("page-skip", Stage.WINDOW, "the first row of a later page is on no page")
def _page_skip(active: Active, asked: Asked, window: tuple[int, int]) -> tuple[int, int] | None:
    return (window[0] + 1, window[1] + 1) if asked.page > 1 else None


@fault("name-ties", Stage.RECORDS, "all names tie: another order at each read (options: per_page, at each page)")
def _name_ties(active: Active, asked: Asked, records: list[Record]) -> list[Record] | None:
    if len(records) < 2:
        return None
    seed = active.seen.get(asked.path, 0) + (asked.page == 1)
    active.seen[asked.path] = seed
    if active.options.get("per_page"):
        seed += 1000 * (active.fired + 1)
    # The next order, not a random one: a turned list always differs from the last.
    turned = records[seed % len(records) :] + records[: seed % len(records)]
    head = turned[:1]
    random.Random(seed).shuffle(rest := turned[1:])  # noqa: S311 - no secret hangs on it
    return head + rest


@fault("mass-loss", Stage.RECORDS, "a list loses most of its rows (options: share, 0.5 by default; 1 for all)")
def _mass_loss(active: Active, asked: Asked, records: list[Record]) -> list[Record] | None:
    kept = round(len(records) * (1 - float(active.options.get("share", 0.5))))
    return records[:kept] if records else None


@fault("role-shrinks", Stage.RECORDS, "the user's role shrinks, and lists with it (options: share, 0.3)")
def _role_shrinks(active: Active, asked: Asked, records: list[Record]) -> list[Record] | None:
    lost = round(len(records) * float(active.options.get("share", 0.3)))
    return records[lost:] if lost else None


@fault("role-shrinks", Stage.PRIVILEGES, FAULTS["role-shrinks"].what, on=frozenset(("privileges",)))
def _fewer_privileges(active: Active, asked: Asked, privileges: list[Any]) -> list[Any]:
    return privileges[:-1]


@fault("flicker", Stage.RECORDS, "the first read of a list differs (options: how: value, added, removed; reads, field)")
def _flicker(active: Active, asked: Asked, records: list[Record]) -> list[Record] | None:
    seen = active.seen[asked.path] = active.seen.get(asked.path, 0) + (asked.page == 1)
    if seen > int(active.options.get("reads", 1)) or not records:
        return None
    first, rest, how = records[0], records[1:], active.options.get("how", "value")
    if how == "removed":
        return rest
    each = first.kind.fields[first.kind.key[0]] if how == "added" else _plain_field(asked, active, _WRITTEN)
    if each is None or each.type not in _WRITTEN:
        return None
    other = replace(first, values={**first.values, each.name: _another(each, first.values.get(each.name), seen)})
    return [first, replace(other, id=f"{seen:08d}{first.id[8:]}"), *rest] if how == "added" else [other, *rest]


@fault("duplicate-id", Stage.RECORDS, "two objects with one id and different content")
def _duplicate_id(active: Active, asked: Asked, records: list[Record]) -> list[Record] | None:
    if not records:
        return None
    first = records[0]
    name = first.kind.key[0]
    other = f"{first.key} (2)"
    return [*records, replace(first, values={**first.values, name: other})]


@fault("duplicate-key", Stage.RECORDS, "two ids with one natural key")
def _duplicate_key(active: Active, asked: Asked, records: list[Record]) -> list[Record] | None:
    return [*records, replace(records[0], id=records[0].id[::-1])] if records else None


# Other values than there are


@fault("yes-no", Stage.STYLE, "booleans as Yes, “true”, 1, true in turn", on=ON_OBJECTS)
def _yes_no(active: Active, asked: Asked, style: Style) -> Style:
    forms = (lambda v: "Yes" if v else "No", lambda v: str(v).lower(), int, bool)
    return replace(style, boolean=active.turn(forms))


@fault("decimal-forms", Stage.STYLE, "decimals as 4.1, “4.10”, “4.1000”, 4.1e0 in turn", on=ON_OBJECTS)
def _decimal_forms(active: Active, asked: Asked, style: Style) -> Style:
    return replace(style, decimal=active.turn((_bare, _with_zero, style.decimal, _with_exponent)))


def _bare(text: str) -> Any:
    return orjson.Fragment(_canonical(text))


def _with_zero(text: str) -> str:
    written = _canonical(text)
    return written + ("0" if "." in written else ".0")


def _with_exponent(text: str) -> Any:
    return orjson.Fragment(_canonical(text) + "e0")


def _canonical(text: str) -> str:
    return decimal_text(Decimal(text))


def _plain_field(asked: Asked, active: Active, types: tuple[FieldType, ...]) -> Field | None:
    """The field that the options name, else the first of these types that is no part of the key."""
    assert asked.route is not None
    kind = asked.route.kind
    if active.options.get("field") in kind.fields:
        return kind.fields[active.options["field"]]
    fields = (each for each in kind.fields.values() if each.name not in kind.key and each.name != "name")
    return next((each for each in fields if each.type in types and not each.is_volatile), None)


_WRITTEN: Final = (FieldType.TEXT, FieldType.MULTILINE, FieldType.INTEGER, FieldType.DECIMAL)
_SIMPLE: Final = (*_WRITTEN, FieldType.CHOICE)
_ANY: Final = tuple(each for each in FieldType if each is not FieldType.REF)


@fault("new-field", Stage.ROWS, "a field nobody knows (options: field, value)", on=ON_LISTS)
def _new_field(active: Active, asked: Asked, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    name, value = active.options.get("field", "loyalty_points"), active.options.get("value", "12")
    return [{**row, name: value} for row in rows]


def _on_field(
    name: str, what: str, types: tuple[FieldType, ...], changed: Callable[[dict[str, Any], str, Field], dict[str, Any]]
) -> None:
    def change(active: Active, asked: Asked, rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        each = _plain_field(asked, active, types)
        if each is None or asked.route is None:
            return None
        wire = asked.route.names[each.name]
        return [changed(row, wire, each) for row in rows]

    fault(name, Stage.ROWS, f"{what} (options: field)")(change)


_on_field(
    "field-gone", "a field is gone from all rows", _ANY,
    lambda row, wire, _: {name: value for name, value in row.items() if name != wire},
)  # fmt: skip
_on_field(
    "type-change", "a text becomes an object", _SIMPLE,
    lambda row, wire, _: {**row, wire: {"value": row[wire], "unit": "none"}},
)  # fmt: skip
_on_field(
    "mass-change", "every row has changed in one field", _WRITTEN,
    lambda row, wire, each: {**row, wire: _another(each, row[wire])},
)  # fmt: skip


def _another(each: Field, value: Any, by: int = 1) -> Any:
    """Another value for each ``by``."""
    if each.type is FieldType.DECIMAL:
        return decimal_text(Decimal(str(value or 0)) + by)
    if each.type is FieldType.INTEGER:
        return int(value or 0) + by
    return f"{value or ''} (changed{f' {by}' if by > 1 else ''})".strip()


@fault("slow-writes", Stage.ROWS, "a reference dangles at the first read of a list and has healed at the next")
def _slow_writes(active: Active, asked: Asked, rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    assert asked.route is not None
    name = asked.route.kind.name
    active.seen[name] = active.seen.get(name, 0) + (asked.page == 1)
    each = next((each for each in asked.route.kind.references() if each.type is FieldType.REF), None)
    if active.seen[name] > 1 or asked.page > 1 or each is None or not rows:
        return None
    wire, identity = asked.route.names[each.name], "00000000-0000-4000-8000-000000000000"
    nested = {asked.route.about["id"]: identity, asked.manifest.content.label: "being written"}
    return [{**rows[0], wire: nested if asked.route.references == "nested" else identity}, *rows[1:]]


# Other pages than are due


@fault("count-lies", Stage.BODY, "count differs from the rows (options: by, 1)")
def _count_lies(active: Active, asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
    name = asked.manifest.content.lists.paging.count
    return {**page, name: page[name] + int(active.options.get("by", 1))}


@fault("next-loop", Stage.BODY, "the next page is this one")
def _next_loop(active: Active, asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, asked.manifest.content.lists.paging.next: asked.page_url(asked.page)}


@fault("json-shape", Stage.BODY, "another shape in turn (options: shape, of list, null, text-count, text)")
def _json_shape(active: Active, asked: Asked, page: dict[str, Any]) -> Any:
    paging = asked.manifest.content.lists.paging
    shapes = {
        "list": page[paging.rows],
        "null": {**page, paging.rows: None},
        "text-count": {**page, paging.count: "many"},
        "text": "results",
    }
    return shapes[active.options.get("shape") or active.turn(tuple(shapes))]


# Other bytes than are due


@fault("bad-utf8", Stage.SEND, "bytes that are no text (options: how, of bytes, surrogate, nul)")
def _bad_utf8(active: Active, asked: Asked, answer: Answer) -> Answer | None:
    wrong = {"bytes": b"\xff\xfe", "surrogate": b"\\ud800", "nul": b"\\u0000"}[active.options.get("how", "bytes")]
    head, found, tail = answer.body.rpartition(b'":"')
    return replace(answer, body=head + found + wrong + tail) if found and answer.status == 200 else None


@fault("json-cut", Stage.SEND, "the body ends early (options: how, of body, length)")
def _json_cut(active: Active, asked: Asked, answer: Answer) -> Answer | None:
    if answer.status != 200:
        return None
    if active.options.get("how") == "length":
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    return replace(answer, send=_send_half)


async def _send_half(exchange: Exchange, answer: Answer) -> None:
    await exchange.begin(answer, len(answer.body))
    await exchange.more(answer.body[: len(answer.body) // 2])
    await exchange.close(by_reset=False)


@fault("slow-loris", Stage.SEND, "a byte each second (options: every, seconds; silent, not even that)", on=ON_READS)
def _slow_loris(active: Active, asked: Asked, answer: Answer) -> Answer:
    every, is_silent = float(active.options.get("every", 1)), bool(active.options.get("silent"))

    async def send(exchange: Exchange, answer: Answer) -> None:
        if is_silent:
            return await exchange.gone()
        gone = asyncio.ensure_future(exchange.gone())
        await exchange.begin(answer, len(answer.body))
        for place in range(len(answer.body)):
            await exchange.more(answer.body[place : place + 1])
            if gone.done():
                return None
            await asyncio.sleep(every)
        gone.cancel()
        return await exchange.more(b"", is_last=True)

    return replace(answer, send=send)


@fault("gzip-bomb", Stage.SEND, "some KiB that unpack to GiB (options: mib, 10240; nested)")
def _gzip_bomb(active: Active, asked: Asked, answer: Answer) -> Answer:
    mib, is_nested = int(active.options.get("mib", 10_240)), bool(active.options.get("nested"))
    headers = {**answer.headers, "content-encoding": "gzip, gzip" if is_nested else "gzip"}

    async def send(exchange: Exchange, answer: Answer) -> None:
        gone = asyncio.ensure_future(exchange.gone())
        await exchange.begin(answer, None)
        outer = zlib.compressobj(wbits=31)
        for part in _bomb(mib):
            await exchange.more(outer.compress(part) + outer.flush(zlib.Z_SYNC_FLUSH) if is_nested else part)
            await asyncio.sleep(0)  # nothing else gives the other side's leaving a turn
            if gone.done():
                return
        gone.cancel()
        await exchange.more(outer.flush() if is_nested else b"", is_last=True)

    return replace(answer, headers=headers, send=send)


def _bomb(mib: int) -> Iterator[bytes]:
    """A gzip stream of spaces: the same block after each full flush is the same bytes."""
    packer = zlib.compressobj(9, wbits=31)
    yield packer.compress(b" " * 1024) + packer.flush(zlib.Z_FULL_FLUSH)
    block = zlib.compressobj(9, wbits=-15)
    packed = block.compress(b" " * (1 << 20)) + block.flush(zlib.Z_FULL_FLUSH)
    for _ in range(mib):
        yield packed
    yield packer.flush()


@fault("reset", Stage.SEND, "the connection is reset (options: when, of before, within, after)", on=ON_READS, times=1)
def _reset(active: Active, asked: Asked, answer: Answer) -> Answer:
    when = active.options.get("when", "before")

    async def send(exchange: Exchange, answer: Answer) -> None:
        if when == "after":
            await send_answer(exchange, answer)
        elif when == "within":
            await exchange.begin(answer, len(answer.body))
            await exchange.more(answer.body[: len(answer.body) // 2])
        await asyncio.sleep(0.02)
        await exchange.close(by_reset=True)

    return replace(answer, send=send)
