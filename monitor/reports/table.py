"""Reports for people: findings worst first, each with where, why and how to mend it."""

import sys
from collections.abc import Iterator

from baselines.catalogue import Catalogue
from baselines.compare import Change, Comparison
from baselines.configuration import Configuration
from baselines.errors import shown
from baselines.fields import Op, spelled
from baselines.severity import Severity
from baselines.values import Canonical, scalar_text
from monitor.check import CheckReport
from rules.drift import sentence
from rules.evaluate import Verdict
from rules.findings import Finding, Kind

COLOURS = {"critical": "31;1", "high": "33", "medium": "33;2", "low": "34", "info": "2"}
ASCII_MARKS = {"critical": "!!", "high": "!", "medium": "*", "low": ".", "info": "i"}


def clean(text: str) -> str:
    """Without control and escape sequences: a tariff cannot clear a screen (C14)."""
    return "".join(each if each.isprintable() else shown(each) for each in text)


def check_lines(report: CheckReport, *, terminal: bool, colour: bool, utf8: bool) -> Iterator[str]:
    """``check``: on a terminal blocks, elsewhere one greppable line for each finding."""
    findings = report.findings
    if not terminal:
        for each in findings:
            where = f"{report.configuration.file}:{each.line}" if each.line else report.configuration.file
            place = (each.severity.value, each.kind.value, each.resource_type, each.key or "-", each.path or "-")
            yield "  ".join(clean(part) for part in (*place, each.message, where))
        yield from _unchecked(report, utf8)
        yield from _summary(report)
        return
    name = report.configuration.file
    objects = f"{report.configuration.object_count} objects in {len(report.configuration.lists)} resource types"
    yield f"{name}  {objects}  {report.configuration.digest[:15]}"
    if report.baseline is not None:
        yield f"against {report.baseline.file}  {report.baseline.digest[:15]}"
    yield f"{len(report.judgement.results)} rules of {report.packs.names}"
    for each in findings:
        yield ""
        yield from _block(each, report, colour, utf8)
    yield ""
    yield from _unchecked(report, utf8)
    yield from _summary(report)


def mark(severity: Severity, *, utf8: bool) -> str:
    """The shape of a severity, in letters where the terminal has no UTF-8."""
    return severity.mark if utf8 else ASCII_MARKS[severity.value]


def painted(text: str, severity: Severity, *, colour: bool) -> str:
    """The text in its severity's colour, besides shape and word."""
    return f"\x1b[{COLOURS[severity.value]}m{text}\x1b[0m" if colour else text


def _block(each: Finding, report: CheckReport, colour: bool, utf8: bool) -> Iterator[str]:
    head = f"{mark(each.severity, utf8=utf8)} {each.severity.value:<9}"
    yield f"{painted(head, each.severity, colour=colour)} {clean(each.message)}"
    rule = each.rule or "drift"
    line = f"   {report.configuration.file}:{each.line}" if each.line else ""
    yield f"            {clean(f'{each.resource_type} {each.key} {each.path}'.strip()):<40} {rule}{line}"
    for evidence in each.evidence[:6]:
        place = f"{evidence.key} {evidence.path}".strip()
        yield f"            · {clean(f'{place} {_text(evidence.value)}')}"
    if each.op is not None and each.path:
        yield f"            - {clean(_text(each.old))}"
        yield f"            + {clean(_text(each.new))}"
    if each.why:
        yield f"            why   {each.why}"
    yield f"            mend  {clean(each.fix)}"


def _text(value: Canonical) -> str:
    return spelled(value) if isinstance(value, dict | list) else scalar_text(value)


def _unchecked(report: CheckReport, utf8: bool) -> Iterator[str]:
    for each in report.judgement.unchecked:
        told = each.detail or each.reason.replace("_", " ")
        rules = f"; {len(each.rules)} rules undecided" if each.rules else ""
        place = f"{each.resource_type} {each.path}".strip()
        yield f"{'◪' if utf8 else '?'} unchecked  {clean(place)}: {clean(told)}{rules}"
    for gap in report.comparison.unchecked:
        yield f"{'◪' if utf8 else '?'} unchecked  {gap.resource_type} {gap.path}: {gap.detail}"
    for result in report.judgement.undecided:
        if result.undecided_objects:
            yield f"{'◪' if utf8 else '?'} undecided  {result.rule}: {clean(result.detail)} ({result.reason})"


def _summary(report: CheckReport) -> Iterator[str]:
    judgement, tally, findings = report.judgement, report.judgement.tally, report.findings
    if not findings:
        against = f", {report.configuration.object_count} objects compared with {report.baseline.file}" if (
            report.baseline is not None
        ) else ""  # fmt: skip
        yield f"No findings. {len(judgement.results)} rules judged{against}."
    required = judgement.required(Verdict.PASSED), judgement.required(Verdict.FAILED)
    readiness = f"   readiness {judgement.readiness} ({required[0]} of {sum(required)})" if sum(required) else ""
    yield (
        f"{len(judgement.results)} rules: {tally[Verdict.PASSED]} passed · {tally[Verdict.FAILED]} failed · "
        f"{tally[Verdict.UNDECIDED]} undecided · {tally[Verdict.NOT_APPLICABLE]} not applicable{readiness}"
    )
    if findings:
        counts = ", ".join(f"{sum(1 for one in findings if one.severity is each)} {each.value}" for each in Severity)
        changes = sum(1 for each in findings if each.kind is Kind.DRIFT)
        yield f"Findings: {counts}   ·   {changes} changes against the baseline"
        if not report.exit_code:
            yield f"exit 0 (nothing as bad as --fail-on {report.fail_on.value})"


def diff_lines(
    old: Configuration, new: Configuration, comparison: Comparison, catalogue: Catalogue, *, colour: bool, utf8: bool
) -> Iterator[str]:
    """``diff``: changes by module."""
    counts = [f"{n} {op.value}" for op in Op if (n := sum(1 for each in comparison.changes if each.op is op))]
    if not comparison.changes:
        yield f"The same: {new.digest[:15]} (other order or spelling makes no difference)."
    else:
        told = f"{len(comparison.changes)} changes: {', '.join(counts)}"
        yield f"{old.file} {old.digest[:15]}  {'→' if utf8 else '->'}  {new.file} {new.digest[:15]}   {told}"
    module = None
    for change in comparison.changes:
        if change.module != module:
            module = change.module
            yield ""
            yield module or "(no module)"
        yield from _change(change, catalogue, colour, utf8)
    for gap in dict.fromkeys((*old.gaps, *new.gaps, *comparison.unchecked)):
        place = " ".join(part for part in (gap.resource_type, gap.key, gap.path) if part)
        yield f"{'◪' if utf8 else '?'} unchecked  {clean(place)}: {clean(gap.detail or gap.reason.value)}"


def _change(change: Change, catalogue: Catalogue, colour: bool, utf8: bool) -> Iterator[str]:
    head = painted(mark(change.severity, utf8=utf8), change.severity, colour=colour)
    arrow = "›" if utf8 else ">"
    where = f"{change.resource_type} {change.key}" + (f" {arrow} {change.path}" if change.path else "")
    yield f"{head} {clean(where)}" + ("" if change.path else f"   {change.op.value}")
    if change.op is Op.MOVED:
        yield f"    ~ {clean(sentence(change, catalogue.types.get(change.resource_type)))}"
    elif change.path:
        yield f"    - {clean(_text(change.old))}"
        yield f"    + {clean(_text(change.new))}"


def speaks_utf8() -> bool:
    """True if standard output can show ◆ and ›."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
