"""A stand-in for Slack on loopback: the methods we use, its limits, its errors on demand, its channels as a page.

For the demo and for tests, which have no Slack. It keeps everything it was told, with every revision.
Run it as ``python -m monitor.sandbox.slack``; the first line it prints is its address as JSON.

    POST   /api/{method}            auth.test, chat.postMessage, chat.update, chat.delete, conversations.history
    GET    /                        the channels as a page, ?channel=C0SWA
    POST   /standin/failures        plan what goes wrong next: {"method": "chat.postMessage", "kind": "429", "times": 2}
    GET    /standin/failures        those not used up yet
    GET    /standin/messages        everything posted, ?channel=C0SWA
    DELETE /standin/messages/{ts}   as a person deletes a message
    GET    /standin/log             every request and its answer
    DELETE /standin/log
"""

import argparse
import asyncio
import json
import re
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from alerts.slack.limits import breaches
from monitor.sandbox.process import FOLLOW, end_with_stdin
from monitor.sandbox.slack_page import render_page
from monitor.sandbox.slack_process import TOKEN

STYLE = Path(__file__).parent / "slack_page" / "slack.css"
LONGEST_PAGE = 200  #: messages in one answer of conversations.history
_PING = re.compile(r"<(?:@|#|!subteam|!here|!channel|!everyone)[^>]*>")

Arguments = Mapping[str, Any]
Answer = dict[str, Any]


class PlannedFailure(BaseModel):
    """Something that goes wrong with the next calls of a method."""

    model_config = ConfigDict(extra="forbid")

    method: str
    kind: str = Field(pattern=r"^(429|5\d\d|timeout_after_accept|html_200|ok_false:[a-z_]+)$")
    times: int = Field(default=1, ge=1, le=100_000)
    retry_after: int = Field(default=1, ge=0, description="seconds, of 429")
    hold_s: float = Field(default=6.0, ge=0, le=60, description="seconds without an answer, of timeout_after_accept")


@dataclass(slots=True)
class Posted:
    """A message, or a reply in a thread, as it stands now; earlier wordings in ``revisions``, oldest first."""

    channel: str
    ts: str
    thread_ts: str
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any] | None
    in_channel: bool
    edited_ts: str = ""
    is_deleted: bool = False
    revisions: list[dict[str, Any]] = field(default_factory=list)

    def wording(self) -> dict[str, Any]:
        return {"text": self.text, "blocks": self.blocks, "metadata": self.metadata}

    def pings(self) -> list[str]:
        """Mentions as Slack would read them: in ``text`` and mrkdwn, never in rich text or plain text."""
        parsed = [self.text]
        for block in self.blocks:
            texts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
            parsed += [part["text"] for part in texts if isinstance(part, dict) and part.get("type") == "mrkdwn"]
        return [ping for text in parsed for ping in _PING.findall(text)]

    def as_slack_tells_it(self, *, with_metadata: bool) -> Answer:
        told: Answer = {"type": "message", "bot_id": "B0STANDIN", "ts": self.ts, "text": self.text}
        told |= {"blocks": self.blocks}
        told |= {"thread_ts": self.thread_ts} if self.thread_ts else {}
        told |= {"edited": {"user": "U0STANDIN", "ts": self.edited_ts}} if self.edited_ts else {}
        return told | ({"metadata": self.metadata} if with_metadata and self.metadata else {})


