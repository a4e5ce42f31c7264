"""Rows B34–B44: rule packs that are refused, or decide nothing, at their place and within their time."""

import copy
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.compare import compare
from rules.errors import InvalidPack
from rules.evaluate import PATIENCE, Verdict
from rules.findings import Kind
from rules.judge import judge
from rules.pack import MOST_RULES, load_packs, shipped_packs
from rules.packtest import run_tests
from tests.command import command
from tests.support import CATALOGUE, SECRETS, configuration, swa_bytes

NOON = datetime(2026, 11, 24, 20, tzinfo=UTC)
RULE = {
    "id": "consumer.own", "title": "A category is not called B", "severity": "low", "for": "consumer_category",
    "expect": 'self.name != "B"', "message": "Category {self.name} is wrong.", "why": "So.", "fix": "Rename it.",
    "tests": [
        {"name": "good", "given": {"consumer_category": [{"name": "A"}]}, "finds": []},
        {"name": "bad", "given": {"consumer_category": [{"name": "B"}]}, "finds": [{"key": "B"}]},
    ],
}  # fmt: skip
HUNDRED = "[" + ", ".join("1" for _ in range(100)) + "]"


def pack_text(*rules: dict) -> str:
    content = {"pack": "own", "version": "1.0.0", "rules": [copy.deepcopy(each) for each in rules]}
    return yaml.safe_dump(content, sort_keys=False, width=10_000)


