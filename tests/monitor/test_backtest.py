"""A pack tried on the stored history tells what sweeps with it would have told: nothing else, at no other time."""

import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.backtest import Backtest, Trial, backtest
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.target import Definition, Target
from rules.findings import Kind
from rules.pack import load_packs
from tests.command import command
from tests.monitor.cli.small import PACK
from tests.support import CATALOGUE

NOON = datetime(2026, 1, 15, 20, tzinfo=UTC)
SCOPE = ("utility", "zone", "tax", "registration_type", "department")
GOOD: dict[str, list[dict[str, Any]]] = {
    "utility": [{"id": "u", "short_name": "TINY", "name": "Tiny Water", "timezone": "America/Los_Angeles"}],
    "zone": [{"id": "n", "code": "N", "name": "North"}],
    "tax": [{"id": "t", "code": "ULF", "name": "Licence fee", "percentage": "5.0", "effective_from": "2025-07-01"}],
    "registration_type": [{"id": "r", "code": "NEW", "name": "New", "kind": "new_connection", "fee": "4.10"}],
    "department": [{"id": "d", "code": "D", "name": "Desk"}],
}


class World:
    """One target of exports, swept at moments that the test sets."""

    overlays: tuple[tuple[str, str], ...] = ()

    def __init__(self, folder: Path, url: str = "", pack: str = PACK) -> None:
        self.exports, self.clock = folder / "exports", SetClock(NOON)
        self.exports.mkdir(exist_ok=True)
        (folder / "pack.yaml").write_text(pack, encoding="utf-8")
        self.store = Store.open(url or f"sqlite:///{folder / 'monitor.db'}", migrate=True)
        wanted = Settings(database_url="sqlite://", state_folder=folder, packs=[folder / "pack.yaml"])
        self.deps = Deps(wanted, clock=self.clock, worker="w", open_store=lambda: self.store)
        self.put(**GOOD)

    def target(self, name: str = "tiny/production") -> Target:
        definition = Definition(
            source="files", folder=str(self.exports), time_zone="America/Los_Angeles", schedule="every 6h", scope=SCOPE,
            overlays=self.overlays,
        )  # fmt: skip
        with self.store.write() as unit:
            return unit.targets.put(*name.split("/"), definition, NOON)[0]

    def put(self, **lists: list[dict[str, Any]] | None) -> None:
        """Export lists; None: the list cannot be read."""
        for name, objects in lists.items():
            (self.exports / f"{name}.json").write_text("{" if objects is None else json.dumps(objects))

    def edit(self, name: str, /, **fields: str) -> None:
        self.put(**{name: [{**GOOD[name][0], **fields}]})

    def sweep(self, name: str = "tiny/production", **later: float) -> None:
        self.clock.at += timedelta(**later)
        report = sweep(self.target(name), self.clock.at, self.deps)
        assert report.state in ("complete", "partial"), report

    def tried(self, pack: str = "", since: datetime = NOON, **how: bool) -> Backtest:
        (self.exports.parent / "tried.yaml").write_text(pack or PACK, encoding="utf-8")
        (loaded,) = load_packs([self.exports.parent / "tried.yaml"], CATALOGUE).packs
        with self.store.read() as unit:
            targets = unit.targets.all()
        return backtest(Trial.of(loaded, self.deps.packs), targets, since, self.deps, **how)

    def close(self) -> None:
        self.store.close()


@pytest.fixture
def world(tmp_path, store_url):
    made = World(tmp_path, store_url)
    yield made
    made.close()


def lives(world: World, pack: str) -> set[tuple[str, str, datetime, datetime | None]]:
    """What sweeps told of a pack's rules: fingerprint, and when it was opened and resolved."""
    rules = {rule.id for rule in world.deps.packs.rules if rule.pack == pack}
    found = set()
    with world.store.read() as unit:
        for target in unit.targets.all():
            for known in unit.findings.known(target):
                if known.finding.kind is not Kind.RULE or known.finding.rule not in rules:
                    continue
                begun = None
                for each in unit.findings.history(known):
                    if each.event in ("opened", "reopened"):
                        begun = each.at
                    elif each.event == "resolved":
                        found.add((target.name, known.finding.fingerprint, begun, each.at))
                        begun = None
                if begun is not None:
                    found.add((target.name, known.finding.fingerprint, begun, None))
    return found


