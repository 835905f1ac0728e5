"""Reads a raw export from a project: GET /api/2.0/export, one day a request.

Limits and hosts follow Mixpanel's documentation: 60 requests an hour and 3 a second. A 429, an answer of a server in
trouble, a lost connection and a stream that ends in the middle are asked again, the whole day from its first row, with
pauses of 2 seconds that double up to 60, and 1 to 5 seconds on top. A row is given only when its whole day has come.

Credentials go to the host that was asked and to no other: a redirect is an error. TLS is always verified.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import IO, Final
from urllib.parse import urlsplit

import requests

from harness.live.credentials import PROJECT_ID, SERVICE_ACCOUNT, SERVICE_SECRET, Credentials
from harness.live.destination import Destination
from harness.live.export_row import ExportRow, read_row
from harness.problems import InputError, OutsideError, Problem

PER_HOUR: Final = 60
PER_SECOND: Final = 3
_RETRIED: Final = frozenset({429, 500, 502, 503, 504})
_FIRST_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 60.0
_TRIES: Final = 10
_CONNECT_S: Final = 30
_SILENCE_S: Final = 300
_BLOCK: Final = 1 << 20
_LAST: Final = 4 << 20
_MOST_IN_MEMORY: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Pace:
    """Time as the reader sees it.

    Attributes:
        clock: gives the time in seconds; only differences count.
        sleep: waits so many seconds.
        jitter: gives the seconds on top of a pause.
        tell: takes a line about a wait.
    """

    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)
    jitter: Callable[[], float] = field(default=lambda: random.uniform(1, 5))  # noqa: S311 - no secret
    tell: Callable[[str], None] = field(default=lambda line: None)


class Budget:
    """How many requests are left by the documented limits.

    Args:
        pace: the clock to go by.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._asked: deque[float] = deque()

    def spend(self) -> None:
        """Wait until one more request is allowed, and count it."""
        pace = self._pace
        while True:
            now = pace.clock()
            while self._asked and now - self._asked[0] >= 3_600:
                self._asked.popleft()
            wait = self._wait_s(now)
            if wait <= 0:
                break
            if wait > 2:
                pace.tell(f"waiting {_minutes(wait)}: Mixpanel allows {PER_HOUR} exports an hour")
            pace.sleep(wait)
        self._asked.append(now)

    def _wait_s(self, now: float) -> float:
        by_hour = self._asked[-PER_HOUR] + 3_600 - now if len(self._asked) >= PER_HOUR else 0.0
        by_second = self._asked[-PER_SECOND] + 1 - now if len(self._asked) >= PER_SECOND else 0.0
        return max(by_hour, by_second)


