"""Writes who every id is as Parquet: under another name at first, so that what has the right name is whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.history.dictionary import Dictionary
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

_ROWS_AT_ONCE: Final = 1 << 18
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

    def table(first: int) -> pa.RecordBatch:
        part = slice(first, first + _ROWS_AT_ONCE)
        rule, event_index = resolved.rule[part], resolved.event_index[part]
        reason = pa.DictionaryArray.from_arrays(pa.array(rule.astype(np.int8), mask=rule == NO_RULE), _RULES)
        index = pa.array(event_index, mask=event_index < 0)
        columns = [ids.arrow(resolved.ids[part]), ids.arrow(resolved.canonical[part]), reason, index]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    firsts = list(range(0, len(resolved.ids), _ROWS_AT_ONCE))
    with (
        whole_or_nothing(path, failures=(OSError, pa.ArrowException)) as unfinished,
        pq.ParquetWriter(
            unfinished,
            SCHEMA,
            compression="none",
            use_dictionary=["reason"],
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
            writer.write_batch(batch)
