from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import Event, NotAnEvent, from_wire

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def test_the_wire_form_is_read_as_it_is() -> None:
    assert from_wire({"event": "x", "properties": {"a": 1}}) == Event("x", {"a": 1})


def test_in_a_flat_line_every_other_key_is_an_event_property() -> None:
    assert from_wire({"event": "x", "time": 5, "distinct_id": "u"}) == Event("x", {"time": 5, "distinct_id": "u"})


def test_a_flat_line_of_an_export_gives_back_the_id_that_was_sent() -> None:
    line = {"event": "x", "distinct_id": "u", "$distinct_id_before_identity": "$device:d"}
    assert from_wire(line) == Event("x", {"distinct_id": "$device:d"})


def test_in_the_wire_form_nothing_is_replaced() -> None:
    properties = {"distinct_id": "u", "$distinct_id_before_identity": "d"}
    assert from_wire({"event": "x", "properties": properties}) == Event("x", properties)


@pytest.mark.parametrize("raw", [{}, {"event": ""}, {"event": " "}, {"event": 5, "properties": {}}, {"properties": {}}])
def test_an_event_needs_a_name(raw: Any) -> None:
    assert from_wire(raw) == NotAnEvent("event", "'event' must not be missing or blank")


@pytest.mark.parametrize(("raw", "kind"), [(None, "null"), ([], "a list"), ("x", "a text"), (5, "a number")])
def test_what_is_no_object_is_no_event(raw: Any, kind: str) -> None:
    assert from_wire(raw) == NotAnEvent("", f"an event must be a JSON object, found {kind}")
    found = from_wire({"event": "x", "properties": raw})
    assert found == NotAnEvent("properties", f"'properties' must be an object, found {kind}")


@given(json_values | st.dictionaries(st.sampled_from(["event", "properties", "distinct_id"]), json_values))
def test_any_json_is_an_event_or_none(raw: Any) -> None:
    assert isinstance(from_wire(raw), Event | NotAnEvent)


@given(st.text(min_size=1).filter(str.strip), st.dictionaries(st.text(), json_values))
def test_an_event_survives_its_wire_form(name: str, properties: dict[str, Any]) -> None:
    event = Event(name, properties)
    assert from_wire(event.to_wire()) == event
