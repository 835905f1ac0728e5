"""Rows to send, and the clock they are sent at."""

from __future__ import annotations

from typing import Any

NOW_MS = 1_700_000_000_000
NOW_S = NOW_MS // 1000


def row(name: Any = "Page View", **properties: Any) -> dict[str, Any]:
    """Return an event that every rule takes; `S_` in a keyword stands for `$`, and `...` removes a property."""
    given = {key.replace("S_", "$"): value for key, value in properties.items()}
    sent = {"time": NOW_S - 60, "distinct_id": "u1", "$insert_id": "i-1", **given}
    return {"event": name, "properties": {key: value for key, value in sent.items() if value is not ...}}
