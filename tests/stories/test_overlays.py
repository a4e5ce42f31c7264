"""A tenant that differs, over real HTTP: found out, described, watched, and left alone where agreed."""

import json
import re
from pathlib import Path

import pytest
import yaml

from monitor.demo import sandbox_password, sandbox_user
from monitor.sandbox.process import start_sandbox
from tests.command import command
from tests.support import CATALOGUE

TARGET = "swa/production"
FURTHER = """
overlay: oregon
types:
  loyalty_scheme:
    module: consumer
    title: Loyalty scheme
    key: [code]
    fields:
      code: {type: text, required: true}
      discount: {type: decimal, unit: percent}
      category: {type: ref, to: consumer_category, inverse: loyalty_schemes}
fields:
  service_plan: {gl_account: {type: integer}}
"""
GROUP = f"""{FURTHER}
severities:
  rules: {{billing.tax-in-range: medium}}
  fields: {{loyalty_scheme: {{discount: critical}}}}
parameters:
  metering.read-cycle-duration: {{longest: 80}}
"""
OWN = """overlay: swa
severities:
  rules: {billing.tax-in-range: low}
parameters:
  metering.read-cycle-duration: {longest: 40}
ignore:
  - match: {rule: billing.tax-in-range, key: ULF-GRE}
    reason: The city sets it by ordinance.
    owner: finance@swa.example
  - match: {rule: work.no-*, key: gone}
    reason: Long mended.
    owner: olga@swa.example
expected:
  - {resource_type: subscription, key: "*", path: max_consumers, values: [91000], reason: Agreed., owner: olga@swa}
"""


#: Lists whose bytes are others from second to second; whether one passed between two sweeps is chance.
CLOCKS = sum(1 for kind in CATALOGUE.types.values() if any(each.is_volatile for each in kind.fields.values()))


