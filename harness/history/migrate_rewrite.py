"""The second pass of a migration: every stored event becomes a line of the target, or is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from harness.history.dictionary import Dictionary
from harness.history.migrate_lines import LineSource
from harness.history.migrate_output import insert_id
from harness.history.migrate_records import Flags, Longs, MigrateOrder, Plan
from harness.history.migrate_slow import rewritten
from harness.history.migrate_source import Source
from harness.history.migrate_splice import (
    DROPPED,
    INSERT_ID_LETTERS,
    KEEP_ID_MEMBERS,
    KEEP_INSERT_ID,
    MOVE_DEVICE,
    MOVE_USER,
    REWRITTEN,
    Lines,
    Rewriting,
    splice,
)
from harness.history.records import ABSENT, EMPTY, EventBatch, InsertId
from harness.problems import InputError, Problem


def rewritten_lines(order: MigrateOrder, plan: Plan, source: Source) -> Iterator[tuple[NDArray[np.uint8], Longs]]:
    """Yield the events of the target, association events not, as lines, and where each ends.

    Args:
        order: what was asked for.
        plan: what becomes of every id.
        source: the history, to be read once more.

    Raises:
        InputError: when it can't be read.
    """
    deciding = Deciding(order, plan, source.ids)
    lines_of = LineSource(source.files)
    with closing(lines_of):
        for batch, is_stored in source.stored():
            if int(batch.distinct_id.max(initial=0)) >= len(plan.key):
                raise _changed(source, batch.file)
            try:
                lines = lines_of.take(batch.file, batch.size)
            except StopIteration:
                raise _changed(source, batch.file) from None
            rewriting = deciding.decide(batch, is_stored, lines)
            yield new_lines(lines, rewriting, source.ids)
            order.progress("writing", source.share)


def _changed(source: Source, file: int) -> InputError:
    message = "changed while it was read, so what was found out about its ids does not hold"
    return InputError([Problem(source.files[file].name, None, "", message, "Migrate a copy that nobody writes to.")])


class Deciding:
    """Says what becomes of each event of a batch."""

    def __init__(self, order: MigrateOrder, plan: Plan, dictionary: Dictionary) -> None:
        self._to_simplified = order.target == "simplified"
        self._ids = dictionary
        self._key = plan.key
        self._is_user = plan.is_user
        self._is_excluded = plan.is_excluded & ~plan.is_nobody
        self._owner = plan.owner

    def decide(self, batch: EventBatch, is_stored: Flags, lines: Lines) -> Rewriting:
        """Return what becomes of the events of a batch."""
        if len(self._owner) < len(self._ids):
            # Device ids that nobody ever used as a distinct_id come up in this pass only.
            more = len(self._ids) * 3 // 2 - len(self._owner)
            self._owner = np.concatenate([self._owner, np.zeros(more, np.uint32)])
        sent = batch.distinct_id
        keep = is_stored & (batch.kind == 0) & ~self._is_excluded[sent]
        key = self._key[sent]
        action = np.where(keep, REWRITTEN, DROPPED).astype(np.uint8)
        is_named = batch.insert_form == InsertId.GOOD
        action[keep & is_named] |= KEEP_INSERT_ID
        user, device = np.zeros(batch.size, np.uint32), np.zeros(batch.size, np.uint32)
        if self._to_simplified:
            is_user = self._is_user[sent]
            user = np.where(is_user, key, ABSENT).astype(np.uint32)
            same_device = is_user & (batch.device_id > EMPTY) & (self._owner[batch.device_id] == key)
            device = np.where(is_user, np.where(same_device, batch.device_id, ABSENT), key).astype(np.uint32)
            action[keep & (batch.device_id > EMPTY) & (batch.device_id != device)] |= MOVE_DEVICE
            action[keep & (batch.user_id > EMPTY) & (batch.user_id != user)] |= MOVE_USER
        else:
            action[keep] |= KEEP_ID_MEMBERS
        return Rewriting(action, key, user, device, _insert_ids(batch, keep & ~is_named, lines))


def _insert_ids(batch: EventBatch, is_wanted: Flags, lines: Lines) -> NDArray[np.uint8]:
    """Return an `$insert_id` for each event that needs one: of its place in the history and of what it holds."""
    rows = np.flatnonzero(is_wanted)
    texts = [_insert_id(batch.first_index + int(row), line_at(lines, int(row))) for row in rows]
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(rows), INSERT_ID_LETTERS)


def _insert_id(index: int, line: bytes) -> str:
    return insert_id("event", str(index), line.decode("utf-8", "surrogateescape"))


def line_at(lines: Lines, row: int) -> bytes:
    """Return a line as it stands in the history."""
    return lines.data[lines.start[row] : lines.end[row]].tobytes()


def new_lines(lines: Lines, rewriting: Rewriting, dictionary: Dictionary) -> tuple[NDArray[np.uint8], Longs]:
    """Return the new lines, and where each ends."""
    made, ends, unusual = splice(lines, rewriting, *dictionary.raw())
    if len(unusual):
        made, ends = _with_unusual(lines, rewriting, dictionary, made, ends, unusual)
    return made, ends[rewriting.action != DROPPED]


def _with_unusual(
    lines: Lines, rewriting: Rewriting, dictionary: Dictionary, made: NDArray[np.uint8], ends: Longs, unusual: Longs
) -> tuple[NDArray[np.uint8], Longs]:
    """Put lines that are spelled in an unusual way in their places."""
    parts: list[bytes] = []
    begin = 0
    longer = np.zeros(len(ends), np.int64)
    named = np.cumsum((rewriting.action & (REWRITTEN | KEEP_INSERT_ID)) == REWRITTEN) - 1
    for row in unusual.tolist():
        action = int(rewriting.action[row])
        new = "" if action & KEEP_INSERT_ID else rewriting.insert_id[named[row]].tobytes().decode()
        distinct_id, user, device = (dictionary.text(int(column[row])) for column in rewriting[1:4])
        line = rewritten(line_at(lines, row), action, distinct_id, user, device, new)
        parts += [made[begin : ends[row]].tobytes(), line]
        begin = int(ends[row])
        longer[row] = len(line)
    parts.append(made[begin:].tobytes())
    return np.frombuffer(b"".join(parts), np.uint8), ends + np.cumsum(longer)
