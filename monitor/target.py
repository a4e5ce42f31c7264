"""A target as it is registered: where its source is, when it is swept, who hears of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from baselines.catalogue import Catalogue
from rules.profiles import Profile


@dataclass(frozen=True, slots=True)
class Definition:
    """What the tenant file says of one environment; secrets only by reference."""

    source: str  #: smart360 or files
    time_zone: str
    schedule: str  #: ``every 6h`` or five crontab fields in ``time_zone``
    url: str = ""
    utility: str = ""
    user: str = ""
    password: str = ""
    folder: str = ""
    stage: str = "live"
    channel: str = ""
    scope: tuple[str, ...] = ()
    consumers: Mapping[str, int] = field(default_factory=dict)
    consumption: tuple[Profile, ...] = ()  #: what they typically use, before the shipped profiles
    requests_per_second: float = 10
    requests_at_once: int = 4
    clock: str = ""  #: ``source`` takes today from the source's Date header
    overlays: tuple[tuple[str, str], ...] = ()  #: name and text of each, the last one wins
    groups: tuple[str, ...] = ()  #: of tenants, for grants

    def public(self) -> dict[str, Any]:
        """As shown to people: references, never secrets (there are none in it)."""
        from dataclasses import asdict

        told = {**asdict(self), "overlays": [name for name, _ in self.overlays]}
        return {name: value for name, value in told.items() if value not in ("", (), {}, [])}


@dataclass(frozen=True, slots=True)
class Target:
    """One watched environment."""

    id: int
    tenant: str
    environment: str
    definition: Definition
    title: str = ""
    next_run_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str = ""
    paused_reason: str = ""
    removed_at: datetime | None = None

    @property
    def name(self) -> str:
        """``tenant/environment``."""
        return f"{self.tenant}/{self.environment}"

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its schedule and pages."""
        return ZoneInfo(self.definition.time_zone)

    def scope(self, catalogue: Catalogue) -> tuple[str, ...]:
        """Resource types to be read: those named, or of the modules named, else all."""
        if not self.definition.scope:
            return tuple(catalogue.types)
        named = set(self.definition.scope)
        return tuple(name for name, kind in catalogue.types.items() if name in named or kind.module in named)
