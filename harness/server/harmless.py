"""Routes of Mixpanel that SDKs ask besides sending events: answered so that they go on and do nothing.

What each SDK makes of the answers was read in their sources (`docs`): no flags, no notifications, no remote settings,
recordings are taken and thrown away.
"""

from __future__ import annotations

import json
from typing import Final

from harness.event import Json
from harness.ingestion import answers
from harness.ingestion.wire import WireRequest, WireResponse

MOST_BYTES: Final = 20_000_000
"""The largest body that is read, which is a recording."""

_ANSWERS: Final[dict[str, Json]] = {
    "/decide": {"notifications": [], "surveys": [], "variants": [], "config": {}, "event_bindings": []},
    "/flags": {"flags": {}},
    "/flags/definitions": {"flags": []},
    "/record": {"code": 200, "status": "OK"},
    "/settings": {"sdk_config": None},
}


def knows(path: str) -> bool:
    """Return whether a path, without the slash at its end, is one of these routes."""
    return path in _ANSWERS or path.startswith("/flags/")


def answer(request: WireRequest) -> WireResponse:
    """Return the answer to a request to one of these routes."""
    if request.method == "OPTIONS":
        return answers.preflight(request)
    content = _ANSWERS.get(request.path.rstrip("/"), {})
    headers = {"content-type": "application/json", "x-content-type-options": "nosniff"}
    return answers.with_origin(request, WireResponse(200, headers, json.dumps(content).encode()))
