"""People, their roles, sessions and the tokens of programs: who may do what, as it is at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, insert, or_, select, update
from sqlalchemy.engine import Connection

from monitor.access import Grant, Right, Role
from monitor.store.engine import insert_into
from monitor.store.tables import AttemptRow, GrantRow, PersonRow, SessionRow, TokenRow
from monitor.store.values import from_json, to_json

_PEOPLE, _GRANTS, _SESSIONS = PersonRow.__table__.c, GrantRow.__table__.c, SessionRow.__table__.c
_TOKENS, _ATTEMPTS = TokenRow.__table__.c, AttemptRow.__table__.c


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in."""

    name: str  #: that stands in the audit log
    email: str | None
    subject: str | None  #: issuer and subject of single sign-on
    shown: str
    password: str  #: argon2; "": signs in elsewhere
    created_at: datetime
    seen_at: datetime | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that signed in, or is on the way to single sign-on."""

    hash: str
    person: str | None
    content: str  #: JSON; what it holds is the story's affair
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """What a program signs in with, or a person outside a browser."""

    name: str
    rights: frozenset[Right]
    tenants: frozenset[str]  #: ``*``: every one
    created_by: str
    created_at: datetime
    ends_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    person: str = ""  #: whose own it is: it may what he may; "": a program's


class People:
    """The tables ``people``, ``grants``, ``sessions``, ``tokens`` and ``attempts``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[Person]:
        """Everybody who was not removed, by name."""
        rows = self._connection.execute(
            select(PersonRow.__table__).where(_PEOPLE.removed_at.is_(None)).order_by(_PEOPLE.name)
        )
        return [Person(*row) for row in rows]

    def find(self, *, login: str = "", subject: str = "") -> Person | None:
        """Who has this name or e-mail, or this subject; the removed are found too: their names stay theirs."""
        if subject:
            asked = _PEOPLE.subject == subject
        else:
            asked = or_(_PEOPLE.name == login, _PEOPLE.email == login)
        row = self._connection.execute(select(PersonRow.__table__).where(asked)).first()
        return Person(*row) if row is not None else None

    def put(self, person: Person) -> None:
        """Keep a person, new or changed."""
        values = {name: getattr(person, name) for name in Person.__slots__}
        statement = insert_into(self._connection, PersonRow).values(**values)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    def grants(self, person: str) -> Sequence[Grant]:
        """The roles of a person, ended ones too."""
        rows = self._connection.execute(
            select(_GRANTS.role, _GRANTS.on, _GRANTS.ends_at)
            .where(_GRANTS.person == person)
            .order_by(_GRANTS.on, _GRANTS.role)
        )
        return [Grant(Role(row.role), row.on, row.ends_at) for row in rows]

    def grant(self, person: str, grant: Grant) -> None:
        """Give a role, or another end to one that was given."""
        values = {"person": person, "role": grant.role.value, "on": grant.on, "ends_at": grant.ends}
        statement = insert_into(self._connection, GrantRow).values(**values)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["person", "role", "on"], set_={"ends_at": grant.ends})
        )

    def ungrant(self, person: str, grant: Grant | None = None) -> int:
        """Take a role, or all of them; returns how many there were."""
        asked = [_GRANTS.person == person]
        if grant is not None:
            asked += [_GRANTS.role == grant.role.value, _GRANTS.on == grant.on]
        return self._connection.execute(delete(GrantRow).where(*asked)).rowcount

    def start(self, session: Session, older: datetime) -> None:
        """Keep a new session; those that began before ``older`` are over and go."""
        self._connection.execute(delete(SessionRow).where(_SESSIONS.started_at < older))
        values = {name: getattr(session, name) for name in Session.__slots__}
        self._connection.execute(insert(SessionRow).values(**values))

    def session(self, hashed: str) -> Session | None:
        """The session of this hash."""
        row = self._connection.execute(select(SessionRow.__table__).where(_SESSIONS.hash == hashed)).first()
        return Session(*row) if row is not None else None

    def seen(self, session: Session, now: datetime) -> None:
        """A session is in use."""
        self._connection.execute(update(SessionRow).where(_SESSIONS.hash == session.hash).values(seen_at=now))
        self._connection.execute(update(PersonRow).where(_PEOPLE.name == session.person).values(seen_at=now))

    def end(self, *, hashed: str = "", person: str = "") -> int:
        """End a session, or all of a person; of two that end the same one, one is told 1."""
        asked = _SESSIONS.hash == hashed if hashed else _SESSIONS.person == person
        return self._connection.execute(delete(SessionRow).where(asked)).rowcount

    def add_token(self, token: Token, hashed: str) -> None:
        """Keep a token, by its hash."""
        self._connection.execute(
            insert(TokenRow).values(
                name=token.name, hash=hashed,
                rights=to_json(sorted(token.rights)), tenants=to_json(sorted(token.tenants)), person=token.person,
                created_by=token.created_by, created_at=token.created_at, ends_at=token.ends_at,
            )
        )  # fmt: skip

    def tokens(self, *, hashed: str = "", name: str = "") -> Sequence[Token]:
        """The token of this hash or name, else all, by name."""
        asked = [column == value for column, value in ((_TOKENS.hash, hashed), (_TOKENS.name, name)) if value]
        rows = self._connection.execute(select(TokenRow.__table__).where(*asked).order_by(_TOKENS.name))
        return [
            Token(
                row.name, frozenset(from_json(row.rights, list[Right])), frozenset(from_json(row.tenants, list[str])),
                row.created_by, row.created_at, row.ends_at, row.used_at, row.revoked_at,
                row.person,
            )
            for row in rows
        ]  # fmt: skip

    def used(self, token: Token, now: datetime) -> None:
        """A token is in use."""
        self._connection.execute(update(TokenRow).where(_TOKENS.name == token.name).values(used_at=now))

    def revoke(self, token: Token, now: datetime) -> None:
        """A token opens nothing any more."""
        self._connection.execute(update(TokenRow).where(_TOKENS.name == token.name).values(revoked_at=now))

    def tried(self, key: str, window: timedelta, now: datetime) -> tuple[int, datetime]:
        """Count a try; returns how many there were since when, with this one. After the window it begins anew."""
        # One statement, so that tries at the same time are all counted.
        is_over = or_(_ATTEMPTS.since <= now - window, _ATTEMPTS.since > now)
        count, began = self._connection.execute(
            insert_into(self._connection, AttemptRow)
            .values(key=key, since=now, count=1)
            .on_conflict_do_update(
                index_elements=["key"],
                set_={"count": case((is_over, 1), else_=_ATTEMPTS.count + 1),
                      "since": case((is_over, now), else_=_ATTEMPTS.since)},
            )
            .returning(_ATTEMPTS.count, _ATTEMPTS.since)
        ).one()  # fmt: skip
        return count, began

    def forget_tries(self, *keys: str, older: datetime) -> None:
        """It went well: these keys are counted anew; what is older than any window goes too."""
        self._connection.execute(delete(AttemptRow).where(or_(_ATTEMPTS.key.in_(keys), _ATTEMPTS.since < older)))
