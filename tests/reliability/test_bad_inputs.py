"""Bad inputs, row by row (B1-B29): each named input, and the whole message that it gets."""

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest
import zstandard

from baselines.configuration import Configuration
from baselines.coverage import Reason
from baselines.errors import InvalidConfiguration
from baselines.reader import parse_configuration
from tests.support import CATALOGUE, SECRETS


def read(data: str | bytes, name: str = "t.yaml") -> Configuration:
    return parse_configuration(data.encode() if isinstance(data, str) else data, name, CATALOGUE, SECRETS)


def refusal(data: str | bytes, name: str = "t.yaml") -> list[str]:
    """The stable code before each line that a person sees."""
    with pytest.raises(InvalidConfiguration) as refused:
        read(data, name)
    assert refused.value.exit_code == 2
    told = zip(refused.value.mistakes, refused.value.lines(), strict=True)
    return [f"{mistake.code} {line}" for mistake, line in told]


def values(data: str | bytes, resource_type: str, name: str = "t.yaml") -> dict[str, object]:
    (found,) = read(data, name).objects(resource_type)
    return found.values


ALIAS_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
DEEP = "[" * 40 + "]" * 40


def test_b01_an_alias_bomb_is_refused_within_two_seconds():
    started = time.process_time()
    assert refusal(ALIAS_BOMB) == [
        "too_many_nodes t.yaml:3:45: a2[7]: Aliases expand to more than 10 times what is written. "
        "Mend: Write the values out."
    ]
    assert time.process_time() - started < 2


def test_b01_aliases_that_nest_deeper_than_the_limit_are_refused():
    chain = f"a: &a {DEEP}\nb: {'[' * 40}*a{']' * 40}\n"
    assert refusal(chain) == [
        "too_deep t.yaml:2:44: b[0][0][0][0][0][0][0][0][0]…: Nested deeper than 64 levels. Mend: Flatten it."
    ]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ("x: &a [*a]", "1:8: x[0]"),
        ("x: &a [{b: *a}]", "1:12: x[0].b"),
        ("zone: &a\n  - &b {code: *b}", "2:15: zone[0].code"),
    ],
)
def test_b02_an_alias_that_contains_itself_is_refused(data, place):
    name = data[data.index("*") + 1]
    assert refusal(data) == [
        f"cyclic_alias t.yaml:{place}: The alias *{name} contains itself. Mend: Write the value out."
    ]


def test_b02_a_merge_of_the_mapping_into_itself_is_refused():
    assert refusal("zone:\n  - &a {<<: *a}") == [
        "cyclic_alias t.yaml:2:13: zone[0].<<: The alias *a contains itself. Mend: Write the value out."
    ]


@pytest.mark.parametrize(
    ("data", "name", "place", "key", "line"),
    [
        ("zone: []\nzone: []", "t.yaml", "2:1: zone", "zone", 1),
        ("zone:\n  - code: A\n    code: B", "t.yaml", "3:5: zone[0].code", "code", 2),
        ('zone:\n  - {code: A,\n     "code": B}', "t.yaml", "3:6: zone[0].code", "code", 2),
        ("zoen:\n  - né: 1\n    ne\u0301: 2", "t.yaml", "3:5: zoen[0].ne\u0301", "ne\u0301", 2),
        ('{"zone": [],\n "zone": []}', "t.json", "2:2: zone", "zone", 1),
        ('{"zone": [{"code": "A",\n "code": "B"}]}', "t.json", "2:2: zone[0].code", "code", 1),
        ('{"zone": [{"code": "A",\n "c\\u006fde": "B"}]}', "t.json", "2:2: zone[0].code", "code", 1),
        ('{"zoen": [{"né": 1,\n "ne\\u0301": 2}]}', "t.json", "2:2: zoen[0].ne\u0301", "ne\u0301", 1),
        ("zone:\n  - &a {code: A}\n  - {<<: *a, code: B,\n code: C}", "t.yaml", "4:2: zone[1].code", "code", 3),
        ("zone:\n  - {&k code: A,\n *k : B}", "t.yaml", "3:2: zone[0].code", "code", 2),
    ],
)  # fmt: skip
def test_b03_duplicate_keys_are_refused_with_both_lines(data, name, place, key, line):
    assert refusal(data, name) == [
        f"duplicate_key {name}:{place}: The key {key} stands here again; it is first on line {line}. "
        "Mend: Keep one of them."
    ]


