"""How tests run: Hypothesis the same in CI every time, long comparisons without tracing; and Adobe's engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from harness.forwarder.turbine.engine import NodeHost
from harness.forwarder.turbine.packages import modules_folder, node_command
from harness.problems import OutsideError

# Deadlines would fail a test for a busy machine, which says nothing about the code.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture
def untraced() -> Iterator[None]:
    """No coverage while a test runs that makes very many comparisons: tracing takes several times its own time.

    Other tests run the same lines, or coverage would fall under its limit.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture(scope="session")
def turbine() -> Iterator[NodeHost]:
    """Adobe's engine. Without Node its tests are skipped on a desk, and fail in CI."""
    try:
        node_command()
        modules_folder()
    except OutsideError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    host = NodeHost()
    yield host
    host.close()
