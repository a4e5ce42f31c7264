"""A source over HTTP, by its manifest. It logs in and reads; it never writes, and waits when told to (P12).

The only file that knows the HTTP client.
"""

import asyncio
import math
import random
import re
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

import httpcore
import httpx
import msgspec
import orjson
import structlog
from blake3 import blake3

from baselines.coverage import Reason
from baselines.errors import shown
from baselines.values import source_number
from monitor.source import Connection, Listing, Patience, Row, SourceFault
from monitor.source.guard import GuardedBackend, Resolve
from monitor.source.manifest import Manifest

Content: TypeAlias = "dict[str, msgspec.Raw] | msgspec.Raw | None"  #: the outermost level of a JSON body
Query: TypeAlias = Mapping[str, str]

_RETRIED: Final = frozenset((Reason.SERVER_ERROR, Reason.NETWORK, Reason.TRUNCATED, Reason.TIMEOUT, Reason.DNS))
_MOST_PAGES: Final = 100_000  #: where no total is told
_decode_rows: Final = msgspec.json.Decoder(list[dict[str, Any]], float_hook=source_number).decode
_decode_row: Final = msgspec.json.Decoder(dict[str, Any], float_hook=source_number).decode


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that came whole; JSON where the status is 200."""

    status: int
    headers: httpx.Headers
    body: bytes
    content: Content = None
    token: str = ""  #: with which it was asked


class Client:
    """One target's SMART360, for one sweep: never more at once, nor more a second, than it may be asked."""

    def __init__(
        self,
        connection: Connection,
        manifest: Manifest,
        patience: Patience,
        *,
        allowed_hosts: frozenset[str],
        tls: ssl.SSLContext,
        resolve: Resolve,
        log: Any = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.manifest, self.name = manifest, manifest.name
        self.version = f"{manifest.name} {manifest.digest}"
        self.has_details = bool(manifest.content.lists.detail)
        self.date: datetime | None = None
        self.requests: Counter[str] = Counter()
        self.seconds: list[float] = []
        self._connection, self._patience, self._monotonic = connection, patience, monotonic
        self._log = log or structlog.get_logger(__name__)
        self._base = connection.url.rstrip("/")
        self._utility = quote(connection.utility, safe="")
        self._slots = asyncio.Semaphore(connection.requests_at_once)
        self._interval = 1 / connection.requests_per_second
        self._next_turn = self._resume_at = self._ends_at = 0.0
        self._bytes = 0
        self._token = ""
        self._has_logged_in_again = False
        self._login = asyncio.Lock()
        self._is_open = asyncio.Event()  #: cleared while a new token is fetched
        self._is_open.set()
        self._ended: SourceFault | None = None
        identity = manifest.content.object.id
        named: Any = msgspec.defstruct("Identified", [("id", Any, None)], rename={"id": identity})
        self._decode_ids: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[named]).decode
        limits = httpx.Limits(max_connections=connection.requests_at_once)
        timeout = httpx.Timeout(patience.between_bytes_s, connect=patience.connect_s, pool=None)
        transport = httpx.AsyncHTTPTransport(verify=tls, limits=limits)
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls, max_connections=connection.requests_at_once,
            network_backend=GuardedBackend(allowed_hosts, resolve),
        )  # fmt: skip
        self._client = httpx.AsyncClient(
            transport=transport, timeout=timeout, follow_redirects=False, trust_env=False,
            headers={"accept": "application/json", "accept-encoding": "gzip", "user-agent": "smart360-monitor"},
        )  # fmt: skip

    async def __aenter__(self) -> "Client":
        self._ends_at = self._monotonic() + self._patience.sweep_s
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    # What is asked of a source

    async def begin(self) -> tuple[str, ...] | None:
        """Log in, prove that the utility is there, and ask what the user may view.

        Raises:
            SourceFault: nothing can be read; ``utility_unknown`` where only the utility is not found.
        """
        await self._log_in()
        path = self.manifest.utility_path(self._utility)
        answer = await self._get(path, is_control=True)
        privileges: _Answer | None = None
        asks = self.manifest.content.privileges
        if asks:
            with suppress(SourceFault):
                privileges = await self._get(self.manifest.content.api + asks)
        if answer.status == 404:
            if privileges is None or privileges.status != 404:
                what = f"The utility {self._connection.utility} is not known there."
                mend = "Correct utility in the tenant file: its id_string in SMART360."
                raise SourceFault(Reason.UTILITY_UNKNOWN, what, where=path, mend=mend, status=404)
            raise _not_found(path)
        if not isinstance(answer.content, dict):
            raise SourceFault(Reason.BAD_SHAPE, f"No object: {_beginning(answer.body)}", where=path, mend=_SHAPE_MEND)
        return _privileges(privileges, self.manifest) if privileges is not None else None

    def has(self, resource_type: str) -> bool:
        """True if the manifest knows a route."""
        return resource_type in self.manifest.routes

    def privilege(self, resource_type: str) -> str:
        """What must be viewable to read the list."""
        return self.manifest.routes[resource_type].privilege

    def active_field(self, resource_type: str) -> str:
        """The field that leaves an object out of its list."""
        name = self.manifest.content.active
        return name if name in self.manifest.routes[resource_type].kind.fields else ""

    async def read(self, resource_type: str, size: int = 0) -> Listing:
        """One pass over a list, page by page as each page names the next.

        Raises:
            SourceFault: it cannot be read to its end.
        """
        route = self.manifest.routes[resource_type]
        path = self.manifest.list_path(route, self._utility)
        paging = self.manifest.content.lists.paging
        first = {"page": {paging.at: "1"}, "offset": {paging.at: "0"}, "cursor": {}}[paging.style]
        base = {**paging.order, paging.size: str(size or paging.ask)}
        query: Query | None = {**base, **first}
        hasher = blake3()
        pages: list[bytes] = []
        counts: list[int | None] = []
        seen: list[Query] = []
        rows_seen = most = page_size = 0
        is_absent = False
        while query is not None:
            if query in seen or (seen and len(seen) >= most):
                what = f"Page {len(seen) + 1} is one that was read already, or one too many."
                raise _at_page(SourceFault(Reason.PAGE_LOOP, what, where=path, mend=_SHAPE_MEND), len(seen))
            seen.append(query)
            try:
                answer = await self._get(path, query)
                if answer.status == 404:
                    if len(seen) > 1:  # the list became shorter between two pages
                        counts.append(-1)
                        break
                    if not self._says_empty(answer):
                        raise _not_found(path)
                    is_absent, query = True, None
                    hasher.update(answer.body)
                    counts.append(0)
                    continue
                rows, number, count, following = self._page(answer, path)
            except SourceFault as fault:
                raise _at_page(fault, len(seen)) from None
            hasher.update(len(answer.body).to_bytes(8, "big") + answer.body)
            pages.append(bytes(rows))
            counts.append(count)
            rows_seen += number
            page_size = page_size or number
            most = _MOST_PAGES if count is None else math.ceil(count / max(page_size, 1)) + 1
            query = self._following(query, base, following, number, rows_seen, count)

        def load_rows() -> list[Row]:
            try:
                return [route.read(row) for page in pages for row in _decode_rows(page)]
            except (msgspec.MsgspecError, RecursionError, UnicodeError):
                what = "An object of the list is no mapping of fields."
                raise SourceFault(Reason.BAD_SHAPE, what, where=path, mend=_SHAPE_MEND) from None

        def load_ids() -> list[list[str]]:
            try:
                return [["" if (i := each.id) is None else str(i) for each in self._decode_ids(page)] for page in pages]
            except (msgspec.MsgspecError, RecursionError, UnicodeError):
                what = "An object of the list is no mapping of fields."
                raise SourceFault(Reason.BAD_SHAPE, what, where=path, mend=_SHAPE_MEND) from None

        return Listing(hasher.hexdigest(), tuple(counts), page_size, load_ids, load_rows, is_absent)

    async def nowhere(self) -> str:
        """``Listing.digest`` of a list that cannot be there; "" if the source does not say "none" of it."""
        route = replace(next(iter(self.manifest.routes.values())), thing="no-such-list")
        answer = await self._get(self.manifest.list_path(route, self._utility), {})
        return blake3(answer.body).hexdigest() if answer.status == 404 and self._says_empty(answer) else ""

    async def shape(self, resource_type: str) -> Mapping[str, type]:
        """What the outermost level of a list's first answer holds, for who mends a manifest; values are not shown.

        Raises:
            SourceFault: there is no answer to look into.
        """
        paging = self.manifest.content.lists.paging
        path = self.manifest.list_path(self.manifest.routes[resource_type], self._utility)
        answer = await self._get(path, {paging.size: "1"})
        content = orjson.loads(answer.body)
        return (
            {key: type(value) for key, value in content.items()} if isinstance(content, dict) else {"": type(content)}
        )

    async def detail(self, resource_type: str, identity: str) -> Row | None:
        """One object by id; None if the source says that there is none.

        Raises:
            SourceFault: it says neither.
        """
        route = self.manifest.routes[resource_type]
        path = self.manifest.detail_path(route, self._utility, quote(identity, safe=""))
        answer = await self._get(path)
        if answer.status == 404:
            if self.manifest.content.lists.empty.status == 404 and not self._says_empty(answer):
                raise _not_found(path)
            return None
        try:
            return route.read(_decode_row(answer.body))
        except (msgspec.MsgspecError, RecursionError):
            raise SourceFault(Reason.BAD_SHAPE, "No object.", where=path, mend=_SHAPE_MEND) from None

    # Pages

    def _says_empty(self, answer: _Answer) -> bool:
        empty = self.manifest.content.lists.empty
        if answer.status != empty.status:
            return False
        try:
            body = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return False
        told = isinstance(body, dict) and all(str(body.get(name)) == value for name, value in empty.has.items())
        return told and empty.contains.lower() in answer.body.decode("utf-8", "replace").lower()

    def _page(self, answer: _Answer, path: str) -> tuple[msgspec.Raw, int, int | None, Any]:
        """Rows undecoded, how many, the total, and what names the next page."""
        paging = self.manifest.content.lists.paging
        try:
            rows = _placed(answer.content, paging.rows)
            number = len(msgspec.json.decode(rows, type=list[msgspec.Raw])) if rows is not None else None
            total = _placed(answer.content, paging.count) if paging.count else None
            count = msgspec.json.decode(total, type=int) if total is not None else None
            following = _placed(answer.content, paging.next) if paging.next else None
            named = msgspec.json.decode(following, type=str | int | None) if following is not None else None
        except (msgspec.MsgspecError, RecursionError):
            rows = number = None
        if rows is None or number is None or (paging.count and (count is None or count < 0)):
            what = f"No page of a list: {_beginning(answer.body)}"
            raise SourceFault(Reason.BAD_SHAPE, what, where=path, mend=_SHAPE_MEND)
        return rows, number, count, named

    def _following(
        self, query: Query, base: Query, named: str | int | None, number: int, rows_seen: int, count: int | None
    ) -> Query | None:
        """The query of the next page; None at the end."""
        paging = self.manifest.content.lists.paging
        if paging.next:
            if named is None or named == "":
                return None
            text = str(named)
            if "?" in text or "/" in text:
                # Its query only: wherever the address leads, we ask where we asked before.
                asked = dict(parse_qsl(urlsplit(text).query, keep_blank_values=True))
                return {**base, **asked} if paging.at in asked else None
            return {**base, paging.at: text}
        if number == 0 or (count is not None and rows_seen >= count):
            return None
        at = rows_seen if paging.style == "offset" else int(query[paging.at]) + 1
        return {**base, paging.at: str(at)}

    # Requests

    async def _log_in(self) -> None:
        log_in = self.manifest.content.log_in
        own = {"user": self._connection.user, "password": self._connection.password}
        path = self.manifest.content.api + log_in.path
        body = {name: own[of] for name, of in log_in.send.items()}
        answer = await self._ask("POST", path, body=body, is_urgent=True)
        if answer.status in (400, 401, 403, 404, 422, 423):
            # Once only: a second try may lock the account (F5).
            mend = "Check user and password of the target; see in SMART360 whether the user is locked."
            what = f"The log-in was refused with {answer.status}."
            raise self._end(SourceFault(Reason.LOGIN_REFUSED, what, where=path, mend=mend, status=answer.status))
        _check_status(answer, path, self._base)
        token = _placed(answer.content, log_in.token)
        with suppress(msgspec.MsgspecError, TypeError):
            self._token = str(msgspec.json.decode(token or b"", type=str | int))
            return
        what = f"The answer to the log-in has no {log_in.token}."
        raise self._end(SourceFault(Reason.BAD_SHAPE, what, where=path, mend=_SHAPE_MEND))

    async def _get(self, path: str, query: Query | None = None, *, is_control: bool = False) -> _Answer:
        """An answer with 200 or 404; a token that died is renewed once (F4).

        Raises:
            SourceFault: for every other answer.
        """
        answer = await self._ask("GET", path, query)
        while answer.status == 401:
            await self._renew(answer.token, path, is_control=is_control)
            answer = await self._ask("GET", path, query)
        _check_status(answer, path, self._base)
        return answer

    async def _renew(self, token: str, path: str, *, is_control: bool) -> None:
        """After a 401 get a new token, while everything else waits.

        Raises:
            SourceFault: ``forbidden`` where only this list is closed, ``unauthorized`` at the second time.
        """
        async with self._login:
            if token != self._token:  # another request has renewed it meanwhile
                return
            self._is_open.clear()
            try:
                # Whether the token died or only this list is closed, the control read tells (F6).
                control = self.manifest.utility_path(self._utility)
                if not is_control and (await self._ask("GET", control, is_urgent=True)).status == 200:
                    raise _forbidden(path, 401)
                if self._has_logged_in_again:
                    what = "It does not let us in any more, though we have logged in again."
                    mend = "See in SMART360 whether the service user is active, and who else logs in as it."
                    raise self._end(SourceFault(Reason.UNAUTHORIZED, what, where=path, mend=mend, status=401))
                self._has_logged_in_again = True
                await self._log_in()
                self._log.info("relogin", count=1)
            finally:
                self._is_open.set()

    def _end(self, fault: SourceFault) -> SourceFault:
        """Nothing more is asked in this sweep."""
        self._ended = fault
        return fault

    async def _ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Mapping[str, str] | None = None,
        *,
        is_urgent: bool = False,
    ) -> _Answer:
        """An answer below 500, tried again where that may help."""
        begun, tries = self._monotonic(), 0
        while True:
            tries += 1
            try:
                answer = await self._in_turn(lambda: self._send(method, path, query, body), is_urgent=is_urgent)
                if answer.status == 429:
                    wait_s = _retry_after(answer.headers)
                    if wait_s:
                        begun += self._hold(wait_s, path)
                    what, mend = "It asks for fewer requests.", "Lower requests_per_second of the target."
                    fault = SourceFault(Reason.THROTTLED, what, where=path, mend=mend, status=429)
                elif answer.status < 500:
                    return answer
                else:
                    what, mend = f"It answered {answer.status}.", "Wait for the next sweep, or ask SMART360's support."
                    fault = SourceFault(Reason.SERVER_ERROR, what, where=path, mend=mend, status=answer.status)
            except SourceFault as error:
                fault = error
                if fault is self._ended or fault.reason not in _RETRIED:
                    raise
            fault.attempt = tries
            pause_s = self._patience.backoff_s * 2 ** (tries - 1) * random.uniform(0.75, 1.25)  # noqa: S311
            if tries >= self._patience.tries or self._monotonic() - begun + pause_s > self._patience.retry_s:
                raise fault
            await asyncio.sleep(pause_s)

    def _hold(self, wait_s: float, path: str) -> float:
        """Ask nothing of the whole target for so long (F31); for too long, and the sweep is over (F32)."""
        self._log.warning("throttled", wait_s=wait_s)
        if wait_s > self._patience.longest_wait_s:
            what = f"It asks to wait {wait_s:.0f} s, which is longer than a sweep may wait."
            mend = "Nothing; the next sweep comes after that. Ask SMART360's support for a higher limit."
            raise self._end(SourceFault(Reason.THROTTLED, what, where=path, mend=mend, status=429, wait_s=wait_s))
        self._resume_at = max(self._resume_at, self._monotonic() + wait_s)
        return wait_s

    async def _in_turn(self, send: Callable[[], Awaitable[_Answer]], *, is_urgent: bool) -> _Answer:
        """Send a request when it may go out; ``is_urgent``: also while all others wait for a new token."""
        while True:
            if not is_urgent:
                await self._is_open.wait()
            async with self._slots:
                if not is_urgent and not self._is_open.is_set():
                    continue
                while (at := max(self._next_turn, self._resume_at)) > (now := self._monotonic()):
                    await asyncio.sleep(at - now)
                self._next_turn = now + self._interval
                if self._ended is not None:
                    raise self._ended
                return await send()

    async def _send(self, method: str, path: str, query: Query | None, body: Mapping[str, str] | None) -> _Answer:
        """One request, once."""
        patience, token = self._patience, self._token
        left_s = self._ends_at - self._monotonic()
        if left_s <= 0:
            what = f"The sweep took longer than {patience.sweep_s:.0f} s."
            raise self._end(SourceFault(Reason.TIMEOUT, what, where=path, mend="Raise requests_per_second."))
        log_in = self.manifest.content.log_in
        headers = {} if body is not None else {log_in.header: f"{log_in.scheme} {token}".strip()}
        started, word = self._monotonic(), "error"
        try:
            async with (
                asyncio.timeout(min(patience.request_s, left_s)),
                self._client.stream(method, self._base + path, params=query, json=body, headers=headers) as response,
            ):
                word = str(response.status_code)
                answer = _Answer(response.status_code, response.headers, await self._body(response, path))
        except (TimeoutError, httpx.TimeoutException):
            word = "error"
            what, mend = "No whole answer in time.", "Wait for the next sweep, or look at the way there."
            raise SourceFault(Reason.TIMEOUT, what, where=path, mend=mend) from None
        except httpx.TransportError as error:
            word = "error"
            raise _network_fault(error, path) from None
        finally:
            self.requests[word] += 1
            self.seconds.append(self._monotonic() - started)
        self._note_date(answer.headers)
        return _Answer(answer.status, answer.headers, answer.body, _content(answer, path), token)

    async def _body(self, response: httpx.Response, path: str) -> bytes:
        """The body unpacked, counted while it grows (F37)."""
        packing = response.headers.get("content-encoding", "identity").lower()
        if packing not in ("identity", "gzip"):
            what = f"The answer is packed as {shown(packing)}; gzip alone was asked for."
            raise SourceFault(Reason.TOO_LARGE, what, where=path, mend=_SHAPE_MEND)
        unpack = zlib.decompressobj(wbits=31) if packing == "gzip" else None
        body = bytearray()
        try:
            async for part in response.aiter_raw():
                most = self._patience.page_bytes + 1 - len(body)
                body += part if unpack is None else unpack.decompress(part, most)
                if len(body) > self._patience.page_bytes:
                    what = f"A page of more than {self._patience.page_bytes} bytes."
                    raise SourceFault(Reason.TOO_LARGE, what, where=path, mend="Ask for fewer rows a page.")
        except zlib.error:
            unpack = zlib.decompressobj(wbits=31)
        if unpack is not None and not unpack.eof and response.status_code == 200:
            raise SourceFault(Reason.TRUNCATED, "The packed answer ends early.", where=path, mend=_AGAIN_MEND)
        self._bytes += len(body)
        if self._bytes > self._patience.sweep_bytes:
            what = f"More than {self._patience.sweep_bytes} bytes in one sweep."
            raise self._end(SourceFault(Reason.TOO_LARGE, what, where=path, mend="Limit the scope of the target."))
        return bytes(body)

    def _note_date(self, headers: httpx.Headers) -> None:
        if self.date is None:
            self.date = _date(headers)


