"""The JSON Schemas say what the readers say: each shipped file fits its own, each mistake of structure fits none."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from baselines import document
from baselines.catalogue import FieldType, read_catalogue
from baselines.errors import InvalidInput
from baselines.reader import parse_configuration
from baselines.writer import write_configuration
from docs.schemas import schemas
from monitor.cli import run
from monitor.source.manifest import read_manifest
from monitor.tenantfile import read_tenant_file
from rules.pack import load_packs, shipped_packs
from tests.support import CATALOGUE, SECRETS, configuration, swa, swa_bytes

ROOT = Path(__file__).parents[2]
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in schemas().items()}
FIRST = "# yaml-language-server: $schema="
NAMED = [
    path
    for folder in ("baselines", "rules", "monitor", "tests")
    for path in sorted((ROOT / folder).rglob("*.yaml"))
    if path.read_text().startswith(FIRST)
]


def value(written: str | bytes) -> Any:
    """A document as plain values, as our readers and editors see it."""
    return document.plain_value(
        document.read_document(written.encode() if isinstance(written, str) else written, "t.yaml")
    )


@pytest.mark.parametrize("name", sorted(VALIDATORS))
def test_each_schema_is_one(name):
    Draft202012Validator.check_schema(schemas()[name])


@pytest.mark.parametrize("path", NAMED, ids=lambda each: str(each.relative_to(ROOT)))
def test_a_shipped_file_fits_the_schema_in_its_first_line(path):
    schema = path.parent / path.read_text().splitlines()[0].removeprefix(FIRST)
    validator = Draft202012Validator(json.loads(schema.read_text()))
    assert [error.message for error in validator.iter_errors(value(path.read_bytes()))] == []


def test_every_shipped_file_of_these_kinds_names_its_schema():
    expected = {
        "baselines/resource_types": "catalogue",
        "rules/packs": "pack",
        "monitor/sandbox/tenants": "configuration",
        "monitor/source": "manifest",
    }
    for folder, name in expected.items():
        files = list((ROOT / folder).rglob("*.yaml"))
        assert files
        for path in files:
            named = path.parent / path.read_text().splitlines()[0].removeprefix(FIRST)
            assert named.resolve() == ROOT / "monitor" / "schemas" / f"{name}.schema.json"


def test_a_written_configuration_names_its_schema_and_fits_it():
    written = write_configuration(configuration(swa()), CATALOGUE)
    assert written.decode().splitlines()[0] == f"{FIRST}configuration.schema.json"
    assert VALIDATORS["configuration"].is_valid(value(written))


def test_the_command_lists_and_prints_them(capsys):
    assert run(["schema"]) == 0
    assert capsys.readouterr().out.split() == sorted(VALIDATORS)
    assert run(["schema", "pack"]) == 0
    assert json.loads(capsys.readouterr().out) == schemas()["pack"]


def of_configuration(data: bytes) -> None:
    parse_configuration(data, "t.yaml", CATALOGUE, SECRETS)


def of_tenant(data: bytes) -> None:
    read_tenant_file(data, "t.yaml", CATALOGUE, allowed_hosts=frozenset(), packs=shipped_packs)


CATALOGUE_FILE = (ROOT / "baselines/resource_types/organization.yaml").read_bytes()
MANIFEST = (ROOT / "monitor/source/smart360.yaml").read_bytes()
TENANT = b"""tenant: swa
environments:
  production:
    {source: smart360, url: "https://swa.smart360.example", utility: u, user: "env:U", password: "file:/p",
     time_zone: America/Los_Angeles, schedule: every 6h, stage: live, requests_per_second: 10}
"""
PACK = b"""pack: mine
version: 1.0.0
rules:
  - id: billing.tax-named
    title: Taxes are named
    severity: high
    required: true
    for: tax
    expect: has(self.name)
    message: "Tax {self.code} has no name."
    why: It is on the bill.
    fix: Name it.
    tests:
      - {name: named, given: {tax: [{code: A, name: B}]}, finds: []}
      - {name: bare, given: {tax: [{code: A}]}, finds: [{key: A}]}
