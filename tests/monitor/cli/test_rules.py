"""`rules list`, `show`, `test` and `coverage`."""

import pytest

from rules.pack import shipped_packs
from tests.command import command
from tests.monitor.cli.small import PACK, assert_golden, files


@pytest.fixture(autouse=True)
def where_the_files_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files(tmp_path)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("rules-list.txt", ["rules", "list", "fee-is-small"], 0),
        ("rules-list.json", ["rules", "list", "fee-is-small", "--output", "json"], 0),
        ("rules-show.txt", ["rules", "show", "billing.tax-goes-on"], 0),
        ("rules-show.json", ["rules", "show", "billing.tax-goes-on", "--output", "json"], 0),
        ("rules-test.txt", ["rules", "test", "pack.yaml"], 0),
        ("rules-test-fails.txt", ["rules", "test", "wrong.yaml"], 1),
        ("rules-test-fails.json", ["rules", "test", "wrong.yaml", "--output", "json"], 1),
    ],
)
def test_rules_look_as_agreed(tmp_path, name, words, code):
    (tmp_path / "wrong.yaml").write_text(PACK.replace("fee: '11'", "fee: '9'"), encoding="utf-8")
    done = command(tmp_path, *words, SMART360_PACKS='["pack.yaml"]')
    assert done.code == code
    assert_golden(name, done.out)


def text_of(rule):
    return f"{rule.id} {rule.title} {rule.why} {rule.fix} {rule.statement}".lower()


RULES = shipped_packs().rules


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ([], lambda _: True),
        (["slab"], lambda rule: "slab" in text_of(rule)),
        (["Slab", "twice"], lambda rule: "slab" in text_of(rule) and "twice" in text_of(rule)),
        (["--module", "access"], lambda rule: rule.module == "access"),
        (["--severity", "critical,info"], lambda rule: rule.severity in ("critical", "info")),
        (["--pack", "us-epa-oregon"], lambda rule: rule.pack == "us-epa-oregon"),
        (["--kind", "sequence"], lambda rule: rule.kind == "sequence"),
        (["--type", "area"], lambda rule: "area" in rule.types),
        (["--required"], lambda rule: rule.required),
        (["--advice"], lambda rule: not rule.required),
        (["--state", "CA"], lambda rule: all("CA" in (each.state or "CA") for each in rule.applies)),
        (["--stage", "live"], lambda rule: all("live" in (each.stage or "live") for each in rule.applies)),
        (["--service", "water", "slab", "--required"], lambda rule: "slab" in text_of(rule) and rule.required),
    ],
)
def test_a_list_is_narrowed_by_words_and_by_where_rules_apply(tmp_path, words, fits):
    done = command(tmp_path, "rules", "list", *words, "--output", "json")
    found = {each["id"] for each in done.report["rules"]}
    assert found == {each.id for each in RULES if fits(each)}
    assert found
    assert len(found) < len(RULES) or not words


def test_how_many_of_all_are_listed_is_said_beside_the_list(tmp_path):
    done = command(tmp_path, "rules", "list", "slab")
    assert done.err == f"{len(done.out.splitlines())} of {len(RULES)}\n"


@pytest.mark.parametrize(
    ("option", "value", "mend"),
    [("--kind", "sequense", "sequence"), ("--severity", "hihg", "high"), ("--type", "service_plans", "service_plan")],
)
def test_a_misspelt_filter_is_refused_with_the_nearest_right_one(tmp_path, option, value, mend):
    done = command(tmp_path, "rules", "list", option, value)
    assert done.code == 2
    assert f"Did you mean {mend}?" in done.err


@pytest.mark.parametrize("rule", RULES[:: len(RULES) // 12], ids=lambda each: each.id)
def test_a_rule_is_explained_by_what_it_says_of_its_own_examples(tmp_path, rule):
    passing, finding = command(tmp_path, "rules", "show", rule.id, "--output", "json").report["rule"]["examples"]
    assert passing["says"] == []
    assert finding["says"]
    told = command(tmp_path, "rules", "show", rule.id).out
    assert f"says: {finding['says'][0]}" in told
    assert f"example  {passing['name']}" in told


def test_a_pack_that_is_refused_ends_with_exit_2_and_its_mistakes(tmp_path):
    (tmp_path / "pack.yaml").write_text(PACK.replace("self.fee.at_most", "self.feee.at_most"), encoding="utf-8")
    done = command(tmp_path, "rules", "test", "pack.yaml", "--output", "json")
    assert done.code == 2
    (error,) = done.report["errors"]
    assert (error["file"], error["line"], error["code"]) == ("pack.yaml", 10, "unknown_name")
    assert error["message"] == "registration_type has no field “feee”."
    assert error["mend"] == "Did you mean fee?"


def test_packs_of_the_settings_are_in_force(tmp_path):
    done = command(tmp_path, "rules", "show", "billing.tax-goes-on", "--output", "json", SMART360_PACKS='["pack.yaml"]')
    assert done.report["rule"]["pack"] == "tiny"
    assert command(tmp_path, "rules", "show", "billing.tax-goes-on").code == 2


def test_coverage_tells_what_no_rule_sees_of_a_file(tmp_path):
    """By kind and field; the same input gives the same document."""
    words = ("rules", "coverage", "old.yaml", "--module", "billing")
    table, one, other = command(tmp_path, *words), *(command(tmp_path, *words, "--output", "json") for _ in range(2))
    assert table.code == one.code == 0
    assert one.out == other.out
    report = one.report
    assert report["format"] == "smart360-monitor/coverage/1"
    assert {each["module"] for each in report["fields"]} == {"billing"}
    assert sum(each["total"] for each in report["fields"]) == report["mutations"] == report["looked_at"]
    assert not any(each["nobody"] for each in report["fields"])
    assert "mutations looked at" in table.out.splitlines()[0]


def test_coverage_looks_at_a_sample_spread_over_all(tmp_path):
    report = command(tmp_path, "rules", "coverage", "old.yaml", "--sample", 7, "--output", "json").report
    assert report["looked_at"] == 7 < report["mutations"]


def test_coverage_names_the_module_that_was_meant(tmp_path):
    done = command(tmp_path, "rules", "coverage", "old.yaml", "--module", "biling")
    assert (done.code, done.err) == (2, "biling: no such module. Mend: Did you mean billing?\n")


def test_a_part_is_never_kept_as_the_whole(tmp_path):
    done = command(tmp_path, "rules", "coverage", "swa/production", "--module", "billing", "--keep")
    assert done.code == 2
    assert done.err.startswith("--keep: a part would be shown as the whole.")
