"""One server for the tests of this folder, emptied before each; and servers that are set up otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from harness.server.background import RunningServer, running_server
from harness.server.serving import ServerOptions
from tests.server.client import NOW_MS


@pytest.fixture(scope="session")
def shared() -> Iterator[RunningServer]:
    """A simplified project that takes any token, whose clock stands still."""
    with running_server(ServerOptions(now_ms=NOW_MS)) as server:
        yield server


@pytest.fixture
def server(shared: RunningServer) -> RunningServer:
    """The same, empty."""
    shared.post("clock", {"now": "2026-01-05T12:00:00Z"})
    shared.post("faults", {"fail": "", "seed": 0})
    shared.reset()
    return shared


@pytest.fixture
def serve() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers with options, whose clock stands still unless they say otherwise; they end with the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> RunningServer:
            return stack.enter_context(running_server(ServerOptions(**{"now_ms": NOW_MS, **options})))

        yield start
