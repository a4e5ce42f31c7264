"""The manifest: what it derives, what it refuses, and how rows become the catalogue's."""

import pytest

from monitor.source.manifest import InvalidManifest, Reference, read_manifest, smart360_manifest
from tests.support import CATALOGUE

MANIFEST = smart360_manifest()
LEAST = """
manifest: other
version: 3
api: /v9
log_in: {path: /in, send: {mail: user, word: password}, token: t}
utility: "/u/{utility}"
lists:
  path: "/u/{utility}/{thing}"
  paging: {style: page, at: page, size: size, ask: 10}
object: {id: key}
"""


def test_every_type_of_the_catalogue_has_a_route_of_its_own() -> None:
    assert set(MANIFEST.routes) == set(CATALOGUE.types)
    assert len({route.thing for route in MANIFEST.routes.values()}) == len(CATALOGUE.types)
    assert all(route.privilege for route in MANIFEST.routes.values())
    assert MANIFEST.list_path(MANIFEST.routes["service_plan"], "u-1") == "/api/v1/utility/u-1/service-plan/list"
    assert MANIFEST.detail_path(MANIFEST.routes["tax"], "u-1", "7") == "/api/v1/utility/u-1/tax/7"
    assert MANIFEST.utility_path("u-1") == "/api/v1/utility/u-1"


def test_no_field_is_spelled_like_another_of_its_type() -> None:
    for route in MANIFEST.routes.values():
        spelled = [*route.names.values(), *(wire for wire in route.about.values() if wire)]
        assert len(set(spelled)) == len(spelled), route.kind.name


@pytest.mark.parametrize(
    ("resource_type", "row", "due"),
    [
        pytest.param(
            "service_plan",
            {"id_string": "7", "code": "X", "type": "fixed", "category": {"id_string": "c1", "name": "Residential"}},
            {"id": "7", "code": "X", "kind": "fixed", "category": Reference("c1", "Residential")},
            id="a nested reference, a field of another name",
        ),
        pytest.param(
            "service_plan",
            {"slabs": [{"min_unit_range": "0", "max_unit_range": "10", "base_rate": "4.10", "more": 1}]},
            {"rates": [{"above": "0", "up_to": "10", "rate": "4.10", "more": 1}]},
            id="items of a list, unknown fields kept",
        ),
        pytest.param(
            "service_plan",
            {"taxes": [{"id_string": "t1", "name": "A"}, "t2"], "loyalty": {"id_string": "x"}},
            {"taxes": [Reference("t1", "A"), Reference("t2")], "loyalty": {"id_string": "x"}},
            id="a list of references, an unknown field as it came",
        ),
        pytest.param(
            "premise",
            {"tenant": "t", "utility": "u", "sub_area": 12, "created_by": "dana", "city": None},
            {"sub_area": Reference("12"), "created_by": "dana", "city": None},
            id="what says nothing is left out, ids may be numbers",
        ),
    ],
)
def test_rows_are_read_under_the_catalogues_names(resource_type: str, row: dict, due: dict) -> None:  # type: ignore
    assert MANIFEST.routes[resource_type].read(row) == due


def test_a_reference_by_key_stays_the_key() -> None:
    manifest = read_manifest((LEAST + "references: key\n").encode(), "m.yaml", CATALOGUE)
    assert manifest.routes["tax"].read({"key": "1", "city": "PDX"}) == {"id": "1", "city": "PDX"}


def test_what_it_says_is_in_its_digest() -> None:
    one, same, other = (
        read_manifest(text.encode(), "m.yaml", CATALOGUE)
        for text in (LEAST, "# a comment\n" + LEAST, LEAST + "fields: {code: kode}\n")
    )
    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("more", "line", "told"),
    [
        ("types: {service_plann: {thing: x}}\n", 11, "Did you mean service_plan?"),
        ("types: {tax: {fields: {percentag: p}}}\n", 11, "tax has no field percentag."),
        ("only: [tax, spell]\n", 11, "No resource type spell."),
        ("colour: red\n", 11, "Extra inputs are not permitted"),
        ("references: sideways\n", 11, "'nested', 'id' or 'key'"),
    ],
)
def test_mistakes_are_told_with_their_line(more: str, line: int, told: str) -> None:
    with pytest.raises(InvalidManifest) as refused:
        read_manifest((LEAST + more).encode(), "m.yaml", CATALOGUE)
    (mistake,) = refused.value.mistakes
    assert mistake.line == line
    assert told in str(mistake)
