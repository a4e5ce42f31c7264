"""Where a target's configuration is read from: SMART360 over HTTP, or a folder of exports.

Both answer one Protocol; what is read in which order, and what it proves, is ``monitor.collect``'s.
"""

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from baselines.catalogue import Catalogue
from baselines.coverage import Reason
from baselines.errors import Smart360Error

if TYPE_CHECKING:
    from monitor.source.manifest import Manifest

Row: TypeAlias = dict[str, Any]  #: one object under the catalogue's names; references may be ``Reference``


class SourceFault(Smart360Error):
    """What a source did instead of answering; it becomes a coverage reason, never a traceback."""

    exit_code = 3

    def __init__(
        self, reason: Reason, what: str, *, where: str, mend: str = "", status: int = 0, wait_s: float = 0
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason, self.status, self.wait_s = reason, status, wait_s
        self.code = reason.value
        self.attempt = 1
        self.page = 0


@dataclass(frozen=True)
class Listing:
    """One pass over one list, from its first page to its last; opened only when needed."""

    digest: str  #: of all bytes that were read
    counts: tuple[int | None, ...]  #: the total as each page told it; None where none is told
    page_size: int  #: rows on the first page
    load_ids: Callable[[], Sequence[Sequence[str]]]  #: of each page
    load_rows: Callable[[], list[Row]]
    is_absent: bool = False  #: answered with the source's own "there are none", not with a page

    @cached_property
    def ids(self) -> Sequence[Sequence[str]]:
        """The ids on each page, repeats included."""
        return self.load_ids()

    @cached_property
    def is_whole(self) -> bool:
        """True if as many objects were seen as the source says there are, on every page the same number."""
        if set(self.counts) == {None}:
            return True
        repeats = sum(len(page) - len(set(page)) for page in self.ids)  # within a page nothing can have moved
        seen = len({each for page in self.ids for each in page}) + repeats
        return set(self.counts) == {seen}


class Source(Protocol):
    """What a target's configuration is read from."""

    name: str  #: stands in the snapshot: ``smart360``, ``files``
    version: str  #: of whatever decides what its bytes mean; part of every seal
    has_details: bool  #: single objects can be asked for by id
    date: datetime | None  #: its own clock, where it tells it
    requests: Counter[str]  #: answers by status word
    seconds: list[float]  #: how long each request took

    async def __aenter__(self) -> "Source": ...

    async def __aexit__(self, *_: object) -> None: ...

    async def begin(self) -> tuple[str, ...] | None:
        """Log in and prove that the utility is there; the user's own privileges, None if they cannot be asked."""
        ...

    def has(self, resource_type: str) -> bool:
        """True if it has a list of this type."""
        ...

    def privilege(self, resource_type: str) -> str:
        """What must be viewable to read the list; "" if unknown."""
        ...

    def active_field(self, resource_type: str) -> str:
        """The field that leaves an object out of its list when false; "" if there is none."""
        ...

    async def read(self, resource_type: str, size: int = 0) -> Listing:
        """One pass over a list; ``size`` rows a page, 0: as usual."""
        ...

    async def detail(self, resource_type: str, identity: str) -> Row | None:
        """One object by id, inactive ones too; None if there is none."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long, how often and how much; as reliability demands, shorter in tests."""

    connect_s: float = 5
    between_bytes_s: float = 15
    request_s: float = 60
    sweep_s: float = 30 * 60
    tries: int = 4
    retry_s: float = 60  #: all tries of one request
    backoff_s: float = 0.5  #: before the second try; doubles, with jitter
    longest_wait_s: float = 15 * 60  #: a longer Retry-After ends the sweep
    page_bytes: int = 64 << 20  #: unpacked
    sweep_bytes: int = 512 << 20


@dataclass(frozen=True)
class Connection:
    """How a target's source is reached, secrets resolved."""

    source: str  #: the name of a manifest, or ``files``
    url: str = ""
    utility: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    folder: Path | None = None
    requests_per_second: float = 10
    requests_at_once: int = 4


def open_source(
    connection: Connection,
    catalogue: Catalogue,
    *,
    manifest: "Manifest | None" = None,
    allowed_hosts: frozenset[str] = frozenset(),
    ca_file: Path | None = None,
    patience: Patience | None = None,
    resolve: "Callable[[str, int], Awaitable[Sequence[str]]] | None" = None,
    log: Any = None,
) -> Source:
    """The source of a target; nothing is asked of it yet.

    Args:
        manifest: how it speaks; None: the shipped SMART360's.
        allowed_hosts: names or addresses that may lie on loopback or in a private network.
        ca_file: certificates to trust beside the usual ones.
        resolve: name and port → addresses; None: the system's resolver.
        log: a structlog logger with the target bound; None: the module's own.
    """
    if connection.source == "files":
        from monitor.source.files import Folder

        return Folder(connection.folder or Path(), catalogue)
    from monitor.source.client import Client
    from monitor.source.guard import system_resolver
    from monitor.source.manifest import smart360_manifest

    spoken = (manifest or smart360_manifest()).under(catalogue)
    return Client(
        connection, spoken, patience or Patience(), allowed_hosts=allowed_hosts,
        tls=tls_context(ca_file), resolve=resolve or system_resolver, log=log,
    )  # fmt: skip


_contexts: dict[Path | None, ssl.SSLContext] = {}


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are verified, by name too, from TLS 1.2 on; there is no switch to turn that off (F39)."""
    if ca_file not in _contexts:  # made once: it reads some hundred certificates
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        _contexts[ca_file] = context
    return _contexts[ca_file]
