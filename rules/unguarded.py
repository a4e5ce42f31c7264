"""What nobody guards: which mutations a rule sees, which only drift sees, and which nobody.

A rule sees a mutation if it finds after it what it did not find before, or with other evidence. Each
mutation is judged by the evaluation that every judgement uses, over the objects that it can reach:
those whose own fields, or those of what they are linked with, are not the same (docs/decisions/0020).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from baselines.catalogue import BackReference, Catalogue
from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.fingerprints import SecretKey
from baselines.severity import Severity
from rules.evaluate import RuleResult, evaluate
from rules.facts import Facts
from rules.judge import zone_of
from rules.mutations import Mutation, MutationKind, mutated
from rules.pack import ANY, CONFIGURATION, Packs, Rule
from rules.syntax import Shape

Keys = dict[str, set[str]]  #: by resource type, the keys of objects


class Seen(StrEnum):
    """Who sees a mutation."""

    RULE = "rule"
    UNDECIDED = "undecided"  #: no rule, but one that was decided before no longer is; drift sees it
    DRIFT = "drift"  #: drift alone, so a first approval may take it in
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Sight:
    """One mutation and who sees it."""

    mutation: Mutation
    seen: Seen
    rules: tuple[str, ...] = ()  #: that see it, or that it leaves undecided


class Guard:
    """A configuration with its rules, ready to be asked about mutations of it."""

    def __init__(
        self,
        configuration: Configuration,
        packs: Packs,
        catalogue: Catalogue,
        *,
        at: datetime,
        secrets: SecretKey,
        zone: tzinfo = UTC,
        stage: str = "live",
    ) -> None:
        """Judge the configuration as it is; ``at``, ``zone`` and ``stage`` as in ``judge``."""
        self.configuration, self.packs, self.catalogue = configuration, packs, catalogue
        self.at, self.zone, self.stage = at, zone, stage
        self.facts = Facts(configuration, catalogue, self._today(configuration), secrets)
        self.before = evaluate(packs.rules, self.facts, stage=stage)
        self.known = {name: _told(result) for name, result in self.before.items()}
        self.for_any = [rule for rule in packs.rules if rule.subject == ANY]
        self.reading: dict[str, list[Rule]] = defaultdict(list)
        for rule in packs.rules:
            for name in rule.types:
                self.reading[name].append(rule)
        self.referring: Mapping[str, Sequence[str]] = {
            name: sorted({back.source for back in backs.values()}) for name, backs in catalogue.back_references.items()
        }

    def _today(self, configuration: Configuration) -> str:
        return self.at.astimezone(zone_of(configuration, self.zone)).date().isoformat()

    def sights(self, found: Iterable[Mutation]) -> Iterator[Sight]:
        """Who sees each mutation, one at a time and in their order."""
        answers: dict[tuple[str, str, bytes, bool], tuple[Seen, tuple[str, ...]]] = {}
        for each in found:
            meaning = (each.resource_type, each.key, each.after.body if each.after else b"", each.before is None)
            if meaning not in answers:  # blank and removed often mean the same
                answers[meaning] = self._seen(mutated(self.configuration, [each], self.catalogue))
            yield Sight(each, *answers[meaning])

    def _seen(self, other: Configuration) -> tuple[Seen, tuple[str, ...]]:
        after = self.judged(other)
        new = [name for name, result in after.items() if _told(result).items() - self.known[name].items()]
        if new:
            return Seen.RULE, tuple(sorted(new))
        if not compare(self.configuration, other, self.catalogue).changes:
            return Seen.NOBODY, ()
        lost = [name for name, result in after.items()
                if set(result.undecided_objects) - set(self.before[name].undecided_objects)]  # fmt: skip
        return (Seen.UNDECIDED if lost else Seen.DRIFT), tuple(sorted(lost))

    def judged(self, other: Configuration) -> Mapping[str, RuleResult]:
        """Results over what the other configuration can make differ; what is not among them is as before."""
        if self._today(other) != self.facts.today:
            facts = Facts(other, self.catalogue, self._today(other), self.facts.secrets)
            return evaluate(self.packs.rules, facts, stage=self.stage)
        differs = self._differs(other)
        facts = self.facts.changed(other, differs, {})
        results: dict[str, RuleResult] = {}
        by_subject: dict[str, list[Rule]] = {ANY: self.for_any}
        for rule in {rule.id: rule for name in differs for rule in self.reading[name]}.values():
            by_subject.setdefault(rule.subject, []).append(rule)
        for subject, several in by_subject.items():
            only = self._any(differs, facts) if subject == ANY else {subject: self._reached(several, differs, facts)}
            if subject == CONFIGURATION or any(only.values()):
                reached = self.facts.changed(other, differs, only)
                results.update(evaluate(several, reached, stage=self.stage))
        return results

    def _differs(self, other: Configuration) -> Keys:
        """Keys of the objects that came, went or are not the same, by resource type."""
        found: Keys = {}
        for name, listed in other.lists.items():
            mine = self.configuration.lists[name]
            if listed is not mine:
                # Counted, since an object may have become the same as another.
                old, new = (Counter((each.key, each.id, each.body) for each in side.objects) for side in (mine, listed))
                found[name] = {key for key, _, _ in (old - new) + (new - old)}
        return found

    def _any(self, differs: Keys, facts: Facts) -> Keys:
        """Objects that differ, those alike to them, and all that may refer to one which is gone."""
        only = {name: set(keys) for name, keys in differs.items()}
        for name, keys in differs.items():
            kind = self.catalogue.types[name]
            for side in (self.facts, facts):
                changed = (values for key, values in side.by_key(name).items() if key in keys)
                only[name].update(key for values in changed for _, key, _ in facts.alike(kind, values))
            if not keys <= facts.by_key(name).keys():
                for source in self.referring[name]:
                    only[source] = {each.key for each, _ in facts.objects(source)}
        return only

    def _reached(self, rules: Sequence[Rule], differs: Keys, facts: Facts) -> set[str]:
        """Objects for which one of these rules may answer otherwise."""
        subject = rules[0].subject
        if subject == CONFIGURATION:
            return set()
        found: set[str] = set()
        for rule in rules:
            whole = {*rule.shape("configuration").fields, *rule.shape("counts").fields}
            beyond = {name for each in rule.applies for name in each.types} | self._linked_from(whole, rule)
            if beyond & differs.keys():
                return {each.key for each, _ in facts.objects(subject)}
            for side in (self.facts, facts):
                found |= self._affected(subject, rule.shape("self"), differs, side)
        return found

    def _linked_from(self, whole: set[str], rule: Rule) -> set[str]:
        """Types read from ``configuration`` and ``counts``, with what is read through their links."""
        return set(whole) | (set(rule.types) - {rule.subject} if whole else set())

    def _affected(self, name: str, shape: Shape, differs: Keys, facts: Facts) -> set[str]:
        """Keys of the objects of a type that, seen in this shape, are not the same."""
        found = set(differs.get(name, ()))
        kind, backs = self.catalogue.types[name], self.catalogue.back_references[name]
        for part, below in shape.fields.items():
            known = kind.fields.get(part)
            if known is not None and known.target:
                links = facts.back_links(BackReference("", name, part))
                for key in self._affected(known.target, below, differs, facts):
                    found.update(source for source, _ in links.get(key, ()))
            elif known is None and part in backs:
                back = backs[part]
                sources = facts.by_key(back.source)
                for key in self._affected(back.source, below, differs, facts):
                    value = sources.get(key, {}).get(back.field)
                    found.update(
                        item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)
                    )
        return found


def _told(result: RuleResult) -> Mapping[str, str]:
    return {each.fingerprint: each.evidence_digest for each in result.findings}


@dataclass(slots=True)
class FieldCount:
    """One kind of mutation of one field, over all objects: how many each sees."""

    module: str
    resource_type: str
    field_path: str  #: ``rates.rate``; "" is the whole object
    kind: MutationKind
    severity: Severity
    is_required: bool
    must_be_seen: bool
    seen: Counter[Seen] = field(default_factory=Counter)
    rules: set[str] = field(default_factory=set)  #: that see one of them
    example: str = ""  #: key and path of one that no rule sees

    @property
    def unguarded(self) -> int:
        """How many of them no rule sees."""
        return self.seen.total() - self.seen[Seen.RULE]


def counted_by_field(sights: Iterable[Sight], catalogue: Catalogue) -> list[FieldCount]:
    """Sights added up; what must be seen and is not first, then by how many, module, type, field, kind."""
    found: dict[tuple[str, str, MutationKind], FieldCount] = {}
    for sight in sights:
        each = sight.mutation
        count = found.setdefault(
            (each.resource_type, each.field, each.kind),
            FieldCount(catalogue.module_of(each.resource_type), each.resource_type, each.field, each.kind,
                       each.severity, each.is_required, each.must_be_seen),
        )  # fmt: skip
        count.seen[sight.seen] += 1
        if sight.seen is Seen.RULE:
            count.rules.update(sight.rules)
        elif not count.example:
            count.example = f"{each.key} {each.path}".strip()
    order = catalogue.order
    return sorted(
        found.values(),
        key=lambda one: (not (one.must_be_seen and one.unguarded), -one.unguarded if one.must_be_seen else 0,
                         order[one.module], one.resource_type, one.field_path, one.kind),
    )  # fmt: skip
