"""The audit log at work: judged from the store or from exports, its head told outside, its key changed."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from nacl.signing import SigningKey

from alerts.alert import Message
from alerts.errors import NotDelivered, Throttled
from baselines.errors import InvalidInput, Mistake, shown
from monitor.access import Actor, Right
from monitor.chain import KEY_CHANGE, Broken, Entry, Head, Place, Verdict, ended, follow, public_half, verify
from monitor.deps import Deps
from monitor.errors import SecretMissing
from monitor.secrets import installation_key, signing_key

if TYPE_CHECKING:  # exports are verified without a store
    from monitor.store.unit import Unit

log = structlog.get_logger(__name__)
EVERY: Final = timedelta(hours=1)
PAUSE: Final = timedelta(minutes=1)  #: after a place outside could not be told
AT_ONCE: Final = 1_000  #: entries that one scrape verifies
LONGEST_LINE: Final = 1 << 20


class InvalidExport(InvalidInput):
    """A file that is no export of an audit log."""

    code = "invalid_export"


def read_export(path: Path) -> Iterator[Entry]:
    """Entries of an export, line by line.

    Raises:
        InvalidExport: the file or a line of it cannot be read.
    """
    decoder = msgspec.json.Decoder(Entry)
    number = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        mend = "Take it as audit export wrote it: one entry in each line."
        raise InvalidExport([Mistake(str(path), number, 1, "", "syntax", f"{shown(str(error))}.", mend)]) from None
    except OSError as error:
        what = f"It cannot be read: {error.strerror}."
        raise InvalidExport([Mistake(str(path), 0, 0, "", "not_found", what, "Correct the name.")]) from None


def export_line(entry: Entry) -> bytes:
    """An entry as a line of an export."""
    return msgspec.json.encode(entry) + b"\n"


def trusted_key(deps: Deps, given: str) -> str:
    """The public key to verify with: as given, else of this installation.

    Raises:
        SecretMissing: neither is there; none is made, as it would vouch for nothing.
    """
    settings = deps.settings
    if given:
        return given.strip().lower()
    if not settings.audit_key and not (settings.state_folder / "audit.key").is_file():
        mend = "Name the public key that your sign-off record or audit export told: --key HEX."
        raise KeyMissing("there is no key to verify with.", where="audit verify", mend=mend)
    return public_half(deps.audit_key)


class KeyMissing(SecretMissing):
    """Nothing can be verified without a key."""

    exit_code = 3


def verify_store(deps: Deps, key: str, heads: Iterable[Head] = ()) -> Verdict:
    """Judge the log in the store, also by what this installation knows to have told outside."""
    written = _in_file(deps)  # before the log is read: what is told meanwhile is newer than what is read
    with deps.store.read() as unit:
        told = [head for head, _ in unit.audit.anchors().values()]
        return verify(unit.audit.after(0), key=key, heads=(*heads, *written, *told))


def _in_file(deps: Deps) -> Sequence[Head]:
    """The last line of the anchor file."""
    path = deps.settings.audit_anchor_file
    try:
        lines = [each for each in path.read_text(encoding="utf-8").splitlines() if each.strip()] if path else []
        return [Head.parse(each.split()[0]) for each in lines[-1:]]
    except FileNotFoundError:
        return []  # nothing was told yet
    except (OSError, ValueError) as error:
        log.warning("audit_anchor_unreadable", file=str(path), why=str(error))
        return []


def export(actor: Actor, deps: Deps) -> Iterator[Entry]:
    """The whole log, with the entry that says who exported it."""
    actor.needs(Right.AUDIT)
    with deps.store.write() as unit:
        unit.audit.append(
            deps.audit_key, at=deps.clock.now(), actor=actor.name, tenant="", action="audit.export", object="audit log"
        )
    with deps.store.read() as unit:
        yield from unit.audit.after(0)


def change_key(next_key: SigningKey, actor: Actor, deps: Deps) -> Entry:
    """Name the key that is going to sign, signed by the one that did so far."""
    actor.needs(Right.ADMINISTER)
    with deps.store.write() as unit:
        return unit.audit.append(
            deps.audit_key, at=deps.clock.now(), actor=actor.name, tenant="", action=KEY_CHANGE, object="audit log",
            content=public_half(next_key),
        )  # fmt: skip


def remove_before(seq: int, reason: str, actor: Actor, deps: Deps) -> Entry:
    """Remove the entries before one; returns the signed checkpoint that says so."""
    actor.needs(Right.ADMINISTER)
    with deps.store.write() as unit:
        return unit.audit.remove_before(seq, deps.audit_key, at=deps.clock.now(), actor=actor.name, reason=reason)


@dataclass
class Anchors:
    """Tells the head of the log outside: to the service's log, to a channel, to a file; each on its own."""

    deps: Deps
    _held: dict[str, datetime] = field(default_factory=dict)

    def tell(self) -> Sequence[str]:
        """Tell it where an hour has passed or somebody approved; returns the places that were told."""
        now = self.deps.clock.now()
        with self.deps.store.read() as unit:
            newest, told = unit.audit.head(), unit.audit.anchors()
            if newest is None:
                return ()
            due = [
                place
                for place in places(self.deps)
                if self._held.get(place, now) <= now
                and (
                    place not in told or now - told[place][1] >= EVERY or unit.audit.approved_after(told[place][0].seq)
                )
            ]
        if not due:
            return ()
        with self.deps.store.write() as unit:
            if not unit.leases.take("anchor", self.deps.worker, now, self.deps.settings.lease):
                return ()
        done = [place for place in due if self._told(place, newest.head, now)]
        with self.deps.store.write() as unit:
            for place in done:
                unit.audit.anchored(place, newest.head, self.deps.worker, now)
        return done

    def _told(self, place: str, head: Head, now: datetime) -> bool:
        try:
            if place == "log":
                log.info("audit_anchor", head=str(head))
            elif place == "file":
                _added(self.deps.settings.audit_anchor_file, f"{head} {now.isoformat()}\n")
            else:
                channel = self.deps.channel(self.deps.settings.audit_channel)
                if channel is None:
                    raise NotDelivered("no token is set.", where="Slack", mend="Set SMART360_SLACK_TOKEN.")
                channel.send(Message(f"audit:{head.seq}", 1, f"Head of the audit log: {head}"))
        except (OSError, NotDelivered) as error:
            wait = timedelta(seconds=error.retry_after_s) if isinstance(error, Throttled) else PAUSE
            self._held[place] = now + wait
            log.warning("audit_anchor_not_told", place=place, why=str(error))
            return False
        return True


