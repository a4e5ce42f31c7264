"""What Slack accepts, nested elements too, so that nothing is sent that it would refuse.

Source: Slack's Block Kit reference; the limit on all blocks together is undocumented and was seen at about
13,200 characters of JSON (slackapi/bolt-js issue 2509), that on a text in practice is 4,000.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_TEXT = 4_000
LONGEST_BLOCKS = 13_000
LARGEST_METADATA = 8_000
MOST_BLOCKS = 50

_STYLES = {"bold", "italic", "strike", "code", "underline"}


@dataclass(frozen=True, slots=True)
class Breach:
    """One limit not kept: Slack's error code, where, what."""

    code: str
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def size(text: str) -> int:
    """Length as the strictest reader counts it: UTF-16 units, an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def size_of_blocks(blocks: object) -> int:
    """Length of all blocks together, as JSON without spaces."""
    return size(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def breaches(post: Mapping[str, Any]) -> tuple[Breach, ...]:
    """Every limit that the arguments of ``chat.postMessage`` or ``chat.update`` break.

    Args:
        post: as sent: ``text``, ``blocks`` (a list), ``metadata``; other arguments are not looked at.
    """
    return tuple(_post(post))


def _post(post: Mapping[str, Any]) -> Iterator[Breach]:
    text, blocks, metadata = post.get("text") or "", post.get("blocks") or [], post.get("metadata")
    if not isinstance(text, str):
        yield Breach("invalid_arguments", "text", "must be text")
    elif not text and not blocks:
        yield Breach("no_text", "text", "neither text nor blocks")
    elif size(text) > LONGEST_TEXT:
        yield Breach("msg_too_long", "text", f"{size(text)} characters, most {LONGEST_TEXT}")
    if metadata is not None:
        yield from _metadata(metadata)
    if not isinstance(blocks, list):
        yield Breach("invalid_blocks_format", "blocks", "must be a list")
        return
    if len(blocks) > MOST_BLOCKS:
        yield Breach("invalid_blocks", "blocks", f"{len(blocks)} blocks, most {MOST_BLOCKS}")
    if size_of_blocks(blocks) > LONGEST_BLOCKS:
        yield Breach("msg_blocks_too_long", "blocks", f"{size_of_blocks(blocks)} characters, most {LONGEST_BLOCKS}")
    ids = [block["block_id"] for block in blocks if isinstance(block, dict) and block.get("block_id")]
    if len(ids) != len(set(map(str, ids))):
        yield Breach("invalid_blocks", "blocks", "two blocks with one block_id")
    for place, block in enumerate(blocks):
        yield from _one_of(_BLOCKS, block, f"blocks[{place}]")


def _metadata(metadata: object) -> Iterator[Breach]:
    if (
        not isinstance(metadata, dict)
        or not isinstance(metadata.get("event_type"), str)
        or not isinstance(metadata.get("event_payload"), dict)
    ):
        yield Breach("invalid_metadata_format", "metadata", "must have event_type and event_payload")
    elif size_of_blocks(metadata) > LARGEST_METADATA:
        yield Breach("metadata_too_large", "metadata", f"most {LARGEST_METADATA} characters")


def _one_of(kinds: "Mapping[str, Check]", value: object, path: str) -> Iterator[Breach]:
    """Check a block or element by its type; an unknown type is a breach, never let through."""
    if not isinstance(value, dict) or value.get("type") not in kinds:
        known = ", ".join(kinds)
        yield Breach("invalid_blocks", path, f"must be one of: {known}")
        return
    for name in ("block_id", "action_id"):
        if name in value:
            yield from _string(value, name, path, 255)
    yield from kinds[value["type"]](value, path)


def _string(value: Mapping[str, Any], name: str, path: str, most: int) -> Iterator[Breach]:
    text = value.get(name)
    if not isinstance(text, str) or not 1 <= size(text) <= most:
        length = size(text) if isinstance(text, str) else "no"
        yield Breach("invalid_blocks", f"{path}.{name}", f"{length} characters, 1 to {most} wanted")


def _text(value: object, path: str, most: int, *types: str) -> Iterator[Breach]:
    if not isinstance(value, dict) or value.get("type") not in types:
        yield Breach("invalid_blocks", path, f"must be {' or '.join(types)}")
        return
    yield from _string(value, "text", path, most)
    foreign = set(value) - {"type", "text"} - ({"emoji"} if value["type"] == "plain_text" else {"verbatim"})
    if foreign:
        yield Breach("invalid_blocks", path, f"unknown: {', '.join(sorted(foreign))}")


def _url(value: Mapping[str, Any], path: str) -> Iterator[Breach]:
    yield from _string(value, "url", path, 3_000)
    if not str(value.get("url")).startswith(("http://", "https://")):
        yield Breach("invalid_blocks", f"{path}.url", "must be http or https")


def _elements(value: Mapping[str, Any], path: str, kinds: "Mapping[str, Check]", most: int) -> Iterator[Breach]:
    elements = value.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= most:
        yield Breach("invalid_blocks", f"{path}.elements", f"1 to {most} wanted")
        return
    for place, element in enumerate(elements):
        yield from _one_of(kinds, element, f"{path}.elements[{place}]")


def _header(block: Mapping[str, Any], path: str) -> Iterator[Breach]:
    yield from _text(block.get("text"), f"{path}.text", 150, "plain_text")


def _section(block: Mapping[str, Any], path: str) -> Iterator[Breach]:
    fields = block.get("fields", [])
    if "text" in block or not fields:
        yield from _text(block.get("text"), f"{path}.text", 3_000, "plain_text", "mrkdwn")
    if not isinstance(fields, list) or len(fields) > 10:
        yield Breach("invalid_blocks", f"{path}.fields", "at most 10")
        return
    for place, field in enumerate(fields):
        yield from _text(field, f"{path}.fields[{place}]", 2_000, "plain_text", "mrkdwn")


def _context_text(element: Mapping[str, Any], path: str) -> Iterator[Breach]:
    yield from _text(element, path, 2_000, "plain_text", "mrkdwn")


def _button(element: Mapping[str, Any], path: str) -> Iterator[Breach]:
    yield from _text(element.get("text"), f"{path}.text", 75, "plain_text")
    if "url" in element:
        yield from _url(element, path)
    if "value" in element:
        yield from _string(element, "value", path, 2_000)
    if "accessibility_label" in element:
        yield from _string(element, "accessibility_label", path, 75)
    if element.get("style", "primary") not in ("primary", "danger"):
        yield Breach("invalid_blocks", f"{path}.style", "must be primary or danger")


def _select(element: Mapping[str, Any], path: str) -> Iterator[Breach]:
    yield from _text(element.get("placeholder"), f"{path}.placeholder", 150, "plain_text")
    options = element.get("options")
    if not isinstance(options, list) or not 1 <= len(options) <= 100:
        yield Breach("invalid_blocks", f"{path}.options", "1 to 100 wanted")
        return
    for place, option in enumerate(options):
        here = f"{path}.options[{place}]"
        if not isinstance(option, dict):
            yield Breach("invalid_blocks", here, "must be an option")
            continue
        yield from _text(option.get("text"), f"{here}.text", 75, "plain_text")
        yield from _string(option, "value", here, 150)


def _rich_piece(element: Mapping[str, Any], path: str) -> Iterator[Breach]:
    """A piece of text in rich text. Slack refuses an empty one."""
    match element["type"]:
        case "text":
            yield from _string(element, "text", path, LONGEST_BLOCKS)
        case "link":
            yield from _url(element, path)
            if "text" in element:
                yield from _string(element, "text", path, LONGEST_BLOCKS)
        case "date":
            yield from _string(element, "format", path, 255)
            if not isinstance(element.get("timestamp"), int):
                yield Breach("invalid_blocks", f"{path}.timestamp", "must be whole seconds")
    style = element.get("style", {})
    if not isinstance(style, dict) or not set(style) <= _STYLES:
        yield Breach("invalid_blocks", f"{path}.style", f"may hold {', '.join(sorted(_STYLES))}")


def _rich_list(element: Mapping[str, Any], path: str) -> Iterator[Breach]:
    if element.get("style") not in ("bullet", "ordered"):
        yield Breach("invalid_blocks", f"{path}.style", "must be bullet or ordered")
    yield from _elements(element, path, {"rich_text_section": _RICH["rich_text_section"]}, 100)


Check = Callable[[Mapping[str, Any], str], Iterator[Breach]]

_PIECES: dict[str, Check] = dict.fromkeys(("text", "link", "date", "user", "usergroup", "broadcast"), _rich_piece)
_RICH: dict[str, Check] = {
    "rich_text_section": lambda element, path: _elements(element, path, _PIECES, 1_000),
    "rich_text_quote": lambda element, path: _elements(element, path, _PIECES, 1_000),
    "rich_text_preformatted": lambda element, path: _elements(
        element, path, {"text": _rich_piece, "link": _rich_piece}, 1_000
    ),
    "rich_text_list": _rich_list,
}
_BLOCKS: dict[str, Check] = {
    "header": _header,
    "section": _section,
    "divider": lambda _block, _path: iter(()),
    "context": lambda block, path: _elements(block, path, dict.fromkeys(("plain_text", "mrkdwn"), _context_text), 10),
    "actions": lambda block, path: _elements(block, path, {"button": _button, "static_select": _select}, 25),
    "rich_text": lambda block, path: _elements(block, path, _RICH, 100),
}
