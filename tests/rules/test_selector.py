"""Patterns that name findings beforehand."""

import pytest

from baselines.severity import Severity
from rules.findings import Finding, Kind
from rules.selector import Selector

FINDING = Finding(
    kind=Kind.DRIFT, rule="", severity=Severity.HIGH, module="billing", resource_type="service_plan", key="RES-VAR",
    path="rates[up_to=10].rate", title="", message="",
)  # fmt: skip


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        (Selector(), True),
        (Selector(resource_type="service_plan"), True),
        (Selector(resource_type="service"), False),
        (Selector(key="RES-*"), True),
        (Selector(key="*-VAR", path="rates[*].rate"), True),
        (Selector(path="rates[up_to=1?].rate"), False),
        (Selector(path="rates[up_to=10].rate"), True),
        (Selector(key="RES-VAR", path="rates"), False),
        (Selector(kind="rule"), False),
        (Selector(rule="*"), True),
        (Selector(rule="billing.*"), False),
    ],
)
def test_a_selector_means_a_finding_where_every_part_fits(selector, fits):
    assert selector.matches(FINDING) is fits


def test_a_star_also_stands_for_a_line_break():
    assert Selector(key="A*C").matches(Finding(Kind.DRIFT, "", Severity.LOW, "", "x", "A\nC", "", "", ""))
