"""The review of a proposal: every change decided, commented on, handed over, approved by another person (S5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from baselines.approval import Awaited, Baseline, Decision, Group, Proposal, ProposalState, Review, change_key
from baselines.compare import Change
from baselines.errors import ApprovalRefused
from baselines.severity import Severity
from monitor.access import Actor, Right
from monitor.approval import (
    approve,
    comment,
    decide,
    hand_over,
    impact_of,
    needs_person,
    propose_baseline,
    reject,
    review_of,
    rollback,
    send_back,
    verdict_of,
)
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.store.findings_list import FindingQuery
from monitor.store.snapshots import Snapshot
from monitor.store.unit import Unit
from monitor.web.frame import Web, actor_of, address
from monitor.web.pages.changes import ChangeLine, ModuleGroup, grouped
from monitor.web.pages.target import Head, head_of
from rules.evaluate import Verdict
from rules.findings import Kind
from rules.lifecycle import Known

FILTERS: Final = ("undecided", "severe", "rejected", "commented")
MOST_FINDINGS: Final = 500
Number = Annotated[str, Path(alias="proposal")]
Text = Annotated[str, Form(max_length=20_000)]


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of an approval, and whether it holds."""

    words: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """What was not done, why, and what was typed: it stands where it was."""

    what: str
    mend: str
    form: str  #: decide, comment, approve …
    place: str = ""  #: of a change: its name
    text: str = ""


@dataclass(frozen=True, slots=True)
class ReviewView:
    """Everything the page shows."""

    head: Head
    made: Review
    snapshot: Snapshot | None  #: None: it proposes an earlier baseline
    base: Baseline | None
    groups: Sequence[ModuleGroup]
    everything: Sequence[ModuleGroup]  #: without the filter, nothing shown: for the jumps
    rules: Mapping[Verdict, int]
    money: str  #: all changes together
    closes: int  #: open drift findings that approving closes
    gates: Sequence[Gate]
    audit: int  #: of the approval; 0: not approved, or its entry was removed
    approved: Baseline | None
    actor: Actor
    show: str = ""
    module: str = ""
    skip: int = 0
    refused: Refused | None = None

    @property
    def proposal(self) -> Proposal:
        """Put forward."""
        return self.made.proposal

    @property
    def zone(self) -> str:
        """Of every time on the page."""
        return self.head.zone

    @property
    def total(self) -> int:
        """Changes."""
        return len(self.made.comparison.changes)

    @property
    def accepted(self) -> int:
        """Changes that would be approved."""
        return len(self.made.decided(Decision.ACCEPT))

    @property
    def rejected(self) -> Sequence[Change]:
        """Changes that would stay drift."""
        return self.made.decided(Decision.REJECT)

    @property
    def left(self) -> int:
        """Changes nobody has decided."""
        return len(self.made.undecided)

    @property
    def state(self) -> str:
        """``waits for approval``."""
        if self.made.awaited is not None:
            return f"waits for {self.made.awaited.value}"
        return self.proposal.state.value

    @property
    def is_open(self) -> bool:
        """It can be acted upon."""
        return self.proposal.state is ProposalState.OPEN

    @property
    def is_handed_over(self) -> bool:
        """Another person than its proposer is awaited."""
        return self.made.awaited is Awaited.APPROVAL

    @property
    def is_own(self) -> bool:
        """Who looks proposed it."""
        return self.actor.name == self.proposal.proposer

    def may(self, right: Right) -> bool:
        """True if who looks may do this here; deciding is for people."""
        return self.actor.is_person and self.actor.may(right, self.head.target.tenant)

    @property
    def may_decide(self) -> bool:
        """Decide, hand over, send back."""
        return self.is_open and self.may(Right.PROPOSE)

    @property
    def approval(self) -> str:
        """``Approve 37 of 39``, ``Approve the first baseline``."""
        return (
            f"Approve {self.accepted} of {self.total}" if self.proposal.base_version else "Approve the first baseline"
        )

    @property
    def blocks(self) -> str:
        """Why it cannot be approved, in one sentence; "" where it can."""
        return next((each.words for each in self.gates if not each.holds), "")

    @property
    def filters(self) -> Sequence[tuple[str, str, int]]:
        """Name, words and count of each filter that has something."""
        words = {"undecided": "to decide", "severe": "critical and high", "rejected": "rejected",
                 "commented": "with comments"}  # fmt: skip
        counted = ((name, words[name], len(chosen(self.made, name))) for name in FILTERS)
        return [("", "all", self.total), *(each for each in counted if each[2])]

    @property
    def lines(self) -> Sequence[ChangeLine]:
        """The changes shown, in the order of the page."""
        return [line for group in self.groups for line in group.lines]

    @property
    def first_undecided(self) -> int:
        """Number of the first change shown that nobody decided; 0: none is."""
        return next((each.number for each in self.lines if each.decided is None), 0)

    def next_of(self, line: ChangeLine) -> int:
        """Number of the change that is looked at after this one: the next undecided one, else itself."""
        lines = self.lines
        at = next(at for at, each in enumerate(lines) if each.number == line.number)
        return next((each.number for each in (*lines[at + 1 :], *lines[:at]) if each.decided is None), line.number)

    def at(self, **query: str) -> str:
        """This page with another filter."""
        return address(f"/proposals/{self.proposal.id}", query)

    @property
    def causes(self) -> Sequence[Group]:
        """What several changes seem to come from."""
        return self.made.causes[:3]

    def is_unfolded(self, group: ModuleGroup) -> bool:
        """Groups with something critical, rejected or undecided are open, and those that were asked for."""
        severe = any(each.severity is Severity.CRITICAL for each in group.changes)
        return bool(self.show or self.module or severe or group.rejected or group.undecided)

    def together(self, group: str) -> int:
        """How many changes of a group one decision decides."""
        return len(together_of(self.made, group))

    def typed(self, form: str, place: str = "") -> str:
        """What was typed into a form that was refused."""
        is_it = self.refused is not None and (self.refused.form, self.refused.place) == (form, place)
        return self.refused.text if is_it and self.refused is not None else ""


