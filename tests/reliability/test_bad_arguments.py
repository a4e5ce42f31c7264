"""Rows B30–B33: what is wrong on a command line, told in one line, and a terminal that is not there."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import command, environment, process
from tests.stories.test_check import written
from tests.support import find, swa, swa_bytes

ESCAPE = "\x1b"


@pytest.fixture
def shipped(tmp_path):
    path = tmp_path / "swa.yaml"
    path.write_bytes(swa_bytes())
    return path


def refusal(done) -> tuple[str, str]:
    """Code of the one mistake, and its line."""
    assert (done.code, done.err.count("Mend: ")) == (2, 1)
    (error,) = done.report["errors"]
    return error["code"], done.err


def test_b30_a_missing_file_is_named_and_its_neighbour_offered(tmp_path, shipped):
    code, told = refusal(command(tmp_path, "check", tmp_path / "swa.yml", "--output", "json"))
    assert code == "not_found"
    assert told.startswith(f"{tmp_path}/swa.yml: No such file. Mend: In this folder there is swa.yaml.\n")
    assert told.endswith("1 mistake, nothing was done.\n")


@pytest.mark.parametrize("option", ["FILE", "--baseline"])
@pytest.mark.parametrize("what", ["folder", "pipe", "/dev/zero"])
def test_b30_what_is_no_file_is_refused_and_never_waited_for(tmp_path, shipped, option, what):
    path = {"folder": tmp_path, "pipe": tmp_path / "pipe", "/dev/zero": "/dev/zero"}[what]
    os.mkfifo(tmp_path / "pipe")
    words = [path] if option == "FILE" else [shipped, "--baseline", path]
    started = time.monotonic()
    code, told = refusal(command(tmp_path, "check", *words, "--output", "json"))
    assert time.monotonic() - started < 5
    assert code == "not_a_file"
    assert told.startswith(f"{path}: ")


def test_b30_a_stream_that_never_ends_is_too_large(tmp_path):
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            [sys.executable, "-m", "monitor", "check", "-"], stdin=endless, env=environment(tmp_path),
            capture_output=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(b"-: More than ")


def test_b30_a_file_that_may_not_be_read_is_told_so(tmp_path, shipped):
    shipped.chmod(0)
    program = """