def test_b03_a_key_may_override_a_merged_one_before_and_after_the_merge():
    merges = ["&a {code: A, name: N}", "{<<: *a, code: B}", "{code: C, <<: *a}", "{code: D, <<: [{name: O}, *a]}"]
    data = "zone:\n" + "\n".join(f" - {merge}" for merge in merges)
    assert [(each.key, each.values["name"]) for each in read(data).objects("zone")] == [
        ("A", "N"),
        ("B", "N"),
        ("C", "N"),
        ("D", "O"),
    ]


def decimal_yaml(written: str) -> str:
    return f"service_plan:\n  - {{code: A, base_charge: {written}}}"


def decimal_json(written: str) -> str:
    return f'{{"service_plan": [\n    {{"code": "A", "base_charge": {written}}}]}}'


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", ".nan", "-.inf", '"NaN"', '"Infinity"', '"-.inf"'])
def test_b04_what_is_not_a_number_is_refused_with_the_field(written):
    message = (
        f'service_plan[code=A].base_charge: "{written.strip(chr(34))}" is not a number. '
        "Mend: Write a number, or leave it out."
    )
    assert refusal(decimal_yaml(written)) == [f"not_a_number t.yaml:2:28: {message}"]
    if not written.strip("-").startswith("."):
        assert refusal(decimal_json(written), "t.json") == [f"not_a_number t.json:2:34: {message}"]


@pytest.mark.parametrize("written", ["9" * 5000, "1e400", "1e999999999", '"1e400"', "-1e999999999999999999"])
def test_b05_numbers_beyond_the_limits_are_refused(written):
    shown = written.strip('"') if len(written) < 80 else "9" * 79 + "…"
    message = (
        f'service_plan[code=A].base_charge: "{shown}" has more than 40 digits or an exponent beyond ±30. '
        "Mend: Write a number of usual size."
    )
    assert refusal(decimal_yaml(written)) == [f"number_too_large t.yaml:2:28: {message}"]
    assert refusal(decimal_json(written), "t.json") == [f"number_too_large t.json:2:34: {message}"]


def test_b05_an_integer_of_5000_digits_is_refused_in_an_integer_field():
    assert refusal("currency:\n  - {code: A, decimal_places: " + "9" * 5000 + "}") == [
        f'number_too_large t.yaml:2:31: currency[code=A].decimal_places: "{"9" * 79}…" has more than 40 digits '
        "or an exponent beyond ±30. Mend: Write a number of usual size."
    ]
    assert refusal("currency:\n  - {code: A, decimal_places: 12345678901234567890}") == [
        'number_too_large t.yaml:2:31: currency[code=A].decimal_places: "12345678901234567890" is beyond '
        "±9007199254740991. Mend: Write a number of usual size."
    ]


@pytest.mark.parametrize("written", ["12345678901234567890123", "0.1234567890123456789"])
def test_b06_every_digit_of_a_long_decimal_is_kept(written):
    assert values(decimal_yaml(written), "service_plan")["base_charge"] == written
    assert values(decimal_json(written), "service_plan", "t.json")["base_charge"] == written
    assert values(f"zone: [{{code: A, other: {written}}}]", "zone")["other"] == written


NESTING_BOMBS = {
    "brackets in YAML": ("x:\n  - " + "[" * 100_000, "t.yaml", "2:67: x[0][0][0][0][0][0][0][0][0]…"),
    "braces in YAML": ("x:\n  - " + "{" * 100_000, "t.yaml", "2:67: x[0]…"),
    "dashes in YAML": ("- " * 100_000, "t.yaml", "1:129: [0][0][0][0][0][0][0][0][0][0]…"),
    "brackets in JSON": ('{"x":\n' + "[" * 100_000, "t.json", "2:64: x[0][0][0][0][0][0][0][0][0]…"),
    "braces in JSON": ('{"x":\n' + '{"a":' * 100_000, "t.json", "2:316: x.a.a.a.a.a.a.a.a.a…"),
}


@pytest.mark.parametrize("bomb", NESTING_BOMBS)
def test_b07_a_nesting_bomb_is_refused_with_its_line(bomb):
    data, name, place = NESTING_BOMBS[bomb]
    assert refusal(data, name) == [f"too_deep {name}:{place}: Nested deeper than 64 levels. Mend: Flatten it."]


