"""What to do about the findings of a target, in the order in which SMART360 is configured.

One step is one visit to one object. The order follows from the references of the catalogue: what others
rest on is created or set right before them, and what was added is taken away after what refers to it.
What a step heals is not guessed: its values are put into the configuration, and that is judged.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from baselines.apply import apply
from baselines.catalogue import Catalogue, ResourceType
from baselines.compare import Change, compare
from baselines.configuration import Configuration
from baselines.coverage import LIST_GAPS
from baselines.fields import Op
from baselines.fingerprints import is_fingerprint
from baselines.references import references_of
from baselines.values import Canonical, scalar_text
from rules.drift import PERSONAL, field_of, masked, worded
from rules.facts import FIRST_READ
from rules.findings import Finding, Kind
from rules.lifecycle import Known

PROOFS: Final = 32  #: configurations judged for one plan at most; what is left then is said as "may also heal"

#: A configuration, and the rules to judge it by → fingerprints of the findings that would be healed.
Healed = Callable[[Configuration, Collection[str]], Collection[str]]


class Act(StrEnum):
    """What is done in a step."""

    READ = "read"  #: let the monitor read what it could not
    CREATE = "create"
    SET = "set"  #: values that the baseline knows
    MEND = "mend"  #: by hand: nobody approved a value
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Value:
    """One value to set, as the baseline has it."""

    path: str  #: "" is the whole object
    now: Canonical
    should: Canonical  #: masked where it is personal, a fingerprint where it is secret
    told: str  #: ``rates[up_to=4].rate: 4.10 instead of 41.00``

    @property
    def is_exact(self) -> bool:
        """False where the monitor keeps no clear value: a secret, something personal."""
        return self.should != PERSONAL and not is_fingerprint(self.should)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One visit to one object, and the findings that are done with after it."""

    number: int
    act: Act
    resource_type: str
    key: str
    title: str  #: ``Create Service plan RES-VAR``
    module: str
    screen: str  #: where SMART360 sets it, "" if not known
    place_is_known: bool  #: False: the catalogue does not say where in the order it belongs
    values: tuple[Value, ...]
    heals: tuple[Known, ...]  #: proven: these are gone when this step and those before it are done
    may_heal: tuple[Known, ...]  #: likely, not proven
    by_hand: tuple[Known, ...]  #: each is done with when what its fix says is done
    blocked_by: tuple[int, ...]  #: steps before it that make what it needs, or free what it removes

    @property
    def findings(self) -> tuple[Known, ...]:
        """All of the step."""
        return (*self.heals, *self.may_heal, *self.by_hand)


Place = tuple[str, str, str]  #: resource type, key now, and what keeps steps apart that are on no one object


@dataclass(eq=False)
class _Draft:
    """A step in the making."""

    place: Place
    kind: ResourceType | None
    changes: list[Change] = field(default_factory=list)
    drift: list[Known] = field(default_factory=list)
    heals: list[Known] = field(default_factory=list)
    may_heal: list[Known] = field(default_factory=list)
    by_hand: list[Known] = field(default_factory=list)
    needs: list["_Draft"] = field(default_factory=list)

    @property
    def act(self) -> Act:
        """What is done."""
        whole = {change.op for change in self.changes if change.is_whole_object}
        # A finding tells of what happened, a change here of how it is undone.
        whole |= {_UNDONE[known.finding.op] for known in self.drift if not known.finding.path and known.finding.op}
        if not self.place[0]:
            return Act.READ
        if Op.REMOVED in whole:
            return Act.REMOVE
        if Op.ADDED in whole or (self.kind is not None and not any(self.place[1:])):
            return Act.CREATE
        return Act.SET if self.drift else Act.MEND


_VERBS: Final = {Act.CREATE: "Create", Act.SET: "Correct", Act.MEND: "Mend", Act.REMOVE: "Remove"}
_UNDONE: Final = {Op.ADDED: Op.REMOVED, Op.REMOVED: Op.ADDED, Op.CHANGED: Op.CHANGED, Op.MOVED: Op.MOVED}


