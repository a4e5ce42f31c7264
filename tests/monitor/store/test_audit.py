"""The audit log: a chain that shows every edit, gap and swap, and that the database refuses to change (P8)."""

import threading
import time
from dataclasses import replace
from datetime import timedelta, timezone
from unittest.mock import patch

import pytest
import structlog
from nacl.encoding import HexEncoder
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from monitor.chain import Entry, public_half
from monitor.chain import verify as judged
from monitor.errors import ForeignAuditKey, NotFound
from monitor.store.unit import Store
from tests.monitor.store.made import NOW, count

KEY = SigningKey(b"k" * 32)


def append(store: Store, action: str = "baseline.approve", at=NOW, **fields: str) -> Entry:
    with store.write() as unit:
        return unit.audit.append(
            KEY, at=at, actor="nisha", tenant="swa", action=action, object="swa/production baseline 8", **fields
        )


def entries(store: Store) -> list[Entry]:
    with store.read() as unit:
        return unit.audit.entries()


def verify(entry: Entry) -> None:
    VerifyKey(entry.public_key, HexEncoder).verify(entry.hash.encode(), bytes.fromhex(entry.signature))


def test_an_entry_is_read_back_as_it_was_written(store):
    made = append(store, content="b3:12", reason="“agreed”\nby the board")
    assert entries(store) == [made]
    assert (made.seq, made.at, made.actor, made.tenant, made.prev) == (1, NOW, "nisha", "swa", "")
    assert (made.content, made.reason) == ("b3:12", "“agreed”\nby the board")


def test_each_entry_is_chained_to_the_one_before_and_signed(store):
    for action in ("baseline.propose", "baseline.approve", "tenant.remove"):
        append(store, action)
    first, second, third = entries(store)
    assert [each.seq for each in (first, second, third)] == [1, 2, 3]
    assert (second.prev, third.prev) == (first.link, second.link)
    for each in (first, second, third):
        assert each.expected_hash() == each.hash
        assert each.public_key == KEY.verify_key.encode(HexEncoder).decode()
        verify(each)


def test_a_moment_in_any_zone_is_the_same_moment(store):
    append(store, at=NOW.astimezone(timezone(timedelta(hours=-8))))
    (read,) = entries(store)
    assert (read.at, read.expected_hash()) == (NOW, read.hash)


@pytest.mark.parametrize(
    "field", [name for name in Entry.__slots__ if name not in ("hash", "signature")]
)  # fmt: skip
def test_no_field_can_be_edited_unnoticed(store, field):
    made = append(store)
    value = getattr(made, field)
    if field == "at":
        edited = replace(made, at=value + timedelta(microseconds=1))
    else:
        edited = replace(made, **{field: value + 1 if field == "seq" else value + "x"})
    assert edited.expected_hash() != made.hash


def test_a_hash_made_by_somebody_else_is_not_signed(store):
    edited = replace(append(store), reason="nobody said so")
    forged = replace(edited, hash=edited.expected_hash())
    with pytest.raises(BadSignatureError):
        verify(forged)


TAMPERING = {
    "edited": "update audit set reason = 'nobody said so' where seq = 1",
    "removed": "delete from audit where seq = 1",
    "replaced": "insert or replace into audit select seq, at, 'mallory', tenant, action, object, content, reason,"
    " request, prev, hash, signature, public_key from audit where seq = 1",
    "taken over": "insert into audit select * from audit where seq = 1 on conflict (seq) do update set actor = 'x'",
    "emptied": "truncate audit",
}


def statements(store: Store) -> dict[str, str]:
    """What each engine understands."""
    other = "truncate audit" if store.engine.dialect.name == "sqlite" else "insert or replace"
    return {name: each for name, each in TAMPERING.items() if not each.startswith(other)}


def test_the_database_refuses_every_change_of_an_entry(store):
    made = append(store)
    for name, statement in statements(store).items():
        with pytest.raises(DBAPIError, match="audit entries are never changed"), store.engine.begin() as connection:
            connection.execute(text(statement))
        assert entries(store) == [made], name


def test_an_entry_goes_with_the_transaction_of_its_act(store):
    def fails() -> None:
        with store.write() as unit:
            unit.audit.append(KEY, at=NOW, actor="nisha", tenant="swa", action="x", object="y")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert count(store, "audit") == 0
    assert append(store).seq == 1


def test_acts_at_the_same_moment_leave_no_gap_and_no_fork(store):
    start = threading.Barrier(4)

    def act() -> None:
        start.wait()
        for _ in range(5):
            with store.write() as unit:
                unit.audit.append(KEY, at=NOW, actor="nisha", tenant="swa", action="x", object="y")
                time.sleep(0.002)

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    chain = entries(store)
    assert [each.seq for each in chain] == list(range(1, 21))
    assert [each.prev for each in chain] == ["", *(each.link for each in chain[:-1])]


def test_a_key_that_the_log_does_not_name_is_refused_and_a_named_one_is_not(store):
    append(store)
    following = SigningKey(b"n" * 32)
    act = {"at": NOW, "actor": "nisha", "tenant": "", "object": "audit log"}
    with pytest.raises(ForeignAuditKey), store.write() as unit:
        unit.audit.append(following, action="x", **act)
    assert count(store, "audit") == 1
    with store.write() as unit:
        unit.audit.append(KEY, action="audit.key", content=public_half(following), **act)
        unit.audit.append(following, action="x", **act)
        with pytest.raises(ForeignAuditKey):
            unit.audit.append(KEY, action="x", **act)
        unit.audit.append(following, action="y", **act)
        assert judged(unit.audit.after(0), key=public_half(following)).broken is None


def test_a_removed_prefix_leaves_a_signed_checkpoint_and_the_rest_stays_protected(store):
    made = [append(store) for _ in range(6)]
    with store.write() as unit:
        unit.audit.remove_before(4, KEY, at=NOW, actor="nisha", reason="ten years")
    left = entries(store)
    assert [each.seq for each in left] == [4, 5, 6, 7]
    assert (left[-1].action, left[-1].content) == ("audit.checkpoint", f"3:{made[2].link}")
    assert judged(left, key=public_half(KEY), heads=[made[4].head]).broken is None
    with pytest.raises(DBAPIError, match="never changed"), store.engine.begin() as connection:
        connection.execute(text("delete from audit where seq = 4"))
    for nothing in (4, 99):
        with pytest.raises(NotFound), store.write() as unit:
            unit.audit.remove_before(nothing, KEY, at=NOW, actor="nisha", reason="again")
    assert entries(store) == left


def test_entries_are_read_in_parts_and_each_once(store):
    with store.write() as unit:
        for _ in range(12):
            unit.audit.append(KEY, at=NOW, actor="nisha", tenant="swa", action="x", object="y")
    with store.read() as unit, patch("monitor.store.audit.BATCH", 5):
        assert [each.seq for each in unit.audit.after(0)] == list(range(1, 13))
        assert [each.seq for each in unit.audit.after(3, 7)] == list(range(4, 11))


def test_an_entry_tells_the_request_it_was_part_of(store):
    with structlog.contextvars.bound_contextvars(request="7f3k"):
        assert append(store).request == "7f3k"
    assert append(store).request == ""
    assert [each.request for each in entries(store)] == ["7f3k", ""]
