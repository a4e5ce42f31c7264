"""What a consumer pays under a configuration: a bill line by line, in exact decimals. Pure.

A consumer is on one plan. Its base charge, its slabs over the metered consumption, its further rates, and on
their sum the taxes that hold in the consumer's city make the bill. Each line is rounded half up to the places of
the utility's currency, so that lines and total agree. What SMART360 does not say is assumed in one place:
docs/decisions/0022.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any, Final

from baselines.configuration import Configuration, ObjectList
from baselines.values import decimal_text
from rules.functions import in_force

Values = dict[str, Any]
#: Resource types that make a bill, and those that say where and when it is run.
READ: Final = frozenset(
    ("currency", "utility", "utility_service", "city", "zone", "division", "area", "consumer_category", "offer", "tax",
     "rate", "additional_charge", "bill_frequency", "service_plan", "bill_cycle", "bill_schedule")
)  # fmt: skip
_CREDITS: Final = ("discount", "adjustment")
_ZERO: Final = Decimal(0)
#: Room for every digit two canonical decimals and their product can have.
EXACT: Final = Context(prec=200, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a consumer uses in a month, and when: the share of each time of use, of 1."""

    amount: Decimal
    shares: Mapping[str, Decimal]
    size: str = "typical"


@dataclass(frozen=True, slots=True)
class Line:
    """What × rate = amount."""

    what: str
    quantity: Decimal
    unit: str  #: kgal, kWh, month, bill; "%" of a tax: the quantity is the money it is on
    rate: Decimal
    amount: Decimal  #: rounded

    def __str__(self) -> str:
        if self.unit == "%":
            return f"{self.what}: {money(self.quantity)} × {self.rate:f} % = {money(self.amount)}"
        return f"{self.what}: {decimal_text(self.quantity)} {self.unit} × {money(self.rate)} = {money(self.amount)}"


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of one period."""

    plan: str
    lines: tuple[Line, ...]
    months: int

    @property
    def total(self) -> Decimal:
        """Exactly the sum of the lines."""
        with localcontext(EXACT):
            return sum((each.amount for each in self.lines), _ZERO)

    @property
    def monthly(self) -> Decimal:
        """The total by month, rounded as its lines are."""
        with localcontext(EXACT):
            return (self.total / self.months).quantize(self.lines[0].amount, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Unbilled:
    """No bill can be made, or none can be worked out; a sentence says why."""

    reason: str
    is_known: bool = True  #: False: SMART360 may make one, and we cannot say which


class Refused(Exception):
    """Ends a calculation."""

    def __init__(self, reason: str, *, is_known: bool = False) -> None:
        super().__init__(reason)
        self.outcome = Unbilled(reason, is_known)


def money(value: Decimal) -> str:
    """An amount as people read it: every digit, at least two places."""
    text = decimal_text(value)
    whole, _, places = text.partition(".")
    return f"{whole}.{places:0<2}"


class Tariff:
    """What of a configuration makes bills; lists are decoded once, when they are looked into."""

    def __init__(self, configuration: Configuration, decoded: dict[int, tuple[ObjectList, dict[str, Values]]]) -> None:
        """``decoded`` is shared between configurations that have lists in common."""
        self._configuration, self._decoded, self._unread = configuration, decoded, configuration.unread
        self._all: dict[str, Mapping[str, Values]] = {}
        self._cities: dict[str, str] = {}
        self._bills: dict[tuple[object, ...], Bill | Unbilled] = {}

    def all(self, name: str) -> Mapping[str, Values]:
        """Objects of a type by natural key."""
        if name not in self._all:
            if name in self._unread:
                raise Refused(f"The list {name} was not read.")
            listed = self._configuration.lists.get(name)
            if listed is not None and id(listed) not in self._decoded:
                self._decoded[id(listed)] = (listed, {each.key: each.values for each in listed.objects})
            self._all[name] = self._decoded[id(listed)][1] if listed is not None else {}
        return self._all[name]

    def one(self, name: str, key: Any) -> Values:
        """The object a reference names."""
        found = self.all(name).get(str(key))
        if found is None:
            raise Refused(f"There is no {name.replace('_', ' ')} {key}.")
        return found

    @property
    def currency(self) -> tuple[str, str, int]:
        """Code, symbol and decimal places of the utility's currency."""
        utility: Values = next(iter(self.all("utility").values()), {})
        code = str(utility.get("currency") or next(iter(self.all("currency")), ""))
        found = self.all("currency").get(code, {})
        return code, str(found.get("symbol") or ""), int(found.get("decimal_places", 2))

    def city_of(self, area: str) -> str:
        """The city an area lies in."""
        if area not in self._cities:
            key: Any = area
            for name, up in (("area", "division"), ("division", "zone"), ("zone", "city")):
                key = self.one(name, key).get(up)
            self._cities[area] = str(key)
        return self._cities[area]

    def plan_of(self, code: str, area: str, day: str) -> str:
        """The plan a consumer of a plan is billed by on a day: it, or what took its place.

        Raises:
            Refused: none is in force there, or it is not known which.
        """
        plans = self.all("service_plan")
        asked = plans.get(code)
        if asked is not None and holds(asked, day) and area in asked.get("areas", ()):
            return code
        if asked is None:
            raise Refused(f"there is no plan {code}", is_known=True)
        alike = ("category", "kind")
        others = [
            key for key, each in plans.items()
            if holds(each, day) and area in each.get("areas", ()) and all(each.get(n) == asked.get(n) for n in alike)
        ]  # fmt: skip
        followers = [key for key in others if plans[key].get("supersedes") == code]
        for candidates in (followers, others):
            if len(candidates) == 1:
                return candidates[0]
        if others:
            raise Refused(f"It is not known which of {', '.join(others)} takes the place of {code}.")
        what = "switched off" if asked.get("is_active") is False else f"not in force in {area}"
        raise Refused(f"{asked.get('kind')} plan {code} is {what}", is_known=True)

    def bill(self, code: str, area: str, usage: Usage, day: str, charges: tuple[str, ...] = ()) -> Bill | Unbilled:
        """The bill of one period of a consumer on a plan.

        Args:
            code: of the plan the consumer was given.
            area: service area of the consumer.
            usage: a month's consumption, in the unit of the plan's metered service.
            day: ISO date of the bill; what is in force then is billed.
            charges: additional charges (codes) and offers on this bill besides.
        """
        asked = (code, area, usage.amount, tuple(usage.shares.items()), day, charges)
        if asked not in self._bills:
            self._bills[asked] = self._made(code, area, usage, day, charges)
        return self._bills[asked]

    def _made(self, code: str, area: str, usage: Usage, day: str, charges: tuple[str, ...]) -> Bill | Unbilled:
        try:
            with localcontext(EXACT):
                return self._bill(self.plan_of(code, area, day), area, usage, day, charges)
        except Refused as refused:
            return refused.outcome
        except (AttributeError, TypeError, ValueError, ArithmeticError):  # a value kept as it came, of another type
            return Unbilled(f"Plan {code} holds a value that cannot be read as its type.", is_known=False)

    def _bill(self, code: str, area: str, usage: Usage, day: str, charges: tuple[str, ...]) -> Bill:
        plan = self.all("service_plan")[code]
        months = int(self.one("bill_frequency", plan.get("frequency")).get("months", 0))
        if months < 1:
            raise Refused(f"Bill frequency {plan.get('frequency')} has no months.")
        cent = Decimal(1).scaleb(-self.currency[2])

        def line(what: str, quantity: Decimal, unit: str, rate: Decimal, part: Decimal = Decimal(1)) -> Line:
            return Line(what, quantity, unit, rate, (quantity * rate * part).quantize(cent, ROUND_HALF_UP))

        lines = [line(f"{code} base charge", Decimal(1), "bill", _decimal(plan.get("base_charge")))]
        volume = usage.amount * months
        lines += [line(f"{code} {what}", amount, self._unit(plan), rate) for what, amount, rate in _slabs(plan, volume)]
        lines += [line(*each) for each in self._further(plan, usage, day, months)]
        net = sum((each.amount for each in lines), _ZERO)
        hundredth = Decimal("0.01")
        taxes = list(self._taxes(plan.get("taxes", ()), area, day))
        lines += [line(name, net, "%", percentage, hundredth) for name, percentage in taxes]
        for key in charges:
            charge = self.all("additional_charge").get(key) or self.one("offer", key)
            if not self._applies(charge, plan, day):
                continue
            owed = sum((each.amount for each in lines), _ZERO)
            amount = _charged(charge, owed).quantize(cent, ROUND_HALF_UP)
            lines.append(line(str(charge.get("name") or key), Decimal(1), "bill", amount))
            lines += [line(name, amount, "%", percentage, hundredth)
                      for name, percentage in self._taxes(charge.get("taxes", ()), area, day)]  # fmt: skip
        return Bill(code, tuple(lines), months)

    def _unit(self, plan: Values) -> str:
        """The unit its metered consumption is priced in."""
        metered = self.metered(plan)
        unit = plan.get("unit")
        if metered is None:
            raise Refused("The plan prices consumption, but none of its services is metered, or several are.")
        if unit != metered.get("unit"):
            raise Refused(f"The plan is priced per {unit}, but meters count {metered.get('unit')}.")
        return str(unit)

    def metered(self, plan: Values) -> Values | None:
        """The one service of a plan that is metered."""
        services = [self.one("utility_service", each) for each in plan.get("services", ())]
        counted = [each for each in services if each.get("is_metered")]
        return counted[0] if len(counted) == 1 else None

    def _further(
        self, plan: Values, usage: Usage, day: str, months: int
    ) -> Iterator[tuple[str, Decimal, str, Decimal]]:
        """Further rates in force: standing ones by month or bill, others by consumption or their share of it."""
        at_all_times: list[str] = []
        for key in plan.get("extra_rates", ()):
            rate = self.one("rate", key)
            if not holds(rate, day):
                continue
            unit, amount = str(rate.get("unit")), _decimal(rate.get("amount"))
            period = rate.get("time_of_use")
            if rate.get("is_fixed"):
                yield str(rate.get("name")), Decimal(months if unit == "month" else 1), unit, amount
                continue
            source = self.one("utility_service", rate.get("service"))
            if not period and source.get("is_metered") and plan.get("rate_type") in ("seasonal", "time_based"):
                at_all_times.append(key)
                if len(at_all_times) > 1 or plan.get("rate_type") == "time_based":
                    raise Refused(f"When {' and '.join(at_all_times)} hold is not said: no dates, no time of use.")
            for _ in range(3):  # wastewater takes its volume from water
                if source.get("is_metered") or not source.get("volume_from"):
                    break
                source = self.one("utility_service", source.get("volume_from"))
            if not source.get("is_metered") or source.get("unit") != unit:
                raise Refused(f"Rate {key} is per {unit}, which no meter counts.")
            if period and period not in usage.shares:
                raise Refused(f"What part of the consumption is {str(period).replace('_', ' ')} is not known.")
            share = usage.shares[period] if period else Decimal(1)
            yield str(rate.get("name")), usage.amount * months * share, unit, amount

    def _taxes(self, keys: tuple[str, ...], area: str, day: str) -> Iterator[tuple[str, Decimal]]:
        for key in keys:
            tax = self.one("tax", key)
            if holds(tax, day) and (not tax.get("city") or tax["city"] == self.city_of(area)):
                yield str(tax.get("name")), _decimal(tax.get("percentage"))

    def _applies(self, charge: Values, plan: Values, day: str) -> bool:
        categories = charge.get("categories") or [charge.get("category")]
        ends = charge.get("expires_on")
        return holds(charge, day) and (not ends or day <= ends) and plan.get("category") in categories