def fix_plan(
    known: Iterable[Known], configuration: Configuration, approved: Configuration | None, catalogue: Catalogue,
    reads: Mapping[str, Collection[str]], healed: Healed,
) -> tuple[PlanStep, ...]:  # fmt: skip
    """The findings of a target as steps, in the order in which to take them.

    Args:
        known: what is open there; each comes into exactly one step.
        configuration: the newest reading.
        approved: the baseline, of the same form and catalogue; None where there is none.
        catalogue: from whose references the order follows.
        reads: the resource types that each rule reads.
        healed: judges a configuration; asked at most ``PROOFS`` times.

    Returns:
        No step stands before one it is blocked by. Steps of which the catalogue does not know the place
        come last and say so.
    """
    return _Planner(configuration, approved, catalogue, reads, healed).plan(list(known))


@dataclass
class _Planner:
    configuration: Configuration
    approved: Configuration | None
    catalogue: Catalogue
    reads: Mapping[str, Collection[str]]
    healed: Healed
    drafts: dict[Place, _Draft] = field(default_factory=dict)

    def plan(self, known: Sequence[Known]) -> tuple[PlanStep, ...]:
        judged: dict[str, tuple[Known, _Draft]] = {}  #: of rules, each with its step if no other heals it
        for each in known:
            draft = self.draft_of(each.finding)
            if each.finding.kind is Kind.DRIFT:
                draft.drift.append(each)
            elif each.finding.kind is Kind.COVERAGE:
                draft.by_hand.append(each)
            else:
                judged[each.finding.fingerprint] = each, draft
        self.add_changes()
        self.link()
        ordered = self.ordered()
        self.attribute(judged, [draft for draft in ordered if draft.changes])
        return self.numbered([each for each in ordered if each.drift or each.heals or each.may_heal or each.by_hand])

    def draft(self, resource_type: str, key: str, apart: str = "") -> _Draft:
        place = (resource_type, key, apart)
        return self.drafts.setdefault(place, _Draft(place, self.catalogue.types.get(resource_type)))

    def draft_of(self, finding: Finding) -> _Draft:
        """The step a finding has where no other step heals it."""
        if finding.kind is Kind.COVERAGE and finding.rule in LIST_GAPS:
            return self.draft("", "", f"{finding.rule}: {finding.fix}")  # one cure for all lists that need it
        if finding.kind is Kind.RULE:
            if missing := self.missing(finding):
                *others, last = [self.draft(name, "") for name in missing]
                last.needs += others
                return last
            near = self.near(finding)
            if near != finding.resource_type:  # the mend is there, and one for all of this rule
                return self.draft(near, "", finding.rule)
        return self.draft(finding.resource_type, self.key_now(finding))

    def near(self, finding: Finding) -> str:
        """The type at which a finding of a rule is mended: the last of those that the rule reads."""
        known = [name for name in self.reads.get(finding.rule, ()) if name in self.places]
        return max(known, key=self.places.__getitem__, default=finding.resource_type)

    def missing(self, finding: Finding) -> list[str]:
        """Types without any object, which a finding says it lacks, in the order of configuration."""
        names = {self.near(finding)}
        own = self.catalogue.types.get(finding.resource_type)
        for each in finding.evidence:
            if each.path == FIRST_READ and not each.key:
                names.add(each.resource_type)
            elif own is not None and each.resource_type == own.name and each.path in own.fields:
                names.add(own.fields[each.path].target)
        empty = {name for name in names & self.configuration.lists.keys() if not self.configuration.lists[name].count}
        return sorted(empty & self.places.keys(), key=self.places.__getitem__)

    @cached_property
    def places(self) -> Mapping[str, int]:
        return {name: place for place, name in enumerate(self.catalogue.dependency_order)}

    def key_now(self, finding: Finding) -> str:
        """The key of the object now; drift names it by the one that was approved."""
        name, key = finding.resource_type, finding.key
        if finding.kind is Kind.DRIFT and self.approved is not None:
            was = self.approved.named(name, key)
            now = self.configuration.objects(name) if was is not None and was.id else ()
            return next((each.key for each in now if was is not None and each.id == was.id), key)
        return key

    def add_changes(self) -> None:
        """To each step with drift the changes that bring the approved values back; nothing else is touched."""
        if self.approved is None:
            return
        by_object: dict[tuple[str, str], list[Change]] = defaultdict(list)
        for change in compare(self.configuration, self.approved, self.catalogue).changes:
            by_object[change.resource_type, change.key].append(change)
        for draft in self.drafts.values():
            fields = {_field(known.finding.path) for known in draft.drift}
            draft.changes = [one for one in by_object.get(draft.place[:2], ()) if _field(one.path) in fields]

    def link(self) -> None:
        """What each step needs: references to what is created, and the end of references to what is removed."""
        steps = [each for each in self.drafts.values() if each.kind is not None]
        changes = [change for each in steps for change in each.changes]
        mended = apply(changes, self.configuration, self.catalogue) if changes else self.configuration
        created = {each.place[:2]: each for each in steps if each.act is Act.CREATE}
        removed = {each.place[:2]: each for each in steps if each.act is Act.REMOVE}
        for draft in steps:
            for there in self.referred(mended, draft):
                if there in created:
                    draft.needs.append(created[there])
            for there in self.referred(self.configuration, draft):
                if there in removed:
                    removed[there].needs.append(draft)
            if draft.place[2]:
                draft.needs += [self.drafts[first] for first in [(draft.place[0], "", "")] if first in self.drafts]
            assert draft.kind is not None
            draft.needs += [
                self.drafts[each.target, "", ""]
                for each in draft.kind.references()
                if each.is_required and (each.target, "", "") in self.drafts
            ]

    def referred(self, configuration: Configuration, draft: _Draft) -> Iterator[tuple[str, str]]:
        """Type and key of what the object of a step refers to."""
        name, key, _ = draft.place
        found = configuration.named(name, key) if key else None
        values = found.values if found is not None else {}
        return (there for _, there in references_of(self.catalogue.types[name], values))

    def ordered(self) -> list[_Draft]:
        """By place in the catalogue, each after what it needs."""
        done: dict[_Draft, None] = {}
        under_way: list[_Draft] = []

        def visit(draft: _Draft) -> None:
            under_way.append(draft)
            # Two that refer to each other cannot wait for each other: the first is saved without, then again.
            draft.needs = [each for each in dict.fromkeys(draft.needs) if each not in under_way]
            for each in sorted(draft.needs, key=self.rank):
                if each not in done:
                    visit(each)
            done[draft] = None
            under_way.remove(draft)

        for draft in sorted(self.drafts.values(), key=self.rank):
            if draft not in done:
                visit(draft)
        return list(done)

    def rank(self, draft: _Draft) -> tuple[int, int, Place]:
        place = self.places.get(draft.place[0])
        if draft.act is Act.READ:
            return 0, 0, draft.place
        if place is None:
            return 3, 0, draft.place
        return (2, -place, draft.place) if draft.act is Act.REMOVE else (1, place, draft.place)

    def attribute(self, judged: Mapping[str, tuple[Known, _Draft]], steps: list[_Draft]) -> None:
        """Each finding to its step: drift to its object's, the others to the step that heals them."""
        gone = self.gone_after(steps, {each.finding.rule for each, _ in judged.values()}) if steps else frozenset()
        for draft in self.drafts.values():
            for each in draft.drift:
                (draft.heals if each.finding.fingerprint in gone else draft.may_heal).append(each)
        of_rules = {print_: judged[print_][0].finding.rule for print_ in gone & judged.keys()}
        at = dict(self.search(steps, 0, len(steps), of_rules, [PROOFS - 1]))
        for print_, (each, own) in judged.items():
            if print_ in at:
                step, is_proven = at[print_]
                (step.heals if is_proven else step.may_heal).append(each)
            else:
                (own.may_heal if self.missing(each.finding) else own.by_hand).append(each)

    def gone_after(self, steps: Sequence[_Draft], rules: Collection[str]) -> frozenset[str]:
        changes = [change for each in steps for change in each.changes]
        return frozenset(self.healed(apply(changes, self.configuration, self.catalogue), rules))

    def search(
        self, steps: list[_Draft], low: int, high: int, gone: Mapping[str, str], left: list[int]
    ) -> Iterator[tuple[str, tuple[_Draft, bool]]]:
        """For findings (with their rules) that are there after ``low`` steps and gone after ``high``: when they go."""
        if not gone:
            return
        if high - low == 1 or not left[0]:
            yield from ((each, (steps[high - 1], high - low == 1)) for each in gone)
            return
        left[0] -= 1
        middle = (low + high) // 2
        by_then = self.gone_after(steps[:middle], set(gone.values()))
        for begin, end, were_gone in ((low, middle, True), (middle, high, False)):
            some = {print_: rule for print_, rule in gone.items() if (print_ in by_then) is were_gone}
            yield from self.search(steps, begin, end, some, left)

    def numbered(self, drafts: Sequence[_Draft]) -> tuple[PlanStep, ...]:
        numbers = {draft: number for number, draft in enumerate(drafts, 1)}
        return tuple(
            PlanStep(
                number, draft.act, *draft.place[:2], title=self.title(draft),
                module=draft.kind.module if draft.kind is not None else next(self.modules(draft), ""),
                screen=draft.kind.screen if draft.kind is not None else "",
                place_is_known=draft.act is Act.READ or draft.kind is not None, values=tuple(self.values(draft)),
                heals=_worst_first(draft.heals), may_heal=_worst_first(draft.may_heal),
                by_hand=_worst_first(draft.by_hand),
                blocked_by=tuple(sorted(numbers[each] for each in draft.needs if each in numbers)),
            )
            for draft, number in numbers.items()
        )  # fmt: skip

    def modules(self, draft: _Draft) -> Iterator[str]:
        return (each.finding.module for each in (*draft.heals, *draft.may_heal, *draft.by_hand))

    def title(self, draft: _Draft) -> str:
        name, key, rule = draft.place
        if draft.act is Act.READ:
            return "Let the monitor read " + _listed(each.finding.resource_type for each in draft.by_hand)
        thing = draft.kind.title.split(" (")[0] if draft.kind is not None else name
        if rule:
            return f"Mend {thing}: {next(each.finding.title for each in draft.by_hand)}"
        return (
            f"{_VERBS[draft.act]} {thing} {key}".strip() if key or draft.kind is None else f"Set up the first {thing}"
        )

    def values(self, draft: _Draft) -> Iterator[Value]:
        """From the changes that undo the drift; where nothing could be compared, from the findings themselves."""
        for change in draft.changes:
            now, should = (masked(change, draft.kind, value) for value in (change.old, change.new))
            yield Value(change.path, now, should, _told(change, draft.kind, now, should))
        for finding in () if draft.changes else (known.finding for known in draft.drift):
            yield Value(finding.path, finding.new, finding.old, finding.fix)


def _told(change: Change, kind: ResourceType | None, now: Canonical, should: Canonical) -> str:
    there = field_of(change, kind)
    if isinstance(should, dict) and change.is_whole_object:
        fields = kind.fields if kind is not None else {}
        return ", ".join(f"{name} {worded(value, fields.get(name))}" for name, value in should.items())
    if change.is_whole_object:
        return "nobody approved it"
    if change.op is Op.MOVED:
        return f"{change.path}: in the order that was approved"
    if len(change.steps) == 2 and change.op is not Op.CHANGED:
        put, item = ("put in", should) if change.op is Op.ADDED else ("take out", now)
        return f"{change.steps[0]}: {put} {worded(item, there)}"
    words = "the secret that was approved" if is_fingerprint(should) else worded(should, there)
    return f"{change.path}: {words} instead of {worded(now, there)}"


def _field(path: str) -> str:
    return path.split("[")[0].split(".")[0]


def _worst_first(several: Iterable[Known]) -> tuple[Known, ...]:
    return tuple(sorted(several, key=lambda each: (each.finding.severity.rank, each.finding.kind, each.number)))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(scalar_text(name) for name in names))
