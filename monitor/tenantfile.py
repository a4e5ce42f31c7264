"""Tenant files: targets as people write them down, checked whole before anything is applied (contracts §6)."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from baselines import document
from baselines.catalogue import Catalogue
from baselines.errors import InvalidInput, Mistake, shown
from baselines.places import place_of
from baselines.reader import read_file
from monitor.errors import InvalidTenantFile
from monitor.schedule import BadSchedule, next_slot
from monitor.secrets import is_reference
from monitor.target import Definition
from rules.overlay import read_overlays
from rules.pack import Packs
from rules.profiles import Profile, profiles_of

_ID: Final = re.compile(r"[a-z0-9-]{1,40}")
_KNOWN: Final = (
    "source", "url", "utility", "user", "password", "folder", "time_zone", "schedule", "stage", "channel", "scope",
    "consumers", "consumption", "requests_per_second", "requests_at_once", "clock", "overlays",
)  # fmt: skip


def read_tenant_file(
    data: bytes, name: str, catalogue: Catalogue, *, allowed_hosts: frozenset[str], packs: Callable[[], Packs]
) -> list[tuple[str, str, Definition]]:
    """(tenant, environment, definition) of every environment in the file; its overlays are read beside it.

    Args:
        packs: whose rules overlays name; asked for only where there are overlays.

    Raises:
        InvalidTenantFile: with every mistake and its place; nothing is to be applied then.
    """
    try:
        tree = document.read_document(data, name, limits=document.SETTINGS_LIMITS)
    except InvalidInput as error:
        raise InvalidTenantFile(error.mistakes) from None
    reader = _Reader(name, tree, catalogue, allowed_hosts, packs)
    found = list(reader.targets())
    if reader.mistakes:
        raise InvalidTenantFile(list(dict.fromkeys(reader.mistakes)))  # a group's overlay is read for each environment
    return found


class _Reader:
    def __init__(
        self, name: str, tree: document.Node, catalogue: Catalogue, allowed_hosts: frozenset[str],
        packs: Callable[[], Packs],
    ) -> None:  # fmt: skip
        self.name, self.tree, self.catalogue, self.allowed_hosts = name, tree, catalogue, allowed_hosts
        self.packs = packs
        self.shared: list[tuple[str, str]] = []  #: overlays of all environments
        self.in_groups: tuple[str, ...] = ()
        self.mistakes: list[Mistake] = []

    def mistake(self, where: tuple[str | int, ...], code: str, what: str, mend: str) -> None:
        path = ".".join(str(part) for part in where)
        self.mistakes.append(Mistake(self.name, *place_of(self.tree, where), path, code, what, mend))

    def targets(self) -> Iterator[tuple[str, str, Definition]]:
        content = document.plain_value(self.tree)
        environments = content.get("environments") if isinstance(content, dict) else None
        if not isinstance(environments, dict) or not environments:
            self.mistake(
                (), "missing_key", "tenant and environments are needed.", "Write tenant: swa, environments: …."
            )
            return
        for key in content.keys() - {"tenant", "environments", "overlays", "groups"}:
            mend = "Known: tenant, groups, overlays, environments."
            self.mistake((key,), "unknown_key", f"Unknown key {shown(str(key))}.", mend)
        self.shared = self.overlays(("overlays",), content.get("overlays", []))
        self.groups(content.get("groups", []))
        tenant = str(content.get("tenant", ""))
        self.identity(("tenant",), tenant)
        for environment, raw in environments.items():
            where: tuple[str | int, ...] = ("environments", environment)
            self.identity(where, environment)
            if not isinstance(raw, dict):
                self.mistake(where, "not_a_mapping", "An environment is a mapping.", "Write {source: smart360, …}.")
                continue
            definition = self.definition(where, raw)
            if definition is not None:
                yield tenant, environment, definition

    def identity(self, where: tuple[str | int, ...], text: str) -> None:
        if not _ID.fullmatch(text):
            self.mistake(where, "bad_id", f"{shown(text)} is no id.", "Use a-z, 0-9 and -, at most 40.")

    def groups(self, named: Any) -> None:
        if not isinstance(named, list):
            self.mistake(("groups",), "bad_value", "groups is a list of names.", "Write [northwest].")
            return
        for index, each in enumerate(named):
            self.identity(("groups", index), str(each))
        self.in_groups = tuple(map(str, named))

    def definition(self, where: tuple[str | int, ...], raw: dict[str, Any]) -> Definition | None:
        before = len(self.mistakes)
        for key in raw.keys() - set(_KNOWN):
            near = next(iter(get_close_matches(key, _KNOWN, n=1)), "")
            mend = f"Did you mean {near}?" if near else f"Known: {', '.join(_KNOWN)}."
            self.mistake((*where, key), "unknown_key", f"Unknown key {shown(key)}.", mend)
        source = raw.get("source")
        if source not in ("smart360", "files"):
            self.mistake((*where, "source"), "bad_value", "source is smart360 or files.", "Write source: smart360.")
        zone = self.zone(where, raw.get("time_zone"))
        if source == "smart360":
            self.url(where, raw.get("url"))
            for key in ("utility", "user", "password"):
                if not raw.get(key):
                    self.mistake((*where, key), "missing_key", f"{key} is needed.", f"Add {key}.")
            for key in ("user", "password"):
                if raw.get(key) and not is_reference(str(raw[key])):
                    what = f"{key} stands here in clear, or is no reference."
                    self.mistake((*where, key), "secret_reference", what, "Write env:NAME or file:/path.")
        elif source == "files" and not raw.get("folder"):
            self.mistake((*where, "folder"), "missing_key", "folder is needed.", "Name the folder of the exports.")
        schedule = str(raw.get("schedule", "every 6h"))
        if zone is not None:
            try:
                from datetime import UTC, datetime

                next_slot(schedule, zone, datetime(2026, 1, 1, tzinfo=UTC))
            except BadSchedule as error:
                what = f"{shown(schedule)} is no schedule: {error}."
                self.mistake((*where, "schedule"), "bad_schedule", what, "Write every 6h, or 0 6 * * 1.")
        if raw.get("stage", "live") not in ("live", "onboarding"):
            self.mistake((*where, "stage"), "bad_value", "stage is live or onboarding.", "Write stage: live.")
        overlays = (*self.shared, *self.overlays((*where, "overlays"), raw.get("overlays", [])))
        overlay = read_overlays(overlays, self.catalogue, self.packs()) if overlays else None
        self.mistakes += overlay.mistakes if overlay is not None else ()
        self.scope(where, raw.get("scope", []), overlay.catalogue if overlay is not None else self.catalogue)
        rate, at_once = raw.get("requests_per_second", 10), raw.get("requests_at_once", 4)
        if not isinstance(at_once, int) or isinstance(at_once, bool) or not 1 <= at_once <= 64:
            self.mistake((*where, "requests_at_once"), "bad_value", "requests_at_once is 1 to 64.", "Write 4.")
        if isinstance(rate, bool) or not 0 < float(rate if _is_number(rate) else 0) <= 10_000:
            self.mistake((*where, "requests_per_second"), "bad_value", "requests_per_second is up to 10000.", "10.")
        consumers = raw.get("consumers", {})
        if not isinstance(consumers, dict) or not all(isinstance(n, int) for n in consumers.values()):
            what = "consumers maps categories to counts."
            self.mistake((*where, "consumers"), "bad_value", what, "Write {Residential: 45000}.")
        consumption: tuple[Profile, ...] = ()
        try:
            consumption = profiles_of(raw.get("consumption", []))
        except ValueError as error:
            what, mend = f"consumption cannot be read: {error}.", "See docs/operations.md, Money."
            self.mistake((*where, "consumption"), "bad_value", what, mend)
        if len(self.mistakes) > before:
            return None
        return Definition(
            source=str(source), time_zone=str(raw["time_zone"]), schedule=schedule, url=str(raw.get("url") or ""),
            utility=str(raw.get("utility") or ""), user=str(raw.get("user") or ""),
            password=str(raw.get("password") or ""), folder=str(raw.get("folder") or ""),
            stage=str(raw.get("stage", "live")), channel=str(raw.get("channel") or ""),
            scope=tuple(raw.get("scope", [])), consumers=consumers, consumption=consumption,
            requests_per_second=float(rate), requests_at_once=at_once, clock=str(raw.get("clock") or ""),
            overlays=overlays, groups=self.in_groups,
        )  # fmt: skip

    def overlays(self, where: tuple[str | int, ...], named: Any) -> list[tuple[str, str]]:
        """Name and text of each overlay; the text goes with the target, so that the service needs no file."""
        if not isinstance(named, list):
            self.mistake(where, "bad_value", "overlays is a list of files.", "Write [group.yaml, swa.yaml].")
            return []
        found = []
        for index, each in enumerate(named):
            try:
                data, _ = read_file(Path(self.name).parent / str(each), document.SETTINGS_LIMITS)
                found.append((str(each), data.decode("utf-8-sig")))
            except InvalidInput as error:
                self.mistake((*where, index), error.mistakes[0].code, f"{shown(str(each))}: {error.what}", error.mend)
            except UnicodeDecodeError:
                self.mistake((*where, index), "encoding", f"{shown(str(each))} is not UTF-8.", "Save it as UTF-8.")
        return found

    def zone(self, where: tuple[str | int, ...], zone: Any) -> ZoneInfo | None:
        try:
            return ZoneInfo(str(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            near = next(iter(get_close_matches(str(zone), available_timezones(), n=1)), "America/Los_Angeles")
            what = f"{shown(str(zone))} is no time zone."
            self.mistake((*where, "time_zone"), "bad_schedule", what, f"Did you mean {near}?")
            return None

    def url(self, where: tuple[str | int, ...], url: Any) -> None:
        place = (*where, "url")
        parts = urlsplit(str(url or ""))
        host = parts.hostname or ""
        mend = "Write https://host, or name the host in SMART360_ALLOWED_HOSTS if it is private."
        if parts.scheme not in ("https", "http") or not host or parts.username or parts.password:
            self.mistake(place, "address_refused", "This is no https address without a user in it.", mend)
        elif ".." in parts.path or parts.path.startswith("//"):
            self.mistake(place, "bad_path", "The path leads elsewhere.", "Write the address of the API only.")
        elif host not in self.allowed_hosts and (parts.scheme != "https" or _is_private(host)):
            self.mistake(place, "address_refused", f"{shown(host)} may not be asked.", mend)

    def scope(self, where: tuple[str | int, ...], scope: Any, catalogue: Catalogue) -> None:
        known = [*catalogue.types, *(module.name for module in catalogue.modules)]
        if not isinstance(scope, list):
            self.mistake((*where, "scope"), "bad_value", "scope is a list of modules or types.", "Write [billing].")
            return
        for index, each in enumerate(scope):
            if each not in known:
                near = next(iter(get_close_matches(str(each), known, n=1)), "")
                mend = f"Did you mean {near}?" if near else "Name a module or a resource type."
                self.mistake((*where, "scope", index), "unknown_name", f"No module or type {shown(str(each))}.", mend)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_private(host: str) -> bool:
    """True for an address, in any spelling, that is not a public one; names are checked when connecting."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        pass
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    # 0x7f000001, 2130706433, 127.1: what the system's resolver takes for an address
    return re.fullmatch(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+)){0,3}", host, re.I) is not None
