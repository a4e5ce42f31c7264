"""The audit chain, judged: whole, or the first bad entry and how it is bad (P8). Pure: entries and a public key.

Every entry is linked to hash and signature of the one before, and its own hash is signed; so one good signature vouches
for all that stands before it, and an entry that names a new key (``audit.key``) hands that trust on. That is why one
signature in some thousands is enough; all are looked at only to find the first bad one. What stands before a removed
prefix is vouched for by a signed checkpoint. What was cut off at the end, or written anew by who holds the key, only a
head that was told outside can show.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

import orjson
from blake3 import blake3
from nacl.encoding import HexEncoder
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey

KEY_CHANGE: Final = "audit.key"  #: its content is the public key that signs from here on
CHECKPOINT: Final = "audit.checkpoint"  #: its content is ``SEQ:LINK`` of the last entry that was removed
_HEX: Final = frozenset("0123456789abcdef")
BATCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class Head:
    """An entry by its number and hash: what is told outside."""

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> "Head":
        """From ``SEQ:HASH``.

        Raises:
            ValueError: it is none.
        """
        seq, _, hashed = text.strip().partition(":")
        if not (seq.isascii() and seq.isdigit() and len(seq) < 16 and len(hashed) == 64 and set(hashed) <= _HEX):
            raise ValueError(text)
        return cls(int(seq), hashed)

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act, chained and signed."""

    seq: int
    at: datetime
    actor: str
    tenant: str
    action: str
    object: str
    content: str  #: digest of what was acted upon
    reason: str
    request: str  #: that the act was part of, as in the log of the service; "": of none
    prev: str  #: link of the entry before; "" of the first
    hash: str
    signature: str
    public_key: str

    @property
    def link(self) -> str:
        """What the next entry names as ``prev``."""
        return link(self.hash, self.signature)

    @property
    def head(self) -> Head:
        """Its number and hash."""
        return Head(self.seq, self.hash)

    def expected_hash(self) -> str:
        """BLAKE3 of the canonical bytes of everything but hash and signature."""
        fields = {
            "seq": self.seq, "at": self.at.astimezone(UTC).isoformat(), "actor": self.actor, "tenant": self.tenant,
            "action": self.action, "object": self.object, "content": self.content, "reason": self.reason,
            "request": self.request, "prev": self.prev, "public_key": self.public_key,
        }  # fmt: skip
        return blake3(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def is_signed(self) -> bool:
        """True if its hash is signed by the key it names."""
        try:
            _key(self.public_key).verify(self.hash.encode(), bytes.fromhex(self.signature))
        except (BadSignatureError, CryptoError, ValueError, TypeError):
            return False
        return True

    def signed(self, key: SigningKey) -> "Entry":
        """With its hash and signature."""
        bare = replace(self, public_key=public_half(key))
        hashed = bare.expected_hash()
        return replace(bare, hash=hashed, signature=key.sign(hashed.encode(), encoder=HexEncoder).signature.decode())


class Breach(StrEnum):
    """How a chain is broken."""

    EDITED = "edited"
    MISSING = "missing"
    REORDERED = "reordered"
    CUT = "cut"
    FORKED = "forked"
    ANCHOR_UNKNOWN = "anchor unknown"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first bad entry, and how it is bad."""

    seq: int
    kind: Breach
    told: str

    def __str__(self) -> str:
        return f"entry {self.seq:,} is {self.kind}: {self.told}"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a chain was followed, and what is due next."""

    seq: int = 0
    hash: str = ""
    link: str = ""
    key: str = ""  #: that signed the entry here
    named: str = ""  #: key that may sign from here on, too
    keys: tuple[str, ...] = ()  #: all that signed so far
    begins: Head | None = None  #: number and link of the entry before the first, where that is not the first of all
    checkpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a whole log was found to be."""

    entries: int
    head: Head | None
    keys: tuple[str, ...]
    broken: Broken | None = None


def link(hashed: str, signature: str) -> str:
    """What the entry after one with this hash and signature names as ``prev``."""
    return blake3(f"{hashed}{signature}".encode()).hexdigest()


def public_half(key: SigningKey) -> str:
    """A public key as entries name it: 64 hex digits."""
    return key.verify_key.encode(HexEncoder).decode()


@lru_cache(64)
def _key(text: str) -> VerifyKey:
    return VerifyKey(text.encode(), HexEncoder)


def follow(place: Place, entries: Sequence[Entry], heads: Mapping[int, str]) -> tuple[Place, Broken | None]:
    """Follow a chain from a place over the entries after it, as far as it is whole.

    Args:
        heads: hashes told outside, by number.
    """
    begun, broken, whole = place, None, 0
    for each in entries:
        place, broken = _step(place, each, heads)
        if broken is not None:
            break
        whole += 1
    found = entries[:whole]
    vouching = [each for each in found if each.action == KEY_CHANGE] + list(found[-1:])
    if all(each.is_signed() for each in vouching):
        return place, broken
    first = next(index for index, each in enumerate(found) if not each.is_signed())
    place = begun
    for each in found[:first]:
        place, _ = _step(place, each, heads)
    return place, Broken(found[first].seq, Breach.EDITED, "its signature is not of the key it names.")


def _step(place: Place, entry: Entry, heads: Mapping[int, str]) -> tuple[Place, Broken | None]:
    is_first = not place.keys
    due = entry.seq if is_first else place.seq + 1
    if entry.seq != due:
        return place, Broken(due, Breach.MISSING, f"{entry.seq:,} stands in its place.")
    if entry.expected_hash() != entry.hash:
        return place, Broken(due, Breach.EDITED, "what it says is not what its hash was taken of.")
    if not is_first and entry.prev != place.link:
        return place, Broken(due, Breach.FORKED, "it does not follow the entry before it.")
    if not is_first and entry.public_key not in (place.key, place.named):
        return place, Broken(due, Breach.FORKED, "it is signed with a key that no entry before it names.")
    if heads.get(due, entry.hash) != entry.hash:
        return place, Broken(due, Breach.FORKED, f"outside it was told as {heads[due][:12]}…: there are two histories.")
    is_new = entry.public_key != place.key
    return Place(
        seq=due, hash=entry.hash, link=entry.link, key=entry.public_key,
        named=entry.content if entry.action == KEY_CHANGE else "" if is_new else place.named,
        keys=(*place.keys, entry.public_key) if is_new else place.keys,
        begins=Head(due - 1, entry.prev) if is_first and (due > 1 or entry.prev) else place.begins,
        checkpoints=(*place.checkpoints, entry.content) if entry.action == CHECKPOINT else place.checkpoints,
    ), None  # fmt: skip


def ended(place: Place, heads: Mapping[int, str], key: str) -> Broken | None:
    """What is wrong with a chain that was followed to its end; ``key`` is the one that is trusted."""
    begins = place.begins
    if begins is not None and str(begins) not in place.checkpoints:
        removed = max((Head.parse(each).seq for each in place.checkpoints), default=0)
        return Broken(removed + 1, Breach.MISSING, "no checkpoint says that what stood here was removed.")
    beyond = [seq for seq in heads if seq > place.seq]
    if beyond:
        told = f"outside it was told up to {max(beyond):,}, and nothing is here after {place.seq:,}."
        return Broken(place.seq + 1, Breach.CUT, told)
    kept = begins.seq if begins is not None else 0
    unknown = min((seq for seq in heads if seq <= kept), default=0)
    if unknown:
        return Broken(unknown, Breach.ANCHOR_UNKNOWN, "it was removed; an export from before shows it.")
    if place.keys and key not in (*place.keys, place.named):
        return Broken(kept + 1, Breach.FORKED, "no entry is signed with the key that is trusted.")
    return None


def verify(entries: Iterable[Entry], *, key: str, heads: Iterable[Head] = ()) -> Verdict:
    """Judge a whole log.

    Args:
        entries: as they stand in it.
        key: the public key that is trusted, of now or of then; it must have signed here.
        heads: what was told outside.
    """
    told = _by_number(heads)
    place, count = Place(), 0
    hashes: set[str] = set()
    rest = iter(entries)
    for batch in _batches(rest):
        after, broken = follow(place, batch, told)
        whole = after.seq - place.seq if place.keys else after.seq - batch[0].seq + 1 if after.keys else 0
        hashes.update(each.hash for each in batch[:whole])
        count, place = count + whole, after
        if broken is not None:
            exact = _exactly(broken, place, batch[whole:], hashes, rest)
            return Verdict(count, None, place.keys, exact)
    head = Head(place.seq, place.hash) if place.keys else None
    return Verdict(count, head, place.keys, ended(place, told, key))


def _by_number(heads: Iterable[Head]) -> Mapping[int, str]:
    """Of two that contradict each other one is refused by the chain; which is told first does not matter."""
    found: dict[int, str] = {}
    for each in heads:
        found[each.seq] = each.hash if found.get(each.seq, each.hash) == each.hash else "contradicted"
    return found


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for each in entries:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _exactly(broken: Broken, place: Place, here: Sequence[Entry], before: set[str], after: Iterator[Entry]) -> Broken:
    """Tell an entry that stands elsewhere from one that is gone or was edited."""
    bad, rest = here[0], [*here[1:], *after]
    if broken.kind is Breach.MISSING:
        # The one that should be here is the one after the last whole one, and the one that the next names.
        stands_elsewhere = bad.hash in before or any(
            each.prev == place.link and each.seq == broken.seq for each in rest
        )  # fmt: skip
        if stands_elsewhere:
            return replace(broken, kind=Breach.REORDERED)
        if bad.seq <= place.seq:  # another entry of a number that was there already
            return replace(broken, seq=bad.seq, kind=Breach.FORKED, told="there are two of this number.")
    if broken.kind in (Breach.EDITED, Breach.MISSING):
        numbers = range(1, place.seq + len(rest) + 2)
        moved = next(
            (seq for seq in numbers if seq != bad.seq and replace(bad, seq=seq).expected_hash() == bad.hash), 0
        )
        if moved:
            return replace(broken, kind=Breach.REORDERED, told=f"entry {moved:,} stands in its place.")
    return broken