class Refusal(Exception):
    """Slack's ``ok: false``."""

    def __init__(self, code: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(code)
        self.code, self.details = code, details


@dataclass(slots=True)
class Workspace:
    """Channels and their messages; without named channels any ``C…`` exists, else only those named."""

    token: str = TOKEN
    channels: dict[str, str] = field(default_factory=dict)  #: id → name
    messages: list[Posted] = field(default_factory=list)
    failures: list[PlannedFailure] = field(default_factory=list)
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=10_000))
    takes_any_channel: bool = True
    last_us: int = 0  #: microseconds of the newest ts, so that none is given twice

    def failure_for(self, method: str) -> PlannedFailure | None:
        """The next planned failure of a method, used up once."""
        for planned in self.failures:
            if planned.method == method:
                planned.times -= 1
                if not planned.times:
                    self.failures.remove(planned)
                return planned
        return None

    def answer(self, method: str, arguments: Arguments) -> Answer:
        """What Slack says to a call; keeps what it accepts."""
        call = _METHODS.get(method)
        try:
            if call is None:
                raise Refusal("unknown_method")
            return {"ok": True, **call(self, arguments)}
        except Refusal as refusal:
            told = {"response_metadata": {"messages": list(refusal.details)}} if refusal.details else {}
            return {"ok": False, "error": refusal.code, **told}

    def auth_test(self, _arguments: Arguments) -> Answer:
        return {"url": "https://stand-in.slack.example/", "team": "Stand-in", "user": "monitor", "team_id": "T0STANDIN"}

    def post(self, arguments: Arguments) -> Answer:
        channel = self._channel(arguments)
        wording = _wording(arguments)
        thread_ts = str(arguments.get("thread_ts") or "")
        if thread_ts and not any(posted.ts == thread_ts for posted in self.messages):
            raise Refusal("thread_not_found")
        in_channel = not thread_ts or bool(arguments.get("reply_broadcast"))
        posted = Posted(channel, self._next_ts(), thread_ts, **wording, in_channel=in_channel)
        self.messages.append(posted)
        return {"channel": channel, "ts": posted.ts, "message": posted.as_slack_tells_it(with_metadata=False)}

    def update(self, arguments: Arguments) -> Answer:
        posted = self._posted(arguments)
        wording = _wording(arguments)
        posted.revisions.append(posted.wording())
        posted.text, posted.edited_ts = wording["text"], self._next_ts()
        if arguments.get("blocks") is not None:
            posted.blocks = wording["blocks"]
        if wording["metadata"] is not None:
            posted.metadata = wording["metadata"]
        return {"channel": posted.channel, "ts": posted.ts, "text": posted.text}

    def delete(self, arguments: Arguments) -> Answer:
        posted = self._posted(arguments)
        posted.is_deleted = True
        return {"channel": posted.channel, "ts": posted.ts}

    def history(self, arguments: Arguments) -> Answer:
        channel = self._channel(arguments)
        oldest = float(arguments.get("oldest") or 0)
        shown = [
            posted
            for posted in reversed(self.messages)
            if posted.channel == channel and posted.in_channel and not posted.is_deleted and float(posted.ts) > oldest
        ]
        start = int(arguments.get("cursor") or 0)
        limit = min(int(arguments.get("limit") or 100), LONGEST_PAGE)
        with_metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
        more = start + limit < len(shown)
        return {
            "messages": [each.as_slack_tells_it(with_metadata=with_metadata) for each in shown[start : start + limit]],
            "has_more": more,
            "response_metadata": {"next_cursor": str(start + limit) if more else ""},
        }

    def _channel(self, arguments: Arguments) -> str:
        channel = str(arguments.get("channel") or "")
        if channel not in self.channels:
            if not self.takes_any_channel or not re.fullmatch(r"C[A-Z0-9]{2,20}", channel):
                raise Refusal("channel_not_found")
            self.channels[channel] = channel.lower()
        return channel

    def _posted(self, arguments: Arguments) -> Posted:
        channel = self._channel(arguments)
        for posted in self.messages:
            if posted.ts == arguments.get("ts") and posted.channel == channel and not posted.is_deleted:
                return posted
        raise Refusal("message_not_found")

    def _next_ts(self) -> str:
        self.last_us = max(time.time_ns() // 1000, self.last_us + 1)
        return f"{self.last_us // 1_000_000}.{self.last_us % 1_000_000:06d}"


def _wording(arguments: Arguments) -> dict[str, Any]:
    found = breaches(arguments)
    if found:
        raise Refusal(found[0].code, tuple(map(str, found)))
    return {
        "text": str(arguments.get("text") or ""),
        "blocks": arguments.get("blocks") or [],
        "metadata": arguments.get("metadata"),
    }


_METHODS: dict[str, Callable[[Workspace, Arguments], Answer]] = {
    "auth.test": Workspace.auth_test,
    "chat.postMessage": Workspace.post,
    "chat.update": Workspace.update,
    "chat.delete": Workspace.delete,
    "conversations.history": Workspace.history,
}


def create_app(workspace: Workspace) -> FastAPI:
    """The stand-in's HTTP side over one workspace."""
    app = FastAPI(title="Slack stand-in", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/api/{method}")
    async def call(method: str, request: Request) -> Response:
        arguments = _arguments(request.headers.get("content-type", ""), await request.body())
        failure = workspace.failure_for(method)
        response = await _respond(workspace, method, arguments, _bearer(request, arguments), failure)
        answer = bytes(response.body).decode()
        told = {"status": response.status_code, "answer": answer, "failure": failure.kind if failure else ""}
        workspace.log.append({"at": time.time(), "method": method, "arguments": arguments, **told})
        return response

    @app.post("/standin/failures", status_code=201)
    async def plan(failure: PlannedFailure) -> PlannedFailure:
        workspace.failures.append(failure)
        return failure

    @app.get("/standin/failures")
    async def planned() -> list[PlannedFailure]:
        return workspace.failures

    @app.get("/standin/messages")
    async def messages(channel: str = "") -> list[dict[str, Any]]:
        return [_shown(posted) for posted in workspace.messages if channel in ("", posted.channel)]

    @app.delete("/standin/messages/{ts}", status_code=204)
    async def delete(ts: str) -> Response:
        found = [posted for posted in workspace.messages if posted.ts == ts]
        for posted in found:
            posted.is_deleted = True
        return Response(status_code=204 if found else 404)

    @app.get("/standin/log")
    async def log() -> list[dict[str, Any]]:
        return list(workspace.log)

    @app.delete("/standin/log", status_code=204)
    async def forget_log() -> Response:
        workspace.log.clear()
        return Response(status_code=204)

    @app.get("/static/slack.css")
    async def css() -> FileResponse:
        return FileResponse(STYLE, media_type="text/css")

    @app.get("/")
    async def page(channel: str = "") -> HTMLResponse:
        policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        html = render_page(workspace.channels, [_shown(posted) for posted in workspace.messages], channel)
        return HTMLResponse(html, headers={"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"})

    return app


async def _respond(
    workspace: Workspace, method: str, arguments: Arguments | None, token: str, failure: PlannedFailure | None
) -> Response:
    kind = failure.kind if failure else ""
    if failure and kind == "429":
        headers = {"Retry-After": str(failure.retry_after)}
        return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers=headers)
    if kind.startswith("5"):
        return Response("upstream connect error", status_code=int(kind), media_type="text/plain")
    if kind == "html_200":
        return HTMLResponse("<html><title>Please log in</title>A proxy's own page.</html>")
    if kind.startswith("ok_false:"):
        return JSONResponse({"ok": False, "error": kind.removeprefix("ok_false:")})
    if token != workspace.token:
        return JSONResponse({"ok": False, "error": "invalid_auth" if token else "not_authed"})
    if arguments is None:
        return JSONResponse({"ok": False, "error": "invalid_json"})
    answer = workspace.answer(method, arguments)
    if failure:  # accepted, but who asked will not hear of it in time
        await asyncio.sleep(failure.hold_s)
    return JSONResponse(answer)


def _arguments(content_type: str, body: bytes) -> dict[str, Any] | None:
    """Arguments of a call in either form Slack takes; None: the body cannot be read."""
    try:
        if content_type.startswith("application/json"):
            document = json.loads(body or b"{}")
            return document if isinstance(document, dict) else None
        form: dict[str, Any] = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return form | {name: json.loads(form[name]) for name in ("blocks", "metadata") if form.get(name)}
    except ValueError:
        return None


def _bearer(request: Request, arguments: Arguments | None) -> str:
    header = request.headers.get("authorization", "")
    return header.removeprefix("Bearer ").strip() or str((arguments or {}).get("token", ""))


def _shown(posted: Posted) -> dict[str, Any]:
    return asdict(posted) | {"pings": posted.pings()}


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="python -m monitor.sandbox.slack", description="A stand-in for Slack.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default=TOKEN, help="what callers must present")
    parser.add_argument("--channel", action="append", default=[], metavar="ID=NAME", help="only these channels exist")
    parser.add_argument(FOLLOW, action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    if options.follow_stdin:
        end_with_stdin()
    channels = dict(each.partition("=")[::2] for each in options.channel)
    workspace = Workspace(options.token, channels, takes_any_channel=not channels)
    try:
        listening = socket.create_server(("127.0.0.1", options.port))
    except OSError as error:
        sys.exit(f"port {options.port}: {error.strerror}. Mend: name another with --port, or 0 for a free one.")
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does so only for sockets it made itself
    server = uvicorn.Server(uvicorn.Config(create_app(workspace), log_level="warning", access_log=False))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    print(json.dumps({"url": url}), flush=True)  # it listens already, so whoever reads this may ask at once
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
