"""Synthetic histories as files: JSONL, .gz and Parquet, one file or a folder of shards.

A file is written beside its place under another name and moved there when it is whole, so a job that was killed leaves
nothing that looks like a history. Lines of JSONL are put together from columns; every text in them is plain ASCII.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.history.generate_events import Events, event_batches
from harness.history.generate_numbers import Flags
from harness.history.generate_settings import GenerateSettings
from harness.history.generate_texts import Writer

Form: TypeAlias = Literal["wire", "flat"]
"""How a line of JSONL looks: `{"event": ..., "properties": {...}}`, or flat as in a raw export."""

ENDINGS: Final = (".jsonl", ".jsonl.gz", ".parquet")
"""What a history can be written as."""

_GZIP_LEVEL: Final = 1
_PART: Final = "part-*"
_CUT_AT: Final = 40
_TEXT_COLUMNS: Final = ("distinct_id", "$device_id", "$user_id", "$anon_distinct_id", "alias")


def ending_of(path: Path) -> str | None:
    """Return which of `ENDINGS` a path has, or None."""
    return next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if path.name.endswith(ending)), None)


def write_file(settings: GenerateSettings, path: Path, form: Form, noted: Callable[[int], None]) -> None:
    """Write a history as one file, in place of one that is there.

    Args:
        settings: the history.
        path: where; its ending says as what.
        form: how lines of JSONL look.
        noted: is told how many events were written each time some were.

    Raises:
        OSError: when it can't be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    writer = Writer(settings)
    try:
        with _open(partial, ending_of(path) or "", form, settings.truth) as sink:
            for events in event_batches(settings):
                sink.write(writer.columns(events), events)
                noted(len(events.number))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_folder(
    settings: GenerateSettings,
    folder: Path,
    ending: str,
    form: Form,
    shard_events: int,
    noted: Callable[[int], None],
) -> list[str]:
    """Write a history as a folder of shards, in place of one that is there; return the names of the shards.

    Args:
        settings: the history.
        folder: where.
        ending: one of `ENDINGS`.
        form: how lines of JSONL look.
        shard_events: the most events of one shard.
        noted: is told how many events were written each time some were.

    Raises:
        OSError: when it can't be written.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    names: list[str] = []
    writer = Writer(settings)
    try:
        for parts in _shards(event_batches(settings), shard_events):
            names.append(f"part-{len(names):05d}{ending}")
            with _open(partial / names[-1], ending, form, settings.truth) as sink:
                for events in parts:
                    sink.write(writer.columns(events), events)
                    noted(len(events.number))
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return names


def holds_only_shards(folder: Path) -> bool:
    """Return whether a folder holds nothing but shards, so that it may be replaced by new ones."""
    shards = {shard for ending in ENDINGS for shard in folder.glob(_PART + ending)}
    return set(folder.iterdir()) <= shards


def _shards(batches: Iterator[Events], most: int) -> Iterator[Iterator[Events]]:
    """Yield the batches of each shard, all read before the next shard is asked for; batches are cut where needed."""
    rest: list[Events] = []

    def of_one_shard() -> Iterator[Events]:
        left = most
        while left and rest:
            batch = rest.pop()
            count = len(batch.number)
            if count > left:
                rest.append(Events._make(column[left:] for column in batch))
                batch = Events._make(column[:left] for column in batch)
                count = left
            left -= count
            yield batch
            if not rest:
                rest.extend(_next(batches))

    rest.extend(_next(batches))
    while rest:
        yield of_one_shard()


def _next(batches: Iterator[Events]) -> list[Events]:
    found = next(batches, None)
    return [] if found is None else [found]


class _Sink(Protocol):
    def write(self, columns: dict[str, Any], events: Events) -> None:
        """Write one batch."""


@contextmanager
def _open(path: Path, ending: str, form: Form, truth: str) -> Iterator[_Sink]:
    if ending == ".parquet":
        schema = _schema(truth)
        with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=_DICTIONARY) as parquet:
            yield _ParquetSink(parquet, schema)
        return
    with path.open("wb") as file:
        if ending == ".jsonl":
            yield _LineSink(file.write, form, truth)
            return
        # The head of gzip without a file name and without a time, so that equal events give equal bytes.
        packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
        yield _LineSink(_packed(file, packer), form, truth)
        file.write(packer.flush())


def _packed(file: BinaryIO, packer: Any) -> Callable[[Any], object]:
    return lambda lines: file.write(packer.compress(lines))


class _LineSink:
    """Lines of JSON, put together column by column."""

    def __init__(self, write: Callable[[Any], object], form: Form, truth: str) -> None:
        self._write = write
        self._open, self._close = ('","properties":{"time":', "}}\n") if form == "wire" else ('","time":', "}\n")
        self._truth = json.dumps(truth)

    def write(self, columns: dict[str, Any], events: Events) -> None:
        parts = [
            _member(name, columns[name]) for name in _TEXT_COLUMNS if columns[name].null_count < len(events.number)
        ]
        if columns["first"].null_count < len(events.number):
            pair = pc.binary_join_element_wise(
                ',"$distinct_ids":["', columns["first"], '","', columns["second"], '"]', ""
            )
            parts.append(pair)
        lines = pc.binary_join_element_wise(
            '{"event":"',
            columns["event"],
            self._open,
            pc.cast(columns["time"], pa.string()),
            *parts,
            _member("$insert_id", columns["$insert_id"]),
            _member("$os", columns["$os"]),
            _member("page", columns["page"]),
            f',{self._truth}:"',
            columns["truth"],
            '"',
            self._close,
            "",
            null_handling="skip",
        )
        self._write(_bytes_of(_cut(lines, events.is_broken)))


def _member(name: str, texts: Any) -> Any:
    return pc.binary_join_element_wise(f',"{name}":"', texts, '"', "")


def _cut(lines: Any, is_broken: Flags) -> Any:
    if not is_broken.any():
        return lines
    heads = pc.binary_join_element_wise(pc.utf8_slice_codeunits(lines, 0, _CUT_AT), "\n", "")
    return pc.if_else(pa.array(is_broken), heads, lines)


def _bytes_of(lines: Any) -> memoryview:
    """Return the letters of all texts one behind the other, which is how Arrow keeps them."""
    found = lines.combine_chunks() if isinstance(lines, pa.ChunkedArray) else lines
    offsets = memoryview(found.buffers()[1]).cast("B").cast("i")
    letters = memoryview(found.buffers()[2])
    return letters[offsets[found.offset] : offsets[found.offset + len(found)]]


_DICTIONARY: Final = ["event", "$os", "page"]


def _schema(truth: str) -> Any:
    text = pa.string()
    fields = [("event", text), ("time", pa.int64()), *((name, text) for name in _TEXT_COLUMNS)]
    fields += [("$distinct_ids", pa.list_(text)), *((name, text) for name in ("$insert_id", "$os", "page", truth))]
    return pa.schema(fields)


class _ParquetSink:
    """Row groups of flat rows, one a batch."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema

    def write(self, columns: dict[str, Any], events: Events) -> None:
        arrays = {
            **columns,
            "$distinct_ids": _pairs(columns["first"], columns["second"]),
            self._schema.names[-1]: columns["truth"],
        }
        self._writer.write_table(pa.table([arrays[name] for name in self._schema.names], schema=self._schema))


def _pairs(first: Any, second: Any) -> Any:
    """Return two columns as one of lists; null where the first is null."""
    marks = pc.is_valid(first)
    both = pa.concat_arrays([first, second])
    count = len(first)
    places = pc.indices_nonzero(marks).to_numpy()
    interleaved = np.stack([places, places + count], axis=1).ravel()
    sizes = np.zeros(count + 1, np.int32)
    sizes[1:] = np.cumsum(marks.to_numpy(zero_copy_only=False).astype(np.int32) * 2)
    return pa.ListArray.from_arrays(pa.array(sizes), both.take(pa.array(interleaved)), mask=pc.invert(marks))
