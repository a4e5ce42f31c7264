"""The stand-in's channels as a page, the way people see them in Slack; no script, nothing from elsewhere."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

from jinja2 import Environment, PackageLoader

_TOKEN = re.compile(r"<(?P<what>[^<>|]+)(?:\|(?P<label>[^<>]*))?>")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text as Slack reads mrkdwn: plain, a link, a date, or a mention that would ping someone."""

    kind: str
    text: str
    url: str = ""


def mrkdwn_pieces(text: str) -> list[Piece]:
    """Split text into plain runs and ``<…>`` tokens. Bold and code are left as typed: we never send them."""
    pieces: list[Piece] = []
    end = 0
    for token in _TOKEN.finditer(text):
        if token.start() > end:
            pieces.append(Piece("text", unescape(text[end : token.start()])))
        pieces.append(_piece(token["what"], token["label"] or ""))
        end = token.end()
    return [*pieces, Piece("text", unescape(text[end:]))] if end < len(text) else pieces


def _piece(what: str, label: str) -> Piece:
    if what.startswith("!date^"):
        return Piece("date", unescape(label))
    if what[0] in "@#!":
        return Piece("ping", label or what)
    if is_web(what):
        return Piece("link", unescape(label or what), unescape(what))
    return Piece("text", unescape(label or what))


def is_web(url: str) -> bool:
    """True for what may become a link: never ``javascript:`` or ``data:``."""
    return url.startswith(("https://", "http://"))


def render_page(channels: Mapping[str, str], posted: Sequence[Mapping[str, Any]], channel: str = "") -> str:
    """The page of one channel.

    Args:
        channels: ids with their names, in the order they are listed.
        posted: every message and reply, oldest first, as ``GET /standin/messages`` tells them.
        channel: the one to show; another than those known: the first.
    """
    shown = channel if channel in channels else next(iter(channels), "")
    replies: dict[str, list[Mapping[str, Any]]] = {}
    for each in posted:
        if each["thread_ts"] and not each["is_deleted"]:
            replies.setdefault(each["thread_ts"], []).append(each)
    in_channel = [
        each
        for each in posted
        if each["channel"] == shown and each["in_channel"] and (not each["is_deleted"] or each["ts"] in replies)
    ]
    counts = Counter(each["channel"] for each in posted if each["in_channel"] and not each["is_deleted"])
    return _TEMPLATE.render(channels=channels, counts=counts, shown=shown, messages=in_channel, replies=replies)


def _moment(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)


_ENVIRONMENT = Environment(
    loader=PackageLoader("monitor.sandbox.slack_page", ""), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters |= {"mrkdwn": mrkdwn_pieces, "moment": _moment}
_ENVIRONMENT.tests["web"] = is_web
_TEMPLATE = _ENVIRONMENT.get_template("slack.html")
