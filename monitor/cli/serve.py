"""``serve``, ``sandbox``, ``db upgrade``."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from monitor.cli import BadUsage, tell
from monitor.cli.context import deps

db = typer.Typer(help="The store's schema.", no_args_is_help=True)


def serve(
    host: Annotated[str, typer.Option(help="Loopback only, until people can sign in.")] = "127.0.0.1",
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

    if host not in ("127.0.0.1", "localhost"):
        what = "people cannot sign in yet, so only loopback is served."
        raise BadUsage(what, where=f"--host {host}", mend="Put 127.0.0.1.")
    if role != "all":
        raise BadUsage("only all is there yet.", where=f"--role {role}", mend="Leave --role out.")
    wired = deps()
    scheduler = Scheduler(wired)
    _ = wired.store, wired.packs  # a mistake ends it before anything is served
    url, stop = serve_in_thread(create_app(wired, scheduler), port)
    scheduler.start()
    tell.note(f"pages     {url}  (loopback only: people cannot sign in yet)")
    tell.note(f"metrics   {url}/metrics")
    if not wired.settings.slack_token:
        tell.note("slack     no token is set (SMART360_SLACK_TOKEN): messages wait")
    ended.wait()
    scheduler.stop()
    stop()
    wired.store.close()


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
