"""``rules list|show|test|coverage|backtest|precision``."""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from baselines.errors import did_you_mean, shown
from baselines.severity import Severity
from monitor.cli import BadUsage, tell
from monitor.cli.context import deps, fingerprint_key
from monitor.errors import NotFound

if TYPE_CHECKING:
    from monitor.backtest import Backtest
    from rules.pack import Pack, Rule

app = typer.Typer(help="Rule packs: list, show, test, coverage, try on the past, precision.", no_args_is_help=True)
OutputOption = Annotated[tell.Output, typer.Option("--output", help="How to print the result.")]


@app.command("list")
def list_rules(
    words: Annotated[
        list[str] | None, typer.Argument(help="Only rules with all these words in id, title, why, fix or statement.")
    ] = None,
    module: Annotated[str, typer.Option(help="Only rules of this module.")] = "",
    severity: Annotated[str, typer.Option(help="Only these, e.g. critical,high.")] = "",
    pack: Annotated[str, typer.Option(help="Only rules of this pack.")] = "",
    kind: Annotated[str, typer.Option(help="Only this kind, e.g. sequence.")] = "",
    resource_type: Annotated[str, typer.Option("--type", help="Only rules that read this resource type.")] = "",
    required: Annotated[bool | None, typer.Option("--required/--advice", help="Only these.")] = None,
    country: Annotated[str, typer.Option(help="Only rules that apply in it, e.g. US.")] = "",
    state: Annotated[str, typer.Option(help="Only rules that apply in it, e.g. OR.")] = "",
    service: Annotated[str, typer.Option(help="Only rules that apply to it, e.g. water.")] = "",
    stage: Annotated[str, typer.Option(help="Only rules that apply in it: onboarding or live.")] = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """List the rules that are in force.

    Example: smart360-monitor rules list slab --module billing --required
    """
    wired = deps()
    rules = wired.packs.rules
    wanted = {each.strip() for each in severity.split(",") if each.strip()}
    modules, packs = ([each.name for each in several] for several in (wired.catalogue.modules, wired.packs.packs))
    for option, asked, known in (
        ("--module", [module], modules), ("--severity", wanted, list(Severity)), ("--pack", [pack], packs),
        ("--kind", [kind], {each.kind for each in rules}), ("--type", [resource_type], wired.catalogue.types),
        ("--stage", [stage], ["onboarding", "live"]),
    ):  # fmt: skip
        if unknown := [each for each in asked if each and each not in known]:
            near = get_close_matches(unknown[0], known, n=1)
            mend = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(filter(None, known))[:20])}."
            raise BadUsage(f"there is no {option[2:]} {shown(unknown[0])}.", where=option, mend=mend)
    found = [
        rule
        for rule in rules
        if all(word.lower() in _text_of(rule) for word in words or ())
        and module in ("", rule.module)
        and (not wanted or rule.severity in wanted)
        and pack in ("", rule.pack)
        and kind in ("", rule.kind)
        and (not resource_type or resource_type in rule.types or resource_type == rule.subject)
        and required in (None, rule.required)
        and rule.applies_where(country=country, state=state, service=service, stage=stage)
    ]
    if output is tell.Output.JSON:
        from monitor.reports.json import rules_json

        sys.stdout.write(rules_json(found))
        return
    tell.table(
        ["id", "severity", "required", "title"],
        [[rule.id, f"{rule.severity.mark} {rule.severity}", "yes" if rule.required else "–", rule.title]
         for rule in found],
    )  # fmt: skip
    tell.note(f"{len(found)} of {len(rules)}")


def _text_of(rule: "Rule") -> str:
    return f"{rule.id} {rule.title} {rule.why} {rule.fix} {rule.statement}".lower()


@app.command()
def show(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Its id.")], output: OutputOption = tell.Output.TABLE
) -> None:
    """Explain a rule: what must hold, why, how to mend it, examples.

    Example: smart360-monitor rules show billing.slabs-contiguous
    """
    wired = deps()
    packs = wired.packs
    found = packs.by_id.get(rule)
    if found is None:
        mend = did_you_mean(rule, packs.by_id, "See: smart360-monitor rules list.")
        raise NotFound("no such rule.", where=rule, mend=mend)
    from rules.packtest import messages_of

    if output is tell.Output.JSON:
        from monitor.reports.json import example_json, rule_json, written

        examples = [
            {**example_json(each), "says": messages_of(found, each, wired.catalogue)} for each in found.examples
        ]
        sys.stdout.write(written("rule", {"rule": {**rule_json(found), "examples": examples}}))
        return
    from monitor.reports.table import rule_lines

    for line in rule_lines(found, wired.catalogue):
        tell.result(line)


