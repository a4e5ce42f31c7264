"""One target: what is open, by module, baseline, readings, what was said (S2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.plan import by_kind
from baselines.approval import Baseline, Proposal
from monitor.deps import Deps
from monitor.store.sweeps import Run
from monitor.web.pages.fleet import SHOWN, Row, row_of
from rules.lifecycle import Known

MOST = 50


@dataclass(frozen=True, slots=True)
class ModuleLine:
    """Required rules of one module."""

    title: str
    passed: int
    failed: int
    undecided: int
    drift: int
    open: int

    @property
    def judged(self) -> int:
        """Required rules that apply."""
        return self.passed + self.failed + self.undecided

    @property
    def is_calm(self) -> bool:
        """Nothing to see here."""
        return not (self.failed or self.undecided or self.drift or self.open)

    def share(self, count: int) -> str:
        """Part of the bar, in percent."""
        return f"{100 * count / self.judged:.2f}" if self.judged else "0"


@dataclass(frozen=True, slots=True)
class TargetView:
    """Everything the page shows."""

    row: Row
    now: datetime
    zone: str
    report: Mapping[str, object]
    findings: Sequence[Known]
    modules: Sequence[ModuleLine]
    baseline: Baseline | None
    proposals: Sequence[Proposal]
    runs: Sequence[Run]
    said: Sequence[Mapping[str, object]]
    undecided: Sequence[Sequence[str]]
    severities: tuple[object, ...] = SHOWN

    @property
    def groups(self) -> Sequence[tuple[Known, Sequence[Known]]]:
        """Open findings, those of the same rule folded under the first."""
        return by_kind(self.findings)

    @property
    def health(self) -> str:
        """For the frame."""
        return self.row.target.name

    @property
    def title(self) -> str:
        """The utility's own name, else the target's."""
        return self.row.target.title or self.row.target.name

    @property
    def passed(self) -> int:
        """Required rules that hold."""
        return sum(each.passed for each in self.modules)

    @property
    def decided(self) -> int:
        """Required rules that were decided."""
        return sum(each.passed + each.failed for each in self.modules)

    @property
    def empty_words(self) -> str:
        """What is said where nothing is open: what was looked at, or that nothing was."""
        if not self.report:
            return f"Nothing was compared: {self.row.target.name} has no reading yet."
        against = f", compared with baseline {self.baseline.version}" if self.baseline else "; there is no baseline yet"
        rules, objects = self.report["rules_total"], sum(self.report["objects"].values())  # type: ignore[attr-defined]
        return f"No open findings on {self.row.target.name}. {rules} rules judged, {objects} objects{against}."


def target_view(name: str, deps: Deps) -> TargetView:
    """One target as of now.

    Raises:
        UnknownTarget: it is not watched.
    """
    now = deps.clock.now()
    with deps.store.read() as unit:
        target = unit.targets.named(name)
        found = [known for _, known in unit.findings.open(target)]
        row = row_of(unit, target, found, now)
        good = unit.sweeps.last(target, states=("complete", "partial"))
        report = good[0].report if good else {}
        return TargetView(
            row=row, now=now, zone=target.definition.time_zone, report=report, findings=found,
            modules=_modules(report, found, deps), baseline=unit.baselines.current(target),
            proposals=unit.baselines.open_proposals(target), runs=unit.sweeps.last(target, most=12),
            said=unit.alerts.recent(target, 8), undecided=report.get("undecided", [])[:MOST],
        )  # fmt: skip


def _modules(report: Mapping[str, object], found: Sequence[Known], deps: Deps) -> list[ModuleLine]:
    counted: Mapping[str, Mapping[str, int]] = report.get("modules", {})  # type: ignore[assignment]
    lines = []
    for module in deps.catalogue.modules:
        verdicts = counted.get(module.name, {})
        mine = [known for known in found if known.finding.module == module.name]
        lines.append(
            ModuleLine(
                module.title, verdicts.get("passed", 0), verdicts.get("failed", 0), verdicts.get("undecided", 0),
                sum(1 for known in mine if known.finding.kind == "drift"), len(mine),
            )
        )  # fmt: skip
    return lines
