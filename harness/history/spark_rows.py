"""Events between two machines: the batches of the reader as rows with texts in place of codes, and back again.

Codes mean something beside their dictionary only, and every task has a dictionary of its own. All texts travel as
bytes: an id may be no proper UTF-8, and Spark must not look into it. What only messages need (file, line) stays behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from harness.history.dictionary import Dictionary, Spans
from harness.history.native import compiled
from harness.history.records import EventBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.history.records import Codes, Longs

_GUARD: Final = 64
_IDS: Final = ("distinct_id", "device_id", "user_id", "identified_id", "anonymous_id", "alias")

ROWS: Final = pa.schema(
    [
        ("part", pa.int32()),
        ("index", pa.int64()),
        ("form", pa.int8()),
        ("kind", pa.int8()),
        ("name", pa.binary()),
        ("time_ms", pa.int64()),
        *((name, pa.binary()) for name in _IDS),
        ("device_disallowed", pa.bool_()),
        ("merge_ids", pa.list_(pa.binary())),
        ("insert_form", pa.int8()),
        ("insert_id", pa.binary()),
        ("truth", pa.binary()),
    ]
)
"""An event as a row: the partition it goes to, its index in the history, and the columns of `EventBatch`."""

ROWS_DDL: Final = (
    "part int, index long, form tinyint, kind tinyint, name binary, time_ms long, "
    + ", ".join(f"{name} binary" for name in _IDS)
    + ", device_disallowed boolean, merge_ids array<binary>, insert_form tinyint, insert_id binary, truth binary"
)
"""The same for Spark."""

NODE_ROWS_DDL: Final = ROWS_DDL + ", node long"
"""With the number of the id that the event goes by, where its part is not known yet."""


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """The three dictionaries of one task: ids, event names and people."""

    ids: Dictionary = field(default_factory=Dictionary)
    names: Dictionary = field(default_factory=Dictionary)
    people: Dictionary = field(default_factory=Dictionary)


def rows_of(
    batch: EventBatch, known: Dictionaries, parts: NDArray[np.int32], index: Longs, chosen: Longs
) -> pa.RecordBatch:
    """Return some events of a batch as rows.

    Args:
        batch: the events.
        known: the dictionaries of its codes.
        parts: int32, one an event of the batch; the partition it goes to.
        index: int64, likewise; its index in the history.
        chosen: int64; the places of the events that are wanted, ascending.
    """
    ids, take = known.ids, pa.array(chosen)
    merges = _list_of(batch, _bytes_of(ids, batch.merge_ids)).take(take)
    columns = [
        pa.array(parts[chosen]),
        pa.array(index[chosen]),
        pa.array(batch.form[chosen].astype(np.int8)),
        pa.array(batch.kind[chosen].astype(np.int8)),
        _bytes_of(known.names, batch.name[chosen]),
        pa.array(batch.time_ms[chosen]),
        *(_bytes_of(ids, getattr(batch, name)[chosen]) for name in _IDS),
        pa.array(batch.device_disallowed[chosen]),
        merges,
        pa.array(batch.insert_form[chosen].astype(np.int8)),
        _insert_ids(batch, chosen),
        _bytes_of(known.people, batch.truth[chosen]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ROWS)


def batch_of(rows: pa.RecordBatch, known: Dictionaries, first_index: int) -> EventBatch:
    """Return rows as a batch; its events are numbered on from `first_index`, whatever their index in the history is.

    Args:
        rows: of the schema `ROWS`, in order of arrival.
        known: the dictionaries of this task; new texts are entered.
        first_index: how many events came before.
    """
    size = rows.num_rows
    ids = {name: known.ids.encode(spans_of_binary(rows.column(name))) for name in _IDS}
    merge_rows, merge_offsets, merge_ids = _merges_of(rows.column("merge_ids"), known.ids)
    insert = spans_of_binary(rows.column("insert_id"))
    time_ms = _numbers(rows.column("time_ms"))
    real = (time_ms > _LOWEST) & (time_ms < _HIGHEST)
    return EventBatch(
        first_index=first_index,
        size=size,
        file=0,
        line=np.zeros(size, np.int64),
        form=_numbers(rows.column("form")).astype(np.uint8),
        kind=_numbers(rows.column("kind")).astype(np.uint8),
        name=known.names.encode(spans_of_binary(rows.column("name"))),
        time_ms=time_ms,
        **ids,
        device_disallowed=rows.column("device_disallowed").to_numpy(zero_copy_only=False),
        merge_rows=merge_rows,
        merge_offsets=merge_offsets,
        merge_ids=merge_ids,
        insert_form=_numbers(rows.column("insert_form")).astype(np.uint8),
        insert_data=insert.data,
        insert_start=insert.start,
        insert_length=insert.length,
        truth=known.people.encode(spans_of_binary(rows.column("truth"))),
        newest_ms=float(time_ms[real].max()) if real.any() else -np.inf,
    )


def spans_of_binary(column: pa.Array[Any]) -> Spans:
    """Return a column of bytes as places in one buffer, with the guard behind it that compiled loops read into."""
    _, offsets, data = column.buffers()
    places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    if not len(places):
        return Spans(np.zeros(_GUARD, np.uint8), np.empty(0, np.int64), np.empty(0, np.int32))
    low, high = int(places[0]), int(places[-1])
    copied = np.zeros(high - low + _GUARD, np.uint8)
    if data is not None:
        copied[: high - low] = np.frombuffer(data, np.uint8)[low:high]
    length = np.diff(places).astype(np.int32)
    if column.null_count:
        length[column.is_null().to_numpy(zero_copy_only=False)] = -1
    return Spans(copied, places[:-1] - low, length)


_LOWEST: Final = -(2**63) + 1
_HIGHEST: Final = 2**63 - 1


def _numbers(column: pa.Array[Any]) -> NDArray[Any]:
    found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found


def _bytes_of(dictionary: Dictionary, codes: Codes) -> pa.Array[Any]:
    return dictionary.arrow(np.ascontiguousarray(codes)).cast(pa.large_binary()).cast(pa.binary())


def _insert_ids(batch: EventBatch, chosen: Longs) -> pa.Array[Any]:
    """Return the texts of `$insert_id`, which have no codes, because nearly every one is new."""
    length = batch.insert_length[chosen]
    offsets = np.zeros(len(chosen) + 1, np.int32)
    np.cumsum(np.maximum(length, 0), out=offsets[1:])
    data = np.empty(int(offsets[-1]), np.uint8)
    _gather(batch.insert_data, batch.insert_start[chosen], length, offsets, data)
    missing = length < 0
    mask = pa.array(~missing).buffers()[1] if missing.any() else None
    return pa.BinaryArray.from_buffers(pa.binary(), len(chosen), [mask, pa.py_buffer(offsets), pa.py_buffer(data)])


@compiled
def _gather(data: Any, start: Any, length: Any, offsets: Any, into: Any) -> None:
    for row in range(len(start)):
        at = offsets[row]
        for place in range(length[row]):
            into[at + place] = data[start[row] + place]


def _list_of(batch: EventBatch, texts: pa.Array[Any]) -> pa.Array[Any]:
    """Return what each event's `$distinct_ids` name, null for an event without any."""
    counts = np.zeros(batch.size, np.int64)
    counts[batch.merge_rows] = np.diff(batch.merge_offsets)
    offsets = np.zeros(batch.size + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    named = np.zeros(batch.size, np.bool_)
    named[batch.merge_rows] = True
    return pa.ListArray.from_arrays(pa.array(offsets), texts, mask=pa.array(~named))


def _merges_of(column: pa.Array[Any], ids: Dictionary) -> tuple[Longs, Longs, Codes]:
    named = ~column.is_null().to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(named).astype(np.int64)
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    counts = np.diff(offsets)[rows]
    kept = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(counts, out=kept[1:])
    return rows, kept, ids.encode(spans_of_binary(column.flatten()))
