"""Errors of rules."""

from baselines.errors import InvalidInput


class InvalidPack(InvalidInput):
    """A rule pack that is refused, with every mistake and its place."""

    code = "invalid_pack"
