"""The ASGI application: Mixpanel's routes are answered here, everything else by the control routes and the page.

A request is read, then may fail by lot or by its header, then is answered from the session it belongs to.
"""

from __future__ import annotations

import asyncio
import http
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import parse_qsl

from harness.event import Json
from harness.ingestion import answers
from harness.ingestion.hosts import region_of
from harness.ingestion.wire import WireRequest, WireResponse
from harness.server import door, edge, export, guard, harmless
from harness.server.bodies import Bodies, GoneError, Message, Receive, RefusedBodyError, Scope, Send, drain
from harness.server.control import Control
from harness.server.documents import dump
from harness.server.export_limit import ExportLimit
from harness.server.faults import HEADER, Fault, fault_of
from harness.server.sessions import Session, Sessions
from harness.server.store import StoreError

EXPORT: Final = "/api/2.0/export"
EDGE: Final = "/edge"

_START: Final = "http.response.start"
_BODY: Final = "http.response.body"
_EDGE_BYTES: Final = 16_000_000
_METHODS: Final = frozenset({"GET", "POST", "OPTIONS"})


class Connection(Protocol):
    """The connection of a request, which can be closed without an answer."""

    def hang_up(self) -> None:
        """End it."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What Mixpanel's routes need besides the sessions.

    Attributes:
        export: how exports differ from the settled truth.
        forwarder: the property behind /edge, or None.
        limits_exports: whether the documented limits of the export are enforced.
        is_shared: whether the server can be reached from other machines.
    """

    export: export.ExportOptions = field(default_factory=export.ExportOptions)
    forwarder: edge.Forwarder | None = None
    limits_exports: bool = False
    is_shared: bool = False


