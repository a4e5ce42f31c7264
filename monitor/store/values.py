"""Values of the store as JSON and back: msgspec keeps frozen dataclasses and StrEnums as they are."""

from typing import Any, TypeVar

import msgspec
import zstandard
from blake3 import blake3

T = TypeVar("T")


def to_json(value: Any) -> str:
    """A value as JSON text; the same value gives the same bytes."""
    return msgspec.json.encode(value, order="sorted").decode()


def from_json(text: str | bytes, kind: type[T]) -> T:
    """The value that ``to_json`` wrote."""
    return msgspec.json.decode(text, type=kind)


def content_of(value: Any) -> str:
    """A digest of a value, as the audit log names what was acted upon."""
    return f"b3:{blake3(to_json(value).encode()).hexdigest()}"


def packed(value: Any) -> bytes:
    """A value as zstd-packed MessagePack, for what no person reads in the database."""
    return zstandard.ZstdCompressor(level=3).compress(msgspec.msgpack.encode(value))


def unpacked(data: bytes, kind: type[T]) -> T:
    """The value that ``packed`` packed."""
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data), type=kind)
