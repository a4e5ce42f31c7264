"""The catalogue: what it says of SMART360, and contradictions refused with file and line."""

import pytest

from baselines.catalogue import FieldType, load_catalogue, plural_of, read_catalogue
from baselines.errors import InvalidCatalogue
from baselines.severity import Severity
from tests.support import CATALOGUE

FIRST = """module: first
order: 1
title: First
resources:
  zone:
    title: Zone
    key: [code]
    fields:
      code: {type: text, required: true}
      name: {type: text}
      is_active: {type: boolean, default: true}
    severity: {default: low, is_active: high}
"""
SECOND = """module: second
order: 2
title: Second
resources:
  area:
    title: Area
    key: [code, zone]
    fields:
      code: {type: text, required: true}
      zone: {type: ref, to: zone, required: true}
      others: {type: list, of: {type: ref, to: area}, inverse: other_of}
      rates: {type: list, of: {up_to: {type: decimal}, rate: {type: decimal, unit: kgal}}, order: significant,
              item_key: [up_to]}
"""


def refusal(first: str = FIRST, second: str = SECOND) -> list[str]:
    with pytest.raises(InvalidCatalogue) as refused:
        read_catalogue({"first.yaml": first.encode(), "second.yaml": second.encode()})
    return [f"{mistake.code} {mistake}" for mistake in refused.value.mistakes]


def test_the_shipped_catalogue_is_read_once_and_orders_types_behind_those_they_refer_to():
    assert load_catalogue() is CATALOGUE
    assert len(CATALOGUE.types) > 80
    seen: set[str] = set()
    for name in CATALOGUE.dependency_order:
        seen.add(name)
        assert {field.target for field in CATALOGUE.types[name].references()} <= seen
    assert [CATALOGUE.order[name] for name in CATALOGUE.types] == sorted(
        CATALOGUE.order[name] for name in CATALOGUE.types
    )


@pytest.mark.parametrize("name", sorted(CATALOGUE.types))
def test_every_shipped_type_has_a_title_a_summary_and_a_required_key(name):
    kind = CATALOGUE.types[name]
    assert kind.title
    assert kind.summary
    assert all(kind.fields[part].is_required for part in kind.key)
    assert not any(kind.fields[part].is_volatile or kind.fields[part].is_secret for part in kind.key)


def test_fields_types_and_ways_back_are_as_written():
    catalogue = read_catalogue({"first.yaml": FIRST.encode(), "second.yaml": SECOND.encode()})
    zone, area = catalogue.types["zone"], catalogue.types["area"]
    assert (zone.severity, zone.existence_severity, zone.fields["name"].severity) == (
        Severity.LOW,
        Severity.HIGH,
        Severity.LOW,
    )
    rates = area.fields["rates"]
    assert (rates.order_matters, rates.item_key) == (True, ("up_to",))
    assert rates.item is not None
    assert rates.item.type is FieldType.ITEM
    assert (rates.item.fields["rate"].type, rates.item.fields["rate"].unit) == (FieldType.DECIMAL, "kgal")
    assert {name: sorted(back) for name, back in catalogue.back_references.items()} == {
        "zone": ["areas"],
        "area": ["other_of"],
    }
    assert (catalogue.module_of("area"), catalogue.module_of("nothing")) == ("second", "")
    assert (catalogue.nearest("zoen"), catalogue.nearest("qqqq")) == ("zone", "")