@app.command("test")
def run_pack_tests(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Packs: files or folders; the shipped ones if none.")
    ] = None,
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Run the tests of rule packs; exit 1 if one fails, 2 if a pack is refused.

    Example: smart360-monitor rules test my-pack.yaml
    """
    from rules.pack import load_packs
    from rules.packtest import refuse_over_budget, run_tests

    wired = deps()
    packs = load_packs(paths, wired.catalogue, installed=wired.packs) if paths else wired.packs
    total = sum(len(rule.tests) for rule in packs.rules)
    outcomes = list(tell.counted(run_tests(packs, wired.catalogue), "tests of rules", total))
    refuse_over_budget(outcomes)
    failed = [each for each in outcomes if not each.passed]
    if output is tell.Output.JSON:
        from monitor.reports.json import tests_json

        sys.stdout.write(tests_json(packs, outcomes))
        raise typer.Exit(1 if failed else 0)
    for pack in packs.packs:
        mine = [each for each in outcomes if each.rule.pack == pack.name]
        wrong = sum(1 for each in mine if not each.passed)
        told = f"{len(mine) - wrong} passed" + (f", {wrong} failed" if wrong else "")
        tell.result(f"{pack.name} {pack.version}   {len(pack.rules)} rules   {len(mine)} tests   {told}")
    for each in failed:
        tell.result("")
        tell.result(f"✗ {each.rule.id} › {tell.shown_whole(each.test.name)}")
        tell.result(f"  {each.test.file}:{each.test.line}")
        tell.result(f"  {tell.shown_whole(each.problem)}")
    if failed:
        tell.result(f"{len(failed)} of {len(outcomes)} tests failed.")
    raise typer.Exit(1 if failed else 0)


@app.command()
def coverage(
    configuration: Annotated[str, typer.Argument(help="A configuration file, -, or a target (its baseline).")],
    types: Annotated[list[str] | None, typer.Option("--type", help="Only this resource type; several times.")] = None,
    module: Annotated[list[str] | None, typer.Option(help="Only this module; several times.")] = None,
    sample: Annotated[int, typer.Option(help="Look at so many mutations, spread evenly; 0: all.", min=0)] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the report of a target for /rules/coverage.")] = False,
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Show what nobody guards: mutate every field of every object, and see which no rule notices.

    Example: smart360-monitor rules coverage swa.yaml --module billing
    """
    from monitor.reports.json import written
    from monitor.reports.table import coverage_lines
    from monitor.unguarded import keep as keep_report
    from monitor.unguarded import unguarded

    wired = deps()
    modules = {each.name: each.types for each in wired.catalogue.modules}
    for asked, known, what in ((types, wired.catalogue.types, "resource type"), (module, modules, "module")):
        for name in asked or ():
            if name not in known:
                mend = did_you_mean(name, known, f"One of {', '.join(known)}.")
                raise NotFound(f"no such {what}.", where=name, mend=mend)
    if keep and (types or module):
        from monitor.cli.check import BadArgument

        what = "a part would be shown as the whole."
        raise BadArgument(what, where="--keep", mend="Leave out --type and --module; --sample N is told on the page.")
    wanted = {*(types or ()), *(name for each in module or () for name in modules[each])} or None
    report = unguarded(
        configuration, wired, fingerprint_key, types=sorted(wanted) if wanted else None, most=sample,
        progress=lambda sights, total: tell.counted(sights, "mutations", total),
    )  # fmt: skip
    if keep and "baseline" in report:
        keep_report(report, wired)
        tell.note("Kept for /rules/coverage.")
    if output is tell.Output.JSON:
        sys.stdout.write(written("coverage", report))
        return
    for line in coverage_lines(report):
        tell.result(line)


