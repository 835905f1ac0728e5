"""Sends probes to a project, one request after the other, and reads what each row is answered.

A 429, an answer of a server in trouble and a lost connection are asked again with the same `$insert_id`, with pauses of
2 seconds that double up to 60, and 1 to 5 seconds on top; a 400 never. Credentials go to the host that was asked and to
no other, over TLS that is verified, or to this machine.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Final

import requests

from harness.event import IDENTITY_EVENTS, Json
from harness.jsontext import dump, parse
from harness.live.credentials import SERVICE_ACCOUNT, TOKEN, Credentials
from harness.live.destination import Destination
from harness.live.export_reader import Pace
from harness.live.probe import Answer, Ask
from harness.live.retry import USUAL, asked_seconds
from harness.live.session import Basic, not_proven, redirected, refused, session_of, shown
from harness.problems import InputError, OutsideError, Problem

_RETRIED: Final = frozenset({429, 500, 502, 503, 504})
_TIMEOUT_S: Final = (30, 120)


class ProbeSender:
    """Sends the requests of probes to one project.

    Args:
        destination: where the project is.
        credentials: of the project.
        environment: the variables of the process, for proxies and certificates.
        pace: how time passes.

    Raises:
        InputError: when a credential is missing.
    """

    def __init__(
        self,
        destination: Destination,
        credentials: Credentials,
        environment: Mapping[str, str],
        pace: Pace | None = None,
    ) -> None:
        lacking = [] if credentials.token else [(TOKEN, "events of /track carry the project token")]
        if destination.region is not None and not credentials.has_service_account:
            lacking.append(
                (SERVICE_ACCOUNT, "an export asks with a service account, its secret and MIXPANEL_PROJECT_ID")
            )
        if lacking:
            raise InputError([Problem("", None, name, "is not set", f"Set it: {why}.") for name, why in lacking])
        self._destination = destination
        self._credentials = credentials
        self._pace = pace or Pace()
        self._was_reached = False
        self._session = session_of(destination.api, destination, environment)

    def send(self, ask: Ask) -> dict[str, Answer]:
        """Send one request and return what each of its rows was answered, by name.

        Raises:
            OutsideError: when the project can't be reached, or refuses the whole request.
        """
        if ask.pause_ms:
            self._pace.sleep(ask.pause_ms / 1_000)
        names = [row.name for row in ask.rows]
        if ask.endpoint == "import":
            answer = self._post(ask, {"strict": "1" if ask.is_strict else "0"})
            if not ask.is_strict:
                return dict.fromkeys(names, "unsaid")
            return dict(zip(names, _answers(ask, answer), strict=True))
        answer = self._post(ask, {"verbose": "1", "ip": "1" if ask.with_address else "0"})
        if len(names) > 1:
            return dict.fromkeys(names, "unsaid")
        said = answer.get("status") if isinstance(answer, Mapping) else answer
        return {names[0]: "taken" if said == 1 else "rejected"}

    def _post(self, ask: Ask, parameters: dict[str, str]) -> Json:
        """Post rows and return the answer as JSON.

        Raises:
            OutsideError: when that fails for good.
        """
        rows = [{"event": row.event, "properties": self._with_token(ask, row.properties)} for row in ask.rows]
        header = self._credentials.basic() if ask.endpoint == "import" else ""
        if header and self._credentials.has_service_account:
            parameters = {**parameters, "project_id": self._credentials.project_id}
        body = gzip.compress(dump(rows).encode(), mtime=0)
        host = self._destination.host
        for failures in range(1, USUAL.attempts + 1):
            asked_s = None
            try:
                answer = self._session.post(
                    f"{self._destination.api}/{ask.endpoint}",
                    params=parameters,
                    data=body,
                    headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
                    auth=Basic(header),
                    timeout=_TIMEOUT_S,
                    allow_redirects=False,
                )
            except requests.exceptions.SSLError:
                raise not_proven(host) from None
            except requests.RequestException as error:
                if isinstance(error, requests.ConnectionError) and self._destination.is_local and not self._was_reached:
                    raise OutsideError(f"{host} can't be reached") from None
                why = f"can't be reached ({type(error).__name__})"
            else:
                self._was_reached = True
                if answer.status_code not in _RETRIED:
                    return self._said(answer)
                why = f"answered {answer.status_code}"
                asked_s = asked_seconds(answer.headers.get("Retry-After"), 0)
            wait = USUAL.delay_s(failures, self._pace.lot(), asked_s)
            self._pace.tell(f"{host} {why}; asking again in {wait:.0f} s")
            self._pace.sleep(wait)
        raise OutsideError(f"{host} {why}, {USUAL.attempts} times in a row")

    def _with_token(self, ask: Ask, properties: Mapping[str, Json]) -> dict[str, Json]:
        return {**properties, "token": self._credentials.token} if ask.endpoint == "track" else dict(properties)

    def _said(self, answer: requests.Response) -> Json:
        host, status = self._destination.host, answer.status_code
        if 300 <= status < 400:
            raise redirected(host, status)
        said = shown(answer.text, self._credentials)
        if status in (401, 403):
            raise refused(host, status, said, self._credentials)
        if status not in (200, 400):
            raise OutsideError(f"{host} answered {status}: {said}")
        try:
            return parse(answer.text)
        except ValueError:
            raise OutsideError(f"{host} answered something that is not JSON: {said}") from None


def _answers(ask: Ask, answer: Json) -> Sequence[Answer]:
    """Return what a strict /import said of each row.

    A refused identity event of simplified is a plain text without an index (`observed`), so such texts are given to the
    identity events in their order.
    """
    answers: list[Answer] = ["taken"] * len(ask.rows)
    if not isinstance(answer, Mapping) or answer.get("code") == 200:
        return answers
    records = answer.get("failed_records")
    verbs = [at for at, row in enumerate(ask.rows) if row.event in IDENTITY_EVENTS]
    for record in records if isinstance(records, list) else ():
        if isinstance(record, Mapping):
            at = record.get("index")
            if isinstance(at, int) and 0 <= at < len(answers):
                answers[at] = "rejected"
        elif verbs:
            answers[verbs.pop(0)] = "rejected"
    if answer.get("num_records_imported") == 0:
        return ["rejected"] * len(ask.rows)
    return answers
