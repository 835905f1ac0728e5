"""What Mixpanel answers, to the letter where it is known.

Every route but /import answers 200 whatever the rows are like: mobile SDKs keep a batch and send it again on any other
status, so a 4xx would jam their queues (`observed`).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from harness.event import Json
from harness.ingestion.project import RowResult
from harness.ingestion.wire import WireRequest, WireResponse, is_on

SOME_FAILED: Final = "some data points in the request failed validation"
RATE_LIMITED: Final = "Project exceeded rate limits. Please retry the request with exponential backoff."
INVALID_CREDENTIALS: Final = "Invalid credentials"

_GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_CALLBACK: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}(?:\.[A-Za-z_$][A-Za-z0-9_$]{0,63}){0,7}").fullmatch
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{1,500}").fullmatch
_STATUS_NAMES: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
}


def short(parameters: Mapping[str, str], error: str | None) -> WireResponse:
    """Return the answer of /track, /engage and /groups, and of /import without strict: `1`, or `0` with an error.

    Args:
        parameters: the parameters of the request; `img`, `callback` and `verbose` change the form.
        error: why nothing in the request was taken; None when something was.
    """
    if is_on(parameters, "img"):
        return WireResponse(200, {"content-type": "image/gif", "cache-control": "no-store"}, _GIF)
    if is_on(parameters, "verbose"):
        text, kind = json.dumps({"status": 0 if error is not None else 1, "error": error}), "application/json"
    else:
        text, kind = ("1" if error is None else "0"), "text/plain; charset=utf-8"
    name = parameters.get("callback", "")
    if _CALLBACK(name):
        # Only a plain name is called; anything else could be a script of its own.
        text, kind = f"{name}({text});", "text/javascript; charset=utf-8"
    return WireResponse(200, {"content-type": kind, "x-content-type-options": "nosniff"}, text.encode())


def imported(parameters: Mapping[str, str], results: Sequence[RowResult]) -> WireResponse:
    """Return the answer of a strict /import: 200 with a count, or 400 that names every record that failed.

    Args:
        parameters: the parameters of the request; with `verbose` the status is a number (`observed`).
        results: what became of the rows, in order.
    """
    others = [(at, result) for at, result in enumerate(results) if result.status != "accepted"]
    stored = len(results) - len(others)
    failed = [_record(at, result) for at, result in others if result.status == "rejected"]
    verbose = is_on(parameters, "verbose")
    if not failed:
        status = 1 if verbose else _STATUS_NAMES[200]
        return _json(200, {"code": 200, "num_records_imported": stored, "status": status})
    return _json(
        400,
        {
            "code": 400,
            "error": SOME_FAILED,
            "failed_records": failed,
            "num_records_imported": stored,
            "status": 0 if verbose else _STATUS_NAMES[400],
        },
    )


def failed(code: int, error: str) -> WireResponse:
    """Return the answer to a whole request that fails: 400, 401, 413 or 429."""
    return _json(code, {"code": code, "error": error, "status": _STATUS_NAMES[code]})


def not_found(path: str) -> WireResponse:
    """Return the answer to a path that is no route of Mixpanel's."""
    return _json(404, {"code": 404, "error": f"no route {path[:200]}", "status": "Not Found"})


def with_origin(request: WireRequest, response: WireResponse) -> WireResponse:
    """Return an answer that a browser shows to the page that asked.

    Browser SDKs send credentials, so the exact origin is echoed, never `*` (`observed`).
    """
    origin = request.headers.get("origin", "")
    if not _HEADER_VALUE(origin):
        return response
    headers = {
        **response.headers,
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "vary": "Origin",
    }
    return WireResponse(response.status, headers, response.body)


def preflight(request: WireRequest) -> WireResponse:
    """Return the answer to a browser that asks whether it may send."""
    asked = request.headers.get("access-control-request-headers", "")
    headers = {
        "access-control-allow-methods": "GET, POST, OPTIONS",
        "access-control-allow-headers": asked if _HEADER_VALUE(asked) else "content-type, content-encoding",
        "access-control-max-age": "86400",
    }
    return with_origin(request, WireResponse(200, headers, b""))


def _record(index: int, result: RowResult) -> Json:
    """Return one failed record; an identity event in simplified is a plain text (`observed`).

    One record a row, with its first error (`docs`: one row for each failed event).
    """
    first = result.errors[0]
    if result.is_verb:
        return first.message
    return {"index": index, "insert_id": result.insert_id, "field": first.field, "message": first.message}


def _json(code: int, content: Json) -> WireResponse:
    headers = {"content-type": "application/json", "x-content-type-options": "nosniff"}
    return WireResponse(code, headers, json.dumps(content).encode())
