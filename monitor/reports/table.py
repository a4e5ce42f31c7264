"""Reports for people: findings worst first, each with where, why and how to mend it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from baselines.catalogue import Catalogue
from baselines.compare import Change, Comparison
from baselines.configuration import Configuration
from baselines.errors import shown_path
from baselines.fields import Op, spelled
from baselines.severity import Severity
from baselines.values import Canonical, scalar_text
from monitor.check import CheckReport
from monitor.reports.json import applies_json, example_json
from rules.drift import field_of, sentence, with_places
from rules.evaluate import Verdict
from rules.findings import Finding, Kind
from rules.pack import Rule
from rules.packtest import messages_of

if TYPE_CHECKING:  # it opens the store, which commands on files do without
    from datetime import datetime

    from monitor.plan import TargetPlan
    from rules.explain import Explanation

COLOURS: Final = {"critical": "31;1", "high": "33", "medium": "33;2", "low": "34", "info": "2"}
NARROW: Final = 60  #: columns; below, rows become blocks (C4)
MOST_EVIDENCE: Final = 6
INDENT: Final = " " * 12


clean: Final = shown_path  #: a tariff cannot clear a screen (C14)


def how_many(count: int, thing: str) -> str:
    """``1 change``, ``3 changes``."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def check_lines(report: CheckReport, *, width: int | None, colour: bool) -> Iterator[str]:
    """``check``: on a terminal blocks, elsewhere one greppable line for each finding.

    Args:
        report: what was found.
        width: columns of the terminal, None where there is none.
        colour: paint severities, besides their shape and word.
    """
    places = _places(report)
    if width is None:
        for each in report.findings:
            named = (each.kind.value, each.resource_type, each.key or "-", each.path or "-", each.message)
            place = places.get((each.resource_type, each.key), report.configuration.file)
            yield "  ".join([painted(each.severity.value, each.severity, colour=colour), *map(clean, (*named, place))])
        yield from _unchecked(report)
        yield from _summary(report)
        return
    configuration, base = report.configuration, report.baseline
    objects = f"{how_many(configuration.object_count, 'object')} in {len(configuration.lists)} resource types"
    yield from _fitted([configuration.file, objects, configuration.digest[:15]], width)
    rules = f"{how_many(len(report.judgement.results), 'rule')} of {report.packs.names}"
    against = [f"against {base.file}  {base.digest[:15]}"] if base is not None else []
    yield from _fitted([*against, rules], width, between="  ·  ")
    for each in report.findings:
        yield ""
        yield from _block(each, places.get((each.resource_type, each.key), ""), width, colour)
    yield ""
    yield from _unchecked(report)
    yield from _summary(report)
    yield f"exit {report.exit_code}{_below(report)}"


def _places(report: CheckReport) -> dict[tuple[str, str], str]:
    """File and line of every object with a finding: where it is now, else in the baseline."""
    types = {each.resource_type for each in report.findings}
    sides = [side for side in (report.baseline, report.configuration) if side is not None]
    return {
        (name, each.key): f"{side.file}:{each.line}"
        for side in sides
        for name in types
        for each in side.objects(name)
        if each.line
    }


def _fitted(parts: Sequence[str], width: int, *, indent: str = "", between: str = "  ") -> Iterator[str]:
    """The parts in one row where they fit, else each in its own."""
    row = indent + between.join(parts)
    if len(row) <= width and width >= NARROW:
        yield row
    else:
        yield from (indent + part.strip() for part in parts)


def painted(text: str, severity: Severity, *, colour: bool) -> str:
    """The text in its severity's colour, besides shape and word."""
    return f"\x1b[{COLOURS[severity.value]}m{text}\x1b[0m" if colour else text


