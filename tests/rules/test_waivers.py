"""What is waived, snoozed, expected or plain: to the instant, only what is meant, and in one place."""

from dataclasses import replace
from datetime import MAXYEAR, UTC, datetime, timedelta, timezone
from itertools import product

import pytest

from rules.findings import Finding, Kind
from rules.lifecycle import TRANSITIONS, Event, Known, State, state_words, transition
from rules.quiet import Quiet, Standing
from rules.selector import Selector
from rules.waivers import Waiver, WaiverState, as_of, in_force, latest_end, standing

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
END = NOW + timedelta(days=30)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
SWA = "swa/production"


def finding(kind: Kind = Kind.RULE, rule: str = "billing.tax-in-range", key: str = "ULF-PDX") -> Finding:
    return Finding(kind, rule, "high", "billing", "tax", key, "", "t", "m")  # type: ignore[arg-type]


def known(what: Finding | None = None, state: State = State.OPEN, **rest) -> Known:
    return Known(1, "7F3K", what or finding(), state, NOW, NOW, NOW, 1, 1, **rest)


def waiver(ends: datetime = END, print_: str = "", match: Selector = Selector(rule="billing.*"), **rest) -> Waiver:  # noqa: B008
    given = {"state": WaiverState.APPROVED, "decided_by": "nisha", "decided_at": NOW, **rest}
    return Waiver(3, (SWA,), print_, match, "s", "the council decides", "CHG-1", ends, "olga", NOW, **given)


def stands(each: Known, *waivers: Waiver, at: datetime = NOW, target: str = SWA) -> Standing:
    found = standing(each, target, in_force(waivers, NOW), at)
    return found.standing if found is not None else Standing.PLAIN


SNOOZED = Quiet("Thursday", "", END, "carla", Standing.SNOOZED)
EXPECTED = Quiet("rates", "CHG-9", END, "carla")


@pytest.mark.parametrize("hush", [SNOOZED, EXPECTED, None])
@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (NOW, True),
        (END - TICK, True),
        (END, False),
        (END + HOUR, False),
        ((END - TICK).astimezone(timezone(timedelta(hours=13))), True),
        (END.astimezone(timezone(timedelta(hours=-11))), False),
    ],
)
def test_f77_everything_holds_until_just_before_its_end_whatever_it_is(hush, at, holds):
    if hush is None:
        found = stands(known(quiet=None), waiver(), at=at)
        assert found is (Standing.WAIVED if holds else Standing.PLAIN)
    else:
        assert stands(known(hush=hush), at=at) is (hush.standing if holds else Standing.PLAIN)


@pytest.mark.parametrize(
    ("what", "match", "is_waived"),
    [
        (finding(), Selector(rule="billing.tax-in-range"), True),
        (finding(), Selector(rule="billing.*", key="ULF-*"), True),
        (finding(key="CITY"), Selector(rule="billing.*", key="ULF-*"), False),
        (finding(), Selector(resource_type="tax"), True),
        (finding(Kind.DRIFT, ""), Selector(rule="billing.*"), False),
        (finding(Kind.DRIFT, ""), Selector(resource_type="tax"), True),
        (finding(Kind.COVERAGE, "forbidden"), Selector(rule="*"), False),
        (finding(Kind.COVERAGE, "forbidden"), Selector(rule="forbidden", kind="coverage"), True),
    ],
)
def test_a_wide_waiver_covers_what_its_pattern_names_and_what_was_not_read_only_by_name(what, match, is_waived):
    assert (stands(known(what), waiver(match=match)) is Standing.WAIVED) is is_waived


def test_a_waiver_of_one_finding_covers_it_at_its_target_and_nothing_else():
    one = waiver(print_=finding().fingerprint, match=Selector())
    assert stands(known(), one) is Standing.WAIVED
    assert stands(known(finding(key="CITY")), one) is Standing.PLAIN
    assert stands(known(), one, target="swa/staging") is Standing.PLAIN


@pytest.mark.parametrize("state", [each for each in WaiverState if each is not WaiverState.APPROVED])
def test_only_an_approved_waiver_holds(state):
    assert stands(known(), waiver(state=state)) is Standing.PLAIN


def test_a_waiver_counts_before_a_snooze_and_of_several_the_one_that_ends_last():
    found = standing(known(hush=SNOOZED), SWA, in_force([waiver(NOW + HOUR), waiver()], NOW), NOW)
    assert found == Quiet("the council decides", "CHG-1", END, "olga", Standing.WAIVED, 3)
    assert stands(known(hush=SNOOZED), waiver(NOW + HOUR), at=NOW + HOUR) is Standing.SNOOZED


def test_what_was_kept_of_a_waiver_or_snooze_counts_no_more_once_it_is_over_or_ended():
    assert stands(known(quiet=SNOOZED)) is Standing.PLAIN
    assert stands(known(quiet=replace(SNOOZED, standing=Standing.WAIVED))) is Standing.PLAIN
    assert stands(known(quiet=EXPECTED)) is Standing.EXPECTED


