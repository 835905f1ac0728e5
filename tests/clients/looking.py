"""Somebody who looks at the server's page in a browser, and notes whatever a page must not do."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self, TypeAlias

from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from harness.event import Json
from harness.server.background import RunningServer

TOKEN: Final = "a1b2c3"
_PATIENCE_MS: Final = 15_000

expect.set_options(timeout=_PATIENCE_MS)

Scheme: TypeAlias = Literal["light", "dark"]
Sent: TypeAlias = tuple[str, Mapping[str, Json]]


@dataclass(slots=True)
class Looking:
    """The page, opened.

    Attributes:
        server: whose page it is.
        context: the browser's profile.
        page: the page.
        wrong: what happened that must not: scripts of others, errors, refused policies, requests to elsewhere.
    """

    server: RunningServer
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def at(
        cls, browser: Browser, server: RunningServer, *, width: int = 1280, scheme: Scheme = "light", query: str = ""
    ) -> Self:
        """Open the page."""
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(_PATIENCE_MS)
        looking = cls(server, context, context.new_page())
        page, wrong = looking.page, looking.wrong
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda said: wrong.append(f"console: {said.text}") if said.type == "error" else None)
        page.on("dialog", lambda dialog: looking._dismiss(dialog))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((f"{server.url}/", f"blob:{server.url}/")) else wrong.append(asked.url)
            ),
        )
        page.goto(f"{server.url}/{query}")
        page.locator("#connection[data-kind=live]").wait_for()
        return looking

    def node(self, text: str) -> str:
        """Return a selector of the node of an id in the picture."""
        return f".node[aria-label^={json.dumps(text + ',')}]"

    def _dismiss(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def leave(self) -> None:
        """Close the browser's profile; fail when something happened that must not."""
        self.context.close()
        assert self.wrong == []


def send(server: RunningServer, *events: Sent) -> None:
    """Send events by /track, one request, in this order."""
    rows = [{"event": name, "properties": {"token": TOKEN, **properties}} for name, properties in events]
    _post(f"{server.url}/track", rows)


def load(server: RunningServer, rows: Sequence[Json]) -> None:
    """Send rows by /import, 2,000 a request."""
    for start in range(0, len(rows), 2_000):
        _post(f"{server.url}/import?strict=1", rows[start : start + 2_000])


def _post(url: str, rows: Sequence[Json]) -> None:
    basic = base64.b64encode(f"{TOKEN}:".encode()).decode()
    headers = {"content-type": "application/json", "authorization": f"Basic {basic}"}
    request = urllib.request.Request(url, json.dumps(list(rows)).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
