"""JSON with JavaScript's numbers and order of keys."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import Json
from harness.forwarder import jsjson
from harness.forwarder.jsvalues import UNDEFINED, Opaque

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_numbers_become_doubles() -> None:
    assert jsjson.parse("[9007199254740993, 1.0, -0, 1e400, 123456789012345678901]") == [
        2**53,
        1,
        0,
        None,
        1.2345678901234568e20,
    ]


def test_keys_that_are_array_indexes_come_first() -> None:
    assert jsjson.write({"b": 1, "2": 2, "1": 3}) == '{"1":3,"2":2,"b":1}'


def test_undefined_and_functions_are_left_out_of_objects_and_null_in_arrays() -> None:
    function = Opaque("function f() { [native code] }", {}, None)
    assert jsjson.write({"a": UNDEFINED, "b": function, "c": [UNDEFINED, function]}) == '{"c":[null,null]}'
    assert jsjson.write(UNDEFINED) is None


def test_surrogates_that_stand_alone_are_escaped_and_nothing_else_is() -> None:
    assert jsjson.write("é😀\ud83d\u2028\x7f\x1f") == '"é😀\\ud83d\u2028\x7f\\u001f"'


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1,]", "'a'", "[" * 251 + "]" * 251, "[" * 100_000])
def test_what_is_not_readable_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not JSON|nested more than 250"):
        jsjson.parse(text)


@given(JSON_VALUES)
def test_what_is_written_reads_back_and_writes_the_same(value: Json) -> None:
    written = jsjson.write(value)
    assert written is not None
    assert jsjson.write(jsjson.parse(written)) == written
    json.loads(written)
