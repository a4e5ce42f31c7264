"""How bad something is; the same five words in catalogue, rules, database, pages and messages."""

from enum import StrEnum


class Severity(StrEnum):
    """Severity of a finding or change, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for critical … 4 for info: sorts the worst first."""
        return _RANK[self]

    @property
    def mark(self) -> str:
        """The shape that stands for it everywhere, so that colour is never alone."""
        return _MARK[self]

    def at_least(self, other: "Severity") -> bool:
        """True if this is as bad as ``other`` or worse."""
        return self.rank <= other.rank


_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_MARK = dict(zip(Severity, "◆▲■●○", strict=True))


def worst(severities: "list[Severity]") -> Severity | None:
    """The worst of some, None of none."""
    return min(severities, key=lambda severity: severity.rank, default=None)