class Application:
    """Everything the server answers.

    Args:
        sessions: the projects behind it.
        control: what answers every other path, and knows which requests fail.
        behind: what is behind Mixpanel's other routes.
    """

    def __init__(self, sessions: Sessions, control: Control, behind: Behind | None = None) -> None:
        self.sessions = sessions
        self.control = control
        self._behind = behind or Behind()
        self._bodies = Bodies()
        self._export_limit = ExportLimit() if self._behind.limits_exports else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        path = scope["path"].rstrip("/")
        try:
            if path in door.ROUTES or path in (EXPORT, EDGE) or harmless.knows(path):
                await self._mixpanel(path, scope, receive, send)
            else:
                await self.control.answer(scope, receive, send)
        except GoneError:
            return
        except Exception as error:
            print(f"harness: a request failed: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            await _send(_refusal(500, "the local server failed on this request"), send)

    async def _mixpanel(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] not in _METHODS:
            await _send_early(_json(405, {"error": "use POST or GET"}), receive, send)
            return
        client = scope["client"]
        try:
            body = await self._bodies.read(headers, receive, _most_bytes(path))
        except RefusedBodyError as refused:
            asked = WireRequest(scope["method"], scope["path"], headers=headers)
            await _send_early(answers.with_origin(asked, _refusal(refused.status, str(refused))), receive, send)
            return
        query = scope["query_string"].decode("utf-8", "replace")
        request = WireRequest(scope["method"], scope["path"], query, headers, body, client[0] if client else None)
        fault = None
        if HEADER in headers or not self.control.faults.are_none:
            try:
                fault = self._fault(request)
            except ValueError as error:
                await _send(answers.with_origin(request, _refusal(400, str(error))), send)
                return
        if fault is None and path in door.ROUTES:
            await _send(self._answered(request), send)
        else:
            await self._with_fault(path, request, fault, scope, send)

    def _fault(self, request: WireRequest) -> Fault | None:
        if request.method == "OPTIONS":
            return None
        asked = request.headers.get(HEADER)
        return self.control.faults.draw() if asked is None else self.control.faults.count(fault_of(asked))

    async def _with_fault(self, path: str, request: WireRequest, fault: Fault | None, scope: Scope, send: Send) -> None:
        answer: WireResponse | None = None
        if fault is None or fault.is_stored:
            if path == EXPORT and request.method == "GET" and fault is None:
                await self._export(request, send)
                return
            answer = self._answer_to(path, request)
        if fault is not None:
            if fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if fault.hangs_up:
                connection: Connection = scope["harness.connection"]
                connection.hang_up()
                return
            if fault.status is not None:
                answer = answers.with_origin(request, _failure(fault.status))
        assert answer is not None, "a fault that is not stored has a status or hangs up"
        await _send(answer, send)

    def _answer_to(self, path: str, request: WireRequest) -> WireResponse:
        if path in door.ROUTES:
            return self._answered(request)
        if path == EDGE:
            return answers.with_origin(request, self._edge(request))
        if path == EXPORT:
            found = self._exported(request)
            if isinstance(found, WireResponse):
                return found
            return WireResponse(200, _NDJSON, b"".join(found))
        return harmless.answer(request)

    def _answered(self, request: WireRequest) -> WireResponse:
        try:
            return door.answer(self.sessions, request)
        except StoreError as error:
            print(f"harness: {error}", file=sys.stderr)  # noqa: T201
            return answers.with_origin(request, _failure(503))

    def _edge(self, request: WireRequest) -> WireResponse:
        forwarder = self._behind.forwarder
        if request.method == "OPTIONS":
            return answers.preflight(request)
        if forwarder is None:
            return _json(404, {"error": "there is no property: start harness serve with --property FILE"})
        if request.method != "POST":
            return _json(405, {"error": "POST a call"})
        session = self._session(request)
        if session is None:
            return _json(404, {"error": "no session has this token"})
        try:
            calls, is_list = edge.read_body(request.body, forwarder.secrets)
        except edge.BadCallError as error:
            return _json(400, {"error": str(error)})
        done = [
            {"call": number, **edge.forward(forwarder, session, call, self._answered)}
            for number, call in enumerate(calls)
        ]
        return _json(200, done if is_list else done[0])

    async def _export(self, request: WireRequest, send: Send) -> None:
        found = self._exported(request)
        if isinstance(found, WireResponse):
            await _send(found, send)
            return
        headers = [(name.encode(), value.encode()) for name, value in _NDJSON.items()]
        await send({"type": _START, "status": 200, "headers": headers})
        for chunk in found:
            await send({"type": _BODY, "body": chunk, "more_body": True})
            # Others are answered between two chunks.
            await asyncio.sleep(0)
        await send({"type": _BODY, "body": b""})

    def _exported(self, request: WireRequest) -> WireResponse | export.Chunks:
        """Return the chunks of an export, or why there is none."""
        if request.method != "GET":
            return _json(405, {"error": "GET an export"})
        session = self._session(request)
        if session is None or not self._may_export(request, session):
            return answers.failed(401, answers.INVALID_CREDENTIALS)
        now_ms = session.clock.now_ms()
        if self._export_limit is not None and not self._export_limit.admits(now_ms):
            return answers.failed(429, answers.RATE_LIMITED)
        try:
            query = export.read_query(_parameters(request))
        except export.BadQueryError as error:
            return answers.failed(400, str(error))
        return export.lines(session.project, query, self._behind.export, now_ms)

    def _session(self, request: WireRequest) -> Session | None:
        """Return the session that credentials, `?token=` or a header name; else the one the server was started with."""
        named = guard.named_token(request.headers, _parameters(request).get("token"))
        if named is not None:
            return self.sessions.named(named)
        return self.sessions.of(door.user_name(request))

    def _may_export(self, request: WireRequest, session: Session) -> bool:
        """Return whether a request may have the raw export of a session (`docs`: a secret or a service account).

        The local project knows no service accounts, so any is taken, but only where nobody else can ask: on a shared
        network, and under a name that is not this machine's, the request has to show the token or the secret.
        """
        found = door.credentials(request)
        if found is None:
            return False
        user, password = found
        known: list[str | None] = [session.plan.secret, session.token]
        named = guard.named_token(request.headers, _parameters(request).get("token"))
        if any(guard.is_one_of(text, known) for text in (user, password, named) if text):
            return True
        is_mixpanels_name = region_of(request.headers.get("host", "")) is not None
        if guard.refusal(request.headers, is_shared=self._behind.is_shared, has_token=False) and not is_mixpanels_name:
            return False
        return not self._behind.is_shared and (bool(password) or known == [None, None])


_NDJSON: Final = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


def _most_bytes(path: str) -> int:
    if path in door.ROUTES:
        return door.most_bytes(path)
    return _EDGE_BYTES if path == EDGE else harmless.MOST_BYTES


def _parameters(request: WireRequest) -> dict[str, str]:
    return dict(parse_qsl(request.query, keep_blank_values=True))


def _failure(status: int) -> WireResponse:
    """Return what a server in trouble answers."""
    return _refusal(status, answers.RATE_LIMITED if status == 429 else "the server is in trouble")


def _refusal(status: int, message: str) -> WireResponse:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    return _json(status, {"code": status, "error": message, "status": phrase})


def _json(status: int, content: Json) -> WireResponse:
    headers = {"content-type": "application/json", "x-content-type-options": "nosniff"}
    return WireResponse(status, headers, dump(content))


async def _send(answer: WireResponse, send: Send) -> None:
    await send(_head(answer.status, answer.headers, len(answer.body)))
    await send({"type": _BODY, "body": answer.body})


async def _send_early(answer: WireResponse, receive: Receive, send: Send) -> None:
    """Answer before the body is complete: the sender gets the whole answer at once, then its connection ends."""
    await send(_head(answer.status, {**answer.headers, "connection": "close"}, len(answer.body)))
    await send({"type": _BODY, "body": answer.body, "more_body": True})
    await drain(receive)
    await send({"type": _BODY, "body": b""})


def _head(status: int, named: Mapping[str, str], length: int) -> Message:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    headers.append((b"content-length", str(length).encode()))
    return {"type": _START, "status": status, "headers": headers}
