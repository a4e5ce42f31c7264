"""``token create|list|revoke``."""

from datetime import timedelta
from typing import Annotated

import typer

from monitor.access import EVERYWHERE, Right
from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.cli.people import until_of
from monitor.cli.tenants import AsOption, OutputOption
from monitor.people import create_own_token, create_token, revoke_token, scope
from monitor.reports.items import token_item

app = typer.Typer(help="Tokens: what programs sign in with.", no_args_is_help=True)
USUAL_DAYS = 90
_SCOPES = {scope(each): each for each in Right}


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, e.g. prometheus.")],
    scopes: Annotated[
        list[str] | None, typer.Option("--scope", help="see sweep propose audit apply metrics; repeat it.")
    ] = None,
    tenant: Annotated[list[str] | None, typer.Option(help="Only this tenant; repeat it. None: every one.")] = None,
    until: Annotated[str, typer.Option(help=f"When it ends, within a year; {USUAL_DAYS} days if not said.")] = "",
    own: Annotated[
        bool, typer.Option("--own", help="Of the person named by --as, who may with it what he may: for --server.")
    ] = False,
    by: AsOption = "",
) -> None:
    """Make a token and print it, once. Programs send it as Authorization: Bearer.

    Example: smart360-monitor token create prometheus --scope metrics
    """
    wired = deps()
    if bool(scopes) == own or (own and tenant):
        what, mend = "for a program or a person?", "Say --scope see …, or --own --as PERSON alone."
        raise BadUsage(what, where="token create", mend=mend)
    scopes = scopes or []
    if unknown := [each for each in scopes if each not in _SCOPES]:
        raise BadUsage("there is no such scope.", where=unknown[0], mend="See: token create --help.")
    ends = until_of(until) if until else wired.clock.now() + timedelta(days=USUAL_DAYS)
    rights = frozenset(_SCOPES[each] for each in scopes)
    who = tell.actor(by)
    if own:
        token = create_own_token(name, ends, who, wired)
    else:
        token = create_token(name, rights, frozenset(tenant or [EVERYWHERE]), ends, who, wired)
    tell.result(token)
    tell.note(f"{name} ends {tell.moment(ends)}. Keep it now: it is not shown again.")


@app.command("list")
def list_tokens(output: OutputOption = tell.Output.TABLE) -> None:
    """List tokens: scopes, tenants, end, last use.

    Example: smart360-monitor token list
    """
    now = deps().clock.now()
    with deps().store.read() as unit:
        found = unit.people.tokens()
    if output is tell.Output.JSON:
        tell.document("tokens", {"tokens": [token_item(each) for each in found]})
        return
    tell.table(
        ["name", "scopes", "tenants", "state", "last used"],
        [[each.name, *([f"what {each.person} may", "–"] if each.person else
                       [", ".join(sorted(map(scope, each.rights))), ", ".join(sorted(each.tenants))]),
          f"revoked {tell.moment(each.revoked_at)}" if each.revoked_at is not None
          else f"{'ended' if now >= each.ends_at else 'until'} {tell.moment(each.ends_at)}", tell.moment(each.used_at)]
         for each in found],
    )  # fmt: skip


@app.command()
def revoke(name: Annotated[str, typer.Argument(metavar="NAME")], by: AsOption = "") -> None:
    """End a token with its next request.

    Example: smart360-monitor token revoke prometheus
    """
    revoke_token(name, tell.actor(by), deps())
    tell.result(f"{name} opens nothing any more.")
