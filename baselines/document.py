"""YAML and JSON as a tree that knows where everything stands, read on the parser's events.

The usual loaders read ``NO`` as false, ``18:00`` as 1080, take the last of two equal keys, and end
the process on 50,000 brackets (reliability §3). Here nothing is resolved and nothing recurses: a
scalar stays as written, with its place; whoever knows the field decides what it means. One reader
for configurations, the catalogue, packs, manifests and tenant files.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import yaml
import zstandard

from baselines.errors import InvalidInput, Mistake, shown

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds beyond which a document is refused whole (reliability §3)."""

    size: int = 64 * MIB  #: bytes of the file
    unpacked: int = 256 * MIB  #: bytes after zstd
    nodes: int = 5_000_000
    alias_factor: int = 10  #: expanded nodes ÷ written nodes
    depth: int = 64
    text: int = MIB  #: bytes of one scalar
    key: int = 256  #: characters of one key


CONFIGURATION_LIMITS: Final = Limits()
SETTINGS_LIMITS: Final = Limits(size=MIB, unpacked=MIB)


class Scalar:
    """A scalar as written. ``is_plain``: without quotes, so that its type is open."""

    __slots__ = ("column", "is_plain", "line", "text")

    def __init__(self, text: str, is_plain: bool, line: int, column: int) -> None:
        self.text, self.is_plain, self.line, self.column = text, is_plain, line, column

    @property
    def is_null(self) -> bool:
        """``null``, ``~`` or nothing at all, unquoted."""
        return self.is_plain and self.text in ("", "~", "null", "Null", "NULL")


class Sequence:
    """A list with the place where it begins."""

    __slots__ = ("column", "items", "line")

    def __init__(self, line: int, column: int) -> None:
        self.items: list[Node] = []
        self.line, self.column = line, column


class Mapping:
    """A mapping with text keys, in the order written, each with its place."""

    __slots__ = ("column", "items", "keys", "line")

    def __init__(self, line: int, column: int) -> None:
        self.items: dict[str, Node] = {}
        self.keys: dict[str, Scalar] = {}
        self.line, self.column = line, column


Node: TypeAlias = Scalar | Sequence | Mapping


def read_document(data: bytes, name: str, *, limits: Limits = CONFIGURATION_LIMITS) -> Node:
    """Read one document; the name's ending says whether it must be JSON and whether it is packed.

    Raises:
        InvalidInput: with every mistake that the syntax shows, each with its place.
    """
    is_packed = name.endswith(".zst")
    if len(data) > limits.size:
        raise _one(name, 0, 0, "too_large", f"{len(data)} bytes, the limit is {limits.size}.", "Split the file.")
    if is_packed:
        data = _unpacked(data, name, limits)
    text = _decoded(data, name)
    is_json = name.removesuffix(".zst").endswith(".json")
    return _Builder(name, text, is_json, limits).build()


def _one(name: str, line: int, column: int, code: str, what: str, mend: str) -> InvalidInput:
    return InvalidInput([Mistake(name, line, column, "", code, what, mend)])


def _unpacked(data: bytes, name: str, limits: Limits) -> bytes:
    if data[:4] != b"\x28\xb5\x2f\xfd":
        raise _one(name, 0, 0, "format", "This is not zstd data.", "Pack it with zstd, or drop the ending .zst.")
    out = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=128 * MIB).stream_reader(data, read_across_frames=True)
    try:
        while chunk := reader.read(MIB):
            out += chunk
            if len(out) > limits.unpacked:
                what = f"More than {limits.unpacked} bytes when unpacked."
                raise _one(name, 0, 0, "too_large", what, "Split the file.")
    except zstandard.ZstdError as error:
        raise _one(name, 0, 0, "truncated", "The zstd data is cut or damaged.", "Make the file anew.") from error
    if not _ends_with_its_frame(data):
        raise _one(name, 0, 0, "truncated", "The zstd data is cut or damaged.", "Make the file anew.")
    return bytes(out)