def test_an_announcement_that_is_over_is_plain_and_still_says_what_it_was():
    ((_, found),) = as_of([(SWA, known(quiet=EXPECTED))], {}, END)
    assert found.standing is Standing.PLAIN
    assert "was announced (CHG-9" in state_words(found, datetime.isoformat, END)


def test_what_is_resolved_is_never_quiet():
    assert stands(known(state=State.RESOLVED, hush=SNOOZED, quiet=EXPECTED), waiver()) is Standing.PLAIN


@pytest.mark.parametrize(
    ("now", "is_wide", "latest"),
    [
        (NOW, False, NOW.replace(year=2027)),
        (NOW, True, NOW + timedelta(days=90)),
        (datetime(2028, 2, 29, 9, tzinfo=UTC), False, datetime(2029, 3, 1, 9, tzinfo=UTC)),
        (datetime(2027, 3, 1, tzinfo=UTC), False, datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(MAXYEAR, 12, 1, tzinfo=UTC), False, datetime.max.replace(tzinfo=UTC)),
        (datetime(MAXYEAR, 12, 1, tzinfo=UTC), True, datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_f77_a_waiver_ends_within_a_year_or_ninety_days_on_any_day(now, is_wide, latest):
    assert latest_end(now, is_wide=is_wide) == latest


@pytest.mark.parametrize(
    ("ends", "at", "is_soon"),
    [
        (END, END - timedelta(days=7) - TICK, False),
        (END, END - timedelta(days=7), True),
        (END, END, False),
        (NOW + 4 * HOUR, NOW + 2 * HOUR - TICK, False),
        (NOW + 4 * HOUR, NOW + 2 * HOUR, True),
    ],
)
def test_a_waiver_ends_soon_in_its_last_week_or_its_second_half(ends, at, is_soon):
    assert waiver(ends).ends_soon(at) is is_soon


def test_a_digest_is_of_all_that_was_asked():
    one = waiver()
    others = [
        replace(one, targets=("swa/staging",)), replace(one, fingerprint="f"), replace(one, match=Selector(rule="x")),
        replace(one, reason="r"), replace(one, ticket="t"), replace(one, ends=END + TICK),
    ]  # fmt: skip
    assert len({each.digest for each in (one, *others)}) == 7
    assert replace(one, state=WaiverState.ENDED, note="n", decided_by="x").digest == one.digest


WAIVED = Quiet("the council decides", "", END, "olga", Standing.WAIVED)


@pytest.mark.parametrize(
    ("each", "words"),
    [
        (known(), "open"),
        (known(state=State.ACKNOWLEDGED, by="carla"), "acknowledged by carla"),
        (known(quiet=SNOOZED), "snoozed until END by carla"),
        (known(state=State.ACKNOWLEDGED, by="mei", quiet=SNOOZED), "acknowledged by mei, snoozed until END by carla"),
        (known(quiet=WAIVED), "waived until END (the council decides) by olga"),
        (known(quiet=EXPECTED), "open, announced (CHG-9, until END)"),
        (known(assignee="mei"), "open, assigned to mei"),
        (known(openings=(NOW - HOUR, NOW - HOUR, NOW)), "open, flapping, opened 1 times"),
        (known(state=State.RESOLVED, resolution="healed", quiet=WAIVED), "resolved, healed NOW"),
    ],
)
def test_one_function_says_where_a_finding_stands(each, words):
    assert state_words(each, {NOW: "NOW", END: "END"}.__getitem__, NOW) == words


def test_a_finding_flaps_when_it_was_opened_three_times_in_seven_days():
    week = timedelta(days=7)
    assert known(openings=(NOW - week, NOW - HOUR, NOW)).is_flapping
    assert not known(openings=(NOW - week - TICK, NOW - HOUR, NOW)).is_flapping
    assert not known(openings=(NOW - HOUR, NOW)).is_flapping
    assert known(openings=(NOW - HOUR, NOW)).flaps(NOW - HOUR + week)
    assert not known(openings=(NOW - HOUR, NOW)).flaps(NOW - HOUR + week + TICK)


def test_what_a_person_may_do_in_each_state_and_where_it_leads():
    acts = {Event.ACKNOWLEDGED, Event.SNOOZED, Event.EXPECTED, Event.WAIVED, Event.ASSIGNED, Event.NOTED, Event.WOKEN,
            Event.REOPENED}  # fmt: skip
    table = {(state, act): transition(state, act) for state, act in product(State, acts)}
    assert {act for act in acts if table[State.RESOLVED, act]} == {Event.NOTED, Event.REOPENED}
    assert {act for act in acts if table[State.OPEN, act] is None} == {Event.REOPENED}
    assert {act for act in acts if table[State.ACKNOWLEDGED, act] is None} == {Event.REOPENED, Event.ACKNOWLEDGED}
    leaves = {act for act in acts if table[State.ACKNOWLEDGED, act] is State.ACKNOWLEDGED}
    assert leaves == acts - {Event.REOPENED, Event.ACKNOWLEDGED, Event.WOKEN}
    assert (None, Event.NOTED) not in TRANSITIONS