def _block(each: Finding, place: str, width: int, colour: bool) -> Iterator[str]:
    head = painted(f"{each.severity.mark} {each.severity.value:<9}", each.severity, colour=colour)
    yield f"{head} {clean(each.message)}"
    what = " ".join(part for part in (each.resource_type, each.key) if part) + (f" › {each.path}" if each.path else "")
    told = f"{clean(what):<40}", each.rule or "drift", clean(place)
    yield from _fitted([part for part in told if part], width, indent=INDENT)
    for evidence in each.evidence[:MOST_EVIDENCE]:
        shown_at = " ".join(part for part in (evidence.key, evidence.path) if part)
        yield f"{INDENT}· {clean(f'{shown_at} {_text(evidence.value)}')}"
    if len(each.evidence) > MOST_EVIDENCE:
        yield f"{INDENT}· and {how_many(len(each.evidence) - MOST_EVIDENCE, 'value')} more (--output json)"
    if each.op is not None and each.path:
        sides = (("-", each.old), ("+", each.new))
        yield from (f"{INDENT}{sign} {clean(_text(value))}" for sign, value in sides if value is not None)
    if each.money is not None:
        yield f"{INDENT}cost  {clean(str(each.money))}"
    if each.why:
        yield f"{INDENT}why   {clean(each.why)}"
    if each.basis:
        yield f"{INDENT}basis {clean(each.basis)}"
    yield f"{INDENT}mend  {clean(each.fix)}"


def _text(value: Canonical) -> str:
    return spelled(value) if isinstance(value, dict | list) else scalar_text(value)


def _unchecked(report: CheckReport) -> Iterator[str]:
    for each in report.judgement.unchecked:
        told = each.detail or each.reason.replace("_", " ")
        rules = f"; {how_many(len(each.rules), 'rule')} undecided" if each.rules else ""
        yield f"◪ unchecked  {clean(f'{each.resource_type} {each.path}'.strip())}: {clean(told)}{rules}"
    for gap in report.comparison.unchecked:
        yield f"◪ unchecked  {gap.resource_type} {gap.path}: {gap.detail}"
    for result in report.judgement.undecided:
        if result.undecided_objects:
            yield f"◪ undecided  {result.rule}: {clean(result.detail)} ({result.reason})"


def _summary(report: CheckReport) -> Iterator[str]:
    judgement, tally, findings, base = report.judgement, report.judgement.tally, report.findings, report.baseline
    rules = how_many(len(judgement.results), "rule")
    if not findings:
        objects = how_many(report.configuration.object_count, "object")
        against = f", {objects} compared with {base.file}" if base is not None else ""
        yield f"No findings. {rules} judged{against}."
    required = judgement.required(Verdict.PASSED), judgement.required(Verdict.FAILED)
    readiness = f"   readiness {judgement.readiness} ({required[0]} of {sum(required)})" if sum(required) else ""
    yield (
        f"{rules}: {tally[Verdict.PASSED]} passed · {tally[Verdict.FAILED]} failed · "
        f"{tally[Verdict.UNDECIDED]} undecided · {tally[Verdict.NOT_APPLICABLE]} not applicable{readiness}"
    )
    if judgement.money is not None:
        yield f"Cost of all changes together: {clean(str(judgement.money))}"
    if findings:
        counts = {each: sum(1 for one in findings if one.severity is each) for each in Severity}
        told = ", ".join(
            f"{count} {each.value}" for each, count in counts.items() if count or each is not Severity.INFO
        )
        changes = how_many(sum(1 for each in findings if each.kind is Kind.DRIFT), "change")
        yield f"Findings: {told}" + (f"   ·   {changes} against the baseline" if base is not None else "")


def _below(report: CheckReport) -> str:
    below = sum(1 for each in report.findings if not each.severity.at_least(report.fail_on))
    if report.exit_code or not below:
        return ""
    return f" ({how_many(below, 'finding')} below --fail-on {report.fail_on.value})"


