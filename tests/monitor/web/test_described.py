"""T8: schemathesis over the API's own OpenAPI, against the service: no 5xx, and every answer fits what is described."""

from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from monitor.access import RIGHTS, Actor, Role
from monitor.approval import propose_baseline
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.waivers import ask_waiver
from monitor.web.answers import described
from monitor.web.api import create_api
from rules.findings import Kind
from rules.fleet import Cause
from tests.monitor.web.test_writes import NOW, drifted, served

HELD = [CHECKS.get_one("not_a_server_error"), content_type_conformance, response_schema_conformance,
        status_code_conformance]  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The service with data."""
    deps = drifted(tmp_path_factory.mktemp("described"))
    address, tokens, stop = served(deps)
    with deps.store.write() as unit:
        cause = Cause(Kind.DRIFT, "", "changed", "service_plan", "rates[].rate")
        _, known = unit.findings.open()[0]
        event = unit.fleet.make(cause, "operators", NOW)
        unit.fleet.appeared({known.id: cause}, NOW)
        unit.fleet.join(event, [known.id])
    nisha = Actor("nisha", {"swa": RIGHTS[Role.ONBOARDING_LEAD]})
    ask_waiver(known.number, "the council decides in January", NOW + timedelta(30), nisha, deps)
    with deps.store.read() as unit:
        target = unit.targets.named("swa/production")
    propose_baseline(target, nisha, deps)
    yield address, deps, tokens
    stop()
    deps.store.close()


API = schemathesis.openapi.from_dict(described("1", create_api(Deps(Settings())).routes))
OPERATIONS = {each.ok().label: each.ok() for each in API.get_all_operations()}


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("times", [20, pytest.param(1_000, marks=pytest.mark.long)])
def test_every_answer_fits_what_is_described_t8(service, label, times):
    """Parts of paths are often those of what is there, so that more than refusals is seen."""
    address, deps, tokens = service
    with deps.store.read() as unit:
        number = unit.findings.open()[0][1].number
    real = {"tenant": "swa", "environment": "production", "number": number, "proposal": 2, "waiver": 1, "event": 1,
            "name": "vera"}  # fmt: skip
    asks = tokens["ada" if "people" in label or "/tokens" in label else "nisha"]
    answered = set()

    @settings(max_examples=times, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=OPERATIONS[label].as_strategy(), is_real=strategies.booleans())
    def holds(case, is_real):
        if is_real:
            case.path_parameters = {name: real[name] for name in case.path_parameters}
        response = case.call(base_url=address, headers=asks)
        answered.add(response.status_code)
        case.validate_response(response, checks=HELD)

    holds()
    assert answered


def test_every_field_is_described_by_type_and_every_write_by_an_example():
    schemas = API.raw_schema["components"]["schemas"]
    assert set(schemas["FindingItem"]["required"]) == set(schemas["FindingItem"]["properties"])
    for name in ("FindingInFull", "TargetInFull", "StepItem", "ReviewInFull", "WaiverItem", "Problem"):
        assert all(
            each != {} or field in ("value", "old", "new") for field, each in schemas[name]["properties"].items()
        )
    described = [each["requestBody"] for methods in API.raw_schema["paths"].values()
                 for each in methods.values() if "requestBody" in each]  # fmt: skip
    bodies = {each["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] for each in described}
    assert [name for name in sorted(bodies) if "examples" not in str(schemas[name])] == ["Nothing"]