def _charged(charge: Values, owed: Decimal) -> Decimal:
    """A charge or, below zero, a credit: an amount, or a capped percentage of what is owed."""
    is_offer = "max_amount" in charge
    cap = charge.get("max_amount") if is_offer else charge.get("cap")
    if charge.get("kind" if is_offer else "basis") == "percentage":
        amount = owed * _decimal(charge.get("percentage")) / 100
        amount = min(amount, _decimal(cap)) if cap is not None else amount
    else:
        amount = _decimal(cap if is_offer else charge.get("amount"))
    return -amount if is_offer or charge.get("kind") in _CREDITS else amount


def _slabs(plan: Values, volume: Decimal) -> Iterator[tuple[str, Decimal, Decimal]]:
    """What of a volume falls into each slab; each counts by itself, so a gap is free and an overlap costs twice."""
    included = _decimal(plan.get("included_volume"))
    for slab in plan.get("rates", ()):
        above = max(_decimal(slab.get("above")), included)
        end = slab.get("up_to")
        amount = min(volume, _decimal(end)) - above if end is not None else volume - above
        if amount > 0:
            name = f"{decimal_text(above)} to {end}" if end is not None else f"over {decimal_text(above)}"
            yield name, amount, _decimal(slab.get("rate"))


def holds(thing: Values, day: str) -> bool:
    """True if it is active and in force on a day."""
    return thing.get("is_active") is not False and in_force(thing, day)


def _decimal(value: Any) -> Decimal:
    if value is None:
        return _ZERO
    try:
        return Decimal(str(value))
    except ArithmeticError:
        raise Refused(f"{value} is no number.") from None
