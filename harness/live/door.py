"""Mixpanel's door from outside: one request over HTTP, and what its answer means.

Credentials go to the host that was named and nowhere else: no redirect is followed, TLS is always verified, and neither
`.netrc` nor an empty `REQUESTS_CA_BUNDLE` has a say. What a server says is not shown before credentials are taken out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final

import requests

from harness.event import IDENTITY_EVENTS, Json
from harness.ingestion.limits import MAX_ROWS
from harness.live.answer import Again, Answer, Taken, TooLarge
from harness.live.batches import Batch
from harness.live.credentials import Credentials
from harness.live.destination import Destination
from harness.live.retry import asked_seconds
from harness.live.session import Basic, not_proven, redirected, refused, session_of, shown
from harness.problems import InputError, OutsideError, Problem

CONNECT_S: Final = 10
READ_S: Final = 60
_ANSWER_S: Final = 300
_MOST_ANSWER_BYTES: Final = 8_000_000
_AGAIN: Final = frozenset({429, 502, 503, 504})
_MOST_QUOTED_BYTES: Final = 6_000


class MixpanelDoor:
    """A connection to a project.

    Args:
        destination: where it is.
        credentials: what it is asked with.
        environment: the variables of the process: proxies, and where a company's own certificates are.
        now_ms: gives the clock, milliseconds since 1970; only read where an answer names a date.
    """

    def __init__(
        self,
        destination: Destination,
        credentials: Credentials,
        environment: Mapping[str, str],
        now_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._destination = destination
        self._credentials = credentials
        self._now_ms = now_ms
        self._session = session_of(destination.api, destination, environment)
        self._session.auth = Basic(credentials.basic())

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    def post(self, batch: Batch) -> Answer:
        """Send one batch; see `Door`."""
        credentials, endpoint = self._credentials, batch.endpoint
        parameters = {"verbose": "1"} if endpoint == "track" else {"strict": "1"}
        if endpoint == "import" and credentials.has_service_account:
            parameters["project_id"] = credentials.project_id
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept-Encoding": "identity"}
        try:
            with self._session.post(
                f"{self._destination.api}/{endpoint}",
                params=parameters,
                data=batch.body(credentials.token),
                headers=headers,
                auth=Basic("") if endpoint == "track" else None,
                timeout=(CONNECT_S, READ_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                raw = _read(response)
                return self._understood(batch, response.status_code, response.headers, raw)
        except requests.exceptions.SSLError:
            raise not_proven(self._destination.host) from None
        except requests.exceptions.InvalidProxyURL:
            raise OutsideError("HTTPS_PROXY holds no address of a proxy") from None
        except (requests.RequestException, _CutOff) as error:
            return Again(_lost(error))
        except OSError:
            # A bundle of certificates that is not there; what it says may hold whatever the variable held.
            message = "names no file with certificates"
            raise InputError(
                [Problem("", None, "REQUESTS_CA_BUNDLE", message, "Unset it, or mend its path.")]
            ) from None

    def _understood(self, batch: Batch, status: int, headers: Mapping[str, str], raw: bytes) -> Answer:
        if status in _AGAIN:
            return Again(f"answer {status}", asked_seconds(headers.get("Retry-After"), self._now_ms()))
        if status == 413:
            return TooLarge()
        if 300 <= status < 400:
            raise redirected(self._destination.host, status)
        if status in (401, 403):
            raise refused(self._destination.host, status, self._said(raw), self._credentials)
        value = _json(raw)
        if batch.endpoint == "track":
            return self._tracked(batch, status, value, raw)
        return self._imported(batch, status, value, raw)

    def _tracked(self, batch: Batch, status: int, value: Json, raw: bytes) -> Answer:
        """Understand an answer of /track: 1 where at least one row was taken (`docs`), else 0 with the reason."""
        said = value.get("status") if isinstance(value, dict) else value
        if status == 200 and said == 1 and not isinstance(said, bool):
            return Taken()
        if status == 200 and said == 0 and not isinstance(said, bool):
            error = self._shown(value.get("error")) if isinstance(value, dict) else ""
            return Taken(tuple((at, "", error or "not taken by /track") for at in range(len(batch.rows))))
        raise self._strange(status, raw)

    def _imported(self, batch: Batch, status: int, value: Json, raw: bytes) -> Answer:
        if status == 200 and isinstance(value, dict) and value.get("code") == 200:
            return Taken()
        listed = value.get("failed_records") if isinstance(value, dict) else None
        if status == 400 and isinstance(listed, list) and listed:
            return Taken(tuple(self._failed(batch, listed)))
        if status == 400 and isinstance(value, dict):
            error = self._shown(value.get("error")) or "the request was refused"
            return Taken(tuple((at, "", error) for at in range(len(batch.rows))))
        raise self._strange(status, raw)

    def _failed(self, batch: Batch, listed: Sequence[Json]) -> list[tuple[int, str, str]]:
        """Return the rows that a strict /import names; a mere text is about identity events (`observed`)."""
        found: dict[int, tuple[int, str, str]] = {}
        texts = []
        for record in listed[: 2 * MAX_ROWS]:
            at = record.get("index") if isinstance(record, dict) else None
            if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < len(batch.rows):
                found[at] = (at, self._shown(record.get("field")), self._shown(record.get("message")))
            else:
                texts.append(self._shown(record if isinstance(record, str) else json.dumps(record)))
        if texts:
            verbs = [at for at, row in enumerate(batch.rows) if _is_identity_event(row)]
            for at, text in zip(verbs or range(len(batch.rows)), texts, strict=False):
                found.setdefault(at, (at, "event", text))
        return [found[at] for at in sorted(found)]

    def _strange(self, status: int, raw: bytes) -> OutsideError:
        return OutsideError(
            f"{self._destination.host} answers {status}{self._quoted(raw)}, which is no answer of Mixpanel's; "
            "nothing more was sent"
        )

    def _quoted(self, raw: bytes) -> str:
        text = self._said(raw)
        return f": {text}" if text else ""

    def _said(self, raw: bytes) -> str:
        return shown(raw[:_MOST_QUOTED_BYTES].decode("utf-8", "replace"), self._credentials)

    def _shown(self, value: Json) -> str:
        """Return what a server said, fit to be shown."""
        return shown(value if isinstance(value, str) else "" if value is None else json.dumps(value), self._credentials)


class _CutOff(Exception):  # noqa: N818 - never leaves this module
    """An answer that never ends."""


def _read(response: requests.Response) -> bytes:
    """Return the body of an answer, of which no server can send too much or too slowly."""
    until = monotonic() + _ANSWER_S
    raw = bytearray()
    for part in response.iter_content(65_536):
        raw += part
        if len(raw) > _MOST_ANSWER_BYTES or monotonic() > until:
            raise _CutOff
    return bytes(raw)


def _lost(error: Exception) -> str:
    """Return why no answer came, in words of our own: what a library says may hold addresses with passwords."""
    if isinstance(error, _CutOff):
        return "an answer without end"
    for kind, words in _LOST.items():
        if isinstance(error, kind):
            return words
    return "no answer"


_LOST: Final[dict[type[Exception], str]] = {
    requests.exceptions.ProxyError: "no connection through the proxy",
    requests.exceptions.ConnectTimeout: "no connection in time",
    requests.exceptions.ReadTimeout: "no answer in time",
    requests.exceptions.ConnectionError: "no connection, or it broke off",
    requests.exceptions.ChunkedEncodingError: "an answer that broke off",
}


def _json(raw: bytes) -> Json:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _is_identity_event(row: bytes) -> bool:
    return json.loads(row)["event"] in IDENTITY_EVENTS
