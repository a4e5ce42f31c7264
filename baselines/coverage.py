"""What of a target was read, and what was not and why: a closed list of reasons (reliability §2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why something was not read or is not compared; the same word in metric, log, page and API."""

    NOT_FOUND = "not_found"
    UTILITY_UNKNOWN = "utility_unknown"
    UNAUTHORIZED = "unauthorized"
    LOGIN_REFUSED = "login_refused"
    FORBIDDEN = "forbidden"
    UNSTABLE = "unstable"
    COUNT_MISMATCH = "count_mismatch"
    PAGE_LOOP = "page_loop"
    DUPLICATE_ID = "duplicate_id"
    DUPLICATE_KEY = "duplicate_key"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_FIELD = "unknown_field"
    FIELD_MISSING = "field_missing"
    TYPE_CHANGED = "type_changed"
    MASS_DISAPPEARANCE = "mass_disappearance"
    NOT_JSON = "not_json"
    TRUNCATED = "truncated"
    BAD_SHAPE = "bad_shape"
    BAD_ENCODING = "bad_encoding"
    SERVER_ERROR = "server_error"
    THROTTLED = "throttled"
    PRIVILEGE_CHANGED = "privilege_changed"
    MOVED = "moved"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    REDIRECT_REFUSED = "redirect_refused"
    TLS = "tls"
    DNS = "dns"
    ADDRESS_REFUSED = "address_refused"
    NETWORK = "network"
    SOURCE_CLOCK = "source_clock"
    KEY_CHANGED = "key_changed"
    UNREAD = "unread"  #: said by a file's ``_about.unread``
    ABSENT = "absent"  #: a type that rules read and the document lacks
    BAD_FILE = "bad_file"  #: an export in a folder that cannot be read
    NO_KEY = "no_key"  #: an object of a source without its natural key
    UNRESOLVED = "unresolved"  #: refers by id to a list that was not read
    NO_ROUTE = "no_route"  #: the connector manifest knows no route for the type
    NO_BASELINE = "no_baseline"  #: an overlay described it after the baseline was approved
    MATCHES_NOTHING = "matches_nothing"  #: an exemption of an overlay that nothing falls under


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is not compared: a whole list (``path`` ""), a field of a type, or an object.

    ``detail`` is for people: the answer that was given, and how to mend it.
    """

    resource_type: str
    reason: Reason
    path: str = ""
    key: str = ""
    detail: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was asked for (the scope), and every gap in it."""

    scope: tuple[str, ...]
    gaps: tuple[Gap, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def unread(self) -> Mapping[str, Gap]:
        """Lists that were not read to their end, by resource type."""
        return {gap.resource_type: gap for gap in self.gaps if not gap.path and not gap.key and gap.reason in LIST_GAPS}

    @property
    def lists_read(self) -> int:
        """How many lists of the scope were read to their end."""
        return len(self.scope) - sum(1 for name in self.scope if name in self.unread)

    @property
    def ratio(self) -> float:
        """Lists read ÷ lists in scope; 0.0 where nothing was asked for."""
        return self.lists_read / len(self.scope) if self.scope else 0.0

    @property
    def is_complete(self) -> bool:
        """True if every list of the scope was read to its end."""
        return not self.unread


#: Reasons that concern a field or object only, never the list as a whole.
_PARTIAL = frozenset(
    (Reason.UNKNOWN_FIELD, Reason.FIELD_MISSING, Reason.TYPE_CHANGED, Reason.DUPLICATE_KEY, Reason.SOURCE_CLOCK,
     Reason.UNKNOWN_TYPE, Reason.ABSENT, Reason.PRIVILEGE_CHANGED, Reason.COUNT_MISMATCH,
     Reason.NO_BASELINE, Reason.MATCHES_NOTHING)
)  # fmt: skip
LIST_GAPS = frozenset(Reason) - _PARTIAL
