"""Which ids an event ties together, and by which id it goes: what splits a history into parts that never meet.

Everything that was ever asserted counts, whatever came of it: both sides of every identity event, and in simplified the
device and the user of each event. That ties more than any rule joins, so no decision, no duplicate and no orphan ever
needs to look into another part. Events of nobody are one part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from harness.event import IdMerge
from harness.history.marks import DISALLOWED
from harness.history.native import compiled
from harness.history.records import ABSENT, BARE_PREFIX, EMPTY, EventBatch, Form, Kind

if TYPE_CHECKING:
    from harness.history.dictionary import Dictionary
    from harness.history.records import Bytes, Codes, Longs
    from harness.ingestion.settings import ProjectSettings

NOBODY: Final = EMPTY
"""The id of events that belong to nobody."""


@dataclass(frozen=True, slots=True)
class Ties:
    """How events tie ids in one project.

    Attributes:
        id_merge: its ID-merge system.
        keeps_bad_ids: a disallowed id counts as an id like any other.
        keeps_empty_ids: an empty id of simplified counts as one.
        one_form: `$device:X` and `X` go together: original may take them for one id, and in simplified an attempt that
            names `X` is told of the device.
    """

    id_merge: IdMerge
    keeps_bad_ids: bool
    keeps_empty_ids: bool
    one_form: bool

    @staticmethod
    def of(id_merge: IdMerge, settings: ProjectSettings, *, stored: bool = False) -> Ties:
        """Return how events tie ids under some settings; `stored` ones were accepted whatever their ids are."""
        return Ties(
            id_merge,
            keeps_bad_ids=stored or settings.ingestion.bad_ids_nonstrict == "accept",
            keeps_empty_ids=settings.identity.empty_id == "literal",
            one_form=id_merge == "simplified" or settings.identity.device_prefix_equivalent,
        )


class Tied(NamedTuple):
    """What a batch ties.

    Attributes:
        keys: uint32, one an event: the code of the id it goes by.
        left: uint32, one a tie: the code of one id.
        right: uint32: the code of the other one.
    """

    keys: Codes
    left: Codes
    right: Codes


def tie(batch: EventBatch, ties: Ties, marks: Bytes) -> Tied:
    """Return what the events of a batch tie together.

    Args:
        batch: the events.
        ties: how the project ties ids.
        marks: the marks of every code of the dictionary of ids.
    """
    is_none = np.zeros(len(marks), np.bool_)
    is_none[[ABSENT, EMPTY]] = True
    is_none[BARE_PREFIX] = ties.id_merge == "simplified"
    is_bad = is_none if ties.keeps_bad_ids else is_none | ((marks & DISALLOWED) != 0)

    def good(codes: Codes) -> Codes:
        return np.where(is_bad[codes], np.uint32(NOBODY), codes).astype(np.uint32)

    def named(codes: Codes) -> Codes:
        # What an identity event names is asked for no list of disallowed ids.
        return np.where(is_none[codes], np.uint32(NOBODY), codes).astype(np.uint32)

    is_event = batch.form != Form.BROKEN
    is_verb = (batch.kind != Kind.ORDINARY) & is_event
    distinct = good(batch.distinct_id)
    keys = np.where(is_event, distinct, np.uint32(NOBODY)).astype(np.uint32)
    pairs: list[tuple[Codes, Codes]] = []
    if ties.id_merge == "simplified":
        device = np.where(batch.device_disallowed & (not ties.keeps_bad_ids), np.uint32(NOBODY), good(batch.device_id))
        device = device.astype(np.uint32)
        # `$device:` alone is no device, but as a user id it is one like any other.
        user = np.where(batch.user_id == BARE_PREFIX, np.uint32(BARE_PREFIX), good(batch.user_id)).astype(np.uint32)
        is_plain = is_event & ~is_verb
        keys = np.where(is_plain & (device != NOBODY), device, keys)
        keys = np.where(is_plain & (user != NOBODY), user, keys)
        both = np.flatnonzero(is_plain & (user != NOBODY) & (device != NOBODY))
        pairs.append((user[both], device[both]))
        if ties.keeps_empty_ids:
            # An event with an empty user is nobody's, and still makes its device known.
            is_empty = (batch.user_id == EMPTY) | (batch.device_id == EMPTY) | (batch.device_id == BARE_PREFIX)
            empty = np.flatnonzero(is_plain & is_empty & (keys != NOBODY))
            pairs.append((np.full(len(empty), NOBODY, np.uint32), keys[empty]))
    verbs = np.flatnonzero(is_verb)
    if ties.id_merge == "original":
        # Without a distinct_id, an `$identify` goes by its `$identified_id`, a `$merge` by the first id it names.
        keys[verbs] = np.where(keys[verbs] == NOBODY, named(batch.identified_id[verbs]), keys[verbs])
        merges = batch.merge_rows[keys[batch.merge_rows] == NOBODY]
        keys[merges] = named(batch.merge_ids[batch.merge_offsets[np.searchsorted(batch.merge_rows, merges)]])
    pairs += [(keys[verbs], named(column[verbs])) for column in (batch.identified_id, batch.anonymous_id, batch.alias)]
    pairs.append((keys[np.repeat(batch.merge_rows, np.diff(batch.merge_offsets))], named(batch.merge_ids)))
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    wanted = (left != right) & (right != NOBODY)
    return Tied(keys, left[wanted], right[wanted])


class Nodes:
    """The number of every id on which all machines agree: a hash of its bytes.

    Args:
        dictionary: the ids.
        one_form: `$device:X` and `X` are one id.
    """

    def __init__(self, dictionary: Dictionary, *, one_form: bool) -> None:
        self._dictionary = dictionary
        self._one_form = one_form
        self._known = np.zeros(0, np.int64)

    def of(self, codes: Codes) -> Longs:
        """Return the numbers of ids."""
        return self.all()[codes]

    def all(self) -> Longs:
        """Return the numbers of all ids by code."""
        first, count = len(self._known), len(self._dictionary)
        if first < count:
            texts = self._dictionary.arrow(np.arange(first, count, dtype=np.uint32))
            _, offsets, data = texts.buffers()
            found = np.zeros(count - first, np.int64)
            buffer = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
            _hashes(np.frombuffer(offsets, np.int64), buffer, self._one_form, found)
            self._known = np.concatenate([self._known, found])
        return self._known


_PREFIX: Final = np.frombuffer(b"$device:", np.uint8)
_BASIS: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)
_MIX: Final = np.uint64(0xFF51AFD7ED558CCD)
_S33: Final = np.uint64(33)


@compiled
def _hashes(offsets: Any, data: Any, one_form: bool, found: Any) -> None:  # noqa: FBT001 - compiled calls know no keywords
    for row in range(len(found)):
        at, end = offsets[row], offsets[row + 1]
        while one_form and end - at >= 8:
            same = True
            for place in range(8):
                same = same and data[at + place] == _PREFIX[place]
            if not same:
                break
            at += 8
        value = _BASIS
        for place in range(at, end):
            value = (value ^ np.uint64(data[place])) * _PRIME
        value = (value ^ (value >> _S33)) * _MIX
        value ^= value >> _S33
        found[row] = np.int64(value)
