"""Reads a history once, from its first file to its last, as batches of events in columns of codes.

A thread of its own reads ahead and glances through the bytes while the batch before is being worked on, and another
looks ids up in the dictionary where nobody else does meanwhile. What is broken is counted and sampled, never fatal,
unless `strict_lines` asks for it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.history import scan as at
from harness.history.dictionary import Dictionary, Spans
from harness.history.files import HistoryFile, files_of
from harness.history.lines import LineReading, read_lines
from harness.history.native import address_of
from harness.history.reader_loops import judge_inserts, named, repeated_ids, taken
from harness.history.records import ABSENT, BrokenLine, EventBatch, Form, Kind
from harness.history.rough import Coded, Rough, Texts
from harness.ingestion.limits import TEXT_CHARACTERS
from harness.problems import InputError, Problem

MOST_BROKEN_KEPT: Final = 100
_AHEAD: Final = 2
Item = TypeVar("Item")

_KINDS: Final = {"$identify": Kind.IDENTIFY, "$create_alias": Kind.ALIAS, "$merge": Kind.MERGE}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a history is read.

    Attributes:
        truth: the event property that says who really did it; None for none.
        stored: it is a raw export, so that `$distinct_id_before_identity` is what was sent in the wire form, too.
        seconds_below: a `time` below this is in seconds, else in milliseconds.
        strip_device_prefix: whether one `$device:` in front of a `$device_id` is removed.
        devices: whether `$device_id` and `$user_id` are asked for; only simplified reads them.
        verbs: whether the ids that identity events name are asked for.
        inserts: whether `$insert_id` is asked for.
        strict_lines: the first broken line ends the reading.
        encode_ahead: ids are looked up in a thread of their own. Whoever takes the batches enters no id, and looks at
            none but those of the batches it was given.
    """

    truth: str | None = None
    stored: bool = False
    seconds_below: float = 1e11
    strip_device_prefix: bool = True
    devices: bool = True
    verbs: bool = True
    inserts: bool = True
    strict_lines: bool = False
    encode_ahead: bool = False

    @property
    def fields(self) -> frozenset[int]:
        """The fields that are asked for."""
        wanted = {at.EVENT, at.DISTINCT_ID}
        if self.devices:
            wanted |= {at.DEVICE_ID, at.USER_ID}
        if self.verbs:
            wanted |= {at.IDENTIFIED_ID, at.ANON_ID, at.ANON_DISTINCT_ID, at.ALIAS}
        if self.inserts:
            wanted.add(at.INSERT_ID)
        return frozenset(wanted)

    @property
    def truth_field(self) -> int:
        """Where the truth stands among the fields."""
        return at.FIELDS.index(self.truth) if self.truth in at.FIELDS else at.TRUTH


