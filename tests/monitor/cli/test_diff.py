"""`diff` as it looks."""

import pytest

from tests.command import command
from tests.monitor.cli.small import assert_golden, files


@pytest.fixture(autouse=True)
def where_the_files_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files(tmp_path)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "options", "more"),
    [
        ("diff-piped.txt", [], {}),
        ("diff-c-locale.txt", [], {"LC_ALL": "C"}),
        ("diff-coloured.txt", [], {"FORCE_COLOR": "1"}),
        ("diff.json", ["--output", "json"], {}),
    ],
)
def test_a_difference_looks_as_agreed(tmp_path, name, options, more):
    done = command(tmp_path, "diff", "old.yaml", "new.yaml", *options, **more)
    assert (done.code, done.err) == (1, "")
    assert_golden(name, done.out)


def test_the_same_is_said_so_whatever_the_order(tmp_path):
    lines = (tmp_path / "old.yaml").read_text().splitlines()
    (tmp_path / "other.yaml").write_text("\n".join(reversed(lines)) + "\n")
    done = command(tmp_path, "diff", "old.yaml", "other.yaml")
    assert done.code == 0
    assert done.out.startswith("The same: b3:")


def test_old_and_new_are_not_taken_for_each_other(tmp_path):
    there = command(tmp_path, "diff", "old.yaml", "new.yaml", "--output", "json").report
    back = command(tmp_path, "diff", "new.yaml", "old.yaml", "--output", "json").report
    assert (there["old"], there["new"]) == (back["new"], back["old"])
    assert {each["key"] for each in there["changes"] if each["op"] == "added"} >= {"E"}
    assert {each["key"] for each in back["changes"] if each["op"] == "removed"} >= {"E"}


def test_one_side_may_come_on_standard_input(tmp_path):
    given = (tmp_path / "old.yaml").read_bytes()
    assert command(tmp_path, "diff", "-", "old.yaml", given=given).code == 0


def test_mistakes_of_the_old_file_are_told_before_the_new_one_is_missed(tmp_path):
    done = command(tmp_path, "diff", "missing-old.yaml", "missing-new.yaml")
    assert done.code == 2
    assert done.err.startswith("missing-old.yaml: No such file.")
