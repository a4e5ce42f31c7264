"""How a group or a tenant differs from what is shipped: overlays, each laid over the one before.

Text in, one ``Overlay`` out: a catalogue, packs, exemptions and change windows, and where each value
comes from. ``judge`` alone applies exemptions; comparison and rules see only a catalogue and packs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StrictInt, StrictStr, StringConstraints, ValidationError

from baselines import document
from baselines.catalogue import Catalogue, Field, extended, with_severities
from baselines.coverage import Reason
from baselines.errors import InvalidInput, Mistake, shown, shown_path
from baselines.places import place_of
from baselines.reader import raw_value
from baselines.severity import Severity
from baselines.values import Canonical, Raw, Unreadable, parse_value, unknown_value
from rules.errors import InvalidOverlay
from rules.findings import Finding, Kind
from rules.pack import ANY, CONFIGURATION, Packs, Rule
from rules.quiet import LONGEST, ChangeWindow
from rules.selector import Selector

SHIPPED: Final = "shipped"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a moment needs its offset, as in 2026-12-01T22:00:00-08:00")
    return text


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Moment = Annotated[str, AfterValidator(_moment)]


class Match(_Part):
    """Findings by pattern, as ``Selector`` reads it."""

    rule: str = ""
    resource_type: str = ""
    key: str = ""
    path: str = ""
    kind: Literal["", "drift", "rule", "coverage"] = ""


class Ignore(_Part):
    """Findings that are none here."""

    match: Match
    reason: Words
    owner: Words


class Expect(_Part):
    """A difference from the baseline that is no drift: the values that may be there."""

    resource_type: Words
    key: str = ""
    path: str = ""
    values: Literal["any"] | list[Any]
    reason: Words
    owner: Words


class Window(_Part):
    """A time in which somebody announced changes."""

    starts: Moment
    ends: Moment
    ticket: Words
    reason: Words
    owner: Words
    match: Match = Match()


class Severities(_Part):
    """Severities of rules, and of drift by resource type and field (``default``: the type itself)."""

    rules: dict[str, Severity] = {}
    fields: dict[str, dict[str, Severity]] = {}


class OverlayFile(_Part):
    """An overlay as it is written; types and fields are said as in a catalogue file."""

    overlay: Words
    types: dict[str, dict[str, Any]] = {}
    fields: dict[str, dict[str, Any]] = {}
    severities: Severities = Severities()
    parameters: dict[str, dict[str, StrictInt | StrictStr]] = {}
    ignore: list[Ignore] = []
    expected: list[Expect] = []
    change_windows: list[Window] = []


_PARTS: Final = (Match, Ignore, Expect, Window, Severities, OverlayFile)
_KEYS: Final = sorted({key for part in _PARTS for key in part.model_fields})


@dataclass(frozen=True, slots=True)
class Exemption:
    """Findings that are none here, and who says so."""

    word: str  #: ``ignore``, or ``expected`` for drift that may be
    match: Selector
    reason: str
    owner: str
    place: str  #: ``swa.yaml:12``
    values: tuple[Raw, ...] | None = None  #: that are expected, as written; None: any

    @property
    def named(self) -> str:
        """What it is about, whatever line it stands on."""
        return " ".join([self.word, *(f"{name}={part}" for name, part in asdict(self.match).items() if part)])

    def covers(self, finding: Finding, new: Canonical = None, described: Field | None = None) -> bool:
        """True if the finding falls under it; what was not read only where ``kind: coverage`` says so.

        Args:
            new: of drift: what is there now, unmasked.
            described: the field it is in, where one is known.
        """
        if finding.kind is Kind.COVERAGE and self.match.kind != Kind.COVERAGE:
            return False
        if not self.match.matches(finding):
            return False
        return self.values is None or any(_means(value, new, described) for value in self.values)

    def may_cover(self, rule: Rule) -> bool:
        """True if findings of a rule could fall under it."""
        if self.match.kind not in ("", Kind.RULE):
            return False
        probe = Selector(self.match.rule, self.match.resource_type if rule.subject != ANY else "")
        return probe.fits(rule=rule.id, resource_type=rule.subject)


def _means(raw: Raw, new: Canonical, described: Field | None) -> bool:
    try:
        if described is not None and not isinstance(raw, list | dict) and parse_value(described, raw, UTC) == new:
            return True
    except Unreadable:
        pass
    return unknown_value(raw) == new


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from, and what it stands over."""

    name: str
    value: str
    place: str
    over: str = ""


@dataclass(frozen=True)
class Overlay:
    """What holds for one target: the shipped catalogue and packs with all that its overlays say."""

    catalogue: Catalogue
    packs: Packs
    exemptions: tuple[Exemption, ...] = ()
    change_windows: tuple[ChangeWindow, ...] = ()
    origins: tuple[Origin, ...] = ()
    mistakes: tuple[Mistake, ...] = ()  #: what is wrong was left out

    def without_mistakes(self) -> "Overlay":
        """Itself.

        Raises:
            InvalidOverlay: with every mistake of every file.
        """
        if self.mistakes:
            raise InvalidOverlay(self.mistakes)
        return self


