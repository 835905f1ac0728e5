"""The dictionary of a history: every different id gets a code, and every code its id back.

Texts are found by hash and then compared byte by byte, so ids whose hashes collide keep codes of their own, whatever
the hash. A code comes with marks: what the rules of identity and acceptance have to know about how an id looks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.event import DEVICE_PREFIX
from harness.history.marks import REST_DISALLOWED, marks_of
from harness.history.native import (
    PREFIX_WORD,
    address_of,
    byte,
    compiled,
    hash_of,
    integer,
    prefetch,
    put_byte,
    put_word,
    put_words,
    same_words,
    unsigned,
    word,
)
from harness.history.records import ABSENT, EMPTY

if TYPE_CHECKING:
    import pyarrow as pa

_AHEAD: Final = 32
_STEP: Final = 1 << 15
_ALL_BITS: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOAD: Final = 0.7
_HEADER: Final = 8
_TAG: Final = np.uint64(0xFFFFFF0000000000)
_PLACE: Final = np.uint64(0x000000FFFFFFFFFF)
_S32: Final = np.uint64(32)
_LENGTH: Final = np.uint64(0xFFFFFFFF)
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)
_THREE: Final = np.uint64(3)

AS_SENT: Final = 0
PREFIX_WHERE_MISSING: Final = 1
PREFIX_ALWAYS: Final = 2


class Spans(NamedTuple):
    """Texts as places in a buffer.

    Attributes:
        data: uint8; the buffer.
        start: int64; where each text begins.
        length: int32; its length in bytes, -1 where there is none.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    length: NDArray[np.int32]


