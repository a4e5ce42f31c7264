"""Mutations: every field of every object, in every way that its catalogue entry allows."""

from collections import Counter
from itertools import islice

import pytest

from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.severity import Severity
from rules.mutations import Mutation, MutationKind, at_once, mutated, mutations
from tests.support import CATALOGUE, SECRETS, configuration, swa


def with_ids() -> Configuration:
    """SWA as SMART360 gives it: a rename is one change, and references follow it."""
    raw = swa()
    for name, objects in raw.items():
        for place, each in enumerate(objects):
            each["id"] = f"{name}-{place}"
    return configuration(raw)


SWA = with_ids()
ALL = list(mutations(SWA, CATALOGUE, SECRETS))


def of(resource_type: str, key: str, path: str) -> list[Mutation]:
    return [each for each in ALL if (each.resource_type, each.key, each.path) == (resource_type, key, path)]


@pytest.mark.parametrize(
    ("place", "want"),
    [
        pytest.param(
            ("tax", "ULF-PDX", "percentage"),
            [("removed", None), ("blank", ""), ("out_of_range", "-1"), ("out_of_range", "101"),
             ("out_of_range", "four"), ("boundary", "0"), ("boundary", "100"), ("plausible", "5.9")],
            id="a percentage at and beyond its bounds",
        ),
        pytest.param(
            ("service_plan", "RES-VAR", "rates[up_to=10].up_to"),
            [("removed", None), ("blank", ""), ("out_of_range", "-1"), ("out_of_range", "3"),
             ("out_of_range", "four"), ("boundary", "0"), ("boundary", "4"), ("plausible", "11.8")],
            id="a slab that ends before it begins",
        ),
        pytest.param(
            ("service_plan", "RES-VAR", "category"),
            [("removed", None), ("blank", ""), ("dangling", "Residential-gone"),
             ("swapped", "Commercial")],
            id="a reference to nothing, and to another",
        ),
        pytest.param(
            ("holiday", "2026-12-25", ""),
            [("duplicated", "2026-12-25"), ("object_removed", None)],
            id="an object twice, and none of it",
        ),
    ],
)  # fmt: skip
def test_what_is_done_follows_from_the_catalogue(place: tuple[str, str, str], want: list[tuple[str, object]]) -> None:
    """Bounds, choices and references come from the field, not from a list of mutations."""
    shown = [
        (each.kind.value, each.value["date"] if isinstance(each.value, dict) else each.value) for each in of(*place)
    ]
    assert shown == want


def test_every_mutation_means_something_else_and_is_the_same_on_every_run() -> None:
    """A default left out, or a blank that means the same, is none."""
    again = mutations(SWA, CATALOGUE, SECRETS)
    assert all(one == other for one, other in zip(ALL, again, strict=True))
    assert all(each.before is None or each.after is None or each.before.body != each.after.body for each in ALL)
    assert set(Counter(each.kind for each in ALL)) == set(MutationKind)


def test_a_mutation_made_is_the_one_change_that_drift_tells() -> None:
    """What is told stands where the mutation says, and nothing else does."""
    fields = [each for each in ALL if each.kind in (MutationKind.PLAUSIBLE, MutationKind.RENAMED)]
    for each in islice(fields, 0, None, 67):
        changes = compare(SWA, mutated(SWA, [each], CATALOGUE), CATALOGUE).changes
        assert [(one.resource_type, one.key, one.path.split("[")[0]) for one in changes] == [
            (each.resource_type, each.key, each.path.split("[")[0])
        ]


def test_several_at_once_are_of_different_objects_and_none_is_lost() -> None:
    """A group can be made at once; each of its changes is told."""
    some = ALL[::211]
    groups = list(at_once(some, 4))
    assert sorted(map(ALL.index, (each for group in groups for each in group))) == sorted(map(ALL.index, some))
    for group in groups:
        assert len({(each.resource_type, each.key) for each in group}) == len(group) <= 4


def test_what_must_be_seen_is_no_plausible_value_of_a_field_that_matters() -> None:
    """4.10 → 4.85 is drift's work; a blank note is nobody's."""
    assert all(each.is_required or each.severity.at_least(Severity.HIGH) for each in ALL if each.must_be_seen)
    assert not any(each.must_be_seen for each in ALL if each.kind is MutationKind.PLAUSIBLE)
