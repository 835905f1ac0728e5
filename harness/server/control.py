"""The control routes under /harness, which look into a session and steer it, and the page that shows it.

They are described for users in ROUTES.md beside this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from harness.event import Json
from harness.server import documents, guard
from harness.server.explaining import UnknownIdError, explain
from harness.server.sessions import Session, Sessions

_Handler: TypeAlias = Callable[[Request, Session], Awaitable[Response] | Response]

_PAGE: Final = Path(__file__).parent / "page"
_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_SAFE: Final = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-site",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_KEEP_ALIVE_S: Final = 15
_LONGEST_WAIT_S: Final = 600


class Control:
    """The control routes of a server.

    Args:
        sessions: what they look into.
        is_shared: whether the server can be reached from other machines, so that every request needs a token.
    """

    def __init__(self, sessions: Sessions, *, is_shared: bool) -> None:
        self._sessions = sessions
        self._is_shared = is_shared
        self.closing = asyncio.Event()
        get, post = ["GET"], ["POST"]
        routes = [
            Route("/", self._page, methods=get),
            Route("/page/{name:path}", self._page, methods=get),
            self._route("health", lambda _, session: _json(documents.health(session)), get),
            self._route("users", lambda _, session: _json(documents.users(session)), get),
            self._route("clusters", lambda _, session: _json(documents.clusters(session)), get),
            self._route("profiles", lambda _, session: _json(documents.profiles(session)), get),
            self._route("events", _events, get),
            self._route("decisions", _decisions, get),
            self._route("rejected", _rejected, get),
            self._route("explain", _explain, get),
            self._route("wait", self._wait, get),
            self._route("stream", self._stream, get),
            self._route("reset", _reset, post),
        ]
        self.app = Starlette(routes=routes, exception_handlers={HTTPException: _failed, 404: _failed, 405: _failed})

    def _route(self, name: str, handler: _Handler, methods: list[str]) -> Route:
        async def endpoint(request: Request) -> Response:
            answer = handler(request, self._session(request))
            return answer if isinstance(answer, Response) else await answer

        return Route(f"/harness/{name}", endpoint, methods=methods)

    def _session(self, request: Request) -> Session:
        """Return the session that a request asks for; by default the one the server was started with."""
        shown = guard.shown_tokens(request.headers, request.query_params.get("token"))
        session, token = self._sessions.own, None
        if shown:
            token = shown[0]
            named = self._sessions.named(token)
            if named is None:
                raise HTTPException(404, f"no session has the token {token[:100]!r}")
            session = named
        refused = guard.refusal(
            request.headers,
            is_shared=self._is_shared,
            has_token=token is not None and guard.is_one_of(token, [session.token]),
        )
        if refused is not None:
            raise HTTPException(403, refused)
        return session

    async def _page(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        path = (_PAGE / name).resolve()
        kind = _KINDS.get(path.suffix)
        if kind is None or not path.is_relative_to(_PAGE) or not path.is_file():
            raise HTTPException(404, "no such file of the page")
        return Response(path.read_bytes(), media_type=kind, headers=_SAFE)

    async def _wait(self, request: Request, session: Session) -> Response:
        wanted = {name: _number(request, name, 0) for name in ("events", "decisions", "rejected", "rows")}
        timeout_s = min(_seconds(request, "timeout", 10), _LONGEST_WAIT_S)
        resets = session.resets
        reached = False
        try:
            async with asyncio.timeout(timeout_s):
                while not (reached := _has(session, wanted)) and session.resets == resets:
                    await session.changed()
        except TimeoutError:
            pass
        return _json({"reached": reached, **documents.counts(session)}, 200 if reached else 504)

    async def _stream(self, request: Request, session: Session) -> Response:
        since = request.headers.get("last-event-id")
        total = len(session.project.rows)
        first = _number(request, "since", total)
        if since is not None and since.isascii() and since.isdigit():
            first = int(since[:18]) + 1
        headers = {**_SAFE, "x-accel-buffering": "no"}
        return StreamingResponse(self._told(session, first), media_type="text/event-stream", headers=headers)

    async def _told(self, session: Session, first: int) -> AsyncIterator[bytes]:
        """Yield what arrives, as Server-Sent Events, until the client goes or the server closes."""
        resets = session.resets
        yield _sse("hello", None, documents.counts(session))
        while not self.closing.is_set():
            if session.resets != resets:
                resets, first = session.resets, 0
                yield _sse("reset", None, documents.counts(session))
            end = min(len(session.project.rows), first + 500)
            for index in range(first, end):
                for part in _told_row(session, index):
                    yield part
            if end > first:
                first = end
                continue
            try:
                async with asyncio.timeout(_KEEP_ALIVE_S):
                    await session.changed()
            except TimeoutError:
                yield b": still here\n\n"


def _told_row(session: Session, index: int) -> list[bytes]:
    row = documents.row(session, index)
    if row["status"] == "rejected":
        return [_sse("rejected", index, row)]
    told = [_sse("event", index, row)]
    return [*told, _sse("decision", index, row["decision"])] if row["decision"] else told


def _sse(kind: str, index: int | None, document: Json) -> bytes:
    number = b"" if index is None else b"id: %d\n" % index
    return b"event: %s\n%sdata: %s\n\n" % (kind.encode(), number, documents.dump(document))


def _events(request: Request, session: Session) -> Response:
    return _json(documents.rows(session, _number(request, "since", 0), _limit(request)))


def _decisions(request: Request, session: Session) -> Response:
    return _json(documents.decisions(session, _number(request, "since", 0), _limit(request)))


def _rejected(request: Request, session: Session) -> Response:
    return _json(documents.rejections(session, _number(request, "since", 0), _limit(request)))


def _explain(request: Request, session: Session) -> Response:
    a, b = request.query_params.get("a"), request.query_params.get("b")
    if not a:
        raise HTTPException(400, "a is missing: give one id as ?a=, or two as ?a= and b=")
    try:
        return _json(explain(session.project, a, b or None))
    except UnknownIdError as error:
        raise HTTPException(404, str(error)) from None


def _reset(_request: Request, session: Session) -> Response:
    session.reset()
    return _json({"status": "ok", **documents.counts(session)})


def _has(session: Session, wanted: dict[str, int]) -> bool:
    counts = documents.counts(session)
    return all(counts[name] >= number for name, number in wanted.items())


def _limit(request: Request) -> int:
    return min(_number(request, "limit", 1_000), documents.MOST_LISTED)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise HTTPException(400, f"{name} needs a whole number, found {text[:40]!r}")
    return int(text)


def _seconds(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1
    if not 0 <= value < 1e9:
        raise HTTPException(400, f"{name} needs a number of seconds, found {text[:40]!r}")
    return value


def _json(document: Json, status: int = 200) -> Response:
    return Response(documents.dump(document), status, media_type="application/json", headers=_SAFE)


async def _failed(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = error.detail if isinstance(error, HTTPException) else "the local server failed on this request"
    return _json({"error": text}, status)
