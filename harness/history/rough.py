"""A rough batch: rows of a file in columns of texts, before any text has a code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.history.dictionary import Spans, spans_of
from harness.history.records import BrokenLine


class Merges(NamedTuple):
    """What the `$merge` events of a batch name.

    Attributes:
        rows: int64; their places in the batch, ascending.
        offsets: int64; one more than `rows`: where the ids of each begin and end in `ids`.
        ids: the ids, one after the other.
    """

    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    ids: Spans

    @staticmethod
    def of(named: Mapping[int, list[bytes]]) -> Merges:
        """Return the merges of a map from places to ids; a place without ids is left out."""
        rows = sorted(row for row, ids in named.items() if ids)
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(named[row]) for row in rows], out=offsets[1:])
        return Merges(np.array(rows, np.int64), offsets, spans_of([text for row in rows for text in named[row]]))


class Coded(NamedTuple):
    """Texts that repeat, as Parquet and Arrow keep them.

    Attributes:
        values: the different texts.
        places: int64; for each row the place of its text in `values`, -1 where there is none.
    """

    values: Spans
    places: NDArray[np.int64]


Texts: TypeAlias = Spans | Coded


class Rough(NamedTuple):
    """Rows of one file.

    Attributes:
        size: how many rows.
        file: the file as messages name it.
        position: how many bytes (of a Parquet file: rows) of the file are behind it.
        line: int64; the line, or the row of a Parquet file, counted from 1.
        form: uint8; a `Form`.
        time_ms: int64; as in `EventBatch`.
        columns: the texts of each field of `harness.history.scan` that any row has.
        merges: what the `$merge` events name.
        newest_ms: the newest time, -inf for none.
        broken: the first broken rows.
    """

    size: int
    file: str
    position: int
    line: NDArray[np.int64]
    form: NDArray[np.uint8]
    time_ms: NDArray[np.int64]
    columns: Mapping[int, Texts]
    merges: Merges
    newest_ms: float
    broken: tuple[BrokenLine, ...]
