"""What a server has to survive: many, slow, huge and broken requests, each refused rightly while others go on."""

from __future__ import annotations

import gc
import gzip
import json
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.server.background import RunningServer
from harness.server.listening import Patience
from tests.server.client import Answer, basic, connect, event, get, post, read_answer


def is_well(server: RunningServer) -> bool:
    return post(server.url, "/track", [event()]).body == b"1"


def test_200_connections_at_once(server: RunningServer) -> None:
    connections = [connect(server.url) for _ in range(200)]
    body = json.dumps([event()]).encode()
    request = b"POST /track HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    for _ in range(3):
        for connection in connections:
            connection.sendall(request + body[:20])
        for connection in connections:
            connection.sendall(body[20:])
        assert {read_answer(connection).body for connection in connections} == {b"1"}
    for connection in connections:
        connection.close()
    assert len(server.events()) == 600


def test_many_threads_lose_nothing(server: RunningServer) -> None:
    def send(number: int) -> None:
        rows = [event(S_insert_id=f"{number}-{at}") for at in range(20)]
        assert post(server.url, "/import?strict=1", rows, authorization=basic("t")).json()["num_records_imported"] == 20

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(100)))
    assert server.get("health")["events"] == 2_000


def send_much(url: str, head: bytes, piece: bytes, most: int) -> tuple[Answer, int]:
    """Send a body in pieces until the answer is there; return it and how much was sent."""
    with connect(url) as connection:
        connection.sendall(head)
        sent = 0
        connection.setblocking(False)
        left = piece
        while sent < most:
            try:
                count = connection.send(left)
                sent += count
                left = left[count:] or piece
            except BlockingIOError:
                time.sleep(0.001)
            try:
                if connection.recv(1, socket.MSG_PEEK):
                    break
            except BlockingIOError:
                continue
        connection.setblocking(True)
        connection.settimeout(20)
        return read_answer(connection), sent


