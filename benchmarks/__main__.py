"""``make bench``: the figures of docs/performance.md, measured here and now."""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
from blake3 import blake3

from baselines.canonical import Canonicaliser
from baselines.catalogue import load_catalogue
from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.fingerprints import SecretKey
from baselines.reader import parse_configuration
from benchmarks.data import Raw, changed, noisy, utility
from benchmarks.measure import Ratio, ratio
from benchmarks.rules import rule_ratios
from monitor.logs import set_up_logs

CATALOGUE = load_catalogue()
SECRETS = SecretKey(b"bench", "bench")
FORM = Canonicaliser(CATALOGUE, zone=ZoneInfo("UTC"), secrets=SECRETS)
HERE = Path(__file__).parent


def canonical(raw: Raw) -> Configuration:
    """Raw objects as a configuration."""
    return FORM.configuration({name: [FORM.canonicalise(name, each).object for each in objects]
                               for name, objects in raw.items()})  # fmt: skip


def comparisons(size: int) -> Iterator[Ratio]:
    """Ours against DeepDiff on the documents as they come, and between two that are canonical already."""
    from deepdiff import DeepDiff

    old, new, same = utility(size), changed(utility(size), 20), noisy(utility(size))
    one, other = orjson.dumps(old), orjson.dumps(new)

    def from_bytes() -> int:
        sides = [parse_configuration(data, "x.json", CATALOGUE, SECRETS) for data in (one, other)]
        return len(compare(*sides, CATALOGUE).changes)

    assert from_bytes() == 20
    assert not compare(canonical(old), canonical(same), CATALOGUE).changes
    workload = f"K=20, N={size:,}"
    peer = lambda: DeepDiff(old, new, ignore_order=True)  # noqa: E731
    pairs = 5 if size <= 400 else 3
    yield ratio(
        "DeepDiff(ignore_order) ÷ diff from bytes", workload, from_bytes, peer, at_least=50, inverse=True, pairs=pairs
    )
    stored_old, stored_new = canonical(old), canonical(new)
    yield ratio("diff of stored snapshots ÷ diff from bytes", workload,
                lambda: compare(stored_old, stored_new, CATALOGUE), from_bytes, at_most=0.15)  # fmt: skip
    yield ratio("diff from bytes ÷ loads of both", workload, from_bytes,
                lambda: (orjson.loads(one), orjson.loads(other)), at_most=3.0 if size <= 400 else 2.0)  # fmt: skip


