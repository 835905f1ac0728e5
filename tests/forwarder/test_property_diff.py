"""What is different between two properties: what belongs together, and which fields differ."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from harness.forwarder.property import Property, load_property
from harness.forwarder.property_diff import Change, differences
from tests.forwarder.property_samples import SEND, component, document, element, properties, rule, shop
from tests.forwarder.property_writers import write_document, write_shorthand, write_tree


def _loaded(flat: dict[str, Any]) -> Property:
    with tempfile.TemporaryDirectory() as folder:
        return load_property(write_document(Path(folder) / "property.json", flat))


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    return differences(_loaded(before), _loaded(after))


def _one(name: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return document([], [rule(1, "Track", component(number, name, SEND, {"event": "e"}, **more))])


def test_a_thing_keeps_its_id_under_another_name() -> None:
    (change,) = _changes(document([element(1, "a", settings={})], []), document([element(1, "b", settings={})], []))
    assert (change.kind, change.name, change.what) == ("data element", "a", "changed")
    assert [(field.field, field.before, field.after) for field in change.fields] == [("name", "a", "b")]


def test_a_thing_keeps_its_name_under_another_id() -> None:
    assert _changes(document([element(1, "a", settings={})], []), document([element(2, "a", settings={})], [])) == []
    assert _changes(_one("x", 1), _one("x", 2)) == []


def test_a_component_that_does_the_same_is_the_same_one_under_any_name() -> None:
    (change,) = _changes(_one("x", 1), _one("y", 2))
    assert [(field.field, field.before, field.after) for field in change.fields] == [("name", "x", "y")]


def test_settings_are_compared_field_by_field() -> None:
    before, after = shop(), shop()
    action = after["rules"][0]["rule_components"][0]
    changed = {"event": "Log in", "properties": {"token": "{{Token}}", "time": 5}, "custom_properties": {}}
    action["settings"] = json.dumps(changed)
    (change,) = _changes(before, after)
    assert (change.kind, change.name, change.rule) == ("action", "Send", "Login")
    assert [(field.field, field.what) for field in change.fields] == [
        ("event", "changed"),
        ("custom_properties.$user_id", "removed"),
        ("properties.time", "added"),
        ("custom_properties", "added"),
    ]


def test_another_order_is_a_change_of_the_rule() -> None:
    before, after = shop(), shop()
    after["rules"][0]["rule_components"][0]["order"] = -1
    (change,) = _changes(before, after)
    assert (change.kind, change.name) == ("rule", "Login")
    assert [(field.field, field.before, field.after) for field in change.fields] == [
        ("order", ["Remember", "Send"], ["Send", "Remember"])
    ]


def test_what_is_gone_says_whether_it_was_disabled_or_deleted() -> None:
    before, after = shop(), shop()
    after["data_elements"][0]["enabled"] = False
    after["rules"][0]["deleted_at"] = "2026-01-05T00:00:00Z"
    notes = [(change.kind, change.what, change.note) for change in _changes(before, after)]
    assert notes == [("data element", "removed", "it is disabled there"), ("rule", "removed", "it is deleted there")]
    back = [(change.kind, change.what, change.note) for change in _changes(after, before)]
    assert back == [("data element", "added", "it is disabled here"), ("rule", "added", "it is deleted here")]


@settings(max_examples=40)
@given(properties(), properties())
def test_the_shape_makes_no_difference_and_a_difference_has_two_sides(one: Any, other: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, second = load_property(write_tree(folder / "tree", one)), _loaded(other)
        assert differences(first, load_property(write_shorthand(folder / "short.yaml", one))) == []
        assert bool(differences(first, second)) is bool(differences(second, first))
