"""Who asks: a session, a token, or nobody. Denied by default; sets ``request.state.actor`` and ``request.state.csrf``.

A path that anybody may ask stands in OPEN; every other needs somebody. Who may look without signing in, on a service
that listens on this machine alone, is VISITOR.
"""

import hmac
import re
import secrets
from typing import Final
from urllib.parse import quote, urlsplit

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from monitor.access import EVERYWHERE, Actor, Right
from monitor.deps import Deps
from monitor.errors import NotAllowed
from monitor.people import LASTS, actor_of_session, actor_of_token, keyed, note_refusal
from monitor.web.frame import NOBODY, VISITOR

OPEN: Final = re.compile(r"/(healthz|readyz|sign-in|sign-in/[a-z-]+|static/.*|shared/[\w-]{1,100}|slack/[a-z]+)")
SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
#: Asks from this machine, to a service that listens on it alone, may read the metrics (contracts §6).
SCRAPER: Final = Actor("scraper", {EVERYWHERE: frozenset({Right.METRICS})}, is_person=False)
FIELD: Final = "csrf"
HEADER: Final = "HX-CSRF"
_LOOPBACK: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
_OWN_PATH: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


class Denied(HTTPException):
    """Nobody signed in, or shows something that opens nothing."""

    def __init__(self) -> None:
        detail = "Sign in, or send a token: Authorization: Bearer …"
        super().__init__(401, detail, {"WWW-Authenticate": 'Bearer realm="smart360-monitor"'})


def is_loopback(host: str) -> bool:
    """True for a name of this machine, with or without a port."""
    return _LOOPBACK.fullmatch(host) is not None


def is_own_name(request: Request, deps: Deps) -> bool:
    """True if the service is asked under a name it has; a token or the health of a pod may be asked under any."""
    host = request.headers.get("host", "")
    named = urlsplit(deps.settings.public_url).netloc if deps.settings.can_sign_in else ""
    is_any = request.url.path in ("/healthz", "/readyz") or _bearer(request) is not None
    return is_any or is_loopback(host) or (bool(named) and host == named)


def cookie_name(deps: Deps) -> str:
    """Of the session; without https, on loopback, browsers refuse the prefix that only a secure cookie may have."""
    return "__Host-smart360" if _is_secure(deps) else "smart360"


def set_session(response: Response, secret: str, deps: Deps) -> None:
    """Give a browser its session."""
    response.set_cookie(
        cookie_name(deps), secret, max_age=int(LASTS.total_seconds()), secure=_is_secure(deps), httponly=True,
        samesite="lax", path="/",
    )  # fmt: skip


def session_of(request: Request, deps: Deps) -> str:
    """What a browser shows as its session; "" for nothing that can be one."""
    shown = request.cookies.get(cookie_name(deps), "")
    return shown if len(shown) < 100 else ""


def new_secret() -> str:
    """For a browser that is about to sign in: its form is bound to it."""
    return secrets.token_urlsafe(32)


def csrf_of(secret: str, deps: Deps) -> str:
    """What every form of this session carries; "" for no session."""
    return keyed(secret, "csrf", deps) if secret else ""


def own_path(text: str) -> str:
    """Where to go next: only on this site, else its first page (B65)."""
    return text if _OWN_PATH.fullmatch(text) else "/"


def back_of(request: Request) -> str:
    """The page a form was sent from, so that it is shown again with what is now true."""
    came_from = urlsplit(request.headers.get("referer", ""))
    if came_from.netloc != request.headers.get("host"):
        return "/"
    return own_path(came_from.path + (f"?{came_from.query}" if came_from.query else ""))


async def recognise(request: Request, deps: Deps, *, on_loopback: bool) -> Response | None:
    """Set who asks; an answer where he must sign in first.

    Args:
        on_loopback: the service listens on this machine alone.

    Raises:
        Denied: where signing in would not help: a program asks, or something is to be done.
    """
    settings = deps.settings
    secret, token = session_of(request, deps), _bearer(request)
    actor = None
    if token is not None:
        actor = await run_in_threadpool(actor_of_token, token, deps)
    elif secret:
        actor = await run_in_threadpool(actor_of_session, secret, deps)
    is_here = on_loopback and _is_asked_here(request)
    request.state.csrf = csrf_of(secret, deps)
    if actor is None and token is None and is_here:
        actor = VISITOR if settings.visitors_may_look else SCRAPER if request.url.path == "/metrics" else None
    request.state.actor = actor or NOBODY
    if token is not None and actor is None:
        await run_in_threadpool(note_refusal, "token.refused", "unknown", request.url.path[:200], deps)
        raise Denied
    if request.url.path == "/metrics" and actor is not None and not is_here:
        actor.needs(Right.METRICS)
    if actor is not None or OPEN.fullmatch(request.url.path):
        return None
    if request.method not in SAFE or request.url.path.startswith("/api/") or request.url.path == "/metrics":
        raise Denied
    if "hx-request" in request.headers:  # a part of a page: the whole page goes to the sign-in
        shown = urlsplit(request.headers.get("hx-current-url", ""))
        return Response(status_code=401, headers={"HX-Redirect": f"/sign-in?next={quote(own_path(shown.path))}"})
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse("/sign-in" if asked == "/" else f"/sign-in?next={quote(asked)}", 303)


async def refuse_forged(request: Request) -> None:
    """Refuse what another site sends in the name of who is signed in: a dependency of every route.

    Raises:
        HTTPException: 403.
    """
    if request.method in SAFE or _bearer(request) is not None or request.url.path.startswith("/slack/"):
        return
    origin = request.headers.get("origin")
    is_ours = request.headers.get("sec-fetch-site", "same-origin") == "same-origin" and (
        origin is None or urlsplit(origin).netloc == request.headers.get("host")
    )
    shown = request.headers.get(HEADER)
    if shown is None and "form" in request.headers.get("content-type", ""):
        shown = str((await request.form()).get(FIELD, ""))
    expected: str = request.state.csrf
    if not (is_ours and expected and hmac.compare_digest((shown or "").encode(), expected.encode())):
        raise HTTPException(403, "This form was not sent from a page of yours, or you signed in anew since.")


def note_denied(request: Request, error: NotAllowed, deps: Deps) -> None:
    """A denied request in the audit log."""
    actor: Actor = request.state.actor
    note_refusal("request.denied", actor.name, f"{error.right} on {error.tenant}", deps)


def _is_secure(deps: Deps) -> bool:
    return deps.settings.public_url.startswith("https://")


def _is_asked_here(request: Request) -> bool:
    """True if it comes from this machine, not through a proxy on it."""
    passed_on = {"forwarded", "x-forwarded-for", "x-forwarded-host", "via"} & set(request.headers)
    return is_loopback(request.headers.get("host", "")) and not passed_on


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.casefold() == "bearer" else None
