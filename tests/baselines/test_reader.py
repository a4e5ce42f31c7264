"""Configuration files in: files as they are found, order, time zone, gaps; and whatever bytes there are."""

import io
import json
import os
import random
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baselines.catalogue import read_catalogue
from baselines.configuration import Configuration
from baselines.coverage import Reason
from baselines.document import Limits
from baselines.errors import InvalidConfiguration
from baselines.fingerprints import SecretKey
from baselines.reader import parse_configuration, read_file
from tests.support import CATALOGUE, SECRETS, as_json, read_configuration, swa_bytes


def read(data: str | bytes, name: str = "t.yaml") -> Configuration:
    return parse_configuration(data.encode() if isinstance(data, str) else data, name, CATALOGUE, SECRETS)


def refusal(data: str | bytes, name: str = "t.yaml") -> list[str]:
    with pytest.raises(InvalidConfiguration) as refused:
        read(data, name)
    return refused.value.lines()


def file_refusal(path: object, limits: Limits | None = None) -> tuple[str, str]:
    with pytest.raises(InvalidConfiguration) as refused:
        read_file(str(path), limits or Limits())
    (mistake,) = refused.value.mistakes
    return mistake.code, str(mistake)


def test_the_shipped_configuration_reads_whole_and_without_a_gap():
    found = read(swa_bytes(), "swa.yaml")
    assert found.gaps == ()
    assert found.object_count == swa_bytes().count(b"\n  - {")
    assert found.about["tenant"] == "swa"
    assert found.about["taken_at"] == datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert found.file == "swa.yaml"


def test_each_format_of_a_configuration_has_the_same_digest():
    yaml = read(swa_bytes(), "swa.yaml")
    written = as_json(yaml)
    assert read(written, "swa.json").digest == yaml.digest
    assert read(zstandard.ZstdCompressor().compress(written), "swa.json.zst").digest == yaml.digest
    assert read(b"\xef\xbb\xbf" + swa_bytes().replace(b"\n", b"\r\n"), "swa.yml").digest == yaml.digest


def test_objects_know_the_line_on_which_they_stand():
    found = read("zone:\n  - {code: B}\n\n  - code: A\n")
    assert [(each.key, each.line) for each in found.objects("zone")] == [("A", 4), ("B", 2)]


def test_id_and_who_touched_an_object_are_kept_beside_it():
    written = "zone: [{id: x1, code: A, created_at: 2026-01-01T00:00:00Z, updated_by: 'm.chen'}]"
    (found,) = read(written).objects("zone")
    assert (found.id, found.about) == ("x1", {"created_at": "2026-01-01T00:00:00Z", "updated_by": "m.chen"})
    assert read(written).digest == read("zone: [{code: A}]").digest


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_their_places():
    data = (
        "zone:\n  - {code: A, is_active: maybe}\n  - {code: B, code: C}\narea: text\n"
        "service_plan:\n  - {code: A, base_charge: x, rates: [{rate: 1}, {rate: y}]}"
    )
    assert [line.split(": ")[:2] for line in refusal(data)] == [
        ["t.yaml:2:26", "zone[code=A].is_active"],
        ["t.yaml:3:15", "zone[1].code"],
        ["t.yaml:4:1", "area"],
        ["t.yaml:6:28", "service_plan[code=A].base_charge"],
        ["t.yaml:6:57", "service_plan[code=A].rates[1].rate"],
    ]


def test_more_than_a_hundred_mistakes_are_counted():
    lines = refusal("zone:\n" + "".join(f"  - {{code: A{i}, is_active: x}}\n" for i in range(130)))
    assert len(lines) == 101
    assert lines[-1] == "… and 30 more"


def test_a_file_of_endless_mistakes_is_not_read_to_its_end():
    with pytest.raises(InvalidConfiguration) as refused:
        read("zone: [" + "1," * 50_000 + "]")
    assert len(refused.value.mistakes) == 10_001


def test_a_bad_secret_is_never_shown():
    lines = refusal(
        "payment_gateway: [{secret_key: [sk_live_abcdefgh], name: N}]\nsms: [{api_key: {x: sk_live_abcdefgh}"
    )
    assert "sk_live" not in "\n".join(lines)


