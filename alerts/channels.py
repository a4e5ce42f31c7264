"""What delivery may expect of a channel. Slack is one; another has to pass the same tests."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from alerts.alert import Message, ThreadLine


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a message stands: enough to edit it, to answer in its thread and to find it again."""

    channel: str  #: the channel's own id: ``C0SWA``
    message_id: str  #: the channel's own id of the message: Slack's ``ts``
    revision: int  #: the revision of the story that stands there


class Channel(Protocol):
    """Sends once and never by itself again: repeating is delivery's work, which alone knows what was said.

    Every method raises ``Throttled``, ``Unclear`` or ``Refused``; ``update`` and ``say`` also ``Gone``.
    """

    def send(self, message: Message) -> Sent:
        """Post a new message. After ``Unclear``, ``find`` comes before the next ``send`` (P4)."""
        ...

    def update(self, sent: Sent, message: Message) -> Sent:
        """Edit a message in place. Doing it twice does no harm, so ``Unclear`` may simply be repeated."""
        ...

    def say(self, sent: Sent, line: ThreadLine) -> None:
        """Add a line to the message's thread. A line cannot be searched for: after ``Unclear`` it may stand there."""
        ...

    def find(self, alert_key: str, since: datetime) -> Sent | None:
        """The newest message with this alert key, posted at ``since`` or later; None: there is none."""
        ...
