"""The commands. Each group is loaded only when it is used, so that help is quick."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from baselines.errors import Smart360Error, did_you_mean, shown


class UnknownCommand(Smart360Error):
    """A word that is no command or option."""

    code = "unknown_command"


class BadUsage(Smart360Error):
    """Words that a command cannot make sense of."""

    code = "bad_usage"


STOPPED: Final = 130  #: what typer makes of Ctrl-C
OPTIONS: Final = ("--help", "--version", "--verbose", "--quiet", "--no-progress")


#: command → (module of this package, its typer app or function, one sentence for the list)
COMMANDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "demo": ("demo", "demo", "See it work, nothing to set up."),
    "check": ("check", "check", "Judge a configuration file."),
    "diff": ("diff", "diff", "Show what differs between two configuration files."),
    "rules": ("rules", "app", "Rule packs: list, show, test, coverage."),
    "schema": ("schema", "schema", "JSON Schemas of the files, for editors."),
    "tenant": ("tenants", "app", "Targets: register, look at, pause, remove."),
    "sweep": ("sweeps", "sweep", "Sweep targets now."),
    "snapshot": ("snapshots", "app", "Snapshots: what was read, and when."),
    "baseline": ("baselines", "app", "Baselines: what people approved."),
    "findings": ("findings", "app", "Findings: what is wrong now, and its life."),
    "waiver": ("waivers", "app", "Waivers: what may stay wrong, why, until when."),
    "people": ("people", "app", "People: who may sign in, and what they may do."),
    "token": ("tokens", "app", "Tokens: what programs sign in with."),
    "audit": ("audit", "app", "The audit log: verify, export, keys."),
    "serve": ("serve", "serve", "Run the service and its pages."),
    "sandbox": ("serve", "sandbox", "Run the SMART360 look-alike alone."),
    "db": ("serve", "db", "The store's schema."),
    "doctor": ("doctor", "doctor", "Is this installation right?"),
}

#: They work on files and log nothing; loading the logger would take a fifth of their start.
LOGLESS: Final = frozenset(("check", "diff", "rules", "schema"))

FIRST_WORDS: Final = """Configuration drift and compliance monitor for SMART360.

  smart360-monitor demo               see it work, nothing to set up (30 s)
  smart360-monitor check FILE         judge a configuration file
  smart360-monitor tenant apply FILE  watch a tenant
  smart360-monitor serve              run the service and its pages
  smart360-monitor doctor             is this installation right?

All commands: smart360-monitor --help
"""


def listing() -> str:
    """What ``--help`` prints."""
    longest = max(map(len, COMMANDS))
    lines = [f"  {name:<{longest}}  {sentence}" for name, (_, _, sentence) in COMMANDS.items()]
    options = [
        "  --quiet        only results and errors",
        "  --verbose      log to standard error",
        "  --no-progress  no counting lines while something takes long",
        "  --version      show the version",
        "  --help         this list; smart360-monitor COMMAND --help explains one, with an example",
    ]
    return "\n".join(
        ["Usage: smart360-monitor [OPTIONS] COMMAND [ARGS]...", "", "Commands:", *lines, "", "Options:", *options, ""]
    )


def run(words: list[str]) -> int:
    """Run a command line and return its exit code.

    Raises:
        UnknownCommand: with the nearest right word.
    """
    options = []
    while words and words[0].startswith("-"):
        options.append(words[0])
        words = words[1:]
    if unknown := [each for each in options if each not in OPTIONS]:
        mend = did_you_mean(unknown[0], OPTIONS, "See: smart360-monitor --help.")
        raise UnknownCommand("no such option.", where=unknown[0], mend=mend)
    if "--version" in options:
        from importlib import metadata

        sys.stdout.write(metadata.version("smart360-monitor") + "\n")
        return 0
    if "--help" in options or not words:
        sys.stdout.write(listing() if "--help" in options else FIRST_WORDS)
        return 0
    name = words[0]
    if name not in COMMANDS:
        mend = did_you_mean(name, COMMANDS, "See: smart360-monitor --help.")
        raise UnknownCommand("no such command.", where=shown(name), mend=mend)
    from monitor.cli import tell

    tell.speak(notes="--quiet" not in options, progress=not {"--quiet", "--no-progress"} & set(options))
    if name not in LOGLESS:
        from uuid import uuid4

        from structlog.contextvars import bind_contextvars

        from monitor.logs import set_up_logs

        bind_contextvars(request=uuid4().hex[:12])
        set_up_logs(verbose="--verbose" in options or name == "serve")
    return _called(name, words[1:])


def _called(name: str, words: list[str]) -> int:
    import typer

    module, attribute, _ = COMMANDS[name]
    found = getattr(import_module(f"monitor.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        called: Any = typer.main.get_group(found)  # a group stays one, also with a single command in it
    else:
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
        called = typer.main.get_command(app)
    try:
        done = called(words, prog_name=f"smart360-monitor {name}", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        words_for_it: Any = getattr(error, "format_message", None)
        if words_for_it is None:  # not one of typer's own usage errors, whose classes are its own affair
            raise
        context: Any = getattr(error, "ctx", None)
        where = context.command_path if context is not None else f"smart360-monitor {name}"
        what = " ".join(words_for_it().split()).rstrip(".")
        if words and what:
            mend = f"See: {where} --help."
            raise BadUsage(what if what.endswith("?") else f"{what}.", where=where, mend=mend) from None
        getattr(error, "show")()  # noqa: B009 - a group without a word: its help
        return 2
    if done == STOPPED:
        raise KeyboardInterrupt
    return done if isinstance(done, int) else 0
