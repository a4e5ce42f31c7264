"""The rules in force: what they find now, and how far people trust each (S7)."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from monitor.deps import Deps
from monitor.store.seen import Tenants
from monitor.web.frame import Web, seen_by
from rules.pack import Pack, Rule
from rules.precision import LEAST, Precision, total


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule with its figures."""

    rule: Rule
    figures: Precision


@dataclass(frozen=True, slots=True)
class RulesView:
    """Everything the page shows."""

    lines: Sequence[RuleLine]
    packs: Sequence[tuple[Pack, Precision]]
    targets: int
    floor: float
    least: int = LEAST

    @property
    def review(self) -> Sequence[RuleLine]:
        """Rules proposed for review, least trusted first."""
        doubtful = [each for each in self.lines if each.figures.is_doubtful(self.floor)]
        return sorted(doubtful, key=lambda each: (each.figures.ratio or 0, each.rule.id))

    @property
    def failing(self) -> Sequence[RuleLine]:
        """Rules with open findings, worst first."""
        found = [each for each in self.lines if each.figures.open]
        return sorted(found, key=lambda each: (each.rule.severity.rank, -each.figures.targets, each.rule.id))

    @property
    def sentence(self) -> str:
        """The one thing to know."""
        count = len(self.review)
        if not count:
            return f"No rule is proposed for review. {len(self.lines)} are in force."
        return f"{count} of {len(self.lines)} rules {'are' if count > 1 else 'is'} proposed for review."


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/rules")
    def rules(request: Request) -> HTMLResponse:
        return web.page(request, "rules.html", view=rules_view(web.deps, seen_by(request)))

    return router


def rules_view(deps: Deps, seen: Tenants = None) -> RulesView:
    """All rules as of now."""
    with deps.store.read(seen) as unit:
        found, targets = unit.findings.precisions(), len(unit.targets.all())
    lines = [RuleLine(rule, found.get(rule.id, Precision())) for rule in deps.packs.rules]
    packs = [(pack, total(each.figures for each in lines if each.rule.pack == pack.name)) for pack in deps.packs.packs]
    return RulesView(lines, packs, targets, deps.settings.precision_floor)