@dataclass(slots=True)
class HistoryReader:
    """A history that is being read; `batches` reads it, once.

    Attributes:
        paths: files, folders and globs.
        reading: how they are read.
        files: the files, in order of arrival.
        ids: the dictionary of ids.
        names: the dictionary of event names.
        people: the dictionary of the people that the truth names.
        rows: how many rows came so far, broken ones too.
        broken_lines: how many of them hold no event.
        broken: the first broken ones.
        newest_ms: the newest time so far, -inf before there is one.
        share: how much of the input is behind, 0 to 1; 0 where nobody knows.
    """

    paths: Sequence[str]
    reading: Reading = field(default_factory=Reading)
    files: list[HistoryFile] = field(default_factory=list)
    ids: Dictionary = field(default_factory=Dictionary)
    names: Dictionary = field(default_factory=Dictionary)
    people: Dictionary = field(default_factory=Dictionary)
    rows: int = 0
    broken_lines: int = 0
    broken: list[BrokenLine] = field(default_factory=list)
    newest_ms: float = float("-inf")
    share: float = 0.0
    _lengths: list[int] = field(default_factory=list)
    _kinds: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    _shown: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    _nameless: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def open(self) -> None:
        """Find the files and make room for as many ids as they may hold.

        Raises:
            InputError: when there is none, or one can't be opened.
        """
        self.files = files_of(self.paths)
        self._lengths = [self._length(file) for file in self.files]
        pairs = zip(self.files, self._lengths, strict=True)
        expected = sum(length + length // 8 if file.packing == "parquet" else length // 2000 for file, length in pairs)
        self.ids = Dictionary(expected=min(max(1 << 12, expected), 1 << 24))

    def batches(self) -> Iterator[EventBatch]:
        """Yield the whole history in order of arrival.

        Raises:
            InputError: when a file can't be read to its end, or a line is broken and `strict_lines` is set.
        """
        if not self.files:
            self.open()
        encoded = _ahead(self._encoded) if self.reading.encode_ahead else self._encoded()
        with closing(encoded):
            for batch, share in encoded:
                self.share = share
                yield batch

    def _encoded(self) -> Generator[tuple[EventBatch, float], None, None]:
        behind, whole = 0, max(1, sum(file.size for file in self.files))
        last = 0
        with closing(_ahead(self._rough)) as ahead:
            for number, rough in ahead:
                if number != last:
                    behind += sum(file.size for file in self.files[last:number])
                    last = number
                inside = rough.position / max(1, self._lengths[number]) * self.files[number].size
                yield self._encode(rough, number), min(1.0, (behind + inside) / whole)

    def _rough(self) -> Generator[tuple[int, Rough], None, None]:
        lines = LineReading(self.reading.truth, self.reading.stored, self.reading.seconds_below)
        for number, file in enumerate(self.files):
            if file.packing == "parquet":
                from harness.history.parquet import read_parquet

                for rough in read_parquet(file, lines, self.reading.fields):
                    yield number, rough
            else:
                for rough in read_lines(file, lines):
                    yield number, rough

    def _length(self, file: HistoryFile) -> int:
        """Return what the position in a file counts up to."""
        if file.packing != "parquet":
            return file.size
        from harness.history.parquet import rows_of

        return rows_of(file)

    def _encode(self, rough: Rough, number: int) -> EventBatch:
        size = rough.size
        form = rough.form
        if self.reading.strict_lines and rough.broken:
            first = rough.broken[0]
            raise InputError([Problem(first.file, first.line, "", first.why, "Without --strict-lines it is counted.")])
        columns = rough.columns
        sent = _codes(self.names, columns.get(at.EVENT), size)
        self._know_names()
        if self._nameless.any():
            form[self._nameless[sent]] = Form.BROKEN
        kind, name = np.empty(size, np.uint8), np.empty(size, np.uint32)
        named(sent, self._kinds, self._shown, kind, name)
        kind[form == Form.BROKEN] = Kind.ORDINARY
        self._count(rough, form)
        verbs = np.flatnonzero(kind)
        anonymous = _or_else(columns.get(at.ANON_ID), columns.get(at.ANON_DISTINCT_ID))
        device = columns.get(at.DEVICE_ID) if self.reading.devices else None
        if device is None:
            devices, disallowed = np.zeros(size, np.uint32), np.zeros(size, np.bool_)
        else:
            devices, disallowed = self._devices(device)
        users = _codes(self.ids, columns.get(at.USER_ID) if self.reading.devices else None, size)
        insert = _spread(columns.get(at.INSERT_ID)) if self.reading.inserts else None
        if insert is None:
            insert = Spans(np.zeros(8, np.uint8), np.zeros(size, np.int64), np.full(size, -1, np.int32))
        insert_form = np.empty(size, np.uint8)
        judge_inserts(address_of(insert.data), insert.start, insert.length, insert_form)
        first_index = self.rows
        self.rows += size
        return EventBatch(
            first_index=first_index,
            size=size,
            file=number,
            line=rough.line,
            form=form,
            kind=kind,
            name=name,
            time_ms=rough.time_ms,
            distinct_id=self._distinct_ids(columns, size, devices, users),
            device_id=devices,
            device_disallowed=disallowed,
            user_id=users,
            identified_id=_some_codes(self.ids, columns.get(at.IDENTIFIED_ID), size, verbs),
            anonymous_id=_some_codes(self.ids, anonymous, size, verbs),
            alias=_some_codes(self.ids, columns.get(at.ALIAS), size, verbs),
            merge_rows=rough.merges.rows,
            merge_offsets=rough.merges.offsets,
            merge_ids=self.ids.encode(rough.merges.ids),
            insert_form=insert_form,
            insert_data=insert.data,
            insert_start=insert.start,
            insert_length=insert.length,
            truth=_codes(self.people, columns.get(self.reading.truth_field) if self.reading.truth else None, size),
            newest_ms=rough.newest_ms,
        )

    def _devices(self, device: Texts) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        strip = self.reading.strip_device_prefix
        if isinstance(device, Spans):
            return self.ids.encode_devices(device, strip_prefix=strip)
        codes, listed = self.ids.encode_devices(device.values, strip_prefix=strip)
        return _take(codes, device.places, np.uint32(ABSENT)), _take(listed, device.places, np.bool_())

    def _distinct_ids(
        self, columns: Mapping[int, Texts], size: int, devices: NDArray[np.uint32], users: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """Return the codes of distinct_ids; where they repeat the event's own user or device, none is looked up."""
        texts = columns.get(at.DISTINCT_ID)
        user = columns.get(at.USER_ID) if self.reading.devices else None
        device = columns.get(at.DEVICE_ID) if self.reading.devices else None
        if not (isinstance(texts, Spans) and (isinstance(user, Spans) or isinstance(device, Spans))):
            return _codes(self.ids, texts, size)
        users_sent = user if isinstance(user, Spans) else _NO_TEXTS
        devices_sent = device if isinstance(device, Spans) else _NO_TEXTS
        codes, other = np.empty(size, np.uint32), np.empty(size, np.int64)
        count = repeated_ids(
            address_of(texts.data),
            texts.start,
            texts.length,
            address_of(users_sent.data),
            users_sent.start,
            users_sent.length,
            users,
            address_of(devices_sent.data),
            devices_sent.start,
            devices_sent.length,
            devices,
            codes,
            other,
        )
        rows = other[:count]
        codes[rows] = self.ids.encode(Spans(texts.data, texts.start[rows], texts.length[rows]))
        return codes

    def _count(self, rough: Rough, form: NDArray[np.uint8]) -> None:
        count = int(np.count_nonzero(form == Form.BROKEN))
        self.broken_lines += count
        room = MOST_BROKEN_KEPT - len(self.broken)
        if count and room > 0:
            told = {broken.line for broken in rough.broken}
            more = [int(line) for line in rough.line[form == Form.BROKEN][:room] if int(line) not in told]
            found = [*rough.broken, *(BrokenLine(rough.file, line, _NAMELESS) for line in more)]
            self.broken += sorted(found, key=lambda broken: broken.line)[:room]
        self.newest_ms = max(self.newest_ms, rough.newest_ms)

    def _know_names(self) -> None:
        """Note what is new about event names: what they assert, how they are kept, and whether they are none."""
        known = len(self._kinds)
        count = len(self.names)
        if known == count:
            return
        texts = [self.names.text(code) for code in range(known, count)]
        kinds = np.array([_KINDS.get(text, Kind.ORDINARY) for text in texts], np.uint8)
        cut = [text[:TEXT_CHARACTERS] for text in texts]
        shown = np.arange(known, count, dtype=np.uint32)
        long = [place for place, text in enumerate(texts) if len(text) > TEXT_CHARACTERS]
        if long:
            shown[long] = self.names.codes([cut[place] for place in long])
        self._kinds = np.concatenate([self._kinds, kinds])
        self._shown = np.concatenate([self._shown, shown])
        blank = np.array([not text.strip() for text in texts], np.bool_)
        self._nameless = np.concatenate([self._nameless, blank])
        self._know_names()


_NAMELESS: Final = "'event' must not be missing or blank"
_NO_TEXTS: Final = Spans(np.zeros(8, np.uint8), np.empty(0, np.int64), np.empty(0, np.int32))


def _codes(dictionary: Dictionary, texts: Texts | None, size: int) -> NDArray[np.uint32]:
    if texts is None:
        return np.zeros(size, np.uint32)
    if isinstance(texts, Spans):
        return dictionary.encode(texts)
    return _take(dictionary.encode(texts.values), texts.places, np.uint32(ABSENT))


def _some_codes(dictionary: Dictionary, texts: Texts | None, size: int, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return the codes of some rows, those of identity events; the others are absent."""
    found = np.zeros(size, np.uint32)
    if texts is None or not len(rows):
        return found
    if isinstance(texts, Coded):
        found[rows] = _codes(dictionary, Coded(texts.values, texts.places[rows]), len(rows))
    else:
        found[rows] = dictionary.encode(Spans(texts.data, texts.start[rows], texts.length[rows]))
    return found


def _take(values: NDArray[Any], places: NDArray[np.int64], missing: Any) -> NDArray[Any]:
    if not len(values):
        return np.full(len(places), missing)
    found = np.empty(len(places), values.dtype)
    taken(values, places, missing, found)
    return found


def _spread(texts: Texts | None) -> Spans | None:
    if texts is None or isinstance(texts, Spans):
        return texts
    start = _take(texts.values.start, texts.places, np.int64(0))
    length = _take(texts.values.length, texts.places, np.int32(-1))
    return Spans(texts.values.data, start, length)


def _or_else(first: Texts | None, second: Texts | None) -> Texts | None:
    """Return the first text of each row, or where that is absent or empty the second."""
    if first is None or second is None:
        return second if first is None else first
    a, b = _spread(first), _spread(second)
    assert a is not None
    assert b is not None
    if a.data is b.data:
        data, shift = a.data, 0
    else:
        data, shift = np.concatenate([a.data, b.data]), len(a.data)
    empty = a.length <= 0
    length = np.where(empty, b.length, a.length).astype(np.int32)
    return Spans(data, np.where(empty, b.start + shift, a.start), length)


@dataclass(frozen=True, slots=True)
class _Made(Generic[Item]):
    item: Item


def _ahead(made: Callable[[], Generator[Item, None, None]]) -> Generator[Item, None, None]:
    """Yield what another thread makes ahead, up to a few items; its errors are raised here."""
    waiting: queue.Queue[_Made[Item] | BaseException | None] = queue.Queue(_AHEAD)
    stop = threading.Event()

    def put(item: _Made[Item] | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            with closing(made()) as items:
                for item in items:
                    if not put(_Made(item)):
                        return
        except BaseException as error:  # raised again by whoever waits for it
            put(error)
        else:
            put(None)

    thread = threading.Thread(target=make, name="history-reader", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item.item
    finally:
        stop.set()
        thread.join()
