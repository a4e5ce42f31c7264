"""``people add|list|grant|remove``."""

import getpass
import sys
from datetime import datetime
from typing import Annotated

import typer

from monitor.access import EVERYWHERE, Grant, Role
from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.cli.tenants import AsOption, OutputOption
from monitor.people import add_person, grant_role, remove
from monitor.reports.items import person_item

app = typer.Typer(help="People: who may sign in, and what they may do.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="That stands in the audit log, e.g. olga.brandt.")]
RoleWord = Annotated[str, typer.Argument(metavar="ROLE", help="viewer, customer-success, onboarding-lead, admin")]
On = Annotated[str, typer.Option("--on", help="A tenant, group:<name>, or * for every one.")]
Until = Annotated[str, typer.Option("--until", help="A date from which on it is over, in UTC.")]


def _grant(role: str, on: str, until: str = "") -> Grant:
    word = role.replace("-", " ")
    if word not in list(Role):
        known = ", ".join(each.replace(" ", "-") for each in Role)
        raise BadUsage("there is no such role.", where=role, mend=f"Write one of: {known}.")
    try:
        return Grant(Role(word), on, until_of(until) if until else None)
    except ValueError as error:
        raise BadUsage(f"{error}.", where="--on", mend="Write --on swa, or leave it out.") from None


def until_of(text: str) -> datetime:
    """The moment a date names."""
    return tell.since(text, deps().clock.now())


@app.command()
def add(
    name: Name,
    email: Annotated[str, typer.Option(help="To sign in with, and to be known by at single sign-on.")] = "",
    shown: Annotated[str, typer.Option("--shown", help="Name for people, e.g. 'Olga Brandt'.")] = "",
    local: Annotated[bool, typer.Option("--local", help="With a password: asked for, or a line read.")] = False,
    by: AsOption = "",
) -> None:
    """Make somebody known; what he may do is granted apart. The first one becomes admin.

    Example: smart360-monitor people add olga.brandt --email olga.brandt@example.com
    """
    wired, who = deps(), tell.actor(by)
    with wired.store.read() as unit:
        is_first = not unit.people.all()
    person = add_person(name, who, wired, email=email, shown=shown, password=_password() if local else "")
    if is_first:
        grant_role(person.name, Grant(Role.ADMIN), who, wired)
    tell.result(f"{person.name} may sign in{', and is admin' if is_first else ''}.")
    if local and not wired.settings.local_accounts:
        tell.note("Passwords are not asked for until SMART360_LOCAL_ACCOUNTS=true.")


def _password() -> str:
    text = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not text:
        raise BadUsage("no password was given.", where="--local", mend="Type it, or pass it as a line.")
    return text


@app.command("list")
def list_people(output: OutputOption = tell.Output.TABLE) -> None:
    """List who may sign in, with roles and when last seen.

    Example: smart360-monitor people list
    """
    with deps().store.read() as unit:
        found = [(each, unit.people.grants(each.name)) for each in unit.people.all()]
    if output is tell.Output.JSON:
        tell.document("people", {"people": [person_item(*each) for each in found]})
        return
    tell.table(
        ["name", "e-mail", "roles", "last seen"],
        [[each.name, each.email or "–", ", ".join(map(_told, grants)) or "none", tell.moment(each.seen_at)]
         for each, grants in found],
    )  # fmt: skip
    if not found:
        tell.note("Nobody yet. The first one becomes admin: smart360-monitor people add NAME")


def _told(grant: Grant) -> str:
    return f"{grant} until {tell.moment(grant.ends)}" if grant.ends is not None else str(grant)


@app.command()
def grant(name: Name, role: RoleWord, on: On = EVERYWHERE, until: Until = "", by: AsOption = "") -> None:
    """Give somebody a role on a tenant, on a group of tenants, or everywhere; again with another end to move it.

    Example: smart360-monitor people grant olga.brandt onboarding-lead --on swa --until 2027-06-30
    """
    given = _grant(role, on, until)
    grant_role(name, given, tell.actor(by), deps())
    tell.result(f"{name} is {_told(given)}.")


@app.command("remove")
def take(
    name: Name,
    role: Annotated[str, typer.Option(help="Only this role, not the person.")] = "",
    on: On = EVERYWHERE,
    by: AsOption = "",
) -> None:
    """Take a role from somebody, or remove the person: sessions end with the next request. What he did stays his.

    Example: smart360-monitor people remove olga.brandt --role onboarding-lead --on swa
    """
    taken = _grant(role, on) if role else None
    remove(name, tell.actor(by), deps(), taken)
    tell.result(f"{name} is no longer {taken}." if taken is not None else f"{name} was removed.")