_SHAPE_MEND: Final = "Compare the connector manifest with what SMART360 answers; doctor --source tells."
_AGAIN_MEND: Final = "Wait for the next sweep, or look at the way there."


def _not_found(path: str) -> SourceFault:
    what, mend = "There is nothing at this path.", "Correct the path in the connector manifest."
    return SourceFault(Reason.NOT_FOUND, what, where=path, mend=mend, status=404)


def _forbidden(path: str, status: int) -> SourceFault:
    mend = "Give the service user the right to view it."
    return SourceFault(Reason.FORBIDDEN, f"It answered {status}.", where=path, mend=mend, status=status)


def _at_page(fault: SourceFault, page: int) -> SourceFault:
    fault.page = page
    return fault


def _check_status(answer: _Answer, path: str, base: str) -> None:
    """Raise what a status other than 200 and 404 means."""
    status = answer.status
    if status in (200, 201, 404):
        return
    if 300 <= status < 400 or status == 410:
        location = answer.headers.get("location", "")
        if status != 410 and not _is_same_origin(location, base):
            what = f"It sends us to another host ({shown(urlsplit(location).netloc)}); that was not followed."
            mend = "If SMART360 has moved, correct url in the tenant file."
            raise SourceFault(Reason.REDIRECT_REFUSED, what, where=path, mend=mend, status=status)
        to = f" to {shown(urlsplit(location).path)}" if location else ""
        mend = "Correct the line api: of the connector manifest, or the path of this type."
        raise SourceFault(Reason.MOVED, f"It answered {status}: moved{to}.", where=path, mend=mend, status=status)
    if status in (401, 403):
        raise _forbidden(path, status)
    reason = Reason.NETWORK if status == 407 else Reason.SERVER_ERROR
    raise SourceFault(reason, f"It answered {status}.", where=path, mend=_SHAPE_MEND, status=status)


