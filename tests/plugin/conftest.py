"""A pytest inside of pytest, with what it imports loaded once."""

from __future__ import annotations

import pytest

import harness.report.terminal
import harness.scenario.explanation
import harness.scenario.runner
import harness.testing  # noqa: F401
from tests.plugin.runs import Runs


@pytest.fixture
def runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Runs(pytester)
