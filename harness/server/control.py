"""The control routes under /harness, which look into a session and steer it, and the page that shows it.

They are described for users in ROUTES.md beside this file.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, Router

from harness.event import Json
from harness.forwarder.engine import RulesEngine
from harness.server import documents, guard, stream
from harness.server.bodies import Message, Receive, Scope, Send
from harness.server.explaining import UnknownIdError, explain
from harness.server.faults import Faults
from harness.server.opening import WrongRequestError, open_session, read_document, read_faults, set_clock
from harness.server.picture import ORDERS, picture
from harness.server.recorded import Recorded, scenario_text
from harness.server.sessions import Session, Sessions
from harness.server.store import StoreError

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
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-site",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
}
_PREFLIGHT: Final = {
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": "content-type, x-harness-token",
}
_LONGEST_WAIT_S: Final = 600
_MOST_DRAWN: Final = 200
_MOST_ASKED_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """The property whose calls a recorded scenario holds: its path, and its engine."""

    property_path: Path
    engine: RulesEngine


class Control:
    """The control routes of a server.

    Args:
        sessions: what they look into.
        is_shared: whether the server can be reached from other machines, so that every request needs a token.
        faults: which of Mixpanel's requests fail.
        shown: the property behind /edge, or None.

    Attributes:
        faults: which of Mixpanel's requests fail; may be changed by a request.
        closing: set when the server ends.
    """

    def __init__(
        self, sessions: Sessions, *, is_shared: bool = False, faults: Faults | None = None, shown: Shown | None = None
    ) -> None:
        self._sessions = sessions
        self._is_shared = is_shared
        self._shown = shown
        self.faults = faults or Faults()
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
            self._route("picture", _picture, get),
            self._route("wait", self._wait, get),
            self._route("stream", self._stream, get),
            self._route("scenario", self._scenario, get),
            self._route("reset", _reset, post),
            self._route("clock", self._clock, get + post),
            self._route("sessions", self._all_sessions, get + post),
            self._route("sessions/{ended}", self._end_session, ["DELETE"]),
            self._route("faults", self._failing, get + post),
        ]
        self._router = Router(routes=routes)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        scope["app"] = self  # so that the router raises what it can't answer
        is_started = False
        shared_with = _shared_with(scope)
        if shared_with and scope["method"] == "OPTIONS":
            await Response(headers={**_SAFE, **_PREFLIGHT, **shared_with})(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            nonlocal is_started
            is_started = True
            if shared_with and message["type"] == "http.response.start":
                message["headers"] += [(name.encode(), value.encode()) for name, value in shared_with.items()]
            await send(message)

        try:
            await self._router(scope, receive, noting)
        except ClientDisconnect:
            return
        except Exception as error:
            if not is_started:
                await _failed(error)(scope, receive, send)
            elif not isinstance(error, HTTPException):
                raise

    def _route(self, name: str, handler: _Handler, methods: list[str]) -> Route:
        async def endpoint(request: Request) -> Response:
            answer = handler(request, self._session(request))
            return answer if isinstance(answer, Response) else await answer

        return Route(f"/harness/{name}", endpoint, methods=methods)

    def _session(self, request: Request) -> Session:
        """Return the session that a request asks for; by default the one the server was started with."""
        token = guard.named_token(request.headers, request.query_params.get("token"))
        session = self._sessions.own if token is None else self._sessions.named(token)
        is_shown = token is not None and session is not None and guard.is_one_of(token, [session.token])
        refused = guard.refusal(request.headers, is_shared=self._is_shared, has_token=is_shown)
        if refused is not None:
            raise HTTPException(403, refused)
        if session is None:
            raise HTTPException(404, "no session has this token")
        return session

    def _needs_own(self, session: Session) -> None:
        """Refuse what concerns all sessions to who shows the token of one of them, where others may look on."""
        if self._is_shared and session is not self._sessions.own:
            raise HTTPException(403, "this needs the token of the server itself")

    async def _page(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        kind = _KINDS.get(Path(name).suffix)
        path = _files_of_page().get(name)
        if kind is None or path is None:
            raise HTTPException(404, "no such file of the page")
        return Response(path.read_bytes(), media_type=kind, headers=_SAFE)

    async def _wait(self, request: Request, session: Session) -> Response:
        wanted = {name: _number(request, name, 0) for name in ("events", "decisions", "rejected", "rows")}
        timeout_s = min(_seconds(request, "timeout", 10), _LONGEST_WAIT_S)
        reached = False
        try:
            async with asyncio.timeout(timeout_s):
                while not (reached := _has(session, wanted)):
                    await session.changed()
        except TimeoutError:
            pass
        return _json({"reached": reached, **documents.counts(session)}, 200 if reached else 504)

    async def _clock(self, request: Request, session: Session) -> Response:
        if request.method == "POST":
            set_clock(session.clock, read_document(await _body(request), ("now", "advance")))
            self._sessions.keep(session)
        return _json(documents.clock(session))

    async def _all_sessions(self, request: Request, session: Session) -> Response:
        self._needs_own(session)
        if request.method == "GET":
            return _json({"sessions": [documents.session(one) for one in self._sessions]})
        asked = read_document(await _body(request), ("token", "id_merge", "now", "settings"))
        return _json(documents.session(open_session(self._sessions, asked)), 201)

    async def _end_session(self, request: Request, session: Session) -> Response:
        token = request.path_params["ended"]
        if session.token != token:
            self._needs_own(session)
        if not self._sessions.close(token):
            raise HTTPException(404, "no session that was opened has this token")
        return _json({"status": "ok"})

    async def _failing(self, request: Request, session: Session) -> Response:
        self._needs_own(session)
        if request.method == "POST":
            self.faults = read_faults(read_document(await _body(request), ("fail", "seed")), self.faults)
        return _json(documents.faults(self.faults))

    async def _scenario(self, request: Request, session: Session) -> Response:
        total = len(session.project.rows)
        first = min(_number(request, "since", 0), total)
        end = min(total, first + min(_number(request, "limit", 2_000), documents.MOST_LISTED))
        folder = request.query_params.get("folder")
        shown = self._shown
        text = scenario_text(
            Recorded(
                session,
                first,
                end,
                request.query_params.get("name") or "What the app did",
                None if shown is None else shown.property_path,
                None if folder is None else Path(folder),
                None if shown is None else shown.engine,
            )
        )
        headers = {**_SAFE, "content-disposition": 'inline; filename="recorded.yaml"'}
        return Response(text.encode("utf-8", "replace"), media_type="application/yaml", headers=headers)

    async def _stream(self, request: Request, session: Session) -> Response:
        since = request.headers.get("last-event-id")
        total = len(session.project.rows)
        first = _number(request, "since", total)
        if since is not None and since.isascii() and since.isdigit():
            first = int(since[:18]) + 1
        headers = {**_SAFE, "x-accel-buffering": "no"}
        told = (
            stream.counted(session, self.closing)
            if "counts" in request.query_params
            else stream.told(session, first, self.closing)
        )
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)


def _shared_with(scope: Scope) -> dict[str, str]:
    """Return the headers by which a page of this machine, on another port perhaps, may read the answer."""
    origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")
    if not guard.is_page_of_this_machine(origin) or not origin.isascii() or not origin.isprintable():
        return {}
    return {"access-control-allow-origin": origin, "vary": "Origin"}


def _files_of_page() -> dict[str, Path]:
    return {path.relative_to(_PAGE).as_posix(): path for path in _PAGE.rglob("*") if path.is_file()}


def _events(request: Request, session: Session) -> Response:
    return _json(documents.rows(session, *_page_of(request, len(session.project.rows))))


def _decisions(request: Request, session: Session) -> Response:
    return _json(documents.decisions(session, *_page_of(request, len(session.project.model.decisions))))


def _rejected(request: Request, session: Session) -> Response:
    kept = list(session.project.refused)
    place, limit = _page_of(request, len(kept))
    since = _number(request, "since", 0)
    if "last" in request.query_params:
        since = kept[place] if place < len(kept) else len(session.project.rows)
    return _json(documents.rejections(session, since, limit))


def _picture(request: Request, session: Session) -> Response:
    named = request.query_params.get("order", ORDERS[0])
    order = next((known for known in ORDERS if known == named), None)
    if order is None:
        raise HTTPException(400, f"order needs one of {', '.join(ORDERS)}, found {named[:40]!r}")
    limit = min(_number(request, "limit", 24), _MOST_DRAWN)
    return _json(picture(session, search=request.query_params.get("search", ""), order=order, limit=limit))


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


def _page_of(request: Request, total: int) -> tuple[int, int]:
    """Return where the page that a request asks for begins, and how long it may be: `since` and `limit`, or `last`."""
    if "last" not in request.query_params:
        return _number(request, "since", 0), min(_number(request, "limit", 1_000), documents.MOST_LISTED)
    limit = min(_number(request, "last", 0), documents.MOST_LISTED)
    return max(0, total - limit), limit


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


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_ASKED_BYTES:
            raise HTTPException(413, f"more than {_MOST_ASKED_BYTES} bytes")
    return body


def _failed(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return _json({"error": error.detail}, error.status_code)
    if isinstance(error, WrongRequestError):
        return _json({"error": str(error)}, error.status)
    print(f"harness: a request failed: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
    return _json(
        {"error": str(error) if isinstance(error, StoreError) else "the local server failed on this request"},
        503 if isinstance(error, StoreError) else 500,
    )