@pytest.mark.parametrize(("data", "name"), [("zone: [{code: A}]", "t.yaml"), ('{"zone": [{"code": "A"}]}', "t.json")])
def test_b08_a_byte_order_mark_of_utf8_is_accepted(data, name):
    assert read(b"\xef\xbb\xbf" + data.encode(), name).digest == read(data, name).digest


NOT_UTF8 = "is not UTF-8. Mend: Save it as UTF-8."


@pytest.mark.parametrize("name", ["t.yaml", "t.json"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"zone": []}'.encode("utf-16"), "1:1: The file is UTF-16 (byte offset 0). Mend: Save it as UTF-8."),
        ('{"zone": []}'.encode("utf-16-be"), "1:1: A NUL character at byte offset 0. Mend: Save it as UTF-8 text."),
        ('{"zone":\n "é"}'.encode("latin-1"), f"2:3: Byte 0xe9 at byte offset 11 {NOT_UTF8}"),
        (b'{"\xc3\xa9": \xff}', f"1:7: Byte 0xff at byte offset 7 {NOT_UTF8}"),
        (b"x" * (1 << 20) + b"\n\xe2\x82", f"2:1: Byte 0xe2 at byte offset 1048577 {NOT_UTF8}"),
        (b'{"zone":\n []\0}', "2:4: A NUL character at byte offset 12. Mend: Save it as UTF-8 text."),
    ],
    ids=["UTF-16", "UTF-16 without mark", "Latin-1", "invalid byte", "cut character", "NUL"],
)  # fmt: skip
def test_b09_another_encoding_is_refused_with_the_byte_offset(data, message, name):
    assert refusal(data, name) == [f"encoding {name}:{message}"]


@pytest.mark.parametrize(
    ("data", "name"),
    [(data, "t.yaml") for data in ("", "# nothing\n", "null", "~", "---", "---\n...\n")]
    + [(data, "t.json") for data in ("", " \n", "null")],
)  # fmt: skip
def test_b10_nothing_is_not_a_clean_configuration(data, name):
    assert refusal(data, name) == [
        f"empty {name}:1:1: There is nothing in it. Mend: Nothing is not a clean document; fill it."
    ]


@pytest.mark.parametrize(
    ("data", "name"),
    [("{}", "t.yaml"), ("_about: {tenant: swa}", "t.yaml"), ("{}", "t.json"), ('{"_about": {}}', "t.json")],
)  # fmt: skip
def test_b11_a_document_without_a_resource_type_is_empty(data, name):
    assert refusal(data, name) == [
        f"empty {name}:1:1: There is no resource type in it. Mend: Nothing is not a clean configuration; fill it."
    ]


UNREAD = "This cannot be read:"
YAML_MEND = "Mend: Indent with spaces; quote texts with : # or @."


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        ("zone:\n\t- {code: A}", "t.yaml",
         f"2:1: zone: {UNREAD} found character that cannot start any token. {YAML_MEND}"),
        ("zone: []\n} x", "t.yaml", f"2:1: {UNREAD} did not find expected key. {YAML_MEND}"),
        ("zone: []\n...\ntext", "t.yaml", f"3:1: {UNREAD} did not find expected <document start>. {YAML_MEND}"),
        ("zone: []\n---\nzone: []", "t.yaml", "2:1: A second document begins here. Mend: Keep one document in a file."),
        ("zone: []\nx: *y", "t.yaml", "2:4: x: The alias *y has no anchor. Mend: Write the value out."),
        ('{"zone": []}\ntext', "t.json", "2:1: This is not JSON. Mend: Keep one document in a file."),
        ('{"zone": []}\n{}', "t.json", "2:1: { is not due here. Mend: Keep one document in a file."),
        ('{"zone": [],\n}', "t.json", '2:1: } is not due here. Mend: Write a "key".'),
        ('{"x": [[1 2]]}', "t.json",
         "1:11: x[0][1]: A value is not due here. Mend: Write a comma, or close what is open."),
        ('{"zone": [', "t.json", "1:11: zone[0]: The file ends in the middle of a value. Mend: Complete it."),
        ('{"zone": "a', "t.json", '1:10: zone: A text begins here and has no end. Mend: Close it with ".'),
        ('{"x": "\\x"}', "t.json", "1:8: x: An escape that JSON does not know. Mend: Write \\\\ for a backslash."),
    ],
)  # fmt: skip
def test_b12_what_breaks_the_syntax_is_refused_with_its_place(data, name, message):
    assert refusal(data, name) == [f"syntax {name}:{message}"]


