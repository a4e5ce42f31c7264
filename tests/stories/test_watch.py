"""Watching a tenant from the command line alone: register, sweep, approve, drift, acknowledge, export, remove."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitor.demo import incidents, sandbox_password, sandbox_user
from monitor.sandbox.process import start_sandbox


@pytest.fixture(scope="module")
def sandbox():
    with start_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory, sandbox):
    folder = tmp_path_factory.mktemp("watch")
    (folder / "password").write_text(sandbox_password())
    keep = {name: value for name, value in os.environ.items() if not name.startswith("SMART360_")}
    environment = {
        **keep, "SMART360_STATE_FOLDER": str(folder / "state"), "SMART360_ALLOWED_HOSTS": '["127.0.0.1"]',
        "SANDBOX_USER": sandbox_user(),
    }  # fmt: skip
    production = {
        "source": "smart360", "url": sandbox.url, "utility": sandbox.utility, "user": "env:SANDBOX_USER",
        "password": f"file:{folder / 'password'}", "time_zone": "America/Los_Angeles", "schedule": "every 6h",
        "clock": "source", "requests_per_second": 5000, "requests_at_once": 8,
    }  # fmt: skip
    (folder / "swa.yaml").write_text(yaml.safe_dump({"tenant": "swa", "environments": {"production": production}}))
    return folder, environment


def run(home, *words: str, code: int = 0) -> str:
    folder, environment = home
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == code, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout if code != 2 else done.stderr


def test_a_tenant_is_watched_from_registration_to_removal(home, sandbox):
    target = "swa/production"
    assert "registered" in run(home, "tenant", "apply", "swa.yaml")
    assert target in run(home, "tenant", "list")
    told = run(home, "tenant", "check", target)
    assert "87 of 87 lists can be read" in told
    assert "87 of 87 lists" in run(home, "sweep", target, "--wait")
    digest = re.search(r"b3:[0-9a-f]{64}", run(home, "baseline", "propose", target, "--as", "olga"))[0]
    assert "another person approves" in run(
        home, "baseline", "approve", "1", "--digest", digest, "--as", "olga", code=2
    )
    assert "Baseline 1" in run(home, "baseline", "approve", "1", "--digest", digest[:15], "--as", "nisha")
    run(home, "baseline", "diff", target)

    (incident,) = [each for each in incidents() if each.name == "license-fee-sixty-percent"]
    sandbox.client.post("/sandbox/changes", json={"by": "mei", "changes": incident.changes}).raise_for_status()
    assert "1 drift, 1 findings" in run(home, "sweep", target, "--wait", code=1)
    found = json.loads(run(home, "findings", "list", target, "--output", "json", code=1))["findings"]
    assert {each["rule"] for each in found} == {"", "billing.tax-in-range"}
    number = found[0]["number"]
    assert re.fullmatch(r"[2-9A-Z]{4}", number)
    assert "acknowledged by carla" in run(home, "findings", "ack", number, "--as", "carla", "--note", "calling Mei")
    assert "calling Mei" in run(home, "findings", "show", number)
    assert "readiness" in run(home, "tenant", "show", target, code=1)

    folder, _ = home
    (folder / "exported.yaml").write_text(run(home, "snapshot", "export", target))
    (folder / "approved.yaml").write_text(run(home, "baseline", "show", target))
    changes = json.loads(run(home, "diff", "approved.yaml", "exported.yaml", "--output", "json", code=1))["changes"]
    assert [(each["key"], each["path"], each["old"], each["new"]) for each in changes] == [
        ("ULF-GRE", "percentage", "6", "60")
    ]
    assert "ULF-GRE" in run(home, "snapshot", "diff", target, "1", code=1)

    run(home, "baseline", "propose", target, "--as", "olga")
    (folder / "decisions.yaml").write_text(
        "- {resource_type: tax, key: ULF-GRE, path: percentage, decision: reject, reason: a slip}\n"
    )
    review = run(home, "baseline", "review", "2", "--decisions", "decisions.yaml", "--as", "olga")
    assert "reject" in review
    assert "    cost  " in review
    assert "rejected by nisha" in run(home, "baseline", "reject", "2", "--reason", "mend it first", "--as", "nisha")

    assert "is paused" in run(home, "tenant", "pause", target, "--reason", "moving")
    assert "paused" in run(home, "tenant", "list")
    run(home, "tenant", "resume", target)
    assert "packages from one place" in run(home, "doctor")
    assert "Say --yes" in run(home, "tenant", "remove", target, code=2)
    assert "is removed; 2 findings ended with it." in run(home, "tenant", "remove", target, "--yes")
    assert "no such target" in run(home, "tenant", "show", target, code=2)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"password": "hunter2"}, "stands here in clear"),
        ({"url": "http://10.0.0.1"}, "10.0.0.1 may not be asked"),
        ({"url": "https://user:pw@swa.example"}, "without a user in it"),
        ({"schedule": "every 1s"}, "is no schedule"),
        ({"schedule": "0 0 30 2 *"}, "is no schedule"),
        ({"time_zone": "America/Portland"}, "is no time zone"),
        ({"scope": ["billings"]}, "Did you mean billing?"),
        ({"serverity": 1}, "Unknown key serverity"),
        ({"consumption": [{"category": "Residential"}]}, "row 1: category, service, sizes, source are needed"),
        (
            {
                "consumption": [
                    {"category": "R", "service": "water", "sizes": {"kgal": ["3", "x", "9"]}, "source": "bills"}
                ]
            },
            "row 1: sizes are small, typical and large for a unit",
        ),
    ],
)
def test_a_tenant_file_with_a_mistake_changes_nothing(home, change, code):
    folder, _ = home
    content = yaml.safe_load((folder / "swa.yaml").read_text())
    content["environments"]["staging"] = {**content["environments"]["production"], **change}
    (folder / "wrong.yaml").write_text(yaml.safe_dump(content))
    told = run(home, "tenant", "apply", "wrong.yaml", code=2)
    assert code in told
    assert "hunter2" not in told
    assert re.search(r"wrong\.yaml:\d+:\d+: environments\.staging\.", told)
    assert "swa/staging" not in run(home, "tenant", "list")


def test_a_folder_of_exports_is_watched_like_a_source(home, tmp_path):
    from tests.reliability.test_process import exports

    folder, environment = home
    content = {"tenant": "hgl", "environments": {"production": {
        "source": "files", "folder": str(exports(tmp_path)), "time_zone": "America/Los_Angeles"}}}  # fmt: skip
    (folder / "files.yaml").write_text(yaml.safe_dump(content))
    run((folder, environment), "tenant", "apply", "files.yaml")
    assert "87 of 87 lists" in run((folder, environment), "sweep", "hgl/production", "--wait")
    (Path(tmp_path) / "exports" / "swa.yaml").unlink()
    told = run((folder, environment), "sweep", "hgl/production", "--wait", code=3)
    assert "not read" in told
