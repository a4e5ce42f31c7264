"""Which findings are meant: one pattern language for all that speaks of findings beforehand."""

import re
from dataclasses import dataclass
from functools import lru_cache

from rules.findings import Finding


@dataclass(frozen=True, slots=True)
class Selector:
    """Findings by pattern: ``*`` stands for any text, every other character for itself, a blank part for anything."""

    rule: str = ""  #: of rule findings; coverage findings have their reason here
    resource_type: str = ""
    key: str = ""
    path: str = ""
    kind: str = ""  #: ``drift``, ``rule`` or ``coverage``

    def matches(self, finding: Finding) -> bool:
        """True if every part fits."""
        return self.fits(
            kind=finding.kind.value, rule=finding.rule, resource_type=finding.resource_type, key=finding.key,
            path=finding.path,
        )  # fmt: skip

    def fits(self, **parts: str) -> bool:
        """True if these parts fit, whatever the others are."""
        patterns = ((getattr(self, name), text) for name, text in parts.items())
        return all(not pattern or _pattern(pattern).fullmatch(text) is not None for pattern, text in patterns)


@lru_cache(4096)
def _pattern(written: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, written.split("*"))), re.DOTALL)