@pytest.mark.parametrize(
    ("data", "name"),
    [("- a", "t.yaml"), ("text", "t.yaml"), ("42", "t.yaml"), ("[]", "t.json"), ('"text"', "t.json"), ("42", "t.json")],
)
def test_b13_a_top_level_that_is_no_mapping_is_refused(data, name):
    assert refusal(data, name) == [
        f"not_a_mapping {name}:1:1: A configuration maps resource types to lists of objects. "
        "Mend: Begin with a resource type, e.g. service_plan:."
    ]


@pytest.mark.parametrize("value", ["{code: A}", "text", "", "null", "3"])
def test_b14_a_type_whose_value_is_no_list_is_refused(value):
    message = "zone: A list of objects is due here. Mend: Write [] for none."
    assert refusal(f"area: []\nzone: {value}") == [f"not_a_list t.yaml:2:1: {message}"]


def test_b14_list_elements_that_are_no_mappings_are_refused_with_their_index():
    message = "An object is a mapping of fields. Mend: Write {field: value, …}."
    assert refusal("zone:\n  - {code: A}\n  - [a]\n  - text\n  - ~") == [
        f"not_an_object t.yaml:3:5: zone[1]: {message}",
        f"not_an_object t.yaml:4:5: zone[2]: {message}",
        f"not_an_object t.yaml:5:5: zone[3]: {message}",
    ]


@pytest.mark.parametrize(
    ("written", "kept"), [("NO", "NO"), ("on", "on"), ("null-like ~", "null-like ~"), ("yes", "yes"), ("True", "True")]
)
def test_b15_words_in_text_fields_stay_text(written, kept):
    assert values(f"organization:\n  - {{name: A, country: {written}}}", "organization")["country"] == kept
    assert read(f"zone: [{{code: {written}}}]").objects("zone")[0].key == kept


def test_b15_a_bare_tilde_is_null():
    assert "name" not in values("zone: [{code: A, name: ~}]", "zone")


@pytest.mark.parametrize(
    "written", ["18:00", "01234", "1_000", "1.10", "0x1F", "1e3", "2026-01-01", "12345678901234567890123"]
)
def test_b16_numbers_and_times_in_text_fields_stay_as_written(written):
    plain, quoted = read(f"zone: [{{code: {written}}}]"), read(f"zone: [{{code: '{written}'}}]")
    assert plain.objects("zone")[0].values["code"] == written
    assert plain.digest == quoted.digest


@pytest.mark.parametrize("written", ["18:00", "'18:00'"])
def test_b16_a_time_of_day_is_the_text_as_written(written):
    name, field = next(
        (name, field.name) for name, kind in CATALOGUE.types.items() for field in kind.fields.values()
        if field.type == "time" and len(kind.key) == 1
    )  # fmt: skip
    (key,) = CATALOGUE.types[name].key
    assert values(f"{name}: [{{{key}: A, {field}: {written}}}]", name)[field] == "18:00"


@pytest.mark.parametrize("written", ["2026-02-30", "31/12/2026", "20260101", "2026-13-01"])
def test_b17_days_that_do_not_exist_are_refused(written):
    message = f'service_plan[code=A].effective_from: "{written}" is no date. Mend: Write YYYY-MM-DD, a day that exists.'
    assert refusal(f"service_plan:\n  - {{code: A, effective_from: {written}}}") == [f"bad_date t.yaml:2:31: {message}"]
    assert refusal(f"service_plan:\n  - {{code: A, effective_from: '{written}'}}") == [
        f"bad_date t.yaml:2:31: {message}"
    ]


@pytest.mark.parametrize("written", ["maybe", "2", "Y e s"])
def test_b18_what_is_neither_true_nor_false_is_refused(written):
    assert refusal(f"zone:\n  - {{code: A, is_active: {written}}}") == [
        f'bad_boolean t.yaml:2:26: zone[code=A].is_active: "{written}" is neither true nor false. '
        "Mend: Write true or false (Yes or No)."
    ]


