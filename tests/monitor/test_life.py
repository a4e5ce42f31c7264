"""What people do about findings, over real HTTP and in both stores: who may, what is said, and what comes back."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from operator import attrgetter

import pytest

from baselines.approval import Decision, change_key
from baselines.errors import ApprovalRefused
from monitor.access import Actor as Person
from monitor.access import Grant, Role, on_host, rights_of
from monitor.approval import approve, decide, propose_baseline, review_of
from monitor.care import acknowledge, assign, expect, note, reopen, snooze
from monitor.errors import NotAllowed, NotFound
from monitor.sweep import sweep
from monitor.waivers import approve_waiver, ask_waiver, ask_wide_waiver, end_waiver, matches_of, refuse_waiver
from rules.lifecycle import State
from rules.quiet import Standing
from rules.selector import Selector
from rules.waivers import WaiverState, as_of
from tests.monitor.store.made import somebody_waits
from tests.monitor.test_quiet import NOW, Utility

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
WHY = "the council decides on it in January"


def person(name: str, role: Role, on: str = "swa") -> Person:
    return Person(name, rights_of([Grant(role, on)], {}, NOW), name)


CARLA = person("carla", Role.CUSTOMER_SUCCESS)
OLGA, NISHA = person("olga", Role.ONBOARDING_LEAD), person("nisha", Role.ONBOARDING_LEAD)
VIEWER, STRANGER = person("vera", Role.VIEWER), person("cora", Role.ONBOARDING_LEAD, "cbe")
ADMIN = person("ada", Role.ADMIN, "*")


@pytest.fixture
def utility(tmp_path, sandbox, slack, store) -> Utility:
    """SWA with one drift that was told."""
    made = Utility(tmp_path, sandbox, slack, store)
    made.percentage("ULF-PDX", "5.5")
    made.sweep()
    made.before = len(made.reasons())
    return made


def number(utility: Utility, key: str = "ULF-PDX") -> str:
    return utility.open()[f"{key} drift"].number


def said(utility: Utility) -> list[str]:
    return utility.reasons()[utility.before :]


def threads(utility: Utility) -> list[str]:
    found = utility.slack.client.get("/standin/messages").json()
    return [each["text"] for each in found if each["thread_ts"] and not each["is_deleted"]]


def now_of(utility: Utility, key: str = "ULF-PDX"):
    with utility.store.read() as unit:
        found = unit.findings.open(utility.target)
        now = utility.clock.now()
        (known,) = [each for _, each in as_of(found, unit.waivers.in_force(now), now) if each.finding.key == key]
    return known


def waived(utility: Utility, ends, **given):
    asked = ask_waiver(number(utility), WHY, ends, OLGA, utility.deps, **given)
    return approve_waiver(asked.number, "agreed", NISHA, utility.deps)


def deliver(utility: Utility) -> None:
    from monitor.delivery import deliver_waiting

    deliver_waiting(utility.deps)


def test_a_snoozed_finding_says_who_and_until_when_and_is_told_again_at_its_end(utility):
    end = utility.clock.now() + 3 * DAY
    snooze(number(utility), end, "mended on Thursday", CARLA, utility.deps)
    deliver(utility)
    (only,) = utility.messages()
    assert "Snoozed until Fri 27 Nov 07:02 PST by carla." in only
    assert threads(utility)[-1].endswith("“until 2026-11-27 15:02 UTC: mended on Thursday”")
    utility.percentage("ULF-PDX", "5.75")  # its evidence changes, and nobody is called
    for at in (end - DAY, end - TICK):
        assert utility.sweep(at).announced == 1
    assert said(utility) == ["snoozed", "changed"]  # the edit that keeps its message true
    assert len(threads(utility)) == 1
    with utility.store.read() as unit:
        assert sum(unit.findings.counts().values()) == 1
    assert now_of(utility).standing is Standing.SNOOZED
    utility.clock.at = end
    assert now_of(utility).standing is Standing.PLAIN  # before anything is written
    utility.sweep(end)
    assert said(utility) == ["snoozed", "changed", "ended"]
    assert "The snooze is over, and this is still wrong." in " ".join(utility.messages())
    utility.sweep(end + HOUR)
    assert said(utility)[3:] == []


def test_a_snooze_that_no_sweep_saw_is_told_again_all_the_same(utility):
    end = utility.clock.now() + HOUR
    snooze(number(utility), end, "", CARLA, utility.deps)
    utility.sweep(end)
    assert said(utility) == ["snoozed", "ended"]


def test_what_heals_while_it_is_quiet_is_never_told_again(utility):
    snooze(number(utility), utility.clock.now() + DAY, "", CARLA, utility.deps)
    utility.percentage("ULF-PDX", "5")
    assert utility.sweep().resolved == 1
    utility.percentage("ULF-PDX", "5.5")
    assert utility.sweep().opened == 1  # a snooze does not end early
    assert now_of(utility).standing is Standing.SNOOZED
    utility.percentage("ULF-PDX", "5")
    utility.sweep()
    utility.sweep(utility.clock.now() + 2 * DAY)
    assert said(utility) == ["snoozed", "resolved"]


def test_a_person_takes_a_snooze_or_an_acknowledgement_back(utility):
    acknowledge(number(utility), "", CARLA, utility.deps)
    snooze(number(utility), utility.clock.now() + DAY, "", CARLA, utility.deps)
    assert (now_of(utility).state, now_of(utility).standing) == (State.ACKNOWLEDGED, Standing.SNOOZED)
    back = reopen(number(utility), "not mine", OLGA, utility.deps)
    assert (back.state, back.by, back.hush, back.quiet, back.times_opened) == (State.OPEN, "", None, None, 1)
    with pytest.raises(ApprovalRefused) as told:
        reopen(number(utility), "", OLGA, utility.deps)
    assert told.value.code == "closed"
    utility.sweep()
    assert said(utility) == ["acknowledged", "snoozed", "woken"]
    assert "Taken back by olga" in threads(utility)[-1]


def test_a_person_opens_a_resolved_finding_again(utility):
    which = number(utility)
    utility.percentage("ULF-PDX", "5")
    utility.sweep()
    back = reopen(which, "the portal shows the old rate", CARLA, utility.deps)
    assert (back.state, back.resolution, back.times_opened) == (State.OPEN, "", 2)
    assert utility.sweep().resolved == 1
    assert said(utility) == ["resolved", "reopened", "resolved"]


def test_an_announced_change_is_expected_until_its_end_and_needs_a_ticket(utility):
    end = utility.clock.now() + 4 * HOUR
    with pytest.raises(ApprovalRefused) as told:
        expect(number(utility), " ", end, "", CARLA, utility.deps)
    assert told.value.code == "no_ticket"
    expect(number(utility), "CHG-9", end, "rates of 2027", CARLA, utility.deps)
    utility.sweep()
    (only,) = utility.messages()
    assert "Announced (CHG-9, until 11:02)." in only
    assert now_of(utility).standing is Standing.EXPECTED
    utility.sweep(end)
    assert said(utility) == ["expected", "ended"]


def test_assigning_and_notes_stand_with_the_finding_and_leave_its_state(utility):
    assign(number(utility), "mei", "knows the tariffs", CARLA, utility.deps)
    note(number(utility), "the utility knows", CARLA, utility.deps)
    deliver(utility)
    known = now_of(utility)
    assert (known.state, known.assignee) == (State.OPEN, "mei")
    (only,) = utility.messages()
    assert "Assigned to mei." in only
    assert said(utility) == ["assigned"]
    utility.percentage("ULF-PDX", "5")
    utility.sweep()
    note(known.number, "closed with the utility", CARLA, utility.deps)
    with utility.store.read() as unit:
        told = [(each.event, each.by, each.note) for each in unit.findings.history(known)]
    assert told[1:3] == [("assigned", "carla", "to mei: knows the tariffs"), ("noted", "carla", "the utility knows")]
    assert told[-1] == ("noted", "carla", "closed with the utility")
    for act in (lambda: assign(known.number, "mei", "", CARLA, utility.deps),
                lambda: snooze(known.number, utility.clock.now() + HOUR, "", CARLA, utility.deps)):  # fmt: skip
        with pytest.raises(ApprovalRefused) as refused:
            act()
        assert refused.value.code == "closed"


def test_a_waiver_of_one_finding_is_silent_until_its_end_and_then_it_is_told_again(utility):
    end = utility.clock.now() + 60 * DAY
    made = waived(utility, end, ticket="CHG-7")
    assert (made.state, made.asked_by, made.decided_by) == (WaiverState.APPROVED, "olga", "nisha")
    deliver(utility)
    (only,) = utility.messages()
    assert "Waived until Sat 23 Jan 07:02 PST (the council decides on it in January) by olga." in only
    utility.percentage("ULF-PDX", "5.75")
    utility.sweep()
    utility.sweep(end - 8 * DAY)
    assert said(utility) == ["waived", "changed"]
    with utility.store.read() as unit:
        assert sum(unit.findings.counts().values()) == 1
        (known,) = utility.open().values()
    utility.sweep(end - 7 * DAY)
    utility.sweep(end - TICK)
    assert said(utility) == ["waived", "changed", "ending"]  # once
    assert "A waiver ends · swa/production" in " ".join(utility.messages())
    assert now_of(utility).standing is Standing.WAIVED
    utility.sweep(end)
    assert said(utility)[3:] == ["ended"]
    assert "The waiver is over, and this is still wrong." in " ".join(utility.messages())
    utility.sweep(end + HOUR)
    assert said(utility)[4:] == []
    assert now_of(utility).number == known.number


def test_a_wide_waiver_covers_what_opens_later_and_the_message_counts_it(utility):
    match = Selector(resource_type="tax", key="ULF-G*")
    asked = ask_wide_waiver([utility.target.name], match, WHY, utility.clock.now() + DAY, OLGA, utility.deps)
    approve_waiver(asked.number, "", NISHA, utility.deps)
    with utility.store.read() as unit:
        assert matches_of(unit, unit.waivers.all()) == {asked.number: []}
    utility.percentage("ULF-GRE", "7")
    utility.sweep()
    assert said(utility) == []  # nothing else happened
    utility.percentage("ULF-PDX", "6")
    utility.sweep()
    assert "1 more is waived until Wed 25 Nov 07:02 PST" in " ".join(utility.messages())
    utility.sweep(asked.ends)
    assert said(utility) == ["changed", "ending", "ended"] or said(utility) == ["changed", "ended"]
    with utility.store.read() as unit:
        assert len(matches_of(unit, unit.waivers.all())[asked.number]) == 1


def test_a_waiver_ended_early_is_told_again_by_the_next_sweep(utility):
    made = waived(utility, utility.clock.now() + DAY)
    utility.sweep()
    end_waiver(made.number, "decided", OLGA, utility.deps)
    assert now_of(utility).standing is Standing.PLAIN
    deliver(utility)
    assert "waiver 1 ended: decided" in threads(utility)[-1]
    utility.sweep()
    utility.sweep()
    assert said(utility) == ["waived", "woken", "ended"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"reason": "we like it so"}, "reason_too_short"),
        ({"reason": " " * 40}, "reason_too_short"),
        ({"reason": "x" * 2001}, "too_long"),
        ({"ends": timedelta(0)}, "end_passed"),
        ({"ends": 366 * DAY}, "end_too_far"),
        ({"wide": ["swa/production"], "ends": 90 * DAY + TICK}, "end_too_far"),
        ({"wide": []}, "no_targets"),
        ({"wide": ["swa/production", "cbe/production"]}, "several_tenants"),
        ({"wide": ["swa/production"], "match": Selector(key="*")}, "too_wide"),
    ],
)
def test_b64_what_may_not_be_asked_is_refused_and_nothing_is_kept(utility, given, code):
    reason, ends = given.get("reason", WHY), utility.clock.now() + given.get("ends", DAY)
    which, match = number(utility), given.get("match", Selector(rule="x.*"))

    def ask():
        if "wide" in given:
            return ask_wide_waiver(given["wide"], match, reason, ends, OLGA, utility.deps)
        return ask_waiver(which, reason, ends, OLGA, utility.deps)

    with pytest.raises(ApprovalRefused) as told:
        ask()
    assert told.value.code == code
    with utility.store.read() as unit:
        assert unit.waivers.all() == []


def test_a_waiver_needs_two_people_and_is_decided_once(utility):
    asked = ask_waiver(number(utility), WHY, utility.clock.now() + DAY, OLGA, utility.deps)
    with pytest.raises(ApprovalRefused) as told:
        approve_waiver(asked.number, "", OLGA, utility.deps)
    assert told.value.code == "own_waiver"
    approve_waiver(asked.number, "", NISHA, utility.deps)
    for act in (approve_waiver, refuse_waiver):
        with pytest.raises(ApprovalRefused) as told:
            act(asked.number, "", NISHA, utility.deps)
        assert told.value.code == "closed"
    end_waiver(asked.number, "", OLGA, utility.deps)
    with pytest.raises(ApprovalRefused):
        end_waiver(asked.number, "", OLGA, utility.deps)
    late = ask_waiver(number(utility), WHY, utility.clock.now() + DAY, OLGA, utility.deps)
    utility.clock.at += DAY
    with pytest.raises(ApprovalRefused) as told:
        approve_waiver(late.number, "", NISHA, utility.deps)
    assert told.value.code == "end_passed"
    refuse_waiver(late.number, "too late", OLGA, utility.deps)
    with utility.store.read() as unit:
        acts = [(each.action, each.actor) for each in unit.audit.entries() if each.action.startswith("waiver.")]
    assert acts == [("waiver.ask", "olga"), ("waiver.approve", "nisha"), ("waiver.end", "olga"),
                    ("waiver.ask", "olga"), ("waiver.refuse", "olga")]  # fmt: skip


def test_who_may_do_what(utility):
    which, soon, deps = number(utility), utility.clock.now() + DAY, utility.deps
    asked = ask_waiver(which, WHY, soon, OLGA, deps)
    acts = {
        "snooze": lambda who: snooze(which, soon, "", who, deps),
        "snooze long": lambda who: snooze(which, utility.clock.now() + 7 * DAY + TICK, "", who, deps),
        "assign": lambda who: assign(which, "mei", "", who, deps),
        "note": lambda who: note(which, "seen", who, deps),
        "expect": lambda who: expect(which, "CHG", soon, "", who, deps),
        "reopen": lambda who: reopen(which, "", who, deps),
        "ask": lambda who: ask_waiver(which, WHY, soon, who, deps),
        "approve": lambda who: approve_waiver(asked.number, "", who, deps),
    }
    allowed: dict[str, set[str]] = {}
    for who in (STRANGER, VIEWER, CARLA, ADMIN, NISHA):
        for name, act in acts.items():
            try:
                act(who)
                allowed.setdefault(who.name, set()).add(name)
            except NotFound:
                assert who is STRANGER
            except NotAllowed:
                assert who is not STRANGER
    care = {"snooze", "assign", "note", "expect", "reopen"}
    assert allowed == {"carla": care, "ada": {*acts} - {"approve"}, "nisha": {*acts}}


def test_a_snooze_ends_within_seven_days_or_thirty_one_for_who_may_ask_for_waivers(utility):
    now = utility.clock.now()
    snooze(number(utility), now + 7 * DAY, "", CARLA, utility.deps)
    snooze(number(utility), now + 31 * DAY, "", OLGA, utility.deps)
    for who, end, code in ((OLGA, now, "end_passed"), (OLGA, now + 31 * DAY + TICK, "end_too_far")):
        with pytest.raises(ApprovalRefused) as told:
            snooze(number(utility), end, "", who, utility.deps)
        assert told.value.code == code


def test_a_finding_that_flaps_stays_in_one_message_however_long_it_was_healed(utility):
    for _ in range(3):
        utility.percentage("ULF-PDX", "5")
        utility.sweep(utility.clock.now() + HOUR)
        utility.percentage("ULF-PDX", "5.5")
        utility.sweep(utility.clock.now() + 2 * DAY)
    texts = utility.messages()
    assert len(texts) == 2  # the second opening came after more than a day; from the third on it flaps
    assert "Flapping, opened 4 times." in " ".join(texts)
    assert now_of(utility).is_flapping
    found = utility.slack.client.get("/standin/messages").json()
    assert not [each for each in found if each.get("subtype") == "thread_broadcast"]


def test_what_cannot_be_decided_when_a_waiver_ends_is_told_once_it_can(utility):
    end = utility.clock.now() + DAY
    waived(utility, end)
    utility.sweep()
    utility.world.fault("forbidden-some", "tax")
    utility.clock.at = end
    assert sweep(utility.target, end, utility.deps).state == "partial"
    assert "ended" not in said(utility)
    utility.world.heal()
    utility.sweep(end + HOUR)
    assert "ended" in said(utility)


def test_f94_waived_findings_still_count_and_the_metric_says_how_many_waivers_there_are(utility):
    from monitor.metrics import make_registry

    waived(utility, utility.clock.now() + DAY)
    metrics = {each.name: each for each in make_registry(utility.deps).collect()}
    assert [each.value for each in metrics["smart360_waivers_active"].samples] == [1]
    assert [each.labels for each in metrics["smart360_waivers_active"].samples] == [{}]
    assert sum(each.value for each in metrics["smart360_findings_open"].samples) == 1
    utility.clock.at += DAY
    metrics = {each.name: each for each in make_registry(utility.deps).collect()}
    assert [each.value for each in metrics["smart360_waivers_active"].samples] == [0]


def test_the_command_line_hides_what_is_waived_and_counts_it(utility, monkeypatch, capsys):
    from monitor.cli import findings, run, waivers

    for module in (findings, waivers):
        monkeypatch.setattr(module, "deps", lambda: utility.deps)

    def told(*words: str) -> tuple[int, str, str]:
        code = run([*words])
        out, err = capsys.readouterr()
        return code, out, err

    which = number(utility)
    assert told("findings", "waive", which, "--until", "2026-12-15", "--reason", WHY, "--as", "olga")[0] == 0
    code, out, _ = told("waiver", "list")
    assert "1  asked  finding " in out
    assert "2026-12-15 08:00:00 UTC" in out  # midnight in Los Angeles
    assert told("waiver", "approve", "1", "--as", "nisha")[0] == 0
    code, out, err = told("findings", "list")
    assert (code, out) == (0, "")
    assert "0 of 1 · 1 waived hidden: --standing waived" in err
    code, out, _ = told("findings", "list", "--standing", "waived", "--output", "json")
    found = json.loads(out)
    assert code == 1
    assert [(each["number"], each["standing"], each["quiet"]["waiver"]) for each in found["findings"]] == [
        (which, "waived", 1)
    ]
    assert found["hidden"] == {}
    code, out, _ = told("findings", "show", which)
    assert f"waived until 2026-12-15 08:00:00 UTC ({WHY}) by olga" in out
    (item,) = json.loads(told("waiver", "list", "--output", "json")[1])["waivers"]
    assert (item["state"], item["matches"], item["targets"]) == ("in force", 1, ["swa/production"])
    assert told("waiver", "end", "1", "--as", "olga")[0] == 0
    assert told("findings", "snooze", which, "--until", "3h", "--as", "carla")[1].startswith(
        f"{which} is snoozed until"
    )
    assert told("findings", "expect", which, "--ticket", "CHG-1", "--until", "1d", "--as", "carla")[0] == 0
    assert told("findings", "reopen", which)[1] == f"{which} is open.\n"
    assert told("findings", "assign", which, "--to", "mei")[1] == f"{which} is assigned to mei.\n"
    assert told("findings", "note", which, "seen")[0] == 0
    assert told("findings", "list", "--state", "resolved")[1] == ""


def test_an_act_and_its_audit_entry_and_its_message_are_one_transaction(utility, monkeypatch):
    from monitor.store.alerts import Alerts

    class Broken(Exception):
        pass

    def broken(*_given, **_more):
        raise Broken

    monkeypatch.setattr(Alerts, "queue", broken)
    with pytest.raises(Broken):
        snooze(number(utility), utility.clock.now() + HOUR, "", on_host("carla"), utility.deps)
    with utility.store.read() as unit:
        assert not [each for each in unit.audit.entries() if each.action == "finding.snooze"]
    assert attrgetter("hush", "quiet")(now_of(utility)) == (None, None)


def decided(utility: Utility):
    """What is kept, proposed and accepted whole."""
    proposal = propose_baseline(utility.target, OLGA, utility.deps)
    with utility.store.read() as unit:
        changes = review_of(proposal, utility.deps, unit).comparison.changes
    accepted = [(change_key(each), Decision.ACCEPT, "") for each in changes]
    return proposal, decide(proposal, accepted, OLGA, utility.deps).digest


def at_points(monkeypatch, **acts) -> None:
    """While a sweep runs, do this once at each of these points."""
    monkeypatch.setattr("monitor.sweep.reached", lambda point: acts.pop(point.replace("-", "_"), lambda: None)())


def test_what_is_approved_while_its_sweep_still_judges_is_no_drift(utility, monkeypatch):
    """A snapshot can be proposed as soon as it is kept, which is before its sweep has told what it found."""
    utility.percentage("ULF-GRE", "6.5")
    versions = []

    def approved() -> None:
        versions.append(approve(*decided(utility), NISHA, utility.deps).baseline.version)

    at_points(monkeypatch, judged=approved)
    report = utility.sweep()
    assert (versions, report.drift, report.opened, utility.open()) == ([2], 0, 0, {})
    assert "opened" not in said(utility)


def test_what_is_approved_while_its_sweep_writes_is_closed_by_the_approval(utility, store, monkeypatch):
    """One of the two comes first; an approval never misses drift that is just being written."""
    utility.percentage("ULF-GRE", "6.5")
    kept, approving = [], []

    def approved() -> None:
        approving.append(pool.submit(approve, *kept, NISHA, utility.deps))
        while not (approving[0].done() or somebody_waits(store)):
            pass

    with ThreadPoolExecutor(1) as pool:
        at_points(monkeypatch, judged=lambda: kept.extend(decided(utility)), before_commit=approved)
        utility.sweep()
        assert approving[0].result().baseline.version == 2
    assert utility.open() == {}