def chosen(made: Review, show: str) -> Sequence[Change]:
    """The changes a filter shows; also those of a cause: ``cause:A-HAP-C``."""
    if show == "undecided":
        return made.undecided
    if show == "rejected":
        return made.decided(Decision.REJECT)
    every = made.comparison.changes
    if show == "severe":
        return [each for each in every if each.severity.rank <= Severity.HIGH.rank]
    if show == "commented":
        return [each for each in every if made.comments(change_key(each))]
    return next((each.changes for each in made.causes if each.name == show), every)


def together_of(made: Review, group: str) -> Sequence[Change]:
    """What one decision on a module, a resource type of it or a cause decides: nothing critical, nothing decided."""
    several = (each for each in (*made.groups, *made.causes) if group in (each.name, each.module))
    return [change for each in several for change in each.together]


def review_view(
    number: int, deps: Deps, actor: Actor, *, show: str = "", module: str = "", skip: int = 0,
    refused: Refused | None = None,
) -> ReviewView:  # fmt: skip
    """A proposal as of now.

    Raises:
        NotFound: there is none that may be seen.
    """
    with deps.store.read(actor.tenants()) as unit:
        proposal = unit.baselines.proposal(number)
        head = head_of(unit, proposal.target, deps)
        target = head.target
        made = review_of(proposal, deps, unit)
        impact = impact_of(made, target, deps, unit)
        snapshot = unit.snapshots.by_id(target, proposal.snapshot) if proposal.snapshot else None
        history = {each.version: each for each in unit.baselines.history(target)}
        approved = next((each for each in history.values() if each.proposal == number), None)
        found = [known for _, known in unit.finding_list.listed(FindingQuery(target=target.name), MOST_FINDINGS)]
        audit = _audit_of(approved, unit)
    every = made.comparison.changes
    mine = [each for each in chosen(made, show) if module in ("", each.module)]
    comments = {change_key(each): made.comments(change_key(each)) for each in every}
    catalogue = deps.catalogue_of(target)
    together = impact.together()
    return ReviewView(
        head, made, snapshot, history.get(proposal.base_version),
        grouped(every, mine, catalogue, made.result, impact=impact, decisions=made.decisions, comments=comments,
                findings=found, skip=skip),
        grouped(every, every, catalogue, made.result, decisions=made.decisions, skip=len(every)),
        verdict_of(made, target, deps).tally, str(together) if together is not None else "",
        _closes(made, found), gates_of(made, head.baseline, actor, four_eyes=deps.settings.four_eyes), audit, approved,
        actor, show, module, skip, refused,
    )  # fmt: skip


def _audit_of(approved: Baseline | None, unit: Unit) -> int:
    if approved is None:
        return 0
    return unit.audit.number_of("baseline.approve", f"{approved.target} baseline {approved.version}")