def pack(folder: Path, *rules: dict, name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(pack_text(*rules))
    return path


def refusal(path: Path) -> list[tuple[str, str]]:
    """Code and line of each mistake."""
    with pytest.raises(InvalidPack) as refused:
        load_packs([path], CATALOGUE)
    return [(each.code, str(each)) for each in refused.value.mistakes]


def refused_rule(folder: Path, **changes: object) -> list[tuple[str, str]]:
    return refusal(pack(folder, {**RULE, **changes}))


def codes(folder: Path, **changes: object) -> list[str]:
    return [code for code, _ in refused_rule(folder, **changes)]


def test_the_rule_that_others_are_made_from_is_sound(tmp_path):
    packs = load_packs([pack(tmp_path, RULE)], CATALOGUE)
    assert [outcome.problem for outcome in run_tests(packs, CATALOGUE)] == ["", ""]


def test_b34_an_expression_that_does_not_compile_is_refused_with_its_line_and_column(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(pack_text(RULE).replace("""self.name != "B\"""", """self.name ==== "B\""""))
    ((code, told),) = refusal(path)
    line = path.read_text().splitlines().index("""  expect: self.name ==== "B\"""") + 1
    column = "  expect: self.name ==== ".index("==== ") + 2 + 1  # the second sign is one too many
    assert code == "cel_syntax"
    assert told.startswith(f"{path}:{line}:{column}: consumer.own › expect: Syntax error: ")


@pytest.mark.parametrize(
    ("written", "place"),
    [
        pytest.param('expect: "self.nmae != \'B\'"', (0, len('expect: "self') + 1), id="in quotes"),
        pytest.param("expect: |-\n    self.name != 'B' &&\n    self.nmae != 'B'", (2, 8 + 1), id="in a block"),
        pytest.param("expect: >-\n    self.nmae\n    != 'B'", (1, 4 + 1), id="folded, which keeps no lines"),
        pytest.param(
            "let: {a: '1', b: '2'}\n  expect: self.nmae != 'B' && a < b", (1, len("  expect: self") + 1),
            id="after names of let",
        ),
        pytest.param("let:\n    a: |\n      1 + // one\n      2\n  expect: self.nmae != 'B'",
                     (4, len("  expect: self") + 1), id="many lines of let"),
    ],
)  # fmt: skip
def test_b34_the_place_is_right_however_the_expression_is_written(tmp_path, written, place):
    path = tmp_path / "own.yaml"
    path.write_text(pack_text(RULE).replace("""expect: self.name != "B\"""", written))
    first = next(n for n, each in enumerate(path.read_text().splitlines(), 1) if each.startswith("  " + written[:4]))
    ((code, told),) = refusal(path)
    assert code == "unknown_name"
    assert told.startswith(f"{path}:{first + place[0]}:{place[1] + (2 if place[0] == 0 else 0)}: ")


def test_b34_a_comment_at_the_end_of_an_expression_does_no_harm(tmp_path):
    rule = {**RULE, "when": "true // always", "let": {"b": '"B" // B'}, "expect": "self.name != b // not b"}
    outcomes = run_tests(load_packs([pack(tmp_path, rule)], CATALOGUE), CATALOGUE)
    assert [outcome.problem for outcome in outcomes] == ["", ""]


def endless(depth: int = 4) -> str:
    text = "x0 > 0"
    for level in range(depth):
        text = f"{HUNDRED}.all(x{level}, {text})"
    return f'({text}) && self.name != "B"'


def test_b35_an_expression_that_never_ends_is_undecided_within_five_seconds(tmp_path):
    packs = load_packs([pack(tmp_path, {**RULE, "expect": endless()})], CATALOGUE)
    checked = configuration({"consumer_category": [{"name": f"C{n:04}"} for n in range(2000)]})
    started = time.process_time()
    judgement = judge(checked, compare(None, checked, CATALOGUE), packs, CATALOGUE, at=NOON, secrets=SECRETS)
    assert time.process_time() - started < 5
    (result,) = judgement.undecided
    assert (result.verdict, result.reason) == (Verdict.UNDECIDED, "budget")
    assert len(result.undecided_objects) == 2000
    assert result.detail == "consumer_category C0000: the expression takes too many steps"


def test_b35_a_rule_over_its_budget_costs_the_others_nothing(tmp_path):
    bad = {**RULE, "id": "consumer.endless", "expect": endless()}
    raw = {"consumer_category": [{"name": name} for name in "ABCDEFGH"]}
    checked = configuration(raw)
    packs = load_packs([pack(tmp_path, bad, RULE)], CATALOGUE)
    judgement = judge(checked, compare(None, checked, CATALOGUE), packs, CATALOGUE, at=NOON, secrets=SECRETS)
    assert [each.rule for each in judgement.findings if each.kind is Kind.RULE] == ["consumer.own"]
    assert [key for _, key in judgement.undecided[0].undecided_objects] == list("ABCDEFGH")
    assert len("ABCDEFGH") > PATIENCE


def test_b35_a_pack_whose_tests_run_over_the_budget_is_refused(tmp_path):
    path = pack(tmp_path, {**RULE, "expect": endless()})
    done = command(tmp_path, "rules", "test", path, "--output", "json")
    assert done.code == 2
    assert {each["code"] for each in done.report["errors"]} == {"budget"}
    assert len(done.report["errors"]) == 2


def test_b35_what_nests_deeply_is_looked_through_once(tmp_path):
    text = "true"
    for level in range(14):
        text = f"[1, 2].all(x{level}, {text})"
    path = pack(tmp_path, {**RULE, "expect": f'{text} && self.name != "B"'})
    started = time.process_time()
    load_packs([path], CATALOGUE)
    assert time.process_time() - started < 0.5


def doubled(times: int, start: str) -> dict[str, str]:
    return {f"a{n}": f"a{n - 1} + a{n - 1}" if n else start for n in range(times)}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"let": doubled(24, "self.name"), "expect": 'a23 != "B"'}, id="a text doubled again and again"),
        pytest.param({"let": doubled(24, "[1]"), "expect": "a23.size() > 0"}, id="a list doubled again and again"),
        pytest.param({"expect": "self.name" + '.replace("a", "aaaaaaaaaa")' * 12 + ' != "B"'}, id="replace on replace"),
        pytest.param({"expect": f"{HUNDRED}.map(a, {HUNDRED}.map(b, {HUNDRED}.map(c, [a, b, c]))).size() > 0"},
                     id="lists in lists"),
        pytest.param({"expect": f'{HUNDRED}.map(a, {HUNDRED}.map(b, self.name).join("")).join("") != "B"'},
                     id="many texts joined"),
    ],
)  # fmt: skip
def test_b36_an_expression_that_fills_the_memory_is_refused(tmp_path, changes):
    started = time.process_time()
    told = refused_rule(tmp_path, **changes)
    assert time.process_time() - started < 5
    assert {code for code, _ in told} == {"limit"}
    assert "may grow to" in told[0][1]


