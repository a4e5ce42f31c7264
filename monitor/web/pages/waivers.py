"""What may stay wrong, why and until when: asked for, in force, over (S12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from monitor.access import Actor, Right
from monitor.deps import Deps
from monitor.waivers import matches_of
from monitor.web.frame import VISITOR, Web, actor_of
from monitor.web.words import age
from rules.lifecycle import Known
from rules.waivers import Waiver


@dataclass(frozen=True, slots=True)
class WaiverLine:
    """One waiver, and what who looks may do about it."""

    waiver: Waiver
    word: str  #: ``asked``, ``in force``, ``ended``, ``refused``, ``too late``
    matches: Sequence[Known]
    notes: Sequence[str]
    acts: Sequence[str]  #: some of ``approve``, ``refuse``, ``end``
    held_by_own: bool  #: who looks could approve it, had somebody else asked for it


@dataclass(frozen=True, slots=True)
class WaiversView:
    """Everything the page shows."""

    lines: Sequence[WaiverLine]
    now: datetime
    zone: str

    @property
    def asked(self) -> Sequence[WaiverLine]:
        """Those that wait for a second person."""
        return [each for each in self.lines if each.word == "asked"]

    @property
    def in_force(self) -> Sequence[WaiverLine]:
        """Those in force, those that end first first."""
        return [each for each in self.lines[::-1] if each.word == "in force"]

    @property
    def over(self) -> Sequence[WaiverLine]:
        """The rest, the newest first."""
        return [each for each in self.lines if each.word not in ("asked", "in force")]

    @property
    def sentence(self) -> str:
        """The one thing to know."""
        waiting, count = len(self.asked), len(self.in_force)
        held = f"{count} in force." if count else "None is in force."
        if waiting:
            return f"{waiting} waiver{'s wait' if waiting > 1 else ' waits'} for approval. {held}"
        return f"No waiver waits for approval. {held}"


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/settings/waivers")
    def waivers(request: Request) -> HTMLResponse:
        return web.page(request, "waivers.html", view=waivers_view(web.deps, actor_of(request)))

    return router


def waivers_view(deps: Deps, actor: Actor = VISITOR) -> WaiversView:
    """All waivers of targets that may be seen, as of now."""
    now = deps.clock.now()
    with deps.store.read(actor.tenants()) as unit:
        kept = unit.waivers.all()
        matches = matches_of(unit, [each for each in kept if each.word(now) in ("asked", "in force")])
    found = {each.number: [known for _, known in matches.get(each.number, ())] for each in kept}
    lines = [line_of(each, found[each.number], actor, now, four_eyes=deps.settings.four_eyes) for each in kept]
    return WaiversView(lines, now, "UTC")


def line_of(
    waiver: Waiver, matches: Sequence[Known], actor: Actor, now: datetime, *, four_eyes: bool
) -> WaiverLine:  # fmt: skip
    """One waiver as somebody sees it."""
    word, tenant = waiver.word(now), waiver.targets[0].split("/")[0]
    is_own, may_approve = waiver.asked_by == actor.name, actor.may(Right.APPROVE, tenant)
    is_held = four_eyes and is_own and may_approve
    allowed = {
        "approve": word == "asked" and may_approve and not is_held,
        "refuse": word == "asked" and (may_approve or (is_own and actor.may(Right.PROPOSE, tenant))),
        "end": word == "in force" and actor.may(Right.PROPOSE, tenant),
    }
    notes = [f"ends in {age(waiver.ends - now)}"] if waiver.ends_soon(now) else []
    notes += ["matches nothing"] if word in ("asked", "in force") and not matches else []
    return WaiverLine(
        waiver, word, matches, notes, [act for act, may in allowed.items() if may], word == "asked" and is_held
    )
