"""Who may do what: the matrix of reliability §4.1, grants with an end, and what is not one's own."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.access import RIGHTS, TOKEN_RIGHTS, Actor, Grant, Right, Role, on_host, rights_of
from monitor.errors import NotAllowed, NotFound

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
GROUPS = {"northwest": frozenset({"swa", "tac"})}


def actor(*grants: Grant) -> Actor:
    return Actor("carla", rights_of(grants, GROUPS, NOW))


@pytest.mark.parametrize(
    ("right", "roles"),
    [
        (Right.SEE, "viewer, customer success, onboarding lead, admin"),
        (Right.ACT, "customer success, onboarding lead, admin"),
        (Right.SWEEP, "customer success, onboarding lead, admin"),
        (Right.SEE_PEOPLE, "customer success, onboarding lead, admin"),
        (Right.PROPOSE, "onboarding lead, admin"),
        (Right.APPROVE, "onboarding lead"),
        (Right.AUDIT, "onboarding lead, admin"),
        (Right.APPLY, "admin"),
        (Right.ADMINISTER, "admin"),
        (Right.METRICS, "admin"),
    ],
)
def test_each_right_is_given_by_the_roles_of_the_matrix_and_by_no_other(right, roles):
    assert ", ".join(role for role in Role if right in RIGHTS[role]) == roles


def test_no_token_can_be_given_what_only_people_do():
    assert TOKEN_RIGHTS.isdisjoint({Right.APPROVE, Right.ACT, Right.ADMINISTER, Right.SEE_PEOPLE})


def test_a_grant_counts_on_its_tenant_on_those_of_its_group_or_everywhere():
    on_one, on_group, on_all = (actor(Grant(Role.VIEWER, on)) for on in ("swa", "group:northwest", "*"))
    assert [who.tenants() for who in (on_one, on_group, on_all)] == [{"swa"}, {"swa", "tac"}, None]
    assert [who.may(Right.SEE, "cbe") for who in (on_one, on_group, on_all)] == [False, False, True]
    assert [who.may(Right.SEE) for who in (on_one, on_group, on_all)] == [False, False, True]


def test_a_grant_ends_at_its_end_and_not_before():
    assert actor(Grant(Role.VIEWER, "swa", NOW + timedelta(seconds=1))).may(Right.SEE, "swa")
    assert not actor(Grant(Role.VIEWER, "swa", NOW)).may(Right.SEE, "swa")


def test_an_admin_approves_only_where_he_is_onboarding_lead_too():
    admin = actor(Grant(Role.ADMIN))
    assert not admin.may(Right.APPROVE, "swa")
    both = actor(Grant(Role.ADMIN), Grant(Role.ONBOARDING_LEAD, "swa"))
    assert (both.may(Right.APPROVE, "swa"), both.may(Right.APPROVE, "tac")) == (True, False)


def test_what_may_not_be_seen_is_told_as_what_does_not_exist_and_what_may_not_be_done_as_that():
    viewer = actor(Grant(Role.VIEWER, "swa"))
    with pytest.raises(NotFound):
        viewer.needs(Right.ACT, "tac")
    with pytest.raises(NotAllowed, match=r"carla may not act on findings on swa\."):
        viewer.needs(Right.ACT, "swa")
    viewer.needs(Right.SEE, "swa")


def test_whoever_works_on_the_host_may_do_everything():
    assert all(on_host("root").may(right) for right in Right)