def _ends_with_its_frame(data: bytes) -> bool:
    """stream_reader takes a cut frame for its end; the one-shot decompressor does not."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=128 * MIB).decompressobj(read_across_frames=False)
    decompressor.decompress(data)
    return bool(decompressor.eof)


def _decoded(data: bytes, name: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _one(name, 0, 0, "encoding", "The file is UTF-16 (byte offset 0).", "Save it as UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"Byte 0x{data[error.start]:02x} at byte offset {error.start} is not UTF-8."
        raise _one(name, line, 1, "encoding", what, "Save it as UTF-8.") from error
    at = text.find("\0")
    if at >= 0:
        what = f"A NUL character at byte offset {len(text[:at].encode())}."
        raise _one(name, text.count("\n", 0, at) + 1, 1, "encoding", what, "Save it as UTF-8 text.")
    return text


#: A pair of JSON surrogate escapes, which libyaml refuses; they are joined before it reads.
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_JSON_WORDS: Final = frozenset(("true", "false", "null", "NaN", "Infinity", "-Infinity"))


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


class _Builder:
    """Turns events into a tree without recursion, counting depth and nodes before anything is expanded."""

    def __init__(self, name: str, text: str, is_json: bool, limits: Limits) -> None:
        self.name, self.is_json, self.limits = name, is_json, limits
        self.text = _PAIR.sub(_joined, text) if is_json and "\\u" in text else text
        self.mistakes: list[Mistake] = []
        self.nodes = 0
        self.expanded = 0
        self.anchors: dict[str, tuple[Node, int]] = {}

    def mistake(self, mark: Any, code: str, what: str, mend: str) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        self.mistakes.append(Mistake(self.name, line, column, "", code, what, mend))

    def refuse(self, mark: Any, code: str, what: str, mend: str) -> InvalidInput:
        self.mistake(mark, code, what, mend)
        return InvalidInput(self.mistakes)

    def build(self) -> Node:
        root: Node | None = None
        documents = 0
        stack: list[tuple[Node, str | None, int]] = []  # container, its anchor, nodes counted before it
        pending: list[Scalar | None] = []  # for each open mapping: the key whose value is due
        open_anchors: set[str] = set()

        def put(node: Node, mark: Any) -> None:
            nonlocal root
            if not stack:
                root = node
                return
            parent = stack[-1][0]
            if isinstance(parent, Sequence):
                parent.items.append(node)
                return
            assert isinstance(parent, Mapping)
            key = pending[-1]
            if key is None:
                pending[-1] = self.key_of(node, mark)
                return
            pending[-1] = None
            self.put_pair(parent, key, node)

        try:
            for event in self.events():
                kind = event.__class__
                if kind is yaml.ScalarEvent:
                    self.count(event, 1)
                    put(self.scalar(event), event.start_mark)
                    if event.anchor:
                        self.remember(event.anchor, self.last_scalar, 1)
                elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                    self.count(event, 1)
                    self.check_collection(event)
                    if len(stack) >= self.limits.depth:
                        what = f"Nested deeper than {self.limits.depth} levels."
                        raise self.refuse(event.start_mark, "too_deep", what, "Flatten it.")
                    line, column = event.start_mark.line + 1, event.start_mark.column + 1
                    node: Node = Mapping(line, column) if kind is yaml.MappingStartEvent else Sequence(line, column)
                    put(node, event.start_mark)
                    stack.append((node, event.anchor, self.expanded))
                    if event.anchor:
                        open_anchors.add(event.anchor)
                    pending.append(None)
                elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                    pending.pop()
                    node, anchor, before = stack.pop()
                    if anchor:
                        open_anchors.discard(anchor)
                        self.remember(anchor, node, self.expanded - before + 1)
                elif kind is yaml.AliasEvent:
                    put(self.alias(event, open_anchors), event.start_mark)
                elif kind is yaml.DocumentStartEvent:
                    documents += 1
                    if documents > 1:
                        what = "A second document begins here."
                        raise self.refuse(event.start_mark, "syntax", what, "Keep one document in a file.")
        except yaml.MarkedYAMLError as error:
            raise self.syntax(error) from None
        except yaml.YAMLError as error:
            raise self.reader_error(error) from None
        if self.is_json:
            self.check_json()
        if self.mistakes:
            raise InvalidInput(self.mistakes)
        if root is None or (isinstance(root, Scalar) and root.is_null):
            raise self.refuse(None, "empty", "There is nothing in it.", "Nothing is not a clean document; fill it.")
        return root

    def events(self) -> Iterator[Any]:
        return iter(yaml.parse(self.text, Loader=yaml.CSafeLoader))

    def count(self, event: Any, by: int) -> None:
        self.nodes += 1
        self.expanded += by
        if self.nodes > self.limits.nodes:
            what = f"More than {self.limits.nodes} nodes."
            raise self.refuse(event.start_mark, "too_many_nodes", what, "Split the file.")

    def scalar(self, event: Any) -> Scalar:
        text = event.value
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            self.tag(event)
        if len(text) > self.limits.text:
            what = f"A text of {len(text)} characters, the limit is {self.limits.text}."
            self.mistake(event.start_mark, "too_large", what, "Shorten it.")
            text = ""
        is_plain = event.style in (None, "") and event.tag is None
        if (
            self.is_json
            and event.style != '"'
            and not (is_plain and (text in _JSON_WORDS or _JSON_NUMBER.fullmatch(text)))
        ):
            self.mistake(event.start_mark, "format", f"“{shown(text)}” is not JSON.", "Write JSON, or name it .yaml.")
        self.last_scalar = Scalar(text, is_plain, line, column)
        return self.last_scalar

    def tag(self, event: Any) -> None:
        what = f"The tag {shown(str(event.tag))} is not allowed; nothing was run or opened."
        self.mistake(event.start_mark, "tag", what, "Write the value without a tag.")

    def check_collection(self, event: Any) -> None:
        allowed = "tag:yaml.org,2002:map" if event.__class__ is yaml.MappingStartEvent else "tag:yaml.org,2002:seq"
        if event.tag not in (None, "!", allowed):
            self.tag(event)
        if self.is_json and not event.flow_style:
            raise self.refuse(event.start_mark, "format", "This is YAML, not JSON.", "Write JSON, or name it .yaml.")

    def remember(self, anchor: str, node: Node, size: int) -> None:
        self.anchors[anchor] = (node, size)

    def alias(self, event: Any, open_anchors: set[str]) -> Node:
        if event.anchor in open_anchors:
            what = f"The alias *{shown(event.anchor)} contains itself."
            raise self.refuse(event.start_mark, "cyclic_alias", what, "Write the value out.")
        if event.anchor not in self.anchors:
            what = f"The alias *{shown(event.anchor)} has no anchor."
            raise self.refuse(event.start_mark, "syntax", what, "Write the value out.")
        node, size = self.anchors[event.anchor]
        self.nodes += 1
        self.expanded += size
        if self.expanded > max(1000, self.limits.alias_factor * self.nodes) or self.expanded > self.limits.nodes:
            what = f"Aliases expand to more than {self.limits.alias_factor} times what is written."
            raise self.refuse(event.start_mark, "too_many_nodes", what, "Write the values out.")
        return node

    def key_of(self, node: Node, mark: Any) -> Scalar:
        if isinstance(node, Scalar) and not (node.is_plain and node.text != "<<" and _is_typed_word(node.text)):
            if len(node.text) > self.limits.key:
                what = f"A key of {len(node.text)} characters, the limit is {self.limits.key}."
                self.mistake(mark, "bad_key", what, "Shorten it.")
            return node
        what = "A key must be a text, not a list, mapping, number, boolean or null."
        self.mistake(mark, "bad_key", what, "Quote it if a text is meant.")
        return Scalar(f"\0{mark.line}:{mark.column}", False, mark.line + 1, mark.column + 1)

    def put_pair(self, parent: Mapping, key: Scalar, node: Node) -> None:
        import unicodedata

        name = key.text if key.text.isascii() else unicodedata.normalize("NFC", key.text)
        if name == "<<" and key.is_plain:
            sources = node.items if isinstance(node, Sequence) else [node]
            for source in sources:
                if not isinstance(source, Mapping):
                    what = "<< needs a mapping to merge."
                    self.mistakes.append(
                        Mistake(self.name, key.line, key.column, "", "tag", what, "Name an anchored mapping.")
                    )
                    return
                for inner, value in source.items.items():
                    if inner not in parent.items:
                        parent.items[inner], parent.keys[inner] = value, source.keys[inner]
            return
        if name in parent.keys and parent.keys[name].line >= parent.line:
            first = parent.keys[name]
            what = f"The key {shown(name)} stands here again; it is first on line {first.line}."
            self.mistakes.append(
                Mistake(self.name, key.line, key.column, "", "duplicate_key", what, "Keep one of them.")
            )
            return
        parent.items[name], parent.keys[name] = node, key

    def check_json(self) -> None:
        """What libyaml lets pass (comments, loose commas) the JSON parser does not."""
        try:
            json.loads(self.text, parse_int=str, parse_float=str)
        except json.JSONDecodeError as error:
            what = f"This is not JSON: {error.msg.lower()}."
            self.mistakes.append(
                Mistake(self.name, error.lineno, error.colno, "", "format", what, "Write JSON, or name it .yaml.")
            )
        except RecursionError:
            self.mistake(None, "too_deep", f"Nested deeper than {self.limits.depth} levels.", "Flatten it.")

    def syntax(self, error: yaml.MarkedYAMLError) -> InvalidInput:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or "cannot be read")  # never the line itself: it may hold a secret
        if "escape" in problem and self.is_json:
            return self.refuse(mark, "bad_text", "A lone surrogate is no character.", "Write the character itself.")
        if "Unicode character escape" in problem:
            return self.refuse(mark, "bad_text", "This escape is no character.", "Write the character itself.")
        if "control characters" in problem:
            return self.refuse(mark, "bad_text", "A control character stands here.", "Remove it.")
        code = "format" if self.is_json else "syntax"
        mend = "Write JSON, or name it .yaml." if self.is_json else "Indent with spaces; quote texts with : # or @."
        return self.refuse(mark, code, f"This cannot be read: {problem}.", mend)

    def reader_error(self, error: yaml.YAMLError) -> InvalidInput:
        position = getattr(error, "position", 0) or 0
        line = self.text.count("\n", 0, position) + 1
        what = "A character that no text may hold (control character or surrogate)."
        return InvalidInput([Mistake(self.name, line, 1, "", "bad_text", what, "Remove it.")])


_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def _is_typed_word(text: str) -> bool:
    return text in ("", "~", "null", "true", "false") or _NUMBER.fullmatch(text) is not None


def scalar_value(text: str) -> bool | int | Decimal | str | None:
    """An unquoted scalar by the core words of YAML 1.2, where no field says what it is.

    Numbers with a point are decimals, never floats; what is no core word stays text.
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if len(text) <= 80:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            try:
                return Decimal(text)
            except InvalidOperation:
                return text
    return text


def plain_value(node: Node) -> Any:
    """A tree as plain values (None, bool, int, Decimal, str, list, dict). Depth is bounded by the limits."""
    if isinstance(node, Scalar):
        return scalar_value(node.text) if node.is_plain else node.text
    if isinstance(node, Sequence):
        return [plain_value(item) for item in node.items]
    return {key: plain_value(value) for key, value in node.items.items()}
