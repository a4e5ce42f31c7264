"""What nobody guards, as it was worked out for each target (``rules coverage TARGET --keep``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from monitor.deps import Deps
from monitor.store.seen import Tenants
from monitor.target import Target
from monitor.web.frame import Web, seen_by

MOST = 100  #: fields shown of one target


@dataclass(frozen=True, slots=True)
class Guarded:
    """One target and the report kept for it; it takes up to a minute, so no page works it out."""

    target: Target
    report: Mapping[str, Any] | None
    outdated: str = ""  #: why it is not of now, "" where it is

    @property
    def at(self) -> datetime:
        """When it was worked out."""
        assert self.report is not None
        return datetime.fromisoformat(self.report["at"])

    @property
    def missed(self) -> Sequence[Mapping[str, Any]]:
        """Fields in which a rule should see what it does not."""
        fields = self.report["fields"] if self.report is not None else ()
        return [each for each in fields if each["must_be_seen"] and each["total"] > each["rule"]]

    @property
    def command(self) -> str:
        """What works it out."""
        return f"smart360-monitor rules coverage {self.target.name} --keep"


@dataclass(frozen=True, slots=True)
class CoverageView:
    """Everything the page shows."""

    targets: Sequence[Guarded]
    most: int = MOST


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/rules/coverage")
    def coverage(request: Request) -> HTMLResponse:
        return web.page(request, "coverage.html", view=coverage_view(web.deps, seen_by(request)))

    return router


def coverage_view(deps: Deps, seen: Tenants = None) -> CoverageView:
    """The page, from what was kept."""
    with deps.store.read(seen) as unit:
        targets = unit.targets.all()
        current, kept = unit.baselines.current_of(targets), unit.targets.coverage_reports()
    found = []
    for target in targets:
        report, baseline = kept.get(target.id), current.get(target.id)
        outdated = ""
        if report is not None and report["baseline"] != (baseline.version if baseline is not None else None):
            outdated = "another baseline is approved since"
        elif report is not None and report["packs"] != deps.packs.digest:
            outdated = "rules have changed since"
        found.append(Guarded(target, report, outdated))
    return CoverageView(found)
