"""Who refers to whom, in both directions, and what leads nowhere."""

from baselines.references import ReferenceGraph
from rules.explain import radius_of
from tests.support import CATALOGUE, configuration, find, swa

PLAN = ("service_plan", "RES-VAR")


def graph(raw=None) -> ReferenceGraph:
    return ReferenceGraph(configuration(raw or swa()), CATALOGUE)


def test_each_reference_is_found_from_both_ends():
    found = graph()
    pairs = {(node, there) for node, several in found.forward.items() for _, there in several}
    assert pairs == {(node, there) for there, several in found.backward.items() for node in several}
    assert ("consumer_category", "Residential") in found.refers(PLAN)
    assert PLAN in found.referred_by(("consumer_category", "Residential"))


def test_what_is_removed_leaves_references_that_lead_nowhere():
    raw = swa()
    raw["consumer_category"].remove(find(raw, "consumer_category", name="Residential"))
    found = graph(raw)
    gone = ("consumer_category", "Residential")
    assert graph().dangling() == ()
    assert {there for _, _, there in found.dangling()} >= {gone}
    assert (PLAN, "category", gone) in found.dangling()
    assert any("service_plan RES-VAR" in each for each in radius_of(gone, found, {}).dangling)


def test_dependents_are_reached_over_any_number_of_references_and_rings_end():
    raw = swa()
    raw["service_plan"] = [{**find(raw, "service_plan", code="RES-VAR"), "supersedes": "RES-VAR"}]
    found = graph(raw)
    assert PLAN not in found.dependents(PLAN)
    reached = graph().dependents(("consumer_category", "Residential"))
    assert reached[PLAN] == 1
    assert all(distance >= 1 for distance in reached.values())


def test_the_radius_counts_areas_and_the_consumers_that_the_tenant_file_tells():
    radius = radius_of(PLAN, graph(), {"Residential": 45_912})
    assert radius.consumers == {"Residential": 45_912}
    assert len(radius.areas) == len(find(swa(), "service_plan", code="RES-VAR")["areas"])
    assert radius.words(CATALOGUE).endswith("45,912 consumers (Residential)")
    tax = radius_of(("tax", "ULF-PDX"), graph(), {})
    assert "service_plan" in tax.dependents
    everything = radius_of(("utility_service", graph().refers(PLAN)[0][1]), graph(), {})
    assert not any(name in ("user", "user_role") for name in everything.dependents)
