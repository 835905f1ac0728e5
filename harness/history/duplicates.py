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

from harness.history.native import address_of, compiled, hash_of, integer, put_words, same_words, unsigned
from harness.history.records import EMPTY, EventBatch
from harness.ingestion.limits import DAY_MS
from harness.ingestion.settings import IngestionSettings
from harness.problems import InputError, OutsideError, Problem

PARTS: Final = 64
_IN_MEMORY_BYTES: Final = 256 << 20
_ROW: Final = np.dtype(
    [
        ("time", np.int64),
        ("stored", np.uint32),
        ("received", np.uint32),
        ("name", np.uint32),
        ("length", np.uint32),
        ("truth", np.uint32),
    ]
)
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
        self._kept: list[list[tuple[NDArray[Any], NDArray[np.uint8]]]] = [[] for _ in range(PARTS)]
        self._bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: list[tuple[IO[bytes], IO[bytes]]] = []

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
        rows = np.flatnonzero((status == 0) & (insert_form != 0))
        if not len(rows):
            return
        start, length = batch.insert_start[rows], batch.insert_length[rows].astype(np.int64)
        hashes = np.empty(len(rows), np.uint64)
        _hashes(address_of(batch.insert_data), start, length, hashes)
        part = (hashes >> np.uint64(58)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        table = np.empty(len(rows), _ROW)
        table["time"], table["stored"] = time_ms[rows], stored[rows]
        # No id and an empty one are the same nobody.
        table["received"] = np.maximum(received[rows], EMPTY)
        table["name"], table["truth"] = batch.name[rows], batch.truth[rows]
        table["length"] = length
        # The highest bit says that it is no identity event.
        table["length"] |= np.where(batch.kind[rows] == 0, np.uint32(1 << 31), np.uint32(0))
        table = table[order]
        start, length = start[order], length[order]
        words = (length + 7) >> 3 << 3
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(words, out=offsets[1:])
        texts = np.empty(int(offsets[-1]) + 8, np.uint8)
        _copy(address_of(batch.insert_data), start, length, address_of(texts), offsets)
        edges = np.searchsorted(part[order], np.arange(PARTS + 1))
        for number in range(PARTS):
            low, high = int(edges[number]), int(edges[number + 1])
            if low < high:
                self._keep(number, table[low:high], texts[offsets[low] : offsets[high]])

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
            table, texts = self._part(number)
            if len(table) < 2:
                continue
            # A clock that was taken from the newest event lies on a whole millisecond, below that event itself.
            time_ms = np.minimum(table["time"], now_ms)
            owner = table["received"] if self._raw else user_of[table["stored"]]
            length = (table["length"] & np.uint32(0x7FFFFFFF)).astype(np.int64)
            offsets = np.zeros(len(table) + 1, np.int64)
            np.cumsum((length + 7) >> 3 << 3, out=offsets[1:])
            repeated = np.zeros(len(table), np.bool_)
            owner = np.ascontiguousarray(owner)
            name = np.ascontiguousarray(table["name"])
            _find(time_ms, owner, name, length, offsets, address_of(texts), repeated)
            if self._by_day:
                _find(time_ms // DAY_MS, owner, name, length, offsets, address_of(texts), repeated)
            count += int(np.count_nonzero(repeated))
            ordinary = repeated & (table["length"] >> np.uint32(31) == 1)
            np.add.at(of_id, table["stored"][ordinary], 1)
            counted = (table["stored"] > EMPTY) | (table["length"] >> np.uint32(31) == 1)
            labelled = table[repeated & counted & (table["truth"] != 0)]
            if len(labelled):
                cells.append(cells_of(labelled["stored"], labelled["truth"]))
        return Repeats(count, of_id, np.concatenate([np.empty(0, np.uint64), *cells]))

    def close(self) -> None:
        """Remove what is on disk."""
        for pair in self._files:
            for file in pair:
                file.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _keep(self, number: int, table: NDArray[Any], texts: NDArray[np.uint8]) -> None:
        self._bytes += table.nbytes + texts.nbytes
        try:
            if not self._files and self._bytes > self._most:
                self._to_disk()
            if self._files:
                rows, words = self._files[number]
                rows.write(table.tobytes())
                words.write(texts.tobytes())
            else:
                self._kept[number].append((table.copy(), texts.copy()))
        except OSError as error:
            raise _disk(error) from None

    def _to_disk(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="harness-history-")
        root = Path(self._folder.name)
        for number in range(PARTS):
            pair = (open(root / f"{number}.rows", "w+b"), open(root / f"{number}.texts", "w+b"))  # noqa: SIM115
            self._files.append(pair)
            for table, texts in self._kept[number]:
                pair[0].write(table.tobytes())
                pair[1].write(texts.tobytes())
            self._kept[number] = []

    def _part(self, number: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        guard = np.zeros(8, np.uint8)
        if not self._files:
            kept = self._kept[number]
            self._kept[number] = []
            if not kept:
                return np.empty(0, _ROW), guard
            return np.concatenate([table for table, _ in kept]), np.concatenate([*(texts for _, texts in kept), guard])
        try:
            rows, words = self._files[number]
            rows.seek(0)
            words.seek(0)
            table = np.frombuffer(rows.read(), _ROW)
            return table, np.frombuffer(words.read() + bytes(8), np.uint8)
        except OSError as error:
            raise _disk(error) from None


def cells_of(stored: NDArray[np.uint32], truth: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return one number for each pair of an id and a person: the id in its upper half, the person in its lower half."""
    return (stored.astype(np.uint64) << np.uint64(32)) | truth.astype(np.uint64)


def _disk(error: OSError) -> OutsideError:
    where = tempfile.gettempdir()
    return OutsideError(
        f"{where}: {error.strerror or error}. Looking for duplicates needs some room there; TMPDIR names another place."
    )


@compiled
def _hashes(data: int, start: Any, length: Any, hashes: Any) -> None:
    for row in range(len(start)):
        hashes[row] = hash_of(data + start[row], length[row], False)  # noqa: FBT003


@compiled
def _copy(data: int, start: Any, length: Any, texts: int, offsets: Any) -> None:
    for row in range(len(start)):
        put_words(data + start[row], length[row], texts + offsets[row])


@compiled
def _find(time_ms: Any, owner: Any, name: Any, length: Any, offsets: Any, texts: int, repeated: Any) -> None:
    """Mark every row whose like comes again: the table holds the last row of each kind so far."""
    size = 1024
    while size < 2 * len(owner):
        size *= 2
    mask = unsigned(size - 1)
    table = np.zeros(size, np.uint32)
    tags = np.zeros(size, np.uint32)
    for row in range(len(owner)):
        text = texts + offsets[row]
        value = hash_of(text, length[row], False)  # noqa: FBT003
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
                and same_words(text, length[row], texts + offsets[other])
            ):
                repeated[other] = True
                break
            probe = (probe + _ONE) & mask
        table[probe] = row + 1
        tags[probe] = tag
