"""One finding: what changed, what it costs, how to mend it, what happened to it and who was told (S4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from baselines.catalogue import Field, FieldType, ResourceType
from baselines.configuration import Configuration
from baselines.fields import Op
from baselines.fingerprints import is_fingerprint
from baselines.values import Canonical, scalar_text
from monitor.access import Actor, Right
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.explain import explain
from monitor.store.findings import Happened
from monitor.store.findings_list import FindingQuery
from monitor.store.unit import Unit
from monitor.target import Target
from monitor.web.frame import VISITOR, Web, actor_of
from monitor.web.pages.target import Head, head_of
from monitor.web.words import moment, plain
from rules.drift import with_places, worded
from rules.explain import AREA, Explanation, note_for_utility
from rules.findings import Kind
from rules.lifecycle import Known, State
from rules.money import Money
from rules.precision import Opinion, latest
from rules.quiet import LONGEST
from rules.waivers import as_of, latest_end

MOST_ALIKE: Final = 8


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One item of the list in which a value stands: a slab among its neighbours."""

    name: str
    old: str  #: "" where it is not there
    new: str
    width: float  #: of its bar, in percent of the longest
    was: float  #: of it, what was approved
    is_touched: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One field of the whole object."""

    name: str
    old: str
    new: str

    @property
    def is_changed(self) -> bool:
        """The two sides differ."""
        return self.old != self.new


@dataclass(frozen=True, slots=True)
class Step:
    """One click or value on the way to what is right; ``value`` is to be typed exactly."""

    text: str
    value: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True)
class FindingView:
    """Everything the page shows."""

    head: Head
    known: Known
    kind: ResourceType | None  #: of the object; None: the catalogue does not know it
    module: str  #: title
    old: str  #: as people read it
    new: str
    neighbours: Sequence[Neighbour]
    unit: str  #: of the neighbours' values
    lines: Sequence[Line]  #: the whole object, before and now; () where there is none
    alike: Sequence[Known]  #: open on the same object
    elsewhere: Sequence[str]  #: other targets at which the same is open
    history: Sequence[Happened]
    opinions: Sequence[Opinion]
    why: Explanation | None  #: when, who possibly, what depends on it, who was told; None: nobody watches its target

    @property
    def money(self) -> Money | None:
        """What it means for bills."""
        return self.known.finding.money

    @property
    def now(self) -> datetime:
        """The moment of the page."""
        return self.head.now

    @property
    def zone(self) -> str:
        """Of every time on the page."""
        return self.head.zone

    @property
    def is_resolved(self) -> bool:
        """It is over."""
        return self.known.state is State.RESOLVED

    @property
    def state(self) -> str:
        """``open, nobody yet``; ``acknowledged by Carla``."""
        told = self.head.state(self.known)
        return f"{told}, nobody yet" if told == State.OPEN else told

    @property
    def next_run(self) -> date | None:
        """Day of the next bill run that uses it."""
        return date.fromisoformat(self.money.next_run) if self.money is not None and self.money.next_run else None

    @property
    def days_left(self) -> int:
        """Until that run."""
        today = self.now.astimezone(self.head.target.zone).date()
        return (self.next_run - today).days if self.next_run is not None else 0

    @property
    def steps(self) -> Sequence[Step]:
        """How to mend it, click by click."""
        finding = self.known.finding
        screen = (self.kind.screen if self.kind is not None else "").replace("→", "›")
        if finding.kind is Kind.DRIFT and finding.op is Op.CHANGED and screen and not is_fingerprint(finding.old):
            return [
                Step("Open", rest=f"{screen} › {finding.key}."),
                Step(f"Set {finding.path} to", self.old, "and save."),
            ]
        return [Step(finding.fix)] if finding.fix else []

    @property
    def snoozes(self) -> Sequence[tuple[str, datetime]]:
        """Until when it may be snoozed, in words: tomorrow, Monday, the day before the next bill run, each at 08:00."""
        zone = self.head.target.zone
        today = self.now.astimezone(zone).date()
        days = [("tomorrow", today + timedelta(days=1)), ("Monday", today + timedelta(days=7 - today.weekday()))]
        if self.next_run is not None and self.days_left > 1:
            days.append(("the day before the next bill run", self.next_run - timedelta(days=1)))
        return [
            (f"until {words}, {day.day} {day:%b} 08:00", datetime.combine(day, time(8), zone)) for words, day in days
        ]

    @property
    def may_be_taken_back(self) -> bool:
        """Somebody acknowledged or hushed it, or it is resolved."""
        return self.known.state is not State.OPEN or self.known.hush is not None

    @property
    def waived_to(self) -> date:
        """The last day on which a waiver of it may end."""
        return (latest_end(self.now, is_wide=False) - timedelta(days=1)).astimezone(self.head.target.zone).date()

    @property
    def announced_to(self) -> date:
        """The last day until which it may be announced."""
        return (self.now + LONGEST - timedelta(days=1)).astimezone(self.head.target.zone).date()

    @property
    def tomorrow(self) -> date:
        """The first day on which a waiver may end."""
        return self.now.astimezone(self.head.target.zone).date() + timedelta(days=1)

    @property
    def depends(self) -> Sequence[tuple[str, Sequence[str]]]:
        """What rests on its object, kind by kind in words, with the keys."""
        if self.why is None:
            return ()
        radius, types = self.why.radius, self.why.catalogue.types
        found = [*radius.dependents.items(), *([(AREA, radius.areas)] if radius.areas else [])]
        kinds = {name: keys for name, keys in found if name != AREA or keys is radius.areas}

        def worded(name: str, count: int) -> str:
            plural = types[name].plural if name in types and count != 1 else name
            return f"{count:,} {plural}".replace("_", " ")

        return [(worded(name, len(keys)), keys) for name, keys in kinds.items()]

    @property
    def note(self) -> str:
        """What to tell the utility: plain text, no secret, nobody's name."""
        if self.why is None:
            return ""
        said = note_for_utility(self.why, lambda at: moment(at, self.zone)).rstrip().splitlines()
        first = f"{self.head.title} ({self.head.target.name})"
        return "\n".join(plain(each) for each in (first, *said, f"Finding {self.known.number}"))


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/findings/{number}")
    def finding(request: Request, number: str) -> HTMLResponse:
        actor = actor_of(request)
        view = finding_view(number, web.deps, actor)
        if view is None:
            raise HTTPException(404)
        tenant = view.head.target.tenant
        return web.page(
            request, "finding.html", view=view, may_act=actor.may(Right.ACT, tenant),
            may_waive=actor.may(Right.PROPOSE, tenant),
        )  # fmt: skip

    return router


