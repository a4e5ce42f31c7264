"""What people do to baselines on the command line, from a proposal to a rollback, and back in time."""

import json

import pytest
import yaml

from monitor.store.unit import Store
from tests.command import Done, command
from tests.monitor.filed import Filed

TARGET = "swa/production"


@pytest.fixture
def filed(tmp_path) -> Filed:
    """A first baseline, and since then a changed tax and four that came with their department."""
    store = Store.open(f"sqlite:///{tmp_path}/monitor.db", migrate=True)
    made = Filed(store, tmp_path)
    made.sweep()
    made.baseline()
    made.change("tax", "ULF-PDX", percentage="7")
    made.raw["department"].append({"code": "HAP", "name": "Happy Valley", "kind": "field", "is_active": "true"})
    for code in ("SUPPLY", "QUALITY"):
        made.change("complaint_type", code, department="HAP")
    made.sweep()
    yield made
    store.close()


@pytest.fixture
def run(filed, tmp_path):
    def run(*words: object, code: int = 0) -> Done:
        done = command(tmp_path, *words, SMART360_DATABASE_URL=f"sqlite:///{tmp_path}/monitor.db")
        assert done.code == code, (words, done)
        return done

    return run


def reviewed(run, number: int = 2) -> dict:
    report = run("baseline", "review", number, "--output", "json").report
    assert report["format"] == "smart360-monitor/review/1"
    return report["review"]


def test_a_proposal_is_decided_by_group_commented_handed_over_and_approved(run):
    told = run("baseline", "propose", TARGET, "--title", "annexed", "--as", "olga")
    assert told.out.startswith("Proposal 2 for swa/production: 4 changes against baseline 1. Result b3:")
    assert "cause:HAP  3 of the 4 changes mention HAP" in run("baseline", "review", 2, "--as", "nisha").out
    run("baseline", "comment", 2, "who asked?", "--as", "nisha")
    run("baseline", "comment", 2, "the city", "--change", "tax", "--change", "ULF-PDX", "--change", "percentage",
        "--as", "olga")  # fmt: skip
    run("baseline", "review", 2, "--accept", "cause:HAP", "--reject", "tax", "--reason", "not agreed", "--as", "olga")
    made = reviewed(run)
    assert {(each["key"], each["decision"], each["by"], each["reason"]) for each in made["changes"]} == {
        ("ULF-PDX", "reject", "olga", "not agreed"), ("HAP", "accept", "olga", "not agreed"),
        ("SUPPLY", "accept", "olga", "not agreed"), ("QUALITY", "accept", "olga", "not agreed"),
    }  # fmt: skip
    assert [each["words"] for each in made["comments"]] == ["who asked?"]
    (tax,) = [each for each in made["changes"] if each["key"] == "ULF-PDX"]
    assert [each["words"] for each in tax["comments"]] == ["the city"]
    assert (made["awaited"], made["undecided"]) == ("review", 0)
    assert "by another than olga" in run("baseline", "hand-over", 2, "--as", "olga").out
    assert reviewed(run)["awaited"] == "approval"
    assert "with olga again" in run("baseline", "send-back", 2, "--reason", "why reject?", "--as", "nisha").out
    words = ("baseline", "approve", 2, "--digest", made["result"][:15], "--reason", "as agreed")
    assert "another person approves" in run(*words, "--as", "olga", code=2).err
    assert "3 changes accepted, 1 stay drift" in run(*words, "--as", "nisha").out
    history = run("baseline", "list", TARGET, "--history", "--output", "json").report
    assert (len(history["baselines"]), [each["state"] for each in history["proposals"]]) == (2, ["approved"] * 2)
    assert [(each["did"], each["by"]) for each in history["acts"]][-3:] == [
        ("handed over", "olga"), ("sent back", "nisha"), ("approved", "nisha"),
    ]  # fmt: skip
    assert "baseline 2: as agreed" in run("baseline", "list", TARGET, "--history").out


