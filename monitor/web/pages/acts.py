"""What people do on pages: each form posts here, a story does it, and the page it came from is shown again.

The pattern: the route only parses; ``Actor`` goes to the story, which refuses; refusals become pages in one place
(``monitor/web/app.py``); the answer is a redirect (303), so that reloading does nothing twice.
"""

from datetime import date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime

from monitor.care import acknowledge, acknowledge_fleet, assign, expect, reopen, snooze
from monitor.care import note as keep_note
from monitor.errors import NotFound
from monitor.waivers import approve_waiver, ask_waiver, end_waiver, refuse_waiver
from monitor.web.frame import Web, actor_of, seen_by
from monitor.web.session import back_of

Note = Annotated[str, Form(max_length=2000)]
Name = Annotated[str, Form(max_length=200)]
Day = Annotated[date, Form()]


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

    @router.post("/findings/{number}/assign")
    def assigned(request: Request, number: str, to: Name = "", note: Note = "") -> RedirectResponse:
        assign(number, to, note, actor_of(request), web.deps)
        return RedirectResponse(back_of(request), 303)

    @router.post("/findings/{number}/expect")
    def expected(request: Request, number: str, ticket: Name, until: Day, note: Note = "") -> RedirectResponse:
        expect(number, ticket, morning(number, until, request), note, actor_of(request), web.deps)
        return RedirectResponse(back_of(request), 303)

    @router.post("/findings/{number}/waiver")
    def waiver(request: Request, number: str, reason: Note, ends: Day, ticket: Name = "") -> RedirectResponse:
        made = ask_waiver(number, reason, morning(number, ends, request), actor_of(request), web.deps, ticket=ticket)
        return RedirectResponse(f"/settings/waivers#w{made.number}", 303)

    @router.post("/settings/waivers/{waiver}/approve")
    def waiver_approved(request: Request, waiver: int, note: Note = "") -> RedirectResponse:
        approve_waiver(waiver, note, actor_of(request), web.deps)
        return RedirectResponse(f"/settings/waivers#w{waiver}", 303)

    @router.post("/settings/waivers/{waiver}/refuse")
    def waiver_refused(request: Request, waiver: int, note: Note = "") -> RedirectResponse:
        refuse_waiver(waiver, note, actor_of(request), web.deps)
        return RedirectResponse(f"/settings/waivers#w{waiver}", 303)

    @router.post("/settings/waivers/{waiver}/end")
    def waiver_ended(request: Request, waiver: int, note: Note = "") -> RedirectResponse:
        end_waiver(waiver, note, actor_of(request), web.deps)
        return RedirectResponse(f"/settings/waivers#w{waiver}", 303)

    @router.post("/fleet-events/{event}/acknowledge")
    def acknowledged_event(request: Request, event: int, note: Note = "") -> RedirectResponse:
        acknowledge_fleet(event, note, actor_of(request), web.deps)
        return RedirectResponse(back_of(request), 303)

    def morning(number: str, day: date, request: Request) -> datetime:
        """08:00 of a day at the target of a finding."""
        with web.deps.store.read(seen_by(request)) as unit:
            found = unit.findings.numbered(number)
            if found is None:
                raise NotFound("no such finding.", where=number, mend="See the list of findings.")
            return datetime.combine(day, time(8), unit.targets.named(found[0]).zone)

    return router
