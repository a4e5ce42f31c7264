"""Delivery to a real server that answers as Slack does, errors included: nothing lost, nothing said twice."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from monitor.delivery import deliver_waiting
from monitor.sweep import sweep
from tests.reliability.service import Watched, watched

INCIDENT = "silent-rate-rise"


@pytest.fixture
def made(tmp_path, sandbox, slack) -> Watched:
    """SWA with one rate wrong, and the message about it waiting."""
    slack.client.delete("/standin/log")
    found = watched(tmp_path, f"sqlite:///{tmp_path / 'monitor.db'}", sandbox, slack)
    found.happens(INCIDENT)
    report = sweep(found.target(), found.deps.clock.now(), found.deps)
    assert (report.drift, report.findings, report.alerts) == (1, 0, 1)
    yield found
    found.store.close()


def fail(made: Watched, kind: str, method: str = "chat.postMessage", times: int = 1, **rest) -> None:
    body = {"method": method, "kind": kind, "times": times, **rest}
    made.slack.client.post("/standin/failures", json=body).raise_for_status()


def waiting(made: Watched) -> int:
    with made.store.read() as unit:
        return sum(count for count, _ in unit.alerts.waiting().values())


def hurry(made: Watched) -> None:
    """What was put off is due now."""
    with made.store.write() as unit:
        for alert in unit.alerts.due(made.deps.clock.now() + timedelta(hours=1)):
            unit.alerts.later(alert, made.deps.clock.now() - timedelta(seconds=1), "")


def heal(made: Watched) -> None:
    made.sandbox.client.post("/sandbox/reset").raise_for_status()
    sweep(made.target(), made.deps.clock.now(), made.deps)


def test_a_message_is_posted_once_and_edited_in_place_when_its_finding_heals(made):
    assert deliver_waiting(made.deps) == 1
    (posted,) = made.messages()
    assert "COM-VAR" in posted["text"]
    heal(made)
    assert deliver_waiting(made.deps) == 1
    (edited,) = made.messages()
    assert edited["ts"] == posted["ts"]
    assert edited["text"].startswith("Resolved")
    thread = [each for each in made.slack.client.get("/standin/messages").json() if each["thread_ts"] == posted["ts"]]
    assert len(thread) == 1
    assert (deliver_waiting(made.deps), waiting(made)) == (0, 0)


def test_a_finding_that_comes_back_goes_back_to_its_message(made):
    deliver_waiting(made.deps)
    heal(made)
    made.happens(INCIDENT)
    sweep(made.target(), made.deps.clock.now(), made.deps)
    deliver_waiting(made.deps)
    (only,) = made.messages()
    assert len(only["revisions"]) == 1
    assert "Resolved" not in only["text"]


def test_f78_a_channel_that_asks_for_a_pause_is_left_alone_until_then(made):
    fail(made, "429", retry_after=7)
    assert deliver_waiting(made.deps) == 0
    assert waiting(made) == 1
    assert deliver_waiting(made.deps) == 0
    asked = [each for each in made.slack.client.get("/standin/log").json() if each["method"] == "chat.postMessage"]
    assert len(asked) == 1
    with made.store.read() as unit:
        assert not unit.alerts.due(made.deps.clock.now() + timedelta(seconds=5))
        assert unit.alerts.due(made.deps.clock.now() + timedelta(seconds=8))
    hurry(made)
    assert deliver_waiting(made.deps) == 1
    assert len(made.messages()) == 1


@pytest.mark.parametrize("kind", ["500", "html_200"])
def test_f79_f85_what_is_not_confirmed_is_not_taken_as_delivered(made, kind):
    fail(made, kind)
    assert deliver_waiting(made.deps) == 0
    assert waiting(made) == 1
    hurry(made)
    assert deliver_waiting(made.deps) == 1
    assert len(made.messages()) == 1


def test_f80_an_answer_lost_after_slack_accepted_is_searched_for_not_posted_again(made):
    fail(made, "timeout_after_accept")
    assert deliver_waiting(made.deps) == 0
    assert len(made.messages()) == 1
    hurry(made)
    assert deliver_waiting(made.deps) == 1
    assert len(made.messages()) == 1
    assert waiting(made) == 0


class Meanwhile:
    """The real channel; something else happens as a message is sent."""

    def __init__(self, channel, happens: Callable[[], None]) -> None:
        self.channel, self.happens = channel, happens

    def __getattr__(self, name: str):
        return getattr(self.channel, name)

    def send(self, message):
        self.happens()
        return self.channel.send(message)


def test_two_threads_of_one_process_do_not_say_a_message_twice(made):
    other = threading.Thread(target=lambda: deliver_waiting(made.deps))

    def happens() -> None:
        other.start()
        other.join(0.5)

    deliver_waiting(made.deps, channel_of=lambda name: Meanwhile(made.deps.channel(name), happens))
    other.join()
    assert (len(made.messages()), waiting(made)) == (1, 0)


def test_who_has_lost_the_lease_says_no_more(made):
    made.happens("license-fee-sixty-percent")
    sweep(made.target(), made.deps.clock.now(), made.deps)
    assert waiting(made) == 2

    def happens() -> None:
        lease = made.deps.settings.lease
        with made.store.write() as unit:
            assert unit.leases.take("delivery", "another", made.deps.clock.now() + lease * 2, lease)

    done = deliver_waiting(made.deps, channel_of=lambda name: Meanwhile(made.deps.channel(name), happens))
    assert (done, waiting(made), len(made.messages())) == (1, 1, 1)


def test_f84_a_message_that_a_person_deleted_is_posted_anew(made):
    deliver_waiting(made.deps)
    (posted,) = made.messages()
    made.slack.client.delete(f"/standin/messages/{posted['ts']}").raise_for_status()
    heal(made)
    deliver_waiting(made.deps)
    hurry(made)
    deliver_waiting(made.deps)
    (anew,) = made.messages()
    assert anew["ts"] != posted["ts"]
    assert anew["text"].startswith("Resolved")


def test_a_channel_that_is_not_there_keeps_its_alert_and_says_why(made):
    fail(made, "ok_false:channel_not_found", times=5)
    assert deliver_waiting(made.deps) == 0
    with made.store.read() as unit:
        (said,) = unit.alerts.recent(made.target(), 1)
        counted = unit.counters.all("alerts")
    assert said["state"] == "waiting"
    assert "channel_not_found" in str(said["error"]) or "channel" in str(said["error"])
    assert counted[("swa-care", "refused")] == 1
    made.slack.client.delete("/standin/failures")


def test_without_a_token_alerts_wait(made):
    assert deliver_waiting(made.deps, channel_of=lambda _name: None) == 0
    assert waiting(made) == 1
