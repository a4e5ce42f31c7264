"""Slack's limits, nested ones too, which its own models do not check."""

from typing import Any

import pytest

from alerts.slack.limits import breaches, size


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Open"}, **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def header(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": text}, **more}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


OPTION = {"text": {"type": "plain_text", "text": "1 day"}, "value": "1d"}
SELECT = {"type": "static_select", "placeholder": {"type": "plain_text", "text": "Snooze"}, "options": [OPTION]}
PIECE = "blocks[0].elements[0].elements[0]"
LONG_OPTION = {"text": {"type": "plain_text", "text": "x" * 76}, "value": "1d"}


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([header("x" * 150)], id="longest header"),
        pytest.param([{"type": "section", "text": mrkdwn("x" * 3000)}], id="longest section"),
        pytest.param([{"type": "section", "fields": [mrkdwn("x")] * 10}], id="section of fields only"),
        pytest.param([actions(button(url="https://a.example", value="v", action_id="a"), SELECT)], id="actions"),
        pytest.param([{"type": "divider"}] * 50, id="most blocks"),
        pytest.param([rich({"type": "text", "text": "x", "style": {"bold": True}})], id="rich text"),
        pytest.param([{"type": "context", "elements": [mrkdwn("x")] * 10}], id="most of a context"),
    ],
)
def test_what_slack_accepts_is_accepted(blocks: list[dict[str, Any]]) -> None:
    assert breaches({"text": "x", "blocks": blocks}) == ()


@pytest.mark.parametrize(
    ("blocks", "path"),
    [
        ([{"type": "divider"}] * 51, "blocks"),
        ([{"type": "marquee"}], "blocks[0]"),
        (["text"], "blocks[0]"),
        ([header("x" * 151)], "blocks[0].text.text"),
        ([header("")], "blocks[0].text.text"),
        ([header("🚱" * 76)], "blocks[0].text.text"),
        ([{"type": "header", "text": mrkdwn("x")}], "blocks[0].text"),
        ([header("x", block_id="b"), header("y", block_id="b")], "blocks"),
        ([header("x", block_id="b" * 256)], "blocks[0].block_id"),
        ([{"type": "section", "text": mrkdwn("x" * 3001)}], "blocks[0].text.text"),
        ([{"type": "section"}], "blocks[0].text"),
        ([{"type": "section", "fields": [mrkdwn("x")] * 11}], "blocks[0].fields"),
        ([{"type": "section", "fields": [mrkdwn("x" * 2001)]}], "blocks[0].fields[0].text"),
        ([{"type": "context", "elements": [mrkdwn("x")] * 11}], "blocks[0].elements"),
        ([{"type": "context", "elements": []}], "blocks[0].elements"),
        ([{"type": "context", "elements": [mrkdwn("x") | {"emoji": False}]}], "blocks[0].elements[0]"),
        ([actions(*[button()] * 26)], "blocks[0].elements"),
        ([actions(button(text={"type": "plain_text", "text": "x" * 76}))], "blocks[0].elements[0].text.text"),
        ([actions(button(value="x" * 2001))], "blocks[0].elements[0].value"),
        ([actions(button(url="javascript:alert(1)"))], "blocks[0].elements[0].url"),
        ([actions(button(action_id="x" * 256))], "blocks[0].elements[0].action_id"),
        ([actions(button(style="loud"))], "blocks[0].elements[0].style"),
        ([actions(button(accessibility_label="x" * 76))], "blocks[0].elements[0].accessibility_label"),
        ([actions(SELECT | {"options": []})], "blocks[0].elements[0].options"),
        ([actions(SELECT | {"options": [LONG_OPTION]})], "blocks[0].elements[0].options[0].text.text"),
        ([rich({"type": "text", "text": ""})], f"{PIECE}.text"),
        ([rich({"type": "link", "url": "ftp://x", "text": "x"})], f"{PIECE}.url"),
        ([rich({"type": "date", "timestamp": "now", "format": "{time}"})], f"{PIECE}.timestamp"),
        ([rich({"type": "text", "text": "x", "style": {"loud": True}})], f"{PIECE}.style"),
        ([{"type": "rich_text", "elements": [{"type": "rich_text_list"}]}], "blocks[0].elements[0].style"),
    ],
)  # fmt: skip
def test_what_slack_refuses_is_named_with_its_place(blocks: list[Any], path: str) -> None:
    found = breaches({"text": "x", "blocks": blocks})
    assert (found[0].code, found[0].path) == ("invalid_blocks", path)


@pytest.mark.parametrize(
    ("post", "code"),
    [
        ({"text": "x" * 4001}, "msg_too_long"),
        ({}, "no_text"),
        ({"text": 7}, "invalid_arguments"),
        ({"text": "x", "blocks": "text"}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "section", "text": mrkdwn("x" * 2900)}] * 5}, "msg_blocks_too_long"),
        ({"text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "a", "event_payload": {"a": "x" * 8000}}}, "metadata_too_large"),
    ],
)
def test_the_code_is_slacks_own(post: dict[str, Any], code: str) -> None:
    assert breaches(post)[0].code == code


def test_an_emoji_counts_twice() -> None:
    assert size("a🚱") == 3
