"""The make-believe SMART360's state, changed as an administrator would."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any

import pytest

from baselines import document
from baselines.errors import InvalidInput
from baselines.reader import parse_configuration
from monitor.sandbox.world import Change, ImpossibleChange, Op, World, stamp
from tests.support import CATALOGUE, SECRETS, swa_bytes

INCIDENTS: list[dict[str, Any]] = document.plain_value(
    document.read_document((resources.files("monitor") / "sandbox" / "incidents" / "swa.yaml").read_bytes(), "i.yaml")
)["incidents"]


class Seconds:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def world_of(data: bytes = b"", name: str = "swa.yaml", clock: Callable[[], float] | None = None) -> World:
    return World.from_configuration(data or swa_bytes(), name, CATALOGUE, clock=clock or Seconds())


def digest(world: World) -> str:
    state = json.dumps(world.configuration()).encode()
    return parse_configuration(state, "state.json", CATALOGUE, SECRETS).digest


@lru_cache(1)
def swa_digest() -> str:
    return parse_configuration(swa_bytes(), "swa.yaml", CATALOGUE, SECRETS).digest


def written(world: World, resource_type: str, key: str) -> dict[str, Any]:
    lists = world.configuration()[resource_type]
    place = [record.key for record in world.records(resource_type)].index(key)
    found: dict[str, Any] = lists[place]
    return found


def test_a_fresh_world_means_what_its_file_means() -> None:
    assert digest(world_of()) == swa_digest()


def test_an_exported_state_read_again_is_the_same_world() -> None:
    world = world_of()
    world.apply([Change(Op.SET, "tax", "ULF-GRE", "percentage", "60")], "dana")
    again = world_of(json.dumps(world.configuration()).encode(), "state.json")
    assert digest(again) == digest(world)
    assert again.by_id.keys() == world.by_id.keys()
    assert again.utility == world.utility
    assert again.find("tax", "ULF-GRE").updated_by == "dana"


def test_ids_are_the_same_in_every_run() -> None:
    assert list(world_of().by_id) == list(world_of().by_id)


@pytest.mark.parametrize("incident", INCIDENTS, ids=[each["name"] for each in INCIDENTS])
def test_every_incident_can_happen_and_changes_the_meaning_where_it_should(incident: dict[str, Any]) -> None:
    world, before = world_of(), swa_digest()
    revisions = dict(world.revision)
    world.apply([Change(**{**each, "op": Op(each["op"])}) for each in incident["changes"]], "dana")
    assert (digest(world) == before) == (incident["expect"]["drift"] == [])
    touched = {each["resource"] for each in incident["changes"]}
    assert touched <= {name for name, count in world.revision.items() if count != revisions[name]}


def test_renaming_an_object_keeps_the_others_pointing_at_it() -> None:
    world = world_of()
    cashier = world.find("role", "CASHIER")
    world.apply([Change(Op.SET, "role", "CASHIER", "code", "TELLER")], "dana")
    assert world.find("role", "TELLER") is cashier
    assert written(world, "role_privilege", "TELLER/BX.payments")["role"] == "TELLER"
    assert world.find("role_privilege", "TELLER/BX.payments").values["role"].id == cashier.id
    with pytest.raises(ImpossibleChange):
        world.find("role", "CASHIER")


def test_a_removed_object_leaves_dangling_references_and_comes_back_under_another_id() -> None:
    world = world_of()
    old = world.find("notification_template", "BILL-READY").id
    user = next(each for each in world.records("transition_configuration") if each.values["template"].id == old)
    value = written(world, "notification_template", "BILL-READY")
    world.apply([Change(Op.REMOVE, "notification_template", "BILL-READY")], "dana")
    assert old not in world.by_id
    assert (user.values["template"].id, user.values["template"].key) == (old, "BILL-READY")
    value.pop("id")
    world.apply([Change(Op.ADD, "notification_template", "BILL-READY", value=value)], "dana")
    new = world.find("notification_template", "BILL-READY").id
    assert new != old
    assert user.values["template"].id == new


def test_a_reference_to_nothing_is_kept_and_heals_when_its_object_comes() -> None:
    world = world_of(b"area: [{code: A-1, name: One, division: D-9}]")
    division = world.find("area", "A-1").values["division"]
    assert division.id not in world.by_id
    assert written(world, "area", "A-1")["division"] == "D-9"
    world.apply([Change(Op.ADD, "division", "D-9", value={"code": "D-9", "name": "Nine"})], "dana")
    assert world.find("area", "A-1").values["division"] is world.find("division", "D-9")


@pytest.mark.parametrize(
    ("resource", "key", "path", "value", "field", "after"),
    [
        ("tax", "ULF-GRE", "percentage", "60", "percentage", "60"),
        ("tax", "ULF-GRE", "percentage", 6.5, "percentage", "6.5"),
        ("bill_cycle", "BC-06", "areas", ["A-LAK-N"], "areas", ["A-LAK-N"]),
        ("bill_cycle", "BC-06", "areas[A-LAK-S]", None, "areas", ["A-LAK-N"]),
        ("bill_cycle", "BC-06", "areas[A-LAK-S]", "A-GRE-C", "areas", ["A-LAK-N", "A-GRE-C"]),
        ("water_quality_report", r"OHA\/OR4199999", "delivery_dates[0]", "08-01", "delivery_dates", ["08-01", "12-31"]),
        ("role", "FIELD_TECH", "full_access_modules", ["BX"], "full_access_modules", ["BX"]),
        ("department", "CSD", "parent", None, "parent", None),
        ("department", "CSD", "loyalty_points", 12, "loyalty_points", 12),
    ],
)
def test_setting_a_field_or_an_item(resource: str, key: str, path: str, value: Any, field: str, after: Any) -> None:
    world = world_of()
    world.apply([Change(Op.SET, resource, key, path, value)], "dana")
    assert written(world, resource, key).get(field) == after


@pytest.mark.parametrize("selector", ["up_to=10", "up_to=10.0"])
def test_setting_a_part_of_an_item_leaves_the_other_items(selector: str) -> None:
    world = world_of()
    before = written(world, "service_plan", "RES-VAR")["rates"]
    world.apply([Change(Op.SET, "service_plan", "RES-VAR", f"rates[{selector}].rate", "9.99")], "dana")
    after = written(world, "service_plan", "RES-VAR")["rates"]
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        ({"above": "4", "up_to": "10", "rate": before[1]["rate"]}, {"above": "4", "up_to": "10", "rate": "9.99"})
    ]
    world.reset()
    assert written(world, "service_plan", "RES-VAR")["rates"] == before


def test_the_open_end_of_the_last_slab_is_named_by_nothing() -> None:
    world = world_of()
    world.apply([Change(Op.SET, "service_plan", "RES-VAR", "rates[up_to=].rate", "9.99")], "dana")
    assert written(world, "service_plan", "RES-VAR")["rates"][-1]["rate"] == "9.99"


def test_deactivating_keeps_the_object_and_tells_who_did_it_and_when() -> None:
    clock = Seconds()
    world = world_of(clock=clock)
    clock.now += 3600
    world.apply([Change(Op.DEACTIVATE, "service_plan", "COM-VAR")], "luis.ortega@swa-water.example")
    record = world.find("service_plan", "COM-VAR")
    assert not record.is_active("is_active")
    assert record.id in world.by_id
    assert (record.updated_by, record.updated_at) == ("luis.ortega@swa-water.example", "2026-11-24T15:12:00Z")
    assert world.trail[-1] == {"login": "luis.ortega@swa-water.example", "at": "2026-11-24T15:12:00Z"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(Op.SET, "service_plam", "X", "name", "Y"), "No resource type service_plam. Mend: Did you mean"),
        (Change(Op.SET, "tax", "NONE", "name", "Y"), "There is no such object."),
        (Change(Op.SET, "tax", "ULF-GRE", "id", "Y"), "tax has no field id."),
        (Change(Op.SET, "service_plan", "RES-VAR", "rates[up_to=11].rate", "1"), "No item [up_to=11]."),
        (Change(Op.DEACTIVATE, "holiday", "2026-12-25"), "holiday has no field is_active."),
        (Change(Op.ADD, "tax", "A", value={"code": "B", "name": "B"}), "Its key would be B."),
        (Change(Op.ADD, "tax", "A"), "No object can be made of this."),
    ],
)
def test_an_impossible_change_says_why_and_changes_nothing(change: Change, told: str) -> None:
    world, before = world_of(), swa_digest()
    with pytest.raises(ImpossibleChange, match=r"Mend: ") as caught:
        world.apply([change], "dana")
    assert told in str(caught.value)
    assert digest(world) == before


def test_the_world_begins_on_its_own_day_and_moves_on_with_the_clock() -> None:
    clock = Seconds()
    world = world_of(clock=clock)
    assert world.now() == datetime(2026, 11, 24, 14, 12, tzinfo=UTC)
    clock.now += 60
    world.advance(3600)
    assert stamp(world.now()) == "2026-11-24T15:13:00Z"


def test_renewed_objects_have_new_ids_and_are_still_referred_to() -> None:
    world = world_of()
    old = world.find("role", "CASHIER").id
    world.renew(["role"])
    assert world.find("role", "CASHIER").id != old
    assert world.find("role_privilege", "CASHIER/BX.payments").values["role"].id in world.by_id


def test_values_stay_as_written_and_unknown_types_are_kept() -> None:
    world = world_of(b"tax: [{code: T, percentage: 6.50, is_active: Yes, odd: 007}]\nspell: [{name: Xyzzy}]")
    tax = written(world, "tax", "T")
    assert (tax["percentage"], tax["is_active"], tax["odd"]) == ("6.50", "Yes", "007")
    assert world.configuration()["spell"] == [{"name": "Xyzzy"}]


def test_a_file_that_is_no_configuration_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"a\.yaml:2: No list of objects"):
        world_of(b"tax: []\nrole: CASHIER", "a.yaml")
