"""T7: findings, snoozes and waivers in real sweeps and stories, held against a small model, with a clock that moves.

The model knows only what people were promised: who is quiet until when, and what must be told by which sweep.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from alerts.alert import AlertReason
from baselines.errors import ApprovalRefused
from baselines.writer import write_configuration
from monitor.access import on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.care import acknowledge, expect, reopen, snooze
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.target import Definition
from monitor.waivers import approve_waiver, ask_waiver, ask_wide_waiver, end_waiver
from rules.lifecycle import State
from rules.quiet import Standing
from rules.selector import Selector
from rules.waivers import as_of
from tests.support import CATALOGUE, configuration, swa

START = datetime(2026, 11, 24, 15, tzinfo=UTC)
CALLS = frozenset((AlertReason.CHANGED, AlertReason.REOPENED))  #: edits that call people to a message
OLGA, NISHA = on_host("olga"), on_host("nisha")
KEYS = ("ULF-GRE", "ULF-PDX")
RIGHT = {each["code"]: str(each["percentage"]) for each in swa()["tax"] if each["code"] in KEYS}
#: Shrinking takes minutes; the steps of a run tell enough.
QUICK = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
WHY = "the council decides on it in January"
key_of = st.sampled_from(KEYS)
hours = st.sampled_from((1, 3, 12, 36, 100))


@dataclass
class Model:
    """One place that may be wrong, and what was promised of it."""

    now_is: str  #: at the source
    seen: str = ""  #: wrong value at the last sweep
    state: State | None = None
    was_told: bool = False  #: people were called to it since it opened
    hush: tuple[Standing, datetime] | None = None
    is_waived: bool = False  #: as of the last sweep or approval
    calls: int = 0


@dataclass
class Exception_:
    """A waiver as people agreed on it."""

    keys: tuple[str, ...]
    ends: datetime
    is_ended: bool = False


@dataclass
class World:
    folder: Path
    clock: SetClock = field(default_factory=lambda: SetClock(START))

    def __post_init__(self) -> None:
        (self.folder / "exports").mkdir()
        self.store = Store.open(f"sqlite:///{self.folder / 'monitor.db'}", migrate=True)
        given = Settings(database_url="sqlite://", state_folder=self.folder, public_url="https://monitor.example")
        self.deps = Deps(given, clock=self.clock, open_store=lambda: self.store)
        self.export(RIGHT)
        definition = Definition(
            source="files", folder=str(self.folder / "exports"), time_zone="America/Los_Angeles", schedule="every 6h",
            scope=("tax",),
        )  # fmt: skip
        with self.store.write() as unit:
            self.target, _ = unit.targets.put("swa", "production", definition, START)
        self.sweep()
        proposal = propose_baseline(self.target, OLGA, self.deps)
        with self.store.read() as unit:
            digest = review_of(proposal, self.deps, unit).digest
        approve(proposal, digest, NISHA, self.deps)

    def export(self, values: dict[str, str]) -> None:
        taxes = [{**each, "percentage": values[each["code"]]} for each in swa()["tax"] if each["code"] in KEYS]
        content = write_configuration(configuration({"tax": taxes}), CATALOGUE)
        (self.folder / "exports" / "swa.yaml").write_bytes(content)

    def sweep(self) -> list[str]:
        """Keys that this sweep called people to."""
        self.clock.at += timedelta(seconds=1)
        with self.store.engine.begin() as connection:
            connection.execute(text("update alerts set state = 'sent'"))
            before = connection.execute(text("select coalesce(max(id), 0) from alerts")).scalar_one()
        report = sweep(self.target, self.clock.at, self.deps)
        assert report.state == "complete", report
        called = []
        with self.store.read() as unit:
            for each in unit.alerts.due(self.clock.at + timedelta(days=9999), 100):
                if each.id <= before or "waiver-" in each.story.key:
                    continue
                lines = {line.number: line.key for line in each.story.lines}
                if each.story.revision == 1:
                    called += lines.values()
                called += [lines[event.number] for event in each.story.events if event.reason in CALLS]
        return sorted(called)

    def known(self):
        with self.store.read() as unit:
            found = [(self.target.name, each) for each in unit.findings.known(self.target)]
            now = self.clock.now()
            return {each.finding.key: each for _, each in as_of(found, unit.waivers.in_force(now), now)}


class Life(RuleBasedStateMachine):
    """People, sweeps and time in any order."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder)
        self.model = {key: Model(RIGHT[key]) for key in KEYS}
        self.waivers: dict[int, Exception_] = {}

    def teardown(self) -> None:
        self.world.store.close()
        shutil.rmtree(self.folder)

    def now(self) -> datetime:
        return self.world.clock.now()

    def standing(self, key: str) -> Standing:
        """What was promised of a key at this moment."""
        for each in self.waivers.values():
            if key in each.keys and not each.is_ended and self.now() < each.ends:
                return Standing.WAIVED
        hush = self.model[key].hush
        return hush[0] if hush is not None and self.now() < hush[1] else Standing.PLAIN

    @rule(key=key_of, value=st.sampled_from(("right", "7", "8")))
    def change(self, key: str, value: str) -> None:
        self.model[key].now_is = RIGHT[key] if value == "right" else value
        self.world.export({each: model.now_is for each, model in self.model.items()})

    @rule(count=hours)
    def wait(self, count: int) -> None:
        self.world.clock.at += timedelta(hours=count)

    @rule(is_over=st.booleans())
    def wait_for_an_end(self, is_over: bool) -> None:
        """To the instant of the next end, or the last one before it; a sweep's second leads over it."""
        ends = [each.ends for each in self.waivers.values() if each.ends > self.now()]
        ends += [model.hush[1] for model in self.model.values() if model.hush and model.hush[1] > self.now()]
        if ends:
            self.world.clock.at = min(ends) - (timedelta(0) if is_over else timedelta(microseconds=1))

    @rule()
    def sweep(self) -> None:
        called = self.world.sweep()
        due = []
        for key, each in self.model.items():
            is_wrong, standing = each.now_is != RIGHT[key], self.standing(key)
            if not is_wrong:
                if each.state in (State.OPEN, State.ACKNOWLEDGED):
                    each.state, each.is_waived = State.RESOLVED, False
                continue
            is_new = each.state in (None, State.RESOLVED)
            is_changed = not is_new and each.now_is != each.seen
            was_quiet = not is_new and (each.hush is not None or each.is_waived)
            if standing is Standing.PLAIN:
                if is_new or is_changed or was_quiet or not each.was_told:
                    due.append(key)
                each.was_told, each.hush = True, None
            elif is_new or is_changed:
                each.was_told = False
            if is_new or is_changed:
                each.state = State.OPEN
            each.seen, each.is_waived = each.now_is, standing is Standing.WAIVED
        assert called == due

    @rule(key=key_of)
    def acknowledge(self, key: str) -> None:
        self.do(key, (State.OPEN,), lambda number: acknowledge(number, "", OLGA, self.world.deps), State.ACKNOWLEDGED)

    @rule(key=key_of, count=hours)
    def snooze(self, key: str, count: int) -> None:
        end = self.now() + timedelta(hours=count)
        if self.do(
            key, (State.OPEN, State.ACKNOWLEDGED), lambda number: snooze(number, end, "", OLGA, self.world.deps)
        ):
            self.model[key].hush = (Standing.SNOOZED, end)

    @rule(key=key_of, count=hours)
    def expect(self, key: str, count: int) -> None:
        end = self.now() + timedelta(hours=count)
        act = lambda number: expect(number, "CHG-1", end, "", OLGA, self.world.deps)  # noqa: E731
        if self.do(key, (State.OPEN, State.ACKNOWLEDGED), act):
            self.model[key].hush = (Standing.EXPECTED, end)

    @rule(key=key_of)
    def take_back(self, key: str) -> None:
        each = self.model[key]
        states = (State.ACKNOWLEDGED, State.RESOLVED, *((State.OPEN,) if each.hush else ()))
        before = each.state
        if self.do(key, states, lambda number: reopen(number, "", OLGA, self.world.deps), State.OPEN):
            # What nobody was told of, or was told to be quiet by a waiver, is still owed to the next sweep.
            each.hush = None
            each.is_waived = False
            if before is State.RESOLVED:
                each.seen = self.world.known()[key].finding.new

    @rule(key=key_of, count=hours, is_wide=st.booleans())
    @precondition(lambda self: len(self.waivers) < 5)
    def waive(self, key: str, count: int, is_wide: bool) -> None:
        known, ends = self.world.known().get(key), self.now() + timedelta(hours=count)
        if is_wide:
            match = Selector(resource_type="tax", key="ULF-*")
            asked = ask_wide_waiver([self.world.target.name], match, WHY, ends, OLGA, self.world.deps)
        elif known is not None:
            asked = ask_waiver(known.number, WHY, ends, OLGA, self.world.deps)
        else:
            return
        with pytest.raises(ApprovalRefused):
            approve_waiver(asked.number, "", OLGA, self.world.deps)
        approve_waiver(asked.number, "", NISHA, self.world.deps)
        self.waivers[asked.number] = Exception_(KEYS if is_wide else (key,), ends)
        for covered in self.waivers[asked.number].keys:
            if self.model[covered].state in (State.OPEN, State.ACKNOWLEDGED):
                self.model[covered].is_waived = True

    @rule(data=st.data())
    @precondition(lambda self: self.waivers)
    def end(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.waivers)))
        each = self.waivers[number]
        if each.is_ended or self.now() >= each.ends:
            with pytest.raises(ApprovalRefused):
                end_waiver(number, "", OLGA, self.world.deps)
        else:
            end_waiver(number, "", OLGA, self.world.deps)
            each.is_ended = True

    def do(self, key: str, states: tuple[State, ...], act, after: State | None = None) -> bool:
        """An act that is allowed in these states only; else it is refused, and nothing has changed."""
        known, each = self.world.known().get(key), self.model[key]
        if known is None:
            assert each.state is None
            return False
        if each.state not in states:
            with pytest.raises(ApprovalRefused):
                act(known.number)
            assert self.world.known()[key] == known
            return False
        act(known.number)
        each.state = after or each.state
        return True

    @invariant()
    def what_is_told_is_what_was_promised(self) -> None:
        if not hasattr(self, "world"):
            return
        known = self.world.known()
        for key, each in self.model.items():
            assert (known[key].state if key in known else None) == each.state
            if each.state in (State.OPEN, State.ACKNOWLEDGED):
                assert known[key].standing is self.standing(key), key
        with self.world.store.read() as unit:
            open_now = [each for each in self.model.values() if each.state in (State.OPEN, State.ACKNOWLEDGED)]
            assert sum(unit.findings.counts().values()) == len(open_now)


def test_t7_no_run_of_people_sweeps_and_time_differs_from_what_was_promised():
    run_state_machine_as_test(Life, settings=settings(QUICK, max_examples=12, stateful_step_count=30))


@pytest.mark.long
def test_t7_no_long_run_of_people_sweeps_and_time_differs_from_what_was_promised():
    run_state_machine_as_test(Life, settings=settings(QUICK, max_examples=300, stateful_step_count=60))
