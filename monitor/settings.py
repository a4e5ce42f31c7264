"""Settings: read once, passed down; nobody reads the environment elsewhere."""

import os
import tomllib
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from baselines.errors import InvalidInput, Mistake
from monitor.access import Grant, read_grants

DEFAULT_FILE: Final = Path("/etc/smart360/monitor.toml")


class InvalidSettings(InvalidInput):
    """Settings that cannot be used; nothing was started."""

    code = "invalid_settings"


def state_folder() -> Path:
    """Where keys and the embedded store are kept unless settings say otherwise."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "smart360-monitor"


class Settings(BaseSettings):
    """Everything that can be set: ``SMART360_<NAME>``, then the TOML file."""

    model_config = SettingsConfigDict(env_prefix="SMART360_", extra="forbid", frozen=True)

    database_url: str = Field(default="", description="SQLAlchemy URL of the store; empty: SQLite in the state folder.")
    state_folder: Path = Field(default_factory=state_folder, description="Keys and the embedded store.")
    fingerprint_key: str = Field(
        default="", description="Reference (env:, file:) of the key for fingerprints of secrets; empty: one is made."
    )
    audit_key: str = Field(default="", description="Reference of the key that signs the audit log; empty: one is made.")
    session_key: str = Field(
        default="", description="Reference of the key that sessions and API tokens rest on; empty: one is made."
    )
    sign_in: Literal["needed", "optional"] = Field(
        default="needed",
        description="optional: who is not signed in may look; on loopback only. Where nobody can sign in it is so too.",
    )
    proxies: list[str] = Field(
        default_factory=lambda: ["127.0.0.1"],
        description="Addresses of proxies that are believed whose request they pass on; as JSON.",
    )
    local_accounts: bool = Field(default=False, description="People may sign in with a password kept here.")
    oidc_issuer: str = Field(default="", description="Issuer for single sign-on (OpenID Connect); empty: none.")
    oidc_client_id: str = Field(default="", description="This service's name at the issuer.")
    oidc_client_secret: str = Field(default="", description="Reference of the secret it has there; empty: PKCE alone.")
    oidc_groups: dict[str, str] = Field(
        default_factory=dict, description='Group of the issuer → roles, as JSON: {"leads": "onboarding lead on *"}.'
    )
    oidc_groups_claim: str = Field(default="groups", description="Claim of the ID token that names a person's groups.")
    audit_channel: str = Field(
        default="",
        description="Channel told the head of the audit log, hourly and at every approval; empty: none.",
    )
    audit_anchor_file: Path | None = Field(
        default=None, description="File that the head of the audit log is added to; put it on another volume."
    )
    slack_token: str = Field(default="", description="Reference of Slack's bot token; empty: nothing is sent.")
    slack_url: str = Field(default="https://slack.com/api/", description="Base URL of Slack's API.")
    slack_channels: dict[str, str] = Field(
        default_factory=dict, description="Channel name of tenant files → Slack channel id, as JSON."
    )
    default_channel: str = Field(default="operators", description="Channel of targets that name none.")
    fleet_channel: str = Field(
        default="", description="Channel of fleet events, one cause on many targets; empty: default_channel."
    )
    public_url: str = Field(default="", description="Address under which people open the pages; for links in messages.")
    packs: list[Path] = Field(default_factory=list, description="Further rule packs, beside the shipped ones; as JSON.")
    allowed_hosts: list[str] = Field(
        default_factory=list, description="Hosts of sources that may have private addresses; as JSON."
    )
    ca_file: Path | None = Field(default=None, description="Certificates to check sources with, beside the usual.")
    four_eyes: bool = Field(default=True, description="A baseline is approved by another person than its proposer.")
    sweeps_at_once: int = Field(default=4, ge=1, le=64, description="Sweeps running at once in this process.")
    tick_seconds: float = Field(default=5, gt=0, le=60, description="How often due sweeps and alerts are looked for.")
    lease_seconds: float = Field(
        default=30, ge=1, le=600, description="A sweep or delivery whose worker is silent for so long is taken over."
    )
    precision_floor: float = Field(
        default=0.8, ge=0, le=1, description="A rule with a smaller part of useful findings is proposed for review."
    )
    spread_seconds: int = Field(default=600, ge=0, le=3600, description="Missed sweeps are spread over this.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env file is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _File(settings_cls)

    @field_validator("oidc_groups")
    @classmethod
    def _groups_can_be_read(cls, groups: dict[str, str]) -> dict[str, str]:
        for grants in groups.values():
            read_grants(grants)
        return groups

    @model_validator(mode="after")
    def _issuer_is_usable(self) -> "Settings":
        if self.oidc_issuer:
            issuer = urlsplit(self.oidc_issuer)
            if issuer.scheme != "https" and issuer.hostname not in ("localhost", "127.0.0.1"):
                raise ValueError("oidc_issuer is an https address")
            if not self.oidc_client_id:
                raise ValueError("oidc_issuer needs oidc_client_id")
        return self

    @property
    def can_sign_in(self) -> bool:
        """True if there is a way for people to sign in."""
        return bool(self.oidc_issuer or self.local_accounts)

    @property
    def visitors_may_look(self) -> bool:
        """True if who is not signed in may look, as far as settings go; the service must listen on loopback too."""
        return self.sign_in == "optional" or not self.can_sign_in

    def grants_of(self, groups: Iterable[str]) -> tuple[Grant, ...]:
        """What membership in the issuer's groups gives."""
        known = [self.oidc_groups[each] for each in groups if each in self.oidc_groups]
        return tuple(grant for grants in known for grant in read_grants(grants))

    @property
    def lease(self) -> timedelta:
        """How long a silent worker is believed to live."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def store_url(self) -> str:
        """Of the store that is used."""
        return self.database_url or f"sqlite:///{self.state_folder / 'monitor.db'}"


def _file() -> Path:
    return Path(os.environ.get("SMART360_CONFIG") or DEFAULT_FILE)


class _File(PydanticBaseSettingsSource):
    """The TOML file named by SMART360_CONFIG, else the usual one where it exists."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = _file()
        if not path.is_file():
            if os.environ.get("SMART360_CONFIG"):
                raise _refused(str(path), "not_found", "No such file.", "Correct SMART360_CONFIG.")
            return {}
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise _refused(str(path), "syntax", f"{error}.", "Mend the TOML.") from None


