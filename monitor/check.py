"""Judge configuration files: read, compare, judge, report; the same functions as a sweep, and no store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from baselines import document
from baselines.catalogue import Catalogue
from baselines.compare import Comparison, compare
from baselines.configuration import Configuration
from baselines.errors import InvalidInput
from baselines.fingerprints import SecretKey
from baselines.reader import ABOUT, parse_configuration, read_file
from baselines.severity import Severity
from rules.findings import Finding, Kind
from rules.judge import Judgement, judge, zone_of
from rules.overlay import Overlay
from rules.pack import Packs


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is wrong with a file, as of one moment."""

    configuration: Configuration
    baseline: Configuration | None
    comparison: Comparison
    judgement: Judgement
    packs: Packs
    fail_on: Severity
    warnings: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Drift and rule findings; what could not be checked stands in ``judgement.unchecked``."""
        return tuple(each for each in self.judgement.findings if each.kind is not Kind.COVERAGE)

    @property
    def exit_code(self) -> int:
        """1 if something at least as bad as ``fail_on`` is wrong."""
        return 1 if any(each.severity.at_least(self.fail_on) for each in self.findings) else 0


def check_files(
    file: Path | str,
    baseline: Path | str | None,
    packs: Packs,
    catalogue: Catalogue,
    installation_key: Callable[[], bytes],
    *,
    at: datetime | None,
    now: datetime,
    fail_on: Severity,
    overlay: Overlay | None = None,
) -> CheckReport:
    """Judge a configuration file, and hold it against another where one is named.

    Args:
        file: to be checked, or ``-``.
        baseline: to hold it against.
        packs: the rules.
        catalogue: of all of them.
        installation_key: asked for when a secret is met.
        at: the moment judged, without an offset in the utility's time zone; None: the file's
            ``taken_at``, else ``now``.
        now: our clock.
        fail_on: the least severity that counts as wrong.
        overlay: whose exemptions apply; ``packs`` and ``catalogue`` are under it already.

    Raises:
        InvalidConfiguration: a file that cannot be read.
    """
    configuration, base, secrets = read_files(file, baseline, catalogue, installation_key)
    comparison = compare(base, configuration, catalogue)
    taken = configuration.about.get("taken_at")
    moment = at or (taken if isinstance(taken, datetime) else now)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(configuration, UTC))
    judgement = judge(
        configuration, comparison, packs, catalogue, at=moment, secrets=secrets, zone=UTC, base=base,
        overlay=overlay,
    )  # fmt: skip
    return CheckReport(
        configuration, base, comparison, judgement, packs, fail_on, tuple(_warnings(configuration, base, now))
    )


def read_files(
    file: Path | str, other: Path | str | None, catalogue: Catalogue, installation_key: Callable[[], bytes]
) -> tuple[Configuration, Configuration | None, SecretKey]:
    """One file or two, their secrets as fingerprints of one key: of the tenant that the first names, else the other.

    So files with secrets in clear can be compared with each other, and with snapshots exported here.

    Raises:
        InvalidConfiguration: a file that cannot be read.
    """
    read = [read_file(file)]
    if other is not None:
        read.append(read[0] if str(other) == str(file) else read_file(other))
    secrets = SecretKey(installation_key, next((named for each in read if (named := _tenant(*each))), ""))
    first, *rest = (parse_configuration(data, name, catalogue, secrets) for data, name in read)
    return first, next(iter(rest), None), secrets


def _tenant(data: bytes, name: str) -> str:
    """The tenant a file names, "" for none; it must be known before the first secret is read."""
    if ABOUT.encode() not in data and not name.endswith(".zst"):
        return ""
    try:
        tree = document.read_document(data, name, take=lambda *_: True, mistakes=[])
    except InvalidInput:
        return ""  # told when it is read in earnest
    about = tree.items.get(ABOUT) if isinstance(tree, document.Mapping) else None
    tenant = about.items.get("tenant") if isinstance(about, document.Mapping) else None
    return tenant.text if isinstance(tenant, document.Scalar) and not tenant.is_null else ""


def _warnings(configuration: Configuration, base: Configuration | None, now: datetime) -> Sequence[str]:
    told = []
    for side in (configuration, base):
        taken = side.about.get("taken_at") if side is not None else None
        if side is not None and isinstance(taken, datetime) and taken > now:
            told.append(f"{side.file}: taken_at {taken:%Y-%m-%d %H:%M} UTC is in the future; it is judged as of then.")
    if base is not None:
        one, other = (_named(side) for side in (configuration, base))
        if one and other and one != other:
            told.append(f"{base.file} is of {other}, {configuration.file} of {one}.")
    return told


def _named(configuration: Configuration) -> str:
    parts = [configuration.about.get(part) for part in ("tenant", "environment")]
    return "/".join(map(str, parts)) if all(parts) else ""