def _is_same_origin(location: str, base: str) -> bool:
    to, home = urlsplit(location), urlsplit(base)
    return not to.netloc or (to.scheme or home.scheme, to.netloc) == (home.scheme, home.netloc)


def _network_fault(error: httpx.TransportError, path: str) -> SourceFault:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason or "refused"
            mend = "Mend the certificate there; for an own authority name its file in the settings."
            return SourceFault(Reason.TLS, f"No safe connection: {why}.", where=path, mend=mend)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.RemoteProtocolError) and "complete message body" in str(error):
        return SourceFault(Reason.TRUNCATED, "The answer ends early.", where=path, mend=_AGAIN_MEND)
    return SourceFault(Reason.NETWORK, "The connection broke.", where=path, mend=_AGAIN_MEND)


_ESCAPE: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.S)
_SUSPECT: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def _content(answer: _Answer, path: str) -> Content:
    """The outermost level of a good answer: what it says it is and what it holds, before anything is believed."""
    if answer.status not in (200, 201):
        return None
    body = answer.body
    if "json" not in answer.headers.get("content-type", "").lower():
        what = f"No JSON: {_beginning(body)}"
        raise SourceFault(Reason.NOT_JSON, what, where=path, mend="See in a browser what stands there.", status=200)
    try:
        if not body.isascii():
            body.decode()
        is_text = b"\0" not in body and not (_SUSPECT.search(body) and _has_bad_escape(body))
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        what = "It holds bytes or characters that are no text."
        raise SourceFault(Reason.BAD_ENCODING, what, where=path, mend="Mend the text in SMART360.", status=200)
    try:
        if body.lstrip()[:1] == b"{":
            return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(body, type=msgspec.Raw)
    except RecursionError:
        what = "It is nested too deep."
        raise SourceFault(Reason.BAD_SHAPE, what, where=path, mend=_SHAPE_MEND, status=200) from None
    except msgspec.MsgspecError as error:
        if "truncated" in str(error):
            raise SourceFault(Reason.TRUNCATED, "The JSON ends early.", where=path, mend=_AGAIN_MEND) from None
        what = f"No JSON: {_beginning(body)}"
        raise SourceFault(Reason.NOT_JSON, what, where=path, mend=_SHAPE_MEND, status=200) from None


