"""A target that tests sweep: the sandbox over real HTTP, with what is remembered from sweep to sweep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from structlog.testing import LogCapture

from baselines.compare import Comparison, compare
from baselines.configuration import Configuration
from baselines.coverage import Gap, Reason
from baselines.reader import parse_configuration
from monitor.collect import Last, Reading, collect
from monitor.sandbox.process import SandboxProcess
from monitor.sandbox.server import PASSWORD, USER
from monitor.source import Connection, Patience, Source, open_source
from monitor.source.manifest import Manifest
from tests.support import CATALOGUE, SECRETS, swa_bytes

ALL = tuple(CATALOGUE.types)
LOOPBACK = frozenset({"127.0.0.1"})
QUICK = Patience(connect_s=1, between_bytes_s=1, request_s=2, retry_s=5, backoff_s=0.01)
ZONE = ZoneInfo("America/Los_Angeles")


@lru_cache(1)
def swa_file() -> Configuration:
    """SWA as its file says."""
    return parse_configuration(swa_bytes(), "swa.yaml", CATALOGUE, SECRETS)


def read(source: Source, scope: Sequence[str], last: Last, log: Any = None) -> Reading:
    """One reading with the settings that all tests share."""
    return collect(
        source, CATALOGUE, scope, last, target=("swa", "production"), secrets=SECRETS, zone=ZONE,
        now=lambda: datetime.now(UTC), log=log,
    )  # fmt: skip


@dataclass
class Watch:
    """A monitor of the sandbox's one utility."""

    sandbox: SandboxProcess
    scope: tuple[str, ...] = ALL
    patience: Patience = QUICK
    password: str = PASSWORD
    utility: str = ""
    last: Last = field(default_factory=Last)
    first: Reading | None = None
    logged: LogCapture = field(default_factory=LogCapture)

    def as_new(self) -> "Watch":
        """The sandbox as it began, without faults."""
        self.control("DELETE", "/sandbox/faults")
        self.control("POST", "/sandbox/privileges", {"without": []})
        self.control("POST", "/sandbox/reset")
        self.control("DELETE", "/sandbox/log")
        return self

    def source(self, manifest: Manifest | None = None, **how: Any) -> Source:
        """The sandbox as a source; ``how``: fields of the connection."""
        connection = Connection(
            "smart360", self.sandbox.url, self.utility or self.sandbox.utility, USER, self.password,
            **{"requests_per_second": 5000, "requests_at_once": 4, **how},
        )  # fmt: skip
        return open_source(
            connection, CATALOGUE, manifest=manifest, allowed_hosts=LOOPBACK, patience=self.patience, log=self.logger(),
        )  # fmt: skip

    def logger(self) -> Any:
        """Keeps what is logged."""
        return structlog.wrap_logger(None, processors=[self.logged])

    def sweep(self, **how: Any) -> Reading:
        """Read the target; the next sweep remembers."""
        reading = read(self.source(**how), self.scope, self.last, self.logger())
        self.last = reading.last()
        self.first = self.first or reading
        return reading

    def drift(self, reading: Reading) -> Comparison:
        """What a reading differs in from the first one."""
        assert self.first is not None
        return compare(self.first.configuration, reading.configuration, CATALOGUE, tolerate_new_fields=True)

    def changes(self, reading: Reading) -> list[tuple[str, str, str, str]]:
        """The same, short: op, type, key, path."""
        return [(each.op.value, each.resource_type, each.key, each.path) for each in self.drift(reading).changes]

    def events(self, event: str) -> list[dict[str, Any]]:
        """What was logged under this name."""
        return [dict(entry) for entry in self.logged.entries if entry["event"] == event]

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Ask the sandbox itself."""
        answer = self.sandbox.client.request(method, path, json=content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def change(self, op: str, resource: str, key: str, path: str = "", value: Any = None) -> None:
        """Change the world as an administrator would."""
        change = {"op": op, "resource": resource, "key": key, "field": path, "value": value}
        self.control("POST", "/sandbox/changes", {"by": "dana", "changes": [change]})

    def fault(self, name: str, *lists: str, **how: Any) -> None:
        """Switch a fault on; ``times`` and options in ``how``."""
        times = {"times": how.pop("times")} if "times" in how else {}
        self.control("POST", "/sandbox/faults", {"name": name, "lists": lists, "options": how, **times})

    def heal(self) -> None:
        """Switch all faults off."""
        self.control("DELETE", "/sandbox/faults")

    def fired(self) -> int:
        """How often the faults that are on came to bear."""
        return sum(each["fired"] for each in self.control("GET", "/sandbox/faults")["active"])

    def asked(self) -> list[dict[str, Any]]:
        """What was asked of the sandbox since it was as new."""
        log: list[dict[str, Any]] = self.control("GET", "/sandbox/log")
        return log


def reasons(reading: Reading) -> dict[str, Reason]:
    """Lists that were not read, and why."""
    return {name: gap.reason for name, gap in reading.coverage.unread.items()}


def noted(reading: Reading, reason: Reason) -> list[Gap]:
    """Gaps with one reason."""
    return [gap for gap in reading.configuration.gaps if gap.reason is reason]
