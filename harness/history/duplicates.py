"""Duplicates of a whole history: stored events that don't count, because the same event came again.

The rule is that of `harness.ingestion.dedup`: equal name, time, `$insert_id` and user, and the last one counts. Whose
event it was is known only at the end, so what the rule needs is put aside, in as many parts as it takes to look through
each of them in memory: equal events always lie in one part. A large history puts the parts on disk.
"""

from __future__ import annotations

import io
import os
import queue
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.duplicates_loops import AHEAD, PARTS, count_marked, list_marked, mark, measure, write
from harness.history.native import address_of
from harness.history.records import EMPTY, EventBatch
from harness.ingestion.limits import DAY_MS
from harness.ingestion.settings import IngestionSettings
from harness.problems import InputError, OutsideError, Problem

_IN_MEMORY_BYTES: Final = 256 << 20
_AT_A_TIME_BYTES: Final = 512 << 20


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


class _Scratch(NamedTuple):
    """Room to look through one part: its records, and the table of what came so far."""

    records: NDArray[np.uint8]
    table: NDArray[np.uint64]


class _Marked(NamedTuple):
    """The events of a part that came again: what each is stored under, its person, whether it is an ordinary event."""

    stored: NDArray[np.uint32]
    truth: NDArray[np.uint32]
    ordinary: NDArray[np.bool_]


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
        self._sizes = [0] * PARTS
        self._rows = [0] * PARTS
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: list[io.BufferedRandom] = []

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
        part, form = np.empty(batch.size, np.uint8), np.empty(batch.size, np.uint8)
        sizes, rows = np.zeros(PARTS, np.int64), np.zeros(PARTS, np.int64)
        data = address_of(batch.insert_data)
        starts, lengths = batch.insert_start, batch.insert_length
        measure(status, insert_form, data, starts, lengths, self._raw, part, form, sizes, rows)
        edges = np.zeros(PARTS + 1, np.int64)
        np.cumsum(sizes, out=edges[1:])
        if not edges[-1]:
            return
        records = np.empty(int(edges[-1]), np.uint8)
        write(
            part,
            form,
            self._raw,
            batch.kind,
            time_ms,
            stored,
            received,
            batch.name,
            batch.truth,
            data,
            starts,
            lengths,
            address_of(records),
            edges[:-1].copy(),
        )
        for number in np.flatnonzero(sizes):
            self._rows[number] += int(rows[number])
            self._sizes[number] += int(sizes[number])
            self._keep(int(number), records[edges[number] : edges[number + 1]])

    def find(self, user_of: NDArray[np.uint32], codes: int, now_ms: int) -> Repeats:
        """Look through all parts.

        Args:
            user_of: uint32, an entry a code: what all ids of one user have in common.
            codes: how many codes there are.
            now_ms: Mixpanel's clock, which stands for `TIME_FAR` and every later time.
        """
        workers, largest = self._workers()
        slots = _slots(max(self._rows))
        idle: queue.SimpleQueue[_Scratch] = queue.SimpleQueue()
        for _ in range(workers):
            idle.put(_Scratch(np.empty(largest, np.uint8), np.empty(slots, np.uint64)))

        def look(number: int) -> _Marked:
            scratch = idle.get()
            try:
                return self._look(number, user_of, now_ms, scratch)
            finally:
                idle.put(scratch)

        of_id = np.zeros(codes, np.uint32)
        cells: list[NDArray[np.uint64]] = []
        count = 0
        with ThreadPoolExecutor(workers) as pool:
            for found in pool.map(look, [number for number in range(PARTS) if self._rows[number] > 1]):
                count += len(found.stored)
                np.add.at(of_id, found.stored[found.ordinary], 1)
                labelled = (found.ordinary | (found.stored > EMPTY)) & (found.truth != 0)
                if labelled.any():
                    cells.append(cells_of(found.stored[labelled], found.truth[labelled]))
        return Repeats(count, of_id, np.concatenate([np.empty(0, np.uint64), *cells]))

    def _workers(self) -> tuple[int, int]:
        """Return how many parts are looked through at a time, and how many bytes each of them needs room for."""
        if not self._files:
            return os.cpu_count() or 1, 0
        largest = max(self._sizes)
        return max(1, min(os.cpu_count() or 1, _AT_A_TIME_BYTES // max(1, largest))), largest

    def _look(self, number: int, user_of: NDArray[np.uint32], now_ms: int, scratch: _Scratch) -> _Marked:
        records = self._part(number, scratch.records)
        size = len(records)
        table = scratch.table[: _slots(self._rows[number])]
        places, hashes = np.empty(AHEAD, np.int64), np.empty(AHEAD, np.uint64)
        # A clock that was taken from the newest event lies on a whole millisecond, below that event itself.
        for unit_ms in (1, DAY_MS) if self._by_day else (1,):
            table[:] = 0
            mark(address_of(records), size, user_of, self._raw, now_ms, unit_ms, table, places, hashes)
        count = count_marked(address_of(records), size, self._raw)
        found = _Marked(np.empty(count, np.uint32), np.empty(count, np.uint32), np.empty(count, np.bool_))
        list_marked(address_of(records), size, self._raw, *found)
        return found

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

    def _part(self, number: int, room: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if not self._files:
            kept, self._kept[number] = self._kept[number], []
            return np.concatenate([np.empty(0, np.uint8), *kept])
        part = room[: self._sizes[number]]
        try:
            self._files[number].seek(0)
            read = self._files[number].readinto(part.data)
        except OSError as error:
            raise _disk(error) from None
        assert read == len(part), "what was put aside is gone"
        return part


def cells_of(stored: NDArray[np.uint32], truth: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return one number for each pair of an id and a person: the id in its upper half, the person in its lower half."""
    return (stored.astype(np.uint64) << np.uint64(32)) | truth.astype(np.uint64)


def _slots(rows: int) -> int:
    return max(1024, 1 << (2 * rows - 1).bit_length())


def _disk(error: OSError) -> OutsideError:
    where = tempfile.gettempdir()
    return OutsideError(
        f"{where}: {error.strerror or error}. Looking for duplicates needs some room there; TMPDIR names another place."
    )
