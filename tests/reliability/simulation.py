"""Days of a fleet in minutes: the real scheduler, sweeps and delivery on a clock that a test sets.

What truly happens is kept in a ledger of its own. After every sweep it is held against what stands in Slack
and in the store: a message is due exactly when a cause became visible since the sweep before, and only then.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from baselines.approval import Decision, change_key
from baselines.catalogue import FieldType
from baselines.configuration import Configuration
from monitor.access import on_host
from monitor.approval import approve, decide, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.delivery import deliver_waiting
from monitor.sandbox.slack_process import SlackProcess
from monitor.sandbox.world import START, plain
from monitor.schedule import Scheduler
from monitor.target import Target
from rules.findings import Kind
from tests.reliability.injection import Injected, Told, all_told, corpus, empties, go_together, rewrites, told
from tests.stories.monitored import Monitored
from tests.support import CATALOGUE, shipped, shipped_bytes
from tests.worlds import Served, Worlds

DAY = timedelta(days=1)
SCHEDULES = ("every 24h", "every 12h", "0 6 * * *", "every 24h")
#: Rules read dates of these: what is done to them today may be told on another day.
NOT_OF_TODAY = frozenset(("holiday", "bill_schedule", "read_schedule", "subscription", "scheduled_job", "utility"))
EPISODES = ("partial read", "log-in refused", "renewal", "drift", "drift", "drift", "rewrites", "quiet")
ALIKE = frozenset(("holiday", "tax", "faq", "sla", "tip"))  #: no variation touches these
DATED = frozenset((FieldType.DATE, FieldType.CRON, FieldType.DURATION, FieldType.TIMESTAMP, FieldType.TIMEZONE))
STYLES: tuple[tuple[str, dict[str, int]], ...] = (
    ("yes-no", {}), ("decimal-forms", {}), ("page-size-capped", {"size": 50}), ("reactivated-new-id", {}),
)  # fmt: skip


@dataclass
class Cause:
    """Something true that somebody must hear of, once."""

    what: str
    at: datetime  #: from when a sweep can see it
    told_at: datetime | None = None


@dataclass
class Tenant:
    """One watched utility, and the ledger of what truly happens to it."""

    name: str
    served: Served
    target: Target
    channel: str
    zone: ZoneInfo
    approved: Configuration
    true: Iterator[Injected]
    rng: random.Random
    ends_on: date | None = None  #: last day of a plan that nothing follows
    plan: str = ""
    causes: list[Cause] = field(default_factory=list)
    active: list[tuple[Injected, list[dict[str, Any]]]] = field(default_factory=list)  #: with how to undo it
    used: list[Injected] = field(default_factory=list)  #: not touched a second time
    fault: tuple[str, str] = ("", "")  #: that is on, and the list
    styles: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    events: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    said: int = 0  #: messages in the channel
    drift_of_the_plan: frozenset[Told] = frozenset()

    def due(self, now: datetime) -> list[Cause]:
        return [each for each in self.causes if each.told_at is None and each.at <= now]


def varied(kind: str, number: int, ends_on: date | None) -> bytes:
    """A tenant of its own from a shipped one: other names, keys and rates; perhaps a plan that ends."""
    text = shipped_bytes(kind).decode()
    factor = 1 + Decimal(number) / 200
    text = re.sub(
        r"\brate: '([0-9.]+)'", lambda m: f"rate: '{(Decimal(m[1]) * factor).quantize(Decimal('0.0001'))}'", text
    )
    text = re.sub(r"\b(BC|RC|R|A|S|D)-(?=[A-Z0-9])", lambda m: f"{m[1]}{number}-", text)
    text = text.replace("tenant: " + kind, f"tenant: t{number:02}")
    for name in ("San Francisco Water Authority", "Copper Basin Electric"):
        text = text.replace(name, f"{name} {number}")
    if ends_on is not None:
        code = plan_of(kind)
        text = re.sub(
            rf"(  - \{{code: {code},.*)is_active: true\}}", rf"\1effective_to: '{ends_on}', is_active: true}}", text
        )
    return text.encode()


def plan_of(kind: str) -> str:
    """The plan that ends one day."""
    return {"swa": "COM-VAR", "cbe": "SGS-SEASON"}[kind]


@dataclass
class Result:
    """What came of it."""

    tenants: int
    days: int
    sweeps: int = 0
    states: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    quiet: Counter[str] = field(default_factory=Counter)  #: what happened and means nothing, or is nobody's alarm
    messages: int = 0
    edits: int = 0
    false: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  #: told, and not as what it is

    def told(self) -> str:
        return (
            f"\n{self.days} days of {self.tenants} tenants: {self.sweeps:,} sweeps ({dict(self.states)})\n"
            f"true causes {self.causes.total():,}: {dict(sorted(self.causes.items()))}\n"
            f"of no meaning or wanted: {dict(sorted(self.quiet.items()))}\n"
            f"{self.messages:,} messages, {self.edits:,} edits in place; false alerts {len(self.false)}, missed "
            f"{len(self.missed)}, more than one message of a cause {len(self.twice)}, told wrongly {len(self.wrong)}"
            + "".join(f"\n  {each}" for each in (*self.false, *self.missed, *self.twice, *self.wrong))
        )


class Fleet:
    """All tenants on one clock."""

    def __init__(
        self, watching: Monitored, slack: SlackProcess, worlds: Worlds, clock: SetClock, tenants: int, days: int,
        seed: int,
    ) -> None:  # fmt: skip
        self.watching, self.slack, self.clock = watching, slack, clock
        self.begin, self.days = clock.now(), days
        self.scheduler = Scheduler(watching.deps)
        self.result = Result(tenants, days)
        self.rng = random.Random(seed)
        self.tenants = [self._tenant(worlds, number) for number in range(tenants)]
        for each in self.tenants:
            self._plan(each)

    # How each begins

    def _tenant(self, worlds: Worlds, number: int) -> Tenant:
        kind, zone = (("swa", "America/Los_Angeles"), ("cbe", "America/Phoenix"))[number % 2]
        ends_on = None
        if number % 3 == 0:
            ends_on = (self.begin + DAY * self.rng.randint(self.days // 3, self.days * 2 // 3)).date()
        data = varied(kind, number, ends_on)
        served = worlds.serve(data, f"{kind}.yaml", lambda: (self.clock.now() - START).total_seconds(), START)
        name = f"t{number:02}/production"
        target = self.watching.watch(name, served, zone, f"care-{number:02}", SCHEDULES[number % len(SCHEDULES)])
        self.watching.sweep(target)
        self.result.sweeps += 1
        tenant = Tenant(
            name, served, target, f"C{number:03}", ZoneInfo(zone), Configuration({}, ""), iter(()),
            random.Random(self.rng.random()), ends_on, plan_of(kind),
        )  # fmt: skip
        if ends_on is not None:
            # The rule looks 60 days ahead, in the utility's own day.
            soon = datetime.combine(ends_on - 60 * DAY, datetime.min.time(), tenant.zone)
            over = datetime.combine(ends_on + DAY, datetime.min.time(), tenant.zone)
            tenant.causes += [Cause("plan ends soon", max(soon, self.begin)), Cause("plan ended at midnight", over)]
        self.deliver()
        self.check(tenant)
        self.watching.approve(target)
        with self.watching.deps.store.read() as unit:
            approved = unit.baselines.approved(target)
        assert approved is not None
        tenant.approved = approved
        types = tenant.rng.sample(sorted(CATALOGUE.types), 15)
        tenant.true = corpus(approved, self.watching.deps.secrets_of(target.tenant), tenant.rng, types)
        with self.watching.deps.store.write() as unit:
            unit.targets.set_next_run(target, self.begin + timedelta(hours=1 + number % 5))
        return tenant

    def _plan(self, tenant: Tenant) -> None:
        """What happens on which day; a fault and a change of the world never begin or end on the same."""
        rng, day = tenant.rng, 1
        deck = [EPISODES[(self.tenants.index(tenant) - 1) % len(EPISODES)]]
        around = set()
        if tenant.ends_on is not None:
            end = (tenant.ends_on - self.begin.date()).days
            around = {*range(end - 1, end + 8), *range(end - 62, end - 56)}
            self._on(tenant, end + 4, lambda: self._prolong(tenant))
            self._on(tenant, end + 6, lambda: self._renew(tenant))
        while day < self.days - 4:
            if day in around or day + 3 in around:
                day += 1
                continue
            if not deck:
                deck = rng.sample(EPISODES, len(EPISODES))
            what = deck.pop(0)
            if what == "drift":
                count, lasts = rng.choice((1, 1, 2, 4)), rng.choice((1, 2, 3))
                self._on(tenant, day, lambda count=count: self._drift(tenant, count))
                self._on(tenant, day + lasts, lambda: self._mend(tenant))
                day += lasts
            elif what == "renewal":
                self._on(tenant, day, lambda: self._drift(tenant, 1, is_plain=True))
                self._on(tenant, day + 2, lambda: self._renew(tenant))
                day += 2
            elif what == "rewrites":
                self._on(tenant, day, lambda: self._rewrite(tenant))
            elif what != "quiet":
                self._on(tenant, day, lambda what=what: self._fault(tenant, what))
                self._on(tenant, day + 1, lambda: self._heal(tenant))
                day += 1
            day += rng.choice((1, 1, 2))
        for release, style in enumerate(STYLES):
            at = (release + 1) * self.days // (len(STYLES) + 1)
            self._on(tenant, at, lambda style=style: self._release(tenant, style))
            self._on(tenant, at + 2, lambda: self._release_settles(tenant))
        tenant.events.sort(key=lambda each: each[0])

    def _on(self, tenant: Tenant, day: int, happen: Callable[[], None]) -> None:
        tenant.events.append((self.begin + DAY * day, happen))

    # What happens

    def _drift(self, tenant: Tenant, count: int, *, is_plain: bool = False) -> None:
        chosen: list[Injected] = []
        for one in islice(tenant.true, 3000):
            if len(chosen) == count:
                break
            if self._is_fit(tenant, one, chosen, is_plain=is_plain):
                chosen.append(one)
        for one in chosen:
            undo = self._undo(tenant, one)
            tenant.served.change(one.changes)
            tenant.active.append((one, undo))
            tenant.used.append(one)
        tenant.causes.append(Cause("drift" if len(chosen) == 1 else "several at once", self.clock.now()))

    def _is_fit(self, tenant: Tenant, one: Injected, chosen: list[Injected], *, is_plain: bool) -> bool:
        kind = CATALOGUE.types[one.mutation.resource_type]
        field = one.mutation.path.partition("[")[0]
        is_dated = field in kind.fields and kind.fields[field].type in DATED
        if kind.name in NOT_OF_TODAY or is_dated or empties(one, tenant.approved) or one.changes_its_key:
            return False
        if one.mutation.key == tenant.plan or (is_plain and (one.what != "plausible" or one.touches_identity)):
            return False
        if any((u.mutation.resource_type, u.mutation.key) == (kind.name, one.mutation.key) for u in tenant.used):
            return False
        return go_together([*chosen, *(each for each, _ in tenant.active)], one)

    def _undo(self, tenant: Tenant, one: Injected) -> list[dict[str, Any]]:
        (change,) = one.changes
        name, key = change["resource"], change["key"]
        if change["op"] == "add":
            return [{"op": "remove", "resource": name, "key": key}]
        before = plain(tenant.served.world.find(name, key))
        values = {part: value for part, value in before.items() if part not in ("id", "updated_at", "updated_by")}
        if change["op"] == "remove":
            return [{"op": "add", "resource": name, "key": key, "value": values}]
        field = change["field"] or "is_active"
        return [{"op": "set", "resource": name, "key": key, "field": field, "value": values.get(field)}]

    def _mend(self, tenant: Tenant) -> None:
        for _, undo in reversed(tenant.active):
            tenant.served.change(undo)
        self.result.quiet["mended"] += bool(tenant.active)
        tenant.active = []

    def _renew(self, tenant: Tenant) -> None:
        """What is there now becomes the baseline, where no rule says that it is wrong; else it is mended."""
        if tenant.active and self.watching.open(tenant.target, Kind.RULE):
            self._mend(tenant)
            return
        deps, proposal = self.watching.deps, propose_baseline(tenant.target, on_host("olga"), self.watching.deps)
        with deps.store.read() as unit:
            review = review_of(proposal, deps, unit)
        changes = [(change_key(each), Decision.ACCEPT, "announced") for each in review.undecided]
        if changes:
            review = decide(proposal, changes, on_host("olga"), deps)
        approve(proposal, review.digest, on_host("nisha"), deps)
        self.result.quiet["renewals"] += 1
        tenant.active, tenant.drift_of_the_plan = [], frozenset()

    def _prolong(self, tenant: Tenant) -> None:
        """The plan goes on without an end, as somebody should have said before."""
        key, old = tenant.plan, str(tenant.ends_on)
        tenant.served.change([{"op": "set", "resource": "service_plan", "key": key, "field": "effective_to"}])
        tenant.drift_of_the_plan = frozenset((told("removed", "service_plan", key, "effective_to", old, None),))
        tenant.causes.append(Cause("plan prolonged", self.clock.now()))

    def _rewrite(self, tenant: Tenant) -> None:
        kind = "swa" if tenant.zone.key == "America/Los_Angeles" else "cbe"
        taken = {(one.mutation.resource_type, one.mutation.key) for one in tenant.used}
        found = rewrites(shipped(kind), self.watching.deps.form_of(tenant.target), tenant.rng)
        done = 0
        for one in islice(found, 400):
            if (one.resource_type, one.key) not in taken and one.resource_type in ALIKE:
                tenant.served.change(one.changes)
                done += 1
            if done == 5:
                break
        self.result.quiet["rewrites"] += done

    def _release(self, tenant: Tenant, style: tuple[str, dict[str, int]]) -> None:
        """A release of SMART360: other spellings, other pages, other ids, the same meaning."""
        if style[0] == "reactivated-new-id":
            tenant.served.fault(style[0])
        else:
            tenant.styles.append(style)
            self._switch(tenant)
        self.result.quiet["releases"] += 1

    def _release_settles(self, tenant: Tenant) -> None:
        """After some days everything is written the same way at each reading."""
        tenant.styles.clear()
        self._switch(tenant)

    def _switch(self, tenant: Tenant) -> None:
        """Faults of the world as they should be on now."""
        tenant.served.heal()
        for name, options in tenant.styles:
            tenant.served.fault(name, **options)
        if tenant.fault[0] == "partial read":
            tenant.served.fault("500-always", tenant.fault[1])
        elif tenant.fault[0]:
            tenant.served.fault("login-refused")

    def _fault(self, tenant: Tenant, what: str) -> None:
        tenant.fault = (what, tenant.rng.choice(sorted(CATALOGUE.types)) if what == "partial read" else "")
        self._switch(tenant)
        tenant.causes.append(Cause(what, self.clock.now()))

    def _heal(self, tenant: Tenant) -> None:
        tenant.fault = ("", "")
        self._switch(tenant)

    # Time goes on

    def run(self) -> Result:
        """Slot after slot to the end."""
        end = self.begin + DAY * self.days
        while (now := self._next()) < end:
            self.clock.at = now
            for tenant in self.tenants:
                while tenant.events and tenant.events[0][0] <= now:
                    tenant.events.pop(0)[1]()
            swept = [each for each in self.tenants if self._due_at(each) <= now]
            self._turn(swept)
            self.deliver()
            for tenant in swept:
                self.check(tenant)
        for tenant in self.tenants:
            self.result.missed += [f"{tenant.name}: {each.what} of {each.at}" for each in tenant.due(end - DAY)]
            self.result.causes.update(each.what for each in tenant.causes if each.told_at is not None)
        posted = [each for each in self.slack.client.get("/standin/messages").json() if not each["thread_ts"]]
        self.result.messages = len(posted)
        self.result.edits = sum(len(each["revisions"]) for each in posted)
        return self.result

    def _due_at(self, tenant: Tenant) -> datetime:
        with self.watching.deps.store.read() as unit:
            at = unit.targets.by_id(tenant.target.id).next_run_at
        assert at is not None
        return at

    def _next(self) -> datetime:
        return min(map(self._due_at, self.tenants))

    def _turn(self, swept: list[Tenant]) -> None:
        """Turns of the scheduler until every due target was swept."""
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up:
            self.scheduler.turn()
            with self.watching.deps.store.read() as unit:
                left = unit.targets.due(self.clock.now(), 100)
                running = [each for each in self.tenants if unit.sweeps.running(each.target) is not None]
            if not left and not running:
                self.result.sweeps += len(swept)
                return
            time.sleep(0.005)
        raise AssertionError("a sweep does not end")

    def deliver(self) -> None:
        while deliver_waiting(self.watching.deps):
            pass

    # The ledger

    def check(self, tenant: Tenant) -> None:
        """Hold the ledger against what people were told by this sweep."""
        now, where = self.clock.now(), f"{self.clock.now():%m-%d %H:%M} {tenant.name}"
        with self.watching.deps.store.read() as unit:
            self.result.states[unit.sweeps.last(tenant.target)[0].state] += 1
        posted = self.slack.client.get("/standin/messages", params={"channel": tenant.channel}).json()
        said = sum(1 for each in posted if not each["thread_ts"])
        fresh, tenant.said = said - tenant.said, said
        due = tenant.due(now)
        story = [known.finding.message for known in self.watching.open(tenant.target)]
        if fresh > len(due) and not due:
            self.result.false.append(f"{where}: {story}")
        elif fresh > 1:
            self.result.twice.append(f"{where}: {[each.what for each in due]} {story}")
        elif not fresh and due:
            self.result.missed.append(f"{where}: {[each.what for each in due]}")
        for each in due:
            each.told_at = now
        if tenant.fault[0] == "log-in refused":
            return  # nothing was read: what stood open stands open
        drift = (known.finding for known in self.watching.open(tenant.target, Kind.DRIFT))
        found = {told(str(o.op), o.resource_type, o.key, o.path, o.old, o.new) for o in drift}
        expected = all_told(one for one, _ in tenant.active) | tenant.drift_of_the_plan
        if found != expected:
            self.result.wrong.append(f"{where}: missed {expected - found}, besides {found - expected}")
        is_calm = not (tenant.active or tenant.fault[0] or tenant.drift_of_the_plan or self._plan_is_wrong(tenant, now))
        if is_calm and story:
            self.result.wrong.append(f"{where}: still open {story}")
        if tenant.fault[1] and not any(
            known.finding.resource_type == tenant.fault[1] for known in self.watching.open(tenant.target, Kind.COVERAGE)
        ):
            self.result.wrong.append(f"{where}: {tenant.fault[1]} was not read and nobody said so")

    def _plan_is_wrong(self, tenant: Tenant, now: datetime) -> bool:
        if tenant.ends_on is None or any(each.what == "plan prolonged" for each in tenant.causes):
            return False
        return now.astimezone(tenant.zone).date() >= tenant.ends_on - 60 * DAY
