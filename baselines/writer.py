"""Configurations out: YAML for people to read and keep in version control.

What is written reads back with the same digest: one object a line, types and fields in the
catalogue's order, texts quoted wherever a YAML reader would take them for something else.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from baselines.catalogue import Catalogue
from baselines.configuration import ConfigObject, Configuration

ABOUT: Final = "_about"
#: For editors; `smart360-monitor schema configuration` writes what it names.
SCHEMA: Final = "# yaml-language-server: $schema=configuration.schema.json"


def write_configuration(configuration: Configuration, catalogue: Catalogue) -> bytes:
    """A configuration as YAML; ids and who touched an object when are kept."""
    lines = [SCHEMA, f"{ABOUT}: {_flow(_about(configuration))}"]
    known = [name for name in catalogue.types if name in configuration.lists]
    for name in [*known, *sorted(configuration.lists.keys() - catalogue.types.keys())]:
        kind = catalogue.types.get(name)
        order = {field: place for place, field in enumerate(kind.fields)} if kind is not None else {}
        objects = configuration.objects(name)
        lines += ["", f"{_text(name)}:" if objects else f"{_text(name)}: []"]
        lines += [f"  - {_flow(_written(each, order))}" for each in objects]
    return ("\n".join(lines) + "\n").encode()


def _about(configuration: Configuration) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for name in ("tenant", "environment", "taken_at", "source", "fingerprint_key"):
        value = configuration.about.get(name)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if value is not None:
            about[name] = value if isinstance(value, bool | int) else str(value)
    unread = {name: gap.detail or gap.reason.value for name, gap in sorted(configuration.unread.items())}
    return about | {"unread": unread} if unread else about


def _written(each: ConfigObject, order: Mapping[str, int]) -> dict[str, Any]:
    """The fields of an object, id first, who touched it last."""
    values = each.values
    fields = {name: values[name] for name in sorted(values, key=lambda name: (order.get(name, len(order)), name))}
    return ({"id": each.id} if each.id else {}) | fields | dict(sorted(each.about.items()))


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name)}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else str(value)


#: Texts that no YAML reader takes for anything else; words that readers of YAML 1.1 do.
_PLAIN: Final = re.compile(r"[^\W\d_](?:[\w./@$%+()-]| (?=[\w(]))*")
_TWISTED: Final = frozenset(["y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf"])


def _text(text: str) -> str:
    if text.isprintable():
        if _PLAIN.fullmatch(text) and text.lower() not in _TWISTED:
            return text
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(text)) + '"'


def _escaped(text: str) -> Iterable[str]:
    for character in text:
        code = ord(character)
        if character in '"\\':
            yield "\\" + character
        elif character == "\n":
            yield "\\n"
        elif character.isprintable():
            yield character
        else:
            yield f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
