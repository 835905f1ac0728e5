"""What rules about properties find beyond their own examples, and what they leave alone."""

from __future__ import annotations

import json

import pytest

from harness.event import IdMerge
from harness.forwarder.property import read_property
from harness.ingestion.settings import ProjectSettings
from harness.lint.check import property_findings
from harness.problems import Problems
from tests.lint.linting import names, of_rule, property_lint


def action(fields: str = "", custom: str = "", event: str = "Page") -> str:
    """Return an action with the usual fields, some more, and custom properties."""
    usual = 'token: "{{Token}}", time: "{{Time}}", $insert_id: "{{Event id}}"'
    properties = ", ".join(part for part in (usual, fields) if part)
    return f"send_event: {{event: {event}, properties: {{{properties}}}, custom_properties: {{{custom}}}}}"


def rules(conditions: str, text: str) -> str:
    return f"rules:\n  - name: One\n    conditions: [{conditions}]\n    actions: [{{{text}}}]"


HAS_MAIL = '{left: "{{E-mail}}", operator: isTruthy}'
LACKS_MAIL = '{left: "{{E-mail}}", operator: isFalsy}'
NOT_MAIL = '{left: "{{E-mail}}", operator: isTruthy, negate: true}'
LACKS_TIME = '{left: "{{Time}}", operator: isFalsy}'

SIMPLIFIED_FOUND = [
    ("ecid-as-user-id", action(custom='$user_id: "{{ECID}}"')),
    ("ecid-as-user-id", action('distinct_id: "{{ECID}}"', '$user_id: "{{E-mail}}"')),
    ("anonymous-id-as-user-id", action(custom='$user_id: "{{Visitor}}"')),
    ("one-id-for-everybody", action(custom="$device_id: web")),
    ("word-as-id", action('distinct_id: "null"')),
    ("word-as-id", action(custom="$user_id: 0")),
    ("custom-overrides-standard", action('distinct_id: "{{E-mail}}"', 'distinct_id: "{{Visitor}}"')),
    ("insert-id-is-not-of-the-event", 'send_event: {event: A, properties: {token: T, $insert_id: "{{Event type}}"}}'),
    ("time-is-text", 'send_event: {event: A, properties: {token: T, time: "{{Time}}000"}}'),
    ("time-is-text", 'send_event: {event: A, properties: {token: T, time: "1767614400"}}'),
    ("token-missing", 'send_event: {event: A, properties: {distinct_id: a}, custom_properties: ""}'),
    ("custom-properties-are-text", 'send_event: {event: A, properties: {token: T}, custom_properties: "x{{Time}}"}'),
    ("custom-properties-may-be-text", 'send_event: {event: A, properties: {token: T}, custom_properties: "{{IP}}"}'),
    ("tokens-are-added-up", 'send_event: {event: A, properties: {token: T, $insert_id: "{{Visitor}}{{Time}}"}}'),
    ("device-prefix-doubled", action('distinct_id: "$device:$device:{{ECID}}"')),
    ("unreachable-rule", rules(f"{HAS_MAIL}, {LACKS_MAIL}", action())),
    ("empty-value-is-null", rules('{left: "{{E-mail}}", operator: isFalse}', action())),
    ("comparison-with-no-number", rules('{left: "{{Time}}", operator: lessThan, right: true}', action())),
    ("condition-without-token", rules("{left: a, operator: isTruthy}", action())),
]  # fmt: skip