def finding_view(number: str, deps: Deps, actor: Actor = VISITOR) -> FindingView | None:
    """One finding as of now, whatever its state, as far as who asks may see; None where there is none of it."""
    try:
        why = explain(number, actor, deps, with_plan=False)
    except NotFound:
        return None
    with deps.store.read(actor.tenants()) as unit:
        numbered = unit.findings.numbered(number)
        if numbered is None:
            return None
        name, known = numbered
        head = head_of(unit, name, deps)
        ((_, known),) = as_of([numbered], unit.waivers.in_force(head.now), head.now)
        target, finding, catalogue = head.target, known.finding, deps.catalogue_of(head.target)
        kind = catalogue.types.get(finding.resource_type)
        sides = _sides(unit, target, known, head) if kind is not None else ({}, {})
        path, leaf = _parts(finding.path), _leaf(kind, finding.path)
        alike = unit.finding_list.listed(FindingQuery(target=name, key=finding.key), MOST_ALIKE + 1)
        return FindingView(
            head=head, known=known, kind=kind,
            module=next((each.title for each in catalogue.modules if each.name == finding.module), finding.module),
            old=_worded(finding.old, leaf), new=_worded(finding.new, leaf),
            neighbours=_neighbours(sides, path, kind) if len(path) > 1 else (),
            unit=_unit_of(leaf, finding.money),
            lines=_lines(sides, kind) if kind is not None else (),
            alike=[each for _, each in alike if each.id != known.id][:MOST_ALIKE],
            elsewhere=unit.findings.elsewhere(known), history=unit.findings.history(known)[::-1],
            opinions=latest(unit.findings.opinions(known=known)).get(known.id, ()),
            why=why,
        )  # fmt: skip