@pytest.mark.parametrize("path", ["/track", "/import", "/engage", "/record", "/edge"])
def test_100_mb_are_refused_before_they_came(server: RunningServer, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000000\r\n\r\n".encode()
    answer, sent = send_much(server.url, head, b"x" * 65_536, 100_000_000)
    assert answer.status == 413
    assert answer.json()["code"] == 413
    assert sent < 20_000_000
    assert is_well(server)


@pytest.mark.parametrize(("path", "limit"), [("/track", 64_000_000), ("/import", 10_000_000)])
def test_a_body_of_unknown_length_is_refused_while_it_comes_in(server: RunningServer, path: str, limit: int) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    answer, sent = send_much(server.url, head, b"10000\r\n" + b"x" * 65_536 + b"\r\n", 120_000_000)
    assert answer.status == 413
    assert limit - 1_000_000 < sent < limit + 30_000_000
    assert is_well(server)


def test_a_client_that_sends_everything_first_reads_the_refusal(server: RunningServer) -> None:
    # As `requests` and most others do: they write all of it before they look for an answer.
    body = b"x" * 30_000_000
    answer = post(server.url, "/import", body, authorization=basic("t"))
    assert answer.status == 413
    assert answer.headers["connection"] == "close"


def test_a_gzip_bomb_is_refused(server: RunningServer) -> None:
    bomb = gzip.compress(b"[" + b" " * 100_000_000 + b"]", compresslevel=6)
    assert len(bomb) < 200_000
    begun = time.monotonic()
    answer = post(server.url, "/import", bomb, authorization=basic("t"), content_encoding="gzip")
    assert answer.status == 413
    assert post(server.url, "/track?verbose=1", bomb, content_encoding="gzip").json()["status"] == 0
    twice = gzip.compress(bomb)
    assert post(server.url, "/import", twice, authorization=basic("t"), content_encoding="gzip").status == 400
    assert time.monotonic() - begun < 10
    assert is_well(server)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a port that speaks none
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"nonsense nonsense nonsense\r\n\r\n",
        b"POST /track HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /track HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /track HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /track HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /track HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x00" * 500,
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused_and_the_service_goes_on(server: RunningServer, raw: bytes) -> None:
    with connect(server.url) as connection:
        connection.sendall(raw)
        assert read_answer(connection).status in (400, 404)
    assert is_well(server)


def test_strange_but_whole_requests_are_answered(server: RunningServer) -> None:
    for line in (b"PUT /track", b"HEAD /track", b"DELETE /import", b"TRACE /engage", b"PATCH /harness/users"):
        with connect(server.url) as connection:
            connection.sendall(line + b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 405")
    upgrade = {"upgrade": "websocket", "connection": "upgrade"}
    assert get(server.url, "/track", upgrade=upgrade["upgrade"]).status == 200
    assert is_well(server)


def test_endless_headers_are_refused(server: RunningServer) -> None:
    with connect(server.url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        try:
            for number in range(40):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 8_000))
            answer = read_answer(connection)
        except OSError:
            answer = None
    assert answer is None or answer.status == 431
    assert is_well(server)


@pytest.fixture
def hasty(serve: Callable[..., RunningServer]) -> RunningServer:
    """A server that soon runs out of patience."""
    return serve(patience=Patience(head_s=0.8, body_s=1.0, idle_s=1.2))


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"POST /track HTTP/1.1\r\nhost: localhost\r\n", b"x-a: b\r\n"),
        (b"POST /track HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n", b"x"),
        (b"POST /track HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)  # fmt: skip
def test_a_slow_loris_is_closed_while_others_are_served(hasty: RunningServer, begin: bytes, drip: bytes) -> None:
    slow = [connect(hasty.url) for _ in range(20)]
    for connection in slow:
        connection.sendall(begin)
    begun = time.monotonic()
    open_ = list(slow)
    while open_ and time.monotonic() - begun < 15:
        assert is_well(hasty)
        for connection in list(open_):
            try:
                connection.sendall(drip)
            except OSError:
                open_.remove(connection)
        time.sleep(0.05)
    assert not open_
    for connection in slow:
        connection.close()


def test_a_slow_request_is_told_so(hasty: RunningServer) -> None:
    with connect(hasty.url) as connection:
        connection.sendall(b"POST /track HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n")
        assert read_answer(connection).status == 408


def test_a_connection_that_says_nothing_is_closed(hasty: RunningServer) -> None:
    with connect(hasty.url) as silent, connect(hasty.url) as idle:
        idle.sendall(b"GET /harness/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert read_answer(idle).status == 200
        assert silent.recv(10) == b""
        assert idle.recv(10) == b""


def test_who_asks_for_much_and_does_not_read_it_is_closed(hasty: RunningServer) -> None:
    for batch in range(3):
        long = {f"text{number}": "x" * 250 for number in range(14)}
        rows = [event(S_insert_id=f"{batch}-{at}", **long) for at in range(2_000)]
        post(hasty.url, "/import", rows, authorization=basic("t"))
    with connect(hasty.url) as deaf:
        deaf.sendall(b"GET /harness/events?limit=6000 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        time.sleep(3)
        with pytest.raises(ConnectionError):
            read_answer(deaf)
    assert is_well(hasty)


def test_slow_answers_and_streams_are_not_taken_for_slow_clients(hasty: RunningServer) -> None:
    assert get(hasty.url, "/harness/wait?events=1&timeout=2").status == 504
    with connect(hasty.url) as stream:
        stream.sendall(b"GET /harness/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
        time.sleep(2)
        assert is_well(hasty)
        seen = b""
        while b"event: event" not in seen:
            seen += stream.recv(65_536)


def test_a_sender_that_goes_away_leaves_nothing_behind(server: RunningServer) -> None:
    for _ in range(20):
        with connect(server.url) as connection:
            connection.sendall(b"POST /track HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n[{")
    assert is_well(server)
    assert len(server.events()) == 1


def test_too_many_large_bodies_at_once_are_put_off(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.server.bodies.MOST_BYTES_AT_ONCE", 3_000_000)
    head = b"POST /track HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2000000\r\n\r\n"
    with connect(server.url) as first, connect(server.url) as second:
        for connection in (first, second):
            connection.sendall(head + b"[" + b" " * 1_999_990)
        put_off = select.select([first, second], [], [], 20)[0][0]
        assert read_answer(put_off).status == 503
        other = second if put_off is first else first
        other.sendall(b" " * 8 + b"]")
        assert read_answer(other).body == b"0"
    assert is_well(server)


def test_an_event_costs_the_same_memory_early_and_late(serve: Callable[..., RunningServer]) -> None:
    """A short proof; `python -m tests.benchmarks.server_soak` runs ten minutes of mixed load."""
    import tracemalloc

    server = serve()
    grown = []

    def load(round_: int) -> None:
        for batch in range(2):
            rows = [
                event(S_insert_id=f"{round_}-{batch}-{at}", distinct_id=f"$device:{at % 97}", S_device_id=f"{at % 97}")
                for at in range(500)
            ]
            post(server.url, "/import?strict=1", rows, authorization=basic("t"))
            post(server.url, "/track", [event(time="bad"), event(distinct_id=f"u{at_of(batch)}")])
            get(server.url, "/nowhere")
            get(server.url, "/harness/users")

    def at_of(batch: int) -> int:
        return batch % 3

    load(0)
    tracemalloc.start()
    try:
        for round_ in range(1, 5):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            load(round_)
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    per_event = [bytes_ / 1_000 for bytes_ in grown]
    assert max(per_event) < 1_500
    # Tables double now and then, so single rounds differ; the later half must not cost more than the earlier.
    assert sum(per_event[2:]) < 1.6 * sum(per_event[:2])


def test_the_end_is_not_delayed_by_open_streams(serve: Callable[..., RunningServer]) -> None:
    from harness.server.background import running_server

    ended = threading.Event()

    def run() -> None:
        with running_server() as server, connect(server.url) as stream:
            stream.sendall(b"GET /harness/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
            stream.recv(100)
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(15)
    assert ended.is_set()
