"""The journal of one send: what was proven, and how far it got. Killed at any moment, a send goes on from it.

One SQLite file. It holds the proven rows until they are sent, so that exactly those bytes are sent, and for each lane
the last row that Mixpanel has taken. It knows the project by a fingerprint and holds no credential; it can be read by
its owner alone. A lane moves on after Mixpanel's answer only, so a row may be sent twice, under the same `$insert_id`,
and none is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from harness.event import Endpoint, Json
from harness.live.journal_file import lock_path, locked, opened, reader, told
from harness.live.proof import ProvenRows
from harness.problems import HarnessError, InputError, Problem

State: TypeAlias = Literal["proving", "sending", "finished"]

_COUNTS: Final = ("sent", "failed", "requests", "retries")


class FailedRow(NamedTuple):
    """A row that Mixpanel did not take: its line or step, and what Mixpanel said of which field."""

    place: int
    field: str
    message: str
    insert_id: str


class Chunk(NamedTuple):
    """Rows as they were proven: their route, the index of the first one, and each with its place and id number."""

    endpoint: Endpoint
    first_row: int
    rows: Sequence[bytes]
    places: Sequence[int]
    numbers: Sequence[int]
    oldest_ms: int


@dataclass(frozen=True, slots=True)
class Errand:
    """What is sent where: two sends are the same errand only if all of this is equal.

    Attributes:
        source_sha256: the digest of the file.
        destination: the address that events go to.
        project: the fingerprint of the project.
        endpoint: the route; `scenario` where its steps say so themselves.
        id_merge: the project's system.
        settings: the digest of the reading of the rules, and of how rows are marked.
    """

    source_sha256: str
    destination: str
    project: str
    endpoint: str
    id_merge: str
    settings: str


class Journal:
    """One journal that is open for sending; no other process can send with it.

    Args:
        path: the file; it is made where there is none.

    Raises:
        InputError: when it is no journal, or another send has it open.
        OutsideError: when it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = locked(path)
        self._turn = threading.RLock()
        try:
            self._database = opened(path)
        except BaseException:
            self._unlock()
            raise
        self._rows = 0
        self._chunks = 0
        self._uncommitted = 0

    def close(self) -> None:
        """Let go of the file; nothing is left beside it."""
        with contextlib.suppress(sqlite3.Error, HarnessError):
            self._forget_uncommitted()
            self._database.execute("pragma journal_mode = delete")
        with contextlib.suppress(sqlite3.Error):
            self._database.close()
        self._unlock()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> State | None:
        """How far it is; None for a new one."""
        found = self.fact("state")
        return None if found is None else _STATES[found]

    def fact(self, name: str) -> str | None:
        """Return something that was noted, None where it was not."""
        with self._turn, told(self.path):
            row = self._database.execute("select value from fact where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def begin(self, facts: Mapping[str, str]) -> None:
        """Begin anew: forget everything and note some facts; rows are added next."""
        self._forget_uncommitted()
        with self._transaction() as database:
            for table in ("fact", "chunk", "lane", "failed", "count", "lanes_of_ids"):
                database.execute(f"delete from {table}")  # noqa: S608 - names of our own
            database.executemany("insert into fact values (?, ?)", [*facts.items(), ("state", "proving")])
        self._rows = self._chunks = self._uncommitted = 0

    def take(self, rows: ProvenRows) -> None:
        """Keep proven rows until they are sent; see `Spool`."""
        body = zlib.compress(rows.blob, 1)
        values = (
            self._chunks, rows.endpoint, self._rows, len(rows.places), rows.oldest_ms, rows.places.tobytes(),
            rows.numbers.tobytes(), hashlib.sha256(rows.blob).digest(), body,
        )  # fmt: skip
        self._chunks += 1
        self._rows += len(rows.places)
        with self._turn, told(self.path):
            if not self._uncommitted:
                self._database.execute("begin")
            self._database.execute("insert into chunk values (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            self._uncommitted += 1
            if self._uncommitted >= _CHUNKS_A_COMMIT:
                self._commit()

    def start_sending(self, lanes: int, lanes_of_ids: bytes, facts: Mapping[str, str]) -> None:
        """Note that everything is proven, so that from now on rows may leave.

        Args:
            lanes: how many lanes there are.
            lanes_of_ids: for every id number its lane.
            facts: what else is worth noting.
        """
        with self._turn, told(self.path):
            if self._uncommitted:
                self._commit()
            with self._transaction() as database:
                database.executemany("insert into lane values (?, -1)", [(number,) for number in range(lanes)])
                database.execute("insert into lanes_of_ids values (?)", (zlib.compress(lanes_of_ids, 1),))
                database.executemany("insert into count values (?, 0)", [(name,) for name in _COUNTS])
                database.executemany("replace into fact values (?, ?)", [*facts.items(), ("state", "sending")])

    def note(self, name: str, value: str) -> None:
        """Note one more fact."""
        with self._transaction() as database:
            database.execute("replace into fact values (?, ?)", (name, value))

    def forget(self, name: str) -> None:
        """Forget a fact."""
        with self._transaction() as database:
            database.execute("delete from fact where name = ?", (name,))

    def endpoints(self) -> list[Endpoint]:
        """Return the routes by which rows go."""
        with self._turn, told(self.path):
            return [row[0] for row in self._database.execute("select distinct endpoint from chunk order by endpoint")]

    def discard(self) -> None:
        """Remove the file, with which nothing was sent."""
        self.close()
        for name in (self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)

    def done_rows(self) -> list[int]:
        """Return for each lane the index of its last row that Mixpanel has answered for; -1 for none."""
        with self._turn, told(self.path):
            return [row[0] for row in self._database.execute("select done_row from lane order by number")]

    def lanes_of_ids(self) -> bytes:
        """Return for every id number its lane, one byte each."""
        with self._turn, told(self.path):
            return zlib.decompress(self._database.execute("select body from lanes_of_ids").fetchone()[0])

    def chunks(self, from_row: int) -> Iterator[Chunk]:
        """Yield the proven rows in order, from the chunk that holds a row on.

        Raises:
            InputError: when the rows are not those that were proven.
        """
        number = self._first_chunk(from_row)
        while True:
            with self._turn, told(self.path):
                row = self._database.execute(
                    "select endpoint, first_row, oldest_ms, places, numbers, digest, body from chunk where number = ?",
                    (number,),
                ).fetchone()
            if row is None:
                return
            yield _chunk(self.path, *row)
            number += 1

    def oldest_ms(self, from_row: int) -> int | None:
        """Return the time of the oldest row of /track from a row on; None where there is none."""
        with self._turn, told(self.path):
            found: int | None = self._database.execute(
                "select min(oldest_ms) from chunk where endpoint = 'track' and first_row + rows > ?", (from_row,)
            ).fetchone()[0]
        return found

    def move_on(self, lane: int, row: int, sent: int, requests: int, retries: int, failed: Sequence[FailedRow]) -> None:
        """Note that Mixpanel has answered for the rows of a lane up to one; the only way in which rows count as sent.

        Args:
            lane: the lane.
            row: the index of the row.
            sent: how many more were taken.
            requests: how many requests that took.
            retries: how many of them were repeated.
            failed: rows that were not taken.
        """
        counts = (("sent", sent), ("failed", len(failed)), ("requests", requests), ("retries", retries))
        with self._transaction() as database:
            database.execute("update lane set done_row = ? where number = ?", (row, lane))
            database.executemany("insert into failed values (?, ?, ?, ?)", failed)
            database.executemany("update count set value = value + ? where name = ?", [(n, name) for name, n in counts])

    def finish(self, when: str) -> None:
        """Note that all rows are answered for, and give their room back."""
        with self._turn, told(self.path):
            with self._transaction() as database:
                database.execute("replace into fact values ('state', 'finished')")
                database.execute("replace into fact values ('finished', ?)", (when,))
                database.execute("delete from chunk")
                database.execute("delete from lanes_of_ids")
            self._database.execute("vacuum")

    def counts(self) -> dict[str, int]:
        """Return how many rows were sent and failed, and how many requests and retries that took, over all starts."""
        return _counts(self._database, self.path)

    def failed(self) -> list[FailedRow]:
        """Return the rows that Mixpanel did not take, by place."""
        with self._turn, told(self.path):
            return [FailedRow(*row) for row in self._database.execute("select * from failed order by place")]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all of something or nothing of it."""
        with self._turn, told(self.path):
            self._database.execute("begin immediate")
            try:
                yield self._database
            except BaseException:
                self._database.execute("rollback")
                raise
            self._database.execute("commit")

    def _first_chunk(self, row: int) -> int:
        with self._turn, told(self.path):
            found = self._database.execute(
                "select max(number) from chunk where first_row <= ?", (max(row, 0),)
            ).fetchone()[0]
        return found or 0

    def _forget_uncommitted(self) -> None:
        with self._turn, told(self.path):
            if self._uncommitted:
                self._database.execute("rollback")
            self._uncommitted = 0

    def _commit(self) -> None:
        self._database.execute("commit")
        self._uncommitted = 0

    def _unlock(self) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            lock_path(self.path).unlink(missing_ok=True)
            self._lock.close()


def status_of(path: Path) -> dict[str, Json]:
    """Return how far a journal is, without changing it; another process may be sending with it.

    Raises:
        InputError: when there is none, or the file is no journal.
    """
    if not path.exists():
        raise InputError([Problem(str(path), None, "", "is not there, so nothing was sent with it")])
    with told(path), contextlib.closing(reader(path)) as database:
        facts: dict[str, str] = dict(database.execute("select name, value from fact"))
        counts = _counts(database, path)
        failed = [
            FailedRow(*row)._asdict() for row in database.execute("select * from failed order by place limit 100")
        ]
    if "state" not in facts:
        raise InputError([Problem(str(path), None, "", "is empty: the send that made it proved nothing yet")])
    rows = int(facts.get("rows", "0"))
    return {
        "journal": str(path),
        "state": facts["state"],
        "file": facts.get("file", ""),
        "to": facts.get("destination", ""),
        "id_merge": facts.get("id_merge", ""),
        "run_id": facts.get("run_id") or None,
        "rows": rows if facts["state"] != "proving" else None,
        "sent": counts["sent"],
        "left": rows - counts["sent"] - counts["failed"] if facts["state"] != "proving" else None,
        "failed": failed,
        "requests": counts["requests"],
        "retries": counts["retries"],
        "sha256": facts.get("sha256"),
        "started": facts.get("started"),
        "finished": facts.get("finished"),
    }


_STATES: Final[dict[str, State]] = {"proving": "proving", "sending": "sending", "finished": "finished"}
_CHUNKS_A_COMMIT: Final = 16


def _chunk(
    path: Path,
    endpoint: Endpoint,
    first_row: int,
    oldest_ms: int,
    places: bytes,
    numbers: bytes,
    digest: bytes,
    body: bytes,
) -> Chunk:
    try:
        blob = zlib.decompress(body)
    except zlib.error:
        blob = b""
    if hashlib.sha256(blob).digest() != digest:
        message = "holds other rows than those that were proven, so nothing more is sent from it"
        raise InputError([Problem(str(path), None, "", message, "Restore it, or verify what has arrived.")])
    place_numbers, id_numbers = array("Q"), array("I")
    place_numbers.frombytes(places)
    id_numbers.frombytes(numbers)
    return Chunk(endpoint, first_row, blob.split(b"\n"), place_numbers, id_numbers, oldest_ms)


def _counts(database: sqlite3.Connection, path: Path) -> dict[str, int]:
    with told(path):
        return {**dict.fromkeys(_COUNTS, 0), **dict(database.execute("select name, value from count"))}