class Place:
    """A folder with a tenant's files, a store, and a sandbox that has more than the catalogue."""

    def __init__(self, folder: Path, sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        for name, text in (("group.yaml", GROUP), ("swa-own.yaml", OWN), ("password", sandbox_password())):
            (folder / name).write_text(text)

    def run(self, *words, code=0):
        done = command(
            self.folder, *words, SMART360_ALLOWED_HOSTS='["127.0.0.1"]', SANDBOX_USER=sandbox_user(), COLUMNS="200"
        )
        assert done.code == code, (words, done.out, done.err)
        return done.out if code != 2 else done.err

    def apply(self, overlays=(), code=0, **more):
        production = {
            "source": "smart360", "url": self.sandbox.url, "utility": self.sandbox.utility, "user": "env:SANDBOX_USER",
            "password": f"file:{self.folder / 'password'}", "time_zone": "America/Los_Angeles", "clock": "source",
            "requests_per_second": 5000, "requests_at_once": 8, **more,
        }  # fmt: skip
        tenant = {"tenant": "swa", "overlays": list(overlays), "environments": {"production": production}}
        (self.folder / "swa.yaml").write_text(yaml.safe_dump(tenant))
        return self.run("tenant", "apply", self.folder / "swa.yaml", code=code)

    def change(self, op, resource, key, path="", value=None):
        change = {"op": op, "resource": resource, "key": key, "field": path, "value": value}
        self.sandbox.client.post("/sandbox/changes", json={"by": "mei", "changes": [change]}).raise_for_status()

    def approve(self):
        told = self.run("baseline", "propose", TARGET, "--as", "olga")
        number = re.search(r"Proposal (\d+)", told)[1]
        review = json.loads(self.run("baseline", "review", number, "--output", "json"))["review"]
        decisions = [{**{k: each[k] for k in ("resource_type", "key", "path")}, "decision": "accept"}
                     for each in review["changes"]]  # fmt: skip
        (self.folder / "decisions.yaml").write_text(yaml.safe_dump(decisions))
        if decisions:
            self.run("baseline", "review", number, "--decisions", self.folder / "decisions.yaml", "--as", "nisha")
        review = json.loads(self.run("baseline", "review", number, "--output", "json"))["review"]
        self.run("baseline", "approve", number, "--digest", review["result"][:15], "--as", "nisha")
        return decisions

    def findings(self):
        found = command(self.folder, "findings", "list", TARGET, "--output", "json").report["findings"]
        return {(each["rule"] or each["kind"], each["key"]): each for each in found}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overlays")
    (folder / "further.yaml").write_text(FURTHER)
    with start_sandbox(overlays=(folder / "further.yaml",)) as sandbox:
        made = Place(folder, sandbox)
        made.change("add", "loyalty_scheme", "GOLD", value={"code": "GOLD", "discount": "5", "category": "Residential"})
        made.change("set", "service_plan", "RES-VAR", "gl_account", 4711)
        yield made


@pytest.fixture
def described(place):
    """The place with all that its source has described."""
    (place.folder / "group.yaml").write_text(GROUP)
    place.apply(["group.yaml", "swa-own.yaml"])
    return place


def test_a_tenant_that_differs_is_described_and_watched_without_a_false_word(place):
    place.apply()
    place.run("sweep", TARGET, "--wait")
    place.approve()

    told = place.run("doctor", "--source", TARGET, code=1)
    assert "overlay: fields: {service_plan: {gl_account: {type: integer}}}" in told
    found = json.loads(place.run("doctor", "--source", TARGET, "--output", "json", code=1))
    assert [(each["resource_type"], each["path"], each["reason"]) for each in found["misfits"]] == [
        ("service_plan", "gl_account", "unknown_field")
    ]
    assert {each["method"] for each in place.sandbox.client.get("/sandbox/log").json()} == {"GET", "POST"}
    posted = [each["path"] for each in place.sandbox.client.get("/sandbox/log").json() if each["method"] == "POST"]
    assert all("/login" in each for each in posted)

    place.apply(["group.yaml", "swa-own.yaml"])
    (place.folder / "group.yaml").unlink()  # the service needs no file
    assert "88 of 88 lists" in place.run("sweep", TARGET, "--wait")  # exit 0: no drift, no rule
    findings = place.findings()
    assert {reason for reason, _ in findings} == {"no_baseline", "matches_nothing"}
    idle = findings["matches_nothing", "swa-own.yaml ignore rule=work.no-* key=gone"]
    assert idle["severity"] == "low"
    assert "swa-own.yaml:10: " in idle["message"]
    assert place.run("doctor", "--source", TARGET)

    told = place.run("tenant", "show", TARGET, "--explain", code=1)
    assert "swa-own.yaml:3   severity billing.tax-in-range: low   over medium (group.yaml:16)" in told
    assert "swa-own.yaml:5   parameter metering.read-cycle-duration longest: 40   over 80 (group.yaml:19)" in told
    assert "group.yaml:13   field service_plan.gl_account: integer" in told
    explained = json.loads(place.run("tenant", "show", TARGET, "--explain", "--output", "json", code=1))["tenant"]
    assert explained["definition"]["overlays"] == ["group.yaml", "swa-own.yaml"]
    assert {"name", "value", "place", "over"} == set(explained["origins"][0])
    what_is_described_is_compared_and_what_is_agreed_is_no_finding(place)
    check_takes_overlays_too(place)


def what_is_described_is_compared_and_what_is_agreed_is_no_finding(place):
    assert [(each["resource_type"], each["key"]) for each in place.approve()] == [("loyalty_scheme", "GOLD")]
    place.change("set", "loyalty_scheme", "GOLD", "discount", "50")
    place.change("set", "service_plan", "RES-VAR", "gl_account", 4712)
    place.change("set", "tax", "ULF-GRE", "percentage", "60")
    place.change("set", "subscription", json_key(place, "subscription"), "max_consumers", 91000)
    cycle = json_key(place, "read_cycle")
    place.change("set", "read_cycle", cycle, "duration", 45)
    place.run("sweep", TARGET, "--wait", code=1)
    findings = place.findings()
    assert findings["drift", "GOLD"]["severity"] == "critical"
    assert ("drift", "RES-VAR") in findings
    assert ("drift", "ULF-GRE") in findings  # the rule is ignored, the change is not
    assert ("metering.read-cycle-duration", cycle) in findings
    assert not [key for key in findings if key[0] in ("billing.tax-in-range", "no_baseline")]
    assert not [key for key in findings if key[0] == "drift" and "Enterprise" in key[1]]
    metrics = json.loads(place.run("tenant", "show", TARGET, "--output", "json", code=1))["tenant"]
    assert metrics["drift"] == 4  # GOLD, RES-VAR, ULF-GRE and the read cycle; the subscription may differ

    place.run("snapshot", "export", TARGET)
    (again,) = json.loads(place.run("sweep", TARGET, "--wait", "--output", "json", code=1))["sweeps"]
    assert again["drift"] == 4
    assert (again["judged"], again["opened"], again["resolved"]) == (0, 0, 0)
    assert CLOCKS < 8
    assert again["kept"] >= 88 - CLOCKS  # that of the overlay's own type too


def json_key(place, resource):
    """The key of the first object of a type."""
    world = place.sandbox.client.get("/sandbox/config").json()
    first = world[resource][0]
    return first["plan"] if resource == "subscription" else first["name"]


def check_takes_overlays_too(place):
    exported = place.folder / "swa-export.yaml"
    exported.write_text(place.run("snapshot", "export", TARGET))
    plain = command(place.folder, "check", exported, "--output", "json").report
    (place.folder / "group.yaml").write_text(GROUP)
    over = ["--overlay", place.folder / "group.yaml", "--overlay", place.folder / "swa-own.yaml"]
    report = command(place.folder, "check", exported, "--output", "json", *over).report
    rules = {each["rule"] for each in report["findings"]}
    assert "billing.tax-in-range" in {each["rule"] for each in plain["findings"]} - rules
    assert "metering.read-cycle-duration" in rules
    assert {each["resource_type"] for each in plain["unchecked"]} >= {"loyalty_scheme", "service_plan"}
    assert not [each for each in report["unchecked"] if each["reason"] in ("unknown_type", "unknown_field")]


def test_an_overlay_with_mistakes_changes_nothing(described):
    (described.folder / "wrong.yaml").write_text(
        "overlay: x\nparameters:\n  metering.read-cycle-duration: {longst: 3}\nignore:\n  - {match: {}}\n"
    )
    told = described.apply(["wrong.yaml", "none.yaml"], code=2)
    assert "wrong.yaml:3:" in told
    assert "Did you mean longest?" in told
    assert "wrong.yaml:5:" in told
    assert "swa.yaml:" in told
    assert "none.yaml" in told
    shown = command(described.folder, "tenant", "show", TARGET, "--output", "json").report["tenant"]
    assert shown["definition"]["overlays"] == ["group.yaml", "swa-own.yaml"]


@pytest.mark.parametrize(
    ("fault", "lists", "options", "reason", "write"),
    [
        ("wrong-path-404", ["tax"], {}, "not_found", "types: {tax: {thing: …}}, or without: [tax]"),
        (
            "new-field",
            ["tax"],
            {"field": "percentag", "value": "1"},
            "unknown_field",
            "overlay: fields: {tax: {percentag",
        ),
        ("field-gone", ["tax"], {"field": "percentage"}, "field_missing", "types: {tax: {fields: {percentage: …}}}"),
        ("type-change", ["tax"], {"field": "name"}, "type_changed", "Report it"),
        ("json-shape", ["tax"], {"shape": "list"}, "bad_shape", "paging"),
    ],
)
def test_what_a_source_does_otherwise_is_told_with_what_to_write(described, fault, lists, options, reason, write):
    told = {"name": fault, "lists": lists, "options": options}
    described.sandbox.client.post("/sandbox/faults", json=told).raise_for_status()
    try:
        found = json.loads(described.run("doctor", "--source", TARGET, "--output", "json", code=1))["misfits"]
    finally:
        described.sandbox.client.delete("/sandbox/faults")
    assert [(each["resource_type"], each["reason"]) for each in found] == [("tax", reason)], found
    assert write in found[0]["write"]


def test_a_source_that_lets_nobody_in_is_no_misfit(described):
    described.sandbox.client.post("/sandbox/faults", json={"name": "login-refused"}).raise_for_status()
    try:
        told = described.run("doctor", "--source", TARGET, code=3)
    finally:
        described.sandbox.client.delete("/sandbox/faults")
    assert "login_refused" in told
