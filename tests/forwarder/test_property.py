"""Reading properties in one file, and everything that can be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.forwarder.engine import Engine
from harness.forwarder.property import Property, load_property, read_property
from harness.problems import InputError, Problem, Problems

SEND = "mixpanel-connector-edge::actions::send-event"
COMPARE = "core::conditions::value-comparison"
PATH = "core::dataElements::path"


def _element(name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "delegate_descriptor_id": PATH, "settings": '{"path":"arc.event.data.a"}', **more}


def _component(settings: Any = None, type_: str = SEND, **more: Any) -> dict[str, Any]:
    text = settings if isinstance(settings, str) else json.dumps(settings or {})
    return {"name": "Send Event", "delegate_descriptor_id": type_, "settings": text, **more}


def _rule(*components: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "RL1", "name": "Track", "rule_components": list(components), **more}


def _document(elements: list[Any] | None = None, rules: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "property": {"name": "Shop", "platform": "edge"},
        "data_elements": elements or [],
        "rules": rules or [],
        **more,
    }


def _read(document: Any, *, is_yaml: bool = False) -> tuple[Property | None, list[Problem]]:
    problems = Problems("property.json")
    text = document if isinstance(document, str) else json.dumps(document, indent=1)
    return read_property(text, "production", problems, is_yaml=is_yaml), problems.found


def _good(document: Any, *, is_yaml: bool = False) -> Property:
    property_, problems = _read(document, is_yaml=is_yaml)
    assert problems == []
    assert property_ is not None
    return property_


def _problem(document: Any, *, is_yaml: bool = False) -> Problem:
    (problem,) = _read(document, is_yaml=is_yaml)[1]
    return problem


def _wrapped(kind: str, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "X1", "type": kind, "attributes": attributes, "relationships": {}, **more}


def test_flat_and_wrapped_objects_are_the_same_property() -> None:
    components = [_component(type_=COMPARE), _component()]
    flat = _good(_document([_element(id="X1")], [_rule(*components, id="X1")]))
    wrapped = _good(
        {
            "property": _wrapped("properties", {"name": "Shop", "platform": "edge"}),
            "data_elements": [_wrapped("data_elements", _element())],
            "rules": [
                _wrapped(
                    "rules",
                    {"name": "Track"},
                    rule_components=[_wrapped("rule_components", component) for component in components],
                )
            ],
        }
    )
    assert [element.settings for element in wrapped.data_elements] == [
        element.settings for element in flat.data_elements
    ]
    assert [(rule.name, rule.rule_id) for rule in wrapped.rules] == [("Track", "X1")]
    assert wrapped.rules[0].conditions[0].settings == flat.rules[0].conditions[0].settings


def test_components_run_in_their_order_not_in_the_order_of_the_file() -> None:
    document = _document(rules=[_rule(_component({"event": "2"}, order=2), _component({"event": "1"}, order=1))])
    assert [action.settings for action in _good(document).rules[0].actions] == [{"event": "1"}, {"event": "2"}]


def test_what_is_disabled_or_deleted_is_not_built_and_not_checked() -> None:
    gone = {"name": "x", "delegate_descriptor_id": "nonsense", "enabled": False}
    deleted = {"name": "x", "delegate_descriptor_id": "nonsense", "deleted_at": "2026-01-05T00:00:00Z"}
    document = _document([gone, deleted], [_rule(gone, deleted, _component()), {"enabled": False}])
    property_ = _good(document)
    assert property_.data_elements == ()
    assert [len(rule.actions) for rule in property_.rules] == [1]


def test_a_timeout_is_thirty_seconds_when_unset() -> None:
    document = _document(rules=[_rule(_component(), _component(timeout=None), _component(timeout=5))])
    assert [action.timeout for action in _good(document).rules[0].actions] == [30_000, 30_000, 5]


def test_the_name_may_stand_at_the_top() -> None:
    assert _good({"name": "Shop", "rules": []}).name == "Shop"


SENDER = 'rules[0] "Track" component "Send Event"'


def _sending(settings: Any) -> dict[str, Any]:
    return _document(rules=[_rule(_component(settings))])


MISTAKES: list[tuple[Any, str, str, str]] = [
    (
        _document([_element(delegate_descriptor_id="core::dataElements::paht")]),
        "data_elements[0].delegate_descriptor_id",
        "unknown type",
        "Did you mean 'core::dataElements::path'?",
    ),
    (
        _document(rules=[_rule(_component(type_="core::events::click"))]),
        f"{SENDER}.delegate_descriptor_id",
        "can't have events",
        "Remove it",
    ),
    (_sending("{"), f"{SENDER}.settings", "needs JSON: not JSON", "Copy"),
    (_sending("[1]"), f"{SENDER}.settings", "needs a JSON object", "Write"),
    (_sending({"event": {"{{a}}": 1}}), SENDER, 'a token stands in the key "{{a}}"', "Rename"),
    (_sending({"event": "{{Ana's}}"}), SENDER, "holds an apostrophe", "Rename"),
    (_sending({"event": "%name%"}), SENDER, "tags property", "{{name}}"),
    (
        _document([_element("E mail")], [_rule(_component({"event": "x %E mail% y"}))]),
        SENDER,
        "%E mail%",
        "event forwarding",
    ),
    (
        _document([_element(), _element()]),
        'data_elements[1] "a"',
        "has the name of another data element (line 7)",
        "Rename",
    ),
    (_document([{"delegate_descriptor_id": PATH}]), "data_elements[0].name", "is missing", "Add name"),
    (_document(rules=[{"name": ""}]), "rules[0].name", "is empty", "Give"),
    (_document([_element(clean_text="yes")]), "data_elements[0].clean_text", "needs true or false", ""),
    (_document(rules=[_rule(_component(order="1"))]), f"{SENDER}.order", "needs a number", ""),
    ({**_document(), "property": {"platform": "web"}}, "property.platform", "tags property", "edge"),
    ({**_document(), "rules": {}}, "rules", "needs a list of rules", ""),
    (_document([5]), "data_elements[0]", "needs an object, found the number 5", ""),
    ({"a": 1}, "", "holds neither data_elements nor rules", "Give"),
    ([], "", "needs an object", ""),
]


@pytest.mark.parametrize(("document", "key", "message", "fix"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_its_fix(document: Any, key: str, message: str, fix: str) -> None:
    problem = _problem(document)
    assert problem.key == key
    assert message in problem.message
    assert fix in problem.fix


def test_a_percent_sign_is_no_token() -> None:
    _good(_document([_element("off")], [_rule(_component({"event": "100% of 5% off", "b": "% off %", "c": "50%"}))]))


def test_all_mistakes_come_at_once_with_their_lines() -> None:
    _, problems = _read(_document([_element(settings="{"), {**_element(), "name": 5}], [{"name": None}]))
    assert [problem.line for problem in problems] == [10, 13, 19]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"rules": [\n1,\n]}', 3, "expected a value"),
        ('{"rules": []', 1, "expected ','"),
        ('{"rules": []}\n x', 2, "something follows"),
        ("{rules: []}", 1, "expected a key"),
        ('{"a": "x\ny"}', 1, "invalid control character"),
        ("", 1, "the text ends too early"),
        ("[" * 100_000, 1, "nested more than 100 levels"),
    ],
)
def test_text_that_is_not_json_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    problem = _problem(text)
    assert problem.line == line
    assert message in problem.message


def test_repeated_keys_and_odd_texts_are_read_as_javascript_does() -> None:
    assert _good('{"rules": [], "name": "a", "name": "\\ud83d\\ude00"}').name == "😀"


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"{\x00}"])
def test_files_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "property.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"property\.json:1"):
        load_property(path)


def test_a_folder_that_holds_no_property_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        load_property(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        load_property(tmp_path / "none.json")


def test_a_chain_of_elements_without_end_is_refused() -> None:
    elements = [_element("e0")]
    elements += [
        _element(f"e{index}", settings=json.dumps({"path": f"{{{{e{index - 1}}}}}"})) for index in range(1, 300)
    ]
    assert _problem(_document(elements)).key == 'data_elements[100] "e100"'


SHORTHAND = """\
property: Shop
platform: edge
data_elements:
  ECID: arc.event.xdm.identityMap.ECID[0].id
  E-mail: {path: arc.event.data.email, default: "", clean_text: true, lower_case: true}
  Token: {secret: {production: {id: SE1, name: Mixpanel token}}}
  IP: {ip: true}
  Sum: {custom_code: "return 1"}
