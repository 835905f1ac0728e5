"""Puts a server together from what a user chose: sessions, routes, and the socket it listens on."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.event import IdMerge
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem
from harness.server.app import Application
from harness.server.control import Control
from harness.server.guard import is_loopback
from harness.server.listening import Listening, Patience, bound, url_of
from harness.server.moments import SessionClock
from harness.server.sessions import SessionPlan, Sessions


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a user chose.

    Attributes:
        id_merge: the ID-merge system of the project.
        settings: the reading of the rules.
        token: the project token; None: as the settings say, and there by default any.
        secret: the project's API secret.
        host: the address to listen on; another one than this machine's own needs a token.
        port: the port; 0 for a free one.
        now_ms: where the clock stands still; None: the wall clock.
        limits_rate: whether the documented rate limits are enforced.
        patience: how slow connections may be.
    """

    id_merge: IdMerge = "simplified"
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    token: str | None = None
    secret: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    now_ms: int | None = None
    limits_rate: bool = False
    patience: Patience = field(default_factory=Patience)


class LocalServer:
    """A server that is bound, but does not answer before it is run.

    Args:
        options: what a user chose.
        when_ready: called with the server once it listens.

    Attributes:
        url: its address.
        token: the project token; None: any.

    Raises:
        InputError: when the options don't go together.
        OutsideError: when the address can't be had.
    """

    def __init__(self, options: ServerOptions, when_ready: Callable[[LocalServer], None]) -> None:
        settings = options.settings if options.token is None else replace(options.settings, token=options.token)
        is_shared = not is_loopback(options.host)
        if is_shared and settings.token is None:
            message = f"{options.host} can be reached from other machines, so a token is needed"
            raise InputError([Problem("", None, "--host", message, "Add --token.")])
        plan = SessionPlan(options.id_merge, settings, options.secret, options.limits_rate)
        self.token = settings.token
        self.sessions = Sessions(plan, SessionClock(options.now_ms))
        self._socket: socket.socket = bound(options.host, options.port)
        self.url = url_of(self._socket)
        app = Application(self.sessions, Control(self.sessions, is_shared=is_shared))
        self._listening = Listening(app, options.patience, lambda: when_ready(self))

    def run(self) -> None:
        """Answer until it is stopped."""
        # Stored events hold no circles, so the collector finds nothing in them; looking less often is all it takes.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        try:
            self._listening.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Let it finish what it is answering, then end; from any thread."""
        self._listening.should_exit = True
