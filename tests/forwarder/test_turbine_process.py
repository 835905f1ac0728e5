"""The watch over the Node process: a program that stalls in the middle of an answer, or does not listen, is ended."""

from __future__ import annotations

import sys
import time

import pytest

from harness.forwarder.turbine.process import LostError, NodeProcess

HALF_AN_ANSWER = "import sys, time; sys.stdout.write('{\"half'); sys.stdout.flush(); time.sleep(60)"
DEAF = "import time; time.sleep(60)"
ECHO = "import sys; [print(line, end='', flush=True) for line in sys.stdin]"
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
