"""The entrance: help, exit codes, and ends that nobody wished for."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.cli import COMMANDS, FIRST_WORDS
from tests.command import command, environment, process
from tests.monitor.cli.small import GOLDEN, assert_golden, files


@pytest.mark.golden
def test_without_a_word_it_names_the_five_commands_a_newcomer_needs(tmp_path):
    done = command(tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out == FIRST_WORDS
    assert_golden("first-words.txt", done.out)


def test_help_lists_every_command_and_version_is_one_line(tmp_path):
    told = command(tmp_path, "--help").out
    assert all(f"\n  {name} " in told for name in COMMANDS)
    assert len(command(tmp_path, "--version").out.splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"]])
def test_help_and_version_load_nothing_that_takes_long(tmp_path, words):
    program = (
        "import sys; from monitor.cli import run; run(sys.argv[1:]);"
        "slow = {'typer', 'rich', 'pydantic', 'sqlalchemy', 'rules', 'yaml', 'structlog', 'httpx', 'fastapi'};"
        "assert not slow & set(sys.modules), slow & set(sys.modules)"
    )
    done = process(tmp_path, *words, code=program)
    assert (done.code, done.err) == (0, "")


def test_commands_on_files_load_neither_store_nor_server(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = (
        "import sys; from monitor.cli import run; run(sys.argv[1:]);"
        "slow = {'sqlalchemy', 'httpx', 'fastapi', 'slack_sdk', 'apscheduler', 'prometheus_client'};"
        "assert not slow & set(sys.modules), slow & set(sys.modules)"
    )
    done = process(tmp_path, *files(tmp_path), code=program)
    assert (done.code, done.err) == (0, "")


def test_ctrl_c_ends_with_130_and_one_word(tmp_path):
    program = (
        "import sys, monitor.__main__ as entrance; print('ready', file=sys.stderr, flush=True);"
        "entrance.main(['diff', '-', 'x'])"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(tmp_path),
    )  # fmt: skip
    assert started.stderr is not None
    assert started.stderr.readline() == b"ready\n"
    waits_for = Path(f"/proc/{started.pid}/wchan")
    give_up = time.monotonic() + 60
    while "pipe_read" not in waits_for.read_text() and time.monotonic() < give_up:  # it waits for what is typed
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=30)
    assert (started.returncode, out, err) == (130, b"", b"Stopped.\n")


def test_an_error_nobody_foresaw_is_a_number_and_its_trace_a_file_of_ones_own(tmp_path):
    program = "import sys; sys.modules['monitor.check'] = None; from monitor.__main__ import main; main(sys.argv[1:])"
    done = process(tmp_path, "diff", "a", "b", code=program)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    number = line.split(":")[0].removeprefix("error ")
    log = tmp_path / "state" / "errors.log"
    assert str(log) in line
    assert f"== {number}\nTraceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_settings_that_cannot_be_used_are_told_before_anything_is_done(tmp_path):
    done = command(tmp_path, "check", "x", "--output", "json", SMART360_SWEEPS_AT_ONCE="many", SMART360_PACK="x")
    assert done.code == 2
    assert {each["code"] for each in done.report["errors"]} == {"bad_value", "unknown_key"}


def test_a_group_without_a_word_shows_its_help(tmp_path):
    done = command(tmp_path, "rules")
    assert done.code == 2
    assert "list" in done.out + done.err


def test_no_golden_file_is_left_over():
    named = {
        *(f"check-{each}.txt" for each in ("piped", "piped-c-locale", "piped-coloured", "100-columns", "59-columns")),
        *(f"diff-{each}.txt" for each in ("piped", "c-locale", "coloured")), "check.json", "diff.json",
        *(f"rules-{each}" for each in ("list.txt", "list.json", "show.txt", "show.json", "test.txt", "test-fails.txt",
                                       "test-fails.json")), "first-words.txt",
    }  # fmt: skip
    assert {file.name for file in GOLDEN.iterdir()} == named


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve", "--host", "0.0.0.0"], "--host 0.0.0.0: others reach this address"),
        (["serve", "--role", "web"], "--role web: only all is there yet."),
        (["sweep"], "sweep: no target is named."),
        (["sweep", "--all"], "sweep: no target is watched."),
        (["tenant", "remove", "swa/production"], "swa/production: nobody can be asked here."),
    ],
)
def test_what_is_refused_is_told_also_where_it_should_be_quiet(tmp_path, words, told):
    done = command(tmp_path, "--quiet", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(told)