def test_a_type_named_unread_is_a_gap_and_not_compared():
    for unread in ("[zone]", "{zone: forbidden}"):
        found = read(f"_about: {{unread: {unread}}}\nzone: [{{code: A}}]\narea: []")
        assert list(found.lists) == ["area"]
        assert found.why_unknown("zone") is Reason.UNREAD
    assert read("_about: {unread: {zone: forbidden}}\narea: []").unread["zone"].detail == "forbidden"


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ("text", "1:9: _about: _about is a mapping. Mend: Write {tenant: …, taken_at: …}."),
        ("{taken_at: soon}", '1:20: _about.taken_at: "soon" is no moment in time. '
         "Mend: Write ISO 8601, e.g. 2026-11-24T06:00:00-08:00."),
        ("{taken_at: [a]}", "1:20: _about.taken_at: A list is no moment in time. "
         "Mend: Write ISO 8601, e.g. 2026-11-24T06:00:00-08:00."),
        ("{tenant: [swa]}", "1:18: _about.tenant: This is no text. Mend: Write a text."),
        ("{unread: zone}", "1:18: _about.unread: A list of resource types is due here. "
         "Mend: Write [type, …] or {type: reason, …}."),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_read_is_refused(about, message):
    assert refusal(f"_about: {about}\nzone: []") == [f"t.yaml:{message}"]


@pytest.mark.parametrize("utility_first", [True, False])
def test_moments_without_offset_are_in_the_zone_of_the_utility_wherever_it_stands(utility_first):
    utility = "utility: [{short_name: SWA, timezone: America/Los_Angeles}]"
    parts = [utility, "_about: {taken_at: '2026-07-01T12:00:00'}"]
    found = read("\n".join(parts if utility_first else parts[::-1]))
    assert found.about["taken_at"] == datetime(2026, 7, 1, 19, tzinfo=UTC)


MOMENTS = read_catalogue({"m.yaml": b"""
module: m
order: 1
title: M
resources:
  utility: {title: U, key: [code], fields: {code: {type: text, required: true}, timezone: {type: timezone}}}
  job: {title: J, key: [code], fields: {
    code: {type: text, required: true}, at: {type: timestamp}, runs: {type: list, of: {at: {type: timestamp}}}}}
"""})  # fmt: skip


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Nowhere/Land", ""])
def test_objects_with_moments_wait_for_the_zone_of_the_utility(zone):
    job = "job: [{code: A, at: '2026-07-01T12:00:00', runs: [{at: '2026-01-01T12:00:00'}]}]"
    utility = f"utility: [{{code: U, timezone: {zone}}}]" if zone else "utility: []"
    hours = (19, 20) if zone.startswith("America") else (12, 12)
    for data in (f"{job}\n{utility}", f"{utility}\n{job}"):
        (found,) = parse_configuration(data.encode(), "t.yaml", MOMENTS, SECRETS).objects("job")
        assert found.values["at"] == f"2026-07-01T{hours[0]}:00:00Z"
        assert found.values["runs"] == [{"at": f"2026-01-01T{hours[1]}:00:00Z"}]


def test_mistakes_of_objects_that_waited_name_their_index_and_place():
    data = b"job:\n  - {code: A}\n  - {code: B, at: soon}\nutility: []"
    with pytest.raises(InvalidConfiguration) as refused:
        parse_configuration(data, "t.yaml", MOMENTS, SECRETS)
    assert refused.value.lines()[0].startswith('t.yaml:3:19: job[code=B].at: "soon" is no moment in time.')


def test_a_list_that_is_used_twice_is_read_twice():
    found = read("zone: &z [{code: A}]\nelsewhere: *z")
    assert [found.objects(name)[0].key for name in ("zone", "elsewhere")] == ["A", "A"]


def test_a_reference_to_itself_or_to_nothing_is_read_and_ends():
    found = read("service_plan: [{code: A, supersedes: A, category: nobody}]")
    assert found.objects("service_plan")[0].values["supersedes"] == "A"
    assert found.gaps == ()


# Files as they are found ---------------------------------------------------------------------------


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path):
    (tmp_path / "production.yaml").touch()
    path = tmp_path / "prodution.yaml"
    assert file_refusal(path) == (
        "not_found",
        f"{path}: No such file. Mend: In this folder there is production.yaml.",
    )
    assert file_refusal(tmp_path / "zzz")[1].endswith("No such file. Mend: Check the path.")
    assert file_refusal(tmp_path / "no folder" / "zzz")[0] == "not_found"
    assert file_refusal(tmp_path / ("a" * 5000))[0] == "not_found"
    assert file_refusal(str(tmp_path / "a\0b"))[0] == "not_found"