"""


def read(kind: str, data: bytes, tmp_path: Path) -> None:
    """Read a file of a kind as the product does."""
    if kind == "catalogue":
        read_catalogue({"t.yaml": data})
    elif kind == "manifest":
        read_manifest(data, "t.yaml", CATALOGUE)
    elif kind == "pack":
        (tmp_path / "t.yaml").write_bytes(data)
        load_packs([tmp_path / "t.yaml"], CATALOGUE)
    else:
        {"configuration": of_configuration, "tenant": of_tenant}[kind](data)


WHOLE = {
    "configuration": swa_bytes(), "catalogue": CATALOGUE_FILE, "pack": PACK, "manifest": MANIFEST, "tenant": TENANT,
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_what_the_mistakes_are_made_in_is_right(kind, tmp_path):
    if kind != "catalogue":  # one module refers to others; all of them are read in tests/baselines
        read(kind, WHOLE[kind], tmp_path)
    assert VALIDATORS[kind].is_valid(value(WHOLE[kind]))


ABOUT = next(line for line in swa_bytes().splitlines() if line.startswith(b"_about"))
#: kind, what stands in the right file, what stands there by mistake
MISTAKES = [
    ("configuration", b"zone:\n", b"zone: north\nother:\n"),
    ("configuration", b"zone:\n", b"zone: [north]\nother:\n"),
    ("configuration", b"{code: USD, name", b"{name"),
    ("configuration", b"{code: USD", b"{code: null"),
    ("configuration", b"decimal_places: 2", b"decimal_places: two"),
    ("configuration", b"decimal_places: 2", b"decimal_places: 2.5"),
    ("configuration", b"rate: '14500.00'", b"rate: '14,500'"),
    ("configuration", b"rate: '14500.00'", b"rate: ''"),
    ("configuration", b"is_active: true", b"is_active: maybe"),
    ("configuration", b"start_date: '2026-03-01'", b"start_date: 1 March"),
    ("configuration", ABOUT, b"_about: swa"),
    ("configuration", b"taken_at: '2026-11-20T06:00:00-08:00'", b"taken_at: soon"),
    ("catalogue", b"module: organization\n", b""),
    ("catalogue", b"order: 1\n", b""),
    ("catalogue", b"    title: Currency\n", b""),
    ("catalogue", b"    key: [code]\n", b""),
    ("catalogue", b"    key: [code]\n", b"    keys: [code]\n"),
    ("catalogue", b"type: text", b"type: txt"),
    ("catalogue", b"type: text", b"typ: text"),
    ("catalogue", b"type: text", b"type: list"),
    ("catalogue", b"type: text", b"type: choice"),
    ("catalogue", b"type: text", b"type: ref"),
    ("catalogue", b"type: text", b"type: text, to: zone"),
    ("catalogue", b"default: high", b"default: awful"),
    ("catalogue", b"      code: {", b"      id: {type: text}\n      code: {"),
    ("pack", b"pack: mine\n", b""),
    ("pack", b"version: 1.0.0\n", b""),
    ("pack", b"    why: It is on the bill.\n", b""),
    ("pack", b"    why: It is on the bill.\n", b"    why: \n"),
    ("pack", b"    why: It is", b"    because: of it\n    why: It is"),
    ("pack", b"billing.tax-named", b"billing_tax"),
    ("pack", b"billing.tax-named", b"biling.tax-named"),
    ("pack", b"severity: high", b"severity: awful"),
    ("pack", b"required: true", b"required: perhaps"),
    ("pack", b"for: tax", b"for: taxes"),
    ("pack", b"    expect:", b"    let: [a]\n    expect:"),
    ("pack", b"    expect:", b"    parameters: {most: [a]}\n    expect:"),
    ("pack", b"    expect:", b"    applies: {land: [US]}\n    expect:"),
    ("pack", b"    expect:", b"    applies: {country: US}\n    expect:"),
    ("pack", b"{name: named, ", b"{"),
    ("pack", b"{name: named, ", b"{name: named, when: now, "),
    ("pack", b"given: {tax: [{code: A}]}", b"given: {taxes: [{code: A}]}"),
    ("pack", b"given: {tax: [{code: A}]}", b"given: {tax: [{kode: A}]}"),
    ("pack", b"      - {name: bare, given: {tax: [{code: A}]}, finds: [{key: A}]}\n", b""),
    ("pack", b"finds: [{key: A}]", b"finds: [A]"),
    ("manifest", b"manifest: smart360\n", b""),
    ("manifest", b"version: 1\n", b"version: one\n"),
    ("manifest", b"style: page", b"style: scroll"),
    ("manifest", b"ask: 1000", b"ask: 0"),
    ("manifest", b"references: nested", b"reference: nested"),
    ("manifest", b"  organization: {thing", b"  organisation: {thing"),
    ("tenant", b"tenant: swa\n", b""),
    ("tenant", b"tenant: swa\n", b"tenant: San Francisco\n"),
    ("tenant", b"tenant: swa\n", b"tenant: swa\nowner: me\n"),
    ("tenant", b"  production:\n", b"  Production:\n"),
    ("tenant", b"source: smart360", b"source: smart"),
    ("tenant", b'url: "https://swa.smart360.example", ', b""),
    ("tenant", b'"https://swa.smart360.example"', b'"ftp://swa.smart360.example"'),
    ("tenant", b'"https://swa.smart360.example"', b'"https://me@swa.smart360.example"'),
    ("tenant", b"utility: u, ", b""),
    ("tenant", b'user: "env:U"', b"user: olga"),
    ("tenant", b'password: "file:/p"', b"password: hunter2"),
    ("tenant", b"time_zone: America/Los_Angeles, ", b""),
    ("tenant", b"schedule: every 6h", b"schedule: hourly"),
    ("tenant", b"stage: live", b"stage: dead"),
    ("tenant", b"stage: live", b"stages: live"),
    ("tenant", b"requests_per_second: 10", b"requests_per_second: 0"),
    ("tenant", b"requests_per_second: 10", b"requests_at_once: 65"),
    ("tenant", b"requests_per_second: 10", b"scope: billing"),
    ("tenant", b"requests_per_second: 10", b"consumers: {Residential: many}"),
]


@pytest.mark.parametrize(("kind", "right", "wrong"), MISTAKES)
def test_a_mistake_of_structure_is_refused_by_reader_and_schema(kind, right, wrong, tmp_path):
    assert right in WHOLE[kind]
    data = WHOLE[kind].replace(right, wrong, 1)
    with pytest.raises(InvalidInput):
        read(kind, data, tmp_path)
    assert not VALIDATORS[kind].is_valid(value(data))


OVERLAY = b"""overlay: swa
types: {loyalty_scheme: {module: consumer, title: Loyalty, key: [code], fields: {code: {type: text, required: true}}}}
fields: {service_plan: {gl_account: {type: text}}}
severities: {rules: {billing.tax-in-range: high}, fields: {service_plan: {gl_account: low}}}
parameters: {metering.read-cycle-duration: {longest: 62}}
ignore:
  - {match: {kind: rule, rule: billing.tax-in-range, key: "ULF-*"}, reason: The city sets it., owner: finance}
