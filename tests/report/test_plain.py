from __future__ import annotations

import pytest

from harness.report.plain import cells, instant, one_line, plural, ratio, shorten, shorten_middle, value, visible
from tests.report.samples import HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_what_acts_is_spelled_out(text: str) -> None:
    seen = visible(text)
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in seen)
    assert not any("\ud800" <= character <= "\udfff" for character in seen)
    assert not any(character in seen for character in "\u202e\u202c\u2028\ufffe\uffff")
    seen.encode("utf-8")


def test_texts_of_every_script_stay_as_they_are() -> None:
    for text in ("ana@example.com", "Zoë", "李雷", "שלום", "👩‍👩‍👧", "a\\b", "<b>"):
        assert visible(text) == text


def test_control_characters_keep_their_identity() -> None:
    assert visible("a\nb\x1b\u202e\ud800\U000e0041") == r"a\nb\x1b\u202e\ud800\U000e0041"


def test_a_sentence_of_several_lines_becomes_one() -> None:
    assert one_line("  a\n  b\tc\x07 ") == r"a b c\x07"


def test_width_counts_columns_not_characters() -> None:
    assert cells("abc") == 3
    assert cells("李雷") == 4
    assert cells("e\u0301") == 1


def test_short_texts_are_not_cut_and_long_ones_say_so() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert shorten_middle("$device:0123456789", 12) == "$device:…789"
    assert cells(shorten("李雷李雷李雷", 6)) <= 6


def test_values_read_as_json_with_none_for_null() -> None:
    assert value(None) == "none"
    assert value(["a", 1, True, {"é": None}]) == '["a", 1, true, {"é": null}]'
    assert value("\x1b\ud800") == r'"\u001b\ud800"'


def test_times_are_utc_and_show_milliseconds_only_where_there_are_any() -> None:
    assert instant(1_767_614_400_000) == "2026-01-05T12:00:00Z"
    assert instant(1_767_614_400_120) == "2026-01-05T12:00:00.120Z"
    assert instant(-1) == "1969-12-31T23:59:59.999Z"
    assert instant(10**18) == "1000000000000000000 ms since 1970"


def test_only_a_perfect_share_reads_one() -> None:
    assert ratio(1.0) == "1.000"
    assert ratio(0.99999) == "0.999"
    assert ratio(2 / 3) == "0.666"
    assert ratio(0.29) == "0.290"


def test_a_noun_agrees_with_its_count() -> None:
    assert plural(1, "event") == "1 event"
    assert plural(0, "event") == "0 events"
    assert plural(1200, "event") == "1,200 events"
