"""`coverage.yaml` tells the truth: every number stands there once, every test it names exists."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from baselines.document import plain_value, read_document

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NUMBERS = {f"{letter}{number}" for letter, last in (("P", 12), ("F", 97), ("B", 77)) for number in range(1, last + 1)}


def coverage() -> dict[str, list[str]]:
    path = HERE / "coverage.yaml"
    found = plain_value(read_document(path.read_bytes(), path.name))
    assert isinstance(found, dict)
    return found


def names_in(path: Path) -> Iterator[str]:
    """Names of the tests in a file, those of classes with the class before them."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef))


def listed() -> list[str]:
    return [test for number, tests in coverage().items() if number != "open" for test in tests]


def test_every_number_stands_there_exactly_once():
    found = coverage()
    counted = Counter([*found.pop("open", []), *found])
    assert {number for number, times in counted.items() if times > 1} == set()
    assert counted.keys() == NUMBERS
    assert [number for number, tests in found.items() if not tests] == []


def test_every_test_that_is_named_exists():
    known: dict[str, set[str]] = {}
    missing = []
    for test in listed():
        file, _, name = test.partition("::")
        if file not in known:
            known[file] = set(names_in(ROOT / file)) if (ROOT / file).is_file() else set()
        if name not in known[file]:
            missing.append(test)
    assert missing == []


def test_every_test_that_bears_a_number_is_named_under_it():
    found = coverage()
    unnamed = []
    for path in sorted(HERE.rglob("test_*.py")):
        for name in names_in(path):
            bears = re.match(r"(?:\w+::)?test_([pfb])0*([0-9]+)_", name)
            test = f"{path.relative_to(ROOT).as_posix()}::{name}"
            if bears and test not in found.get(f"{bears[1].upper()}{bears[2]}", []):
                unnamed.append(test)
    assert unnamed == []
