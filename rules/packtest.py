"""A pack's own tests: each rule's examples, run as everything else is."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from baselines.canonical import Canonicaliser
from baselines.catalogue import Catalogue
from baselines.configuration import ConfigObject
from baselines.errors import Mistake
from baselines.fingerprints import SecretKey
from rules.errors import InvalidPack
from rules.evaluate import RuleResult, Verdict, evaluate
from rules.facts import Facts
from rules.pack import Packs, Rule, RuleTest

_NO_DAY = "2026-07-01"  #: of tests of rules that do not read today


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test of one rule, run."""

    rule: Rule
    test: RuleTest
    problem: str  #: "" where it passed; else what was expected and what came
    is_over_budget: bool = False  #: it took too many steps; no such pack is used

    @property
    def passed(self) -> bool:
        """True if the rule found just what the test says."""
        return not self.problem


def run_tests(packs: Packs, catalogue: Catalogue) -> Iterator[Outcome]:
    """Run every test of every rule."""
    secrets = SecretKey(b"pack tests", "test")
    for rule in packs.rules:
        for test in rule.tests:
            yield _outcome(rule, test, catalogue, secrets)


def refuse_over_budget(outcomes: Iterable[Outcome]) -> None:
    """Refuse packs whose own tests take too many steps: on a real configuration they would decide nothing.

    Raises:
        InvalidPack: with file and line of every such test.
    """
    mistakes = [
        Mistake(each.test.file, each.test.line, 0, f"{each.rule.id} › {each.test.name}", "budget",
                "The expression takes too many steps.", "Ask less of one object: fewer nested lists.")
        for each in outcomes
        if each.is_over_budget
    ]  # fmt: skip
    if mistakes:
        raise InvalidPack(mistakes)


def messages_of(rule: Rule, test: RuleTest, catalogue: Catalogue) -> tuple[str, ...]:
    """What a rule would say of one of its examples; nothing where it passes."""
    result = _result(rule, test, catalogue, SecretKey(b"pack tests", "test"))
    return tuple(each.message for each in result.findings) if isinstance(result, RuleResult) else ()


def _outcome(rule: Rule, test: RuleTest, catalogue: Catalogue, secrets: SecretKey) -> Outcome:
    result = _result(rule, test, catalogue, secrets)
    if isinstance(result, str):
        return Outcome(rule, test, result)
    return Outcome(rule, test, _compared(test, result), is_over_budget=result.reason == "budget")


def _result(rule: Rule, test: RuleTest, catalogue: Catalogue, secrets: SecretKey) -> RuleResult | str:
    """What comes out, or why the test cannot be read."""
    zone: tzinfo = UTC
    for each in test.given.get("utility", ()):
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):  # a wrong zone may be what the rule is about
            zone = ZoneInfo(str(each.get("timezone") or "UTC"))
    form = Canonicaliser(catalogue, zone=zone, secrets=secrets)
    lists: dict[str, list[ConfigObject]] = {name: [] for name in catalogue.types}
    for name, objects in test.given.items():
        for raw in objects:
            done = form.canonicalise(name, raw)
            wrong = [*done.problems, *([done.key_problem] if done.key_problem else [])]
            if wrong:
                return f"the test cannot be read: {name}.{wrong[0].field}: {wrong[0].what} {wrong[0].mend}"
            lists[name].append(done.object)
    facts = Facts(form.configuration(lists), catalogue, test.at or _NO_DAY, secrets)
    return evaluate([rule.with_parameters(test.parameters)], facts, stage=test.stage)[rule.id]


def _compared(test: RuleTest, result: RuleResult) -> str:
    if result.verdict is Verdict.UNDECIDED:
        return f"expected a decision, got undecided: {result.reason} {result.detail}"
    got = [{"key": each.key, "resource_type": each.resource_type, "path": each.path} for each in result.findings]
    unmatched = [dict(each) for each in test.finds]
    for finding in list(got):
        for wanted in unmatched:
            if all(finding.get(name) == value for name, value in wanted.items()):
                unmatched.remove(wanted)
                got.remove(finding)
                break
    if not unmatched and not got:
        return ""
    keys = Counter(each["key"] for each in got)
    told = f"expected {_listed(test)}, got "
    told += "; ".join(each.message for each in result.findings) if result.findings else "no finding"
    return told + (f" (not expected: {', '.join(keys)})" if got and test.finds else "")


def _listed(test: RuleTest) -> str:
    return ", ".join(each.get("key", str(dict(each))) for each in test.finds) if test.finds else "no finding"
