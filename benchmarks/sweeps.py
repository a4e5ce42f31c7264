"""A sweep of an unchanged tenant: its CPU against the floor, and the bytes it leaves in the store."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TypeVar

import orjson
from blake3 import blake3

from baselines.catalogue import load_catalogue
from baselines.compare import compare
from baselines.fingerprints import SecretKey
from benchmarks.data import utility
from benchmarks.measure import Ratio, judged, ratio
from benchmarks.rules import bench_packs
from monitor.clock import SetClock
from monitor.collect import Last, collect
from monitor.deps import Deps
from monitor.sandbox.process import start_sandbox
from monitor.sandbox.server import PASSWORD, USER
from monitor.settings import Settings
from monitor.source import Connection, Patience, tls_context
from monitor.source.client import Client, _Answer, _content
from monitor.source.guard import system_resolver
from monitor.source.manifest import smart360_manifest
from monitor.store.unit import Store
from monitor.sweep import SweepReport, sweep
from monitor.target import Definition
from rules.judge import judge
from rules.lifecycle import Event, Known, State, settle

CATALOGUE = load_catalogue()
SECRETS = SecretKey(b"bench", "bench")
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
Answers = dict[tuple[str, tuple[tuple[str, str], ...]], _Answer]
_C = TypeVar("_C", bound=Client)


class _Recording(Client):
    """The product's client; what it was answered is kept."""

    answers: Answers

    async def _get(self, path: str, query: Mapping[str, str] | None = None, *, is_control: bool = False) -> _Answer:
        answer = await super()._get(path, query, is_control=is_control)
        self.answers[path, tuple(sorted((query or {}).items()))] = replace(answer, content=None)
        return answer


class _Replaying(Client):
    """The product's client, its decoding and paging, with answers of before in place of the network."""

    answers: Answers

    async def __aenter__(self) -> "_Replaying":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def begin(self) -> tuple[str, ...] | None:
        return None

    async def _get(self, path: str, query: Mapping[str, str] | None = None, *, is_control: bool = False) -> _Answer:  # noqa: ARG002
        answer = self.answers[path, tuple(sorted((query or {}).items()))]
        return replace(answer, content=_content(answer, path))


def sweeps(size: int) -> Iterator[Ratio]:
    """Read, compare, judge with kept results, settle; against loads of each page and one hash of what they mean."""
    raw = utility(size)
    scope = tuple(raw)
    packs, _ = bench_packs()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "utility.json"
        path.write_bytes(orjson.dumps(raw))
        with start_sandbox(config=path) as sandbox:
            connection = Connection(
                "smart360", sandbox.url, sandbox.utility, USER, PASSWORD, requests_per_second=5000, requests_at_once=8
            )

            def source(kind: type[_C]) -> _C:
                return kind(
                    connection, smart360_manifest(), Patience(), allowed_hosts=frozenset(("127.0.0.1",)),
                    tls=tls_context(None), resolve=system_resolver,
                )  # fmt: skip

            recording, replaying = source(_Recording), source(_Replaying)
            answers = replaying.answers = recording.answers = {}
            read = partial(
                collect, catalogue=CATALOGUE, scope=scope, target=("b", "b"), secrets=SECRETS, zone=UTC, now=lambda: AT
            )
            first = read(recording, last=Last())
            shown = [each for objects in raw.values() for each in objects if each.get("is_active") != "No"]
            assert first.configuration.object_count == len(shown)  # lists leave inactive ones out
            approved, last = first.configuration, first.last()
            comparison = compare(approved, approved, CATALOGUE)
            judge_it = partial(judge, packs=packs, catalogue=CATALOGUE, at=AT, secrets=SECRETS)
            before = judge_it(approved, comparison)
            known = [
                Known(n, str(n), step.finding, State.OPEN, AT, AT, AT, 1, 1)
                for n, step in enumerate(settle((), before, comparison, approved).steps)
            ]

            def swept(client: Client) -> None:
                reading = read(client, last=last)
                assert reading.decoded_objects == 0
                again = compare(approved, reading.configuration, CATALOGUE)
                judgement = judge_it(reading.configuration, again, kept=before.results)
                settlement = settle(known, judgement, again, reading.configuration)
                assert not again.changes
                assert judgement.judged_anew == 0
                assert len(settlement.of(Event.SEEN)) == len(settlement.steps) == len(known)

            pages = [each.body for (where, query), each in answers.items() if query and each.status == 200]
            meaning = b"".join(each.body for listed in approved.lists.values() for each in listed.objects)

            def floor() -> None:
                for page in pages:
                    orjson.loads(page)
                blake3(meaning).digest()

            workload = f"N={size:,}"
            own = partial(swept, replaying)
            own()
            yield ratio("unchanged sweep, without HTTP ÷ floor", workload, own, floor, at_most=0.3)

            def over_http() -> None:
                swept(source(Client))

            over_http()
            yield ratio("unchanged sweep, with HTTP ÷ floor", workload, over_http, floor)
            yield ratio("… its own part ÷ all", workload, own, over_http, at_most=0.33)


def growth(times: int = 50) -> Iterator[Ratio]:
    """Bytes that SQLite grows by for an unchanged snapshot, all that a sweep records included, ÷ the whole JSON."""
    shipped = resources.files("monitor") / "sandbox" / "tenants" / "swa.yaml"
    with tempfile.TemporaryDirectory() as folder:
        exports = Path(folder) / "exports"
        exports.mkdir()
        (exports / "swa.yaml").write_bytes(shipped.read_bytes())
        path = Path(folder) / "monitor.db"
        with closing(Store.open(f"sqlite:///{path}", migrate=True)) as store:
            clock = SetClock(AT)
            deps = Deps(Settings(state_folder=Path(folder)), clock=clock, open_store=lambda: store)
            definition = Definition("files", "America/Los_Angeles", "every 6h", folder=str(exports))
            with store.write() as unit:
                target, _ = unit.targets.put("swa", "production", definition, AT)

            def swept() -> SweepReport:
                clock.at += timedelta(minutes=10)
                return sweep(target, clock.now(), deps)

            swept()
            before = _size(path)
            reports = [swept() for _ in range(times)]
            after = _size(path)
            assert {(each.state, each.judged, each.alerts) for each in reports} == {("complete", 0, 0)}
            with store.read() as unit:
                snapshot = unit.snapshots.last(target)
        assert snapshot is not None
        whole = orjson.dumps(
            {name: [each.values for each in listed.objects] for name, listed in snapshot.configuration.lists.items()}
        )
    value = (after - before) / times / len(whole)
    workload = f"SWA, {snapshot.objects} objects, {times} sweeps"
    yield judged("bytes of an unchanged snapshot ÷ whole JSON", workload, [value], at_most=0.00333)


def _size(path: Path) -> int:
    """Pages in use, in bytes."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("vacuum")
        pages, size = (connection.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages) * int(size)