@app.command()
def backtest(
    pack: Annotated[str, typer.Argument(metavar="PACK", help="File or folder, or the name of an installed pack.")],
    since: Annotated[str, typer.Option(help="From when on: 90d, 12h or a date.")] = "90d",
    target: Annotated[list[str] | None, typer.Option(help="tenant/environment; all where none is named.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Judge rules that are as installed, too.")] = False,
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Try a pack on the stored history of all targets before anyone enables it; nothing is written.

    Rules that are new, or differ from the installed ones, are judged at every snapshot as its sweep would
    have judged them. Exit 1 if something would have fired, 2 if the pack is refused.

    Example: smart360-monitor rules backtest my-pack.yaml --since 90d --target swa/production
    """
    from monitor.backtest import Trial
    from monitor.backtest import backtest as tried
    from monitor.reports.table import how_many

    wired = deps()
    trial = Trial.of(_pack(pack), wired.packs)
    now = wired.clock.now()
    begin = tell.since(since, now)
    with wired.store.read() as unit:
        targets = [unit.targets.named(name) for name in dict.fromkeys(target or ())] or list(unit.targets.all())
    of_targets = f"of {how_many(len(targets), 'target')}"
    made = tried(
        trial, targets, begin, wired, everything=everything,
        counted=lambda stream, total: tell.counted(
            stream, f"replaying {how_many(total, 'snapshot')} {of_targets}", total, in_parts=True
        ),
    )  # fmt: skip
    if not made.replays:
        what, mend = f"no snapshot that was judged since {tell.moment(begin)}.", "Name an earlier --since, or sweep."
        raise NotFound(what, where=", ".join(each.name for each in targets) or "the store", mend=mend)
    if output is tell.Output.JSON:
        from monitor.reports.json import backtest_json

        tell.document("backtest", {"since": begin, **backtest_json(made)})
    else:
        _print_backtest(made)
    raise typer.Exit(1 if made.firings else 0)


def _pack(named: str) -> "Pack":
    """A pack by its path, else an installed one by its name."""
    from rules.pack import load_packs

    wired = deps()
    installed = [each for each in wired.packs.packs if each.name == named and not Path(named).exists()]
    return (installed or load_packs([named], wired.catalogue, installed=wired.packs).packs)[0]


def _print_backtest(made: "Backtest") -> None:
    from monitor.reports.table import how_many

    trial, replays, fired = made.trial, made.replays.values(), made.firings
    same = f", {len(trial.same)} as installed" if trial.same else ""
    removed = f", {len(trial.removed)} removed" if trial.removed else ""
    counts = f"{how_many(len(trial.new), 'new rule')}, {len(trial.changed)} changed{same}{removed}"
    tell.result(f"{trial.pack.name} {trial.pack.version}   {counts}")
    moments = how_many(sum(each.moments for each in replays), "snapshot")
    first, last = (pick(at for each in replays if (at := getattr(each, name)))
                   for pick, name in ((min, "first"), (max, "last")))  # fmt: skip
    where = how_many(len(replays), "target")
    tell.result(f"{moments} of {where}, {tell.moment(first)} to {tell.moment(last)}")
    if fired:
        on = how_many(len({target for target, _ in fired}), "target")
        alerts = f"{how_many(made.alerts, 'alert')}, open {tell.span(made.open_in_all)} in all"
        tell.result(f"Would have fired {how_many(len(fired), 'time')} on {on}: {alerts}.")
        rows = [[each.finding.severity.mark, each.finding.rule, target,
                 f"{each.finding.resource_type} {each.finding.key}".strip(), each.finding.message,
                 tell.moment(each.first_seen), tell.moment(each.last_seen),
                 tell.span(made.open_for(target, each)) + ("" if each.ended else ", still open"),
                 "new" if made.is_news(target, each) else "as it was"] for target, each in fired]  # fmt: skip
        tell.table(["", "rule", "target", "object", "what is wrong", "first seen", "last seen", "open", ""], rows)
    else:
        was_judged = any(each.judged for each in replays)
        nothing = "Nothing was judged: every rule is as installed; --all judges them too."
        tell.result("Would not have fired." if was_judged else nothing)
    for target, known in made.gone:
        tell.result(f"gone: {known.finding.rule} no longer finds {known.number} on {target}: "
                    f"{tell.shown_whole(known.finding.message)}")  # fmt: skip
    for rule, count in sorted(made.undecided.items()):
        tell.result(f"◪ {rule} could not be decided at {how_many(count, 'snapshot')}")


@app.command()
def precision(
    since: Annotated[str, typer.Option(help="Findings that were there since: 90d, 12h or a date; else all.")] = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Show what part of each rule's findings people marked as useful; exit 1 if a rule is proposed for review.

    Only marked findings count (findings mark), each once. A rule below SMART360_PRECISION_FLOOR, with at
    least five marked, is proposed for review; nothing is switched off.

    Example: smart360-monitor rules precision --since 90d
    """
    from rules.precision import total

    wired = deps()
    floor, packs = wired.settings.precision_floor, wired.packs
    begin = tell.since(since, wired.clock.now()) if since else None
    with wired.store.read() as unit:
        found = unit.findings.precisions(begin)
    pack_of = {name: packs.by_id[name].pack if name in packs.by_id else "" for name in found}
    by_pack = {pack.name: total(each for name, each in found.items() if pack_of[name] == pack.name)
               for pack in packs.packs}  # fmt: skip
    doubtful = [name for name, each in sorted(found.items()) if pack_of[name] and each.is_doubtful(floor)]
    if output is tell.Output.JSON:
        from monitor.reports.json import precision_json

        tell.document("precision", {
            "floor": floor, "since": begin,
            "packs": [{"pack": name, **precision_json(each)} for name, each in by_pack.items()],
            "rules": [{"rule": name, "pack": pack_of[name], **precision_json(each), "review": name in doubtful}
                      for name, each in sorted(found.items())]})  # fmt: skip
        raise typer.Exit(1 if doubtful else 0)
    rows = [*by_pack.items(), *sorted(found.items())]
    tell.table(
        ["pack or rule", "precision", "useful", "not useful", "unmarked", "open"],
        [[name, "–" if each.ratio is None else f"{each.ratio:.2f}", *map(str, (each.useful, each.not_useful)),
          str(each.unmarked), str(each.open)] for name, each in rows],
    )  # fmt: skip
    for name in doubtful:
        told = f"{found[name].useful} of {found[name].marked} marked findings useful, the floor is {floor:.2f}"
        tell.result(f"review {name}: {told}. See: smart360-monitor rules show {name}")
    raise typer.Exit(1 if doubtful else 0)
