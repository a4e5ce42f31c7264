"""Tables for each type of field: written → canonical, or the code of the refusal."""

import re
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.catalogue import Field, FieldType
from baselines.severity import Severity
from baselines.values import (
    LARGEST_INTEGER,
    Plain,
    Unreadable,
    decimal_text,
    is_allowed,
    key_text,
    parse_value,
    source_number,
    text,
    unknown_value,
)

ZONE = ZoneInfo("America/Los_Angeles")


def parsed(kind: str, raw: object, **rest: object) -> object:
    """The canonical value, or ``code!`` of the refusal."""
    field = Field("f", FieldType(kind), Severity.LOW, **rest)  # type: ignore[arg-type]
    try:
        return parse_value(field, raw, ZONE)  # type: ignore[arg-type]
    except Unreadable as error:
        return error.code + "!" if error.what and error.mend else "no message"


TABLE = {
    "text": [
        ("a", "a"), (" a b\n", "a b"), ("e\u0301", "é"), (7, "7"), (Decimal("1.50"), "1.5"),
        ("line\ntwo\tc", "line\ntwo\tc"),
        ("\u202eabc", "\u202eabc"), ("", None), ("  ", None), (None, None), (Plain("NO"), "NO"),
        (Plain("0123"), "0123"),
        (True, "bad_text!"), (["a"], "bad_text!"), ({"a": 1}, "bad_text!"), ("a\x07", "bad_text!"),
        ("a\x00", "bad_text!"),
        ("\x7f", "bad_text!"), ("\x9b", "bad_text!"), ("\ud800", "bad_text!"),
    ],
    "multiline": [("a\r\nb", "a\r\nb")],
    "choice": [("any", "any"), (Plain("on"), "on")],
    "boolean": [
        (True, True), (False, False), ("Yes", True), ("no", False), ("TRUE", True), (" false ", False), (1, True),
        ("0", False),
        (None, None), ("", "bad_boolean!"), ("maybe", "bad_boolean!"), (2, "bad_boolean!"), ("Y e s", "bad_boolean!"),
        ("on", "bad_boolean!"), (["Yes"], "bad_boolean!"), (Decimal("1.5"), "bad_boolean!"),
    ],
    "integer": [
        (10, 10), ("10", 10), ("10.0", 10), (Decimal("1E+1"), 10), ("-0", 0), ("+5", 5), (None, None),
        (LARGEST_INTEGER, LARGEST_INTEGER), (-LARGEST_INTEGER, -LARGEST_INTEGER),
        (LARGEST_INTEGER + 1, "number_too_large!"), (10**50, "number_too_large!"), ("9" * 5000, "number_too_large!"),
        ("14.5", "bad_integer!"), ("ten", "bad_integer!"), (True, "bad_integer!"), ("", "bad_integer!"),
        ([1], "bad_integer!"),
        ("1,000", "bad_integer!"), ("NaN", "not_a_number!"), ("٤", "bad_integer!"),
    ],
    "decimal": [
        ("10", "10"), ("10.00", "10"), ("+4.10", "4.1"), ("-0.0", "0"), (".5", "0.5"), ("1e3", "1000"),
        ("1.5E-3", "0.0015"),
        (5, "5"), (Decimal("4.100"), "4.1"), (" 4.1 ", "4.1"), (None, None),
        ("12345678901234567890123", "12345678901234567890123"), ("0.1234567890123456789", "0.1234567890123456789"),
        ("1" * 40, "1" * 40), ("1" * 41, "number_too_large!"), ("1e30", "1" + "0" * 30), ("1e31", "number_too_large!"),
        ("1e-30", "0." + "0" * 29 + "1"), ("1e-31", "number_too_large!"), ("1e400", "number_too_large!"),
        ("1e99999999999", "number_too_large!"), (Decimal("1e400"), "number_too_large!"), (10**100, "number_too_large!"),
        ("NaN", "not_a_number!"), (".inf", "not_a_number!"), ("-Infinity", "not_a_number!"),
        (Decimal("NaN"), "not_a_number!"),
        ("4,10", "bad_decimal!"), ("$4.10", "bad_decimal!"), ("4.1.0", "bad_decimal!"), ("", "bad_decimal!"),
        ("0x10", "bad_decimal!"), ("1_000", "bad_decimal!"), (True, "bad_decimal!"), ([], "bad_decimal!"),
        ({}, "bad_decimal!"),
    ],
    "date": [
        ("2026-02-28", "2026-02-28"), (Plain("2024-02-29"), "2024-02-29"), ("", None), (None, None),
        ("2026-02-30", "bad_date!"), ("31/12/2026", "bad_date!"), ("20260101", "bad_date!"),
        ("2026-13-01", "bad_date!"),
        ("2026-1-1", "bad_date!"), ("2026-01-01T00:00:00", "bad_date!"), (20260101, "bad_date!"),
        (["2026-01-01"], "bad_date!"),
        ("٢٠٢٦-٠١-٠١", "bad_date!"),
    ],
    "time": [
        ("18:00", "18:00"), ("8:05", "08:05"), ("18:00:00", "18:00"), ("18:00:30", "18:00:30"),
        ("18:00:00.000", "18:00"),
        ("24:00", "bad_time!"), ("18:60", "bad_time!"), ("6 pm", "bad_time!"), (1080, "bad_time!"), (True, "bad_time!"),
    ],
    "timestamp": [
        ("2026-07-01T12:00:00-07:00", "2026-07-01T19:00:00Z"), ("2026-07-01T12:00:00", "2026-07-01T19:00:00Z"),
        ("2026-01-01 12:00", "2026-01-01T20:00:00Z"), ("2026-07-01T19:00:00Z", "2026-07-01T19:00:00Z"),
        ("2026-07-01T19:00:00.250Z", "2026-07-01T19:00:00.250000Z"), ("", None),
        ("2026-07-01", "bad_timestamp!"), ("soon", "bad_timestamp!"), ("0001-01-01T00:00:00+14:00", "bad_timestamp!"),
        (["2026-07-01T12:00:00"], "bad_timestamp!"), (1782903600, "bad_timestamp!"),
    ],
    "duration": [
        ("PT24H", "PT24H"), ("p30d", "P30D"), ("P1Y2M3DT4H5M6.5S", "P1Y2M3DT4H5M6.5S"), ("P2W", "P2W"),
        ("P", "bad_duration!"), ("PT", "bad_duration!"), ("P1DT", "bad_duration!"), ("24h", "bad_duration!"),
        (24, "bad_duration!"),
        ("P٣D", "bad_duration!"),
    ],
    "cron": [("0  2 * *  1", "0 2 * * 1"), ("  ", None), (["0 2 * * 1"], "bad_text!")],
    "ref": [
        ("RES", "RES"), (" RES ", "RES"), (12, "12"), (Plain("012"), "012"), ("", None), ("true", "true"),
        (Plain("true"), "bad_reference!"), (True, "bad_reference!"), (["RES"], "bad_reference!"),
        ({"code": "RES"}, "bad_reference!"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        pytest.param(kind, raw, expected, id=f"{kind} {str(raw)[:30]!a}")
        for kind, rows in TABLE.items()
        for raw, expected in rows
    ],
)
def test_what_is_written_becomes_one_canonical_value_or_is_refused(kind, raw, expected):
    found = parsed(kind, raw)
    assert found == expected
    assert type(found) is type(expected)
    if expected is not None and not str(expected).endswith("!"):
        assert parsed(kind, found) == expected  # canonical values stay as they are


def test_every_type_of_field_has_a_table_or_is_text():
    assert set(TABLE) | {"email", "phone", "url", "country", "currency", "timezone", "list", "item"} == set(FieldType)


def test_a_blank_text_overrides_a_default():
    assert parsed("text", " ", default="d") == ""
    assert parsed("text", " ") is None
    assert parsed("text", None, default="d") is None


@pytest.mark.parametrize(
    ("kind", "value", "allowed"),
    [
        ("choice", "a", True), ("choice", "c", False),
        ("email", "office@swa-water.example", True), ("email", "office", False), ("email", "a b@c.d", False),
        ("url", "https://swa.example/x?y", True), ("url", "swa.example", False), ("url", "file:///etc/passwd", False),
        ("country", "US", True), ("country", "us", False), ("country", "USA", False),
        ("currency", "USD", True), ("currency", "$", False),
        ("timezone", "America/Los_Angeles", True), ("timezone", "Pacific", False),
        ("text", "anything", True), ("boolean", False, True),
        ("phone", "+1 503-555-0100", True), ("phone", "1-800-SWA-HELP", True), ("phone", "911", True),
        ("phone", "n/a", False),
    ],
)  # fmt: skip
def test_choices_and_formats_are_checked_apart_from_reading(kind, value, allowed):
    field = Field("f", FieldType(kind), Severity.LOW, choices=("a", "b"))
    assert is_allowed(field, value) is allowed


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (Plain("true"), True), (Plain("~"), None), (Plain("12"), 12), (Plain("1.50"), "1.5"), (Plain("1e2"), 100),
        (Plain("NO"), "NO"),
        ("true", "true"), ("12", "12"), (" e\u0301 ", "é"), (None, None), (False, False),
        (Plain("9007199254740991"), LARGEST_INTEGER), (Plain("9007199254740992"), "9007199254740992"),
        (10**30, str(10**30)), (Plain("1e60"), "1" + "0" * 60), (Plain("1e400"), "1E+400"), (Decimal("NaN"), "NaN"),
        ([Plain("1"), "1", None], [1, "1", None]), ({"a": Plain("1.0"), "b": None}, {"a": 1}),
    ],
)  # fmt: skip
def test_values_of_fields_nobody_described_are_what_they_most_plainly_are(raw, expected):
    found = unknown_value(raw)
    assert found == expected
    assert type(found) is type(expected)
    assert unknown_value(found) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**20), max_value=10**20))
