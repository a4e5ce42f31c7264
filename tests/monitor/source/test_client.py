"""The client over real HTTP: how fast, how often, how much, and to whom it speaks."""

import asyncio
import gzip
import json
import ssl
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from baselines.coverage import Reason
from monitor.source import Connection, Listing, Patience, Source, SourceFault, open_source
from monitor.source.manifest import Manifest, smart360_manifest
from tests.monitor.source.scripted import Answered, Scripted, running
from tests.monitor.watch import LOOPBACK, QUICK
from tests.support import CATALOGUE

CERTIFICATES = Path(__file__).with_name("certificates")
T = TypeVar("T")


def row(number: int) -> dict[str, Any]:
    return {"id_string": f"id-{number}", "code": f"T{number}", "name": f"Tax {number}", "percentage": "5.0"}


def page(rows: list[dict[str, Any]], count: int, following: Any = None) -> Answered:
    return 200, {"count": count, "next": following, "results": rows}, {}


def one_page(method: str, path: str, query: str) -> Answered:
    return page([row(1)], 1)


def ask(
    server: Scripted,
    what: Callable[[Source], Awaitable[T]],
    *,
    patience: Patience = QUICK,
    manifest: Manifest | None = None,
    ca_file: Path | None = None,
    **how: Any,
) -> T:
    """Begin, and ask a source for something."""
    connection = Connection("smart360", server.url, "u", "me", "pw-canary", **{"requests_per_second": 5000, **how})

    async def run() -> T:
        source = open_source(
            connection, CATALOGUE, manifest=manifest, patience=patience, allowed_hosts=LOOPBACK, ca_file=ca_file
        )
        async with source:
            await source.begin()
            return await what(source)

    return asyncio.run(run())


async def taxes(source: Source) -> Listing:
    return await source.read("tax")


async def many(source: Source) -> list[Any]:
    return await asyncio.gather(*(source.read("tax") for _ in range(20)), return_exceptions=True)


def test_it_asks_no_more_at_once_than_it_may() -> None:
    with running(Scripted(one_page, pause_s=0.05)) as server:
        ask(server, many, requests_at_once=3)
        assert server.most == 3


def test_it_asks_no_more_a_second_than_it_may() -> None:
    with running(Scripted(one_page)) as server:
        begun = time.monotonic()
        ask(server, many, requests_at_once=8, requests_per_second=40)
        assert time.monotonic() - begun >= (len(server.asked) - 1) / 40


def test_it_only_logs_in_and_reads_and_sends_the_token_in_the_manifests_header() -> None:
    with running(Scripted(one_page)) as server:
        ask(server, many)
        assert {(method, path.endswith("/login/")) for method, path, _ in server.asked} == {
            ("POST", True), ("GET", False),
        }  # fmt: skip
        assert {headers.get("authorization") for method, _, headers in server.asked if method == "GET"} == {
            "token-of-the-test"
        }
        assert all("pw-canary" not in path + str(headers) for _, path, headers in server.asked)


def test_numbers_keep_every_digit_that_was_written() -> None:
    body = b'{"count":1,"next":null,"results":[{"id_string":7,"code":"X","percentage":123456789012345.6780,"n":12}]}'
    with running(Scripted(lambda *_: (200, body, {}))) as server:
        listing = ask(server, taxes)
        assert listing.load_rows() == [{"id": 7, "code": "X", "percentage": Decimal("123456789012345.6780"), "n": 12}]
        assert listing.ids == [["7"]]


def test_it_never_leaves_the_host_whatever_the_next_page_or_a_redirect_names() -> None:
    other = Scripted(one_page)

    def answer(method: str, path: str, query: str) -> Answered:
        if "page=2" in query:
            return page([row(2)], 2)
        return page([row(1)], 2, f"{other.url}/api/v1/elsewhere?page=2&page_size=1")

    with running(other), running(Scripted(answer)) as server:
        assert ask(server, taxes).ids == [["id-1"], ["id-2"]]
        server.answer = lambda *_: (302, b"", {"location": f"{other.url}/api/v1/utility/u/tax/list"})
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes)
        assert refused.value.reason is Reason.REDIRECT_REFUSED
        assert other.asked == []


