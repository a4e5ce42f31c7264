"""What the README shows runs as it stands there; what any document names is there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from baselines.catalogue import load_catalogue
from monitor.cli import COMMANDS, run
from monitor.demo import sandbox_password, sandbox_user
from monitor.sandbox.process import start_sandbox
from monitor.settings import Settings
from monitor.tenantfile import read_tenant_file
from rules.pack import shipped_packs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: contracts.md also names what later releases bring, reliability.md what tests do
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(each for each in sorted((ROOT / "docs").rglob("*.md")) if each.name not in ("contracts.md", "reliability.md")),
]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def shown(page: Path) -> list[list[str]]:
    """Each command line of ours in a page, in fenced blocks and between backticks, as words."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    lines += re.findall(r"`((?:\.venv/bin/)?smart360-monitor [^`]+)`", text)
    words = [shlex.split(line, comments=True) for line in lines]
    return [each[1:] for each in words if each and each[0].removeprefix(".venv/bin/") == "smart360-monitor"]


def called(words: list[str], home: Path, environment: dict[str, str]) -> str:
    """Run a command line as people do; it has to end with 0."""
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *words],
        env={**environment, "PYTHONPATH": str(ROOT)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    state = tmp_path_factory.mktemp("state")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SMART360_")}
    return {
        **clean, "SMART360_STATE_FOLDER": str(state), "SMART360_ALLOWED_HOSTS": '["127.0.0.1"]',
        "SWA_USER": sandbox_user(), "SWA_PASSWORD": sandbox_password(),
    }  # fmt: skip


@pytest.mark.parametrize("document", PAGES, ids=lambda each: each.name)
def test_every_command_line_that_is_shown_names_a_command(document, capsys):
    for words in shown(document):
        assert words[0] in COMMANDS, f"{document.name} shows {words}"
        groups = "rules tenant snapshot baseline findings waiver people token audit db "
        names = words[: 2 if f"{words[0]} " in groups else 1]
        assert run([*names, "--help"]) == 0, f"{document.name} shows {words}"
        known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert {word for word in words if word.startswith("--")} <= known, f"{document.name} shows {words}"


def test_files_are_checked_as_the_readme_shows(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (block,) = (each for each in blocks(README, "sh") if "make setup" in each)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    ours = [words[1:] for words in lines if words[0].removeprefix(".venv/bin/") == "smart360-monitor"]
    assert {words[0] for words in ours} == {"check", "diff", "rules"}
    for words in ours:
        if words[:2] != ["rules", "test"]:  # a test of its own, and slow
            assert run(words) == 0, words
            assert capsys.readouterr().out


@pytest.mark.long
def test_a_tenant_is_watched_as_the_readme_shows(environment, tmp_path):
    (tenant,) = (each for each in blocks(README, "yaml") if "tenant:" in each)
    (block,) = (each for each in blocks(README, "sh") if "tenant apply" in each)
    assert f"its\nuser is `{sandbox_user()}`, its password `{sandbox_password()}`" in README
    with start_sandbox() as sandbox:
        assert sandbox.utility in tenant
        here = tenant.replace("https://swa.smart360.example", sandbox.url)
        (tmp_path / "swa.yaml").write_text(f"{here}    requests_per_second: 5000\n")
        digest = ""
        for line in block.splitlines():
            words = [digest if word == "b3:…" else word for word in shlex.split(line, comments=True)[1:]]
            if words[0] != "serve":  # does not end by itself; tests/reliability runs it
                told = called(words, tmp_path, environment)
                digest = next(iter(re.findall(r"b3:[0-9a-f]{64}", told)), digest)
    assert digest


def test_the_tenant_file_and_the_settings_that_are_shown_are_taken():
    for block in blocks(README, "yaml"):
        content = yaml.safe_load(block)
        if "tenant" in content:
            given = {"allowed_hosts": frozenset(), "packs": shipped_packs}
            assert read_tenant_file(block.encode(), "README.md", load_catalogue(), **given)
        else:
            assert content["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:8360"]}]
    given = dict(re.findall(r"export SMART360_([A-Z_]+)='?([^'`\n]+)", README))
    assert {"SLACK_TOKEN", "SLACK_CHANNELS", "PUBLIC_URL", "ALLOWED_HOSTS"} == set(given)
    values = {name.lower(): json.loads(text) if text[0] in "[{" else text for name, text in given.items()}
    assert Settings(**values).slack_channels["operators"]


def test_every_file_of_the_code_stands_in_the_tree():
    """A file that is not told of in docs/architecture.md cannot be found by who looks for it."""
    (tree,) = re.findall(r"^## The tree\n(.*?)^## ", (ROOT / "docs" / "architecture.md").read_text(), re.M | re.S)
    told = set(re.findall(r"[a-z0-9_]+\.py\b", tree))
    files = [each for name in ("baselines", "rules", "alerts", "monitor") for each in (ROOT / name).rglob("*.py")]
    assert {each.name for each in files if not each.name.startswith("__")} <= told


def test_no_document_names_a_machine_or_who_hosts_packages():
    pages = [*PAGES, *(ROOT / name for name in ("CHANGELOG.md", "SECURITY.md", "docs/contracts.md"))]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.~])/(work|root|home)/|/simple/", text), page.name
