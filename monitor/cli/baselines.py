"""``baseline propose|review|approve|reject|list|show|diff``."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from baselines.approval import ChangeKey, Decision, Review, change_key
from baselines.catalogue import Catalogue
from baselines.errors import InvalidInput, Mistake
from monitor.cli import tell
from monitor.cli.changes import print_change, print_changes
from monitor.cli.context import deps
from monitor.cli.tenants import AsOption, OutputOption, TargetName
from monitor.reports.json import change_json
from rules.evaluate import Verdict

app = typer.Typer(help="Baselines: what people approved.", no_args_is_help=True)
ProposalNumber = Annotated[int, typer.Argument(metavar="PROPOSAL", help="Number of the proposal.")]


@app.command()
def propose(
    target: TargetName,
    snapshot: Annotated[int, typer.Option("--snapshot", help="Number of a snapshot; 0: the newest.")] = 0,
    title: Annotated[str, typer.Option(help="What it is about, for the approver.")] = "",
    by: AsOption = "",
) -> None:
    """Put a complete snapshot forward as the next baseline.

    Example: smart360-monitor baseline propose swa/production --title "SWA at go-live" --as olga
    """
    from monitor.approval import propose_baseline, review_of

    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
    proposal = propose_baseline(found, tell.actor(by), wired, snapshot=snapshot, title=title)
    with wired.store.read() as unit:
        made = review_of(proposal, wired, unit)
    count = len(made.comparison.changes)
    what = (
        f"{count} changes against baseline {proposal.base_version}" if proposal.base_version else "the first baseline"
    )
    tell.result(f"Proposal {proposal.id} for {target}: {what}. Result {made.digest}")
    tell.note(f"Next: smart360-monitor baseline review {proposal.id}")


@app.command()
def review(
    number: ProposalNumber,
    decisions: Annotated[
        Path | None, typer.Option(help="YAML list of resource_type, key, path, decision: accept|reject, reason.")
    ] = None,
    by: AsOption = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Look at the changes of a proposal and decide them, one by one or from a file.

    On a terminal it asks for each undecided change. Every decision is kept at once.

    Example: smart360-monitor baseline review 12 --decisions decisions.yaml --as nisha
    """
    from monitor.approval import decide, review_of, verdict_of

    wired = deps()
    with wired.store.read() as unit:
        proposal = unit.baselines.proposal(number)
        made = review_of(proposal, wired, unit)
        target = unit.targets.named(proposal.target)
    if decisions is not None:
        made = decide(proposal, _from_file(decisions), tell.actor(by), wired)
    elif output is tell.Output.TABLE and sys.stdin.isatty() and made.undecided:
        for change in made.undecided:
            print_change(change, wired.catalogue_of(target))
            answer = typer.prompt("[a]ccept  [r]eject  [s]kip  [q]uit", default="s")
            if answer.startswith("q"):
                break
            if answer[:1] in ("a", "r"):
                reason = typer.prompt("reason") if answer.startswith("r") else ""
                word = Decision.ACCEPT if answer.startswith("a") else Decision.REJECT
                made = decide(proposal, [(change_key(change), word, reason)], tell.actor(by), wired)
    judgement = verdict_of(made, target, wired)
    if output is tell.Output.JSON:
        tell.document("review", {"review": {
            "proposal": asdict(proposal), "result": made.digest, "undecided": len(made.undecided),
            "changes": [{**change_json(each), "decision": _said(made, change_key(each))}
                        for each in made.comparison.changes],
            "rules": {verdict.value: n for verdict, n in judgement.tally.items()}}})  # fmt: skip
        return
    _print_review(made, wired.catalogue_of(target))
    tally = judgement.tally
    tell.result(
        f"Result  {made.digest}   {len(judgement.results)} rules: {tally[Verdict.PASSED]} passed, "
        f"{tally[Verdict.FAILED]} failed, {tally[Verdict.UNDECIDED]} undecided, "
        f"{tally[Verdict.NOT_APPLICABLE]} not applicable"
    )
    if not made.undecided:
        tell.note(f"Approve: smart360-monitor baseline approve {number} --digest {made.digest[:15]}")


def _said(made: Review, key: ChangeKey) -> str:
    decided = made.decisions.get(key)
    return decided.decision.value if decided is not None else ""


def _print_review(made: Review, catalogue: Catalogue) -> None:
    proposal = made.proposal
    tell.result(f"Proposal {proposal.id} for {proposal.target}: baseline {proposal.base_version} → "
                f"{proposal.base_version + 1}      {proposal.title}")  # fmt: skip
    tell.result(f"by {proposal.proposer}, {proposal.state.value} · {len(made.comparison.changes)} changes · "
                f"{len(made.undecided)} undecided")  # fmt: skip
    for change in made.comparison.changes:
        print_change(change, catalogue)
        tell.result(f"    {_said(made, change_key(change)) or 'undecided'}")


