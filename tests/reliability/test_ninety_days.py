"""A fleet over months: no false alert, none missed, at most one message for each true cause; the counts are printed."""

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.clock import SetClock
from monitor.sandbox.slack_process import start_slack
from monitor.sandbox.world import START
from tests.reliability.simulation import Fleet, Result
from tests.stories.monitored import monitored
from tests.worlds import Worlds


def simulated(folder: Path, tenants: int, days: int, seed: int) -> Result:
    clock = SetClock(START + timedelta(hours=1))
    channels = {f"C{number:03}": f"care-{number:02}" for number in range(tenants)}
    with start_slack(channels=channels) as slack, Worlds() as worlds:
        (folder / "slack").write_text(slack.token, encoding="utf-8")
        how = {
            "slack_token": f"file:{folder / 'slack'}", "slack_url": slack.api_url,
            "slack_channels": {name: identity for identity, name in channels.items()},
        }  # fmt: skip
        with monitored(folder, clock=clock, **how) as watching:
            result = Fleet(watching, slack, worlds, clock, tenants, days, seed).run()
    print(result.told())
    return result


def test_ten_days_of_three_tenants_tell_every_cause_once_and_nothing_else(tmp_path):
    result = simulated(tmp_path, tenants=3, days=10, seed=3)
    assert (result.false, result.missed, result.twice, result.wrong) == ([], [], [], [])
    assert result.causes.total() >= 7
    assert {"drift", "partial read", "log-in refused", "plan ended at midnight"} <= result.causes.keys()


@pytest.mark.long
def test_ninety_days_of_twenty_tenants_tell_every_cause_once_and_nothing_else(tmp_path):
    result = simulated(tmp_path, tenants=20, days=90, seed=90)
    assert (result.false, result.missed, result.twice, result.wrong) == ([], [], [], [])
    assert result.causes.total() >= 350
    kinds = {"drift", "several at once", "partial read", "log-in refused", "plan ends soon", "plan ended at midnight"}
    assert kinds <= result.causes.keys()
