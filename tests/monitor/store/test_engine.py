"""Opening a store, and what goes wrong beneath it, told in words with a cure (F58–F63)."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from monitor.errors import StoreError
from monitor.store.engine import open_engine
from monitor.store.unit import Store
from tests.monitor.store.made import NOW, count, registered, story

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("locked", flush=True)
sys.stdin.read()
"""


def write_two_things(store: Store, target) -> None:
    with store.write() as unit:
        unit.alerts.queue(target, "swa-care", story(), "opened", NOW)
        unit.targets.set_title(target, "half a step")


def test_f58_a_sqlite_locked_by_another_process_is_waited_for_then_told_and_nothing_is_half_written(tmp_path):
    path = tmp_path / "monitor.db"
    opened = Store.open(f"sqlite:///{path}", migrate=True)
    target = registered(opened)
    opened.close()
    store = Store(open_engine(f"sqlite:///{path}", busy_ms=300))
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        started = time.monotonic()
        with pytest.raises(StoreError) as told:
            write_two_things(store, target)
        assert 0.3 <= time.monotonic() - started < 5
        with store.read() as unit:
            assert unit.targets.named("swa/production").title == "", "readers do not wait"
        other.stdin.close()
    assert (told.value.kind, told.value.exit_code, told.value.mend) == ("locked", 3, "Try again.")
    assert count(store, "alerts") == 0
    write_two_things(store, target)
    assert count(store, "alerts") == 1
    store.close()


def test_an_error_undoes_the_whole_transaction(store, target):
    def half() -> None:
        write_two_things(store, target)
        with store.write() as unit:
            unit.targets.set_title(target, "written, then failed")
            raise KeyError("a defect stays itself")

    with pytest.raises(KeyError):
        half()
    with store.read() as unit:
        assert unit.targets.named("swa/production").title == "half a step"


def test_sqlite_keeps_what_it_answered(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    with store.engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    store.close()


def test_postgresql_keeps_what_it_answered_and_speaks_utc(postgres_url):
    store = Store.open(postgres_url)
    with store.engine.connect() as connection:
        assert connection.execute(text("show synchronous_commit")).scalar() == "on"
        assert connection.execute(text("show timezone")).scalar() == "UTC"
    store.close()


def test_the_folder_of_a_new_store_is_made_for_its_owner_only(tmp_path):
    Store.open(f"sqlite:///{tmp_path / 'state' / 'monitor.db'}", migrate=True).close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def garbage(folder: Path) -> str:
    (folder / "monitor.db").write_bytes(b"this is no database" * 400)
    return f"sqlite:///{folder / 'monitor.db'}"


def damaged(folder: Path) -> str:
    url = f"sqlite:///{folder / 'monitor.db'}"
    Store.open(url, migrate=True).close()
    path = folder / "monitor.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode=delete")
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 12] = os.urandom(4096 * 11)
    path.write_bytes(content)
    return url


def a_file_for_a_folder(folder: Path) -> str:
    (folder / "state").write_text("")
    return f"sqlite:///{folder / 'state' / 'monitor.db'}"


def a_folder_for_a_file(folder: Path) -> str:
    (folder / "monitor.db").mkdir()
    return f"sqlite:///{folder / 'monitor.db'}"


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (garbage, "corrupt"),
        (damaged, "corrupt"),
        (a_file_for_a_folder, "read_only"),
        (a_folder_for_a_file, "read_only"),
        (lambda _: "postgresql+psycopg://app@127.0.0.1:1/nowhere", "unavailable"),
        (lambda _: "monitor.db", "address"),
        (lambda _: "mysql://app@127.0.0.1/monitor", "address"),
        (lambda _: "postgresql+nothing://app@127.0.0.1/monitor", "address"),
    ],
    ids=["a file that is no database", "a damaged file", "a file where the folder should be",
         "a folder where the file should be", "nobody answers", "a path, not an address", "another database",
         "a driver nobody has"],
)  # fmt: skip
def test_a_store_that_cannot_be_opened_says_what_is_wrong_and_how_to_mend_it(tmp_path, place, kind):
    with pytest.raises(StoreError) as told:
        Store.open(place(tmp_path), migrate=True)
    assert (told.value.kind, told.value.exit_code) == (kind, 3)
    assert told.value.mend


def test_an_error_never_shows_the_password():
    with pytest.raises(StoreError) as told:
        Store.open("postgresql+psycopg://app:hush@127.0.0.1:1/nowhere")
    assert "hush" not in str(told.value)
    assert "127.0.0.1:1" in told.value.where


def test_what_is_read_in_one_transaction_is_of_one_moment(store, target):
    with store.read() as reader:
        assert reader.targets.named("swa/production").title == ""
        with store.write() as writer:
            writer.targets.set_title(target, "changed meanwhile")
        assert reader.targets.named("swa/production").title == ""
    with store.read() as reader:
        assert reader.targets.named("swa/production").title == "changed meanwhile"
