"""Who may do what, as a story: sign in and out, people and their roles, tokens of programs (reliability §4.1).

Passwords are kept as argon2; what a browser or a program shows is known by its keyed hash only, so that neither a copy
of the store nor who may write to it can make one.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from monitor.access import EVERYWHERE, TOKEN_RIGHTS, Actor, Grant, Right, rights_of
from monitor.deps import Deps
from monitor.errors import InvalidAccess, NotFound, NotSignedIn
from monitor.store.people import Person, Session, Token
from monitor.store.unit import Unit
from monitor.store.values import from_json, to_json

if TYPE_CHECKING:  # a tenth of a second, for those who sign in
    from argon2 import PasswordHasher

LASTS: Final = timedelta(hours=8)
IDLE: Final = timedelta(hours=1)
NOTED: Final = timedelta(minutes=1)  #: how exactly it is kept when something was last used
ON_THE_WAY: Final = timedelta(minutes=10)  #: to single sign-on and back
TRIES: Final = 10
LOCKED: Final = timedelta(minutes=15)  #: one name
SLOWED: Final = timedelta(minutes=1)  #: one address; others may stand behind it
TOKEN_LASTS: Final = timedelta(days=365)
SHORTEST: Final = 12  #: characters of a password
MOST_NOTED: Final = 60  #: refusals an hour that the audit log tells of, and of one of them ten
#: Hashing takes 64 MiB: as many at once as a small machine can bear.
_hashing: Final = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class Start:
    """What is kept while a browser is on its way to single sign-on."""

    state: str
    nonce: str
    verifier: str
    leads_to: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as single sign-on says."""

    subject: str  #: issuer and subject
    email: str | None  #: only where the issuer has verified it
    shown: str
    groups: tuple[str, ...]


def keyed(secret: str, purpose: str, deps: Deps) -> str:
    """What a secret is known by; for each purpose another."""
    return hmac.new(deps.session_key, f"{purpose}\0{secret}".encode(), hashlib.sha256).hexdigest()


def actor_of_session(secret: str, deps: Deps) -> Actor | None:
    """Who signed in with this, and what he may do at this moment; None where it is over or never was."""
    now = deps.clock.now()
    with deps.store.read() as unit:
        session = unit.people.session(keyed(secret, "session", deps))
        if session is None or session.person is None:
            return None
        person = unit.people.find(login=session.person)
        is_over = now - session.started_at >= LASTS or now - session.seen_at >= IDLE
        if is_over or person is None or person.removed_at is not None:
            return None
        of_groups = deps.settings.grants_of(from_json(session.content, list[str]))
        actor = _as_he_may(person, of_groups, unit, now)
    if now - session.seen_at >= NOTED:
        with deps.store.write() as unit:
            unit.people.seen(session, now)
    return actor


def _as_he_may(person: Person, of_groups: Iterable[Grant], unit: Unit, now: datetime) -> Actor:
    grants = [*unit.people.grants(person.name), *of_groups]
    groups = unit.targets.groups() if any(each.on.startswith("group:") for each in grants) else {}
    return Actor(person.name, rights_of(grants, groups, now), person.shown or person.name)


def actor_of_token(token: str, deps: Deps) -> Actor | None:
    """The program, or the person, that has this token; None where it has ended, was revoked or never was.

    A person's own token may what he was granted here; what groups of single sign-on give is known only where he
    signed in.
    """
    now = deps.clock.now()
    with deps.store.read() as unit:
        found = next(iter(unit.people.tokens(hashed=keyed(token, "token", deps))), None)
    if found is None or found.revoked_at is not None or now >= found.ends_at:
        return None
    if found.used_at is None or now - found.used_at >= NOTED:
        with deps.store.write() as unit:
            unit.people.used(found, now)
    if found.person:
        with deps.store.read() as unit:
            person = unit.people.find(login=found.person)
            return _as_he_may(person, (), unit, now) if person is not None and person.removed_at is None else None
    rights = dict.fromkeys(found.tenants, found.rights & TOKEN_RIGHTS)
    return Actor(f"token:{found.name}", rights, f"token {found.name}", is_person=False)


