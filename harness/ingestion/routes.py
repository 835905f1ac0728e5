"""Mixpanel's routes: who may ask, what is read, what becomes of it, and the answer."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Final, TypeAlias

from harness.event import Json
from harness.ingestion import answers
from harness.ingestion.hosts import region_of
from harness.ingestion.limits import MAX_IMPORT_BYTES, MAX_ROWS, MAX_TRACK_BYTES
from harness.ingestion.project import MixpanelProject
from harness.ingestion.verdict import FieldError
from harness.ingestion.wire import Unreadable, WireRequest, WireResponse, decode, is_on

_Route: TypeAlias = Callable[[MixpanelProject, WireRequest, int], WireResponse]


def answer(project: MixpanelProject, request: WireRequest, now_ms: int) -> WireResponse:
    """Answer one request.

    A request to a host of another region is answered `1` and its events are lost (`docs` for the loss, the answer is
    `inferred`).

    Args:
        project: the project that is asked.
        request: the request.
        now_ms: Mixpanel's clock, milliseconds since 1970.
    """
    path = request.path.rstrip("/")
    route = _ROUTES.get(path)
    if route is None:
        return answers.with_origin(request, answers.not_found(request.path))
    if request.method == "OPTIONS":
        return answers.preflight(request)
    region = region_of(request.headers.get("host", ""))
    if region is not None and region != project.settings.region:
        return answers.with_origin(request, answers.short({}, None))
    return answers.with_origin(request, route(project, request, now_ms))


def _track(project: MixpanelProject, request: WireRequest, now_ms: int) -> WireResponse:
    body = decode(request, most_bytes=MAX_TRACK_BYTES)
    if isinstance(body, Unreadable):
        return answers.short(body.parameters, body.reason)
    refused = _too_many(body.rows)
    if refused is not None:
        return answers.short(body.parameters, refused)
    client_ip = request.client_ip if body.parameters.get("ip") == "1" else None
    results = project.receive(body.rows, now_ms=now_ms, endpoint="track", client_ip=client_ip, check_token=True)
    errors = [result.errors[0].message for result in results if result.status == "rejected"]
    # One valid row is enough for a 1 (`docs`, the ingestion reference; another page wants all of them valid).
    return answers.short(body.parameters, errors[0] if len(errors) == len(results) else None)


def _import(project: MixpanelProject, request: WireRequest, now_ms: int) -> WireResponse:
    body = decode(request, most_bytes=MAX_IMPORT_BYTES, ndjson=True)
    if not _may_import(project, request, body.parameters):
        return answers.failed(401, answers.INVALID_CREDENTIALS)
    if isinstance(body, Unreadable):
        return answers.failed(413 if body.is_too_large else 400, body.reason)
    refused = _too_many(body.rows) if body.rows else None
    if refused is not None:
        return answers.failed(413, refused)
    if project.rate_limit is not None and not project.rate_limit.admits(now_ms, len(body.rows), body.size):
        return answers.failed(429, answers.RATE_LIMITED)
    strict = is_on(body.parameters, "strict")
    results = project.receive(body.rows, now_ms=now_ms, endpoint="import", strict=strict)
    return answers.imported(body.parameters, results) if strict else answers.short(body.parameters, None)


def _engage(project: MixpanelProject, request: WireRequest, _now_ms: int) -> WireResponse:
    return _profiles(project, request, project.profiles.update_user)


def _groups(project: MixpanelProject, request: WireRequest, _now_ms: int) -> WireResponse:
    return _profiles(project, request, project.profiles.update_group)


def _profiles(
    project: MixpanelProject, request: WireRequest, update: Callable[[Json], FieldError | None]
) -> WireResponse:
    body = decode(request, most_bytes=MAX_TRACK_BYTES, gzip=False)
    if isinstance(body, Unreadable):
        return answers.short(body.parameters, body.reason)
    refused = _too_many(body.rows)
    if refused is not None:
        return answers.short(body.parameters, refused)
    errors = [error.message for row in body.rows if (error := _update(project, row, update)) is not None]
    return answers.short(body.parameters, errors[0] if len(errors) == len(body.rows) else None)


def _update(project: MixpanelProject, row: Json, update: Callable[[Json], FieldError | None]) -> FieldError | None:
    token = row.get("$token") if isinstance(row, dict) else None
    if project.settings.token is not None and isinstance(token, str) and token not in ("", project.settings.token):
        return None
    return update(row)


def _too_many(rows: list[Json]) -> str | None:
    if not rows:
        return "data, missing or empty"
    return f"request exceeds max limit of {MAX_ROWS} events" if len(rows) > MAX_ROWS else None


def _may_import(project: MixpanelProject, request: WireRequest, parameters: dict[str, str]) -> bool:
    """Return whether a request may import (`docs`).

    Basic credentials: the token or the secret as user name alone, or a service account with `project_id`. The local
    project knows no service accounts, so any is taken; a token or secret is compared where the project has one.
    """
    scheme, _, packed = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        user, _, password = binascii.a2b_base64(packed.strip().encode()).decode().partition(":")
    except (ValueError, UnicodeError):
        return False
    if not user:
        return False
    if password:
        return bool(parameters.get("project_id"))
    known = {text for text in (project.settings.token, project.secret) if text is not None}
    return not known or user in known


_ROUTES: Final[dict[str, _Route]] = {
    "/track": _track,
    "/import": _import,
    "/engage": _engage,
    "/groups": _groups,
}
