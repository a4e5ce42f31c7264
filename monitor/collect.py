"""Reading a target: every list to its end, moved ones twice, and nothing taken for gone that is not proven gone.

The source answers; what its answers prove is decided here (reliability P1, P2, P3, P7, F1–F35).
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

import structlog
from blake3 import blake3

from baselines.canonical import Canonicaliser, renewed
from baselines.catalogue import Catalogue, Field, ResourceType
from baselines.compare import compare
from baselines.configuration import ConfigObject, Configuration, ObjectList
from baselines.coverage import Coverage, Gap, Reason
from baselines.fingerprints import SecretKey
from baselines.values import parse_value
from monitor.source import Listing, Row, Source, SourceFault
from monitor.source.manifest import Reference

MOST_READS: Final = 3  #: of one list, until it holds still
MOST_DETAILS: Final = 1000  #: objects of one list asked for one by one
FEWEST_LOST: Final = 5  #: as many lost objects …
LARGEST_SHARE: Final = 0.2  #: … and more than this share of the list are suspect (P2)
WHOLE: Final = "configuration"  #: what a gap is about that concerns no single list


@dataclass(frozen=True)
class Last:
    """What is known of a target from before; empty for the first sweep."""

    #: The newest reading of each list, however old: a list that could not be read last time stands
    #: here as it was read before (``Reading.known`` of the last sweep).
    lists: Mapping[str, ObjectList] = field(default_factory=dict)
    seals: Mapping[str, str] = field(default_factory=dict)
    privileges: tuple[str, ...] = ()
    suspects: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()  #: of the last snapshot
    gone: Mapping[str, str] = field(default_factory=dict)  #: as ``Reading.gone``


@dataclass(frozen=True)
class Reading:
    """One reading of a target; the next sweep gets it back as ``Last``."""

    configuration: Configuration
    coverage: Coverage
    seals: Mapping[str, str]  #: of lists that may be recognised without decoding
    kept: frozenset[str]  #: lists so recognised
    suspects: Mapping[str, str]  #: lists that lost too much to be believed once, by the digest of what was left
    taken_at: datetime
    source_date: datetime | None
    privileges: tuple[str, ...]
    requests: Mapping[str, int]  #: by HTTP status, or ``error``
    faults: Mapping[str, int]  #: by coverage reason
    seconds: tuple[float, ...]  #: of each request
    decoded_objects: int
    known: Mapping[str, ObjectList]  #: the newest reading of each list, as ``Last.lists`` wants it
    unconfirmed: Mapping[str, int] = field(default_factory=dict)  #: by list: changes that only one reading showed
    #: Keys of objects that are gone and still referred to, by ``type/id``: such a reference reads as it
    #: did, so that a removal is told once and not also of everything that refers to it.
    gone: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0  #: the source asks not to be asked again before

    def last(self) -> Last:
        """What the next sweep needs to know."""
        return Last(self.known, self.seals, self.privileges, self.suspects, self.configuration.gaps, self.gone)


def collect(
    source: Source,
    catalogue: Catalogue,
    scope: Sequence[str],
    last: Last,
    *,
    target: tuple[str, str],
    secrets: SecretKey,
    zone: tzinfo,
    now: Callable[[], datetime],
    log: Any = None,
    told: Callable[[int, int], None] | None = None,
) -> Reading:
    """Read a target as far as it can be read; whatever cannot becomes a gap with its reason.

    Args:
        source: newly opened; closed afterwards.
        scope: resource types that are asked for. Types they refer to are read too, but not handed on.
        last: what is known from before; a list is only believed to have lost objects against it.
        target: tenant and environment.
        secrets: makes fingerprints while rows are canonicalised; no raw page leaves this function.
        zone: of the utility, for timestamps without an offset.
        now: our clock.
        log: a structlog logger; None: the module's own.
        told: hears after each list how many of how many were read.
    """
    sweep = _Sweep(source, catalogue, tuple(scope), last, Canonicaliser(catalogue, zone=zone, secrets=secrets))
    sweep.told = told
    sweep.log = (log or structlog.get_logger(__name__)).bind(target="/".join(target))
    return asyncio.run(sweep.run(target, now))


@dataclass(slots=True)
class _Decoded:
    """The objects of one list in canonical form, and what was noticed on the way."""

    objects: list[ConfigObject] = field(default_factory=list)
    gaps: dict[tuple[Reason, str, str], Gap] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)  #: that at least one row has
    dangling: set[tuple[str, str]] = field(default_factory=set)  #: targets and ids that nobody knows

    def note(self, gap: Gap) -> None:
        self.gaps.setdefault((gap.reason, gap.path, gap.key), gap)


class _Sweep:
    """The state of one reading."""

    def __init__(
        self, source: Source, catalogue: Catalogue, scope: tuple[str, ...], last: Last, form: Canonicaliser
    ) -> None:
        self.source, self.catalogue, self.scope, self.last, self.form = source, catalogue, scope, last, form
        self.log: Any = None
        self.told: Callable[[int, int], None] | None = None
        self.listings: dict[str, Listing | SourceFault] = {}
        self.lists: dict[str, ObjectList] = {}
        self.gaps: dict[str, list[Gap]] = defaultdict(list)
        self.keys: dict[str, Mapping[str, str]] = {}  #: by type: id → natural key
        self.seals: dict[str, str] = {}
        self.kept: set[str] = set()
        self.suspects: dict[str, str] = {}
        self.unconfirmed: dict[str, int] = {}
        self.extra: dict[str, dict[str, Row]] = defaultdict(dict)  #: by type and id: objects that no list shows
        self.nowhere: set[tuple[str, str]] = set()  #: types and ids that nobody knows
        self.unsure: set[tuple[str, str]] = set()  #: of these: could not be asked for
        self.gone: dict[str, str] = dict(last.gone)
        self.reread: set[str] = set()
        self.faults: Counter[str] = Counter()
        self.decoded = 0
        self.wait_s = 0.0
        self.lost_privileges = False

    # The story

    async def run(self, target: tuple[str, str], now: Callable[[], datetime]) -> Reading:
        taken_at = now()
        wanted = self._with_targets()
        privileges: tuple[str, ...] | None = None
        async with self.source:
            try:
                privileges = await self.source.begin()
                self._note_privileges(privileges)
                await self._read_all([name for name in wanted if self.source.has(name)])
                for name in wanted:
                    if self.source.has(name):
                        await self._settle(name)
            except SourceFault as fault:
                self._fault(WHOLE, fault)
                for name in wanted:
                    if self.source.has(name):
                        self.gaps[name] = [self._gap(name, fault)]
        for name in wanted:
            if not self.source.has(name):
                mend = "Add it to the connector manifest, or leave it out of the scope."
                self.gaps[name] = [Gap(name, Reason.NO_ROUTE, detail="the source has no route for it", mend=mend)]
        return self._reading(target, taken_at, privileges)

    def _with_targets(self) -> list[str]:
        """The scope and all it refers to, so that each type comes after those it refers to."""
        wanted = set(self.scope) & self.catalogue.types.keys()
        for name in reversed(self.catalogue.dependency_order):
            if name in wanted:
                wanted.update(each.target for each in self.catalogue.types[name].references())
        return [name for name in self.catalogue.dependency_order if name in wanted]

    def _note_privileges(self, privileges: tuple[str, ...] | None) -> None:
        if privileges is None or not self.last.privileges:
            return
        lost = sorted(set(self.last.privileges) - set(privileges))
        gained = sorted(set(privileges) - set(self.last.privileges))
        self.lost_privileges = bool(lost)
        if lost or gained:
            told = [f"{word}: {', '.join(each)}" for word, each in (("lost", lost), ("gained", gained)) if each]
            detail = f"the privileges of the service user changed ({'; '.join(told)})"
            mend = "Give the service user its privileges back, or see that the change was wanted."
            self.faults[Reason.PRIVILEGE_CHANGED] += 1
            self.gaps[WHOLE].append(Gap(WHOLE, Reason.PRIVILEGE_CHANGED, detail=detail, mend=mend))

    async def _read_all(self, names: Sequence[str]) -> None:
        async def read(name: str) -> None:
            self.listings[name] = await self._read(name)
            if self.told is not None:
                self.told(len(self.listings), len(names))

        await asyncio.gather(*map(read, names))
        answered = [each for each in self.listings.values() if isinstance(each, Listing) and not each.is_absent]
        filled = [name for name in names if name in self.last.lists and self.last.lists[name].count]
        if answered or (self.last.lists and len(filled) < 2):
            return
        for name, listing in self.listings.items():
            # Where no list has anything, "none" is what a wrong path says (F2).
            if isinstance(listing, Listing):
                what, mend = "No list of the whole target has anything.", "Check the paths in the connector manifest."
                self.listings[name] = SourceFault(Reason.NOT_FOUND, what, where=name, mend=mend, status=404)

    async def _read(self, name: str) -> Listing | SourceFault:
        """A list, read until nothing is missing or repeated."""
        known = self.last.seals.get(name, "").partition(":")[0]
        reads: list[Listing] = []
        size = 0
        try:
            while True:
                listing = await self.source.read(name, size)
                is_known = listing.is_absent and name in self.last.lists
                if is_known or self._page_seal(listing) == known:
                    return listing
                if listing.is_whole and not (listing.is_absent and not reads):
                    return listing
                reads.append(listing)
                if len(reads) == MOST_READS:
                    break
                # Page borders elsewhere, so that what a border hid comes to light.
                size = listing.page_size * (3 - len(reads)) // 3 or 1 if len(listing.counts) > 1 else 0
            seen = {(each.counts[-1], frozenset(i for page in each.ids for i in page)) for each in reads}
            if len(seen) == 1 and len({count for each in reads for count in each.counts}) == 1:
                return reads[-1]  # it lies about its count, and is the same each time (F11)
        except SourceFault as fault:
            return fault
        what, mend = f"{MOST_READS} readings differ or miss objects.", "Wait until nobody edits the list."
        return SourceFault(Reason.UNSTABLE, what, where=name, mend=mend)

    async def _settle(self, name: str) -> None:
        """Bring one list to its canonical form, or say why it cannot be compared."""
        listing = self.listings[name]
        self.gaps.pop(name, None)
        self.seals.pop(name, None)
        self.keys.pop(name, None)
        self.suspects.pop(name, None)
        self.unconfirmed.pop(name, None)
        try:
            if isinstance(listing, SourceFault):
                raise listing
            if not self.extra[name] and self._is_kept(name, listing):
                self.lists[name] = self.last.lists[name]
                self.gaps[name] = [gap for gap in self.last.gaps if gap.resource_type == name]
                self.seals[name] = self.last.seals[name]
                self.kept.add(name)
                return
            self.kept.discard(name)
            await self._settle_moved(name, listing)
        except SourceFault as fault:
            self.lists.pop(name, None)
            self._fault(name, fault)
            self.gaps[name] = [self._gap(name, fault)]

    async def _settle_moved(self, name: str, listing: Listing) -> None:
        decoded = await self._decode(name, listing)
        if self._new_dangling(name, decoded) and name not in self.reread:
            # Someone may be editing: both ends are read again once before it is believed (F35).
            self.reread.add(name)
            self.nowhere -= decoded.dangling
            for other in dict.fromkeys((*(kind for kind, _ in decoded.dangling), name)):
                self.listings[other] = await self._read(other)
                await self._settle(other)
            return
        before = self.last.lists.get(name)
        made = ObjectList.of(name, decoded.objects, self.form.version)
        objects = decoded.objects
        if before is not None and before.digest != made.digest:
            decoded, listing = await self._confirmed(name, before, decoded, listing)
            objects = decoded.objects
            self.keys[name] = {each.id: each.key for each in objects if each.id}
            objects = [*objects, *await self._not_shown(name, before, objects, listing)]
            made = ObjectList.of(name, objects, self.form.version)
        self.lists[name] = made
        self.keys.pop(name, None)
        self.suspects.pop(name, None)
        self._note_missing_fields(name, decoded)
        self.gaps[name] = list(decoded.gaps.values())
        for gap in self.gaps[name]:
            self._count(name, gap)
        if not self.extra[name] and len(objects) == len(decoded.objects) and listing.is_whole:
            self.seals[name] = self._seal(name, listing)

    async def _confirmed(
        self, name: str, before: ObjectList, decoded: _Decoded, listing: Listing
    ) -> tuple[_Decoded, Listing]:
        """A list that moved, read until one reading shows no change that the reading before it did not show.

        So nothing is believed that was seen once: neither a value, nor an object that came or went (P2).

        Raises:
            SourceFault: ``unstable``, where it still moves at the last reading.
        """
        shown = self._changes(before, decoded)
        told = set(shown)
        for _ in range(MOST_READS - 1):
            again = await self._read(name)
            if isinstance(again, SourceFault):
                raise again
            changes = shown
            if again.digest != listing.digest:
                decoded, listing = await self._decode(name, again), again
                changes = self._changes(before, decoded)
            told |= changes
            if changes <= shown:
                if lost := sorted(told - changes):
                    self.unconfirmed[name] = len(lost)
                    some = [" ".join(filter(None, each[:3])) for each in lost[:5]]
                    self.log.info("changes_unconfirmed", list=name, changes=len(lost), some=some)
                return decoded, listing
            shown = changes
        what, mend = f"It changed between each of {MOST_READS} readings.", "Wait until nobody edits the list."
        raise SourceFault(Reason.UNSTABLE, what, where=name, mend=mend)

    def _changes(self, before: ObjectList, decoded: _Decoded) -> set[tuple[str, str, str, str]]:
        """What a reading of a list differs in from the last sweep: op, key, path and new value of each change."""
        name, version = before.resource_type, self.form.version
        old = renewed(Configuration({name: before}, before.version), self.form)
        new = Configuration({name: ObjectList.of(name, decoded.objects, version)}, version)
        found = compare(old, new, self.catalogue).changes
        return {(each.op.value, each.key, each.path, repr(each.new)) for each in found}

    # Seals: what need not be decoded

    def _page_seal(self, listing: Listing) -> str:
        return blake3(f"{self._version}\0{listing.digest}".encode()).hexdigest()[:32]

    @cached_property
    def _version(self) -> str:
        """Whatever decides what the same bytes mean; the key of the secrets by a fingerprint."""
        key = self.form.secrets.fingerprint("", "", "seal")
        return f"{self.form.version} {self.source.version} {self.form.zone} {key}"

    def _seal(self, name: str, listing: Listing) -> str:
        """Of the bytes, of the keys its references stand for, of its own keys, of its gaps."""
        gaps = self._gap_seal(self.gaps[name])
        return f"{self._page_seal(listing)}:{self._target_seal(name)}:{self._key_seal(name)}:{gaps}"

    def _target_seal(self, name: str) -> str:
        targets = sorted({each.target for each in self.catalogue.types[name].references()} - {name})
        return blake3("\0".join(self._key_seal(each) for each in targets).encode()).hexdigest()[:32]

    def _key_seal(self, name: str) -> str:
        if name in self.kept:
            return self.last.seals[name].split(":")[2]
        pairs = sorted(self._keys_of(name).items())
        return blake3(repr(pairs).encode()).hexdigest()[:32]

    def _gap_seal(self, gaps: Sequence[Gap]) -> str:
        return blake3(repr(sorted(map(repr, gaps))).encode()).hexdigest()[:32]

    def _is_kept(self, name: str, listing: Listing) -> bool:
        before, parts = self.last.lists.get(name), self.last.seals.get(name, "").split(":")
        if before is None or before.version != self.form.version or len(parts) != 4:
            return False
        gaps = [gap for gap in self.last.gaps if gap.resource_type == name]
        return parts[0] == self._page_seal(listing) and parts[1] == self._target_seal(name) and (
            parts[3] == self._gap_seal(gaps)
        )  # fmt: skip

    def _keys_of(self, name: str) -> Mapping[str, str]:
        """Natural keys by id: of this reading, else as they were known."""
        found = self.keys.get(name)
        if found is None:
            known = self.lists.get(name) or self.last.lists.get(name)
            objects = known.objects if known is not None else ()
            found = {each.id: each.key for each in reversed(objects) if each.id}  # of two with one id the first
            self.keys[name] = found
        return found

    # Objects

    async def _decode(self, name: str, listing: Listing) -> _Decoded:
        """All rows in canonical form, references resolved as far as anyone knows them."""
        kind = self.catalogue.types[name]
        rows = listing.load_rows()
        shown = {str(row.get("id") or "") for row in rows}
        rows += [row for identity, row in self.extra[name].items() if identity not in shown]
        decoded = _Decoded()
        await self._admit_referred(kind, rows, {})
        own = self._own_keys(kind, rows, {})
        once: dict[tuple[str, bytes], ConfigObject] = {}
        for row in rows:
            decoded.fields.update(row)
            made = self._canonical(kind, self._resolved(kind, row, own, decoded), decoded)
            once.setdefault((made.id, made.body), made)
        self.decoded += len(rows)
        decoded.objects = list(once.values())
        self._note_duplicates(name, decoded)
        if not listing.is_whole:
            told, seen = listing.counts[-1], len(decoded.objects)
            detail = f"the source counts {told} and shows {seen}; what it may hide is not taken for removed"
            mend = "Ask SMART360's support why count and list differ."
            decoded.note(Gap(name, Reason.COUNT_MISMATCH, detail=detail, mend=mend))
        return decoded

    async def _admit_referred(self, kind: ResourceType, rows: list[Row], others: Mapping[str, str]) -> None:
        """Ask by id for objects that these rows refer to and no list shows: inactive ones, mostly.

        ``others``: keys by id of objects of the same type that are not among the rows.
        """
        own = {str(row.get("id") or "") for row in rows} | others.keys()
        for row in rows:  # grows while an object of the same type is found
            for each, reference in _references(kind, row):
                is_own = each.target == kind.name
                known = own if is_own else self._keys_of(each.target)
                if reference.id in known or (each.target, reference.id) in self.nowhere:
                    continue
                if not is_own and each.target not in self.lists:
                    continue
                found = await self._detail_or_nothing(each.target, reference.id)
                if found is None:
                    continue
                self.extra[each.target][reference.id] = found
                if is_own:
                    rows.append(found)
                    own.add(reference.id)
                else:
                    await self._admit(each.target, found)

    async def _detail_or_nothing(self, target: str, identity: str) -> Row | None:
        row = None
        if self.source.has_details:
            try:
                row = await self.source.detail(target, identity)
            except SourceFault:
                self.unsure.add((target, identity))
        if row is None:
            self.nowhere.add((target, identity))
        return row

    async def _admit(self, name: str, row: Row) -> None:
        """Put an object that no list shows into its list, which is in canonical form already."""
        made = await self._alone(name, row)
        self.lists[name] = ObjectList.of(name, (*self.lists[name].objects, made), self.form.version)
        self.keys.pop(name, None)
        self.seals.pop(name, None)
        self.kept.discard(name)

    async def _alone(self, name: str, row: Row) -> ConfigObject:
        kind = self.catalogue.types[name]
        decoded = _Decoded()
        rows, others = [row], self._keys_of(name)
        await self._admit_referred(kind, rows, others)
        self.decoded += 1
        return self._canonical(kind, self._resolved(kind, row, self._own_keys(kind, rows, others), decoded), decoded)

    def _own_keys(self, kind: ResourceType, rows: Sequence[Row], others: Mapping[str, str]) -> Mapping[str, str]:
        """Keys by id within a list that refers to itself; such a reference is never part of a key."""
        if not any(each.target == kind.name for each in kind.references()):
            return {}
        found = dict(others)
        for row in rows:
            part = {each: value for each, value in row.items() if each in kind.key or each == "id"}
            done = self.form.canonicalise(kind.name, self._resolved(kind, part, {}, _Decoded()))
            found[done.object.id] = done.object.key
        return found

    def _resolved(self, kind: ResourceType, row: Row, own: Mapping[str, str], decoded: _Decoded) -> Row:
        """The row with natural keys for references.

        Raises:
            SourceFault: ``unresolved``, where a part of the object's own key is unknown.
        """
        raw = dict(row)
        for each in kind.references():
            value = row.get(each.name)
            if isinstance(value, list):
                raw[each.name] = [self._key(kind, each, item, own, decoded) for item in value]
            elif value is not None:
                raw[each.name] = self._key(kind, each, value, own, decoded)
        return raw

    def _key(self, kind: ResourceType, each: Field, value: Any, own: Mapping[str, str], decoded: _Decoded) -> Any:
        if not isinstance(value, Reference):
            return value
        is_own = each.target == kind.name
        key = (own if is_own else self._keys_of(each.target)).get(value.id)
        if key is not None:
            return key
        is_read = is_own or each.target in self.lists
        if is_read and (each.target, value.id) not in self.unsure:
            decoded.dangling.add((each.target, value.id))
            return self._gone_key(each.target, value.id, own if is_own else self._keys_of(each.target)) or (
                value.label or value.id
            )
        what = f"It refers to {self.catalogue.types[each.target].plural}, which could not be read."
        mend = f"See why {each.target} could not be read."
        if each.name in kind.key:
            raise SourceFault(Reason.UNRESOLVED, what, where=kind.name, mend=mend)
        decoded.note(Gap(kind.name, Reason.UNRESOLVED, path=each.name, detail=_said(what), mend=mend))
        return value.label or value.id

    def _gone_key(self, target: str, identity: str, now: Mapping[str, str]) -> str:
        """The key an object had that is gone; "" where nobody knows it, or another object has it now."""
        name = f"{target}/{identity}"
        before = self.last.lists.get(target)
        if name not in self.gone and before is not None:
            self.gone |= {f"{target}/{each.id}": each.key for each in before.objects if each.id == identity}
        key = self.gone.get(name, "")
        return "" if key in now.values() else key

    def _canonical(self, kind: ResourceType, raw: Row, decoded: _Decoded) -> ConfigObject:
        done = self.form.canonicalise(kind.name, raw)
        for problem in done.problems:
            mend = f"See whether SMART360 has changed the field. {problem.mend}"
            decoded.note(Gap(kind.name, Reason.TYPE_CHANGED, path=problem.field, detail=problem.what, mend=mend))
        for each in done.unknown_fields:
            near = next(iter(get_close_matches(each, kind.fields, n=1, cutoff=0.75)), "")
            detail = f"unknown field; did you mean {near}?" if near else "unknown field"
            mend = "Describe it in the catalogue; it is compared from the next baseline on."
            decoded.note(Gap(kind.name, Reason.UNKNOWN_FIELD, path=each, detail=detail, mend=mend))
        made = done.object
        if done.key_problem is None:
            return made
        # Known by its id it keeps its old key, so that nobody takes it for removed.
        known = self.last.lists.get(kind.name)
        key = next((o.key for o in known.objects if o.id == made.id), "") if known is not None and made.id else ""
        key = key or made.id or f"without id, {len(decoded.gaps) + 1}"
        what, mend = done.key_problem.what, done.key_problem.mend
        decoded.note(Gap(kind.name, Reason.NO_KEY, key=key, detail=what, mend=mend))
        return ConfigObject(key, made.body, made.id, made.about)

    def _note_duplicates(self, name: str, decoded: _Decoded) -> None:
        by_id: dict[str, list[ConfigObject]] = defaultdict(list)
        by_key: dict[str, list[ConfigObject]] = defaultdict(list)
        for each in decoded.objects:
            by_key[each.key].append(each)
            if each.id:
                by_id[each.id].append(each)
        mend = "Ask SMART360's support; delete one of the two."
        for identity, several in by_id.items():
            if len(several) > 1:
                detail = f"{len(several)} different objects have the id {identity}"
                for each in several:
                    decoded.note(Gap(name, Reason.DUPLICATE_ID, key=each.key, detail=detail, mend=mend))
        for key, several in by_key.items():
            ids = sorted({each.id for each in several})
            if len(ids) > 1:
                detail = f"two objects have this key: {', '.join(ids)}"
                decoded.note(Gap(name, Reason.DUPLICATE_KEY, key=key, detail=detail, mend=mend))

    def _note_missing_fields(self, name: str, decoded: _Decoded) -> None:
        """Fields that all objects lost at once are one gap each, and no changes (F21)."""
        kind, before = self.catalogue.types[name], self.last.lists.get(name)
        if before is None or not decoded.objects:
            return
        told = {gap.path for gap in self.last.gaps if gap.resource_type == name and gap.reason is Reason.FIELD_MISSING}
        for each in kind.compared_fields:
            if each.name in decoded.fields:
                continue
            default = None if each.default is None else parse_value(each, each.default, self.form.zone)
            if each.name in told or any(o.values.get(each.name) not in (None, default) for o in before.objects):
                mend = "See whether SMART360 has changed the field; correct the connector manifest."
                detail = "no object has this field any more"
                decoded.note(Gap(name, Reason.FIELD_MISSING, path=each.name, detail=detail, mend=mend))

    def _new_dangling(self, name: str, decoded: _Decoded) -> bool:
        """True if a reference leads nowhere that did not do so before."""
        if not decoded.dangling:
            return False
        kind, before = self.catalogue.types[name], self.last.lists.get(name)
        known = {o.id: o.values for o in before.objects} if before is not None else {}
        targets = {target for target, _ in decoded.dangling}
        fields = [each.name for each in kind.references() if each.target in targets]
        keys = {target: set(self._keys_of(target).values()) for target in targets - {name}}
        keys[name] = {each.key for each in decoded.objects}
        for each in decoded.objects:
            old, new = known.get(each.id, {}), each.values
            for field_name in fields:
                value = new.get(field_name)
                parts = value if isinstance(value, list) else [value] if value is not None else []
                is_lost = any(part not in keys[kind.fields[field_name].target] for part in parts)
                if is_lost and old.get(field_name) != value:
                    return True
        return False

    # What a list does not show any more

    async def _not_shown(
        self, name: str, before: ObjectList, objects: Sequence[ConfigObject], listing: Listing
    ) -> list[ConfigObject]:
        """Objects that were known and are not shown: inactive ones, and those nobody can prove to be gone.

        Raises:
            SourceFault: the list cannot be believed.
        """
        ids, keys = {each.id for each in objects if each.id}, {each.key for each in objects}
        missing = [each for each in before.objects if each.id not in ids and each.key not in keys]
        if not missing:
            return []
        if not listing.is_whole:
            return missing
        active = self.source.active_field(name)
        shown_before = [each for each in before.objects if _is_active(each, active)]
        lost = [each for each in missing if _is_active(each, active)]
        await self._check_loss(name, lost, len(shown_before), objects, listing)
        if not self.source.has_details:
            return []
        found: list[ConfigObject] = []
        is_proven = False
        for each in missing[:MOST_DETAILS]:
            row = await self.source.detail(name, each.id) if each.id else None
            if row is None and not is_proven:
                # A detail route that knows nobody proves nothing (P2).
                other = next((o.id for o in objects if o.id), "")
                if other and await self.source.detail(name, other) is None:
                    what = "The detail route does not know what the list shows."
                    mend = "Correct detail in the connector manifest."
                    raise SourceFault(Reason.NOT_FOUND, what, where=name, mend=mend, status=404)
                is_proven = True
            if row is None:
                continue
            made = await self._alone(name, row)
            if _is_active(made, active):
                what = f"The list does not show {each.key}, which is there."
                mend = "See whether the service user may view all of it."
                raise SourceFault(Reason.UNSTABLE, what, where=name, mend=mend)
            self.extra[name][made.id] = row
            found.append(made)
        return found

    async def _check_loss(
        self, name: str, lost: Sequence[ConfigObject], before: int, objects: Sequence[ConfigObject], listing: Listing
    ) -> None:
        """Do not believe a great loss until the next sweep sees the same (P2, F23)."""
        is_great = len(lost) >= FEWEST_LOST and len(lost) > LARGEST_SHARE * before
        if not lost or not (is_great or not objects or self.lost_privileges):
            return
        if listing.is_absent and self.source.has_details:
            row = await self.source.detail(name, lost[0].id)
            if row is not None and _is_active(await self._alone(name, row), self.source.active_field(name)):
                what = f"The path says that there is nothing, but {lost[0].key} is there."
                mend = "Correct the path in the connector manifest."
                raise SourceFault(Reason.NOT_FOUND, what, where=name, mend=mend, status=404)
        left = ObjectList.of(name, objects, self.form.version).digest
        self.suspects[name] = left
        if self.last.suspects.get(name) == left:
            return
        what = f"{len(lost)} of {before} objects are gone at once."
        mend = "Look in SMART360; if it is true, the next sweep confirms it."
        raise SourceFault(Reason.MASS_DISAPPEARANCE, what, where=name, mend=mend)

    # Words

    def _gap(self, name: str, fault: SourceFault) -> Gap:
        detail, mend = _said(fault.what), fault.mend
        privilege = self.source.privilege(name) if self.source.has(name) else ""
        if fault.reason is Reason.FORBIDDEN and privilege:
            detail = f"{detail}; the service user lacks VIEW of {privilege}"
            mend = f"Give the service user VIEW of {privilege} in SMART360."
        return Gap(name, fault.reason, detail=detail, mend=mend)

    def _fault(self, name: str, fault: SourceFault) -> None:
        self.wait_s = max(self.wait_s, fault.wait_s)
        self.faults[fault.reason] += 1
        self.log.warning(
            "source_fault", fault=fault.reason.value, list=name, page=fault.page, status=fault.status,
            attempt=fault.attempt, what=fault.what,
        )  # fmt: skip

    def _count(self, name: str, gap: Gap) -> None:
        self.faults[gap.reason] += 1
        self.log.info("source_fault", fault=gap.reason.value, list=name, key=gap.key, path=gap.path)

    def _reading(
        self, target: tuple[str, str], taken_at: datetime, privileges: tuple[str, ...] | None,
    ) -> Reading:  # fmt: skip
        gaps = tuple(gap for name in (WHOLE, *self.scope) for gap in self.gaps.get(name, ()))
        coverage = Coverage(self.scope, gaps, self._clock_note(taken_at))
        lists = {name: self.lists[name] for name in self.scope if name in self.lists and name not in coverage.unread}
        about = {"tenant": target[0], "environment": target[1], "taken_at": taken_at, "source": self.source.name}
        known = {**self.last.lists, **{name: self.lists[name] for name in self.lists if name not in coverage.unread}}
        return Reading(
            configuration=Configuration(lists, self.form.version, about, gaps, declared=self.catalogue.declared),
            coverage=coverage,
            seals=self.seals,
            kept=frozenset(self.kept & lists.keys()),
            suspects=self.suspects,
            taken_at=taken_at,
            source_date=self.source.date,
            privileges=self.last.privileges if privileges is None else privileges,
            requests=dict(self.source.requests),
            faults=dict(self.faults),
            seconds=tuple(self.source.seconds),
            decoded_objects=self.decoded,
            known=known,
            unconfirmed=dict(self.unconfirmed),
            gone={name: key for name, key in self.gone.items() if not self._is_back(name)},
            wait_s=self.wait_s,
        )

    def _is_back(self, name: str) -> bool:
        target, _, identity = name.partition("/")
        return target in self.lists and identity in self._keys_of(target)

    def _clock_note(self, now: datetime) -> dict[str, str]:
        date = self.source.date
        if date is None or abs((date - now).total_seconds()) < 3600:
            return {}
        return {Reason.SOURCE_CLOCK.value: f"the source's clock says {date.isoformat()}"}


def _references(kind: ResourceType, row: Row) -> Iterator[tuple[Field, Reference]]:
    """All that a row refers to by id."""
    for each in kind.references():
        value = row.get(each.name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Reference):
                yield each, item


def _said(sentence: str) -> str:
    """A sentence as part of another."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _is_active(each: ConfigObject, active: str) -> bool:
    if not active:
        return True
    value = each.values.get(active, True)
    return value if isinstance(value, bool) else True
