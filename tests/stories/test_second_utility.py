"""A utility of another kind: electricity in Arizona, six categories, seasons, hours and demand, by files alone."""

import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from baselines.compare import compare
from baselines.reader import parse_configuration
from baselines.writer import write_configuration
from monitor.demo import incidents
from rules.evaluate import Verdict
from rules.findings import Kind
from rules.judge import judge
from rules.pack import shipped_packs
from tests.command import command
from tests.stories.monitored import monitored
from tests.stories.test_check import applied
from tests.support import CATALOGUE, SECRETS, configuration, shipped, shipped_bytes
from tests.worlds import Worlds

ROOT = Path(__file__).parents[2]
ZONE = "America/Phoenix"
AT = datetime(2026, 11, 24, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cbe") / "cbe.yaml"
    path.write_bytes(shipped_bytes("cbe"))
    return path


def test_check_finds_nothing_in_it_and_leaves_nothing_undecided(tmp_path, file):
    done = command(tmp_path, "check", file, "--output", "json")
    assert done.code == 0, done.out
    report = done.report
    assert (report["findings"], report["unchecked"]) == ([], [])
    told = report["summary"]["rules"]
    assert (told["failed"], told["undecided"], report["summary"]["readiness"]) == (0, 0, 1.0)
    assert (report["configuration"]["objects"], report["configuration"]["resource_types"]) == (734, 87)


def test_it_is_what_it_says():
    raw = shipped("cbe")
    assert len(raw["consumer_category"]) == 6
    assert len(raw["city"]) == 3
    assert {each["kind"] for each in raw["utility_service"]} == {"electricity"}
    kinds = Counter(each["rate_type"] for each in raw["service_plan"])
    assert kinds == {"fixed": 6, "time_based": 3, "seasonal": 2, "slab": 1, "flat": 1}
    assert {each["code"] for each in raw["rate"] if each["unit"] == "kW"} == {"D-LGS", "D-IND"}
    assert raw["utility"][0]["state"] == "AZ"
    text = shipped_bytes("cbe").decode()
    assert {host for host in re.findall(r"[\w.-]+\.example", text) if not host.endswith("cbe-power.example")} == set()
    assert [phone for phone in re.findall(r"\+1-\d{3}-\d{3}-\d{4}", text) if not phone[6:].startswith("-555-")] == []


def test_the_regulatory_pack_of_another_state_does_not_apply_and_water_rules_do_not_either():
    made = parse_configuration(shipped_bytes("cbe"), "cbe.yaml", CATALOGUE, SECRETS)
    judgement = judge(made, compare(None, made, CATALOGUE), shipped_packs(), CATALOGUE, at=AT, secrets=SECRETS)
    verdicts = {rule: kept.result.verdict for rule, kept in judgement.results.items()}
    assert {verdicts[rule] for rule in verdicts if rule.startswith("compliance.")} == {Verdict.NOT_APPLICABLE}
    not_there = {rule for rule, verdict in verdicts.items() if verdict is Verdict.NOT_APPLICABLE}
    assert {rule for rule in not_there if not rule.startswith("compliance.")} == {
        # of water
        "services.water-and-wastewater-active", "services.water-is-metered", "services.unmetered-has-volume-source",
        "billing.wastewater-volume-rate", "organization.wastewater-department", "work.water-quality-complaints",
        # of Oregon
        "billing.no-sales-tax-in-oregon", "organization.timezone-matches-state", "territory.postal-code-valid",
        # only while a tenant is set up
        "organization.set-up-after-what-it-rests-on",
        # nothing there ends, follows another or comes from a vendor
        "access.vendor-access-ends", "billing.plan-dates-ordered", "billing.plan-succession-seamless",
        "billing.plan-not-ending-unreplaced", "metering.read-cycle-sub-areas-inside",
        "services.coverage-dates-ordered",
    }  # fmt: skip


def test_no_line_of_python_names_it():
    named = re.compile(r"\bcbe\b|copper basin|arizona", re.IGNORECASE)
    product = [path for name in ("baselines", "rules", "alerts", "monitor") for path in (ROOT / name).rglob("*.py")]
    assert product
    assert [path.name for path in product if named.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("incident", incidents("cbe"), ids=lambda each: each.name)
def test_each_of_its_incidents_is_found_on_files_by_exactly_what_it_names(incident):
    old, new = configuration(shipped("cbe")), configuration(applied(shipped("cbe"), incident.changes))
    found = judge(new, compare(old, new, CATALOGUE), shipped_packs(), CATALOGUE,
                  at=AT, secrets=SECRETS).findings  # fmt: skip
    assert {each.rule for each in found if each.kind is Kind.RULE} == incident.rules
    drift = (each for each in found if each.kind is Kind.DRIFT)
    assert {(str(e.op), e.resource_type, e.key, e.path, e.severity.value) for e in drift} == incident.drift
    assert (found[0].severity.value if found else "none") == incident.severity


def test_it_is_watched_over_http_and_every_incident_is_found_in_one_sweep(tmp_path):
    with Worlds() as worlds, monitored(tmp_path) as watching:
        served = worlds.serve(shipped_bytes("cbe"), "cbe.yaml")
        target = watching.watch("cbe/production", served, ZONE)
        report = watching.sweep(target)
        # Lists show active objects only: the peso, which is closed, is nowhere to be seen.
        assert (report.state, report.lists_read, report.objects) == ("complete", 87, 733)
        assert watching.open(target) == []
        watching.approve(target)
        wrong = {}
        for incident in incidents("cbe"):
            served.change(incident.changes)
            watching.sweep(target)
            found = (watching.rules(target), watching.drift(target))
            if found != (incident.rules, incident.drift):
                wrong[incident.name] = found
            served.control("POST", "/sandbox/reset")
        assert wrong == {}
        watching.sweep(target)
        assert watching.open(target) == []


def test_it_is_watched_as_a_folder_of_exports(tmp_path):
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "cbe.yaml").write_bytes(write_configuration(configuration(shipped("cbe")), CATALOGUE))
    with monitored(tmp_path) as watching:
        target = watching.watch_folder("cbe/exports", exports, ZONE)
        report = watching.sweep(target)
        assert (report.state, report.objects, watching.open(target)) == ("complete", 734, [])
        watching.approve(target)
        incident = incidents("cbe")[2]
        (exports / "cbe.yaml").write_bytes(
            write_configuration(configuration(applied(shipped("cbe"), incident.changes)), CATALOGUE)
        )
        watching.sweep(target)
        assert (watching.rules(target), watching.drift(target)) == (incident.rules, incident.drift)


def test_the_sandbox_serves_it_from_its_file(file):
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor", "sandbox", "--config", str(file)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        told = ""
        while "http://" not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        url = re.search(r"http://[\w.:]+", told)[0]
        assert httpx.get(f"{url}/sandbox/health", trust_env=False).json()["objects"] == 734
        assert httpx.get(f"{url}/sandbox/utility/CBE", trust_env=False).json()["name"] == "Copper Basin Electric"
    finally:
        process.terminate()
        process.wait(20)
