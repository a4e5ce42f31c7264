"""Words of errors: what a message may quote of a value, and how much."""

import sys
import unicodedata

import pytest

from baselines.errors import LONGEST_VALUE, shown, shown_path


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("a\nb\rc\td", "a⏎b⏎c⇥d"),
        ("\x1b[2J\x00\x9b", "⟨ESC⟩[2J⟨U+0000⟩⟨U+009B⟩"),
        ("a\u061cb", "a⟨U+061C⟩b"),  # Arabic letter mark
        ("a\u2028b\u2029c", "a⟨U+2028⟩b⟨U+2029⟩c"),  # line and paragraph separator
        ("so\u00adft", "so⟨U+00AD⟩ft"),  # soft hyphen
        ("\u200b\u202e\u2066\ufeff", "⟨U+200B⟩⟨U+202E⟩⟨U+2066⟩⟨U+FEFF⟩"),
        ("\U000e0001\ue000\ud800", "⟨U+E0001⟩⟨U+E000⟩⟨U+D800⟩"),  # tag, private use, lone surrogate
        ("Zürich, 東京 – “4.10” €", "Zürich, 東京 – “4.10” €"),
        ("4\u00a0500", "4\u00a0500"),
    ],
)
def test_what_turns_or_hides_the_text_around_it_is_escaped(written, told):
    assert (shown(written), shown_path(written)) == (told, told)


def test_every_character_of_an_unseen_category_is_escaped_and_no_other():
    unseen = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"}
    wrong = [
        code
        for code in range(sys.maxunicode + 1)
        if (shown(chr(code)) == chr(code)) is (unicodedata.category(chr(code)) in unseen)
    ]
    assert wrong == []


def test_a_value_is_cut_and_a_path_is_not():
    assert shown("a" * LONGEST_VALUE) == "a" * LONGEST_VALUE
    assert shown("a" * (LONGEST_VALUE + 1)) == "a" * (LONGEST_VALUE - 1) + "…"
    assert shown_path("a" * 1000) == "a" * 1000