@pytest.mark.parametrize(
    ("written", "what", "mend"),
    [
        ('"4,10"', '"4,10"', 'Write "4.10" (point, no thousands sign).'),
        ('"$4.10"', '"$4.10"', 'Write "4.10" (digits and a point only).'),
        ("$4.10", '"$4.10"', 'Write "4.10" (digits and a point only).'),
        ('"1,234.50 USD"', '"1,234.50 USD"', 'Write "1234.50" (point, no thousands sign).'),
        ("4.1.0", '"4.1.0"', "Write digits and a point only."),
        ('""', '""', "Write digits and a point only."),
        ("0x10", '"0x10"', "Write digits and a point only."),
        ("[4.1]", "A list", "Write one number."),
        ("{rate: 4.1}", "A mapping", "Write one number."),
        ("true", '"true"', "Write digits and a point only."),
        ("٤", '"٤"', "Write digits and a point only."),
    ],
)
def test_b19_what_is_no_decimal_is_refused_with_the_right_spelling(written, what, mend):
    assert refusal(decimal_yaml(written)) == [
        f"bad_decimal t.yaml:2:28: service_plan[code=A].base_charge: {what} is not a decimal. Mend: {mend}"
    ]


@pytest.mark.parametrize(
    ("written", "what", "mend"),
    [
        ("14.5", '"14.5"', "Write digits only."),
        ("ten", '"ten"', "Write digits only."),
        ('""', '""', "Write digits only."),
        ("[2]", "A list", "Write one number."),
    ],
)
def test_b19_what_is_no_whole_number_is_refused(written, what, mend):
    assert refusal(f"currency:\n  - {{code: A, decimal_places: {written}}}") == [
        f"bad_integer t.yaml:2:31: currency[code=A].decimal_places: {what} is not a whole number. Mend: {mend}"
    ]


RAW_CONTROL = "A control character, or another that no text may hold, stands here. Mend: Remove it."


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        ('zone:\n  - {code: A, name: "\\ud800"}', "t.yaml",
         "2:24: zone[0]: This escape is no character. Mend: Write the character itself."),
        ('zone:\n  - {code: A, name: "\\x07"}', "t.yaml",
         "2:21: zone[0].name: The text holds the control character U+0007. Mend: Remove it."),
        ('zone:\n  - {code: A, "\\x1b": 1}', "t.yaml",
         "2:15: zone[0]: The text holds the control character U+001B. Mend: Remove it."),
        ("zone:\n  - {code: A, name: a\x07}", "t.yaml", f"2:22: {RAW_CONTROL}"),
        ("zone:\n  - {code: A, name: é\x1b[31m}", "t.yaml", f"2:22: {RAW_CONTROL}"),
        ("zone:\n  - {code: A, name: \x7f}", "t.yaml", f"2:21: {RAW_CONTROL}"),
        ('{"zone": [\n {"code": "A", "name": "\\ud83d"}]}', "t.json",
         "2:24: zone[0].name: The text holds the lone surrogate U+D83D. Mend: Remove it."),
        ('{"zone": [\n {"code": "\\ud83d\\ude00", "name": "\\ude00\\ud83d"}]}', "t.json",
         "2:35: zone[0].name: The text holds the lone surrogate U+DE00. Mend: Remove it."),
        ('{"zone": [\n {"code": "A", "name": "\\u001b"}]}', "t.json",
         "2:24: zone[0].name: The text holds the control character U+001B. Mend: Remove it."),
        ('{"zone": [\n {"code": "A", "name": "\\u0000"}]}', "t.json",
         "2:24: zone[0].name: The text holds the control character U+0000. Mend: Remove it."),
        ('{"zone": [\n {"code": "A", "name": "\x1b"}]}', "t.json",
         "2:25: zone[0].name: The control character U+001B stands here. Mend: Write it as an escape, or remove it."),
        ('{"zone": [\n {"code": "A", "name": "a\n"}]}', "t.json",
         "2:26: zone[0].name: The control character U+000A stands here. Mend: Write it as an escape, or remove it."),
    ],
)  # fmt: skip
def test_b20_surrogates_and_control_characters_are_refused(data, name, message):
    assert refusal(data, name) == [f"bad_text {name}:{message}"]


