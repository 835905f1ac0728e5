"""A client that sends bytes and reads bytes: what it says is what goes over the wire."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness.clock import parse_instant
from harness.ingestion.wire import WireRequest

NOW_MS = parse_instant("2026-01-05T12:00:00Z")
NOW_S = NOW_MS // 1_000

PROPERTY = """\
property: Shop
data_elements:
  name: arc.event.xdm.eventType
  device: arc.event.xdm.device
  user: arc.event.data.user
rules:
  - name: Track
    conditions: [{left: "{{name}}", operator: isTruthy}]
    actions:
      - send_event:
          event: "{{name}}"
          properties: {token: t}
          custom_properties: {$device_id: "{{device}}", $user_id: "{{user}}"}
"""
"""A property in shorthand with one rule, which sends what a call tells."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, headers with names in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def connect(url: str, timeout_s: float = 20) -> socket.socket:
    """Open a connection to a server."""
    address = urlsplit(url)
    assert address.hostname is not None
    return socket.create_connection((address.hostname, address.port or 80), timeout=timeout_s)


def send(url: str, request: WireRequest) -> Answer:
    """Send one request; raise ConnectionError when the connection ends without an answer."""
    target = request.path + (f"?{request.query}" if request.query else "")
    headers = {"host": urlsplit(url).netloc, **request.headers, "connection": "close"}
    if request.body or request.method == "POST":
        headers["content-length"] = str(len(request.body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with connect(url) as connection:
        connection.sendall(f"{request.method} {target} HTTP/1.1\r\n{head}\r\n".encode() + request.body)
        return read_answer(connection)


def get(url: str, path: str, **headers: str) -> Answer:
    """GET a path, query included; `_` in the name of a header stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    before, _, query = path.partition("?")
    return send(url, WireRequest("GET", before, query, named))


def post(url: str, path: str, body: bytes | str | list[Any] | dict[str, Any] = b"", **headers: str) -> Answer:
    """POST a body; a list or an object goes as JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    before, _, query = path.partition("?")
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return send(url, WireRequest("POST", before, query, named, raw))


def basic(user: str, password: str = "") -> str:
    """Return Basic credentials."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer whose length is told, or that ends with the connection."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += _some(connection)
    head, _, body = seen.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(status_line.split(" ")[1])
    if headers.get("transfer-encoding") == "chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += _some(connection)
        body = _unchunked(body)
    else:
        while len(body) < int(headers.get("content-length", 0)):
            body += _some(connection)
    return Answer(status, headers, body)


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionError("the connection ended without an answer")
    return data


def _unchunked(body: bytes) -> bytes:
    parts = b""
    while True:
        length, _, body = body.partition(b"\r\n")
        size = int(length, 16)
        if not size:
            return parts
        parts += body[:size]
        body = body[size + 2 :]


def event(name: str = "Page View", **properties: Any) -> dict[str, Any]:
    """Return an event that every route takes; `S_` in a keyword stands for `$`, and `...` removes a property."""
    given = {key.replace("S_", "$"): value for key, value in properties.items()}
    sent = {"token": "t", "time": NOW_S, "distinct_id": "u1", "$insert_id": "i-1", **given}
    return {"event": name, "properties": {key: value for key, value in sent.items() if value is not ...}}
