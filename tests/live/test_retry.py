"""How long a sender waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.live.retry import USUAL, asked_seconds

NOW_MS = 1_795_521_600_000


def test_waits_double_from_two_seconds_to_a_minute_with_one_to_five_seconds_of_jitter() -> None:
    assert [USUAL.delay_s(failures, 0) for failures in range(1, 9)] == [3, 5, 9, 17, 33, 61, 61, 61]
    assert [USUAL.delay_s(failures, 1) for failures in (1, 2, 7)] == [7, 9, 65]


@given(some.integers(1, 10_000), some.floats(0, 1), some.none() | some.floats(0, 1e12))
def test_a_wait_is_never_shorter_than_its_own_nor_longer_than_can_be_asked_for(
    failures: int, lot: float, asked: float | None
) -> None:
    assert (
        USUAL.delay_s(failures, lot) <= USUAL.delay_s(failures, lot, asked) <= USUAL.most_asked_s + USUAL.most_jitter_s
    )


def test_an_answer_may_ask_for_more() -> None:
    assert USUAL.delay_s(1, 0, 30) == 31
    assert USUAL.delay_s(1, 0, 1) == 3
    assert USUAL.delay_s(1, 0, 86_400) == 301


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Tue, 24 Nov 2026 12:01:00 GMT", 60),
        ("Tue, 24 Nov 2026 11:00:00 GMT", None),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("9" * 5000, 999_999_999),
        ("Tue, 99 Nov 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str | None, seconds: float | None) -> None:
    assert asked_seconds(header, NOW_MS) == seconds