def test_b36_a_number_out_of_all_bounds_is_an_error_of_its_object_alone(tmp_path):
    expect = '!decimal("1e99999999").plus(1).above(1) || self.name != "B"'
    outcomes = list(run_tests(load_packs([pack(tmp_path, {**RULE, "expect": expect})], CATALOGUE), CATALOGUE))
    assert ["out of all bounds" in outcome.problem for outcome in outcomes] == [False, True]


def test_b37_a_pattern_that_explodes_elsewhere_is_matched_in_linear_time(tmp_path):
    rule = {**RULE, "expect": '!self.name.matches("^(a+)+$")'}
    rule["tests"] = [
        {"name": "good", "given": {"consumer_category": [{"name": "a" * 50_000 + "b"}]}, "finds": []},
        {"name": "bad", "given": {"consumer_category": [{"name": "a" * 250}]}, "finds": [{"key": "a" * 250}]},
    ]
    packs = load_packs([pack(tmp_path, rule)], CATALOGUE)
    started = time.process_time()
    problems = [outcome.problem for outcome in run_tests(packs, CATALOGUE)]
    assert time.process_time() - started < 1
    assert problems == ["", ""]


def test_b37_a_pattern_that_cannot_be_read_is_refused(tmp_path):
    ((code, told),) = refused_rule(tmp_path, expect='self.name.matches("(a")')
    assert code == "regex"
    assert "missing )" in told


@pytest.mark.parametrize(
    ("changes", "near"),
    [
        ({"for": "consumer_categori"}, "consumer_category"),
        ({"expect": "self.nmae != 'B'"}, "name"),
        ({"expect": "self.service_plan.size() == 0"}, "service_plans"),
        ({"expect": "self.service_plans.all(p, p.categori.name == 'A')"}, "category"),
        ({"expect": "configuration.service_plam.size() == 0"}, "service_plan"),
        ({"expect": "counts.tx.all == 0"}, "tax"),
        ({"expect": "distnct(self.services.map(s, s.kind)).size() == 1"}, "distinct"),
        ({"expect": "_self_of_tax.name != 'B'"}, "self"),
        ({"expect": "self.name != parameters.nam", "parameters": {"name": "B"}}, "name"),
        ({"id": "consumr.own"}, "consumer"),
    ],
    ids=lambda each: next(iter(each.values())) if isinstance(each, dict) else each,
)
def test_b38_an_unknown_name_is_refused_and_the_nearest_offered(tmp_path, changes, near):
    ((code, told),) = refused_rule(tmp_path, **changes)
    assert code == "unknown_name"
    assert told.endswith(f"Mend: Did you mean {near}?")


@pytest.mark.parametrize(
    "changes",
    [
        {"expect": "self.name > 1"},
        {"expect": "self.name"},
        {"when": "self.name", "expect": "true"},
        {"for": "tax", "expect": "self.percentage > 1", "message": "So."},
        {"for": "tax", "expect": 'self.percentage == "1"', "message": "So."},
        {"expect": "self.services[0] == self.services[0]"},
        {"expect": 'self.is_active == "Yes"'},
    ],
    ids=str,
)
def test_b39_kinds_that_do_not_fit_are_refused(tmp_path, changes):
    assert set(codes(tmp_path, **changes)) == {"cel_type"}


def test_b40_a_rule_that_stands_twice_is_refused_with_both_places(tmp_path):
    path = pack(tmp_path, RULE, RULE)
    ((code, told),) = refusal(path)
    first = path.read_text().splitlines().index("- id: consumer.own") + 1
    assert code == "duplicate_rule"
    assert f"{path}:{first}" in told
    assert told.count(str(path)) == 2