def _from_file(path: Path) -> list[tuple[ChangeKey, Decision, str]]:
    from baselines import document
    from baselines.reader import read_file

    data, name = read_file(path, document.SETTINGS_LIMITS)
    tree = document.read_document(data, name, limits=document.SETTINGS_LIMITS)
    found: list[tuple[ChangeKey, Decision, str]] = []
    mistakes: list[Mistake] = []
    nodes = tree.items if isinstance(tree, document.Sequence) else []
    for node in nodes:
        raw = document.plain_value(node)
        word = raw.get("decision") if isinstance(raw, dict) else None
        if word not in tuple(Decision):
            what = "decision is accept or reject."
            mistakes.append(Mistake(name, node.line, node.column, "", "bad_value", what, "Write decision: accept."))
            continue
        key = (str(raw.get("resource_type", "")), str(raw.get("key", "")), str(raw.get("path") or ""))
        found.append((key, Decision(word), str(raw.get("reason") or "")))
    if mistakes or not nodes:
        what = "A list of decisions is due here."
        raise InvalidInput(mistakes or [Mistake(name, 1, 1, "", "not_a_list", what, "Write - {resource_type: …}.")])
    return found


@app.command()
def approve(
    number: ProposalNumber,
    digest: Annotated[str, typer.Option(help="Of the result you saw; at least 12 hex digits of it.")],
    by: AsOption = "",
) -> None:
    """Approve a decided proposal by its digest; another person than its proposer does.

    Example: smart360-monitor baseline approve 12 --digest b3:8e20c7d914ab --as nisha
    """
    from monitor.approval import approve as approve_proposal

    wired = deps()
    with wired.store.read() as unit:
        proposal = unit.baselines.proposal(number)
    made = approve_proposal(proposal, digest, tell.actor(by), wired)
    baseline = made.baseline
    tell.result(
        f"Baseline {baseline.version} of {baseline.target} approved by {baseline.approver}: "
        f"{baseline.accepted} changes accepted, {baseline.rejected} stay drift. audit {made.audit}"
    )


@app.command()
def reject(
    number: ProposalNumber,
    reason: Annotated[str, typer.Option(help="Why, for its proposer.")],
    by: AsOption = "",
) -> None:
    """Reject a proposal, or withdraw one's own.

    Example: smart360-monitor baseline reject 12 --reason "the rates are last year's" --as nisha
    """
    from monitor.approval import reject as reject_proposal

    wired = deps()
    with wired.store.read() as unit:
        proposal = unit.baselines.proposal(number)
    done = reject_proposal(proposal, reason, tell.actor(by), wired)
    tell.result(f"Proposal {number} is {done.state.value} by {done.closed_by}.")


@app.command("list")
def list_baselines(target: TargetName, output: OutputOption = tell.Output.TABLE) -> None:
    """List baselines and open proposals of a target, newest first.

    Example: smart360-monitor baseline list swa/production
    """
    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
        history, proposals = unit.baselines.history(found), unit.baselines.open_proposals(found)
    if output is tell.Output.JSON:
        tell.document("baselines", {"baselines": [asdict(each) for each in history],
                                    "proposals": [asdict(each) for each in proposals]})  # fmt: skip
        return
    for proposal in proposals:
        tell.result(f"proposal {proposal.id}  open  by {proposal.proposer}, {tell.moment(proposal.created_at)}  "
                    f"{proposal.title}")  # fmt: skip
    tell.table(
        ["version", "approved", "by", "proposed by", "digest"],
        [[str(each.version), tell.moment(each.approved_at), each.approver, each.proposer, each.digest[:15]]
         for each in history],
    )  # fmt: skip


@app.command()
def show(
    target: TargetName,
    version: Annotated[int, typer.Option(help="Version; 0: the current one.")] = 0,
) -> None:
    """Write a baseline as a configuration file to standard output.

    Example: smart360-monitor baseline show swa/production > approved.yaml
    """
    from baselines.writer import write_configuration
    from monitor.errors import NotFound

    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
        current = unit.baselines.current(found)
        if current is None:
            mend = f"smart360-monitor baseline propose {target}"
            raise NotFound("there is no baseline yet.", where=target, mend=mend)
        configuration = unit.baselines.configuration(found, version or current.version)
    sys.stdout.buffer.write(write_configuration(configuration, wired.catalogue_of(found)))


@app.command()
def diff(target: TargetName, output: OutputOption = tell.Output.TABLE) -> None:
    """Show the drift of the newest snapshot against the current baseline; exit 1 if there is any.

    Example: smart360-monitor baseline diff swa/production
    """
    from baselines.canonical import renewed
    from baselines.compare import compare
    from monitor.errors import NotFound

    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
        approved, last = unit.baselines.approved(found), unit.snapshots.last(found)
    if approved is None or last is None:
        what = "there is no baseline yet." if approved is None else "there is no snapshot yet."
        raise NotFound(what, where=target, mend=f"smart360-monitor baseline propose {target}")
    form = wired.form_of(found)
    before, after = renewed(approved, form), renewed(last.configuration, form)
    comparison = compare(before, after, wired.catalogue_of(found), tolerate_new_fields=True)
    print_changes(comparison, before.digest, after.digest, output, wired.catalogue_of(found))
    raise typer.Exit(1 if comparison.changes else 0)
