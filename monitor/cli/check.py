"""``check``."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from baselines.errors import Smart360Error
from baselines.severity import Severity
from monitor.cli import tell
from monitor.cli.context import deps


class BadArgument(Smart360Error):
    """A word on the command line that is not one of those it may be."""

    code = "bad_argument"


def check(
    file: Annotated[str, typer.Argument(help="Configuration to check, or - for standard input.")],
    baseline: Annotated[str | None, typer.Option(help="Report drift from this one too.")] = None,
    packs: Annotated[list[Path] | None, typer.Option(help="Further rule packs; may be given several times.")] = None,
    at: Annotated[str | None, typer.Option(help="Moment to judge at: a date, or ISO 8601.")] = None,
    fail_on: Annotated[str, typer.Option(help="The least severity that makes exit 1.")] = "low",
    output: Annotated[tell.Output, typer.Option("--output", help="How to print the result.")] = tell.Output.TABLE,
) -> None:
    """Judge a configuration file by the rules, and its drift where a baseline is given.

    Exit 0: nothing wrong. 1: findings. 2: the file cannot be read.

    Example: smart360-monitor check swa.yaml --baseline approved.yaml
    """
    from monitor.check import check_files
    from monitor.secrets import installation_key
    from rules.pack import Packs, load_packs

    wired = deps()
    chosen = wired.packs
    if packs:
        chosen = Packs((*chosen.packs, *load_packs(packs, wired.catalogue).packs))
    key = installation_key(wired.settings.fingerprint_key, wired.settings.state_folder, "fingerprint")
    report = check_files(
        file, baseline, chosen, wired.catalogue, key, at=moment(at), now=wired.clock.now(), fail_on=severity(fail_on)
    )
    for warning in report.warnings:
        tell.note(f"warning: {warning}")
    if output is tell.Output.JSON:
        from monitor.reports.json import check_json

        sys.stdout.write(check_json(report))
    else:
        from monitor.reports.table import check_lines, speaks_utf8

        terminal = sys.stdout.isatty()
        for line in check_lines(report, terminal=terminal, colour=in_colour(), utf8=speaks_utf8()):
            tell.result(line)
    raise typer.Exit(report.exit_code)


def in_colour() -> bool:
    """Colour on a terminal, unless NO_COLOR or a dumb one; FORCE_COLOR=1 brings it into a pipe."""
    if os.environ.get("NO_COLOR") is not None or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty() or os.environ.get("FORCE_COLOR") == "1"


def severity(word: str) -> Severity:
    """A severity by its word."""
    try:
        return Severity(word)
    except ValueError:
        mend = f"One of {', '.join(Severity)}."
        raise BadArgument("not a severity.", where=f"--fail-on {word}", mend=mend) from None


def moment(written: str | None) -> datetime | None:
    """A moment as typed: a date is its noon in UTC, so that it is that day wherever the utility is."""
    if written is None:
        return None
    from datetime import UTC

    try:
        if len(written) == 10:
            return datetime.fromisoformat(f"{written}T12:00:00+00:00")
        found = datetime.fromisoformat(written)
    except ValueError:
        mend = "Write 2026-11-24 or 2026-11-24T06:00:00-08:00."
        raise BadArgument("not a moment.", where=f"--at {written}", mend=mend) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