def sign_in(login: str, password: str, address: str, deps: Deps) -> str:
    """Sign in with a password kept here; returns the new session's secret.

    Args:
        login: name or e-mail.
        address: the browser's, of which so many tries a minute are heard.

    Raises:
        NotSignedIn: the same words, after the same time, whether name or password is wrong; or locked ``until``.
    """
    now, login = deps.clock.now(), login.strip().casefold()
    keys = {keyed(login, "login", deps): LOCKED, keyed(address, "address", deps): SLOWED}
    with deps.store.write() as unit:
        for key, window in keys.items():
            count, since = unit.people.tried(key, window, now)
            if count > TRIES:
                minutes = -int((now - since - window) // timedelta(minutes=1))
                what = f"Too many tries. Locked for {minutes} more minute{'s' if minutes != 1 else ''}."
                raise NotSignedIn(what, until=since + window)
        person = unit.people.find(login=login)
    is_known = person is not None and person.removed_at is None and bool(person.password)
    is_right = _is_password(person.password if person is not None and is_known else _nobody(), password)
    if person is None or not (is_known and is_right):
        # What nobody is called may be a password in the wrong field: it is written nowhere.
        note_refusal("sign_in.refused", person.name if person is not None else "unknown", address, deps)
        raise NotSignedIn("E-mail or password is wrong.")
    return _signed_in(person, (), deps, forget=tuple(keys))


def start_sign_on(start: Start, deps: Deps) -> str:
    """Keep what the way back from single sign-on must show; returns the secret of the browser on its way."""
    return _new_session(None, to_json(start), deps)


def back_from_sign_on(secret: str, deps: Deps) -> Start | None:
    """What was kept for this browser, once: it is gone then."""
    hashed = keyed(secret, "session", deps)
    with deps.store.write() as unit:
        found = unit.people.session(hashed)
        if found is None or found.person is not None or not unit.people.end(hashed=hashed):
            return None
    return from_json(found.content, Start) if deps.clock.now() - found.started_at < ON_THE_WAY else None


def sign_on(identity: Identity, deps: Deps) -> str:
    """Sign in whom single sign-on knows; returns the new session's secret. The first time he becomes a person here.

    Raises:
        NotSignedIn: he was removed, or his name is another's.
    """
    now = deps.clock.now()
    with deps.store.write() as unit:
        person = unit.people.find(subject=identity.subject)
        if person is None:
            name = identity.email or identity.subject
            person = unit.people.find(login=name)
            if person is not None and (person.subject is not None or not identity.email):
                raise NotSignedIn(f"{name} is somebody else here already.", "Ask an admin.")
            person = person or Person(name, identity.email, None, "", "", now)
        if person.removed_at is not None:
            raise NotSignedIn(f"{person.name} was removed.", "Ask an admin.")
        person = replace(person, subject=identity.subject, shown=identity.shown or person.shown)
        unit.people.put(person)
    return _signed_in(person, identity.groups, deps)


def sign_out(secret: str, deps: Deps) -> None:
    """End a session, here and in every copy of its cookie."""
    with deps.store.write() as unit:
        unit.people.end(hashed=keyed(secret, "session", deps))


def _signed_in(person: Person, groups: tuple[str, ...], deps: Deps, forget: tuple[str, ...] = ()) -> str:
    now = deps.clock.now()
    secret = _new_session(person.name, to_json(groups), deps)
    with deps.store.write() as unit:
        unit.people.forget_tries(*forget, older=now - timedelta(days=1))
        _note(unit, "sign_in", person.name, Actor(person.name, {}), deps)
    return secret


def _new_session(person: str | None, content: str, deps: Deps) -> str:
    now, secret = deps.clock.now(), secrets.token_urlsafe(32)
    with deps.store.write() as unit:
        unit.people.start(Session(keyed(secret, "session", deps), person, content, now, now), now - LASTS)
    return secret


def note_refusal(action: str, actor: str, what: str, deps: Deps) -> None:
    """A refused log-in or request in the audit log; so many an hour that nobody can fill it."""
    now = deps.clock.now()
    with deps.store.write() as unit:
        own, _ = unit.people.tried(keyed(f"{action} {actor}", "note", deps), timedelta(hours=1), now)
        if own > TRIES or unit.people.tried("noted", timedelta(hours=1), now)[0] > MOST_NOTED:
            return
        unit.audit.append(deps.audit_key, at=now, actor=actor, tenant="", action=action, object=what)


def add_person(name: str, actor: Actor, deps: Deps, *, email: str = "", shown: str = "", password: str = "") -> Person:
    """Make somebody known; he may sign in and see nothing until a role is granted. The removed may come back.

    Args:
        password: where he signs in with one; "": by single sign-on only.

    Raises:
        InvalidAccess: name or e-mail is taken, or the password too short.
    """
    actor.needs(Right.ADMINISTER)
    name, email, now = name.strip().casefold(), email.strip().casefold(), deps.clock.now()
    if not name or not name.isprintable() or len(name) > 100 or name.startswith("token:"):
        raise InvalidAccess("this is no name.", where="people add", mend="Write olga.brandt.")
    if password and len(password) < SHORTEST:
        mend = "Take several words."
        raise InvalidAccess(f"a password has at least {SHORTEST} characters.", where=name, mend=mend)
    hashed = password_hash(password) if password else ""
    with deps.store.write() as unit:
        for login in filter(None, (name, email)):
            other = unit.people.find(login=login)
            if other is not None and (other.name != name or other.removed_at is None):
                raise InvalidAccess(f"{login} is {other.name} already.", where="people add", mend="See: people list.")
        person = Person(name, email or None, None, shown.strip(), hashed, now)
        unit.people.put(person)
        _note(unit, "add", name, actor, deps)
    return person


def grant_role(name: str, grant: Grant, actor: Actor, deps: Deps) -> None:
    """Give somebody a role, or another end to one he has.

    Raises:
        NotFound: nobody is called so.
        InvalidAccess: its end is past.
    """
    actor.needs(Right.ADMINISTER)
    if grant.ends is not None and grant.ends <= deps.clock.now():
        raise InvalidAccess("it would have ended already.", where=name, mend="Name a later end.")
    with deps.store.write() as unit:
        person = _person(unit, name)
        unit.people.grant(person.name, grant)
        until = f" until {grant.ends.isoformat()}" if grant.ends is not None else ""
        _note(unit, "grant", person.name, actor, deps, f"{grant}{until}")


def remove(name: str, actor: Actor, deps: Deps, grant: Grant | None = None) -> None:
    """Take a role from somebody, or remove him: his sessions end with the next request.

    Raises:
        NotFound: nobody is called so, or he has no such role.
    """
    actor.needs(Right.ADMINISTER)
    with deps.store.write() as unit:
        person = _person(unit, name)
        if not unit.people.ungrant(person.name, grant) and grant is not None:
            raise NotFound(f"{person.name} is no {grant}.", where=name, mend="See: people list.")
        if grant is None:
            unit.people.put(replace(person, removed_at=deps.clock.now(), password=""))
            unit.people.end(person=person.name)
        _note(unit, "ungrant" if grant is not None else "remove", person.name, actor, deps, str(grant or ""))


def create_token(
    name: str, rights: frozenset[Right], tenants: frozenset[str], ends: datetime, actor: Actor, deps: Deps
) -> str:
    """Make a token for a program; it is returned once, and known here by its hash only.

    Args:
        rights: some of TOKEN_RIGHTS.
        tenants: on which; ``*``: every one.
        ends: within a year.

    Raises:
        InvalidAccess: it would do what only people may, name no tenant, last too long, or its name is taken.
    """
    actor.needs(Right.ADMINISTER)
    now = deps.clock.now()
    if not rights or rights - TOKEN_RIGHTS:
        known = ", ".join(scope(each) for each in Right if each in TOKEN_RIGHTS)
        raise InvalidAccess("a token may do none or too much.", where=name, mend=f"Its scopes are some of: {known}.")
    if rights & {Right.METRICS, Right.APPLY} and tenants != {EVERYWHERE}:
        raise InvalidAccess("metrics and apply go over every tenant.", where=name, mend="Name no tenant.")
    return _new_token(Token(name, rights, tenants, actor.name, now, ends), actor, deps)


def create_own_token(name: str, ends: datetime, actor: Actor, deps: Deps) -> str:
    """Make a token with which the actor himself works outside a browser: the command line against a server.

    Raises:
        NotFound: nobody is called so here.
        InvalidAccess: it lasts too long, or its name is taken.
    """
    with deps.store.read() as unit:
        person = _person(unit, actor.name)
    made = Token(name, frozenset(), frozenset(), actor.name, deps.clock.now(), ends, person=person.name)
    return _new_token(made, actor, deps)


def _new_token(made: Token, actor: Actor, deps: Deps) -> str:
    name, ends = made.name, made.ends_at
    if not made.created_at < ends <= made.created_at + TOKEN_LASTS:
        raise InvalidAccess("a token ends within a year.", where=name, mend="Name an earlier end, which is not past.")
    token = f"s360_{secrets.token_urlsafe(32)}"
    with deps.store.write() as unit:
        if unit.people.tokens(name=name):
            raise InvalidAccess("there is or was a token of this name.", where=name, mend="Take another name.")
        unit.people.add_token(made, keyed(token, "token", deps))
        may = f"{', '.join(sorted(map(scope, made.rights)))} on {', '.join(sorted(made.tenants))}"
        told = f"{'what he may' if made.person else may} until {ends.isoformat()}"
        _note(unit, "token.create", name, actor, deps, told)
    return token


def revoke_token(name: str, actor: Actor, deps: Deps) -> None:
    """End a token with the next request; one's own, or any as admin.

    Raises:
        NotFound: there is none of this name.
    """
    with deps.store.write() as unit:
        found = next(iter(unit.people.tokens(name=name)), None)
        if found is None or found.person != actor.name:
            actor.needs(Right.ADMINISTER)
        if found is None or found.revoked_at is not None:
            raise NotFound("no such token.", where=name, mend="See: token list.")
        unit.people.revoke(found, deps.clock.now())
        _note(unit, "token.revoke", name, actor, deps)


def scope(right: Right) -> str:
    """A right as the scope of a token is written: ``metrics``."""
    return right.name.lower()


def _person(unit: Unit, name: str) -> Person:
    found = unit.people.find(login=name.strip().casefold())
    if found is None or found.removed_at is not None:
        raise NotFound("nobody is called so.", where=name, mend="See: people list.")
    return found


def _note(unit: Unit, act: str, object: str, actor: Actor, deps: Deps, reason: str = "") -> None:
    action = act if "." in act or act == "sign_in" else f"people.{act}"
    unit.audit.append(
        deps.audit_key, at=deps.clock.now(), actor=actor.name, tenant="", action=action, object=object, reason=reason
    )


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobody() -> str:
    """A hash that no password has: who is unknown takes as long as who is known."""
    return _hasher().hash(secrets.token_hex())


def password_hash(password: str) -> str:
    """A password as argon2 keeps it."""
    with _hashing:
        return _hasher().hash(password)


def _is_password(hashed: str, password: str) -> bool:
    from argon2.exceptions import VerificationError

    with _hashing:
        try:
            return _hasher().verify(hashed, password)
        except VerificationError:
            return False
