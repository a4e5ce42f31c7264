"""The plan as a person follows it: what it says is done in SMART360 over HTTP, and nothing is left."""

import json
import re

import yaml

from monitor.demo import incidents
from tests.stories.test_watch import home, run, sandbox  # noqa: F401 - fixtures
from tests.support import swa

TARGET = "swa/production"


def test_doing_what_the_plan_says_in_its_order_heals_everything(home, sandbox):  # noqa: F811
    run(home, "tenant", "apply", "swa.yaml")
    run(home, "sweep", TARGET, "--wait")
    digest = re.search(r"b3:[0-9a-f]{64}", run(home, "baseline", "propose", TARGET, "--as", "olga"))[0]
    run(home, "baseline", "approve", "1", "--digest", digest, "--as", "nisha")
    assert run(home, "findings", "plan", TARGET) == f"0 steps for 0 findings of {TARGET}.\n"
    for name in ("misplaced-decimal-point", "bill-template-removed", "vendor-keeps-the-keys", "bill-run-paused"):
        (incident,) = [each for each in incidents() if each.name == name]
        sandbox.client.post("/sandbox/changes", json={"by": "mei", "changes": incident.changes}).raise_for_status()
    run(home, "sweep", TARGET, "--wait", code=1)

    table = run(home, "findings", "plan", TARGET, code=1)
    assert "Correct Service plan RES-VAR   Utility Setup → Pricing & Billing → Plans & Tariffs Management" in table
    assert "rates[up_to=4].rate: 4.10 instead of 41.00" in table
    steps = json.loads(run(home, "findings", "plan", TARGET, "--output", "json", code=1))["steps"]
    assert [(each["act"], each["key"]) for each in steps] == [
        ("set", "RES-VAR"), ("set", "BC-03"), ("create", "BILL-READY"),
        ("remove", "kim.vale@partner.example/SUPER_ADMIN"), ("remove", "kim.vale@partner.example"),
    ]  # fmt: skip
    left = {each["number"] for each in json.loads(run(home, "findings", "list", TARGET, "--output", "json", code=1))[
        "findings"]}  # fmt: skip
    for step in steps:
        sandbox.client.post("/sandbox/changes", json={"by": "mei", "changes": done(step)}).raise_for_status()
        gone = {each["number"] for each in step["findings"] if each["healing"] == "proven"}
        assert gone == {each["number"] for each in step["findings"]}
        last = step is steps[-1]
        run(home, "sweep", TARGET, "--wait", code=0 if last else 1)
        found = json.loads(run(home, "findings", "list", TARGET, "--output", "json", code=0 if last else 1))["findings"]
        left -= gone
        numbers = {each["number"] for each in found}
        assert not numbers & gone
        assert left <= numbers  # one more may be there for a while: a user whose role went first has none
    assert (left, numbers) == (set(), set())


def done(step):
    """What a person does in SMART360 when following a step."""
    what = {"resource": step["resource_type"], "key": step["key"]}
    if step["act"] == "create":
        (value,) = step["values"]
        return [{"op": "add", **what, "value": value["should"]}]
    if step["act"] == "remove":
        return [{"op": "remove", **what}]
    return [{"op": "set", **what, "field": each["path"], "value": each["should"]} for each in step["values"]]


def test_while_a_tenant_is_set_up_what_came_before_what_it_rests_on_is_found_with_when_both_came(home, sandbox):  # noqa: F811
    sandbox.client.post("/sandbox/reset").raise_for_status()
    modes = swa()["payment_mode"]
    change(sandbox, *({"op": "remove", "resource": "payment_mode", "key": each["code"]} for each in modes))
    folder, _ = home
    content = yaml.safe_load((folder / "swa.yaml").read_text())
    new = {**content["environments"]["production"], "stage": "onboarding"}
    (folder / "new.yaml").write_text(yaml.safe_dump({"tenant": "nwa", "environments": {"new": new}}))
    if "swa/production" in run(home, "tenant", "list"):
        run(home, "tenant", "remove", TARGET, "--yes")
    run(home, "tenant", "apply", "new.yaml")
    run(home, "sweep", "nwa/new", "--wait", code=1)
    (missing,) = out_of_sequence(home)
    assert (missing["rule"], missing["key"]) == ("organization.set-up-in-sequence", "STRIPE")
    assert [(each["resource_type"], each["path"], each["value"] is None) for each in missing["evidence"]] == [
        ("payment_gateway", "created_at", False), ("payment_mode", "first_read", True),
    ]  # fmt: skip
    steps = json.loads(run(home, "findings", "plan", "nwa/new", "--output", "json", code=1))["steps"]
    assert steps[0]["title"] == "Set up the first Payment mode"
    assert missing["number"] in {each["number"] for each in steps[0]["findings"]}

    change(sandbox, *({"op": "add", "resource": "payment_mode", "key": each["code"], "value": each} for each in modes))
    run(home, "sweep", "nwa/new", "--wait", code=1)
    (late,) = out_of_sequence(home)
    assert (late["rule"], late["key"]) == ("organization.set-up-after-what-it-rests-on", "STRIPE")
    gateway, mode = late["evidence"]
    assert (gateway["path"], mode["path"]) == ("created_at", "created_at")
    assert gateway["value"] < mode["value"]

    other = {"op": "set", "resource": "payment_gateway", "key": "STRIPE", "field": "merchant_id", "value": "acct_swa_2"}
    change(sandbox, other)
    run(home, "sweep", "nwa/new", "--wait")


def change(sandbox, *changes):  # noqa: F811
    sandbox.client.post("/sandbox/changes", json={"by": "mei", "changes": list(changes)}).raise_for_status()


def out_of_sequence(home):  # noqa: F811
    found = json.loads(run(home, "findings", "list", "nwa/new", "--output", "json", code=1))["findings"]
    return [each for each in found if each["rule_kind"] == "sequence" and each["resource_type"] == "payment_gateway"
            and each["rule"].startswith("organization.")]  # fmt: skip
