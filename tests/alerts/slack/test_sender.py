"""Sending to Slack over real HTTP, against the stand-in."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.alert import Message, ThreadLine
from alerts.channels import Channel, Sent
from alerts.errors import Gone, NotDelivered, Refusal, Refused, Throttled, Unclear
from alerts.slack.blocks import render
from alerts.slack.sender import SlackChannel, web_client
from monitor.sandbox.slack_process import SlackProcess, start_slack
from tests.alerts.slack.stories import RATE, STORY, healed

MESSAGE = render(STORY)
EDITED = render(replace(STORY, revision=2, lines=(healed(RATE),)))


@pytest.fixture(scope="module")
def process() -> Iterator[SlackProcess]:
    with start_slack(channels={f"C{number}": f"channel-{number}" for number in range(100)}) as slack:
        yield slack


_numbers = iter(range(100))


@pytest.fixture
def slack(process: SlackProcess) -> Iterator[SlackProcess]:
    """The stand-in, with every planned failure used up."""
    yield process
    assert process.client.get("/standin/failures").json() == []


@pytest.fixture
def channel(slack: SlackProcess) -> SlackChannel:
    """A channel of its own for each test; a short patience keeps the tests quick."""
    return SlackChannel(web_client(slack.token, base_url=slack.api_url, timeout_s=0.5), f"C{next(_numbers)}")


def fail(slack: SlackProcess, method: str, kind: str, **more: Any) -> None:
    slack.client.post("/standin/failures", json={"method": method, "kind": kind, **more}).raise_for_status()


def standing(slack: SlackProcess, channel: SlackChannel) -> list[dict[str, Any]]:
    messages = slack.client.get("/standin/messages", params={"channel": channel.channel}).json()
    return [message for message in messages if not message["is_deleted"]]


def now() -> datetime:
    return datetime.now(UTC)


def test_a_message_is_posted_edited_and_answered(slack: SlackProcess, channel: SlackChannel) -> None:
    sender: Channel = channel
    sent = sender.send(MESSAGE)
    edited = sender.update(sent, EDITED)
    sender.say(edited, ThreadLine("12:12 Healed: <!channel> & co", in_channel=True))

    message, reply = standing(slack, channel)
    assert edited == Sent(channel.channel, message["ts"], 2)
    assert message["text"].startswith("Resolved, swa/production:")
    assert message["metadata"]["event_payload"] == {"alert_key": STORY.key, "revision": 2}
    assert message["revisions"][0]["text"].startswith("Critical, swa/production:")
    assert (reply["thread_ts"], reply["in_channel"]) == (message["ts"], True)
    assert reply["text"] == "12:12 Healed: &lt;!channel&gt; &amp; co"
    assert message["pings"] == reply["pings"] == []


def test_a_reply_stays_in_its_thread_unless_someone_has_to_hear_it(slack: SlackProcess, channel: SlackChannel) -> None:
    channel.say(channel.send(MESSAGE), ThreadLine("12:12 Healed."))
    assert [message["in_channel"] for message in standing(slack, channel)] == [True, False]


def test_nothing_in_a_message_is_parsed_or_unfurled(slack: SlackProcess, channel: SlackChannel) -> None:
    channel.send(MESSAGE)
    arguments = slack.client.get("/standin/log").json()[-1]["arguments"]
    asked = {name: arguments[name] for name in ("mrkdwn", "parse", "link_names", "unfurl_links", "unfurl_media")}
    assert asked == {
        "mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False,
    }  # fmt: skip


def test_f78_a_pause_asked_for_is_told_and_nothing_is_repeated(slack: SlackProcess, channel: SlackChannel) -> None:
    fail(slack, "chat.postMessage", "429", retry_after=7)
    with pytest.raises(Throttled) as caught:
        channel.send(MESSAGE)
    assert caught.value.retry_after_s == 7
    assert standing(slack, channel) == []


@pytest.mark.parametrize("kind", ["500", "502", "503", "html_200", "ok_false:internal_error"])
def test_f79_f85_an_answer_that_is_not_slacks_is_unclear(slack: SlackProcess, channel: SlackChannel, kind: str) -> None:
    fail(slack, "chat.postMessage", kind)
    with pytest.raises(Unclear):
        channel.send(MESSAGE)
    assert standing(slack, channel) == []


def test_f80_a_post_whose_answer_was_lost_is_found_by_its_key(slack: SlackProcess, channel: SlackChannel) -> None:
    start = now()
    fail(slack, "chat.postMessage", "timeout_after_accept", hold_s=1.0)
    with pytest.raises(Unclear):
        channel.send(MESSAGE)
    (message,) = standing(slack, channel)
    assert channel.find(STORY.key, start) == Sent(channel.channel, message["ts"], 1)


def test_an_edit_whose_answer_was_lost_may_be_repeated(slack: SlackProcess, channel: SlackChannel) -> None:
    sent = channel.send(MESSAGE)
    fail(slack, "chat.update", "timeout_after_accept", hold_s=1.0)
    with pytest.raises(Unclear):
        channel.update(sent, EDITED)
    channel.update(sent, EDITED)
    (message,) = standing(slack, channel)
    assert message["metadata"]["event_payload"]["revision"] == 2


def test_another_key_or_an_older_message_is_not_found(slack: SlackProcess, channel: SlackChannel) -> None:
    channel.send(MESSAGE)
    assert channel.find("swa/production:sweep-8811:10", now()) is None
    assert channel.find(STORY.key, now() + timedelta(hours=1)) is None


def test_a_clock_a_little_ahead_of_slacks_finds_it_still(channel: SlackChannel) -> None:
    sent = channel.send(MESSAGE)
    assert channel.find(STORY.key, now() + timedelta(minutes=2)) == sent


def test_a_search_reads_every_page_of_the_history(slack: SlackProcess, channel: SlackChannel) -> None:
    start = now()
    first = channel.send(MESSAGE)
    for number in range(201):
        channel.send(Message(f"other:{number}", 1, "Another."))
    assert channel.find(STORY.key, start) == first


@pytest.mark.parametrize(
    ("code", "about"),
    [
        ("channel_not_found", Refusal.CHANNEL),
        ("not_in_channel", Refusal.CHANNEL),
        ("is_archived", Refusal.CHANNEL),
        ("token_revoked", Refusal.ACCESS),
        ("invalid_auth", Refusal.ACCESS),
        ("missing_scope", Refusal.ACCESS),
        ("invalid_blocks", Refusal.CONTENT),
        ("msg_too_long", Refusal.CONTENT),
        ("some_new_code", Refusal.OTHER),
    ],
)
def test_f81_f82_f83_a_definite_no_says_what_it_is_about(
    slack: SlackProcess, channel: SlackChannel, code: str, about: Refusal
) -> None:
    fail(slack, "chat.postMessage", f"ok_false:{code}")
    with pytest.raises(Refused) as caught:
        channel.send(MESSAGE)
    assert (caught.value.code, caught.value.about) == (code, about)
    assert str(caught.value).startswith(f"Slack channel {channel.channel}: refused with {code}. Mend: ")


def test_a_wrong_token_and_an_unknown_channel_are_refused(slack: SlackProcess) -> None:
    right = web_client(slack.token, base_url=slack.api_url)
    wrong = web_client("xoxb-other", base_url=slack.api_url)
    for client, channel, code in ((wrong, "C0", "invalid_auth"), (right, "CNOWHERE", "channel_not_found")):
        with pytest.raises(Refused) as caught:
            SlackChannel(client, channel).send(MESSAGE)
        assert caught.value.code == code


def test_f83_what_slack_would_refuse_is_not_even_sent(slack: SlackProcess, channel: SlackChannel) -> None:
    slack.client.delete("/standin/log")
    too_long = replace(MESSAGE, blocks=({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},))
    for attempt in (lambda: channel.send(too_long), lambda: channel.update(Sent(channel.channel, "1.2", 1), too_long)):
        with pytest.raises(Refused) as caught:
            attempt()
        assert (caught.value.code, caught.value.about) == ("invalid_blocks", Refusal.CONTENT)
    assert slack.client.get("/standin/log").json() == []


def test_f83_the_plain_text_takes_the_place_of_refused_blocks(slack: SlackProcess, channel: SlackChannel) -> None:
    sent = channel.send(MESSAGE)
    channel.update(sent, EDITED.as_plain_text())
    channel.send(MESSAGE.as_plain_text())
    edited, posted = standing(slack, channel)
    assert edited["blocks"] == posted["blocks"] == []
    assert posted["text"].endswith(" https://monitor.example/findings/7F3K")


def test_f84_a_deleted_message_is_gone(slack: SlackProcess, channel: SlackChannel) -> None:
    start = now()
    sent = channel.send(MESSAGE)
    slack.client.delete(f"/standin/messages/{sent.message_id}")
    with pytest.raises(Gone):
        channel.update(sent, EDITED)
    assert channel.find(STORY.key, start) is None


def test_a_reply_to_a_thread_that_never_was_is_gone(channel: SlackChannel) -> None:
    with pytest.raises(Gone):
        channel.say(Sent(channel.channel, "1795529541.000200", 1), ThreadLine("12:12 Healed."))


def test_nobody_listening_is_unclear_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    channel = SlackChannel(web_client("xoxb-1", base_url="http://127.0.0.1:9/api/"), "C0")
    with pytest.raises(NotDelivered, match="Slack channel C0: no answer from Slack") as caught:
        channel.send(MESSAGE)
    assert isinstance(caught.value, Unclear)
    assert caplog.records == []


def test_a_cut_connection_is_not_tried_again_by_itself() -> None:
    """The post may have been accepted before the cut: a second try could make a second message."""
    tries: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def cut() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    tries.append(connection.recv(10))
                    connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        client = web_client("xoxb-1", base_url=f"http://127.0.0.1:{listening.getsockname()[1]}/api/", timeout_s=2)
        with pytest.raises(Unclear):
            SlackChannel(client, "C0").send(MESSAGE)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(tries) == 1


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    slack: SlackProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    SlackChannel(web_client(slack.token, base_url=slack.api_url), f"C{next(_numbers)}").send(MESSAGE)
