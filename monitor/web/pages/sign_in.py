"""Sign in, by single sign-on or with a password kept here, and out again."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from monitor.errors import NotSignedIn
from monitor.people import back_from_sign_on, sign_in, sign_on, sign_out, start_sign_on
from monitor.web.frame import Web
from monitor.web.session import (
    cookie_name,
    csrf_of,
    is_loopback,
    new_secret,
    own_path,
    session_of,
    set_session,
)


def routes(web: Web) -> APIRouter:
    """The pages under their addresses."""
    router = APIRouter()
    deps = web.deps

    def page(request: Request, status: int = 200, *, error: str = "", login: str = "", leads_to: str = "/") -> Response:
        secret = session_of(request, deps) or new_secret()
        request.state.csrf = csrf_of(secret, deps)
        response = web.page(
            request, "sign_in.html", status, error=error, login=login, leads_to=own_path(leads_to),
            has_sign_on=bool(deps.settings.oidc_issuer), has_passwords=deps.settings.local_accounts,
        )  # fmt: skip
        set_session(response, secret, deps)
        return response

    def signed_in(secret: str, leads_to: str) -> Response:
        response = RedirectResponse(own_path(leads_to), 303)
        set_session(response, secret, deps)
        return response

    def redirect_uri(request: Request) -> str:
        host = request.headers.get("host", "")
        here = f"http://{host}" if is_loopback(host) else deps.settings.public_url.rstrip("/")
        return f"{here}/sign-in/back"

    @router.get("/sign-in")
    def show(request: Request, next: str = "/") -> Response:
        return page(request, leads_to=next)

    @router.post("/sign-in")
    def with_password(
        request: Request,
        login: Annotated[str, Form(max_length=200)],
        password: Annotated[str, Form(max_length=1000)],
        next: Annotated[str, Form(max_length=2000)] = "/",
    ) -> Response:
        if not deps.settings.local_accounts:
            return page(request, 404, error="Nobody signs in with a password here.")
        address = request.client.host if request.client else ""
        try:
            return signed_in(sign_in(login, password, address, deps), next)
        except NotSignedIn as error:
            return page(request, 429 if error.until else 401, error=error.what, login=login, leads_to=next)

    @router.post("/sign-in/sso")
    def by_sign_on(request: Request, next: Annotated[str, Form(max_length=2000)] = "/") -> Response:
        from monitor.oidc import begin

        try:
            start, address = begin(deps.settings, redirect_uri(request), own_path(next))
        except NotSignedIn as error:
            return page(request, 503, error=f"{error.what} {error.mend}", leads_to=next)
        response = RedirectResponse(address, 303)
        set_session(response, start_sign_on(start, deps), deps)
        return response

    @router.get("/sign-in/back")
    def back(request: Request) -> Response:
        from monitor.oidc import finish

        start = back_from_sign_on(session_of(request, deps), deps)
        try:
            if start is None:
                raise NotSignedIn("This sign-in was not begun here, or took too long.")
            identity = finish(deps.settings, redirect_uri(request), start, request.query_params, deps.clock.now())
            return signed_in(sign_on(identity, deps), start.leads_to)
        except NotSignedIn as error:
            return page(request, 400, error=f"{error.what} {error.mend}")

    @router.post("/sign-out")
    def out(request: Request) -> Response:
        sign_out(session_of(request, deps), deps)
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(cookie_name(deps), secure=deps.settings.public_url.startswith("https://"), httponly=True)
        return response

    return router
