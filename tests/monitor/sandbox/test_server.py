"""The sandbox over real HTTP, without faults."""

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from baselines.reader import parse_configuration
from monitor.sandbox.process import SandboxProcess, StandInFailed, start_sandbox
from monitor.source.manifest import Reference, smart360_manifest
from tests.monitor.sandbox.conftest import Reader
from tests.support import CATALOGUE, FORM, SECRETS, swa_bytes


def test_all_lists_read_back_through_the_manifest_mean_what_the_file_means(reader: Reader) -> None:
    rows = {name: [route.read(row) for row in reader.rows(name)] for name, route in smart360_manifest().routes.items()}
    state = reader.control("GET", "/sandbox/config")
    keys = {}
    for name, objects in state.items():
        for each in objects if name != "_about" else ():
            keys[each["id"]] = FORM.canonicalise(name, each).object.key

    def resolved(value: Any) -> Any:
        if isinstance(value, Reference):
            return keys[value.id]
        return [resolved(item) for item in value] if isinstance(value, list) else value

    lists = {
        name: [FORM.canonicalise(name, {k: resolved(v) for k, v in raw.items()}).object for raw in objects]
        for name, objects in rows.items()
    }
    due = parse_configuration(swa_bytes(), "swa.yaml", CATALOGUE, SECRETS)
    read = FORM.configuration(lists)
    assert {name: each.digest for name, each in read.lists.items()} == {n: each.digest for n, each in due.lists.items()}


def test_rows_are_in_the_spelling_of_smart360(reader: Reader) -> None:
    (plan,) = [row for row in reader.rows("service_plan") if row["code"] == "RES-VAR"]
    assert plan["is_active"] == "Yes"
    assert plan["slabs"][0] == {"min_unit_range": "0.0000", "max_unit_range": "4.0000", "base_rate": "4.1000"}
    assert plan["category"].keys() == {"id_string", "name"}
    assert plan["supersedes"] is None
    assert plan["utility"] == reader.sandbox.utility
    (subcategory, *_) = reader.rows("consumer_subcategory")
    assert subcategory["category"] == plan["category"]["id_string"] or len(subcategory["category"]) == 36


def test_secrets_are_served_in_clear(reader: Reader) -> None:
    assert any(row["auth_key"] and not row["auth_key"].startswith("secret:") for row in reader.rows("integration"))


def test_pages_follow_each_other_and_say_how_many_there_are(reader: Reader) -> None:
    first = reader.page("role_privilege", page_size=30).json()
    assert (len(first["results"]), first["previous"]) == (30, None)
    second = reader.get(first["next"]).json()
    third = reader.get(second["next"]).json()
    rows = first["results"] + second["results"] + third["results"]
    assert third["next"] is None
    assert len({row["id_string"] for row in rows}) == len(rows) == first["count"] == third["count"]
    assert reader.page("role_privilege", page=9, page_size=30).json() == {"state": "error", "results": "Invalid page."}
    assert len(reader.page("role_privilege").json()["results"]) == first["count"]


def test_an_empty_list_a_wrong_path_and_a_wrong_utility_all_answer_404(reader: Reader) -> None:
    for row in reader.rows("retention_policy"):
        reader.change("remove", "retention_policy", row["record"])
    empty = reader.page("retention_policy")
    wrong_path = reader.get(f"/api/v1/utility/{reader.sandbox.utility}/spells/list")
    wrong_utility = reader.get("/api/v1/utility/ffffffff-0000-4000-8000-000000000000")
    assert [each.status_code for each in (empty, wrong_path, wrong_utility)] == [404] * 3
    assert empty.json() == {"state": "error", "results": "Retention policy not found."}
    assert wrong_path.json() == wrong_utility.json() == {"state": "error", "results": "Page not found."}
    assert reader.utility().json()["status"] == "APPROVED"


def test_a_deactivated_object_leaves_the_list_and_its_detail_says_so(reader: Reader) -> None:
    (plan,) = [row for row in reader.rows("service_plan") if row["code"] == "COM-VAR"]
    reader.change("set", "service_plan", "COM-VAR", "is_active", False)
    assert "COM-VAR" not in [row["code"] for row in reader.rows("service_plan")]
    detail = reader.detail("service_plan", plan["id_string"])
    assert (detail.status_code, detail.json()["is_active"], detail.json()["updated_by"]) == (200, "No", "dana")
    reader.change("remove", "service_plan", "COM-VAR")
    assert reader.detail("service_plan", plan["id_string"]).status_code == 404


def test_a_new_name_shows_in_the_lists_that_refer_to_it(reader: Reader) -> None:
    assert "Residential" in [row["category"]["name"] for row in reader.rows("service_plan")]
    reader.change("set", "consumer_category", "Residential", "name", "Households")
    names = [row["category"]["name"] for row in reader.rows("service_plan")]
    assert "Households" in names
    assert "Residential" not in names