def test_canonical_decimals_keep_every_digit_without_exponent_or_needless_zeros(number):
    written = decimal_text(number)
    assert Decimal(written) == number
    assert "E" not in written
    assert not written.startswith("+")
    assert "." not in written or not written.endswith(("0", "."))


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_natural_keys_hold_the_parts_they_were_made_of_and_no_others(parts):
    split = re.findall(r"((?:[^/\\]|\\.)*)(?:/|$)", key_text(list(parts)), re.S)[: len(parts)]
    assert [re.sub(r"\\(.)", r"\1", part, flags=re.S) for part in split] == parts


def test_slashes_in_keys_are_escaped_also_in_keys_of_one_field():
    assert key_text(["a/b\\c"]) == "a\\/b\\\\c"
    assert key_text(["a", True, 7]) == "a/true/7"


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15),
    st.integers(0, 6), st.sampled_from(list(FieldType)),
)  # fmt: skip
def test_a_json_number_of_a_source_has_one_spelling_in_a_field_of_any_type(number, zeros, kind):
    """4.10 and 4.1 are one number, also where an overlay calls the field a text."""
    if kind in (FieldType.LIST, FieldType.ITEM):
        return
    field, read = Field("f", kind, Severity.LOW, choices=("a",)), set()
    for written in (f"{number:f}", f"{number:f}{'0' * zeros}" if "." in f"{number:f}" else f"{number:f}.0"):
        try:
            read.add(parse_value(field, source_number(written), UTC))
        except Unreadable as error:
            read.add(error.code)
    assert len(read) == 1


@pytest.mark.parametrize("written", ["1e400", "-1.5E-999999999", "1e99999999999999999999"])
def test_a_number_beyond_measure_is_a_short_text(written):
    assert len(str(text(source_number(written)))) < 40
