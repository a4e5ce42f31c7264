"""``baseline propose|review|comment|hand-over|send-back|approve|reject|rollback|list|show|diff``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from baselines.approval import DID, ChangeKey, Decision, Proposal, Review, change_key, told_of
from baselines.catalogue import Catalogue
from baselines.errors import InvalidInput, Mistake
from baselines.severity import Severity
from monitor.cli import tell
from monitor.cli.changes import print_change, print_changes
from monitor.cli.context import deps
from monitor.cli.tenants import AsOption, OutputOption, TargetName
from monitor.reports.items import act_item, approval_item, review_in_full
from rules.evaluate import Verdict

if TYPE_CHECKING:
    from rules.impact import Impact
    from rules.money import Money

app = typer.Typer(help="Baselines: what people approved.", no_args_is_help=True)
Choices = list[tuple[ChangeKey, Decision, str]]
ProposalNumber = Annotated[int, typer.Argument(metavar="PROPOSAL", help="Number of the proposal.")]


def _proposal(number: int) -> Proposal:
    with deps().store.read() as unit:
        return unit.baselines.proposal(number)


@app.command()
def propose(
    target: TargetName,
    snapshot: Annotated[int, typer.Option("--snapshot", help="Number of a snapshot; 0: the newest.")] = 0,
    title: Annotated[str, typer.Option(help="What it is about, for the approver.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Only a part: a module, a resource type, service=WATER; may be named several times."),
    ] = None,
    carry: Annotated[int, typer.Option(help="Take over the decisions of this proposal that still hold.")] = 0,
    by: AsOption = "",
) -> None:
    """Put a complete snapshot, or a part of it, forward as the next baseline.

    Example: smart360-monitor baseline propose swa/production --title "SWA at go-live" --as olga
    """
    from monitor.approval import propose_baseline

    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
    proposal = propose_baseline(
        found, tell.actor(by), wired, snapshot=snapshot, title=title, scope=scope or (), carry=carry
    )
    _told_of(proposal)


def _told_of(proposal: Proposal) -> None:
    from monitor.approval import review_of

    with deps().store.read() as unit:
        made = review_of(proposal, deps(), unit)
    count = len(made.comparison.changes)
    what = (
        f"{count} changes against baseline {proposal.base_version}" if proposal.base_version else "the first baseline"
    )
    over = sum(1 for each in made.decisions.values() if each.carried)
    carried = f", {over} decisions carried over" if over else ""
    part = f", only {', '.join(proposal.scope)}" if proposal.scope else ""
    tell.result(f"Proposal {proposal.id} for {proposal.target}: {what}{part}{carried}. Result {made.digest}")
    tell.note(f"Next: smart360-monitor baseline review {proposal.id}")


@app.command()
def review(
    number: ProposalNumber,
    decisions: Annotated[
        Path | None,
        typer.Option(
            help="YAML list of resource_type, key, path, decision: accept|reject|undo, reason; "
            "act: number of the decision you saw there, where you overrule somebody."
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="Accept a group: billing/service_plan, billing, cause:A-HAP-C, all; what is critical only by its own "
            "name: 'tax ULF-PDX percentage'."
        ),
    ] = None,
    reject: Annotated[list[str] | None, typer.Option(help="Reject a group, what is critical too.")] = None,
    undo: Annotated[list[str] | None, typer.Option(help="Take the decisions on a group back.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for --accept and --reject.")] = "",
    by: AsOption = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Look at the changes of a proposal and decide them, one by one, by group, or from a file.

    On a terminal it asks for each undecided change. Every decision is kept at once; what somebody else
    decided since you looked is not overwritten.

    Example: smart360-monitor baseline review 12 --decisions decisions.yaml --as nisha
    """
    from monitor.approval import decide, impact_of, review_of, verdict_of

    wired = deps()
    with wired.store.read() as unit:
        proposal = unit.baselines.proposal(number)
        made = review_of(proposal, wired, unit)
        target = unit.targets.named(proposal.target)
        impact = impact_of(made, target, wired, unit)
    chosen, seen = _from_file(decisions) if decisions is not None else ([], {})
    chosen += _of_groups(made, accept or (), reject or (), undo or (), reason)
    if chosen:
        seen |= {key: made.decisions[key].act for key, each, _ in chosen if each is Decision.UNDO and key not in seen}
        made = decide(proposal, chosen, tell.actor(by), wired, seen=seen)
    elif output is tell.Output.TABLE and sys.stdin.isatty() and made.undecided:
        made = _asked(made, wired.catalogue_of(target), by, impact)
    judgement = verdict_of(made, target, wired)
    if output is tell.Output.JSON:
        tell.document("review", {"review": review_in_full(made, wired.catalogue_of(target), impact, judgement)})
        return
    _print_review(made, wired.catalogue_of(target), impact)
    tally = judgement.tally
    tell.result(
        f"Result  {made.digest}   {len(judgement.results)} rules: {tally[Verdict.PASSED]} passed, "
        f"{tally[Verdict.FAILED]} failed, {tally[Verdict.UNDECIDED]} undecided, "
        f"{tally[Verdict.NOT_APPLICABLE]} not applicable"
    )
    if not made.undecided:
        tell.note(f"Approve: smart360-monitor baseline approve {number} --digest {made.digest[:15]}")