rules:
  - name: Login
    conditions:
      - {left: "{{E-mail}}", operator: equals, right: ana, case_insensitive: true, negate: true, timeout: 5}
      - {custom_code: "return true"}
    actions:
      - send_event:
          event: Login
          properties: {token: "{{Token}}", $insert_id: "{{ECID}}"}
          custom_properties: {$user_id: "{{E-mail}}", plan: gold}
      - custom_code: {key: one, source: "return 1"}
      - {send_event: {event: e, properties: {}}, enabled: false}
  - {name: Off, enabled: false}
"""


def test_the_shorthand_says_all_that_a_property_has() -> None:
    property_ = _good(SHORTHAND, is_yaml=True)
    assert (property_.name, property_.environment) == ("Shop", "production")
    ecid, email, token, ip, total = property_.data_elements
    assert ecid.settings == {"path": "arc.event.xdm.identityMap.ECID[0].id"}
    assert (email.default_value, email.clean_text, email.force_lower_case) == ("", True, True)
    assert token.settings == {"secrets": {"production": {"id": "SE1", "name": "Mixpanel token"}}}
    assert (ip.type, ip.settings, total.type) == ("ip", None, "custom-code")
    (rule,) = property_.rules
    comparison, code = rule.conditions
    assert (comparison.negate, comparison.timeout, comparison.name) == (True, 5, "Value Comparison")
    assert comparison.settings == {
        "leftOperand": "{{E-mail}}",
        "comparison": {"operator": "equals", "caseInsensitive": True},
        "rightOperand": "ana",
    }
    assert (code.type, code.name) == ("custom-code", "Custom Code")
    assert [action.name for action in rule.actions] == ["Send Event", "Custom Code"]
    assert rule.actions[1].settings == {"keyName": "one", "source": "return 1"}


def test_the_shorthand_can_be_written_as_json() -> None:
    assert _good({"property": "Shop", "rules": []}).name == "Shop"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rules: [{nam: x}]", "is an unknown key. Did you mean 'name'?"),
        ("rules: [{name: x, conditions: [{left: a, operator: equal, right: b}]}]", "Did you mean 'equals'?"),
        ("rules: [{name: x, conditions: [{left: a, operator: equals}]}]", "right: is missing"),
        ("rules: [{name: x, actions: [{send_evnt: {}}]}]", "Did you mean 'send_event'?"),
        ("rules: [{name: x, actions: [{send_event: {event: e}}]}]", "properties: is missing"),
        ("data_elements: {a: {}}", "needs exactly one of path, secret, ip, custom_code, found none"),
        ("data_elements: {a: 5}", "needs a path or a map, found the number 5"),
        ("data_elements: {a: x, a: y}", "is here twice"),
        ("data_elements: {a: {secret: {production: SE1}}}", "needs a map with id and name"),
        ("platform: web", "tags property"),
    ],
)
def test_a_mistake_in_the_shorthand_is_named(line: str, message: str) -> None:
    _, problems = _read(f"property: Shop\n{line}\n", is_yaml=True)
    assert message in "\n".join(str(problem) for problem in problems)
    assert {problem.line for problem in problems} == {2}


KEYS = st.sampled_from(
    [
        "property",
        "data_elements",
        "rules",
        "rule_components",
        "name",
        "settings",
        "attributes",
        "order",
        "delegate_descriptor_id",
        "enabled",
        "conditions",
        "actions",
        "send_event",
        "path",
        "secret",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(
    ["", "{}", "{{a}}", "{{a", "{{it's}}", '{"path":"{{a}}"}', "%a%", SEND, COMPARE, PATH, "\ud83d", "arc.event"]
)  # fmt: skip
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@settings(max_examples=300)
@given(DOCUMENTS, st.booleans())
def test_any_document_is_a_property_or_a_list_of_problems(document: Any, is_yaml: bool) -> None:
    property_, problems = _read(json.dumps(document), is_yaml=is_yaml)
    if not problems:
        assert property_ is not None
        Engine(property_)


@settings(max_examples=200)
@given(st.text(), st.booleans())
def test_any_text_is_a_property_or_a_list_of_problems(text: str, is_yaml: bool) -> None:
    property_, problems = _read(text, is_yaml=is_yaml)
    assert (property_ is None) is (problems != [])
