"""Findings as a list: filters in the address, counts that follow the other filters, pages by cursor (S3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from baselines.severity import Severity
from monitor.deps import Deps
from monitor.store.findings_list import OPEN as NOT_RESOLVED
from monitor.store.findings_list import FindingQuery, Sort
from monitor.store.seen import Tenants
from monitor.store.unit import Unit
from monitor.web.frame import Web, address, seen_by
from monitor.web.pages.fleet import split
from monitor.web.pages.target import Head, head_of
from monitor.web.words import clock
from rules.findings import Kind
from rules.lifecycle import Known, State, state_words
from rules.waivers import as_of

MOST: Final = 50  #: rows of one page
LONGEST: Final = 100  #: characters of a filter that is typed
#: What a filter may be, in the order in which it is shown.
CHOICES: Final = {
    "severity": tuple(each.value for each in Severity), "kind": tuple(each.value for each in Kind),
    "state": tuple(each.value for each in State),
}  # fmt: skip
#: The filters, as the address names them and as the query does.
FACETS: Final = {"severity": "severities", "kind": "kinds", "state": "states", "module": "modules"}
SPANS: Final = {"1d": ("a day", timedelta(days=1)), "7d": ("7 days", timedelta(days=7)),
                "30d": ("30 days", timedelta(days=30))}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A list of findings as its address says it."""

    path: str = "/findings"
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: by facet
    target: str = ""
    rule: str = ""
    since: str = ""  #: one of ``SPANS``
    q: str = ""
    sort: str = "severity"
    cursor: str = ""
    fixed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: what the path itself says

    def at(self, **changed: Any) -> str:
        """The address of this list with something else asked; from its beginning."""
        now = replace(self, **{"cursor": "", **changed})
        sort = "" if now.sort == "severity" else now.sort
        target = "" if self.path != "/findings" else now.target
        rest = {"target": target, "rule": now.rule, "since": now.since, "q": now.q, "sort": sort, "cursor": now.cursor}
        return address(self.path, {**{name: now.filters.get(name, ()) for name in FACETS}, **rest})

    def without(self) -> str:
        """The address of the list without any filter."""
        return self.path

    @property
    def is_filtered(self) -> bool:
        """True if anything is left out."""
        typed = self.rule or self.since or self.q or (self.target and self.path == "/findings")
        return bool(typed or any(self.filters.values()))

    def query(self, now: datetime) -> FindingQuery:
        """The same, as the store is asked."""
        since = now - SPANS[self.since][1] if self.since else None
        chosen = {**self.filters, **self.fixed}
        return FindingQuery(
            self.target, frozenset(map(Severity, chosen.get("severity", ()))),
            frozenset(map(Kind, chosen.get("kind", ()))), frozenset(chosen.get("module", ())),
            frozenset(map(State, chosen.get("state", ()))) or NOT_RESOLVED, since, self.q, self.rule,
            sort=Sort(self.sort),
        )  # fmt: skip

    @property
    def command(self) -> str:
        """The same list in the terminal."""
        words = ["smart360-monitor findings list", *([self.target] if self.target else [])]
        for name, values in {**self.filters, **self.fixed}.items():
            words += [f"--{name} {','.join(values)}"] if values else []
        for name in ("rule", "since", "q"):
            words += [f"--{name} {getattr(self, name)}"] if getattr(self, name) else []
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Choice:
    """One box of a filter."""

    value: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class FindingsView:
    """Everything the page shows."""

    now: datetime
    asked: Asked
    rows: Sequence[tuple[str, Known]]
    following: str  #: cursor
    total: int
    unfiltered: int
    tally: Mapping[str, Mapping[str, int]]
    zones: Mapping[str, str]  #: by target
    modules: Mapping[str, str]  #: titles by name
    head: Head | None = None  #: of the target whose page this is

    @property
    def zone(self) -> str:
        """Of the page: the target's, or that of all targets if it is one, else UTC."""
        zones = {self.head.zone} if self.head is not None else set(self.zones.values())
        return zones.pop() if len(zones) == 1 else "UTC"

    @property
    def sentence(self) -> str:
        """How many, of what."""
        if self.asked.fixed.get("kind") == (Kind.DRIFT.value,):
            return f"{self.total} change{'s' if self.total != 1 else ''} nobody expected"
        return f"{self.total} finding{'s' if self.total != 1 else ''}"

    def state(self, name: str, known: Known) -> str:
        """``open``, ``acknowledged by Carla``, ``snoozed until Fri 08:00 by carla``."""
        return state_words(known, lambda at: clock(at, self.zones[name], self.now), self.now)

    def choices(self, name: str) -> Sequence[Choice]:
        """The boxes of a filter: what occurs, and what is chosen."""
        counts, chosen = self.tally[FACETS[name]], self.asked.filters.get(name, ())
        values = CHOICES.get(name) or tuple(each for each in self.modules if each in {*counts, *chosen})
        shown = [each for each in values if counts.get(each) or each in chosen or each == State.RESOLVED]
        labels = self.modules if name == "module" else {}
        return [
            Choice(each, labels.get(each, each.capitalize()), counts.get(each, 0), each in chosen) for each in shown
        ]


