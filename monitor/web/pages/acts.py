"""What people do on pages: each form posts here, a story does it, and the page it came from is shown again.

The pattern: the route only parses; ``Actor`` goes to the story, which refuses; refusals become pages in one place
(``monitor/web/app.py``); the answer is a redirect (303), so that reloading does nothing twice.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime

from monitor.care import acknowledge, reopen, snooze
from monitor.care import note as keep_note
from monitor.web.frame import Web, actor_of
from monitor.web.session import back_of

Note = Annotated[str, Form(max_length=2000)]


def routes(web: Web) -> APIRouter:
    """The acts under their addresses."""
    router = APIRouter()

    @router.post("/findings/{number}/acknowledge")
    def acknowledged(request: Request, number: str, note: Note = "") -> RedirectResponse:
        acknowledge(number, note, actor_of(request), web.deps)
        return RedirectResponse(back_of(request), 303)

    @router.post("/findings/{number}/snooze")
    def snoozed(
        request: Request, number: str, until: Annotated[AwareDatetime, Form()], note: Note = ""
    ) -> RedirectResponse:  # fmt: skip
        snooze(number, until, note, actor_of(request), web.deps)
        return RedirectResponse(back_of(request), 303)

    @router.post("/findings/{number}/note")
    def noted(request: Request, number: str, note: Note = "") -> RedirectResponse:
        keep_note(number, note, actor_of(request), web.deps)
        return RedirectResponse(back_of(request), 303)

    @router.post("/findings/{number}/reopen")
    def reopened(request: Request, number: str, note: Note = "") -> RedirectResponse:
        reopen(number, note, actor_of(request), web.deps)
        return RedirectResponse(back_of(request), 303)

    return router
