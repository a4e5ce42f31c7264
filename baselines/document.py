"""YAML and JSON as a tree that knows where everything stands, read on the parser's events.

The usual loaders read ``NO`` as false, ``18:00`` as 1080, take the last of two equal keys, and end
the process on 50,000 brackets (reliability §3). Here nothing is resolved and nothing recurses: a
scalar stays as written, with its place; whoever knows the field decides what it means. One reader
for configurations, the catalogue, packs, manifests and tenant files.
"""

import codecs
import json.decoder
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias

import yaml
import zstandard

from baselines.errors import InvalidInput, Mistake, shown, shown_path

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds beyond which a document is refused whole (reliability §3)."""

    size: int = 64 * MIB  #: bytes of the file
    unpacked: int = 256 * MIB  #: bytes after zstd
    nodes: int = 5_000_000
    held: int = 1_000_000  #: nodes in memory at once: of the tree, or of one object that is taken from it
    alias_factor: int = 10  #: expanded nodes ÷ written nodes
    depth: int = 64
    text: int = MIB  #: bytes of one scalar
    key: int = 256  #: characters of one key


CONFIGURATION_LIMITS: Final = Limits()
SETTINGS_LIMITS: Final = Limits(size=MIB, unpacked=MIB)
MOST_COLLECTED: Final = 10_000  #: mistakes; a document with more is not read further
MOST_NAMED: Final = 10  #: levels of a path that a message names


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
#: Offered each item of a list that stands under a key of the document: key, index, item. True: it was
#: taken and need not be kept.
Take: TypeAlias = Callable[[str, int, Node], bool]


def read_document(
    data: bytes, name: str, *, limits: Limits = CONFIGURATION_LIMITS, take: Take | None = None,
    mistakes: list[Mistake] | None = None,
) -> Node:  # fmt: skip
    """Read one document; the name's ending says whether it must be JSON and whether it is packed.

    Args:
        data: the bytes of the file.
        name: stands in messages; ``.json`` and ``.zst`` decide the format.
        limits: beyond which the document is refused.
        take: gets each object of a large configuration as soon as it ends, so that the whole tree
            never stands in memory; what it takes is missing from the tree.
        mistakes: collects those beside which the rest can be read; without it they are raised.

    Raises:
        InvalidInput: with every mistake that the syntax shows, each with its place.
    """
    builder = _Builder(shown_path(name), limits, take, [] if mistakes is None else mistakes)
    if len(data) > limits.size:
        raise builder.refuse(0, 0, "too_large", f"{len(data)} bytes, the limit is {limits.size}.", "Split the file.")
    if name.endswith(".zst"):
        data = _unpacked(data, builder)
    _check_encoding(data, builder)
    if name.removesuffix(".zst").endswith(".json"):
        _read_json(data.decode("utf-8-sig"), builder)
    else:
        _read_yaml(data, builder)
    if builder.mistakes and mistakes is None:
        raise InvalidInput(builder.mistakes)
    return builder.finish()


def _unpacked(data: bytes, builder: "_Builder") -> bytes:
    if data[:4] != b"\x28\xb5\x2f\xfd":
        mend = "Pack it with zstd, or drop the ending .zst."
        raise builder.refuse(0, 0, "format", "This is not zstd data.", mend)
    decompressor = zstandard.ZstdDecompressor(max_window_size=64 * MIB)
    frame = decompressor.decompressobj()
    out = bytearray()
    try:
        # 1 KiB of zstd can hold 32 MiB at most, so that a bomb is noticed before it fills the memory.
        for start in range(0, len(data), 1024):
            piece = data[start : start + 1024]
            while piece:
                if frame.eof:
                    frame = decompressor.decompressobj()
                out += frame.decompress(piece)
                if len(out) > builder.limits.unpacked:
                    what = f"More than {builder.limits.unpacked} bytes when unpacked."
                    raise builder.refuse(0, 0, "too_large", what, "Split the file.")
                piece = frame.unused_data
    except zstandard.ZstdError:
        frame = decompressor.decompressobj()
    if not frame.eof:
        raise builder.refuse(0, 0, "truncated", "The zstd data is cut or damaged.", "Make the file anew.")
    return bytes(out)


def _check_encoding(data: bytes, builder: "_Builder") -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise builder.refuse(1, 1, "encoding", "The file is UTF-16 (byte offset 0).", "Save it as UTF-8.")
    at = data.find(b"\0")
    if at >= 0:
        raise builder.refuse(
            *_place(data, at), "encoding", f"A NUL character at byte offset {at}.", "Save it as UTF-8 text."
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, 0 if data.isascii() else len(data), MIB):
        begun = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + MIB], final=start + MIB >= len(data))
        except UnicodeDecodeError as error:
            at = start - begun + error.start
            what = f"Byte 0x{data[at]:02x} at byte offset {at} is not UTF-8."
            raise builder.refuse(*_place(data, at), "encoding", what, "Save it as UTF-8.") from None


def _place(data: bytes, at: int) -> tuple[int, int]:
    """Line and column of a byte."""
    start = data.rfind(b"\n", 0, at) + 1
    return data.count(b"\n", 0, at) + 1, len(data[start:at].decode("utf-8-sig", "replace")) + 1


class _Frame:
    """A list or mapping that is open."""

    __slots__ = ("anchor", "count", "expanded", "height", "is_offered", "key", "mark", "merges", "name", "node")

    def __init__(self, node: Sequence | Mapping, anchor: str | None, expanded: int) -> None:
        self.node, self.anchor, self.expanded = node, anchor, expanded
        self.key: Scalar | None = None  #: of a mapping, whose value is due
        self.name: str | None = None  #: that key in NFC; None for one that cannot be a key
        self.merges: list[Mapping] | None = None
        self.count = 0  #: items of a list so far
        self.height = 0
        self.is_offered = False  #: items go to ``take``
        self.mark = (0, 0)  #: nodes and anchors when the last offered item ended


#: What no text may hold: control characters but tab and line ends, and halves of surrogate pairs.
FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


class _Builder:
    """Turns events into a tree without recursion, counting depth and nodes before anything is expanded."""

    def __init__(self, name: str, limits: Limits, take: Take | None, mistakes: list[Mistake]) -> None:
        self.name, self.limits, self.take, self.mistakes = name, limits, take, mistakes
        self.stack: list[_Frame] = []
        self.root: Node | None = None
        self.nodes = 0
        self.most = min(limits.held, limits.nodes)  #: nodes that may be written by now: rises as objects are taken
        self.repeated = 0  #: nodes that aliases stand for
        self.anchors: dict[str, tuple[Node, int, int]] = {}  #: node, its nodes when expanded, its height

    def mistake(self, line: int, column: int, code: str, what: str, mend: str) -> None:
        self.mistakes.append(Mistake(self.name, line, column, self.path() if line else "", code, what, mend))
        if len(self.mistakes) > MOST_COLLECTED:
            raise InvalidInput(self.mistakes)

    def refuse(self, line: int, column: int, code: str, what: str, mend: str) -> InvalidInput:
        self.mistake(line, column, code, what, mend)
        return InvalidInput(self.mistakes)

    def path(self) -> str:
        """Where the reader stands: ``service_plan[3].rates[0].rate``."""
        path = ""
        for frame in self.stack[:MOST_NAMED]:
            if frame.node.__class__ is Sequence:
                path += f"[{frame.count}]"
            elif frame.key is not None:
                path += ("." if path else "") + shown(frame.key.text)
        return path if len(self.stack) <= MOST_NAMED else path + "…"

    def scalar(self, text: str, is_plain: bool, line: int, column: int, anchor: str | None) -> None:
        self.nodes += 1
        if self.nodes > self.most:
            raise self.too_many(line, column)
        if not text.isprintable() and (found := FORBIDDEN.search(text)) is not None:
            kind = "lone surrogate" if found[0] >= "\ud800" else "control character"
            what = f"The text holds the {kind} U+{ord(found[0]):04X}."
            self.mistake(line, column, "bad_text", what, "Remove it.")
            text = FORBIDDEN.sub("?", text)
        if len(text) * 4 > self.limits.text and (size := len(text.encode())) > self.limits.text:
            what = f"A text of {size} bytes, the limit is {self.limits.text}."
            self.mistake(line, column, "too_large", what, "Shorten it.")
        node = Scalar(text, is_plain, line, column)
        if anchor:
            self.anchors[anchor] = (node, 1, 0)
        self.put(node, line, column, 0)

    def open(self, node: Sequence | Mapping, anchor: str | None) -> None:
        self.nodes += 1
        if self.nodes > self.most:
            raise self.too_many(node.line, node.column)
        self.check_depth(node.line, node.column, 1)
        frame = _Frame(node, anchor, self.nodes + self.repeated)
        if self.take is not None and len(self.stack) == 1 and node.__class__ is Sequence and not anchor:
            above = self.stack[0]
            frame.is_offered = above.name is not None
            frame.mark = (self.nodes, len(self.anchors))
        self.stack.append(frame)

    def close(self) -> None:
        frame = self.stack.pop()
        node = frame.node
        for source in frame.merges or ():
            assert isinstance(node, Mapping)
            for name, value in source.items.items():
                if name not in node.items:
                    node.items[name], node.keys[name] = value, source.keys[name]
        if frame.anchor:
            self.anchors[frame.anchor] = (node, self.nodes + self.repeated - frame.expanded + 1, frame.height + 1)
        self.put(node, node.line, node.column, frame.height + 1)

    def alias(self, anchor: str, line: int, column: int) -> None:
        self.nodes += 1
        if any(frame.anchor == anchor for frame in self.stack):
            what = f"The alias *{shown(anchor)} contains itself."
            raise self.refuse(line, column, "cyclic_alias", what, "Write the value out.")
        if anchor not in self.anchors:
            raise self.refuse(
                line, column, "syntax", f"The alias *{shown(anchor)} has no anchor.", "Write the value out."
            )
        node, size, height = self.anchors[anchor]
        self.check_depth(line, column, height)
        self.repeated += size - 1
        expanded = self.nodes + self.repeated
        if expanded > max(1000, self.limits.alias_factor * self.nodes) or expanded > self.limits.nodes:
            what = f"Aliases expand to more than {self.limits.alias_factor} times what is written."
            raise self.refuse(line, column, "too_many_nodes", what, "Write the values out.")
        self.put(node, line, column, height)

    def too_many(self, line: int, column: int) -> InvalidInput:
        most = self.limits.nodes if self.nodes > self.limits.nodes else self.limits.held
        return self.refuse(line, column, "too_many_nodes", f"More than {most} nodes.", "Split the file.")

    def check_depth(self, line: int, column: int, height: int) -> None:
        if len(self.stack) + height > self.limits.depth:
            what = f"Nested deeper than {self.limits.depth} levels."
            raise self.refuse(line, column, "too_deep", what, "Flatten it.")

    def put(self, node: Node, line: int, column: int, height: int) -> None:
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if height > frame.height:
            frame.height = height
        container = frame.node
        if isinstance(container, Sequence):
            if frame.is_offered:
                self.offer(frame, container, node)
            else:
                container.items.append(node)
            frame.count += 1
        elif frame.key is None:
            self.put_key(frame, container, node, line, column)
        else:
            if frame.name is not None:
                container.items.setdefault(frame.name, node)
            elif frame.key.text == "<<":
                self.merge(frame, node)
            frame.key = None

    def offer(self, frame: _Frame, container: Sequence, node: Node) -> None:
        name = self.stack[0].name
        assert self.take is not None
        assert name is not None
        if not self.take(name, frame.count, node):
            container.items.append(node)
        elif frame.mark[1] == len(self.anchors):  # an anchor within would keep it in memory
            self.most = min(self.most + self.nodes - frame.mark[0], self.limits.nodes)
        frame.mark = (self.nodes, len(self.anchors))

    def put_key(self, frame: _Frame, container: Mapping, node: Node, line: int, column: int) -> None:
        if not isinstance(node, Scalar) or (node.is_plain and _is_typed(node.text)):
            what = "A key must be a text, not a list, mapping, number, boolean or null."
            self.mistake(line, column, "bad_key", what, "Quote it if a text is meant.")
            frame.key, frame.name = Scalar("?", False, line, column), None
            return
        frame.key = key = (
            node if node.line == line and node.column == column else Scalar(node.text, node.is_plain, line, column)
        )
        if key.is_plain and key.text == "<<":
            frame.name = None
            return
        frame.name = name = key.text if key.text.isascii() else unicodedata.normalize("NFC", key.text)
        first = container.keys.setdefault(name, key)
        if first is not key:
            what = f"The key {shown(key.text)} stands here again; it is first on line {first.line}."
            self.mistake(line, column, "duplicate_key", what, "Keep one of them.")
        elif len(name) > self.limits.key:
            what = f"A key of {len(name)} characters, the limit is {self.limits.key}."
            self.mistake(line, column, "bad_key", what, "Shorten it.")

    def merge(self, frame: _Frame, node: Node) -> None:
        sources = node.items if isinstance(node, Sequence) else [node]
        if all(isinstance(source, Mapping) for source in sources):
            frame.merges = [*(frame.merges or ()), *(source for source in sources if isinstance(source, Mapping))]
        else:
            assert frame.key is not None
            what = "<< needs a mapping to merge."
            self.mistake(frame.key.line, frame.key.column, "tag", what, "Name an anchored mapping.")

    def finish(self) -> Node:
        if self.root is None or (isinstance(self.root, Scalar) and self.root.is_null):
            raise self.refuse(1, 1, "empty", "There is nothing in it.", "Nothing is not a clean document; fill it.")
        return self.root


_TEXT_TAGS: Final = (None, "!", "tag:yaml.org,2002:str")
_MAPPING_TAGS: Final = (None, "!", "tag:yaml.org,2002:map")
_SEQUENCE_TAGS: Final = (None, "!", "tag:yaml.org,2002:seq")


def _read_yaml(data: bytes, builder: _Builder) -> None:
    documents = 0

    def check_tag(event: Any, allowed: tuple[str | None, ...]) -> None:
        if event.tag not in allowed:
            what = f"The tag {shown(event.tag)} is not allowed; nothing was run or opened."
            mark = event.start_mark
            builder.mistake(mark.line + 1, mark.column + 1, "tag", what, "Write the value without a tag.")

    try:
        parser: Any = yaml.CSafeLoader(data)
        while (event := parser.get_event()) is not None:
            kind = event.__class__
            mark = event.start_mark
            if kind is yaml.ScalarEvent:
                tag = event.tag
                if tag is not None:
                    check_tag(event, _TEXT_TAGS)
                is_plain = tag is None and not event.style
                builder.scalar(event.value, is_plain, mark.line + 1, mark.column + 1, event.anchor)
            elif kind is yaml.MappingStartEvent:
                check_tag(event, _MAPPING_TAGS)
                builder.open(Mapping(mark.line + 1, mark.column + 1), event.anchor)
            elif kind is yaml.SequenceStartEvent:
                check_tag(event, _SEQUENCE_TAGS)
                builder.open(Sequence(mark.line + 1, mark.column + 1), event.anchor)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                builder.close()
            elif kind is yaml.AliasEvent:
                builder.alias(event.anchor, mark.line + 1, mark.column + 1)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    what, mend = "A second document begins here.", "Keep one document in a file."
                    raise builder.refuse(mark.line + 1, mark.column + 1, "syntax", what, mend)
    except yaml.reader.ReaderError as error:
        what = "A control character, or another that no text may hold, stands here."
        raise builder.refuse(*_place(data, error.position), "bad_text", what, "Remove it.") from None
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, builder) from None


def _syntax(error: yaml.MarkedYAMLError, builder: _Builder) -> InvalidInput:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    problem = error.problem or "cannot be read"  # never the line itself: it may hold a secret
    if "Unicode character escape" in problem:
        return builder.refuse(line, column, "bad_text", "This escape is no character.", "Write the character itself.")
    if "tag" in problem or "tag" in (error.context or ""):
        what = "This tag is not allowed; nothing was run or opened."
        return builder.refuse(line, column, "tag", what, "Write the value without a tag.")
    mend = "Indent with spaces; quote texts with : # or @."
    return builder.refuse(line, column, "syntax", f"This cannot be read: {problem}.", mend)


#: A text without escapes, the rest of a text with some, a mark, a number or word; white space before it.
_TOKEN: Final = re.compile(
    r'[ \t\r\n]*(?:"([^"\\\x00-\x1f]*)"|([{}\[\],:])|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.+-])'
    r'|(?:true|false|null|NaN|-?Infinity)(?!\w))|(")|(\Z)|())'
)
_FAST_TEXT, _MARK, _WORD, _TEXT, _END = 1, 2, 3, 4, 5
#: The C scanner of the standard library: a text from behind its quote, and where it ends.
_scan_text: Final[Callable[[str, int, bool], tuple[str, int]]] = json.decoder.scanstring  # type: ignore[attr-defined]
_JSON_MEND: Final = "Write JSON, or name it .yaml."


def _read_json(text: str, builder: _Builder) -> None:
    """JSON by its own grammar: what YAML would let pass (comments, loose commas, bare words) is refused."""
    closers: list[str] = []
    line, line_start, position = 1, 0, 0
    due = "value"  # value, item (value or ]), key, field (key or }), colon, comma (or the closer), end
    token = _TOKEN.match
    while True:
        match = token(text, position)
        assert match is not None
        kind = match.lastindex
        start = match.end() if kind is None or kind > _TEXT else match.start(kind) - (kind == _FAST_TEXT)
        if start > position:
            lines = text.count("\n", position, start)
            if lines:
                line += lines
                line_start = text.rindex("\n", position, start) + 1
        position = match.end()
        column = start - line_start + 1
        if kind == _END and start == len(text):
            if due == "end" or (due == "value" and not closers and builder.root is None):
                return
            raise builder.refuse(line, column, "syntax", "The file ends in the middle of a value.", "Complete it.")
        if kind is None or kind > _END:
            code = "syntax" if due == "end" else "format"
            raise builder.refuse(line, column, code, "This is not JSON.", _DUE["end"] if due == "end" else _JSON_MEND)
        if kind == _MARK:
            mark = match[2]
            if mark == "{" and due in ("value", "item"):
                builder.open(Mapping(line, column), None)
                closers.append("}")
                due = "field"
            elif mark == "[" and due in ("value", "item"):
                builder.open(Sequence(line, column), None)
                closers.append("]")
                due = "item"
            elif closers and mark == closers[-1] and (due == "comma" or due == ("field" if mark == "}" else "item")):
                builder.close()
                closers.pop()
                due = "comma" if closers else "end"
            elif mark == "," and due == "comma":
                due = "key" if closers[-1] == "}" else "value"
            elif mark == ":" and due == "colon":
                due = "value"
            else:
                raise builder.refuse(line, column, "syntax", f"{mark} is not due here.", _DUE[due])
            continue
        if kind == _TEXT:
            written, position = _escaped_text(text, position, line, line_start, builder)
        else:
            written = match[kind]
        if due in ("value", "item"):
            due = "comma" if closers else "end"
        elif kind != _WORD and due in ("key", "field"):
            due = "colon"
        else:
            raise builder.refuse(line, column, "syntax", "A value is not due here.", _DUE[due])
        builder.scalar(written, kind == _WORD, line, column, None)


_DUE: Final = {
    "value": "Write a value.",
    "item": "Write a value or ].",
    "key": 'Write a "key".',
    "field": 'Write a "key" or }.',
    "colon": "Write a colon.",
    "comma": "Write a comma, or close what is open.",
    "end": "Keep one document in a file.",
}


def _escaped_text(text: str, position: int, line: int, line_start: int, builder: _Builder) -> tuple[str, int]:
    try:
        written, end = _scan_text(text, position, True)
    except json.JSONDecodeError as error:
        column = error.pos - line_start + 1
        if "control character" in error.msg:
            what = f"The control character U+{ord(text[error.pos]):04X} stands here."
            raise builder.refuse(line, column, "bad_text", what, "Write it as an escape, or remove it.") from None
        if "Unterminated" in error.msg:
            what = "A text begins here and has no end."
            raise builder.refuse(line, column, "syntax", what, 'Close it with ".') from None
        what = "An escape that JSON does not know."
        raise builder.refuse(line, column, "syntax", what, "Write \\\\ for a backslash.") from None
    return written, end


_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@lru_cache(1024)
def _is_typed(text: str) -> bool:
    return not isinstance(scalar_value(text), str)


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
