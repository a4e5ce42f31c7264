"""How quickly a command starts: only what it uses is loaded."""

import orjson
import pytest

from benchmarks.data import utility
from tests.command import process

LOADED = """
import sys
from monitor.__main__ import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"fastapi", "httpx", "slack_sdk", "sqlalchemy", "structlog"} & sys.modules.keys()
    print("loaded:", *sorted(heavy), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words", [("--version",), ("diff", "a.json", "a.json"), ("check", "a.json"), ("rules", "list")], ids=" ".join
)
def test_a_command_on_files_loads_no_logger_no_store_and_no_network(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_bytes(orjson.dumps(utility(20)))
    done = process(tmp_path, *words, code=LOADED)
    assert done.code in (0, 1)
    assert done.err.splitlines()[-1] == "loaded:"