@pytest.mark.parametrize("surrogate", [b"\xed\xa0\x80", b"\xed\xbf\xbf"])
def test_b20_the_bytes_of_a_surrogate_are_no_utf8(surrogate):
    assert refusal(b"zone: [" + surrogate + b"]") == [
        "encoding t.yaml:1:8: Byte 0xed at byte offset 7 is not UTF-8. Mend: Save it as UTF-8."
    ]


def test_b20_pairs_of_surrogates_are_one_character():
    assert values('{"zone": [{"code": "\\ud83d\\ude00"}]}', "zone", "t.json")["code"] == "😀"


@pytest.mark.parametrize("written", ["\u202eabc", '"\\u202eabc"'])
def test_b20_a_bidi_override_is_kept_and_shown_escaped(written):
    assert values(f"zone: [{{code: A, name: {written}}}]", "zone")["name"] == "\u202eabc"
    assert refusal(f"zone:\n  - {{code: A, is_active: {written}}}") == [
        'bad_boolean t.yaml:2:26: zone[code=A].is_active: "⟨U+202E⟩abc" is neither true nor false. '
        "Mend: Write true or false (Yes or No)."
    ]


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("!!python/object/apply:os.system [touch executed]", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("!!python/object:os.PathLike {}", "tag:yaml.org,2002:python/object:os.PathLike"),
        ("!!python/name:os.system ''", "tag:yaml.org,2002:python/name:os.system"),
        ("!include /etc/passwd", "!include"),
        ("!custom text", "!custom"),
        ("!custom {a: 1}", "!custom"),
        ("!custom [a]", "!custom"),
        ("!<tag:example.com,2026:x> text", "tag:example.com,2026:x"),
        ("!!binary aGk=", "tag:yaml.org,2002:binary"),
        ("!!int 5", "tag:yaml.org,2002:int"),
    ],
)  # fmt: skip
def test_b21_tags_are_refused_and_nothing_is_run(written, tag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(f"zone:\n  - {{code: A, name: {written}}}") == [
        f"tag t.yaml:2:21: zone[0].name: The tag {tag} is not allowed; nothing was run or opened. "
        "Mend: Write the value without a tag."
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("written", "place"), [("!e!x a", "2:21: zone[0].name"), ("!<", "2:23: zone[0]")])
def test_b21_tags_that_cannot_be_read_are_refused(written, place):
    assert refusal(f"zone:\n  - {{code: A, name: {written}}}") == [
        f"tag t.yaml:{place}: This tag is not allowed; nothing was run or opened. Mend: Write the value without a tag."
    ]


@pytest.mark.parametrize("written", ["text", "[text]", "[{name: a}, 3]", "~"])
def test_b21_a_merge_of_what_is_no_mapping_is_refused(written):
    assert refusal(f"zone:\n  - {{code: A, <<: {written}}}") == [
        "tag t.yaml:2:15: zone[0].<<: << needs a mapping to merge. Mend: Name an anchored mapping."
    ]


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("? [a]\n    ", 7),
        ("? {a: 1}\n    ", 7),
        *((key, 5) for key in ("1", "1.5", "-3e2", "true", "False", "null", "~")),
    ],
)
def test_b22_keys_that_are_no_texts_are_refused(key, column):
    assert refusal(f"zone:\n  - code: A\n    {key}: x") == [
        f"bad_key t.yaml:3:{column}: zone[0]: A key must be a text, not a list, mapping, number, boolean or null. "
        "Mend: Quote it if a text is meant."
    ]


@pytest.mark.parametrize("key", ["1", "[a]", "true", "null"])
def test_b22_resource_types_that_are_no_texts_are_refused(key):
    assert refusal(f"{key}: []") == [
        "bad_key t.yaml:1:1: A key must be a text, not a list, mapping, number, boolean or null. "
        "Mend: Quote it if a text is meant."
    ]


@pytest.mark.parametrize("key", ["'1'", '"true"', "yes", "no", "1a", "!!str 1"])
def test_b22_quoted_keys_and_words_are_texts(key):
    assert len(read(f"zone: [{{code: A, {key}: x}}]").gaps) == 1


