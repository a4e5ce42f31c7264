"""How pages say times, ages and values."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.web.words import age, clock, day, figure, moment, plain

AT = datetime(2026, 11, 24, 14, 12, tzinfo=UTC)
PORTLAND = "America/Los_Angeles"


def test_a_moment_names_its_zone():
    assert moment(AT, PORTLAND) == "Tue 24 Nov 06:12 PST"
    assert day(AT, PORTLAND) == "24 Nov"
    assert day(AT, PORTLAND, year=True) == "24 Nov 2026"


@pytest.mark.parametrize(
    ("hours", "told"), [(0, "06:12"), (-12, "Mon 18:12"), (24, "Wed 06:12"), (-24 * 7, "17 Nov 06:12")]
)
def test_a_time_of_another_day_says_which(hours, told):
    assert clock(AT + timedelta(hours=hours), PORTLAND, AT) == told


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(0), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1, minutes=28), "1 h 28 min"),
        (timedelta(hours=47, minutes=59), "47 h 59 min"),
        (timedelta(days=3, hours=5), "3 days"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(span, told):
    assert age(span) == told


def test_a_figure_has_three_places_or_is_a_dash():
    assert [figure(value) for value in (1.0, 0.992, None)] == ["1.000", "0.992", "–"]


def test_control_and_bidirectional_characters_are_shown_not_obeyed():
    assert plain("a\x1b[2J\u202eb") == "a⟨ESC⟩[2J⟨U+202E⟩b"
    assert plain("Tomás – “x”") == "Tomás – “x”"
