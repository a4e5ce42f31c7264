"""Where a connection may lead: the address that is connected to is checked, not only the name (F40, B48)."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import httpcore

from baselines.coverage import Reason
from monitor.source import SourceFault

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")  #: carriers' own; neither private nor global to Python
_MEND: Final = "Name a public host, or put this one on the list of allowed hosts."


def is_public(address: str) -> bool:
    """False for loopback, link-local, private, multicast and unassigned addresses, IPv4 within IPv6 too."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is not None:
            found = inner
        elif found in ipaddress.ip_network("64:ff9b::/96"):
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.is_global and not found.is_multicast and found not in _SHARED


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses of a name as the system knows them, each once."""
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def addresses_of(host: str, port: int, allowed_hosts: frozenset[str], resolve: Resolve) -> list[str]:
    """The addresses to which a connection to this host may go.

    Raises:
        SourceFault: ``dns`` if there is none, ``address_refused`` if one of them is not public and the
            host is not allowed: a name that leads inside by turns is not to be trusted at all.
    """
    try:
        found = list(await resolve(host, port))
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise SourceFault(Reason.DNS, f"The name {host} has no address.", where=host, mend="Check the URL.")
    if host in allowed_hosts:
        return found
    inside = [each for each in found if not is_public(each)]
    if inside:
        what = f"{host} leads to {inside[0]}, which is no public address."
        raise SourceFault(Reason.ADDRESS_REFUSED, what, where=host, mend=_MEND)
    return found


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only: a name is resolved here, once for each connection.

    The name stays what TLS verifies, because the pool hands it on by itself.
    """

    def __init__(self, allowed_hosts: frozenset[str], resolve: Resolve) -> None:
        self._allowed_hosts, self._resolve = allowed_hosts, resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers."""
        addresses = await addresses_of(host, port, self._allowed_hosts, self._resolve)
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, *args, **kwargs)
            except httpcore.NetworkError:
                continue
        return await self._inner.connect_tcp(addresses[-1], port, *args, **kwargs)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