def sweeps(size: int) -> Iterator[Ratio]:
    """A sweep of an unchanged tenant against the floor: loads of each page, one hash over canonical bytes."""
    import httpx

    from monitor.collect import Last, collect
    from monitor.sandbox.process import start_sandbox
    from monitor.sandbox.server import PASSWORD, USER
    from monitor.source import Connection, open_source

    raw = utility(size)
    scope = tuple(raw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "utility.json"
        path.write_bytes(orjson.dumps(raw))
        with start_sandbox(config=path) as sandbox:
            connection = Connection(
                "smart360", sandbox.url, sandbox.utility, USER, PASSWORD, requests_per_second=5000, requests_at_once=8
            )

            def read(last: Last):  # type: ignore[no-untyped-def]
                source = open_source(connection, CATALOGUE, allowed_hosts=frozenset(("127.0.0.1",)))
                return collect(source, CATALOGUE, scope, last, target=("b", "b"), secrets=SECRETS, zone=UTC,
                               now=lambda: datetime.now(UTC))  # fmt: skip

            first = read(Last())
            last = first.last()

            def unchanged() -> None:
                again = read(last)
                assert again.decoded_objects == 0
                assert not compare(first.configuration, again.configuration, CATALOGUE).changes

            pages = _pages(httpx, sandbox, raw)
            body = b"".join(each.body for listed in first.configuration.lists.values() for each in listed.objects)

            def floor() -> None:
                for several in pages.values():
                    for page in several:
                        orjson.loads(page)
                blake3(body).digest()

            listings = {name: _listing(each) for name, each in pages.items()}

            def without_http() -> None:
                again = collect(_Replay(pages, listings), CATALOGUE, scope, replayed, target=("b", "b"), secrets=SECRETS,
                                zone=UTC, now=lambda: datetime.now(UTC))  # fmt: skip
                assert again.decoded_objects == 0
                assert not compare(first.configuration, again.configuration, CATALOGUE).changes

            replayed = collect(_Replay(pages, listings), CATALOGUE, scope, Last(), target=("b", "b"), secrets=SECRETS,
                               zone=UTC, now=lambda: datetime.now(UTC)).last()  # fmt: skip
            without_http()
            yield ratio("unchanged sweep, without HTTP ÷ floor", f"N={size:,}", without_http, floor, at_most=0.3)
            unchanged()
            yield ratio("unchanged sweep, HTTP client and all ÷ floor", f"N={size:,}", unchanged, floor, at_most=0.3)


def _pages(httpx, sandbox, raw: Raw) -> dict[str, list[bytes]]:  # type: ignore[no-untyped-def]
    from monitor.sandbox.server import PASSWORD, USER
    from monitor.source.manifest import smart360_manifest

    manifest = smart360_manifest()
    with httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        token = client.post("/api/v1/user/login/", json={"email": USER, "password": PASSWORD}).json()["token"]
        pages: dict[str, list[bytes]] = {name: [] for name in raw}
        for name in raw:
            path: str | None = manifest.list_path(manifest.routes[name], sandbox.utility) + "?page_size=1000"
            while path:
                answer = client.get(path, headers={"Authorization": token})
                if answer.status_code != 200:
                    break
                pages[name].append(answer.content)
                path = answer.json()["next"]
    return pages


def _listing(pages: list[bytes]) -> tuple[int, ...]:
    return tuple(orjson.loads(page)["count"] for page in pages)


class _Replay:
    """A source that hands out pages it has: what is left is our own work."""

    name, version, has_details, date = "replay", "1", False, None

    def __init__(self, pages: dict[str, list[bytes]], counts: dict[str, tuple[int, ...]]) -> None:
        from collections import Counter

        self.pages, self.counts = pages, counts
        self.requests, self.seconds = Counter(), []

    async def __aenter__(self) -> "_Replay":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def begin(self) -> None:
        return None

    def has(self, resource_type: str) -> bool:
        return resource_type in CATALOGUE.types

    def privilege(self, _resource_type: str) -> str:
        return ""

    def active_field(self, _resource_type: str) -> str:
        return ""

    async def read(self, resource_type: str, _size: int = 0):  # type: ignore[no-untyped-def]
        from monitor.source import Listing
        from monitor.source.manifest import smart360_manifest

        pages, route = self.pages.get(resource_type, []), smart360_manifest().routes[resource_type]
        hasher = blake3()
        for page in pages:
            hasher.update(blake3(page).digest())

        def rows() -> list[dict]:  # type: ignore[type-arg]
            return [route.read(row) for page in pages for row in orjson.loads(page)["results"]]

        def ids() -> list[list[str]]:
            return [[row["id_string"] for row in orjson.loads(page)["results"]] for page in pages]

        return Listing(hasher.hexdigest(), self.counts.get(resource_type) or (0,), 1000, ids, rows)

    async def detail(self, _resource_type: str, _identity: str) -> None:
        return None


def memory(size: int) -> Ratio:
    """The peak of ``check`` on a large file, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.json"
        path.write_bytes(orjson.dumps(utility(size)))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        done = subprocess.run([sys.executable, "-m", "monitor", "check", str(path)], capture_output=True)
        assert done.returncode in (0, 1), done.stderr
        peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    return Ratio("check, peak memory in MB", f"N={size:,}", peak, peak, peak, "≤ 500", peak <= 500)


def start_up() -> Ratio:
    """Wall time of a small ``diff`` against that of an empty program."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.json"
        path.write_bytes(orjson.dumps(utility(40)))
        command = [sys.executable, "-m", "monitor", "diff", str(path), str(path)]
        times = []
        for _ in range(6):
            times.append(_wall(command) / _wall([sys.executable, "-c", "pass"]))
    kept = sorted(times[1:])
    return Ratio(
        "start of a command (wall) ÷ python -c pass", "diff", kept[2], kept[0], kept[-1], "≤ 12", kept[2] <= 12
    )


def _wall(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print; ``--full`` adds what takes minutes, ``--write`` keeps the table in docs/performance.md."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--full", action="store_true", help="20,000 and 50,000 objects too")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/performance.md")
    asked = parser.parse_args()
    found: list[Ratio] = []

    def told(several: Iterator[Ratio]) -> None:
        for each in several:
            print(each, flush=True)
            found.append(each)

    set_up_logs(verbose=False)
    sizes = (400, 2000, 20_000) if asked.full else (400, 2000)
    for size in sizes:
        told(sweeps(size))
    for size in sizes[:2]:
        told(comparisons(size))
    told(rule_ratios(2000))
    told(iter([start_up()]))
    if asked.full:
        told(iter([memory(50_000)]))
    if asked.write:
        _write(found)


def _write(found: list[Ratio]) -> None:
    rows = "\n".join(
        f"| {each.name} | {each.workload} | {each.value:.3g} ({each.low:.3g}–{each.high:.3g}) | {each.goal} | "
        f"{'yes' if each.is_met else '**no**'} |"
        for each in found
    )
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    path = HERE.parent / "docs" / "performance.md"
    head = path.read_text(encoding="utf-8").split("<!-- figures -->")[0] if path.exists() else "# Performance\n\n"
    path.write_text(
        f"{head}<!-- figures -->\n\nMeasured {datetime.now(UTC):%Y-%m-%d} by `make bench ARGS=\"--full --write\"` on {machine}. "
        f"CPU of this process, median of alternating pairs (lowest–highest).\n\n"
        f"| figure | workload | ratio | goal | met |\n|---|---|---|---|---|\n{rows}\n", encoding="utf-8",
    )  # fmt: skip


if __name__ == "__main__":
    main()
