"""Pages of a large installation: time of the server and bytes of the answer, against what U16 allows."""

import gc
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import event, insert, text

from baselines.severity import Severity
from benchmarks.measure import Ratio, judged
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.findings import number_of, searchable
from monitor.store.tables import FindingEventRow, FindingRow, SweepRow
from monitor.store.unit import Store
from monitor.store.values import to_json
from monitor.target import Definition
from monitor.web.app import create_app
from rules.findings import Evidence, Finding, Kind

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
TARGETS, FINDINGS, DAYS = 1000, 50_000, 30
MILLISECONDS, KILOBYTES = 100, 200  #: of one page, U16
TIMES = 7
STATIC = Path(__file__).parent.parent / "monitor" / "web" / "static"
_MODULES = ("organization", "territory", "billing", "metering", "access", "work", "notifications", "integrations")


def pages() -> Iterator[Ratio]:
    """Each page of issue 5 over a store of 1,000 targets and 50,000 findings; its lists' queries are explained."""
    with tempfile.TemporaryDirectory() as folder, closing(_filled(Path(folder))) as store:
        deps = Deps(Settings(state_folder=Path(folder)), clock=SetClock(AT), open_store=lambda: store)
        beside = sum((STATIC / name).stat().st_size for name in ("monitor.css", "htmx.min.js", "monitor.js"))
        client = TestClient(create_app(deps), base_url="http://127.0.0.1")
        name = "t0003/production"
        for path in (
            "/", "/?sort=readiness", "/?q=t07", f"/targets/{name}", f"/targets/{name}/findings",
            f"/targets/{name}/drift", f"/targets/{name}/reading", "/findings", "/findings?severity=critical&sort=opened",
            "/findings?q=PLAN-00012", "/findings?module=billing&kind=drift", f"/findings/{number_of(77)}", "/baselines",
            "/search?q=t0003",
        ):  # fmt: skip
            yield from _page(client, path, beside)
        print(*_explained(store, partial(client.get, "/findings")), sep="\n")


def _page(client: TestClient, path: str, beside: int) -> Iterator[Ratio]:
    found = []
    for _ in range(TIMES + 1):
        gc.collect()
        start = time.process_time()
        answer = client.get(path)
        found.append(1000 * (time.process_time() - start))
        assert answer.status_code == 200, (path, answer.status_code)
    size = (len(answer.content) + beside) / 1024
    yield judged(f"{path}, ms of the server", "1,000 targets", found[1:], at_most=MILLISECONDS)
    yield judged(f"{path}, KB in all", "50,000 findings", [size], at_most=KILOBYTES)


def _explained(store: Store, act: object) -> list[str]:
    """What SQLite does for each query over findings: each has to name an index."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        if "FROM findings" in statement:
            asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    act()  # type: ignore[operator]
    event.remove(store.engine, "before_cursor_execute", note)
    told = []
    with store.engine.connect() as connection:
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"explain query plan {statement}", parameters)  # type: ignore[arg-type]
            told.append("explain: " + "; ".join(row[3] for row in rows))
    return told


def _filled(folder: Path) -> Store:
    """A store with a month of sweeps, four a day, and fifty open findings at each target."""
    store = Store.open(f"sqlite:///{folder / 'monitor.db'}", migrate=True)
    definition = Definition("files", "America/Los_Angeles", "every 6h", folder="exports")
    report = {
        "readiness": 0.99, "lists_read": 87, "lists_total": 87, "rules_total": 300, "opened": 0, "resolved": 0,
        "rules": {"passed": 296, "failed": 4, "undecided": 0, "not_applicable": 0}, "undecided": [],
        "modules": {each: {"passed": 30, "failed": 1} for each in _MODULES}, "open": {"critical": 2, "high": 48},
        "objects": {f"type_{n}": n for n in range(87)}, "day": "2026-11-24",
    }  # fmt: skip
    with store.write() as unit:
        for n in range(TARGETS):
            stage = "onboarding" if n % 5 == 0 else "live"
            unit.targets.put(f"t{n:04d}", "production", replace(definition, stage=stage), AT)
    with store.engine.begin() as connection:
        connection.execute(text("update targets set title = 'Utility number ' || id"))
        for day in range(DAYS):
            rows = []
            for turn in range(4):
                at = AT - timedelta(days=DAYS - 1 - day, hours=18 - 6 * turn + 1)
                body = to_json({**report, "taken_at": at.isoformat()})
                rows += [
                    {"target_id": n, "slot": at, "state": "complete", "owner": "w", "claimed_at": at,
                     "lease_until": at, "finished_at": at, "report": body}
                    for n in range(1, TARGETS + 1)
                ]  # fmt: skip
            connection.execute(insert(SweepRow), rows)
        for begin in range(0, FINDINGS, 5000):
            rows = [_row(n) for n in range(begin + 1, begin + 5001)]
            connection.execute(insert(FindingRow), rows)
            connection.execute(
                insert(FindingEventRow), [{"finding_id": row["id"], "event": "opened", "at": AT} for row in rows]
            )
        connection.execute(text("analyze"))
    return store


def _row(n: int) -> dict[str, object]:
    kind = (Kind.DRIFT, Kind.RULE, Kind.RULE)[n % 3]
    severity = list(Severity)[min(4, n % 11 // 2)]
    rule = f"billing.rule-{n % 300}" if kind is Kind.RULE else ""
    key, path = f"PLAN-{n % 5000:05d}", "rates[up_to=10].rate"
    finding = Finding(
        kind, rule, severity, _MODULES[n % len(_MODULES)], "service_plan", key, f"{path}{n}", "The rate is right",
        f"Service plan {key}: rates[up_to=10].rate is 41.00 instead of 4.10.", "It is not what was approved.",
        f"Utility Setup → Plans › {key}: set it back, or propose a new baseline.",
        tuple(Evidence("service_plan", key, f"{path}{i}", f"{i}.25") for i in range(6)), required=n % 2 == 0,
    )  # fmt: skip
    at = AT - timedelta(minutes=n % 40_000)
    return {
        "id": n, "number": number_of(n), "target_id": 1 + n % TARGETS, "fingerprint": f"{n:016x}", "state": "open",
        "opened_at": at, "changed_at": at, "last_seen": AT, "times_opened": 1, "alert_key": "", **searchable(finding),
    }  # fmt: skip


if __name__ == "__main__":
    for each in pages():
        print(each, flush=True)
