"""Whether a rule is worth its alerts: tried on the past before it is enabled, judged by people afterwards."""

import json
import re

import pytest
import yaml

from monitor.demo import incidents, sandbox_password, sandbox_user
from tests.command import Done, command

TARGET = "swa/production"
PACK = """\
pack: own
version: 1.0.0
rules:
  - id: billing.tax-is-low
    title: A tax is at most four percent
    severity: low
    for: tax
    when: has(self.percentage)
    parameters: {most: "4"}
    expect: self.percentage.at_most(parameters.most)
    message: "{self.name} takes {self.percentage} percent."
    why: We promised so.
    fix: Taxes › set the percentage.
    tests:
      - {name: low, given: {tax: [{code: A, percentage: '4'}]}, finds: []}
      - {name: high, given: {tax: [{code: A, percentage: '61'}]}, finds: [{key: A}]}
  - id: organization.department-is-short
    title: A department has a short name
    severity: info
    for: department
    expect: self.name.size() < 3
    message: "Department {self.name} is long."
    why: Badges are small.
    fix: Departments › shorten it.
    tests:
      - {name: short, given: {department: [{code: A, name: A}]}, finds: []}
      - {name: long, given: {department: [{code: A, name: Accounts}]}, finds: [{key: A}]}
"""


@pytest.fixture
def run(tmp_path, sandbox):
    """Commands of one installation that watches the sandbox."""
    (tmp_path / "password").write_text(sandbox_password())
    (tmp_path / "own.yaml").write_text(PACK, encoding="utf-8")
    production = {
        "source": "smart360", "url": sandbox.url, "utility": sandbox.utility, "user": "env:SANDBOX_USER",
        "password": f"file:{tmp_path / 'password'}", "time_zone": "America/Los_Angeles", "schedule": "every 6h",
        "clock": "source", "requests_per_second": 5000, "requests_at_once": 8,
    }  # fmt: skip
    (tmp_path / "swa.yaml").write_text(yaml.safe_dump({"tenant": "swa", "environments": {"production": production}}))

    def run(*words: object, code: int = 0, **more: str) -> Done:
        use = {"SMART360_ALLOWED_HOSTS": '["127.0.0.1"]', "SANDBOX_USER": sandbox_user(), **more}
        done = command(tmp_path, *words, **use)
        assert done.code == code, (words, done)
        return done

    return run


def test_a_rule_is_tried_on_the_past_enabled_and_found_not_useful(run, sandbox, tmp_path):
    run("tenant", "apply", tmp_path / "swa.yaml")
    run("sweep", TARGET, "--wait")
    (incident,) = [each for each in incidents() if each.name == "license-fee-sixty-percent"]
    sandbox.client.post("/sandbox/changes", json={"by": "mei", "changes": incident.changes}).raise_for_status()
    run("sweep", TARGET, "--wait", code=1)
    faults = {"name": "forbidden-some", "lists": ["tax"]}
    sandbox.client.post("/sandbox/faults", json=faults).raise_for_status()
    run("sweep", TARGET, "--wait", code=1)
    sandbox.client.delete("/sandbox/faults").raise_for_status()
    sandbox.client.post("/sandbox/reset").raise_for_status()
    run("sweep", TARGET, "--wait")

    # The installed packs over what was read give what was told.
    report = run("rules", "backtest", "smart360-core", "--all", "--output", "json", code=1).report
    assert report["targets"][0]["snapshots"] == 4
    assert [(each["rule"], each["key"], each["did_fire"]) for each in report["firings"]] == [
        ("billing.tax-in-range", "ULF-GRE", True)
    ]
    assert report["firings"][0]["ended"]
    assert report["gone"] == []
    assert {each["snapshots"] for each in report["undecided"]} == {1}

    # A pack of one's own, before it is enabled.
    tried = run("rules", "backtest", tmp_path / "own.yaml", code=1).out
    assert tried.startswith("own 1.0.0   2 new rules, 0 changed\n4 snapshots of 1 target, ")
    fired, alerts = re.search(r"Would have fired (\d+) times on 1 target: (\d) alerts?, open ", tried).groups()
    assert alerts == "1"  # all of them at the first reading; other evidence later edits that message
    assert "60 percent" not in tried  # as it was seen last
    assert "◪ billing.tax-is-low could not be decided at 1 snapshot" in tried
    assert "organization.department-is-short" in tried

    # Enabled, it tells just that; people say what they think of it.
    own = {"SMART360_PACKS": json.dumps([str(tmp_path / "own.yaml")])}
    run("sweep", TARGET, "--wait", code=1, **own)
    found = run("findings", "list", TARGET, "--output", "json", code=1, **own).report["findings"]
    long = [each["number"] for each in found if each["rule"] == "organization.department-is-short"]
    assert len(long) >= 5
    assert len(found) <= int(fired)
    assert "no reason given" in run("findings", "mark", long[0], "--not-useful", code=2, **own).err
    assert "Say --useful or --not-useful" in run("findings", "mark", long[0], code=2, **own).err
    assert "no such finding" in run("findings", "mark", "0000", "--useful", code=2, **own).err
    for number in long[:4]:
        done = run("findings", "mark", number, "--not-useful", "--reason", "badges are\x1b[2J large now", "--as",
                   "nisha", **own)  # fmt: skip
        assert done.out == f"{number} is marked not useful by nisha. A mark closes nothing: it is open, as before.\n"
    run("rules", "precision", **own)
    run("findings", "mark", long[4], "--not-useful", "--reason", "mine fits", "--as", "carla", **own)
    told = run("rules", "precision", code=1, **own).out
    rest = len(long) - 5
    assert f"organization.department-is-short  0.00  0  5  {rest}  {len(long)}" in told
    assert "review organization.department-is-short: 0 of 5 marked findings useful, the floor is 0.80." in told
    run("rules", "precision", SMART360_PRECISION_FLOOR="0", **own)

    shown = run("findings", "show", long[0], **own).out
    assert "marked  not useful by nisha badges are⟨ESC⟩[2J large now" in shown
    assert "state   open" in shown
    run("findings", "mark", long[0], "--useful", "--as", "nisha", **own)
    one = run("findings", "show", long[0], "--output", "json", **own).report["finding"]
    assert (one["state"], one["mark"]) == ("open", "useful")
    assert [(each["mark"], each["by"]) for each in one["marks"]] == [("useful", "nisha")]
    assert [each["event"] for each in one["history"]] == ["opened", "not useful", "useful"]
    report = run("rules", "precision", "--since", "1d", "--output", "json", code=1, **own).report
    (rule,) = [each for each in report["rules"] if each["review"]]
    assert rule == {
        "rule": "organization.department-is-short", "pack": "own", "precision": 0.2, "useful": 1, "not_useful": 4,
        "unmarked": rest, "open": len(long), "review": True,
    }  # fmt: skip
    assert [each["pack"] for each in report["packs"]] == ["smart360-core", "us-epa-oregon", "own"]
    assert len(run("findings", "list", TARGET, "--output", "json", code=1, **own).report["findings"]) == len(found)
    run("findings", "list", "--severity", "critical", **own)
