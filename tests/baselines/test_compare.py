"""Comparison by meaning: properties over SWA, and the named cases of the contracts."""

import random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from baselines.apply import apply
from baselines.compare import Change, compare
from baselines.fields import Op
from baselines.severity import Severity
from tests.baselines.edits import neutral, one_edit
from tests.support import CATALOGUE, configuration, find, swa

seeds = st.integers(min_value=0, max_value=2**32)
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SWA = swa()
SWA_CONFIGURATION = configuration(SWA)


def changes(old, new):
    return list(compare(configuration(old), configuration(new), CATALOGUE).changes)


def told(change: Change):
    return change.op.value, change.resource_type, change.key, change.path, change.old, change.new


@PROPERTY
@given(seeds)
def test_a_meaning_preserving_rewrite_keeps_the_digest_and_gives_an_empty_diff(seed):
    rewritten = configuration(neutral(SWA, random.Random(seed)))
    assert rewritten.digest == SWA_CONFIGURATION.digest
    assert compare(SWA_CONFIGURATION, rewritten, CATALOGUE).changes == ()


@settings(PROPERTY, max_examples=150)
@given(seeds)
def test_one_edit_is_one_change(seed):
    done = one_edit(SWA, random.Random(seed))
    assume(done is not None)
    edited, what = done
    found = compare(SWA_CONFIGURATION, configuration(edited), CATALOGUE).changes
    assert len(found) == 1, (what, [told(each) for each in found])


@PROPERTY
@given(seeds, st.integers(1, 12))
def test_applying_the_difference_gives_the_other_side(seed, edits):
    rng = random.Random(seed)
    edited = SWA
    for _ in range(edits):
        done = one_edit(edited, rng)
        edited = done[0] if done is not None else edited
    try:
        other = configuration(edited)
    except AssertionError:
        assume(False)
    comparison = compare(SWA_CONFIGURATION, other, CATALOGUE)
    assert (other.digest == SWA_CONFIGURATION.digest) == (not comparison.changes)
    assert apply(comparison.changes, SWA_CONFIGURATION, CATALOGUE).digest == other.digest


def with_ids(raw):
    for name, objects in raw.items():
        for number, each in enumerate(objects):
            each["id"] = f"{name}-{number}"
    return raw


def rename(raw, target, old, new):
    """Every reference to the object follows, also where it is the first part of a longer key."""
    for name, objects in raw.items():
        for field in CATALOGUE.types[name].references():
            for each in objects:
                value = each.get(field.name)
                if field.target == target:
                    each[field.name] = (
                        [new if v == old else v for v in value]
                        if isinstance(value, list)
                        else (new if value == old else value)
                    )
                elif field.target in ("consumer_subcategory",) and value:
                    swap = lambda v: f"{new}/{v.removeprefix(old + '/')}" if v.startswith(old + "/") else v  # noqa: E731
                    each[field.name] = [swap(v) for v in value] if isinstance(value, list) else swap(value)


def test_a_renamed_category_with_the_same_id_is_one_change_and_references_that_follow_are_none():
    old, new = with_ids(swa()), with_ids(swa())
    find(new, "consumer_category", name="Residential")["name"] = "Household"
    rename(new, "consumer_category", "Residential", "Household")
    found = changes(old, new)
    assert [told(each) for each in found] == [
        ("changed", "consumer_category", "Residential", "name", "Residential", "Household")
    ]
    assert apply(found, configuration(old), CATALOGUE).digest == configuration(new).digest


def test_an_object_with_another_id_and_the_same_key_is_the_same_object():
    old, new = with_ids(swa()), with_ids(swa())
    find(new, "holiday", date="2026-12-25")["id"] = "made anew"
    assert changes(old, new) == []


def slabs(raw):
    return find(raw, "service_plan", code="RES-VAR")["rates"]


@pytest.mark.parametrize(
    ("edit", "want"),
    [
        pytest.param(
            lambda raw: slabs(raw)[0].update(rate="4.85"),
            [("changed", "service_plan", "RES-VAR", "rates[up_to=4].rate", "4.1", "4.85")],
            id="a rate inside a slab",
        ),
        pytest.param(
            lambda raw: slabs(raw)[1].update(up_to="12"),
            [("changed", "service_plan", "RES-VAR", "rates[up_to=10].up_to", "10", "12")],
            id="a slab's bound moved is a change of the old item's key",
        ),
        pytest.param(
            lambda raw: slabs(raw)[3].update(rate="9.7"),
            [("changed", "service_plan", "RES-VAR", "rates[up_to=].rate", "9.6", "9.7")],
            id="the open slab has no upper bound in its name",
        ),
        pytest.param(
            lambda raw: slabs(raw)[3].update(up_to="50"),
            [("changed", "service_plan", "RES-VAR", "rates[up_to=].up_to", None, "50")],
            id="the open slab is closed",
        ),
        pytest.param(
            lambda raw: find(raw, "bill_cycle", code="BC-06").update(areas=["A-LAK-N"]),
            [("removed", "bill_cycle", "BC-06", "areas[A-LAK-S]", "A-LAK-S", None)],
            id="an item of an insignificant list left",
        ),
        pytest.param(
            lambda raw: find(raw, "role", code="FIELD_TECH").update(full_access_modules=["BX"]),
            [("added", "role", "FIELD_TECH", "full_access_modules[BX]", None, "BX")],
            id="the first item of an absent list",
        ),
        pytest.param(
            lambda raw: find(raw, "collection_policy", category="Residential").update(grace_days=None),
            [("changed", "collection_policy", "Residential", "grace_days", 7, 0)],
            id="absent reads as the default",
        ),
    ],
)
def test_an_edit_inside_a_list_is_named_by_its_item(edit, want):
    new = swa()
    edit(new)
    assert [told(each) for each in changes(SWA, new)] == want


def test_an_item_that_moved_in_a_significant_list_is_one_moved_change():
    new = swa()
    sections = new["invoice_template"][0]["sections"]
    sections.append(sections.pop(0))
    (moved,) = changes(SWA, new)
    assert (moved.op, moved.path) == (Op.MOVED, "sections")


def test_the_severity_of_a_whole_object_is_that_of_is_active_else_of_the_type():
    new = swa()
    new["bill_cycle"].pop()
    new["holiday"].pop()
    severities = {each.resource_type: each.severity for each in changes(SWA, new)}
    assert severities == {"bill_cycle": Severity.CRITICAL, "holiday": Severity.MEDIUM}


def test_without_a_baseline_nothing_was_compared():
    comparison = compare(None, SWA_CONFIGURATION, CATALOGUE)
    assert comparison.compared_nothing
    assert set(comparison.not_compared.values()) == {"no_baseline"}


def test_equal_lists_are_not_opened():
    other = configuration(swa())
    one = FORM_CLOSED(SWA_CONFIGURATION)
    compare(one, other, CATALOGUE)
    assert not any(each.is_open for each in one.lists.values())


def FORM_CLOSED(configured):
    """The same lists, closed: opening one is seen by ``is_open``."""
    from baselines.configuration import Configuration, ObjectList

    lists = {
        name: ObjectList(name, each.version, each.digest, each.count, lambda each=each: each.objects)
        for name, each in configured.lists.items()
    }
    return Configuration(lists=lists, version=configured.version)
