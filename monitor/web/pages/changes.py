"""Changes as pages show them: the diff of a review; each with its values, by module."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from baselines.approval import Act, ChangeKey, Decided, Decision, change_key, told_of
from baselines.catalogue import Catalogue, ResourceType
from baselines.compare import Change
from baselines.configuration import Configuration
from baselines.fields import Op
from baselines.severity import Severity
from rules.drift import PERSONAL, field_of, masked, worded
from rules.findings import Kind, fingerprint
from rules.impact import Impact
from rules.lifecycle import Known

MOST: Final = 60  #: changes on one page; the others of a module stand on its own (U16)


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One change, and what is known of it."""

    number: int  #: from 1, in the order of the comparison; its place on the page
    change: Change
    kind: ResourceType | None  #: None: the catalogue does not know it
    whole: Mapping[str, str]  #: fields of the object as it would be; {} where the change is the whole object
    effect: str = ""  #: in money
    findings: Sequence[Known] = ()  #: open now, of this change: drift, or a rule that judged it
    decided: Decided | None = None
    comments: Sequence[Act] = ()

    @property
    def key(self) -> ChangeKey:
        """What decisions name."""
        return change_key(self.change)

    @property
    def name(self) -> str:
        """``service_plan RES-VAR rates[up_to=4].rate``."""
        return told_of(self.key)

    @property
    def old(self) -> str:
        """The value before, as people read it; "" where there is none."""
        return self._text(self.change.old) if self.change.op is not Op.ADDED else ""

    @property
    def new(self) -> str:
        """The value after; "" where there is none."""
        return self._text(self.change.new) if self.change.op is not Op.REMOVED else ""

    @property
    def is_rejected(self) -> bool:
        """It would stay drift."""
        return self.decided is not None and self.decided.decision is Decision.REJECT

    def _text(self, value: object) -> str:
        shown = masked(self.change, self.kind, value)  # type: ignore[arg-type]
        if self.change.is_whole_object and isinstance(shown, dict):
            key = self.kind.key if self.kind is not None else ()
            return ", ".join(f"{name}: {worded(part, None)}" for name, part in shown.items() if name not in key)
        return worded(shown, field_of(self.change, self.kind))


@dataclass(frozen=True, slots=True)
class ModuleGroup:
    """The changes of one module: counted all, shown as far as the page has room."""

    name: str
    title: str
    lines: Sequence[ChangeLine]  #: those shown
    changes: Sequence[Change]
    decisions: Mapping[ChangeKey, Decided]
    is_open: bool = True

    @property
    def severities(self) -> Sequence[tuple[str, int]]:
        """How many of each severity that occurs, worst first."""
        counted = [(each.value, sum(1 for one in self.changes if one.severity is each)) for each in Severity]
        return [each for each in counted if each[1]]

    @property
    def undecided(self) -> Sequence[Change]:
        """Changes nobody has decided."""
        return [each for each in self.changes if change_key(each) not in self.decisions]

    @property
    def rejected(self) -> int:
        """How many would stay drift."""
        found = (self.decisions.get(change_key(each)) for each in self.changes)
        return sum(1 for each in found if each is not None and each.decision is Decision.REJECT)

    @property
    def words(self) -> str:
        """``12 accepted, 1 rejected``, ``all accepted``, ``3 to decide``."""
        left, rejected = len(self.undecided), self.rejected
        accepted = len(self.changes) - left - rejected
        if not left and not rejected:
            return "all accepted"
        counted = ((left, "to decide"), (accepted, "accepted"), (rejected, "rejected"))
        return ", ".join(f"{count} {word}" for count, word in counted if count)

    @property
    def more(self) -> int:
        """How many are not shown."""
        return len(self.changes) - len(self.lines)


def grouped(
    changes: Sequence[Change], chosen: Iterable[Change], catalogue: Catalogue, after: Configuration, *,
    impact: Impact | None = None, decisions: Mapping[ChangeKey, Decided] | None = None,
    comments: Mapping[ChangeKey, Sequence[Act]] | None = None, findings: Sequence[Known] = (), skip: int = 0,
) -> list[ModuleGroup]:  # fmt: skip
    """The chosen changes by module in the guide's order, the first ``MOST`` of them shown.

    Args:
        changes: all, which gives each its number.
        chosen: those the page is about.
        after: the configuration that would be, or is: for whole objects.
        findings: open now; told at the change they are of.
        skip: so many of the chosen are not shown.
    """
    numbers = {change_key(each): number for number, each in enumerate(changes, 1)}
    by_module: dict[str, list[Change]] = {each.name: [] for each in catalogue.modules}
    for each in chosen:
        by_module.setdefault(each.module, []).append(each)
    titles = {each.name: each.title for each in catalogue.modules}
    known, said = decisions or {}, comments or {}
    of_objects: dict[tuple[str, str], list[Known]] = {}
    for found in findings:
        for place in {(found.finding.resource_type, found.finding.key)} | {
            (one.resource_type, one.key) for one in found.finding.evidence
        }:
            of_objects.setdefault(place, []).append(found)
    room, groups = MOST, []
    for module, several in by_module.items():
        if not several:
            continue
        lines = []
        for each in several[skip : skip + room]:
            key, kind = change_key(each), catalogue.types.get(each.resource_type)
            money = impact.of(each) if impact is not None else None
            lines.append(ChangeLine(
                numbers[key], each, kind, _whole(each, kind, after), str(money) if money is not None else "",
                _told(one for one in of_objects.get(key[:2], ()) if _is_of(one, each)), known.get(key),
                said.get(key, ()),
            ))  # fmt: skip
        room -= len(lines)
        groups.append(ModuleGroup(module, titles.get(module, module) or "Other", lines, several, known))
    return groups


def _whole(change: Change, kind: ResourceType | None, after: Configuration) -> Mapping[str, str]:
    found = after.named(change.resource_type, change.key) if not change.is_whole_object else None
    if found is None:
        return {}
    hidden = {name for name, each in kind.fields.items() if each.is_personal} if kind is not None else set()
    return {name: PERSONAL if name in hidden else worded(value, None) for name, value in found.values.items()}


def _told(found: Iterable[Known]) -> Sequence[Known]:
    """Drift first, each rule once."""
    by_rule: dict[str, Known] = {}
    for each in sorted(found, key=lambda each: each.finding.kind is Kind.RULE):
        by_rule.setdefault(each.finding.rule, each)
    return tuple(by_rule.values())


def _is_of(known: Known, change: Change) -> bool:
    """True if this finding tells the change, or its rule judged the field."""
    finding = known.finding
    if finding.kind is Kind.DRIFT:
        return finding.fingerprint == fingerprint(Kind.DRIFT.value, "", *change_key(change))
    field = str(change.steps[0]) if change.steps else ""
    return finding.kind is Kind.RULE and any(
        (each.resource_type, each.key) == (change.resource_type, change.key)
        and (not field or each.path.split("[")[0].split(".")[0] == field)
        for each in finding.evidence
    )
