"""Waivers: asked for by one person, approved or refused by another, ended early by either. One screen each.

What is waived stays open and counts as open; ``rules/waivers.py`` says what is waived at a moment,
and nothing else does.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from alerts.alert import AlertReason
from baselines.errors import ApprovalRefused, shown
from monitor.access import Actor, Right
from monitor.care import tell_of
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.store.unit import Unit, tried_again
from rules.lifecycle import Event, Known
from rules.quiet import Quiet, Standing
from rules.selector import Selector
from rules.waivers import (
    LONGEST_REASON,
    LONGEST_WIDE,
    SHORTEST_REASON,
    Waiver,
    WaiverState,
    latest_end,
)


def ask_waiver(number: str, reason: str, ends: datetime, actor: Actor, deps: Deps, *, ticket: str = "") -> Waiver:
    """Ask that one finding may stay as it is until a time (not included), within a year.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``reason_too_short`` (20 characters), ``too_long``, ``end_passed``, ``end_too_far``.
    """
    with deps.store.read(actor.tenants()) as unit:
        found = unit.findings.numbered(number)
    if found is None:
        raise NotFound("no such finding.", where=number, mend="See: smart360-monitor findings list.")
    name, known = found
    return _asked(
        (name,), known.finding.fingerprint, Selector(), f"finding {known.number}", reason, ends, ticket, actor, deps
    )


def ask_wide_waiver(
    targets: Sequence[str], match: Selector, reason: str, ends: datetime, actor: Actor, deps: Deps, *, ticket: str = ""
) -> Waiver:
    """Ask that all findings of a pattern may stay at targets of one tenant until a time (not included), within 90 days.

    Raises:
        UnknownTarget: one of them is not watched.
        ApprovalRefused: as of ``ask_waiver``; ``no_targets``, ``several_tenants``; ``too_wide``, where the pattern
            names neither rule nor resource type.
    """
    where = ", ".join(targets) or "waiver"
    if not targets:
        raise ApprovalRefused("no_targets", "it names no target.", where=where, mend="Name each target.")
    if len({each.split("/")[0] for each in targets}) > 1:
        mend = "Ask for one at each tenant."
        raise ApprovalRefused("several_tenants", "its targets are of several tenants.", where=where, mend=mend)
    if not (match.rule or match.resource_type):
        mend = "Name a rule or a resource type; * stands for any text."
        raise ApprovalRefused("too_wide", "it names no rule and no resource type.", where=where, mend=mend)
    with deps.store.read(actor.tenants()) as unit:
        names = tuple(sorted({unit.targets.named(each).name for each in targets}))
    named = {"rule": match.rule, "kind": match.kind, "type": match.resource_type, "key": match.key, "path": match.path}
    subject = ", ".join(f"{word} {text}" for word, text in named.items() if text)
    return _asked(names, "", match, subject, reason, ends, ticket, actor, deps)


def _asked(
    targets: tuple[str, ...], print_: str, match: Selector, subject: str, reason: str, ends: datetime, ticket: str,
    actor: Actor, deps: Deps,
) -> Waiver:  # fmt: skip
    actor.needs(Right.PROPOSE, targets[0].split("/")[0])
    now, reason, ticket, where = deps.clock.now(), reason.strip(), ticket.strip(), f"waiver of {subject}"
    asked = Waiver(0, targets, print_, match, subject, reason, ticket, ends, actor.name, now)
    if len(" ".join(reason.split())) < SHORTEST_REASON:
        mend = f"Say in at least {SHORTEST_REASON} characters why it may stay so."
        raise ApprovalRefused("reason_too_short", "its reason says too little.", where=where, mend=mend)
    if len(reason) > LONGEST_REASON or len(ticket) > 200:
        mend = f"At most {LONGEST_REASON:,} characters, and 200 of a ticket."
        raise ApprovalRefused("too_long", "its reason or ticket is too long.", where=where, mend=mend)
    if ends <= now:
        raise ApprovalRefused("end_passed", "its end is not in the future.", where=where, mend="Name a later time.")
    if ends > latest_end(now, is_wide=asked.is_wide):
        most = f"{LONGEST_WIDE.days} days, as it is wider than one finding" if asked.is_wide else "a year"
        raise ApprovalRefused("end_too_far", f"longer than {most}.", where=where, mend="Name an earlier end.")
    with deps.store.write(actor.tenants()) as unit:
        made = unit.waivers.ask(asked)
        _audit(unit, "ask", made, reason, actor, deps)
    return made


@tried_again
def approve_waiver(number: int, note: str, actor: Actor, deps: Deps) -> Waiver:
    """Agree to what somebody else asked for; its findings' messages say until when and why.

    Raises:
        NotFound: no such waiver.
        ApprovalRefused: ``closed``; ``own_waiver``; ``end_passed``, where its time is over.
    """
    note, now = note.strip(), deps.clock.now()
    with deps.store.write(actor.tenants()) as unit:
        waiver = _found(unit, number, Right.APPROVE, actor)
        where = f"waiver {number}"
        if deps.settings.four_eyes and waiver.asked_by == actor.name:
            mend = "Ask a colleague to approve it."
            raise ApprovalRefused("own_waiver", f"{actor.name} asked for it.", where=where, mend=mend)
        if waiver.state is WaiverState.ASKED and now >= waiver.ends:
            raise ApprovalRefused("end_passed", "its time is over.", where=where, mend="Ask for another.")
        if not unit.waivers.decide(waiver, WaiverState.APPROVED, actor.name, note, now):
            raise _closed(waiver)
        made = unit.waivers.numbered(number)
        four_eyes = "" if deps.settings.four_eyes else " (four eyes off by setting)"
        _audit(unit, "approve", made, f"{note}{four_eyes}".strip(), actor, deps)
        told = f"{made.reason}{f' ({made.ticket})' if made.ticket else ''}"
        quiet = Quiet(made.reason, made.ticket, made.ends, made.asked_by, Standing.WAIVED, made.number)

        def waived(known: Known) -> Known | None:
            return unit.findings.act(known, Event.WAIVED, actor.name, f"waiver {number}: {told}", now, quiet=quiet)

        _tell(unit, made, waived, AlertReason.WAIVED, told, actor, deps)
    return made


def refuse_waiver(number: int, reason: str, actor: Actor, deps: Deps) -> Waiver:
    """Say no to what is asked; who asked for it may take it back the same way.

    Raises:
        NotFound: no such waiver.
        ApprovalRefused: ``closed``.
    """
    with deps.store.write(actor.tenants()) as unit:
        waiver = _found(unit, number, Right.PROPOSE, actor)
        if waiver.asked_by != actor.name:
            actor.needs(Right.APPROVE, _tenant(waiver))
        if not unit.waivers.decide(waiver, WaiverState.REFUSED, actor.name, reason.strip(), deps.clock.now()):
            raise _closed(waiver)
        _audit(unit, "refuse", waiver, reason.strip(), actor, deps)
        return unit.waivers.numbered(number)


@tried_again
def end_waiver(number: int, reason: str, actor: Actor, deps: Deps) -> Waiver:
    """End an approved waiver early; what is still wrong is told again by the next sweep.

    Raises:
        NotFound: no such waiver.
        ApprovalRefused: ``closed``.
    """
    now = deps.clock.now()
    with deps.store.write(actor.tenants()) as unit:
        waiver = _found(unit, number, Right.PROPOSE, actor)
        if now >= waiver.ends or not unit.waivers.end(waiver, actor.name, reason.strip(), now):
            raise _closed(waiver)
        _audit(unit, "end", waiver, reason.strip(), actor, deps)

        def woken(known: Known) -> Known:
            return known  # that it was waived stands with it until the next sweep, which tells it again

        _tell(unit, waiver, woken, AlertReason.WOKEN, f"waiver {number} ended: {reason}".strip(" :"), actor, deps)
        return unit.waivers.numbered(number)


def matches_of(unit: Unit, waivers: Sequence[Waiver]) -> Mapping[int, Sequence[tuple[str, Known]]]:
    """What is open of what each waiver covers, by its number; an empty one matches nothing.

    Args:
        unit: of who asks, so that nothing of others is counted.
    """
    by_target: dict[str, list[Known]] = {}
    for name, known in unit.findings.open():
        by_target.setdefault(name, []).append(known)
    return {
        waiver.number: [
            (name, known)
            for name in waiver.targets
            for known in by_target.get(name, ())
            if waiver.covers(known.finding, name)
        ]
        for waiver in waivers
    }


def _found(unit: Unit, number: int, right: Right, actor: Actor) -> Waiver:
    waiver = unit.waivers.numbered(number)
    actor.needs(right, _tenant(waiver))
    return waiver


def _tell(
    unit: Unit, waiver: Waiver, act: Callable[[Known], Known | None], reason: AlertReason, note: str, actor: Actor,
    deps: Deps,
) -> None:  # fmt: skip
    """Do something to every open finding that a waiver covers, and edit their messages."""
    for name in waiver.targets:
        target = next((each for each in unit.targets.all() if each.name == name), None)
        if target is not None:  # it may be watched no more
            found = [act(known) for _, known in unit.findings.open(target) if waiver.covers(known.finding, name)]
            tell_of(unit, target, [known for known in found if known is not None], reason, actor.name, note, deps)


def _closed(waiver: Waiver) -> ApprovalRefused:
    done = waiver.ended_by or waiver.decided_by
    what = f"it is {waiver.state.value} already{f' by {shown(done)}' if done else ''}."
    return ApprovalRefused("closed", what, where=f"waiver {waiver.number}", mend="See: smart360-monitor waiver list.")


def _tenant(waiver: Waiver) -> str:
    return waiver.targets[0].split("/")[0]


def _audit(unit: Unit, act: str, waiver: Waiver, reason: str, actor: Actor, deps: Deps) -> None:
    ends = f"until {waiver.ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    unit.audit.append(
        deps.audit_key, at=deps.clock.now(), actor=actor.name, tenant=_tenant(waiver), action=f"waiver.{act}",
        object=f"{', '.join(waiver.targets)} waiver {waiver.number} of {waiver.subject} {ends}", content=waiver.digest,
        reason=reason,
    )  # fmt: skip
