"""A small shop that uses Mixpanel's browser SDK, served on an address of its own, and a visitor who uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, Page, Request

from harness.event import Json
from harness.server.background import RunningServer

TOKEN: Final = "a1b2c3"
_PAGES: Final = Path(__file__).parent / "shop_page"
_KINDS: Final = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_PATIENCE_MS: Final = 30_000


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, files: Mapping[str, bytes], *others: Any) -> None:
        self._files = files
        super().__init__(*others)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        body = self._files.get("/index.html" if path == "/" else path)
        self.send_response(404 if body is None else 200)
        self.send_header("content-type", _KINDS.get(Path(path).suffix, _KINDS[".html"]))
        self.send_header("content-length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the standard library
        pass


class Shop(AbstractContextManager["Shop"]):
    """The shop, open while it is a context.

    Args:
        modules: the `node_modules` with the SDK.
    """

    def __init__(self, modules: Path) -> None:
        files = {f"/{path.name}": path.read_bytes() for path in _PAGES.iterdir()}
        built = modules / "mixpanel-browser" / "dist"
        files["/mixpanel.js"] = (built / "mixpanel.module.js").read_bytes()
        files["/mixpanel.min.js"] = (built / "mixpanel.min.js").read_bytes()
        files["/snippet.js"] = (built / "mixpanel-jslib-snippet.min.js").read_bytes()
        files["/elsewhere.html"] = b"<!doctype html><title>Elsewhere</title>"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, files))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, name="shop", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def address(self, server: RunningServer, config: Mapping[str, Json], page: str = "") -> str:
        """Return the address of a page of the shop, with an SDK that sends to a server."""
        whole = {"api_host": server.url, "persistence": "localStorage", "debug": False, **config}
        return f"{self.url}/{page}?{urlencode({'token': TOKEN, 'config': json.dumps(whole)})}"


@dataclass(slots=True)
class Visitor:
    """Somebody who uses the shop in a browser of their own.

    Attributes:
        server: where the shop's SDK sends to.
        context: the browser's profile.
        page: the shop.
        rows: how many rows the SDK has to send for what was done so far.
        requests: method, path and kind (xhr, ping...) of every request to the server.
        elsewhere: requests to neither the shop nor the server, which there must not be.
    """

    server: RunningServer
    context: BrowserContext
    page: Page
    rows: int = 0
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @classmethod
    def entering(cls, browser: Browser, shop: Shop, server: RunningServer, page: str = "", **config: Json) -> Self:
        """Open a page of the shop; the SDK sends soon, or as a configuration says."""
        context = browser.new_context()
        context.set_default_timeout(_PATIENCE_MS)
        visitor = cls(server, context, context.new_page())
        visitor.page.on("request", lambda request: visitor._note(request))
        visitor.go(shop.address(server, {"batch_flush_interval_ms": 40, **config}, page))
        return visitor

    def go(self, address: str) -> None:
        """Open a page of the shop."""
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready=yes]")

    def look(self, times: int = 1) -> None:
        """Look at the shoes."""
        for _ in range(times):
            self._click("#look", rows=1)

    def buy(self) -> None:
        """Buy them."""
        self._click("#buy", rows=1)

    def log_in(self, user: str) -> None:
        """Log in as another user than before: the SDK sends `$identify`."""
        self.page.fill("#user", user)
        self._click("#login button", rows=1)

    def log_out(self) -> None:
        """Log out; the SDK is not told."""
        self._click("#logout", rows=1)

    def log_out_and_reset(self) -> None:
        """Log out, with `reset()`."""
        self._click("#logout-and-reset", rows=1)

    def sign_up(self, user: str) -> None:
        """Sign up, with `alias()`: the SDK sends `$create_alias` and then `$identify`."""
        self.page.fill("#user", user)
        self._click("#alias", rows=2)

    def save_address(self) -> None:
        """Save the address, with `people.set`."""
        self._click("#profile", rows=0)

    def settle(self) -> None:
        """Wait until everything has arrived, so that what comes next comes after it."""
        self.server.wait(rows=self.rows, timeout=_PATIENCE_MS / 1_000)

    def drain(self) -> None:
        """Wait until the SDK has nothing left in its queues."""
        self.page.wait_for_function(
            "Object.entries(localStorage).every(([key, value]) => !key.startsWith('__mpq_') || value === '[]')"
        )

    @property
    def tracked(self) -> int:
        """How many events the shop tracked, on all its pages."""
        return int(self.page.evaluate("Number(sessionStorage.getItem('tracked'))"))

    @property
    def distinct_id(self) -> str:
        """The distinct_id of the SDK right now."""
        return str(self.page.evaluate("mixpanel.get_distinct_id()"))

    def leave(self) -> None:
        """Close the browser's profile."""
        self.context.close()
        assert self.elsewhere == []

    def _click(self, selector: str, *, rows: int) -> None:
        self.page.click(selector)
        self.rows += rows

    def _note(self, request: Request) -> None:
        if request.url.startswith(self.server.url):
            path = request.url.removeprefix(self.server.url).partition("?")[0]
            self.requests.append((request.method, path, request.resource_type))
        elif not request.url.startswith("http://127.0.0.1:"):
            self.elsewhere.append(request.url)
