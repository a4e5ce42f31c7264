"""An alert is what is said about findings: the story to tell, and the message it becomes.

``plan`` decides what to say and fills an ``AlertStory``; a channel's renderer turns it into a ``Message``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from baselines.severity import Severity
from rules.quiet import Quiet


class AlertReason(StrEnum):
    """Why something is said now."""

    OPENED = "opened"
    CHANGED = "changed"
    ACKNOWLEDGED = "acknowledged"
    REMINDER = "reminder"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    BULK = "bulk"  #: very many at once: one summary instead
    WINDOW = "window"  #: was held (quiet hours, maintenance) and is still wrong
    ENDED = "ended"  #: was snoozed, expected or waived until now, and is still wrong
    SNOOZED = "snoozed"
    EXPECTED = "expected"
    WAIVED = "waived"
    WOKEN = "woken"  #: an acknowledgement, a snooze, an announcement or a waiver was taken back
    ASSIGNED = "assigned"
    ENDING = "ending"  #: a waiver is about to end


class AlertKind(StrEnum):
    """Which form a message has."""

    FINDINGS = "findings"
    SUMMARY = "summary"  #: a first reading, or very many findings at once
    NOT_READ = "not_read"
    PROPOSAL = "proposal"
    WAIVER = "waiver"  #: one is about to end
    FLEET = "fleet"  #: one cause on many targets; a line for each target


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One finding (or proposal) in a message. Texts are as people read them; secrets are already ``changed``."""

    number: str  #: ``7F3K``; of a proposal its number
    severity: Severity
    kind: str  #: drift, rule or coverage; of a proposal: proposal
    sentence: str  #: what is wrong now, or what is right again; ends with a full stop
    resource_type: str
    key: str
    path: str
    op: str  #: of drift: added, removed, changed, moved; else ""
    old: str | None
    new: str | None
    why: str
    mend: str
    state: str  #: open, acknowledged, resolved
    resolution: str  #: healed, accepted, rule gone, no longer described, target removed; "" while not resolved
    detail: str  #: says the resolution in full: "accepted in baseline 8 by Nisha Rao"
    since: datetime
    changed_at: datetime | None  #: when it was acknowledged or resolved
    by: str  #: who acknowledged it
    times_opened: int
    like_another: bool = False  #: a line above tells of the same rule
    quiet: Quiet | None = None  #: it is announced: nobody is alerted of what happens to it
    money: str = ""  #: what it means for bills, in one line
    assignee: str = ""
    is_flapping: bool = False  #: opened again and again of late
    fleet: int | None = None  #: number of the fleet event it is a member of
    money_headline: str = ""  #: the same in a short sentence

    @property
    def is_resolved(self) -> bool:
        return self.state == "resolved"


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What happened since the revision before; becomes a line in the message's thread."""

    reason: AlertReason
    at: datetime
    number: str  #: of the line it is about
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class AlertStory:
    """Everything one message says, as of one revision. Lines keep their order from revision to revision."""

    key: str  #: ``swa/production:sweep-8811:1``; the same in every revision
    revision: int
    kind: AlertKind
    target: str
    utility: str
    lines: tuple[AlertLine, ...]
    read_at: datetime
    zone: str  #: IANA name; times outside Slack's own tokens are told in it
    lists_read: int
    lists_total: int
    readiness: float | None
    readiness_before: float | None
    link: str  #: base URL of the pages; "" if there are none
    first_reading: bool
    objects: int
    rules: int
    headline: str = ""  #: a sentence above the lines, or instead of a missing one
    unread: tuple[str, ...] = ()  #: names of the lists not read
    page: str = ""  #: where Open leads, below ``link``; "": the finding, or the target's findings
    stay_open: int = 0  #: open findings that cannot be judged while a target is not read
    facts: tuple[tuple[str, str], ...] = ()  #: further bullets: (label, text)
    events: tuple[AlertEvent, ...] = ()
    announced: tuple[tuple[Quiet, int], ...] = ()  #: findings told in no message, because they are expected


@dataclass(frozen=True, slots=True)
class ThreadLine:
    """One line for a message's thread."""

    text: str
    in_channel: bool = False  #: shown in the channel too, because a person has to hear it (M2)


@dataclass(frozen=True, slots=True)
class Message:
    """A story in a channel's form. Texts are plain; the sender escapes them for the wire."""

    alert_key: str
    revision: int
    text: str  #: enough by itself: notifications and screen readers have only this
    blocks: tuple[Mapping[str, Any], ...] = ()
    thread: tuple[ThreadLine, ...] = ()  #: to be added with this revision, oldest first
    link: str = ""

    def as_plain_text(self) -> "Message":
        """The same without blocks, for a channel that refused them (F83): the text and the link."""
        return replace(self, text=f"{self.text} {self.link}".strip(), blocks=(), link="")
