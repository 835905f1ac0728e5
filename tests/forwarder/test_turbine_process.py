"""The watch over the Node process: a program that stalls in the middle of an answer, or does not listen, is ended."""

from __future__ import annotations

import gc
import sys
import threading
import time

import pytest

from harness.forwarder.turbine.process import LostError, NodeProcess

HALF_AN_ANSWER = "import sys, time; sys.stdout.write('{\"half'); sys.stdout.flush(); time.sleep(60)"
DEAF = "import time; time.sleep(60)"
ECHO = "import sys; [print(line, end='', flush=True) for line in sys.stdin]"
ECHO_ONCE = "import sys, time; print(sys.stdin.readline(), end='', flush=True); time.sleep(60)"
GONE = "import sys; sys.exit('Error: no memory left')"


@pytest.mark.parametrize(
    ("program", "text"), [(HALF_AN_ANSWER, ""), (DEAF, ""), (DEAF, "x" * 1_000_000)], ids=["half", "silent", "deaf"]
)
def test_what_does_not_answer_in_time_is_ended(program: str, text: str) -> None:
    process = NodeProcess([sys.executable, "-c", program])
    began = time.monotonic()
    with pytest.raises(LostError) as lost:
        process.ask({"text": text}, time.monotonic() + 0.5)
    assert lost.value.too_late
    assert time.monotonic() - began < 10
    assert not process.is_running


def test_what_ends_by_itself_is_not_called_late() -> None:
    process = NodeProcess([sys.executable, "-c", GONE])
    with pytest.raises(LostError) as lost:
        process.ask({}, time.monotonic() + 30)
    assert not lost.value.too_late
    assert lost.value.said == "Error: no memory left"


def test_an_answer_in_time_ends_nothing() -> None:
    process = NodeProcess([sys.executable, "-c", ECHO])
    for number in range(50):
        assert process.ask({"number": number}, time.monotonic() + 30) == {"number": number}
    assert process.is_running
    process.close()


def test_an_earlier_deadline_than_the_last_one_counts() -> None:
    process = NodeProcess([sys.executable, "-c", ECHO_ONCE])
    assert process.ask({"number": 1}, time.monotonic() + 300) == {"number": 1}
    began = time.monotonic()
    with pytest.raises(LostError) as lost:
        process.ask({"number": 2}, time.monotonic() + 0.5)
    assert lost.value.too_late
    assert time.monotonic() - began < 10


def test_a_deadline_that_is_over_while_nothing_is_asked_ends_nothing() -> None:
    process = NodeProcess([sys.executable, "-c", ECHO])
    assert process.ask({"number": 1}, time.monotonic() + 5) == {"number": 1}
    assert process.ask({"number": 2}, time.monotonic() + 0.5) == {"number": 2}
    time.sleep(0.8)
    assert process.ask({"number": 3}, time.monotonic() + 5) == {"number": 3}
    process.close()


def test_all_questions_share_one_watch_that_ends_with_the_process() -> None:
    before = threading.active_count()
    process = NodeProcess([sys.executable, "-c", ECHO])
    for number in range(20):
        process.ask({"number": number}, time.monotonic() + 30)
        assert threading.active_count() == before + 1
    watch = process._watch._thread
    process.close()
    assert watch is not None
    watch.join(timeout=10)
    assert not watch.is_alive()


def test_a_process_that_nobody_needs_any_more_ends_with_its_watch() -> None:
    process = NodeProcess([sys.executable, "-c", ECHO])
    process.ask({}, time.monotonic() + 30)
    watch, child = process._watch._thread, process._process
    del process
    gc.collect()
    assert watch is not None
    watch.join(timeout=10)
    assert not watch.is_alive()
    assert child.poll() is not None
