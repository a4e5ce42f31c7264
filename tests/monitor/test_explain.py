"""A finding explained over real HTTP: since when, who may have done it, what depends on it, who was told."""

from datetime import timedelta

import pytest

from monitor.access import Actor, Right, on_host
from monitor.clock import SetClock
from monitor.errors import NotFound
from monitor.explain import explain
from monitor.sandbox.world import START
from rules.explain import note_for_utility
from rules.findings import Kind
from tests.stories.monitored import monitored
from tests.support import shipped_bytes
from tests.worlds import Worlds

MEI = "mei.tanaka@swa-water.example"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def swa(tmp_path_factory):
    """A rate that Mei changed between the third and the fourth reading; the plans could not be read at the third."""
    clock = SetClock(START + HOUR)
    folder = tmp_path_factory.mktemp("explain")
    with Worlds() as worlds, monitored(folder, clock=clock) as watching:
        served = worlds.serve(
            shipped_bytes("swa"), "swa.yaml", lambda: (clock.now() - START).total_seconds(), START
        )  # fmt: skip
        target = watching.watch("swa/production", served, "America/Los_Angeles")
        watching.sweep(target)
        watching.approve(target)
        for _ in range(2):
            clock.at += 6 * HOUR
            if _:
                served.fault("forbidden-some", "service_plan")
            watching.sweep(target)
        served.heal()
        clock.at += 5 * HOUR
        served.control("POST", "/sandbox/changes", {"by": MEI, "changes": [
            {"op": "set", "resource": "service_plan", "key": "RES-VAR", "field": "rates[up_to=4].rate", "value": "41"},
            {"op": "set", "resource": "user", "key": "dana.whitfield@swa-water.example", "field": "status",
             "value": "inactive"},
        ]})  # fmt: skip
        clock.at += HOUR
        watching.sweep(target)
        yield watching, target, clock


def drift(swa, key: str):
    watching, target, _ = swa
    (known,) = [each for each in watching.open(target, Kind.DRIFT) if each.finding.key == key]
    return known


def explained(swa, key: str = "RES-VAR", actor=None, **how):
    return explain(drift(swa, key).number, actor or on_host("carla"), swa[0].deps, **how)


def test_the_window_reaches_from_the_last_right_reading_over_those_that_could_not_say(swa):
    window = explained(swa).window
    last = START + HOUR + 18 * HOUR
    assert [round((last - at) / HOUR) for at in (window.first_wrong, *window.unread, window.last_right)] == [0, 6, 12]


def test_who_smart360_says_touched_it_in_the_window_is_possible_and_the_rest_are_counted(swa):
    actors = explained(swa).actors
    assert [each.name for each in actors.possible] == [MEI]
    assert "with edit on BX.plans" in actors.possible[0].because
    assert (actors.privilege, actors.holders, actors.roles) == ("BX.plans", 1, ("BILLING_MGR",))
    assert "Log-ins are not kept" in actors.note


def test_nobody_is_named_to_who_may_not_see_people(swa):
    actor = Actor("vera", {"swa": frozenset({Right.SEE})})
    assert explained(swa, actor=actor).actors is None
    with pytest.raises(NotFound):
        explained(swa, actor=Actor("ines", {"cbe": frozenset(Right)}))


def test_what_depends_on_a_plan_is_counted_in_areas_and_consumers(swa):
    found = explained(swa)
    assert len(found.radius.areas) > 1
    assert found.radius.uncounted == ("Residential",)  # the tenant file counts none
    assert "areas" in found.radius.words(found.catalogue)


def test_before_and_after_and_how_to_mend_it_with_the_exact_value_and_its_step(swa):
    found = explained(swa)
    (value,) = found.values
    assert (value.before, value.after, value.path) == ("4.1", "41", "rates[up_to=4].rate")
    assert (found.mend.value, found.mend.has_value) == ("4.1", True)
    assert found.mend.step is not None
    assert found.mend.title == "Correct Service plan RES-VAR"


def test_a_message_that_waits_says_so(swa):
    (told,) = explained(swa).told
    assert (told.channel, told.state) == ("care", "waiting")
    assert "waiting: Slack #care: not sent yet, next try " in told.words


def test_a_rule_that_failed_shows_its_window_too(swa):
    watching, target, _ = swa
    (known, *_) = watching.open(target, Kind.RULE)
    window = explain(known.number, on_host("carla"), watching.deps, with_plan=False).window
    assert window.first_wrong is not None
    assert window.last_right is None or window.last_right < window.first_wrong


def test_the_note_for_the_utility_names_nobody_and_tells_no_secret(swa):
    for known in swa[0].open(swa[1]):
        found = explain(known.number, on_host("carla"), swa[0].deps, with_plan=False)
        note = note_for_utility(found, str)
        assert found.known.finding.severity.value in note.casefold()
        assert not any(word in note for word in ("mei.tanaka", "dana.whitfield", "Dana", "carla", "secret:", "Slack"))
    assert "4.1 → 41" in note_for_utility(explained(swa), str)
