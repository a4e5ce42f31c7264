"""`check` as it looks, and what its options do."""

import json
from pathlib import Path

import pytest

from baselines.severity import Severity
from baselines.writer import write_configuration
from monitor.reports.table import check_lines
from tests.command import command
from tests.monitor.cli.small import NEW, OLD, PACK, assert_golden, files
from tests.monitor.test_check import report_of
from tests.support import CATALOGUE, swa_bytes


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return files(tmp_path)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("check-piped.txt", {}, 1),
        ("check-piped-c-locale.txt", {"LC_ALL": "C"}, 1),
        ("check-piped-coloured.txt", {"FORCE_COLOR": "1"}, 1),
    ],
)
def test_a_check_looks_as_agreed_where_there_is_no_terminal(tmp_path, words, name, more, code):
    done = command(tmp_path, *words, **more)
    assert done.code == code
    assert_golden(name, done.out)


@pytest.mark.golden
@pytest.mark.parametrize("width", [100, 59])
def test_a_check_looks_as_agreed_on_a_terminal(tmp_path, words, width):
    report = report_of(Path("new.yaml"), Path("old.yaml"), pack=Path("pack.yaml"))
    told = "\n".join(check_lines(report, width=width, colour=False))
    assert_golden(f"check-{width}-columns.txt", told + "\n")


@pytest.mark.golden
def test_a_check_as_json_is_as_agreed_and_the_same_each_time(tmp_path, words):
    done = command(tmp_path, *words, "--output", "json")
    assert done.code == 1
    assert_golden("check.json", done.out)
    assert command(tmp_path, *words, "--output", "json").out == done.out


def test_the_json_has_its_keys_in_the_order_of_the_contract(tmp_path, words):
    report = command(tmp_path, *words, "--output", "json").report
    assert list(report) == ["format", "configuration", "baseline", "findings", "unchecked", "summary"]
    by_rule = {each["rule"]: each for each in report["findings"]}
    assert list(by_rule["consumer.fee-is-small"]) == [
        "fingerprint", "kind", "rule", "severity", "module", "resource_type", "key", "path", "title", "message", "why",
        "fix", "evidence",
    ]  # fmt: skip
    assert list(by_rule[""])[-3:] == ["op", "old", "new"]
    assert list(report["summary"]) == ["rules", "readiness", "findings", "changes"]
    assert list(report["unchecked"][0]) == ["resource_type", "path", "reason", "rules"]


def test_what_is_not_known_or_not_there_is_unchecked_and_no_finding(tmp_path, words):
    report = command(tmp_path, *words, "--output", "json").report
    told = {(each["resource_type"], each["path"]): each for each in report["unchecked"]}
    assert told["zoen", ""]["reason"] == "unknown_type"
    assert told["registration_type", "feee"]["reason"] == "unknown_field"
    assert told["department", ""] == {
        "resource_type": "department", "path": "", "reason": "absent", "rules": ["access.department-is-named"],
    }  # fmt: skip
    assert {each["kind"] for each in report["findings"]} == {"rule", "drift"}
    assert report["summary"]["rules"] == {"total": 3, "passed": 0, "failed": 2, "undecided": 1, "not_applicable": 0}


@pytest.mark.parametrize(
    ("fail_on", "code"), [("info", 1), ("low", 1), ("medium", 0), ("high", 0), ("critical", 0)]
)  # fmt: skip
def test_fail_on_decides_the_exit_code_and_nothing_else(tmp_path, words, fail_on, code):
    words = ["check", "new.yaml", "--no-shipped", "--packs", "pack.yaml", "--output", "json", "--fail-on", fail_on]
    (tmp_path / "new.yaml").write_text(NEW.replace("'41'", "'4'"))
    done = command(tmp_path, *words)
    assert done.code == code
    assert [each["severity"] for each in done.report["findings"]] == ["low"]


@pytest.mark.parametrize(("at", "found"), [("2025-12-30", False), ("2025-12-31", True), ("2025-12-31T23:30", True)])
def test_at_says_which_day_is_judged_where_the_utility_is(tmp_path, words, at, found):
    done = command(tmp_path, *words[:2], *words[4:], "--at", at, "--output", "json")
    assert ("billing.tax-goes-on" in {each["rule"] for each in done.report["findings"]}) is found


