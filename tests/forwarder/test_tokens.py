"""Tokens in settings, with the oddities of Adobe's build."""

from __future__ import annotations

import pytest

from harness.event import Json
from harness.forwarder.jsvalues import UNDEFINED
from harness.forwarder.tokens import BuildError, built_data, reader, sanitized, template


def _filled(settings: dict[str, Json], **values: Json) -> Json:
    made = template(settings)
    return reader(made.node)([values.get(name, UNDEFINED) for name in made.names])


def test_a_text_that_is_one_token_keeps_the_type_of_its_value() -> None:
    assert _filled({"x": "{{a}}"}, a=[1]) == {"x": [1]}


def test_parts_are_added_from_left_to_right() -> None:
    assert _filled({"x": "{{a}}{{b}}"}, a=1, b=2) == {"x": 3}
    assert _filled({"x": "{{a}}{{b}}!"}, a=1, b=2) == {"x": "3!"}
    assert _filled({"x": "<{{a}}{{b}}"}, a=1, b=2) == {"x": "<12"}


def test_each_data_element_is_asked_for_once_in_the_order_of_the_settings() -> None:
    assert template({"z": "{{b}}{{a}}", "1": "{{c}}{{b}}"}).names == ("c", "b", "a")


def test_line_breaks_vanish_only_where_there_is_a_token() -> None:
    assert _filled({"a\nb": "x\r\ny", "t": "{{a}}"}, a=1) == {"ab": "xy", "t": 1}
    assert _filled({"a\nb": "x\r\ny"}) == {"a\nb": "x\r\ny"}


@pytest.mark.parametrize("text", ['getDataElementValue("a")', "getDataElementValue('a')", "getDataElementValue(a)"])
def test_the_text_of_a_call_is_taken_for_a_token(text: str) -> None:
    assert _filled({"x": text}, a=1) == {"x": 1}


@pytest.mark.parametrize("text", ["{{}}", "{{a}", "{ {a}}", "getDataElementValue(a"])
def test_what_only_looks_like_a_token_stays_text(text: str) -> None:
    assert _filled({"x": text}) == {"x": text}


def test_spaces_and_brackets_belong_to_the_name() -> None:
    assert template({"x": "{{ a }}", "y": "{{{a}}"}).names == (" a ", "{a")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\tb"])
def test_a_name_that_json_escapes_is_resolved_but_its_value_gets_lost(name: str) -> None:
    made = template({"x": "{{" + name + "}}"})
    assert len(made.names) == 1
    assert reader(made.node)([1]) == {"x": UNDEFINED}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"{{a}}": 1}, 'a token stands in the key "{{a}}"'),
        ({"x": "{{it's}}"}, "holds an apostrophe"),
        ({"x": {"y": "{{a"}}, "closed only behind the end"),
        ({"x": "getDataElementValue(a\\)"}, "breaks off in an escape sequence"),
    ],
)
def test_what_the_build_refuses(settings: dict[str, Json], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        template(settings)


def test_a_token_outside_settings_stays_as_the_build_left_it() -> None:
    assert built_data("<{{a}}>") == "<getDataElementValue(reactor0061)>"
    assert sanitized("{{é😀}}") == "getDataElementValue(reactor00e9d83dde00)"


def test_settings_beside_a_display_name_become_a_function() -> None:
    made = _filled({"settings": {"q": 1}, "displayName": "x"})
    assert list(made) == ["getSettings", "displayName"]
    assert repr(made["getSettings"]).startswith("context =>")
