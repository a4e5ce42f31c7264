"""What a person needs to decide about a finding, in one value; and what of it a utility may be told. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from baselines.catalogue import Catalogue
from baselines.configuration import ConfigObject, Configuration
from baselines.fingerprints import is_fingerprint
from baselines.references import Node, ReferenceGraph
from baselines.values import Canonical
from rules.drift import PERSONAL
from rules.lifecycle import Known
from rules.money import Money

AREA: Final = "area"
CATEGORY: Final = "consumer_category"
#: Beyond an object of these nothing is counted: everything refers to it, and nothing rests on one more reference.
_OF_ALL: Final = frozenset(("utility", "organization", "utility_service", "department"))
_PEOPLE: Final = frozenset(("user", "user_role", "user_area"))


@dataclass(frozen=True, slots=True)
class Changed:
    """One value that was judged, as it was when it was right and as it is when it is wrong."""

    resource_type: str
    key: str
    path: str
    before: Any  #: canonical; None: it was not there, or is not known
    after: Any
    before_is_known: bool  #: False: no reading shows it


@dataclass(frozen=True, slots=True)
class Window:
    """When it went wrong: after the last reading in which it was right, up to the first in which it was not."""

    last_right: datetime | None  #: aware; None: no reading that is kept shows it right
    first_wrong: datetime | None  #: None: no reading shows it
    unread: tuple[datetime, ...] = ()  #: readings between these that could not say

    def holds(self, at: datetime) -> bool:
        """True if a moment lies within it; what has no begin or no end holds none."""
        if self.last_right is None or self.first_wrong is None:
            return False
        return self.last_right < at <= self.first_wrong


@dataclass(frozen=True, slots=True)
class PossibleActor:
    """Somebody who may have done it, and what speaks for that; never more than possible."""

    name: str
    because: str


@dataclass(frozen=True, slots=True)
class Actors:
    """Who may have done it. Who only could have is counted, not named."""

    privilege: str  #: that edits this kind of object, as SMART360 names it; "" if not known
    possible: tuple[PossibleActor, ...]
    holders: int | None  #: active users with that privilege; None: it could not be read
    roles: tuple[str, ...]  #: through which they hold it
    note: str  #: what could not be known


@dataclass(frozen=True, slots=True)
class Radius:
    """What rests on an object, over references in both directions."""

    dependents: Mapping[str, tuple[str, ...]]  #: type → keys, nearest first
    areas: tuple[str, ...]  #: in which it bears
    consumers: Mapping[str, int]  #: categories on which it bears, with counts where the tenant file has them
    uncounted: tuple[str, ...]  #: categories without a count
    dangling: tuple[str, ...] = ()  #: what still refers to it although it is gone

    def words(self, catalogue: Catalogue) -> str:
        """``3 service plans → 12 areas → 45,912 consumers (Residential)``."""
        parts = [_counted(len(keys), name, catalogue) for name, keys in self.dependents.items() if name != AREA]
        parts += [_counted(len(self.areas), AREA, catalogue)] if self.areas else []
        if self.consumers:
            parts.append(f"{sum(self.consumers.values()):,} consumers ({', '.join(self.consumers)})")
        if self.uncounted:
            parts.append(f"consumers not counted: {', '.join(self.uncounted)}")
        return " → ".join(parts) or "Nothing refers to it."


def _counted(count: int, resource_type: str, catalogue: Catalogue) -> str:
    kind = catalogue.types.get(resource_type)
    words = (resource_type if count == 1 or kind is None else kind.plural).replace("_", " ")
    return f"{count:,} {words}"


@dataclass(frozen=True, slots=True)
class Mend:
    """How to put it right."""

    fix: str
    screen: str  #: where SMART360 sets it; "" if not known
    value: Any  #: exact, as the baseline has it; None where nobody approved one
    has_value: bool
    step: int | None = None  #: of the target's fix plan
    title: str = ""  #: of that step
    blocked_by: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Who heard of it where, or why nobody did; ``words`` is a whole sentence."""

    channel: str  #: "" where nobody was to be told
    state: str  #: sent, waiting, fleet, quiet, nobody
    words: str
    at: datetime | None = None
    edited_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one finding that helps to decide."""

    target: str
    known: Known
    values: tuple[Changed, ...]
    window: Window
    actors: Actors | None  #: None: who asks may not see people
    radius: Radius
    money: Money | None
    mend: Mend
    told: tuple[Told, ...]
    zone: str  #: of the target; for moments as people read them
    catalogue: Catalogue
    personal: frozenset[str] = frozenset()  #: names and log-ins of the utility's people, as its users tell them

    @property
    def sentence(self) -> str:
        """What is wrong."""
        return self.known.finding.message


def radius_of(node: Node, graph: ReferenceGraph, consumers: Mapping[str, int]) -> Radius:
    """What depends on an object: all that refers to it, however far, and the areas and categories these name.

    Args:
        consumers: how many there are, by key of the category.
    """
    reached = graph.dependents(node) if node[0] not in _OF_ALL else dict.fromkeys(graph.referred_by(node), 1)
    by_type: dict[str, list[str]] = {}
    for name, key in reached:
        if name not in _PEOPLE:
            by_type.setdefault(name, []).append(key)
    there = [node, *reached]
    bears = dict.fromkeys(
        [*there, *(other for each in there if each[0] not in _OF_ALL for other in graph.refers(each))]
    )
    categories = [key for name, key in bears if name == CATEGORY]
    is_gone = node not in graph.forward
    return Radius(
        {name: tuple(keys) for name, keys in by_type.items()},
        tuple(key for name, key in bears if name == AREA),
        {key: consumers[key] for key in categories if key in consumers},
        tuple(key for key in categories if key not in consumers),
        tuple(f"{name} {key}" for name, key in graph.referred_by(node)) if is_gone else (),
    )


def possible_actors(
    configuration: Configuration, resource_type: str, key: str, privilege: str, window: Window, day: date,
    moment: Callable[[str], datetime | None], seen_by: str = "",
) -> Actors:  # fmt: skip
    """Who may have done it, as far as a reading tells.

    SMART360's stamp names somebody only where it falls into the window: it tells who touched the object last, which may
    be after the change. Who merely holds the privilege is counted and not named: that alone is no sign.

    Args:
        configuration: the first reading in which it was wrong.
        privilege: that edits objects of the type, e.g. ``BX.plans``.
        day: of that reading, for roles with an end.
        moment: reads the source's timestamps, in the target's zone where they tell none.
        seen_by: name and moment as the finding kept them, where the reading lacks the object.
    """
    holders, roles = _holders(configuration, privilege, day)
    found = configuration.named(resource_type, key)
    about = found.about if found is not None else {}
    name, stamp = about.get("updated_by", ""), about.get("updated_at", "")
    if not name and seen_by:
        name, _, stamp = seen_by.rpartition(", ")
    at = moment(stamp) if stamp else None
    possible = []
    notes = []
    if name and at is not None and window.holds(at):
        held = "" if holders is None else ", with" if _is_one_of(name, holders) else ", without"
        because = (
            f"SMART360's own stamp on the object, {stamp}{f'{held} edit on {privilege}' if held and privilege else ''}"
        )
        possible.append(PossibleActor(name, because))
    elif name:
        notes.append("SMART360's stamp on the object is not from that time.")
    else:
        notes.append("SMART360 does not say who touched the object.")
    if not privilege:
        notes.append("Which privilege edits it is not known.")
    elif holders is None:
        notes.append("Users, roles or privileges were not read, so who could have is not known.")
    notes.append("Log-ins are not kept, so nobody is named by one.")
    return Actors(
        privilege, tuple(possible), len(holders) if holders is not None else None, tuple(sorted(roles)), " ".join(notes)
    )


def _is_one_of(name: str, logins: Sequence[str]) -> bool:
    return any(name.casefold() in (each.casefold(), each.casefold().split("@")[0]) for each in logins)


def _holders(configuration: Configuration, privilege: str, day: date) -> tuple[list[str] | None, set[str]]:
    """Log-ins of active users who may edit, and the roles that let them; None where it was not read."""
    needed = ("user", "user_role", "role", "role_privilege")
    if not privilege or any(configuration.why_unknown(name) is not None for name in needed):
        return None, set()

    def active(name: str) -> Iterator[ConfigObject]:
        return (each for each in configuration.objects(name) if each.values.get("is_active") is not False)

    edits = {
        str(each.values.get("role"))
        for each in active("role_privilege")
        if each.values.get("privilege") == "edit" and each.values.get("submodule") == privilege
    }
    module = privilege.split(".")[0]
    roles = {
        each.key for each in active("role")
        if each.key in edits or module in _listed(each.values.get("full_access_modules"))
    }  # fmt: skip
    today = day.isoformat()
    given = {
        str(each.values.get("user")): str(each.values.get("role"))
        for each in active("user_role")
        if each.values.get("role") in roles
        and str(each.values.get("effective_from") or "") <= today <= str(each.values.get("effective_to") or "9999")
    }
    there = [each.key for each in configuration.objects("user") if each.values.get("status") == "active"]
    held = [login for login in there if login in given]
    return held, {given[login] for login in held}


def _listed(value: Canonical) -> list[Canonical]:
    return value if isinstance(value, list) else []


def note_for_utility(explanation: Explanation, when: Callable[[datetime], str]) -> str:
    """Plain text for the utility's own administrator: what, where, since when, what it costs, how to mend it.

    It names nobody, neither ours nor theirs, tells no secret, and nothing of what we said to whom.
    """
    known, finding = explanation.known, explanation.known.finding
    lines = [f"{finding.severity.value.capitalize()}: {finding.message}", ""]
    where = " ".join(filter(None, (finding.resource_type, finding.key, finding.path)))
    lines.append(f"Where: {where}")
    for each in explanation.values:
        place = " ".join(filter(None, (each.resource_type, each.key, each.path)))
        before = f"{told_value(each.before)} → " if each.before_is_known else ""
        lines.append(f"  {place}: {before}{told_value(each.after)}")
    window = explanation.window
    if window.last_right is not None and window.first_wrong is not None:
        lines.append(f"Since: between {when(window.last_right)} and {when(window.first_wrong)}")
    else:
        lines.append(f"Since: {when(window.first_wrong or known.opened_at)} or before")
    if finding.why:
        lines.append(f"Why: {finding.why}")
    if explanation.money is not None:
        lines.append(f"Cost: {explanation.money}")
    lines.append(f"How to mend it: {finding.fix}")
    lines.append("It is seen and closed by itself at the next reading.")
    return without_names("\n".join(lines) + "\n", explanation.personal)


def without_names(text: str, personal: Collection[str]) -> str:
    """A text in which names and log-ins of people are not to be read."""
    for name in sorted(personal, key=len, reverse=True):
        text = text.replace(name, PERSONAL)
    return text


def told_value(value: Any) -> str:
    """A value as a person may read it: a secret is ``(secret)``, nothing is ``nothing``."""
    if is_fingerprint(value):
        return "(secret)"
    if value == PERSONAL:
        return PERSONAL
    if isinstance(value, dict):
        return ", ".join(f"{name}: {told_value(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(told_value, value)) or "nothing"
    if value is None or value == "":
        return "nothing"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