def _added(path: Path | None, line: str) -> None:
    assert path is not None, "asked for only where it is set"
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def places(deps: Deps) -> Sequence[str]:
    """Where the head is told outside, by settings."""
    asked = {"log": True, "channel": deps.settings.audit_channel, "file": deps.settings.audit_anchor_file}
    return [place for place, is_asked in asked.items() if is_asked]


def anchor_age(unit: "Unit", deps: Deps) -> timedelta:
    """How long ago the place outside that lags most was told; from the first entry on where it never was."""
    told, now = unit.audit.anchors(), deps.clock.now()
    begun = unit.audit.begun() or now
    return max(now - (told[place][1] if place in told else begun) for place in places(deps))


@dataclass
class ChainWatch:
    """Follows the chain a part at a time, round and round: what it costs does not grow with the log."""

    deps: Deps
    broken: Broken | None = None
    _place: Place = field(default_factory=Place)
    _written: Sequence[Head] = ()  #: to the file, as it was at the look before: so never newer than the log read now
    _held: threading.Lock = field(default_factory=threading.Lock)

    def look(self, unit: "Unit") -> bool:
        """Go on from where it stood; False from the first bad entry on until that is mended."""
        with self._held:
            told = [head for head, _ in unit.audit.anchors().values()]
            heads = {each.seq: each.hash for each in (*told, *self._written)}
            self._written = _in_file(self.deps)
            entries = list(unit.audit.after(self._place.seq, AT_ONCE))
            after, broken = follow(self._place, entries, heads)
            if broken is None:
                is_end = len(entries) < AT_ONCE
                broken = ended(after, heads, public_half(self.deps.audit_key)) if is_end else None
                self._place = Place() if is_end else after
            if broken is not None and self.broken is None:
                log.error("audit_chain_broken", seq=broken.seq, kind=broken.kind, told=broken.told)
            self.broken = broken
            return broken is None


def next_signing_key(reference: str, deps: Deps) -> SigningKey:
    """The key behind a reference, as the setting names it."""
    return signing_key(installation_key(reference, deps.settings.state_folder, "audit"))
