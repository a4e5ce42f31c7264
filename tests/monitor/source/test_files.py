"""A folder of exports gives the same configuration as a file."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from baselines import document
from baselines.coverage import Reason
from baselines.reader import raw_value
from monitor.collect import Last, Reading
from monitor.source import Connection, open_source
from tests.monitor.watch import ALL, noted, read, reasons, swa_file
from tests.support import CATALOGUE, swa_bytes


def sweep(folder: Path, scope: tuple[str, ...] = ALL, last: Last | None = None) -> Reading:
    source = open_source(Connection("files", folder=folder), CATALOGUE)
    return read(source, scope, last or Last())


def swa() -> dict[str, list[dict[str, Any]]]:
    """SWA with every scalar as the text that stands in the file."""
    tree = document.read_document(swa_bytes(), "swa.yaml")
    content = as_text(raw_value(tree))
    return {name: objects for name, objects in content.items() if name != "_about"}


def as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_text(each) for name, each in value.items()}
    return [as_text(each) for each in value] if isinstance(value, list) else value and str(value)


def as_csv(objects: list[dict[str, Any]]) -> str:
    """Objects as a sheet: lists as JSON."""
    out = io.StringIO()
    writer = csv.DictWriter(out, sorted({name for each in objects for name in each}))
    writer.writeheader()
    writer.writerows(
        {name: json.dumps(v, default=str) if isinstance(v, list) else v for name, v in each.items()} for each in objects
    )
    return out.getvalue()


def write(folder: Path, name: str, objects: list[dict[str, Any]], ending: str) -> None:
    texts = {
        "yaml": lambda: yaml.safe_dump(objects, allow_unicode=True),
        "yml": lambda: yaml.safe_dump({name: objects}, allow_unicode=True),
        "json": lambda: json.dumps(objects, default=str),
        "csv": lambda: as_csv(objects),
    }
    (folder / f"{name}.{ending}").write_text(texts[ending]())


@pytest.mark.parametrize("endings", [["yaml"], ["yml"], ["json"], ["csv"], ["yaml", "yml", "json", "csv"]])
def test_exports_of_every_kind_mean_what_the_file_means(tmp_path: Path, endings: list[str]) -> None:
    for place, (name, objects) in enumerate(swa().items()):
        write(tmp_path, name, objects, endings[place % len(endings)])
    reading = sweep(tmp_path)
    found = reading.configuration
    assert (reasons(reading), found.gaps) == ({}, ())
    assert {n: each.digest for n, each in found.lists.items()} == {
        n: each.digest for n, each in swa_file().lists.items()
    }
    assert (found.digest, found.about["source"], reading.privileges) == (swa_file().digest, "files", ())


def test_a_whole_configuration_file_is_an_export_of_all_its_types(tmp_path: Path) -> None:
    (tmp_path / "everything.yaml").write_bytes(swa_bytes())
    first = sweep(tmp_path)
    assert first.configuration.digest == swa_file().digest
    second = sweep(tmp_path, last=first.last())
    assert (len(second.kept), second.decoded_objects) == (87, 0)


def test_a_type_without_an_export_is_unread(tmp_path: Path) -> None:
    write(tmp_path, "tax", swa()["tax"], "csv")
    reading = sweep(tmp_path, ("tax", "holiday"))
    assert reasons(reading) == {"holiday": Reason.UNREAD}
    assert "holiday.csv" in reading.coverage.unread["holiday"].mend
    assert reading.configuration.lists["tax"].digest == swa_file().lists["tax"].digest


def test_what_an_export_says_was_unread_is_unread(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text("_about: {unread: [holiday]}\nholiday: []\ntax: []\n")
    assert reasons(sweep(tmp_path, ("tax", "holiday"))) == {"holiday": Reason.UNREAD}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        pytest.param("tax.yaml", "- code: [\n", "tax.yaml:2", id="YAML that ends early"),
        pytest.param("tax.yaml", "just a text\n", "A list of objects, or a configuration", id="a text"),
        pytest.param("tax.yaml", "tax: {code: X}\n", "tax is no list of objects", id="a mapping for a list"),
        pytest.param("tax.json", '[{"code": "A"}, 7]', "An object is a mapping of fields", id="a number for an object"),
        pytest.param("tax.csv", "code,name,code\nA,B,C\n", "each once", id="a heading twice"),
        pytest.param("tax.csv", "code,name\nA\n", "1 cells where 2 are due", id="a row too short"),
        pytest.param("tax.csv", b"code,name\nA,\xff\n", "not UTF-8", id="Latin-1"),
        pytest.param("tax.csv", 'code,name\nA,"B\n', "not CSV", id="a quote that never ends"),
        pytest.param("tax.csv", "", "The first row must name the fields", id="nothing"),
    ],
)
def test_an_export_that_cannot_be_read_is_one_unread_list(
    tmp_path: Path, name: str, content: str | bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    write(tmp_path, "holiday", swa()["holiday"], "csv")
    reading = sweep(tmp_path, ("tax", "holiday"))
    assert reasons(reading) == {"tax": Reason.BAD_FILE}
    gap = reading.coverage.unread["tax"]
    assert gap.detail.startswith(name)
    assert told in gap.detail
    assert gap.mend


def test_a_cell_of_a_list_that_is_no_json_names_the_row(tmp_path: Path) -> None:
    (tmp_path / "consumer_category.csv").write_text("name,services\nResidential,WATER;SEWER\n")
    reading = sweep(tmp_path, ("consumer_category",))
    assert reasons(reading)["consumer_category"] is Reason.BAD_FILE


def test_two_exports_of_one_type_are_no_choice_of_ours(tmp_path: Path) -> None:
    write(tmp_path, "tax", swa()["tax"], "csv")
    write(tmp_path, "tax", swa()["tax"], "json")
    gap = sweep(tmp_path, ("tax",)).coverage.unread["tax"]
    assert (gap.reason, gap.detail) == (Reason.BAD_FILE, "it stands in tax.csv and tax.json")


def test_a_folder_that_is_not_there_ends_the_sweep(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        assert reasons(sweep(folder, ("tax",))) == {"tax": Reason.NOT_FOUND}


def test_a_half_written_export_removes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "premise", swa()["premise"], "csv")
    first = sweep(tmp_path, ("premise",))
    write(tmp_path, "premise", swa()["premise"][:10], "csv")
    second = sweep(tmp_path, ("premise",), first.last())
    assert reasons(second) == {"premise": Reason.MASS_DISAPPEARANCE}
    third = sweep(tmp_path, ("premise",), second.last())
    assert third.configuration.lists["premise"].count == 10


def test_values_that_cannot_be_read_are_told_once_for_each_field(tmp_path: Path) -> None:
    write(tmp_path, "tax", [{**each, "percentage": "four"} for each in swa()["tax"]], "csv")
    reading = sweep(tmp_path, ("tax",))
    assert [(gap.resource_type, gap.path) for gap in noted(reading, Reason.TYPE_CHANGED)] == [("tax", "percentage")]