SIMPLIFIED_LEFT_ALONE = [
    ("ecid-as-user-id", action('distinct_id: "{{ECID}}"', '$device_id: "{{ECID}}"')),
    ("ecid-as-user-id", rules(HAS_MAIL, action('distinct_id: "{{ECID}}"', '$user_id: "{{E-mail}}"'))),
    ("ecid-as-user-id", action('distinct_id: "{{ECID}}"', event="$identify")),
    ("anonymous-id-as-user-id", action('distinct_id: "{{E-mail}}"')),
    ("one-id-for-everybody", action('distinct_id: web', '$device_id: "{{ECID}}"')),
    ("word-as-id", action('distinct_id: ""')),
    ("custom-overrides-standard", action('distinct_id: "{{E-mail}}"', 'distinct_id: "{{E-mail}}"')),
    ("insert-id-not-sent", 'send_event: {event: A, properties: {token: T}, custom_properties: "{{Time}}"}'),
    ("insert-id-not-sent", 'send_event: {event: $create_alias, properties: {token: T, distinct_id: a}}'),
    ("insert-id-not-sent", 'send_event: {event: A, properties: {token: T}, custom_properties: {$insert_id: "{{IP}}"}}'),
    ("time-is-text", action()),
    ("token-missing", 'send_event: {event: A, properties: {}, custom_properties: {token: "{{Token}}"}}'),
    ("token-missing", 'send_event: {event: A, properties: {}, custom_properties: "{{Time}}"}'),
    ("custom-properties-are-text", 'send_event: {event: A, properties: {token: T}, custom_properties: ""}'),
    ("custom-properties-are-text", 'send_event: {event: A, properties: {token: T}, custom_properties: "{{Time}}"}'),
    ("tokens-are-added-up", 'send_event: {event: A, properties: {token: T, $insert_id: "v-{{Visitor}}{{Time}}"}}'),
    ("identity-rule-missing", action('distinct_id: "{{ECID}}"')),
    ("null-becomes-text", action('distinct_id: "{{ECID}}"')),
    ("unreachable-rule", rules(f"{HAS_MAIL}, {LACKS_TIME}", action())),
    ("unreachable-rule", rules(f"{NOT_MAIL}, {LACKS_MAIL}", action())),
    ("empty-value-is-null", rules(LACKS_MAIL, action())),
    ("empty-value-is-null", rules('{left: "{{E-mail}}", operator: equals, right: null}', action())),
    ("event-name-missing", 'send_event: {event: "{{Event type}}", properties: {token: T}}'),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "text"), SIMPLIFIED_FOUND)
def test_a_rule_finds_this_in_simplified(rule: str, text: str) -> None:
    assert rule in names(property_lint(text))


@pytest.mark.parametrize(("rule", "text"), SIMPLIFIED_LEFT_ALONE)
def test_a_rule_leaves_this_alone_in_simplified(rule: str, text: str) -> None:
    assert rule not in names(property_lint(text))


IDENTIFY = """
send_event:
  event: $identify
  properties: {{token: "{{{{Token}}}}", distinct_id: "{{{{E-mail}}}}"}}
  custom_properties: {{{}}}"""


@pytest.mark.parametrize(
    ("custom", "rule"),
    [
        ('$anon_distinct_id: "$device:{{ECID}}"', "ecid-as-anonymous-id"),
        ('$anon_id: "{{ECID}}"', "ecid-as-anonymous-id"),
        ("$anon_id: visitor", "anonymous-id-is-no-uuid"),
        ('$identified_id: "{{Visitor}}", $anon_id: "{{Visitor}}"', "identify-names-one-id"),
        ('$identified_id: "{{Visitor}}"', "identity-event-lacks-an-id"),
    ],
)
def test_an_identify_that_is_refused_for_sure_is_found_in_original_and_where_the_system_is_unknown(
    custom: str, rule: str
) -> None:
    text = IDENTIFY.format(custom).strip()
    assert rule in names(property_lint(text, "original"))
    assert rule in names(property_lint(text, None))
    assert rule not in names(property_lint(text, "simplified"))


@pytest.mark.parametrize(
    "anonymous",
    ['"{{Visitor}}"', '"$device:{{Visitor}}"', "5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03", '"ab-{{Visitor}}"'],
)
def test_an_identify_that_may_be_taken_is_left_alone(anonymous: str) -> None:
    found = names(property_lint(IDENTIFY.format(f"$anon_id: {anonymous}").strip(), "original"))
    assert not found & {"ecid-as-anonymous-id", "anonymous-id-is-no-uuid", "identify-names-one-id"}


def test_an_ecid_made_by_custom_code_is_not_judged() -> None:
    text = """
data_elements:
  ECID: {custom_code: "return toUuid(arc.event.xdm.identityMap.ECID[0].id)"}
rules:
  - name: Identity
    actions:
      - send_event:
          {event: $identify, properties: {token: T, distinct_id: u}, custom_properties: {$anon_id: "{{ECID}}"}}
"""
    assert "ecid-as-anonymous-id" not in names(property_lint(text, "original"))


