"""One function for each type of field: what was written → one canonical value.

Raw values are texts, ``Plain`` texts (written without quotes, so the field decides what they are),
booleans, integers, decimals, None, lists and mappings. Canonical values are JSON without floats:
decimals are texts without exponent, plus sign or needless zeros; timestamps are UTC with ``Z``.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError

from baselines.catalogue import Field, FieldType
from baselines.document import FORBIDDEN, scalar_value
from baselines.errors import shown

Raw: TypeAlias = "str | bool | int | Decimal | list[Raw] | dict[str, Raw] | None"
Canonical: TypeAlias = "str | bool | int | list[Canonical] | dict[str, Canonical] | None"


class Plain(str):
    """A text that was written without quotes."""

    __slots__ = ()


class Unreadable(Exception):
    """A value that cannot be read as its field's type: stable code, what, how to mend."""

    def __init__(self, code: str, what: str, mend: str) -> None:
        super().__init__(what)
        self.code, self.what, self.mend = code, what, mend


DIGITS: Final = 40
EXPONENT: Final = 30
LARGEST_INTEGER: Final = 2**53 - 1  #: that every JSON reader keeps exactly


def source_number(digits: str) -> Decimal | Plain:
    """A JSON number with a point, by its value to the last digit: 4.10 and 4.1 are one in a field of text too."""
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent of twenty digits
        return Plain(digits)


def text(raw: Raw) -> str:
    """Text in NFC without surrounding space; numbers of a source become their digits."""
    if isinstance(raw, (bool, list | dict)) or raw is None:
        raise Unreadable("bad_text", f"{_shown(raw)} is no text.", "Write a text.")
    if not isinstance(raw, str):
        return decimal_text(raw) if isinstance(raw, Decimal) and _is_usual(raw) else str(raw)
    value = str(raw)
    if not value.isascii():
        value = unicodedata.normalize("NFC", value)
    value = value.strip()
    if not value.isprintable():
        _refuse_control(value)
    return value


def _is_usual(number: Decimal) -> bool:
    """False for what would be a text of thousands of zeros."""
    return number.is_finite() and abs(number.adjusted()) <= EXPONENT + DIGITS


def _refuse_control(value: str) -> None:
    found = FORBIDDEN.search(value)
    if found is not None:
        raise Unreadable("bad_text", f"The text holds the control character U+{ord(found[0]):04X}.", "Remove it.")


