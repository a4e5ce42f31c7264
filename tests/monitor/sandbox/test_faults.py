"""Every fault, seen from outside, and counted."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from monitor.sandbox.faults import FAULTS
from monitor.source.manifest import smart360_manifest
from tests.monitor.sandbox.conftest import Reader


def status(want: int, **headers: str) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        answer = reader.page("tax")
        assert answer.status_code == want
        for name, value in headers.items():
            assert answer.headers[name.replace("_", "-")] == value

    return see


def once(want: int) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        assert [reader.page("tax").status_code, reader.page("tax").status_code] == [want, 200]

    return see


def dead_token(reader: Reader) -> None:
    assert [reader.page("tax").status_code for _ in range(4)] == [200, 200, 401, 401]
    reader.log_in()
    assert reader.page("tax").status_code == 200


def no_log_in(reader: Reader) -> None:
    assert reader.log_in().status_code == 401
    assert reader.page("tax").status_code == 200


def some_forbidden(reader: Reader) -> None:
    seen = {reader.page(name).status_code for name in smart360_manifest().routes}
    assert seen == {200, 403}


def empty(reader: Reader) -> None:
    assert reader.page("tax").json() == {"state": "error", "results": "Tax or pass-through fee not found."}
    assert reader.utility().status_code == 200


def no_path(reader: Reader) -> None:
    assert reader.page("tax").json() == {"state": "error", "results": "Page not found."}
    assert reader.utility().status_code == 404


def page(reader: Reader) -> None:
    answer = reader.page("tax")
    assert (answer.status_code, answer.headers["content-type"][:9]) == (200, "text/html")


def retry_date(reader: Reader) -> None:
    answer = reader.page("tax")
    wait = parsedate_to_datetime(answer.headers["retry-after"]) - parsedate_to_datetime(answer.headers["date"])
    assert (answer.status_code, wait.total_seconds()) == (429, 90)


def capped(reader: Reader) -> None:
    first = reader.page("role_privilege", page_size=1000).json()
    assert len(first["results"]) == 10
    assert len(reader.get(first["next"]).json()["results"]) == 10


def ids(reader: Reader, page: int, resource_type: str = "role_privilege") -> list[str]:
    rows = reader.page(resource_type, page=page, page_size=20).json()["results"]
    return [row["id_string"] for row in rows]


def repeats(reader: Reader) -> None:
    assert ids(reader, 1)[-1] == ids(reader, 2)[0]


def skips(reader: Reader) -> None:
    whole = [row["id_string"] for row in reader.rows("role_privilege")]
    assert ids(reader, 1) + ids(reader, 2) == whole[:20] + whole[21:41]


def other_order(reader: Reader) -> None:
    first, second = ids(reader, 1, "role"), ids(reader, 1, "role")
    assert first != second
    assert set(first) == set(second)


def half_lost(reader: Reader) -> None:
    assert len(reader.rows("premise")) == 12


def shrunk(reader: Reader) -> None:
    assert len(reader.rows("premise")) == 17
    assert len(reader.get("/api/v1/user/privileges/").json()) == 15


def two_of(name: str, *, is_same: bool) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        answer = reader.page("tax").json()
        rows = answer["results"]
        assert answer["count"] == len(rows) == 7
        assert (len({row[name] for row in rows}) == 6) is is_same

    return see


def new_ids(reader: Reader) -> None:
    (old,) = [each["id"] for each in reader.control("GET", "/sandbox/config")["currency"]]
    reader.control("POST", "/sandbox/reset")
    assert reader.rows("currency")[0]["id_string"] != old


def in_turn(resource_type: str, field: str, *due: Any) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        seen = [reader.page(resource_type).text.partition(f'"{field}":')[2].partition(",")[0] for _ in due]
        assert seen == list(due)

    return see


def field_known(name: str, *, is_there: bool) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        assert all((name in row) is is_there for row in reader.rows("tax"))

    return see


def an_object(reader: Reader) -> None:
    assert reader.rows("tax")[0]["percentage"] == {"value": "5.0000", "unit": "none"}


def all_changed(reader: Reader) -> None:
    told = {each["code"]: each["percentage"] for each in reader.control("GET", "/sandbox/config")["tax"]}
    assert {row["code"]: float(row["percentage"]) for row in reader.rows("tax")} == {
        code: float(value) + 1 for code, value in told.items()
    }


def deactivated(reader: Reader) -> None:
    inactive = [each["code"] for each in reader.control("GET", "/sandbox/config")["tax"] if not each["is_active"]]
    assert len(inactive) == 1
    assert inactive[0] not in {row["code"] for row in reader.rows("tax")}
    assert reader.fired() == 1
    reader.control("POST", "/sandbox/reset")


def flickers(*, by: int) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        first, second, third = (reader.rows("tax") for _ in range(3))
        assert len(first) - len(second) == by
        assert first != second == third

    return see


def dangles_once(reader: Reader) -> None:
    first, second = reader.rows("sub_area"), reader.rows("sub_area")
    assert first[0]["area"] != second[0]["area"]
    assert first[1:] == second[1:]
    assert reader.detail("area", first[0]["area"]["id_string"]).status_code == 404


def more_counted(reader: Reader) -> None:
    answer = reader.page("tax").json()
    assert answer["count"] == len(answer["results"]) + 1


def loops(reader: Reader) -> None:
    first = reader.page("tax").json()
    assert reader.get(first["next"]).json() == first


def shapes(reader: Reader) -> None:
    seen = [reader.page("tax").json() for _ in range(4)]
    assert isinstance(seen[0], list)
    assert (seen[1]["results"], seen[2]["count"], seen[3]) == (None, "many", "results")


def bad_text(reader: Reader) -> None:
    with pytest.raises(UnicodeDecodeError):
        reader.page("tax").content.decode()


def escapes(escape: str) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        assert escape in reader.page("tax").text

    return see


def cut_off(reader: Reader) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        reader.page("tax")


def half_a_body(reader: Reader) -> None:
    with pytest.raises(ValueError, match="char"):
        reader.page("tax").json()


def slow(reader: Reader) -> None:
    chunks = 0
    path = smart360_manifest().utility_path(reader.sandbox.utility)
    with reader.sandbox.client.stream("GET", path, headers={"Authorization": reader.token}) as answer:
        for _ in answer.iter_raw():
            chunks += 1
    assert chunks > 50


def silent(reader: Reader) -> None:
    with pytest.raises(httpx.ReadTimeout):
        reader.sandbox.client.get("/api/v1/user/privileges/", timeout=0.2)


def bomb(layers: str) -> Callable[[Reader], None]:
    def see(reader: Reader) -> None:
        wire, size = 0, 0
        manifest = smart360_manifest()
        path = manifest.list_path(manifest.routes["tax"], reader.sandbox.utility)
        with reader.sandbox.client.stream("GET", path, headers={"Authorization": reader.token}) as answer:
            assert answer.headers["content-encoding"] == layers
            for chunk in answer.iter_bytes(1 << 20):
                size += len(chunk)
                wire = answer.num_bytes_downloaded
                if size > 32 << 20:
                    break
        assert size > 300 * wire

    return see


def torn(reader: Reader) -> None:
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        reader.page("tax")
    assert reader.page("tax").status_code == 200


def whole_then_torn(reader: Reader) -> None:
    assert reader.page("tax").status_code == 200


CASES: list[tuple[str, dict[str, Any], Callable[[Reader], None]]] = [
    ("empty-404", {"lists": ["tax"]}, empty),
    ("wrong-path-404", {}, no_path),
    ("wrong-utility", {}, no_path),
    ("token-expired", {"options": {"after": 2}}, dead_token),
    ("login-refused", {}, no_log_in),
    ("forbidden-some", {}, some_forbidden),
    ("forbidden-some", {"lists": ["tax"], "options": {"status": 401}}, status(401)),
    ("forbidden-all", {}, status(403)),
    ("html-200", {}, page),
    ("500-once", {}, once(500)),
    ("500-always", {}, status(500)),
    ("502", {}, once(502)),
    ("503", {"times": 2}, status(503)),
    ("504", {}, once(504)),
    ("429-seconds", {}, status(429, retry_after="7")),
    ("429-date", {"options": {"seconds": 90}}, retry_date),
    ("429-date", {"options": {"value": "soon"}}, status(429, retry_after="soon")),
    ("future-api", {}, status(410)),
    ("future-api", {"options": {"status": 301}}, status(301)),
    ("redirect-host", {}, status(302, location="http://169.254.169.254/latest/meta-data/")),
    ("page-size-capped", {}, capped),
    ("page-repeat", {}, repeats),
    ("page-skip", {}, skips),
    ("name-ties", {}, other_order),
    ("mass-loss", {"lists": ["premise"]}, half_lost),
    ("mass-loss", {"lists": ["tax"], "options": {"share": 1}}, empty),
    ("role-shrinks", {}, shrunk),
    ("deactivated", {"lists": ["tax"]}, deactivated),
    ("flicker", {}, flickers(by=0)),
    ("flicker", {"options": {"how": "added"}}, flickers(by=1)),
    ("flicker", {"options": {"how": "removed"}}, flickers(by=-1)),
    ("duplicate-id", {}, two_of("id_string", is_same=True)),
    ("duplicate-key", {}, two_of("code", is_same=True)),
    ("reactivated-new-id", {"lists": ["currency"]}, new_ids),
    ("yes-no", {}, in_turn("tax", "is_active", '"Yes"', '"true"', "1", "true")),
    ("decimal-forms", {}, in_turn("tax", "percentage", "5", '"5.0"', '"5.0000"', "5e0", "5")),
    ("new-field", {}, field_known("loyalty_points", is_there=True)),
    ("field-gone", {"options": {"field": "percentage"}}, field_known("percentage", is_there=False)),
    ("type-change", {"options": {"field": "percentage"}}, an_object),
    ("mass-change", {}, all_changed),
    ("slow-writes", {}, dangles_once),
    ("count-lies", {}, more_counted),
    ("next-loop", {}, loops),
    ("json-shape", {}, shapes),
    ("bad-utf8", {}, bad_text),
    ("bad-utf8", {"options": {"how": "surrogate"}}, escapes(r"\ud800")),
    ("bad-utf8", {"options": {"how": "nul"}}, escapes(r"\u0000")),
    ("json-cut", {}, cut_off),
    ("json-cut", {"options": {"how": "length"}}, half_a_body),
    ("slow-loris", {"options": {"every": 0.002}}, slow),
    ("slow-loris", {"options": {"silent": True}}, silent),
    ("gzip-bomb", {}, bomb("gzip")),
    ("gzip-bomb", {"options": {"nested": True}}, bomb("gzip, gzip")),
    ("reset", {}, torn),
    ("reset", {"options": {"when": "within"}}, torn),
    ("reset", {"options": {"when": "after"}}, whole_then_torn),
]


@pytest.mark.parametrize(("name", "how", "see"), CASES, ids=[f"{each[0]}-{each[1]}" for each in CASES])
def test_a_fault_shows_and_counts(
    reader: Reader, name: str, how: dict[str, Any], see: Callable[[Reader], None]
) -> None:
    reader.fault(name, **how)
    see(reader)
    assert reader.fired() > 0
    reader.control("DELETE", "/sandbox/faults")
    reader.log_in()
    assert reader.page("tax").json()["count"] == 6


def test_every_fault_is_tried_here() -> None:
    assert {name for name, _, _ in CASES} == set(FAULTS)


def test_a_fault_keeps_to_its_lists_and_its_times(reader: Reader) -> None:
    reader.fault("500-always", lists=["tax"], times=2)
    assert [reader.page("rate").status_code, reader.utility().status_code] == [200, 200]
    assert [reader.page("tax").status_code for _ in range(3)] == [500, 500, 200]
    assert reader.fired() == 2


def test_a_name_that_is_no_fault_is_refused_with_those_that_are_near(reader: Reader) -> None:
    answer = reader.sandbox.client.post("/sandbox/faults", json={"name": "page-repeats"})
    assert answer.status_code == 422
    assert "page-repeat" in answer.json()["mend"]
