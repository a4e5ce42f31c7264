"""Announced changes over real HTTP and in both stores: seen, counted and shown, and nobody is called until the end."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from baselines.approval import Decision, change_key
from monitor.access import on_host
from monitor.approval import approve, decide, propose_baseline, reject, review_of
from monitor.care import acknowledge
from monitor.clock import SetClock
from monitor.delivery import deliver_waiting
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.findings_list import FindingQuery
from monitor.sweep import SweepReport, sweep
from monitor.target import Definition, Target
from monitor.web.pages.target import target_view
from rules.quiet import ChangeWindow
from rules.selector import Selector
from tests.monitor.watch import Watch

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
END = NOW + timedelta(hours=4)


class Announced(Deps):
    """Deps with windows; how they come to be is not asked here."""

    windows: tuple[ChangeWindow, ...] = ()

    def change_windows_of(self, target: Target) -> tuple[ChangeWindow, ...]:  # noqa: ARG002
        return self.windows


class Utility:
    """SWA in the sandbox, approved as it is, with windows and a clock to set."""

    def __init__(self, folder: Path, sandbox, slack, store, scope: tuple[str, ...] = ("tax", "service_plan")) -> None:
        for message in slack.client.get("/standin/messages").json():
            slack.client.delete(f"/standin/messages/{message['ts']}")
        for name, value in (("user", "monitor@swa-water.example"), ("password", "sandbox"), ("slack", slack.token)):
            (folder / name).write_text(value, encoding="utf-8")
        self.world, self.slack, self.store = Watch(sandbox).as_new(), slack, store
        self.clock = SetClock(NOW)
        settings = Settings(
            database_url="sqlite://", state_folder=folder, slack_token=f"file:{folder / 'slack'}",
            slack_url=slack.api_url, slack_channels={"swa-care": "C0SWA"}, allowed_hosts=["127.0.0.1"],
        )  # fmt: skip
        self.deps = Announced(settings, clock=self.clock, open_store=lambda: store)
        definition = Definition(
            source="smart360", url=sandbox.url, utility=sandbox.utility, user=f"file:{folder / 'user'}",
            password=f"file:{folder / 'password'}", time_zone="America/Los_Angeles", schedule="every 6h",
            channel="swa-care", requests_per_second=5000, requests_at_once=8, scope=scope,
        )  # fmt: skip
        with store.write() as unit:
            self.target, _ = unit.targets.put("swa", "production", definition, NOW)
        self.sweep()
        self.approve(propose_baseline(self.target, on_host("olga"), self.deps))
        self.clear()

    def clear(self) -> None:
        """Forget what the first reading said."""
        for message in self.slack.client.get("/standin/messages").json():
            self.slack.client.delete(f"/standin/messages/{message['ts']}")

    def window(self, *, ends: datetime = END, **match: str) -> None:
        window = ChangeWindow(NOW, ends, "CHG-123", "rates of 2027", "mei", Selector(**match))
        self.deps.windows = (*self.deps.windows, window)

    def percentage(self, key: str, value: str) -> None:
        self.world.change("set", "tax", key, "percentage", value)

    def sweep(self, at: datetime | None = None) -> SweepReport:
        """A sweep at this moment, else a minute later; what waits is delivered."""
        self.clock.at = at or self.clock.at + timedelta(minutes=1)
        report = sweep(self.target, self.clock.at, self.deps)
        assert report.state == "complete", report
        deliver_waiting(self.deps)
        return report

    def approve(self, proposal) -> None:
        with self.store.read() as unit:
            made = review_of(proposal, self.deps, unit)
        accepted = [(change_key(each), Decision.ACCEPT, "") for each in made.comparison.changes]
        made = decide(proposal, accepted, on_host("olga"), self.deps) if accepted else made
        approve(proposal, made.digest, on_host("nisha"), self.deps)

    def messages(self) -> list[str]:
        """Texts of the messages that stand in the channel, each with its blocks."""
        found = self.slack.client.get("/standin/messages").json()
        return [f"{each['text']} {json.dumps(each['blocks'], ensure_ascii=False)}" for each in found
                if not each["thread_ts"] and not each["is_deleted"]]  # fmt: skip

    def reasons(self) -> list[str]:
        with self.store.read() as unit:
            return [str(each["reason"]) for each in reversed(unit.alerts.recent(self.target, 100))]

    def open(self) -> dict[str, object]:
        with self.store.read() as unit:
            return {f"{known.finding.key} {known.finding.kind}": known for _, known in unit.findings.open(self.target)}


@pytest.fixture
def utility(tmp_path, sandbox, slack, store) -> Utility:
    made = Utility(tmp_path, sandbox, slack, store)
    made.before = len(made.reasons())
    return made


def said(utility: Utility) -> list[str]:
    return utility.reasons()[utility.before :]


def test_f96_what_happens_in_a_window_is_told_in_one_message_when_it_is_over(utility):
    utility.window(resource_type="tax")
    utility.percentage("ULF-PDX", "5.5")
    first = utility.sweep()
    utility.percentage("ULF-GRE", "7")
    second = utility.sweep(END - timedelta(microseconds=1))
    assert (first.drift, first.announced, first.exit_code) == (1, 1, 1)
    assert (second.drift, second.announced, second.exit_code) == (2, 2, 1)
    assert utility.messages() == []
    with utility.store.read() as unit:
        assert sum(unit.findings.counts().values()) == 2
    known = utility.open()["ULF-PDX drift"]
    assert (known.quiet.ticket, known.quiet.until, known.quiet.by, known.alert_key) == ("CHG-123", END, "mei", "")
    over = utility.sweep(END)
    assert (over.drift, over.announced) == (2, 0)
    (only,) = utility.messages()
    assert "2 new findings" in only
    assert "The time announced for these changes is over" in only
    assert "5.5" in only
    assert said(utility) == ["window"]
    assert {each.quiet for each in utility.open().values()} == {None}
    utility.sweep()
    assert said(utility) == ["window"]


def test_what_heals_within_the_window_is_never_told(utility):
    utility.window(resource_type="tax")
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    utility.percentage("ULF-PDX", "5")
    assert utility.sweep().resolved == 1
    utility.percentage("ULF-PDX", "5.5")  # and back again
    assert utility.sweep().opened == 1
    utility.percentage("ULF-PDX", "5")
    utility.sweep()
    utility.sweep(END)
    assert (utility.messages(), said(utility)) == ([], [])


def test_a_window_hushes_only_what_it_names_and_the_message_counts_the_rest(utility):
    utility.window(resource_type="tax", kind="drift")
    utility.percentage("ULF-PDX", "5.5")
    utility.world.change("set", "service_plan", "COM-VAR", "rates[up_to=].rate", "4.85")
    utility.sweep()
    (only,) = utility.messages()
    assert "1 more is announced (CHG-123, until 11:00)." in only
    assert "5.5" not in only
    assert said(utility) == ["opened"]
    utility.sweep(END)
    assert said(utility) == ["opened", "window"]
    assert len(utility.messages()) == 2


def test_what_was_told_before_is_not_told_of_again_until_the_window_ends(utility):
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    assert said(utility) == ["opened"]
    utility.window(resource_type="tax")
    utility.percentage("ULF-PDX", "5.75")
    utility.sweep()
    (only,) = utility.messages()
    assert "5.75" in only  # edited, so that it stays true
    assert "Announced (CHG-123, until 11:00)" in only
    assert not [each for each in utility.slack.client.get("/standin/messages").json() if each["thread_ts"]]
    utility.sweep(END)
    assert said(utility) == ["opened", "changed", "window"]
    assert len(utility.messages()) == 2


def test_a_change_in_an_open_proposal_is_expected_until_it_is_closed(utility):
    utility.window(resource_type="tax", ends=NOW + timedelta(minutes=10))
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    proposal = propose_baseline(utility.target, on_host("olga"), utility.deps, title="rates of 2027")
    assert utility.sweep(NOW + timedelta(minutes=20)).announced == 1  # the window is over, the proposal open
    quiet = utility.open()["ULF-PDX drift"].quiet
    assert (quiet.ticket, quiet.until, quiet.by) == (f"proposal {proposal.id}", None, "olga")
    assert utility.messages() == []
    utility.percentage("ULF-GRE", "7")  # proposed by nobody
    utility.sweep()
    (only,) = utility.messages()
    assert f"1 more is announced (proposal {proposal.id}, until it is decided)." in only
    reject(proposal, "not yet", on_host("nisha"), utility.deps)
    utility.sweep()
    assert said(utility) == ["opened", "window"]


def test_an_accepted_change_is_never_told(utility):
    utility.window(resource_type="tax")
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    utility.approve(propose_baseline(utility.target, on_host("olga"), utility.deps))
    assert utility.open() == {}
    utility.sweep(END)
    assert (utility.messages(), said(utility)) == ([], [])


def test_another_value_than_was_proposed_is_told_at_once(utility):
    utility.window(resource_type="tax", ends=NOW + timedelta(minutes=10))
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    propose_baseline(utility.target, on_host("olga"), utility.deps)
    utility.percentage("ULF-PDX", "55")
    utility.sweep(NOW + timedelta(minutes=20))
    (only,) = utility.messages()
    assert "55" in only


def test_what_was_not_read_is_told_in_any_window_that_does_not_name_it(utility):
    utility.window()
    utility.world.fault("forbidden-some", "tax")
    utility.clock.at += timedelta(minutes=1)
    assert sweep(utility.target, utility.clock.at, utility.deps).state == "partial"
    deliver_waiting(utility.deps)
    assert len(utility.messages()) == 1
    utility.world.heal()


def test_an_acknowledged_finding_is_told_as_one_when_the_window_is_over(utility):
    utility.window(resource_type="tax")
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    acknowledge(utility.open()["ULF-PDX drift"].number, "mine", on_host("carla"), utility.deps)
    utility.sweep()
    assert utility.messages() == []
    utility.sweep(END)
    (only,) = utility.messages()
    assert "Acknowledged by carla" in only


def test_the_page_says_that_it_is_announced_and_until_when(utility):
    utility.window(resource_type="tax")
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    view = target_view("swa/production", utility.deps)
    (known,) = view.findings
    assert view.state(known) == "open, announced (CHG-123, until 11:00)"
    utility.clock.at = END
    view = target_view("swa/production", utility.deps)
    assert view.state(view.findings[0]).startswith("open, was announced")


def test_the_command_line_says_it_too(utility, store_url, tmp_path):
    utility.window(resource_type="tax")
    utility.percentage("ULF-PDX", "5.5")
    utility.sweep()
    number = utility.open()["ULF-PDX drift"].number
    environment = {**os.environ, "SMART360_DATABASE_URL": store_url, "SMART360_STATE_FOLDER": str(tmp_path)}

    def told(*words: str) -> str:
        command = [sys.executable, "-m", "monitor", "findings", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout

    assert "announced (CHG-123, until 2026-11-24 19:00:00 UTC)" in " ".join(told("list").split())
    shown = told("show", number)
    assert "announced (CHG-123, until 2026-11-24 19:00:00 UTC)" in shown
    assert "quiet   rates of 2027 (mei)" in shown
    (found,) = json.loads(told("list", "--output", "json"))["findings"]
    assert found["quiet"]["until"].startswith("2026-11-24T19:00:00")
    assert {**found["quiet"], "until": ""} == {
        "reason": "rates of 2027", "ticket": "CHG-123", "until": "", "by": "mei", "waiver": None,
    }  # fmt: skip


def test_f24_more_than_two_hundred_changes_are_one_summary_and_all_on_record(tmp_path, sandbox, slack, store):
    utility = Utility(tmp_path, sandbox, slack, store, scope=())
    before = len(utility.reasons())
    utility.world.fault("mass-change")
    report = utility.sweep()
    assert utility.world.fired() > 50
    utility.world.heal()
    assert report.drift > 200
    assert utility.reasons()[before:] == ["bulk"]
    (only,) = utility.messages()
    count = report.drift + report.findings
    assert f"{count} new findings" in only
    lists = [each for block in json.loads(only[only.index("[") :]) for each in block.get("elements", ())]
    (worst,) = [each for each in lists if each["type"] == "rich_text_list" and each["style"] == "ordered"]
    assert len(worst["elements"]) == 10
    listed, cursor = set[str](), ""
    with utility.deps.store.read() as unit:
        while True:
            found, cursor = unit.finding_list.page(FindingQuery(target="swa/production"), cursor)
            listed |= {known.number for _, known in found}
            if not cursor:
                break
    assert len(listed) == count


def test_a_change_put_back_between_two_readings_opens_nothing_and_is_counted(utility):
    utility.world.fault("flicker", "tax", field="percentage")
    report = utility.sweep()
    assert utility.world.fired() == 1
    utility.world.heal()
    assert (report.drift, report.findings, report.opened, report.unconfirmed) == (0, 0, 0, 1)
    assert (utility.open(), utility.messages()) == ({}, [])
    with utility.store.read() as unit:
        assert unit.counters.all("changes_unconfirmed") == {("swa", "production"): 1}
        (run,) = unit.sweeps.last(utility.target)
    assert run.report["unconfirmed"] == {"tax": 1}


def test_a_source_that_asks_for_a_long_pause_is_asked_next_when_it_is_over(utility):
    utility.world.fault("429-date", "tax", seconds=86_400)
    utility.clock.at += timedelta(minutes=1)
    assert sweep(utility.target, utility.clock.at, utility.deps).state == "partial"
    with utility.store.read() as unit:
        next_run = unit.targets.named(utility.target.name).next_run_at
    assert timedelta(hours=23) < next_run - utility.clock.at <= timedelta(hours=24)
    utility.world.heal()
