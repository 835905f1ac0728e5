"""Sessions: projects side by side in one server, each with a token, a clock and a history of its own.

Events find their session by the token they carry, so tests that run in parallel don't see each other. There is always
the session the server was started with, which also takes what belongs to no other.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from harness.event import IdMerge, Json
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import settings_from
from harness.ingestion.traffic import RateLimit
from harness.ingestion.wire import WireRequest, WireResponse
from harness.server.moments import SessionClock
from harness.server.recording import RecordingProject
from harness.server.store import Entry, Store, entry_of

OWN: Final = ""
"""What the store calls the session the server was started with."""

_PROFILE_ROUTES: Final = frozenset({"/engage", "/groups"})


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What a session is made of.

    Attributes:
        id_merge: the ID-merge system of its project.
        settings: the reading of the rules; holds the token, None for any.
        secret: the project's API secret, or None.
        events_per_second: the rate limit on /import; None: there is none.
        switches: the switches it was opened with, besides those of the server.
    """

    id_merge: IdMerge
    settings: ProjectSettings
    secret: str | None = None
    events_per_second: int | None = None
    switches: Mapping[str, Json] = field(default_factory=dict)

    def other(self, token: str, id_merge: IdMerge | None, switches: Mapping[str, Json]) -> SessionPlan:
        """Return the plan of a session beside this one.

        Args:
            token: its token.
            id_merge: its ID-merge system; None: the same.
            switches: what its settings say differently.
        """
        settings, _ = settings_from(switches, base=self.settings)
        settings = replace(settings, token=token)
        return replace(self, id_merge=id_merge or self.id_merge, settings=settings, secret=None, switches=switches)


class EdgeCall(NamedTuple):
    """One call that came by /edge: the rows it made (the last one excluded), when it came, and the call itself."""

    first_row: int
    end_row: int
    at_ms: int
    call: Json


class Session:
    """One project with its clock, and whoever waits for it.

    Args:
        key: what the store calls it.
        plan: what it is made of.
        clock: its clock.
        store: keeps what changes it; None: only memory does.

    Attributes:
        plan: what it is made of.
        clock: its clock.
        project: its project; a new one after a reset.
        edge_calls: the calls that came by /edge, in order.
        resets: how often it was reset.
    """

    def __init__(self, key: str, plan: SessionPlan, clock: SessionClock, store: Store | None = None) -> None:
        self.plan = plan
        self.clock = clock
        self.resets = 0
        self.edge_calls: list[EdgeCall] = []
        self.project = self._empty()
        self._key = key
        self._store = store
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def token(self) -> str | None:
        """The project token; None: any token is its own."""
        return self.plan.settings.token

    def handle(self, request: WireRequest) -> WireResponse:
        """Answer a request to one of Mixpanel's routes at the session's time.

        Raises:
            StoreError: when it can't be kept, so that it must not be answered.
        """
        now_ms = self.clock.now_ms()
        before = len(self.project.rows)
        answer = self.project.handle(request, now_ms)
        if self._store is not None and (
            len(self.project.rows) != before or request.path.rstrip("/") in _PROFILE_ROUTES
        ):
            self._store.keep(entry_of(self._key, now_ms, request))
        if self._waiting:
            self.wake()
        return answer

    def note_edge_call(self, call: EdgeCall) -> None:
        """Remember a call by /edge."""
        self.edge_calls.append(call)
        if self._store is not None:
            head = {"rows": [call.first_row, call.end_row]}
            self._store.keep(Entry(self._key, "edge", call.at_ms, head, json.dumps(call.call).encode()))

    def restore(self, entry: Entry) -> None:
        """Take something that the store has kept."""
        if entry.kind == "edge":
            first, end = entry.head["rows"]
            self.edge_calls.append(EdgeCall(first, end, entry.at_ms, json.loads(entry.body)))
            return
        request = entry.request()
        user = self.plan.secret or self.token or "restored"
        credentials = base64.b64encode(f"{user}:".encode()).decode()
        headers = {**request.headers, "authorization": f"Basic {credentials}"}
        limit, self.project.rate_limit = self.project.rate_limit, None
        self.project.handle(replace(request, headers=headers), entry.at_ms)
        self.project.rate_limit = limit

    def reset(self) -> None:
        """Begin again with an empty project; the clock stays as it is.

        Raises:
            StoreError: when the store can't forget.
        """
        if self._store is not None:
            self._store.forget(self._key)
        self.project = self._empty()
        self.edge_calls = []
        self.resets += 1
        self.wake()

    async def changed(self) -> None:
        """Wait until something arrives, or the session is reset."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def wake(self) -> None:
        """Let whoever waits look again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _empty(self) -> RecordingProject:
        plan = self.plan
        limit = None if plan.events_per_second is None else RateLimit(events_per_second=plan.events_per_second)
        return RecordingProject(plan.id_merge, plan.settings, secret=plan.secret, rate_limit=limit)


class Sessions:
    """All sessions of a server.

    Args:
        plan: what the session the server is started with is made of.
        clock: its clock.
        store: keeps everything; None: only memory does. What it holds is restored.

    Attributes:
        own: that session.

    Raises:
        InputError: when the store is damaged.
    """

    def __init__(self, plan: SessionPlan, clock: SessionClock, store: Store | None = None) -> None:
        self.own = Session(OWN, plan, clock, store)
        self._others: dict[str, Session] = {}
        self._store = store
        if store is not None:
            for token, kept in store.sessions():
                other = plan.other(token, kept["id_merge"], kept["switches"])
                self._others[token] = Session(token, other, SessionClock(kept["fixed_ms"]), store)
            self._restore(store.entries())

    def __iter__(self) -> Iterator[Session]:
        yield self.own
        yield from self._others.values()

    def __len__(self) -> int:
        return 1 + len(self._others)

    def of(self, token: str | None) -> Session:
        """Return the session an event with a token goes to: its own, else the one the server was started with."""
        return self._others.get(token, self.own) if token is not None else self.own

    def named(self, token: str) -> Session | None:
        """Return the session with a token; None where no session has it."""
        if token in self._others:
            return self._others[token]
        return self.own if self.own.token in (None, token) else None

    def open(self, token: str, plan: SessionPlan, clock: SessionClock) -> Session | None:
        """Open a session with a token; None where there is one already."""
        if token in self._others or token in (OWN, self.own.token):
            return None
        session = self._others[token] = Session(token, plan, clock, self._store)
        self.keep(session)
        return session

    def keep(self, session: Session) -> None:
        """Note in the store what a session is like now: its plan, and where its clock stands."""
        if self._store is not None and session is not self.own:
            plan = session.plan
            fixed_ms = session.clock.now_ms() if session.clock.is_fixed else None
            kept = {"id_merge": plan.id_merge, "switches": dict(plan.switches), "fixed_ms": fixed_ms}
            self._store.open_session(session.token or OWN, kept)

    def close(self, token: str) -> bool:
        """End a session; return whether there was one. The one the server was started with stays."""
        session = self._others.pop(token, None)
        if session is None:
            return False
        session.reset()
        if self._store is not None:
            self._store.close_session(token)
        return True

    def _restore(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            session = self.own if entry.session == OWN else self._others.get(entry.session)
            if session is not None:
                session.restore(entry)
