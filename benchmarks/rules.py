"""Rules over many objects against the same as Python closures."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from baselines.canonical import Canonicaliser
from baselines.catalogue import load_catalogue
from baselines.compare import Comparison
from baselines.fingerprints import SecretKey
from benchmarks.data import utility
from benchmarks.measure import Ratio, ratio
from rules.evaluate import Verdict, evaluate
from rules.facts import Facts
from rules.judge import judge
from rules.pack import Packs, load_packs

Values = dict[str, Any]
#: type → (expression, the same as a closure); ``#`` is the rule's number, so that no two are the same.
SHAPES: dict[str, list[tuple[str, Callable[[int], Callable[[Values], bool]]]]] = {
    "premise": [
        ('self.?meter_reading_unit.orValue("") != "X#"', lambda n: lambda v: v.get("meter_reading_unit", "") != f"X{n}"),
        ('self.address.contains("Main") && self.postal_code.size() > # % 3',
         lambda n: lambda v: "Main" in v["address"] and len(v["postal_code"]) > n % 3),
        ('self.is_active || self.code != "#"', lambda n: lambda v: v["is_active"] or v["code"] != str(n)),
    ],
    "role_privilege": [
        ('self.privilege in ["view", "edit", "N#"]', lambda n: lambda v: v["privilege"] in ("view", "edit", f"N{n}")),
        ('!(self.key == "R#" && self.privilege == "edit")',
         lambda n: lambda v: not (v["role"] == f"R{n}" and v["privilege"] == "edit")),
    ],
    "service_plan": [
        ("self.rates.all(r, r.rate.above(-#))", lambda n: lambda v: all(Decimal(r["rate"]) > -n for r in v["rates"])),
        ('self.rates.size() > 0 && self.rates.exists(r, has(r.up_to)) && self.kind != "k#"',
         lambda n: lambda v: len(v["rates"]) > 0 and any("up_to" in r for r in v["rates"]) and v["kind"] != f"k{n}"),
    ],
    "notification_template": [
        ('self.text.contains("{consumer}") && self.code != "#"',
         lambda n: lambda v: "{consumer}" in v["text"] and v["code"] != str(n)),
    ],
}  # fmt: skip
COUNT = {"premise": 60, "role_privilege": 40, "service_plan": 35, "notification_template": 15}


def _pack() -> tuple[str, dict[str, list[Callable[[Values], bool]]]]:
    lines, closures = ["pack: bench", "version: 1.0.0", "rules:"], {name: [] for name in COUNT}
    keys = {
        "premise": "code: P",
        "role_privilege": "role: R, submodule: S",
        "service_plan": "code: P",
        "notification_template": "code: T",
    }
    for name, number in COUNT.items():
        for n in range(number):
            expression, closure = SHAPES[name][n % len(SHAPES[name])]
            text = expression.replace("#", str(n))
            closures[name].append(closure(n))
            lines += [
                f"  - id: billing.{name.replace('_', '-')}-{n}", "    title: bench", "    severity: low", f"    for: {name}",
                f"    expect: '{text}'", "    message: bench", "    why: bench", "    fix: bench", "    tests:",
                f"      - {{name: a, given: {{{name}: []}}, finds: []}}",
                f"      - {{name: b, given: {{{name}: [{{{keys[name]}}}]}}, finds: [{{}}]}}",
            ]  # fmt: skip
    return "\n".join(lines) + "\n", closures


def bench_packs() -> tuple[Packs, dict[str, list[Callable[[Values], bool]]]]:
    """The 150 rules, and the same as closures."""
    text, closures = _pack()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(text, encoding="utf-8")
        return load_packs([path], load_catalogue()), closures


def rule_ratios(size: int) -> Iterator[Ratio]:
    """150 rules over ``size`` objects: all of them, and again when nothing changed."""
    catalogue, secrets = load_catalogue(), SecretKey(b"bench", "bench")
    form = Canonicaliser(catalogue, zone=ZoneInfo("UTC"), secrets=secrets)
    lists = {
        name: [form.canonicalise(name, each).object for each in objects] for name, objects in utility(size).items()
    }
    configuration = form.configuration(lists)
    packs, closures = bench_packs()
    values = {name: [each.values for each in objects] for name, objects in lists.items()}

    def as_closures() -> int:
        return sum(not test(each) for name, tests in closures.items() for each in values[name] for test in tests)

    def as_rules() -> int:
        results = evaluate(packs.rules, Facts(configuration, catalogue, "2026-11-24", secrets))
        assert not [each for each in results.values() if each.verdict is Verdict.UNDECIDED]
        return sum(len(each.findings) for each in results.values())

    assert as_rules() == as_closures()
    workload = f"{len(packs.rules)} rules, N={size:,}"
    yield ratio("rules, all evaluated ÷ Python closures", workload, as_rules, as_closures, at_most=4)
    at, nothing = datetime(2026, 11, 24, tzinfo=UTC), Comparison(())
    first = judge(configuration, nothing, packs, catalogue, at=at, secrets=secrets)

    def again() -> None:
        assert (
            judge(configuration, nothing, packs, catalogue, at=at, secrets=secrets, kept=first.results).judged_anew == 0
        )

    yield ratio("rules, unchanged ÷ all evaluated", workload, again, as_rules, at_most=0.02)
