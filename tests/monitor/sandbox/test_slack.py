"""The Slack stand-in: it answers as Slack does, fails on demand, and shows its channels."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from monitor.sandbox.process import StandInFailed
from monitor.sandbox.slack_page import is_web, mrkdwn_pieces
from monitor.sandbox.slack_process import SlackProcess, start_slack

HEADER = {"type": "header", "text": {"type": "plain_text", "text": "◆ Critical"}}
NASTY = """<script>alert(1)</script> "><img src=x onerror=alert(1)> {{7*7}} & 'x'"""


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackProcess]:
    with start_slack() as process:
        yield process


def call(slack: SlackProcess, method: str, token: str | None = None, **arguments: Any) -> dict[str, Any]:
    presented = slack.token if token is None else token
    headers = {"Authorization": f"Bearer {presented}"} if presented else {}
    answer = slack.client.post(f"/api/{method}", json=arguments, headers=headers)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def page(slack: SlackProcess, channel: str) -> str:
    return slack.client.get("/", params={"channel": channel}).text


class Tags(HTMLParser):
    """Tags that open and close as HTML wants it; every attribute seen."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "hr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_who_has_the_token_is_known(slack: SlackProcess) -> None:
    assert call(slack, "auth.test")["ok"]
    assert call(slack, "auth.test", token="xoxb-other") == {"ok": False, "error": "invalid_auth"}
    assert call(slack, "auth.test", token="") == {"ok": False, "error": "not_authed"}


def test_a_form_is_read_like_json(slack: SlackProcess) -> None:
    form = {"channel": "CFORM", "text": "x", "blocks": json.dumps([HEADER]), "token": slack.token}
    assert slack.client.post("/api/chat.postMessage", data=form).json()["ok"]
    (message,) = slack.client.get("/standin/messages", params={"channel": "CFORM"}).json()
    assert message["blocks"] == [HEADER]


@pytest.mark.parametrize("body", ["{", "[1]", '"text"'])
def test_a_body_that_is_no_object_is_refused(slack: SlackProcess, body: str) -> None:
    headers = {"Authorization": f"Bearer {slack.token}", "Content-Type": "application/json;charset=utf-8"}
    answer = slack.client.post("/api/chat.postMessage", content=body, headers=headers).json()
    assert answer == {"ok": False, "error": "invalid_json"}


def test_an_empty_body_of_json_is_no_arguments(slack: SlackProcess) -> None:
    headers = {"Authorization": f"Bearer {slack.token}", "Content-Type": "application/json"}
    assert slack.client.post("/api/auth.test", content=b"", headers=headers).json()["ok"]


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "CERR", "text": ""}, "no_text"),
        ("chat.postMessage", {"channel": "CERR", "text": "x" * 4001}, "msg_too_long"),
        ("chat.postMessage", {"channel": "CERR", "text": "x", "blocks": [HEADER] * 51}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "CERR", "text": "x", "thread_ts": "1.000000"}, "thread_not_found"),
        ("chat.postMessage", {"channel": "care", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.update", {"channel": "CERR", "ts": "1.000000", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": "CERR", "ts": "1.000000"}, "message_not_found"),
        ("chat.dance", {}, "unknown_method"),
    ],
)
def test_a_call_is_refused_with_slacks_own_code(
    slack: SlackProcess, method: str, arguments: dict[str, Any], error: str
) -> None:
    told = call(slack, method, **arguments)
    assert (told["ok"], told["error"]) == (False, error)
    assert slack.client.get("/standin/messages", params={"channel": "CERR"}).json() == []


def test_only_named_channels_exist_once_some_are_named() -> None:
    with start_slack(channels={"C0SWA": "swa-care"}) as slack:
        assert call(slack, "chat.postMessage", channel="C0SWA", text="x")["ok"]
        assert call(slack, "chat.postMessage", channel="C0OPS", text="x")["error"] == "channel_not_found"
        assert "# swa-care" in page(slack, "C0SWA")


def test_every_revision_is_kept_and_blocks_stay_unless_replaced(slack: SlackProcess) -> None:
    ts = call(slack, "chat.postMessage", channel="CREV", text="one", blocks=[HEADER])["ts"]
    call(slack, "chat.update", channel="CREV", ts=ts, text="two")
    call(slack, "chat.update", channel="CREV", ts=ts, text="three", blocks=[])
    (message,) = slack.client.get("/standin/messages", params={"channel": "CREV"}).json()
    assert (message["text"], message["blocks"]) == ("three", [])
    assert [(each["text"], each["blocks"]) for each in message["revisions"]] == [("one", [HEADER]), ("two", [HEADER])]


def test_history_tells_newest_first_without_replies_and_metadata_only_when_asked(slack: SlackProcess) -> None:
    metadata = {"event_type": "a", "event_payload": {"b": 1}}
    first = call(slack, "chat.postMessage", channel="CHIS", text="one", metadata=metadata)["ts"]
    call(slack, "chat.postMessage", channel="CHIS", text="reply", thread_ts=first)
    second = call(slack, "chat.postMessage", channel="CHIS", text="two")["ts"]

    told = call(slack, "conversations.history", channel="CHIS", include_all_metadata=True)
    assert [message["ts"] for message in told["messages"]] == [second, first]
    assert told["messages"][1]["metadata"] == metadata
    assert "metadata" not in call(slack, "conversations.history", channel="CHIS")["messages"][1]
    newer = call(slack, "conversations.history", channel="CHIS", oldest=first)
    assert [message["ts"] for message in newer["messages"]] == [second]

    page_one = call(slack, "conversations.history", channel="CHIS", limit=1)
    page_two = call(
        slack, "conversations.history", channel="CHIS", limit=1, cursor=page_one["response_metadata"]["next_cursor"]
    )
    assert [page_one["has_more"], page_two["has_more"]] == [True, False]
    assert page_two["messages"][0]["ts"] == first


def test_no_two_messages_have_one_ts(slack: SlackProcess) -> None:
    given = [call(slack, "chat.postMessage", channel="CTS", text="x")["ts"] for _ in range(50)]
    assert given == sorted(set(given), key=float)


def test_planned_failures_come_in_order_and_are_used_up(slack: SlackProcess) -> None:
    for failure in (
        {"method": "chat.postMessage", "kind": "429", "times": 2, "retry_after": 3},
        {"method": "chat.postMessage", "kind": "503"},
        {"method": "chat.postMessage", "kind": "html_200"},
        {"method": "chat.postMessage", "kind": "ok_false:is_archived"},
    ):
        assert slack.client.post("/standin/failures", json=failure).status_code == 201
    assert call(slack, "auth.test")["ok"], "another method is not touched"
    headers = {"Authorization": f"Bearer {slack.token}"}
    answers = [
        slack.client.post("/api/chat.postMessage", json={"channel": "CPLAN", "text": "x"}, headers=headers)
        for _ in range(6)
    ]
    assert [answer.status_code for answer in answers] == [429, 429, 503, 200, 200, 200]
    assert answers[0].headers["retry-after"] == "3"
    assert answers[3].headers["content-type"].startswith("text/html")
    assert answers[4].json() == {"ok": False, "error": "is_archived"}
    assert answers[5].json()["ok"]
    assert len(slack.client.get("/standin/messages", params={"channel": "CPLAN"}).json()) == 1


@pytest.mark.parametrize("kind", ["418", "nothing", "ok_false:", "5000"])
def test_a_failure_nobody_knows_is_refused(slack: SlackProcess, kind: str) -> None:
    answer = slack.client.post("/standin/failures", json={"method": "chat.postMessage", "kind": kind})
    assert answer.status_code == 422


def test_the_log_tells_each_call_with_its_answer(slack: SlackProcess) -> None:
    slack.client.delete("/standin/log")
    call(slack, "chat.postMessage", channel="CLOG", text="x")
    (entry,) = slack.client.get("/standin/log").json()
    assert (entry["method"], entry["arguments"]) == ("chat.postMessage", {"channel": "CLOG", "text": "x"})
    assert json.loads(entry["answer"])["ok"]


def test_a_mention_is_noticed_where_slack_would_read_one(slack: SlackProcess) -> None:
    rich = {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "<!here>"}]}],
    }
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": "<@U1> <!date^1^{time}|06:12>"}]}
    call(slack, "chat.postMessage", channel="CPING", text="<!channel> &lt;!here&gt;", blocks=[rich, context])
    (message,) = slack.client.get("/standin/messages", params={"channel": "CPING"}).json()
    assert message["pings"] == ["<!channel>", "<@U1>"]


def test_b66_the_page_shows_a_value_and_never_runs_it(slack: SlackProcess) -> None:
    rich = {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "text", "text": NASTY, "style": {"bold": True}},
                    {"type": "link", "url": 'https://a.example/?q="><script>', "text": NASTY},
                ],
            },
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": NASTY}]},
        ],
    }
    header = {"type": "header", "text": {"type": "plain_text", "text": NASTY[:100]}}
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": "<javascript:alert(1)|click> &lt;b&gt;"}]}
    ts = call(slack, "chat.postMessage", channel="CXSS", text=NASTY, blocks=[header, rich, context])["ts"]
    call(slack, "chat.postMessage", channel="CXSS", text=NASTY, thread_ts=ts)

    answer = slack.client.get("/", params={"channel": "CXSS"})
    tags = Tags(answer.text)
    assert tags.open == []
    assert not {"script", "img", "style", "iframe"} & {tag for tag, _ in tags.seen}
    assert not any(name.startswith("on") or name == "style" for _, attributes in tags.seen for name in attributes)
    hrefs = [attributes["href"] or "" for tag, attributes in tags.seen if "href" in attributes]
    assert all(href.startswith(("https://", "/", "#")) for href in hrefs)
    assert "".join(tags.words).count("{{7*7}}") >= 4
    assert "<b>" in "".join(tags.words)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_page_shows_edits_threads_and_what_was_deleted(slack: SlackProcess) -> None:
    ts = call(slack, "chat.postMessage", channel="CPAGE", text="first wording")["ts"]
    call(slack, "chat.update", channel="CPAGE", ts=ts, text="second wording")
    call(slack, "chat.postMessage", channel="CPAGE", text="a quiet reply", thread_ts=ts)
    call(slack, "chat.postMessage", channel="CPAGE", text="a loud reply", thread_ts=ts, reply_broadcast=True)
    lonely = call(slack, "chat.postMessage", channel="CPAGE", text="taken back")["ts"]
    call(slack, "chat.delete", channel="CPAGE", ts=lonely)

    shown = page(slack, "CPAGE")
    assert "second wording" in shown
    assert "(edited" in shown
    assert "2 replies" in shown
    assert (shown.count("a quiet reply"), shown.count("a loud reply")) == (1, 2)
    assert "first wording" not in shown
    assert "taken back" not in shown

    assert slack.client.delete(f"/standin/messages/{ts}").status_code == 204
    assert "This message was deleted." in page(slack, "CPAGE")
    assert slack.client.delete("/standin/messages/1.000000").status_code == 404


def test_the_page_needs_nothing_from_elsewhere(slack: SlackProcess) -> None:
    css = slack.client.get("/static/slack.css")
    assert css.headers["content-type"].startswith("text/css")
    assert "http" not in css.text
    assert "prefers-color-scheme: dark" in css.text
    html = page(slack, "CNOTHING")
    assert {a["href"] for tag, a in Tags(html).seen if tag == "link"} == {"/static/slack.css"}


def test_a_page_without_channels_says_so() -> None:
    with start_slack() as slack:
        assert "Nothing has been posted yet." in page(slack, "")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a &lt;b&gt; c", [("text", "a <b> c", "")]),
        ("<https://a.example|A &amp; B>.", [("link", "A & B", "https://a.example"), ("text", ".", "")]),
        ("<https://a.example>", [("link", "https://a.example", "https://a.example")]),
        ("<!date^1^{time}|06:12>", [("date", "06:12", "")]),
        ("<!channel> <@U1|mei>", [("ping", "!channel", ""), ("text", " ", ""), ("ping", "mei", "")]),
        ("<javascript:alert(1)|x>", [("text", "x", "")]),
        ("1 < 2", [("text", "1 < 2", "")]),
        ("", []),
    ],
)
def test_mrkdwn_is_read_as_slack_reads_it(text: str, pieces: list[tuple[str, str, str]]) -> None:
    assert [(piece.kind, piece.text, piece.url) for piece in mrkdwn_pieces(text)] == pieces


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", " https://a.example", "//a.example"])
def test_only_web_addresses_become_links(url: str) -> None:
    assert not is_web(url)


def test_a_port_in_use_is_said_in_one_line(slack: SlackProcess) -> None:
    port = int(slack.url.rpartition(":")[2])
    with pytest.raises(StandInFailed, match=f"port {port}: .*in use"):
        start_slack(port)


def test_it_ends_with_whoever_started_it() -> None:
    program = """
import os
from monitor.sandbox.slack_process import start_slack
print(start_slack().url, flush=True)
os._exit(1)
"""
    url = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stdout.strip()
    assert url
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            return
        time.sleep(0.05)
    pytest.fail("it still answers")
