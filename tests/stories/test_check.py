"""The main job on files, as a person types it: ``check`` and ``diff`` from outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from baselines.writer import write_configuration
from monitor.demo import incidents
from tests.support import CATALOGUE, SECRETS, configuration, find, swa, swa_bytes

NOT_IN_FORCE = {
    "billing.category-has-fixed-and-variable-plan",
    "billing.four-plans-in-force",
    "billing.every-area-has-plans",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> dict[str, str]:
    """An environment of its own: no settings, a state folder that goes."""
    folder = tmp_path_factory.mktemp("home")
    keep = {name: value for name, value in os.environ.items() if not name.startswith("SMART360_")}
    return {**keep, "XDG_STATE_HOME": str(folder), "SMART360_STATE_FOLDER": str(folder / "state")}


def run(home, *words, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "monitor", *words], env=home, input=given, capture_output=True, timeout=60
    )


def checked(home, *words) -> tuple[int, dict]:
    done = run(home, "check", *map(str, words), "--output", "json")
    return done.returncode, json.loads(done.stdout)


def written(folder: Path, name: str, raw) -> Path:
    """Raw objects as a file, judged at the day of the shipped one."""
    content = {"_about": {"tenant": "swa", "environment": "production", "taken_at": "2026-11-24T06:00:00-08:00"}, **raw}
    path = folder / name
    path.write_text(yaml.safe_dump(plain(content), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def plain(value):
    """Without our own kinds of text, so that the writer quotes what needs it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("swa") / "swa.yaml"
    path.write_bytes(swa_bytes())
    return path


def rules_of(report) -> set[str]:
    return {each["rule"] for each in report["findings"] if each["kind"] == "rule"}


def drift_of(report) -> set[tuple[str, ...]]:
    names = ("op", "resource_type", "key", "path", "severity")
    return {tuple(each[name] for name in names) for each in report["findings"] if each["kind"] == "drift"}


def test_the_shipped_configuration_is_clean(home, shipped):
    code, report = checked(home, shipped)
    assert code == 0
    assert report["format"] == "smart360-monitor/check/1"
    assert report["findings"] == []
    assert report["summary"]["rules"]["undecided"] == 0
    assert report["summary"]["readiness"] == 1.0
    assert report["configuration"]["objects"] == 773


def test_without_the_commercial_variable_plan_those_rules_fail_and_nothing_unrelated(home, tmp_path, shipped):
    raw = swa()
    raw["service_plan"].remove(find(raw, "service_plan", code="COM-VAR"))
    path = written(tmp_path, "without.yaml", raw)
    code, report = checked(home, path)
    assert code == 1
    assert rules_of(report) == NOT_IN_FORCE
    code, report = checked(home, path, "--baseline", shipped)
    assert code == 1
    assert rules_of(report) == NOT_IN_FORCE
    assert drift_of(report) == {("removed", "service_plan", "COM-VAR", "", "critical")}
    assert report["summary"]["changes"] == 1


def test_each_changed_field_is_one_change(home, tmp_path, shipped):
    raw = swa()
    find(raw, "service_plan", code="RES-VAR")["rates"][0]["rate"] = "4.11"
    find(raw, "tax", code="ULF-GRE")["percentage"] = "6.1"
    find(raw, "bill_cycle", code="BC-06")["name"] = "Lake Oswego and hills"
    code, report = checked(home, written(tmp_path, "three.yaml", raw), "--baseline", shipped)
    assert code == 1
    assert {each[1:4] for each in drift_of(report)} == {
        ("service_plan", "RES-VAR", "rates[up_to=4].rate"), ("tax", "ULF-GRE", "percentage"),
        ("bill_cycle", "BC-06", "name"),
    }  # fmt: skip
    assert report["summary"]["changes"] == 3


def test_a_plan_that_ends_at_midnight_is_found_the_day_after_and_nothing_else_changed(home, tmp_path):
    raw = swa()
    find(raw, "service_plan", code="COM-VAR")["effective_to"] = "2027-01-31"
    path = written(tmp_path, "ends.yaml", raw)
    _, before = checked(home, path, "--at", "2027-01-31")
    _, after = checked(home, path, "--at", "2027-02-01")
    assert rules_of(before) == {"billing.plan-not-ending-unreplaced"}
    assert rules_of(after) == NOT_IN_FORCE
    assert before["configuration"] == after["configuration"]
    assert before["unchecked"] == after["unchecked"] == []


