"""The audit log at work: verified from the store and from exports, its head told outside and watched (P8, F65, F71)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import exposition
from sqlalchemy import text

from alerts.channels import Sent
from alerts.errors import Throttled
from monitor import audit
from monitor.access import on_host
from monitor.audit import Anchors, ChainWatch, verify_store
from monitor.chain import Breach, Head, public_half
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.metrics import make_registry
from monitor.settings import Settings
from monitor.store.unit import Store
from tests.command import command
from tests.monitor.store.made import registered

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
NISHA = on_host("nisha")


class Room:
    """A channel that keeps what it was sent, or asks to wait."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.is_busy = False

    def send(self, message) -> Sent:
        if self.is_busy:
            raise Throttled(120, where="Slack")
        self.said.append(message.text)
        return Sent("C1", "1", 1)


class Wired(Deps):
    """With a room as the audit channel."""

    room: Room

    def channel(self, name):
        return self.room if name == "auditors" else None


@pytest.fixture
def deps(tmp_path):
    """A store with three entries, all places outside set."""
    url = f"sqlite:///{tmp_path / 'monitor.db'}"
    store = Store.open(url, migrate=True)
    settings = Settings(
        database_url=url, state_folder=tmp_path / "state", audit_channel="auditors",
        audit_anchor_file=tmp_path / "anchors",
    )  # fmt: skip
    made = Wired(settings, SetClock(NOW), "w", open_store=lambda: store)
    made.room = Room()
    for _ in range(3):
        act(made)
    yield made
    store.close()


def act(deps, action: str = "finding.mark") -> Head:
    with deps.store.write() as unit:
        return unit.audit.append(
            deps.audit_key, at=deps.clock.now(), actor="nisha", tenant="swa", action=action, object="x"
        ).head


def tampered(deps, *statements: str) -> None:
    """As who owns the database may."""
    with deps.store.engine.begin() as connection:
        for each in ("drop trigger if exists audit_no_update", "drop trigger if exists audit_no_delete", *statements):
            connection.execute(text(each))


def verdict(deps, *heads: Head):
    broken = verify_store(deps, public_half(deps.audit_key), heads).broken
    return (broken.seq, broken.kind) if broken is not None else None


def test_the_head_is_told_everywhere_at_once_then_hourly_and_at_every_approval(deps):
    anchors, moments = Anchors(deps), []
    for minutes, action in (
        (0, ""),
        (1, "finding.mark"),
        (2, "baseline.approve"),
        (3, ""),
        (61, ""),
        (62, ""),
        (63, ""),
    ):
        deps.clock.at = NOW + timedelta(minutes=minutes)
        head = act(deps, action) if action else None
        if anchors.tell():
            moments.append(minutes)
    assert moments == [0, 2, 62]
    assert head is None
    lines = (deps.settings.audit_anchor_file).read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["3", "5", "5"]
    assert [line.split()[0] for line in lines] == [each.rpartition(" ")[2] for each in deps.room.said]
    assert verdict(deps) is None


def test_a_place_that_cannot_be_told_is_tried_again_and_its_age_grows(deps):
    anchors = Anchors(deps)
    deps.room.is_busy = True
    assert anchors.tell() == ["log", "file"]
    deps.room.is_busy = False
    deps.clock.at = NOW + timedelta(seconds=119)
    assert anchors.tell() == ()
    assert scraped(deps)["smart360_audit_anchor_age_seconds"] == 119
    deps.clock.at = NOW + timedelta(seconds=120)
    assert anchors.tell() == ["channel"]
    assert scraped(deps)["smart360_audit_anchor_age_seconds"] == 120  # the others, at NOW


def test_of_two_processes_one_tells(deps):
    other = Wired(deps.settings, deps.clock, "w-2", open_store=lambda: deps.store)
    other.room = deps.room
    assert Anchors(deps).tell()
    act(deps, "baseline.approve")
    assert Anchors(other).tell() == ()
    assert len(deps.room.said) == 1


def scraped(deps, registry=None) -> dict[str, float]:
    lines = exposition.generate_latest(registry or make_registry(deps)).decode().splitlines()
    return {each.split()[0]: float(each.split()[1]) for each in lines if each.startswith("smart360_audit")}


def test_what_the_store_lost_since_the_file_was_told_is_found(deps):
    Anchors(deps).tell()
    deps.clock.at = NOW + timedelta(hours=2)
    act(deps)
    Anchors(deps).tell()
    registry = make_registry(deps)
    assert [scraped(deps, registry)["smart360_audit_chain_ok"] for _ in range(2)] == [1, 1]
    tampered(deps, "delete from audit where seq > 3", "delete from switches")
    assert verdict(deps) == (4, Breach.CUT)
    assert scraped(deps, registry)["smart360_audit_chain_ok"] == 0


def test_a_watch_goes_round_in_parts_and_finds_what_is_tampered_with_later(deps, monkeypatch):
    monkeypatch.setattr(audit, "AT_ONCE", 2)
    watch = ChainWatch(deps)

    def looks(times: int) -> list[bool]:
        with deps.store.read() as unit:
            return [watch.look(unit) for _ in range(times)]

    assert looks(5) == [True] * 5
    tampered(deps, "update audit set reason = 'nobody said so' where seq = 1")
    assert False in looks(2)
    assert watch.broken is not None
    assert (watch.broken.seq, watch.broken.kind) == (1, Breach.EDITED)
    tampered(deps, "update audit set reason = '' where seq = 1")
    assert looks(3)[-1]