def test_a_bare_ecid_is_right_in_original_and_wrong_in_simplified_so_it_is_no_finding_where_nobody_says() -> None:
    text = action('distinct_id: "{{ECID}}"')
    found = {system: names(property_lint(text, system)) for system in ("original", "simplified", None)}
    assert [("ecid-as-user-id" in rules) for rules in found.values()] == [False, True, False]


@pytest.mark.parametrize(
    ("system", "found"), [("simplified", False), ("original", True), ("legacy", True), (None, False)]
)
def test_one_event_with_both_ids_joins_in_simplified_only(system: IdMerge | None, found: bool) -> None:
    text = "\n".join(
        f"- {action(*one)}"
        for one in (
            ('distinct_id: "{{ECID}}"', '$device_id: "{{ECID}}"'),
            ('distinct_id: "{{E-mail}}"', '$device_id: "{{ECID}}", $user_id: "{{E-mail}}"'),
        )
    )
    assert ("identity-rule-missing" in names(property_lint(text, system))) is found


def test_an_undefined_token_names_the_nearest_element_and_says_what_is_disabled() -> None:
    text = """
data_elements:
  E-mail: {path: arc.event.data.email}
rules: [{name: All, actions: [{send_event: {event: A, properties: {token: T, distinct_id: "{{E-mial}}"}}}]}]
"""
    (found,) = of_rule(property_lint(text), "undefined-token")
    assert found.message == "the data element 'E-mial' does not exist; did you mean {{E-mail}}?"
    assert (found.file, found.line) == ("property.yaml", 4)


def test_an_undefined_token_of_an_unused_element_is_nobodys_trouble() -> None:
    text = 'data_elements: {A: "arc.event.{{Nowhere}}"}\nrules: []'
    assert names(property_lint(text)) == {"unused-element"}


def test_an_element_that_custom_code_names_is_used() -> None:
    text = """
data_elements: {Page: arc.event.data.page}
rules: [{name: All, actions: [{custom_code: {key: k, source: "return '{{Page}}'"}}]}]
"""
    assert "unused-element" not in names(property_lint(text))


def test_a_path_that_leads_nowhere_but_has_a_default_is_a_constant() -> None:
    text = """
data_elements: {Shop: {path: shop, default: web}}
rules: [{name: All, actions: [{send_event: {event: "{{Shop}}", properties: {token: T}}}]}]
"""
    assert "path-to-nowhere" not in names(property_lint(text))


def test_a_secret_is_looked_for_in_the_environment_of_the_build() -> None:
    assert "secret-missing" not in names(property_lint(action()))
    assert "secret-missing" in names(property_lint(action(), environment="staging"))


def test_a_project_outside_the_us_is_out_of_reach() -> None:
    assert "region-out-of-reach" not in names(property_lint(action()))
    assert "region-out-of-reach" in names(property_lint(action(), region="in"))


def test_a_property_of_the_reactor_api_is_linted_with_its_lines_and_what_is_disabled() -> None:
    settings = json.dumps({"event": "Page", "properties": {"token": "{{Token}}", "distinct_id": "{{User}}"}})
    element = {"name": "User", "delegate_descriptor_id": "core::dataElements::path", "enabled": False}
    component = {
        "name": "Send",
        "delegate_descriptor_id": "mixpanel-connector-edge::actions::send-event",
        "settings": settings,
        "timeout": 300,
    }
    document = {
        "property": {"name": "Shop", "platform": "edge"},
        "data_elements": [{**element, "settings": json.dumps({"path": "arc.event.data.user"})}],
        "rules": [{"name": "All", "rule_components": [component]}],
    }
    problems = Problems("retail.json")
    property_ = read_property(json.dumps(document, indent=1), "production", problems, is_yaml=False)
    assert property_ is not None
    assert not problems
    found = property_findings(property_, "retail.json", "simplified", ProjectSettings())
    assert {"disabled-part", "timeout-too-short", "undefined-token"} <= names(found)
    assert "the data element 'User' is disabled" in {finding.message for finding in of_rule(found, "undefined-token")}
    assert all(finding.line is not None and finding.line > 1 for finding in found)


def test_findings_name_file_line_and_key() -> None:
    (found,) = of_rule(property_lint(action('distinct_id: "{{ECID}}"')), "ecid-as-user-id")
    assert found.where == 'property.yaml:14: rules[0] "Example" actions[0]: distinct_id'
    assert found.severity == "error"
    assert found.fix
