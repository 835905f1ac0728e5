"""Mixpanel's routes: a request becomes a `WireRequest`, finds its session by its token, and is answered by its project.

A body with events of several sessions is taken apart, and answered like one: `1` when any event of it was taken.
"""

from __future__ import annotations

import binascii
import json
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl

from harness.event import Json
from harness.ingestion import answers
from harness.ingestion.limits import MAX_IMPORT_BYTES, MAX_TRACK_BYTES
from harness.ingestion.wire import Body, Unreadable, WireRequest, WireResponse, decode
from harness.server.sessions import Session, Sessions

ROUTES: Final = frozenset({"/track", "/engage", "/groups", "/import"})
"""Mixpanel's routes that take events and profile updates, without trailing slash."""

MOST_BYTES: Final = {"/import": MAX_IMPORT_BYTES}
"""The largest body that is read, where it is not `MAX_TRACK_BYTES`; a larger one is refused while it comes in."""


def most_bytes(path: str) -> int:
    """Return how many bytes of a body are read on a route."""
    return MOST_BYTES.get(path, MAX_TRACK_BYTES)


def answer(sessions: Sessions, request: WireRequest) -> WireResponse:
    """Answer one request to one of `ROUTES` from the session or sessions it belongs to."""
    if len(sessions) == 1 or request.method == "OPTIONS":
        return sessions.own.handle(request)
    path = request.path.rstrip("/")
    if path == "/import":
        return sessions.of(_importer(request)).handle(request)
    body = decode(request, most_bytes=MAX_TRACK_BYTES, gzip=path == "/track")
    if isinstance(body, Unreadable):
        return sessions.own.handle(request)
    groups: dict[int, tuple[Session, list[Json]]] = {}
    for row in body.rows:
        session = sessions.of(_token(row))
        groups.setdefault(id(session), (session, []))[1].append(row)
    if len(groups) == 1:
        return next(iter(groups.values()))[0].handle(request)
    said = [json.loads(session.handle(_part(request, body, rows)).body) for session, rows in groups.values()]
    error = None if any(one["status"] for one in said) else str(said[0]["error"])
    return answers.with_origin(request, answers.short(body.parameters, error))


def credentials(request: WireRequest) -> tuple[str, str] | None:
    """Return user name and password of Basic credentials; None where there are none."""
    scheme, _, packed = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = binascii.a2b_base64(packed.strip().encode()).decode().partition(":")
    except (ValueError, UnicodeError):
        return None
    return (user, password) if user else None


def user_name(request: WireRequest) -> str | None:
    """Return the user name of Basic credentials; None for none."""
    found = credentials(request)
    return None if found is None else found[0]


def _importer(request: WireRequest) -> str | None:
    """Return the token of the session that an import is for: its user name, or with a service account its project."""
    found = credentials(request)
    if found is None or not found[1]:
        return None if found is None else found[0]
    return dict(parse_qsl(request.query)).get("project_id")


def _token(row: Json) -> str | None:
    if not isinstance(row, dict):
        return None
    properties = row.get("properties")
    token = row.get("$token") or (properties.get("token") if isinstance(properties, dict) else None)
    return token if isinstance(token, str) else None


def _part(request: WireRequest, body: Body, rows: list[Json]) -> WireRequest:
    """Return a request with some of the rows of another one, which asks for an answer that can be read."""
    headers = {name: value for name, value in request.headers.items() if name not in ("content-encoding", "origin")}
    headers["content-type"] = "application/json"
    address = "&ip=1" if body.parameters.get("ip") == "1" else ""
    return replace(request, method="POST", query=f"verbose=1{address}", headers=headers, body=json.dumps(rows).encode())
