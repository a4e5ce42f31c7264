"""CEL: each expression is checked against the catalogue when a pack is loaded, and runs bounded.

Two environments. The *checking* one has a message for each resource type, made from the catalogue:
it refuses a misspelt field at any depth, a boolean compared with "Yes", and ``<`` or ``==`` on a
decimal. The *running* one evaluates the same text on plain dictionaries. The engine bounds steps,
depth and sizes (docs/decisions/0004).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool

from baselines.catalogue import Catalogue, Field, FieldType
from rules import functions
from rules.syntax import Reads, depth_of, growth_of, reads_of

LONGEST: Final = 4096  #: characters of one expression
DEEPEST: Final = 64  #: levels of the expanded syntax tree (32 as written, which the engine sees to)
LARGEST: Final = 4096  #: times the largest value read that anything in an expression may grow to
#: Fields of ``self`` in a rule ``for: any``.
ANY_FIELDS: Final = (
    "missing", "dangling", "not_allowed", "out_of_range", "duplicated", "too_early", "overtaken"
)  # fmt: skip

_F: Final = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "smart360"
_SELF: Final = "_self_of_"  #: before a type: what ``self`` is bound to while checking
_SCALARS: Final = {
    FieldType.BOOLEAN: _F.TYPE_BOOL,
    FieldType.INTEGER: _F.TYPE_INT64,
}
_QUANTITIES: Final = {FieldType.DECIMAL: "Decimal", FieldType.DURATION: "Duration"}
_COUNTED: Final = frozenset(
    (FieldType.CHOICE, FieldType.REF, FieldType.BOOLEAN, FieldType.TEXT, FieldType.COUNTRY, FieldType.CURRENCY)
)


class Refused(Exception):
    """An expression that does not compile: stable code, what, offset of the place in its text."""

    def __init__(self, code: str, what: str, offset: tuple[int, int] = (1, 0), near: str = "") -> None:
        super().__init__(what)
        self.code, self.what, self.offset, self.near = code, what, offset, near


@dataclass(frozen=True, slots=True)
class Undecided:
    """Why an expression gave no answer: ``absent``, ``budget`` or ``error``, and the engine's words."""

    reason: str
    detail: str


def evaluated(program: Any, facts: Any) -> Any:
    """Run a compiled program; every failure of the engine becomes ``Undecided``.

    Args:
        program: from an environment of the engine.
        facts: a mapping of variables, or an Activation made of one.
    """
    try:
        result = program.eval(data=facts) if isinstance(facts, Mapping) else program.eval(facts)
        value = result.plain_value()
    except RuntimeError as error:
        return _undecided(str(error))
    except MemoryError:
        return Undecided("budget", "the expression takes too much memory")
    if not isinstance(value, list | int) and result.type() == cel.Type.ERROR:
        return _undecided(str(value))
    return value


def _undecided(words: str) -> Undecided:
    if words.startswith("NOT_FOUND"):
        name = re.search(r'"(.*)"', words)
        return Undecided("absent", name[1] if name else "")
    if "budget" in words or "exceed" in words or words.startswith("RESOURCE_EXHAUSTED"):
        return Undecided("budget", "the expression takes too many steps")
    return Undecided("error", words.splitlines()[0][:200])


# -- the language ----------------------------------------------------------------------------------


def _extensions() -> list[Any]:
    return [ext_optional.ExtOptional(), ext_strings.ExtStrings(), ext_bindings.ExtBindings()]


def _forgetting(implementation: Any) -> Any:
    """The same, emptying what it was given: copies that the engine never lets go of (cel-expr-python 0.1.3)."""

    def called(*given: Any) -> Any:
        try:
            return implementation(*given)
        finally:
            for each in given:
                if isinstance(each, dict | list):
                    each.clear()

    return called


_FORGOTTEN: Final = (cel.Type.STRING, cel.Type.INT)  #: copies of these are forgotten by themselves


def _function(name: str, overloads: Iterable[tuple[Sequence[Any], Any]], implementation: Any, member: bool) -> Any:
    return cel.FunctionDecl(
        name,
        [
            cel.Overload(
                f"{name}_{number}", return_type=returns, parameters=list(given), is_member=member,
                impl=implementation if all(each in _FORGOTTEN for each in given) else _forgetting(implementation),
            )
            for number, (given, returns) in enumerate(overloads)
        ],
    )  # fmt: skip


