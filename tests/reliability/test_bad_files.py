"""Rows B26 and B28, through the command as a person runs it."""

import json

from tests.stories.test_check import checked, find, home, run, shipped, swa, written  # noqa: F401 - fixtures by name


def test_b26_a_dangling_reference_is_a_finding_not_bad_input(home, tmp_path):  # noqa: F811
    raw = swa()
    find(raw, "tax", code="ULF-GRE")["city"] = "GREHSAM"
    code, report = checked(home, written(tmp_path, "dangling.yaml", raw))
    assert code == 1
    (finding,) = [each for each in report["findings"] if each["rule"] == "organization.references-resolve"]
    assert (finding["resource_type"], finding["key"]) == ("tax", "ULF-GRE")
    assert [each["path"] for each in finding["evidence"]] == ["city"]


def test_b26_a_reference_cycle_ends(home, tmp_path):  # noqa: F811
    raw = swa()
    find(raw, "department", code="ADM")["parent"] = "CSD"
    find(raw, "department", code="WQL")["parent"] = "WQL"
    code, report = checked(home, written(tmp_path, "cycle.yaml", raw))
    assert code in (0, 1)
    assert report["format"] == "smart360-monitor/check/1"


def test_b28_a_baseline_of_another_tenant_and_a_moment_to_come_are_warned_of(home, tmp_path, shipped):  # noqa: F811
    path = written(tmp_path, "later.yaml", swa())
    path.write_text(path.read_text().replace("tenant: swa", "tenant: hgl").replace("2026-11-24T", "2199-01-01T"))
    done = run(home, "check", str(path), "--baseline", str(shipped), "--at", "2026-11-24", "--output", "json")
    told = done.stderr.decode()
    assert done.returncode == 0
    assert json.loads(done.stdout)["findings"] == []
    assert "is of swa/production" in told
    assert "of hgl/production" in told
    assert "is in the future" in told


def test_b28_a_moment_that_cannot_be_read_is_bad_input(home, tmp_path):  # noqa: F811
    path = written(tmp_path, "when.yaml", swa())
    path.write_text(path.read_text().replace("2026-11-24T06:00:00-08:00", "yesterday"))
    done = run(home, "check", str(path))
    assert done.returncode == 2
    assert b"_about.taken_at" in done.stderr