def test_a_folder_a_pipe_and_a_device_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "endless.yaml")
    assert file_refusal(tmp_path) == (
        "not_a_file",
        f"{tmp_path}: This is a folder. Mend: Name a file, or - for standard input.",
    )
    started = time.monotonic()
    assert file_refusal(tmp_path / "endless.yaml")[0] == "not_a_file"
    assert file_refusal("/dev/zero")[0] == "not_a_file"
    assert time.monotonic() - started < 1


def test_a_file_beyond_the_limit_is_read_no_further(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_bytes(b"x" * 11)
    assert read_file(path, Limits(size=11)) == (b"x" * 11, str(path))
    assert file_refusal(path, Limits(size=10)) == (
        "too_large",
        f"{path}: More than 10 bytes. Mend: Split the file.",
    )


def test_an_unreadable_file_is_told_so(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("zone: []")
    path.chmod(0)
    tmp_path.chmod(0o755)
    program = textwrap.dedent("""
        import os, sys
        from baselines.errors import InvalidConfiguration
        from baselines.reader import read_file
        os.chdir(os.path.dirname(sys.argv[1]))
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            read_file(os.path.basename(sys.argv[1]))
        except InvalidConfiguration as error:
            print(error.mistakes[0].code, error.lines())
    """)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout == (
        "permission ['mine.yaml: The file may not be read. Mend: Give yourself the right to read it.']\n"
    )


def test_a_hyphen_reads_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"zone: [{code: A}]")))
    found = read_configuration("-")
    assert (found.object_count, found.file) == (1, "-")
    with Path("/dev/zero").open() as endless:
        monkeypatch.setattr(sys, "stdin", endless)
        assert file_refusal("-", Limits(size=1000))[0] == "too_large"


def test_a_name_with_control_characters_is_shown_escaped(tmp_path):
    path = tmp_path / "a\n\x1b[31m.yaml"
    path.write_text("zone: text")
    with pytest.raises(InvalidConfiguration) as refused:
        read_configuration(path)
    assert refused.value.lines() == [
        f"{tmp_path}/a⏎⟨ESC⟩[31m.yaml:1:1: zone: A list of objects is due here. Mend: Write [] for none."
    ]


# Size ---------------------------------------------------------------------------------------------

LARGE = textwrap.dedent("""
    import resource, sys
    from tests.support import read_configuration
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_configuration(sys.argv[1])
    print(found.object_count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
""")


@pytest.mark.parametrize("name", ["large.yaml", "large.json"])
def test_a_large_file_is_read_in_less_than_four_times_its_size(name, tmp_path):
    premise = {"id": "0" * 32, "name": "Premise", "sub_area": "S-PDX-DT-1", "address": "1200 SW Oak Street\n" * 20,
               "postal_code": "97204", "latitude": "45.763775", "longitude": "-122.255069"}  # fmt: skip
    path = tmp_path / name
    with path.open("w") as stream:
        body = "".join(f', "{field}": {value!r}'.replace("'", '"') for field, value in premise.items())
        separator = ",\n" if name.endswith("json") else "\n"
        begin, item, end = ('{"premise": [', "", "]}") if name.endswith("json") else ("premise:", "- ", "")
        objects = (f'{item}{{"code": "P-{i}"{body}}}' for i in range(20_000))
        stream.write(begin + "\n" + separator.join(objects) + end)
    size = path.stat().st_size >> 20
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    count, grown = map(int, done.stdout.split())
    assert count == 20_000
    assert grown < 4 * size, (grown, size)


# Whatever bytes there are -------------------------------------------------------------------------

FUZZ = settings(max_examples=300, deadline=1000)
NAMES = st.sampled_from(["t.yaml", "t.json", "t.json.zst"])
KINDS = sorted(CATALOGUE.types)
SNIPPETS = [
    *(b"&a ", b"*a", b"<<: *a", b"!!x ", b"[", b"]", b"{", b"}", b": ", b", ", b"\n", b"- ", b'"', b"'", b"\\u", b"\\"),
    *(
        b"#",
        b"~",
        b"null",
        b".nan",
        b"1e9999",
        b"9" * 50,
        b"\xff",
        b"\xc3\xa9",
        b"\x00",
        b"\t",
        b"? ",
        b"|\n",
        b"---\n",
    ),
    *(b"%YAML 1.1\n", b"\\ud800", b"secret: x", b"id: 1", b"NO", b"\xe2\x80\xae"),
]
SWA_YAML = swa_bytes()
SWA_JSON = as_json(read(SWA_YAML))


