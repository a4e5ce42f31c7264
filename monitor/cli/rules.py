"""``rules list|show|test``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import tell
from monitor.cli.context import deps
from monitor.errors import NotFound

app = typer.Typer(help="Rule packs: list, show, test.", no_args_is_help=True)
OutputOption = Annotated[tell.Output, typer.Option("--output", help="How to print the result.")]


@app.command("list")
def list_rules(
    word: Annotated[str, typer.Argument(help="Only rules with this word in id or title.")] = "",
    module: Annotated[str, typer.Option(help="Only rules of this module.")] = "",
    severity: Annotated[str, typer.Option(help="Only these, e.g. critical,high.")] = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """List the rules that are in force.

    Example: smart360-monitor rules list slab
    """
    wanted = {each.strip() for each in severity.split(",") if each.strip()}
    rules = deps().packs.rules
    found = [
        rule
        for rule in rules
        if word.lower() in f"{rule.id} {rule.title}".lower()
        and (not module or rule.module == module)
        and (not wanted or rule.severity in wanted)
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


@app.command()
def show(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Its id.")], output: OutputOption = tell.Output.TABLE
) -> None:
    """Explain a rule: what must hold, why, how to mend it, examples.

    Example: smart360-monitor rules show billing.slabs-contiguous
    """
    from difflib import get_close_matches

    packs = deps().packs
    found = packs.by_id.get(rule)
    if found is None:
        near = get_close_matches(rule, packs.by_id, n=1)
        mend = f"Did you mean {near[0]}?" if near else "See: smart360-monitor rules list."
        raise NotFound("no such rule.", where=rule, mend=mend)
    if output is tell.Output.JSON:
        from monitor.reports.json import rule_json, written

        sys.stdout.write(written("rule", {"rule": rule_json(found)}))
        return
    from monitor.reports.table import rule_lines

    for line in rule_lines(found):
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
    packs = load_packs(paths, wired.catalogue) if paths else wired.packs
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