class Language:
    """Checks expressions against one catalogue, and compiles what is run."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.running = _running_environment()  # the same for every catalogue, so that overlays share programs

    @cached_property
    def _checking(self) -> Any:
        """The checking environment: one, since each costs 8 ms; ``self`` is bound to a name of its type in it."""
        variables = {
            "today": cel.Type.STRING,
            "parameters": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
            "configuration": cel.Type(f"{_PACKAGE}.Configuration"),
            "counts": cel.Type(f"{_PACKAGE}.Counts"),
            f"{_SELF}any": cel.Type(f"{_PACKAGE}.AnyObject"),
        }
        variables |= {f"{_SELF}{name}": cel.Type(f"{_PACKAGE}.{name}") for name in self.catalogue.types}
        return cel.NewEnv(
            descriptor_pool=_descriptors(self.catalogue), variables=variables,
            functions=_checking_functions(self.catalogue), extensions=_extensions(),
        )  # fmt: skip

    def check(self, text: str, subject: str, *, lets: Mapping[str, str], boolean: bool = False) -> Reads:
        """Check one expression of a rule for ``subject``; what it reads.

        Args:
            text: the expression.
            subject: a resource type, ``any`` or ``configuration``.
            lets: names bound before it, in order.
            boolean: the result must be true or false.

        Raises:
            Refused: it does not compile, or reads what the catalogue does not have.
        """
        if len(text) > LONGEST:
            raise Refused("limit", f"{len(text)} characters, the limit is {LONGEST}.")
        reads, kind = self._checked(bound(text, lets), subject, _prefix(lets), len(lets))
        if boolean and kind not in ("BOOL", "DYN"):
            raise Refused("cel_type", f"the result is {kind.lower()}, not true or false.")
        return reads

    def check_rule(
        self, when: str, expect: str, placeholders: Iterable[str], subject: str, *, lets: Mapping[str, str]
    ) -> Reads:
        """Check all that a rule says at once, a little deeper nested than it will be run; what it reads.

        Four times as quick as one by one, but what is refused has no place: ask ``check`` for it.

        Raises:
            Refused: something in it does not compile.
        """
        if any(len(each) > LONGEST for each in (when, expect, *lets.values())):
            raise Refused("limit", f"more than {LONGEST} characters.")
        parts = [rule_text(when, expect, lets)]
        parts += [bound(each, lets if each.split(".")[0] in lets else {}) for each in placeholders]
        whole = "[" + ", ".join(f"dyn(({each}))" for each in parts) + "]"
        return self._checked(whole, subject, "", len(lets))[0]

    def _checked(self, whole: str, subject: str, prefix: str, names: int) -> tuple[Reads, str]:
        """What a whole expression reads, and the type of its result."""
        if _SELF in whole:
            raise Refused("unknown_name", f"Nothing is called “{_SELF}…”.", near="self")
        if subject != "configuration":
            this = {"self": f"{_SELF}{subject}"}
            whole, prefix = bound(whole, this), _prefix(this) + prefix
        try:
            checked = self._checking.compile(whole)
        except RuntimeError as error:
            raise self._refusal(str(error), prefix) from None
        serialised = checked.serialize()
        if depth_of(serialised) > DEEPEST * (2 + names):
            raise Refused("limit", f"nested deeper than {DEEPEST} levels.")
        if (growth := growth_of(serialised)) > LARGEST:
            what = f"a text or list in it may grow to {growth} times what it is made of, the limit is {LARGEST}."
            raise Refused("limit", what)
        reads = reads_of(serialised)
        shape = reads.roots.pop(f"{_SELF}{subject}", None)
        if shape is not None and shape.fields:
            reads.roots["self"] = shape
        if reads.compares_objects:
            what = "== compares objects or decimals, which means nothing; compare keys, or use equals()."
            raise Refused("cel_type", what)
        for pattern in reads.patterns:
            outcome = evaluated(self.running.compile("''.matches(p)", disable_check=True), {"p": pattern})
            if isinstance(outcome, Undecided):
                raise Refused("regex", f"the pattern {pattern!r} cannot be read: {outcome.detail}")
        return reads, checked.return_type().name()

    def _refusal(self, words: str, prefix: str) -> Refused:
        if "recursion" in words.lower():
            return Refused("limit", f"nested deeper than {DEEPEST // 2} levels, names of let before it included.")
        match = re.search(r"<input>:(\d+):(\d+): (.*)", words)
        if match is None:
            return Refused("limit" if "exceed" in words.lower() else "cel_syntax", words.splitlines()[0][:200])
        line, column, what = int(match[1]) - prefix.count("\n"), int(match[2]), match[3]
        if line == 1:
            column -= len(prefix) - (prefix.rfind("\n") + 1)
        line, column = max(line, 1), max(column, 1)
        field = re.match(r"undefined field '(\w+)' not found in struct '\w+\.(\w+)'", what)
        if field:
            near = self._near(field[1], field[2])
            return Refused("unknown_name", f"{_owner(field[2])} has no field “{field[1]}”.", (line, column), near)
        name = re.match(r"undeclared reference to '([^']+)'", what)
        if name:
            return Refused("unknown_name", f"Nothing is called “{name[1]}”.", (line, column), self._near(name[1], ""))
        if "overload" in what or "type" in what:
            shown = what.replace(f"{_PACKAGE}.", "")
            return Refused("cel_type", f"{shown[0].upper()}{shown[1:]}.", (line, column))
        return Refused("cel_syntax", f"{what[0].upper()}{what[1:]}.", (line, column))

    def _near(self, name: str, struct: str) -> str:
        from difflib import get_close_matches

        if struct == "AnyObject":
            known: Iterable[str] = ANY_FIELDS
        elif struct in self.catalogue.types:
            known = [*self.catalogue.types[struct].fields, *self.catalogue.back_references[struct], "key"]
        elif struct in ("Configuration", "Counts"):
            known = self.catalogue.types
        else:
            known = ["self", "configuration", "counts", "today", "parameters", *_FUNCTION_NAMES]
        return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), "")


def bound(text: str, lets: Mapping[str, str]) -> str:
    """The expression with its names bound before it; a comment ends with its line."""
    return f"{_prefix(lets)}{text}\n{')' * len(lets)}"


def _prefix(lets: Mapping[str, str]) -> str:
    return "".join(f"cel.bind({name}, ({inner}\n), " for name, inner in lets.items())


def rule_text(when: str, expect: str, lets: Mapping[str, str]) -> str:
    """A rule as the engine runs it: 1 passed, 0 a finding, 2 does not apply to this object.

    Names are bound once, around both: of two bindings side by side, the engine (0.1.3) may take the
    second's from the first (docs/decisions/0020).
    """
    inner = f"({expect}\n) ? 1 : 0"
    return bound(f"({when}\n) ? ({inner}) : 2" if when else inner, lets)


def _owner(struct: str) -> str:
    return {"AnyObject": "self of a rule for any", "Configuration": "configuration", "Counts": "counts"}.get(
        struct, struct.split("__")[0]
    )


@lru_cache(16)
def language_of(catalogue: Catalogue) -> Language:
    """The language for a catalogue; made once, since its environments are dear."""
    return Language(catalogue)


def _descriptors(catalogue: Catalogue) -> Any:
    """Messages made from the catalogue, for checking only."""
    file = descriptor_pb2.FileDescriptorProto(name="smart360.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.add(name="Decimal")
    file.message_type.add(name="Duration")
    for kind in catalogue.types.values():
        _message(file, kind.name, _members(kind.fields.values()))
        message = file.message_type[-1]
        _add(message, "key", "string", False)
        for back in catalogue.back_references[kind.name].values():
            _add(message, back.name, back.source, True)
        for each in kind.fields.values():
            if each.item is not None and each.item.fields:
                _message(file, f"{kind.name}__{each.name}", _members(each.item.fields.values()))
        counted = [each for each in kind.fields.values() if each.type in _COUNTED and not each.is_secret]
        _counting(file, kind.name, [each.name for each in counted])
    for name, _ in _pairable(catalogue):
        _message(file, f"Pair__{name}", [("before", name, False), ("after", name, False)])
    _message(file, "AnyObject", [("resource_type", "string", False), ("key", "string", False)])
    for name in ANY_FIELDS:
        _add(file.message_type[-1], name, "string", True)
    _message(file, "Configuration", [(k.name, k.name, True) for k in catalogue.types.values() if not k.is_bulk])
    _message(file, "Counts", [(name, f"Count__{name}", False) for name in catalogue.types])
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _members(fields: Iterable[Field]) -> Iterator[tuple[str, str, bool]]:
    for each in fields:
        if each.is_volatile:  # never kept, so no rule may rest on it
            continue
        item = each.item if each.type is FieldType.LIST and each.item is not None else each
        yield each.name, _type_name(item), each.type is FieldType.LIST


def _type_name(each: Field) -> str:
    if each.type is FieldType.REF:
        return each.to
    if each.type is FieldType.ITEM:
        return f"__{each.name}"
    if each.type in _QUANTITIES:
        return _QUANTITIES[each.type]
    return {_F.TYPE_BOOL: "bool", _F.TYPE_INT64: "int64"}.get(_SCALARS.get(each.type, 0), "string")


def _message(file: Any, name: str, members: Iterable[tuple[str, str, bool]]) -> None:
    message = file.message_type.add(name=name)
    for field_name, kind, repeated in members:
        _add(message, field_name, f"{name}{kind}" if kind.startswith("__") else kind, repeated)


def _add(message: Any, name: str, kind: str, repeated: bool) -> None:
    scalars = {"string": _F.TYPE_STRING, "bool": _F.TYPE_BOOL, "int64": _F.TYPE_INT64}
    label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
    number = len(message.field) + 1
    if kind in scalars:
        message.field.add(name=name, number=number, type=scalars[kind], label=label)
    else:
        message.field.add(name=name, number=number, type=_F.TYPE_MESSAGE, type_name=f".{_PACKAGE}.{kind}", label=label)


def _counting(file: Any, name: str, fields: Sequence[str]) -> None:
    """``counts.<type>``: all, active, and by.<field>["value"]."""
    by = file.message_type.add(name=f"CountBy__{name}")
    for field_name in fields:
        entry = "".join(part.capitalize() for part in field_name.split("_")) + "Entry"
        nested = by.nested_type.add(name=entry)
        nested.options.map_entry = True
        nested.field.add(name="key", number=1, type=_F.TYPE_STRING, label=_F.LABEL_OPTIONAL)
        nested.field.add(name="value", number=2, type=_F.TYPE_INT64, label=_F.LABEL_OPTIONAL)
        by.field.add(
            name=field_name, number=len(by.field) + 1, type=_F.TYPE_MESSAGE, label=_F.LABEL_REPEATED,
            type_name=f".{_PACKAGE}.CountBy__{name}.{entry}",
        )  # fmt: skip
    _message(file, f"Count__{name}", [("all", "int64", False), ("active", "int64", False),
                                      ("by", f"CountBy__{name}", False)])  # fmt: skip


def _pairable(catalogue: Catalogue) -> Iterator[tuple[str, Any]]:
    """Everything a list can hold: name of the type, and the engine's type."""
    for name, kind in (("string", cel.Type.STRING), ("int64", cel.Type.INT), ("Decimal", None)):
        yield name, kind or cel.Type(f"{_PACKAGE}.Decimal")
    for resource_type in catalogue.types.values():
        yield resource_type.name, cel.Type(f"{_PACKAGE}.{resource_type.name}")
        for each in resource_type.fields.values():
            if each.item is not None and each.item.fields:
                name = f"{resource_type.name}__{each.name}"
                yield name, cel.Type(f"{_PACKAGE}.{name}")


