"""Duplicates of a whole history: stored events that don't count, because the same event came again.

The rule is that of `harness.ingestion.dedup`: equal name, time, `$insert_id` and user, and the last one counts. Whose
event it was is known only at the end, so what the rule needs is put aside, in as many parts as it takes to look through
each of them in memory: equal events always lie in one part. A large history puts the parts on disk.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.native import (
    address_of,
    compiled,
    hash_of,
    integer,
    put_word,
    put_words,
    same_words,
    unsigned,
    word,
)
from harness.history.records import EMPTY, EventBatch
from harness.ingestion.limits import DAY_MS
from harness.ingestion.settings import IngestionSettings
from harness.problems import InputError, OutsideError, Problem

PARTS: Final = 64
_IN_MEMORY_BYTES: Final = 256 << 20
_HEADER: Final = 32
_PART_SHIFT: Final = np.uint64(58)
_S32: Final = np.uint64(32)
_LOWER: Final = np.uint64(0xFFFFFFFF)
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)


class Repeats(NamedTuple):
    """What came again.

    Attributes:
        number: how many stored events don't count.
        of_id: uint32, an entry a code: how many of them were stored under it and are no identity events.
        cells: uint64: the code each was stored under in the upper half, its person in the lower half; only those with a
            person, and identity events only where they have an id.
    """

    number: int
    of_id: NDArray[np.uint32]
    cells: NDArray[np.uint64]


class Repetitions:
    """Puts aside what is needed to find duplicates, and finds them.

    Args:
        settings: the reading of the rules.
        in_memory_bytes: past this the parts go to disk.

    Raises:
        InputError: when the settings ask for the days of a time zone.
    """

    def __init__(self, settings: IngestionSettings, in_memory_bytes: int = _IN_MEMORY_BYTES) -> None:
        if settings.dedup_compaction and settings.dedup_day == "project":
            message = "can't be honoured for a history: its days are those of UTC"
            raise InputError([Problem("", None, "dedup.day", message)])
        self._raw = settings.dedup_id == "raw"
        self._by_day = settings.dedup_compaction
        self._most = in_memory_bytes
        self._kept: list[list[NDArray[np.uint8]]] = [[] for _ in range(PARTS)]
        self._bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: list[IO[bytes]] = []

    def add(
        self,
        batch: EventBatch,
        status: NDArray[np.uint8],
        insert_form: NDArray[np.uint8],
        time_ms: NDArray[np.int64],
        stored: NDArray[np.uint32],
        received: NDArray[np.uint32],
    ) -> None:
        """Take the stored events of a batch; those without `$insert_id` are never duplicates.

        Args:
            batch: the events.
            status: what the door said of each; 0 for stored.
            insert_form: what its `$insert_id` counts as; 0 for none.
            time_ms: when it happened.
            stored: what it is stored under.
            received: what it carried or implied.
        """
        part = np.empty(batch.size, np.uint8)
        sizes = np.zeros(PARTS, np.int64)
        data = address_of(batch.insert_data)
        _measure(status, insert_form, data, batch.insert_start, batch.insert_length, part, sizes)
        edges = np.zeros(PARTS + 1, np.int64)
        np.cumsum(sizes, out=edges[1:])
        if not edges[-1]:
            return
        records = np.empty(int(edges[-1]), np.uint8)
        _write(
            part,
            batch.kind,
            time_ms,
            stored,
            received,
            batch.name,
            batch.truth,
            data,
            batch.insert_start,
            batch.insert_length,
            address_of(records),
            edges[:-1].copy(),
        )
        for number in np.flatnonzero(sizes):
            self._keep(int(number), records[edges[number] : edges[number + 1]])

    def find(self, user_of: NDArray[np.uint32], codes: int, now_ms: int) -> Repeats:
        """Look through all parts.

        Args:
            user_of: uint32, an entry a code: what all ids of one user have in common.
            codes: how many codes there are.
            now_ms: Mixpanel's clock, which stands for `TIME_FAR` and every later time.
        """
        of_id = np.zeros(codes, np.uint32)
        cells: list[NDArray[np.uint64]] = []
        count = 0
        for number in range(PARTS):
            records = self._part(number)
            rows = _count(address_of(records), len(records))
            if rows < 2:
                continue
            columns = _Columns.of(records, rows)
            # A clock that was taken from the newest event lies on a whole millisecond, below that event itself.
            time_ms = np.minimum(columns.time, now_ms)
            owner = columns.received if self._raw else user_of[columns.stored]
            repeated = np.zeros(rows, np.bool_)
            name, length, text = columns.name, columns.length, columns.text
            slots = max(1024, 1 << (2 * rows - 1).bit_length())
            for times in (time_ms, time_ms // DAY_MS) if self._by_day else (time_ms,):
                table, tags = np.zeros(slots, np.uint32), np.zeros(slots, np.uint32)
                _find(times, owner, name, length, text, table, tags, repeated)
            count += int(np.count_nonzero(repeated))
            ordinary = columns.ordinary != 0
            np.add.at(of_id, columns.stored[repeated & ordinary], 1)
            labelled = repeated & (ordinary | (columns.stored > EMPTY)) & (columns.truth != 0)
            if labelled.any():
                cells.append(cells_of(columns.stored[labelled], columns.truth[labelled]))
        return Repeats(count, of_id, np.concatenate([np.empty(0, np.uint64), *cells]))

    def close(self) -> None:
        """Remove what is on disk."""
        for file in self._files:
            file.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _keep(self, number: int, records: NDArray[np.uint8]) -> None:
        self._bytes += records.nbytes
        try:
            if not self._files and self._bytes > self._most:
                self._to_disk()
            if self._files:
                self._files[number].write(records.data)
            else:
                self._kept[number].append(records)
        except OSError as error:
            raise _disk(error) from None

    def _to_disk(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="harness-history-")
        root = Path(self._folder.name)
        for number in range(PARTS):
            file = open(root / str(number), "w+b")  # noqa: SIM115 - closed with all others
            self._files.append(file)
            for records in self._kept[number]:
                file.write(records.data)
            self._kept[number] = []

    def _part(self, number: int) -> NDArray[np.uint8]:
        if not self._files:
            kept, self._kept[number] = self._kept[number], []
            return np.concatenate([np.empty(0, np.uint8), *kept])
        try:
            self._files[number].seek(0)
            return np.frombuffer(self._files[number].read(), np.uint8)
        except OSError as error:
            raise _disk(error) from None


class _Columns(NamedTuple):
    """The records of a part in columns; `text` is the address of each `$insert_id`, of `length` bytes."""

    time: NDArray[np.int64]
    stored: NDArray[np.uint32]
    received: NDArray[np.uint32]
    name: NDArray[np.uint32]
    length: NDArray[np.uint32]
    ordinary: NDArray[np.uint32]
    truth: NDArray[np.uint32]
    text: NDArray[np.int64]

    @staticmethod
    def of(records: NDArray[np.uint8], rows: int) -> _Columns:
        stored, received, name, length, ordinary, truth = (np.empty(rows, np.uint32) for _ in range(6))
        time, text = np.empty(rows, np.int64), np.empty(rows, np.int64)
        columns = _Columns(time, stored, received, name, length, ordinary, truth, text)
        _spread(address_of(records), *columns)
        return columns


def cells_of(stored: NDArray[np.uint32], truth: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return one number for each pair of an id and a person: the id in its upper half, the person in its lower half."""
    return (stored.astype(np.uint64) << np.uint64(32)) | truth.astype(np.uint64)


