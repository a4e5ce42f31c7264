"""What the documents say exists: targets, commands, settings, metrics, reasons."""

import re
from pathlib import Path

import pytest

from baselines.coverage import Reason
from monitor.cli import COMMANDS, run
from monitor.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.M)}
    assert {"demo", "setup", "test", "lint", "bench"} <= named <= targets


SECOND = "apply|check|propose|approve|list|show|test|upgrade|review|pause|resume"


def test_every_command_that_is_named_exists(capsys):
    pattern = rf"smart360-monitor ([a-z]+(?: (?:{SECOND}))?)"
    named = {tuple(words.split()) for page in PAGES for words in re.findall(pattern, page.read_text())}
    named = {words for words in named if words[0] in COMMANDS}
    assert {words[0] for words in named} >= {"check", "diff", "rules", "tenant", "sweep", "baseline", "serve", "doctor"}
    for words in sorted(named):
        assert run([*words, "--help"]) == 0
        assert "Example: smart360-monitor" in " ".join(capsys.readouterr().out.split()) or len(words) == 1


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_explained(name):
    assert f"`SMART360_{name.upper()}`" in (ROOT / "docs/reference/settings.md").read_text()
    assert Settings.model_fields[name].description


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_for_not_read_is_explained(reason):
    assert f"| `{reason.value}` |" in OPERATIONS


def test_every_metric_is_listed():
    source = (ROOT / "monitor" / "metrics.py").read_text()
    names = set(re.findall(r'"(smart360_[a-z_]+)"', source))
    names |= {f"smart360_{name}" for name in re.findall(r'^                "([a-z_]+)": \(', source, re.M)}
    assert len(names) > 10
    assert {name for name in names if name.removesuffix("_total") not in OPERATIONS} == set()


def test_the_reference_is_as_the_code_has_it():
    from docs.generate import generated, pages

    assert generated() == pages().keys(), "run make docs"
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run make docs"
