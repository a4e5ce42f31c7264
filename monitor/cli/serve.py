"""``serve``, ``sandbox``, ``db upgrade``."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.settings import Settings

db = typer.Typer(help="The store's schema.", no_args_is_help=True)


def serve(
    host: Annotated[str, typer.Option(help="Other than loopback only where people sign in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of pages and metrics.")] = 8360,
    role: Annotated[str, typer.Option(help="all; web, scheduler and worker come with PostgreSQL roles.")] = "all",
) -> None:
    """Run the service: scheduler, delivery, pages, metrics.

    SIGTERM ends it cleanly: no new sweep, running ones end, leases are given back.

    Example: smart360-monitor serve --port 8360
    """
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)  # before anything that takes time: a stop while it starts is one too
    signal.signal(signal.SIGINT, end)
    from monitor.schedule import Scheduler
    from monitor.web.app import create_app, serve_in_thread

    if role != "all":
        raise BadUsage("only all is there yet.", where=f"--role {role}", mend="Leave --role out.")
    wired = deps()
    on_loopback = host in ("127.0.0.1", "localhost", "::1")
    if not on_loopback:
        _refuse_open(host, wired.settings)
    scheduler = Scheduler(wired)
    _ = wired.store, wired.packs  # a mistake ends it before anything is served
    app = create_app(wired, scheduler, on_loopback=on_loopback)
    url, stop = serve_in_thread(app, port, host, wired.settings.proxies)
    scheduler.start()
    open_to = "  (who is on this machine may look)" if wired.settings.visitors_may_look else ""
    tell.note(f"pages     {url}{open_to}")
    tell.note(f"metrics   {url}/metrics")
    if not wired.settings.slack_token:
        tell.note("slack     no token is set (SMART360_SLACK_TOKEN): messages wait")
    ended.wait()
    scheduler.stop()
    stop()
    wired.store.close()


def _refuse_open(host: str, settings: Settings) -> None:
    """Whoever reaches it over the network must sign in, under a name it knows, and over https."""
    missing = ""
    if not settings.can_sign_in:
        missing = "SMART360_OIDC_ISSUER, or SMART360_LOCAL_ACCOUNTS=true"
    elif settings.sign_in != "needed":
        missing = "SMART360_SIGN_IN=needed"
    elif not settings.public_url.startswith("https://"):
        missing = "SMART360_PUBLIC_URL to the https address under which people come"
    if missing:
        what = "others reach this address, and they could look without signing in, or sign in unprotected."
        raise BadUsage(what, where=f"--host {host}", mend=f"Set {missing}; or leave --host out.")


def sandbox(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8361,
    config: Annotated[Path | None, typer.Option(help="A configuration file; SWA where none is named.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="Name of a fault that is on from the beginning.")] = None,
) -> None:
    """Run the SMART360 look-alike alone, with its faults.

    Example: smart360-monitor sandbox --port 8361 --fault 500-once
    """
    from monitor.sandbox.process import start_sandbox

    with start_sandbox(port, config, None, tuple(fault or ())) as running:
        tell.result(f"{running.url}  utility {running.utility}")
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        try:
            ended.wait()
        except KeyboardInterrupt:
            tell.note("Stopped.")


@db.command()
def upgrade() -> None:
    """Bring the store's schema to this program's revision; safe to run twice.

    Example: smart360-monitor db upgrade
    """
    from monitor.store.engine import open_engine
    from monitor.store.engine import upgrade as bring_up

    settings = deps().settings
    before, after = bring_up(open_engine(settings.store_url))
    tell.result(f"schema {after}, up to date" if before == after else f"schema {before or 'empty'} → {after}")