class ExportReader:
    """Reads exports of one project.

    Args:
        destination: where the project is.
        credentials: of the project.
        pace: how time passes.

    Raises:
        InputError: when no credentials fit.
    """

    def __init__(self, destination: Destination, credentials: Credentials, pace: Pace | None = None) -> None:
        self._destination = destination
        self._credentials = credentials
        self._pace = pace or Pace()
        self._budget = Budget(self._pace)
        if destination.region is not None and not credentials.has_service_account:
            raise InputError([_no_account(credentials, name) for name in _lacking(credentials)])
        self._was_reached = False
        self._session = requests.Session()
        # Proxies come from the environment; ~/.netrc would put another host's password into our header.
        self._session.auth = _no_auth

    def read(self, days: Sequence[tuple[date, date]]) -> Iterator[ExportRow]:
        """Yield the rows of some spans of days, each asked in one request.

        Args:
            days: the first and the last day of each span, as days of the project's time zone.

        Raises:
            OutsideError: when the project can't be reached, or refuses.
        """
        for first, last in days:
            yield from self._span(first, last)

    def _span(self, first: date, last: date) -> Iterator[ExportRow]:
        """Yield the rows of a span once all of them have come; until then they wait in a file of this machine."""
        with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY) as spool:
            self._fetch(first, last, spool)
            spool.seek(0)
            for number, line in enumerate(spool, start=1):
                if line.strip():
                    yield self._row(line, first, number)

    def _fetch(self, first: date, last: date, spool: IO[bytes]) -> None:
        pause = _FIRST_PAUSE_S
        for attempt in range(1, _TRIES + 1):
            try:
                self._ask(first, last, spool)
            except _Again as again:
                tries = _TRIES if self._was_reached else again.tries_at_first
                if attempt >= tries:
                    times = "" if attempt == 1 else f", {attempt} times in a row"
                    raise OutsideError(f"{self._name()} {again.why}{times}") from None
                wait = max(min(pause, _LONGEST_PAUSE_S) + self._pace.jitter(), again.after_s)
                self._pace.tell(f"{self._name()} {again.why}; asking again in {wait:.0f} s")
                self._pace.sleep(wait)
                pause *= 2
                spool.seek(0)
                spool.truncate()
            else:
                return

    def _ask(self, first: date, last: date, spool: IO[bytes]) -> None:
        self._budget.spend()
        parameters = {"from_date": first.isoformat(), "to_date": last.isoformat()}
        if self._credentials.has_service_account:
            parameters["project_id"] = self._credentials.project_id
        headers = {"Accept": "text/plain, application/json", "Accept-Encoding": "gzip"}
        authorization = self._credentials.basic()
        if authorization:
            headers["Authorization"] = authorization
        try:
            with self._session.get(
                f"{self._destination.export}/api/2.0/export",
                params=parameters,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(_CONNECT_S, _SILENCE_S),
            ) as answer:
                self._was_reached = True
                self._judge(answer)
                for block in answer.iter_content(_BLOCK):
                    spool.write(block)
        except requests.exceptions.SSLError as error:
            raise OutsideError(f"{self._name()} has no certificate that holds: {self._plain(error)}") from None
        except requests.Timeout:
            raise _Again("did not answer in time", tries_at_first=3) from None
        except requests.exceptions.ChunkedEncodingError:
            raise _Again("broke off in the middle of an export") from None
        except requests.ConnectionError:
            raise _Again("can't be reached", tries_at_first=1 if self._destination.is_local else 3) from None
        except requests.RequestException as error:
            raise _Again(f"could not be asked ({self._plain(error)})", tries_at_first=3) from None
        _must_be_whole(spool)

    def _row(self, line: bytes, day: date, number: int) -> ExportRow:
        try:
            return read_row(line)
        except ValueError as error:
            raise OutsideError(
                f"{self._name()} answered something else than events for {day}, line {number}: {error}"
            ) from None

    def _judge(self, answer: requests.Response) -> None:
        """Pass a good answer.

        Raises:
            OutsideError: when asking again is of no use.
        """
        status = answer.status_code
        if status == 200:
            return
        if status in _RETRIED:
            raise _Again(f"answered {status}", _seconds(answer.headers.get("Retry-After", "")))
        if answer.is_redirect:
            host = urlsplit(answer.headers.get("Location", "")).netloc or "another place"
            raise OutsideError(
                f"{self._name()} sends on to {self._credentials.hide(host)[:100]}, where no credentials are sent. "
                "Name the right region or URL."
            )
        said = self._credentials.hide(answer.text[:300].strip())
        if status in (401, 403):
            raise OutsideError(
                f"{self._name()} refuses the credentials ({status}: {said}). "
                f"Check {SERVICE_ACCOUNT}, {SERVICE_SECRET} and {PROJECT_ID}, and the region."
            )
        raise OutsideError(f"{self._name()} answered {status} to an export: {said}")

    def _name(self) -> str:
        return urlsplit(self._destination.export).netloc

    def _plain(self, error: Exception) -> str:
        """Return what a library says of an error, without any secret, in one short line."""
        return self._credentials.hide(" ".join(str(error).split()))[:200] or type(error).__name__


class _Again(Exception):  # noqa: N818 - no error of a user's: it never leaves this module
    """Asking again may help.

    Args:
        why: why it has to be.
        after_s: how many seconds the server wants to be left alone.
        tries_at_first: how often to ask while the server has never answered yet.
    """

    def __init__(self, why: str, after_s: float = 0.0, tries_at_first: int = _TRIES) -> None:
        super().__init__(why)
        self.why = why
        self.after_s = after_s
        self.tries_at_first = tries_at_first


def _must_be_whole(spool: IO[bytes]) -> None:
    """Pass an export that ends with an event, or is empty.

    A server that gives up in the middle ends the stream with a message, or with half a line.
    """
    length = spool.tell()
    spool.seek(max(0, length - _LAST))
    end = spool.read().rstrip()
    if not end:
        return
    try:
        read_row(end[end.rfind(b"\n") + 1 :])
    except ValueError:
        raise _Again("broke off in the middle of an export") from None


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _lacking(credentials: Credentials) -> list[str]:
    values = {
        SERVICE_ACCOUNT: credentials.service_account,
        SERVICE_SECRET: credentials.service_secret,
        PROJECT_ID: credentials.project_id,
    }
    return [name for name, value in values.items() if not value]


def _no_account(_credentials: Credentials, name: str) -> Problem:
    return Problem("", None, name, "is not set", "An export asks with a service account; set it in the environment.")


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
