"""No connection leads inside, whatever name or spelling the address has."""

import asyncio

import pytest

from baselines.coverage import Reason
from monitor.source import Connection, SourceFault, open_source
from monitor.source.guard import addresses_of, is_public, system_resolver
from tests.monitor.watch import QUICK
from tests.support import CATALOGUE


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "no address",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_world_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "0177.0.0.1", "169.254.169.254", "::1"]
)
def test_a_host_that_leads_inside_is_refused_in_any_spelling(host: str) -> None:
    with pytest.raises(SourceFault) as refused:
        asyncio.run(addresses_of(host, 443, frozenset(), system_resolver))
    assert refused.value.reason is Reason.ADDRESS_REFUSED
    assert "list of allowed hosts" in refused.value.mend


def test_an_allowed_host_may_lie_inside() -> None:
    assert asyncio.run(addresses_of("127.0.0.1", 80, frozenset({"127.0.0.1"}), system_resolver)) == ["127.0.0.1"]


def test_a_host_with_one_address_inside_is_refused_whole() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(SourceFault) as refused:
        asyncio.run(addresses_of("swa.example", 443, frozenset(), both))
    assert refused.value.reason is Reason.ADDRESS_REFUSED


def begin(host: str, answers: list[list[str]], asked: list[str]) -> SourceFault:
    """What the first request to a host ends with, the resolver giving these answers in turn."""

    async def resolve(name: str, port: int) -> list[str]:
        asked.append(name)
        return answers[min(len(asked), len(answers)) - 1]

    async def run() -> None:
        connection = Connection("smart360", f"http://{host}:9", "u", "me", "pw", requests_per_second=1000)
        async with open_source(connection, CATALOGUE, patience=QUICK, resolve=resolve) as source:
            await source.begin()

    with pytest.raises(SourceFault) as refused:
        asyncio.run(run())
    return refused.value


def test_f40_the_address_is_checked_at_each_connection_so_that_a_rebound_name_leads_nowhere() -> None:
    asked: list[str] = []
    refused = begin("swa.example", [[], ["127.0.0.1"]], asked)
    assert (refused.reason, asked) == (Reason.ADDRESS_REFUSED, ["swa.example", "swa.example"])


def test_f40_a_name_that_nobody_knows_is_tried_four_times() -> None:
    asked: list[str] = []
    refused = begin("swa.example", [[]], asked)
    assert (refused.reason, len(asked)) == (Reason.DNS, 4)
    assert "swa.example" in refused.what