def _disk(error: OSError) -> OutsideError:
    where = tempfile.gettempdir()
    return OutsideError(
        f"{where}: {error.strerror or error}. Looking for duplicates needs some room there; TMPDIR names another place."
    )


@compiled
def _measure(status: Any, insert_form: Any, data: int, start: Any, length: Any, part: Any, sizes: Any) -> None:
    """Find the part of each event, and how many bytes its record adds to it."""
    for row in range(len(status)):
        if status[row] != 0 or insert_form[row] == 0:
            part[row] = PARTS
            continue
        size = integer(length[row])
        number = integer(hash_of(data + start[row], size, False) >> _PART_SHIFT)  # noqa: FBT003
        part[row] = number
        sizes[number] += _HEADER + ((size + 7) >> 3 << 3)


@compiled
def _write(
    part: Any,
    kind: Any,
    time_ms: Any,
    stored: Any,
    received: Any,
    name: Any,
    truth: Any,
    data: int,
    start: Any,
    length: Any,
    records: int,
    edges: Any,
) -> None:
    """Write a record for each event, those of a part one after the other, in order of arrival.

    A record has the time, what it is stored under and what it carried, its name and the length of its `$insert_id`, its
    person and whether it is an ordinary event, and then the `$insert_id`.
    """
    for row in range(len(part)):
        number = part[row]
        if number == PARTS:
            continue
        size = integer(length[row])
        place = records + edges[number]
        # No id and an empty one are the same nobody.
        sent = max(integer(received[row]), 1)
        put_word(place, unsigned(time_ms[row]))
        put_word(place + 8, unsigned(stored[row]) | (unsigned(sent) << _S32))
        put_word(place + 16, unsigned(name[row]) | (unsigned(size) << _S32))
        put_word(place + 24, unsigned(truth[row]) | (unsigned(1 if kind[row] == 0 else 0) << _S32))
        put_words(data + start[row], size, place + _HEADER)
        edges[number] += _HEADER + ((size + 7) >> 3 << 3)


