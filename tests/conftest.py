"""Fixtures that every test may use: stores on both engines, PostgreSQL, the browser."""

import shutil
import uuid
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from sqlalchemy import create_engine, text

from monitor.sandbox.process import SandboxProcess, start_sandbox
from monitor.sandbox.slack_process import SlackProcess, start_slack
from monitor.store.unit import Store
from tests.postgres import Server, running_postgres

settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-extensions", "--no-proxy-server",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: the browser keeps an event loop that async tests cannot share."""
    items.sort(key=lambda item: "page" in getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True)
def _logs_as_they_come() -> Iterator[None]:
    """A command run inside a test configures logs for its process; the next test must not inherit that.

    Tracebacks are plain: the default renders every local value, which takes seconds for a whole configuration.
    """
    structlog.reset_defaults()
    *before, _ = structlog.get_config()["processors"]
    structlog.configure(
        processors=[*before, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for each test process, with a migrated template."""
    with running_postgres() as server:
        engine = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("create database migrated"))
        Store.open(server.url("migrated"), migrate=True).close()
        engine.dispose()
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A fresh, migrated database."""
    name = f"t{uuid.uuid4().hex}"
    engine = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name} template migrated strategy file_copy"))
    yield postgres.url(name)
    with engine.connect() as connection:
        connection.execute(text(f"drop database {name} (force)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """An address on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/monitor.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store on each engine."""
    made = Store.open(store_url, migrate=True)
    yield made
    made.close()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """Debian's Chromium; Playwright's own browser is never downloaded."""
    assert CHROMIUM is not None, "no Chromium: run make test, which installs it"
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    """The same page everywhere."""
    return {
        **browser_context_args, "viewport": {"width": 1280, "height": 800}, "locale": "en-GB", "timezone_id": "UTC",
        "reduced_motion": "reduce",
    }  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    """A SMART360 look-alike of its own for each file of tests."""
    with start_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackProcess]:
    """A Slack stand-in with one channel for each file of tests."""
    with start_slack(channels={"C0SWA": "swa-care"}) as running:
        yield running
