"""What programs may read and do: ``/api/v1``, described by its own OpenAPI. A write calls a story and tells the end."""

from datetime import datetime
from importlib import metadata
from typing import Annotated, Any, Final, TypedDict

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from msgspec import Meta
from pydantic import AwareDatetime, Field

from baselines.approval import Decision, Proposal, chosen_of
from baselines.severity import Severity
from monitor.access import EVERYWHERE, Grant, Right, Role
from monitor.approval import (
    approve,
    comment,
    decide,
    hand_over,
    impact_of,
    propose_baseline,
    reject,
    review_of,
    rollback,
    send_back,
    verdict_of,
)
from monitor.care import acknowledge, acknowledge_fleet, assign, expect, mark_finding, note, reopen, snooze
from monitor.deps import Deps
from monitor.errors import InvalidAccess, NotFound
from monitor.explain import explain
from monitor.fleet import fleet_event, fleet_events
from monitor.moments import as_of, compare_moments, end_of, moment_of
from monitor.people import add_person, create_own_token, create_token, grant_role, remove, revoke_token, scope
from monitor.plan import plan_of
from monitor.reports.items import (
    ActItem,
    ApprovedItem,
    AsOfItem,
    BaselineItem,
    ComparedItem,
    EntryItem,
    FindingInFull,
    FindingItem,
    FleetItem,
    PersonItem,
    PlanHead,
    ProposalItem,
    ReviewInFull,
    ReviewItem,
    StepItem,
    TargetInFull,
    TargetItem,
    TokenItem,
    WaiverItem,
    act_item,
    approval_item,
    as_of_item,
    compared_item,
    entry_item,
    finding_in_full,
    finding_item,
    fleet_item,
    person_item,
    plan_head,
    review_in_full,
    review_item,
    step_item,
    target_in_full,
    target_item,
    token_item,
    waiver_item,
)
from monitor.schedule import ask_for_sweep
from monitor.store.findings_list import OPEN, FindingQuery, Sort, place_of
from monitor.store.unit import Unit
from monitor.store.values import content_of
from monitor.waivers import approve_waiver, ask_waiver, ask_wide_waiver, end_waiver, matches_of, refuse_waiver
from monitor.web.answers import (
    BASE,
    Asked,
    Body,
    StrictRoute,
    asking,
    cursor_of,
    described,
    page,
    place_in,
    refusals,
    refuse_unknown_parameters,
    tells,
)
from monitor.web.frame import actor_of, seen_by
from rules.findings import Kind
from rules.lifecycle import State
from rules.precision import Mark
from rules.quiet import Standing
from rules.selector import Selector
from rules.waivers import Waiver
from rules.waivers import as_of as as_it_stands

MOST: Final = 200  #: items of one answer
_LAST: Final = 1 << 53  #: greatest number that every JSON reader keeps
_Id = Annotated[int, Meta(ge=0, le=_LAST)]

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many items at most.")]
Cursor = Annotated[str, Query(max_length=500, description="next_cursor of the answer before.")]
Next = Annotated[str | None, Meta(description="cursor of the next page; null at the end.")]
Part = Annotated[str, Path(max_length=40, examples=["swa"])]
Number = Annotated[str, Path(max_length=12, description="Of a finding.", examples=["7F3K"])]
Identity = Annotated[int, Path(ge=1, le=_LAST, description="Its number.", examples=[12])]
Login = Annotated[str, Path(max_length=100, examples=["olga.brandt"])]
Words = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Pattern = Annotated[Name, Field(description="* stands for any text; blank: anything.")]
End = Annotated[
    Name, Field(description="7d, 12h, 2026-12-15 or 2026-12-15T08:00, in the target's zone.", examples=["7d"])
]
When = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


class TargetPage(TypedDict):
    """What is watched."""

    targets: list[TargetItem]
    next_cursor: Next


class FindingPage(TypedDict):
    """Findings in the order asked for."""

    findings: list[FindingItem]
    next_cursor: Next


class PlanPage(PlanHead):
    """What to do, step by step, and on what it rests."""

    steps: list[StepItem]
    next_cursor: Next


class ProposalPage(TypedDict):
    """Proposals, newest first."""

    proposals: list[ProposalItem]
    next_cursor: Next


class BaselinePage(TypedDict):
    """Baselines, newest first."""

    baselines: list[BaselineItem]
    next_cursor: Next


class ActPage(TypedDict):
    """Who did what to proposals, and why, newest first."""

    acts: list[ActItem]
    next_cursor: Next


