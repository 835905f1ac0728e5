"""A local Mixpanel inside a Python test: a server in a thread of its own, and its control routes as methods."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import requests

from harness.event import Json
from harness.problems import OutsideError
from harness.server.serving import LocalServer, ServerOptions

_LONGEST_START_S: Final = 30


class RunningServer:
    """A server that answers.

    Args:
        url: its address, for example `http://127.0.0.1:41234`: the API host to give to an SDK.
        token: the token of the session it stands for; None: any.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        self._http = requests.Session()
        self._http.trust_env = False

    def get(self, name: str, **parameters: Any) -> Json:
        """Return the document of a control route, for example `get("events", since=3)`.

        Raises:
            ServerSaidError: when it answers with another status than 200.
        """
        return self._ask("GET", name, parameters)

    def post(self, name: str, document: Json = None, **parameters: Any) -> Json:
        """Ask a control route to do something; like `get`."""
        return self._ask("POST", name, parameters, document)

    def wait(self, events: int = 0, *, timeout: float = 10, **more: int) -> Json:
        """Wait until so many events are stored (also: `decisions=`, `rejected=`, `rows=`).

        Raises:
            ServerSaidError: when they are not within `timeout` seconds.
        """
        return self.get("wait", events=events, timeout=timeout, **more)

    def users(self) -> list[Json]:
        """Return every user."""
        found: list[Json] = self.get("users")["users"]
        return found

    def clusters(self) -> list[list[str]]:
        """Return every cluster as its sorted ids."""
        found: list[list[str]] = self.get("clusters")["clusters"]
        return found

    def events(self) -> list[Json]:
        """Return every row in order of arrival, rejected ones too."""
        return list(self._all("events"))

    def decisions(self) -> list[Json]:
        """Return every identity decision."""
        return list(self._all("decisions"))

    def rejected(self) -> list[Json]:
        """Return every row that was not stored."""
        return list(self._all("rejected"))

    def explain(self, a: str, b: str | None = None) -> Json:
        """Return why two ids are one user or not; with one id, its cluster."""
        return self.get("explain", a=a, **({} if b is None else {"b": b}))

    def reset(self) -> None:
        """Forget everything."""
        self.post("reset")

    @contextmanager
    def session(self, **asked: Json) -> Iterator[RunningServer]:
        """Open a session of its own (`token=`, `id_merge=`, `now=`, `settings=`) for as long as the block runs."""
        token = self.post("sessions", asked)["token"]
        session = RunningServer(self.url, token)
        try:
            yield session
        finally:
            self._ask("DELETE", f"sessions/{quote(token, safe='')}", {})
            session.close()

    def close(self) -> None:
        """Close the connections to the server; the server goes on."""
        self._http.close()

    def _all(self, name: str) -> Iterator[Json]:
        since = 0
        while True:
            page = self.get(name, since=since, limit=10_000)
            yield from page[name]
            if page["next"] <= since or not page[name]:
                return
            since = page["next"]

    def _ask(self, method: str, name: str, parameters: Mapping[str, Any], document: Json = None) -> Json:
        headers = {} if self.token is None else {"X-Harness-Token": self.token}
        longest_s = float(parameters.get("timeout", 0)) + 60
        answer = self._http.request(
            method, f"{self.url}/harness/{name}", params=parameters, json=document, headers=headers, timeout=longest_s
        )
        found: Json = answer.json()
        if not answer.ok:
            raise ServerSaidError(answer.status_code, found)
        return found


class ServerSaidError(AssertionError):
    """A control route answered with an error; an AssertionError, so that a test that waits in vain just fails.

    Args:
        status: the HTTP status.
        document: what it said.
    """

    def __init__(self, status: int, document: Json) -> None:
        super().__init__(f"{status}: {document}")
        self.status = status
        self.document = document


@dataclass(slots=True)
class _Start:
    ready: threading.Event
    error: BaseException | None = None


@contextmanager
def running_server(options: ServerOptions | None = None) -> Iterator[RunningServer]:
    """Run a server in a thread on a free port of 127.0.0.1, or as the options say.

    Args:
        options: what to serve; None: a simplified project that takes any token.

    Raises:
        HarnessError: when it can't be started.
    """
    start = _Start(threading.Event())
    server = LocalServer(options or ServerOptions(), lambda _: start.ready.set())
    thread = threading.Thread(target=_run, args=(server, start), name="harness serve", daemon=True)
    thread.start()
    if not start.ready.wait(_LONGEST_START_S) or start.error is not None:
        raise OutsideError(f"the server did not start: {start.error or 'it took too long'}")
    running = RunningServer(server.url, server.token)
    try:
        yield running
    finally:
        running.close()
        server.stop()
        thread.join(_LONGEST_START_S)


def _run(server: LocalServer, start: _Start) -> None:
    try:
        server.run()
    except BaseException as error:
        start.error = error
    finally:
        start.ready.set()
