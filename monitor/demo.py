"""The main job, seen in a minute: sandbox, store, service and Slack stand-in, and one week of incidents.

Everything is real but the far side of two wires: SMART360 and Slack are servers on loopback.
"""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module, resources
from pathlib import Path
from time import monotonic
from typing import Any, Final

from baselines import document
from monitor.access import on_host, read_grants
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import Clock, SystemClock
from monitor.delivery import deliver_waiting
from monitor.deps import Deps
from monitor.people import add_person, grant_role
from monitor.sandbox.process import SandboxProcess, start_sandbox
from monitor.sandbox.slack_process import SlackProcess, start_slack
from monitor.settings import Settings, state_folder
from monitor.store.unit import Store
from monitor.sweep import SweepReport, sweep
from monitor.target import Definition, Target
from rules.findings import Kind
from rules.lifecycle import Known

PROPOSER, APPROVER = "olga.brandt", "nisha.rao"
#: Who may sign in to the demo, with one password that is printed.
PEOPLE: Final = {
    "carla": "customer success on *", PROPOSER: "onboarding lead on *", APPROVER: "onboarding lead on *",
    "pilar": "onboarding lead on swa", "ada": "admin on *",
}  # fmt: skip
PARTNER: Final = "pilar"  #: her role ends
TARGET: Final = "swa/production"
SHOWN: Final = ("friday-variable-plan-deactivated", "misplaced-decimal-point", "cashier-may-refund")


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happens at SWA, and what must come of it."""

    name: str
    story: str
    changes: Sequence[dict[str, Any]]
    rules: frozenset[str]
    drift: frozenset[tuple[str, str, str, str, str]]  #: op, resource type, key, path, severity
    severity: str

    @property
    def is_neutral(self) -> bool:
        """Nothing has changed in meaning, nothing may be reported."""
        return self.severity == "none"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sweep found of one incident."""

    incident: Incident
    rules: frozenset[str]
    drift: frozenset[tuple[str, str, str, str, str]]
    severity: str
    headline: str  #: the sentence of the worst finding
    seconds: float
    left_over: int  #: findings of the incident before that did not heal

    @property
    def is_right(self) -> bool:
        """Exactly what had to be found, and nothing else."""
        wanted = self.incident
        return (self.rules, self.drift, self.severity, self.left_over) == (
            wanted.rules, wanted.drift, wanted.severity, 0,
        )  # fmt: skip

    def differences(self) -> list[str]:
        """What was missed and what was found besides, for people."""
        wanted = self.incident
        told = [f"missed rule {each}" for each in sorted(wanted.rules - self.rules)]
        told += [f"unexpected rule {each}" for each in sorted(self.rules - wanted.rules)]
        told += [f"missed drift {' '.join(each)}" for each in sorted(wanted.drift - self.drift)]
        told += [f"unexpected drift {' '.join(each)}" for each in sorted(self.drift - wanted.drift)]
        if self.severity != wanted.severity:
            told.append(f"severity {self.severity}, not {wanted.severity}")
        return told + ([f"{self.left_over} findings did not heal"] if self.left_over else [])


def incidents(tenant: str = "swa") -> list[Incident]:
    """The shipped incidents of a tenant of the sandbox."""
    data = (resources.files("monitor") / "sandbox" / "incidents" / f"{tenant}.yaml").read_bytes()
    tree = document.plain_value(document.read_document(data, f"{tenant}.yaml"))
    return [
        Incident(
            each["name"], each["story"], each["changes"], frozenset(each["expect"]["rules"]),
            frozenset(
                (change["op"], change["resource_type"], change["key"], change["path"], change["severity"])
                for change in each["expect"]["drift"]
            ),
            each["expect"]["severity"],
        )
        for each in tree["incidents"]
    ]  # fmt: skip