def test_b40_in_two_packs_too_and_beside_the_shipped_ones(tmp_path):
    one, other = pack(tmp_path, RULE, name="one.yaml"), pack(tmp_path, RULE, name="other.yaml")
    with pytest.raises(InvalidPack) as refused:
        load_packs([one, other], CATALOGUE)
    assert [each.code for each in refused.value.mistakes] == ["duplicate_rule"]
    taken = shipped_packs().rules[0].id
    with pytest.raises(InvalidPack) as refused:
        load_packs([pack(tmp_path, {**RULE, "id": taken})], CATALOGUE, beside=shipped_packs())
    assert [each.code for each in refused.value.mistakes] == ["duplicate_rule"]


@pytest.mark.parametrize("identity", ["consumer.own rule", "own", "Consumer.Own", "consumer.own\n", "consumer..own"])
def test_b40_what_is_no_rule_id_is_refused(tmp_path, identity):
    assert codes(tmp_path, id=identity) == ["bad_value"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"serverity": "low"}, "unknown_key", "Did you mean severity?"),
        ({"severity": "hihg"}, "bad_value", "Did you mean high?"),
        ({"required": "yes please"}, "bad_value", "Write true or false."),
        ({"title": []}, "bad_value", "title is a text."),
        ({"why": ""}, "bad_value", "why is a text."),
        ({"message": ["a"]}, "bad_value", "message is a text."),
        ({"when": None}, "bad_value", "when is a text."),
        ({"references": 5}, "bad_value", "references: is a list"),
        ({"references": None}, "bad_value", "references: is a list"),
        ({"parameters": [1]}, "bad_value", "parameters: names"),
        ({"let": ["a"]}, "bad_value", "let: is a mapping"),
        ({"applies": {"countri": ["US"]}}, "unknown_key", "Did you mean country?"),
        ({"applies": {"country": "US"}}, "bad_value", "country is a list."),
        ({"applies": "US"}, "bad_value", "applies: is a mapping."),
    ],
    ids=str,
)
def test_b41_unknown_keys_and_wrong_values_are_refused(tmp_path, changes, code, words):
    ((found, told),) = refused_rule(tmp_path, **changes)
    assert found == code
    assert words in told


def test_b41_all_mistakes_of_a_pack_are_told_at_once(tmp_path):
    path = pack(tmp_path, {**RULE, "severity": "hihg"}, {**RULE, "id": "consumer.other", "expect": "self.nmae != 'B'"})
    assert [code for code, _ in refusal(path)] == ["bad_value", "unknown_name"]


@pytest.mark.parametrize("kept", [0, 1])
def test_b42_a_rule_without_a_passing_or_a_finding_test_is_refused(tmp_path, kept):
    assert codes(tmp_path, tests=[RULE["tests"][kept]]) == ["untested"]


@pytest.mark.parametrize(
    "test",
    [
        {"name": "x", "given": {"consumer_category": [{"name": "B"}]}, "finds": [5]},
        {"name": "x", "given": {"consumer_category": ["B"]}, "finds": [{"key": "B"}]},
        {"name": "x", "given": {"consumer_category": "B"}, "finds": [{"key": "B"}]},
        {"name": "x", "given": {"consumer_category": [{"nmae": "B"}]}, "finds": [{"key": "B"}]},
        {"name": "x", "given": {}, "finds": None},
        "x",
    ],
    ids=str,
)
def test_b42_a_test_that_cannot_be_read_is_refused(tmp_path, test):
    assert set(codes(tmp_path, tests=[*RULE["tests"], test])) <= {
        "bad_value", "missing_key", "not_an_object", "unknown_name",
    }  # fmt: skip


@pytest.mark.parametrize("zone", ["Nowhere/At_all", "../etc", 5, None])
def test_b42_a_test_may_be_about_a_wrong_time_zone(tmp_path, zone):
    given = {"utility": [{"short_name": "U", "timezone": zone}]}
    rule = {**RULE, "for": "utility", "expect": "self.?timezone.orValue('') == 'UTC'", "message": "So.", "tests": [
        {"name": "good", "given": {"utility": [{"short_name": "U", "timezone": "UTC"}]}, "finds": []},
        {"name": "bad", "given": given, "finds": [{"key": "U"}]},
    ]}  # fmt: skip
    outcomes = run_tests(load_packs([pack(tmp_path, rule)], CATALOGUE), CATALOGUE)
    assert [outcome.problem for outcome in outcomes] == ["", ""]


