"""The Slack stand-in as a process beside this one: for the demo and tests."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.sandbox.process import StandIn, begun

TOKEN = "xoxb-stand-in"  # noqa: S105 - opens nothing but the stand-in


@dataclass
class SlackProcess(StandIn):
    """A running Slack stand-in."""

    token: str = TOKEN

    @property
    def api_url(self) -> str:
        """The base URL that takes the place of ``https://slack.com/api/``."""
        return f"{self.url}/api/"


def start_slack(port: int = 0, *, channels: Mapping[str, str] | None = None) -> SlackProcess:
    """Start a Slack stand-in on loopback and wait until it listens.

    Args:
        port: 0 takes a free one.
        channels: ids with their names; None: every channel exists.

    Raises:
        StandInFailed: it ended or did not listen in time; the message is its own.
    """
    named = [f"--channel={channel}={name}" for channel, name in (channels or {}).items()]
    process, told = begun("monitor.sandbox.slack", ["--port", str(port), *named])
    return SlackProcess(process, **told)
