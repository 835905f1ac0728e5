"""Servers on this machine to send to: one that answers as a test says, and a Mixpanel project behind plain HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from harness.ingestion.project import MixpanelProject
from harness.ingestion.wire import WireRequest, WireResponse

LOST = None
"""The answer of a server that has taken the request and is never heard of again."""

Answerer: TypeAlias = Callable[[WireRequest], WireResponse | None]


@dataclass
class Loopback:
    """A server that is listening: its address, and every request it got."""

    url: str
    requests: list[WireRequest] = field(default_factory=list)


@contextmanager
def loopback(answer: Answerer) -> Iterator[Loopback]:
    """Serve requests on a free port until the block ends."""
    found = Loopback("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = WireRequest("POST", path, query, dict(self.headers.items()), body)
            found.requests.append(request)
            response = answer(request)
            if response is LOST:
                self.close_connection = True
                return
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        do_GET = do_POST  # noqa: N815 - the name is the library's

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def of_project(project: MixpanelProject) -> Answerer:
    """Return what answers as a project does; one request at a time."""
    lock = threading.Lock()

    def answer(request: WireRequest) -> WireResponse:
        with lock:
            return project.handle(request, time.time_ns() // 1_000_000)

    return answer


def text(status: int, body: str = "", **headers: str) -> WireResponse:
    """Return an answer with a text."""
    return WireResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())