def test_b42_a_failing_test_says_what_was_wanted_and_what_came(tmp_path):
    done = command(tmp_path, "rules", "test", pack(tmp_path, {**RULE, "expect": 'self.name != "A"'}))
    assert done.code == 1
    assert "expected no finding, got Category A is wrong." in done.out
    assert "expected B, got no finding" in done.out
    assert "2 of 2 tests failed." in done.out


@pytest.mark.parametrize(
    "message",
    ["Category {self.nmae}.", "Category {self.name.", "Category self.name}.", "{self.__class__}", "{self!r}", "{}"],
)
def test_b43_a_message_that_names_what_is_not_there_is_refused(tmp_path, message):
    assert set(codes(tmp_path, message=message)) == {"template"}


def test_b43_the_place_of_a_wrong_name_is_that_in_the_message(tmp_path):
    path = pack(tmp_path, {**RULE, "message": "Category {self.name} is {self.nmae}."})
    ((_, told),) = refusal(path)
    lines = path.read_text().splitlines()
    line = next(n for n, each in enumerate(lines) if "message:" in each)
    assert told.startswith(f"{path}:{line + 1}:{lines[line].index('{self.nmae}') + 1}: ")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"expect": 'self.name != "B" || ' * 500 + "true"}, id="10,000 characters"),
        pytest.param({"expect": "(" * 300 + "true" + ")" * 300}, id="300 brackets"),
        pytest.param({"expect": "[" * 300 + "]" * 300 + ".size() == 1"}, id="300 lists"),
        pytest.param({"let": {f"a{n}": "1" for n in range(60)}}, id="60 names"),
        pytest.param({"expect": "(" * 29 + "self.name != 'B'" + ")" * 29}, id="29 brackets, too many when joined"),
    ],
)  # fmt: skip
def test_b44_expressions_beyond_the_limits_are_refused(tmp_path, changes):
    started = time.process_time()
    found = refused_rule(tmp_path, **changes)
    assert time.process_time() - started < 5
    assert {code for code, _ in found} == {"limit"}


def test_b44_ten_thousand_rules_are_refused_before_any_is_looked_at(tmp_path):
    path = tmp_path / "own.yaml"
    rules = "".join(f"- {{id: consumer.r{n}, expect: '1 +'}}\n" for n in range(10_000))
    path.write_text(f"pack: own\nversion: 1.0.0\nrules:\n{rules}")
    started = time.process_time()
    ((code, told),) = refusal(path)
    assert time.process_time() - started < 5
    assert code == "limit"
    assert f"10000 rules, the limit is {MOST_RULES}." in told


def test_b44_what_the_checker_lets_pass_also_runs(tmp_path):
    """Nothing that is accepted may fail when it is joined with others."""
    for depth in range(20, 34):
        expect = "(" * depth + "self.name != parameters.p" + ")" * depth
        path = pack(tmp_path, {**RULE, "parameters": {"p": "B"}, "when": "true", "expect": expect})
        if depth < 27:
            assert all(outcome.passed for outcome in run_tests(load_packs([path], CATALOGUE), CATALOGUE))
        else:
            assert {code for code, _ in refusal(path)} == {"limit"}


PARTS = st.sampled_from(
    [None, 5, "", "x", "self.name", "true // x", [], {}, [None], [5], {"a": 1}, [{"a": "self.name"}], "\x1b[2J",
     "2026-02-30"]
)  # fmt: skip