def test_b22_a_key_of_more_than_256_characters_is_refused():
    assert refusal(f"zone: [{{code: A, {'k' * 257}: x}}]") == [
        f"bad_key t.yaml:1:18: zone[0].{'k' * 79}…: A key of 257 characters, the limit is 256. Mend: Shorten it."
    ]


@pytest.mark.parametrize(
    ("written", "column", "message"),
    [
        ("{name: N}", 5, "The key field code is missing. Mend: Give code: it names the object."),
        ("{code: }", 12, "The key field code is missing. Mend: Give code: it names the object."),
        ("{code: ~}", 12, "The key field code is missing. Mend: Give code: it names the object."),
        ("{code: ''}", 12, "The key field code is missing. Mend: Give code: it names the object."),
        ("{code: ' '}", 12, "The key field code is missing. Mend: Give code: it names the object."),
        ("{code: {a: b}}", 12, "The key field code cannot be read. A mapping is no text. Mend: Write a text."),
        ("{code: [a]}", 12, "The key field code cannot be read. A list is no text. Mend: Write a text."),
    ],
)
def test_b23_an_object_without_its_key_is_refused_with_its_index(written, column, message):
    assert refusal(f"zone:\n  - {{code: A}}\n  - {written}") == [f"missing_key t.yaml:3:{column}: zone[1]: {message}"]


@pytest.mark.parametrize(
    ("data", "name", "place"),
    [
        ("zone:\n  - {code: A}\n  - {code: 'A '}", "t.yaml", "3:5"),
        ("zone:\n  - {code: A, id: x}\n  - {code: A, id: x}", "t.yaml", "3:5"),
        ("zone:\n  - {code: A, id: x}\n  - {code: A}", "t.yaml", "3:5"),
        ('{"zone": [\n {"code": "A"}, {"code": "A"}]}', "t.json", "2:17"),
    ],
)
def test_b24_two_objects_of_one_key_are_refused_with_both_lines(data, name, place):
    assert refusal(data, name) == [
        f"duplicate_object {name}:{place}: zone[code=A]: Same code as line 2. "
        "Mend: Give one of them another code, or delete it."
    ]


def test_b24_ids_tell_two_objects_of_one_key_apart():
    found = read("zone:\n  - {code: A, id: x}\n  - {code: A, id: y}")
    assert [each.id for each in found.objects("zone")] == ["x", "y"]
    assert [(gap.reason, gap.key) for gap in found.gaps] == [(Reason.DUPLICATE_KEY, "A")]


def test_b25_an_unknown_type_is_kept_and_the_nearest_name_offered():
    found = read("zoen:\n  - {code: A, size: 3}")
    assert found.objects("zoen")[0].values == {"code": "A", "size": 3}
    assert [(gap.resource_type, gap.reason, gap.detail) for gap in found.gaps] == [
        ("zoen", Reason.UNKNOWN_TYPE, "unknown resource type; did you mean zone?")
    ]


def test_b25_an_unknown_field_is_kept_and_the_nearest_name_offered():
    found = read("zone:\n  - {code: A, is_actve: 1.50}\n  - {code: B, is_actve: 2}")
    assert [each.values["is_actve"] for each in found.objects("zone")] == ["1.5", 2]
    assert [(gap.resource_type, gap.path, gap.reason, gap.detail) for gap in found.gaps] == [
        ("zone", "is_actve", Reason.UNKNOWN_FIELD, "unknown field; did you mean is_active?")
    ]


@pytest.mark.parametrize(
    ("written", "what"),
    [("{code: A}", "A mapping"), ("[A]", "A list"), ("true", '"true"'), ("False", '"False"')],
)
def test_b27_a_reference_that_is_no_key_is_refused(written, what):
    assert refusal(f"service_plan:\n  - {{code: A, category: {written}}}") == [
        f"bad_reference t.yaml:2:25: service_plan[code=A].category: {what} is no reference. "
        "Mend: Write the key of the object referred to, as text."
    ]