def diff_lines(
    old: Configuration, new: Configuration, comparison: Comparison, catalogue: Catalogue, *, width: int | None,
    colour: bool,
) -> Iterator[str]:  # fmt: skip
    """``diff``: changes by module, each with what was and what is."""
    changes = comparison.changes
    if not changes:
        yield f"The same: {new.digest[:15]} (other order or spelling makes no difference)."
    else:
        counts = [f"{n} {op.value}" for op in Op if (n := sum(1 for each in changes if each.op is op))]
        sides = f"{old.file} {old.digest[:15]}  →  {new.file} {new.digest[:15]}"
        yield from _fitted([sides, f" {how_many(len(changes), 'change')}: {', '.join(counts)}"], width or 1000)
    module = None
    for change in changes:
        if change.module != module:
            module = change.module
            yield ""
            yield module or "(no module)"
        yield from _change(change, catalogue, colour)
    for gap in dict.fromkeys((*old.gaps, *new.gaps, *comparison.unchecked)):
        place = " ".join(part for part in (gap.resource_type, gap.key, gap.path) if part)
        yield f"◪ unchecked  {clean(place)}: {clean(gap.detail or gap.reason.value)}"
    if width is not None:
        yield f"exit {1 if changes else 0}"


def _change(change: Change, catalogue: Catalogue, colour: bool) -> Iterator[str]:
    kind = catalogue.types.get(change.resource_type)
    field = field_of(change, kind)
    where = f"{change.resource_type} {change.key}" + (f" › {change.path}" if change.path else "")
    told = clean(where) + ("" if change.path else f"   {change.op.value}")
    yield f"{painted(change.severity.mark, change.severity, colour=colour)} {told}"
    if change.op is Op.MOVED:
        yield f"    ~ {clean(sentence(change, kind))}"
        return
    for sign, value in (("-", change.old), ("+", change.new)):
        if isinstance(value, dict) and not change.path:
            key = kind.key if kind is not None else ()
            fields = (f"{name} {_text(part)}" for name, part in value.items() if name not in key)
            yield f"    {sign} {clean(', '.join(fields))}"
        elif change.path and value is not None:
            yield f"    {sign} {clean(with_places(_text(value), field))}"


def plan_lines(plan: "TargetPlan") -> Iterator[str]:
    """``findings plan``: each step with its screen, the values to set, what it heals and what must be done before."""
    for step in plan.steps:
        after = f"   after {' and '.join(map(str, step.blocked_by))}" if step.blocked_by else ""
        where = step.screen or ("" if step.place_is_known else "its place in the order is not known")
        yield f"{step.number:>3}  {clean(step.title)}{f'   {where}' if where else ''}{after}"
        yield from (f"       {clean(each.told)}" for each in step.values)
        for words, several in (("heals", step.heals), ("may also heal", step.may_heal), ("mend", step.by_hand)):
            for known in several:
                finding = known.finding
                yield f"       {words} {finding.severity.mark} {known.number}  {clean(finding.message)}"
                if words == "mend":
                    yield f"           {clean(finding.fix)}"
                if finding.basis:
                    yield f"           basis {finding.basis}"
    findings = sum(len(each.findings) for each in plan.steps)
    yield f"{how_many(len(plan.steps), 'step')} for {how_many(findings, 'finding')} of {plan.target.name}."