@pytest.mark.parametrize(
    ("paging", "answers", "queries"),
    [
        pytest.param(
            {"style": "cursor", "at": "after", "size": "n", "ask": 2, "rows": "data", "next": "meta.after"},
            {"": ([row(1), row(2)], "k 2"), "after=k+2": ([row(3)], None)},
            ["n=2", "n=2&after=k+2"],
            id="a cursor in the answer, no total",
        ),
        pytest.param(
            {"style": "page", "at": "p", "size": "n", "ask": 2, "rows": "data", "count": "meta.total"},
            {"p=1": ([row(1), row(2)], None), "p=2": ([row(3)], None)},
            ["n=2&p=1", "n=2&p=2"],
            id="page numbers up to the total",
        ),
        pytest.param(
            {"style": "offset", "at": "skip", "size": "n", "ask": 2, "rows": "data", "order": {"sort": "id"}},
            {"skip=0": ([row(1), row(2)], None), "skip=2": ([row(3)], None), "skip=3": ([], None)},
            ["sort=id&n=2&skip=0", "sort=id&n=2&skip=2", "sort=id&n=2&skip=3"],
            id="offsets until nothing comes, in a stable order",
        ),
    ],
)
def test_pages_are_turned_as_the_manifest_says(paging: Any, answers: Any, queries: list[str]) -> None:
    content = json.loads(smart360_manifest().content.model_dump_json())
    content["lists"]["paging"] = paging
    manifest = Manifest(type(smart360_manifest().content).model_validate(content), CATALOGUE)

    def answer(method: str, path: str, query: str) -> Answered:
        rows, after = next(told for part, told in reversed(answers.items()) if part in query)
        return 200, {"data": rows, "meta": {"after": after, "total": 3}}, {}

    with running(Scripted(answer)) as server:
        listing = ask(server, taxes, manifest=manifest)
        assert [each for part in listing.ids for each in part] == ["id-1", "id-2", "id-3"]
        assert listing.is_whole
        assert [path.partition("?")[2] for _, path, _ in server.asked if "/tax/list" in path] == queries


def test_a_page_that_names_itself_is_read_once_where_no_total_is_told() -> None:
    content = json.loads(smart360_manifest().content.model_dump_json())
    content["lists"]["paging"] |= {"count": ""}
    manifest = Manifest(type(smart360_manifest().content).model_validate(content), CATALOGUE)
    with running(Scripted(lambda *_: page([row(1)], 1, "?page=1&page_size=1000"))) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes, manifest=manifest)
        assert refused.value.reason is Reason.PAGE_LOOP
        assert len([1 for _, path, _ in server.asked if "/tax/list" in path]) == 1


def test_pages_that_go_on_for_ever_end() -> None:
    turn = iter(range(1000))

    def answer(method: str, path: str, query: str) -> Answered:
        number = next(turn)
        return page([row(number)], 3, f"?page={number + 50}&page_size=1")

    with running(Scripted(answer)) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes)
        assert refused.value.reason is Reason.PAGE_LOOP
        assert len([1 for _, path, _ in server.asked if "/tax/list" in path]) == 4


def test_a_list_that_becomes_shorter_between_two_pages_is_not_whole() -> None:
    def answer(method: str, path: str, query: str) -> Answered:
        if "page=2" in query:
            return 404, {"state": "error", "results": "Invalid page."}, {}
        return page([row(1)], 1, "?page=2&page_size=1")

    with running(Scripted(answer)) as server:
        assert not ask(server, taxes).is_whole


@pytest.mark.parametrize(
    ("patience", "reason", "what"),
    [
        pytest.param(replace(QUICK, sweep_s=0.3), Reason.TIMEOUT, "The sweep took longer than", id="no time left"),
        pytest.param(replace(QUICK, sweep_bytes=900), Reason.TOO_LARGE, "More than 900 bytes", id="too many bytes"),
    ],
)
def test_a_sweep_has_an_end(patience: Patience, reason: Reason, what: str) -> None:
    with running(Scripted(one_page, pause_s=0.05)) as server:
        found = ask(server, many, patience=patience, requests_at_once=1)
        faults = {each.reason for each in found if isinstance(each, SourceFault)}
        assert faults == {reason}
        assert what in str(found[-1])
        assert 0 < len([each for each in found if isinstance(each, Listing)]) < 10
        assert len(server.asked) < 15


