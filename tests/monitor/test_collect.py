"""What a reading proves: the same configuration as the file, whatever the way there."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from baselines.coverage import Reason
from baselines.fingerprints import SecretKey
from monitor.collect import Last, collect
from monitor.sandbox.process import SandboxProcess, start_sandbox
from monitor.source import Connection, open_source
from monitor.source.manifest import Manifest, smart360_manifest
from tests.monitor.watch import ALL, LOOPBACK, ZONE, Watch, noted, read, reasons, swa_file
from tests.standins.hydra import PASSWORD, UNIT, USER, hydra_manifest, running_hydra
from tests.support import CATALOGUE, SECRETS


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with start_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def watch(sandbox: SandboxProcess) -> Watch:
    return Watch(sandbox).as_new()


def test_swa_from_the_sandbox_means_what_its_file_says(watch: Watch) -> None:
    reading = watch.sweep()
    found = reading.configuration
    assert (found.digest, found.object_count, len(found.lists)) == (swa_file().digest, 773, 87)
    assert (found.gaps, reading.coverage.ratio, reading.decoded_objects) == ((), 1.0, 773)
    assert found.about == {
        "tenant": "swa", "environment": "production", "taken_at": reading.taken_at, "source": "smart360",
    }  # fmt: skip
    assert reading.source_date is not None
    assert reading.source_date.date().isoformat() == "2026-11-24"
    assert reading.requests == {"200": 90}
    assert len(reading.seconds) == 90
    assert (reading.faults, reading.suspects, reading.kept) == ({}, {}, frozenset())
    assert "BX.plans VIEW" in reading.privileges


def test_the_sandbox_is_only_read(watch: Watch) -> None:
    watch.sweep()
    asked = watch.asked()
    assert {each["method"] for each in asked} == {"GET", "POST"}
    assert [each["path"] for each in asked if each["method"] == "POST"] == ["/api/v1/user/login/"]


def test_the_order_and_size_of_pages_mean_nothing(sandbox: SandboxProcess) -> None:
    """P3, F10: thirty readings, each with other pages in another order."""
    turns = random.Random(10)
    watch = Watch(sandbox, ("role_privilege", "premise", "service_plan", "notification_template"))
    due = {name: swa_file().lists[name].digest for name in watch.scope}
    for _ in range(30):
        watch.as_new()
        watch.fault("name-ties")
        watch.fault("page-size-capped", size=turns.randint(2, 60))
        watch.last = Last()
        found = watch.sweep().configuration
        assert watch.fired() > 10
        assert {name: each.digest for name, each in found.lists.items()} == due


def test_what_did_not_change_is_not_decoded(watch: Watch) -> None:
    first = watch.sweep()
    watch.change("set", "tax", "ULF-PDX", "percentage", "5.5")
    second = watch.sweep()
    moving = {"number_format", "subscription", "user", "bill_schedule", "read_cycle", "scheduled_job"}
    assert set(ALL) - second.kept <= {"tax", *moving}
    assert "tax" not in second.kept
    assert all(second.configuration.lists[name] is first.configuration.lists[name] for name in second.kept)
    assert watch.changes(second) == [("changed", "tax", "ULF-PDX", "percentage")]


def test_a_list_is_decoded_anew_when_a_key_that_it_refers_to_has_changed(sandbox: SandboxProcess) -> None:
    watch = Watch(sandbox, ("service_coverage", "tax", "area")).as_new()
    watch.sweep()
    watch.change("set", "area", "A-PDX-DT", "code", "A-PDX-DU")  # the others hold its id alone
    reading = watch.sweep()
    assert reading.configuration.named("service_coverage", "WATER/A-PDX-DU") is not None
    assert reading.kept == {"tax"}
    assert watch.changes(reading) == [("changed", "area", "A-PDX-DT", "code")]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"zone": UTC}, id="another time zone"),
        pytest.param({"secrets": SecretKey(b"another key", "swa")}, id="another key for secrets"),
    ],
)
def test_a_seal_holds_only_for_what_gave_the_same_bytes_their_meaning(watch: Watch, other: dict) -> None:  # type: ignore
    watch.scope = ("bank_account", "tax")
    watch.sweep()
    settings = {"zone": ZONE, "secrets": SECRETS, "target": ("swa", "production"), "now": lambda: datetime.now(UTC)}
    again = collect(watch.source(), CATALOGUE, watch.scope, watch.last, **{**settings, **other})
    assert again.kept == frozenset()
    assert watch.sweep().kept == set(watch.scope)


def test_a_seal_without_the_gaps_that_belong_to_it_does_not_hold(watch: Watch) -> None:
    watch.scope = ("tax", "holiday")
    watch.fault("new-field", "tax")
    watch.sweep()
    assert watch.fired() == 1
    kept = watch.sweep()
    assert kept.kept == {"tax", "holiday"}
    assert [gap.path for gap in noted(kept, Reason.UNKNOWN_FIELD)] == ["loyalty_points"]
    watch.last = replace(watch.last, gaps=())
    anew = watch.sweep()
    assert anew.kept == {"holiday"}
    assert [gap.path for gap in noted(anew, Reason.UNKNOWN_FIELD)] == ["loyalty_points"]


def test_a_list_that_was_not_read_last_time_is_still_known_from_before(watch: Watch) -> None:
    watch.scope = ("tax", "holiday")
    watch.sweep()
    watch.fault("500-always", "holiday")
    assert reasons(watch.sweep()) == {"holiday": Reason.SERVER_ERROR}
    watch.heal()
    for each in swa_file().objects("holiday"):
        watch.change("remove", "holiday", each.key)
    assert reasons(watch.sweep()) == {"holiday": Reason.MASS_DISAPPEARANCE}


def test_only_the_scope_is_handed_on_and_what_it_refers_to_is_read(watch: Watch) -> None:
    watch.scope = ("service_coverage", "tax")
    reading = watch.sweep()
    assert set(reading.configuration.lists) == set(watch.scope)
    assert reading.coverage.scope == watch.scope
    assert {name: reading.configuration.lists[name].digest for name in watch.scope} == {
        name: swa_file().lists[name].digest for name in watch.scope
    }


def test_an_object_without_its_key_is_told_and_keeps_the_key_that_was_known(watch: Watch) -> None:
    watch.scope = ("tax",)
    watch.sweep()
    watch.change("set", "tax", "ULF-PDX", "code", "")
    reading = watch.sweep()
    (gap,) = noted(reading, Reason.NO_KEY)
    assert (gap.resource_type, gap.key) == ("tax", "ULF-PDX")
    assert watch.changes(reading) == []
    watch.last = Last()
    (gap,) = noted(watch.sweep(), Reason.NO_KEY)
    assert gap.key == next(each.id for each in reading.configuration.objects("tax") if each.key == "ULF-PDX")


def test_a_detail_route_that_knows_nobody_proves_no_removal(watch: Watch) -> None:
    watch.scope = ("holiday",)
    watch.sweep()
    watch.change("remove", "holiday", swa_file().objects("holiday")[0].key)
    content = smart360_manifest().content
    wrong = content.lists.model_copy(update={"detail": "/utility/{utility}/{thing}/wrong/{id}"})
    manifest = Manifest(content.model_copy(update={"lists": wrong}), CATALOGUE)
    reading = read(watch.source(manifest=manifest), watch.scope, replace(watch.last, seals={}))
    assert reasons(reading) == {"holiday": Reason.NOT_FOUND}


def test_no_secret_is_in_a_reading_or_a_log(watch: Watch) -> None:
    watch.scope = ("bank_account", "integration", "smart_meter_configuration", "email_configuration", "user")
    watch.change("set", "bank_account", swa_file().objects("bank_account")[0].key, "account_number", "4929000012345")
    watch.fault("type-change", "integration", field="auth_key")
    watch.sweep()
    watch.fault("json-shape", "bank_account", shape="list")
    second = watch.sweep()
    assert watch.fired() > 1
    told = repr(second) + repr(watch.last) + repr(watch.logged.entries)
    told += "".join(each.body.decode() for name in watch.last.lists for each in watch.last.lists[name].objects)
    assert "4929000012345" not in told
    assert "secret:" in told


def test_privileges_that_come_and_go_are_told(watch: Watch) -> None:
    watch.scope = ("tax", "service_plan")
    watch.sweep()
    watch.control("POST", "/sandbox/privileges", {"without": ["BX.rates"]})
    lost = watch.sweep()
    assert reasons(lost) == {"tax": Reason.FORBIDDEN}
    assert "lost: BX.rates VIEW" in noted(lost, Reason.PRIVILEGE_CHANGED)[0].detail
    assert "BX.rates" in lost.coverage.unread["tax"].mend
    watch.control("POST", "/sandbox/privileges", {"without": []})
    back = watch.sweep()
    assert "gained: BX.rates VIEW" in noted(back, Reason.PRIVILEGE_CHANGED)[0].detail
    assert (reasons(back), watch.changes(back)) == ({}, [])
    assert noted(watch.sweep(), Reason.PRIVILEGE_CHANGED) == []


def test_a_second_source_gives_the_same_configuration_by_its_manifest() -> None:
    with running_hydra() as hydra:
        connection = Connection("hydra", hydra.url, UNIT, USER, PASSWORD, requests_per_second=5000)
        last = Last()
        for _ in range(2):
            source = open_source(connection, CATALOGUE, manifest=hydra_manifest(), allowed_hosts=LOOPBACK)
            reading = read(source, ALL, last)
            last = reading.last()
            found = reading.configuration.lists
            assert len(found) == 60
            assert {name: each.digest for name, each in found.items()} == {
                name: swa_file().lists[name].digest for name in found
            }
            assert set(reasons(reading).values()) == {Reason.NO_ROUTE}
            assert len(reasons(reading)) == 27
        hydra.world.reset()
        record = hydra.world.find("holiday", swa_file().objects("holiday")[0].key)
        hydra.world.lists["holiday"].remove(record)
        source = open_source(connection, CATALOGUE, manifest=hydra_manifest(), allowed_hosts=LOOPBACK)
        assert read(source, ALL, last).configuration.lists["holiday"].count == 12


def test_a_removal_is_told_once_and_not_of_what_refers_to_it(sandbox: SandboxProcess) -> None:
    watch = Watch(sandbox, ("tax", "service_plan", "city")).as_new()
    watch.sweep()
    watch.change("remove", "tax", "ULF-GRE")
    gone = ("removed", "tax", "ULF-GRE", "")
    assert watch.changes(watch.sweep()) == [gone]
    # The plans are decoded anew, and nobody shows any more how the tax was called.
    watch.change("set", "service_plan", "RES-VAR", "name", "Residential by volume")
    assert watch.changes(watch.sweep()) == [("changed", "service_plan", "RES-VAR", "name"), gone]
    assert list(watch.last.gone.values()) == ["ULF-GRE"]


def test_a_reference_to_what_is_gone_does_not_pass_for_one_to_another_object_with_that_key(
    sandbox: SandboxProcess,
) -> None:
    watch = Watch(sandbox, ("tax", "service_plan")).as_new()
    first = watch.sweep()
    (tax,) = [each for each in first.configuration.objects("tax") if each.key == "ULF-GRE"]
    # Under another id: what the plans refer to is still not there.
    other = {"id": "00000000-0000-4000-8000-00000000abcd", "code": "ULF-GRE-2", "name": "Another", "percentage": "6",
             "effective_from": "2026-07-01"}  # fmt: skip
    watch.change("add", "tax", "ULF-GRE-2", value=other)
    watch.change("remove", "tax", "ULF-GRE")
    watch.sweep()
    watch.change("set", "tax", "ULF-GRE-2", "code", tax.key)
    changes = watch.changes(watch.sweep())
    assert ("added", "service_plan", "RES-VAR", "taxes[Gresham utility license fee]") in changes