def asked_of(request: Request, **given: Any) -> Asked:
    """What an address asks for; what cannot be is left out."""
    query = request.query_params
    filters = {}
    for name in FACETS:
        values = split(request, name)
        filters[name] = tuple(each for each in CHOICES.get(name, values) if each in values)[:20]
    since, sort = query.get("since", ""), query.get("sort", "")
    texts = {name: query.get(name, "").strip()[:LONGEST] for name in ("target", "rule", "q", "cursor")}
    return Asked(
        **{"filters": filters, "since": since if since in SPANS else "",
           "sort": sort if sort in set(Sort) else "severity", **texts, **given}
    )  # fmt: skip


def routes(web: Web) -> APIRouter:
    """The list of all that who asks may see, and those of one target."""
    router = APIRouter()

    @router.get("/findings")
    def everywhere(request: Request) -> HTMLResponse:
        return web.page(request, "findings.html", view=findings_view(web.deps, seen_by(request), asked_of(request)))

    @router.get("/targets/{tenant}/{environment}/findings")
    def of_target(request: Request, tenant: str, environment: str) -> HTMLResponse:
        name = f"{tenant}/{environment}"
        asked = asked_of(request, path=f"/targets/{name}/findings", target=name)
        return web.page(request, "findings.html", view=findings_view(web.deps, seen_by(request), asked))

    @router.get("/targets/{tenant}/{environment}/drift")
    def drift_of(request: Request, tenant: str, environment: str) -> HTMLResponse:
        name = f"{tenant}/{environment}"
        fixed = {"kind": (Kind.DRIFT.value,)}
        asked = asked_of(request, path=f"/targets/{name}/drift", target=name, fixed=fixed)
        asked = replace(asked, filters={**asked.filters, "kind": ()})
        return web.page(request, "findings.html", view=findings_view(web.deps, seen_by(request), asked))

    return router


def findings_view(deps: Deps, seen: Tenants = None, asked: Asked | None = None) -> FindingsView:
    """One page of a list as of now.

    Raises:
        UnknownTarget: it is a target's page, and that is not watched.
    """
    now, asked = deps.clock.now(), asked or Asked()
    with deps.store.read(seen) as unit:
        head = head_of(unit, asked.target, deps) if asked.path != "/findings" else None
        found, following = unit.finding_list.page(asked.query(now), asked.cursor, MOST)
        tally = unit.finding_list.tally(asked.query(now))
        bare = replace(asked, filters={}, rule="", since="", q="", target=asked.target if head else "")
        rows = as_of(found, unit.waivers.in_force(now), now)
        return FindingsView(
            now, asked, rows, following, _total(tally),
            _total(unit.finding_list.tally(bare.query(now))) if asked.is_filtered else _total(tally), tally,
            zones_of(unit, [name for name, _ in found]),
            {each.name: each.title for each in (deps.catalogue_of(head.target) if head else deps.catalogue).modules},
            head,
        )  # fmt: skip


def _total(tally: Mapping[str, Mapping[str, int]]) -> int:
    return tally[""].get("", 0)


def zones_of(unit: Unit, names: Sequence[str]) -> Mapping[str, str]:
    """The zone of each of these targets."""
    wanted = set(names)
    return {each.name: each.definition.time_zone for each in unit.targets.all() if each.name in wanted}