import os, sys
import monitor.check, monitor.cli.check, monitor.cli.context, monitor.logs
from monitor.__main__ import main
from rules.pack import shipped_packs
shipped_packs()
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
main(["check", "swa.yaml"])
"""
    tmp_path.chmod(0o755)
    done = process(tmp_path, tmp_path, code=program)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "swa.yaml: The file may not be read. Mend: Give yourself the right to read it.",
        "1 mistake, nothing was done.",
    ]


def test_b31_one_file_on_both_sides_is_the_same(tmp_path, shipped):
    assert command(tmp_path, "diff", shipped, shipped).code == 0
    done = command(tmp_path, "check", shipped, "--baseline", shipped, "--output", "json")
    assert (done.code, done.report["summary"]["changes"]) == (0, 0)
    done = command(tmp_path, "check", "-", "--baseline", "-", "--output", "json", given=swa_bytes())
    assert (done.code, done.report["summary"]["changes"]) == (0, 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["diff", "-", "-"], "diff - -: standard input can be read once. Mend: Name a file for one of them."),
        (["chekc", "x"], "chekc: no such command. Mend: Did you mean check?"),
        (["--quite", "check"], "--quite: no such option. Mend: Did you mean --quiet?"),
        (["check", "x", "--basline", "y"],
         "smart360-monitor check: No such option: --basline (Possible options: --baseline). "
         "Mend: See: smart360-monitor check --help."),
        (["check", "x", "--output", "sarif"],
         "smart360-monitor check: Invalid value for '--output': Value error, 'sarif' is not one of 'table', 'json'. "
         "Mend: See: smart360-monitor check --help."),
        (["check", "x", "--fail-on", "huge"],
         "--fail-on huge: not a severity. Mend: One of critical, high, medium, low, info."),
        (["check", "x", "--fail-on", "hihg"],
         "--fail-on hihg: not a severity. Mend: Did you mean high? One of critical, high, medium, low, info."),
        (["check", "x", "--at", "soon"],
         "--at soon: not a moment. Mend: Write 2026-11-24 or 2026-11-24T06:00:00-08:00."),
        (["check", "x", "--packs", "us-epa-oregn"],
         "--packs us-epa-oregn: neither a pack nor a file. Mend: Did you mean us-epa-oregon?"),
        (["check", "x", "--no-shipped"], "--no-shipped: no rules are left. Mend: Name a pack with --packs."),
        (["diff", "x"], "smart360-monitor diff: Missing argument 'new'. Mend: See: smart360-monitor diff --help."),
        (["rules", "show", "billing.slab-contiguous"],
         "billing.slab-contiguous: no such rule. Mend: Did you mean billing.slabs-contiguous?"),
        (["rules", "tst"],
         "smart360-monitor rules: No such command 'tst'. Did you mean 'test'? "
         "Mend: See: smart360-monitor rules --help."),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)  # fmt: skip
def test_b31_a_wrong_word_is_one_line_with_the_right_one(tmp_path, words, told):
    done = command(tmp_path, *words)
    assert (done.code, done.out) == (2, "")
    assert done.err == told + "\n"


def test_b31_a_wrong_word_is_a_document_too_where_one_is_asked_for(tmp_path):
    done = command(tmp_path, "check", "x", "--fail-on", "huge", "--output=json")
    assert done.report["format"] == "smart360-monitor/error/1"
    assert done.report["errors"][0]["code"] == "bad_argument"


@pytest.mark.parametrize(
    "words",
    [
        ["check", f"a\n{ESCAPE}[2J.yaml"], ["diff", f"a{ESCAPE}[2J", "b"], ["check", "x", "--fail-on", f"{ESCAPE}[2J"],
        ["check", "x", "--packs", f"a\n{ESCAPE}[2J"], [f"a{ESCAPE}[2J"], [f"--{ESCAPE}[2J"],
        ["check", f"--a{ESCAPE}[2J"],
        ["rules", "test", f"a\n{ESCAPE}[2J.yaml"], ["rules", "show", f"a{ESCAPE}[2J"],
        ["check", f"../../{ESCAPE}[2J"],
    ],
    ids=repr,
)  # fmt: skip
def test_b32_names_are_printed_escaped(tmp_path, words):
    done = command(tmp_path, *words)
    assert (done.code, done.out) == (2, "")
    assert ESCAPE not in done.err
    assert "⟨ESC⟩[2J" in done.err or "\\x1b[2J" in done.err
    assert all("Mend: " in line or "nothing was done" in line for line in done.err.splitlines())


def test_b32_a_file_whose_name_begins_with_a_hyphen_is_read_after_two(tmp_path, shipped):
    shipped.rename(tmp_path / "-swa.yaml")
    program = "import os, sys; os.chdir(sys.argv[1]); from monitor.__main__ import main; main(sys.argv[2:])"
    assert process(tmp_path, tmp_path, "check", "--", "-swa.yaml", code=program).code == 0


def test_b32_values_of_a_configuration_send_nothing_to_the_terminal(tmp_path, shipped):
    raw = swa()
    find(raw, "service_plan", code="COM-VAR")["name"] = "Com\u202emercial"
    path = written(tmp_path, "bidi.yaml", raw)
    done = command(tmp_path, "check", path, "--baseline", shipped)
    assert done.code == 1
    assert "\u202e" not in done.out
    assert "Com⟨U+202E⟩mercial" in done.out


def test_b33_a_pipe_that_closes_ends_quietly(tmp_path, shipped):
    program = f"{sys.executable} -m monitor rules list --output json | head -c 20"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {program}"], env=environment(tmp_path), capture_output=True, timeout=60
    )
    assert done.stdout == b'{\n "format": "smart360'[:20]
    assert done.stderr == b""


def test_b33_standard_output_may_be_closed_from_the_start(tmp_path, shipped):
    program = f"exec {sys.executable} -m monitor check {shipped} >&-"
    done = subprocess.run(["/bin/bash", "-c", program], env=environment(tmp_path), capture_output=True, timeout=60)
    assert b"Traceback" not in done.stderr
    assert b"defect" not in done.stderr


@pytest.mark.parametrize("how", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
def test_b33_a_terminal_without_utf8_gets_letters_it_has(tmp_path, shipped, how):
    raw = swa()
    find(raw, "service_plan", code="COM-VAR")["name"] = "Kommerziell für große"
    path = written(tmp_path, "own.yaml", raw)
    done = process(tmp_path, "diff", shipped, path, **how)
    assert done.code == 1
    assert "\n. service_plan COM-VAR > name\n" in done.out
    assert "->" in done.out.splitlines()[0]


@pytest.mark.parametrize("how", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_b33_json_is_utf8_everywhere(tmp_path, shipped, how):
    raw = swa()
    find(raw, "service_plan", code="COM-VAR")["name"] = "Größe"
    done = process(tmp_path, "diff", shipped, written(tmp_path, "own.yaml", raw), "--output", "json", **how)
    assert json.loads(done.out)["changes"][0]["new"] == "Größe"


def on_a_terminal(home, *words, **more: str) -> tuple[int, str]:
    """What a person sees."""
    ours, theirs = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-m", "monitor", *map(str, words)], stdout=theirs, stderr=subprocess.DEVNULL,
        env=environment(home, **{"TERM": "xterm", **more}),
    )  # fmt: skip
    os.close(theirs)
    told = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        told += piece
    os.close(ours)
    return started.wait(60), told.decode()


@pytest.mark.parametrize(
    ("how", "is_coloured"), [({}, True), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_b33_colours_are_for_terminals_that_want_them(tmp_path, how, is_coloured):
    code, seen = on_a_terminal(tmp_path, "diff", *two_zones(tmp_path), **how)
    assert code == 1
    assert (ESCAPE in seen) is is_coloured
    assert "zone Z" in seen
    assert seen.splitlines()[-1] == "exit 1"


def test_b33_without_a_terminal_nothing_is_coloured_unless_forced(tmp_path):
    sides = two_zones(tmp_path)
    done = command(tmp_path, "diff", *sides)
    assert ESCAPE not in done.out
    assert "exit 1" not in done.out
    assert ESCAPE in command(tmp_path, "diff", *sides, FORCE_COLOR="1").out


def two_zones(folder) -> list[Path]:
    for name in ("old", "new"):
        (folder / f"{name}.yaml").write_text(f"zone: [{{code: Z, name: {name}}}]\n")
    return [folder / "old.yaml", folder / "new.yaml"]
