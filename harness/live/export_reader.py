"""Reads a raw export from a project: GET /api/2.0/export, one day a request.

Limits and hosts follow Mixpanel's documentation: 60 requests an hour and 3 a second. A 429, an answer of a server in
trouble, a lost connection and a stream that ends in the middle are asked again, the whole day from its first row, after
the pauses that senders make too. A row is given only when its whole day has come.

Credentials go to the host that was asked and to no other: a redirect is an error. TLS is always verified.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import IO, Final
from urllib.parse import urlsplit

import requests

from harness.live.credentials import PROJECT_ID, SERVICE_ACCOUNT, SERVICE_SECRET, Credentials
from harness.live.destination import Destination
from harness.live.export_row import ExportRow, read_row
from harness.live.retry import USUAL, asked_seconds
from harness.live.session import Basic, not_proven, redirected, refused, session_of, shown
from harness.problems import InputError, OutsideError, Problem

PER_HOUR: Final = 60
PER_SECOND: Final = 3
_RETRIED: Final = frozenset({429, 500, 502, 503, 504})
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
        lot: draws a number from 0 to 1, for the jitter of a pause.
        tell: takes a line about a wait.
    """

    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)
    lot: Callable[[], float] = field(default=random.random)
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
        environment: the variables of the process, for proxies and certificates.
        pace: how time passes.

    Raises:
        InputError: when no credentials fit.
    """

    def __init__(
        self,
        destination: Destination,
        credentials: Credentials,
        environment: Mapping[str, str],
        pace: Pace | None = None,
    ) -> None:
        self._destination = destination
        self._credentials = credentials
        self._pace = pace or Pace()
        self._budget = Budget(self._pace)
        if destination.region is not None and not credentials.has_service_account:
            raise InputError([_no_account(name) for name in _lacking(credentials)])
        self._was_reached = False
        self._session = session_of(destination.export, destination, environment)

    def read(self, days: Sequence[tuple[date, date]], limit: int | None = None) -> Iterator[ExportRow]:
        """Yield the rows of some spans of days, each asked in one request.

        Args:
            days: the first and the last day of each span, as days of the project's time zone.
            limit: the most rows to ask for a span; None: all.

        Raises:
            OutsideError: when the project can't be reached, or refuses.
        """
        for first, last in days:
            yield from self._span(first, last, {} if limit is None else {"limit": str(limit)})

    def _span(self, first: date, last: date, more: Mapping[str, str]) -> Iterator[ExportRow]:
        """Yield the rows of a span once all of them have come; until then they wait in a file of this machine."""
        with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY) as spool:
            self._fetch({"from_date": first.isoformat(), "to_date": last.isoformat(), **more}, spool)
            spool.seek(0)
            for number, line in enumerate(spool, start=1):
                if line.strip():
                    yield self._row(line, first, number)

    def _fetch(self, parameters: dict[str, str], spool: IO[bytes]) -> None:
        failures = 0
        while True:
            try:
                return self._ask(parameters, spool)
            except _Again as again:
                failures += 1
                if failures >= (USUAL.attempts if self._was_reached else again.tries_at_first):
                    times = "" if failures == 1 else f", {failures} times in a row"
                    raise OutsideError(f"{self._name()} {again.why}{times}") from None
                wait = USUAL.delay_s(failures, self._pace.lot(), again.asked_s)
                self._pace.tell(f"{self._name()} {again.why}; asking again in {wait:.0f} s")
                self._pace.sleep(wait)
                spool.seek(0)
                spool.truncate()

    def _ask(self, parameters: dict[str, str], spool: IO[bytes]) -> None:
        self._budget.spend()
        if self._credentials.has_service_account:
            parameters = {**parameters, "project_id": self._credentials.project_id}
        try:
            with self._session.get(
                f"{self._destination.export}/api/2.0/export",
                params=parameters,
                headers={"Accept": "text/plain, application/json", "Accept-Encoding": "gzip"},
                auth=Basic(self._credentials.basic()),
                stream=True,
                allow_redirects=False,
                timeout=(_CONNECT_S, _SILENCE_S),
            ) as answer:
                self._was_reached = True
                self._judge(answer)
                for block in answer.iter_content(_BLOCK):
                    spool.write(block)
        except requests.exceptions.SSLError:
            raise not_proven(self._name()) from None
        except requests.exceptions.ProxyError:
            raise _Again("can't be reached through the proxy", tries_at_first=3) from None
        except requests.Timeout:
            raise _Again("did not answer in time", tries_at_first=3) from None
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            raise _Again("broke off in the middle of an export") from None
        except requests.ConnectionError:
            raise _Again("can't be reached", tries_at_first=1 if self._destination.is_local else 3) from None
        except requests.RequestException as error:
            raise _Again(f"could not be asked ({type(error).__name__})", tries_at_first=3) from None
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
            raise _Again(f"answered {status}", asked_seconds(answer.headers.get("Retry-After"), 0))
        if 300 <= status < 400:
            raise redirected(self._name(), status)
        said = shown(next(answer.iter_content(6_000), b"").decode("utf-8", "replace"), self._credentials)
        if status in (401, 403):
            raise refused(self._name(), status, said, self._credentials)
        raise OutsideError(f"{self._name()} answered {status} to an export: {said}")

    def _name(self) -> str:
        return urlsplit(self._destination.export).netloc


class _Again(Exception):  # noqa: N818 - no error of a user's: it never leaves this module
    """Asking again may help.

    Args:
        why: why it has to be.
        asked_s: how many seconds the server wants to be left alone; None: it does not say.
        tries_at_first: how often to ask while the server has never answered yet.
    """

    def __init__(self, why: str, asked_s: float | None = None, tries_at_first: int = USUAL.attempts) -> None:
        super().__init__(why)
        self.why = why
        self.asked_s = asked_s
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


def _lacking(credentials: Credentials) -> list[str]:
    values = {
        SERVICE_ACCOUNT: credentials.service_account,
        SERVICE_SECRET: credentials.service_secret,
        PROJECT_ID: credentials.project_id,
    }
    return [name for name, value in values.items() if not value]


def _no_account(name: str) -> Problem:
    return Problem("", None, name, "is not set", "An export asks with a service account; set it in the environment.")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