@pytest.mark.parametrize(
    ("name", "plural"), [("zone", "zones"), ("utility", "utilities"), ("tax", "taxes"), ("sms", "smses")]
)
def test_plurals_are_formed_as_in_english(name, plural):
    assert plural_of(name) == plural


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("zone: {type: ref, to: zone,", "zone: {type: ref, to: zoen,",
         "unknown_name second.yaml:10:13: area.zone: No type zoen. Mend: Did you mean zone?"),
        ("to: area}", "to: qqqqqq}",
         "unknown_name second.yaml:11:15: area.others: No type qqqqqq. Mend: Name a type of the catalogue."),
        ("{type: ref, to: zone,", "{type: ref,",
         "missing_key second.yaml:10:13: area.zone: A reference, and only it, has to:. Mend: Name the type."),
        ("code: {type: text,", "code: {type: txt,",
         "bad_value second.yaml:9:13: area.code: txt is no type. Mend: Say text."),
        ("order: significant", "ordr: significant",
         "unknown_key second.yaml:12:92: area.rates: Unknown key ordr. Mend: Did you mean order?"),
        ("key: [code, zone]", "key: [code, zoen]",
         "bad_value second.yaml:6:5: area: key zoen is no required field. Mend: Keys are required."),
        ("code: {type: text, required: true}", "code: {type: text}",
         "bad_value second.yaml:6:5: area: key code is no required field. Mend: Keys are required."),
        ("inverse: other_of", "inverse: rates",
         "duplicate_key second.yaml:11:15: area.others: area.rates is a field and a way back. "
         "Mend: Give inverse: another name."),
        ("title: Area", "titel: Area",
         "missing_key second.yaml:6:5: area: area lacks title, key or fields. Mend: Add them."),
        ("code: {type: text, required: true}", "id: {type: text}\n      code: {type: text, required: true}",
         "bad_value second.yaml:9:11: area.id: id is reserved. Mend: Rename."),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_file_and_line(old, new, message):
    assert SECOND.count(old) == 1
    assert message in refusal(second=SECOND.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("default: low", "default: lwo", "bad_value first.yaml:6:5: zone: lwo is no severity. Mend: critical … info."),
        ("is_active: high", "is_activ: high",
         "unknown_name first.yaml:6:5: zone: severity names no field: is_activ. Mend: Correct the name."),
        ("    title: Zone", "    colour: red\n    title: Zone",
         "unknown_key first.yaml:6:5: zone: Unknown key colour. Mend: Remove it."),
    ],
)  # fmt: skip
def test_a_misspelt_severity_or_key_is_refused_with_file_and_line(old, new, message):
    assert FIRST.count(old) == 1
    assert message in refusal(first=FIRST.replace(old, new))


def test_a_type_written_twice_and_a_head_that_lacks_a_word_are_refused_whatever_else_is_wrong():
    again = FIRST.replace("module: first", "module: second").replace("code: {", "kode: {")
    assert refusal(second=again) == ["duplicate_key second.yaml:6:5: zone: zone is described already. Mend: Keep one."]
    for head in ("module: first\n", "title: First\n", "order: 1\n"):
        assert head in FIRST
        found = refusal(FIRST.replace(head, ""))
        assert any("first.yaml:1:1: module, order, title, resources" in each for each in found)


def test_two_references_that_lead_back_by_one_name_are_refused():
    twice = SECOND.replace("      rates:", "      second_zone: {type: ref, to: zone}\n      rates:")
    assert refusal(second=twice) == [
        "duplicate_key second.yaml:12:20: area.second_zone: zone.areas leads back here and to area.zone. "
        "Mend: Give inverse: another name."
    ]


def test_a_reference_to_a_later_module_is_refused():
    assert refusal(FIRST.replace("order: 1", "order: 3")) == [
        "bad_value second.yaml:10:13: area.zone: zone is of a later module. Mend: References lead back."
    ]


def test_all_contradictions_of_all_files_are_told_at_once():
    found = refusal(FIRST.replace("default: low", "default: lwo"), SECOND.replace("to: zone,", "to: zoen,"))
    assert [each.split()[1].split(":")[0] for each in found] == ["first.yaml", "second.yaml"]


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        (("title: Zone", "title: Pressure zone"), True),
        (("is_active: high", "is_active: info"), True),
        (("default: true", "default: false"), False),
        (("name: {type: text}", "name: {type: text, secret: true}"), False),
        (("name: {type: text}", "name: {type: text, volatile: true}"), False),
        (("name: {type: text}", "name: {type: integer}"), False),
    ],
)
def test_the_version_names_what_decides_meaning_and_nothing_else(change, is_same):
    before, after = (read_catalogue({"m.yaml": text.encode()}) for text in (FIRST, FIRST.replace(*change)))
    assert (before.version == after.version) is is_same
