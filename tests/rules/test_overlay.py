"""Overlays: what they say holds, the last one wins, and every mistake has its place."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from baselines.approval import Proposal, ProposalState, review
from baselines.canonical import Canonicaliser, renewed
from baselines.compare import compare
from baselines.coverage import Gap, Reason
from baselines.severity import Severity
from rules.errors import InvalidOverlay
from rules.evaluate import Verdict
from rules.findings import Kind
from rules.judge import judge
from rules.lifecycle import Event, Known, State, settle
from rules.overlay import read_overlays
from rules.pack import shipped_packs
from rules.selector import Selector
from tests.support import CATALOGUE, SECRETS, configuration, find, swa

PACKS = shipped_packs()
AT = datetime(2026, 11, 24, 20, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs" / "overlays.md").read_text()
EXAMPLE = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if block.startswith("overlay:"))
WHO = {"reason": "agreed", "owner": "olga"}


NAMES = ("group.yaml", "swa.yaml", "third.yaml")


def read(*contents):
    texts = [each if isinstance(each, str) else yaml.safe_dump({"overlay": "x", **each}) for each in contents]
    return read_overlays(zip(NAMES, texts, strict=False), CATALOGUE, PACKS)


@lru_cache(1)
def approved():
    return configuration(swa())


@lru_cache(1)
def kept():
    """Verdicts of SWA as it is, so that tests judge anew only what they change."""
    return judge(approved(), compare(approved(), approved(), CATALOGUE), PACKS, CATALOGUE, at=AT, secrets=SECRETS).kept


def judged(raw, overlay, base=None):
    new = under(overlay).form(raw) if isinstance(raw, dict) else raw
    form = under(overlay).canonicaliser
    base = renewed(base if base is not None else approved(), form)
    comparison = compare(base, renewed(new, form), overlay.catalogue, tolerate_new_fields=True)
    return judge(
        renewed(new, form), comparison, overlay.packs, overlay.catalogue, at=AT, secrets=SECRETS, kept=kept(),
        overlay=overlay,
    )  # fmt: skip


class under:
    """What reads raw objects as an overlay describes them."""

    def __init__(self, overlay):
        self.canonicaliser = Canonicaliser(overlay.catalogue, secrets=SECRETS)

    def form(self, raw):
        lists = {
            name: [self.canonicaliser.canonicalise(name, each) for each in objects] for name, objects in raw.items()
        }
        gaps = {(name, path) for name, done in lists.items() for each in done for path in each.unknown_fields}
        made = {name: [each.object for each in done] for name, done in lists.items()}
        told = tuple(Gap(name, Reason.UNKNOWN_FIELD, path=path) for name, path in sorted(gaps))
        return self.canonicaliser.configuration(made, gaps=told)


def drift(judgement):
    return [(each.resource_type, each.key, each.path) for each in judgement.findings if each.kind is Kind.DRIFT]


def idle(judgement):
    return [each for each in judgement.findings if each.rule == "matches_nothing"]


def dearer():
    raw = swa()
    find(raw, "tax", code="ULF-GRE")["percentage"] = "60"
    return raw


def test_the_example_of_the_page_holds_as_it_says():
    overlay = read(EXAMPLE).without_mistakes()
    assert overlay.catalogue.types["loyalty_scheme"].module == "consumer"
    assert "loyalty_schemes" in overlay.catalogue.back_references["consumer_category"]
    assert overlay.catalogue.types["service_plan"].fields["gl_account"].severity is Severity.HIGH
    assert overlay.catalogue.types["loyalty_scheme"].severity is Severity.LOW
    assert overlay.packs.by_id["billing.tax-in-range"].severity is Severity.HIGH
    assert overlay.packs.by_id["metering.read-cycle-duration"].parameters["longest"] == 62
    assert [each.word for each in overlay.exemptions] == ["ignore", "expected"]
    (window,) = overlay.change_windows
    assert (window.ticket, window.match) == ("CHG-118", Selector(resource_type="service_plan"))
    assert window.ends - window.starts == timedelta(hours=6)


def test_an_empty_overlay_changes_nothing():
    overlay = read({}, {})
    assert (overlay.catalogue, overlay.packs, overlay.origins) == (CATALOGUE, PACKS, ())
    assert judged(dearer(), overlay).findings == judged(dearer(), read()).findings
    assert judged(approved(), overlay).judged_anew == 0


RULES = sorted(PACKS.by_id)[:4]


@given(st.lists(st.dictionaries(st.sampled_from(RULES), st.sampled_from(list(Severity))), max_size=3))
def test_the_last_overlay_wins_and_each_value_tells_where_it_comes_from(layers):
    overlay = read(*({"severities": {"rules": {rule: word.value for rule, word in each.items()}}} for each in layers))
    assert overlay.mistakes == ()
    told = {each.name: each for each in overlay.origins}
    for rule in RULES:
        said = [(number, each[rule]) for number, each in enumerate(layers) if rule in each]
        if not said:
            assert overlay.packs.by_id[rule] is PACKS.by_id[rule]
            assert f"severity {rule}" not in told
            continue
        number, severity = said[-1]
        assert overlay.packs.by_id[rule].severity is severity
        origin = told[f"severity {rule}"]
        assert (origin.value, origin.place.split(":")[0]) == (
            severity.value,
            ("group.yaml", "swa.yaml", "third.yaml")[number],
        )
        before = f"{said[-2][1]} (" if len(said) > 1 else f"{PACKS.by_id[rule].severity} (shipped)"
        assert origin.over.startswith(before)


def test_an_origin_names_the_line():
    (origin,) = read("overlay: x\nparameters:\n  metering.read-cycle-duration:\n    longest: 62\n").origins
    assert (origin.place, origin.value, origin.over) == ("group.yaml:4", "62", "90 (shipped)")


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        ("parameter: {}\n", 2, "Did you mean parameters?"),
        ("parameters:\n  metering.read-cycle-duratio: {longest: 1}\n", 3, "read-cycle-duration?"),
        ("parameters:\n  metering.read-cycle-duration: {longst: 1}\n", 3, "Did you mean longest?"),
        ("parameters:\n  metering.read-cycle-duration: {longest: long}\n", 3, "Write it as the rule does: 90"),
        ("parameters:\n  metering.read-cycle-duration: {longest: 1.5}\n", 3, "bad_value"),
        ("severities:\n  rules: {billing.tax-in-range: hi}\n", 3, "'critical'"),
        ("severities:\n  fields: {service_plans: {name: low}}\n", 3, "Did you mean service_plan?"),
        ("severities:\n  fields:\n    service_plan: {nam: low}\n", 4, "Did you mean name?"),
        ("fields:\n  service_plan:\n    name: {type: text}\n", 4, "has a field name already"),
        ("fields:\n  service_plan:\n    extra: {type: texts}\n", 4, "Say text."),
        ("fields:\n  service_plan:\n    extra: {type: decimal, default: much}\n", 4, "default:"),
        ("fields:\n  service_plan:\n    extra: {type: ref, to: service_plann}\n", 4, "Did you mean service_plan?"),
        ("types:\n  thing: {module: biling, title: T, key: [a], fields: {}}\n", 3, "Did you mean billing?"),
        ("types:\n  thing: {module: billing, title: T, key: a, fields: {a: text}}\n", 3, "key is a list"),
        ("types:\n  tax: {module: billing, title: T, key: [a], fields: {}}\n", 3, "described already"),
        ("ignore:\n  - {match: {}, reason: r, owner: o}\n", 3, "ignore everything"),
        ("ignore:\n  - {match: {rule: billing.tax-in-rang}, reason: r, owner: o}\n", 3, "billing.tax-in-range?"),
        ("ignore:\n  - {match: {rule: billing.tax-in-range}, owner: o}\n", 3, "Field required"),
        ("expected:\n  - {resource_type: taxx, values: any, reason: r, owner: o}\n", 3, "Did you mean tax?"),
        ("change_windows:\n  - {starts: 2026-12-01T22:00:00-08:00, ticket: T, reason: r, owner: o}\n", 3, "ends"),
        ("change_windows:\n  - {starts: 2026-12-01T22:00:00, ends: 2026-12-02T22:00:00Z, ticket: T, "
         "reason: r, owner: o}\n", 3, "needs its offset"),
        ("change_windows:\n  - {starts: 2026-12-03T22:00:00Z, ends: 2026-12-02T22:00:00Z, ticket: T, "
         "reason: r, owner: o}\n", 3, "ends before it starts"),
        ("change_windows:\n  - {starts: 2026-12-01T22:00:00Z, ends: 2027-01-02T22:00:00Z, ticket: T, "
         "reason: r, owner: o}\n", 3, "31 days at most"),
        ("ignore: [broken\n", 3, ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_how_to_mend_it(content, line, told):
    overlay = read(f"overlay: x\n{content}")
    lines = [f"{each.file}:{each.line} {each.code} {each}" for each in overlay.mistakes]
    assert lines
    assert any(each.startswith(f"group.yaml:{line} ") and told in each for each in lines), lines
    with pytest.raises(InvalidOverlay):
        overlay.without_mistakes()


def test_every_mistake_of_every_file_is_told_and_the_rest_holds():
    wrong = {
        "severities": {"rules": {"billing.no-such": "low", "billing.tax-in-range": "low"}},
        "parameters": {"a.b": {}},
    }
    overlay = read(wrong, {"fields": {"nothing": {"a": {"type": "text"}}}})
    assert [each.file for each in overlay.mistakes] == ["group.yaml", "group.yaml", "swa.yaml"]
    assert overlay.packs.by_id["billing.tax-in-range"].severity is Severity.LOW
    assert overlay.catalogue is CATALOGUE
    assert [each.severity for each in idle(judged(approved(), overlay))] == [Severity.LOW] * 3


def test_only_the_rule_whose_severity_or_parameter_is_another_is_judged_anew():
    overlay = read({
        "severities": {"rules": {"billing.tax-in-range": "low"}},
        "parameters": {"metering.read-cycle-duration": {"longest": 1}},
    })  # fmt: skip
    found = judged(approved(), overlay)
    assert found.judged_anew == 2
    assert {each.rule for each in found.findings} == {"metering.read-cycle-duration"}


def test_a_field_severity_is_that_of_its_drift():
    overlay = read({"severities": {"fields": {"tax": {"percentage": "info"}}}})
    (found,) = [each for each in judged(dearer(), overlay).findings if each.kind is Kind.DRIFT]
    assert found.severity is Severity.INFO
    assert judged(dearer(), read()).findings[0].severity is not Severity.INFO


def test_what_is_ignored_is_no_finding_and_fails_no_rule():
    plain = judged(dearer(), read())
    match = {"rule": "billing.tax-in-range", "key": "ULF-*"}
    overlay = read({"ignore": [{"match": match, **WHO}]})
    found = judged(dearer(), overlay)
    assert {each.rule for each in plain.findings} - {each.rule for each in found.findings} == {"billing.tax-in-range"}
    assert plain.results["billing.tax-in-range"].result.verdict is Verdict.FAILED
    assert found.results["billing.tax-in-range"].result.verdict is Verdict.PASSED
    assert found.readiness == 1.0
    ((finding, by),) = found.ignored
    assert (finding.key, by.place, by.owner) == ("ULF-GRE", "group.yaml:2", "olga")
    assert found.kept["billing.tax-in-range"].result.findings  # and it is back when the ignore ends
    assert idle(found) == []


def test_a_finding_that_was_open_is_resolved_as_ignored_and_not_as_healed():
    plain = judged(dearer(), read())
    opened = [
        Known(n, "A", each, State.OPEN, AT, AT, AT, 1, 1) for n, each in enumerate(plain.findings)
    ]  # fmt: skip
    overlay = read({"ignore": [{"match": {"key": "ULF-GRE"}, **WHO}]})
    new = configuration(dearer())
    comparison = compare(approved(), new, CATALOGUE)
    steps = settle(opened, judged(new, overlay), comparison, new).of(Event.RESOLVED)
    assert {(each.resolution, each.detail) for each in steps} == {("ignored", "ignored by group.yaml:2 (olga): agreed")}
    assert len(steps) == len(plain.findings) == 2


@pytest.mark.parametrize(
    ("values", "is_drift"),
    [
        (["60"], False),
        ([60.0], False),
        (["60.00"], False),
        (["7", "60"], False),
        ("any", False),
        (["61"], True),
        ([], True),
    ],
)
def test_an_expected_difference_is_no_drift_where_its_value_is_there(values, is_drift):
    one = {"resource_type": "tax", "key": "ULF-*", "path": "percentage", "values": values, **WHO}
    found = judged(dearer(), read({"expected": [one]}))
    assert drift(found) == ([("tax", "ULF-GRE", "percentage")] if is_drift else [])
    assert bool(idle(found)) is is_drift
    assert any(each.rule == "billing.tax-in-range" for each in found.findings)  # the rule still says so


def test_an_object_that_is_gone_may_be_expected():
    raw = swa()
    raw["tax"] = [each for each in raw["tax"] if each["code"] != "ULF-GRE"]
    one = {"resource_type": "tax", "key": "ULF-GRE", "values": [None], **WHO}
    assert ("tax", "ULF-GRE", "") not in drift(judged(raw, read({"expected": [one]})))


def test_what_matches_nothing_is_told_with_its_line_where_all_of_it_was_looked_at():
    overlay = read({"ignore": [{"match": {"rule": "billing.tax-in-range", "key": "NONE"}, **WHO}]})
    (found,) = idle(judged(approved(), overlay))
    assert found.kind is Kind.COVERAGE
    assert found.severity is Severity.LOW
    assert "group.yaml:2" in found.message
    assert found.key == "group.yaml ignore rule=billing.tax-in-range key=NONE"
    unread = replace(approved(), gaps=(Gap("tax", Reason.UNREAD),))
    assert idle(judged(unread, overlay)) == []
    without = replace(approved(), lists={name: each for name, each in approved().lists.items() if name != "tax"})
    assert idle(judged(without, overlay)) == []  # the rule is undecided


def test_what_was_not_read_is_ignored_only_by_name():
    unread = replace(approved(), gaps=(Gap("tax", Reason.UNREAD),))
    for match, count in (({"resource_type": "tax"}, 1), ({"resource_type": "tax", "kind": "coverage"}, 0)):
        found = judged(unread, read({"ignore": [{"match": match, **WHO}]}))
        assert len([each for each in found.findings if each.rule == "unread"]) == count


# -- an overlay alone never makes drift -------------------------------------------------------------

FURTHER = {
    "types": {"loyalty_scheme": {"module": "consumer", "title": "Loyalty scheme", "key": ["code"],
                                 "fields": {"code": {"type": "text", "required": True}}}},
    "fields": {"tax": {"gl": {"type": "decimal"}, "owner": {"type": "ref", "to": "tax", "inverse": "owned"},
                       "class": {"type": "text", "default": "A"}}},
}  # fmt: skip


def with_further(schemes=("GOLD",), **values):
    raw = swa()
    raw["loyalty_scheme"] = [{"code": each} for each in schemes]
    for each in raw["tax"]:
        each.update(values)
    return raw


@pytest.mark.parametrize("before", [{}, {"gl": "4.10"}, {"owner": {"id_string": "7", "name": "x"}}, {"class": "B"}])
def test_describing_types_and_fields_makes_no_drift(before):
    after = {"gl": "4.1000", "owner": "ULF-GRE", "class": "B"}
    plain, overlay = read(), read(FURTHER).without_mistakes()
    raw = swa()
    for each in raw["tax"]:
        each.update(before)
    base = under(plain).form(raw)
    assert drift(judged(with_further(**after), overlay, base)) == []


def test_what_is_not_compared_yet_is_told_and_compared_from_the_next_baseline_on():
    overlay = read(FURTHER)
    base = configuration(swa())
    told = [(each.resource_type, each.path) for each in judged(with_further(gl="1"), overlay, base).findings
            if each.rule == "no_baseline"]  # fmt: skip
    assert set(told) == {("loyalty_scheme", ""), ("tax", "gl")}
    base = under(overlay).form(with_further(("GOLD",)))
    found = judged(with_further(("SILVER",), gl="1"), overlay, base)
    assert {each[:2] for each in drift(found)} >= {
        ("loyalty_scheme", "GOLD"),
        ("loyalty_scheme", "SILVER"),
        ("tax", "ULF-GRE"),
    }


def test_taking_an_overlay_away_makes_no_drift():
    overlay = read(FURTHER)
    base = under(overlay).form(with_further(gl="4.10"))
    raw = with_further(gl="4.10")
    del raw["loyalty_scheme"]  # which nobody asks for any more
    assert drift(judged(raw, read(), base)) == []


def test_drift_of_what_only_an_overlay_described_ends_with_the_overlay():
    overlay = read(FURTHER)
    base = under(overlay).form(with_further(("GOLD",)))
    (opened,) = [each for each in judged(with_further(("SILVER", "GOLD")), overlay, base).findings
                 if each.kind is Kind.DRIFT]  # fmt: skip
    form = under(read()).canonicaliser
    old, new = renewed(base, form), renewed(approved(), form)
    comparison = compare(old, new, CATALOGUE, tolerate_new_fields=True)
    known = Known(1, "7F3K", opened, State.OPEN, AT, AT, AT, 1, 1)
    (step,) = [each for each in settle([known], judged(swa(), read(), base), comparison, new).steps if each.known]
    assert (step.event, step.resolution) == (Event.RESOLVED, "no longer described")
    assert step.detail == "no overlay describes loyalty_scheme any more, so nobody looks at it"


def test_a_field_that_was_compared_before_it_was_described_is_compared_still():
    raw = swa()
    for each in raw["tax"]:
        each["gl"] = "4.10"
    base = under(read()).form(raw)
    find(raw, "tax", code="ULF-GRE")["gl"] = "5.10"
    assert drift(judged(raw, read(FURTHER), base)) == [("tax", "ULF-GRE", "gl")]


def test_a_baseline_knows_what_was_laid_before_its_reviewer_if_only_as_none():
    overlay = read(FURTHER)
    form = under(overlay).canonicaliser
    base, snapshot = renewed(approved(), form), under(overlay).form(with_further(()))
    comparison = compare(base, snapshot, overlay.catalogue)
    proposal = Proposal(1, "swa/production", 1, 1, ProposalState.OPEN, "olga", AT)
    result = review(proposal, base, snapshot, comparison, (), overlay.catalogue).result
    assert drift(judged(with_further(("GOLD",), gl="1"), overlay, base)) == []
    found = {each[:2] for each in drift(judged(with_further(("GOLD",), gl="1"), overlay, result))}
    assert found >= {("loyalty_scheme", "GOLD"), ("tax", "ULF-GRE")}


def test_a_severity_alone_brings_no_new_version():
    overlay = read({"severities": {"fields": {"tax": {"percentage": "info", "default": "low"}}}})
    assert overlay.catalogue.version == CATALOGUE.version
    assert read(FURTHER).catalogue.version != CATALOGUE.version
