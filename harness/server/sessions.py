"""Sessions: projects side by side in one server, each with a token, a clock and a history of its own.

Events find their session by the token they carry, so tests that run in parallel don't see each other. There is always
the session the server was started with, which also takes what belongs to no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from harness.event import IdMerge, Json
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.traffic import RateLimit
from harness.ingestion.wire import WireRequest, WireResponse
from harness.server.moments import SessionClock
from harness.server.recording import RecordingProject


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What a session is made of.

    Attributes:
        id_merge: the ID-merge system of its project.
        settings: the reading of the rules; holds the token, None for any.
        secret: the project's API secret, or None.
        limits_rate: whether the documented limits are enforced.
    """

    id_merge: IdMerge
    settings: ProjectSettings
    secret: str | None = None
    limits_rate: bool = False


class EdgeCall(NamedTuple):
    """One call that came by /edge: the rows it made (the last one excluded), when it came, and the call itself."""

    first_row: int
    end_row: int
    at_ms: int
    call: Json


class Session:
    """One project with its clock, and whoever waits for it.

    Attributes:
        plan: what it is made of.
        clock: its clock.
        project: its project; a new one after a reset.
        edge_calls: the calls that came by /edge, in order.
        resets: how often it was reset.
    """

    def __init__(self, plan: SessionPlan, clock: SessionClock) -> None:
        self.plan = plan
        self.clock = clock
        self.resets = -1
        self._waiting: set[asyncio.Future[None]] = set()
        self.reset()

    @property
    def token(self) -> str | None:
        """The project token; None: any token is its own."""
        return self.plan.settings.token

    def handle(self, request: WireRequest) -> WireResponse:
        """Answer a request to one of Mixpanel's routes at the session's time."""
        answer = self.project.handle(request, self.clock.now_ms())
        if self._waiting:
            self.wake()
        return answer

    def reset(self) -> None:
        """Begin again with an empty project; the clock stays as it is."""
        plan = self.plan
        limit = RateLimit() if plan.limits_rate else None
        self.project = RecordingProject(plan.id_merge, plan.settings, secret=plan.secret, rate_limit=limit)
        self.edge_calls: list[EdgeCall] = []
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


class Sessions:
    """All sessions of a server.

    Args:
        plan: what the session the server is started with is made of.
        clock: its clock.

    Attributes:
        own: that session.
    """

    def __init__(self, plan: SessionPlan, clock: SessionClock) -> None:
        self.own = Session(plan, clock)
        self._others: dict[str, Session] = {}

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
        if token in self._others or token == self.own.token:
            return None
        session = self._others[token] = Session(plan, clock)
        return session

    def close(self, token: str) -> bool:
        """End a session; return whether there was one. The one the server was started with stays."""
        session = self._others.pop(token, None)
        if session is not None:
            session.reset()
        return session is not None
