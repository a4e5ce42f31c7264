"""``check``."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from baselines.errors import Smart360Error, did_you_mean
from baselines.severity import Severity
from monitor.cli import tell
from monitor.cli.context import deps, fingerprint_key

if TYPE_CHECKING:
    from rules.overlay import Overlay
    from rules.pack import Packs


class BadArgument(Smart360Error):
    """A word on the command line that is not one of those it may be."""

    code = "bad_argument"


def check(
    file: Annotated[str, typer.Argument(help="Configuration to check, or - for standard input.")],
    baseline: Annotated[str | None, typer.Option(help="Report drift from this one too.")] = None,
    packs: Annotated[
        list[str] | None,
        typer.Option(
            help="Further rule packs: files or folders; names of shipped packs choose only those. "
            "May be given several times, or with commas."
        ),
    ] = None,
    no_shipped: Annotated[bool, typer.Option("--no-shipped", help="Only the packs of --packs.")] = False,
    overlay: Annotated[
        list[str] | None, typer.Option(help="How this tenant differs; several times: the last one wins.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Moment to judge at: a date, or ISO 8601.")] = None,
    fail_on: Annotated[str, typer.Option(help="The least severity that makes exit 1.")] = "low",
    output: Annotated[tell.Output, typer.Option("--output", help="How to print the result.")] = tell.Output.TABLE,
) -> None:
    """Judge a configuration file by the rules, and its drift where a baseline is given.

    Exit 0: nothing wrong. 1: findings. 2: the file cannot be read.

    Example: smart360-monitor check swa.yaml --baseline approved.yaml
    """
    least, when = severity(fail_on), moment(at)
    from monitor.check import check_files

    wired = deps()
    chosen = chosen_packs(packs or (), is_shipped=not no_shipped)
    over = overlay_of_files(overlay or (), chosen)
    report = check_files(
        file, baseline, over.packs, over.catalogue, fingerprint_key, at=when, now=wired.clock.now(), fail_on=least,
        overlay=over,
    )  # fmt: skip
    for warning in report.warnings:
        tell.note(f"warning: {warning}")
    if output is tell.Output.JSON:
        from monitor.reports.json import check_json

        sys.stdout.write(check_json(report))
    else:
        from monitor.reports.table import check_lines

        for line in check_lines(report, width=tell.width(), colour=in_colour()):
            tell.result(line)
    raise typer.Exit(report.exit_code)


def overlay_of_files(files: Sequence[str], chosen: "Packs") -> "Overlay":
    """Chosen packs under overlays from files, which may name rules of any pack of the installation.

    Raises:
        InvalidOverlay: with every mistake of every file.
    """
    from baselines import document
    from baselines.reader import read_file
    from rules.overlay import read_overlays
    from rules.pack import Packs

    texts = [(name, data) for data, name in (read_file(each, document.SETTINGS_LIMITS) for each in files)]
    names = {pack.name for pack in chosen.packs}
    others = tuple(pack for pack in deps().packs.packs if pack.name not in names) if texts else ()
    over = read_overlays(texts, deps().catalogue, Packs((*chosen.packs, *others))).without_mistakes()
    return replace(over, packs=Packs(tuple(pack for pack in over.packs.packs if pack.name in names)))


def chosen_packs(words: Sequence[str], *, is_shipped: bool) -> "Packs":
    """Packs as named: those of the installation, or some of them by name, and further ones from files.

    Raises:
        BadArgument: neither a pack nor a file, or no pack is left.
        InvalidPack: a pack that is refused.
    """
    from rules.pack import Packs, load_packs

    named = [word for each in words for word in each.split(",") if word]
    if not is_shipped and not named:
        raise BadArgument("no rules are left.", where="--no-shipped", mend="Name a pack with --packs.")
    ours = deps().packs.packs if is_shipped or not all(Path(word).exists() for word in named) else ()
    known = {pack.name: pack for pack in ours}
    paths = [word for word in named if word not in known]
    for word in paths:
        if not Path(word).exists():
            mend = did_you_mean(word, known, f"Name a file, a folder, or one of {', '.join(known)}.")
            raise BadArgument("neither a pack nor a file.", where=f"--packs {word}", mend=mend)
    picked = [known[word] for word in dict.fromkeys(named) if word in known]
    beside = Packs(tuple(picked) if picked or not is_shipped else ours)
    return load_packs(paths, deps().catalogue, beside=beside)


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
        near = get_close_matches(word, list(Severity), n=1)
        mend = (f"Did you mean {near[0]}? " if near else "") + f"One of {', '.join(Severity)}."
        raise BadArgument("not a severity.", where=f"--fail-on {word}", mend=mend) from None


def moment(written: str | None) -> datetime | None:
    """A moment as typed; a date is its noon. Without an offset it is meant where the utility is."""
    if written is None:
        return None
    try:
        return datetime.fromisoformat(f"{written}T12:00:00" if len(written) == 10 else written)
    except ValueError:
        mend = "Write 2026-11-24 or 2026-11-24T06:00:00-08:00."
        raise BadArgument("not a moment.", where=f"--at {written}", mend=mend) from None
