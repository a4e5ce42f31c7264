"""What to say of a settlement: one message per target and sweep, and the messages it changes. Pure.

A finding stays in the message it was first told in; what happens to it later edits that message
(slack.md M1). A reopened finding goes back to its message unless that is over for more than a day.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alerts.alert import AlertEvent, AlertKind, AlertLine, AlertReason, AlertStory
from baselines.catalogue import Catalogue
from baselines.fields import Op
from baselines.fingerprints import is_fingerprint
from baselines.values import Canonical
from rules.drift import worded
from rules.findings import Finding, Kind
from rules.lifecycle import Event, Known, Resolution, Settlement, State, Step
from rules.quiet import Quiet, Standing
from rules.waivers import Waiver

BULK: Final = 200  #: more changes than this in one sweep are told as one summary (F24)
_OVER: Final = {
    Standing.EXPECTED: "The time announced for these changes",
    Standing.SNOOZED: "The snooze",
    Standing.WAIVED: "The waiver",
    Standing.PLAIN: "The time for which this was quiet",
}
AFTER_A_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Scene:
    """What every message of a sweep says beside its findings."""

    target: str
    utility: str
    zone: str
    read_at: datetime
    lists_read: int
    lists_total: int
    objects: int
    rules: int
    readiness: float | None
    readiness_before: float | None
    link: str
    first_reading: bool
    unread: tuple[str, ...] = ()
    announced: tuple[tuple[Quiet, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """One revision of one message to be queued."""

    story: AlertStory
    reason: AlertReason


_REASONS: Final = {
    Event.CHANGED: AlertReason.CHANGED,
    Event.ACKNOWLEDGED: AlertReason.ACKNOWLEDGED,
    Event.RESOLVED: AlertReason.RESOLVED,
    Event.REOPENED: AlertReason.REOPENED,
}


def key_of(target: str, sweep: int) -> str:
    """The key of the message of a sweep, by which it is found again in its channel."""
    return f"{target}:sweep-{sweep}:1"


def plan_alerts(
    settlement: Settlement,
    after: Mapping[str, Known],
    told: Mapping[str, tuple[AlertStory, Sequence[Known]]],
    scene: Scene,
    *,
    key: str,
    now: datetime,
    catalogue: Catalogue,
) -> tuple[Planned, ...]:
    """Which messages are to be posted or edited after a sweep.

    Args:
        settlement: what happened.
        after: every touched finding as it is now, by fingerprint; ``alert_key`` says where it is told.
        told: messages said before that hold one of these findings: newest revision, and all their findings.
        scene: what the messages say beside.
        key: of the message of this sweep.
        now: in UTC.
        catalogue: for values as people read them.
    """
    planned: list[Planned] = []
    open_now = [known for known in (*after.values(), *settlement.untouched) if known.state is not State.RESOLVED]
    quiet = Counter(known.quiet for known in open_now if known.quiet and not known.alert_key)
    scene = replace(scene, announced=tuple(quiet.items()))
    fresh = [
        step
        for step in settlement.steps
        if after[step.finding.fingerprint].alert_key == key
        and (step.event in (Event.OPENED, Event.REOPENED) or _was_held(step))
    ]
    if fresh:
        reason, headline = _over(fresh)
        story = _first_story([after[step.finding.fingerprint] for step in fresh], scene, key, catalogue)
        planned.append(Planned(replace(story, headline=headline), reason))
    happened: dict[str, list[AlertEvent]] = {}
    now_quiet: dict[str, list[Known]] = {}
    for step in settlement.news:
        known = after[step.finding.fingerprint]
        if step.event not in _REASONS or known.alert_key == key:
            continue
        if known.alert_key:
            note = step.resolution if step.event is Event.RESOLVED else ""
            event = AlertEvent(_REASONS[step.event], now, known.number, known.by, note)
            happened.setdefault(known.alert_key, []).append(event)
        elif step.known is not None and step.event is Event.CHANGED:
            # Its message goes on saying what is true; nobody is called to it.
            happened.setdefault(step.known.alert_key, [])
            now_quiet.setdefault(step.known.alert_key, []).append(known)
    for message, events in happened.items():
        if message in told:
            story, findings = told[message]
            next_one = _next_story(story, [*findings, *now_quiet.get(message, ())], scene, events, catalogue)
            planned.append(Planned(next_one, events[0].reason if events else AlertReason.CHANGED))
    return tuple(planned)


def _was_held(step: Step) -> bool:
    """True if the finding was open and quiet until now: expected, so that nobody was told, snoozed or waived."""
    known = step.known
    return known is not None and known.state is not State.RESOLVED and (not known.alert_key or known.was_hushed)


def _over(fresh: Sequence[Step]) -> tuple[AlertReason, str]:
    """Why findings are told that were quiet until now: the reason, and the sentence above where it is so of all."""
    held = [step.known for step in fresh if step.known is not None and _was_held(step)]
    if not held:
        return (AlertReason.BULK if len(fresh) > BULK else AlertReason.OPENED), ""
    reason = AlertReason.ENDED if all(known.was_hushed for known in held) else AlertReason.WINDOW
    kinds = {quiet.standing if (quiet := known.quiet or known.hush) else Standing.PLAIN for known in held}
    what = _OVER[kinds.pop() if len(kinds) == 1 else Standing.PLAIN]
    return reason, f"{what} is over, and this is still wrong." if len(held) == len(fresh) else ""


def ending_story(waiver: Waiver, covered: Sequence[Known], scene: Scene, catalogue: Catalogue) -> AlertStory:
    """The message that a waiver is about to end: what is told again after it, if it is still wrong."""
    story = _first_story(covered, scene, f"{scene.target}:waiver-{waiver.number}:1", catalogue)
    local = waiver.ends.astimezone(ZoneInfo(scene.zone))
    headline = f"Waiver {waiver.number} ends {local:%a} {local.day} {local:%b %H:%M %Z}: {waiver.reason}"
    return replace(story, kind=AlertKind.WAIVER, headline=headline, unread=(), first_reading=False)


def reopened_goes_back(known: Known, now: datetime) -> bool:
    """True if a reopened finding belongs in its old message: that was over for less than a day, or it is flapping."""
    return bool(known.alert_key) and (now - known.changed_at <= AFTER_A_DAY or known.flaps(now))


def story_after(
    story: AlertStory, findings: Sequence[Known], events: Sequence[AlertEvent], catalogue: Catalogue
) -> AlertStory:
    """The next revision of a message after something a person did."""
    return replace(
        story, revision=story.revision + 1, events=tuple(events),
        lines=_in_order(story, _all_lines(findings, catalogue)),
    )  # fmt: skip


def by_kind(several: Sequence[Known]) -> list[tuple[Known, tuple[Known, ...]]]:
    """Findings with those of the same rule beside the first, worst first; drift, the likely cause, leads."""
    groups: dict[str, list[Known]] = {}
    for known in sorted(several, key=_rank):
        rule = known.finding.rule if known.finding.kind is Kind.RULE else known.finding.fingerprint
        groups.setdefault(rule, []).append(known)
    return [(first, tuple(alike)) for first, *alike in groups.values()]


def _rank(known: Known) -> tuple[int, bool, str, str]:
    finding = known.finding
    return finding.severity.rank, finding.kind is not Kind.DRIFT, finding.rule, finding.key


def _all_lines(several: Sequence[Known], catalogue: Catalogue) -> list[AlertLine]:
    """Each kind of trouble before its repeats, worst first."""
    lines = [line for first, alike in by_kind(several) for line in _lines_of(first, alike, catalogue)]
    return sorted(lines, key=lambda line: (line.like_another, line.severity.rank))


def _lines_of(first: Known, alike: Sequence[Known], catalogue: Catalogue) -> Iterator[AlertLine]:
    line = line_of(first, catalogue)
    yield replace(line, sentence=f"{line.sentence} {len(alike)} more like it.") if len(alike) > 1 else line
    for known in alike:
        yield replace(line_of(known, catalogue), like_another=True)


def _first_story(fresh: Sequence[Known], scene: Scene, key: str, catalogue: Catalogue) -> AlertStory:
    lines = _all_lines(fresh, catalogue)
    lost = all(known.finding.kind is Kind.COVERAGE for known in fresh)
    if scene.first_reading or len(lines) > BULK:
        kind = AlertKind.SUMMARY
    else:
        kind = AlertKind.NOT_READ if lost and scene.unread else AlertKind.FINDINGS
    return _told(AlertStory, scene, key=key, revision=1, kind=kind, lines=tuple(lines))


def _next_story(
    story: AlertStory, findings: Sequence[Known], scene: Scene, events: Sequence[AlertEvent], catalogue: Catalogue
) -> AlertStory:
    next_one = story_after(story, findings, events, catalogue)
    return replace(
        next_one, read_at=scene.read_at, lists_read=scene.lists_read, lists_total=scene.lists_total,
        readiness_before=story.readiness, readiness=scene.readiness, objects=scene.objects, rules=scene.rules,
        announced=scene.announced,
    )  # fmt: skip


def _told(
    kind_of_story: type[AlertStory], scene: Scene, *, key: str, revision: int, kind: AlertKind,
    lines: tuple[AlertLine, ...],
) -> AlertStory:  # fmt: skip
    return kind_of_story(
        key=key, revision=revision, kind=kind, target=scene.target, utility=scene.utility, lines=lines,
        read_at=scene.read_at, zone=scene.zone, lists_read=scene.lists_read, lists_total=scene.lists_total,
        readiness=scene.readiness, readiness_before=scene.readiness_before, link=scene.link,
        first_reading=scene.first_reading, objects=scene.objects, rules=scene.rules, unread=scene.unread,
        page=f"/targets/{scene.target}" if scene.link else "", announced=scene.announced,
    )  # fmt: skip


def _in_order(story: AlertStory, lines: Sequence[AlertLine]) -> tuple[AlertLine, ...]:
    """Lines keep their place from revision to revision, so that the eye finds them again."""
    places = {line.number: place for place, line in enumerate(story.lines)}
    return tuple(sorted(lines, key=lambda line: places.get(line.number, len(places))))


def line_of(known: Known, catalogue: Catalogue) -> AlertLine:
    """A finding as a line of a message."""
    finding = known.finding
    resolved = known.state is State.RESOLVED
    return AlertLine(
        number=known.number, severity=finding.severity, kind=finding.kind.value, sentence=finding.message,
        resource_type=finding.resource_type, key=finding.key, path=finding.path,
        op=finding.op.value if finding.op else "", old=_shown(finding, finding.old, catalogue),
        new=_shown(finding, finding.new, catalogue), why=_why(finding), mend=finding.fix, state=known.state.value,
        resolution=known.resolution if resolved else "", detail=_detail(known) if resolved else "",
        since=known.opened_at, changed_at=known.changed_at if known.state is not State.OPEN else None,
        by=known.by, times_opened=known.times_opened, quiet=None if resolved else known.quiet,
        money=str(finding.money) if finding.money is not None else "", assignee=known.assignee,
        is_flapping=known.is_flapping, fleet=known.fleet,
        money_headline=finding.money.headline if finding.money is not None else "",
    )  # fmt: skip


def _why(finding: Finding) -> str:
    return f"{finding.why} Basis: {finding.basis}." if finding.basis else finding.why


def _detail(known: Known) -> str:
    if known.detail:
        return known.detail
    return "healed at SMART360" if known.resolution == Resolution.HEALED else known.resolution


def _shown(finding: Finding, value: Canonical, catalogue: Catalogue) -> str | None:
    if finding.op is None or finding.op is Op.MOVED or isinstance(value, dict | list):
        return None
    if is_fingerprint(value):
        return "changed"
    if value is None:
        return None
    kind = catalogue.types.get(finding.resource_type)
    field = kind.fields.get(finding.path.split("[")[0].split(".")[0]) if kind is not None else None
    if field is not None and field.item is not None:
        field = field.item.fields.get(finding.path.rsplit(".", 1)[-1], field.item)
    return worded(value, field)
