"""What an expression reads, worked out from its checked syntax tree.

The engine hands out the tree as a serialised ``cel.expr.CheckedExpr``; it is decoded with a
descriptor made here. A ``Shape`` is the tree of fields and links that an expression touches: only
those are handed to the engine, to that depth, so nothing is converted in vain and nothing is cyclic.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_F: Final = descriptor_pb2.FieldDescriptorProto
#: The fields of cel/expr/syntax.proto and checked.proto that we read: message → (name, number, type, repeated).
_MESSAGES: Final[Mapping[str, tuple[tuple[str, int, str, bool], ...]]] = {
    "Constant": (("int64_value", 3, "int64", False), ("string_value", 6, "string", False)),
    "Ident": (("name", 1, "string", False),),
    "Select": (("operand", 1, "Expr", False), ("field", 2, "string", False), ("test_only", 3, "bool", False)),
    "Call": (("target", 1, "Expr", False), ("function", 2, "string", False), ("args", 3, "Expr", True)),
    "CreateList": (("elements", 1, "Expr", True),),
    "Entry": (("id", 1, "int64", False), ("map_key", 3, "Expr", False), ("value", 4, "Expr", False)),
    "CreateStruct": (("message_name", 1, "string", False), ("entries", 2, "Entry", True)),
    "Comprehension": (
        ("iter_var", 1, "string", False), ("iter_range", 2, "Expr", False), ("accu_var", 3, "string", False),
        ("accu_init", 4, "Expr", False), ("loop_condition", 5, "Expr", False), ("loop_step", 6, "Expr", False),
        ("result", 7, "Expr", False), ("iter_var2", 8, "string", False),
    ),
    "Expr": (
        ("id", 2, "int64", False), ("const_expr", 3, "Constant", False), ("ident_expr", 4, "Ident", False),
        ("select_expr", 5, "Select", False), ("call_expr", 6, "Call", False), ("list_expr", 7, "CreateList", False),
        ("struct_expr", 8, "CreateStruct", False), ("comprehension_expr", 9, "Comprehension", False),
    ),
    "Type": (("message_type", 9, "string", False),),
    "TypeEntry": (("key", 1, "int64", False), ("value", 2, "Type", False)),
    "CheckedExpr": (("type_map", 3, "TypeEntry", True), ("expr", 4, "Expr", False)),
}  # fmt: skip


@lru_cache(1)
def _checked_expr() -> Any:
    scalars = {"int64": _F.TYPE_INT64, "string": _F.TYPE_STRING, "bool": _F.TYPE_BOOL}
    file = descriptor_pb2.FileDescriptorProto(name="checked.proto", package="tree", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "Expr":
            message.oneof_decl.add(name="kind")
        for field_name, number, kind, repeated in fields:
            label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
            if kind in scalars:
                message.field.add(name=field_name, number=number, type=scalars[kind], label=label)
                continue
            added = message.field.add(
                name=field_name, number=number, type=_F.TYPE_MESSAGE, type_name=f".tree.{kind}", label=label
            )
            if name == "Expr":
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tree.CheckedExpr"))


def _checked(serialised: bytes) -> Any:
    return _checked_expr().FromString(any_pb2.Any.FromString(serialised).value)


@dataclass(slots=True)
class Shape:
    """Fields and links that expressions touch below one value."""

    fields: dict[str, "Shape"] = field(default_factory=dict)

    def child(self, name: str) -> "Shape":
        """The shape below a field, made when first touched."""
        return self.fields.setdefault(name, Shape())

    def merge(self, other: "Shape") -> None:
        """Take in all that another shape touches."""
        for name, below in other.fields.items():
            self.child(name).merge(below)


@dataclass(frozen=True, slots=True)
class _Pair:
    """An item of ``pairs(list)``: ``before`` and ``after`` are items of the list."""

    items: tuple[Shape, ...]


_Values: TypeAlias = "tuple[Shape | _Pair, ...]"
_SAME: Final = frozenset(("distinct", "_+_", "orValue", "or", "optional.of", "value", "slice", "reverse", "dyn"))


@dataclass(slots=True)
class Reads:
    """All that an expression reads."""

    roots: dict[str, Shape] = field(default_factory=dict)  #: variable → shape
    functions: set[str] = field(default_factory=set)
    patterns: list[str] = field(default_factory=list)  #: constants given to ``matches``
    compares_objects: bool = False  #: two objects are compared by ``==``, which means nothing

    @property
    def reads_today(self) -> bool:
        """True if the answer can change with the day."""
        return "today" in self.roots

    def root(self, name: str) -> Shape:
        """What is read below a variable."""
        return self.roots.get(name, Shape())


def reads_of(serialised: bytes) -> Reads:
    """Work out what a checked expression reads."""
    checked = _checked(serialised)
    messages = {entry.key: entry.value.message_type for entry in checked.type_map if entry.value.message_type}
    walk = _Walk(messages)
    walk.values(checked.expr, {})
    return walk.reads


def depth_of(serialised: bytes) -> int:
    """How deeply the expression nests, macros expanded not counted."""
    deepest = 0
    stack = [(_checked(serialised).expr, 1)]
    while stack:
        expr, depth = stack.pop()
        deepest = max(deepest, depth)
        stack.extend((child, depth + 1) for child in _children(expr))
    return deepest


def _children(expr: Any) -> Iterator[Any]:
    kind = _kind(expr)
    if kind == "select_expr":
        yield expr.select_expr.operand
    elif kind == "call_expr":
        if expr.call_expr.HasField("target"):
            yield expr.call_expr.target
        yield from expr.call_expr.args
    elif kind == "list_expr":
        yield from expr.list_expr.elements
    elif kind == "struct_expr":
        yield from (entry.value for entry in expr.struct_expr.entries)
    elif kind == "comprehension_expr":
        fold = expr.comprehension_expr
        yield from (fold.iter_range, fold.loop_step, fold.accu_init, fold.result)


def _kind(expr: Any) -> str:
    return expr.WhichOneof("kind") or "struct_expr"


class _Walk:
    """Follows values through an expression: which shapes may this part of it stand for?"""

    def __init__(self, messages: Mapping[int, str]) -> None:
        self.messages = messages
        self.reads = Reads()

    def values(self, expr: Any, scope: Mapping[str, _Values]) -> _Values:
        match _kind(expr):
            case "ident_expr":
                name = expr.ident_expr.name
                if name in scope:
                    return scope[name]
                return (self.reads.roots.setdefault(name, Shape()),)
            case "select_expr":
                return self.select(self.values(expr.select_expr.operand, scope), expr.select_expr.field)
            case "call_expr":
                return self.call(expr.call_expr, scope)
            case "list_expr":
                return self.union(self.values(each, scope) for each in expr.list_expr.elements)
            case "comprehension_expr":
                return self.fold(expr.comprehension_expr, scope)
            case "struct_expr":
                return self.union(self.values(entry.value, scope) for entry in expr.struct_expr.entries)
        return ()

    def union(self, several: Iterable[_Values]) -> _Values:
        found: dict[int, Shape | _Pair] = {}
        for values in several:
            found.update({id(each): each for each in values})
        return tuple(found.values())

    def select(self, values: _Values, name: str) -> _Values:
        found: list[Shape | _Pair] = []
        for each in values:
            if isinstance(each, _Pair):
                found.extend(each.items)
            else:
                found.append(each.child(name))
        return self.union([tuple(found)])

    def call(self, call: Any, scope: Mapping[str, _Values]) -> _Values:
        function = call.function
        target = [call.target] if call.HasField("target") else []
        operands = [*target, *call.args]
        self.reads.functions.add(function)
        if function == "_?._":
            return self.select(self.values(operands[0], scope), operands[1].const_expr.string_value)
        given = [self.values(each, scope) for each in operands]
        if function in ("_[_]", "_[?_]"):
            return given[0]
        if function == "_?_:_":
            return self.union(given[1:])
        if function == "pairs":
            return (_Pair(tuple(each for each in given[0] if isinstance(each, Shape))),)
        if function == "in_force":
            self.select(given[0], "effective_from")
            self.select(given[0], "effective_to")
        if function == "matches" and _kind(operands[-1]) == "const_expr":
            self.reads.patterns.append(operands[-1].const_expr.string_value)
        if function in ("_==_", "_!=_", "@in") and any(self.messages.get(each.id) for each in operands[:1]):
            name = self.messages[operands[0].id]
            self.reads.compares_objects |= not name.startswith("google.")
        if function in _SAME:
            return self.union(given)
        return ()

    def fold(self, fold: Any, scope: Mapping[str, _Values]) -> _Values:
        over = self.values(fold.iter_range, scope)
        accumulated = self.values(fold.accu_init, scope)
        inner = {**scope, fold.accu_var: accumulated, fold.iter_var: over}
        if fold.iter_var2:
            inner[fold.iter_var2] = over
        self.values(fold.loop_condition, inner)
        # Once is enough: nobody can write an expression that looks into what a macro has gathered so far.
        accumulated = self.union([accumulated, self.values(fold.loop_step, inner)])
        return self.values(fold.result, {**scope, fold.accu_var: accumulated})


_ENDLESS: Final = 1 << 40
_HANDED_ON: Final = frozenset(
    ("distinct", "orValue", "or", "optional.of", "value", "slice", "reverse", "dyn", "_?._", "split", "substring",
     "trim", "lowerAscii", "upperAscii", "_?_:_")
)  # fmt: skip


class _Size(NamedTuple):
    """How large a value may be, in multiples of the largest value read: so many items, each so large."""

    items: int = 1
    each: int = 1

    @property
    def whole(self) -> int:
        return self.items * self.each


def growth_of(serialised: bytes) -> int:
    """How many times as large as the largest value it reads a text or list may become on the way.

    The engine bounds steps, not sizes: a text doubled by each of 25 names takes gigabytes in few steps.
    """
    growth = _Growth()
    growth.of(_checked(serialised).expr, {})
    return growth.most


class _Growth:
    """Follows sizes through an expression."""

    def __init__(self) -> None:
        self.most = 1

    def of(self, expr: Any, scope: Mapping[str, _Size]) -> _Size:
        found = self._of(expr, scope)
        self.most = max(self.most, found.whole)
        return _Size(min(found.items, _ENDLESS), min(found.each, _ENDLESS))

    def _of(self, expr: Any, scope: Mapping[str, _Size]) -> _Size:
        match _kind(expr):
            case "const_expr":
                return _Size(1, 1 + len(expr.const_expr.string_value) // 64)
            case "ident_expr":
                return scope.get(expr.ident_expr.name, _Size())
            case "select_expr":
                return self.of(expr.select_expr.operand, scope)
            case "call_expr":
                return self.call(expr.call_expr, scope)
            case "comprehension_expr":
                return self.fold(expr.comprehension_expr, scope)
        items = [self.of(each, scope).whole for each in _children(expr)]
        return _Size(max(1, len(items)), max(items, default=1))

    def fold(self, fold: Any, scope: Mapping[str, _Size]) -> _Size:
        over, start = self.of(fold.iter_range, scope), self.of(fold.accu_init, scope)
        item = _Size(1, over.each)
        step = self.of(fold.loop_step, {**scope, fold.accu_var: start, fold.iter_var: item, fold.iter_var2: item})
        return self.of(fold.result, {**scope, fold.accu_var: _Size(over.items * step.items, step.each)})

    def call(self, call: Any, scope: Mapping[str, _Size]) -> _Size:
        operands = [*([call.target] if call.HasField("target") else []), *call.args]
        sizes = [self.of(each, scope) for each in operands]
        items, each = max(one.items for one in sizes), max(one.each for one in sizes)
        match call.function:
            case "_+_" if items > 1:
                return _Size(sum(one.items for one in sizes), each)
            case "_+_" | "format":
                return _Size(1, sum(one.whole for one in sizes))
            case "strings.quote":
                return _Size(1, 2 * each)
            case "replace":
                new = operands[2]
                constant = _kind(new) == "const_expr"
                return _Size(1, sizes[0].each * (1 + len(new.const_expr.string_value) if constant else 64 * each))
            case "join":
                return _Size(1, sizes[0].items * (sizes[0].each + (sizes[1].each if len(sizes) > 1 else 0)))
            case "_[_]" | "_[?_]":
                return _Size(1, sizes[0].each)
            case "pairs":
                return _Size(items, 2 * each)
            case name if name in _HANDED_ON:
                return _Size(items, each)
        return _Size()
