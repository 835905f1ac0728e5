"""Recorded cases of Adobe's own engine: every status, reason and byte sent is the same here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.forwarder.recordings import HERE, recorded_form, replay

VECTORS = sorted((HERE / "vectors").glob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_rule_does_what_the_recording_says(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    results = replay(vector["property"], vector["environment"], vector["calls"])
    assert [recorded_form(result) for result in results] == vector["expected"]