@dataclass
class Demo:
    """A running demo; leaving the context ends everything and removes the store."""

    deps: Deps
    sandbox: SandboxProcess
    slack: SlackProcess
    target: Target
    pages: str = ""
    password: str = ""  #: of everybody in PEOPLE
    folder: Path = field(default_factory=Path)

    def sweep(self) -> SweepReport:
        """One sweep now, and everything it queued delivered."""
        report = sweep(self.target, self.deps.clock.now(), self.deps)
        deliver_waiting(self.deps)
        return report

    def approve_first(self) -> str:
        """Olga proposes the newest reading, Nisha approves it; returns its digest."""
        proposal = propose_baseline(self.target, on_host(PROPOSER), self.deps, title="SWA at go-live")
        with self.deps.store.read() as unit:
            digest = review_of(proposal, self.deps, unit).digest
        return approve(proposal, digest, on_host(APPROVER), self.deps).baseline.digest

    def add_people(self) -> None:
        """Whoever wants to act signs in as one of them."""
        self.password = f"demo-{secrets.token_hex(5)}"
        host = on_host("demo")
        for name, roles in PEOPLE.items():
            add_person(name, host, self.deps, shown=name.replace(".", " ").title(), password=self.password)
            for grant in read_grants(roles):
                ends = self.deps.clock.now() + timedelta(days=90) if name == PARTNER else None
                grant_role(name, replace(grant, ends=ends), host, self.deps)

    def open_findings(self) -> dict[str, Known]:
        """What is open at SWA, by fingerprint."""
        with self.deps.store.read() as unit:
            return {known.finding.fingerprint: known for _, known in unit.findings.open(self.target)}

    def play(self, incident: Incident) -> Seen:
        """Let one incident happen to a world that is otherwise as approved, and see what is found."""
        before = self.open_findings()
        self.sandbox.client.post("/sandbox/reset").raise_for_status()
        body = {"by": "mei.tanaka@swa-water.example", "changes": incident.changes}
        self.sandbox.client.post("/sandbox/changes", json=body).raise_for_status()
        start = monotonic()
        self.sweep()
        seconds = monotonic() - start
        after = self.open_findings()
        found = [known.finding for print_, known in after.items() if print_ not in before]
        found += [known.finding for print_, known in after.items() if print_ in before and self._still(known, incident)]
        left = sum(1 for print_, known in after.items() if print_ in before and not self._still(known, incident))
        worst = min(found, key=lambda each: (each.severity.rank, each.kind is not Kind.RULE), default=None)
        return Seen(
            incident,
            frozenset(each.rule for each in found if each.kind is Kind.RULE),
            frozenset(
                (str(each.op), each.resource_type, each.key, each.path, each.severity.value)
                for each in found
                if each.kind is Kind.DRIFT
            ),
            worst.severity.value if worst is not None else "none",
            worst.message if worst is not None else "nothing, as it should be",
            seconds,
            left,
        )

    def _still(self, known: Known, incident: Incident) -> bool:
        """True for a finding that two incidents in a row have in common: it belongs to this one too."""
        finding = known.finding
        if finding.kind is Kind.RULE:
            return finding.rule in incident.rules
        return any(each[1:4] == (finding.resource_type, finding.key, finding.path) for each in incident.drift)

    def show(self) -> None:
        """Leave the world with some incidents in it, so that pages and messages have something to tell."""
        self.sandbox.client.post("/sandbox/reset").raise_for_status()
        for incident in incidents():
            if incident.name in SHOWN:
                body = {"by": "mei.tanaka@swa-water.example", "changes": incident.changes}
                self.sandbox.client.post("/sandbox/changes", json=body).raise_for_status()
        self.sweep()

    def messages(self) -> tuple[int, int]:
        """How many Slack messages stand in the channel, and how many edits they had."""
        posted = self.slack.client.get("/standin/messages").json()
        posted = [each for each in posted if not each["thread_ts"]]
        return len(posted), sum(len(each["revisions"]) for each in posted)