expected:
  - {resource_type: subscription, key: "*", path: max_consumers, values: [50000], reason: Agreed., owner: olga}
change_windows:
  - {starts: 2026-12-01T22:00:00-08:00, ends: 2026-12-02T14:00:00Z, ticket: CHG-1, reason: Rates, owner: olga}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"overlay: swa", b"overlay: ''"),
        (b"overlay: swa\n", b""),
        (b"module: consumer, ", b""),
        (b"module: consumer", b"module: consumers"),
        (b"{type: text}}}", b"{type: txt}}}"),
        (b"billing.tax-in-range: high}", b"billing.tax-in-range: awful}"),
        (b"longest: 62", b"longest: [62]"),
        (b"ignore:", b"ignored:"),
        (b"{kind: rule, rule", b"{kind: rules, rule"),
        (b"reason: The city sets it., ", b""),
        (b"values: [50000], ", b""),
        (b"values: [50000]", b"values: all"),
        (b"14:00:00Z", b"14:00:00"),
        (b"ticket: CHG-1, ", b""),
    ],
)
def test_a_mistake_of_structure_in_an_overlay_is_refused(right, wrong):
    assert VALIDATORS["overlay"].is_valid(value(OVERLAY))
    assert OVERLAY.count(right) == 1
    assert not VALIDATORS["overlay"].is_valid(value(OVERLAY.replace(right, wrong)))


BY_TYPE = {
    each.type: (kind.name, each.name)
    for kind in CATALOGUE.types.values()
    for each in kind.fields.values()
    if each.type not in (FieldType.CHOICE, FieldType.LIST) and not each.is_required and each.name not in kind.key
}
WRITTEN = st.one_of(
    st.sampled_from(
        ["Yes", "no", "TRUE", "1", "0", "1.0", "4.10", "-3e2", "+.5", "2.", "'1,5'", "nan", "2026-01-31", "2026-02-30",
         "9:05", "24:00", "2026-01-31T05:00:00", "2026-01-31 05:00Z", "20260131T050000", "PT24H", "p1y2m", "P", "~",
          "''", "' '", "' 7 '", "'true'", "true", "[]", "{}", "a", "1e400", "12:30:15.00"]
    ),
    st.integers(-(10**6), 10**6).map(str), st.decimals(-1000, 1000, places=3).map(str),
    st.text("0123456789:-TZPHDYM.+eE", min_size=1, max_size=20).map(lambda text: f"'{text}'"),
)  # fmt: skip


@given(field=st.sampled_from(sorted(BY_TYPE.values())), written=WRITTEN)
def test_what_the_reader_takes_the_schema_takes(field, written):
    kind, name = field
    needed = [
        part
        for part, each in CATALOGUE.types[kind].fields.items()
        if each.is_required or part in CATALOGUE.types[kind].key
    ]
    data = f"{kind}: [{{{name}: {written}, {', '.join(f'{part}: null' for part in needed)}}}]"
    content = value(data)
    wrong = [error for error in VALIDATORS["configuration"].iter_errors(content) if name in error.absolute_path]
    try:
        parse_configuration(data.encode(), "t.yaml", CATALOGUE, SECRETS)
        mistakes = []
    except InvalidInput as error:
        mistakes = [each for each in error.mistakes if each.path.endswith(f".{name}")]
    assert mistakes or not wrong, [error.message for error in wrong]


def test_a_choice_outside_its_list_and_a_missing_required_field_are_marked_as_check_finds_them():
    for right, wrong in ((b"status: approved", b"status: approvd"), (b"timezone: America/Los_Angeles, ", b"")):
        assert right in swa_bytes()
        assert not VALIDATORS["configuration"].is_valid(value(swa_bytes().replace(right, wrong)))