def told(tmp_path, *words, **more):
    return command(tmp_path, "audit", *words, SMART360_DATABASE_URL=f"sqlite:///{tmp_path / 'monitor.db'}", **more)


def test_verify_says_whole_or_the_first_bad_entry_with_its_exit_code(deps, tmp_path):
    done = told(tmp_path, "verify")
    assert (done.code, done.err) == (0, "")
    assert "✓ 3 entries, chain whole   head 3:" in done.out
    assert public_half(deps.audit_key) in done.out
    assert told(tmp_path, "verify", "--head", f"2:{'0' * 64}").out.startswith("✗ entry 2 is forked: ")
    beyond = told(tmp_path, "verify", "--head", f"9:{'0' * 64}", "--output", "json")
    assert (beyond.code, beyond.report["broken"]["seq"], beyond.report["broken"]["kind"]) == (1, 4, "cut")
    assert told(tmp_path, "verify", "--head", "9").code == 2
    tampered(deps, "delete from audit where seq = 2")
    done = told(tmp_path, "verify")
    assert (done.code, done.out.splitlines()[0]) == (1, "✗ entry 2 is missing: 3 stands in its place.")


def test_without_a_key_nothing_is_verified_and_none_is_made(tmp_path):
    done = told(tmp_path, "verify")
    assert done.code == 3
    assert "there is no key to verify with" in done.err
    assert not (tmp_path / "state").exists()
    nowhere = {"SMART360_DATABASE_URL": "postgresql+psycopg://x:x@127.0.0.1:1/x"}
    assert command(tmp_path, "audit", "verify", "--key", "00" * 32, **nowhere).code == 3


def test_an_export_is_verified_offline_with_the_public_key_alone(deps, tmp_path):
    act(deps, "baseline.approve")
    done = told(tmp_path, "export", "--as", "olga")
    (tmp_path / "audit.jsonl").write_text(done.out)
    assert json.loads(done.out.splitlines()[-1])["action"] == "audit.export"
    assert "5 entries, head 5:" in done.err
    key = public_half(deps.audit_key)
    elsewhere = tmp_path / "elsewhere"
    good = command(elsewhere, "audit", "verify", tmp_path / "audit.jsonl", "--key", key)
    assert (good.code, "5 entries, chain whole" in good.out) == (0, True)
    lines = done.out.splitlines()
    for number, changed, kind in (
        (2, [*lines[:1], lines[1].replace("nisha", "mallory"), *lines[2:]], "edited"),
        (2, [lines[0], lines[2], lines[1], *lines[3:]], "reordered"),
        (1, lines[1:], "missing"),
    ):
        (tmp_path / "bad.jsonl").write_text("\n".join(changed))
        bad = command(elsewhere, "audit", "verify", tmp_path / "bad.jsonl", "--key", key)
        assert (bad.code, f"entry {number} is {kind}" in bad.out) == (1, True)
    assert command(elsewhere, "audit", "verify", tmp_path / "audit.jsonl", "--key", "00" * 32).code == 1
    assert not elsewhere.exists()


@pytest.mark.parametrize("given", [b"{}\n", b"\xff\xfe", b"[]", b'{"seq": "1"}', b"x" * 3_000_000, None])
def test_what_is_no_export_is_refused_with_its_line(tmp_path, given):
    if given is not None:
        (tmp_path / "x.jsonl").write_bytes(given)
    done = command(tmp_path, "audit", "verify", tmp_path / "x.jsonl", "--key", "00" * 32)
    assert (done.code, done.out) == (2, "")
    assert "x.jsonl:1:1: " in done.err or "No such file" in done.err


def test_a_new_key_signs_once_the_old_one_named_it_and_a_prefix_is_removed_on_request(deps, tmp_path):
    following = {"SMART360_AUDIT_KEY": "env:NEXT", "NEXT": "another key"}
    refused = told(tmp_path, "export", **following)
    assert (refused.code, "SMART360_AUDIT_KEY" in refused.err) == (2, True)
    named = told(tmp_path, "key", "--next", "env:NEXT", NEXT="another key")
    assert (named.code, "SMART360_AUDIT_KEY=env:NEXT" in named.out) == (0, True)
    (tmp_path / "old.jsonl").write_text(told(tmp_path, "export", **following).out)
    assert told(tmp_path, "prune", "--before", "3", "--reason", "old", **following).code == 2
    assert told(tmp_path, "prune", "--before", "3", "--reason", "old", "--yes", **following).code == 0
    done = told(tmp_path, "verify", **following)
    assert (done.code, "4 entries, chain whole" in done.out) == (0, True)


def test_who_pauses_resumes_and_exports_is_in_the_log(deps, tmp_path):
    registered(deps.store)
    words = (("pause", "all"), ("resume", "all"), ("pause", "swa/production"), ("resume", "swa/production"))
    for act_, target in words:
        done = command(tmp_path, "tenant", act_, target, "--as", "olga",
                       SMART360_DATABASE_URL=f"sqlite:///{tmp_path / 'monitor.db'}")  # fmt: skip
        assert done.code == 0, done.err
    with deps.store.read() as unit:
        log = unit.audit.entries()[3:]
    assert [(each.action, each.object, each.actor) for each in log] == [
        (f"tenant.{act_}", "all targets" if target == "all" else target, "olga") for act_, target in words
    ]
    assert len({each.request for each in log}) == 4
    assert all(each.request for each in log)
