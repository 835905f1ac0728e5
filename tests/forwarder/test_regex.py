"""Regular expressions: both engines agree, and no pattern takes for ever."""

from __future__ import annotations

import pytest
import regress
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.forwarder import regex
from harness.forwarder.jsvalues import JsError
from harness.forwarder.regex_machine import compile_program, search
from harness.forwarder.regex_syntax import parse

PIECES = ["a", "b", ".", "[ab]", "[^a]", "\\d", "\\w", "^", "$", "|", "a*", "b+?", "(?:a|b)", "[a-c]{1,2}", "\\b"]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(?:x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a*)*b"])
def test_patterns_that_keep_other_engines_busy_end_with_an_answer(pattern: str) -> None:
    assert regex.matches(pattern, "a" * 200 + "!", ignore_case=False) is False


def test_a_pattern_beyond_all_patience_fails_its_rule() -> None:
    with pytest.raises(JsError, match="takes too long on this text"):
        regex.matches(r"(.*)(.*)(.*)(.*)(.*)\1\2\3\4\5x", "ab" * 200, ignore_case=False)


def test_a_unit_is_a_character() -> None:
    assert not regex.matches("^.$", "😀", ignore_case=False)
    assert regex.matches("^[^a]{2}$", "😀", ignore_case=False)
    assert regex.matches("\\ud83d", "😀", ignore_case=False)


def test_case_is_folded_unit_by_unit_and_never_into_ascii() -> None:
    assert regex.matches("é", "É", ignore_case=True)
    assert not regex.matches("ſ", "s", ignore_case=True)
    assert not regex.matches("\u212a", "k", ignore_case=True)
    assert not regex.matches("[^a]", "A", ignore_case=True)


def test_a_long_text_is_searched_without_recursion() -> None:
    assert regex.matches("(?:é|x)*y", "x" * 20_000 + "y", ignore_case=False)


def test_deeply_nested_groups_are_refused() -> None:
    with pytest.raises(JsError, match="Regular expression too large"):
        regex.matches("(" * 5000 + ")" * 5000, "", ignore_case=False)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.text(alphabet="abc1A \n", max_size=12),
    st.booleans(),
)
def test_our_machine_and_regress_agree_on_plain_patterns(pattern: str, text: str, ignore_case: bool) -> None:
    program = compile_program(parse(pattern or "(?:)"), ignore_case=ignore_case)
    theirs = regress.Regex(pattern or "(?:)", "i" if ignore_case else "").find(text) is not None
    assert search(program, [ord(unit) for unit in text]) is theirs
