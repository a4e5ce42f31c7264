"""A configuration as a value: objects in canonical form, in lists that know their digests.

What is unchanged is recognised by digest and never opened. An object keeps its canonical bytes;
``values`` decodes them when someone looks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import orjson
from blake3 import blake3

from baselines.coverage import Gap, Reason
from baselines.values import Canonical

FORM = "1"  #: version of the canonical form; part of every digest


class ConfigObject(msgspec.Struct, frozen=True, array_like=True):
    """One object: canonical bytes and what is kept beside them, never compared."""

    key: str  #: natural key, parts joined with "/"
    body: bytes  #: canonical JSON of the compared fields
    id: str = ""  #: SMART360's id_string, "" if unknown
    about: dict[str, str] = {}  #: created_at, created_by, updated_at, updated_by as they came
    line: int = 0  #: in the file it came from; 0 elsewhere

    @property
    def digest(self) -> bytes:
        """BLAKE3 of the canonical bytes (32 bytes)."""
        return blake3(self.body).digest()

    @property
    def values(self) -> dict[str, Canonical]:
        """The compared fields; decoded anew at each call."""
        decoded: dict[str, Canonical] = orjson.loads(self.body)
        return decoded


class ObjectList:
    """All objects of one resource type, in the order of their keys; opened only when looked into."""

    __slots__ = ("_load", "_objects", "count", "digest", "resource_type", "version")

    def __init__(
        self,
        resource_type: str,
        version: str,
        digest: str,
        count: int,
        load: Callable[[], tuple[ConfigObject, ...]],
    ) -> None:
        self.resource_type, self.version, self.digest, self.count = resource_type, version, digest, count
        self._load: Callable[[], tuple[ConfigObject, ...]] | None = load
        self._objects: tuple[ConfigObject, ...] = ()

    @classmethod
    def of(cls, resource_type: str, objects: Iterable[ConfigObject], version: str) -> "ObjectList":
        """A list of objects in memory; ``version`` is that of form and catalogue."""
        ordered = tuple(sorted(objects, key=lambda each: (each.key, each.body, each.id)))
        return cls(resource_type, version, list_digest(resource_type, ordered, version), len(ordered), lambda: ordered)

    @property
    def objects(self) -> tuple[ConfigObject, ...]:
        """The objects; the first call opens the list."""
        if self._load is not None:
            self._objects, self._load = self._load(), None
        return self._objects

    @property
    def is_open(self) -> bool:
        """True once someone has looked into it."""
        return self._load is None

    def __repr__(self) -> str:
        return f"ObjectList({self.resource_type}, {self.count} objects, {self.digest[:15]})"


def list_digest(resource_type: str, objects: Iterable[ConfigObject], version: str) -> str:
    """``b3:`` and BLAKE3 over the sorted digests of the objects."""
    hasher = blake3(f"{version}\0{resource_type}\0".encode())
    for digest in sorted(each.digest for each in objects):
        hasher.update(digest)
    return "b3:" + hasher.hexdigest()


def whole_digest(lists: Mapping[str, "ObjectList"], version: str) -> str:
    """Digest of a configuration: an absent type and one without objects make no difference."""
    hasher = blake3(f"{version}\0configuration\0".encode())
    for name in sorted(lists):
        if lists[name].count:
            hasher.update(f"{name}\0{lists[name].digest}\0".encode())
    return "b3:" + hasher.hexdigest()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[ConfigObject, ...])


def packed(objects: tuple[ConfigObject, ...]) -> bytes:
    """Objects as bytes for the store: canonical bytes with id and about beside them."""
    return _encoder.encode(tuple(msgspec.structs.replace(each, line=0) for each in objects))


def unpacked(data: bytes) -> tuple[ConfigObject, ...]:
    """The objects that ``packed`` packed."""
    return _decoder.decode(data)


@dataclass(frozen=True)
class Configuration:
    """The state of one target, or of a file, in canonical form.

    ``gaps`` says what of it could not be read or is not known to the catalogue; lists named there
    for a list reason are not in ``lists`` and are never compared.
    """

    lists: Mapping[str, ObjectList]
    version: str  #: of canonical form and catalogue, e.g. ``1.2cb915664b8b1f20``
    about: Mapping[str, Any] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    file: str = ""  #: name of the file it came from, "" elsewhere
    declared: Mapping[str, str] = field(default_factory=dict)  #: fields that only an overlay described then

    @cached_property
    def digest(self) -> str:
        """``b3:`` and BLAKE3: equal digests ⇔ equal meaning, under one version."""
        return whole_digest(self.lists, self.version)

    @property
    def object_count(self) -> int:
        """How many objects there are in all lists."""
        return sum(each.count for each in self.lists.values())

    @property
    def unread(self) -> Mapping[str, Gap]:
        """Lists that were not read, by resource type."""
        from baselines.coverage import LIST_GAPS

        return {gap.resource_type: gap for gap in self.gaps if not gap.path and not gap.key and gap.reason in LIST_GAPS}

    def why_unknown(self, resource_type: str) -> Reason | None:
        """Why nothing can be said about this type: not read, or absent from the document; None if it is there."""
        gap = self.unread.get(resource_type)
        if gap is not None:
            return gap.reason
        return None if resource_type in self.lists else Reason.ABSENT

    def objects(self, resource_type: str) -> tuple[ConfigObject, ...]:
        """Objects of a type, () where there are none."""
        found = self.lists.get(resource_type)
        return found.objects if found is not None else ()

    def named(self, resource_type: str, key: str) -> ConfigObject | None:
        """The object of a type with this key."""
        return next((each for each in self.objects(resource_type) if each.key == key), None)
