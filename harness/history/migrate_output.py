"""The new events as files: shards of JSONL in a folder of their own, with a manifest that says what is whole.

Everything is written into a folder beside the one that was asked for, and that folder gets its name last, so a job that
was killed leaves nothing that looks like a migration.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from harness.event import DEVICE_PREFIX
from harness.history.dictionary import Dictionary
from harness.history.migrate_records import Longs, MigrateOrder, Plan, Shard
from harness.problems import InputError, Problem

MANIFEST: Final = "_manifest.json"
"""Name of the file that is written last and says what the others hold; readers of folders pass over such names."""

_SECONDS_BELOW_MS: Final = 100_000_000_000
_BATCH: Final = 50_000


def check_free(folder: Path) -> None:
    """Make sure that a folder can become the output.

    Raises:
        InputError: when there is a file, or a folder that holds anything.
    """
    fix = "Name a new folder; nothing is ever written over."
    if folder.is_dir():
        if any(folder.iterdir()):
            raise InputError([Problem(str(folder), None, "--out", "is a folder that is not empty", fix)])
    elif folder.exists():
        raise InputError([Problem(str(folder), None, "--out", "is a file", fix)])


@contextmanager
def folder_beside(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, and its name when the block is left without an error; else remove it."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write some text files."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


class Shards:
    """Lines of JSON in files of at most so many events each.

    Args:
        folder: where the files go.
        most: most events of one file.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._file: BinaryIO | None = None
        self._events = self._bytes = 0
        self._hash = hashlib.sha256()
        self.written: list[Shard] = []

    def write(self, lines: NDArray[np.uint8], ends: Longs) -> None:
        """Write lines.

        Args:
            lines: the lines with their line feeds, one after the other.
            ends: where each line ends.
        """
        at = begin = 0
        while at < len(ends):
            if self._file is None:
                self._file = (self._folder / self._name()).open("xb")
            count = min(self._most - self._events, len(ends) - at)
            end = int(ends[at + count - 1])
            part = memoryview(lines[begin:end])  # type: ignore[arg-type]
            self._file.write(part)
            self._hash.update(part)
            self._events += count
            self._bytes += end - begin
            at, begin = at + count, end
            if self._events == self._most:
                self.close()

    def close(self) -> None:
        """Finish the file that is being written."""
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.written.append(Shard(self._name(), self._events, self._bytes, self._hash.hexdigest()))
        self._file = None
        self._events = self._bytes = 0
        self._hash = hashlib.sha256()

    def abandon(self) -> None:
        """Let go of the file that is being written, whatever became of it."""
        if self._file is not None:
            self._file.close()

    def _name(self) -> str:
        return f"part-{len(self.written):05d}.jsonl"


def association_lines(
    order: MigrateOrder, plan: Plan, dictionary: Dictionary
) -> Iterator[tuple[NDArray[np.uint8], Longs]]:
    """Yield the events that link devices to users as lines, and where each ends.

    Their `$insert_id` comes of the two ids alone, so a link that is sent twice is one event.
    """
    make = _link if order.target == "simplified" else _join
    name = encode_basestring_ascii(order.association_event)
    for first in range(0, len(plan.devices), _BATCH):
        part = slice(first, first + _BATCH)
        columns = zip(
            dictionary.arrow(plan.devices[part]).to_pylist(),
            dictionary.arrow(plan.users[part]).to_pylist(),
            plan.by_merge[part].tolist(),
            plan.time_ms[part].tolist(),
            strict=True,
        )
        lines = [make(name, *columns_of_one) for columns_of_one in columns]
        yield np.frombuffer("".join(lines).encode(), np.uint8), np.cumsum([len(line) for line in lines], dtype=np.int64)


def seconds(time_ms: int) -> int | float:
    """Return a time as events carry it: whole seconds since 1970 where it has no milliseconds."""
    if time_ms % 1_000 and time_ms >= _SECONDS_BELOW_MS:
        return time_ms
    return time_ms / 1_000 if time_ms % 1_000 else time_ms // 1_000


def insert_id(*parts: str) -> str:
    """Return an `$insert_id` of 32 hex digits that comes of some texts alone."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _link(name: str, device: str, user: str, by_merge: bool, time_ms: int) -> str:  # noqa: FBT001
    """Return what links a device to its user in simplified; plain ASCII, one line."""
    user_text, device_text = encode_basestring_ascii(user), encode_basestring_ascii(device.removeprefix(DEVICE_PREFIX))
    return (
        f'{{"event":{name},"properties":{{"distinct_id":{user_text},"$user_id":{user_text},"$device_id":{device_text},'
        f'"time":{seconds(time_ms)},"$insert_id":"{insert_id("link", device, user)}"}}}}\n'
    )


def _join(name: str, device: str, user: str, by_merge: bool, time_ms: int) -> str:  # noqa: FBT001
    """Return what joins two ids in original: `$merge` where `$identify` would refuse the form of the anonymous id."""
    user_text, device_text = encode_basestring_ascii(user), encode_basestring_ascii(device)
    if by_merge:
        kind, named = "$merge", f'"$distinct_ids":[{user_text},{device_text}]'
    else:
        kind, named = "$identify", f'"$identified_id":{user_text},"$anon_id":{device_text}'
    return (
        f'{{"event":"{kind}","properties":{{"distinct_id":{user_text},{named},"time":{seconds(time_ms)},'
        f'"$insert_id":"{insert_id(kind, device, user)}"}}}}\n'
    )
