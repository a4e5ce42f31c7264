"""T13: whatever is done to an audit log is found and named; what was done rightly is whole (P8)."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from nacl.signing import SigningKey

from monitor.chain import CHECKPOINT, KEY_CHANGE, Breach, Entry, Head, Place, ended, follow, public_half, verify
from tests.monitor.store.made import NOW

KEY, NEXT, STRANGER = (SigningKey(letter * 32) for letter in (b"k", b"n", b"s"))
PUBLIC = public_half(KEY)
Log = list[Entry]


def grown(log: Log, count: int = 1, key: SigningKey = KEY, action: str = "finding.mark", content: str = "") -> Log:
    """A log with entries added rightly."""
    log = list(log)
    for _ in range(count):
        seq, prev = (log[-1].seq + 1, log[-1].link) if log else (1, "")
        at = NOW + timedelta(seconds=seq)
        fields = ("nisha", "swa", action, f"finding {seq}", content or f"b3:{seq:x}", "why", "r1")
        log.append(Entry(seq, at, *fields, prev, "", "", "").signed(key))
    return log


WHOLE = grown([], 1_000)
HEAD = WHOLE[-1].head


def judged(log: Log, *heads: Head, key: str = PUBLIC) -> tuple[int, Breach] | None:
    broken = verify(log, key=key, heads=heads).broken
    return (broken.seq, broken.kind) if broken is not None else None


def test_a_log_as_it_was_written_is_whole_and_every_head_told_of_it_stands():
    verdict = verify(WHOLE, key=PUBLIC, heads=[HEAD, WHOLE[0].head, WHOLE[499].head])
    assert (verdict.entries, verdict.head, verdict.keys, verdict.broken) == (1_000, HEAD, (PUBLIC,), None)
    assert verify([], key=PUBLIC).broken is None


#: How to tamper with entry ``n`` (counted from 0) → what must be found, and at which entry.
Tampering = Callable[[Log, int, random.Random], tuple[Log, int, Breach]]
FIELDS = [name for name in Entry.__slots__ if name != "seq"]


def edited(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    name = chance.choice(FIELDS)
    value = getattr(log[n], name)
    if name == "at":
        value += timedelta(microseconds=1)
    else:
        value = chance.choice([value + "x", value[:-1] if value else "y"])
    log[n] = replace(log[n], **{name: value})
    return log, n + 1, Breach.EDITED


def edited_and_hashed_anew(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    changed = replace(log[n], reason="nobody said so")
    log[n] = replace(changed, hash=changed.expected_hash())
    for after in range(n + 1, len(log)):
        linked = replace(log[after], prev=log[after - 1].link)
        log[after] = replace(linked, hash=linked.expected_hash())
    return log, n + 1, Breach.EDITED


def renumbered(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    log[n] = replace(log[n], seq=len(log) + chance.randrange(1, 99))
    log.sort(key=lambda each: each.seq)
    return log, n + 1, Breach.MISSING if n + 1 < len(log) else Breach.REORDERED


def removed(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    count = min(chance.choice([1, 1, 2, 50]), len(log) - 1 - n)  # at the end it is a cut
    del log[n : n + count]
    return log, n + 1, Breach.MISSING


def swapped_lines(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    other = chance.choice([each for each in range(len(log)) if each != n])
    log[n], log[other] = log[other], log[n]
    return log, min(n, other) + 1, Breach.REORDERED


def swapped_numbers(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    other = chance.choice([each for each in range(len(log)) if each != n])
    log[n], log[other] = replace(log[other], seq=log[n].seq), replace(log[n], seq=log[other].seq)
    return log, min(n, other) + 1, Breach.REORDERED


def cut(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    return log[: n + 1], n + 2, Breach.CUT


def replayed(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    log.insert(n + 1, log[chance.randrange(n + 1)])
    return log, n + 2, Breach.REORDERED


def replayed_under_a_new_number(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    log[n + 1 :] = [replace(log[chance.randrange(n + 1)], seq=n + 2)]
    return log, n + 2, Breach.REORDERED


def forked_to_the_end(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    return grown(log[:n], len(log) - n + chance.randrange(3), action="finding.other"), len(log), Breach.FORKED


def forked_for_one_entry(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    log[n] = grown(log[:n], action="finding.other")[n]
    return log, n + 2, Breach.FORKED


def taken_over_by_a_stranger(log: Log, n: int, chance: random.Random) -> tuple[Log, int, Breach]:
    return grown(log[:n], len(log) - n, key=STRANGER), n + 1, Breach.FORKED


TAMPERINGS: list[Tampering] = [
    edited, edited_and_hashed_anew, renumbered, removed, swapped_lines, swapped_numbers, cut, replayed,
    replayed_under_a_new_number, forked_to_the_end, forked_for_one_entry, taken_over_by_a_stranger,
]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("times", [12, pytest.param(84, marks=pytest.mark.long)])
def test_p8_every_tampering_of_a_thousand_entries_is_found_and_named_t13(tamper, times):
    chance = random.Random(f"{tamper.__name__} {times}")
    for _ in range(times):
        n = chance.randrange(1, len(WHOLE) - 1)
        tampered, seq, kind = tamper(list(WHOLE), n, chance)
        assert judged(tampered, HEAD) == (seq, kind), n


def test_the_first_entry_gone_is_missing_and_a_log_of_somebody_else_is_forked():
    assert judged(WHOLE[1:], HEAD) == (1, Breach.MISSING)
    assert judged(grown([], 3, key=STRANGER)) == (1, Breach.FORKED)
    assert judged(grown([], 3, key=STRANGER), key=public_half(STRANGER)) is None


def test_a_head_that_is_not_of_this_log_is_told_with_its_number():
    other = grown([], 5, action="finding.other")
    assert judged(WHOLE, other[4].head) == (5, Breach.FORKED)
    assert judged(WHOLE, Head(3, WHOLE[2].hash), Head(3, "0" * 64)) == (3, Breach.FORKED)
    assert judged(WHOLE[:10], HEAD) == (11, Breach.CUT)


def test_a_key_is_changed_by_an_entry_that_the_old_one_signed():
    changed = grown(WHOLE[:5], action=KEY_CHANGE, content=public_half(NEXT))
    between = grown(changed)  # the service still runs with the old one
    after = grown(between, 3, key=NEXT)
    for key in (KEY, NEXT):
        assert judged(after, key=public_half(key)) is None
        assert judged(between, key=public_half(key)) is None
    assert verify(after, key=PUBLIC).keys == (PUBLIC, public_half(NEXT))
    assert judged(grown(after, key=KEY)) == (11, Breach.FORKED)
    assert judged(grown(WHOLE[:5], key=NEXT)) == (6, Breach.FORKED)


def test_a_removed_prefix_is_whole_with_its_checkpoint_alone():
    log = grown(WHOLE[:20], action=CHECKPOINT, content=str(Head(10, WHOLE[9].link)))
    assert judged(log[10:], WHOLE[15].head) is None
    assert judged(log[11:]) == (11, Breach.MISSING)
    assert judged(WHOLE[10:20]) == (1, Breach.MISSING)
    assert judged(log[10:], WHOLE[4].head) == (5, Breach.ANCHOR_UNKNOWN)
    assert judged([*WHOLE[:10], *log[10:]]) is None


@pytest.mark.parametrize("size", [1, 7, 100, 1_000])
def test_a_chain_followed_in_parts_is_judged_as_if_at_once(size):
    place = Place()
    heads = {HEAD.seq: HEAD.hash}
    for start in range(0, 1_000, size):
        place, broken = follow(place, WHOLE[start : start + size], heads)
        assert broken is None
    assert ended(place, heads, PUBLIC) is None
    assert place.seq == 1_000


@pytest.mark.parametrize(
    "text", ["no", "12", "12:", "x:" + "0" * 64, "1:" + "G" * 64, "-1:" + "0" * 64, "9" * 30 + ":" + "0" * 64]
)
def test_what_is_no_head_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Head.parse(text)
    assert Head.parse(f" {HEAD}\n") == HEAD
