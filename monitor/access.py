"""Who may do what: roles, grants, and the one function that decides (reliability §4.1). Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from baselines.errors import did_you_mean
from monitor.errors import NotAllowed, NotFound

EVERYWHERE: Final = "*"


class Role(StrEnum):
    """What a person is to a tenant."""

    VIEWER = "viewer"
    CUSTOMER_SUCCESS = "customer success"
    ONBOARDING_LEAD = "onboarding lead"
    ADMIN = "admin"  #: global only


class Right(StrEnum):
    """What can be allowed; the words are told to who lacks it."""

    SEE = "see"
    ACT = "act on findings"  #: acknowledge, assign, snooze up to seven days, expect, mark, comment, reopen
    SWEEP = "ask for a sweep"
    PROPOSE = "propose and decide"  #: a baseline, its changes; ask for a waiver
    APPROVE = "approve"  #: a baseline or a waiver of somebody else
    SEE_PEOPLE = "see who may have done it"
    AUDIT = "read the audit log"  #: of a tenant; everybody reads what he did himself
    APPLY = "register targets"
    ADMINISTER = "administer"  #: routes, packs, people, grants, tokens
    METRICS = "scrape metrics"


_VIEW: Final = frozenset({Right.SEE})
_CARE: Final = _VIEW | {Right.ACT, Right.SWEEP, Right.SEE_PEOPLE}
_LEAD: Final = _CARE | {Right.PROPOSE, Right.APPROVE, Right.AUDIT}
#: An admin approves nothing unless he is onboarding lead of the tenant too.
RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.VIEWER: _VIEW,
    Role.CUSTOMER_SUCCESS: _CARE,
    Role.ONBOARDING_LEAD: _LEAD,
    Role.ADMIN: frozenset(Right) - {Right.APPROVE},
}
#: What a token can be given at most: it proposes, and never decides, approves or acts for a person.
TOKEN_RIGHTS: Final = frozenset({Right.SEE, Right.SWEEP, Right.PROPOSE, Right.AUDIT, Right.APPLY, Right.METRICS})


_ON: Final = re.compile(r"\*|(group:)?[a-z0-9-]{1,40}")


def roles_with(right: Right) -> tuple[Role, ...]:
    """The roles that give a right, least first."""
    return tuple(role for role in Role if right in RIGHTS[role])


@dataclass(frozen=True, slots=True)
class Grant:
    """A role on a tenant, on a group of tenants, or everywhere."""

    role: Role
    on: str = EVERYWHERE  #: a tenant; ``group:northwest``; ``*``
    ends: datetime | None = None  #: aware; not included

    def __post_init__(self) -> None:
        if not _ON.fullmatch(self.on):
            raise ValueError(f"{self.on!r} is no tenant, group:<name> or *")
        if self.role is Role.ADMIN and self.on != EVERYWHERE:
            raise ValueError("an admin is one on every tenant: write admin on *")

    def __str__(self) -> str:
        return f"{self.role} on {self.on}"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts or looks: a person, a token, or this host's own operator.

    Attributes:
        name: that stands in the audit log; two acts are of the same person if it is the same.
        rights: on each tenant, as they are at this moment; ``*``: on every tenant.
        shown: the person's name for people.
    """

    name: str
    rights: Mapping[str, frozenset[Right]]
    shown: str = ""
    is_person: bool = True

    def may(self, right: Right, tenant: str = EVERYWHERE) -> bool:
        """True if this is allowed on a tenant; without one: on every tenant. What no grant gives is not."""
        return right in self.rights.get(EVERYWHERE, ()) or right in self.rights.get(tenant, ())

    def tenants(self, right: Right = Right.SEE) -> frozenset[str] | None:
        """The tenants on which this is allowed; None: on every one."""
        if right in self.rights.get(EVERYWHERE, ()):
            return None
        return frozenset(tenant for tenant, rights in self.rights.items() if right in rights)

    def needs(self, right: Right, tenant: str = EVERYWHERE) -> None:
        """Refuse what is not allowed.

        Raises:
            NotFound: the tenant may not even be seen: told as what does not exist (P9).
            NotAllowed: it may be seen, and this not done.
        """
        if self.may(right, tenant):
            return
        if tenant != EVERYWHERE and not self.may(Right.SEE, tenant):
            raise NotFound("there is nothing here that you may see.", where=tenant, mend="See: tenant list.")
        raise NotAllowed(right.value, self.name, tenant)


def read_grants(text: str) -> tuple[Grant, ...]:
    """Grants as settings write them: ``onboarding lead on swa, viewer on group:northwest``.

    Raises:
        ValueError: with what would be right.
    """
    found = []
    for each in text.split(","):
        role, _, on = each.strip().rpartition(" on ")
        if role not in list(Role):
            raise ValueError(f"{each.strip()!r} is no grant. {did_you_mean(role, Role, 'Write: viewer on swa.')}")
        found.append(Grant(Role(role), on))
    return tuple(found)


def on_host(name: str) -> Actor:
    """Who works on the host itself, with the keys at hand: everything is allowed, and told under this name."""
    return Actor(name, {EVERYWHERE: frozenset(Right)}, name)


def rights_of(
    grants: Iterable[Grant], groups: Mapping[str, frozenset[str]], now: datetime
) -> Mapping[str, frozenset[Right]]:
    """Rights by tenant from the grants in force.

    Args:
        groups: tenants of each group.
        now: aware; a grant that has ended gives nothing.
    """
    found: dict[str, frozenset[Right]] = {}
    for grant in grants:
        if grant.ends is not None and now >= grant.ends:
            continue
        group = grant.on.removeprefix("group:")
        for tenant in groups.get(group, ()) if group != grant.on else (grant.on,):
            found[tenant] = found.get(tenant, frozenset()) | RIGHTS[grant.role]
    return found