_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def boolean(raw: Raw) -> bool:
    """``Yes``/``No``, ``true``/``false`` in any case, 1/0."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str | int):
        found = _BOOLEANS.get(str(raw).strip().lower())
        if found is not None:
            return found
    raise Unreadable("bad_boolean", f"{_shown(raw)} is neither true nor false.", "Write true or false (Yes or No).")


_DECIMAL: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
_NOT_NUMBERS: Final = re.compile(r"[+-]?(\.?nan|\.?inf|infinity)", re.I)
_HUGE: Final = re.compile(r"[+-]?[0-9.]+[eE][+-]?[0-9]{10,}")


def _decimal(raw: Raw, code: str) -> Decimal:
    if isinstance(raw, Decimal):
        number = raw
    elif isinstance(raw, int) and not isinstance(raw, bool):
        number = Decimal(raw)
    elif isinstance(raw, str):
        written = raw.strip()
        if _NOT_NUMBERS.fullmatch(written):
            raise Unreadable("not_a_number", f"{_shown(raw)} is not a number.", "Write a number, or leave it out.")
        if _HUGE.fullmatch(written):
            raise _too_large(raw)
        if not _DECIMAL.fullmatch(written):
            if code == "bad_integer":
                raise Unreadable(code, f"{_shown(raw)} is not a whole number.", "Write digits only.")
            raise Unreadable(code, f"{_shown(raw)} is not a decimal.", _decimal_mend(written))
        if len(written) > DIGITS + EXPONENT + 10:
            raise _too_large(raw)
        try:
            number = Decimal(written)
        except InvalidOperation as error:  # pragma: no cover - the pattern admits only numbers
            raise Unreadable(code, f"{_shown(raw)} is not a number.", "Write digits.") from error
    else:
        kind = "a decimal" if code == "bad_decimal" else "a whole number"
        raise Unreadable(code, f"{_shown(raw)} is not {kind}.", "Write one number.")
    if not number.is_finite():
        raise Unreadable("not_a_number", f"{_shown(raw)} is not a number.", "Write a finite number.")
    if len(number.as_tuple().digits) > DIGITS or not -EXPONENT - DIGITS <= number.adjusted() <= EXPONENT + DIGITS:
        raise _too_large(raw)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and not -EXPONENT <= exponent <= EXPONENT:
        raise _too_large(raw)
    return number


def _too_large(raw: Raw) -> Unreadable:
    what = f"{_shown(raw)} has more than {DIGITS} digits or an exponent beyond ±{EXPONENT}."
    return Unreadable("number_too_large", what, "Write a number of usual size.")


def _decimal_mend(written: str) -> str:
    found = re.fullmatch(r"[^0-9-]*(-?[0-9][0-9.,]*)[^0-9]*", written)
    digits = found[1] if found else ""
    if re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", digits):
        return f'Write "{digits.replace(",", "")}" (point, no thousands sign).'
    if re.fullmatch(r"-?[0-9]+,[0-9]+", digits):
        return f'Write "{digits.replace(",", ".")}" (point, no thousands sign).'
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", digits):
        return f'Write "{digits}" (digits and a point only).'
    return "Write digits and a point only."


def decimal_text(number: Decimal) -> str:
    """Canonical decimal: no exponent, no plus sign, no needless zeros, ``0`` for every zero."""
    if not number:
        return "0"
    written = format(number, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


@lru_cache(1 << 14)
def _decimal_of_text(written: str) -> str:
    return decimal_text(_decimal(written, "bad_decimal"))


def decimal(raw: Raw) -> str:
    """A decimal as canonical text; every digit is kept, floats never stand between."""
    return _decimal_of_text(str(raw)) if isinstance(raw, str) else decimal_text(_decimal(raw, "bad_decimal"))


def integer(raw: Raw) -> int:
    """A whole number; ``10.0`` is one, ``14.5`` is not."""
    if isinstance(raw, bool):
        raise Unreadable("bad_integer", f"{_shown(raw)} is not a whole number.", "Write digits only.")
    number = _decimal(raw, "bad_integer")
    if number != number.to_integral_value():
        raise Unreadable("bad_integer", f"{_shown(raw)} is not a whole number.", "Write digits only.")
    if abs(number) > LARGEST_INTEGER:
        what = f"{_shown(raw)} is beyond ±{LARGEST_INTEGER}."
        raise Unreadable("number_too_large", what, "Write a number of usual size.")
    return int(number)


def day(raw: Raw) -> str:
    """A day as ``YYYY-MM-DD``."""
    written = str(raw).strip() if isinstance(raw, str) else ""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
        try:
            return date.fromisoformat(written).isoformat()
        except ValueError:
            pass
    raise Unreadable("bad_date", f"{_shown(raw)} is no date.", "Write YYYY-MM-DD, a day that exists.")


def clock_time(raw: Raw) -> str:
    """A time of day as ``HH:MM`` (``HH:MM:SS`` where seconds are not 0)."""
    written = str(raw).strip() if isinstance(raw, str) else ""
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.0+)?)?", written)
    if match:
        seconds = match[3] if match[3] not in (None, "00") else ""
        return f"{int(match[1]):02d}:{match[2]}" + (f":{seconds}" if seconds else "")
    raise Unreadable("bad_time", f"{_shown(raw)} is no time of day.", "Write HH:MM.")


def timestamp(raw: Raw, zone: tzinfo) -> str:
    """A moment in UTC with ``Z``; without an offset it is in the utility's zone."""
    written = str(raw).strip() if isinstance(raw, str) else ""
    if len(written) > 10:
        try:
            moment = datetime.fromisoformat(written)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError):
            pass
    what = f"{_shown(raw)} is no moment in time."
    raise Unreadable("bad_timestamp", what, "Write ISO 8601, e.g. 2026-11-24T06:00:00-08:00.")