_FUNCTION_NAMES: Final = (
    *functions.COMPARISONS, *functions.ARITHMETIC, "decimal", "sum", "days", "weekday", "in_force", "next_run", "pairs",
    "distinct", "subset", "same", "host", "placeholder", "has", "filter", "exists", "exists_one", "all", "map", "size",
)  # fmt: skip


def _checking_functions(catalogue: Catalogue) -> list[Any]:
    """The functions with the catalogue's types; they are never called."""
    kinds = cel.Type
    amount, span = kinds(f"{_PACKAGE}.Decimal"), kinds(f"{_PACKAGE}.Duration")
    never = print  # declared only: nothing runs in the checking environment
    held = [kind for _, kind in _pairable(catalogue)]
    dated = [
        kinds(f"{_PACKAGE}.{each.name}")
        for each in catalogue.types.values()
        if each.fields.keys() & {"effective_from", "effective_to"}
    ]
    rights = [amount, kinds.STRING, kinds.INT]
    declared = [
        _function(name, [*(([amount, right], kinds.BOOL) for right in rights),
                         *(([span, right], kinds.BOOL) for right in (span, kinds.STRING))], never, True)
        for name in functions.COMPARISONS
    ]  # fmt: skip
    declared += [
        _function(name, [([amount, right], amount) for right in rights], never, True) for name in functions.ARITHMETIC
    ]
    lists = [kinds.List(kind) for kind in held]
    pairs = [([kinds.List(kind)], kinds.List(kinds(f"{_PACKAGE}.Pair__{name}"))) for name, kind in _pairable(catalogue)]
    signatures: dict[str, list[tuple[list[Any], Any]]] = {
        "decimal": [([kinds.STRING], amount), ([kinds.INT], amount)],
        "sum": [([kinds.List(amount)], amount), ([kinds.List(kinds.INT)], amount)],
        "days": [([kinds.STRING, kinds.INT], kinds.STRING)],
        "weekday": [([kinds.STRING], kinds.STRING)],
        "in_force": [([kind, kinds.STRING], kinds.BOOL) for kind in dated],
        "next_run": [([kinds.STRING, kinds.STRING], kinds.STRING)],
        "pairs": pairs,
        "distinct": [([each], each) for each in lists],
        "subset": [([each, each], kinds.BOOL) for each in lists],
        "same": [([each, each], kinds.BOOL) for each in lists],
        "host": [([kinds.STRING], kinds.STRING)],
        "placeholder": [([kinds.STRING], kinds.BOOL)],
    }
    return declared + [_function(name, overloads, never, False) for name, overloads in signatures.items()]


