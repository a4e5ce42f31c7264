"""P5, F42: the real service killed with SIGKILL at named points; nothing is lost, nothing doubled.

The ledger is outside the service: what happened in the world, what Slack holds, what a command answered.
"""

import signal
import sqlite3
from collections import Counter
from datetime import timedelta

import pytest

from monitor.deps import Deps
from monitor.sweep import sweep
from rules.quiet import ChangeWindow
from rules.selector import Selector
from tests.reliability.service import Watched, open_findings, wait_for, watched

INCIDENT = "friday-variable-plan-deactivated"
WRONG = Counter(
    {
        ("rule", "billing.category-has-fixed-and-variable-plan"): 1,
        ("rule", "billing.four-plans-in-force"): 1,
        ("rule", "billing.every-area-has-plans"): 12,
        ("drift", ""): 1,
    }
)
IN_A_SWEEP = ("claimed", "collected", "kept", "judged", "before-commit", "committed")
IN_DELIVERY = ("delivery-begun", "posted", "delivered")
IN_APPROVAL = ("approving", "approved")


def quiet(made: Watched) -> bool:
    """Nothing runs, nothing waits to be said."""
    with made.store.read() as unit:
        running = [name for name in made.names if unit.sweeps.running(unit.targets.named(name))]
        return not running and not unit.alerts.waiting()


def has_found(made: Watched) -> bool:
    return all(
        Counter((each.finding.kind.value, each.finding.rule) for each in open_findings(made, name)).keys()
        >= WRONG.keys()
        for name in made.names
    )


def killed_at(made: Watched, point: str) -> None:
    with made.service(kill_at=point) as process:
        assert process.wait(60) == -signal.SIGKILL


def check_ledger(made: Watched) -> None:
    """Each finding once, opened once; each message once; every finding told in a message that stands."""
    keys = Counter(each["metadata"]["event_payload"]["alert_key"] for each in made.messages())
    assert not [key for key, count in keys.items() if count > 1], keys
    for name in made.names:
        found = open_findings(made, name)
        assert Counter((each.finding.kind.value, each.finding.rule) for each in found) == WRONG
        for each in found:
            with made.store.read() as unit:
                events = [event.event for event in unit.findings.history(each)]
            assert events.count("opened") == 1, events
            assert keys[each.alert_key] == 1
        with made.store.read() as unit:
            runs = unit.sweeps.last(unit.targets.named(name), most=10)
        assert runs[0].state == "complete"
        assert not [run for run in runs if run.state == "running"]
    texts = Counter(line["text"] for line in made.slack.client.get("/standin/messages").json() if line["thread_ts"])
    assert not [text for text, count in texts.items() if count > made.targets], texts


@pytest.mark.parametrize("point", [*IN_A_SWEEP, *IN_DELIVERY])
def test_f42_a_service_killed_at_this_point_loses_and_doubles_nothing(point, tmp_path, sandbox, slack):
    url = f"sqlite:///{tmp_path / 'monitor.db'}"
    made = watched(tmp_path, url, sandbox, slack)
    made.happens(INCIDENT)
    made.ask_for_a_sweep()
    killed_at(made, point)
    with made.service():
        wait_for(lambda: has_found(made) and quiet(made), f"findings after the kill at {point}")
    check_ledger(made)
    with sqlite3.connect(tmp_path / "monitor.db") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    made.store.close()


class Announced(Deps):
    """In whose eyes everything is announced."""

    def change_windows_of(self, target):  # noqa: ARG002
        now, hour = self.clock.now(), timedelta(hours=1)
        return (ChangeWindow(now - hour, now + hour, "CHG-123", "rates of 2027", "mei", Selector()),)


@pytest.mark.parametrize("point", [*IN_A_SWEEP, *IN_DELIVERY])
def test_f42_a_service_killed_as_a_window_ends_tells_what_still_stands_in_one_message(point, tmp_path, sandbox, slack):
    made = watched(tmp_path, f"sqlite:///{tmp_path / 'monitor.db'}", sandbox, slack)
    said = len(made.messages())
    made.happens(INCIDENT)
    announced = Announced(made.deps.settings, open_store=lambda: made.store)
    sweep(made.target(), announced.clock.now(), announced)
    assert {each.alert_key for each in open_findings(made)} == {""}
    made.ask_for_a_sweep()  # the service knows of no window: it is over
    killed_at(made, point)
    with made.service():
        wait_for(
            lambda: all(each.alert_key for each in open_findings(made)) and quiet(made), f"a message after {point}"
        )
    check_ledger(made)
    assert len({each.alert_key for each in open_findings(made)}) == 1
    assert len(made.messages()) == said + 1
    with made.store.read() as unit:
        assert [each["reason"] for each in unit.alerts.recent(made.target(), 10)].count("window") == 1
    made.store.close()


@pytest.mark.parametrize("point", IN_APPROVAL)
def test_f42_an_approval_killed_at_this_point_is_whole_or_was_not(point, tmp_path, sandbox, slack):
    made = watched(tmp_path, f"sqlite:///{tmp_path / 'monitor.db'}", sandbox, slack)
    made.happens(INCIDENT)
    sweep(made.target(), made.deps.clock.now(), made.deps)
    from baselines.approval import Decision, change_key
    from monitor.access import on_host
    from monitor.approval import decide, propose_baseline, review_of

    proposal = propose_baseline(made.target(), on_host("olga"), made.deps)
    with made.store.read() as unit:
        review = review_of(proposal, made.deps, unit)
    accepted = [(change_key(each), Decision.ACCEPT, "") for each in review.comparison.changes]
    review = decide(proposal, accepted, on_host("olga"), made.deps)
    words = ("baseline", "approve", str(proposal.id), "--digest", review.digest, "--as", "nisha")
    assert made.command(*words, kill_at=point).returncode == -signal.SIGKILL
    again = made.command(*words)
    with made.store.read() as unit:
        versions = [each.version for each in unit.baselines.history(made.target())]
        entries = [each for each in unit.audit.entries() if each.action == "baseline.approve"]
        drift = [each for each in open_findings(made) if each.finding.kind == "drift"]
    assert versions == [2, 1]
    assert len(entries) == 2
    assert drift == []
    assert again.returncode == (0 if point == "approving" else 2), again.stderr


@pytest.mark.parametrize("point", ["claimed", "kept", "before-commit", "posted", "delivered"])
def test_f42_on_postgresql_a_service_killed_under_load_loses_and_doubles_nothing(
    point, tmp_path, sandbox, slack, postgres_url
):
    made = watched(tmp_path, postgres_url, sandbox, slack, targets=4)
    made.happens(INCIDENT)
    made.ask_for_a_sweep()
    killed_at(made, point)
    with made.service():
        wait_for(lambda: has_found(made) and quiet(made), f"findings after the kill at {point}")
    check_ledger(made)
    made.store.close()