@settings(max_examples=150)
@given(data=st.data())
def test_no_pack_whatever_stands_in_it_ends_the_process(tmp_path_factory, data):
    rule = {**RULE, "when": "true", "let": {"b": '"B"'}, "references": [{"title": "T"}], "parameters": {"p": 1}}
    for _ in range(data.draw(st.integers(1, 3))):
        rule = copy.deepcopy(rule)
        place: object = rule
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place)) if isinstance(place, list) else ()
            if not keys:
                break
            key = data.draw(st.sampled_from(list(keys)))
            if not isinstance(place[key], dict | list) or data.draw(st.booleans()):  # type: ignore[index]
                place[key] = data.draw(PARTS)  # type: ignore[index]
                break
            place = place[key]  # type: ignore[index]
    path = pack(tmp_path_factory.getbasetemp(), rule)
    try:
        packs = load_packs([path], CATALOGUE)
    except InvalidPack as refused:
        told = refused.lines()
    else:
        told = [outcome.problem for outcome in run_tests(packs, CATALOGUE)]
    assert "\x1b" not in "".join(told)


def test_a_refused_pack_judges_nothing(tmp_path):
    (tmp_path / "swa.yaml").write_bytes(swa_bytes())
    path = pack(tmp_path, {**RULE, "expect": "self.nmae"})
    done = command(tmp_path, "check", tmp_path / "swa.yaml", "--packs", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == "1 mistake, nothing was done."


def requiring(folder: Path, requires: object, name: str = "own.yaml", **head: str) -> Path:
    path = pack(folder, {**RULE, "id": f"consumer.{name.split('.')[0]}"}, name=name)
    content = yaml.safe_load(path.read_text()) | head | ({"requires": requires} if requires else {})
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=10_000))
    return path


@pytest.mark.parametrize(("requires", "told"), [
    pytest.param({"smart360-core": "1.0.0"}, "", id="the version that is there"),
    pytest.param({"smart360-core": "1.0"}, "", id="an older one"),
    pytest.param({"smart360-core": "1.10.0"}, "It requires smart360-core 1.10.0 or later, and 1.0.0 is loaded."
                 " Mend: Load that one.", id="a newer one"),
    pytest.param({"smart360-cor": "1.0.0"}, "It requires smart360-cor 1.0.0 or later, which is not loaded."
                 " Mend: Did you mean smart360-core?", id="a name that is not there"),
    pytest.param(["smart360-core"], 'requires: names packs, each with the version it needs at least.'
                 ' Mend: Write {smart360-core: "1.0.0"}.', id="a list"),
    pytest.param({"smart360-core": "newest"}, 'requires: names packs, each with the version it needs at least.'
                 ' Mend: Write {smart360-core: "1.0.0"}.', id="no version"),
])  # fmt: skip
def test_a_pack_is_refused_whose_required_packs_are_not_loaded_with_file_and_line(tmp_path, requires, told):
    path = requiring(tmp_path, requires)
    line = next(number for number, each in enumerate(path.read_text().splitlines(), 1) if each.startswith("requires"))
    for way in ({"beside": shipped_packs()}, {"installed": shipped_packs()}):
        if not told:
            assert load_packs([path], CATALOGUE, **way).packs[-1].name == "own"
            continue
        with pytest.raises(InvalidPack) as refused:
            load_packs([path], CATALOGUE, **way)
        (mistake,) = refused.value.mistakes
        assert (mistake.file, mistake.what + " Mend: " + mistake.mend) == (str(path), told)
        assert mistake.line in (line, line + 1)


def test_packs_that_are_loaded_together_may_require_one_another(tmp_path):
    one = requiring(tmp_path, {"other": "2"}, "one.yaml", pack="one")
    other = requiring(tmp_path, None, "other.yaml", pack="other", version="2.0.1")
    assert [each.name for each in load_packs([one, other], CATALOGUE).packs] == ["one", "other"]
    with pytest.raises(InvalidPack):
        load_packs([one], CATALOGUE)


def test_a_rule_that_names_a_field_of_an_overlay_is_told_that_packs_do_not_know_it(tmp_path):
    ((code, told),) = refused_rule(tmp_path, expect='self.loyalty_tier != "B"')
    assert code == "unknown_name"
    assert "Fields and types that an overlay adds are not known to packs, which hold for every target." in told