def holds(data: bytes, name: str) -> None:
    """Either a configuration or mistakes with place and mend; any other exception fails."""
    try:
        found = read(data, name)
    except InvalidConfiguration as error:
        told = error.lines()
    else:
        assert found.digest.startswith("b3:")
        return
    assert told
    assert all(line.startswith(("t.", "… and")) and (" Mend: " in line or line[0] == "…") for line in told)


@FUZZ
@given(st.binary(max_size=300), NAMES)
def test_any_bytes_give_a_configuration_or_mistakes(data, name):
    holds(data, name)


@FUZZ
@given(
    st.lists(st.sampled_from(SNIPPETS) | st.sampled_from([f"{kind}: ".encode() for kind in KINDS]), max_size=40), NAMES
)
def test_any_row_of_snippets_gives_a_configuration_or_mistakes(parts, name):
    holds(b"".join(parts), name)


@FUZZ
@given(st.integers(0, 2**32), st.integers(1, 6), st.booleans())
def test_a_mutated_configuration_gives_a_configuration_or_mistakes(seed, count, is_json):
    rng = random.Random(seed)
    data = bytearray(SWA_JSON if is_json else SWA_YAML)
    start = rng.randrange(len(data) - 4000)
    if not is_json:  # a part of the file, so that each example is quick
        start = data.rindex(b"\n\n", 0, start + 2000) if start > 1000 else 0
        data = data[start : start + 4000]
    for _ in range(count):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = rng.choice(SNIPPETS)
            case 2:
                del data[at : at + rng.randrange(1, 20)]
            case 3:
                other = rng.randrange(len(data))
                data[at:at] = data[other : other + rng.randrange(1, 60)]
    holds(bytes(data), "t.json" if is_json else "t.yaml")


WORDS = ["2026-01-01", "18:00", "PT1H", "NaN", "1e99", "4.10", "Yes", "secret:0123456789abcdef", "sk_live_0123456789"]
NUMBERS = st.integers(-(10**45), 10**45) | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from([*WORDS, "\u202e"])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, object]:
    """Objects of known types, their fields filled with anything."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True))
    found: dict[str, object] = {}
    for kind in kinds:
        fields = st.sampled_from([*CATALOGUE.types[kind].fields, "id", "created_at", "unknown"])
        key = dict.fromkeys(CATALOGUE.types[kind].key, "A")
        found[kind] = [key | each for each in draw(st.lists(st.dictionaries(fields, ANYTHING, max_size=5), max_size=2))]
    return found


@FUZZ
@given(documents())
@example({"zone": [{"code": "A", "unknown": 2**64}]})
@example({"currency": [{"code": "A", "decimal_places": 10**30}]})
@example({"zone": [{"code": "A", "unknown": [{"": None}]}]})
def test_any_values_in_known_fields_give_a_configuration_or_mistakes(document):
    data = json.dumps(document).encode()
    holds(data, "t.json")
    holds(data.replace(b"\\ud", b"ud"), "t.yaml")


def test_fingerprints_read_before_the_zone_was_known_are_remembered():
    text = b"integration: [{name: I, auth_key: 'secret:0123456789abcdef'}]\nutility: [{short_name: U, timezone: UTC}]\n"
    assert parse_configuration(text, "a.yaml", CATALOGUE, SECRETS).about["fingerprint_key"] == "unknown"


def test_only_secrets_in_clear_ask_for_a_key():
    def never() -> bytes:
        raise AssertionError("a key was asked for")

    text = b"integration: [{name: I, auth_key: 'secret:0123456789abcdef'}]\nutility: [{short_name: U}]\n"
    parse_configuration(text, "a.yaml", CATALOGUE, SecretKey(never, "swa"))
    found = parse_configuration(b"utility: [{short_name: U}]", "a.yaml", CATALOGUE, SecretKey(never, "swa"))
    assert "fingerprint_key" not in found.about
