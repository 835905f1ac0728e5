"""Prepares a large event file in processes beside this one, block by block, in the order of the file.

A worker reads blocks from its standard input and ends with it, so none outlives this process, however that ends. It
gets no credentials: they are taken out of its environment.
"""

from __future__ import annotations

import gc
import hashlib
import io
import marshal
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import IO, BinaryIO, Final

from harness.live.credentials import VARIABLES
from harness.live.preparing import LONGEST_LINE, Circumstances, Prepared, Preparer
from harness.problems import OutsideError

_BLOCK: Final = 1_000_000
_SMALL_BLOCKS: Final = 8
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MOST_WORKERS: Final = 4


def blocks(stream: BinaryIO, digest: hashlib._Hash) -> Iterator[tuple[int, bytes]]:
    """Yield a stream in blocks of whole lines, each with the number of its first line, counted from 1.

    Args:
        stream: the event file.
        digest: gets every byte of it.
    """
    number, rest = 1, b""
    is_first = True
    while data := stream.read(_BLOCK):
        digest.update(data)
        if is_first:
            data, is_first = data.removeprefix(_BYTE_ORDER_MARK), False
        head, found, tail = data.rpartition(b"\n")
        if not found:
            # Of a line that is too long anyway, no more is kept than shows that it is.
            rest = (rest + tail)[: LONGEST_LINE + 1]
            continue
        block = rest + head
        yield number, block
        number += block.count(b"\n") + 1
        rest = tail
    if rest:
        yield number, rest


def prepared_blocks(
    stream: BinaryIO, digest: hashlib._Hash, circumstances: Circumstances, workers: int | None = None
) -> Iterator[Prepared]:
    """Yield the rows of an event file block by block, prepared, in the order of the file.

    Args:
        stream: the event file.
        digest: gets every byte of it.
        circumstances: what rows are prepared for.
        workers: how many processes beside this one prepare a file that is not small; None: as the machine has room for.
    """
    source = blocks(stream, digest)
    few = [block for _, block in zip(range(_SMALL_BLOCKS), source, strict=False)]
    count = min(os.cpu_count() or 1, _MOST_WORKERS) if workers is None else workers
    if len(few) < _SMALL_BLOCKS or count == 0:
        preparer = Preparer(circumstances)
        for number, block in few:
            yield preparer.lines(block, number)
        for number, block in source:
            yield preparer.lines(block, number)
        return
    with _Workshop(circumstances, count) as workshop:
        yield from workshop.prepare(few, source)


class _Workshop:
    """Worker processes, each served by a thread of its own."""

    def __init__(self, circumstances: Circumstances, count: int) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._all: list[subprocess.Popen[bytes]] = []
        self._window = 2 * count
        self._threads = ThreadPoolExecutor(count)
        for _ in range(count):
            worker = subprocess.Popen(
                [sys.executable, "-c", "from harness.live.workshop import work; work()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
            self._all.append(worker)
            _write(worker.stdin, pickle.dumps(circumstances))
            self._idle.put(worker)

    def __enter__(self) -> _Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._all:
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    _closed(pipe)
        self._threads.shutdown(cancel_futures=True)

    def prepare(self, few: list[tuple[int, bytes]], more: Iterator[tuple[int, bytes]]) -> Iterator[Prepared]:
        """Yield blocks in order; a bounded number of them is on the way at a time."""
        waiting: deque[Future[Prepared]] = deque()
        for source in (iter(few), more):
            for number, block in source:
                waiting.append(self._threads.submit(self._one, number, block))
                if len(waiting) >= self._window:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _one(self, number: int, block: bytes) -> Prepared:
        worker = self._idle.get()
        try:
            _write(worker.stdin, marshal.dumps((number, block)))
            answer = _read(worker.stdout)
        except OSError:
            answer = None
        if answer is None:
            raise OutsideError("a process that helps to read the file has ended; start the same command again")
        self._idle.put(worker)
        return Prepared._make(marshal.loads(answer))  # noqa: S302 - written by our own worker


def work() -> None:
    """Prepare blocks from standard input until it ends: what a worker process does."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    first = _read(source)
    if first is None:
        return
    preparer = Preparer(pickle.loads(first))  # noqa: S301 - written by our own parent
    gc.disable()  # Rows hold no circles, and the collector would look for some all the time.
    try:
        while (message := _read(source)) is not None:
            number, block = marshal.loads(message)  # noqa: S302 - written by our own parent
            _write(target, marshal.dumps((*preparer.lines(block, number),)))
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(0)


def _write(pipe: IO[bytes] | None, message: bytes) -> None:
    assert pipe is not None, "both pipes of a worker are opened with it"
    pipe.write(len(message).to_bytes(8, "little"))
    pipe.write(message)
    pipe.flush()


def _read(pipe: IO[bytes] | None) -> bytes | None:
    assert pipe is not None, "both pipes of a worker are opened with it"
    head = pipe.read(8)
    size = int.from_bytes(head, "little")
    message = pipe.read(size) if len(head) == 8 else b""
    return message if len(head) == 8 and len(message) == size else None


def _closed(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except (BrokenPipeError, io.UnsupportedOperation):
        return
