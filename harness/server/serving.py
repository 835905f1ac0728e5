"""Puts a server together from what a user chose: sessions, routes, and the socket it listens on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.event import IdMerge, Json
from harness.forwarder.engine import RulesEngine
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem
from harness.server.app import Application, Behind
from harness.server.control import Control, Shown
from harness.server.edge import Forwarder
from harness.server.export import ExportOptions
from harness.server.faults import Faults
from harness.server.guard import is_loopback
from harness.server.listening import Listening, Patience, bound, url_of
from harness.server.moments import SessionClock
from harness.server.sessions import SessionPlan, Sessions
from harness.server.store import Store


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
        events_per_second: the rate limit on /import, with which those of exports come; None: there are none.
        fail: which requests fail, as in `429:0.1,drop:0.05`.
        seed: the seed by which they are drawn.
        export: how exports differ from the settled truth.
        property_path: the property behind /edge, or None.
        environment: its build environment.
        secrets: secret values by secret id, for the property.
        store: the file that keeps everything; None: only memory does.
        patience: how slow connections may be.
    """

    id_merge: IdMerge = "simplified"
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    token: str | None = None
    secret: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    now_ms: int | None = None
    events_per_second: int | None = None
    fail: str = ""
    seed: int = 0
    export: ExportOptions = field(default_factory=ExportOptions)
    property_path: Path | None = None
    environment: str = "production"
    secrets: Mapping[str, Json] = field(default_factory=dict)
    store: Path | None = None
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
        InputError: when the options don't go together, or a file they name is wrong.
        OutsideError: when the address can't be had, or the store is in use.
    """

    def __init__(self, options: ServerOptions, when_ready: Callable[[LocalServer], None]) -> None:
        settings = options.settings if options.token is None else replace(options.settings, token=options.token)
        is_shared = not is_loopback(options.host)
        if is_shared and settings.token is None:
            message = f"{options.host} can be reached from other machines, so a token is needed"
            raise InputError([Problem("", None, "--host", message, "Add --token.")])
        faults = _faults(options)
        engine = None if options.property_path is None else _engine(options.property_path, options.environment)
        self.token = settings.token
        self._socket: socket.socket = bound(options.host, options.port)
        self.url = url_of(self._socket)
        self._store: Store | None = None
        try:
            plan = SessionPlan(options.id_merge, settings, options.secret, options.events_per_second)
            if options.store is not None:
                self._store = Store(options.store, {"id_merge": options.id_merge, "token": settings.token})
            self.sessions = Sessions(plan, SessionClock(options.now_ms), self._store)
        except BaseException:
            self._close()
            raise
        shown = forwarder = None
        if engine is not None and options.property_path is not None:
            shown = Shown(options.property_path, engine)
            forwarder = Forwarder(engine, options.secrets, self._is_own)
        control = Control(self.sessions, is_shared=is_shared, faults=faults, shown=shown)
        behind = Behind(options.export, forwarder, options.events_per_second is not None, is_shared)
        app = Application(self.sessions, control, behind)
        self._listening = Listening(app, options.patience, lambda: when_ready(self))

    def run(self) -> None:
        """Answer until it is stopped."""
        try:
            self._listening.run(sockets=[self._socket])
        finally:
            self._close()

    def stop(self) -> None:
        """Let it finish what it is answering, then end; from any thread."""
        self._listening.should_exit = True

    def _close(self) -> None:
        self._socket.close()
        if self._store is not None:
            self._store.close()

    def _is_own(self, netloc: str) -> bool:
        """Return whether a host and port of a URL are this server."""
        host, _, port = netloc.rpartition(":")
        return port == self.url.rpartition(":")[2] and is_loopback(host)


def _faults(options: ServerOptions) -> Faults:
    try:
        return Faults(options.fail, options.seed)
    except ValueError as error:
        raise InputError([Problem("", None, "--fail", str(error))]) from None


def _engine(path: Path, environment: str) -> RulesEngine:
    from harness.forwarder.engine import Engine
    from harness.forwarder.javascript import code_host
    from harness.forwarder.property import load_property

    return Engine(load_property(path, environment), code_host())
