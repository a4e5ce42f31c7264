"""``make bench``: the figures of docs/performance.md, measured here and now."""

import argparse
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.commands import memory, starts
from benchmarks.comparison import comparisons
from benchmarks.measure import Ratio
from benchmarks.pages import pages
from benchmarks.rules import rule_ratios
from benchmarks.sweeps import growth, sweeps
from monitor.logs import set_up_logs

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
MARK = "<!-- figures -->"


def figures(*, full: bool) -> Iterator[Ratio]:
    """All that is measured, in the order of the table."""
    for size in (400, 2000, 20_000) if full else (400, 2000):  # the sandbox reads no file of 50,000 objects
        yield from sweeps(size)
    for size in (400, 2000):
        yield from comparisons(size)
    yield from rule_ratios(2000)
    yield from growth()
    yield from starts()
    yield from pages()
    if full:
        yield from memory(50_000)


def main() -> None:
    """Measure and print; ``--write`` keeps the table in docs/performance.md."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument(
        "--full", action="store_true", help="sweeps of 20,000 and a check of 50,000 objects too; takes minutes"
    )
    parser.add_argument("--write", action="store_true", help="keep the table in docs/performance.md")
    asked = parser.parse_args()
    set_up_logs(verbose=False)
    found = []
    for each in figures(full=asked.full):
        print(each, flush=True)
        found.append(each)
    if asked.write:
        words = " ".join(word for word, given in (("--full", asked.full), ("--write", True)) if given)
        head = PAGE.read_text(encoding="utf-8").split(MARK)[0]
        PAGE.write_text(f"{head}{MARK}\n\n{table(found, words)}", encoding="utf-8")


def table(found: list[Ratio], words: str) -> str:
    """As docs/performance.md shows it."""
    rows = [
        f"| {each.name} | {each.workload} | {each.value:.3g} ({each.low:.3g}–{each.high:.3g}) | {each.goal} | "
        f"{'–' if each.goal == '–' else 'yes' if each.is_met else '**no**'} |"
        for each in found
    ]
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    head = (
        f'Measured {datetime.now(UTC):%Y-%m-%d} by `make bench ARGS="{words}"` on {machine}: median (lowest–highest).'
    )
    return "\n".join([head, "", "| figure | workload | ratio | goal | met |", "|---|---|---|---|---|", *rows, ""])


if __name__ == "__main__":
    main()
