"""The story of `check` on files: which moment, which key, what counts as wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from baselines.errors import InvalidConfiguration
from baselines.severity import Severity
from monitor.check import CheckReport, check_files
from rules.findings import Kind
from rules.pack import load_packs
from tests.monitor.cli.small import NEW, files
from tests.support import CATALOGUE

NOW = datetime(2026, 11, 24, 20, tzinfo=UTC)


def report_of(
    file: Path, baseline: Path | None = None, *, pack: Path, at: datetime | None = None, now: datetime = NOW,
    fail_on: Severity = Severity.LOW,
) -> CheckReport:  # fmt: skip
    packs = load_packs([pack], CATALOGUE)
    return check_files(file, baseline, packs, CATALOGUE, lambda: b"key", at=at, now=now, fail_on=fail_on)


@pytest.fixture
def small(tmp_path):
    files(tmp_path)
    return tmp_path


def changed(folder: Path, old: str, new: str) -> Path:
    path = folder / "changed.yaml"
    assert old in NEW
    path.write_text(NEW.replace(old, new))
    return path


def day(folder, path, **options):
    return report_of(path, pack=folder / "pack.yaml", **options).judgement.day.isoformat()


def test_the_moment_is_the_one_named_else_that_of_the_file_else_now(small):
    path = small / "new.yaml"
    later = NOW + timedelta(days=3)
    assert day(small, path, at=datetime(2027, 1, 31, 12, tzinfo=UTC), now=later) == "2027-01-31"
    assert day(small, path, now=later) == "2026-01-15"
    assert day(small, changed(small, ", taken_at: '2026-01-15T06:00:00-08:00'", ""), now=later) == "2026-11-27"


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland", "Etc/GMT+12", "Pacific/Kiritimati"])
def test_a_moment_without_an_offset_is_meant_where_the_utility_is(small, zone):
    path = changed(small, "America/Los_Angeles", zone)
    for hour in (0, 12, 23):
        assert day(small, path, at=datetime(2027, 1, 31, hour)) == "2027-01-31"  # noqa: DTZ001 - that is the point


def test_what_was_not_read_is_unchecked_and_makes_nothing_wrong(small):
    path = changed(small, "tenant: tiny,", "tenant: tiny, unread: [tax],")
    report = report_of(path, pack=small / "pack.yaml")
    assert ("tax", "unread") in {(each.resource_type, each.reason) for each in report.judgement.unchecked}
    assert {each.kind for each in report.judgement.findings} >= {Kind.COVERAGE}
    assert {each.kind for each in report.findings} == {Kind.RULE}
    assert {each.rule for each in report.findings} == {"consumer.fee-is-small"}


@pytest.mark.parametrize(("fail_on", "code"), [(Severity.LOW, 1), (Severity.CRITICAL, 1)])
def test_something_at_least_so_bad_is_wrong(small, fail_on, code):
    assert report_of(small / "new.yaml", pack=small / "pack.yaml", fail_on=fail_on).exit_code == code


def test_a_file_held_against_itself_is_read_once_and_has_no_drift(small):
    report = report_of(small / "new.yaml", small / "new.yaml", pack=small / "pack.yaml")
    assert report.comparison.changes == ()
    assert report.comparison.compared > 0


def test_a_baseline_that_cannot_be_read_is_bad_input(small):
    (small / "old.yaml").write_text("zone: text")
    with pytest.raises(InvalidConfiguration) as refused:
        report_of(small / "new.yaml", small / "old.yaml", pack=small / "pack.yaml")
    assert refused.value.mistakes[0].file == str(small / "old.yaml")


def test_files_of_another_target_and_of_the_future_are_warned_of(small):
    path = changed(small, "tenant: tiny", "tenant: other")
    report = report_of(path, small / "old.yaml", pack=small / "pack.yaml", now=datetime(2026, 1, 1, tzinfo=UTC))
    assert [each.split(": ")[-1].split(" ")[0] for each in report.warnings[:2]] == ["taken_at", "taken_at"]
    assert report.warnings[2] == f"{small}/old.yaml is of tiny/production, {path} of other/production."


@pytest.mark.parametrize("named", [(True, True), (True, False), (False, True), (False, False)])
def test_secrets_in_clear_are_compared_whichever_side_names_its_tenant(small, named):
    for name, is_named in zip(("old", "new"), named, strict=True):
        about = "_about: {tenant: tiny}\n" if is_named else ""
        (small / f"{name}.yaml").write_text(f"{about}integration: [{{name: I, auth_key: hunter2-{name}}}]\n")
    report = report_of(small / "new.yaml", small / "old.yaml", pack=small / "pack.yaml")
    assert [each.path for each in report.comparison.changes] == ["auth_key"]
    assert report.comparison.unchecked == ()
