"""Listens: binds a socket, and runs the application on it with limits on how slow and how large a request may be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from harness.problems import OutsideError
from harness.server.app import Application

_BACKLOG: Final = 2048
_MOST_HEAD_BYTES: Final = 131_072


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection may take, in seconds.

    Attributes:
        head_s: from its first byte, or from connecting, to the end of its headers.
        body_s: from its first byte to the end of its body; and how long it may leave an answer unread.
        idle_s: between two requests.
    """

    head_s: float = 10
    body_s: float = 60
    idle_s: float = 75


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; port 0 takes a free one.

    Raises:
        OutsideError: when the address can't be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise OutsideError(f"can't listen on {host}: {error.strerror or error}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OutsideError(f"can't listen on {host} port {port}: {error.strerror or error}") from None
    listener.setblocking(False)  # noqa: FBT003 - the name of the argument is positional only
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a bound socket as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Listening(uvicorn.Server):
    """A server on one socket.

    Args:
        app: what answers.
        patience: how slow a connection may be.
        when_ready: called once it listens.
    """

    def __init__(self, app: Application, patience: Patience, when_ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=_protocol(patience),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=int(patience.idle_s) or 1,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._app = app
        self._patience = patience
        self._when_ready = when_ready
        self._watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        self._watch = asyncio.create_task(self._watch_connections())
        self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then all connections."""
        self._app.control.closing.set()
        for session in self._app.sessions:
            session.wake()
        if self._watch is not None:
            self._watch.cancel()
        await super().shutdown(sockets=sockets)

    async def _watch_connections(self) -> None:
        """Close connections that are too slow; one look at all of them costs less than a timer for each request."""
        loop = asyncio.get_running_loop()
        pause_s = min(1.0, self._patience.head_s / 2)
        while True:
            await asyncio.sleep(pause_s)
            now = loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.close_if_slow(now)


class GuardedProtocol(HttpToolsProtocol):
    """HTTP on one connection, which has to get on and to keep its headers short."""

    patience = Patience()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._state = "head"
        self._head_bytes = 0
        self._stuck_since: float | None = None

    def pause_writing(self) -> None:
        """Note that the other side does not read what it asked for."""
        super().pause_writing()
        self._stuck_since = self.loop.time()

    def resume_writing(self) -> None:
        """Note that it reads again."""
        super().resume_writing()
        self._stuck_since = None

    def data_received(self, data: bytes) -> None:
        """Take some bytes; end a connection whose headers never end."""
        super().data_received(data)
        if self._state == "head":
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["harness.connection"] = self  # type: ignore[typeddict-unknown-key]
        self._since = self.loop.time()
        self._state = "head"
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._state = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Go on to the answer."""
        self._state = "answer"
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for another request."""
        if self._state == "answer":
            self._state = "idle"
            self._since = self.loop.time()
        super().on_response_complete()

    def close_if_slow(self, now: float) -> None:
        """Close the connection when what it is at takes too long."""
        if self._stuck_since is not None:
            if now - self._stuck_since > self.patience.body_s:
                self.hang_up()
            return
        limit = {"head": self.patience.head_s, "body": self.patience.body_s, "idle": self.patience.idle_s}
        if now - self._since > limit.get(self._state, float("inf")):
            if self._state == "idle" or (self._state == "head" and not self._head_bytes):
                self.transport.close()
            else:
                self._refuse(b"408 Request Timeout")

    def hang_up(self) -> None:
        """End the connection without a word."""
        self.transport.abort()

    def _refuse(self, status: bytes) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


def _protocol(chosen: Patience) -> type[Any]:
    class Protocol(GuardedProtocol):
        patience = chosen

    return Protocol