def test_a_dangling_reference_is_served_and_leads_nowhere(reader: Reader) -> None:
    reader.change("remove", "notification_template", "BILL-READY")
    lost = [row["template"] for row in reader.rows("transition_configuration")]
    live = {row["id_string"] for row in reader.rows("notification_template")}
    (gone,) = {each["id_string"] for each in lost} - live
    assert reader.detail("notification_template", gone).status_code == 404


def test_a_token_dies_after_four_hours_of_the_worlds_time(reader: Reader) -> None:
    assert reader.utility().status_code == 200
    now = reader.control("POST", "/sandbox/clock", {"advance_seconds": 4 * 3600})["now"]
    dead = reader.utility()
    assert (dead.status_code, dead.json()) == (401, {"state": "error", "results": "Token has expired."})
    told = parsedate_to_datetime(dead.headers["date"]) - datetime.fromisoformat(now)
    assert timedelta(0) <= told < timedelta(seconds=5)
    reader.log_in()
    assert reader.utility().status_code == 200


def test_wrong_credentials_and_words_before_the_token_are_refused(reader: Reader) -> None:
    assert (reader.log_in("wrong").status_code, reader.log_in("wrong").json()["state"]) == (401, "error")
    reader.token = f"Bearer {reader.token}"
    assert reader.utility().status_code == 401


def test_a_privilege_that_is_missing_closes_its_lists_and_no_others(reader: Reader) -> None:
    reader.control("POST", "/sandbox/privileges", {"without": ["ADMIN.integrations"]})
    assert reader.page("integration").status_code == 403
    assert reader.page("tax").status_code == 200
    modules = [each["module"] for each in reader.get("/api/v1/user/privileges/").json()]
    assert "BX.rates" in modules
    assert "ADMIN.integrations" not in modules


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_api_takes_no_writing_and_logs_the_attempt(reader: Reader, method: str) -> None:
    path = f"/api/v1/utility/{reader.sandbox.utility}/tax/list"
    assert reader.sandbox.client.request(method, path, headers={"Authorization": reader.token}).status_code == 405
    (entry,) = reader.control("GET", "/sandbox/log")
    assert (entry["method"], entry["path"], entry["status"]) == (method, path, 405)


def test_counters_move_while_nothing_changes(reader: Reader) -> None:
    before = [row["currentno"] for row in reader.rows("number_format")]
    reader.control("POST", "/sandbox/clock", {"advance_seconds": 5})
    after = [row["currentno"] for row in reader.rows("number_format")]
    assert all(new >= old + 5 for old, new in zip(before, after, strict=True))


def test_an_object_can_be_added_shown_changed_and_taken_away_by_its_address(reader: Reader) -> None:
    report = "/sandbox/water_quality_report/OHA%5C%2FOR4199999"
    assert reader.control("GET", report)["registration"] == "OHA/OR4199999"
    tax = "/sandbox/tax/ULF-NEW"
    reader.control("POST", tax, {"value": {"code": "ULF-NEW", "name": "New fee", "percentage": 5.0, "kind": "sales"}})
    reader.control("PUT", tax, {"by": "mei", "value": {"percentage": "5.5", "is_active": True}})
    shown = reader.control("GET", tax)
    assert (shown["percentage"], shown["updated_by"]) == ("5.5", "mei")
    reader.control("DELETE", f"{tax}?soft=true")
    assert "ULF-NEW" not in [row["code"] for row in reader.rows("tax")]
    reader.control("DELETE", tax)
    gone = reader.sandbox.client.get(tax)
    assert (gone.status_code, gone.json()["error"]) == (422, "There is no such object.")
    assert reader.control("GET", "/sandbox/trail")[-1]["login"] == "dana.whitfield@swa-water.example"


def test_all_lists_cost_less_than_a_third_of_a_second(reader: Reader) -> None:
    before, began = _cpu(reader.sandbox.process.pid), time.monotonic()
    for name in smart360_manifest().routes:
        reader.rows(name)
    assert _cpu(reader.sandbox.process.pid) - before < 0.3
    assert time.monotonic() - began < 2  # answers that wait for acknowledgements take four


def _cpu(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().split()[13:15]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_another_configuration_and_another_day_can_be_served(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("_about: {tenant: small}\ntax: [{code: T, name: Tax, percentage: 6}]\n")
    with start_sandbox(config=file, faults=("html-200",)) as small:
        health = small.client.get("/sandbox/health").json()
        assert health["objects"] == 1
        assert small.client.get("/sandbox/faults").json()["active"][0]["name"] == "html-200"
    file.write_text("tax: Tax")
    with pytest.raises(StandInFailed, match=r"small.yaml:1"):
        start_sandbox(config=file)


def test_it_ends_with_the_process_that_started_it() -> None:
    code = (
        "import os; from monitor.sandbox.process import start_sandbox; "
        "s = start_sandbox(); print(s.process.pid, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    stat = Path(f"/proc/{int(done.stdout)}/stat")
    until = time.monotonic() + 5
    while stat.exists() and stat.read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.02)
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_closing_ends_it(sandbox: SandboxProcess) -> None:
    with start_sandbox() as other:
        assert other.url != sandbox.url
    assert other.process.returncode is not None
