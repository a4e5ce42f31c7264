"""What rules would have told, had they been in force: their replay over the stored history, and what was told."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from alerts.plan import AFTER_A_DAY
from baselines.canonical import renewed
from baselines.configuration import Configuration, ObjectList
from monitor.deps import Deps
from monitor.store.snapshots import Judged
from monitor.target import Target
from rules.backtest import Firing, Moment, Replay, replay
from rules.findings import Kind
from rules.lifecycle import Known
from rules.overlay import read_overlays
from rules.pack import Pack, Packs, Rule

AT_ONCE: Final = 1000  #: snapshots in one short transaction, so that a long replay holds none open
Stream = Iterator[tuple[Target, Moment]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A pack against the installed ones."""

    pack: Pack
    new: tuple[Rule, ...]
    changed: tuple[Rule, ...]
    same: tuple[Rule, ...]
    removed: tuple[Rule, ...]  #: installed under this pack's name, and no longer in it

    @classmethod
    def of(cls, pack: Pack, installed: Packs) -> "Trial":
        """Which rules of a pack are new, changed, as installed, or gone."""
        known = installed.by_id
        there = {rule.id for rule in pack.rules}
        return cls(
            pack,
            new=tuple(rule for rule in pack.rules if rule.id not in known),
            changed=tuple(rule for rule in pack.rules if rule.id in known and known[rule.id].digest != rule.digest),
            same=tuple(rule for rule in pack.rules if rule.id in known and known[rule.id].digest == rule.digest),
            removed=tuple(rule for rule in installed.rules if rule.pack == pack.name and rule.id not in there),
        )

    def judged(self, *, everything: bool) -> tuple[Rule, ...]:
        """The rules whose answers are not known already; with ``everything`` those as installed too."""
        return (*self.new, *self.changed, *(self.same if everything else ()))


@dataclass(frozen=True, slots=True)
class Backtest:
    """What would have fired, target by target, beside what did."""

    trial: Trial
    replays: Mapping[str, Replay]
    did: frozenset[tuple[str, str]]  #: (target, fingerprint) of findings that were there in that time
    gone: tuple[tuple[str, Known], ...]  #: findings of changed and removed rules that would not have been there

    @property
    def firings(self) -> Sequence[tuple[str, Firing]]:
        """Each with its target, in the order in which they would have opened."""
        fired = [(target, each) for target, one in self.replays.items() for each in one.firings]
        return sorted(fired, key=lambda each: each[1].first_seen)

    @property
    def alerts(self) -> int:
        """Messages: one for each target and reading at which something opens; what comes back within a day edits."""
        return len({(target, each.first_seen) for target, each in self.firings
                    if each.again_after is None or each.again_after > AFTER_A_DAY})  # fmt: skip

    @property
    def undecided(self) -> Mapping[str, int]:
        """At how many snapshots a rule could not be decided: what it would have said there is unknown."""
        return sum((Counter(each.undecided) for each in self.replays.values()), Counter())

    def open_for(self, target: str, firing: Firing) -> timedelta:
        """How long it would have been open."""
        return self.replays[target].open_for(firing)

    @property
    def open_in_all(self) -> timedelta:
        """Of all of them."""
        return sum((self.open_for(*each) for each in self.firings), timedelta())

    def is_news(self, target: str, firing: Firing) -> bool:
        """True if nothing of the kind was found in that time."""
        return (target, firing.finding.fingerprint) not in self.did


def backtest(
    trial: Trial, targets: Sequence[Target], since: datetime, deps: Deps, *, everything: bool = False,
    counted: Callable[[Stream, int], Stream] = lambda stream, _total: stream,
) -> Backtest:  # fmt: skip
    """Replay a pack's new and changed rules over the stored history of targets.

    Args:
        trial: the pack against the installed ones.
        targets: whose snapshots are replayed.
        since: from which moment on.
        deps: store, catalogue and keys.
        everything: judge the rules that are as installed too.
        counted: passes the snapshots on and tells how far it is; given how many there are.

    Raises:
        StoreError: the history cannot be read.
    """
    rules = trial.judged(everything=everything)
    packs = Packs((replace(trial.pack, rules=rules),))
    with deps.store.read() as unit:
        total = sum(unit.snapshots.judged_count(target, since) for target in targets)
    stream = ((target, moment) for target in targets for moment in _history(target, since, deps))
    replays: dict[str, Replay] = {}
    for name, moments in groupby(counted(stream, total), key=lambda each: each[0].name):
        target = next(each for each in targets if each.name == name)
        replays[name] = replay(
            (moment for _, moment in moments), read_overlays(target.definition.overlays, deps.catalogue, packs),
            secrets=deps.secrets_of(target.tenant), zone=target.zone, stage=target.definition.stage,
        )  # fmt: skip
    compared = {rule.id for rule in (*rules, *trial.removed)}
    with deps.store.read() as unit:
        told = [(target.name, known) for target in targets if target.name in replays
                for known in unit.findings.known(target)
                if known.finding.kind is Kind.RULE and known.finding.rule in compared
                and known.last_seen >= since]  # fmt: skip
    would = {(name, each.finding.fingerprint) for name, one in replays.items() for each in one.firings}
    did = frozenset((name, known.finding.fingerprint) for name, known in told)
    gone = tuple(each for each in told if (each[0], each[1].finding.fingerprint) not in would)
    return Backtest(trial, replays, did, gone)


def _history(target: Target, since: datetime, deps: Deps) -> Iterator[Moment]:
    """A target's judged snapshots, oldest first; what is unchanged from one to the next is the same object."""
    form, after = deps.form_of(target), 0
    held: dict[str, ObjectList] = {}  #: lists of the newest configuration, by content, opened or not
    content: tuple[str, str, str] | None = None
    configuration: Configuration | None = None
    while True:
        with deps.store.read() as unit:
            page: Sequence[Judged] = unit.snapshots.judged(target, since, after, AT_ONCE)
        for each in page:
            if configuration is None or each.content != content:
                with deps.store.read() as unit:
                    stored = unit.snapshots.by_id(target, each.id)
                assert stored is not None, "a snapshot is never deleted"
                lists = stored.configuration.lists
                names = {name: str(getattr(listed, "content", "")) for name, listed in lists.items()}
                fresh = {name: listed for name, listed in lists.items() if names[name] not in held}
                anew = renewed(replace(stored.configuration, lists=fresh), form)
                held = {names[name]: anew.lists[name] if name in fresh else held[names[name]] for name in lists}
                configuration = replace(anew, lists={name: held[names[name]] for name in lists})
                content = each.content
            yield Moment(each.taken_at, each.today, configuration)
        if len(page) < AT_ONCE:
            return
        after = page[-1].id
