"""What is one story of many targets: found whatever the order, and never of two causes that came apart."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.fields import Op
from baselines.severity import Severity
from rules.findings import Finding, Kind
from rules.fleet import APART, LEAST, LONGEST, Cause, Sighting, cause_of, clusters, sentence, stories
from tests.support import CATALOGUE

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
CAUSES = [Cause(Kind.DRIFT, "", op, "notification_template", path) for op in Op for path in ("language", "rates[]")]
MINUTES = st.integers(0, 40 * 60)
SIGHTINGS = st.dictionaries(
    st.sampled_from(CAUSES),
    st.lists(
        st.builds(
            lambda minute, number, finding: Sighting(
                NOW + timedelta(minutes=minute), f"t{number}/production", finding
            ),
            MINUTES, st.integers(0, 8), st.integers(0, 99),
        ),
        max_size=30,
    ),
)  # fmt: skip


def swept(many: int):
    return lambda *_: many


def seen(minutes, cause=CAUSES[0]):
    return {cause: [Sighting(NOW + timedelta(minutes=m), f"t{n}/production", n) for n, m in enumerate(minutes)]}


@given(SIGHTINGS, st.randoms())
def test_the_order_in_which_sightings_arrive_changes_nothing(several, random):
    def shuffled(items):
        items = list(items)
        random.shuffle(items)
        return items

    other = {cause: shuffled(several[cause]) for cause in shuffled(several)}
    found = clusters(several, swept(3))
    assert clusters(other, swept(3)) == found
    assert stories(shuffled(found)) == stories(found)


@given(SIGHTINGS)
def test_no_cluster_mixes_causes_and_no_sighting_is_in_two(several):
    found = clusters(several, swept(3))
    for each in found:
        assert set(each.sightings) <= set(several[each.cause])
        assert len(each.targets) >= LEAST
        moments = [one.at for one in each.sightings]
        assert moments == sorted(moments)
        assert moments[-1] - moments[0] <= LONGEST
        assert all(b - a <= APART for a, b in pairwise(moments))
    placed = [(each.cause, one) for each in found for one in each.sightings]
    assert len(placed) == len(set(placed))
    assert sorted(each for story in stories(found) for each in [c.cause for c in story]) == sorted(
        c.cause for c in found
    )


@given(SIGHTINGS)
def test_what_is_told_in_the_story_of_another_cause_came_in_no_sweep_without_it(several):
    for lead, *others in stories(clusters(several, swept(3))):
        assert all(each.sweeps <= lead.sweeps for each in others)


@pytest.mark.parametrize(
    ("minutes", "many", "is_one"),
    [
        ([0, 5, 15], 3, True),
        ([0, 5], 2, False),  # too few
        ([0, 120, 240], 6, True),  # each within two hours of the one before; half of those swept
        ([0, 120, 240], 7, False),  # too few of those swept
        ([0, 121, 242], 3, False),  # too far apart
    ],
)
def test_a_story_needs_three_targets_near_in_time_and_half_of_those_swept(minutes, many, is_one):
    assert bool(clusters(seen(minutes), swept(many))) is is_one


def test_three_environments_of_one_tenant_are_no_fleet():
    names = ("swa/production", "swa/staging", "swa/sandbox")
    assert clusters({CAUSES[0]: [Sighting(NOW, name, n) for n, name in enumerate(names)]}, swept(3)) == ()


def finding(kind=Kind.DRIFT, rule="", path="", **more) -> Finding:
    return Finding(kind, rule, Severity.HIGH, "billing", "service_plan", "RES", path, "t", "m", **more)


@pytest.mark.parametrize(
    ("one", "other", "are_alike"),
    [
        (finding(path="rates[up_to=4].rate", op=Op.CHANGED, new="1"),
         finding(path=r"rates[up_to=\]9].rate", op=Op.CHANGED, new="2"), True),
        (finding(path="rates[up_to=4].rate", op=Op.CHANGED), finding(path="rates[up_to=4].rate", op=Op.REMOVED), False),
        (finding(path="name", op=Op.CHANGED), finding(path="unit", op=Op.CHANGED), False),
        (finding(Kind.RULE, "billing.a"), finding(Kind.RULE, "billing.b"), False),
        (finding(Kind.COVERAGE, "server_error"), finding(Kind.COVERAGE, "server_error"), True),
        (finding(Kind.COVERAGE, "field_missing", "name"), finding(Kind.COVERAGE, "field_missing", "unit"), False),
    ],
)  # fmt: skip
def test_a_cause_is_the_same_whatever_the_object_and_the_value(one, other, are_alike):
    assert (cause_of(one) == cause_of(other)) is are_alike


def test_lists_that_are_not_read_for_one_reason_have_one_cause_and_our_own_overlays_none():
    lost = [Finding(Kind.COVERAGE, "timeout", Severity.HIGH, "", name, "", "", "t", "m") for name in ("tax", "area")]
    assert len({cause_of(each) for each in lost}) == 1
    assert cause_of(finding(Kind.COVERAGE, "matches_nothing")) is None


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (Cause(Kind.DRIFT, "", "removed", "notification_template", "language"),
         "39 targets lost notification_template.language, seen between 02:00 and 02:15 UTC. "
         "Probably a release of SMART360."),
        (Cause(Kind.DRIFT, "", "added", "tax", ""),
         "39 targets gained an object of Tax or pass-through fee, seen between 02:00 and 02:15 UTC. "
         "Probably a release of SMART360."),
        (Cause(Kind.COVERAGE, "login_refused", "", "", ""),
         "39 targets could not be read: login refused, seen between 02:00 and 02:15 UTC. "
         "Probably SMART360 or the way to it, not the targets."),
        (Cause(Kind.RULE, "billing.a", "", "tax", ""),
         "39 targets fail “Every tax has a rate”, seen between 02:00 and 02:15 UTC. Probably one cause for all."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_is_known_and_what_is_only_probable(cause, told):
    assert sentence(cause, 39, "02:00", "02:15", CATALOGUE, "Every tax has a rate") == told
