"""One thing that is wrong now: its fingerprint is its identity over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
from blake3 import blake3

from baselines.fields import Op
from baselines.severity import Severity
from rules.money import Money


class Kind(StrEnum):
    """What a finding rests on: a change nobody expected, a rule that failed, or what was not read."""

    DRIFT = "drift"
    RULE = "rule"
    COVERAGE = "coverage"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A value that was judged, and where it stands."""

    resource_type: str
    key: str
    path: str
    value: Any  #: canonical


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong now."""

    kind: Kind
    rule: str  #: rule id; "" for drift; the reason for coverage
    severity: Severity
    module: str
    resource_type: str  #: ``configuration`` where it is judged on the whole
    key: str
    path: str
    title: str  #: what must hold, or what happened, in a few words
    message: str  #: what is wrong now, a sentence about the utility
    why: str = ""
    fix: str = ""
    evidence: tuple[Evidence, ...] = ()
    op: Op | None = None  #: of drift
    old: Any = None  #: canonical; any JSON, as the store reads it back
    new: Any = None
    required: bool = False
    basis: str = ""  #: what a regulatory rule rests on: ``verified: …`` or ``assumption: …``
    rule_kind: str = ""  #: what its rule is about: completeness, consistency, sequence …
    seen_by: str = ""  #: who SMART360 says touched the object last, and when
    line: int = 0  #: of the object in the file it came from; 0 elsewhere
    money: Money | None = None  #: what it means for bills; no part of fingerprint or evidence

    @property
    def fingerprint(self) -> str:
        """16 hex digits; the same thing wrong again has the same one."""
        return fingerprint(self.kind, self.rule, self.resource_type, self.key, self.path)

    @property
    def evidence_digest(self) -> str:
        """Changes when the values judged do: an acknowledgement ends with it."""
        shown = [(each.resource_type, each.key, each.path, each.value) for each in self.evidence]
        data = orjson.dumps([self.severity, self.op, self.old, self.new, shown], option=orjson.OPT_SORT_KEYS)
        return blake3(data).hexdigest()[:16]


def fingerprint(kind: str, rule: str, resource_type: str, key: str, path: str) -> str:
    """First 16 hex of BLAKE3 over the JSON array ``[kind, rule, resource_type, key, path]`` (contracts §3.1)."""
    return blake3(orjson.dumps([kind, rule, resource_type, key, path])).hexdigest()[:16]


def ordered(findings: Sequence[Finding], module_place: "dict[str, int]") -> tuple[Finding, ...]:
    """By severity, module (catalogue order), resource type, key, path, and rule."""
    return tuple(
        sorted(
            findings,
            key=lambda each: (
                each.severity.rank, module_place.get(each.module, 99), each.resource_type, each.key, each.path,
                each.kind, each.rule,
            ),
        )
    )  # fmt: skip