def test_a_file_of_decisions_overrules_only_what_it_says_it_saw(run, tmp_path):
    run("baseline", "propose", TARGET, "--as", "olga")
    run("baseline", "review", 2, "--reject", "tax", "--as", "nisha")
    file = tmp_path / "decisions.yaml"
    wish = {"resource_type": "tax", "key": "ULF-PDX", "path": "percentage", "decision": "accept"}
    file.write_text(yaml.safe_dump([wish]))
    told = run("baseline", "review", 2, "--decisions", file, "--as", "olga", code=2).err
    assert "nisha rejected this at" in told
    assert "Your decision was not saved." in told
    (act,) = [each["act"] for each in reviewed(run)["changes"] if each["act"]]
    file.write_text(yaml.safe_dump([{**wish, "act": act}]))
    run("baseline", "review", 2, "--decisions", file, "--as", "olga")
    run("baseline", "review", 2, "--undo", "tax", "--as", "nisha")
    assert reviewed(run)["undecided"] == 4


def test_in_part_carried_over_withdrawn_and_rolled_back(run):
    assert "Did you mean billing?" in run("baseline", "propose", TARGET, "--scope", "biling", code=2).err
    assert "1 changes against baseline 1, only billing" in run(
        "baseline", "propose", TARGET, "--scope", "billing", "--as", "olga"
    ).out  # fmt: skip
    assert "only billing; 3 outside of it stay as they are" in run("baseline", "review", 2, "--accept", "all").out
    assert reviewed(run)["undecided"] == 1, "it is critical"
    run("baseline", "review", 2, "--accept", "tax ULF-PDX percentage", "--as", "olga")
    assert "withdrawn by olga" in run("baseline", "reject", 2, "--reason", "all of it", "--as", "olga").out
    told = run("baseline", "propose", TARGET, "--carry", 2, "--as", "omar").out
    assert "4 changes against baseline 1, 1 decisions carried over" in told
    made = run("baseline", "review", 3, "--accept", "all", "--as", "omar").out
    assert "carried from proposal 2" in made
    run("baseline", "approve", 3, "--digest", reviewed(run, 3)["result"], "--as", "nisha")
    told = run("baseline", "rollback", TARGET, 1, "--reason", "too early", "--as", "omar").out
    assert told.startswith("Proposal 4 for swa/production: 4 changes against baseline 2.")
    assert run("baseline", "diff", TARGET).code == 0


def test_back_in_time(run, filed):
    with filed.store.read() as unit:
        first, second = reversed(unit.snapshots.history(filed.target, 9))
        approved = unit.baselines.current(filed.target).approved_at
    at, before = second.taken_at.isoformat(), "2026-11-24T01:00Z"
    listed = run("snapshot", "list", TARGET, "--at", approved.isoformat(), "--output", "json").report
    assert [each["id"] for each in listed["snapshots"]] == [first.id]
    assert run("snapshot", "show", TARGET, "--at", approved.isoformat(), "--output", "json").report["snapshot"][
        "digest"
    ] == first.digest  # fmt: skip
    old = yaml.safe_load(run("snapshot", "export", TARGET, "--at", approved.isoformat()).out)
    assert {each["percentage"] for each in old["tax"] if each["code"] == "ULF-PDX"} == {"5"}
    assert "ULF-PDX" in run("snapshot", "diff", TARGET, "baseline:1", at, code=1).out
    assert run("snapshot", "diff", TARGET, first.id, "--at", approved.isoformat()).out.startswith("The same")
    assert "no such snapshot" in run("snapshot", "show", TARGET, "--at", before, code=2).err
    assert "yesterday names no moment" in run("findings", "list", TARGET, "--at", "yesterday", code=2).err
    assert "there was no baseline then" in run("baseline", "show", TARGET, "--at", before, code=2).err
    assert yaml.safe_load(run("baseline", "show", TARGET, "--at", at).out)["tax"]
    now = run("findings", "list", TARGET, "--at", at, "--output", "json", code=1).report
    then = json.loads(run("findings", "list", TARGET, "--at", before, "--output", "json").out)
    assert ("ULF-PDX" in {each["key"] for each in now["findings"]}, then["findings"]) == (True, [])
    assert "whose?" in run("findings", "list", "--at", at, code=2).err
