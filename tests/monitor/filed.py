"""A target that is read from a folder of exports: what it holds is set, swept, and people act on it."""

import json
from datetime import timedelta
from pathlib import Path

from baselines.approval import Decision, Proposal, Review, change_key
from monitor.access import on_host
from monitor.approval import approve, decide, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import SweepReport, sweep
from monitor.target import Definition
from tests.monitor.store.made import NOW
from tests.support import swa

TYPES = ("utility_service", "tax", "department", "complaint_type", "rate")
OLGA, NISHA = on_host("olga"), on_host("nisha")


class Filed:
    """Some lists of SWA as exports."""

    def __init__(self, store: Store, folder: Path, types: tuple[str, ...] = TYPES) -> None:
        self.store, self.folder, self.types, self.clock = store, folder / "exports", types, SetClock(NOW)
        self.folder.mkdir()
        self.raw = {name: objects for name, objects in swa().items() if name in types}
        self.deps = Deps(Settings(state_folder=folder / "state"), clock=self.clock, open_store=lambda: store)
        definition = Definition(
            source="files", folder=str(self.folder), time_zone="America/Los_Angeles", schedule="every 6h", scope=types,
            channel="swa-care",
        )  # fmt: skip
        with store.write() as unit:
            self.target, _ = unit.targets.put("swa", "production", definition, NOW)

    def change(self, resource_type: str, code: str, **fields: object) -> None:
        """Change an object of the world."""
        (each,) = [one for one in self.raw[resource_type] if one["code"] == code]
        each.update(fields)

    def sweep(self, *unread: str) -> SweepReport:
        """An hour later; the lists named cannot be read."""
        self.clock.at += timedelta(hours=1)
        for name in self.types:
            text = "{" if name in unread else json.dumps(self.raw[name])
            (self.folder / f"{name}.json").write_text(text, encoding="utf-8")
        return sweep(self.target, self.clock.at, self.deps)

    def propose(self, who=OLGA, **how: object) -> Proposal:
        self.clock.at += timedelta(minutes=1)
        return propose_baseline(self.target, who, self.deps, **how)

    def review(self, proposal: Proposal) -> Review:
        with self.store.read() as unit:
            return review_of(unit.baselines.proposal(proposal.id), self.deps, unit)

    def decide(self, proposal: Proposal, word: Decision = Decision.ACCEPT, who=OLGA, keys=None, why: str = "", **how):
        """Decide what is undecided, or these."""
        review = self.review(proposal)
        keys = keys if keys is not None else [change_key(each) for each in review.undecided]
        return decide(proposal, [(key, word, why) for key in keys], who, self.deps, **how)

    def approve(self, proposal: Proposal, who=NISHA):
        self.clock.at += timedelta(minutes=1)
        return approve(proposal, self.review(proposal).digest, who, self.deps)

    def baseline(self):
        """One more baseline of what was read last, all accepted."""
        proposal = self.propose()
        if self.review(proposal).undecided:
            self.decide(proposal)
        return self.approve(proposal).baseline

    def configuration(self, version: int):
        with self.store.read() as unit:
            return unit.baselines.configuration(self.target, version)

    def drift(self) -> set[tuple[str, str]]:
        with self.store.read() as unit:
            return {(each.finding.resource_type, each.finding.key) for _, each in unit.findings.open(self.target)
                    if each.finding.kind == "drift"}  # fmt: skip