class FleetPage(TypedDict):
    """Fleet events, newest first."""

    fleet_events: list[FleetItem]
    next_cursor: Next


class WaiverPage(TypedDict):
    """Waivers, those that end last first."""

    waivers: list[WaiverItem]
    next_cursor: Next


class PersonPage(TypedDict):
    """Who may sign in, by name."""

    people: list[PersonItem]
    next_cursor: Next


class TokenPage(TypedDict):
    """Tokens, by name."""

    tokens: list[TokenItem]
    next_cursor: Next


class EntryPage(TypedDict):
    """Entries of the audit log, newest first."""

    entries: list[EntryItem]
    next_cursor: Next


class Me(TypedDict):
    """Who asks, and what he may do."""

    name: str
    is_person: bool
    rights: Annotated[dict[str, list[Right]], Meta(description="By tenant; *: on every one.")]


class NewToken(TypedDict):
    """A token: it is shown this once."""

    token: str
    name: str


class DecidedItem(ReviewItem):
    """A proposal after decisions."""

    left: Annotated[dict[str, int], Meta(description="By group: critical changes that want their own decision.")]


class Nobody(TypedDict):
    """It is done."""

    name: str


class Note(Body):
    """A word on it."""

    note: Words = Field("", description="What you do about it.", examples=["calling Mei at nine"])


class MarkBody(Body):
    """Whether a finding was worth being told."""

    mark: Mark
    reason: Words = Field("", description="Needed where it was not useful.", examples=["the plan is a draft"])


class ProposalBody(Body):
    """What is put forward."""

    snapshot: int = Field(0, ge=0, le=_LAST, description="Its number; 0: the newest.")
    title: Words = Field("", description="What it is about, for the approver.", examples=["Happy Valley annexed"])
    scope: list[Name] = Field([], max_length=200, description="Modules, types, service=WATER; none: everything.")
    carry: int = Field(0, ge=0, le=_LAST, description="Of a proposal whose decisions are taken over; 0: of none.")


class TargetBody(Body):
    """Which baseline is proposed again."""

    version: int = Field(ge=1, le=_LAST, examples=[7])
    reason: Words = Field(description="For the approver.", examples=["the new rates were not agreed"])


class DecisionBody(Body):
    """What a reviewer says of one change."""

    resource_type: Name = Field(examples=["service_plan"])
    key: Name = Field(examples=["RES-VAR"])
    path: Name = Field("", examples=["rates[up_to=4].rate"])
    decision: Decision
    reason: Words = Field("", examples=["ten times too high, typing mistake"])
    act: int = Field(0, ge=0, le=_LAST, description="Number of the decision you saw there, where you overrule it.")


class GroupBody(Body):
    """What a reviewer says of what is undecided of a group; what is critical is accepted only by its own name."""

    group: Name = Field(examples=["billing/service_plan"])
    decision: Decision
    reason: Words = ""


class DecisionsBody(Body):
    """Decisions, kept all or none."""

    decisions: list[DecisionBody] = Field([], max_length=5000, examples=[[{
        "resource_type": "service_plan", "key": "RES-VAR", "path": "rates[up_to=4].rate", "decision": "accept"
    }]])  # fmt: skip
    groups: list[GroupBody] = Field([], max_length=100)


class CommentBody(Body):
    """What somebody says of a proposal, or of one of its changes."""

    text: Words = Field(examples=["who asked for these rates?"])
    resource_type: Name = ""
    key: Name = ""
    path: Name = ""


class DigestBody(Body):
    """What the approver saw."""

    digest: Name = Field(description="Of the result, at least 12 of its hex digits.", examples=["b3:8e20c7d914ab"])
    reason: Words = Field("", description="For the history.")


class ReasonBody(Body):
    """Why."""

    reason: Words = Field("", examples=["the slabs are wrong"])


class AssignBody(Body):
    """Who is to look after it."""

    to: Name = Field(description="A person; blank: nobody.", examples=["mei"])
    note: Words = ""


class SnoozeBody(Body):
    """Until when nobody is alerted."""

    until: End
    note: Words = Field("", examples=["mended on Thursday"])


class ExpectBody(SnoozeBody):
    """The announced change that it is."""

    ticket: Name = Field(examples=["CHG-123"])


class WaiveBody(Body):
    """Why it may stay so, and until when."""

    reason: Words = Field(description="At least 20 characters.", examples=["the council decides in January"])
    until: End
    ticket: Name = ""


