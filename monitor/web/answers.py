"""How the API reads and answers: strict bodies, problems as RFC 9457, cursors, and writes that are done once."""

import base64
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
import orjson
from fastapi import Depends, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from baselines.errors import ApprovalRefused, DamagedContent, Smart360Error
from monitor.access import Actor
from monitor.deps import Deps
from monitor.errors import NotAllowed, NotFound, TooOften, UnknownTarget
from monitor.store.unit import Unit
from monitor.store.values import content_of
from monitor.web.frame import actor_of

BASE: Final = "/api/v1"
MOST_BYTES: Final = 1 << 20
NOTHING_HERE: Final = "There is nothing here that you may see."
T = TypeVar("T")

#: Codes of ``ApprovalRefused`` that are about what was sent; the others are about how things stand.
_ABOUT_WHAT_WAS_SENT: Final = frozenset({"no_reason", "unknown_change"})
_STATUS: Final[tuple[tuple[type[Smart360Error], int], ...]] = (
    (NotFound, 404), (UnknownTarget, 404), (NotAllowed, 403), (TooOften, 429), (DamagedContent, 500),
)  # fmt: skip
#: Codes of problems that are no error of ours, by status.
_CODES: Final = {400: "malformed", 404: "not_found", 413: "too_large", 415: "not_json", 422: "invalid"}


class Problem(msgspec.Struct, omit_defaults=True):
    """What went wrong, as RFC 9457 says it."""

    type: Annotated[str, msgspec.Meta(examples=["urn:smart360-monitor:problem:not_allowed"])]
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    where: Annotated[str, msgspec.Meta(description="What the detail is about.")] = ""
    code: Annotated[str, msgspec.Meta(description="The last word of the type.")] = ""
    mend: Annotated[str, msgspec.Meta(description="What would help.")] = ""


def is_asked(request: Request) -> bool:
    """True if a request is for the API, so that what goes wrong is told as a problem."""
    return request.url.path.startswith(f"{BASE}/")


def problem(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None, *, code: str = "",
    mend: str = "", where: str = "",
) -> Response:  # fmt: skip
    """A problem as ``application/problem+json``."""
    title = HTTPStatus(status).phrase
    code = code or _CODES.get(status, title.lower().replace(" ", "_"))
    told = Problem(f"urn:smart360-monitor:problem:{code}", title, status, detail, request.url.path, where, code, mend)
    safe = {name: _shown(value) for name, value in msgspec.to_builtins(told).items()}
    return Response(orjson.dumps(safe), status, headers, media_type="application/problem+json")


def _shown(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def status_of(error: Smart360Error) -> int:
    """The HTTP status of an error; what may not be seen is told as what is not there."""
    if isinstance(error, ApprovalRefused):
        return 422 if error.code in _ABOUT_WHAT_WAS_SENT else 409
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 422)


def problem_of(request: Request, error: Smart360Error) -> Response:
    """An error as a problem."""
    status = status_of(error)
    headers = {"Retry-After": str(error.after_s)} if isinstance(error, TooOften) else None
    told = f"{error.where}: {error.what}"
    return problem(request, status, told, headers, code=error.code, mend=error.mend, where=error.where)


def invalid(request: Request, error: RequestValidationError) -> Response:
    """Each value that cannot be read."""
    told = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return problem(request, 422, "; ".join(told))


def refuse_unknown_parameters(request: Request) -> None:
    """A misspelt filter must not read as "everything"."""
    route = request.scope["route"]
    known = set(_parameters(route.dependant))
    if unknown := sorted(set(request.query_params) - known):
        told = f"Known here: {', '.join(sorted(known))}." if known else "None is known here."
        raise HTTPException(422, f"Unknown query parameter {unknown[0]}. {told}")


def _parameters(dependant: Any) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _parameters(each)


