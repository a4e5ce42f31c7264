"""What a rule is worth by what people said of its findings."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.precision import Mark, Opinion, Precision, latest, mark_of, total

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)
MARKS = {"+": Mark.USEFUL, "-": Mark.NOT_USEFUL}


def opinions(said: str) -> list[Opinion]:
    """``olga+ nisha-``: who said what of one finding, in this order."""
    return [
        Opinion(1, "billing.x", MARKS[each[-1]], each[:-1], AT + timedelta(hours=place), "")
        for place, each in enumerate(said.split())
    ]


@pytest.mark.parametrize(
    ("said", "counts_as"),
    [
        pytest.param("", None, id="nobody said anything: it counts neither way"),
        pytest.param("olga+", Mark.USEFUL, id="one word"),
        pytest.param("olga-", Mark.NOT_USEFUL, id="one word against it"),
        pytest.param("olga- olga+", Mark.USEFUL, id="the last word of a person counts"),
        pytest.param("olga+ olga- olga-", Mark.NOT_USEFUL, id="saying it twice weighs no more"),
        pytest.param("olga- nisha+ nisha+ nisha+ dana-", Mark.NOT_USEFUL, id="persons are counted, not marks"),
        pytest.param("olga+ nisha-", Mark.NOT_USEFUL, id="even: the newest"),
        pytest.param("nisha- olga+", Mark.USEFUL, id="even the other way round: the newest"),
        pytest.param("olga+ nisha- olga+", Mark.USEFUL, id="even: a word said again is new"),
    ],
)
def test_a_finding_counts_once_as_what_more_people_said_last(said, counts_as):
    assert mark_of(latest(opinions(said)).get(1, ())) == counts_as


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from("abc"), st.sampled_from(Mark))))
def test_the_last_word_of_each_person_is_kept_newest_first(said):
    given_ = [Opinion(finding, "", mark, by, AT + timedelta(hours=n), "") for n, (finding, by, mark) in enumerate(said)]
    kept = latest(given_)
    assert {(finding, each.by): each.mark for finding, several in kept.items() for each in several} == {
        (each.finding, each.by): each.mark for each in given_
    }
    assert all(list(each) == sorted(each, key=lambda one: one.at, reverse=True) for each in kept.values())


@pytest.mark.parametrize(
    ("useful", "not_useful", "ratio", "is_doubtful"),
    [
        pytest.param(0, 0, None, False, id="nothing marked: nothing is known"),
        pytest.param(0, 4, 0.0, False, id="four marked are too few to act on"),
        pytest.param(0, 5, 0.0, True, id="five are enough"),
        pytest.param(4, 1, 0.8, False, id="at the floor is not below it"),
        pytest.param(3, 2, 0.6, True, id="below the floor"),
        pytest.param(79, 21, 0.79, True, id="just below"),
    ],
)
def test_a_rule_below_the_floor_with_enough_marked_is_proposed_for_review(useful, not_useful, ratio, is_doubtful):
    precision = Precision(useful, not_useful, found=120, open=7)
    assert precision.ratio == ratio
    assert precision.unmarked == 120 - useful - not_useful
    assert precision.is_doubtful(0.8) is is_doubtful


def test_figures_of_a_pack_are_those_of_its_rules_together():
    rules = [Precision(1, 2, 5, 3, targets=2), Precision(3, 0, 4, 1, targets=1)]
    assert total(rules) == Precision(4, 2, 9, 4)
    assert total([]) == Precision()