def _has_bad_escape(body: bytes) -> bool:
    """True for an escaped NUL or half a surrogate pair."""
    open_until = -1  #: where the second half of a pair must stand
    for match in _ESCAPE.finditer(body):
        code = int(match[1], 16) if match[1] else 1
        is_second = 0xDC00 <= code <= 0xDFFF
        if code == 0 or (match.start() != open_until if is_second else open_until >= 0):
            return True
        open_until = match.end() if 0xD800 <= code <= 0xDBFF else -1
    return open_until >= 0


def _placed(content: Content, place: str) -> msgspec.Raw | None:
    """What stands at a dotted place, undecoded."""
    for part in place.split(".") if place else ():
        if isinstance(content, msgspec.Raw):
            content = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        content = content.get(part) if content is not None else None
    if isinstance(content, dict):
        return msgspec.Raw(msgspec.json.encode(content))
    return content


def _privileges(answer: _Answer, manifest: Manifest) -> tuple[str, ...] | None:
    """The user's privileges as texts, whatever fields they have."""
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(told, dict):
        told = told.get(manifest.content.lists.paging.rows)
    if answer.status != 200 or not isinstance(told, list):
        return None
    texts = (" ".join(map(str, each.values())) if isinstance(each, dict) else str(each) for each in told)
    return tuple(sorted(set(texts)))


def _date(headers: httpx.Headers) -> datetime | None:
    try:
        moment = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _retry_after(headers: httpx.Headers) -> float:
    """Seconds to wait; 0 where none are told, or nonsense, or a moment that has passed (F32)."""
    told = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", told):
        return float(told)
    try:
        until = parsedate_to_datetime(told)
        until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    except ValueError:
        return 0
    # By the clock of the source: ours may differ.
    here = _date(headers) or datetime.now(UTC)
    return max(0.0, (until - here).total_seconds())


def _beginning(body: bytes) -> str:
    """The first characters of an answer, without values: a page that is cut may hold a secret."""
    text = body[:400].decode("utf-8", "replace")
    return shown(re.sub(r'(:\s*)("(?:[^"\\]|\\.)*"?|[0-9.eE+-]+)', r"\1…", text))