def rule_lines(rule: Rule, catalogue: Catalogue) -> Iterator[str]:
    """``rules show``: what must hold, where, why, how to mend it, and an example that passes and one that finds."""
    counts = "required" if rule.required else "advice"
    yield f"{rule.id}   {rule.severity.mark} {rule.severity}   {counts}   {rule.pack}"
    yield clean(rule.title)
    places = (f"{name} {' or '.join(values)}" for each in rule.applies for name, values in applies_json(each).items())
    told = [("holds", rule.statement), ("for", rule.subject), ("applies", ", ".join(places)), ("when", rule.when)]
    told += [("let", f"{name} = {inner}") for name, inner in rule.let.items()]
    told += [("expect", rule.expect)]
    told += [("set", f"{name} = {value} unless an overlay says otherwise") for name, value in rule.parameters.items()]
    told += [("says", rule.message), ("why", rule.why), ("mend", rule.fix), ("basis", rule.basis)]
    told += [("see", " ".join(filter(None, (each.get("title"), each.get("url"))))) for each in rule.references]
    told += [("reads", ", ".join(sorted(rule.types)) or "everything"), ("kind", rule.kind)]
    yield from (f"{name:<8} {clean(text)}" for name, text in told if text)
    for test in rule.examples:
        yield ""
        moments = [f"on {test.at}"] if test.at else []
        moments += [test.stage] if test.stage != "live" else []
        moments += [f"{name} = {value}" for name, value in test.parameters.items()]
        verdict = "found" if test.finds else "passes"
        yield clean(f"example  {', '.join([test.name, *moments])}: {verdict}")
        for name, several in example_json(test)["given"].items():
            for each in several:
                yield clean(f"         {name}: " + ", ".join(f"{field} {_text(part)}" for field, part in each.items()))
        yield from (clean(f"         says: {message}") for message in messages_of(rule, test, catalogue))


def coverage_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """``rules coverage``: shares by kind, then the fields that no rule guards."""
    summary = report["summary"]
    yield f"{report['configuration']}: {report['looked_at']:,} of {report['mutations']:,} mutations looked at."
    yield ""
    yield f"{'':16}{'must be seen':>14}{'by a rule':>12}{'others':>12}{'by a rule':>12}"
    for each in report["kinds"]:
        must, others = each["must_be_seen"], each["others"]
        figures = f"{must['total']:>14,}{_share(must):>12}{others['total']:>12,}{_share(others):>12}"
        yield f"{each['kind']:16}{figures}"
    yield ""
    yield f"What no utility can mean, in fields that matter: {_share(summary)} of {summary['total']:,} seen by a rule."
    missed = [each for each in report["fields"] if each["must_be_seen"] and each["total"] > each["rule"]]
    if missed:
        yield "Not seen by any rule; drift tells it once a baseline is approved:"
    for each in missed:
        place = clean(f"{each['resource_type']} {each['field']}".strip())
        words = {"undecided": "left undecided", "nobody": "seen by nobody"}
        told = "".join(f"  {each[word]} {told}" for word, told in words.items() if each[word])
        blind = f"{each['total'] - each['rule']} of {each['total']}, e.g. {clean(each['example'])}"
        yield f"  {each['severity']:9} {place}  {each['kind']}  {blind}{told}"


def _share(counted: Mapping[str, Any]) -> str:
    return f"{100 * counted['share']:.1f} %" if counted["share"] is not None else "–"


def explanation_lines(explained: "Explanation", when: "Callable[[datetime], str]") -> Iterator[str]:
    """``findings show``: since when, who may have done it, what depends on it, the step, who was told."""
    window, actors, mend = explained.window, explained.actors, explained.mend
    right = when(window.last_right) if window.last_right else "in no reading that is kept"
    wrong = when(window.first_wrong) if window.first_wrong else "in no reading that is kept"
    unread = f"; {how_many(len(window.unread), 'reading')} between could not say" if window.unread else ""
    yield f"since   last right {right}; first wrong {wrong}{unread}"
    if actors is None:
        yield "who     you may not see who may have done it"
    else:
        for each in actors.possible:
            yield f"who     possible: {each.name} ({each.because})"
        if actors.holders is not None:
            roles = f" (roles {', '.join(actors.roles)})" if actors.roles else ""
            yield f"who     {how_many(actors.holders, 'user')} with edit on {actors.privilege}{roles}"
        yield f"        {actors.note}"
    yield f"depends {explained.radius.words(explained.catalogue)}"
    for line in explained.radius.dangling:
        yield f"        still refers to it: {line}"
    if mend.step is not None:
        after = f", after {', '.join(map(str, mend.blocked_by))}" if mend.blocked_by else ""
        yield f"step    {mend.step} of the plan: {mend.title}{after}"
    for told in explained.told:
        yield f"told    {told.words}"