DURATION: Final = re.compile(
    r"P(?=.)(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?=.)(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)


def duration(raw: Raw) -> str:
    """An ISO 8601 duration in capitals, e.g. ``PT24H``."""
    written = str(raw).strip().upper() if isinstance(raw, str) else ""
    if DURATION.fullmatch(written):
        return written
    raise Unreadable("bad_duration", f"{_shown(raw)} is no duration.", "Write ISO 8601, e.g. PT24H or P30D.")


def cron(raw: Raw) -> str:
    """Five fields with single spaces; whether they can be read is told by :func:`is_allowed`."""
    return " ".join(text(raw).split())


def is_cron(value: str) -> bool:
    """True for five crontab fields that name some day: no hour 25, no 30 February."""
    try:
        CronSim(value, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return len(value.split()) == 5  # six would begin with seconds


def reference(raw: Raw) -> str:
    """The natural key of the object referred to."""
    if isinstance(raw, bool | list | dict) or (isinstance(raw, Plain) and raw.lower() in ("true", "false")):
        what = f"{_shown(raw)} is no reference."
        raise Unreadable("bad_reference", what, "Write the key of the object referred to, as text.")
    return text(raw)


def escaped(part: str) -> str:
    """One part of a natural key, ``\\`` and ``/`` escaped (contracts §2)."""
    return part.replace("\\", "\\\\").replace("/", "\\/")


def key_text(parts: "list[Canonical]") -> str:
    """The natural key: its values joined with ``/``."""
    return "/".join(escaped(scalar_text(part)) for part in parts)


def scalar_text(value: Canonical) -> str:
    """A canonical scalar as text: in keys, paths and messages."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


_PARSERS: Final[Mapping[FieldType, Callable[[Raw], Canonical]]] = {
    FieldType.BOOLEAN: boolean,
    FieldType.INTEGER: integer,
    FieldType.DECIMAL: decimal,
    FieldType.DATE: day,
    FieldType.TIME: clock_time,
    FieldType.DURATION: duration,
    FieldType.CRON: cron,
    FieldType.REF: reference,
}
_BLANK_IS_WRONG: Final = frozenset((FieldType.DECIMAL, FieldType.INTEGER, FieldType.BOOLEAN))


def parse_value(field: Field, raw: Raw, zone: tzinfo) -> Canonical:
    """One scalar of a field; None where it is absent or blank.

    A choice outside its list is kept: it is a finding, not bad input.

    Raises:
        Unreadable: what was written cannot be read as the field's type.
    """
    if raw is None:
        return None
    if isinstance(raw, str) and field.type not in _BLANK_IS_WRONG and not raw.strip():
        return "" if field.default is not None else None
    if field.type is FieldType.TIMESTAMP:
        return timestamp(raw, zone)
    parser = _PARSERS.get(field.type)
    return parser(raw) if parser is not None else text(raw)


def unknown_value(raw: Raw) -> Canonical:
    """A value of a field nobody described: kept and compared by what it most plainly is."""
    if isinstance(raw, Plain):
        raw = scalar_value(raw)
    if isinstance(raw, Decimal):
        if not _is_usual(raw):
            return str(raw)
        raw = int(raw) if raw == raw.to_integral_value() else decimal_text(raw)
    if isinstance(raw, int) and abs(raw) > LARGEST_INTEGER:
        return str(raw)
    if isinstance(raw, str):
        return unicodedata.normalize("NFC", raw.replace("\0", "")).strip()
    if isinstance(raw, list):
        return [unknown_value(item) for item in raw]
    if isinstance(raw, dict):
        kept = {unicodedata.normalize("NFC", name): unknown_value(value) for name, value in raw.items()}
        return {name: value for name, value in kept.items() if value is not None}
    return raw


_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_URL: Final = re.compile(r"https?://[^\s/?#]+[^\s]*")


@lru_cache(1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def is_allowed(field: Field, value: Canonical) -> bool:
    """False for a choice outside its list and for texts that cannot be what the field says.

    Args:
        field: a scalar field.
        value: canonical, present.
    """
    if field.type is FieldType.CHOICE:
        return value in field.choices
    if not isinstance(value, str):
        return True
    match field.type:
        case FieldType.EMAIL:
            return _EMAIL.fullmatch(value) is not None
        case FieldType.URL:
            return _URL.fullmatch(value) is not None
        case FieldType.PHONE:
            return len(re.findall(r"[0-9]", value)) >= 3  # 911, 811; letters may stand for digits
        case FieldType.COUNTRY:
            return re.fullmatch(r"[A-Z]{2}", value) is not None
        case FieldType.CURRENCY:
            return re.fullmatch(r"[A-Z]{3}", value) is not None
        case FieldType.TIMEZONE:
            return value in _zones()
        case FieldType.CRON:
            return is_cron(value)
    return True


def _shown(raw: Raw) -> str:
    if isinstance(raw, list):
        return "A list"
    if isinstance(raw, dict):
        return "A mapping"
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return f'"{shown(str(raw))}"'


def _is_moment(field: Field, value: str) -> bool:
    try:
        return parse_value(field, value, UTC) == value
    except Unreadable:
        return False


_CANONICAL_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def fits(field: Field, value: Canonical) -> bool:
    """False for a canonical value that is not of its field's type: a source sent what could not be read."""
    match field.type:
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case FieldType.DECIMAL:
            return isinstance(value, str) and _CANONICAL_DECIMAL.fullmatch(value) is not None
        case FieldType.LIST:
            return isinstance(value, list) and field.item is not None and all(fits(field.item, item) for item in value)
        case FieldType.ITEM:
            return isinstance(value, dict)
        case FieldType.DATE | FieldType.TIME | FieldType.TIMESTAMP:
            return isinstance(value, str) and _is_moment(field, value)
        case FieldType.DURATION:
            return isinstance(value, str) and DURATION.fullmatch(value) is not None
    return isinstance(value, str)