def test_a_page_that_is_too_large_is_refused_unread() -> None:
    with running(Scripted(lambda *_: (200, b" " * 200_000, {}))) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes, patience=replace(QUICK, page_bytes=100_000))
        assert refused.value.reason is Reason.TOO_LARGE


def test_a_bomb_is_unpacked_no_further_than_the_limit() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    with running(Scripted(lambda *_: (200, bomb, {"content-encoding": "gzip"}))) as server:
        tracemalloc.start()
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes, patience=replace(QUICK, page_bytes=1 << 20))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert refused.value.reason is Reason.TOO_LARGE
        assert peak < 16 << 20


def test_a_list_that_says_it_is_a_page_for_people_is_not_believed() -> None:
    with running(
        Scripted(lambda *_: (200, {"count": 0, "next": None, "results": []}, {"content-type": "text/html"}))
    ) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes)
        assert refused.value.reason is Reason.NOT_JSON


def test_deep_nesting_is_refused() -> None:
    body = b'{"count":1,"next":null,"results":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    with running(Scripted(lambda *_: (200, body, {}))) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes)
        assert refused.value.reason is Reason.BAD_SHAPE


def test_rows_that_are_no_objects_are_another_shape() -> None:
    with running(Scripted(lambda *_: page(["text", 7], 2))) as server:  # type: ignore[list-item]
        listing = ask(server, taxes)
        for load in (listing.load_ids, listing.load_rows):
            with pytest.raises(SourceFault) as refused:
                load()
            assert refused.value.reason is Reason.BAD_SHAPE


@pytest.mark.parametrize("escape", [r"\\u0000", r"\ud83d\ude00", r"\\\\ud800"])
def test_escapes_that_are_text_are_read(escape: str) -> None:
    body = '{"count":1,"next":null,"results":[{"id_string":"1","code":"' + escape + '"}]}'
    with running(Scripted(lambda *_: (200, body.encode(), {}))) as server:
        (found,) = ask(server, taxes).load_rows()
        assert found["code"] == json.loads(f'"{escape}"')


@pytest.mark.parametrize("status", [400, 405, 407, 418])
def test_an_answer_that_nobody_foresaw_is_a_fault_of_the_list(status: int) -> None:
    with running(Scripted(lambda *_: (status, b"{}", {}))) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes)
        assert refused.value.status == status
        assert len([1 for _, path, _ in server.asked if "/tax/list" in path]) == 1


def test_tries_of_one_request_end_with_their_time() -> None:
    with running(Scripted(lambda *_: (500, b"{}", {}))) as server:
        begun = time.monotonic()
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes, patience=replace(QUICK, backoff_s=0.3, retry_s=0.5))
        assert (refused.value.reason, refused.value.attempt) == (Reason.SERVER_ERROR, 2)
        assert time.monotonic() - begun < 1


# TLS


def test_f39_an_own_authority_is_trusted_where_its_file_is_named() -> None:
    with running(Scripted(one_page), CERTIFICATES / "good.pem") as server:
        assert ask(server, taxes, ca_file=CERTIFICATES / "authority.pem").ids == [["id-1"]]


@pytest.mark.parametrize(
    ("certificate", "knows_authority", "why"),
    [
        ("good.pem", False, "unable to get local issuer certificate"),
        ("expired.pem", True, "certificate has expired"),
        ("other-name.pem", True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_f39_a_certificate_that_proves_nothing_is_refused(certificate: str, knows_authority: bool, why: str) -> None:
    with running(Scripted(one_page), CERTIFICATES / certificate) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes, ca_file=CERTIFICATES / "authority.pem" if knows_authority else None)
        assert refused.value.reason is Reason.TLS
        assert why in refused.value.what
        assert server.asked == []


def test_f39_an_old_tls_is_refused() -> None:
    old = {"ssl_version": ssl.PROTOCOL_TLSv1_1, "ssl_ciphers": "ALL:@SECLEVEL=0"}
    with running(Scripted(one_page), CERTIFICATES / "good.pem", **old) as server:
        with pytest.raises(SourceFault) as refused:
            ask(server, taxes, ca_file=CERTIFICATES / "authority.pem")
        assert refused.value.reason is Reason.TLS
        assert server.asked == []