def _closes(made: Review, found: Sequence[Known]) -> int:
    accepted = {change_key(each) for each in made.decided(Decision.ACCEPT)}
    return sum(
        1
        for each in (one.finding for one in found)
        if each.kind is Kind.DRIFT and (each.resource_type, each.key, each.path) in accepted
    )


def gates_of(made: Review, current: Baseline | None, actor: Actor, *, four_eyes: bool) -> Sequence[Gate]:
    """What an approval waits for, as ``refuse_approval`` judges it; in words for the page."""
    proposal, left, total = made.proposal, len(made.undecided), len(made.comparison.changes)
    version, base = current.version if current is not None else 0, proposal.base_version
    still = f"Baseline {base} is still the current one" if base else "There is no other baseline"
    gates = [
        Gate(f"{left} of {total} changes are undecided" if left else f"All {total} decided", not left),
        Gate("Reading is complete" if proposal.snapshot else f"It was approved before, as baseline "
             f"{proposal.source_version}", holds=True),
        Gate(still if version == base else f"Baseline {version} was approved meanwhile", version == base),
    ]  # fmt: skip
    if not base:
        gates.pop(0)
    if made.left_behind:
        gates.append(Gate("Its scope leaves behind what it needs", holds=False))
    if four_eyes:
        is_own = actor.name == proposal.proposer
        gates.append(Gate(f"Another person than {proposal.proposer} approves" if is_own else "You are not the proposer",
                          not is_own))  # fmt: skip
    return gates


def _number(word: str) -> int:
    """The number of a proposal in an address.

    Raises:
        NotFound: it is none.
    """
    if not (word.isascii() and word.isdigit() and len(word) < 16):
        raise NotFound("no such proposal.", where="proposals", mend="See: baseline list.")
    return int(word)


