"""Writes who every id is as Parquet: under another name at first, so that what has the right name is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.history.dictionary import Dictionary
from harness.history.records import NO_RULE, RULE_NAMES, ResolvedIds
from harness.problems import InputError, OutsideError, Problem

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

_ROWS_AT_ONCE: Final = 1 << 19
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
    with (
        whole_or_nothing(path) as unfinished,
        pq.ParquetWriter(
            unfinished, SCHEMA, compression="snappy", use_dictionary=["reason"], write_statistics=False
        ) as writer,
    ):
        for first in range(0, len(resolved.ids), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            rule, event_index = resolved.rule[part], resolved.event_index[part]
            alone = rule == NO_RULE
            reason = pa.DictionaryArray.from_arrays(pa.array(rule.astype(np.int8), mask=alone), _RULES)
            index = pa.array(event_index, mask=event_index < 0)
            columns = [ids.arrow(resolved.ids[part]), ids.arrow(resolved.canonical[part]), reason, index]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """Give a name to write under; the file gets its own name when all of it is written, else it is removed.

    Raises:
        InputError: when nothing can be written there.
        OutsideError: when the disk is full or fails.
    """
    check_writable(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except (OSError, pa.ArrowException) as error:
        what = getattr(error, "strerror", None) or str(error).split("\n", 1)[0]
        message = f"{path}: can't be written: {what}. Nothing was overwritten."
        raise OutsideError(message) from None
    finally:
        unfinished.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Find out early whether a file can be written.

    Raises:
        InputError: when it can't.
    """
    folder = path.parent
    if path.is_dir():
        raise InputError([Problem(str(path), None, "", "is a folder", "Name a file.")])
    if not folder.is_dir():
        raise InputError([Problem(str(path), None, "", f"there is no folder {folder}", "Make it first.")])
    if not os.access(folder, os.W_OK):
        raise InputError([Problem(str(path), None, "", f"the folder {folder} can't be written", "Check permissions.")])
