"""Errors of every package begin here. A subclass is a kind; an instance says what, where, how to mend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from unicodedata import category

MOST_MISTAKES = 100  #: of one document are told, then "… and N more" (reliability §3)
LONGEST_VALUE = 80  #: characters of a value that a message quotes
#: Control, format, line and paragraph separator, surrogate, private use: what turns or hides what stands around it.
_UNSEEN: Final = frozenset(("Cc", "Cf", "Zl", "Zp", "Cs", "Co"))


def shown(text: str) -> str:
    """A value as a message may show it: control and bidi characters escaped, cut at 80 characters."""
    safe = shown_path(text)
    return safe if len(safe) <= LONGEST_VALUE else safe[: LONGEST_VALUE - 1] + "…"


def shown_path(text: str) -> str:
    """A path with control characters escaped, but never cut: it is how the place is found."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) if category(character) in _UNSEEN else character for character in text)


def did_you_mean(word: str, known: Iterable[str], otherwise: str, *, cutoff: float = 0.6) -> str:
    """How to mend a word that is none of those known: by the nearest of them, else ``otherwise``."""
    near = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"Did you mean {near[0]}?" if near else otherwise


def _escaped(character: str) -> str:
    return {"\n": "⏎", "\r": "⏎", "\t": "⇥", "\x1b": "⟨ESC⟩"}.get(character, f"⟨U+{ord(character):04X}⟩")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a document: place, path, a code that never changes, what, how to mend.

    ``line`` and ``column`` count from 1; 0 where the document as a whole is meant.
    """

    file: str
    line: int
    column: int
    path: str
    code: str
    what: str
    mend: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{shown_path(self.path)}: " if self.path else ""
        return f"{place}: {path}{self.what} Mend: {self.mend}"


class Smart360Error(Exception):
    """Base of every error raised on purpose."""

    code = "error"
    exit_code = 2

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        super().__init__(f"{where}: {what} Mend: {mend}")
        self.what, self.where, self.mend = what, where, mend


class InvalidInput(Smart360Error):
    """All mistakes of a document at once, so that its author mends once."""

    code = "invalid"

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        first = mistakes[0]
        super().__init__(first.what, where=f"{first.file}:{first.line}", mend=first.mend)
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: (mistake.file, mistake.line, mistake.column)))

    def lines(self) -> list[str]:
        """One line for each mistake, at most 100, then how many more."""
        told = [str(mistake) for mistake in self.mistakes[:MOST_MISTAKES]]
        more = len(self.mistakes) - len(told)
        return [*told, f"… and {more} more"] if more else told


class InvalidConfiguration(InvalidInput):
    """A configuration file that cannot be read."""

    code = "invalid_configuration"


class InvalidCatalogue(InvalidInput):
    """A catalogue file that contradicts itself or another."""

    code = "invalid_catalogue"


class DifferentTargets(Smart360Error):
    """Two configurations that name different targets cannot be compared."""

    code = "different_targets"


class DamagedContent(Smart360Error):
    """Stored bytes do not have the digest under which they were stored (P6, F62)."""

    code = "digest_mismatch"
    exit_code = 3


class ApprovalRefused(Smart360Error):
    """Contracts §7 does not allow this step; ``code`` says which gate refused."""

    def __init__(self, code: str, what: str, *, where: str, mend: str) -> None:
        super().__init__(what, where=where, mend=mend)
        self.code = code
