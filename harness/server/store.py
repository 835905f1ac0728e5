"""A file that keeps what a server was sent: every request that changed something, so that it can be answered again.

What is kept are the requests themselves, in order, with the time at which they came. Opening the file again sends them
through the same door, so the state is the same to the last decision. A request is in the file before it is answered;
the file survives the death of this process at any moment, not that of the machine.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from harness.event import Json
from harness.ingestion.wire import WireRequest
from harness.problems import InputError, OutsideError, Problem

_APPLICATION: Final = 0x49485356
_VERSION: Final = 1
_KEPT_HEADERS: Final = ("content-type", "content-encoding", "host")
_SCHEMA: Final = """
CREATE TABLE project (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE session (token TEXT PRIMARY KEY, plan TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry (
    number INTEGER PRIMARY KEY, session TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL,
    head TEXT NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE INDEX entry_of_session ON entry (session);
"""

EntryKind: TypeAlias = Literal["request", "edge"]


class StoreError(Exception):
    """The file can't be written any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that changed a session.

    Attributes:
        session: the token of the session; "" for the one the server was started with.
        kind: a request to one of Mixpanel's routes, or a call by /edge, which has made its requests before.
        at_ms: the session's time, milliseconds since 1970.
        head: for a request its method, path, query, headers and the sender's address; for a call its rows.
        body: the body of the request, or the call as JSON.
    """

    session: str
    kind: EntryKind
    at_ms: int
    head: dict[str, Json]
    body: bytes

    def request(self) -> WireRequest:
        """Return the request, without credentials."""
        head = self.head
        return WireRequest(head["method"], head["path"], head["query"], head["headers"], self.body, head["client_ip"])


def entry_of(session: str, at_ms: int, request: WireRequest) -> Entry:
    """Return the entry of a request; no credentials are kept."""
    head = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers},
        "client_ip": request.client_ip,
    }
    return Entry(session, "request", at_ms, head, request.body)


class Store:
    """A store file that is open for this process alone.

    Args:
        path: the file; made where there is none.
        identity: what has to be the same whenever it is opened, for example the ID-merge system.

    Raises:
        InputError: when the file can't be opened, is no store, is damaged, or belongs to another project.
        OutsideError: when another process has it open.
    """

    def __init__(self, path: Path, identity: dict[str, Json]) -> None:
        self._path = path
        try:
            # Bodies hold what people did, so a new file is for its owner alone.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._file = sqlite3.connect(path, isolation_level=None, timeout=0.2, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise self._wrong(f"can't be opened: {reason}", "Check the path.") from None
        try:
            self._open(identity)
        except BaseException:
            self._file.close()
            raise

    def sessions(self) -> Iterator[tuple[str, Json]]:
        """Yield the token and the plan of every session that was opened."""
        for token, plan in self._read("SELECT token, plan FROM session"):
            yield token, json.loads(plan)

    def entries(self) -> Iterator[Entry]:
        """Yield everything that is kept, in order.

        Raises:
            InputError: when an entry is damaged.
        """
        for number, session, kind, at_ms, head, body, checksum in self._read("SELECT * FROM entry ORDER BY number"):
            if zlib.crc32(body, zlib.crc32(head.encode())) != checksum:
                raise self._damaged(f"entry {number} is not what was written")
            yield Entry(session, kind, at_ms, json.loads(head), body)

    def keep(self, entry: Entry) -> None:
        """Write one entry; when this returns, it is kept."""
        head = json.dumps(entry.head)
        checksum = zlib.crc32(entry.body, zlib.crc32(head.encode()))
        self._write(
            "INSERT INTO entry (session, kind, at_ms, head, body, checksum) VALUES (?, ?, ?, ?, ?, ?)",
            (entry.session, entry.kind, entry.at_ms, head, entry.body, checksum),
        )

    def forget(self, session: str) -> None:
        """Drop everything of a session but the session itself."""
        self._write("DELETE FROM entry WHERE session = ?", (session,))

    def open_session(self, token: str, plan: Json) -> None:
        """Keep that a session was opened, or what has changed about it."""
        self._write("INSERT OR REPLACE INTO session VALUES (?, ?)", (token, json.dumps(plan)))

    def close_session(self, token: str) -> None:
        """Drop a session and all of its entries."""
        self._write("DELETE FROM session WHERE token = ?", (token,))
        self.forget(token)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self, identity: dict[str, Json]) -> None:
        try:
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            is_new = not self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            found = self._file.execute("PRAGMA application_id").fetchone()[0]
            if found != _APPLICATION and not (is_new and found == 0):
                raise self._wrong("is no store of harness serve", "Name another file, or a new one.")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute("BEGIN IMMEDIATE")
            if is_new:
                self._create(identity)
            self._check(identity)
            self._file.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise OutsideError(f"{self._path} is open in another process") from None
            raise self._wrong(f"can't be opened: {error}", "Check the file.") from None
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from None

    def _create(self, identity: dict[str, Json]) -> None:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            self._file.execute(statement)
        self._file.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._file.execute(f"PRAGMA user_version = {_VERSION}")
        for name, value in identity.items():
            self._file.execute("INSERT INTO project VALUES (?, ?)", (name, json.dumps(value)))

    def _check(self, identity: dict[str, Json]) -> None:
        version = self._file.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            raise self._wrong(f"was written by another version (format {version}, not {_VERSION})", "Use a new file.")
        kept = {name: json.loads(value) for name, value in self._file.execute("SELECT name, value FROM project")}
        for name, value in identity.items():
            if kept.get(name) != value:
                message = f"belongs to a project with {name} {_shown(kept.get(name))}, not {_shown(value)}"
                raise self._wrong(message, "Start with the same options, or use a new file.")

    def _read(self, statement: str) -> Iterator[tuple[Json, ...]]:
        try:
            yield from self._file.execute(statement)
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from None

    def _write(self, statement: str, values: tuple[Json, ...]) -> None:
        try:
            self._file.execute(statement, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path} can't be written: {error}") from None

    def _damaged(self, message: str) -> InputError:
        return self._wrong(f"is damaged, or no store of harness serve: {message}", "Use a new file.")

    def _wrong(self, message: str, fix: str) -> InputError:
        return InputError([Problem(str(self._path), None, "", message, fix)])


def _shown(value: Json) -> str:
    return "any" if value is None else str(value)