def routes(web: Web) -> APIRouter:
    """The page, and what people do on it, under their addresses."""
    router, deps, at = APIRouter(), web.deps, "/proposals/{proposal}"

    def page(request: Request, number: int, status: int = 200, **view: object) -> Response:
        made = review_view(number, deps, actor_of(request), **view)  # type: ignore[arg-type]
        return web.page(request, "review.html", status, view=made)

    def done(
        request: Request, number: Number, act: Callable[[Proposal, Actor], object], form: str, text: str = "",
        place: str = "", leads_to: str = "",
    ) -> Response:  # fmt: skip
        """Do it, and show what is now true; a refusal stands on the page, with what was typed (U15)."""
        actor, identity = actor_of(request), _number(number)
        with deps.store.read(actor.tenants()) as unit:
            proposal = unit.baselines.proposal(identity)
        try:
            act(proposal, actor)
        except ApprovalRefused as error:
            told = Refused(error.what[:1].upper() + error.what[1:], error.mend, form, place, text)
            return page(request, identity, 409, refused=told)
        return RedirectResponse(leads_to or f"/proposals/{identity}", 303)

    @router.get(at)
    def shown(request: Request, number: Number, show: str = "", module: str = "", skip: int = 0) -> Response:
        return page(request, _number(number), show=show[:200], module=module[:80], skip=max(0, skip))

    @router.post(f"{at}/decide")
    def decided(
        request: Request, number: Number, decision: Text = "", resource_type: Text = "", key: Text = "",
        path: Text = "", act: Annotated[str, Form(max_length=16)] = "0", reason: Text = "", back: Text = "",
    ) -> Response:  # fmt: skip
        change = (resource_type, key, path)
        seen = {change: int(act)} if act.isascii() and act.isdigit() else {}

        def do(proposal: Proposal, actor: Actor) -> None:
            needs_person(actor, proposal)
            word = _decision(decision, reason, proposal)
            decide(proposal, [(change, word, reason)], actor, deps, seen=seen)

        told = " ".join(each for each in change if each)
        return done(request, number, do, "decide", reason, told, _back(number, back))

    @router.post(f"{at}/decide-group")
    def decided_together(
        request: Request, number: Number, decision: Text = "", group: Text = "", reason: Text = "", back: Text = ""
    ) -> Response:
        def do(proposal: Proposal, actor: Actor) -> None:
            needs_person(actor, proposal)
            word = _decision(decision, reason, proposal)
            with deps.store.read(actor.tenants()) as unit:
                made = review_of(proposal, deps, unit)
            together = together_of(made, group)
            if not together:
                what = "nothing of this group is left to decide together; what is critical wants its own decision."
                raise ApprovalRefused("not_decided", what, where=f"proposal {proposal.id}", mend="Look at it again.")
            decide(proposal, [(change_key(each), word, reason) for each in together], actor, deps)

        return done(request, number, do, "decide", reason, group, _back(number, back))

    @router.post(f"{at}/comment")
    def commented(
        request: Request, number: Number, text: Text = "", resource_type: Text = "", key: Text = "", path: Text = "",
        back: Text = "",
    ) -> Response:  # fmt: skip
        change = (resource_type, key, path) if resource_type else None

        def do(proposal: Proposal, actor: Actor) -> None:
            comment(proposal, text, actor, deps, change=change)

        told = " ".join(each for each in change or () if each)
        return done(request, number, do, "comment", text, told, _back(number, back))

    @router.post(f"{at}/hand-over")
    def handed_over(request: Request, number: Number, reason: Text = "") -> Response:
        return done(request, number, lambda one, who: hand_over(one, who, deps, note=reason), "hand-over", reason)

    @router.post(f"{at}/send-back")
    def sent_back(request: Request, number: Number, reason: Text = "") -> Response:
        return done(request, number, lambda one, who: send_back(one, reason, who, deps), "send-back", reason)

    @router.post(f"{at}/approve")
    def approved(request: Request, number: Number, digest: Text = "", reason: Text = "") -> Response:
        return done(request, number, lambda one, who: approve(one, digest, who, deps, reason=reason), "approve", reason)

    @router.post(f"{at}/reject")
    def rejected(request: Request, number: Number, reason: Text = "") -> Response:
        def do(proposal: Proposal, actor: Actor) -> None:
            right = Right.PROPOSE if actor.name == proposal.proposer else Right.APPROVE
            actor.needs(right, proposal.target.split("/")[0])
            _due(reason, proposal)
            reject(proposal, reason, actor, deps)

        return done(request, number, do, "reject", reason)

    @router.post(f"{at}/carry")
    def carried(request: Request, number: Number) -> Response:
        made: list[Proposal] = []

        def do(proposal: Proposal, actor: Actor) -> None:
            with deps.store.read(actor.tenants()) as unit:
                target = unit.targets.named(proposal.target)
            made.append(propose_baseline(target, actor, deps, title=proposal.title, scope=proposal.scope,
                                         carry=proposal.id))  # fmt: skip

        answer = done(request, number, do, "carry")
        return RedirectResponse(f"/proposals/{made[0].id}", 303) if made else answer

    of = "/targets/{tenant}/{environment}"

    @router.post(f"{of}/propose")
    def proposed(request: Request, tenant: str, environment: str, title: Text = "") -> Response:
        actor = actor_of(request)
        with deps.store.read(actor.tenants()) as unit:
            target = unit.targets.named(f"{tenant}/{environment}")
        return RedirectResponse(f"/proposals/{propose_baseline(target, actor, deps, title=title).id}", 303)

    @router.post(f"{of}/rollback")
    def rolled_back(
        request: Request, tenant: str, environment: str, version: Annotated[str, Form(max_length=9)] = "",
        reason: Text = "",
    ) -> Response:  # fmt: skip
        actor = actor_of(request)
        actor.needs(Right.PROPOSE, tenant)
        with deps.store.read(actor.tenants()) as unit:
            target = unit.targets.named(f"{tenant}/{environment}")
        number = int(version) if version.isascii() and version.isdigit() else 0
        return RedirectResponse(f"/proposals/{rollback(target, number, reason, actor, deps).id}", 303)

    return router


def _back(number: str, back: str) -> str:
    """This page again, with its filter, at the change that is next."""
    path = f"/proposals/{_number(number)}"
    return back if back.startswith((f"{path}?", f"{path}#")) and "\n" not in back and "\r" not in back else path


def _decision(word: str, reason: str, proposal: Proposal) -> Decision:
    """What a form decides; whoever rejects says why.

    Raises:
        ApprovalRefused: ``unknown_decision``, ``no_reason``.
    """
    if word not in tuple(Decision):
        what, mend = "the form names no decision.", "Choose: accept, reject or undo."
        raise ApprovalRefused("unknown_decision", what, where=f"proposal {proposal.id}", mend=mend)
    if word == Decision.REJECT:
        _due(reason, proposal)
    return Decision(word)


def _due(reason: str, proposal: Proposal) -> None:
    if not reason.strip():
        what, mend = "no reason is given.", "Say in a sentence why it is rejected."
        raise ApprovalRefused("no_reason", what, where=f"proposal {proposal.id}", mend=mend)
