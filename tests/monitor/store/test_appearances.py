"""When each resource type was first read, from stored snapshots."""

from datetime import UTC, datetime, timedelta

from baselines.configuration import Configuration
from baselines.coverage import Gap, Reason
from monitor.target import Definition
from tests.support import configuration, swa

START = datetime(2026, 11, 1, tzinfo=UTC)


def test_the_first_snapshot_with_objects_counts_and_a_list_not_read_before_says_nothing(store):
    full, raw = configuration(swa()), swa()
    raw["tip"] = []
    no_tips = configuration(raw)
    unread = Configuration({n: each for n, each in no_tips.lists.items() if n != "tax"}, no_tips.version,
                           gaps=(Gap("tax", Reason.FORBIDDEN),))  # fmt: skip
    with store.write() as unit:
        target, _ = unit.targets.put("swa", "new", Definition("files", "UTC", "every 6h"), START)
        for hour, each in enumerate((unread, unread, full, full)):
            sweep = unit.sweeps.claim(target, START + timedelta(hours=hour), "w", START, timedelta(hours=1))
            unit.snapshots.keep(target, sweep.fence, each, START + timedelta(hours=hour), 87, 87)
            unit.sweeps.finish(sweep, "complete", START, fault="", cure="", report={})
    with store.read() as unit:
        found = unit.snapshots.appearances(target)
        assert (found["area"].at, found["area"].before) == (START, None)
        assert found["tip"].at == found["tax"].at == START + timedelta(hours=2)
        assert found["tip"].before is not None
        assert found["tip"].then.digest == full.digest
        assert found["tax"].before is None
