"""The only traffic to Slack: one request for each call, its answer told as a value or as what went wrong.

Nothing is repeated here. A post whose answer is lost may stand in the channel, so who repeats must search first.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from alerts.alert import Message, ThreadLine
from alerts.channels import Sent
from alerts.errors import Gone, Refusal, Refused, Throttled, Unclear
from alerts.slack.blocks import payload, text_only, visible
from alerts.slack.limits import breaches

SLACK_API = "https://slack.com/api/"
TIMEOUT_S = 5
PAUSE_S = 30.0  #: where Slack asks for one without saying how long
CLOCK_SKEW = timedelta(minutes=5)  #: Slack's clock names the messages, ours the time since when to search
PAGES = 10  #: of history, 200 messages each, that a search reads
SCOPES = "chat:write, channels:history, groups:history"

_CHANNEL = {"channel_not_found", "not_in_channel", "is_archived", "restricted_action", "is_inactive"}
_ACCESS = {
    "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope",
    "not_allowed_token_type", "no_permission", "access_denied", "org_login_required", "ekm_access_denied",
    "team_access_not_granted", "team_not_found",
}  # fmt: skip
_CONTENT = {
    "invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text", "invalid_arguments",
    "invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large", "invalid_attachments",
}  # fmt: skip
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"}
_THROTTLED = {"ratelimited", "rate_limited"}
_UNCLEAR = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
_MEND = {
    Refusal.CHANNEL: "invite the app into the channel, or correct the channel's id in the routes file.",
    Refusal.ACCESS: f"renew the Slack token; it needs the scopes {SCOPES}.",
    Refusal.CONTENT: "nothing to do: the plain text is sent. Tell support, a message should always fit.",
    Refusal.OTHER: "look up the code in Slack's documentation.",
}


def web_client(token: str, *, base_url: str = SLACK_API, timeout_s: float = TIMEOUT_S) -> WebClient:
    """A client for one workspace, without any retries of its own.

    Args:
        token: of the bot, ``xoxb-…``.
        base_url: another address for the same methods, as a stand-in has.
        timeout_s: of connecting and of reading, each.
    """
    quiet = logging.getLogger("smart360.slack")
    quiet.disabled = True  # every error reaches the caller as an exception; the SDK would tell it a second time
    client = WebClient(token, base_url=base_url, timeout=timeout_s, retry_handlers=[], logger=quiet)  # type: ignore[arg-type]
    if urlsplit(base_url).hostname in ("127.0.0.1", "::1", "localhost"):
        client.proxy = None  # a proxy of the environment leads out, never to this machine
    return client


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """One Slack channel as a ``Channel``."""

    client: WebClient
    channel: str  #: its id, ``C0SWA``

    def send(self, message: Message) -> Sent:
        """Post a message (``chat.postMessage``)."""
        answer = self._post(message_arguments(message))
        return Sent(str(answer["channel"]), str(answer["ts"]), message.revision)

    def update(self, sent: Sent, message: Message) -> Sent:
        """Edit a message in place (``chat.update``); nobody is notified of it."""
        arguments = payload(message)
        self._refuse_too_long(arguments)
        self._ask(lambda: self.client.chat_update(channel=sent.channel, ts=sent.message_id, **arguments))
        return Sent(sent.channel, sent.message_id, message.revision)

    def say(self, sent: Sent, line: ThreadLine) -> None:
        """Answer in the message's thread, in the channel too if a person has to hear it."""
        self._post(
            text_only(visible(line.text, 1_000)) | {"thread_ts": sent.message_id, "reply_broadcast": line.in_channel}
        )

    def find(self, alert_key: str, since: datetime) -> Sent | None:
        """Search the channel's history by the alert key in the metadata (F80)."""
        oldest = f"{(since - CLOCK_SKEW).timestamp():.6f}"
        cursor = ""
        for _ in range(PAGES):
            answer = self._ask(
                lambda cursor=cursor: self.client.conversations_history(  # type: ignore[misc]
                    channel=self.channel, oldest=oldest, limit=200, include_all_metadata=True, cursor=cursor
                )
            )
            for message in answer.get("messages", []):
                metadata = message.get("metadata") or {}
                event = metadata.get("event_payload") or {}
                if metadata.get("event_type") == "smart360_alert" and event.get("alert_key") == alert_key:
                    return Sent(self.channel, str(message["ts"]), int(event.get("revision", 0)))
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return None
        raise Unclear(f"more than {PAGES * 200:,} messages since then.", where=self._where)

    @property
    def _where(self) -> str:
        return f"Slack channel {self.channel}"

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._refuse_too_long(arguments)
        answer = self._ask(lambda: self.client.chat_postMessage(channel=self.channel, **arguments))
        if not isinstance(answer.get("ts"), str):
            raise Unclear("Slack confirmed a message without its number.", where=self._where)
        return answer

    def _refuse_too_long(self, arguments: dict[str, Any]) -> None:
        for breach in breaches(arguments):
            raise Refused(
                breach.code, Refusal.CONTENT, where=self._where, what=f"{breach}.", mend=_MEND[Refusal.CONTENT]
            )

    def _ask(self, request: Callable[[], Any]) -> dict[str, Any]:
        """One request; a definite yes is returned, all else raised by kind."""
        try:
            answer = request().data
        except SlackApiError as error:
            raise self._refusal(error) from error
        except (OSError, HTTPException, SlackClientError, ValueError, LookupError, AttributeError) as error:
            # The last three are what the SDK raises over a body that is not Slack's (F85).
            raise Unclear(f"no answer from Slack ({type(error).__name__}: {error}).", where=self._where) from error
        if not isinstance(answer, dict):
            raise Unclear("the answer is not Slack's.", where=self._where)
        return answer

    def _refusal(self, error: SlackApiError) -> Throttled | Unclear | Gone | Refused:
        answer = error.response
        code = answer.data.get("error", "") if isinstance(answer.data, dict) else ""
        if answer.status_code == 429 or code in _THROTTLED:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            pause = str(headers.get("retry-after", ""))
            return Throttled(float(pause) if pause.isdecimal() else PAUSE_S, where=self._where)
        if answer.status_code != 200 or code in _UNCLEAR or not code.replace("_", "").isalnum():
            return Unclear(f"Slack, or a proxy before it, answered {answer.status_code}.", where=self._where)
        if code in _GONE:
            return Gone(where=self._where)
        about = (
            Refusal.CHANNEL if code in _CHANNEL
            else Refusal.ACCESS if code in _ACCESS
            else Refusal.CONTENT if code in _CONTENT
            else Refusal.OTHER
        )  # fmt: skip
        return Refused(code, about, where=self._where, what=f"refused with {code}.", mend=_MEND[about])


def message_arguments(message: Message) -> dict[str, Any]:
    """Arguments of a first post; Slack wants no empty list of blocks there, an edit needs it to drop old ones."""
    arguments = payload(message)
    return arguments if message.blocks else {name: value for name, value in arguments.items() if name != "blocks"}
