"""Judge configuration files: read, compare, judge, report; the same functions as a sweep, and no store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from baselines.catalogue import Catalogue
from baselines.compare import Comparison, compare
from baselines.configuration import Configuration
from baselines.fingerprints import SecretKey
from baselines.reader import parse_configuration, read_file
from baselines.severity import Severity
from rules.findings import Finding, Kind
from rules.judge import Judgement, judge
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
    installation_key: bytes,
    *,
    at: datetime | None,
    now: datetime,
    fail_on: Severity,
) -> CheckReport:
    """Judge a configuration file, and hold it against another where one is named.

    Args:
        file: to be checked, or ``-``.
        baseline: to hold it against.
        at: the moment judged; None: the file's ``taken_at``, else ``now``.
        now: our clock.
        fail_on: the least severity that counts as wrong.

    Raises:
        InvalidConfiguration: a file that cannot be read.
    """
    data, name = read_file(file)
    configuration = parse_configuration(data, name, catalogue, SecretKey(installation_key, ""))
    base = None
    if baseline is not None:
        data, name = (data, name) if str(baseline) == str(file) else read_file(baseline)
        base = parse_configuration(data, name, catalogue, SecretKey(installation_key, ""))
    comparison = compare(base, configuration, catalogue)
    taken = configuration.about.get("taken_at")
    moment = at or (taken if isinstance(taken, datetime) else now)
    judgement = judge(
        configuration, comparison, packs, catalogue, at=moment, secrets=SecretKey(installation_key, ""), zone=UTC
    )
    return CheckReport(
        configuration, base, comparison, judgement, packs, fail_on, tuple(_warnings(configuration, base, now))
    )


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
