"""Charts: a gap where nothing was read, one step for each change, a sentence that says the same."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.web.charts import Point, lanes, spark

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def two_days_later(at):
    return at + 2 * DAY


def day_later(at):
    return at + DAY


def point(days_ago, readiness=1.0, **given):
    return Point(NOW - days_ago * DAY, **{"is_read": True, "is_whole": True, "readiness": readiness} | given)


LOST = {"is_read": False, "is_whole": False}


@pytest.mark.parametrize(
    ("points", "path", "gap", "label"),
    [
        ([], "", "", "Readiness: not known"),
        ([point(1, None, **LOST)], "", "", "Readiness: not known"),
        ([point(40)], "", "", "Readiness: not known"),
        ([point(2), point(1), point(0)], "M1 3.0H93", "", "Readiness, 2 days: all the time 1.000"),
        (
            [point(2), point(1), point(0, 0.95)],
            "M1 3.0H93V17.0H93",
            "",
            "Readiness, 2 days: 1.000 until 23 Nov, now 0.950",
        ),
        ([point(4), point(0)], "M1 3.0H1M93 3.0H93", "M1 3.0H93", "Readiness, 4 days: all the time 1.000"),
        (
            [point(2), point(1, None, **LOST), point(0)],
            "M1 3.0H1M93 3.0H93",
            "M1 3.0H93",
            "Readiness, 2 days: all the time 1.000",
        ),
        (
            [point(4), point(3)],
            "M1 3.0H24",
            "M24 3.0H93",
            "Readiness, 4 days: all the time 1.000; not read since 21 Nov",
        ),
    ],
    ids=["nothing", "only failures", "too old", "steady", "fell", "long silence", "a failure between", "silent now"],
)
def test_a_spark_draws_what_was_read_and_nothing_else(points, path, gap, label):
    drawn = spark(points, NOW, two_days_later, "UTC")
    assert (drawn.path, drawn.gap, drawn.label) == (path, gap, label)


def test_a_year_of_readings_each_minute_makes_a_small_spark():
    points = [point(minute / 1440, 0.99 + 0.01 * (minute // 700 % 2)) for minute in range(43_000, 0, -1)]
    assert len(spark(points, NOW, two_days_later, "UTC").path) < 2_000


def test_days_are_those_of_the_targets_zone():
    late = Point(datetime(2026, 11, 24, 7, 30, tzinfo=UTC), True, True, 1.0)  # still Monday in Portland
    chart = lanes([point(3), late], [], NOW, day_later, ZoneInfo("America/Los_Angeles"))
    assert [str(each.day) for each in chart.columns if each.readings] == ["2026-11-21", "2026-11-23"]


def test_a_day_is_part_read_if_one_of_its_readings_was():
    points = [point(1), point(0.1, is_whole=False), point(0.0)]
    assert [each.state for each in lanes(points, [], NOW, day_later, ZoneInfo("UTC")).columns[-2:]] == ["read", "part"]


def test_a_day_with_failures_only_is_a_gap():
    points = [point(2), point(1, None, **LOST), point(0)]
    chart = lanes(points, [], NOW, day_later, ZoneInfo("UTC"))
    assert [each.state for each in chart.columns[-3:]] == ["read", "gap", "read"]
    assert "one without a reading" in chart.label


def test_days_between_weekly_readings_are_no_gaps_and_the_line_goes_on():
    points = [point(14), point(7), point(0)]
    chart = lanes(points, [], NOW, lambda at: at + 7 * DAY, ZoneInfo("UTC"))
    assert sum(each.is_gap for each in chart.columns) == 0
    assert chart.path.count("M") == 1


def test_approvals_too_near_to_each_other_share_no_place():
    approvals = [(NOW - days * DAY, f"baseline {n}") for n, days in enumerate((20, 3, 2), 1)]
    chart = lanes([point(1), point(0)], approvals, NOW, day_later, ZoneInfo("UTC"))
    assert [told for _, told in chart.events] == ["baseline 1", "", "baseline 3"]
    assert [each.happened for each in chart.columns if each.happened] == ["baseline 1", "baseline 2", "baseline 3"]