@compiled
def _count(records: int, size: int) -> int:
    rows = 0
    at = 0
    while at < size:
        at += _HEADER + ((integer(word(records + at + 16) >> _S32) + 7) >> 3 << 3)
        rows += 1
    return rows


@compiled
def _spread(
    records: int, time: Any, stored: Any, received: Any, name: Any, length: Any, ordinary: Any, truth: Any, text: Any
) -> None:
    at = records
    for row in range(len(time)):
        time[row] = integer(word(at))
        stored[row] = word(at + 8) & _LOWER
        received[row] = word(at + 8) >> _S32
        name[row] = word(at + 16) & _LOWER
        size = integer(word(at + 16) >> _S32)
        length[row] = size
        truth[row] = word(at + 24) & _LOWER
        ordinary[row] = word(at + 24) >> _S32
        text[row] = at + _HEADER
        at += _HEADER + ((size + 7) >> 3 << 3)


@compiled
def _find(
    time_ms: Any, owner: Any, name: Any, length: Any, text: Any, table: Any, tags: Any, repeated: Any
) -> None:
    """Mark every row whose like comes again: the table holds the last row of each kind so far."""
    mask = unsigned(len(table) - 1)
    for row in range(len(owner)):
        size = integer(length[row])
        value = hash_of(text[row], size, False)  # noqa: FBT003
        value ^= (unsigned(time_ms[row]) + unsigned(owner[row])) * unsigned(0x9E3779B97F4A7C15)
        value ^= value >> unsigned(29)
        tag = np.uint32(value >> unsigned(32))
        probe = value & mask
        while table[probe] != 0:
            other = integer(table[probe]) - 1
            if (
                tags[probe] == tag
                and time_ms[other] == time_ms[row]
                and owner[other] == owner[row]
                and name[other] == name[row]
                and length[other] == length[row]
                and same_words(text[row], size, text[other])
            ):
                repeated[other] = True
                break
            probe = (probe + _ONE) & mask
        table[probe] = row + 1
        tags[probe] = tag