def read_overlays(files: Iterable[tuple[str, str | bytes]], catalogue: Catalogue, packs: Packs) -> Overlay:
    """The shipped catalogue and packs with overlays over them: name and content of each, the last one wins.

    Every mistake stands in ``mistakes`` with file and line; what is wrong is left out, the rest holds.
    """
    layers = _Layers(catalogue, packs)
    for name, content in files:
        layers.read(name, content.encode() if isinstance(content, str) else content)
    return layers.finish()


@dataclass
class _Layers:
    """What the overlays read so far say together."""

    catalogue: Catalogue
    packs: Packs
    rules: dict[str, Rule] = field(default_factory=dict)  #: those that are another than shipped
    severities: dict[str, dict[str, Severity]] = field(default_factory=dict)
    exemptions: list[Exemption] = field(default_factory=list)
    windows: list[ChangeWindow] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    file: str = ""
    tree: document.Node = field(default_factory=lambda: document.Mapping(0, 0))

    def finish(self) -> Overlay:
        packs = self.packs
        if self.rules:
            changed = (
                replace(pack, rules=tuple(self.rules.get(each.id, each) for each in pack.rules)) for pack in packs.packs
            )
            packs = Packs(tuple(changed))
        catalogue = with_severities(self.catalogue, self.severities) if self.severities else self.catalogue
        return Overlay(
            catalogue, packs, tuple(self.exemptions), tuple(self.windows), tuple(self.origins.values()),
            tuple(self.mistakes),
        )  # fmt: skip

    def read(self, name: str, data: bytes) -> None:
        self.file = shown_path(name)
        try:
            self.tree = document.read_document(data, name, limits=document.SETTINGS_LIMITS)
        except InvalidInput as error:
            self.mistakes += error.mistakes
            return
        plain = document.plain_value(self.tree)
        try:
            content = OverlayFile.model_validate(plain)
        except ValidationError as error:
            for item in error.errors():
                self.mistake(item["loc"], "bad_value", f"{item['msg']}.", _mend(str((item["loc"] or ("",))[-1]), _KEYS))
            if not isinstance(plain, dict):
                return
            wrong = {item["loc"][0] for item in error.errors()}  # what the other parts say is told at once too
            rest = {key: value for key, value in plain.items() if key not in wrong}
            content = OverlayFile.model_validate({"overlay": SHIPPED, **rest})
        self.extend(content)
        for rule_id, severity in content.severities.rules.items():
            rule = self.rule(("severities", "rules", rule_id), rule_id)
            if rule is not None:
                self.rules[rule_id] = replace(rule, severity=severity)
                self.note(f"severity {rule_id}", severity, ("severities", "rules", rule_id), rule.severity)
        for rule_id, values in content.parameters.items():
            self.set_parameters(rule_id, values)
        for resource_type, words in content.severities.fields.items():
            self.set_severities(resource_type, words)
        self.exempt(content)
        for number, each in enumerate(content.change_windows):
            self.window(("change_windows", number), each)

    def mistake(self, where: tuple[str | int, ...], code: str, what: str, mend: str) -> None:
        path = ".".join(map(str, where))
        self.mistakes.append(Mistake(self.file, *place_of(self.tree, where), path, code, what, mend))

    def place(self, where: tuple[str | int, ...]) -> str:
        return f"{self.file}:{place_of(self.tree, where)[0]}"

    def note(self, name: str, value: object, where: tuple[str | int, ...], shipped: object = "") -> None:
        """Keep where a value comes from; ``shipped``: what it stands over, if no overlay said so before."""
        before = self.origins.get(name)
        over = f"{before.value} ({before.place})" if before else f"{shipped} ({SHIPPED})" if shipped != "" else ""
        self.origins[name] = Origin(name, str(value), self.place(where), over)

    def extend(self, content: OverlayFile) -> None:
        """Add types and fields; all of this file's or none."""
        if not content.types and not content.fields:
            return
        assert isinstance(self.tree, document.Mapping)
        parts = {key: self.tree.items.get(key) for key in ("types", "fields")}
        found, mistakes = extended(self.catalogue, self.file, parts["types"], parts["fields"])
        further = [part.split(".") for part in found.declared if part not in self.catalogue.declared]
        for resource_type, name in further:
            each = found.types[resource_type].fields[name]
            root = ("types", resource_type, "fields") if resource_type in content.types else ("fields", resource_type)
            where = (*root, name)
            try:
                parse_value(each, each.default, UTC)
            except Unreadable as error:
                self.mistake(where, error.code, f"default: {error.what}", error.mend)
                return
            self.note(f"field {resource_type}.{name}", each.type, where)
        for resource_type in () if mistakes else content.types:
            self.note(f"type {resource_type}", found.types[resource_type].title, ("types", resource_type))
        self.mistakes += mistakes
        self.catalogue = found

    def rule(self, where: tuple[str | int, ...], name: str) -> Rule | None:
        found = self.rules.get(name) or self.packs.by_id.get(name)
        if found is None:
            self.unknown(where, "rule", name, self.packs.by_id)
        return found

    def unknown(self, where: tuple[str | int, ...], what: str, word: str, known: Iterable[str]) -> None:
        self.mistake(where, "unknown_name", f"No {what} {shown(word)}.", _mend(word, known))

    def set_parameters(self, rule_id: str, values: Mapping[str, str | int]) -> None:
        rule = self.rule(("parameters", rule_id), rule_id)
        for name, value in values.items() if rule is not None else ():
            assert rule is not None
            where, now = ("parameters", rule_id, name), rule.parameters.get(name)
            if now is None:
                self.unknown(where, "parameter", name, rule.parameters)
            elif type(value) is not type(now) or _is_number(now) != _is_number(value):
                what = (
                    "a whole number" if isinstance(now, int) else "a number in quotes" if _is_number(now) else "a text"
                )
                self.mistake(where, "bad_value", f"{name} is {what}.", f"Write it as the rule does: {now!r}.")
            else:
                rule = self.rules[rule_id] = rule.with_parameters({name: value})
                self.note(f"parameter {rule_id} {name}", value, where, now)

    def set_severities(self, resource_type: str, words: Mapping[str, Severity]) -> None:
        kind = self.catalogue.types.get(resource_type)
        if kind is None:
            self.unknown(("severities", "fields", resource_type), "resource type", resource_type, self.catalogue.types)
            return
        shipped = {name: each.severity for name, each in kind.fields.items()} | {"default": kind.severity}
        for name, severity in words.items():
            where = ("severities", "fields", resource_type, name)
            if name not in shipped:
                self.unknown(where, "field", name, shipped)
                continue
            self.severities.setdefault(resource_type, {})[name] = severity
            self.note(f"severity {resource_type}.{name}", severity, where, shipped[name])

    def exempt(self, content: OverlayFile) -> None:
        for number, each in enumerate(content.ignore):
            match = self.selector(("ignore", number, "match"), each.match)
            if match == Selector():
                what, mend = "It would ignore everything.", "Say what: rule, resource_type, key, path."
                self.mistake(("ignore", number, "match"), "bad_value", what, mend)
            elif match is not None:
                self.keep("ignore", number, match, each, None)
        for number, one in enumerate(content.expected):
            written = Match(resource_type=one.resource_type, key=one.key, path=one.path, kind="drift")
            match = self.selector(("expected", number), written)
            if match is not None:
                self.keep("expected", number, match, one, None if one.values == "any" else self.raw_values(number))

    def keep(
        self, word: str, number: int, match: Selector, each: Ignore | Expect, values: tuple[Raw, ...] | None
    ) -> None:
        made = Exemption(word, match, each.reason, each.owner, self.place((word, number)), values)
        self.exemptions.append(made)
        self.note(f"{made.named} #{len(self.exemptions)}", f"{each.reason} ({each.owner})", (word, number))

    def raw_values(self, number: int) -> tuple[Raw, ...]:
        """The expected values as written, since their field decides what they mean."""
        written: Any = raw_value(self.tree)
        return tuple(written["expected"][number]["values"])

    def selector(self, where: tuple[str | int, ...], match: Match) -> Selector | None:
        """The pattern of a match whose names are known; a pattern with ``*`` may fit nothing yet."""
        types = [*self.catalogue.types, CONFIGURATION]
        for name, written, known in (
            ("rule", match.rule, [*self.packs.by_id, *Reason]), ("resource_type", match.resource_type, types),
        ):  # fmt: skip
            if written and "*" not in written and written not in known:
                self.unknown((*where, name), name.replace("_", " "), written, known)
                return None
        return Selector(match.rule, match.resource_type, match.key, match.path, match.kind)

    def window(self, where: tuple[str | int, ...], each: Window) -> None:
        match = self.selector((*where, "match"), each.match)
        starts, ends = datetime.fromisoformat(each.starts), datetime.fromisoformat(each.ends)
        if ends <= starts:
            self.mistake((*where, "ends"), "bad_value", "It ends before it starts.", "Correct one of the two.")
        elif ends - starts > LONGEST:
            what = f"A window lasts {LONGEST.days} days at most."
            self.mistake((*where, "ends"), "bad_value", what, "Write a nearer end; add another window when it is due.")
        elif match is not None:
            self.windows.append(ChangeWindow(starts, ends, each.ticket, each.reason, each.owner, match))
            told = f"{each.starts} to {each.ends}, {each.reason} ({each.owner})"
            self.note(f"change window {each.ticket} #{len(self.windows)}", told, where)


def _mend(word: str, known: Iterable[str]) -> str:
    near = next(iter(get_close_matches(word, list(known), n=1)), "")
    return f"Did you mean {near}?" if near and near != word else "See docs/overlays.md."


def _is_number(value: str | int) -> bool:
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False
