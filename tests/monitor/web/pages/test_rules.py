"""The page of rules: what fails now, and what people think of it."""

from dataclasses import replace

from monitor.access import on_host
from monitor.care import mark_finding
from monitor.web.pages.rules import rules_view
from monitor.web.pages.target import target_view
from rules.precision import Mark, Precision


def open_rule_findings(watched):
    with watched.deps.store.read() as unit:
        return [known for _, known in unit.findings.open() if known.finding.kind == "rule"]


def test_without_marks_no_rule_is_proposed_and_every_rule_is_listed(watched):
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    watched.sweep(watched.register("hgl/production", utility=watched.target.definition.utility))
    view = rules_view(watched.deps)
    assert view.sentence == f"No rule is proposed for review. {len(watched.deps.packs.rules)} are in force."
    assert [each.rule for each in view.lines] == list(watched.deps.packs.rules)
    failing = {each.rule.id: each.figures for each in view.failing}
    assert set(failing) == {known.finding.rule for known in open_rule_findings(watched)}
    assert failing["billing.category-has-fixed-and-variable-plan"] == Precision(found=2, open=2, targets=2)
    assert view.targets == 2
    assert [(pack.name, figures.open) for pack, figures in view.packs][1] == ("us-epa-oregon", 0)


def test_a_rule_that_people_find_useless_is_proposed_for_review_and_stays_in_force(watched):
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    for number in range(5):
        watched.sweep(watched.register(f"t{number}/production"))
    rule = "billing.category-has-fixed-and-variable-plan"
    before = open_rule_findings(watched)
    mine = [known for known in before if known.finding.rule == rule]
    for known in mine[:5]:
        mark_finding(known.number, Mark.NOT_USEFUL, "planned", on_host("nisha"), watched.deps)
    view = rules_view(watched.deps)
    assert view.sentence == f"1 of {len(view.lines)} rules is proposed for review."
    (line,) = view.review
    assert (line.rule.id, line.figures) == (rule, Precision(0, 5, found=6, open=6, targets=6))
    assert open_rule_findings(watched) == before
    assert replace(view, floor=0.0).review == []


def test_a_target_shows_what_people_said_of_its_open_findings(watched):
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    known = open_rule_findings(watched)[0]
    mark_finding(known.number, Mark.NOT_USEFUL, "planned", on_host("nisha"), watched.deps)
    mark_finding(known.number, Mark.USEFUL, "", on_host("olga"), watched.deps)
    view = target_view("swa/production", watched.deps)
    said = view.opinions[known.id]
    assert [(each.by, each.mark, each.reason) for each in said] == [
        ("olga", "useful", ""),
        ("nisha", "not useful", "planned"),
    ]
    assert known in view.findings


def test_a_mark_is_in_the_audit_log_with_who_and_why(watched):
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    known = open_rule_findings(watched)[0]
    mark_finding(known.number, Mark.NOT_USEFUL, " planned ", on_host("nisha"), watched.deps)
    with watched.deps.store.read() as unit:
        entry = unit.audit.entries()[-1]
    assert (entry.actor, entry.action, entry.tenant) == ("nisha", "finding.mark", "swa")
    assert (entry.object, entry.reason) == (f"swa/production finding {known.number}", "not useful: planned")
    assert entry.content == known.finding.evidence_digest