def test_b27_a_boolean_of_json_is_no_reference():
    assert refusal('{"service_plan": [{"code": "A",\n "category": true}]}', "t.json") == [
        'bad_reference t.json:2:14: service_plan[code=A].category: "true" is no reference. '
        "Mend: Write the key of the object referred to, as text."
    ]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ("zone: []", "1:1"),
        ("{zone: []}", "1:2"),
        ("{'zone': []}", "1:2"),
        ('{"zone": yes}', "1:10: zone"),
        ('{"zone": [{"code": 01}]}', "1:20: zone[0].code"),
        ('{"zone": [] # none\n}', "1:13: zone"),
        ("- a", "1:1"),
        ("&a {}", "1:1"),
    ],
)
def test_b29_yaml_in_a_file_named_json_is_refused(data, place):
    place = place.removesuffix(": zone") if "#" in data else place
    assert refusal(data, "t.json") == [f"format t.json:{place}: This is not JSON. Mend: Write JSON, or name it .yaml."]
    packed = zstandard.ZstdCompressor().compress(data.encode())
    assert refusal(packed, "t.json.zst") == [
        f"format t.json.zst:{place}: This is not JSON. Mend: Write JSON, or name it .yaml."
    ]


@pytest.mark.parametrize("data", [b"{}", b"", b"\x1f\x8b\x08"])
def test_b29_what_is_no_zstd_is_refused(data):
    assert refusal(data, "t.json.zst") == [
        "format t.json.zst: This is not zstd data. Mend: Pack it with zstd, or drop the ending .zst."
    ]


PACKED = zstandard.ZstdCompressor().compress(b'{"zone": [{"code": "A"}]}' + b" " * 3_000_000)


@pytest.mark.parametrize(
    "data",
    [PACKED[:-1], PACKED[:20], PACKED[:4], PACKED + b"more", PACKED + PACKED[:-1], PACKED[:9] + b"x" + PACKED[10:]],
)
def test_b29_zstd_that_is_cut_or_damaged_is_refused(data):
    assert refusal(data, "t.json.zst") == [
        "truncated t.json.zst: The zstd data is cut or damaged. Mend: Make the file anew."
    ]


def test_b29_whole_zstd_is_read_also_in_several_frames():
    packed = [zstandard.ZstdCompressor().compress(part) for part in (b'{"zone": [', b'{"code": "A"}', b"]}")]
    assert read(b"".join(packed), "t.json.zst").digest == read(PACKED, "t.json.zst").digest


def zstd_bomb() -> bytes:
    packer = zstandard.ZstdCompressor(level=19).compressobj()
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(320)) + packer.flush()


HOSTILE = {
    "alias_bomb.yaml": (lambda: ALIAS_BOMB.encode(), "too_many_nodes"),
    "brackets.yaml": (lambda: NESTING_BOMBS["brackets in YAML"][0].encode(), "too_deep"),
    "braces.yaml": (lambda: NESTING_BOMBS["braces in YAML"][0].encode(), "too_deep"),
    "brackets.json": (lambda: NESTING_BOMBS["brackets in JSON"][0].encode(), "too_deep"),
    "braces.json": (lambda: NESTING_BOMBS["braces in JSON"][0].encode(), "too_deep"),
    "bomb.json.zst": (zstd_bomb, "too_large"),
    "digits.yaml": (lambda: decimal_yaml("9" * 5000).encode(), "number_too_large"),
    "digits.json": (lambda: decimal_json("9" * 5000).encode(), "number_too_large"),
    "one_byte_too_many.yaml": (lambda: b"#" * ((64 << 20) + 1), "too_large"),
    "one_object_of_many_nodes.json": (lambda: b'{"zone": [{"a": [' + b"[]," * 5_000_000, "too_many_nodes"),
    "many_mistakes.json": (lambda: b'{"zone": [' + b"[]," * 5_000_000, "not_an_object"),
}
CHILD = textwrap.dedent(
    """
    import json, resource, sys, time
    from baselines.errors import InvalidConfiguration
    from tests.support import read_configuration

    memory = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (512 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    started = time.process_time()
    try:
        read_configuration(sys.argv[1])
    except InvalidConfiguration as error:
        print(json.dumps([error.mistakes[0].code, len(error.lines()), time.process_time() - started]))
        raise SystemExit(2) from None
    """
)


@pytest.mark.parametrize("name", HOSTILE)
def test_t17_hostile_files_are_refused_in_five_seconds_and_512_mib(name, tmp_path):
    make, code = HOSTILE[name]
    (tmp_path / name).write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "")
    told, lines, seconds = json.loads(done.stdout)
    assert told == code
    assert lines <= 101
    assert seconds < 5
