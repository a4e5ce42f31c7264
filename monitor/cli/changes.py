"""Changes as commands on the store print them; the form of contracts §3.2."""

from baselines.catalogue import Catalogue
from baselines.compare import Change, Comparison
from baselines.fields import Op, spelled
from baselines.values import Canonical, scalar_text
from monitor.cli import tell
from monitor.reports.json import change_json
from rules.drift import sentence


def print_changes(comparison: Comparison, old: str, new: str, output: tell.Output, catalogue: Catalogue) -> None:
    """Print all changes and what was not compared."""
    counts = {op: sum(1 for each in comparison.changes if each.op is op) for op in Op}
    if output is tell.Output.JSON:
        changes = [change_json(each) for each in comparison.changes]
        tell.document("diff", {
            "old": {"digest": old}, "new": {"digest": new}, "changes": changes,
            "unchecked": [{"resource_type": name, "path": "", "reason": str(why), "rules": []}
                          for name, why in comparison.not_compared.items()],
            "summary": counts,
        })  # fmt: skip
        return
    for change in comparison.changes:
        print_change(change, catalogue)
    for name, why in comparison.not_compared.items():
        tell.result(f"◪ {name}  not compared: {why}")
    if not comparison.changes:
        tell.result(f"The same: {old[:15]}." if not comparison.compared_nothing else "Nothing was compared.")


def print_change(change: Change, catalogue: Catalogue) -> None:
    """One change: sentence, place, old and new."""
    told = sentence(change, catalogue.types.get(change.resource_type))
    where = f"{change.resource_type} {change.key}" + (f" › {change.path}" if change.path else f"  {change.op.value}")
    tell.result(f"{change.severity.mark} {tell.shown_whole(where)}")
    tell.result(f"    {tell.shown_whole(told)}")
    if change.path:
        tell.result(f"    - {tell.shown_whole(_text(change.old))}")
        tell.result(f"    + {tell.shown_whole(_text(change.new))}")


def _text(value: Canonical) -> str:
    return spelled(value) if isinstance(value, dict | list) else scalar_text(value)