class StrictRoute(APIRoute):
    """A write has one JSON document, of at most 1 MiB and without a key twice (B56)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route behind the check."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.method == "POST":
                await _refuse_bad_body(request)
            return await handle(request)

        return strict


async def _refuse_bad_body(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send application/json.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, "A body has 1 MiB at most.")
    request._body = body  # where FastAPI looks for it
    try:
        json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        told = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise HTTPException(400, f"The body is no JSON: {told}.") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands there twice")
    return made


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


class Body(BaseModel):
    """What is sent with a write; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Asked:
    """A write: who asks, and under which key."""

    request: Request
    actor: Actor
    route: str
    key: str
    deps: Deps

    def once(
        self, body: Body, act: Callable[[Unit], T], tell: Callable[[Unit, T], Mapping[str, Any]], *,
        is_kept: bool = True,
    ) -> Response:  # fmt: skip
        """Do it and answer, all in one transaction; under a key that was answered before, only answer the same.

        Args:
            act: calls a story; what it raises undoes everything.
            tell: the answer, read in the same transaction.
            is_kept: the answer may be written down; a secret may not.

        Raises:
            KeyUsed: something else was sent under this key.
        """
        now, digest = self.deps.clock.now(), content_of(body.model_dump(mode="json"))
        with self.deps.store.joined(self.actor.tenants()) as unit:
            if self.key and is_kept:
                kept = unit.idempotency.begin(self.actor.name, self.route, self.key, digest, now)
                if kept is not None:
                    if kept[0] != digest:
                        raise KeyUsed(self.key)
                    return Response(kept[1], media_type="application/json")
            reply = bytes(JSONResponse(tell(unit, act(unit))).body)
            if self.key and is_kept:
                unit.idempotency.end(self.actor.name, self.route, self.key, reply)
        return Response(reply, media_type="application/json")


class KeyUsed(Smart360Error):
    """An idempotency key under which something else was sent before."""

    code = "key_used"

    def __init__(self, key: str) -> None:
        what = "another body was sent under this key."
        super().__init__(what, where=f"Idempotency-Key {key}", mend="Take a new key for each act.")


def asking(deps: Deps) -> Any:
    """The dependency of a write route."""

    def asked(
        request: Request,
        key: Annotated[
            str, Header(alias="Idempotency-Key", max_length=200, pattern="^[!-~]*$",
                        description="Of your making; sent again with the same body, nothing is done twice.")
        ] = "",
    ) -> Asked:  # fmt: skip
        return Asked(request, actor_of(request), f"{request.method} {request.url.path}", key, deps)

    return Depends(asked)


def cursor_of(kind: str, place: Sequence[Any]) -> str:
    """Where the next page of a list begins; only the same list takes it back."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, *place])).decode()


def place_in(cursor: str, kind: str, types: Sequence[Any]) -> tuple[Any, ...]:
    """The place that a cursor names.

    Raises:
        HTTPException: 422, it is none of this list.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor))
        told, *place = [msgspec.convert(value, each) for value, each in zip(found, (str, *types), strict=True)]
        if told != kind:
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise HTTPException(422, "cursor: not one of this list; take next_cursor as it came.") from None
    return tuple(place)


def page(
    several: Iterable[T], place: Callable[[T], str | int], kind: type, limit: int, cursor: str
) -> tuple[list[T], str | None]:
    """The items after a cursor, and the cursor of the next; what comes and goes meanwhile moves no other item."""
    rest = sorted(several, key=place)
    if cursor:
        (after,) = place_in(cursor, "", (kind,))
        rest = [each for each in rest if place(each) > after]
    shown = rest[:limit]
    return shown, cursor_of("", [place(shown[-1])]) if len(rest) > limit else None


_shapes: Final[dict[str, Any]] = {"Problem": Problem}


def tells(shape: Any) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for its description: a type of ``reports/items.py``."""
    _shapes[shape.__name__] = shape
    return {200: _content("application/json", shape, (shape.__doc__ or "").partition("\n")[0])}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems a route may answer with."""
    return {status: _content("application/problem+json", Problem, HTTPStatus(status).phrase) for status in statuses}


def _content(kind: str, shape: Any, words: str) -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}}}


def described(version: str, routes: Sequence[Any]) -> dict[str, Any]:
    """The OpenAPI document: FastAPI's routes, and the shapes of what they tell."""
    document = get_openapi(title="smart360-monitor", version=version, routes=routes)
    _, shapes = msgspec.json.schema_components(_shapes.values(), ref_template="#/components/schemas/{name}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(shapes)
    return document