PLACEHOLDER: Final = "placeholder:"  #: put before a secret's fingerprint where it is that of a known stand-in


@lru_cache(1)
def _running_environment() -> Any:
    kinds = cel.Type
    anything = kinds.Map(kinds.STRING, kinds.DYN)
    scalars = (kinds.STRING, kinds.INT)
    both = [[one, other] for one in scalars for other in scalars]
    listed = kinds.List(kinds.DYN)
    declared = [
        _function(name, [(given, kinds.BOOL) for given in both], implementation, True)
        for name, implementation in functions.COMPARISONS.items()
    ]
    declared += [
        _function(name, [(given, kinds.STRING) for given in both], implementation, True)
        for name, implementation in functions.ARITHMETIC.items()
    ]
    plain: list[tuple[str, list[list[Any]], Any, Any]] = [
        ("decimal", [[kinds.STRING], [kinds.INT]], kinds.STRING, functions.decimal),
        ("sum", [[listed]], kinds.STRING, functions.total),
        ("days", [[kinds.STRING, kinds.INT]], kinds.STRING, functions.days),
        ("weekday", [[kinds.STRING]], kinds.STRING, functions.weekday),
        ("in_force", [[anything, kinds.STRING]], kinds.BOOL, functions.in_force),
        ("next_run", [[kinds.STRING, kinds.STRING]], kinds.STRING, functions.next_run),
        ("pairs", [[listed]], listed, functions.pairs),
        ("distinct", [[listed]], listed, functions.distinct),
        ("subset", [[listed, listed]], kinds.BOOL, functions.subset),
        ("same", [[listed, listed]], kinds.BOOL, functions.same),
        ("host", [[kinds.STRING]], kinds.STRING, functions.host),
        ("placeholder", [[kinds.STRING]], kinds.BOOL, lambda value: value.startswith(PLACEHOLDER)),
    ]
    declared += [
        _function(name, [(given, returns) for given in signatures], implementation, False)
        for name, signatures, returns, implementation in plain
    ]
    return cel.NewEnv(
        variables={
            "self": anything, "configuration": anything, "counts": anything, "parameters": anything,
            "today": kinds.STRING,
        },
        functions=declared, extensions=_extensions(),
    )  # fmt: skip
