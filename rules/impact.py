"""What changes and findings mean in money. Pure.

Compared are the bills of consumers on each plan in each place, under the baseline and now, on the first day on which
they differ. What cannot be worked out is said in a sentence; no number is guessed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, localcontext
from functools import cached_property
from typing import Final

from baselines.apply import apply
from baselines.catalogue import Catalogue
from baselines.compare import Change
from baselines.configuration import Configuration, ObjectList
from rules.bills import EXACT, READ, Bill, Refused, Tariff, Unbilled, Usage, Values, holds
from rules.functions import days, next_run
from rules.money import Money, TypicalBill
from rules.profiles import Profile, shipped_profiles, usages_of

#: Types that matter only to plans that name them, or that are of their category.
_OF_PLANS: Final = ("service_plan", "rate", "tax")
MOST: Final = 50  #: objects changed; of more, each alone is not worked out
_CHARGES: Final = ("additional_charge", "offer")
_SHOWS_AFTER: Final = {"effective_from": 0, "effective_to": 1, "expires_on": 1}  #: field → days
_WORDS: Final = ("name", "short_name", "approval_reference", "contract", "authority", "payment_type")
_NOTHING: Final = Usage(Decimal(0), {})


@dataclass
class Impact:
    """What changes mean in money, each alone against the baseline, and all together; computed when asked."""

    base: Configuration | None  #: as approved
    now: Configuration
    changes: Sequence[Change]  #: between the two
    catalogue: Catalogue
    day: date
    consumers: Mapping[str, int] = field(default_factory=dict)  #: how many, by category
    profiles: tuple[Profile, ...] = ()  #: of the tenant; the shipped ones follow
    _decoded: dict[int, tuple[ObjectList, dict[str, Values]]] = field(default_factory=dict)
    _told: dict[tuple[int, ...], Money | None] = field(default_factory=dict)

    @cached_property
    def _counting(self) -> dict[tuple[str, str], list[Change]]:
        """Changes by which bills can differ, by object."""
        found: dict[tuple[str, str], list[Change]] = {}
        for each in self.changes if self.base is not None else ():
            if self._counts(each):
                found.setdefault((each.resource_type, each.key), []).append(each)
        return found

    @cached_property
    def _approved(self) -> Tariff:
        """Shared by changes that rename nothing; it remembers its bills."""
        assert self.base is not None, "changes are against a baseline"
        return Tariff(self.base, self._decoded)

    @cached_property
    def _standing(self) -> "_Sides":
        tariff = Tariff(self.now, self._decoded)
        return _Sides(self, tariff, tariff, ())

    def of(self, change: Change) -> Money | None:
        """This change and no other; None where it makes no bill differ."""
        return self._of([change]) if change in self._counting.get((change.resource_type, change.key), ()) else None

    def together(self) -> Money | None:
        """All changes at once; None with fewer than two that could count."""
        several = [each for mine in self._counting.values() for each in mine]
        return self._of(several) if len(several) > 1 else None

    def of_object(self, subject: tuple[str, str], judged: Iterable[tuple[str, str, str]]) -> Money | None:
        """What is wrong with an object: what changed of the values judged, else the bill that results.

        Args:
            subject: resource type and key.
            judged: resource type, key and field of each value; what changed beside them is another story.
        """
        if subject[0] not in READ:
            return None
        read: dict[tuple[str, str], set[str]] = {}
        for resource_type, key, name in judged:
            read.setdefault((resource_type, key), set()).add(name)
        mine = [
            each
            for named, several in self._counting.items()
            for each in several
            if named in read and (not each.steps or str(each.steps[0]) in read[named])
        ]
        told = self._of(mine) if mine else None
        return told or self._safely(lambda: self._resulting(*subject))

    def _of(self, changes: list[Change]) -> Money | None:
        places = tuple(sorted(map(id, changes)))
        if places not in self._told:
            if len(changes) == 1 and len(self._counting) > MOST:
                self._told[places] = Money(note=f"more than {MOST} objects changed; they are worked out all together")
            else:
                self._told[places] = self._safely(lambda: self._compared(changes))
        return self._told[places]

    def _safely(self, work: Callable[[], Money | None]) -> Money | None:
        try:
            return work()
        except Refused as refused:
            return Money(note=refused.outcome.reason)
        except (AttributeError, TypeError, ValueError):  # a value kept as it came, of another type
            return Money(note="a value cannot be read as its type")

    def _compared(self, changes: list[Change]) -> Money | None:
        assert self.base is not None, "changes are against a baseline"
        renames = [each for each in changes if each.path in ("code", "name")]
        old = Tariff(apply(renames, self.base, self.catalogue), self._decoded) if renames else self._approved
        sides = _Sides(self, old, Tariff(apply(changes, self.base, self.catalogue), self._decoded), changes)
        told = (sides.on(day) for day in self._days(changes, self.base))
        return next((each for each in told if each is not None), None)

    def _counts(self, change: Change) -> bool:
        """True if bills can differ by it: not by words beside them."""
        if change.resource_type not in READ:
            return False
        return change.path not in _WORDS or change.path in self.catalogue.types[change.resource_type].key

    def _days(self, changes: Iterable[Change], base: Configuration) -> list[str]:
        """Today, and the days to come on which what changed begins or ends to hold."""
        found = {self.day.isoformat()}
        for change in changes:
            for side in (base, self.now):
                each = side.named(change.resource_type, change.key)
                values = each.values if each is not None else {}
                found |= {days(str(values[name]), more) for name, more in _SHOWS_AFTER.items() if values.get(name)}
        return sorted(each for each in found if each >= self.day.isoformat())

    def _resulting(self, resource_type: str, key: str) -> Money | None:
        """The typical bills an object leads to now, or that none can be made."""
        sides, day, bills = self._standing, self.day.isoformat(), []
        tariff = sides.after
        for category, values in tariff.all("consumer_category").items():
            if values.get("is_active") is False or (resource_type == "consumer_category" and category != key):
                continue
            cases = [each for each in sides.cases if each.category == category and each.is_metered]
            if resource_type == "area":
                cases = [replace(each, area=key, place=sides.place(key)) for each in cases]
            elif resource_type != "consumer_category":
                named = (resource_type, key)
                cases = [each for each in cases if named in sides.parts(each.plan)]
            made = [(case, sides.outcome(tariff, case, sides.usages(case, day)[0], day)) for case in cases]
            best = next(((case, each) for case, each in made if isinstance(each, Bill)), next(iter(made), None))
            if best is not None and not (isinstance(best[1], Unbilled) and not best[1].is_known):
                usage = sides.usages(best[0], day)[0]
                bills.append(sides.row(best[0], usage, Unbilled(""), best[1]))
        bills.sort(key=lambda each: each.after is not None)  # what cannot be made is told first
        code, symbol, _ = tariff.currency
        note = "" if self.base is not None else "no baseline to compare with"
        return Money(code, symbol, tuple(bills), note=note) if bills else None


@dataclass(frozen=True)
class _Case:
    """Consumers of one plan in one area, which stands for all areas that are billed alike."""

    plan: str
    category: str
    is_metered: bool
    area: str
    place: str


@dataclass
class _Sides:
    """Bills before and after some changes."""

    impact: Impact
    before: Tariff
    after: Tariff
    changes: Sequence[Change]

    def __post_init__(self) -> None:
        self._cycles: dict[int, dict[str, list[tuple[str, str, Values]]]] = {}
        self.charges = tuple(each.key for each in self.changes if each.resource_type in _CHARGES)

    @cached_property
    def plans(self) -> dict[str, Values]:
        return {**self.after.all("service_plan"), **self.before.all("service_plan")}

    @property
    def sides(self) -> tuple[Tariff, Tariff]:
        return self.before, self.after

    def place(self, area: str) -> str:
        """The city of an area, by name."""
        for side in (self.after, self.before):
            if area in side.all("area"):
                city = side.city_of(area)
                return str(side.one("city", city).get("name") or city)
        return area

    def parts(self, plan: str) -> set[tuple[str, str]]:
        """What a plan is made of, itself included."""
        parts = {("service_plan", plan)}
        for values in (side.all("service_plan").get(plan, {}) for side in self.sides):
            for name, field_name in (("rate", "extra_rates"), ("tax", "taxes")):
                parts |= {(name, str(each)) for each in values.get(field_name, ())}
        return parts

    def _is_touched(self, code: str) -> bool:
        """False where nothing that changed can matter to the bills of a plan."""
        changed = {(each.resource_type, each.key) for each in self.changes}
        if not changed or any(name not in _OF_PLANS for name, _ in changed):
            return True
        plans = (side.all("service_plan").get(key, {}) for side in self.sides for _, key in changed)
        category = self.plans[code].get("category")
        return bool(changed & self.parts(code)) or any(each.get("category") == category for each in plans)

    @cached_property
    def cases(self) -> tuple[_Case, ...]:
        """Consumers on each plan that what changed can matter to, metered ones and the utility's own city first."""
        return tuple(self._cases())

    def _cases(self) -> Iterator[_Case]:
        utility: Values = next(iter(self.after.all("utility").values()), {})
        plans = self.plans
        for code in sorted(filter(self._is_touched, plans), key=lambda each: self._rank(each, plans[each])):
            plan, seen = plans[code], dict[tuple[object, ...], str]()
            areas = [set(side.all("service_plan").get(code, plan).get("areas", ())) for side in self.sides]
            for area in sorted(areas[0] | areas[1]):
                alike = [(area in there, *self.runs(side, area, plan).items())
                         for side, there in zip(self.sides, areas, strict=True)]  # fmt: skip
                seen.setdefault((self.place(area), *alike), area)
            for (place, *_), area in sorted(seen.items(), key=lambda each: each[0][0] != utility.get("city")):
                yield _Case(code, str(plan.get("category")), plan.get("kind") == "variable", area, str(place))

    def _rank(self, code: str, plan: Values) -> tuple[bool, int, str]:
        return plan.get("kind") != "variable", -self.impact.consumers.get(str(plan.get("category")), 0), code

    def runs(self, side: Tariff, area: str, plan: Values) -> dict[str, str]:
        """Active bill cycles of consumers on a plan in an area → when they run, "" where nothing makes them run."""
        category, services = plan.get("category"), set(plan.get("services", ()))
        if id(side) not in self._cycles:
            self._cycles[id(side)] = self._cycles_by_area(side)
        return {
            key: cron
            for key, cron, each in self._cycles[id(side)].get(area, ())
            if category in (each.get("categories") or [category]) and services & set(each.get("services", ()))
        }

    def _cycles_by_area(self, side: Tariff) -> dict[str, list[tuple[str, str, Values]]]:
        crons = {
            str(each.get("cycle")): str(each.get("cron_expression"))
            for each in side.all("bill_schedule").values()
            if each.get("status") in ("scheduled", "running")
        }
        found: dict[str, list[tuple[str, str, Values]]] = {}
        for key, each in side.all("bill_cycle").items():
            for area in each.get("areas", ()) if each.get("is_active") is not False else ():
                found.setdefault(area, []).append((key, crons.get(key, ""), each))
        return found

    def outcome(self, side: Tariff, case: _Case, usage: Usage, day: str) -> Bill | Unbilled:
        """The bill of a case on one side; none where no run makes it."""
        if side.all("bill_cycle"):
            runs = self.runs(side, case.area, self.plans[case.plan])
            if not runs:
                return Unbilled(f"no bill cycle has {case.category} consumers of {case.area}")
            if not any(runs.values()):
                return Unbilled(f"bill cycle {', '.join(runs)} is not scheduled to run")
        return side.bill(case.plan, case.area, usage, day, self.charges)

    def usages(self, case: _Case, day: str) -> tuple[Usage, ...]:
        """Typical consumption, the typical one first; one of nothing where no profile tells."""
        plan, side = self.plans[case.plan], self.after
        metered = side.metered(plan) or {}
        kind, unit = str(metered.get("kind")), str(metered.get("unit"))
        known = (*self.impact.profiles, *shipped_profiles())
        found = usages_of(known, case.category, kind, unit, int(day[5:7]))
        found = tuple(sorted(found, key=lambda each: each.size != "typical"))
        return (found if case.is_metered else found[:1]) or (_NOTHING,)

    def rows(self, case: _Case, day: str) -> list[TypicalBill] | str:
        """The bills of a case that differ; a sentence where they differ and no figure can be told."""
        usages = self.usages(case, day)
        found = [row for usage in usages if (row := self.differing(case, usage, day))]
        if not found and case.is_metered:
            for each in sorted({Decimal(bound) + 1 for bound in self._bounds(case.plan)} | {Decimal(1)}):
                if row := self.differing(case, Usage(each, usages[0].shares, "larger"), day):
                    found = [row]
                    break
        wrong = next((each for each in found if isinstance(each, str)), None)
        if wrong is not None:
            return wrong
        told = [each for each in found if isinstance(each, TypicalBill)]
        if told and usages == (_NOTHING,) and case.is_metered and any(each.before for each in told):
            return f"no consumption profile for {case.category}"
        return told

    def _bounds(self, code: str) -> Iterator[str]:
        for side in self.sides:
            for slab in side.all("service_plan").get(code, {}).get("rates", ()):
                yield from (str(bound) for bound in (slab.get("above"), slab.get("up_to")) if bound is not None)

    def differing(self, case: _Case, usage: Usage, day: str) -> TypicalBill | str | None:
        """One bill where it differs; a sentence where one side cannot be worked out."""
        old, new = (self.outcome(side, case, usage, day) for side in self.sides)
        for each in (new, old):
            if isinstance(each, Unbilled) and not each.is_known:
                return each.reason
        if isinstance(old, Bill) and isinstance(new, Bill):
            if old.months != new.months:
                return "it is not known whether charges and slabs of a plan hold by month or by bill"
            if old.monthly == new.monthly:
                return None
        elif isinstance(old, Unbilled) and isinstance(new, Unbilled):
            return None
        return self.row(case, usage, old, new)

    def row(self, case: _Case, usage: Usage, old: Bill | Unbilled, new: Bill | Unbilled) -> TypicalBill:
        """Both sides as told."""
        amounts = [f"{each.monthly:f}" if isinstance(each, Bill) else None for each in (old, new)]
        lines = [tuple(map(str, each.lines)) if isinstance(each, Bill) else () for each in (old, new)]
        used = f"{usage.amount:f} {self.plans[case.plan].get('unit')}" if case.is_metered else "fixed"
        return TypicalBill(
            case.category, case.plan, case.place, usage.size, used,
            amounts[0], amounts[1], new.reason if isinstance(new, Unbilled) else "", lines[0], lines[1],
        )  # fmt: skip

    def on(self, day: str) -> Money | None:
        """What differs on a day; None where nothing does."""
        note, found = "", list[tuple[_Case, list[TypicalBill]]]()
        is_of_runs = all(each.resource_type in ("bill_cycle", "bill_schedule") for each in self.changes)
        for case in self.cases:
            before, after = (self.runs(side, case.area, self.plans[case.plan]) for side in self.sides)
            if is_of_runs and before == after:
                continue
            rows = self.rows(case, day)
            if isinstance(rows, str):
                note = note or rows
            elif rows:
                found.append((case, rows))
        if not found:
            return Money(note=note) if note else None
        first = {case.category: (case, rows) for case, rows in reversed(found)}
        found_first = [each for each in found if first[each[0].category] == each]
        totals = [self._total(case, rows, found, day) for case, rows in found_first]
        lacking = next((each for each in totals if isinstance(each, str)), "")
        monthly = consumers = None
        if not lacking and not note:
            with localcontext(EXACT):
                sums = [each for each in totals if not isinstance(each, str)]
                monthly = f"{sum((amount for amount, _ in sums), Decimal(0)):f}"
                consumers = sum(count for _, count in sums)
        code, symbol, _ = self.after.currency
        today = self.impact.day.isoformat()
        run, cycle = self._next_run([case for case, _ in found], max(day, today))
        return Money(
            code, symbol, tuple(row for _, rows in found_first for row in rows), monthly, consumers, note or lacking,
            day if day > today else "", run, cycle, ", ".join(self.charges),
        )  # fmt: skip

    def _total(
        self, case: _Case, rows: Sequence[TypicalBill], found: Sequence[tuple[_Case, object]], day: str
    ) -> tuple[Decimal, int] | str:
        """By month for all consumers of a category, and how many; a sentence where that cannot be known."""
        differing = Counter(each.plan for each, _ in found)
        held = [
            code for code, each in self.before.all("service_plan").items()
            if holds(each, day) and (each.get("category"), each.get("kind")) == (case.category, "variable")
        ]  # fmt: skip
        if self.charges:
            return "how often it is charged is not known"
        if rows[0].size != "typical":
            return "how many use as much is not known"
        if rows[0].before is None:
            return "nobody was billed by it before"
        if not case.is_metered or len(held) > 1:
            return "how many consumers are on which plan is not known"
        if differing[case.plan] < sum(1 for each in self.cases if each.plan == case.plan):
            return "consumers are counted by category, not by area"
        count = self.impact.consumers.get(case.category)
        if count is None:
            return f"no count of {case.category} consumers is given (consumers in the tenant file)"
        return rows[0].difference * count, count

    def _next_run(self, cases: Iterable[_Case], day: str) -> tuple[str, str]:
        """Day and cycle of the next run that bills one of these; of the run that will not be made, where none is."""
        found = cases if isinstance(cases, list) else list(cases)
        for side in (self.after, self.before):
            runs = [
                (when, cycle)
                for case in found
                for cycle, cron in self.runs(side, case.area, self.plans[case.plan]).items()
                if cron and (when := next_run(cron, day))
            ]
            if runs:
                return min(runs)
        return "", ""
