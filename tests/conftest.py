"""How Hypothesis runs: the same examples every time in CI, new ones on a desk. And where Adobe's engine comes from."""

from __future__ import annotations

import os
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