class Dictionary:
    """Texts and their codes, which count up from 3; see `records` for the first three.

    Args:
        expected: how many different texts there may be; more are no mistake, it only saves growing.
        hash_bits: which bits of a hash are used; fewer than all of them only make it slow.
    """

    def __init__(self, expected: int = 1 << 12, hash_bits: int = 0xFFFFFFFFFFFFFFFF) -> None:
        self._keep = np.uint64(hash_bits)
        self._ahead = np.empty(_AHEAD, np.uint64)
        self._state = np.array([1, 8], np.int64)  # next code, end of the heap
        self._table = np.zeros(_slots(expected), np.uint64)
        self._heap = np.empty(max(1 << 16, expected * 48), np.uint8)
        self._place = np.zeros(max(16, expected), np.int64)
        self._marks = np.zeros(max(16, expected), np.uint8)
        put = spans_of([b"", DEVICE_PREFIX.encode()])
        self._enter(put, AS_SENT, np.empty(2, np.uint32), np.empty(2, np.bool_))

    def __len__(self) -> int:
        """Return how many codes there are, `ABSENT` included: every code is below it."""
        return int(self._state[0])

    @property
    def marks(self) -> NDArray[np.uint8]:
        """The marks of every code; see `harness.history.marks`."""
        return self._marks[: len(self)]

    @property
    def bytes(self) -> int:
        """The memory it has taken, in bytes."""
        return self._heap.nbytes + self._table.nbytes + self._place.nbytes + self._marks.nbytes

    def encode(self, spans: Spans) -> NDArray[np.uint32]:
        """Return the codes of texts; new ones are entered."""
        codes = np.empty(len(spans.start), np.uint32)
        self._enter(spans, AS_SENT, codes, np.empty(0, np.bool_))
        return codes

    def encode_devices(self, spans: Spans, *, strip_prefix: bool) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """Return the codes of device ids as distinct_ids spell them, and which are on the list of disallowed ids.

        Args:
            spans: the device ids as sent.
            strip_prefix: whether one `$device:` that was sent is removed before `$device:` is put in front.
        """
        codes = np.empty(len(spans.start), np.uint32)
        added = np.zeros(len(spans.start), np.bool_)
        self._enter(spans, PREFIX_WHERE_MISSING if strip_prefix else PREFIX_ALWAYS, codes, added)
        _keep_listed(codes, self._marks, added)
        return codes, added

    def codes(self, texts: Sequence[str]) -> NDArray[np.uint32]:
        """Return the codes of texts; new ones are entered."""
        return self.encode(spans_of([text.encode("utf-8", "surrogatepass") for text in texts]))

    def text(self, code: int) -> str:
        """Return the text of a code; "" for `ABSENT`."""
        if code in (ABSENT, EMPTY):
            return ""
        place = int(self._place[code])
        length = int(self._heap[place : place + 4].view(np.uint32)[0])
        begin = place + _HEADER
        return self._heap[begin : begin + length].tobytes().decode("utf-8", "surrogatepass")

    def texts(self, codes: NDArray[np.uint32]) -> list[str]:
        """Return the texts of codes."""
        return [self.text(int(code)) for code in codes]

    def plain_texts(self, codes: NDArray[np.uint32]) -> list[str]:
        """Return the texts of many codes at once."""
        spans = self._gathered(codes)
        raw = spans[0].tobytes()
        offsets = spans[1].tolist()
        try:
            whole = raw.decode("ascii")
        except UnicodeDecodeError:
            pairs = itertools.pairwise(offsets)
            return [raw[begin:end].decode("utf-8", "surrogatepass") for begin, end in pairs]
        return [whole[begin:end] for begin, end in itertools.pairwise(offsets)]

    def arrow(self, codes: NDArray[np.uint32]) -> pa.Array[pa.LargeStringScalar]:
        """Return the texts of codes as an Arrow array of large strings; `ABSENT` is null."""
        import pyarrow as pa

        data, offsets = self._gathered(codes)
        missing = codes == ABSENT
        mask = pa.array(~missing).buffers()[1] if missing.any() else None
        buffers = [mask, pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.LargeStringArray.from_buffers(len(codes), buffers[1], buffers[2], buffers[0])

    def _gathered(self, codes: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        # The heap is held on to, for whoever enters ids meanwhile may put a larger one in its place.
        heap, place = self._heap, self._place
        offsets = np.empty(len(codes) + 1, np.int64)
        total = _measure(codes, address_of(heap), place, offsets)
        data = np.empty(total + 8, np.uint8)
        _gather(codes, address_of(heap), place, offsets, address_of(data))
        data[total:] = 0
        return data, offsets

    def raw(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the heap and the place of every code's record in it, for compiled loops to read.

        A record is a word with the length in its lower and the code in its upper half, then the text.
        """
        return self._heap, self._place[: len(self)]

    def _enter(self, spans: Spans, prefix: int, codes: NDArray[np.uint32], added: NDArray[np.bool_]) -> None:
        data = address_of(spans.data)
        for first in range(0, len(spans.start), _STEP):
            part = slice(first, first + _STEP)
            start, length, into = spans.start[part], spans.length[part], codes[part]
            known = len(self)
            self._make_room(len(start), int(np.maximum(length, 0).sum(dtype=np.int64)) + 32 * len(start))
            heap, place = address_of(self._heap), self._place
            _encode(
                data,
                start,
                length,
                prefix,
                self._keep,
                self._table,
                heap,
                place,
                self._state,
                self._ahead,
                into,
                added[part],
            )
            _mark(heap, place, self._marks, known, len(self))

    def _make_room(self, rows: int, heap_bytes: int) -> None:
        count, end = (int(number) for number in self._state)
        if count + rows > len(self._place):
            size = max(count + rows, len(self._place) * 2)
            self._place = _grown(self._place, size, count)
            self._marks = _grown(self._marks, size, count)
        if end + heap_bytes + 64 > len(self._heap):
            self._heap = _grown(self._heap, max(end + heap_bytes + 64, len(self._heap) * 2), end)
        if (count + rows) > _LOAD * len(self._table):
            self._table = np.zeros(_slots(count + rows), np.uint64)
            _rebuild(self._table, address_of(self._heap), self._place, count, self._keep)


def spans_of(texts: Sequence[bytes | None]) -> Spans:
    """Return texts as places in one buffer; None is an absent one."""
    length = np.fromiter((-1 if text is None else len(text) for text in texts), np.int32, len(texts))
    start = np.zeros(len(texts), np.int64)
    np.cumsum(np.maximum(length[:-1], 0), out=start[1:])
    data = np.frombuffer(b"".join(text or b"" for text in texts) + bytes(8), np.uint8)
    return Spans(data, start, length)


def _slots(expected: int) -> int:
    return 1 << max(10, int(expected / _LOAD).bit_length())


def _grown(array: NDArray[Any], size: int, used: int) -> NDArray[Any]:
    grown = np.empty(size, array.dtype) if array.dtype == np.uint8 else np.zeros(size, array.dtype)
    grown[:used] = array[:used]
    return grown


@compiled
def _encode(  # noqa: C901
    data: int,
    start: Any,
    length: Any,
    prefix: int,
    keep: Any,
    table: Any,
    heap: int,
    place: Any,
    state: Any,
    hashes: Any,
    codes: Any,
    added: Any,
) -> None:
    rows = len(start)
    mask = unsigned(len(table) - 1)
    slots = table.ctypes.data
    for first in range(0, rows, _AHEAD):
        last = min(first + _AHEAD, rows)
        for row in range(first, last):
            size = integer(length[row])
            if size > 0 or (size == 0 and prefix == 0):
                at = data + start[row]
                add = prefix == 2
                if prefix == 1:
                    add = size < 8 or word(at) != PREFIX_WORD
                value = hash_of(at, size, add) & keep
                hashes[row - first] = value
                if prefix != 0:
                    added[row] = add
                prefetch(integer(slots + integer((value & mask) << _THREE)))
        for row in range(first, last):
            if length[row] > 0:
                value = hashes[row - first]
                slot = table[value & mask]
                if slot != _ZERO and ((slot ^ value) & _TAG) == _ZERO:
                    prefetch(heap + integer(((slot & _PLACE) - _ONE) << _THREE))
        for row in range(first, last):
            size = integer(length[row])
            if size < 0:
                codes[row] = 0
                continue
            if size == 0 and prefix != 0:
                codes[row] = 1
                continue
            at = data + start[row]
            add = prefix != 0 and bool(added[row])
            value = hashes[row - first]
            probe = value & mask
            code = integer(-1)
            while code < 0:
                slot = table[probe]
                if slot == _ZERO:
                    code = _append(at, size, add, heap, place, state)
                    table[probe] = (value & _TAG) | unsigned((place[code] >> 3) + 1)
                elif ((slot ^ value) & _TAG) == _ZERO:
                    code = _code_if_same(at, size, add, heap + integer(((slot & _PLACE) - _ONE) << _THREE))
                probe = (probe + _ONE) & mask
            codes[row] = code


@compiled
def _code_if_same(at: int, size: int, add: bool, record: int) -> int:  # noqa: FBT001
    header = word(record)
    text = record + 8
    if integer(header & _LENGTH) != (size + 8 if add else size):
        return -1
    if add:
        if word(text) != PREFIX_WORD:
            return -1
        text += 8
    return integer(header >> _S32) if same_words(at, size, text) else -1


@compiled
def _append(at: int, size: int, add: bool, heap: int, place: Any, state: Any) -> int:  # noqa: FBT001
    code = state[0]
    record = state[1]
    whole = size + 8 if add else size
    text = heap + record + 8
    put_word(heap + record, (unsigned(code) << _S32) | unsigned(whole))
    if add:
        put_word(text, PREFIX_WORD)
        text += 8
    put_words(at, size, text)
    place[code] = record
    state[0] = code + 1
    state[1] = record + 8 + ((whole + 7) >> 3 << 3)
    return integer(code)


@compiled
def _mark(heap: int, place: Any, marks: Any, first: int, last: int) -> None:
    for code in range(first, last):
        record = heap + place[code]
        marks[code] = marks_of(record + 8, integer(word(record) & _LENGTH))


@compiled
def _keep_listed(codes: Any, marks: Any, added: Any) -> None:
    """Keep of the ids that `$device:` was put in front of those that are on the list of disallowed ones without it."""
    for row in range(len(codes)):
        if added[row] and marks[codes[row]] & REST_DISALLOWED == 0:
            added[row] = False


@compiled
def _rebuild(table: Any, heap: int, place: Any, count: int, keep: Any) -> None:
    mask = unsigned(len(table) - 1)
    for code in range(1, count):
        record = heap + place[code]
        value = hash_of(record + 8, integer(word(record) & _LENGTH), False) & keep  # noqa: FBT003
        probe = value & mask
        while table[probe] != _ZERO:
            probe = (probe + _ONE) & mask
        table[probe] = (value & _TAG) | unsigned((place[code] >> 3) + 1)


@compiled
def _measure(codes: Any, heap: int, place: Any, offsets: Any) -> int:
    total = 0
    rows = len(codes)
    offsets[0] = 0
    for row in range(rows):
        if row + _AHEAD < rows:
            prefetch(heap + place[codes[row + _AHEAD]])
        code = codes[row]
        if code != 0:
            total += integer(word(heap + place[code]) & _LENGTH)
        offsets[row + 1] = total
    return total


@compiled
def _gather(codes: Any, heap: int, place: Any, offsets: Any, data: int) -> None:
    rows = len(codes)
    for row in range(rows):
        if row + _AHEAD < rows:
            prefetch(heap + place[codes[row + _AHEAD]] + 8)
        at = data + offsets[row]
        size = offsets[row + 1] - offsets[row]
        text = heap + place[codes[row]] + 8
        rest = size & 7
        for step in range(0, size - rest, 8):
            put_word(at + step, word(text + step))
        for step in range(size - rest, size):
            put_byte(at + step, byte(text + step))
