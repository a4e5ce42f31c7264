"""A small configuration and a small pack, so that golden files change only when the look does."""

import os
import re
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"

OLD = """\
_about: {tenant: tiny, environment: production, taken_at: '2026-01-15T06:00:00-08:00'}
utility: [{short_name: TINY, name: Tiny Water, timezone: America/Los_Angeles}]
zone: [{code: N, name: North}, {code: S, name: South}]
tax: [{code: ULF, name: Licence fee, percentage: '5.0', effective_from: 2026-07-01}]
registration_type: [{code: NEW, name: New, kind: new_connection, fee: '4.10'}]
"""
NEW = """\
_about: {tenant: tiny, environment: production, taken_at: '2026-01-15T06:00:00-08:00'}
utility: [{short_name: TINY, name: Tiny Water, timezone: America/Los_Angeles}]
zone: [{code: N, name: "North \u202e"}, {code: E, name: East}]
tax: [{code: ULF, name: Licence fee, percentage: '5.0', effective_from: 2026-07-01, effective_to: 2026-12-31}]
registration_type: [{code: NEW, name: New, kind: new_connection, fee: '41', feee: '1'}]
zoen: [{code: X}]
"""
PACK = """\
pack: tiny
version: 1.0.0
rules:
  - id: consumer.fee-is-small
    title: Filing costs little
    severity: critical
    required: true
    for: registration_type
    parameters: {most: "10"}
    expect: self.fee.at_most(parameters.most)
    message: "Filing {self.name} costs {self.fee}."
    why: People without money must have water too.
    fix: Registration types › set the fee.
    tests:
      - {name: cheap, given: {registration_type: [{code: A, fee: '1'}]}, finds: []}
      - {name: dear, given: {registration_type: [{code: A, fee: '11'}]}, finds: [{key: A}]}
  - id: billing.tax-goes-on
    title: A tax does not end within a year
    severity: low
    for: tax
    when: has(self.effective_to)
    let: {limit: 'days(today, 365)'}
    expect: self.effective_to > limit
    message: "{self.name} ends on {self.effective_to}."
    why: Bills would lack it.
    fix: Taxes › plan the next one.
    tests:
      - {name: far, at: 2026-07-01, given: {tax: [{code: A, effective_to: 2028-01-01}]}, finds: []}
      - {name: near, at: 2026-07-01, given: {tax: [{code: A, effective_to: 2026-12-31}]}, finds: [{key: A}]}
  - id: access.department-is-named
    title: A department has a name
    severity: medium
    required: true
    for: department
    expect: self.name != "-"
    message: "Department {self.key} has no name."
    why: People look for it.
    fix: Departments › name it.
    tests:
      - {name: named, given: {department: [{code: A, name: A}]}, finds: []}
      - {name: blank, given: {department: [{code: B, name: '-'}]}, finds: [{key: B}]}
"""


def files(folder: Path) -> list[str]:
    """Options of a check of the new file against the old one by the small pack; run where the files are."""
    for name, text in (("old.yaml", OLD), ("new.yaml", NEW), ("pack.yaml", PACK)):
        (folder / name).write_text(text, encoding="utf-8")
    return ["check", "new.yaml", "--baseline", "old.yaml", "--no-shipped", "--packs", "pack.yaml"]


def assert_golden(name: str, told: str) -> None:
    """The same as agreed, digests apart: they change with every edit of the catalogue."""
    told = re.sub(r"b3:[0-9a-f]+", "b3:0123456789ab", told)
    file = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        file.write_text(told, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == told
