"""``diff``."""

import sys
from typing import Annotated

import typer

from monitor.cli import tell
from monitor.cli.check import BadArgument, in_colour
from monitor.cli.context import deps, fingerprint_key


def diff(
    old: Annotated[str, typer.Argument(help="The one before, or - for standard input.")],
    new: Annotated[str, typer.Argument(help="The one after, or - for standard input.")],
    output: Annotated[tell.Output, typer.Option("--output", help="How to print the result.")] = tell.Output.TABLE,
) -> None:
    """Show what differs between two configuration files, by meaning; exit 1 if anything does.

    Example: smart360-monitor diff approved.yaml swa.yaml
    """
    from baselines.compare import compare
    from monitor.check import read_files

    if old == new == "-":
        raise BadArgument("standard input can be read once.", where="diff - -", mend="Name a file for one of them.")
    wired = deps()
    one, other, _ = read_files(old, new, wired.catalogue, fingerprint_key)
    assert other is not None
    comparison = compare(one, other, wired.catalogue)
    if output is tell.Output.JSON:
        from monitor.reports.json import diff_json

        sys.stdout.write(diff_json(one, other, comparison))
    else:
        from monitor.reports.table import diff_lines

        for line in diff_lines(one, other, comparison, wired.catalogue, width=tell.width(), colour=in_colour()):
            tell.result(line)
    raise typer.Exit(1 if comparison.changes else 0)