def _refused(file: str, code: str, what: str, mend: str) -> InvalidSettings:
    return InvalidSettings([Mistake(file, 0, 0, "", code, what, mend)])


_BESIDE: Final = frozenset(("SMART360_CONFIG", "SMART360_SERVER", "SMART360_TOKEN", "SMART360_TOKEN_FILE"))


def read_settings(**given: Any) -> Settings:
    """The settings of this run; ``given`` (from the command line) comes first.

    Raises:
        InvalidSettings: every mistake at once, unknown variables included.
    """
    from difflib import get_close_matches

    known = {f"SMART360_{name.upper()}" for name in Settings.model_fields}
    mistakes = []
    for name in sorted(os.environ):
        # Secrets are named by the tenant files' authors; only names near a setting are taken for a slip.
        near = get_close_matches(name, known, n=1, cutoff=0.9)
        if name.startswith("SMART360_") and name not in known | _BESIDE and near:
            mend = f"Did you mean {near[0]}?"
            mistakes.append(Mistake(name, 0, 0, "", "unknown_key", "There is no such setting.", mend))
    try:
        settings = Settings(**given)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            name = ".".join(map(str, item["loc"]))
            mend = "See docs/operations.md."
            mistakes.append(Mistake(f"SMART360_{name.upper()}", 0, 0, "", "bad_value", f"{item['msg']}.", mend))
        raise InvalidSettings(mistakes) from None
    if mistakes:
        raise InvalidSettings(mistakes)
    return settings
