"""Stories that tests render: one day at San Francisco Water Authority, with good defaults."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.alert import AlertEvent, AlertKind, AlertLine, AlertReason, AlertStory
from baselines.severity import Severity
from rules.quiet import Quiet, Standing

ZONE = "America/Los_Angeles"
READ_AT = datetime(2026, 11, 24, 6, 12, tzinfo=ZoneInfo(ZONE))

RATE = AlertLine(
    number="7F3K",
    severity=Severity.CRITICAL,
    kind="drift",
    sentence="The first 4 kgal of Residential variable cost 41.00 instead of 4.10 USD.",
    resource_type="service_plan",
    key="RES-VAR",
    path="rates[up_to=4].rate",
    op="changed",
    old="4.1",
    new="41",
    why="It is not what was approved.",
    mend="Billing › Plans and tariffs › RES-VAR › slab 0–4 kgal › rate 4.10",
    state="open",
    resolution="",
    detail="",
    since=READ_AT,
    changed_at=None,
    by="",
    times_opened=1,
    money_headline="About +$7.1 million a month in all; next bill run BC-01 on 3 December 2026.",
    money="Typical Residential bill (7 kgal, Portland) $153.04 → $308.02 a month (+$154.98); about +$7.1 million a "
    "month in all; next bill run BC-01 on 3 December 2026",
)
RULE = replace(
    RATE,
    money="",
    money_headline="",
    number="2QXM",
    kind="rule",
    sentence="Consumer category Commercial has no variable plan.",
    resource_type="consumer_category",
    key="Commercial",
    path="",
    op="",
    old=None,
    new=None,
    why="The first bill run leaves its consumers under-billed.",
    mend="Billing › Service plans › add the missing plan",
)
STORY = AlertStory(
    key="swa/production:sweep-8811:1",
    revision=1,
    kind=AlertKind.FINDINGS,
    target="swa/production",
    utility="San Francisco Water Authority",
    lines=(RATE,),
    read_at=READ_AT,
    zone=ZONE,
    lists_read=87,
    lists_total=87,
    readiness=0.958,
    readiness_before=0.992,
    link="https://monitor.example",
    first_reading=False,
    objects=1204,
    rules=299,
)


SNOOZED = Quiet("mended on Thursday", "", READ_AT + timedelta(days=3, hours=2), "Carla Lindqvist", Standing.SNOOZED)
WAIVED = Quiet(
    "the council decides in January", "CHG-7", READ_AT.replace(month=12, day=15, hour=0, minute=0), "Olga Brandt",
    Standing.WAIVED, 3,
)  # fmt: skip


def healed(line: AlertLine, hours: int = 6) -> AlertLine:
    at = READ_AT + timedelta(hours=hours)
    return replace(line, state="resolved", resolution="healed", changed_at=at)


def acknowledged(line: AlertLine, by: str = "Carla Lindqvist") -> AlertLine:
    return replace(line, state="acknowledged", by=by, changed_at=READ_AT + timedelta(minutes=90))


def many(total: int = 12) -> tuple[AlertLine, ...]:
    """2 critical, 3 high, 4 medium, the rest low."""
    severities = [Severity.CRITICAL] * 2 + [Severity.HIGH] * 3 + [Severity.MEDIUM] * 4
    severities += [Severity.LOW] * (total - len(severities))
    return tuple(
        replace(
            RULE,
            number=f"N{place:03d}",
            severity=severity,
            sentence=f"Requirement {place} does not hold.",
            resource_type="service_plan" if place % 2 else "tax",
        )
        for place, severity in enumerate(severities[:total])
    )


def event(reason: AlertReason, number: str, **more: str) -> AlertEvent:
    return AlertEvent(reason, READ_AT + timedelta(hours=6), number, **more)


NOT_READ = replace(
    STORY,
    key="swa/production:coverage:4",
    kind=AlertKind.NOT_READ,
    lines=(
        replace(
            RULE,
            number="4CVR",
            kind="coverage",
            severity=Severity.HIGH,
            sentence="SMART360 refuses our log-in, 2 readings missed.",
            resource_type="",
            key="",
            why="login_refused, one try per sweep (no lock-out)",
            mend="renew the secret behind file:/run/secrets/swa, then smart360-monitor tenant check swa/production",
            since=READ_AT - timedelta(hours=12),
        ),
    ),
    lists_read=0,
    readiness=None,
    readiness_before=None,
    stay_open=3,
)
PROPOSAL = replace(
    STORY,
    key="swa/production:proposal-12:1",
    kind=AlertKind.PROPOSAL,
    headline="Olga Brandt accepted 37 of 39 changes and rejected 2 for baseline 8.",
    page="proposals/12",
    readiness=None,
    lines=(
        replace(
            RULE,
            number="12",
            kind="proposal",
            severity=Severity.INFO,
            sentence="Olga Brandt accepted 37 of 39 changes and rejected 2 for baseline 8.",
            why="",
            mend="",
        ),
    ),
    facts=(
        ("Accepted", "5 critical, 20 high, 9 medium, 3 low"),
        ("Rejected, stays drift", "RES-VAR first slab 41.00; cashiers' right to refund"),
        ("Result judged", "299 rules, 280 passed, 3 failed, 1 undecided, 15 not applicable"),
    ),
)

FLEET = replace(
    STORY,
    key="fleet-3",
    kind=AlertKind.FLEET,
    target="31 targets",
    utility="",
    zone="UTC",
    headline="31 targets lost notification_template.language, seen between 02:00 and 02:15 UTC. "
    "Probably a release of SMART360.",
    page="fleet-events/3",
    lines=tuple(
        replace(RATE, number=f"F{place:03d}", severity=Severity.HIGH, money="", fleet=3,
                sentence=f"t{place:02d}/production: Template BILL-READY: language is nothing instead of en.")
        for place in range(31)
    ),
    readiness=None,
    readiness_before=None,
)  # fmt: skip

_MENDED = tuple(healed(line) if place != 2 else line for place, line in enumerate(many()))
_EVENTS = tuple(event(AlertReason.RESOLVED, line.number) for line in _MENDED if line.is_resolved)

#: every form, by the name of its golden file
FORMS: dict[str, AlertStory] = {
    "one-finding": STORY,
    "one-finding-of-a-rule": replace(STORY, lines=(RULE,)),
    "one-secret": replace(
        STORY, lines=(replace(RATE, path="secret", old="changed", new="changed", money="", money_headline=""),)
    ),
    "one-object-removed": replace(
        STORY, lines=(replace(RATE, path="", op="removed", old="{…}", new=None, money="", money_headline=""),)
    ),
    "one-acknowledged": replace(
        STORY,
        revision=2,
        lines=(acknowledged(RATE),),
        events=(event(AlertReason.ACKNOWLEDGED, "7F3K", by="Carla Lindqvist", note="calling Mei at nine"),),
    ),
    "one-back-again": replace(
        STORY, revision=3, lines=(replace(RATE, times_opened=2),), events=(event(AlertReason.REOPENED, "7F3K"),)
    ),
    "one-healed": replace(
        STORY, revision=2, lines=(healed(RATE),), events=(event(AlertReason.RESOLVED, "7F3K"),), readiness=None
    ),
    "one-accepted": replace(
        STORY,
        revision=2,
        lines=(replace(healed(RATE), resolution="accepted", detail="accepted in baseline 8 by Nisha Rao"),),
    ),
    "many": replace(STORY, key="swa/staging:sweep-8812:1", target="swa/staging", lines=many()),
    "many-partly-healed": replace(STORY, revision=2, lines=_MENDED, events=_EVENTS),
    "many-all-resolved": replace(
        STORY, revision=3, lines=(*map(healed, many()[1:]), replace(healed(many()[0]), resolution="accepted"))
    ),
    "not-read": NOT_READ,
    "not-read-some-lists": replace(NOT_READ, lists_read=83, unread=("role", "user", "tax", "holiday")),
    "read-again": replace(NOT_READ, revision=2, lists_read=87, stay_open=0, lines=(healed(NOT_READ.lines[0]),)),
    "first-reading": replace(STORY, kind=AlertKind.SUMMARY, first_reading=True, lines=many(30), readiness_before=None),
    "first-reading-nothing-wrong": replace(
        STORY, kind=AlertKind.SUMMARY, first_reading=True, lines=(), readiness=1.0, readiness_before=None
    ),
    "very-many": replace(STORY, kind=AlertKind.SUMMARY, lines=many(240)),
    "proposal": PROPOSAL,
    "fleet": FLEET,
    "fleet-partly-healed": replace(FLEET, revision=9, lines=(*map(healed, FLEET.lines[:7]), *FLEET.lines[7:])),
    "fleet-resolved": replace(FLEET, revision=40, lines=tuple(map(healed, FLEET.lines))),
    "part-of-a-fleet-event": replace(STORY, lines=(replace(RATE, fleet=3),)),
    "one-snoozed": replace(
        STORY,
        revision=2,
        lines=(replace(RATE, quiet=SNOOZED, assignee="Mei Lin"),),
        events=(event(AlertReason.SNOOZED, "7F3K", by="Carla Lindqvist", note="mended on Thursday"),),
    ),
    "one-waived": replace(STORY, revision=2, lines=(replace(RULE, quiet=WAIVED),)),
    "one-snooze-over": replace(STORY, headline="The snooze is over, and this is still wrong."),
    "one-flapping": replace(
        STORY,
        revision=4,
        lines=(replace(RATE, times_opened=4, is_flapping=True),),
        events=(event(AlertReason.REOPENED, "7F3K"),),
    ),
    "waiver-ends": replace(
        STORY,
        key="swa/production:waiver-3:1",
        kind=AlertKind.WAIVER,
        lines=(replace(RULE, quiet=WAIVED),),
        headline="Waiver 3 ends Tue 15 Dec 00:00 PST: the council decides in January.",
        announced=((WAIVED, 7), (SNOOZED, 4), (replace(WAIVED, waiver=4), 2), (replace(WAIVED, waiver=5), 1)),
    ),
    "without-pages": replace(STORY, link="", lines=many(3)),
}