def _sides(
    unit: Unit, target: Target, known: Known, head: Head
) -> tuple[Mapping[str, Canonical], Mapping[str, Canonical]]:
    """The object as it was approved, and as it was last read; {} where it is not there."""
    finding, snapshot = known.finding, unit.snapshots.last(target)
    approved = unit.baselines.configuration(target, head.baseline.version) if head.baseline is not None else None

    def of(configuration: Configuration | None) -> Mapping[str, Canonical]:
        found = configuration.named(finding.resource_type, finding.key) if configuration is not None else None
        return found.values if found is not None else {}

    return of(approved), of(snapshot.configuration if snapshot is not None else None)


def _parts(path: str) -> list[str]:
    """``rates[up_to=4].rate`` → ``rates``, ``up_to=4``, ``rate``; () for another form."""
    name, bracket, rest = path.partition("[")
    item, _, leaf = rest.rpartition("].")
    return [name, item, leaf] if bracket and item and leaf else []


def _leaf(kind: ResourceType | None, path: str) -> Field | None:
    """The field at the end of a path."""
    first = kind.fields.get(path.split("[")[0].split(".")[0]) if kind is not None else None
    if first is not None and first.item is not None:
        return first.item.fields.get(path.rsplit(".", 1)[-1], first.item)
    return first


def _unit_of(leaf: Field | None, money: Money | None) -> str:
    """``USD`` of an amount, else the field's own unit; "" where it has none."""
    unit = leaf.unit if leaf is not None else ""
    return unit if unit != "currency" else money.currency if money is not None else ""


def _worded(value: Canonical, kind: Field | None) -> str:
    """A value as people read it; a secret as its fingerprint (U5)."""
    if is_fingerprint(value):
        return f"{str(value)[:11]}…"
    return "personal" if kind is not None and kind.is_personal and value else worded(value, kind)


def _lines(
    sides: tuple[Mapping[str, Canonical], Mapping[str, Canonical]], kind: ResourceType
) -> Sequence[Line]:  # fmt: skip
    names = [*(each for each in kind.fields if each in {**sides[0], **sides[1]})]
    old, new = ([_worded(side.get(name), kind.fields[name]) for name in names] for side in sides)
    return [Line(*each) for each in zip(names, old, new, strict=True)]


def _neighbours(
    sides: tuple[Mapping[str, Canonical], Mapping[str, Canonical]], path: Sequence[str], kind: ResourceType | None
) -> Sequence[Neighbour]:  # fmt: skip
    """A number among those of the items beside it, because a slab is read with its neighbours."""
    listed = kind.fields.get(path[0]) if kind is not None else None
    leaf = listed.item.fields.get(path[2]) if listed is not None and listed.item is not None else None
    if listed is None or leaf is None or leaf.type is not FieldType.DECIMAL or not listed.item_key:
        return ()

    def by_name(side: Mapping[str, Canonical]) -> dict[str, Mapping[str, Canonical]]:
        items = side.get(listed.name)
        found = [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []
        return {",".join(f"{key}={_text(each.get(key))}" for key in listed.item_key): each for each in found}

    old, new = map(by_name, sides)
    names = [*new, *(each for each in old if each not in new)]
    values = {name: (_number(old.get(name), path[2]), _number(new.get(name), path[2])) for name in names}
    most = max((each for pair in values.values() for each in pair if each is not None), default=Decimal(0)) or Decimal(
        1
    )

    def said(value: Decimal | None) -> str:
        return with_places(f"{value:f}", leaf) if value is not None else ""

    shares = {name: [float(round(100 * (each or 0) / most, 1)) for each in pair] for name, pair in values.items()}
    return [
        Neighbour(_range_of(name, new.get(name) or old.get(name) or {}), said(was), said(now), shares[name][1],
                  min(shares[name]), name == path[1])
        for name, (was, now) in values.items()
    ]  # fmt: skip


def _range_of(name: str, item: Mapping[str, Canonical]) -> str:
    """``0 – 4``, ``over 20`` of a slab; else the item's key."""
    if "above" not in item:
        return name
    above, up_to = _text(item.get("above")), _text(item.get("up_to"))
    return f"{above} – {up_to}" if up_to else f"over {above}"


def _text(value: Canonical) -> str:
    return scalar_text(value) if value is not None else ""


def _number(item: Mapping[str, Canonical] | None, leaf: str) -> Decimal | None:
    value = item.get(leaf) if item is not None else None
    return Decimal(str(value)) if value is not None else None
