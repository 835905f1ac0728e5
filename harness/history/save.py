"""Writes who every id is as Parquet: under another name at first, so that what has the right name is whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.history.dictionary import Dictionary
from harness.history.native import compiled, integer, prefetch, unsigned
from harness.history.records import NO_RULE, RULE_NAMES, ResolvedIds
from harness.history.whole import whole_or_nothing

SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.large_string(), nullable=False),
        pa.field("canonical", pa.large_string(), nullable=False),
        pa.field("reason", pa.dictionary(pa.int8(), pa.string())),
        pa.field("event_index", pa.int64()),
    ]
)
"""The columns: an id, its canonical distinct_id, the rule that joined them, and the index of the event that did.

The last two are null for an id that is its own canonical distinct_id.
"""

_CODED: Final = SCHEMA.set(1, pa.field("canonical", pa.dictionary(pa.int32(), pa.large_string()), nullable=False))
_ROWS_AT_ONCE: Final = 1 << 21
_AHEAD: Final = 32
_DICTIONARY_BYTES: Final = 1 << 30
_RULES: Final = pa.array(RULE_NAMES, pa.string())


def save_resolved(path: Path, ids: Dictionary, resolved: ResolvedIds) -> None:
    """Write the resolved ids.

    Args:
        path: where to; what is there is replaced at the very end.
        ids: the dictionary of the history.
        resolved: who every id is.

    Raises:
        InputError: when nothing can be written there.
        OutsideError: when the disk is full or fails; what was there before is still there.
    """
    known_at = np.empty(len(ids), np.uint32)

    def table(first: int) -> pa.RecordBatch:
        part = slice(first, first + _ROWS_AT_ONCE)
        rule, event_index = resolved.rule[part], resolved.event_index[part]
        reason = pa.DictionaryArray.from_arrays(pa.array(rule.astype(np.int8), mask=rule == NO_RULE), _RULES)
        index = pa.array(event_index, mask=event_index < 0)
        columns = [ids.arrow(resolved.ids[part]), _coded(ids, resolved.canonical[part], known_at), reason, index]
        return pa.RecordBatch.from_arrays(columns, schema=_CODED)

    firsts = range(0, len(resolved.ids), _ROWS_AT_ONCE)
    with (
        whole_or_nothing(path, failures=(OSError, pa.ArrowException)) as unfinished,
        pq.ParquetWriter(
            unfinished,
            _CODED,
            compression="none",
            use_dictionary=["canonical", "reason"],
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            write_statistics=False,
            store_schema=False,
        ) as writer,
        ThreadPoolExecutor(1) as ahead,
    ):
        waiting = [ahead.submit(table, first) for first in firsts[:1]]
        for first in [*firsts[1:], None][: len(firsts)]:
            batch = waiting.pop().result()
            if first is not None:
                waiting.append(ahead.submit(table, first))
            writer.write_batch(batch, _ROWS_AT_ONCE)


def _coded(ids: Dictionary, codes: NDArray[np.uint32], known_at: NDArray[np.uint32]) -> pa.DictionaryArray:
    """Return texts that come again and again as Arrow keeps them: each once, and where it stands."""
    different, places = np.empty(len(codes), np.uint32), np.empty(len(codes), np.int32)
    count = _places(codes, known_at, different, places)
    return pa.DictionaryArray.from_arrays(places, ids.arrow(different[:count]))


@compiled
def _places(codes: Any, known_at: Any, different: Any, places: Any) -> int:
    """Number the different codes; `known_at` may hold anything, for what it says is looked up in `different`."""
    count = unsigned(0)
    known = known_at.ctypes.data
    rows = len(codes)
    for row in range(rows):
        if row + _AHEAD < rows:
            prefetch(known + 4 * integer(codes[row + _AHEAD]))
        code = codes[row]
        place = known_at[code]
        if place >= count or different[place] != code:
            place = count
            different[count] = code
            known_at[code] = place
            count += unsigned(1)
        places[row] = place
    return integer(count)
