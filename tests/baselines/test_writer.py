"""Configurations out: what is written reads back with the same digest and ids."""

import random

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from baselines.configuration import Configuration
from baselines.coverage import Gap, Reason
from baselines.reader import parse_configuration
from baselines.values import Plain
from baselines.writer import write_configuration
from tests.baselines.edits import neutral, one_edit
from tests.support import CATALOGUE, FORM, SECRETS, as_json, configuration, swa, swa_bytes

SWA = swa()


def read(data: bytes, name: str) -> Configuration:
    return parse_configuration(data, name, CATALOGUE, SECRETS)


def assert_reads_back(written: Configuration) -> None:
    for data, name in ((write_configuration(written, CATALOGUE), "t.yaml"), (as_json(written), "t.json")):
        found = read(data, name)
        assert found.digest == written.digest
        for resource_type, objects in written.lists.items():
            assert [(each.key, each.id, each.about) for each in found.objects(resource_type)] == [
                (each.key, each.id, each.about) for each in objects.objects
            ]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 8))
def test_an_edited_configuration_reads_back_with_its_digest(seed, edits):
    rng = random.Random(seed)
    edited = SWA
    for _ in range(edits):
        done = one_edit(edited, rng)
        edited = done[0] if done is not None else edited
    try:
        written = configuration(neutral(edited, rng))
    except AssertionError:
        assume(False)
    assume(all(len({one.key for one in each.objects}) == each.count for each in written.lists.values()))
    assert_reads_back(written)


NO_CONTROLS = st.characters(exclude_categories=("Cc", "Cs"))
MARKS = st.sampled_from("\n\t'\"\\:#,[]{}&*!|>%@`-?~ \u2028\u202e\ufeff\ufffe\x85")
WORDS = ["yes", "NO", "Off", "null", "~", "12", "1_000", "0x1F", "1.5", "18:00", "2026-01-01", ".inf", "=", "<<"]
TEXTS = st.text(NO_CONTROLS | MARKS, max_size=12) | st.sampled_from(WORDS)
KEYS = st.text(NO_CONTROLS, min_size=1, max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | TEXTS | TEXTS.map(Plain),
    lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(KEYS, VALUES, max_size=4), TEXTS, st.text("abc01", max_size=4),
    st.sampled_from(["zone", "nobody_knows_this", "No", "1"]),
)  # fmt: skip
def test_any_text_in_any_field_reads_back_with_its_digest(fields, name, identity, resource_type):
    raw = {**fields, "code": "A", "name": name, "id": identity, "updated_by": name}
    done = FORM.canonicalise(resource_type, raw)
    assume(not done.problems and done.key_problem is None)
    assert_reads_back(FORM.configuration({resource_type: [done.object], "area": []}))


def test_other_yaml_readers_see_the_same_texts():
    """A reader of YAML 1.1, which takes NO for false and 18:00 for 1080."""
    words = [*WORDS, "y", "0123", "1e3", "a: b", "a #b", "-", "plain", "y n"]
    zones = [{"code": f"{place}-x", "name": word} for place, word in enumerate(words)]
    written = write_configuration(configuration({"zone": zones}), CATALOGUE)
    seen = yaml.safe_load(written)["zone"]
    assert sorted(each["name"] for each in seen) == sorted(words)


def test_types_and_fields_stand_in_the_order_of_the_catalogue_one_object_a_line():
    data = """
zone:
  - {is_active: no, name: 'N: 1', code: B, unknown: 1.50, id: x1, updated_by: m.chen, created_at: '2026'}
area: []
unknown_type: [{b: 1, a: ~, c: [], d: "x\\ny\\u202e"}]
organization: [{name: SWA}]
"""
    assert (
        write_configuration(read(data.encode(), "t.yaml"), CATALOGUE).decode()
        == r"""# yaml-language-server: $schema=configuration.schema.json
_about: {}

organization:
  - {name: SWA}

zone:
  - {id: x1, code: B, name: 'N: 1', is_active: false, unknown: '1.5', created_at: '2026', updated_by: m.chen}

area: []

unknown_type:
  - {b: 1, d: "x\ny\u202E"}
"""
    )


def test_the_header_says_whose_state_it_is_and_what_was_not_read():
    found = read(swa_bytes(), "swa.yaml")
    gaps = (
        Gap("meter", Reason.FORBIDDEN),
        Gap("zone", Reason.UNREAD, detail="left out"),
        Gap("area", Reason.UNKNOWN_FIELD, path="x"),
    )
    lists = {name: each for name, each in found.lists.items() if name not in ("meter", "zone")}
    part = Configuration(lists=lists, version=found.version, about=found.about, gaps=gaps)
    for data, name in ((write_configuration(part, CATALOGUE), "t.yaml"), (as_json(part), "t.json")):
        again = read(data, name)
        assert {name: again.about[name] for name in ("tenant", "environment", "taken_at", "source")} == {
            name: found.about[name] for name in ("tenant", "environment", "taken_at", "source")
        }
        assert again.about["unread"] == {"meter": "forbidden", "zone": "left out"}
        assert again.why_unknown("meter") is Reason.UNREAD
        assert again.digest == part.digest
    assert b"taken_at: '2026-11-20T14:00:00Z'" in write_configuration(part, CATALOGUE)


@pytest.mark.parametrize("write", [lambda found: write_configuration(found, CATALOGUE), as_json])
def test_what_is_written_twice_is_the_same_and_holds_no_secret(write):
    found = read(swa_bytes(), "swa.yaml")
    assert write(found) == write(read(write(found), "t.json" if write is as_json else "t.yaml"))
    assert b"secret:" in write(found)
    secrets = [
        each[field.name] for name, kind in CATALOGUE.types.items() for field in kind.fields.values() if field.is_secret
        for each in SWA.get(name, []) if each.get(field.name)
    ]  # fmt: skip
    assert secrets
    assert not any(str(secret).encode() in write(found) for secret in secrets if len(str(secret)) > 8)
