"""A local Mixpanel for each ID-merge system, Mixpanel's SDKs from npm, and a browser without a network.

Without Node, npm or Chromium the tests that need them are skipped on a desk, and fail in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from harness.event import IdMerge
from harness.problems import OutsideError
from harness.server.background import RunningServer, running_server
from harness.server.serving import ServerOptions
from tests.clients.chromium import launched
from tests.clients.packages import modules_folder
from tests.clients.sent import NewServer
from tests.clients.shop import Shop


def _missing(error: OutsideError) -> None:
    if os.environ.get("CI"):
        raise error
    pytest.skip(str(error))


@pytest.fixture(scope="module")
def servers() -> Iterator[NewServer]:
    """Gives the server of an ID-merge system, emptied; it is started when a test asks for it first."""
    running: dict[IdMerge, RunningServer] = {}
    with ExitStack() as stack:

        def server(id_merge: IdMerge) -> RunningServer:
            if id_merge not in running:
                running[id_merge] = stack.enter_context(running_server(ServerOptions(id_merge=id_merge)))
            running[id_merge].reset()
            return running[id_merge]

        yield server


@pytest.fixture(scope="session")
def modules() -> Path:
    """The `node_modules` with Mixpanel's SDKs."""
    try:
        return modules_folder()
    except OutsideError as error:
        _missing(error)
        raise


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, for the tests of one module: Playwright's loop must not outlive them."""
    with sync_playwright() as playwright:
        try:
            started = launched(playwright)
        except OutsideError as error:
            _missing(error)
            raise
        yield started
        started.close()


@pytest.fixture(scope="module")
def shop(modules: Path) -> Iterator[Shop]:
    """A small shop with Mixpanel's browser SDK, on an address of its own."""
    with Shop(modules) as opened:
        yield opened