class WideBody(WaiveBody):
    """The same for all findings of a pattern at targets of one tenant."""

    targets: list[Name] = Field(min_length=1, max_length=200, examples=[["swa/production"]])
    rule: Pattern = Field("", examples=["billing.*"])
    resource_type: Pattern = ""
    key: Pattern = ""
    path: Pattern = ""
    kind: Pattern = ""


class PersonBody(Body):
    """Who may sign in, by single sign-on; passwords are set on the host."""

    name: Name = Field(examples=["olga.brandt"])
    email: Name = Field("", examples=["olga.brandt@example.com"])
    shown: Name = Field("", examples=["Olga Brandt"])


class GrantBody(Body):
    """A role, where, and until when."""

    role: Role = Field(examples=["onboarding lead"])
    on: Name = Field(EVERYWHERE, description="A tenant, group:<name>, or * for every one.", examples=["swa"])
    ends_at: AwareDatetime | None = None

    def grant(self) -> Grant:
        """As the stories take it."""
        try:
            return Grant(self.role, self.on, self.ends_at)
        except ValueError as error:
            raise InvalidAccess(f"{error}.", where="grant", mend="Write a tenant, or *.") from None


class OwnTokenBody(Body):
    """A token of one's own."""

    name: Name = Field(examples=["laptop"])
    ends_at: AwareDatetime = Field(examples=["2027-01-31T00:00:00Z"])


class TokenBody(OwnTokenBody):
    """What a program may do, where, until when."""

    scopes: list[Name] = Field(max_length=20, examples=[["see"]])
    tenants: list[Name] = Field([EVERYWHERE], max_length=1000)


class Nothing(Body):
    """Nothing needs to be said."""


def finding_query(
    target: Annotated[str, Query(max_length=81, description="tenant/environment, or with stars: swa/*")] = "",
    severity: Annotated[list[Severity] | None, Query(description="Only these; may be repeated.")] = None,
    kind: Annotated[list[Kind] | None, Query(description="Only these; may be repeated.")] = None,
    module: Annotated[list[str] | None, Query(max_length=50, description="Only these; may be repeated.")] = None,
    state: Annotated[
        list[State] | None, Query(description="Only these; what is not resolved if none is named.")
    ] = None,
    standing: Annotated[list[Standing] | None, Query(description="Only these, as of now; may be repeated.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Something happened to it then or later.")] = None,
    q: Annotated[str, Query(max_length=200, description="Words of its sentence, key or rule; or its number.")] = "",
    sort: Annotated[Sort, Query(description="Worst first, or newest, or changed last.")] = Sort.SEVERITY,
) -> FindingQuery:
    """Which findings are asked for."""
    return FindingQuery(
        target, frozenset(severity or ()), frozenset(kind or ()), frozenset(module or ()),
        frozenset(state) if state else OPEN, since=since, words=q, sort=sort, standings=frozenset(standing or ()),
    )  # fmt: skip


