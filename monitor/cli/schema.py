"""``schema``."""

import sys
from importlib import resources
from typing import Annotated

import typer

from baselines.errors import did_you_mean
from monitor.cli import tell
from monitor.errors import NotFound

ENDING = ".schema.json"


def schema(name: Annotated[str, typer.Argument(help="What the file is; without it, the list.")] = "") -> None:
    """Print the JSON Schema of a kind of file, so that an editor completes and checks it.

    Example: smart360-monitor schema configuration > configuration.schema.json
    """
    known = {each.name.removesuffix(ENDING): each for each in (resources.files("monitor") / "schemas").iterdir()}
    if name in known:
        sys.stdout.write(known[name].read_text(encoding="utf-8"))
    elif name:
        mend = did_you_mean(name, known, f"Known: {', '.join(sorted(known))}.")
        raise NotFound("no such schema.", where=tell.shown_whole(name), mend=mend)
    else:
        for each in sorted(known):
            tell.result(each)
