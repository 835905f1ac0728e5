"""The ASGI application: Mixpanel's routes are answered here, everything else by the control routes and the page."""

from __future__ import annotations

import sys
from typing import Final

from harness.ingestion import answers
from harness.ingestion.wire import WireRequest, WireResponse
from harness.server import door
from harness.server.bodies import Bodies, GoneError, Message, Receive, RefusedBodyError, Scope, Send, drain
from harness.server.control import Control
from harness.server.sessions import Sessions

_START: Final = "http.response.start"
_BODY: Final = "http.response.body"


class Application:
    """Everything the server answers.

    Args:
        sessions: the projects behind it.
        control: what answers every other path.
    """

    def __init__(self, sessions: Sessions, control: Control) -> None:
        self.sessions = sessions
        self.control = control
        self.bodies = Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        try:
            path = scope["path"].rstrip("/")
            if path in door.ROUTES:
                await self._mixpanel(path, scope, receive, send)
            else:
                await self.control.app(scope, receive, send)
        except GoneError:
            return
        except Exception as error:
            print(f"harness: a request failed: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            await _send(answers.failed(500, "the local server failed on this request"), send)

    async def _mixpanel(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        client = scope["client"]
        try:
            body = await self.bodies.read(headers, receive, door.most_bytes(path))
        except RefusedBodyError as refused:
            request = WireRequest(scope["method"], path, headers=headers)
            answer = answers.with_origin(request, answers.failed(refused.status, str(refused)))
            await _send_early(answer, receive, send)
            return
        request = WireRequest(
            scope["method"],
            path,
            scope["query_string"].decode("utf-8", "replace"),
            headers,
            body,
            client[0] if client else None,
        )
        await _send(door.answer(self.sessions, request), send)


async def _send(answer: WireResponse, send: Send) -> None:
    await send(_head(answer))
    await send({"type": _BODY, "body": answer.body})


async def _send_early(answer: WireResponse, receive: Receive, send: Send) -> None:
    """Answer before the body is complete: the sender gets the whole answer at once, then its connection ends."""
    closing = WireResponse(answer.status, {**answer.headers, "connection": "close"}, answer.body)
    await send(_head(closing))
    await send({"type": _BODY, "body": answer.body, "more_body": True})
    await drain(receive)
    await send({"type": _BODY, "body": b""})


def _head(answer: WireResponse) -> Message:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    return {"type": _START, "status": answer.status, "headers": headers}
