"""Secrets and keys of the installation."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from monitor.secrets import installation_key

AT_ONCE = 8


def test_threads_that_need_a_key_at_once_make_one_and_leave_nothing_else(tmp_path):
    for turn in range(20):
        folder = tmp_path / str(turn)
        start = Barrier(AT_ONCE)

        def key(_: int, folder=folder, start=start) -> bytes:
            start.wait()
            return installation_key.__wrapped__("", folder, "fingerprint")

        with ThreadPoolExecutor(AT_ONCE) as threads:
            keys = set(threads.map(key, range(AT_ONCE)))
        assert len(keys) == 1
        assert [each.name for each in folder.iterdir()] == ["fingerprint.key"]
        assert (folder / "fingerprint.key").stat().st_mode & 0o777 == 0o600
