"""Sends what was proven: every lane in its order, lanes beside each other, each batch until Mixpanel has answered.

A lane has one request on its way at a time, so no event overtakes another one of its cluster. The journal moves on only
after an answer; whatever ends this process, the next one begins behind the last answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Final, TypeAlias

from harness.event import IdMerge
from harness.live.answer import Again, Door, Taken, TooLarge
from harness.live.batches import Batch, batches
from harness.live.journal import FailedRow, Journal
from harness.live.retry import USUAL, Patience
from harness.problems import OutsideError

Wait: TypeAlias = Callable[[float], None]
"""Waits for some seconds."""

_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a send is: rows that are answered for, by this start alone, requests and retries of this start."""

    rows: int
    requests: int
    retries: int


@dataclass(frozen=True, slots=True)
class Means:
    """What a sender works with.

    Attributes:
        door: opens a connection; every lane has its own.
        lot: draws a number from 0 to 1 for the jitter of a wait.
        patience: how it waits.
        wait: waits for some seconds; None: for real, and no longer than until the send is stopped.
        told: called after every answer.
        noted: called with a sentence for people when a batch is sent again.
    """

    door: Callable[[], Door]
    lot: Callable[[], float]
    patience: Patience = USUAL
    wait: Wait | None = None
    told: Callable[[Progress], None] = lambda progress: None
    noted: Callable[[str], None] = lambda sentence: None


class Sender:
    """Sends the rows of a journal that are left.

    Args:
        journal: the journal; its rows are proven.
        id_merge: the project's system.
        means: what it works with.
    """

    def __init__(self, journal: Journal, id_merge: IdMerge, means: Means) -> None:
        self._journal = journal
        self._id_merge: IdMerge = id_merge
        self._means = means
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._rows = self._requests = self._retries = 0

    @property
    def progress(self) -> Progress:
        """How far this start has come."""
        return Progress(self._rows, self._requests, self._retries)

    def run(self) -> None:
        """Send until everything is answered for.

        Raises:
            OutsideError: when Mixpanel can't be reached, or answers what it never does; the journal has the rest.
            InputError: when the credentials are refused.
        """
        done = self._journal.done_rows()
        source = batches(self._journal.chunks(min(done) + 1), self._journal.lanes_of_ids(), done, self._id_merge)
        queues: list[Queue[Batch | None]] = [Queue(maxsize=1) for _ in done]
        threads = [threading.Thread(target=self._lane, args=(queue,), daemon=True) for queue in queues]
        for thread in threads:
            thread.start()
        try:
            self._hand_out(source, queues)
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(_LOOK_S)
        finally:
            self._stop.set()
        if self._failure is not None:
            raise self._failure

    def _hand_out(self, source: Iterator[Batch], queues: list[Queue[Batch | None]]) -> None:
        for batch in source:
            if not self._put(queues[batch.lane], batch):
                return
        for queue in queues:
            self._put(queue, None)

    def _put(self, queue: Queue[Batch | None], batch: Batch | None) -> bool:
        while not self._stop.is_set():
            try:
                queue.put(batch, timeout=_LOOK_S)
            except Full:
                continue
            return True
        return False

    def _lane(self, queue: Queue[Batch | None]) -> None:
        """Send the batches of one lane one after the other; what goes wrong stops all lanes."""
        try:
            door = self._means.door()
            try:
                while not self._stop.is_set():
                    try:
                        batch = queue.get(timeout=_LOOK_S)
                    except Empty:
                        continue
                    if batch is None:
                        return
                    self._deliver(door, batch)
            finally:
                door.close()
        except _Stopped:
            return
        except Exception as error:
            with self._lock:
                self._failure = self._failure or error
            self._stop.set()

    def _deliver(self, door: Door, batch: Batch) -> None:
        """Send one batch, in parts where it is too large for what is on the way, and move the journal on."""
        parts = [batch]
        failed: list[FailedRow] = []
        requests = retries = 0
        while parts:
            part = parts.pop(0)
            answer, tries = self._send(door, part)
            requests += tries
            retries += tries - 1
            if isinstance(answer, Taken):
                failed += [_failed(part, *row) for row in answer.failed]
            elif len(part.rows) == 1:
                failed.append(_failed(part, 0, "", "too large for the way to Mixpanel (answer 413)"))
            else:
                parts[:0] = part.halves()
        with self._lock:
            sent = len(batch.rows) - len(failed)
            self._journal.move_on(batch.lane, batch.last_row, sent, requests, retries, failed)
            self._rows += len(batch.rows)
            self._requests += requests
            self._retries += retries
            self._means.told(self.progress)

    def _send(self, door: Door, batch: Batch) -> tuple[Taken | TooLarge, int]:
        """Send one request until it is answered; return the answer and how often it was sent."""
        patience = self._means.patience
        tries = 0
        while not self._stop.is_set():
            answer = door.post(batch)
            tries += 1
            if not isinstance(answer, Again):
                return answer, tries
            if tries >= patience.attempts:
                raise OutsideError(
                    f"gave up after {tries} attempts ({answer.reason}); the same command goes on from here"
                )
            delay_s = patience.delay_s(tries, self._means.lot(), answer.asked_s)
            self._means.noted(f"{answer.reason}; again in {delay_s:.0f} s")
            self._pause(delay_s)
        raise _Stopped

    def _pause(self, seconds: float) -> None:
        if self._means.wait is not None:
            self._means.wait(seconds)
        elif self._stop.wait(seconds):
            raise _Stopped


class _Stopped(Exception):  # noqa: N818 - never leaves this module
    """The send was stopped from outside."""


def _failed(batch: Batch, at: int, field: str, message: str) -> FailedRow:
    insert_id = str(json.loads(batch.rows[at])["properties"].get("$insert_id", ""))
    return FailedRow(batch.places[at], field, message, insert_id)