def told(made: Backtest) -> set[tuple[str, str, datetime, datetime | None]]:
    return {(target, each.finding.fingerprint, each.first_seen, each.ended) for target, each in made.firings}


#: What happens to a list: fields of its one object, or None where it cannot be read.
EVENTS = st.sampled_from(
    [
        *(("registration_type", {"fee": fee}) for fee in ("41", "4.2", "50")),
        *(("department", {"name": name}) for name in ("-", "Desk")),
        *(("tax", {"effective_to": day}) for day in ("2026-02-01", "2027-01-17")),
        *((name, None) for name in ("registration_type", "department", "tax", "utility")),
        *((name, {}) for name in ("tax", "utility", "zone")),
    ]
)
HISTORIES = st.lists(st.tuples(EVENTS, EVENTS, st.sampled_from([1, 6, 20, 30])), min_size=2, max_size=9)


def replayed_as_swept(steps, targets=("tiny/production",)) -> int:
    """Backtest of the installed packs against what their sweeps told; returns how many findings that were."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for one, other, hours in steps:
            for name, fields in (one, other):
                world.put(**{name: None}) if fields is None else world.edit(name, **fields)
            for place, target in enumerate(targets):
                world.sweep(target, hours=hours if not place else 0)
        swept = set()
        for pack in world.deps.packs.packs:
            trial = Trial.of(pack, world.deps.packs)
            assert (trial.new, trial.changed, trial.removed) == ((), (), ())
            with world.store.read() as unit:
                made = backtest(trial, unit.targets.all(), NOON, world.deps, everything=True)
            assert told(made) == lives(world, pack.name)
            assert {(t, each.finding.fingerprint) for t, each in made.firings} == made.did
            assert made.gone == ()
            swept |= told(made)
        world.close()
        return len(swept)


SLOW = [HealthCheck.too_slow]
AS_FOUND = [Phase.explicit, Phase.generate]  #: histories take a second each; shrinking one would take minutes


@given(HISTORIES)
@settings(max_examples=8, suppress_health_check=SLOW, phases=AS_FOUND)
def test_the_installed_packs_over_a_history_give_what_its_sweeps_told(steps):
    replayed_as_swept(steps)


@pytest.mark.long
@given(HISTORIES)
@settings(max_examples=300, suppress_health_check=SLOW, phases=AS_FOUND)
def test_the_installed_packs_over_many_histories_of_two_targets_give_what_their_sweeps_told(steps):
    replayed_as_swept(steps, ("tiny/production", "tiny/staging"))


STRICTER = PACK.replace('most: "10"', 'most: "4"').replace("version: 1.0.0", "version: 1.1.0")
NEW_RULE = PACK.replace("consumer.fee-is-small", "consumer.fee-is-tiny").replace('most: "10"', 'most: "4"')


def test_only_rules_that_are_new_or_changed_are_judged(world):
    world.sweep()
    same = world.tried()
    assert (len(same.trial.same), same.firings, same.replays["tiny/production"].judged) == (3, [], 0)
    changed = world.tried(STRICTER)
    assert [rule.id for rule in changed.trial.changed] == ["consumer.fee-is-small"]
    assert len(changed.trial.same) == 2
    assert [each.finding.rule for _, each in changed.firings] == ["consumer.fee-is-small"]
    new = world.tried(NEW_RULE)
    assert [rule.id for rule in new.trial.new] == ["consumer.fee-is-tiny"]
    assert [rule.id for rule in new.trial.removed] == ["consumer.fee-is-small"]


def test_what_did_not_change_is_judged_once_and_its_lists_are_opened_once(world):
    for _ in range(4):
        world.sweep(hours=1)
    made = world.tried(STRICTER).replays["tiny/production"]
    assert (made.moments, made.judged) == (4, 1)
    world.edit("zone", name="Nord")
    world.sweep(hours=1)
    assert world.tried(STRICTER).replays["tiny/production"].judged == 1
    world.edit("registration_type", fee="3")
    world.sweep(hours=1)
    assert world.tried(STRICTER).replays["tiny/production"].judged == 2


def test_a_rule_that_reads_today_fires_at_the_reading_after_midnight(world):
    world.edit("tax", effective_to="2027-01-16")
    world.sweep()  # 12:00 on the 15th: 365 days on is 2027-01-15
    world.sweep(hours=11)  # 23:00
    world.sweep(hours=6)  # 05:00 on the 16th
    firings = world.tried(PACK.replace("billing.tax-goes-on", "billing.tax-goes-on-for-long")).firings
    assert [each.first_seen for _, each in firings] == [NOON + timedelta(hours=17)]


def test_what_could_not_be_decided_closes_nothing_and_is_said(world):
    world.sweep()
    world.put(registration_type=None)
    world.sweep(hours=6)
    world.edit("registration_type", fee="3")
    world.sweep(hours=6)
    made = world.tried(STRICTER)
    ((_, firing),) = made.firings
    assert (firing.first_seen, firing.last_seen, firing.ended) == (NOON, NOON, NOON + timedelta(hours=12))
    assert made.open_for("tiny/production", firing) == timedelta(hours=12)
    assert made.undecided == {"consumer.fee-is-small": 1}


def test_an_alert_is_one_message_for_a_target_and_reading_and_what_is_back_within_a_day_edits_it(world):
    both = STRICTER.replace('self.name != "-"', 'self.name != "Desk"')
    world.sweep()
    world.sweep("tiny/staging")
    assert (len(world.tried(both).firings), world.tried(both).alerts) == (4, 2)
    for fee, hours in (("3", 1), ("5", 2), ("3", 1), ("5", 30)):
        world.edit("registration_type", fee=fee)
        world.sweep(hours=hours)
    made = world.tried(both)
    again = [each.again_after for target, each in made.firings if target == "tiny/production" and each.again_after]
    assert again == [timedelta(hours=2), timedelta(hours=30)]
    assert (len(made.firings), made.alerts) == (6, 3)


def test_a_changed_rule_is_held_against_what_was_told(world):
    world.edit("registration_type", fee="41")
    world.sweep()
    made = world.tried(STRICTER)
    assert [made.is_news(target, each) for target, each in made.firings] == [False]
    milder = world.tried(PACK.replace('most: "10"', 'most: "60"').replace("fee: '11'", "fee: '61'"))
    assert milder.firings == []
    assert [known.finding.rule for _, known in milder.gone] == ["consumer.fee-is-small"]
    world.edit("registration_type", fee="5")
    world.sweep(hours=1)
    later = world.clock.at
    world.sweep(hours=1)
    assert world.tried(STRICTER, since=later).firings != []
    assert world.tried(STRICTER, since=later + timedelta(hours=2)).replays == {}


def test_a_pack_is_tried_under_the_overlays_of_each_target(world):
    world.edit("registration_type", fee="5")
    world.sweep()
    assert [each.finding.rule for _, each in world.tried(STRICTER).firings] == ["consumer.fee-is-small"]
    world.overlays = (("own.yaml", 'overlay: own\nparameters:\n  consumer.fee-is-small: {most: "6"}\n'),)
    assert world.target().definition.overlays == world.overlays
    assert world.tried(STRICTER).firings == []
    assert world.tried(STRICTER.replace('most: "4"', 'most: "3"')).firings == []


def test_snapshots_of_an_older_catalogue_are_judged_by_the_new_one(world):
    world.sweep()
    world.edit("registration_type", fee="5")
    world.sweep(hours=1)
    world.deps.catalogue = replace(CATALOGUE, version="of tomorrow")
    world.sweep(hours=1)
    made = world.tried(STRICTER)
    ((_, firing),) = made.firings
    assert (firing.first_seen, firing.last_seen, firing.ended) == (NOON, NOON + timedelta(hours=2), None)
    assert made.replays["tiny/production"].moments == 3


def test_a_snapshot_whose_sweep_died_before_it_was_judged_told_nobody_anything(world):
    world.edit("registration_type", fee="5")
    world.sweep()
    world.edit("registration_type", fee="3")
    world.sweep(hours=1)
    with world.store.engine.begin() as connection:
        connection.exec_driver_sql("update sweeps set report = '{}' where id = 1")
    made = world.tried(STRICTER)
    assert made.replays["tiny/production"].moments == 1
    assert made.firings == []


def test_the_command_tells_what_would_have_fired_and_ends_with_1(tmp_path):
    world = World(tmp_path, f"sqlite:///{tmp_path / 'monitor.db'}")
    world.sweep()
    world.edit("registration_type", fee="5")
    world.sweep(hours=19)
    world.edit("registration_type", fee="3")
    world.sweep(hours=6)
    world.close()
    (tmp_path / "tried.yaml").write_text(STRICTER, encoding="utf-8")
    tried = ["rules", "backtest", tmp_path / "tried.yaml", "--since", "2026-01-01"]
    use = {"SMART360_DATABASE_URL": f"sqlite:///{tmp_path / 'monitor.db'}",
           "SMART360_PACKS": json.dumps([str(tmp_path / "pack.yaml")])}  # fmt: skip
    done = command(tmp_path, *tried, **use)
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        "tiny 1.1.0   0 new rules, 1 changed, 2 as installed",
        "3 snapshots of 1 target, 2026-01-15 20:00:00 UTC to 2026-01-16 21:00:00 UTC",
        "Would have fired 1 time on 1 target: 1 alert, open 1 d 1 h in all.",
        "◆  consumer.fee-is-small  tiny/production  registration_type NEW  Filing New costs 5.  2026-01-15 20:00:00 UTC"
        "  2026-01-16 15:00:00 UTC  1 d 1 h  new",
    ]
    report = command(tmp_path, *tried, "--output", "json", **use).report
    assert report["format"] == "smart360-monitor/backtest/1"
    assert report["since"] == "2026-01-01T00:00:00Z"
    assert report["summary"] == {"firings": 1, "targets": 1, "alerts": 1, "open_seconds": 90000}
    assert report["pack"]["changed"] == ["consumer.fee-is-small"]
    (fired,) = report["firings"]
    assert (fired["target"], fired["did_fire"], fired["ended"]) == ("tiny/production", False, "2026-01-16T21:00:00Z")

    asked = ["rules", "backtest", "tiny", "--since", "2026-01-01"]
    same = command(tmp_path, *asked, **use)
    told = "Nothing was judged: every rule is as installed; --all judges them too."
    assert (same.code, same.out.splitlines()[-1]) == (0, told)
    everything = command(tmp_path, *asked, "--all", **use)
    assert (everything.code, everything.out.splitlines()[2:]) == (0, ["Would not have fired."])
    for words, code, told in [
        ([*asked, "--target", "tiny/nowhere"], 2, "no such target"),
        ([*asked[:3], "--since", "2026-02-01"], 2, "no snapshot that was judged since"),
        ([*asked[:3], "--since", "soon"], 2, "Write 90d, 12h or a date"),
        (["rules", "backtest", tmp_path / "exports" / "tax.json"], 2, "a pack is a mapping"),
        (["rules", "backtest", tmp_path / "nothing.yaml"], 2, "no such file"),
    ]:
        done = command(tmp_path, *words, **use)
        assert (done.code, done.out) == (code, "")
        assert told.lower() in done.err.lower()
    use["SMART360_DATABASE_URL"] = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    assert command(tmp_path, *asked, **use).code == 3