def _of_groups(made: Review, accept: Sequence[str], reject: Sequence[str], undo: Sequence[str], reason: str) -> Choices:
    """Undecided changes of groups; accepting several at once leaves out the critical ones, and says so."""
    chosen: dict[ChangeKey, tuple[Decision, str]] = {}
    for several, decision in ((accept, Decision.ACCEPT), (reject, Decision.REJECT), (undo, Decision.UNDO)):
        for name in several:
            changes = made.named(name)
            decided = [each for each in changes if (change_key(each) in made.decisions) is (decision is Decision.UNDO)]
            left = [
                each
                for each in decided
                if decision is Decision.ACCEPT
                and each.severity is Severity.CRITICAL
                and name != told_of(change_key(each))
            ]
            if left:
                tell.note(f"{name}: {len(left)} critical changes want their own decision.")
            chosen |= {change_key(each): (decision, reason) for each in decided if each not in left}
    return [(key, *each) for key, each in chosen.items()]


def _asked(made: Review, catalogue: Catalogue, by: str, impact: "Impact") -> Review:
    """Ask for each undecided change; decisions are kept as they are made."""
    from monitor.approval import comment, decide

    wired, who = deps(), tell.actor(by)
    for change in made.undecided:
        key = change_key(change)
        print_change(change, catalogue)
        _print_cost("    cost  ", impact.of(change))
        answer = "c"
        while answer == "c":
            answer = typer.prompt("[a]ccept  [r]eject  [s]kip  [c]omment  [q]uit", default="s")[:1]
            if answer == "c":
                made = comment(made.proposal, typer.prompt("comment"), who, wired, change=key)
        if answer == "q":
            break
        if answer in ("a", "r"):
            reason = typer.prompt("reason") if answer == "r" else ""
            word = Decision.ACCEPT if answer == "a" else Decision.REJECT
            made = decide(made.proposal, [(key, word, reason)], who, wired)
    return made


def _print_cost(label: str, money: "Money | None") -> None:
    if money is not None:
        tell.result(f"{label}{tell.shown_whole(str(money))}")


def _print_review(made: Review, catalogue: Catalogue, impact: "Impact") -> None:
    proposal = made.proposal
    tell.result(f"Proposal {proposal.id} for {proposal.target}: baseline {proposal.base_version} → "
                f"{proposal.base_version + 1}      {tell.shown_whole(proposal.title)}")  # fmt: skip
    awaited = f" · {made.awaited} awaited" if made.awaited else ""
    tell.result(f"by {proposal.proposer}, {proposal.state.value}{awaited} · {len(made.comparison.changes)} changes · "
                f"{len(made.undecided)} undecided")  # fmt: skip
    if proposal.scope:
        tell.result(f"only {', '.join(proposal.scope)}; {made.outside} outside of it stay as they are")
    for group in made.causes:
        tell.result(f"{group.name}  {tell.shown_whole(group.title)}")
    for said in made.comments():
        tell.result(f"  {said.by}, {tell.moment(said.at)}: {tell.shown_whole(said.words)}")
    for change in made.comparison.changes:
        key = change_key(change)
        print_change(change, catalogue)
        _print_cost("    cost  ", impact.of(change))
        decided = made.decisions.get(key)
        origin = f", carried from proposal {decided.carried}" if decided is not None and decided.carried else ""
        tell.result(f"    {DID[decided.decision]} by {decided.by}{origin}  {tell.shown_whole(decided.reason)}".rstrip()
                    if decided is not None else "    undecided")  # fmt: skip
        for said in made.comments(key):
            tell.result(f"    {said.by}, {tell.moment(said.at)}: {tell.shown_whole(said.words)}")
    _print_cost("Cost of all changes together: ", impact.together())


