"""What nobody guards of a file or a target: worked out by a command, kept for its page."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from baselines.canonical import renewed
from monitor.check import read_files
from monitor.deps import Deps
from monitor.errors import NotFound
from rules.mutations import MutationKind, mutations
from rules.unguarded import FieldCount, Guard, Seen, Sight, counted_by_field

Progress = Callable[[Iterable[Sight], int], Iterator[Sight]]


def unguarded(
    name: str,
    deps: Deps,
    installation_key: Callable[[], bytes],
    *,
    types: Sequence[str] | None,
    most: int,
    progress: Progress,
) -> dict[str, Any]:
    """The report on a configuration file, or on the baseline of a target, else its newest snapshot.

    Args:
        name: of a file, or ``tenant/environment``.
        deps: catalogue and packs; the store where it is a target.
        installation_key: asked for when a secret is met in a file.
        types: only these resource types; None: all.
        most: mutations looked at, spread evenly over all; 0: all.
        progress: passes sights on and tells how many there are.

    Returns:
        ``smart360-monitor/coverage/1`` without its format.

    Raises:
        InvalidConfiguration: a file that cannot be read.
        UnknownTarget, NotFound: no such target, or nothing was read of it yet.
    """
    about: dict[str, Any] = {"configuration": name}
    stage, catalogue, packs = "live", deps.catalogue, deps.packs
    if Path(name).exists() or name == "-" or name.count("/") != 1 or name.endswith((".yaml", ".yml", ".json")):
        configuration, _, secrets = read_files(name, None, deps.catalogue, installation_key)
        taken = configuration.about.get("taken_at")
        at = taken if isinstance(taken, datetime) else deps.clock.now()
        zone: Any = UTC
    else:
        with deps.store.read() as unit:
            target = unit.targets.named(name)
            base, snapshot = unit.baselines.current(target), unit.snapshots.last(target)
            found = unit.baselines.approved(target) or (snapshot.configuration if snapshot is not None else None)
            if found is None:
                raise NotFound("nothing was read of it yet.", where=name, mend=f"smart360-monitor sweep {name} --wait")
            configuration = renewed(found, deps.form_of(target))
        at, zone, secrets = deps.clock.now(), target.zone, deps.secrets_of(target.tenant)
        stage = target.definition.stage
        catalogue, packs = deps.catalogue_of(target), deps.packs_of(target)
        about |= {"baseline": base.version if base is not None else None}
    guard = Guard(configuration, packs, catalogue, at=at, secrets=secrets, zone=zone, stage=stage)
    every = list(mutations(configuration, catalogue, secrets, types))
    count = min(most or len(every), len(every))
    some = [every[place * len(every) // count] for place in range(count)]
    fields = counted_by_field(progress(guard.sights(some), len(some)), catalogue)
    return {
        **about, "digest": configuration.digest, "packs": packs.digest, "at": at.astimezone(UTC).isoformat(),
        "mutations": len(every), "looked_at": len(some),
        "kinds": [_kind(kind, fields) for kind in MutationKind], "fields": [_field(each) for each in fields],
        "summary": _counted(each for each in fields if each.must_be_seen),
    }  # fmt: skip


def _counted(fields: Iterable[FieldCount]) -> dict[str, Any]:
    seen: Counter[Seen] = sum((each.seen for each in fields), Counter())
    share = round(seen[Seen.RULE] / seen.total(), 4) if seen else None
    return {"total": seen.total(), **{each.value: seen[each] for each in Seen}, "share": share}


def _kind(kind: MutationKind, fields: Iterable[FieldCount]) -> dict[str, Any]:
    mine = [each for each in fields if each.kind is kind]
    return {
        "kind": kind.value, "must_be_seen": _counted(each for each in mine if each.must_be_seen),
        "others": _counted(each for each in mine if not each.must_be_seen),
    }  # fmt: skip


def _field(each: FieldCount) -> dict[str, Any]:
    return {
        "module": each.module, "resource_type": each.resource_type, "field": each.field_path, "kind": each.kind.value,
        "severity": each.severity.value, "required": each.is_required, "must_be_seen": each.must_be_seen,
        **_counted([each]), "rules": sorted(each.rules), "example": each.example,
    }  # fmt: skip


def keep(report: dict[str, Any], deps: Deps) -> None:
    """Keep a report for the page of its target, in the place of the last one."""
    with deps.store.write() as unit:
        unit.targets.keep_coverage(unit.targets.named(report["configuration"]), report)
