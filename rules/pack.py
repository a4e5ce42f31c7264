"""Rule packs: YAML in, compiled rules out, or a refusal with file and line of every mistake.

A pack is one file, or a folder with ``pack.yaml`` and rules per module. Each rule is compiled once
and checked against the catalogue; a rule without a passing and a finding test is refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import orjson
from blake3 import blake3

from baselines import document
from baselines.catalogue import RESERVED, Catalogue, load_catalogue
from baselines.errors import InvalidInput, Mistake, did_you_mean, shown, shown_path
from baselines.reader import raw_value, read_file
from baselines.severity import Severity
from baselines.values import Raw
from rules.errors import InvalidPack
from rules.expressions import Language, Refused, language_of, rule_text
from rules.syntax import Shape

ANY: Final = "any"
CONFIGURATION: Final = "configuration"
MOST_RULES: Final = 2000
_RULE_ID: Final = re.compile(r"[a-z_]+\.[a-z0-9][a-z0-9-]*")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_PATH: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_RULE_KEYS: Final = frozenset(
    ("id", "title", "severity", "required", "for", "when", "let", "expect", "message", "why", "fix", "references",
     "tests", "applies", "statement", "kind", "basis", "parameters")
)  # fmt: skip
_TEST_KEYS: Final = frozenset(["name", "at", "given", "finds", "stage", "parameters"])
_APPLIES_KEYS: Final = frozenset(["country", "state", "services", "stage"])
_TEXT_KEYS: Final = frozenset(
    ["id", "title", "severity", "for", "when", "expect", "message", "why", "fix", "statement", "kind", "basis"]
)
_REQUIRED_KEYS: Final = ("id", "title", "severity", "for", "expect", "message", "why", "fix", "tests")


@dataclass(frozen=True, slots=True)
class Applies:
    """Where a pack or rule applies; an empty part fits everything, all parts must fit."""

    country: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()

    @property
    def types(self) -> frozenset[str]:
        """Resource types that decide whether it applies."""
        needed = {"utility"} if self.country or self.state else set()
        return frozenset(needed | ({"utility_service"} if self.services else set()))


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One example of a rule: a small configuration, and what it must find."""

    name: str
    given: Mapping[str, Sequence[Mapping[str, Raw]]]
    finds: tuple[Mapping[str, str], ...]
    at: str = ""
    stage: str = "live"
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Rule:
    """One requirement, compiled."""

    id: str
    title: str
    severity: Severity
    subject: str  #: a resource type, ``any`` or ``configuration``
    expect: str
    message: str
    why: str
    fix: str
    pack: str
    when: str = ""
    let: Mapping[str, str] = field(default_factory=dict)
    required: bool = False
    statement: str = ""
    kind: str = ""
    basis: str = ""
    references: tuple[Mapping[str, str], ...] = ()
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    applies: tuple[Applies, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    file: str = ""
    line: int = 0
    shapes: Mapping[str, Shape] = field(default_factory=dict)  #: root variable → what is read below it
    types: frozenset[str] = frozenset()  #: resource types the decision needs
    placeholders: Mapping[str, str] = field(default_factory=dict)  #: of the message: as written → expression

    @property
    def module(self) -> str:
        """The module its id begins with."""
        return self.id.split(".")[0]

    @property
    def reads_today(self) -> bool:
        """True if its answer can change with the day."""
        return "today" in self.shapes

    def shape(self, root: str) -> Shape:
        """What it reads below ``self``, ``configuration`` or ``counts``."""
        return self.shapes.get(root, Shape())

    @cached_property
    def digest(self) -> str:
        """Changes when the rule's meaning, words or parameters do."""
        meaning = [self.id, self.subject, self.when, dict(self.let), self.expect, self.message, self.title, self.why,
                   self.fix, self.severity, self.required, self.basis, dict(self.parameters),
                   [[each.country, each.state, each.services, each.stage] for each in self.applies]]  # fmt: skip
        return blake3(orjson.dumps(meaning)).hexdigest()[:16]

    @cached_property
    def text(self) -> str:
        """As the engine runs it: 1 passed, 0 a finding, 2 does not apply to this object."""
        return rule_text(self.when, self.expect, self.bindings)

    def applies_where(self, **places: str) -> bool:
        """True if it applies in this country, state or stage, or to this service; what is "" is not asked."""
        named = {"services" if name == "service" else name: value for name, value in places.items() if value}
        return all(value in (getattr(each, name) or (value,)) for each in self.applies for name, value in named.items())

    @property
    def examples(self) -> "tuple[RuleTest, RuleTest]":
        """The first of its tests that passes, and the first that finds; every rule has both."""
        return next(each for each in self.tests if not each.finds), next(each for each in self.tests if each.finds)

    @property
    def bindings(self) -> dict[str, str]:
        """Names bound before its expressions: parameters first, then what ``let`` gives."""
        if not self.parameters:
            return dict(self.let)
        literals = ", ".join(f"{orjson.dumps(k).decode()}: {_literal(v)}" for k, v in self.parameters.items())
        return {"parameters": "{" + literals + "}", **self.let}

    def with_parameters(self, values: Mapping[str, str | int]) -> "Rule":
        """The same rule with other values of its parameters."""
        if not values:
            return self
        from dataclasses import replace

        return replace(self, parameters={**self.parameters, **values})


def _version(text: str) -> tuple[int, ...]:
    """``1.10.0`` so that it sorts; empty where it is none. What follows the numbers does not count."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


def _literal(value: str | int) -> str:
    return orjson.dumps(value).decode()


@dataclass(frozen=True)
class Pack:
    """A versioned set of rules."""

    name: str
    version: str
    rules: tuple[Rule, ...]
    title: str = ""


@dataclass(frozen=True)
class Packs:
    """Packs as they are used together."""

    packs: tuple[Pack, ...]

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """All rules of all packs."""
        return tuple(rule for pack in self.packs for rule in pack.rules)

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        """Rules by id."""
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def digest(self) -> str:
        """Changes when any rule does."""
        return blake3(b"".join(rule.digest.encode() for rule in self.rules)).hexdigest()[:16]

    @property
    def names(self) -> str:
        """For people: ``smart360-core 1.0.0, us-epa-oregon 1.0.0``."""
        return ", ".join(f"{pack.name} {pack.version}" for pack in self.packs)


@lru_cache(1)
def shipped_packs() -> Packs:
    """The packs of the product."""
    folder = resources.files("rules") / "packs"
    with resources.as_file(folder) as path:
        return load_packs(sorted(each for each in path.iterdir() if each.is_dir()), load_catalogue())


def load_packs(
    paths: Iterable[Path | str], catalogue: Catalogue, *, beside: Packs | None = None, installed: Packs | None = None
) -> Packs:
    """Packs from files or folders.

    Args:
        paths: of the packs.
        catalogue: against which their expressions are checked.
        beside: packs they are used together with; they come first in what is returned.
        installed: packs that what they require may be among, where they are tried alone.

    Raises:
        InvalidPack: with file and line of every mistake in all of them.
    """
    others = beside.packs if beside is not None else ()
    loader = _Loader(catalogue, {rule.id: f"{rule.file}:{rule.line}" for pack in others for rule in pack.rules})
    packs = tuple(pack for path in paths if (pack := loader.pack(Path(path))) is not None)
    loader.refuse_unmet((*others, *packs, *(installed.packs if installed is not None else ())))
    if loader.mistakes:
        raise InvalidPack(loader.mistakes)
    return Packs((*others, *packs))


class _Loader:
    """Reads packs and collects every mistake."""

    def __init__(self, catalogue: Catalogue, seen: dict[str, str]) -> None:
        self.catalogue, self.seen = catalogue, seen
        self.language: Language = language_of(catalogue)
        self.mistakes: list[Mistake] = []
        self.required: list[tuple[str, document.Node, str, str]] = []  #: file, place, pack, version at least
        self.rules_met = len(seen)
        self.file = ""
        self.source: list[str] = []  #: lines of the file

    def mistake(self, node: document.Node, path: str, code: str, what: str, mend: str) -> None:
        self.mistakes.append(Mistake(self.file, node.line, node.column, path, code, what, mend))

    def pack(self, path: Path) -> Pack | None:
        files = [path]
        if path.is_dir():
            head = path / "pack.yaml"
            if not head.is_file():
                what = "The folder has no pack.yaml."
                mend = "Name a pack: file or folder."
                self.mistakes.append(Mistake(shown_path(str(path)), 0, 0, "", "not_found", what, mend))
                return None
            files = [head, *sorted(each for each in path.glob("*.yaml") if each != head)]
        read = [self.tree(file) for file in files]
        trees = [each for each in read if each is not None]
        if len(trees) < len(read):
            return None
        listed = [tree.items.get("rules") for _, _, tree in trees]
        self.rules_met += sum(len(each.items) for each in listed if isinstance(each, document.Sequence))
        if self.rules_met > MOST_RULES:  # told before any is checked, which takes a millisecond each
            what = f"{self.rules_met} rules, the limit is {MOST_RULES}."
            self.mistakes.append(Mistake(trees[0][0], 0, 0, "", "limit", what, "Load fewer packs."))
            return None
        self.file, self.source, first = trees[0]
        name, version = (self.text(first, key) for key in ("pack", "version"))
        self.unknown_keys(first, frozenset(["pack", "version", "title", "requires", "applies", "rules"]), "")
        if not name or not version:
            self.mistake(first, "", "missing_key", "pack and version are needed.", "Add them at the top.")
            return None
        self.requires(first)
        everywhere = self.applies(first)
        rules: list[Rule] = []
        for file_name, source, tree in trees:
            self.file, self.source = file_name, source
            node = tree.items.get("rules")
            if tree is not first:
                self.unknown_keys(tree, frozenset(("rules",)), "")
            if isinstance(node, document.Sequence):
                rules += [rule for each in node.items if (rule := self.rule(each, name, everywhere))]
            elif node is not None or tree is not first:
                self.mistake(node or tree, "rules", "not_a_list", "rules: is a list.", "Write - id: …")
        return Pack(name, version, tuple(rules), self.text(first, "title"))

    def tree(self, file: Path) -> tuple[str, list[str], document.Mapping] | None:
        """Name, lines and content of a file."""
        self.file = shown_path(str(file))
        try:
            data, name = read_file(file, document.SETTINGS_LIMITS)
            tree = document.read_document(data, name, limits=document.SETTINGS_LIMITS)
        except InvalidInput as error:
            self.mistakes.extend(error.mistakes)
            return None
        if not isinstance(tree, document.Mapping):
            self.mistake(tree, "", "not_a_mapping", "A pack is a mapping.", "Begin with pack: and version:.")
            return None
        return self.file, data.decode("utf-8-sig").splitlines(), tree

    def text(self, node: document.Mapping, key: str) -> str:
        found = node.items.get(key)
        return found.text if isinstance(found, document.Scalar) and not found.is_null else ""

    def unknown_keys(self, node: document.Mapping, known: frozenset[str], path: str) -> None:
        for key in node.items.keys() - known:
            mend = did_you_mean(key, known, f"Known: {', '.join(sorted(known))}.")
            self.mistake(node.keys[key], path, "unknown_key", f"Unknown key {shown(key)}.", mend)

    def requires(self, node: document.Mapping) -> None:
        """Keep what a pack requires: other packs by name, each with the version it needs at least."""
        found = node.items.get("requires")
        if found is None:
            return
        if not isinstance(found, document.Mapping) or not all(_version(self.text(found, key)) for key in found.items):
            what = "requires: names packs, each with the version it needs at least."
            self.mistake(found, "requires", "bad_value", what, 'Write {smart360-core: "1.0.0"}.')
            return
        for key, each in found.items.items():
            self.required.append((self.file, each, key, self.text(found, key)))

    def refuse_unmet(self, packs: Sequence[Pack]) -> None:
        """Refuse packs whose required packs are not there, or too old."""
        versions: dict[str, str] = {pack.name: pack.version for pack in reversed(packs)}
        for file, node, name, least in self.required:
            self.file = file
            there = versions.get(name)
            if there is not None and _version(there) >= _version(least):
                continue
            what = f"It requires {shown(name)} {least} or later, " + (
                f"and {there} is loaded." if there is not None else "which is not loaded."
            )
            mend = did_you_mean(name, versions, "Load it beside this pack, or correct the name.")
            self.mistake(node, f"requires.{name}", "pack_required", what, mend if there is None else "Load that one.")

    def applies(self, node: document.Mapping) -> tuple[Applies, ...]:
        found = node.items.get("applies")
        if found is None:
            return ()
        if not isinstance(found, document.Mapping):
            self.mistake(found, "applies", "bad_value", "applies: is a mapping.", "Write {country: [US]}.")
            return ()
        self.unknown_keys(found, _APPLIES_KEYS, "applies")
        parts = {}
        for key in found.items.keys() & _APPLIES_KEYS:
            values = found.items[key]
            if not isinstance(values, document.Sequence):
                self.mistake(values, f"applies.{key}", "bad_value", f"{key} is a list.", "Write [ … ].")
                continue
            parts[key] = tuple(each.text for each in values.items if isinstance(each, document.Scalar))
        return (Applies(**parts),)

    def rule(self, node: document.Node, pack: str, everywhere: tuple[Applies, ...]) -> Rule | None:
        if not isinstance(node, document.Mapping):
            self.mistake(node, "rules", "bad_value", "A rule is a mapping.", "Write - id: …")
            return None
        before = len(self.mistakes)
        identity = self.text(node, "id")
        self.unknown_keys(node, _RULE_KEYS, identity)
        for key in _REQUIRED_KEYS:
            if key not in node.items:
                self.mistake(node, identity, "missing_key", f"The rule lacks {key}.", f"Add {key}.")
        for key in _TEXT_KEYS & node.items.keys():
            if not self.text(node, key):
                self.mistake(node.items[key], identity, "bad_value", f"{key} is a text.", "Write one.")
        if len(self.mistakes) > before:
            return None
        self.identity(node, identity)
        severity = self.choice(node, "severity", identity, tuple(Severity))
        required = self.flag(node, "required", identity)
        subject = self.text(node, "for")
        if subject not in self.catalogue.types and subject not in (ANY, CONFIGURATION):
            near = self.catalogue.nearest(subject)
            mend = f"Did you mean {near}?" if near else "Name a resource type, any or configuration."
            self.mistake(node.items["for"], identity, "unknown_name", f"No resource type {shown(subject)}.", mend)
            return None
        parameters = self.parameters(node, identity)
        compiled = self.compiled(node, identity, subject, parameters)
        if compiled is None:
            return None
        shapes, lets, placeholders = compiled
        tests = self.tests(node, identity, "today" in shapes)
        if len(self.mistakes) > before:
            return None
        applies = (*everywhere, *self.applies(node))
        return Rule(
            id=identity, title=self.text(node, "title"), severity=Severity(severity), subject=subject,
            expect=self.text(node, "expect"), message=self.text(node, "message"), why=self.text(node, "why"),
            fix=self.text(node, "fix"), pack=pack, when=self.text(node, "when"), let=lets, required=required,
            statement=self.text(node, "statement"), kind=self.text(node, "kind"), basis=self.text(node, "basis"),
            references=self.references(node), parameters=parameters, applies=applies, tests=tests, file=self.file,
            line=node.line, shapes=shapes, placeholders=placeholders,
            types=read_types(self.catalogue, subject, shapes) | {name for each in applies for name in each.types},
        )  # fmt: skip

    def identity(self, node: document.Mapping, identity: str) -> None:
        place = node.items["id"]
        module = identity.split(".")[0]
        if not _RULE_ID.fullmatch(identity):
            what = f"{shown(identity)} is no rule id."
            self.mistake(place, identity, "bad_value", what, "Write module.what-must-hold.")
        elif module not in {each.name for each in self.catalogue.modules}:
            near = next(iter(get_close_matches(module, [each.name for each in self.catalogue.modules], n=1)), "billing")
            self.mistake(place, identity, "unknown_name", f"No module {module}.", f"Did you mean {near}?")
        if identity in self.seen:
            what = f"The id {identity} stands at {self.seen[identity]} too."
            self.mistake(place, identity, "duplicate_rule", what, "Rename one.")
        self.seen[identity] = f"{self.file}:{place.line}"

    def choice(self, node: document.Mapping, key: str, path: str, known: Sequence[str]) -> str:
        found = self.text(node, key)
        if found not in known:
            near = next(iter(get_close_matches(found, known, n=1)), known[0])
            what = f"{key} cannot be {shown(found)}."
            self.mistake(node.items[key], path, "bad_value", what, f"Did you mean {near}? Known: {', '.join(known)}.")
            return known[0]
        return found

    def flag(self, node: document.Mapping, key: str, path: str) -> bool:
        found = node.items.get(key)
        if found is None:
            return False
        value = document.plain_value(found)
        if not isinstance(value, bool):
            self.mistake(found, path, "bad_value", f"{key} is true or false.", "Write true or false.")
        return value is True

    def references(self, node: document.Mapping) -> tuple[Mapping[str, str], ...]:
        found = node.items.get("references")
        if found is None:
            return ()
        values = document.plain_value(found)
        if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
            what, mend = "references: is a list of titles with addresses.", "Write [{title: …, url: …}]."
            self.mistake(found, self.text(node, "id"), "bad_value", what, mend)
            return ()
        return tuple({key: str(value) for key, value in each.items()} for each in values)

    def parameters(self, node: document.Mapping, path: str) -> dict[str, str | int]:
        found = node.items.get("parameters")
        if found is None:
            return {}
        values = document.plain_value(found)
        if not isinstance(values, dict) or not all(isinstance(each, str | int) for each in values.values()):
            what = "parameters: names with a text or a whole number."
            self.mistake(found, path, "bad_value", what, 'Write {most_days: 45} or {share: "0.75"}.')
            return {}
        return values

    def compiled(
        self, node: document.Mapping, path: str, subject: str, parameters: Mapping[str, str | int]
    ) -> tuple[dict[str, Shape], dict[str, str], dict[str, str]] | None:
        """What the rule's expressions read, its lets, and the expressions of its message."""
        lets: dict[str, str] = {}
        before = len(self.mistakes)
        written = node.items.get("let")
        if written is not None and not isinstance(written, document.Mapping):
            self.mistake(written, path, "bad_value", "let: is a mapping of names.", "Write {name: 'expression'}.")
            return None
        for name, inner in written.items.items() if isinstance(written, document.Mapping) else ():
            if not isinstance(inner, document.Scalar) or not _PATH.fullmatch(name) or "." in name:
                self.mistake(inner, path, "bad_value", f"let {shown(name)} is no name.", "Use a-z, 0-9 and _.")
                continue
            lets[name] = inner.text
        placeholders = self.placeholders(node, path)
        if len(self.mistakes) > before:
            return None
        when, expect = self.text(node, "when"), self.text(node, "expect")
        try:
            shapes = self.language.check_rule(when, expect, placeholders, subject, lets=lets).roots
        except Refused as refused:
            self.explain(node, path, subject, lets)
            if len(self.mistakes) == before:  # each part is right; together they are too much
                self.refused(node.items["expect"], path, refused)
            return None
        for unknown in shapes.get("parameters", Shape()).fields.keys() - parameters.keys():
            mend = did_you_mean(unknown, parameters, "Declare it under parameters.")
            self.mistake(node.items["expect"], path, "unknown_name", f"No parameter {unknown}.", mend)
        return shapes, lets, placeholders

    def explain(self, node: document.Mapping, path: str, subject: str, lets: Mapping[str, str]) -> None:
        """What is wrong with each expression of a rule that was refused, and where."""
        known: dict[str, str] = {}
        written = node.items.get("let", node)
        assert isinstance(written, document.Mapping)
        for name, inner in lets.items():
            before = len(self.mistakes)
            self.expression(written.items[name], inner, f"{path} › let {name}", subject, known)
            if len(self.mistakes) > before:  # what rests on it would only be told again
                return
            known[name] = inner
        for key in ("when", "expect"):
            if key in node.items:
                self.expression(node.items[key], self.text(node, key), f"{path} › {key}", subject, lets, boolean=True)
        for placeholder in self.placeholders(node, path):
            self.expression(node.items["message"], placeholder, path, subject, lets, code="template")

    def expression(
        self, node: document.Node, text: str, path: str, subject: str, lets: Mapping[str, str], *,
        boolean: bool = False, code: str = "",
    ) -> None:  # fmt: skip
        try:
            self.language.check(text, subject, lets=lets, boolean=boolean)
        except Refused as refused:
            inside = text if code else ""  # a placeholder stands somewhere in the message
            self.refused(node, path, refused, code=code, inside=inside)

    def refused(self, node: document.Node, path: str, why: Refused, *, code: str = "", inside: str = "") -> None:
        line, column = self.place(node, *why.offset, inside)
        mend = f"Did you mean {why.near}?" if why.near else "See docs/reference/expressions.md."
        if why.code == "unknown_name" and not why.near:
            mend += " Fields and types that an overlay adds are not known to packs, which hold for every target."
        self.mistakes.append(Mistake(self.file, line, column, path, code or why.code, why.what, mend))

    def place(self, node: document.Node, line: int, column: int, inside: str) -> tuple[int, int]:
        """Where in the file a place in an expression is (YAML; folded text keeps no lines)."""
        here = self.source[node.line - 1][node.column - 1 :] if node.line <= len(self.source) else ""
        if inside:
            return node.line, node.column + max(here.find("{" + inside), 0)
        if here.startswith(("|", ">")) and node.line < len(self.source):
            first = self.source[node.line]
            indent = len(first) - len(first.lstrip())
            return (node.line + line, indent + column) if here[0] == "|" else (node.line + 1, indent + 1)
        quote = 0 if isinstance(node, document.Scalar) and node.is_plain else 1
        return (node.line, node.column + quote + column - 1) if line == 1 else (node.line + line - 1, column)

    def placeholders(self, node: document.Mapping, path: str) -> dict[str, str]:
        """The placeholders of the message; each must be a path or a name of ``let``, checked like a rule."""
        message = node.items["message"]
        found: dict[str, str] = {}
        rest = _PLACEHOLDER.sub("", self.text(node, "message"))
        if "{" in rest or "}" in rest:
            self.mistake(message, path, "template", "A brace has no partner.", "Write {self.name}.")
        for placeholder in _PLACEHOLDER.findall(self.text(node, "message")):
            if _PATH.fullmatch(placeholder):
                found[placeholder] = placeholder
                continue
            what = f"{{{shown(placeholder)}}} is neither a dotted path nor a name of let."
            self.mistake(message, path, "template", what, "Write {self.name}, or bind a name with let.")
        return found

    def tests(self, node: document.Mapping, path: str, needs_day: bool) -> tuple[RuleTest, ...]:
        found = node.items["tests"]
        if not isinstance(found, document.Sequence):
            self.mistake(found, path, "untested", "tests: is a list.", "Add one that passes and one that finds.")
            return ()
        tests = [test for each in found.items if (test := self.test(each, path, needs_day))]
        if not any(test.finds for test in tests) or all(test.finds for test in tests):
            what = "A rule needs a test that passes and one that finds."
            self.mistake(found, path, "untested", what, "Add the one that is missing.")
        return tuple(tests)

    def test(self, node: document.Node, path: str, needs_day: bool) -> RuleTest | None:
        if not isinstance(node, document.Mapping):
            self.mistake(node, path, "bad_value", "A test is a mapping.", "Write {name:, given:, finds:}.")
            return None
        name = self.text(node, "name")
        where = f"{path} › {name}"
        before = len(self.mistakes)
        self.unknown_keys(node, _TEST_KEYS, where)
        given, finds = node.items.get("given"), node.items.get("finds")
        if not name or not isinstance(given, document.Mapping) or not isinstance(finds, document.Sequence):
            self.mistake(node, where, "missing_key", "A test needs name, given and finds.", "Add them.")
            return None
        at = self.text(node, "at")
        if needs_day and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", at):
            self.mistake(node, where, "missing_key", "The rule reads today, so at is due.", "Write at: 2026-11-24.")
        objects: dict[str, list[dict[str, Raw]]] = {}
        for type_name, listed in given.items.items():
            if type_name not in self.catalogue.types or not isinstance(listed, document.Sequence):
                near = self.catalogue.nearest(type_name)
                mend = f"Did you mean {near}?" if near else "Name a resource type with a list."
                self.mistake(given.keys[type_name], where, "unknown_name", f"No list {shown(type_name)}.", mend)
                continue
            objects[type_name] = []
            for item in listed.items:
                if not isinstance(item, document.Mapping):
                    self.mistake(item, where, "not_an_object", "An object is a mapping.", "Write {field: value}.")
                    continue
                for unknown in item.items.keys() - self.catalogue.types[type_name].fields.keys() - RESERVED:
                    what = f"{type_name} has no field {shown(unknown)}."
                    mend = did_you_mean(unknown, self.catalogue.types[type_name].fields, "Remove it.")
                    self.mistake(item.keys[unknown], where, "unknown_name", what, mend)
                objects[type_name].append({key: raw_value(value) for key, value in item.items.items()})
        if len(self.mistakes) > before:
            return None
        wanted = document.plain_value(finds)
        if not all(isinstance(each, dict) for each in wanted):
            self.mistake(finds, where, "bad_value", "finds: is a list of mappings.", "Write [{key: …}].")
            return None
        wanted = tuple({key: str(value) for key, value in each.items()} for each in wanted)
        return RuleTest(
            name, objects, wanted, at, self.text(node, "stage") or "live", self.parameters(node, where), self.file,
            node.line,
        )  # fmt: skip


def read_types(catalogue: Catalogue, subject: str, shapes: Mapping[str, Any]) -> frozenset[str]:
    """Resource types whose lists a rule's decision needs; ``*`` alone for a rule for any."""
    if subject == ANY:
        return frozenset()
    types = {subject} if subject != CONFIGURATION else set()

    def visit(name: str, shape: Shape) -> None:
        types.add(name)
        kind, backs = catalogue.types[name], catalogue.back_references[name]
        for part, below in shape.fields.items():
            each = kind.fields.get(part)
            if each is not None and each.target:
                visit(each.target, below)
            elif each is None and part in backs:
                visit(backs[part].source, below)

    if subject in catalogue.types:
        visit(subject, shapes.get("self", Shape()))
    for name, below in shapes.get("configuration", Shape()).fields.items():
        visit(name, below)
    types |= shapes.get("counts", Shape()).fields.keys()
    return frozenset(types)
