"""JavaScript's conversions, on values whose result ECMAScript fixes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.forwarder.jsvalues import (
    UNDEFINED,
    JsError,
    Value,
    add,
    is_array_index,
    loose_equals,
    number_text,
    ordered_keys,
    own_entries,
    to_number,
    to_text,
    truthy,
)


@pytest.mark.parametrize("value", [[], {}, "0", "false", " ", -1, [0]])
def test_every_object_and_every_text_with_a_character_is_true(value: Value) -> None:
    assert truthy(value)


@pytest.mark.parametrize("value", [None, UNDEFINED, False, 0, -0.0, math.nan, ""])
def test_only_these_seven_values_are_false(value: Value) -> None:
    assert not truthy(value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (100, "100"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (2**53 + 1, "9007199254740992"),
        (123456789012345678901, "123456789012345680000"),
        (10**400, "Infinity"),
        (-(10**400), "-Infinity"),
        (math.nan, "NaN"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_numbers_have_the_shortest_text_in_javascripts_notation(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_reads_back_as_the_same_number(number: float) -> None:
    assert float(number_text(number)) == number
    assert to_number(number_text(number)) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        (" \n\ufeff", 0),
        ("0x1F", 31),
        ("0b11", 3),
        ("0O17", 15),
        (" 12.50 ", 12.5),
        (".5", 0.5),
        ("5.", 5),
        ("1e3", 1000),
        ("-Infinity", -math.inf),
        ("1e400", math.inf),
    ],
)
def test_texts_that_are_numbers(text: str, number: float) -> None:
    assert to_number(text) == number


@pytest.mark.parametrize("text", ["abc", "-0x1", "1_000", "0x", "1 2", ".", "inf", "nan", "infinity", "٣", "\u200b5"])
def test_texts_that_are_no_numbers(text: str) -> None:
    assert math.isnan(to_number(text))


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, "1"), (0, ""), (0, False), ("1", True), (None, UNDEFINED), ([1], 1), ([1, 2], "1,2"), ({}, "[object Object]")],
)
def test_loose_equality_converts(left: Value, right: Value) -> None:
    assert loose_equals(left, right)
    assert loose_equals(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [(None, 0), (None, ""), (None, False), ("a", "A"), ([], []), ({}, {}), ("1.0", "1"), (math.nan, math.nan)],
)
def test_loose_equality_does_not_go_further(left: Value, right: Value) -> None:
    assert not loose_equals(left, right)


def test_an_object_equals_itself() -> None:
    value: list[Value] = []
    assert loose_equals(value, value)


def test_plus_adds_numbers_and_joins_texts() -> None:
    assert add(1, 2) == 3
    assert add(None, 2) == 2
    assert add(True, 1) == 2
    assert add("1", 2) == "12"
    assert add([1, None, [2]], {}) == "1,,2[object Object]"
    assert math.isnan(add(UNDEFINED, 1))


def test_plus_joins_surrogates_into_one_character() -> None:
    assert add("\ud83d", "\ude00") == "😀"


def test_an_object_whose_data_hides_to_string_has_no_text() -> None:
    with pytest.raises(JsError, match="Cannot convert object to primitive value"):
        to_text([[{"toString": 1}]])


def test_array_indexes_come_first_and_in_order() -> None:
    assert ordered_keys(["b", "10", "a", "9", "01", "-1"]) == ["9", "10", "b", "a", "01", "-1"]
    assert is_array_index("4294967294")
    assert not is_array_index("4294967295")
    assert not is_array_index("")


def test_spreading_a_text_gives_one_property_a_unit() -> None:
    assert list(own_entries("a😀")) == [("0", "a"), ("1", "\ud83d"), ("2", "\ude00")]
    assert list(own_entries(5)) == []
