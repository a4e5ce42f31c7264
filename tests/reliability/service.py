"""The real service as a process of its own, which a test may kill; sandbox and Slack outlive it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from monitor.access import on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.demo import incidents, sandbox_password, sandbox_user
from monitor.deps import Deps
from monitor.sandbox.process import SandboxProcess
from monitor.sandbox.slack_process import SlackProcess
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.target import Definition, Target

PATIENCE_S = 60.0
COMMAND = [sys.executable, "-m", "monitor"]


@dataclass
class Watched:
    """A store with targets, the world they watch, and the environment of commands on it."""

    folder: Path
    url: str
    sandbox: SandboxProcess
    slack: SlackProcess
    targets: int = 1
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("user", sandbox_user()), ("password", sandbox_password()), ("slack", self.slack.token)):
            (self.folder / name).write_text(value, encoding="utf-8")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SMART360_")},
            "SMART360_DATABASE_URL": self.url,
            "SMART360_STATE_FOLDER": str(self.folder / "state"),
            "SMART360_SLACK_TOKEN": f"file:{self.folder / 'slack'}",
            "SMART360_SLACK_URL": self.slack.api_url,
            "SMART360_SLACK_CHANNELS": '{"swa-care": "C0SWA"}',
            "SMART360_ALLOWED_HOSTS": '["127.0.0.1"]',
            "SMART360_TICK_SECONDS": "0.2",
            "SMART360_LEASE_SECONDS": "2",
            "SMART360_SPREAD_SECONDS": "0",
        }
        self.store = Store.open(self.url, migrate=True)
        settings = Settings(
            database_url=self.url, state_folder=self.folder / "state", slack_token=f"file:{self.folder / 'slack'}",
            slack_url=self.slack.api_url, slack_channels={"swa-care": "C0SWA"}, allowed_hosts=["127.0.0.1"],
            lease_seconds=2,
        )  # fmt: skip
        self.deps = Deps(settings, open_store=lambda: self.store)
        self.names = [f"swa/production{'' if n == 0 else f'-{n}'}" for n in range(self.targets)]
        for name in self.names:
            self.register(name)

    def register(self, name: str) -> None:
        tenant, environment = name.split("/")
        definition = Definition(
            source="smart360", url=self.sandbox.url, utility=self.sandbox.utility, user=f"file:{self.folder / 'user'}",
            password=f"file:{self.folder / 'password'}", time_zone="America/Los_Angeles", schedule="every 6h",
            channel="swa-care", clock="source", requests_per_second=5000, requests_at_once=8,
        )  # fmt: skip
        now = self.deps.clock.now()
        with self.store.write() as unit:
            target, _ = unit.targets.put(tenant, environment, definition, now)
            unit.targets.set_next_run(target, now + timedelta(hours=6))

    def target(self, name: str = "swa/production") -> Target:
        with self.store.read() as unit:
            return unit.targets.named(name)

    def ask_for_a_sweep(self) -> None:
        """All targets are due now."""
        with self.store.write() as unit:
            for name in self.names:
                unit.targets.set_next_run(unit.targets.named(name), self.deps.clock.now())

    def happens(self, name: str) -> None:
        """One of the shipped incidents happens in the world."""
        (incident,) = [each for each in incidents() if each.name == name]
        self.sandbox.client.post("/sandbox/changes", json={"by": "mei", "changes": incident.changes}).raise_for_status()

    def command(self, *words: str, kill_at: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the product to its end, or to its death."""
        environment = {**self.environment, "SMART360_TEST_KILL_AT": kill_at}
        return subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True, timeout=PATIENCE_S)

    @contextmanager
    def service(self, kill_at: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """``serve``, ended with the context."""
        environment = {**self.environment, "SMART360_TEST_KILL_AT": kill_at}
        log = (self.folder / f"serve-{kill_at or 'plain'}-{time.monotonic_ns()}.log").open("wb")
        process = subprocess.Popen([*COMMAND, "serve", "--port", "0"], env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(25)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            log.close()

    def messages(self) -> list[dict[str, Any]]:
        """Top messages in the channel."""
        found: list[dict[str, Any]] = self.slack.client.get("/standin/messages").json()
        return [each for each in found if not each["thread_ts"] and not each["is_deleted"]]


def wait_for(what: Callable[[], bool], told: str) -> None:
    """Wait until something is true; fails with ``told`` after a minute."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE_S:g} s: {told}")


def watched(folder: Path, url: str, sandbox, slack, targets: int = 1) -> Watched:
    """Targets with an approved baseline, in a world that is as approved."""
    sandbox.client.post("/sandbox/reset").raise_for_status()
    for message in slack.client.get("/standin/messages").json():
        slack.client.delete(f"/standin/messages/{message['ts']}")
    made = Watched(folder, url, sandbox, slack, targets)
    for name in made.names:
        target = made.target(name)
        sweep(target, made.deps.clock.now(), made.deps)
        proposal = propose_baseline(target, on_host("olga"), made.deps)
        with made.store.read() as unit:
            digest = review_of(proposal, made.deps, unit).digest
        approve(proposal, digest, on_host("nisha"), made.deps)
    return made


def open_findings(made: Watched, name: str = "swa/production"):
    with made.store.read() as unit:
        return [known for _, known in unit.findings.open(unit.targets.named(name))]