def test_the_same_input_gives_the_same_bytes(home, tmp_path, shipped):
    raw = swa()
    raw["bill_schedule"].pop()
    path = written(tmp_path, "same.yaml", raw)
    one, other = (run(home, "check", str(path), "--baseline", str(shipped), "--output", "json") for _ in range(2))
    assert one.stdout == other.stdout
    assert one.stdout.endswith(b"}\n")


def test_a_file_may_come_on_standard_input(home):
    done = run(home, "check", "-", "--output", "json", given=swa_bytes())
    assert done.returncode == 0
    assert json.loads(done.stdout)["findings"] == []


def test_diff_of_a_file_with_itself_finds_nothing_and_of_two_each_change(home, tmp_path, shipped):
    same = run(home, "diff", str(shipped), str(shipped))
    assert (same.returncode, same.stdout.startswith(b"The same: b3:")) == (0, True)
    raw = swa()
    find(raw, "service_plan", code="RES-VAR")["rates"][0]["rate"] = "41.0"
    done = run(home, "diff", str(shipped), str(written(tmp_path, "new.yaml", raw)), "--output", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["changes"] == [
        {"op": "changed", "module": "billing", "resource_type": "service_plan", "key": "RES-VAR",
         "path": "rates[up_to=4].rate", "old": "4.1", "new": "41", "severity": "critical"}
    ]  # fmt: skip
    assert report["summary"] == {"added": 0, "removed": 0, "changed": 1, "moved": 0}


def test_bad_input_is_told_line_by_line_and_as_a_document(home, tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("tax:\n  - {code: T, name: Fee, percentage: '6,0', effective_from: 2026-13-01}\n")
    done = run(home, "check", str(path), "--output", "json")
    assert done.returncode == 2
    errors = json.loads(done.stdout)
    assert errors["format"] == "smart360-monitor/error/1"
    assert [each["code"] for each in errors["errors"]] == ["bad_decimal", "bad_date"]
    assert b"Traceback" not in done.stderr
    assert done.stderr.decode().splitlines()[-1] == "2 mistakes, nothing was done."


def applied(raw, changes):
    """An incident made to raw objects, as an administrator would in SMART360."""
    for change in changes:
        kind = CATALOGUE.types[change["resource"]]
        objects = raw[change["resource"]]
        keys = {configured_key(kind.name, each): each for each in objects}
        if change["op"] == "add":
            objects.append(dict(change["value"]))
        elif change["op"] == "remove":
            objects.remove(keys[change["key"]])
        elif "[" in change["field"]:
            name, _, rest = change["field"].partition("[")
            item_key, _, inner = rest.partition("].")
            part, _, value = item_key.partition("=")
            (item,) = [each for each in keys[change["key"]][name] if str(each.get(part, "")) == value]
            item[inner] = change["value"]
        else:
            keys[change["key"]][change["field"]] = change["value"]
    return raw


def configured_key(name, raw) -> str:
    from tests.support import FORM

    return FORM.canonicalise(name, raw).object.key


@pytest.mark.parametrize("incident", incidents(), ids=lambda each: each.name)
def test_each_incident_is_found_by_exactly_the_rules_and_drift_it_names(incident):
    from datetime import UTC, datetime

    from baselines.compare import compare
    from rules.findings import Kind
    from rules.judge import judge
    from rules.pack import shipped_packs

    old, new = configuration(swa()), configuration(applied(swa(), incident.changes))
    judgement = judge(new, compare(old, new, CATALOGUE), shipped_packs(), CATALOGUE,
                      at=datetime(2026, 11, 24, 20, tzinfo=UTC), secrets=SECRETS)  # fmt: skip
    found = judgement.findings
    assert {each.rule for each in found if each.kind is Kind.RULE} == incident.rules
    assert {
        (str(each.op), each.resource_type, each.key, each.path, each.severity.value)
        for each in found
        if each.kind is Kind.DRIFT
    } == incident.drift
    assert (found[0].severity.value if found else "none") == incident.severity
    assert judgement.undecided == ()


def test_fingerprints_of_another_key_are_unchecked_never_drift(home, tmp_path, shipped):
    path = tmp_path / "exported.yaml"
    path.write_bytes(write_configuration(configuration(swa()), CATALOGUE))
    code, report = checked(home, shipped, "--baseline", path)
    assert (code, report["findings"]) == (0, [])
    told = {(each["resource_type"], each["path"]) for each in report["unchecked"] if each["reason"] == "key_changed"}
    assert ("bank_account", "account_number") in told
    assert ("integration", "auth_key") in told