@contextmanager
def running_demo(
    port: int, tell: Callable[[str], None], *, clock: Clock | None = None, serve: bool = True
) -> Iterator[Demo]:
    """Start sandbox, Slack stand-in, store and service on loopback.

    Args:
        port: of the pages; another is taken where it is in use.
        tell: gets a line for each part that stands.
        clock: the service's; the machine's where none is given.
        serve: also serve the pages, metrics and the scheduler.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="smart360-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # Both start side by side; they end with the thread that started them, so the threads stay.
        threads = stack.enter_context(ThreadPoolExecutor(2))
        first, second = threads.submit(start_sandbox), threads.submit(start_slack, channels={"C0SWA": "swa-care"})
        opened = Store.open(f"sqlite:///{folder / 'monitor.db'}", migrate=True)
        stack.callback(opened.close)
        if serve:
            import_module("monitor.web.app")
        sandbox, slack = stack.enter_context(first.result()), stack.enter_context(second.result())
        tell(f"sandbox   {sandbox.url}  SMART360 look-alike, San Francisco Water Authority")
        tell(f"store     {folder / 'monitor.db'}  (removed when the demo ends)")
        tell(f"slack     {slack.url}  stand-in, shows what would be sent")
        for name, value in (("user", sandbox_user()), ("password", sandbox_password()), ("slack", slack.token)):
            secret = folder / name
            secret.touch(mode=0o600)
            secret.write_text(value, encoding="utf-8")
        address = _free_address(port, tell) if serve else None
        settings = Settings(
            database_url=f"sqlite:///{folder / 'monitor.db'}", state_folder=state_folder(),
            slack_token=f"file:{folder / 'slack'}", slack_url=slack.api_url, slack_channels={"swa-care": "C0SWA"},
            allowed_hosts=["127.0.0.1"], public_url=f"http://127.0.0.1:{address}" if address else "",
            local_accounts=True, sign_in="optional",
        )  # fmt: skip
        deps = Deps(settings, clock=clock or SystemClock(), open_store=lambda: opened)
        definition = Definition(
            source="smart360", url=sandbox.url, utility=sandbox.utility, user=f"file:{folder / 'user'}",
            password=f"file:{folder / 'password'}", time_zone="America/Los_Angeles", schedule="every 6h",
            channel="swa-care", clock="source", consumers={"Residential": 45_912, "Commercial": 3_900},
            requests_per_second=5000, requests_at_once=8,
        )  # fmt: skip
        with deps.store.write() as unit:
            target, _ = unit.targets.put("swa", "production", definition, deps.clock.now())
            unit.targets.set_next_run(target, deps.clock.now() + timedelta(hours=6))
        demo = Demo(deps, sandbox, slack, target, folder=folder)
        if address:
            demo.pages = stack.enter_context(_served(deps, address))
            demo.add_people()
            tell(f"pages     {demo.pages}  who is on this machine may look; to act, sign in")
            tell(f"sign in   {', '.join(PEOPLE)}   password {demo.password}")
        yield demo


def sandbox_user() -> str:
    """The sandbox's shipped user."""
    from monitor.sandbox.server import USER

    return USER


def sandbox_password() -> str:
    """The sandbox's shipped password; it opens nothing else."""
    from monitor.sandbox.server import PASSWORD

    return PASSWORD


@contextmanager
def _served(deps: Deps, port: int) -> Iterator[str]:
    from monitor.schedule import Scheduler
    from monitor.web.app import create_app, serve_in_thread

    scheduler = Scheduler(deps)
    url, stop = serve_in_thread(create_app(deps, scheduler), port)
    scheduler.start()
    try:
        yield url
    finally:
        scheduler.stop()
        stop()


def _free_address(port: int, tell: Callable[[str], None]) -> int:
    import socket

    for candidate in (*range(port, port + 20), 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
        if found != port:
            tell(f"port {port} is taken, using {found}")
        return found
    raise AssertionError("port 0 can always be bound")
