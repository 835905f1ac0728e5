"""The file of a journal: made, opened, locked, and what SQLite and the disk say of it put into a sentence."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.problems import InputError, OutsideError, Problem

_APPLICATION_ID: Final = 0x49444853
_TABLES: Final = """
create table fact (name text primary key, value text not null) without rowid;
create table chunk (number integer primary key, endpoint text not null, first_row integer not null,
    rows integer not null, oldest_ms integer not null, places blob not null, numbers blob not null,
    digest blob not null, body blob not null);
create table lane (number integer primary key, done_row integer not null);
create table failed (place integer not null, field text not null, message text not null, insert_id text not null);
create table count (name text primary key, value integer not null) without rowid;
create table lanes_of_ids (body blob not null);
"""


def locked(path: Path) -> sqlite3.Connection:
    """Return what keeps other processes from sending with a journal; it ends with this process, however that ends."""
    beside = lock_path(path)
    try:
        _make_private(beside)
        lock = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from None
    try:
        lock.execute("begin exclusive")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" in str(error):
            raise InputError(
                [Problem(str(path), None, "", "is in use: another `harness send` is sending with it", "Wait for it.")]
            ) from None
        raise _unusable(path, error) from None
    except sqlite3.Error as error:
        lock.close()
        raise _unusable(path, error) from None
    return lock


def lock_path(path: Path) -> Path:
    """Return the file that is locked while a journal is in use."""
    return path.with_name(path.name + "-lock")


def opened(path: Path) -> sqlite3.Connection:
    """Return a journal for writing; it is made where there is none."""
    with told(path):
        is_new = not path.exists() or not path.stat().st_size
        if is_new:
            _make_private(path)
        elif not path.is_file():
            raise _no_journal(path)
        database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        database.row_factory = None
        try:
            _prepare(database, path)
        except BaseException:
            database.close()
            raise
        return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    if not _is_empty(database):
        _check_kind(database, path)
    # Every commit is on the disk before anything else happens: what was sent must never be forgotten by a power cut.
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    if _is_empty(database):
        database.executescript(f"begin; pragma application_id = {_APPLICATION_ID}; {_TABLES} commit;")


def reader(path: Path) -> sqlite3.Connection:
    """Return a journal for reading alone; another process may be writing it."""
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        _check_kind(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _is_empty(database: sqlite3.Connection) -> bool:
    return not database.execute("select count(*) from sqlite_master").fetchone()[0]


def _check_kind(database: sqlite3.Connection, path: Path) -> None:
    if database.execute("pragma application_id").fetchone()[0] != _APPLICATION_ID:
        raise _no_journal(path)


def _make_private(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk say into a sentence."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> InputError | OutsideError:
    text = str(error)
    if isinstance(error, sqlite3.DatabaseError) and ("not a database" in text or "malformed" in text):
        return _no_journal(path)
    if isinstance(error, sqlite3.DatabaseError) and "no such table" in text:
        return _no_journal(path)
    if isinstance(error, OSError):
        text = error.strerror or text
    return OutsideError(f"the journal {path} can't be used: {text}; --journal names another one")


def _no_journal(path: Path) -> InputError:
    fix = "Name another file with --journal, or move this one away."
    return InputError([Problem(str(path), None, "", "is no journal of `harness send`", fix)])
