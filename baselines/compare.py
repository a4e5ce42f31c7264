"""What differs between two configurations, by meaning.

Lists with equal digests are not opened; of the others only objects whose digests differ are looked
into. Objects are matched by id, what is left by natural key; references that only follow a renamed
object are no change.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from baselines.catalogue import Catalogue, ResourceType
from baselines.configuration import ConfigObject, Configuration
from baselines.coverage import Gap, Reason
from baselines.errors import DifferentTargets
from baselines.fields import Op, differences
from baselines.fingerprints import is_fingerprint
from baselines.severity import Severity
from baselines.values import Canonical, key_text, scalar_text


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two configurations; one edited field is one change."""

    module: str
    resource_type: str
    key: str  #: natural key, that of the old side where there is one
    path: str  #: inside the object: ``rates[up_to=10].rate``; "" is the whole object
    op: Op
    old: Canonical  #: canonical; a secret is ``secret:<fingerprint>``; None where there is none
    new: Canonical
    severity: Severity
    steps: tuple[str | int, ...] = ()  #: the path in parts, for ``apply``
    place: int = -1  #: of an added item in the new list, from 0
    id: str = ""  #: SMART360's id of the object, where known
    updated_by: str = ""  #: who SMART360 says touched it last, and when
    updated_at: str = ""

    @property
    def is_whole_object(self) -> bool:
        """True if the object itself came or went."""
        return not self.path


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes, and what could not be compared and why. No changes where nothing was compared
    is not "no drift": look at ``compared``."""

    changes: tuple[Change, ...]
    not_compared: Mapping[str, Reason | str] = field(default_factory=dict)
    compared: int = 0  #: lists that were compared, equal ones included
    unchecked: tuple[Gap, ...] = ()  #: fields that could not be compared, though their list was

    @property
    def compared_nothing(self) -> bool:
        """True if no list stood against another."""
        return self.compared == 0


NO_BASELINE: Final = "no_baseline"


def compare(
    old: Configuration | None, new: Configuration, catalogue: Catalogue, *, tolerate_new_fields: bool = False
) -> Comparison:
    """List what differs between two configurations, by meaning.

    Lists that either side could not read to the end are not compared and stand in ``not_compared``
    with the reason; without an old side that is all of them, which is not the same as "no changes".

    Args:
        old: canonical; usually the approved one. None: the target has no baseline yet.
        new: canonical, of the same target.
        catalogue: types, keys and which lists keep their order.
        tolerate_new_fields: a field that the catalogue does not know and no old object has is no
            change (a release of SMART360, told once per field); it is compared from the next
            baseline on. So is what an overlay described after the old side was approved: its
            types and fields stand in ``not_compared`` and ``unchecked``.

    Returns:
        Changes ordered by module, resource type, key, path; one edited field is one change.

    Raises:
        DifferentTargets: both name a target, and not the same.
        ValueError: the two have different versions of form or catalogue; renew the older first.

    Source: contracts §2 (equal meaning), §3.2 (form of a change).
    """
    if old is None:
        return Comparison((), dict.fromkeys(new.lists, NO_BASELINE))
    _check_targets(old, new)
    if old.version != new.version:
        raise ValueError(f"versions differ: {old.version} and {new.version}")
    not_compared: dict[str, Reason | str] = {}
    for side in (old, new):
        not_compared.update({name: gap.reason for name, gap in side.unread.items()})
    unchecked = {}
    if tolerate_new_fields:
        for name in sorted(new.lists.keys() & catalogue.types.keys() - old.lists.keys() - not_compared.keys()):
            not_compared[name] = Reason.NO_BASELINE
            unchecked[name, ""] = _not_approved(name, "")
        for name in sorted(old.lists.keys() - catalogue.types.keys() - new.lists.keys()):
            not_compared[name] = Reason.UNKNOWN_TYPE  # an overlay that described it was taken away
    names = [name for name in (*old.lists, *new.lists) if name not in not_compared]
    ordered = [name for name in catalogue.dependency_order if name in names]
    ordered += sorted(set(names) - set(ordered))
    run = _Run(old, new, catalogue, tolerate_new_fields, unchecked=unchecked)
    for name in ordered:
        run.list(name)
    return Comparison(
        tuple(sorted(run.changes, key=lambda each: _sort_key(each, catalogue))),
        not_compared,
        len(ordered),
        tuple(run.unchecked.values()),
    )


def _not_approved(name: str, path: str) -> Gap:
    detail, mend = "the approved baseline does not know it", "Propose a new baseline; it is compared from then on."
    return Gap(name, Reason.NO_BASELINE, path=path, detail=detail, mend=mend)


def _check_targets(old: Configuration, new: Configuration) -> None:
    one, other = (tuple(side.about.get(part) for part in ("tenant", "environment")) for side in (old, new))
    if all(one) and all(other) and one != other and not (old.file or new.file):
        raise DifferentTargets(
            f"{'/'.join(map(str, one))} cannot be compared with {'/'.join(map(str, other))}.",
            where="compare", mend="Name two configurations of one target.",
        )  # fmt: skip


def _sort_key(change: Change, catalogue: Catalogue) -> tuple[int, str, str, str]:
    return catalogue.module_place(change.module), change.resource_type, change.key, change.path


Renames = Mapping[str, Mapping[str, str]]  #: resource type → old key → new key


@dataclass(slots=True)
class _Run:
    """One comparison: changes found so far, and which objects were renamed."""

    old: Configuration
    new: Configuration
    catalogue: Catalogue
    tolerate_new_fields: bool
    changes: list[Change] = field(default_factory=list)
    renames: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    unchecked: dict[tuple[str, str], Gap] = field(default_factory=dict)

    def list(self, name: str) -> None:
        before, after = self.old.lists.get(name), self.new.lists.get(name)
        kind = self.catalogue.types.get(name)
        if before is not None and after is not None and before.digest == after.digest and not self.follows(kind):
            return
        olds = before.objects if before is not None else ()
        news = after.objects if after is not None else ()
        left_out = self.left_out(name)
        for one, other in self.matched(name, kind, olds, news):
            key = (one or other).key  # type: ignore[union-attr]
            if key in left_out:
                continue
            if one is None or other is None:
                self.whole(name, kind, one, other)
            elif one.body != other.body or self.follows(kind):
                self.fields(name, kind, one, other)

    def follows(self, kind: ResourceType | None) -> bool:
        """True if something this type refers to was renamed, so that references may only follow it."""
        return kind is not None and any(self.renames.get(reference.target) for reference in kind.references())

    def left_out(self, name: str) -> set[str]:
        """Keys of objects that cannot be told apart or read, on either side."""
        reasons = (Reason.DUPLICATE_ID, Reason.NO_KEY)
        return {
            gap.key
            for side in (self.old, self.new)
            for gap in side.gaps
            if gap.resource_type == name and gap.key and gap.reason in reasons
        }

    def matched(
        self, name: str, kind: ResourceType | None, olds: Iterable[ConfigObject], news: Iterable[ConfigObject]
    ) -> Iterator[tuple[ConfigObject | None, ConfigObject | None]]:
        """Pairs of one object: by id first, what is left by natural key."""
        by_id = {each.id: each for each in olds if each.id}
        rest_new: dict[str, list[ConfigObject]] = defaultdict(list)
        taken: set[int] = set()
        pairs: list[tuple[ConfigObject | None, ConfigObject | None]] = []
        for each in news:
            partner = by_id.get(each.id) if each.id else None
            if partner is not None and id(partner) not in taken:
                taken.add(id(partner))
                pairs.append((partner, each))
            else:
                rest_new[each.key].append(each)
        gone: list[tuple[ConfigObject | None, ConfigObject | None]] = []
        for each in olds:
            if id(each) in taken:
                continue
            candidates = rest_new.get(self.translated_key(kind, each))
            if candidates:
                same = next((other for other in candidates if other.body == each.body), candidates[0])
                candidates.remove(same)
                pairs.append((each, same))
            else:
                gone.append((each, None))
        for one, other in pairs:
            if one is not None and other is not None and one.key != other.key:
                self.renames[name][one.key] = other.key
        yield from pairs
        yield from gone
        yield from ((None, each) for several in rest_new.values() for each in several)

    def translated_key(self, kind: ResourceType | None, each: ConfigObject) -> str:
        if kind is None or not any(self.renames.get(kind.fields[part].target) for part in kind.key):
            return each.key
        values = followed(kind, each.values, self.renames)
        return key_text([values.get(part) for part in kind.key])

    def whole(self, name: str, kind: ResourceType | None, one: ConfigObject | None, other: ConfigObject | None) -> None:
        there = one or other
        assert there is not None
        severity = kind.existence_severity if kind is not None else Severity.MEDIUM
        self.add(
            name, there, "", Op.REMOVED if other is None else Op.ADDED,
            one.values if one else None, other.values if other else None, severity, (), seen=other,
        )  # fmt: skip

    def add(
        self, name: str, one: ConfigObject, path: str, op: Op, old: Canonical, new: Canonical, severity: Severity,
        steps: tuple[str | int, ...], place: int = -1, seen: ConfigObject | None = None,
    ) -> None:  # fmt: skip
        about = seen.about if seen is not None else {}
        self.changes.append(
            Change(
                self.catalogue.module_of(name), name, one.key, path, op, old, new, severity, steps, place,
                one.id or (seen.id if seen else ""), about.get("updated_by", ""), about.get("updated_at", ""),
            )
        )  # fmt: skip

    def fields(self, name: str, kind: ResourceType | None, one: ConfigObject, other: ConfigObject) -> None:
        old, new = one.values, other.values
        if kind is not None and self.follows(kind):
            old = followed(kind, old, self.renames)
        if old == new:
            return
        known = kind.fields if kind is not None else {}
        ignored, redescribed = self.ignored_fields(name), set(self.redescribed(name))
        default = kind.severity if kind is not None else Severity.MEDIUM
        for difference in differences(known, old, new):
            top = difference.steps[0]
            if top in ignored:
                continue
            if top in redescribed:
                self.unchecked[name, str(top)] = _not_approved(name, str(top))
                continue
            if is_fingerprint(difference.old) and is_fingerprint(difference.new) and not self.same_key:
                path = str(top)
                detail = "fingerprints made with different keys cannot be compared"
                self.unchecked[name, path] = Gap(name, Reason.KEY_CHANGED, path=path, detail=detail)
                continue
            severity = known[top].severity if top in known else default  # type: ignore[index]
            self.add(
                name, one, difference.path, difference.op, difference.old, difference.new, severity,
                difference.steps, difference.place, seen=other,
            )  # fmt: skip

    @property
    def same_key(self) -> bool:
        """True unless the two sides say that their secrets' fingerprints were made with different keys."""
        one, other = (side.about.get("fingerprint_key") for side in (self.old, self.new))
        return one is None or other is None or one == other

    def ignored_fields(self, name: str) -> set[str]:
        reasons = (Reason.TYPE_CHANGED, Reason.FIELD_MISSING, Reason.KEY_CHANGED, Reason.UNRESOLVED)
        ignored = {
            gap.path.split(".")[0]
            for side in (self.old, self.new)
            for gap in side.gaps
            if gap.resource_type == name and gap.path and gap.reason in reasons
        }
        if self.tolerate_new_fields:
            unknown = {
                gap.path.split(".")[0]
                for gap in self.new.gaps
                if gap.resource_type == name and gap.reason is Reason.UNKNOWN_FIELD
            }
            ignored |= {each for each in unknown if not self.is_held(name, each)}
        return ignored

    def is_held(self, name: str, field_name: str) -> bool:
        """True if an old object has the field."""
        return any(field_name in old.values for old in self.old.objects(name))

    def redescribed(self, name: str) -> Iterator[str]:
        """Fields whose old values cannot be held against the new, since an overlay describes them otherwise now."""
        if not self.tolerate_new_fields:
            return
        known = self.catalogue.types[name].fields if name in self.catalogue.types else {}
        for place in {part for part, _ in self.old.declared.items() ^ self.new.declared.items()}:
            resource_type, _, each = place.partition(".")
            is_new = place not in self.old.declared and each in known
            plain = is_new and not known[each].target and known[each].default is None
            if resource_type == name and not (plain and self.is_held(name, each)):
                yield each


def followed(kind: ResourceType, values: dict[str, Canonical], renames: Renames) -> dict[str, Canonical]:
    """The values with references that follow renamed objects."""
    result = dict(values)
    for reference in kind.references():
        names = renames.get(reference.target)
        value = result.get(reference.name)
        if not names or value is None:
            continue
        if isinstance(value, list):
            moved: list[Canonical] = [names.get(item, item) if isinstance(item, str) else item for item in value]
            result[reference.name] = moved if reference.order_matters else sorted(moved, key=scalar_text)
        elif isinstance(value, str):
            result[reference.name] = names.get(value, value)
    return result
