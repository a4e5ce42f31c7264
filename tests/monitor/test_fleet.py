"""One cause on many targets over real HTTP and in both stores: one event, one message, one acknowledgement."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from baselines.severity import Severity
from monitor.access import Actor, Right, on_host
from monitor.care import acknowledge, acknowledge_fleet, tell_of
from monitor.clock import SetClock
from monitor.delivery import deliver_waiting
from monitor.errors import NotAllowed, NotFound
from monitor.fleet import fleet_event, fleet_events
from monitor.sandbox.slack_process import start_slack
from monitor.sandbox.world import START
from monitor.store.values import to_json
from rules.findings import Kind
from rules.fleet import Cause
from rules.lifecycle import Event, State, Step
from tests.monitor.store.made import NOW, finding, registered, somebody_waits
from tests.monitor.store.test_findings import applied
from tests.reliability.simulation import varied
from tests.stories.monitored import Monitored
from tests.worlds import Worlds

CHANNELS = {"C0OPS": "operators", **{f"C00{n}": f"care-{n}" for n in range(5)}}
SCOPE = ("tax", "utility")
MINUTE = timedelta(minutes=1)
CAUSE = Cause(Kind.DRIFT, "", "changed", "service_plan", "rates[].rate")


@pytest.fixture(scope="module")
def worlds():
    with Worlds() as serving, start_slack(channels=CHANNELS) as slack:
        clock = SetClock(START + timedelta(hours=1))

        def seconds() -> float:
            return (clock.now() - START).total_seconds()

        yield [serving.serve(varied("swa", n, None), "swa.yaml", seconds, START) for n in range(5)], slack, clock


class Utilities:
    """Five utilities, approved as they are."""

    def __init__(self, folder, store, worlds, **settings) -> None:
        self.served, self.slack, self.clock = worlds
        self.clock.at += timedelta(days=3)
        for message in self.slack.client.get("/standin/messages").json():
            self.slack.client.delete(f"/standin/messages/{message['ts']}")
        for each in self.served:
            each.control("DELETE", "/sandbox/faults")
            each.control("POST", "/sandbox/reset")
        (folder / "slack").write_text(self.slack.token, encoding="utf-8")
        self.store = store
        self.watching = Monitored(
            folder, store, clock=self.clock, slack_token=f"file:{folder / 'slack'}", slack_url=self.slack.api_url,
            slack_channels={name: identity for identity, name in CHANNELS.items()},
            public_url="https://monitor.example", **settings,
        )  # fmt: skip
        self.deps = self.watching.deps
        channels = settings.get("default_channel", "")
        self.targets = []
        for n, each in enumerate(self.served):
            made = self.watching.watch(f"t0{n}/production", each, "America/Los_Angeles", channels or f"care-{n}")
            with store.write() as unit:
                put = unit.targets.put(made.tenant, made.environment, replace(made.definition, scope=SCOPE), START)
            self.targets.append(put[0])
        for target in self.targets:
            self.sweep(target)
            self.watching.approve(target)
        self.clock.at += timedelta(hours=5)
        self.before = len(self.messages())

    def sweep(self, target) -> None:
        self.clock.at += MINUTE
        assert self.watching.sweep(target).state in ("complete", "partial")
        while deliver_waiting(self.deps):
            pass

    def change(self, numbers) -> None:
        """The same field of every utility gets another value, which need not be the same."""
        for number in numbers:
            self._set(number, f"{number + 11}")

    def _set(self, number: int, value: str) -> None:
        self.served[number].change(
            [{"op": "set", "resource": "tax", "key": "ULF-PDX", "field": "percentage", "value": value}]
        )

    def mend(self, number: int) -> None:
        self._set(number, "5")

    def messages(self, channel: str = "") -> list[dict]:
        found = self.slack.client.get("/standin/messages", params={"channel": channel} if channel else {}).json()
        return [each for each in found if not each["thread_ts"] and not each["is_deleted"]]

    def fresh(self) -> list[dict]:
        return self.messages()[self.before :]

    def events(self):
        with self.store.read() as unit:
            return fleet_events(unit, self.deps)

    def all_swept(self, numbers=range(5)) -> None:
        for number in numbers:
            self.sweep(self.targets[number])


@pytest.fixture
def utilities(tmp_path, store, worlds):
    return Utilities(tmp_path, store, worlds)


def shown(message) -> str:
    return message["text"] + json.dumps(message["blocks"], ensure_ascii=False)


def test_the_same_change_on_five_targets_is_one_event_with_all_of_them(utilities):
    utilities.change(range(5))
    utilities.all_swept([0, 1])
    assert utilities.events() == []
    utilities.all_swept([2, 3, 4])
    (event,) = utilities.events()
    assert set(event.by_target) == {target.name for target in utilities.targets}
    assert event.state is State.OPEN
    assert event.sentence.startswith("5 targets have another tax.percentage, seen between ")
    assert event.sentence.endswith(" UTC. Probably a release of SMART360.")


def test_it_is_told_once_to_the_operators_and_each_own_channel_gets_one_line_that_leads_there(utilities):
    utilities.change(range(5))
    utilities.all_swept()
    (event,) = utilities.events()
    (only,) = utilities.messages("C0OPS")
    assert "5 targets · same change" in shown(only)
    assert event.sentence in shown(only)
    assert f"/fleet-events/{event.number}" in shown(only)
    for number in range(5):
        own = [each for each in utilities.messages(f"C00{number}") if "percentage" in shown(each)]
        assert len(own) == 1
        assert f"Part of fleet event {event.number}" in shown(own[0])  # the first two were edited
        assert f"/fleet-events/{event.number}" in shown(own[0])
        assert "5 targets" not in shown(own[0])  # how many others is not told to a tenant


def test_where_all_share_one_channel_members_are_not_told_again_one_by_one(tmp_path, store, worlds):
    utilities = Utilities(tmp_path, store, worlds, default_channel="operators")
    utilities.change(range(5))
    utilities.all_swept()
    told = utilities.fresh()
    assert len(told) == 3  # the two before it was an event, and the event
    assert sum("Part of fleet event" in shown(each) for each in told) == 2
    with store.read() as unit:  # and each finding has its alert, said or not (P4)
        assert all(unit.alerts.states_of(known.alert_key) for _, known in utilities.events()[0].members)


def test_one_acknowledgement_is_for_all_members_and_stands_in_the_audit_log(utilities):
    utilities.change(range(5))
    utilities.all_swept()
    (event,) = utilities.events()
    done = acknowledge_fleet(event.number, "asked the vendor", on_host("carla"), utilities.deps)
    while deliver_waiting(utilities.deps):
        pass
    assert {known.number for known in done} == {known.number for _, known in event.members}
    (event,) = utilities.events()
    assert event.state is State.ACKNOWLEDGED
    with utilities.store.read() as unit:
        acts = [each for each in unit.audit.entries() if each.action == "finding.acknowledge"]
    assert {each.tenant for each in acts} == {"t00", "t01", "t02", "t03", "t04"}
    (told,) = utilities.messages("C0OPS")
    assert "Acknowledged by carla" in shown(told)


def test_who_may_act_on_one_tenant_acknowledges_its_members_and_no_others(utilities):
    utilities.change(range(5))
    utilities.all_swept()
    (event,) = utilities.events()
    may = frozenset({Right.SEE, Right.ACT})
    done = acknowledge_fleet(
        event.number, "", Actor("ines", {"t01": may, "t02": frozenset({Right.SEE})}), utilities.deps
    )
    assert {known.finding.key for known in done} == {"ULF-PDX"}
    with utilities.store.read(frozenset({"t01"})) as unit:
        mine = fleet_event(unit, event.number, utilities.deps)
        assert (set(mine.by_target), mine.state) == ({"t01/production"}, State.ACKNOWLEDGED)
        assert mine.sentence.startswith("1 target ")  # no count includes what is of others
    with pytest.raises(NotAllowed):
        acknowledge_fleet(event.number, "", Actor("pat", {"t02": frozenset({Right.SEE})}), utilities.deps)
    with pytest.raises(NotFound):
        acknowledge_fleet(event.number, "", Actor("pat", {"cbe": may}), utilities.deps)
    with utilities.store.read(frozenset({"cbe"})) as unit:
        assert fleet_events(unit, utilities.deps) == []


def test_a_member_that_heals_edits_the_message_and_the_last_one_ends_the_event(utilities):
    utilities.change(range(5))
    utilities.all_swept()
    utilities.mend(0)
    utilities.all_swept([0])
    (told,) = utilities.messages("C0OPS")
    assert "4 of 5 targets · same change" in shown(told)
    for number in range(1, 5):
        utilities.mend(number)
    utilities.all_swept(range(1, 5))
    (told,) = utilities.messages("C0OPS")
    assert "✓ Resolved · 5 targets" in shown(told)
    assert utilities.events()[0].state is State.RESOLVED


def test_the_same_change_much_later_is_a_story_of_its_own(utilities):
    utilities.change([0, 1])
    utilities.all_swept()
    utilities.clock.at += timedelta(hours=3)
    utilities.change([2])
    utilities.all_swept()
    assert utilities.events() == []


def test_sweeps_that_end_at_the_same_moment_make_one_event(utilities):
    utilities.change(range(5))
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(utilities.watching.sweep, utilities.targets))
    (event,) = utilities.events()
    assert set(event.by_target) == {target.name for target in utilities.targets}


def test_a_sweep_that_edits_a_message_while_a_person_does_settles_anew_and_loses_nothing(utilities, monkeypatch):
    """Its event edits the message of another target, of which a person acknowledges another finding just then."""
    utilities.served[0].change([{"op": "set", "resource": "tax", "key": "ULF-GRE", "field": "name", "value": "Levy"}])
    utilities.change(range(5))
    utilities.all_swept([0, 1])
    with utilities.store.read() as unit:
        found = unit.findings.open(utilities.targets[0])
    (other,) = [known for _, known in found if known.finding.key == "ULF-GRE"]
    sweeping = []

    def swept_meanwhile(*told) -> None:
        tell_of(*told)
        if not sweeping:
            sweeping.append(pool.submit(utilities.watching.sweep, utilities.targets[2]))
            while not (sweeping[0].done() or somebody_waits(utilities.store)):
                pass

    monkeypatch.setattr("monitor.care.tell_of", swept_meanwhile)
    with ThreadPoolExecutor(1) as pool:
        acknowledge(other.number, "", on_host("carla"), utilities.deps)
        assert sweeping[0].result().state == "complete"
    (event,) = utilities.events()
    assert len(event.by_target) == 3
    with utilities.store.read() as unit:
        told = unit.alerts.last_story("care-0", other.alert_key)
    assert {line.fleet for line in told.lines} == {None, event.number}
    assert "carla" in to_json(told)


def test_a_line_of_its_message_tells_of_the_worst_that_nobody_looks_at_yet(store):
    found = {}
    with store.write() as unit:
        number = unit.fleet.make(CAUSE, "operators", NOW)
    for name in ("swa/production", "cbe/production"):
        target = registered(store, name)
        several = [finding("A", severity=Severity.LOW), finding("B"), finding("C", severity=Severity.HIGH)]
        found[name] = applied(store, target, *(Step(Event.OPENED, each) for each in several))
        with store.write() as unit:
            unit.fleet.appeared({each.id: CAUSE for each in found[name]}, NOW)
            unit.fleet.join(number, [each.id for each in found[name]])
    with store.write() as unit:
        unit.findings.acknowledge(found["swa/production"][1], "carla", "", NOW)
        told = {name: (known.finding.key, members) for name, known, members in unit.findings.first_in_fleet(number)}
    assert told == {"swa/production": ("C", 3), "cbe/production": ("B", 3)}


def test_what_everyone_finds_at_the_first_reading_is_no_event(tmp_path, store, worlds):
    utilities = Utilities(tmp_path, store, worlds)
    assert utilities.events() == []


def test_a_single_acknowledgement_shows_in_the_event_too(utilities):
    utilities.change(range(5))
    utilities.all_swept()
    (event,) = utilities.events()
    acknowledge(event.members[0][1].number, "", on_host("carla"), utilities.deps)
    while deliver_waiting(utilities.deps):
        pass
    (told,) = utilities.messages("C0OPS")
    assert "4 open, 1 acknowledged" in told["text"]
