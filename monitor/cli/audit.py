"""``audit verify|export|key|prune``."""

import sys
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from monitor.chain import Head, Verdict
from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.cli.tenants import AsOption, OutputOption

app = typer.Typer(help="The audit log: verify, export, keys.", no_args_is_help=True)


@app.command()
def verify(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Exports, oldest first.")] = None,
    head: Annotated[list[str] | None, typer.Option(metavar="SEQ:HASH", help="A head that was told outside.")] = None,
    key: Annotated[str, typer.Option(metavar="HEX", help="The public key to trust; else this installation's.")] = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Prove that no entry of the audit log was edited, removed, moved or added by others.

    Of the store, or offline of what audit export wrote; several files are read as one log. What was cut off at its
    end only a head shows that was told outside (the service's log, a channel, a file). Exit 1: broken, with the first
    bad entry and how it is bad. 3: the key or the store is missing.

    Example: smart360-monitor audit verify audit.jsonl --key 4cb5…
    """
    from monitor.audit import read_export, trusted_key, verify_store
    from monitor.chain import verify as judged

    heads = [_head(each) for each in head or ()]
    trusted = trusted_key(deps(), key)
    if files:
        verdict = judged(chain.from_iterable(map(read_export, files)), key=trusted, heads=heads)
    else:
        verdict = verify_store(deps(), trusted, heads)
    _told(verdict, output)
    raise typer.Exit(1 if verdict.broken else 0)


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError:
        raise BadUsage("not SEQ:HASH.", where="--head", mend="Take it as it was told, e.g. 18204:9f1c…") from None


def _told(verdict: Verdict, output: tell.Output) -> None:
    broken, head = verdict.broken, str(verdict.head) if verdict.head else ""
    if output is tell.Output.JSON:
        first = {"seq": broken.seq, "kind": broken.kind, "message": broken.told} if broken else None
        told = {"entries": verdict.entries, "head": head, "keys": verdict.keys, "broken": first}
        tell.document("audit-verify", told)
    elif broken is not None:
        tell.result(f"✗ {broken}")
        tell.result(f"{verdict.entries:,} entries before it are whole.")
    else:
        tell.result(f"✓ {verdict.entries:,} entries, chain whole   head {head or 'none'}")
        for each in verdict.keys:
            tell.result(f"  signed with {each}")


@app.command()
def export(by: AsOption = "") -> None:
    """Write the whole log to standard output, one entry in each line; it is verified with the public key alone.

    Example: smart360-monitor audit export > audit.jsonl
    """
    from monitor import audit

    wired = deps()
    count, last = 0, None
    for last in audit.export(tell.actor(by), wired):
        sys.stdout.buffer.write(audit.export_line(last))
        count += 1
    assert last is not None, "the export itself is an entry"
    tell.note(f"{count:,} entries, head {last.head}")
    tell.note(f"verify: smart360-monitor audit verify FILE --key {last.public_key}")


@app.command("key")
def change_key(
    following: Annotated[str, typer.Option("--next", metavar="REFERENCE", help="env:NAME or file:/path of the next.")],
    by: AsOption = "",
) -> None:
    """Change the key that signs: the present one names the next, so that the chain stays whole.

    Then set SMART360_AUDIT_KEY to the reference and restart the service.

    Example: smart360-monitor audit key --next file:/run/secrets/audit-2027
    """
    from monitor import audit

    wired = deps()
    entry = audit.change_key(audit.next_signing_key(following, wired), tell.actor(by), wired)
    tell.result(f"Entry {entry.seq} names {entry.content}. Now set SMART360_AUDIT_KEY={following} and restart.")


@app.command()
def prune(
    before: Annotated[int, typer.Option(min=2, help="Number of the first entry that is kept.")],
    reason: Annotated[str, typer.Option(help="Why; stands in the log.")],
    yes: Annotated[bool, typer.Option("--yes", help="Needed: what is removed stands in no other place.")] = False,
    by: AsOption = "",
) -> None:
    """Remove the oldest entries; a signed checkpoint stays that names the last of them. Export the log first.

    Example: smart360-monitor audit prune --before 9000 --reason "kept for ten years" --yes
    """
    from monitor import audit

    if not yes:
        raise BadUsage("entries are removed for good.", where="audit prune", mend="Export the log, then say --yes.")
    entry = audit.remove_before(before, reason, tell.actor(by), deps())
    tell.result(f"Entries before {before:,} are removed; entry {entry.seq:,} says so.")
