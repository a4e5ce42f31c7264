"""Overlays of a tenant file: read beside it, the environment's last, kept as text."""

from datetime import UTC, datetime

import pytest
import yaml

from monitor.deps import Deps
from monitor.errors import InvalidTenantFile
from monitor.settings import Settings
from monitor.target import Target
from monitor.tenantfile import read_tenant_file
from rules.pack import shipped_packs
from tests.support import CATALOGUE

PRODUCTION = {"source": "files", "folder": "/exports", "time_zone": "America/Los_Angeles"}
WINDOW = {"starts": "2026-12-01T22:00:00-08:00", "ends": "2026-12-02T04:00:00-08:00", "ticket": "CHG-1",
          "reason": "rates", "owner": "olga"}  # fmt: skip
THING = {"module": "billing", "title": "Thing", "key": ["code"], "fields": {"code": {"type": "text", "required": True}}}


def applied(folder, shared=(), own=(), **files):
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"overlay": name, **content}))
    environments = {
        "production": {**PRODUCTION, "overlays": list(own), "scope": ["thing", "tax"]}, "staging": PRODUCTION,
    }  # fmt: skip
    tenant = {"tenant": "swa", "overlays": list(shared), "environments": environments}
    found = read_tenant_file(
        yaml.safe_dump(tenant).encode(), str(folder / "swa.yaml"), CATALOGUE, allowed_hosts=frozenset(),
        packs=shipped_packs,
    )  # fmt: skip
    return {environment: definition for _, environment, definition in found}


def test_the_environments_own_overlay_comes_last_and_its_types_are_in_scope(tmp_path):
    found = applied(
        tmp_path, ["group.yaml"], ["ours.yaml"], group={"severities": {"rules": {"billing.tax-in-range": "low"}}},
        ours={"types": {"thing": THING}, "severities": {"rules": {"billing.tax-in-range": "info"}},
             "change_windows": [WINDOW]},
    )  # fmt: skip
    assert [name for name, _ in found["production"].overlays] == ["group.yaml", "ours.yaml"]
    assert [name for name, _ in found["staging"].overlays] == ["group.yaml"]
    deps = Deps(Settings())
    production, staging = (Target(1, "swa", name, found[name]) for name in ("production", "staging"))
    assert deps.packs_of(production).by_id["billing.tax-in-range"].severity == "info"
    assert deps.packs_of(staging).by_id["billing.tax-in-range"].severity == "low"
    assert production.scope(deps.catalogue_of(production)) == ("tax", "thing")
    assert deps.catalogue_of(staging) is deps.catalogue
    assert deps.overlay_of(production) is deps.overlay_of(Target(2, "swa", "other", found["production"]))
    (window,) = deps.change_windows_of(production)
    assert (window.starts, window.ticket) == (datetime(2026, 12, 2, 6, tzinfo=UTC), "CHG-1")
    assert deps.change_windows_of(staging) == ()
    assert deps.source(production).has("thing")
    assert not deps.source(staging).has("thing")


def test_a_mistake_of_a_shared_overlay_is_told_once(tmp_path):
    with pytest.raises(InvalidTenantFile) as refused:
        applied(tmp_path, ["group.yaml"], own=["nowhere.yaml"], group={"parameters": {"billing.no-such": {}}})
    told = [(each.file.rpartition("/")[2], each.path) for each in refused.value.mistakes]
    assert sorted(told) == [
        ("group.yaml", "parameters.billing.no-such"),
        ("swa.yaml", "environments.production.overlays.0"),
        ("swa.yaml", "environments.production.scope.0"),
    ]
