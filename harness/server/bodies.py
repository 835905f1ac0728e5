"""Reads the body of a request, never more of it than a route takes: a larger one is refused while it comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

MOST_BYTES_AT_ONCE: Final = 512_000_000
"""Bytes of bodies that are being read at one time, of all connections together."""

_MOST_DRAINED: Final = 256_000_000


class RefusedBodyError(Exception):
    """A body that is not read.

    Args:
        status: the HTTP status for it.
        message: why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GoneError(Exception):
    """The sender went away before the body was complete."""


class Bodies:
    """Reads bodies, and knows how much of unfinished ones is in memory."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, headers: MutableMapping[str, str], receive: Receive, most_bytes: int) -> bytes:
        """Return the body of a request.

        Args:
            headers: the headers of the request, names in lower case.
            receive: gives its parts.
            most_bytes: the largest body that is read.

        Raises:
            RefusedBodyError: when it is larger, or too much is being read already.
            GoneError: when the sender went away.
        """
        declared = headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > most_bytes:
            raise RefusedBodyError(413, _too_large(most_bytes))
        message = await receive()
        if message["type"] != "http.request":
            raise GoneError
        part: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(part) > most_bytes:
                raise RefusedBodyError(413, _too_large(most_bytes))
            return part
        return await self._rest(part, receive, most_bytes)

    async def _rest(self, first: bytes, receive: Receive, most_bytes: int) -> bytes:
        body = bytearray(first)
        held = len(first)
        self._held += held
        try:
            while True:
                if len(body) > most_bytes:
                    raise RefusedBodyError(413, _too_large(most_bytes))
                if self._held > MOST_BYTES_AT_ONCE:
                    raise RefusedBodyError(503, "too many large bodies are being read at once; try again")
                message = await receive()
                if message["type"] != "http.request":
                    raise GoneError
                part = message.get("body", b"")
                body += part
                held += len(part)
                self._held += len(part)
                if not message.get("more_body", False):
                    break
        finally:
            self._held -= held
        if len(body) > most_bytes:
            raise RefusedBodyError(413, _too_large(most_bytes))
        return bytes(body)


async def drain(receive: Receive) -> None:
    """Read what a sender still sends and throw it away, so that it gets to read the answer; not without end."""
    drained = 0
    while drained < _MOST_DRAINED:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        drained += len(message.get("body", b""))


def _too_large(most_bytes: int) -> str:
    return f"request exceeds max limit of {most_bytes} bytes"
