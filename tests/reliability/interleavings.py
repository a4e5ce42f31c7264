"""Two people and a running sweep on one target: real stories over a real store, and a model that answers first.

A run is a shuffled list of tokens. A person's token is half a turn: he looks, or he acts upon what he saw when he
looked, which may be old by then. A sweep's token runs a whole sweep, and further tokens come between its reading and
its writing. The model says of every act whether it is done or refused, and with which code.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from baselines.approval import Decision, Did, Proposal, Review
from baselines.errors import Smart360Error
from monitor.access import on_host
from monitor.approval import (
    approve,
    comment,
    decide,
    hand_over,
    propose_baseline,
    reject,
    review_of,
    rollback,
    send_back,
)
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.target import Definition, Target
from tests.monitor.store.made import NOW
from tests.support import configuration, swa

_TAX = swa()["tax"]
TAXES = tuple(each["code"] for each in _TAX if "percentage" in each)[:5]
PEOPLE = ("olga", "nisha")
KEYS = {code: ("tax", code, "percentage") for code in TAXES}
DONE = {"accept": Did.ACCEPTED, "reject": Did.REJECTED, "undo": Did.UNDONE}
Values = dict[str, str]


def content(values: Values) -> dict[str, list[dict]]:
    """The taxes of SWA with these percentages."""
    return {"tax": [{**each, "percentage": values.get(each["code"], each.get("percentage"))} for each in _TAX]}


class Watching(Deps):
    """Deps in which something happens while a sweep is between what it read and what it writes."""

    between: Callable[[], None] = staticmethod(lambda: None)

    def overlay_of(self, target: Target):
        self.between()
        return super().overlay_of(target)


@dataclass
class Modelled:
    """What the model knows of a proposal."""

    proposer: str
    base: int
    source: Values
    changes: dict[str, tuple[str, str]]
    state: str = "open"
    decided: dict[str, tuple[str, str, int]] = field(default_factory=dict)  #: word, by, act
    last: dict[str, str] = field(default_factory=dict)  #: who decided last, or took it back
    is_over: bool = False
    acts: list[tuple] = field(default_factory=list)  #: did, by, words, change

    def result(self, versions: dict[int, Values]) -> Values:
        accepted = {code for code, said in self.decided.items() if said[0] == "accept"}
        return {**versions[self.base], **{code: self.source[code] for code in accepted}}


class Run:
    """One interleaving."""

    def __init__(self, store: Store, folder: Path, number: int, deps: Watching) -> None:
        self.rng, self.store, self.deps, self.tally = Random(number), store, deps, Counter()
        self.folder = folder / f"run-{number}"
        self.folder.mkdir()
        definition = Definition(
            source="files", folder=str(self.folder), time_zone="America/Los_Angeles", schedule="every 6h",
            scope=("tax",),
        )  # fmt: skip
        with store.write() as unit:
            self.target, _ = unit.targets.put("swa", f"run-{number}", definition, NOW)
        self.values: Values = dict.fromkeys(TAXES, "5")
        self.versions: dict[int, Values] = {}
        self.readings: dict[int, Values] = {}
        self.digests: dict[int, str] = {}
        self.proposals: dict[int, Modelled] = {}
        self.looked: dict[str, Review | None] = dict.fromkeys(PEOPLE)
        self.queue: list[str] = []
        self.said = 0
        self.sweep()
        first = propose_baseline(self.target, on_host("olga"), deps)
        approve(first, self.look_at(first).digest, on_host("nisha"), deps)
        self.versions[1] = dict(self.values)
        self.first = first.id
        for code in self.rng.sample(TAXES, self.rng.randint(2, 5)):
            self.values[code] = self.rng.choice("678")
        self.sweep()

    # what happens

    def play(self) -> None:
        self.queue = [*PEOPLE * self.rng.randint(10, 18), "sweep", "sweep"]
        self.rng.shuffle(self.queue)
        while self.queue:
            self.step(self.queue.pop(0))

    def step(self, token: str) -> None:
        self.deps.clock.at += timedelta(seconds=1)
        if token == "sweep":
            if self.rng.random() < 0.4:
                self.values[self.rng.choice(TAXES)] = self.rng.choice("56789")
            self.deps.between = self.come_between
            self.sweep()
            self.deps.between = lambda: None
        elif self.looked[token] is None:
            self.looks(token)
        else:
            seen, self.looked[token] = self.looked[token], None
            self.acts(token, seen)

    def come_between(self) -> None:
        self.deps.between = lambda: None
        self.note_reading()
        for _ in range(self.rng.randint(0, 4)):
            if self.queue and self.queue[0] != "sweep":
                self.step(self.queue.pop(0))

    def sweep(self) -> None:
        (self.folder / "tax.json").write_text(json.dumps(content(self.values)["tax"]), encoding="utf-8")
        self.deps.clock.at += timedelta(minutes=1)
        report = sweep(self.target, self.deps.clock.at, self.deps)
        assert report.state == "complete", report
        self.note_reading()

    def note_reading(self) -> None:
        with self.store.read() as unit:
            self.readings.setdefault(unit.snapshots.last(self.target).id, dict(self.values))

    def look_at(self, proposal: Proposal) -> Review:
        with self.store.read() as unit:
            return review_of(unit.baselines.proposal(proposal.id), self.deps, unit)

    def looks(self, who: str) -> None:
        """At the newest proposal; where there is none, or it is closed, a new one is made."""
        with self.store.read() as unit:
            newest = next(iter(unit.baselines.proposals(self.target)))
        if newest.id == self.first or (newest.state != "open" and self.rng.random() < 0.6):
            self.proposes(who, newest)
        else:
            self.looked[who] = self.look_at(newest)

    # what people do, and what the model says of it

    def proposes(self, who: str, newest: Proposal) -> None:
        current = max(self.versions)
        if current > 1 and self.rng.random() < 0.2:
            version = self.rng.randint(1, current)
            expected = "current" if version == current else ""
            made = self.tried(expected, lambda: rollback(self.target, version, "not agreed", on_host(who), self.deps))
            source = self.versions[version]
            title = f"Baseline {version} again: not agreed"
        else:
            carry = newest.id if newest.id != self.first and self.rng.random() < 0.7 else 0
            title = self.words(who)
            made = self.tried(
                "", lambda: propose_baseline(self.target, on_host(who), self.deps, title=title, carry=carry)
            )
            source = self.readings[made.snapshot]
        if made is None or made.id in self.proposals:
            return
        base = self.versions[current]
        changes = {code: (base[code], source[code]) for code in TAXES if base[code] != source[code]}
        new = self.proposals[made.id] = Modelled(who, current, source, changes)
        new.acts.append((Did.PROPOSED, who, title, None, 0))
        old = self.proposals.get(newest.id) if not made.source_version and carry else None
        review = self.look_at(made)
        for code in sorted(old.decided) if old else ():
            if old.changes[code] == changes.get(code):
                word, by, _ = old.decided[code]
                said = review.decisions[KEYS[code]]
                assert (said.decision, said.by) == (word, by)
                new.decided[code], new.last[code] = (word, by, said.act), by
                new.acts.append((DONE[word], by, said.reason, KEYS[code], said.carried))
                self.tally["carried"] += 1

    def acts(self, who: str, review: Review) -> None:
        proposal, known = review.proposal, self.proposals[review.proposal.id]
        weights = {"comment": 1, "reject": 0.6, "undo": 1.5, "send back": 0.5, "hand over": 1}
        weights |= {"decide": 8} if review.undecided else {"decide": 1, "approve": 9 if who != known.proposer else 1}
        choice = self.rng.choices(list(weights), list(weights.values()))[0]
        actor, words = on_host(who), self.words(who)
        if choice in ("decide", "undo"):
            self.decides(who, review, known, is_undo=choice == "undo")
        elif choice == "comment":
            of = self.rng.choice([None, *KEYS.values()])
            expected = "" if of is None or of[1] in known.changes else "unknown_change"
            if self.tried(expected, lambda: comment(proposal, words, actor, self.deps, change=of)) is not None:
                known.acts.append((Did.COMMENTED, who, words, of, 0))
        elif choice in ("hand over", "send back"):
            is_over = choice == "hand over"
            expected = "closed" if known.state != "open" else ""
            if not expected and is_over and len(known.decided) < len(known.changes):
                expected = "undecided"
            expected = expected or ("awaited" if known.is_over is is_over else "")
            story = (
                (lambda: hand_over(proposal, actor, self.deps, note=words))
                if is_over else (lambda: send_back(proposal, words, actor, self.deps))
            )  # fmt: skip
            if self.tried(expected, story) is not None:
                known.is_over = is_over
                known.acts.append((Did.HANDED_OVER if is_over else Did.SENT_BACK, who, words, None, 0))
        elif choice == "approve":
            self.approves(who, review, known, words)
        else:
            self.ends(who, proposal, known, words)

    def decides(self, who: str, review: Review, known: Modelled, *, is_undo: bool) -> None:
        codes = sorted(known.changes)
        undecided = [each.key for each in review.undecided]
        pool = undecided if undecided and self.rng.random() < 0.8 else codes
        if not pool:
            return
        codes = pool if self.rng.random() < 0.5 else self.rng.sample(pool, self.rng.randint(1, len(pool)))
        words = self.words(who)
        told = [
            (code, "undo" if is_undo else self.rng.choices(("accept", "reject"), (3, 1))[0]) for code in codes
        ]  # fmt: skip
        seen = {key: each.act for key, each in review.decisions.items()}
        expected = "closed" if known.state != "open" else ""
        for code, word in told:
            act = known.decided[code][2] if code in known.decided else 0
            if expected:
                break
            if code in known.last and known.last[code] != who and act != seen.get(KEYS[code], 0):
                expected = "decided_meanwhile"
            elif word == "undo" and code not in known.decided:
                expected = "not_decided"
        choices = [(KEYS[code], Decision(word), words) for code, word in told]
        made = self.tried(
            expected, lambda: decide(review.proposal, choices, on_host(who), self.deps, seen=seen)
        )  # fmt: skip
        if made is None:
            return
        for code, word in told:
            known.last[code] = who
            known.acts.append((DONE[word], who, words, KEYS[code], 0))
            if word == "undo":
                del known.decided[code]
                assert KEYS[code] not in made.decisions
            else:
                known.decided[code] = (word, who, made.decisions[KEYS[code]].act)
                assert (made.decisions[KEYS[code]].decision, made.decisions[KEYS[code]].by) == (word, who)

    def approves(self, who: str, review: Review, known: Modelled, words: str) -> None:
        current = max(self.versions)
        result = known.result(self.versions)
        digest = self.digest_of(result)
        if known.state != "open":
            expected = "closed"
        elif len(known.decided) < len(known.changes):
            expected = "undecided"
        elif who == known.proposer:
            expected = "own_proposal"
        else:
            expected = "" if review.digest == digest else "digest"
        done = self.tried(
            expected, lambda: approve(review.proposal, review.digest, on_host(who), self.deps, reason=words)
        )
        if done is None:
            return
        assert (done.baseline.version, done.baseline.digest) == (current + 1, digest)
        said = Counter(each[0] for each in known.decided.values())
        assert (done.baseline.accepted, done.baseline.rejected) == (said["accept"], said["reject"])
        self.versions[current + 1] = result
        known.state = "approved"
        known.acts.append((Did.APPROVED, who, f"baseline {current + 1}: {words}", None, 0))
        for other in self.proposals.values():
            if other.state == "open":
                other.state = "outdated"
                other.acts.append((Did.OUTDATED, who, f"baseline {current + 1}", None, 0))

    def ends(self, who: str, proposal: Proposal, known: Modelled, words: str) -> None:
        is_own = who == known.proposer
        expected = "closed" if known.state != "open" else ""
        if self.tried(expected, lambda: reject(proposal, words, on_host(who), self.deps)) is not None:
            known.state = "withdrawn" if is_own else "rejected"
            known.acts.append((Did(known.state), who, words, None, 0))

    def words(self, who: str) -> str:
        """What nobody said before."""
        self.said += 1
        return f"{who} says {self.said}"

    def tried(self, expected: str, act):
        """What an act answers; None where it was refused, as the model said, and in words."""
        refused = None
        try:
            answer = act()
        except Smart360Error as error:
            refused = error
        if refused is not None:
            assert refused.code == expected, f"{refused} ({expected or 'to be done'})"
            assert all(part.strip() for part in (refused.what, refused.where, refused.mend)), refused
            self.tally[f"refused {expected}"] += 1
            return None
        assert not expected, f"done, and to be refused: {expected}"
        self.tally["done"] += 1
        return answer

    # what must be true at the end

    def check(self) -> None:
        with self.store.read() as unit:
            baselines = unit.baselines.history(self.target)
            stored = unit.baselines.proposals(self.target)
            acts = {each.id: unit.baselines.acts(each) for each in stored}
            configurations = [unit.baselines.configuration(self.target, each.version) for each in baselines]
        assert [each.version for each in baselines] == sorted(self.versions, reverse=True)
        assert len({each.proposal for each in baselines}) == len(baselines), "two versions of one proposal"
        for each, found in zip(baselines, configurations, strict=True):
            assert each.digest == found.digest == self.digest_of(self.versions[each.version])
        assert {each.id: each.state for each in stored if each.id != self.first} == {
            number: each.state for number, each in self.proposals.items()
        }
        for number, known in self.proposals.items():
            told = [(each.did, each.by, each.words, each.change, each.carried) for each in acts[number]]
            assert told == known.acts, f"proposal {number}"
        self.sweep()
        with self.store.read() as unit:
            drift = {known.finding.key: known.finding.new for _, known in unit.findings.open(self.target)
                     if known.finding.kind == "drift"}  # fmt: skip
        approved = self.versions[max(self.versions)]
        assert drift == {code: self.values[code] for code in TAXES if self.values[code] != approved[code]}
        self.tally.update(f"ended {each.state}" for each in self.proposals.values())
        self.tally["versions"] += len(self.versions) - 1

    def digest_of(self, values: Values) -> str:
        """Of what was to be approved, made from the values alone."""
        return configuration(content(values)).digest


def watching(store: Store, folder: Path) -> Watching:
    settings = Settings(database_url="sqlite://", state_folder=folder / "state")
    return Watching(settings, clock=SetClock(NOW), open_store=lambda: store)
