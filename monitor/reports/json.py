"""Reports as JSON for programs (contracts §3.1, §3.2): the same input gives the same bytes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from baselines.compare import Change, Comparison
from baselines.configuration import Configuration
from baselines.fields import Op
from baselines.severity import Severity
from monitor.check import CheckReport
from rules.evaluate import Verdict
from rules.findings import Finding, Kind
from rules.judge import Unchecked
from rules.pack import Applies, Packs, Rule, RuleTest
from rules.packtest import Outcome
from rules.precision import Precision

if TYPE_CHECKING:  # commands on files need no store
    from monitor.backtest import Backtest


def written(kind: str, content: Mapping[str, Any]) -> str:
    """One document with its format first, ending in a newline."""
    return json.dumps({"format": f"smart360-monitor/{kind}/1", **content}, ensure_ascii=False, indent=1) + "\n"


def change_json(change: Change) -> dict[str, Any]:
    """One change of ``diff``."""
    return {
        "op": change.op.value, "module": change.module, "resource_type": change.resource_type, "key": change.key,
        "path": change.path, "old": change.old, "new": change.new, "severity": change.severity.value,
    }  # fmt: skip


def finding_json(finding: Finding) -> dict[str, Any]:
    """One finding of ``check``; drift also has op, old and new."""
    told: dict[str, Any] = {
        "fingerprint": finding.fingerprint, "kind": finding.kind.value, "rule": finding.rule,
        "severity": finding.severity.value, "module": finding.module, "resource_type": finding.resource_type,
        "key": finding.key, "path": finding.path, "title": finding.title, "message": finding.message,
        "why": finding.why, "fix": finding.fix,
        "evidence": [{"resource_type": each.resource_type, "key": each.key, "path": each.path, "value": each.value}
                     for each in finding.evidence],
    }  # fmt: skip
    told |= {name: value for name, value in (("rule_kind", finding.rule_kind), ("basis", finding.basis)) if value}
    if finding.money is not None:
        told["money"] = finding.money.as_json()
    if finding.op is not None:
        told |= {"op": finding.op.value, "old": finding.old, "new": finding.new}
    return told


def unchecked_json(several: Iterable[Unchecked]) -> list[dict[str, Any]]:
    """What nobody looked at."""
    return [
        {"resource_type": each.resource_type, "path": each.path, "reason": each.reason, "rules": list(each.rules)}
        for each in several
    ]


def _not_compared(comparison: Comparison) -> Iterator[Unchecked]:
    return (Unchecked(gap.resource_type, gap.path, gap.reason.value, (), gap.detail) for gap in comparison.unchecked)


def check_json(report: CheckReport) -> str:
    """``check --output json``."""
    tally = report.judgement.tally
    findings = report.findings
    content: dict[str, Any] = {
        "configuration": {
            "digest": report.configuration.digest, "objects": report.configuration.object_count,
            "resource_types": len(report.configuration.lists),
        },
        "baseline": {"digest": report.baseline.digest} if report.baseline is not None else None,
        "findings": [finding_json(each) for each in findings],
        "unchecked": unchecked_json((*report.judgement.unchecked, *_not_compared(report.comparison))),
        "summary": {
            "rules": {
                "total": len(report.judgement.results), "passed": tally[Verdict.PASSED],
                "failed": tally[Verdict.FAILED], "undecided": tally[Verdict.UNDECIDED],
                "not_applicable": tally[Verdict.NOT_APPLICABLE],
            },
            "readiness": report.judgement.readiness,
            "findings": {each.value: sum(1 for one in findings if one.severity is each) for each in Severity},
            "changes": sum(1 for each in findings if each.kind is Kind.DRIFT),
        },
    }  # fmt: skip
    if report.judgement.money is not None:
        content["money"] = report.judgement.money.as_json()
    return written("check", content)


def diff_json(old: Configuration, new: Configuration, comparison: Comparison) -> str:
    """``diff --output json``."""
    unchecked: list[dict[str, Any]] = [
        {"resource_type": gap.resource_type, "path": gap.path, "reason": gap.reason.value, "rules": []}
        for gap in dict.fromkeys((*old.gaps, *new.gaps, *comparison.unchecked))
    ]
    return written(
        "diff",
        {
            "old": {"digest": old.digest}, "new": {"digest": new.digest},
            "changes": [change_json(each) for each in comparison.changes], "unchecked": unchecked,
            "summary": {op.value: sum(1 for each in comparison.changes if each.op is op) for op in Op},
        },
    )  # fmt: skip


def rule_json(rule: Rule) -> dict[str, Any]:
    """One rule."""
    return {
        "id": rule.id, "pack": rule.pack, "title": rule.title, "severity": rule.severity.value,
        "required": rule.required, "module": rule.module, "for": rule.subject, "when": rule.when,
        "let": dict(rule.let), "expect": rule.expect, "message": rule.message, "why": rule.why, "fix": rule.fix,
        "kind": rule.kind, "basis": rule.basis, "statement": rule.statement, "parameters": dict(rule.parameters),
        "applies": [applies_json(each) for each in rule.applies],
        "reads": sorted(rule.types), "references": [dict(each) for each in rule.references],
    }  # fmt: skip


def applies_json(applies: Applies) -> dict[str, list[str]]:
    """Where a rule applies; what is not named fits everything."""
    parts = {"country": applies.country, "state": applies.state, "services": applies.services, "stage": applies.stage}
    return {name: list(values) for name, values in parts.items() if values}


def example_json(test: RuleTest) -> dict[str, Any]:
    """A test of a rule as an example."""
    return {"name": test.name, "at": test.at, "stage": test.stage, "parameters": dict(test.parameters),
            "given": orjson.loads(orjson.dumps(test.given, default=str))}  # fmt: skip


def rules_json(rules: Iterable[Rule]) -> str:
    """``rules list --output json``."""
    return written("rules", {"rules": [rule_json(each) for each in rules]})


def backtest_json(made: "Backtest") -> dict[str, Any]:
    """``rules backtest --output json``, without its format."""
    trial, told = made.trial, {rule.id for rule in made.trial.new}
    fired = [
        {"target": target, "rule": each.finding.rule, "severity": each.finding.severity.value,
         "fingerprint": each.finding.fingerprint, "resource_type": each.finding.resource_type, "key": each.finding.key,
         "message": each.finding.message, "first_seen": each.first_seen, "last_seen": each.last_seen,
         "ended": each.ended, "open_seconds": int(made.open_for(target, each).total_seconds()),
         "did_fire": None if each.finding.rule in told else not made.is_news(target, each)}
        for target, each in made.firings
    ]  # fmt: skip
    parts = {part: [rule.id for rule in getattr(trial, part)] for part in ("new", "changed", "same", "removed")}
    return {
        "pack": {"pack": trial.pack.name, "version": trial.pack.version, **parts},
        "targets": [{"target": name, "snapshots": each.moments, "first": each.first, "last": each.last,
                     "judged": each.judged} for name, each in made.replays.items()],
        "firings": fired,
        "gone": [{"target": target, "number": known.number, "rule": known.finding.rule,
                  "fingerprint": known.finding.fingerprint, "message": known.finding.message}
                 for target, known in made.gone],
        "undecided": [{"rule": rule, "snapshots": count} for rule, count in sorted(made.undecided.items())],
        "summary": {"firings": len(fired), "targets": len({target for target, _ in made.firings}),
                    "alerts": made.alerts, "open_seconds": int(made.open_in_all.total_seconds())},
    }  # fmt: skip


def precision_json(each: Precision) -> dict[str, Any]:
    """Figures of a rule or pack in ``rules precision``."""
    ratio = None if each.ratio is None else round(each.ratio, 3)
    return {"precision": ratio, "useful": each.useful, "not_useful": each.not_useful, "unmarked": each.unmarked,
            "open": each.open}  # fmt: skip


def tests_json(packs: Packs, outcomes: Iterable[Outcome]) -> str:
    """``rules test --output json``."""
    told = [
        {"rule": each.rule.id, "test": each.test.name, "file": each.test.file, "line": each.test.line,
         "passed": each.passed, "problem": each.problem}
        for each in outcomes
    ]  # fmt: skip
    listed = [{"pack": pack.name, "version": pack.version, "rules": len(pack.rules)} for pack in packs.packs]
    return written("rule-tests", {"packs": listed, "tests": told})