@pytest.mark.parametrize(
    ("options", "packs"),
    [
        (["--packs", "pack.yaml", "--no-shipped"], ["tiny"]),
        (["--packs", "us-epa-oregon"], ["us-epa-oregon"]),
        (["--packs", "us-epa-oregon,pack.yaml"], ["us-epa-oregon", "tiny"]),
        (["--packs", "us-epa-oregon", "--packs", "pack.yaml"], ["us-epa-oregon", "tiny"]),
        (["--packs", "pack.yaml"], ["smart360-core", "us-epa-oregon", "tiny"]),
        ([], ["smart360-core", "us-epa-oregon"]),
    ],
    ids=str,
)
def test_packs_are_added_or_chosen_by_name(tmp_path, words, options, packs):
    from rules.pack import shipped_packs

    sizes = {pack.name: len(pack.rules) for pack in shipped_packs().packs} | {"tiny": 3}
    report = command(tmp_path, "check", "new.yaml", *options, "--output", "json").report
    assert report["summary"]["rules"]["total"] == sum(sizes[name] for name in packs)


def test_a_key_that_is_made_is_told_once_and_none_is_made_in_vain(tmp_path, words):
    state = tmp_path / "state" / "fingerprint.key"
    done = command(tmp_path, *words)
    assert (state.exists(), done.err) == (False, "")
    (tmp_path / "swa.yaml").write_bytes(swa_bytes())
    first, second = (command(tmp_path, "diff", "swa.yaml", "swa.yaml") for _ in range(2))
    assert first.err == f"made a key for fingerprints of secrets: {state}\n"
    assert (second.err, state.exists()) == ("", True)


def test_where_no_key_can_be_kept_it_says_what_to_do(tmp_path, words):
    (tmp_path / "swa.yaml").write_bytes(swa_bytes())
    (tmp_path / "file").touch()
    done = command(tmp_path, "diff", "swa.yaml", "swa.yaml", SMART360_STATE_FOLDER=str(tmp_path / "file" / "state"))
    assert done.code == 2
    assert "SMART360_FINGERPRINT_KEY" in done.err
    key = {"SMART360_FINGERPRINT_KEY": "env:MY_KEY", "MY_KEY": "a key of my own"}
    assert command(tmp_path, "diff", "swa.yaml", "swa.yaml", **key).code == 0


def test_secrets_never_show(tmp_path, words):
    raw = "integration: [{name: I, auth_key: %s}]\n"
    (tmp_path / "old.yaml").write_text(raw % "hunter2-old")
    (tmp_path / "new.yaml").write_text(raw % "hunter2-new")
    for output in ("table", "json"):
        done = command(tmp_path, *words, "--output", output)
        assert "hunter2" not in done.out + done.err
        assert "secret:" in command(tmp_path, "diff", "old.yaml", "new.yaml", "--output", output).out


def test_quiet_says_nothing_beside_the_result(tmp_path, words):
    (tmp_path / "new.yaml").write_text(NEW.replace("tenant: tiny", "tenant: other"))
    assert command(tmp_path, *words).err == "warning: old.yaml is of tiny/production, new.yaml of other/production.\n"
    assert command(tmp_path, "--quiet", *words).err == ""


def test_nothing_wrong_is_said_in_one_line(tmp_path, words):
    (tmp_path / "new.yaml").write_text(OLD)
    (tmp_path / "pack.yaml").write_text(PACK[: PACK.index("  - id: access")])
    done = command(tmp_path, *words)
    assert done.code == 0
    assert done.out.splitlines()[0] == "No findings. 2 rules judged, 5 objects compared with old.yaml."


def test_an_exported_snapshot_and_a_file_in_clear_are_compared_by_the_same_key(tmp_path, words):
    clear = OLD + "integration: [{name: I, auth_key: hunter2-%s}]\n"
    (tmp_path / "old.yaml").write_text(clear % "old")
    (tmp_path / "new.yaml").write_text(clear % "new")
    key = {"SMART360_FINGERPRINT_KEY": "env:MY_KEY", "MY_KEY": "key"}
    exported = report_of(tmp_path / "old.yaml", pack=tmp_path / "pack.yaml").configuration
    (tmp_path / "exported.yaml").write_bytes(write_configuration(exported, CATALOGUE))
    assert command(tmp_path, "diff", "exported.yaml", "old.yaml", **key).code == 0
    done = command(tmp_path, "diff", "exported.yaml", "new.yaml", "--output", "json", **key)
    (change,) = json.loads(done.out)["changes"]
    assert (change["path"], done.report["unchecked"]) == ("auth_key", [])


def test_severities_are_those_of_the_product():
    assert [each.value for each in Severity] == ["critical", "high", "medium", "low", "info"]
