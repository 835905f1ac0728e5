"""What users ask of sessions, clocks and faults by POST: read and checked, each mistake a sentence."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from harness.clock import parse_duration, parse_instant
from harness.event import ID_MERGE_SYSTEMS, IdMerge, Json
from harness.ingestion.switches import settings_from
from harness.problems import did_you_mean
from harness.server.faults import Faults
from harness.server.moments import SessionClock
from harness.server.sessions import Session, Sessions


class WrongRequestError(Exception):
    """A request that makes no sense.

    Args:
        message: why.
        status: the HTTP status for it.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def read_document(body: bytes, known: tuple[str, ...]) -> dict[str, Json]:
    """Return the JSON object of a body; an empty body is an empty object.

    Raises:
        WrongRequestError: when it is none, or has a key that is not known.
    """
    try:
        document = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise WrongRequestError("the body is not valid JSON") from None
    if not isinstance(document, dict):
        raise WrongRequestError("the body needs a JSON object")
    for key in document:
        if key not in known:
            raise WrongRequestError(f"{key[:60]!r} is an unknown key. {did_you_mean(key, known)}")
    return document


def open_session(sessions: Sessions, document: Mapping[str, Json]) -> Session:
    """Open a session as a document asks: `token`, `id_merge`, `now`, `settings`, all optional.

    Raises:
        WrongRequestError: when something of it is wrong, or the token is taken.
    """
    token = document.get("token") or secrets.token_hex(16)
    if not isinstance(token, str) or not token.strip() or len(token) > 200 or not token.isprintable():
        raise WrongRequestError("token needs a text of at most 200 characters")
    id_merge = document.get("id_merge")
    if id_merge is not None and id_merge not in ID_MERGE_SYSTEMS:
        raise WrongRequestError(f"id_merge needs one of {', '.join(ID_MERGE_SYSTEMS)}")
    switches = document.get("settings") or {}
    if not isinstance(switches, dict):
        raise WrongRequestError("settings needs an object of switches")
    _, mistakes = settings_from(switches)
    if mistakes:
        found = "; ".join(f"{mistake.key} {mistake.message}. {mistake.fix}".rstrip(" .") for mistake in mistakes)
        raise WrongRequestError(f"settings: {found}")
    chosen: IdMerge | None = id_merge
    own = sessions.own.clock
    clock = SessionClock(own.now_ms() if own.is_fixed else None)
    if "now" in document:
        clock.set(_instant(document["now"]))
    session = sessions.open(token, sessions.own.plan.other(token, chosen, switches), clock)
    if session is None:
        raise WrongRequestError("there is a session with this token already", 409)
    return session


def set_clock(clock: SessionClock, document: Mapping[str, Json]) -> None:
    """Set or move a clock as a document asks: `now` (an instant, or null for the wall clock) or `advance`.

    Raises:
        WrongRequestError: when it asks for neither, or for something that is no time.
    """
    if len(document) != 1:
        raise WrongRequestError('give one of "now" (an instant, or null for the wall clock) and "advance" (as in 2h)')
    if "now" in document:
        clock.set(_instant(document["now"]))
        return
    text = document["advance"]
    try:
        clock.advance(parse_duration(text if isinstance(text, str) else str(text)))
    except ValueError as error:
        raise WrongRequestError(f"advance: {error}") from None


def read_faults(document: Mapping[str, Json], before: Faults) -> Faults:
    """Return the faults that a document asks for: `fail`, `seed`.

    Raises:
        WrongRequestError: when they make no sense.
    """
    text, seed = document.get("fail", before.text), document.get("seed", before.seed)
    if not isinstance(text, str) or type(seed) is not int:
        raise WrongRequestError('fail needs a text such as "429:0.1", seed a whole number')
    try:
        return Faults(text, seed)
    except ValueError as error:
        raise WrongRequestError(f"fail: {error}") from None


def _instant(text: Json) -> int | None:
    if text is None:
        return None
    try:
        return parse_instant(text if isinstance(text, str) else str(text))
    except ValueError as error:
        raise WrongRequestError(f"now: {error}") from None
