"""What people do about findings: acknowledge, assign, snooze, expect, note, reopen, mark.

One screen each. The audit log and the messages say so too; what is refused changes nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alerts.alert import AlertEvent, AlertReason
from alerts.plan import story_after
from baselines.errors import ApprovalRefused
from monitor.access import Actor, Right
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.fleet import fleet_event, tell_fleet
from monitor.store.unit import Unit, tried_again
from monitor.target import Target
from rules.lifecycle import Event, Known, State
from rules.precision import Mark
from rules.quiet import LONGEST, Quiet, Standing
from rules.waivers import as_of

SNOOZED_BY_ANY: Final = timedelta(days=7)  #: longer, and who snoozes must be allowed to ask for a waiver
LONGEST_NOTE: Final = 2_000  #: characters


def acknowledge(number: str, note: str, actor: Actor, deps: Deps) -> Known:
    """Say that someone has seen a finding and works on it; its message says so too.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``closed``, where it is resolved or acknowledged already.
    """
    return _act(number, Event.ACKNOWLEDGED, note, actor, deps, "acknowledge", AlertReason.ACKNOWLEDGED)


def assign(number: str, to: str, note: str, actor: Actor, deps: Deps) -> Known:
    """Say who is to look after a finding; ``to`` is a person's name, "" for nobody.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``closed``, where it is resolved; ``too_long``.
    """
    to = _worded(to, "the name", number, longest=200)
    told = f"to {to}: {note.strip()}".removesuffix(": ") if to else f"to nobody: {note.strip()}".removesuffix(": ")
    return _act(number, Event.ASSIGNED, told, actor, deps, "assign", AlertReason.ASSIGNED, assignee=to)


def snooze(number: str, until: datetime, note: str, actor: Actor, deps: Deps) -> Known:
    """Alert nobody of a finding until a time (not included); the first sweep from then on tells it again.

    It stays open and counts as open. It may heal before. A later snooze or announcement takes the place of this one.

    Args:
        until: aware.

    Raises:
        NotFound: no such finding.
        NotAllowed: longer than seven days, by who may not ask for waivers.
        ApprovalRefused: ``closed``, ``end_passed``, ``end_too_far`` (31 days), ``too_long``.
    """
    now = deps.clock.now()
    _refuse_end(until, now, number)
    right = Right.ACT if until - now <= SNOOZED_BY_ANY else Right.PROPOSE
    hush = Quiet(_worded(note, "the note", number), "", until, actor.name, Standing.SNOOZED)
    return _act(number, Event.SNOOZED, _until(until, note), actor, deps, "snooze", AlertReason.SNOOZED,
                right=right, quiet=hush, hush=hush)  # fmt: skip


def expect(number: str, ticket: str, until: datetime, note: str, actor: Actor, deps: Deps) -> Known:
    """Announce what a finding tells as a change that somebody makes, under a ticket, until a time (not included).

    As in an announced change window nobody is alerted of it until then.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``no_ticket``, ``closed``, ``end_passed``, ``end_too_far`` (31 days), ``too_long``.
    """
    _refuse_end(until, deps.clock.now(), number)
    ticket = _worded(ticket, "the ticket", number, longest=200)
    if not ticket:
        raise ApprovalRefused("no_ticket", "no ticket is named.", where=f"finding {number}", mend="Name the change.")
    hush = Quiet(_worded(note, "the note", number), ticket, until, actor.name)
    return _act(number, Event.EXPECTED, _until(until, f"{ticket} {note}"), actor, deps, "expect", AlertReason.EXPECTED,
                quiet=hush, hush=hush)  # fmt: skip


def note(number: str, text: str, actor: Actor, deps: Deps) -> Known:
    """Add a comment to a finding's history, resolved ones too; no message says it.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``no_text``, ``too_long``.
    """
    if not text.strip():
        raise ApprovalRefused("no_text", "an empty note.", where=f"finding {number}", mend="Say what is to be kept.")
    return _act(number, Event.NOTED, text, actor, deps, "note", None)


def reopen(number: str, reason: str, actor: Actor, deps: Deps) -> Known:
    """Open a resolved finding again, or take back that one is acknowledged, snoozed or expected.

    A resolved one that SMART360 has right is resolved again by the next sweep.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``closed``, where it is open and nothing is to be taken back; ``too_long``.
    """
    with deps.store.read(actor.tenants()) as unit:
        name, known = _numbered(unit, number)
    actor.needs(Right.ACT, name.split("/")[0])
    if known.state is State.RESOLVED:
        return _act(number, Event.REOPENED, reason, actor, deps, "reopen", AlertReason.REOPENED, quiet=None, hush=None)
    if known.state is State.OPEN and known.hush is None:
        mend = "A waiver is ended by its number: smart360-monitor waiver end."
        raise ApprovalRefused("closed", "it is open.", where=f"finding {number}", mend=mend)
    return _act(number, Event.WOKEN, reason, actor, deps, "wake", AlertReason.WOKEN, quiet=None, hush=None)


@tried_again
def _act(
    number: str, event: Event, note: str, actor: Actor, deps: Deps, act: str, reason: AlertReason | None,
    *, right: Right = Right.ACT, **changes: Any,
) -> Known:  # fmt: skip
    """One act on one finding: its state, its history, the audit log and its message, all or nothing."""
    now, note = deps.clock.now(), _worded(note, "the note", number)
    with deps.store.write(actor.tenants()) as unit:
        name, known = _numbered(unit, number)
        actor.needs(Right.ACT, name.split("/")[0])
        actor.needs(right, name.split("/")[0])
        moved = unit.findings.act(known, event, actor.name, note, now, **changes)
        if moved is None:
            what = f"it is {known.state.value} already{f' by {known.by}' if known.by else ''}."
            raise ApprovalRefused("closed", what, where=f"finding {number}", mend="Nothing to do.")
        _note(unit, act, name, known, note, actor, deps)
        if reason is not None:
            tell_of(unit, unit.targets.named(name), [moved], reason, actor.name, note, deps)
        return moved


def _refuse_end(until: datetime, now: datetime, number: str) -> None:
    if until <= now:
        raise ApprovalRefused("end_passed", "its end is not in the future.", where=f"finding {number}",
                              mend="Name a later time.")  # fmt: skip
    if until - now > LONGEST:
        raise ApprovalRefused("end_too_far", f"longer than {LONGEST.days} days.", where=f"finding {number}",
                              mend="Name an earlier time, or ask for a waiver.")  # fmt: skip


def _worded(text: str, what: str, number: str, *, longest: int = LONGEST_NOTE) -> str:
    text = text.strip()
    if len(text) > longest:
        raise ApprovalRefused("too_long", f"{what} has {len(text):,} characters.", where=f"finding {number}",
                              mend=f"At most {longest:,}.")  # fmt: skip
    return text


def _until(until: datetime, note: str) -> str:
    return f"until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {note.strip()}".removesuffix(": ")


@tried_again
def acknowledge_fleet(number: int, note: str, actor: Actor, deps: Deps) -> Sequence[Known]:
    """Acknowledge every open member of a fleet event that the actor may act on, in one transaction.

    Raises:
        NotFound: no such event, or none of its members may be seen.
        NotAllowed: none of its members may be acted on.
        ApprovalRefused: ``closed``, where none of these is open.
    """
    now = deps.clock.now()
    with deps.store.write() as unit:
        event = fleet_event(unit, number, deps)
        tenants = sorted({name.split("/")[0] for name in event.by_target}) if event is not None else []
        if event is None or not any(actor.may(Right.SEE, each) for each in tenants):
            raise NotFound(
                "no such fleet event.", where=f"fleet-{number}", mend="See: smart360-monitor findings fleet."
            )
        if not any(actor.may(Right.ACT, each) for each in tenants):
            actor.needs(Right.ACT, next(each for each in tenants if actor.may(Right.SEE, each)))
        done: list[Known] = []
        watched = {each.name: each for each in unit.targets.all()}
        for name, members in event.by_target.items():
            several = []
            for known in members if actor.may(Right.ACT, name.split("/")[0]) else ():
                if (acknowledged := unit.findings.act(known, Event.ACKNOWLEDGED, actor.name, note, now)) is not None:
                    several.append(acknowledged)
                    _note(unit, "acknowledge", name, known, note or event.label, actor, deps)
            if several:
                _edit(unit, watched[name], several, AlertReason.ACKNOWLEDGED, actor.name, note, deps)
                done, last = [*done, *several], watched[name]
        if not done:
            what = "where you may act, nothing of it is open any more."
            raise ApprovalRefused("closed", what, where=event.label, mend="Nothing to do.")
        happened = AlertEvent(AlertReason.ACKNOWLEDGED, now, event.label, actor.name, note)
        tell_fleet(unit, last, event.number, deps, reason=AlertReason.ACKNOWLEDGED, happened=happened)
    return done


def mark_finding(number: str, mark: Mark, reason: str, actor: Actor, deps: Deps) -> tuple[str, Known]:
    """Say whether a finding was useful; it counts for its rule's precision and changes nothing of its life.

    Returns:
        Its target's name, and the finding, as it was.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``no_reason``, where it was not useful and nobody says why.
    """
    now = deps.clock.now()
    if mark is Mark.NOT_USEFUL and not reason.strip():
        mend = 'Say what was wrong with it: --reason "…".'
        raise ApprovalRefused("no_reason", "not useful, and no reason given.", where=f"finding {number}", mend=mend)
    with deps.store.write(actor.tenants()) as unit:
        name, known = _numbered(unit, number)
        actor.needs(Right.ACT, name.split("/")[0])
        unit.findings.mark(known, mark, actor.name, reason.strip(), now)
        _note(unit, "mark", name, known, f"{mark}: {reason.strip()}".rstrip(": "), actor, deps)
    return name, known


def _numbered(unit: Unit, number: str) -> tuple[str, Known]:
    found = unit.findings.numbered(number)
    if found is None:
        raise NotFound("no such finding.", where=number, mend="See: smart360-monitor findings list.")
    return found


def _note(unit: Unit, act: str, target: str, known: Known, reason: str, actor: Actor, deps: Deps) -> None:
    """What a person did to a finding, in the audit log."""
    unit.audit.append(
        deps.audit_key, at=deps.clock.now(), actor=actor.name, tenant=target.split("/")[0], action=f"finding.{act}",
        object=f"{target} finding {known.number}", content=known.finding.evidence_digest, reason=reason,
    )  # fmt: skip


def tell_of(
    unit: Unit, target: Target, several: Sequence[Known], reason: AlertReason, by: str, note: str, deps: Deps
) -> None:
    """Edit the messages in which these findings were told, those of their fleet events too."""
    _edit(unit, target, several, reason, by, note, deps)
    for number in sorted({known.fleet for known in several if known.fleet is not None}):
        tell_fleet(unit, target, number, deps, reason=reason)


def _edit(
    unit: Unit, target: Target, several: Sequence[Known], reason: AlertReason, by: str, note: str, deps: Deps
) -> None:
    now = deps.clock.now()
    waivers = unit.waivers.in_force(now)
    by_message: dict[str, list[Known]] = {}
    for known in several:
        by_message.setdefault(known.alert_key, []).append(known)
    for key, changed in by_message.items():
        for channel in unit.alerts.channels_of(key) if key else ():
            story = unit.alerts.last_story(channel, key)
            if story is not None:
                events = [AlertEvent(reason, now, known.number, by, note) for known in changed]
                told = unit.findings.told_in(target, [key])
                findings = [each for _, each in as_of(((target.name, known) for known in told), waivers, now)]
                unit.alerts.queue(
                    target, channel, story_after(story, findings, events, deps.catalogue_of(target)), reason.value, now
                )
