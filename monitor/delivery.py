"""Delivery: what waits in the outbox goes out, is edited in place, and is never said twice (P4).

State first, effect after: each step is written down as soon as it is known, so that after a crash
the channel is searched for the message's key instead of posting again.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from alerts.alert import Message
from alerts.channels import Channel, Sent
from alerts.errors import Gone, NotDelivered, Refusal, Refused, Throttled
from alerts.slack.blocks import render
from monitor.deps import Deps
from monitor.killpoints import reached
from monitor.store.alerts import Waiting

log = structlog.get_logger(__name__)

#: Before a try whose answer was lost the message may stand a little earlier than our clock says.
SLACK_CLOCK: Final = timedelta(seconds=60)
#: The lease is the process's: two of its threads would both hold it, and say everything twice.
_ONE_AT_A_TIME: Final = threading.Lock()
LONGEST_PAUSE: Final = timedelta(minutes=5)


def deliver_waiting(deps: Deps, *, channel_of: Callable[[str], Channel | None] | None = None) -> int:
    """Send what waits and is due; returns how many were delivered.

    One process delivers at a time. An alert whose channel has no way out yet stays waiting.
    """
    with _ONE_AT_A_TIME:
        return _deliver_due(deps, channel_of or deps.channel)


def _deliver_due(deps: Deps, channel_of: Callable[[str], Channel | None]) -> int:
    now = deps.clock.now()
    with deps.store.read() as unit:
        due = unit.alerts.due(now)
    if not due:
        return 0
    with deps.store.write() as unit:
        if not unit.leases.take("delivery", deps.worker, now, deps.settings.lease):
            return 0
    delivered = 0
    held: set[str] = set()
    for alert in due:
        channel = channel_of(alert.channel)
        if channel is None or alert.channel in held:
            continue
        outcome = _outcome(alert, channel, deps)
        with deps.store.write() as unit:
            unit.counters.add("alerts", {(alert.channel, outcome): 1})
            is_ours = unit.leases.take("delivery", deps.worker, deps.clock.now(), deps.settings.lease)
        if outcome in ("sent", "updated", "degraded", "found"):
            delivered += 1
        else:
            held.add(alert.channel)  # order within a channel is kept
        if not is_ours:
            log.warning("lease_lost", lease="delivery")
            break  # another process delivers by now
    return delivered


def _outcome(alert: Waiting, channel: Channel, deps: Deps) -> str:
    try:
        return _deliver(alert, channel, deps)
    except Throttled as error:
        until = deps.clock.now() + timedelta(seconds=error.retry_after_s)
        with deps.store.write() as unit:
            unit.alerts.hold_channel(alert.channel, until)
            unit.alerts.later(alert, until, error.what)
        log.info("alert_throttled", channel=alert.channel, wait_s=error.retry_after_s)
        return "throttled"
    except Gone:
        with deps.store.write() as unit:
            unit.alerts.gone(alert, deps.clock.now())
        return "reposted"
    except NotDelivered as error:
        with deps.store.write() as unit:
            unit.alerts.later(alert, deps.clock.now() + _pause(alert.attempts), error.what)
        log.warning("alert_not_delivered", channel=alert.channel, code=error.code, what=error.what)
        if isinstance(error, Refused):
            return "auth" if error.about is Refusal.ACCESS else "refused"
        return "retry"


def _pause(attempts: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(attempts, 9)), LONGEST_PAUSE)


def _deliver(alert: Waiting, channel: Channel, deps: Deps) -> str:
    with deps.store.write() as unit:
        sent, tried_at = unit.alerts.begin(alert, deps.clock.now())
    reached("delivery-begun")
    message = render(alert.story)
    sent, outcome = _placed(alert, channel, message, sent, tried_at)
    reached("posted")
    with deps.store.write() as unit:
        unit.alerts.stands(alert, sent)
    for number, line in enumerate(message.thread[alert.told :], alert.told + 1):
        channel.say(sent, line)
        with deps.store.write() as unit:
            unit.alerts.told(alert, number)
    with deps.store.write() as unit:
        unit.alerts.sent(alert, deps.clock.now())
    reached("delivered")
    return outcome


def _placed(
    alert: Waiting, channel: Channel, message: Message, sent: Sent | None, tried_at: datetime
) -> tuple[Sent, str]:
    """The message as it now stands in the channel."""
    if sent is None:
        found = channel.find(alert.story.key, tried_at - SLACK_CLOCK) if alert.attempts else None
        if found is None:
            return _said(message, channel.send)
        sent = found
        if found.revision == message.revision:
            return found, "found"
    place = sent
    placed, outcome = _said(message, lambda one: channel.update(place, one))
    return placed, "updated" if outcome == "sent" else outcome


def _said(message: Message, say: Callable[[Message], Sent]) -> tuple[Sent, str]:
    try:
        return say(message), "sent"
    except Refused as error:
        if error.about is not Refusal.CONTENT:
            raise
        log.warning("alert_degraded", key=message.alert_key, code=error.code)
        return say(message.as_plain_text()), "degraded"
