"""Targets, findings and steps as JSON: one function for each, for the command line and the API alike."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from baselines.approval import Act, Baseline, Group, Proposal, Review, change_key
from monitor.fleet import FleetEvent
from monitor.plan import TargetPlan
from monitor.reports.json import change_json
from monitor.store.unit import Unit
from monitor.target import Target
from rules.explain import Explanation, note_for_utility
from rules.fixplan import PlanStep
from rules.lifecycle import Known
from rules.precision import latest, mark_of
from rules.quiet import Quiet
from rules.waivers import Waiver

Item = dict[str, Any]


def target_item(unit: Unit, target: Target) -> Item:
    """One line of ``tenant list``."""
    runs = unit.sweeps.last(target)
    return {
        "target": target.name, "title": target.title, "stage": target.definition.stage,
        "open": len(unit.findings.open(target)), "last_sweep": runs[0].state if runs else "",
        "next_run_at": moment(target.next_run_at), "paused_by": target.paused_by or unit.targets.paused_all(),
    }  # fmt: skip


def target_in_full(unit: Unit, target: Target) -> Item:
    """``tenant show``: what was registered, read, judged and approved."""
    runs = unit.sweeps.last(target, states=("complete", "partial"))
    report: Mapping[str, Any] = runs[0].report if runs else {}
    snapshot, baseline = unit.snapshots.last(target), unit.baselines.current(target)
    return {
        "target": target.name, "title": target.title, "definition": target.definition.public(),
        "readiness": report.get("readiness"), "rules": report.get("rules"), "drift": report.get("drift"),
        "read_at": moment(snapshot.taken_at) if snapshot else None, "next_run_at": moment(target.next_run_at),
        "baseline": approval_item(baseline) if baseline is not None else None,
        "proposals": [each.id for each in unit.baselines.open_proposals(target)],
        "findings": [_in_short(each) for _, each in unit.findings.open(target)],
    }  # fmt: skip


def approval_item(each: Baseline | Proposal) -> Item:
    """One baseline or proposal of ``baseline list``."""
    return {name: moment(v) if isinstance(v, datetime) else v for name, v in asdict(each).items()}


def act_item(act: Act) -> Item:
    """One act on a proposal: of its history, or a comment; ``change`` is null for the proposal as a whole."""
    change = dict(zip(("resource_type", "key", "path"), act.change, strict=True)) if act.change else None
    return {"id": act.id, "proposal": act.proposal, "did": act.did.value, "by": act.by, "at": moment(act.at),
            "words": act.words, "change": change, "carried_from": act.carried or None}  # fmt: skip


def review_item(made: Review) -> Item:
    """``baseline review``: changes with what was decided of them, groups, comments, who is awaited, the result."""
    changes = []
    for each in made.comparison.changes:
        said = made.decisions.get(change_key(each))
        changes.append({
            **change_json(each), "decision": said.decision.value if said else "", "by": said.by if said else "",
            "at": moment(said.at) if said else None, "reason": said.reason if said else "",
            "act": said.act if said else 0, "carried_from": (said.carried or None) if said else None,
            "comments": [act_item(one) for one in made.comments(change_key(each))],
        })  # fmt: skip
    return {
        "proposal": approval_item(made.proposal), "awaited": made.awaited, "result": made.digest,
        "undecided": len(made.undecided), "outside": made.outside, "changes": changes,
        "groups": [_group_item(each) for each in (*made.groups, *made.causes)],
        "comments": [act_item(each) for each in made.comments()],
        "left_behind": [{"from": origin, "resource_type": kind, "key": key} for origin, kind, key in made.left_behind],
    }  # fmt: skip


def _group_item(group: Group) -> Item:
    return {"name": group.name, "title": group.title, "changes": len(group.changes),
            "undecided": len(group.undecided), "together": len(group.together),
            "severities": {each.value: count for each, count in group.severities.items()}}  # fmt: skip


def _in_short(known: Known) -> Item:
    return {"number": known.number, "severity": known.finding.severity.value, "message": known.finding.message,
            "state": known.state.value}  # fmt: skip


def finding_item(target: str, known: Known) -> Item:
    """One line of ``findings list``; ``known`` as of now (``as_of``)."""
    finding = known.finding
    return {
        "number": known.number, "target": target, "fingerprint": finding.fingerprint, "kind": finding.kind,
        "rule": finding.rule, "rule_kind": finding.rule_kind, "basis": finding.basis, "severity": finding.severity,
        "module": finding.module, "resource_type": finding.resource_type, "key": finding.key, "path": finding.path,
        "message": finding.message, "why": finding.why, "fix": finding.fix, "state": known.state,
        "resolution": known.resolution, "detail": known.detail, "opened_at": moment(known.opened_at),
        "changed_at": moment(known.changed_at), "last_seen": moment(known.last_seen),
        "times_opened": known.times_opened, "by": known.by, "note": known.note, "old": finding.old,
        "new": finding.new, "standing": known.standing, "quiet": _quiet(known.quiet), "assignee": known.assignee,
        "is_flapping": known.is_flapping, "fleet_event": f"fleet-{known.fleet}" if known.fleet is not None else None,
        "money": finding.money.as_json() if finding.money is not None else None,
        "evidence": [asdict(each) for each in finding.evidence],
    }  # fmt: skip


def _quiet(quiet: Quiet | None) -> Item | None:
    if quiet is None:
        return None
    return {"reason": quiet.reason, "ticket": quiet.ticket, "until": moment(quiet.until), "by": quiet.by,
            "waiver": quiet.waiver or None}  # fmt: skip


def waiver_item(waiver: Waiver, matches: int, now: datetime) -> Item:
    """One line of ``waiver list``.

    Args:
        waiver: as kept.
        matches: how many open findings it covers.
        now: aware; whether it is in force is told as of then.
    """
    return {
        "number": waiver.number, "state": waiver.word(now), "subject": waiver.subject, "targets": list(waiver.targets),
        "fingerprint": waiver.fingerprint, "match": asdict(waiver.match), "reason": waiver.reason,
        "ticket": waiver.ticket, "ends": moment(waiver.ends), "ends_soon": waiver.ends_soon(now), "matches": matches,
        "asked_by": waiver.asked_by, "asked_at": moment(waiver.asked_at), "decided_by": waiver.decided_by,
        "decided_at": moment(waiver.decided_at), "ended_by": waiver.ended_by, "ended_at": moment(waiver.ended_at),
        "note": waiver.note, "digest": waiver.digest,
    }  # fmt: skip


def finding_in_full(unit: Unit, target: str, known: Known, explained: Explanation | None = None) -> Item:
    """``findings show``: with what people said of it, its history, oldest first, and what helps to decide.

    Args:
        explained: null where its target is not watched any more.
    """
    said = latest(unit.findings.opinions(known=known)).get(known.id, ())
    marks = [{"mark": each.mark, "by": each.by, "at": moment(each.at), "reason": each.reason} for each in said]
    events = [
        {"event": each.event, "at": moment(each.at), "by": each.by, "note": each.note}
        for each in unit.findings.history(known)
    ]
    explanation = explanation_item(explained) if explained is not None else None
    return {
        **finding_item(target, known), "mark": mark_of(said), "marks": marks, "history": events,
        "explanation": explanation,
    }  # fmt: skip


def explanation_item(explained: Explanation) -> Item:
    """When, who may have done it (null to who may not see it), what depends on it, how to mend it, who was told."""
    window, radius, mend = explained.window, explained.radius, explained.mend
    return {
        "values": [asdict(each) for each in explained.values],
        "window": {"last_right": moment(window.last_right), "first_wrong": moment(window.first_wrong),
                   "unread": [moment(each) for each in window.unread]},
        "actors": asdict(explained.actors) if explained.actors is not None else None,
        "depends": {**asdict(radius), "words": radius.words(explained.catalogue)},
        "mend": asdict(mend),
        "told": [{**asdict(each), "at": moment(each.at), "edited_at": moment(each.edited_at)}
                 for each in explained.told],
        "note_for_utility": note_for_utility(explained, lambda at: clock(at, explained.zone)),
    }  # fmt: skip


def fleet_item(event: FleetEvent) -> Item:
    """One line of ``findings fleet``: what is probably one cause, and its members."""
    first, last = event.moments
    return {
        "event": event.label, "sentence": event.sentence, "state": event.state, "severity": event.severity,
        "cause": asdict(event.cause), "first_at": moment(first), "last_at": moment(last), "channel": event.channel,
        "targets": sorted(event.by_target), "open": len(event.open),
        "members": [{"target": name, **_in_short(known)} for name, known in event.members],
    }  # fmt: skip


def clock(at: datetime, zone: str) -> str:
    """``Tue 24 Nov 06:12 PST``."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %H:%M %Z}"


def step_item(step: PlanStep) -> Item:
    """One step of ``findings plan``; ``healing``: proven, likely, or by_hand where its fix says what to do."""
    by_healing = {"proven": step.heals, "likely": step.may_heal, "by_hand": step.by_hand}
    return {
        "number": step.number, "act": step.act.value, "title": step.title, "module": step.module,
        "resource_type": step.resource_type, "key": step.key, "screen": step.screen,
        "place_is_known": step.place_is_known, "blocked_by": list(step.blocked_by),
        "values": [{"path": each.path, "now": each.now, "should": each.should, "exact": each.is_exact}
                   for each in step.values],
        "findings": [{**_in_short(each), "fix": each.finding.fix, "basis": each.finding.basis, "healing": healing}
                     for healing, several in by_healing.items() for each in several],
    }  # fmt: skip


def plan_head(plan: TargetPlan) -> Item:
    """On what a plan rests."""
    return {
        "target": plan.target.name, "read_at": moment(plan.snapshot.taken_at) if plan.snapshot else None,
        "baseline": plan.baseline.version if plan.baseline else None,
    }  # fmt: skip


def moment(at: datetime | None) -> str | None:
    """UTC with Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None