def _from_file(path: Path) -> tuple[Choices, dict[ChangeKey, int]]:
    from baselines import document
    from baselines.reader import read_file

    data, name = read_file(path, document.SETTINGS_LIMITS)
    tree = document.read_document(data, name, limits=document.SETTINGS_LIMITS)
    found: Choices = []
    seen: dict[ChangeKey, int] = {}
    mistakes: list[Mistake] = []
    nodes = tree.items if isinstance(tree, document.Sequence) else []
    for node in nodes:
        raw = document.plain_value(node)
        word = raw.get("decision") if isinstance(raw, dict) else None
        if word not in tuple(Decision):
            what = "decision is accept, reject or undo."
            mistakes.append(Mistake(name, node.line, node.column, "", "bad_value", what, "Write decision: accept."))
            continue
        key = (str(raw.get("resource_type", "")), str(raw.get("key", "")), str(raw.get("path") or ""))
        found.append((key, Decision(word), str(raw.get("reason") or "")))
        act = str(raw.get("act") or "0")
        seen[key] = int(act) if act.isascii() and act.isdigit() else 0
    if mistakes or not nodes:
        what = "A list of decisions is due here."
        raise InvalidInput(mistakes or [Mistake(name, 1, 1, "", "not_a_list", what, "Write - {resource_type: …}.")])
    return found, seen


@app.command()
def comment(
    number: ProposalNumber,
    text: Annotated[str, typer.Argument(help="What to say.")],
    change: Annotated[
        list[str] | None, typer.Option(help="Of one change: its resource type, its key, and its path, one each.")
    ] = None,
    by: AsOption = "",
) -> None:
    """Say something of a proposal, or of one of its changes.

    Example: smart360-monitor baseline comment 12 "who asked for these rates?" --as nisha
    """
    from monitor.approval import comment as comment_on

    parts = (*(change or ()), "", "", "")
    key = (parts[0], parts[1], parts[2]) if change else None
    comment_on(_proposal(number), text, tell.actor(by), deps(), change=key)
    tell.result(f"Said of proposal {number}.")


@app.command("hand-over")
def hand_over(
    number: ProposalNumber,
    note: Annotated[str, typer.Option(help="For the approver.")] = "",
    by: AsOption = "",
) -> None:
    """Hand a decided proposal over for approval by another person.

    Example: smart360-monitor baseline hand-over 12 --as olga
    """
    from monitor.approval import hand_over as hand

    made = hand(_proposal(number), tell.actor(by), deps(), note=note)
    tell.result(f"Proposal {number} waits for approval by another than {made.proposal.proposer}: {made.digest}")


@app.command("send-back")
def send_back(
    number: ProposalNumber,
    reason: Annotated[str, typer.Option(help="Why, for its proposer.")],
    by: AsOption = "",
) -> None:
    """Send a proposal that was handed over back to its proposer.

    Example: smart360-monitor baseline send-back 12 --reason "the first slab is not agreed" --as nisha
    """
    from monitor.approval import send_back as send

    made = send(_proposal(number), reason, tell.actor(by), deps())
    tell.result(f"Proposal {number} is with {made.proposal.proposer} again.")


@app.command()
def approve(
    number: ProposalNumber,
    digest: Annotated[str, typer.Option(help="Of the result you saw; at least 12 hex digits of it.")],
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    by: AsOption = "",
) -> None:
    """Approve a decided proposal by its digest; another person than its proposer does.

    Example: smart360-monitor baseline approve 12 --digest b3:8e20c7d914ab --as nisha
    """
    from monitor.approval import approve as approve_proposal

    made = approve_proposal(_proposal(number), digest, tell.actor(by), deps(), reason=reason)
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

    done = reject_proposal(_proposal(number), reason, tell.actor(by), deps())
    tell.result(f"Proposal {number} is {done.state.value} by {done.closed_by}.")


