"""The one place that wires settings to store, sources, packs and clock."""

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nacl.signing import SigningKey

from baselines.canonical import Canonicaliser
from baselines.catalogue import Catalogue, load_catalogue
from baselines.fingerprints import SecretKey
from monitor.clock import Clock, SystemClock
from monitor.secrets import installation_key, resolve, signing_key
from monitor.settings import Settings
from monitor.source import Connection, Patience, Source, open_source
from monitor.target import Target

if TYPE_CHECKING:  # the store and the engine take half a second to import; commands on files need no store
    from alerts.channels import Channel
    from monitor.store.unit import Store
    from rules.overlay import Overlay
    from rules.pack import Packs
    from rules.quiet import ChangeWindow


def new_worker() -> str:
    """A name for this process that no earlier one had (F48)."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@dataclass
class Deps:
    """What stories need from outside; made once per process and handed down."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    worker: str = field(default_factory=new_worker)
    patience: Patience = field(default_factory=Patience)
    open_store: "Callable[[], Store] | None" = None
    _overlays: "dict[tuple[tuple[str, str], ...], Overlay]" = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The resource types."""
        return load_catalogue()

    @cached_property
    def packs(self) -> "Packs":
        """Shipped packs and those named in settings."""
        from rules.pack import load_packs, shipped_packs

        return load_packs(self.settings.packs, self.catalogue, beside=shipped_packs())

    @cached_property
    def store(self) -> "Store":
        """The store; brought to this program's schema where it is the embedded one."""
        if self.open_store is not None:
            return self.open_store()
        from monitor.store.unit import Store

        return Store.open(self.settings.store_url, migrate=not self.settings.database_url)

    @cached_property
    def audit_key(self) -> SigningKey:
        """Signs the audit log."""
        return signing_key(installation_key(self.settings.audit_key, self.settings.state_folder, "audit"))

    @cached_property
    def session_key(self) -> bytes:
        """What sessions and API tokens are kept under: a copy of the store alone opens nothing."""
        return installation_key(self.settings.session_key, self.settings.state_folder, "session")

    def secrets_of(self, tenant: str) -> SecretKey:
        """Makes fingerprints of a tenant's secrets."""
        key = installation_key(self.settings.fingerprint_key, self.settings.state_folder, "fingerprint")
        return SecretKey(key, tenant)

    def overlay_of(self, target: Target) -> "Overlay":
        """What holds for a target: shipped catalogue and packs under its overlays; made once for each content."""
        from rules.overlay import read_overlays

        texts = target.definition.overlays
        if texts not in self._overlays:
            self._overlays[texts] = read_overlays(texts, self.catalogue, self.packs)
        return self._overlays[texts]

    def catalogue_of(self, target: Target) -> Catalogue:
        """The resource types of a target."""
        return self.overlay_of(target).catalogue if target.definition.overlays else self.catalogue

    def packs_of(self, target: Target) -> "Packs":
        """The rules of a target."""
        return self.overlay_of(target).packs

    def form_of(self, target: Target) -> Canonicaliser:
        """Brings a target's objects to canonical form."""
        return Canonicaliser(self.catalogue_of(target), zone=target.zone, secrets=self.secrets_of(target.tenant))

    def change_windows_of(self, target: Target) -> "tuple[ChangeWindow, ...]":
        """Times in which changes of a target were announced."""
        return self.overlay_of(target).change_windows

    def source(self, target: Target) -> Source:
        """A target's source, its secrets resolved now, so that rotation needs no restart.

        Raises:
            SecretMissing: a reference leads nowhere.
        """
        asked = target.definition
        user, password = (
            resolve(each, where=f"{target.name} {name}") if each else None
            for name, each in (("user", asked.user), ("password", asked.password))
        )
        connection = Connection(
            source=asked.source, url=asked.url, utility=asked.utility,
            user=user.reveal() if user else "", password=password.reveal() if password else "",
            folder=Path(asked.folder) if asked.folder else None,
            requests_per_second=asked.requests_per_second, requests_at_once=asked.requests_at_once,
        )  # fmt: skip
        return open_source(
            connection, self.catalogue_of(target), patience=self.patience, ca_file=self.settings.ca_file,
            allowed_hosts=frozenset(self.settings.allowed_hosts),
        )  # fmt: skip

    def channel(self, name: str) -> "Channel | None":
        """The channel of this name; None where no Slack token is set, so that alerts wait."""
        if not self.settings.slack_token:
            return None
        from alerts.slack.sender import SlackChannel, web_client

        token = resolve(self.settings.slack_token, where="SMART360_SLACK_TOKEN").reveal()
        client = web_client(token, base_url=self.settings.slack_url)
        return SlackChannel(client, self.settings.slack_channels.get(name, name))
