"""What a finding means in money, as it is told: typical bills before and after, a total, the next bill run."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from rules.bills import EXACT


@dataclass(frozen=True, slots=True)
class TypicalBill:
    """One bill, by month, before and after; amounts are decimals as text."""

    category: str
    plan: str
    place: str  #: the city
    size: str  #: small, typical, large; ``larger`` where none of these is concerned
    usage: str  #: ``7 kgal``; "" where consumption does not count
    before: str | None  #: None: none was made, or there is no baseline
    after: str | None  #: None: none can be made
    why_none: str = ""
    before_lines: tuple[str, ...] = ()  #: the calculation: what × rate = amount
    after_lines: tuple[str, ...] = ()

    @property
    def difference(self) -> Decimal:
        """After − before, none counting as 0."""
        with localcontext(EXACT):
            return Decimal(self.after or 0) - Decimal(self.before or 0)


@dataclass(frozen=True, slots=True)
class Money:
    """What a finding means for bills; kept beside a finding, no part of what it is."""

    currency: str = ""
    symbol: str = ""
    bills: tuple[TypicalBill, ...] = ()  #: the one that is told first
    monthly: str | None = None  #: for all consumers of the utility, by month
    consumers: int | None = None  #: counted in it
    note: str = ""  #: what could not be worked out, and why
    starts: str = ""  #: day from which bills differ; "" already now
    next_run: str = ""  #: day of the next bill run that would use it
    cycle: str = ""  #: of that run
    each_time: str = ""  #: the charge; then each bill is one with it

    def __str__(self) -> str:
        """One line: typical bill, total, next run; or why there is none."""
        parts = [self._bill(self.bills[0])] if self.bills else []
        parts += self._in_all
        if not parts and self.note:
            parts.append(f"effect on bills not computed: {self.note}")
        return _begun("; ".join(parts + self._run))

    @property
    def headline(self) -> str:
        """A sentence for the first line of a message: the total, else what one bill changes by; "" without either."""
        parts = self._in_all
        if not parts and self.bills:
            bill = self.bills[0]
            every = " each time it is charged" if self.each_time else " a month"
            change = f"{self.shown(bill.difference, sign='+')}{every}" if bill.after else "cannot be made"
            parts = [f"{bill.size} {bill.category} bill {change}"]
        return _begun("; ".join(parts + self._run)) + "." if parts else ""

    @property
    def _in_all(self) -> list[str]:
        return [f"about {self.total} a month in all"] if self.total else []

    @property
    def _run(self) -> list[str]:
        return [f"next bill run {self.cycle} on {_day(self.next_run)}"] if self.next_run else []

    @property
    def total(self) -> str:
        """``+$7.1 million``: by month, for all consumers of the utility; "" where it is not known."""
        return self._about(Decimal(self.monthly)) if self.monthly is not None else ""

    @property
    def bill(self) -> str:
        """The bill that is told first, or why none could be worked out, as a sentence without its full stop."""
        text = self._bill(self.bills[0]) if self.bills else f"effect on bills: not computed ({self.note})"
        return text[:1].upper() + text[1:]

    def _bill(self, bill: TypicalBill) -> str:
        name = f"{bill.size} {bill.category} bill ({', '.join(filter(None, (bill.usage, bill.place)))})"
        every = f" each time {self.each_time} is charged" if self.each_time else " a month"
        when = f", from {_day(self.starts)}" if self.starts else ""
        before, after = (self.shown(each) if each is not None else "" for each in (bill.before, bill.after))
        if before and after:
            return f"{name} {before} → {after}{every} ({self.shown(bill.difference, sign='+')}){when}"
        if after:
            return f"{name} comes to {after}{every}{when}"
        lost = f", {before}{every}, can no longer be made" if before else " cannot be made"
        return f"{name}{lost}{when}: {bill.why_none}"

    def shown(self, amount: Decimal | str, *, sign: str = "") -> str:
        """An amount with its currency, as people read it."""
        number = Decimal(amount)
        text = f"{'−' if number < 0 else sign}{self.symbol}{abs(number):,f}"
        return text if self.symbol else f"{text} {self.currency}".strip()

    def _about(self, amount: Decimal) -> str:
        """A total with as many digits as it deserves: it rests on typical bills."""
        size, word = abs(amount), ""
        if size >= 1_000_000:
            size, word = (size / 1_000_000).quantize(Decimal("0.1"), ROUND_HALF_UP), " million"
        elif size:
            size = size.quantize(Decimal(1).scaleb(max(0, size.adjusted() - 2)), ROUND_HALF_UP).quantize(Decimal(1))
        told = f"{'−' if amount < 0 else '+'}{self.symbol}{size:,f}{word}"
        return told if self.symbol else f"{told} {self.currency}".strip()

    @property
    def working(self) -> list[str]:
        """The first bill line by line, before and after, and what could not be worked out."""
        if not self.bills:
            return []
        bill = self.bills[0]
        told = [f"before  {line}" for line in bill.before_lines] + [f"after   {line}" for line in bill.after_lines]
        if self.monthly is not None and self.consumers:
            total = self.shown(self.monthly, sign="+")
            told.append(f"in all  {total} a month if each of {self.consumers:,} consumers had the typical bill")
        return [*told, f"not in all: {self.note}"] if self.note else told

    def as_json(self) -> dict[str, Any]:
        """As ``check`` and ``findings show`` print it."""
        names = ("category", "plan", "place", "size", "usage", "before", "after", "why_none")
        bills = [
            {name: getattr(each, name) for name in names}
            | {
                "difference": f"{each.difference:f}",
                "working": {"before": each.before_lines, "after": each.after_lines},
            }
            for each in self.bills
        ]
        return {
            "told": str(self), "currency": self.currency, "bills": bills, "monthly": self.monthly,
            "consumers": self.consumers, "note": self.note, "starts": self.starts, "next_run": self.next_run,
            "cycle": self.cycle, "each_time": self.each_time,
        }  # fmt: skip


def _begun(text: str) -> str:
    """With the capital that a sentence begins with."""
    return text[:1].upper() + text[1:]


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"
