"""What people do about findings: acknowledge, mark. One screen each; the audit log and the messages say so too."""

from collections.abc import Sequence

from alerts.alert import AlertEvent, AlertReason
from alerts.plan import story_after
from baselines.errors import ApprovalRefused
from monitor.access import Actor, Right
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.store.unit import Unit
from monitor.target import Target
from rules.lifecycle import Known
from rules.precision import Mark


def acknowledge(number: str, note: str, actor: Actor, deps: Deps) -> Known:
    """Say that someone has seen a finding and works on it; its message says so too.

    Raises:
        NotFound: no such finding.
        ApprovalRefused: ``closed``, where it is resolved or acknowledged already.
    """
    now = deps.clock.now()
    with deps.store.write() as unit:
        name, known = _numbered(unit, number)
        actor.needs(Right.ACT, name.split("/")[0])
        acknowledged = unit.findings.acknowledge(known, actor.name, note, now)
        if acknowledged is None:
            what = f"it is {known.state.value} already{f' by {known.by}' if known.by else ''}."
            raise ApprovalRefused("closed", what, where=f"finding {number}", mend="Nothing to do.")
        target = unit.targets.named(name)
        _note(unit, "acknowledge", name, known, note, actor, deps)
        tell_of(unit, target, [acknowledged], AlertReason.ACKNOWLEDGED, actor.name, note, deps)
        return acknowledged


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
    with deps.store.write() as unit:
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
    """Edit the messages in which these findings were told."""
    now = deps.clock.now()
    by_message: dict[str, list[Known]] = {}
    for known in several:
        by_message.setdefault(known.alert_key, []).append(known)
    for key, changed in by_message.items():
        for channel in unit.alerts.channels_of(key) if key else ():
            story = unit.alerts.last_story(channel, key)
            if story is not None:
                events = [AlertEvent(reason, now, known.number, by, note) for known in changed]
                findings = unit.findings.told_in(target, [key])
                unit.alerts.queue(
                    target, channel, story_after(story, findings, events, deps.catalogue_of(target)), reason.value, now
                )