@app.command()
def rollback(
    target: TargetName,
    version: Annotated[int, typer.Argument(help="Version of the earlier baseline.")],
    reason: Annotated[str, typer.Option(help="Why, for the approver.")],
    by: AsOption = "",
) -> None:
    """Propose an earlier baseline again; it is reviewed and approved like any other.

    Example: smart360-monitor baseline rollback swa/production 1 --reason "the new rates were not agreed" --as olga
    """
    from monitor.approval import rollback as roll

    with deps().store.read() as unit:
        found = unit.targets.named(target)
    _told_of(roll(found, version, reason, tell.actor(by), deps()))


@app.command("list")
def list_baselines(
    target: TargetName,
    history: Annotated[bool, typer.Option("--history", help="Also who did what to its proposals, and why.")] = False,
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """List baselines and proposals of a target, newest first.

    Example: smart360-monitor baseline list swa/production --history
    """
    with deps().store.read() as unit:
        found = unit.targets.named(target)
        baselines, proposals = unit.baselines.history(found), unit.baselines.proposals(found)
        acts = unit.baselines.all_acts(found) if history else []
    if output is tell.Output.JSON:
        told = {"baselines": [approval_item(each) for each in baselines],
                "proposals": [approval_item(each) for each in proposals]}  # fmt: skip
        tell.document("baselines", {**told, "acts": [act_item(each) for each in acts]} if history else told)
        return
    for each in proposals:
        tell.result(f"proposal {each.id}  {each.state}  by {each.proposer}, {tell.moment(each.created_at)}  "
                    f"{tell.shown_whole(each.title)}".rstrip())  # fmt: skip
    tell.table(
        ["version", "approved", "by", "proposed by", "digest"],
        [[str(each.version), tell.moment(each.approved_at), each.approver, each.proposer, each.digest[:15]]
         for each in baselines],
    )  # fmt: skip
    for act in acts:
        where = " ".join(part for part in act.change or () if part)
        origin = f"(carried from proposal {act.carried})" if act.carried else ""
        parts = (tell.moment(act.at), f"proposal {act.proposal}", f"{act.did} by {act.by}", where, origin, act.words)
        tell.result(tell.shown_whole("  ".join(part for part in parts if part)))


@app.command()
def show(
    target: TargetName,
    version: Annotated[int, typer.Option(help="Version; 0: the current one.")] = 0,
    at: Annotated[str, typer.Option(help="The one that held at this moment, e.g. 2026-10-02T09:00.")] = "",
) -> None:
    """Write a baseline as a configuration file to standard output.

    Example: smart360-monitor baseline show swa/production > approved.yaml
    """
    from baselines.writer import write_configuration
    from monitor.errors import NotFound
    from monitor.moments import moment_of

    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
        current = unit.baselines.at(found, moment_of(at, found, wired)) if at else unit.baselines.current(found)
        if current is None:
            mend = f"smart360-monitor baseline propose {target}"
            raise NotFound(
                "there is no baseline yet." if not at else "there was no baseline then.", where=target, mend=mend
            )
        configuration = unit.baselines.configuration(found, version or current.version)
    sys.stdout.buffer.write(write_configuration(configuration, wired.catalogue_of(found)))


@app.command()
def diff(target: TargetName, output: OutputOption = tell.Output.TABLE) -> None:
    """Show the drift of the newest snapshot against the current baseline; exit 1 if there is any.

    Example: smart360-monitor baseline diff swa/production
    """
    from monitor.errors import NotFound
    from monitor.moments import NOW, compare_moments

    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
        current = unit.baselines.current(found)
        if current is None:
            mend = f"smart360-monitor baseline propose {target}"
            raise NotFound("there is no baseline yet.", where=target, mend=mend)
        made = compare_moments(found, f"baseline:{current.version}", NOW, wired, unit)
    before, after = made.old.configuration.digest, made.new.configuration.digest
    print_changes(made.comparison, before, after, output, wired.catalogue_of(found))
    raise typer.Exit(1 if made.comparison.changes else 0)
