"""Texts as sequences of UTF-16 units."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.forwarder import jstext

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=[]))


def test_white_space_is_javascripts_own() -> None:
    assert jstext.clean("\ufeff a\u2003\u00a0b \n") == "a b"
    assert jstext.clean("\x1ca\x85\u200b") == "\x1ca\x85\u200b"


def test_length_counts_units() -> None:
    assert jstext.length("a😀") == 3


def test_half_a_character_is_found_inside_it() -> None:
    assert jstext.contains("x😀", "\ud83d")
    assert jstext.starts_with("😀", "\ud83d")
    assert jstext.ends_with("😀", "\ude00")
    assert not jstext.contains("x", "\ud83d")


def test_lower_case_knows_final_sigma_and_new_letters() -> None:
    assert jstext.lower("ΑΣ") == "ας"
    assert jstext.lower("İ") == "i̇"
    assert jstext.lower("\ua7dc") == "\u019b"


@given(ANY_TEXT)
def test_units_and_back_is_the_same_text(text: str) -> None:
    whole = jstext.joined(text)
    assert jstext.joined(jstext.units(whole)) == whole
    assert len(jstext.units(whole)) == jstext.length(whole)


@given(ANY_TEXT, ANY_TEXT)
def test_a_joined_text_contains_its_parts(first: str, second: str) -> None:
    whole = jstext.joined(first + second)
    assert jstext.contains(whole, jstext.joined(first))
    assert jstext.starts_with(whole, jstext.joined(first))
    assert jstext.ends_with(whole, jstext.joined(second))
