"""The outbox: what is to be said, and what stands where in which channel (P4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.engine import Connection

from alerts.alert import AlertKind, AlertStory
from alerts.channels import Sent
from monitor.errors import Moved
from monitor.store.engine import insert_into
from monitor.store.tables import AlertRow, AlertThreadRow, FleetEventRow
from monitor.store.values import from_json, to_json
from monitor.target import Target

_COLUMNS = AlertRow.__table__.c
_THREADS = AlertThreadRow.__table__.c
_EVENTS = FleetEventRow.__table__.c


@dataclass(frozen=True, slots=True)
class Waiting:
    """One alert to be delivered."""

    id: int
    channel: str
    story: AlertStory
    attempts: int
    told: int  #: thread lines already said


class Alerts:
    """The tables ``alerts`` and ``alert_threads``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def queue(self, target: Target, channel: str, story: AlertStory, reason: str, now: datetime) -> None:
        """Queue a revision of a message; earlier ones that still wait are superseded by it, their events kept.

        Raises:
            Moved: somebody else made this revision meanwhile; what it says may miss what that one says.
        """
        waiting = self._connection.execute(
            select(_COLUMNS.id, _COLUMNS.story, _COLUMNS.attempts)
            .where(
                _COLUMNS.channel == channel, _COLUMNS.key == story.key, _COLUMNS.state == "waiting",
                _COLUMNS.told == 0,  # else it is said to its end first, or its thread would say it twice
            )
            .order_by(_COLUMNS.revision)
        ).all()  # fmt: skip
        events = tuple(event for row in waiting for event in from_json(row.story, AlertStory).events)
        self._connection.execute(
            update(AlertRow).where(_COLUMNS.id.in_([row.id for row in waiting])).values(state="superseded")
        )
        state = "suppressed" if self._is_told_by_fleet(channel, story) else "waiting"
        made = self._connection.execute(
            insert_into(self._connection, AlertRow)
            .values(
                target_id=target.id, channel=channel, key=story.key, revision=story.revision, reason=reason,
                story=to_json(replace(story, events=(*events, *story.events))), state=state, next_try_at=now,
                # An answer may have been lost: tried once, a message is searched for before it is posted.
                attempts=max((row.attempts for row in waiting), default=0), created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(_COLUMNS.id)
        ).scalar()  # fmt: skip
        if made is None:
            raise Moved(f"{channel} {story.key}")
        if story.kind is AlertKind.FLEET:  # each revision tells of all targets: the newest is enough
            over = (_COLUMNS.channel == channel, _COLUMNS.key == story.key, _COLUMNS.state.in_(("superseded", "sent")))
            self._connection.execute(update(AlertRow).where(*over, _COLUMNS.story != "").values(story=""))

    def _is_told_by_fleet(self, channel: str, story: AlertStory) -> bool:
        """True if all of a message that nobody has seen yet stands in this channel in messages of fleet events."""
        events = {line.fleet for line in story.lines}
        if not events or None in events or story.kind is AlertKind.FLEET:
            return False
        told = select(_EVENTS.id).where(_EVENTS.id.in_(list(events)), _EVENTS.channel == channel)
        tried = select(_COLUMNS.id).where(_COLUMNS.channel == channel, _COLUMNS.key == story.key, _COLUMNS.attempts > 0)
        is_unseen = self._connection.execute(tried.limit(1)).first() is None
        return is_unseen and len(self._connection.execute(told).all()) == len(events)

    def last_story(self, channel: str, key: str) -> AlertStory | None:
        """The newest revision of a message, sent or not."""
        story = self._connection.execute(
            select(_COLUMNS.story)
            .where(_COLUMNS.channel == channel, _COLUMNS.key == key)
            .order_by(_COLUMNS.revision.desc())
            .limit(1)
        ).scalar()
        return from_json(story, AlertStory) if story is not None else None

    def states_of(self, key: str) -> Sequence[Mapping[str, Any]]:
        """Every revision of a message, in each channel, oldest first: channel, state, when sent, next try, why not."""
        rows = self._connection.execute(
            select(_COLUMNS.channel, _COLUMNS.state, _COLUMNS.sent_at, _COLUMNS.next_try_at, _COLUMNS.error)
            .where(_COLUMNS.key == key)
            .order_by(_COLUMNS.channel, _COLUMNS.revision)
        )
        return [dict(row._mapping) for row in rows]

    def channels_of(self, key: str) -> Sequence[str]:
        """Channels in which a message was said."""
        return [
            row[0] for row in self._connection.execute(select(_COLUMNS.channel).where(_COLUMNS.key == key).distinct())
        ]

    def due(self, now: datetime, most: int = 20) -> Sequence[Waiting]:
        """Alerts whose time has come, oldest first."""
        rows = self._connection.execute(
            select(AlertRow.__table__)
            .where(_COLUMNS.state == "waiting", _COLUMNS.next_try_at <= now)
            .order_by(_COLUMNS.id)
            .limit(most)
        )
        return [_waiting(row) for row in rows]

    def begin(self, alert: Waiting, now: datetime) -> tuple[Sent | None, datetime]:
        """Note that delivery begins; returns where the message stands, and since when it may stand unseen."""
        row = self._connection.execute(
            select(AlertThreadRow.__table__).where(_THREADS.channel == alert.channel, _THREADS.key == alert.story.key)
        ).first()
        if row is None:
            self._connection.execute(
                insert(AlertThreadRow).values(channel=alert.channel, key=alert.story.key, tried_at=now)
            )
            tried_at = now
        else:
            tried_at = row.tried_at
        self._connection.execute(update(AlertRow).where(_COLUMNS.id == alert.id).values(attempts=AlertRow.attempts + 1))
        sent = Sent(row.message_channel, row.message_id, row.revision) if row is not None and row.message_id else None
        return sent, tried_at

    def stands(self, alert: Waiting, sent: Sent) -> None:
        """The message stands in its channel; kept at once, before its thread."""
        self._connection.execute(
            update(AlertThreadRow)
            .where(_THREADS.channel == alert.channel, _THREADS.key == alert.story.key)
            .values(message_channel=sent.channel, message_id=sent.message_id, revision=sent.revision)
        )

    def gone(self, alert: Waiting, now: datetime) -> None:
        """The message was deleted in its channel; the next try posts anew."""
        self._connection.execute(
            update(AlertThreadRow)
            .where(_THREADS.channel == alert.channel, _THREADS.key == alert.story.key)
            .values(message_id="", tried_at=now)
        )

    def told(self, alert: Waiting, lines: int) -> None:
        """So many lines of its thread are said."""
        self._connection.execute(update(AlertRow).where(_COLUMNS.id == alert.id).values(told=lines))

    def sent(self, alert: Waiting, now: datetime) -> None:
        """Delivered and confirmed."""
        self._connection.execute(
            update(AlertRow)
            .where(_COLUMNS.id == alert.id, _COLUMNS.state == "waiting")
            .values(state="sent", sent_at=now, error="")
        )

    def later(self, alert: Waiting, at: datetime, error: str) -> None:
        """Not delivered; tried again at this time."""
        self._connection.execute(
            update(AlertRow).where(_COLUMNS.id == alert.id).values(next_try_at=at, error=error[:500])
        )

    def hold_channel(self, channel: str, until: datetime) -> None:
        """A channel asked for a pause: nothing is sent to it before (F78)."""
        self._connection.execute(
            update(AlertRow)
            .where(_COLUMNS.channel == channel, _COLUMNS.state == "waiting", _COLUMNS.next_try_at < until)
            .values(next_try_at=until)
        )

    def waiting(self) -> Mapping[str, tuple[int, datetime]]:
        """How many wait for each channel, and since when the oldest does."""
        rows = self._connection.execute(
            select(_COLUMNS.channel, func.count(), func.min(_COLUMNS.created_at))
            .where(_COLUMNS.state == "waiting")
            .group_by(_COLUMNS.channel)
        )
        return {channel: (count, oldest) for channel, count, oldest in rows}

    def recent(self, target: Target, most: int) -> Sequence[Mapping[str, object]]:
        """What was said of a target lately, for people: newest first."""
        rows = self._connection.execute(
            select(
                _COLUMNS.key, _COLUMNS.revision, _COLUMNS.channel, _COLUMNS.reason, _COLUMNS.state, _COLUMNS.sent_at,
                _COLUMNS.error,
            )
            .where(_COLUMNS.target_id == target.id)
            .order_by(_COLUMNS.id.desc())
            .limit(most)
        )  # fmt: skip
        return [dict(row._mapping) for row in rows]


def _waiting(row: Row[tuple[object, ...]]) -> Waiting:
    found = row._mapping
    return Waiting(
        found["id"], found["channel"], from_json(found["story"], AlertStory), found["attempts"], found["told"]
    )
