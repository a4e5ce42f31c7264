"""The Slack stand-in as a process beside this one: for the demo and tests."""

import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType

import httpx

from baselines.errors import Smart360Error

TOKEN = "xoxb-stand-in"  # noqa: S105 - opens nothing but the stand-in
_PATIENCE = 20.0  #: seconds; it usually takes one


class SlackStandInFailed(Smart360Error):
    """The Slack stand-in did not come up."""

    code = "slack_stand_in_failed"


@dataclass
class SlackProcess:
    """A running Slack stand-in; leaving the context ends it."""

    process: subprocess.Popen[str]
    url: str  #: of its page
    token: str

    @property
    def api_url(self) -> str:
        """The base URL that takes the place of ``https://slack.com/api/``."""
        return f"{self.url}/api/"

    @cached_property
    def client(self) -> httpx.Client:
        """For its control side, e.g. ``client.post("/standin/failures", json=…)``."""
        return httpx.Client(base_url=self.url, trust_env=False)

    def close(self) -> None:
        """End it."""
        if "client" in self.__dict__:
            self.client.close()
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> "SlackProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def start_slack(port: int = 0, *, token: str = TOKEN, channels: Mapping[str, str] | None = None) -> SlackProcess:
    """Start a Slack stand-in on loopback and wait until it listens.

    It ends when this process does, however that ends.

    Args:
        port: 0 takes a free one.
        token: what callers must present.
        channels: ids with their names; None: every channel exists.

    Raises:
        SlackStandInFailed: it ended or did not listen in time; the message is its own.
    """
    command = [sys.executable, "-m", "monitor.sandbox.slack", "--port", str(port), "--token", token, "--follow-stdin"]
    command += [f"--channel={channel}={name}" for channel, name in (channels or {}).items()]
    with tempfile.TemporaryFile("w+") as complaints:  # a pipe that nobody reads would fill and stop it
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
        )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
        line = process.stdout.readline() if ready else ""
        if not line:
            process.kill()
            process.communicate()
            complaints.seek(0)
            what = complaints.read().strip().splitlines()[-1:] or [f"no answer within {_PATIENCE:g} s."]
            raise SlackStandInFailed(what[0], where="Slack stand-in", mend="Name another port, or 0 for a free one.")
    return SlackProcess(process, json.loads(line)["url"], token)
