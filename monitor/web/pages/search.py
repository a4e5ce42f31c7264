"""What is looked for by name, number, key or words; and the page that lists the keys (§4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from monitor.deps import Deps
from monitor.store.findings_list import FindingQuery
from monitor.store.seen import Tenants
from monitor.target import Target
from monitor.web.frame import Web, seen_by
from rules.lifecycle import Known
from rules.pack import Rule


@dataclass(frozen=True, slots=True)
class SearchView:
    """What was found, of what who asks may see."""

    q: str
    targets: Sequence[Target]
    findings: Sequence[tuple[str, Known]]  #: the worst
    count: int  #: findings in all
    rules: Sequence[Rule]

    @property
    def total(self) -> int:
        """All that was found."""
        return len(self.targets) + self.count + len(self.rules)

    @property
    def only(self) -> str:
        """Where the one hit is; "" where there are more, or none."""
        if self.total != 1:
            return ""
        if self.targets:
            return f"/targets/{self.targets[0].name}"
        return f"/findings/{self.findings[0][1].number}" if self.findings else f"/findings?rule={self.rules[0].id}"


def routes(web: Web) -> APIRouter:
    """The pages under their addresses."""
    router = APIRouter()

    @router.get("/search")
    def search(request: Request, q: Annotated[str, Query(max_length=80)] = "") -> Response:
        view = search_view(q.strip(), web.deps, seen_by(request))
        return RedirectResponse(view.only, 303) if view.only else web.page(request, "search.html", view=view)

    @router.get("/keyboard")
    def keyboard(request: Request) -> Response:
        return web.page(request, "keyboard.html")

    return router


def search_view(q: str, deps: Deps, seen: Tenants = None) -> SearchView:
    """Targets by name, findings by number or object, rules by their words; "" finds nothing."""
    if not q:
        return SearchView("", (), (), 0, ())
    words = q.casefold()
    with deps.store.read(seen) as unit:
        targets = [each for each in unit.targets.all() if words in f"{each.name} {each.title}".casefold()]
        numbered = unit.findings.numbered(q)
        asked = FindingQuery(words=q)
        found = [numbered] if numbered is not None else unit.finding_list.listed(asked, 20)
        count = 1 if numbered is not None else unit.finding_list.count(asked)
    rules = [each for each in deps.packs.rules if words in f"{each.id} {each.title}".casefold()]
    return SearchView(q, targets, found, count, rules)
