"""Time travel: what was read, approved and wrong at a moment, and what differs between any two."""

from datetime import datetime, timedelta

import pytest

from baselines.coverage import Reason
from monitor.access import on_host
from monitor.care import acknowledge, expect, reopen, snooze
from monitor.errors import NotFound
from monitor.moments import BadMoment, as_of, compare_moments, moment_of
from monitor.waivers import approve_waiver, ask_waiver, end_waiver
from rules.lifecycle import State
from tests.monitor.filed import NISHA, Filed
from tests.monitor.store.made import NOW

HOUR, OLGA = timedelta(hours=1), on_host("olga")


@pytest.fixture
def filed(store, tmp_path) -> Filed:
    """Read, approved, drifted, acknowledged, mended: an hour each; then half unread."""
    made = Filed(store, tmp_path)
    made.sweep()  # 1 h
    made.baseline()
    made.clock.at = NOW + HOUR
    made.change("tax", "ULF-PDX", percentage="7")
    made.sweep()  # 2 h
    with store.read() as unit:
        (known,) = [each for _, each in unit.findings.open(made.target) if each.finding.key == "ULF-PDX"]
    made.clock.at = NOW + 2.5 * HOUR
    acknowledge(known.number, "calling Mei", NISHA, made.deps)
    made.clock.at = NOW + 2 * HOUR
    made.change("tax", "ULF-PDX", percentage="5")
    made.sweep()  # 3 h
    made.sweep("department")  # 4 h
    return made


def then(filed: Filed, hours: float):
    with filed.store.read() as unit:
        return as_of(filed.target, NOW + hours * HOUR, unit)


@pytest.mark.parametrize(
    ("hours", "snapshot", "version", "drift"),
    [
        (0.5, 0, 0, {}),
        (1, 1, 0, {}),
        (1.5, 1, 1, {}),
        (2, 2, 1, {"ULF-PDX": (State.OPEN, "")}),
        (2.75, 2, 1, {"ULF-PDX": (State.ACKNOWLEDGED, "nisha")}),
        (3, 3, 1, {}),
        (9, 4, 1, {}),
    ],
    ids=["before all", "the first reading", "approved", "drifted", "acknowledged", "mended", "later"],
)
def test_a_target_is_told_as_it_was(filed, hours, snapshot, version, drift):
    made = then(filed, hours)
    assert (made.snapshot.id if made.snapshot else 0) == snapshot
    assert (made.baseline.version if made.baseline else 0) == version
    assert {each.finding.key: (each.state, each.by) for each in made.findings if each.finding.op} == drift


def test_what_was_snoozed_announced_or_waived_then_is_told_so(filed):
    """Whatever became of it since."""
    with filed.store.read() as unit:
        (number,) = [each.number for each in unit.findings.known(filed.target) if each.finding.key == "ULF-PDX"]

    def at(hours: float) -> datetime:
        filed.clock.at = NOW + hours * HOUR
        return filed.clock.at + HOUR

    reopen(number, "", NISHA, filed.deps)
    snooze(number, at(5), "", NISHA, filed.deps)
    at(5.5)
    reopen(number, "", NISHA, filed.deps)
    expect(number, "CHG-1", at(6), "", NISHA, filed.deps)
    waiver = ask_waiver(number, "the council decides in January", at(7.5), NISHA, filed.deps)
    approve_waiver(waiver.number, "", OLGA, filed.deps)
    at(8)
    end_waiver(waiver.number, "", NISHA, filed.deps)
    stood = {}
    for hours in (4.5, 5.25, 5.75, 6, 6.99, 7.25, 7.5, 7.99, 8):
        (known,) = [each for each in then(filed, hours).findings if each.finding.key == "ULF-PDX"]
        stood[hours] = known.quiet.standing.value if known.quiet is not None else ""
    assert stood == {
        4.5: "", 5.25: "snoozed", 5.75: "", 6: "expected", 6.99: "expected", 7.25: "", 7.5: "waived", 7.99: "waived",
        8: "",
    }  # fmt: skip


def test_what_was_not_read_then_is_told_as_not_read(filed):
    assert [each for each in then(filed, 3).gaps if each.resource_type == "department"] == []
    made = then(filed, 4)
    assert made.snapshot.configuration.why_unknown("department") is Reason.BAD_FILE
    assert any(each.finding.kind == "coverage" for each in made.findings)


def test_now_is_what_is_open_now(filed):
    with filed.store.read() as unit:
        open_now = [(each.number, each.state, each.times_opened) for _, each in unit.findings.open(filed.target)]
        made = as_of(filed.target, filed.clock.at + HOUR, unit)
    assert [(each.number, each.state, each.times_opened) for each in made.findings] == open_now


@pytest.mark.parametrize(
    ("old", "new", "changes", "names"),
    [
        ("1", "2", {"ULF-PDX"}, ("snapshot 1", "snapshot 2")),
        ("baseline:1", "2026-11-24T17:30Z", {"ULF-PDX"}, ("baseline 1", "snapshot 2")),
        ("2026-11-24T09:00:01", "now", {"ULF-PDX"}, ("snapshot 2", "snapshot 4")),
        ("baseline:1", "3", set(), ("baseline 1", "snapshot 3")),
        ("2", "baseline:1", {"ULF-PDX"}, ("snapshot 2", "baseline 1")),
    ],
)
def test_any_two_moments_are_compared(filed, old, new, changes, names):
    with filed.store.read() as unit:
        made = compare_moments(filed.target, old, new, filed.deps, unit)
    assert ({each.key for each in made.comparison.changes}, (made.old.name, made.new.name)) == (changes, names)


def test_what_one_side_did_not_read_is_not_compared(filed):
    with filed.store.read() as unit:
        made = compare_moments(filed.target, "1", "4", filed.deps, unit)
    assert "department" in made.comparison.not_compared


@pytest.mark.parametrize(
    ("word", "error"),
    [("yesterday", BadMoment), ("99", NotFound), ("baseline:9", NotFound), ("baseline:", NotFound),
     ("2026-11-24T15:00Z", NotFound), ("9" * 40, BadMoment)],
)  # fmt: skip
def test_a_word_that_names_nothing_is_told(filed, word, error):
    with filed.store.read() as unit, pytest.raises(error) as told:
        compare_moments(filed.target, word, "now", filed.deps, unit)
    assert told.value.mend


def test_a_moment_without_an_offset_is_in_the_zone_of_the_target(filed):
    assert moment_of("2026-11-24T07:00", filed.target, filed.deps) == NOW.replace(microsecond=0)
