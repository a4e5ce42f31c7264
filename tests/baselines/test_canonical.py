"""One meaning, one form, one digest; and no secret in it."""

import sys

import orjson
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.canonical import Canonicaliser
from baselines.catalogue import FieldType, read_catalogue
from baselines.fingerprints import SecretKey, is_fingerprint
from baselines.values import Plain
from tests.support import CATALOGUE, FORM, SECRETS, configuration, swa

PROPERTY = settings(max_examples=300, deadline=None)
#: rfc8785 sorts keys by UTF-16, orjson by code point: they differ only beyond the basic plane.
KEYS = st.text(st.characters(max_codepoint=0xD7FF, exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
NUMBERS = st.integers(-(10**20), 10**20) | st.decimals(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.booleans() | NUMBERS | TEXTS | TEXTS.map(Plain),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@PROPERTY
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_canonical_bytes_are_those_of_rfc_8785(fields):
    body = FORM.canonicalise("nobody_knows_this", fields).object.body
    assert body == rfc8785.dumps(orjson.loads(body))


def test_canonical_bytes_of_the_shipped_configuration_are_those_of_rfc_8785():
    for objects in configuration(swa()).lists.values():
        for each in objects.objects:
            assert each.body == rfc8785.dumps(each.values)


@PROPERTY
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_what_is_canonical_stays_as_it_is(fields):
    once = FORM.canonicalise("nobody_knows_this", fields).object
    assert FORM.canonicalise("nobody_knows_this", once.values).object.body == once.body


@pytest.mark.parametrize("name", sorted(CATALOGUE.types))
def test_canonical_objects_of_every_type_stay_as_they_are(name):
    objects = configuration(swa()).objects(name)
    for each in objects:
        again = FORM.canonicalise(name, each.values)
        assert (again.object.body, again.problems, again.unknown_fields) == (each.body, [], [])


def canonical(resource_type: str, **fields: object) -> dict[str, object]:
    done = FORM.canonicalise(resource_type, fields)  # type: ignore[arg-type]
    assert done.problems == []
    return done.object.values


def test_defaults_are_filled_in_and_blank_null_and_volatile_fields_left_out():
    bare = canonical("service_plan", code="A")
    assert bare == {"code": "A", "included_volume": "0", "is_active": True}
    assert (
        canonical("service_plan", code="A", is_active="Yes", included_volume="0.00", name=" ", areas=[], rates=None)
        == bare
    )
    assert canonical("subscription", plan="P", no_of_users=31) == canonical("subscription", plan="P")


def test_names_of_unknown_fields_are_one_whatever_their_spelling():
    assert canonical("zone", code="A", **{"ne\u0301": {"e\u0301": 1}}) == canonical(
        "zone", code="A", **{"né": {"é": 1}}
    )


def test_insignificant_lists_are_sets_and_significant_ones_are_not():
    one, other = {"areas": ["B", "A", "B"]}, {"areas": ["A", "B"]}
    assert canonical("service_plan", code="A", **one) == canonical("service_plan", code="A", **other)
    rates = [{"up_to": "10", "rate": "2.0"}, {"up_to": "5", "rate": "1"}]
    found = canonical("service_plan", code="A", rates=rates)["rates"]
    assert found == [{"rate": "2", "up_to": "10"}, {"rate": "1", "up_to": "5"}]
    assert canonical("service_plan", code="A", rates=rates[::-1])["rates"] == found[::-1]  # type: ignore[index]


def test_what_cannot_be_read_is_kept_as_it_came_and_told_with_its_place():
    done = FORM.canonicalise(
        "service_plan", {"code": "A", "rates": [{"rate": "1"}, {"rate": "4,10"}], "base_charge": [1]}
    )
    assert [(each.where, each.field, each.code) for each in done.problems] == [
        (("rates", 1, "rate"), "rates.rate", "bad_decimal"),
        (("base_charge",), "base_charge", "bad_decimal"),
    ]
    assert done.object.values["rates"] == [{"rate": "1"}, {"rate": "4,10"}]
    assert done.object.values["base_charge"] == [1]


CANARY = "canary-7d41c6-do-not-leak"
SECRET_FIELDS = [
    (name, field.name)
    for name, kind in CATALOGUE.types.items()
    for field in kind.fields.values()
    if field.is_secret and field.type is not FieldType.LIST
]


@pytest.mark.parametrize(("name", "field"), SECRET_FIELDS)
@pytest.mark.parametrize("value", [CANARY, [CANARY], {"inner": CANARY}, [[{"x": CANARY}]]])
def test_a_secret_is_never_in_the_bytes_nor_in_a_message(name, field, value):
    done = FORM.canonicalise(name, {field: value})
    assert is_fingerprint(done.object.values[field])
    assert CANARY not in repr(done)


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": CANARY}, {"webhook_token": CANARY}, {"settings": {"password": CANARY}},
        {"list": [{"secret": [CANARY]}]},
        {"note": f"sk_live_{CANARY.replace('-', '')}"},
        {"pin": Plain("4711471147114711")}, {"secret": {"a": {"b": CANARY}}},
    ],
)  # fmt: skip
def test_unknown_fields_that_look_secret_are_hidden(fields):
    for name in ("zone", "nobody_knows_this"):
        done = FORM.canonicalise(name, {"code": "A", **fields})
        text = repr(done)
        assert not any(word in text for word in (CANARY, CANARY.replace("-", ""), "4711471147114711"))


def test_a_secret_has_one_fingerprint_in_a_field_of_a_tenant_and_another_elsewhere():
    other = Canonicaliser(CATALOGUE, secrets=SecretKey(b"a key for tests", "another"))
    name, field = SECRET_FIELDS[0]
    mine = FORM.canonicalise(name, {field: CANARY}).object.values[field]
    assert FORM.canonicalise(name, {field: CANARY}).object.values[field] == mine
    assert FORM.canonicalise(name, {field: mine}).object.values[field] == mine
    assert other.canonicalise(name, {field: CANARY}).object.values[field] != mine
    second_name, second = SECRET_FIELDS[1]
    assert FORM.canonicalise(second_name, {second: CANARY}).object.values[second] != mine


def test_the_form_names_its_version_and_that_of_the_catalogue():
    changed = read_catalogue(
        {
            "m.yaml": b"module: m\norder: 1\ntitle: M\n"
            b"resources: {zone: {title: Z, key: [code], fields: {code: {type: text, required: true}}}}"
        }
    )
    assert FORM.version == f"1.{CATALOGUE.version}"
    assert Canonicaliser(changed, secrets=SECRETS).version != FORM.version


def test_bytes_take_no_more_room_than_they_need():
    (each,) = configuration({"zone": [{"code": "A"}]}).objects("zone")
    assert sys.getsizeof(each.body) == sys.getsizeof(b"") + len(each.body)