def create_api(deps: Deps) -> APIRouter:
    """The routes of the API, and the document that describes them."""
    api = APIRouter(
        prefix=BASE, dependencies=[Depends(refuse_unknown_parameters)], route_class=StrictRoute,
        responses=refusals(401, 403, 404, 422, 429, 503),
    )  # fmt: skip
    writes: dict[int | str, Any] = refusals(400, 409, 413, 415)
    at = "/targets/{tenant}/{environment}"

    @api.get("/openapi.json", include_in_schema=False)
    def own_description() -> JSONResponse:
        return JSONResponse(described(metadata.version("smart360-monitor"), api.routes))

    @api.get("/me", summary="Who you are here, and what you may do", responses=tells(Me))
    def me(request: Request) -> JSONResponse:
        actor = actor_of(request)
        rights = {tenant: sorted(several) for tenant, several in actor.rights.items()}
        return JSONResponse({"name": actor.name, "is_person": actor.is_person, "rights": rights})

    # ── targets ──
    @api.get("/targets", summary="What is watched", responses=tells(TargetPage))
    def targets(request: Request, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            shown, following = page(unit.targets.all(), lambda each: each.name, str, limit, cursor)
            return JSONResponse({"targets": [target_item(unit, each) for each in shown], "next_cursor": following})

    @api.get(at, summary="What was read, judged and approved", responses=tells(TargetInFull))
    def target(request: Request, tenant: Part, environment: Part) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            return JSONResponse(target_in_full(unit, unit.targets.named(f"{tenant}/{environment}")))

    @api.get(f"{at}/plan", summary="What to do about it, in the order of configuration", responses=tells(PlanPage))
    def plan(request: Request, tenant: Part, environment: Part, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        made = plan_of(f"{tenant}/{environment}", deps, seen_by(request))
        shown, following = page(made.steps, lambda each: each.number, int, limit, cursor)
        return JSONResponse({**plan_head(made), "steps": [step_item(each) for each in shown], "next_cursor": following})

    @api.get(f"{at}/as-of", summary="Reading, baseline and findings as of any moment", responses=tells(AsOfItem))
    def then(request: Request, tenant: Part, environment: Part, at: When) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            registered = unit.targets.named(f"{tenant}/{environment}")
            return JSONResponse(as_of_item(as_of(registered, moment_of(at, registered, deps), unit)))

    @api.get(f"{at}/compare", summary="What differs between any two moments, snapshots or baselines",
             responses=tells(ComparedItem))  # fmt: skip
    def compared(request: Request, tenant: Part, environment: Part, old: When, new: When = "now") -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            registered = unit.targets.named(f"{tenant}/{environment}")
            return JSONResponse(compared_item(compare_moments(registered, old, new, deps, unit)))

    @api.get(f"{at}/proposals", summary="What waits for a decision there", responses=tells(ProposalPage))
    def proposals(
        request: Request, tenant: Part, environment: Part, limit: Limit = 50, cursor: Cursor = "",
        closed: Annotated[bool, Query(description="Also what is closed.")] = False,
    ) -> JSONResponse:  # fmt: skip
        with deps.store.read(seen_by(request)) as unit:
            registered = unit.targets.named(f"{tenant}/{environment}")
            found = unit.baselines.proposals(registered) if closed else unit.baselines.open_proposals(registered)
            shown, following = page(found, lambda each: -each.id, int, limit, cursor)
        return JSONResponse({"proposals": [approval_item(each) for each in shown], "next_cursor": following})

    @api.get(f"{at}/baselines", summary="What was approved there", responses=tells(BaselinePage))
    def baselines(
        request: Request, tenant: Part, environment: Part, limit: Limit = 50, cursor: Cursor = ""
    ) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            found = unit.baselines.history(unit.targets.named(f"{tenant}/{environment}"))
            shown, following = page(found, lambda each: -each.version, int, limit, cursor)
        return JSONResponse({"baselines": [approval_item(each) for each in shown], "next_cursor": following})

    @api.get(f"{at}/acts", summary="Who did what to its proposals, and why", responses=tells(ActPage))
    def acts(request: Request, tenant: Part, environment: Part, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            found = unit.baselines.all_acts(unit.targets.named(f"{tenant}/{environment}"))
            shown, following = page(found, lambda each: -each.id, int, limit, cursor)
        return JSONResponse({"acts": [act_item(each) for each in shown], "next_cursor": following})

    # ── findings ──
    def listed(request: Request, query: FindingQuery, limit: int, cursor: str) -> JSONResponse:
        kind = f"findings {content_of(query)[:15]}"
        types = (_Id, datetime, _Id) if query.sort is Sort.SEVERITY else (datetime, _Id)
        after = place_in(cursor, kind, types) if cursor else ()
        now = deps.clock.now()
        with deps.store.read(seen_by(request)) as unit:
            if query.target and "*" not in query.target:
                unit.targets.named(query.target)
            several = unit.finding_list.standing(query, unit.waivers.in_force(now), now, limit + 1, after)
        shown = several[:limit]
        following = cursor_of(kind, place_of(shown[-1][1], query.sort)) if len(several) > limit else None
        return JSONResponse({"findings": [finding_item(*each, now) for each in shown], "next_cursor": following})

    @api.get("/findings", summary="What is wrong, worst first", responses=tells(FindingPage))
    def findings(
        request: Request, query: Annotated[FindingQuery, Depends(finding_query)], limit: Limit = 50, cursor: Cursor = ""
    ) -> JSONResponse:
        return listed(request, query, limit, cursor)

    @api.get(f"{at}/findings", summary="What is wrong at a target, worst first", responses=tells(FindingPage))
    def findings_of_target(
        request: Request, tenant: Part, environment: Part, limit: Limit = 50, cursor: Cursor = ""
    ) -> JSONResponse:
        return listed(request, FindingQuery(f"{tenant}/{environment}"), limit, cursor)

    def in_full(request: Request, number: str, *, with_plan: bool = True) -> FindingInFull:
        explained = explain(number, actor_of(request), deps, with_plan=with_plan)
        with deps.store.read(seen_by(request)) as unit:
            now, found = deps.clock.now(), unit.findings.numbered(number)
            if found is None:
                raise NotFound("no such finding.", where=number, mend="See: smart360-monitor findings list.")
            ((name, known),) = as_it_stands([found], unit.waivers.in_force(now), now)
            return finding_in_full(unit, name, known, now, explained)

    @api.get("/findings/{number}", summary="One finding with its history", responses=tells(FindingInFull))
    def finding(request: Request, number: Number) -> JSONResponse:
        return JSONResponse(in_full(request, number))

    @api.get("/fleet-events", summary="One cause on many targets, newest first", responses=tells(FleetPage))
    def fleet(request: Request, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        before = -int(place_in(cursor, "", (int,))[0]) if cursor else None
        with deps.store.read(seen_by(request)) as unit:
            events = fleet_events(unit, deps, most=limit + 1, before=before)
        shown, following = page(events, lambda each: -each.number, int, limit, cursor)
        return JSONResponse({"fleet_events": [fleet_item(each) for each in shown], "next_cursor": following})

    @api.get("/fleet-events/{event}", summary="One fleet event with its members", responses=tells(FleetItem))
    def one_event(request: Request, event: Identity) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            return JSONResponse(event_item(unit, event))

    def event_item(unit: Unit, number: int) -> FleetItem:
        if (found := fleet_event(unit, number, deps)) is None:
            mend = "See: smart360-monitor findings fleet."
            raise NotFound("there is no such fleet event.", where=f"fleet-{number}", mend=mend)
        return fleet_item(found)

    @api.get("/waivers", summary="What may stay wrong, or is asked to", responses=tells(WaiverPage))
    def waivers(
        request: Request, limit: Limit = 50, cursor: Cursor = "",
        every: Annotated[bool, Query(description="Also those refused or over.")] = False,
    ) -> JSONResponse:  # fmt: skip
        now = deps.clock.now()
        with deps.store.read(seen_by(request)) as unit:
            found = [each for each in unit.waivers.all() if every or each.word(now) in ("asked", "in force")]
            shown, following = page(found, _end_last, str, limit, cursor)
            matches = matches_of(unit, shown)
        told = [waiver_item(each, len(matches[each.number]), now) for each in shown]
        return JSONResponse({"waivers": told, "next_cursor": following})

    def waiver_told(unit: Unit, made: Waiver) -> WaiverItem:
        return waiver_item(made, len(matches_of(unit, [made])[made.number]), deps.clock.now())

    @api.get("/waivers/{waiver}", summary="One waiver", responses=tells(WaiverItem))
    def one_waiver(request: Request, waiver: Identity) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            return JSONResponse(waiver_told(unit, unit.waivers.numbered(waiver)))

    # ── proposals ──
    def review_told(unit: Unit, proposal: Proposal) -> ReviewItem:
        made = review_of(proposal, deps, unit)
        return review_item(made, deps.catalogue_of(unit.targets.named(proposal.target)))

    @api.get("/proposals/{proposal}", summary="A proposal with its changes, what it costs and what the rules say",
             responses=tells(ReviewInFull))  # fmt: skip
    def one_proposal(request: Request, proposal: Identity) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            made = review_of(unit.baselines.proposal(proposal), deps, unit)
            registered = unit.targets.named(made.proposal.target)
            impact = impact_of(made, registered, deps, unit)
        judgement = verdict_of(made, registered, deps)
        return JSONResponse(review_in_full(made, deps.catalogue_of(registered), impact, judgement))

    # ── who may do what, and who did ──
    @api.get("/people", summary="Who may sign in, with roles", responses=tells(PersonPage))
    def people(request: Request, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        actor_of(request).needs(Right.ADMINISTER)
        with deps.store.read() as unit:
            shown, following = page(unit.people.all(), lambda each: each.name, str, limit, cursor)
            told = [person_item(each, unit.people.grants(each.name)) for each in shown]
        return JSONResponse({"people": told, "next_cursor": following})

    @api.get("/tokens", summary="What programs sign in with", responses=tells(TokenPage))
    def tokens(request: Request, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        actor_of(request).needs(Right.ADMINISTER)
        with deps.store.read() as unit:
            shown, following = page(unit.people.tokens(), lambda each: each.name, str, limit, cursor)
        return JSONResponse({"tokens": [token_item(each) for each in shown], "next_cursor": following})

    @api.get("/audit", summary="Who did what: of tenants whose log you may read, and what you did yourself",
             responses=tells(EntryPage))  # fmt: skip
    def audit(request: Request, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        actor, before = actor_of(request), place_in(cursor, "audit", (_Id,))[0] if cursor else None
        with deps.store.read() as unit:
            found = unit.audit.newest(actor.tenants(Right.AUDIT), actor.name, limit + 1, before)
        following = cursor_of("audit", [found[limit - 1].seq]) if len(found) > limit else None
        return JSONResponse({"entries": [entry_item(each) for each in found[:limit]], "next_cursor": following})

    # ── writes: a body, a story, what it made ──
    ask = asking(deps)

    def on_finding(asked: Asked, number: str, body: Body, act: Any) -> Response:
        return asked.once(body, act, lambda _unit, _: in_full(asked.request, number))

    def end(unit: Unit, number: str, until: str) -> datetime:
        found = unit.findings.numbered(number)
        if found is None:
            raise NotFound("no such finding.", where=number, mend="See: smart360-monitor findings list.")
        return end_of(until, unit.targets.named(found[0]), deps)

    @api.post("/findings/{number}/acknowledge", summary="Say that you have seen it and work on it",
              responses=writes | tells(FindingInFull))  # fmt: skip
    def acknowledged(number: Number, body: Note, asked: Asked = ask) -> Response:
        return on_finding(asked, number, body, lambda _: acknowledge(number, body.note, asked.actor, deps))

    @api.post("/findings/{number}/assign", summary="Say who is to look after it",
              responses=writes | tells(FindingInFull))  # fmt: skip
    def assigned(number: Number, body: AssignBody, asked: Asked = ask) -> Response:
        return on_finding(asked, number, body, lambda _: assign(number, body.to, body.note, asked.actor, deps))

    @api.post("/findings/{number}/snooze", summary="Be alerted of it no more until a time",
              responses=writes | tells(FindingInFull))  # fmt: skip
    def snoozed(number: Number, body: SnoozeBody, asked: Asked = ask) -> Response:
        return on_finding(asked, number, body, lambda unit: snooze(
            number, end(unit, number, body.until), body.note, asked.actor, deps))  # fmt: skip

    @api.post("/findings/{number}/expect", summary="Say that it is an announced change",
              responses=writes | tells(FindingInFull))  # fmt: skip
    def expected(number: Number, body: ExpectBody, asked: Asked = ask) -> Response:
        return on_finding(asked, number, body, lambda unit: expect(
            number, body.ticket, end(unit, number, body.until), body.note, asked.actor, deps))  # fmt: skip

    @api.post("/findings/{number}/notes", summary="Add a comment to its history",
              responses=writes | tells(FindingInFull))  # fmt: skip
    def noted(number: Number, body: Note, asked: Asked = ask) -> Response:
        return on_finding(asked, number, body, lambda _: note(number, body.note, asked.actor, deps))

    @api.post("/findings/{number}/reopen", summary="Open it again, or take back what keeps it quiet",
              responses=writes | tells(FindingInFull))  # fmt: skip
    def reopened(number: Number, body: ReasonBody, asked: Asked = ask) -> Response:
        return on_finding(asked, number, body, lambda _: reopen(number, body.reason, asked.actor, deps))

    @api.post("/findings/{number}/marks", summary="Say whether it was worth being told",
              responses=writes | tells(FindingInFull))  # fmt: skip
    def marked(number: Number, body: MarkBody, asked: Asked = ask) -> Response:
        return on_finding(asked, number, body, lambda _: mark_finding(
            number, body.mark, body.reason, asked.actor, deps))  # fmt: skip

    @api.post("/findings/{number}/waivers", summary="Ask that it may stay so until a time",
              responses=writes | tells(WaiverItem))  # fmt: skip
    def waived(number: Number, body: WaiveBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda unit: ask_waiver(
            number, body.reason, end(unit, number, body.until), asked.actor, deps, ticket=body.ticket),
            waiver_told)  # fmt: skip

    @api.post("/waivers", summary="Ask that all findings of a pattern may stay until a time",
              responses=writes | tells(WaiverItem))  # fmt: skip
    def waived_widely(body: WideBody, asked: Asked = ask) -> Response:
        match = Selector(body.rule, body.resource_type, body.key, body.path, body.kind)
        return asked.once(body, lambda unit: ask_wide_waiver(
            body.targets, match, body.reason, end_of(body.until, unit.targets.named(body.targets[0]), deps),
            asked.actor, deps, ticket=body.ticket), waiver_told)  # fmt: skip

    @api.post("/waivers/{waiver}/approve", summary="Agree to what somebody else asked for",
              responses=writes | tells(WaiverItem))  # fmt: skip
    def waiver_approved(waiver: Identity, body: Note, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: approve_waiver(waiver, body.note, asked.actor, deps), waiver_told)

    @api.post("/waivers/{waiver}/refuse", summary="Say no, or take your own back",
              responses=writes | tells(WaiverItem))  # fmt: skip
    def waiver_refused(waiver: Identity, body: ReasonBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: refuse_waiver(waiver, body.reason, asked.actor, deps), waiver_told)

    @api.post("/waivers/{waiver}/end", summary="End it early", responses=writes | tells(WaiverItem))
    def waiver_ended(waiver: Identity, body: ReasonBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: end_waiver(waiver, body.reason, asked.actor, deps), waiver_told)

    @api.post("/fleet-events/{event}/acknowledge", summary="Say that you work on all of it",
              responses=writes | tells(FleetItem))  # fmt: skip
    def event_acknowledged(event: Identity, body: Note, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: acknowledge_fleet(event, body.note, asked.actor, deps),
                          lambda unit, _: event_item(unit, event))  # fmt: skip

    @api.post(f"{at}/sweeps", summary="Ask for a sweep; six an hour at most", responses=writes | tells(TargetItem))
    def sweep_asked(tenant: Part, environment: Part, body: Nothing, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: ask_for_sweep(f"{tenant}/{environment}", asked.actor, deps), target_item)

    @api.post(f"{at}/proposals", summary="Put a snapshot, or a part of it, forward as the next baseline",
              responses=writes | tells(ReviewItem))  # fmt: skip
    def proposed(tenant: Part, environment: Part, body: ProposalBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda unit: propose_baseline(
            unit.targets.named(f"{tenant}/{environment}"), asked.actor, deps, snapshot=body.snapshot,
            title=body.title, scope=body.scope, carry=body.carry), review_told)  # fmt: skip

    @api.post(f"{at}/rollbacks", summary="Propose an earlier baseline again", responses=writes | tells(ReviewItem))
    def rolled_back(tenant: Part, environment: Part, body: TargetBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda unit: rollback(
            unit.targets.named(f"{tenant}/{environment}"), body.version, body.reason, asked.actor, deps),
            review_told)  # fmt: skip

    @api.post("/proposals/{proposal}/decisions", summary="Decide changes of a proposal, all or none",
              responses=writes | tells(DecidedItem))  # fmt: skip
    def decided(proposal: Identity, body: DecisionsBody, asked: Asked = ask) -> Response:
        left: dict[str, int] = {}

        def story(unit: Unit) -> Proposal:
            put_forward = unit.baselines.proposal(proposal)
            made = review_of(put_forward, deps, unit)
            several = [((e.resource_type, e.key, e.path), e.decision, e.reason) for e in body.decisions]
            seen = {key: each.act for (key, _, _), each in zip(several, body.decisions, strict=True)}
            groups, kept = chosen_of(made, [(each.group, each.decision, each.reason) for each in body.groups])
            left.update(kept)
            seen |= {key: made.decisions[key].act for key, each, _ in groups if each is Decision.UNDO}
            return decide(put_forward, [*several, *groups], asked.actor, deps, seen=seen).proposal

        return asked.once(body, story, lambda unit, made: {**review_told(unit, made), "left": left})

    @api.post("/proposals/{proposal}/comments", summary="Say something of it, or of one of its changes",
              responses=writes | tells(ReviewItem))  # fmt: skip
    def commented(proposal: Identity, body: CommentBody, asked: Asked = ask) -> Response:
        change = (body.resource_type, body.key, body.path) if body.resource_type else None
        return asked.once(body, lambda unit: comment(
            unit.baselines.proposal(proposal), body.text, asked.actor, deps, change=change).proposal,
            review_told)  # fmt: skip

    @api.post("/proposals/{proposal}/hand-over", summary="Ask another person for the approval",
              responses=writes | tells(ReviewItem))  # fmt: skip
    def handed_over(proposal: Identity, body: Note, asked: Asked = ask) -> Response:
        return asked.once(body, lambda unit: hand_over(
            unit.baselines.proposal(proposal), asked.actor, deps, note=body.note).proposal, review_told)  # fmt: skip

    @api.post("/proposals/{proposal}/send-back", summary="Give it back to its proposer",
              responses=writes | tells(ReviewItem))  # fmt: skip
    def sent_back(proposal: Identity, body: ReasonBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda unit: send_back(
            unit.baselines.proposal(proposal), body.reason, asked.actor, deps).proposal, review_told)  # fmt: skip

    @api.post("/proposals/{proposal}/approve", summary="Approve what you saw; never your own",
              responses=writes | tells(ApprovedItem))  # fmt: skip
    def approved(proposal: Identity, body: DigestBody, asked: Asked = ask) -> Response:
        return asked.once(
            body,
            lambda unit: approve(unit.baselines.proposal(proposal), body.digest, asked.actor, deps, reason=body.reason),
            lambda _, made: {
                "baseline": approval_item(made.baseline), "audit": made.audit, "resolved": made.resolved
            },
        )  # fmt: skip

    @api.post("/proposals/{proposal}/reject", summary="End a proposal; your own is withdrawn",
              responses=writes | tells(ProposalItem))  # fmt: skip
    def rejected(proposal: Identity, body: ReasonBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda unit: reject(unit.baselines.proposal(proposal), body.reason, asked.actor, deps),
                          lambda _, made: approval_item(made))  # fmt: skip

    def person_told(unit: Unit, name: str) -> PersonItem:
        found = unit.people.find(login=name.strip().casefold())
        assert found is not None, "a story has just done something to him"
        return person_item(found, unit.people.grants(found.name))

    @api.post("/people", summary="Make somebody known; he may do nothing until a role is granted",
              responses=writes | tells(PersonItem))  # fmt: skip
    def person_added(body: PersonBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: add_person(
            body.name, asked.actor, deps, email=body.email, shown=body.shown),
            lambda unit, made: person_told(unit, made.name))  # fmt: skip

    @api.post("/people/{name}/grants", summary="Give a role, or another end to one",
              responses=writes | tells(PersonItem))  # fmt: skip
    def role_granted(name: Login, body: GrantBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: grant_role(name, body.grant(), asked.actor, deps),
                          lambda unit, _: person_told(unit, name))  # fmt: skip

    @api.post("/people/{name}/grants/remove", summary="Take a role", responses=writes | tells(PersonItem))
    def role_taken(name: Login, body: GrantBody, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: remove(name, asked.actor, deps, body.grant()),
                          lambda unit, _: person_told(unit, name))  # fmt: skip

    @api.post("/people/{name}/remove", summary="Remove somebody; what he did stays his",
              responses=writes | tells(Nobody))  # fmt: skip
    def person_removed(name: Login, body: Nothing, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: remove(name, asked.actor, deps), lambda *_: {"name": name})

    @api.post("/tokens", summary="Make a token; it is shown this once, so a key is not kept for it",
              responses=writes | tells(NewToken))  # fmt: skip
    def token_made(body: TokenBody, asked: Asked = ask) -> Response:
        scopes = {scope(each): each for each in Right}
        rights = frozenset(scopes[each] for each in body.scopes if each in scopes)
        if len(rights) < len(set(body.scopes)):
            raise InvalidAccess("there is no such scope.", where="scopes", mend=f"Some of: {', '.join(scopes)}.")
        return asked.once(body, lambda _: create_token(
            body.name, rights, frozenset(body.tenants), body.ends_at, asked.actor, deps),
            lambda _, made: {"token": made, "name": body.name}, is_kept=False)  # fmt: skip

    @api.post("/me/tokens", summary="Make a token of your own, for the command line; shown this once",
              responses=writes | tells(NewToken))  # fmt: skip
    def own_token_made(body: OwnTokenBody, asked: Asked = ask) -> Response:
        if "authorization" in asked.request.headers:
            mend = "Sign in, and make it there."
            raise InvalidAccess("a token makes no other.", where="token", mend=mend)
        return asked.once(body, lambda _: create_own_token(body.name, body.ends_at, asked.actor, deps),
                          lambda _, made: {"token": made, "name": body.name}, is_kept=False)  # fmt: skip

    @api.post("/tokens/{name}/revoke", summary="End a token with its next request", responses=writes | tells(Nobody))
    def token_revoked(name: Login, body: Nothing, asked: Asked = ask) -> Response:
        return asked.once(body, lambda _: revoke_token(name, asked.actor, deps), lambda *_: {"name": name})

    return api


def _end_last(waiver: Waiver) -> str:
    """For the order in which they are told: those that end last first."""
    return f"{10**12 - int(waiver.ends.timestamp()):013}-{waiver.number:016}"
