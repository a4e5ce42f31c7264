"""One configuration against rules: passed, failed, undecided or not applicable, and what was found.

All rules of a resource type are joined into one expression, one evaluation an object; where that
errs, the object is evaluated rule by rule, so that one missing field makes one rule undecided and no
other (docs/decisions/0004). One rule's error never stops the pack.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from baselines.catalogue import Catalogue, ResourceType
from baselines.configuration import ConfigObject
from baselines.coverage import Reason
from baselines.values import Canonical, scalar_text
from rules.expressions import PLACEHOLDER, Language, Undecided, bound, evaluated, language_of
from rules.facts import Facts, Values, fields_read
from rules.findings import Evidence, Finding, Kind
from rules.pack import ANY, CONFIGURATION, Applies, Rule
from rules.syntax import Shape


class Verdict(StrEnum):
    """What became of a rule; undecided and not applicable are never counted as passed."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not_applicable"


def verdict_of(is_found: bool, is_undecided: bool, is_held: bool) -> Verdict:
    """Failed if it finds anything; else undecided, passed, not applicable (contracts §4)."""
    if is_found:
        return Verdict.FAILED
    if is_undecided:
        return Verdict.UNDECIDED
    return Verdict.PASSED if is_held else Verdict.NOT_APPLICABLE


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule over one configuration."""

    rule: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reason: str = ""  #: why undecided: ``unread``, ``absent``, ``budget``, ``error`` or a coverage reason
    detail: str = ""  #: for people: which list, field or object
    undecided_objects: tuple[tuple[str, str], ...] = ()  #: (resource type, key) that could not be decided
    held: bool = False  #: for an object at least

    def without(self, fingerprints: Collection[str]) -> "RuleResult":
        """The result as if some of its findings were none."""
        left = tuple(each for each in self.findings if each.fingerprint not in fingerprints)
        if len(left) == len(self.findings):
            return self
        verdict = verdict_of(bool(left), bool(self.undecided_objects), self.held)
        return replace(self, verdict=verdict, findings=left)


PASSED, FAILED, DOES_NOT_APPLY = 1, 0, 2
PATIENCE: Final = 3  #: objects over which a rule may run out of budget before it is not tried on the others
JOINED: Final = 40_000  #: characters of a joined expression at most
EVIDENCE: Final = 24  #: values shown with a finding at most
PERSONAL: Final = "(personal)"
UNTRIED: Final = Undecided("budget", "not tried, since the expression takes too many steps on other objects")


@dataclass(slots=True)
class _Tally:
    """What was seen of one rule so far."""

    rule: Rule
    passed: int = 0
    findings: list[Finding] = field(default_factory=list)
    undecided: list[tuple[str, str, Undecided]] = field(default_factory=list)
    over_budget: int = 0

    @property
    def is_spent(self) -> bool:
        """True if it ran out of budget so often that the other objects are left undecided, untried."""
        return self.over_budget >= PATIENCE

    def result(self) -> RuleResult:
        verdict = verdict_of(bool(self.findings), bool(self.undecided), bool(self.passed))
        reason = detail = ""
        if self.undecided:
            resource_type, key, why = self.undecided[0]
            reason, detail = why.reason, f"{resource_type} {key}: {why.detail}".strip()
        objects = tuple((name, key) for name, key, _ in self.undecided)
        return RuleResult(self.rule.id, verdict, tuple(self.findings), reason, detail, objects, bool(self.passed))


def evaluate(rules: Sequence[Rule], facts: Facts, *, stage: str = "live") -> dict[str, RuleResult]:
    """Judge rules over one configuration.

    Args:
        rules: of any packs.
        facts: the configuration as expressions see it, on one day.
        stage: of the target: ``onboarding`` or ``live``.

    Returns:
        A result for each rule, by id.
    """
    language = language_of(facts.catalogue)
    results: dict[str, RuleResult] = {}
    by_subject: dict[str, list[Rule]] = {}
    for rule in rules:
        early = _without_looking(rule, facts, stage)
        if early is not None:
            results[rule.id] = early
        else:
            by_subject.setdefault(rule.subject, []).append(rule)
    for subject, several in by_subject.items():
        tallies = [_Tally(rule) for rule in several]
        if subject == CONFIGURATION:
            for tally in tallies:
                _judge_whole(tally, facts, language)
        elif subject == ANY:
            _judge_any(tallies, facts, language)
        else:
            _judge_type(subject, tallies, facts, language)
        results.update({tally.rule.id: tally.result() for tally in tallies})
    return results


def _without_looking(rule: Rule, facts: Facts, stage: str) -> RuleResult | None:
    """Undecided where a list it needs was not read; not applicable where it does not apply."""
    for name in sorted(rule.types):
        reason = facts.configuration.why_unknown(name)
        if reason is not None:
            return RuleResult(rule.id, Verdict.UNDECIDED, (), reason.value, f"{name} was not read ({reason.value})")
    if gone := sorted(facts.gone & set(_fields(rule, facts.catalogue))) if facts.gone else ():
        name, lost = gone[0]
        what = f"no {name} has {lost} any more"
        return RuleResult(rule.id, Verdict.UNDECIDED, (), Reason.FIELD_MISSING.value, what)
    if not all(_fits(each, facts, stage) for each in rule.applies):
        return RuleResult(rule.id, Verdict.NOT_APPLICABLE)
    return None


def _fields(rule: Rule, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """(resource type, field) of all that a rule reads."""
    if rule.subject in catalogue.types:
        yield from fields_read(catalogue.types[rule.subject], rule.shape("self"), catalogue)
    for name, below in rule.shape("configuration").fields.items():
        yield from fields_read(catalogue.types[name], below, catalogue)
    for name, below in rule.shape("counts").fields.items():
        yield from ((name, part) for part in below.child("by").fields)
        if "active" in below.fields:
            yield name, "is_active"


def _fits(applies: Applies, facts: Facts, stage: str) -> bool:
    if applies.stage and stage not in applies.stage:
        return False
    utility: Values = next((values for _, values in facts.objects("utility")), {})
    for wanted, name in ((applies.country, "country"), (applies.state, "state")):
        if wanted and utility.get(name) not in wanted:
            return False
    if applies.services:
        sold = {values.get("kind") for _, values in facts.objects("utility_service") if values.get("is_active")}
        return bool(sold & set(applies.services))
    return True


def _variables(rules: Sequence[Rule], facts: Facts) -> tuple[dict[str, Any], bool]:
    """What is the same for every object: today, configuration, counts."""
    whole, counts = Shape(), Shape()
    for rule in rules:
        whole.merge(rule.shape("configuration"))
        counts.merge(rule.shape("counts"))
    configuration, dangles = facts.whole(whole)
    every = {"today": facts.today, "configuration": configuration, "counts": facts.counts(counts)}
    read = {root for rule in rules for root in rule.shapes}  # the engine converts for each object what it is given
    return {name: value for name, value in every.items() if name in read}, dangles


def _judge_type(subject: str, tallies: list[_Tally], facts: Facts, language: Language) -> None:
    plain = [tally for tally in tallies if not tally.rule.shape("configuration").fields]
    for group in [plain, *([tally] for tally in tallies if tally not in plain)]:
        if group:
            _judge_joined(subject, group, facts, language)


def _judge_joined(subject: str, tallies: list[_Tally], facts: Facts, language: Language) -> None:
    shape = _merged(tallies)
    variables, dangling_whole = _variables([tally.rule for tally in tallies], facts)

    def given() -> Iterator[_Given]:
        for each, values in facts.subjects(subject):
            seen, dangles = facts.of(subject, each, values, shape)
            yield _Given(subject, each, {**variables, "self": seen}, dangles or dangling_whole)

    _judge_each(tallies, given(), facts, language)


def _judge_any(tallies: list[_Tally], facts: Facts, language: Language) -> None:
    shape = _merged(tallies)
    variables = {"today": facts.today} if any(tally.rule.reads_today for tally in tallies) else {}

    def given() -> Iterator[_Given]:
        for kind in facts.judged_types():
            for each, values in facts.subjects(kind.name):
                seen = facts.generic(kind, each, values, shape)
                yield _Given(kind.name, each, {**variables, "self": seen}, False)

    _judge_each(tallies, given(), facts, language)


def _merged(tallies: list[_Tally]) -> Shape:
    shape = Shape()
    for tally in tallies:
        shape.merge(tally.rule.shape("self"))
    return shape


class _Given(NamedTuple):
    """One object as all rules of its subject see it."""

    resource_type: str
    object: ConfigObject
    variables: dict[str, Any]
    dangles: bool


def _judge_each(tallies: list[_Tally], objects: Iterator[_Given], facts: Facts, language: Language) -> None:
    live, programs = tallies, _joined(tallies, language)
    for name, each, given, dangles in objects:
        activation = language.running.Activation(given)
        for tally in tallies if len(live) < len(tallies) else ():
            if tally.is_spent:
                tally.undecided.append((name, each.key, UNTRIED))
        erred = False
        for joined in programs:
            answers = evaluated(joined.program, activation)
            if answers == joined.passes:  # nearly always; a call for each rule would take a third of the time
                joined.passed += 1
                continue
            if isinstance(answers, Undecided):
                erred = True
                answers = [evaluated(_program(language, tally.rule.text), activation) for tally in joined.tallies]
            for tally, answer in zip(joined.tallies, answers, strict=True):
                _note(tally, answer, name, each, given, dangles, facts, language)
        if erred and any(tally.is_spent for tally in live):
            _add_passed(programs)
            live = [tally for tally in live if not tally.is_spent]
            programs = _joined(live, language)
    _add_passed(programs)


@dataclass(slots=True)
class _Joined:
    """Rules with the one program that answers for all of them."""

    tallies: list[_Tally]
    program: Any
    passes: list[int]  #: its answer where all pass
    passed: int = 0  #: objects for which all passed


def _add_passed(programs: list[_Joined]) -> None:
    for joined in programs:
        for tally in joined.tallies:
            tally.passed += joined.passed


def _joined(tallies: list[_Tally], language: Language) -> list[_Joined]:
    return [
        _Joined(
            chunk, _program(language, "[" + ", ".join(tally.rule.text for tally in chunk) + "]"), [PASSED] * len(chunk)
        )
        for chunk in _chunks(tallies)
        if chunk
    ]


def _chunks(tallies: list[_Tally]) -> Iterator[list[_Tally]]:
    """Rules that bind names each alone: side by side, one may see what another bound (decision 0020)."""
    chunk: list[_Tally] = []
    length = 0
    for tally in tallies:
        if tally.rule.bindings:
            yield [tally]
            continue
        if chunk and length + len(tally.rule.text) > JOINED:
            yield chunk
            chunk, length = [], 0
        chunk.append(tally)
        length += len(tally.rule.text)
    yield chunk


def _program(language: Language, text: str) -> Any:
    return _compiled(language.running, text)


@lru_cache(4096)
def _compiled(environment: Any, text: str) -> Any:
    return environment.compile(text)


def _judge_whole(tally: _Tally, facts: Facts, language: Language) -> None:
    variables, dangles = _variables([tally.rule], facts)
    answer = evaluated(_program(language, tally.rule.text), variables)
    nothing = ConfigObject("", b"{}")
    _note(tally, answer, CONFIGURATION, nothing, variables, dangles, facts, language)


def _note(
    tally: _Tally,
    answer: Any,
    resource_type: str,
    each: ConfigObject,
    given: Mapping[str, Any],
    dangles: bool,
    facts: Facts,
    language: Language,
) -> None:
    if isinstance(answer, Undecided):
        tally.over_budget += answer.reason == "budget"
        # What meets a reference that does not resolve fails; anything else that errs is undecided.
        if answer.reason == "budget" or not (dangles and _dangles(tally.rule, resource_type, each, facts)):
            tally.undecided.append((resource_type, each.key, answer))
            return
        answer = FAILED
    if answer == PASSED:
        tally.passed += 1
    elif answer == FAILED:
        tally.findings.append(_finding(tally.rule, resource_type, each, given, facts, language))


def _dangles(rule: Rule, resource_type: str, each: ConfigObject, facts: Facts) -> bool:
    """True if the rule itself meets a reference that does not resolve, and not only one judged beside it."""
    if facts.whole(rule.shape("configuration"))[1]:
        return True
    kind = facts.catalogue.types.get(resource_type)
    return kind is not None and facts.of(kind.name, each, each.values, rule.shape("self"))[1]


def _finding(
    rule: Rule, resource_type: str, each: ConfigObject, given: Mapping[str, Any], facts: Facts, language: Language
) -> Finding:
    return Finding(
        kind=Kind.RULE, rule=rule.id, severity=rule.severity, module=rule.module, resource_type=resource_type,
        key=each.key, path="", title=rule.title, message=_message(rule, given, language), why=rule.why, fix=rule.fix,
        evidence=tuple(_evidence(rule, resource_type, each, given, facts))[:EVIDENCE], required=rule.required,
        basis=rule.basis, rule_kind=rule.kind, line=each.line,
    )  # fmt: skip


def _message(rule: Rule, given: Mapping[str, Any], language: Language) -> str:
    message = rule.message
    for written, expression in rule.placeholders.items():
        value = evaluated(_program(language, bound(expression, rule.bindings)), given)
        message = message.replace("{" + written + "}", _worded(value))
    return message


def _worded(value: Any) -> str:
    if isinstance(value, Undecided) or value is None:
        return "—"
    if isinstance(value, list):
        words = [_worded(item) for item in value]
        return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words) or "no"
    if isinstance(value, dict):
        return str(value.get("key", "—"))
    return scalar_text(value).removeprefix(PLACEHOLDER)


def _evidence(
    rule: Rule, resource_type: str, each: ConfigObject, given: Mapping[str, Any], facts: Facts
) -> Iterator[Evidence]:
    """The values the rule named, on the object itself and on what it is linked with."""
    if resource_type in facts.catalogue.types and rule.subject != ANY:
        yield from _shown(facts, resource_type, each.key, given["self"], rule.shape("self"))
    elif rule.subject == ANY:
        kind = facts.catalogue.types[resource_type]
        values = each.values
        for part in rule.shape("self").fields:
            names = given["self"].get(part, [])
            if part in ("too_early", "overtaken") and names:
                for name, one in ((resource_type, each), *((name, None) for name in names)):
                    yield Evidence(name, *facts.appeared(name, one))
                continue
            for name in names if isinstance(names, list) else []:
                if name in kind.fields:
                    yield Evidence(resource_type, each.key, name, _masked(kind, name, values.get(name)))
    for name, below in rule.shape("configuration").fields.items():
        for item in given["configuration"].get(name, []):
            yield from _shown(facts, name, item.get("key", ""), item, below)
    for name, below in rule.shape("counts").fields.items():
        for part in below.fields.keys() - {"by"}:
            yield Evidence(name, "", part, given["counts"][name][part])


def _shown(facts: Facts, resource_type: str, key: str, seen: Mapping[str, Any], shape: Shape) -> Iterator[Evidence]:
    kind = facts.catalogue.types[resource_type]
    backs = facts.catalogue.back_references[resource_type]
    linked: list[tuple[str, Any, Shape]] = []
    for name, below in shape.fields.items():
        if name not in seen or name == "key":
            continue
        each = kind.fields.get(name)
        target = each.target if each is not None else backs[name].source if name in backs else ""
        if not target:
            yield Evidence(resource_type, key, name, _masked(kind, name, seen[name]))
        elif isinstance(seen[name], list):
            linked += [(target, item, below) for item in seen[name]]
        else:
            linked.append((target, seen[name], below))
    for target, item, below in linked:
        if below.fields:
            yield from _shown(facts, target, item.get("key", ""), item, below)


def _masked(kind: ResourceType, name: str, value: Canonical) -> Canonical:
    if kind.fields[name].is_personal and value is not None:
        return PERSONAL
    return value.removeprefix(PLACEHOLDER) if isinstance(value, str) else value
