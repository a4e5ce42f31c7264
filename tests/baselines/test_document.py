"""The tree: what stays as written, where it stands, and the limits."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.document import Limits, Mapping, Node, Scalar, Sequence, plain_value, read_document, scalar_value
from baselines.errors import InvalidInput


def refused(data: str, name: str = "t.yaml", limits: Limits | None = None) -> list[tuple[str, int, int]]:
    with pytest.raises(InvalidInput) as error:
        read_document(data.encode(), name, limits=limits or Limits())
    return [(mistake.code, mistake.line, mistake.column) for mistake in error.value.mistakes]


def places(node: Node) -> list[tuple[str, int, int]]:
    """Each scalar, key and collection with its place, depth first."""
    if isinstance(node, Scalar):
        return [(node.text, node.line, node.column)]
    if isinstance(node, Sequence):
        return [("[", node.line, node.column)] + [place for item in node.items for place in places(item)]
    found = [("{", node.line, node.column)]
    for name, value in node.items.items():
        found += [*places(node.keys[name]), *places(value)]
    return found


@pytest.mark.parametrize("name", ["t.yaml", "t.json"])
def test_everything_knows_its_line_and_column_in_characters(name):
    data = '{"é": 1,\n  "b": [true, "😀", {"c": null}],\n\n "d\\u00e9": -1.50e3}'
    assert places(read_document(data.encode(), name)) == [
        ("{", 1, 1), ("é", 1, 2), ("1", 1, 7),
        ("b", 2, 3), ("[", 2, 8), ("true", 2, 9), ("😀", 2, 15), ("{", 2, 20), ("c", 2, 21), ("null", 2, 26),
        ("dé", 4, 2), ("-1.50e3", 4, 13),
    ]  # fmt: skip


def test_columns_behind_escaped_surrogates_are_those_of_the_file():
    data = '{"a": "\\ud83d\\ude00\\ud83d\\ude00", "b": 1}'
    assert places(read_document(data.encode(), "t.json"))[-1] == ("1", 1, data.index("1") + 1)


def test_quoted_and_unquoted_scalars_are_told_apart():
    tree = read_document(b"- yes\n- 'yes'\n- 1\n- !!str 1\n- |\n  1\n", "t.yaml")
    assert isinstance(tree, Sequence)
    assert [(item.text, item.is_plain) for item in tree.items if isinstance(item, Scalar)] == [
        ("yes", True), ("yes", False), ("1", True), ("1", False), ("1\n", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("true", True), ("FALSE", False),
        ("12", 12), ("-7", -7), ("007", 7), ("1e3", "1E+3"), ("1.50", "1.50"), (".5", "0.5"),
        ("yes", "yes"), ("NO", "NO"), ("18:00", "18:00"), ("1_000", "1_000"), ("0x10", "0x10"),
        (".nan", ".nan"), (".inf", ".inf"), ("2026-01-01", "2026-01-01"), ("9" * 81, "9" * 81),
    ],
)  # fmt: skip
def test_unquoted_scalars_are_read_by_the_core_words_of_yaml_1_2(written, value):
    found = scalar_value(written)
    assert (str(found) if isinstance(value, str) else found) == value


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")))
JSON = st.recursive(
    st.booleans() | st.integers(-(10**30), 10**30) | TEXTS,
    lambda inner: st.lists(inner | st.none(), max_size=4) | st.dictionaries(st.text('abc"\\1'), inner, max_size=4),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_json_reads_as_the_standard_library_reads_it(value, indent, ensure_ascii):
    data = json.dumps(value, indent=indent, ensure_ascii=ensure_ascii).encode()
    assert plain_value(read_document(data, "t.json")) == value


NOT_JSON = [
    *("", "{", "[1,]", "[,1]", '{"a" 1}', '{"a": 1,}', "{1: 2}", "[01]", "[1.]", "[.5]", "[+1]", "['a']", "[a]", "nul"),
    *(
        "[1]]",
        "[1] 2",
        "// x\n1",
        '["a\\q"]',
        '["\t"]',
        "[1;2]",
        "[NaNa]",
        "[--1]",
        '{"a": }',
        "]",
        ":",
        '"',
        "[truefalse]",
    ),
    *("\u00a0[]", "[1\u2028]"),
]


@pytest.mark.parametrize("data", NOT_JSON)
def test_what_the_standard_library_refuses_as_json_is_refused(data):
    with pytest.raises(json.JSONDecodeError):
        json.loads(data)
    assert {code for code, _, _ in refused(data, "t.json")} <= {"syntax", "format", "bad_text", "empty"}


@pytest.mark.parametrize(
    ("limits", "fits", "breaks", "code"),
    [
        (Limits(size=5), "[aaa]", "[aaaa]", "too_large"),
        (Limits(nodes=3), "[a, b]", "[a, b, c]", "too_many_nodes"),
        (Limits(held=3), "[a, b]", "[a, b, c]", "too_many_nodes"),
        (Limits(depth=3), "[[[a]]]", "[[[[a]]]]", "too_deep"),
        (Limits(text=4), "[éé]", "[ééa]", "too_large"),
        (Limits(key=3), "{éaé: 1}", "{éaéa: 1}", "bad_key"),
        (Limits(nodes=100), "a: &a [1, 2]\nb: *a", "a: &a [" + "1," * 60 + "]\nb: *a", "too_many_nodes"),
        (Limits(depth=4), "a: &a [[1]]\nb: [*a]", "a: &a [[1]]\nb: [[*a]]", "too_deep"),
    ],
)
def test_a_document_beyond_a_limit_is_refused_and_one_at_it_is_read(limits, fits, breaks, code):
    read_document(fits.encode(), "t.yaml", limits=limits)
    assert [found for found, _, _ in refused(breaks, limits=limits)] == [code]


def test_aliases_repeat_what_they_name():
    tree = read_document(b"a: &a {x: &x 1, y: [*x]}\nb: *a\nc: [*a, *x]", "t.yaml")
    one = {"x": 1, "y": [1]}
    assert plain_value(tree) == {"a": one, "b": one, "c": [one, 1]}


def test_an_alias_may_be_a_key_and_its_place_is_where_it_is_used():
    tree = read_document(b"&k a: 1\nb: {*k : 2}", "t.yaml")
    assert isinstance(tree, Mapping)
    inner = tree.items["b"]
    assert isinstance(inner, Mapping)
    assert (plain_value(inner), inner.keys["a"].line, inner.keys["a"].column) == ({"a": 2}, 2, 5)


def test_merges_fill_in_what_is_not_written_the_first_source_first():
    data = b"- &a {x: 1, y: 1}\n- &b {y: 2, z: 2}\n- {<<: [*b, *a], x: 3}\n- {<<: *a, <<: *b}\n- {'<<': 1}"
    assert plain_value(read_document(data, "t.yaml"))[2:] == [
        {"x": 3, "y": 2, "z": 2},
        {"x": 1, "y": 1, "z": 2},
        {"<<": 1},
    ]


def test_all_mistakes_of_a_document_are_told_in_the_order_of_their_places():
    assert refused("a: !x 1\nb: {1: 2, c: 3, c: 4}\na: 5") == [
        ("tag", 1, 4), ("bad_key", 2, 5), ("duplicate_key", 2, 17), ("duplicate_key", 3, 1),
    ]  # fmt: skip


def test_a_document_with_endless_mistakes_is_not_read_to_its_end():
    assert len(refused("- !x a\n" * 20_000)) == 10_001


def test_messages_never_quote_the_line():
    for data, name in (
        ("key: sk_live_abcdef: x", "t.yaml"),
        ("{api_key: sk_live_abcdef}", "t.json"),
        ("a: 'sk_live_abcdef", "t.yaml"),
    ):
        with pytest.raises(InvalidInput) as error:
            read_document(data.encode(), name)
        assert "sk_live" not in "\n".join(error.value.lines()) + str(error.value)


def test_a_name_with_control_characters_is_shown_escaped_and_never_cut():
    name = "a" * 100 + "\n\x1b[31m.yaml"
    with pytest.raises(InvalidInput) as error:
        read_document(b"", name)
    assert error.value.mistakes[0].file == "a" * 100 + "⏎⟨ESC⟩[31m.yaml"


def test_items_of_the_documents_lists_are_offered_as_they_end():
    offered: list[tuple[str, int, object]] = []

    def take(name: str, index: int, node: Node) -> bool:
        offered.append((name, index, plain_value(node)))
        return name != "kept"

    data = b"a: [1, {b: [2]}]\nkept: [3]\nc: {d: [4]}\nanchored: &x [5]\nagain: *x\n<<: {e: [6]}"
    tree = read_document(data, "t.yaml", take=take)
    assert offered == [("a", 0, 1), ("a", 1, {"b": [2]}), ("kept", 0, 3)]
    assert plain_value(tree) == {"a": [], "kept": [3], "c": {"d": [4]}, "anchored": [5], "again": [5], "e": [6]}


def test_what_was_taken_does_not_count_as_held_unless_an_anchor_keeps_it():
    limits = Limits(held=50)
    read_document(b"a: [" + b"{x: 1}," * 100 + b"]", "t.yaml", limits=limits, take=lambda *_: True)
    for data, take in ((b"{x: 1},", False), (b"&a%d {x: 1},", True)):
        parts = b"".join(data % number if b"%d" in data else data for number in range(100))
        with pytest.raises(InvalidInput):
            read_document(b"a: [" + parts + b"]", "t.yaml", limits=limits, take=lambda *_, taken=take: taken)


@settings(max_examples=300, deadline=1000)
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(["t.yaml", "t.json", "t.json.zst"])
)
def test_any_bytes_give_a_tree_or_mistakes_with_a_mend(data, name):
    try:
        read_document(data, name)
    except InvalidInput as error:
        told = error.lines()
    else:
        return
    assert all(line.startswith(f"{name}:") and " Mend: " in line for line in told)
