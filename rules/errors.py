"""Errors of rules.

InvalidInput (baselines)
├── InvalidPack     a pack that does not compile, names an unknown field, or is untested (exit 2)
└── InvalidOverlay  an overlay with mistakes (exit 2)
"""

from baselines.errors import InvalidInput


class InvalidPack(InvalidInput):
    """A rule pack that is refused, with every mistake and its place."""

    code = "invalid_pack"


class InvalidOverlay(InvalidInput):
    """An overlay that is refused, with every mistake and its place."""

    code = "invalid_overlay"
