"""Requests for `server_speed` and `server_soak`: made before the time is taken, sent over some connections at once."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast
from urllib.parse import urlsplit

BATCH: Final = 2_000
AUTHORIZATION: Final = "Basic dG9rZW46"  # token:


def events(count: int, seed: int, *, users: int = 5_000) -> Iterator[dict[str, object]]:
    """Make page views, purchases and logins of some users on their devices, each with an `$insert_id` of its own."""
    chance = random.Random(seed)
    now = int(time.time()) - 3_600
    names = ("Page View", "Add To Cart", "Purchase", "Search", "Login")
    for number in range(count):
        user = chance.randrange(users)
        device = str(uuid.UUID(int=user * 7 + chance.randrange(2), version=4))
        properties: dict[str, object] = {
            "token": "token",
            "time": now + number // 1_000,
            "distinct_id": f"$device:{device}",
            "$device_id": device,
            "$insert_id": f"{seed:x}-{number:x}-{chance.getrandbits(64):x}",
            "$browser": "Chrome",
            "$current_url": f"https://shop.example/products/{chance.randrange(10_000)}",
            "$screen_height": 1080,
            "$screen_width": 1920,
            "price": round(chance.random() * 100, 2),
            "category": "garden",
        }
        if chance.random() < 0.5:
            properties["$user_id"] = properties["distinct_id"] = f"user-{user}"
        yield {"event": chance.choice(names), "properties": properties}


def import_requests(batches: int, seed: int) -> list[bytes]:
    """Make strict /import requests of `BATCH` gzipped events each."""
    made = events(batches * BATCH, seed)
    requests = []
    for _ in range(batches):
        rows = [next(made) for _ in range(BATCH)]
        body = gzip.compress(json.dumps(rows, separators=(",", ":")).encode(), compresslevel=6)
        requests.append(_request("/import?strict=1", body, "application/json", "content-encoding: gzip\r\n"))
    return requests


def track_requests(count: int, seed: int) -> list[bytes]:
    """Make /track requests of one event each, as plain JSON."""
    return [
        _request("/track?ip=1", json.dumps(event, separators=(",", ":")).encode(), "application/json")
        for event in events(count, seed)
    ]


def _request(path: str, body: bytes, kind: str, more: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {AUTHORIZATION}\r\n"
        f"content-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send_all(url: str, requests: Sequence[bytes], connections: int) -> float:
    """Send all requests over some connections, one after the other on each; return how many seconds it took.

    Raises:
        AssertionError: when an answer has another status than 200.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send_all(url, requests, connections))


async def _send_all(url: str, requests: Sequence[bytes], connections: int) -> float:
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 0
    loop = asyncio.get_running_loop()
    waiting = iter(requests)
    clients = [(await loop.create_connection(lambda: _Client(waiting), host, port))[1] for _ in range(connections)]
    start = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.done for client in clients))
    return time.perf_counter() - start


class _Client(asyncio.Protocol):
    def __init__(self, waiting: Iterator[bytes]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send_next(self) -> None:
        request = next(self._waiting, None)
        if request is None:
            self._transport.close()
            self.done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, _, body = self._seen.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(AssertionError(self._seen[:500]))
            return
        self._seen = b""
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(AssertionError("the server hung up"))


@contextmanager
def serving(*command: str, core: int | None = None) -> Iterator[tuple[str, int]]:
    """Run a server in a process of its own, on one core where there are several; yield its address and process id."""
    pin: Callable[[], None] | None = None
    if core is not None and hasattr(os, "sched_setaffinity"):

        def pin() -> None:
            os.sched_setaffinity(0, {core})

    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, preexec_fn=pin, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.removeprefix("listening on ").strip(), process.pid
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep this process on one core for a while."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def resident_bytes(process_id: int) -> int:
    """Return how much memory a process holds."""
    with open(f"/proc/{process_id}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(process_id: int) -> float:
    """Return how much processor time a process has used."""
    with open(f"/proc/{process_id}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
