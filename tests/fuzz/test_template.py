"""XDM templates: given in a file, or inferred from a property."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.forwarder.property import read_property
from harness.fuzz.infer import Inferred, infer
from harness.fuzz.template import Template, load_template
from harness.problems import InputError, Problems

VALUES = {"ecid": "1" * 38, "email": None, "user_id": None, "event_type": "page", "time": 7}


def inferred(text: str) -> Inferred:
    problems = Problems("property.yaml")
    property_ = read_property(text, "production", problems, is_yaml=True)
    assert property_ is not None, problems.found
    return infer(property_)


def elements(**paths: str) -> str:
    lines = "\n".join(f"  {name}: {path}" for name, path in paths.items())
    return f"property: Test\ndata_elements:\n{lines}\nrules: []\n"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("arc.event.xdm.identityMap.ECID[0].id", "ecid"),
        ("arc.event.xdm.identityMap.Email[0].id", "email"),
        ("arc.event.xdm.identityMap.CRMID[0].id", "user_id"),
        ("arc.event.data.visitorId", "device_id"),
        ("arc.event.data.anonymous_id", "device_id"),
        ("arc.event.xdm._experience.analytics.customDimensions.eVars.userId", "user_id"),
        ("arc.event.data.customer.loyaltyNumber", "user_id"),
        ("arc.event.data.user.emailAddress", "email"),
        ("arc.event.xdm.eventType", "event_type"),
        ("arc.event.data.event_name", "event_type"),
        ("arc.event.xdm._id", "event_id"),
        ("arc.event.xdm.timestamp", "timestamp"),
        ("arc.event.data.eventTime", "time"),
        ("arc.event.data.price", None),
    ],
)
def test_a_path_says_what_it_holds(path: str, role: str | None) -> None:
    assert inferred(elements(Value=path)).places[0].role == role


def test_where_the_path_does_not_say_the_name_does() -> None:
    assert inferred(elements(Email="arc.event.data.v1")).places[0].role == "email"


def test_where_neither_says_the_rules_do() -> None:
    text = elements(One="arc.event.data.v1", Two="arc.event.data.v2").replace("rules: []", _RULES)
    assert [place.role for place in inferred(text).places] == ["device_id", "user_id"]


_RULES = """rules:
  - name: Every event
    actions:
      - send_event:
          event: page
          properties: {token: t}
          custom_properties: {$device_id: "{{One}}", $user_id: "{{Two}}"}
"""


def test_a_call_is_built_from_all_paths() -> None:
    found = inferred(
        elements(
            ECID="arc.event.xdm.identityMap.ECID[0].id",
            Second="arc.event.xdm.identityMap.ECID[1].kind",
            All="arc.event.data",
            Price="arc.event.data.cart.price",
            Header="arc.request.header.userAgent",
        )
    )
    assert found.template.event == {
        "xdm": {"identityMap": {"ECID": [{"id": "{ecid}"}, {"kind": "home"}]}},
        "data": {"cart": {"price": "home"}},
    }
    assert found.template.request == {"header": {"userAgent": "home"}}


@pytest.mark.parametrize(
    ("condition", "login"),
    [
        ("operator: startsWith, right: userAccount.", "userAccount.login"),
        ("operator: equals, right: login", "login"),
        ("operator: equals, right: user_signed_in_auth", "user_signed_in_auth"),
        ("operator: contains, right: Login", "Login"),
        ("operator: startsWith, right: auth-", "auth-login"),
        ("operator: startsWith, right: useraccount.", "userAccount.login"),
        ("operator: equals, right: userAccount.login", "userAccount.login"),
    ],
)
def test_the_event_type_of_a_login_is_one_that_the_rules_act_on(condition: str, login: str) -> None:
    rule = _RULES.replace(
        "    actions:", f'    conditions:\n      - {{left: "{{{{Type}}}}", {condition}}}\n    actions:'
    )
    paths = elements(Type="arc.event.xdm.eventType", One="arc.event.data.v1", Two="arc.event.data.v2")
    assert inferred(paths.replace("rules: []", rule)).template.types["log in"] == login


def test_a_path_without_a_role_holds_what_a_rule_compares_it_to() -> None:
    rule = _RULES.replace(
        "    actions:", '    conditions:\n      - {left: "{{Consent}}", operator: equals, right: granted}\n    actions:'
    )
    paths = elements(Consent="arc.event.data.consent", One="arc.event.data.v1", Two="arc.event.data.v2")
    event = inferred(paths.replace("rules: []", rule)).template.event
    assert event["data"]["consent"] == "granted"


def test_custom_code_is_told_as_unseen() -> None:
    found = inferred("property: T\ndata_elements:\n  Who: {custom_code: return 1}\nrules: []\n")
    assert found.unseen == ("Who",)
    assert found.template.event == {}


def test_a_placeholder_without_a_value_leaves_its_key_and_what_is_empty_then_out() -> None:
    template = Template({"xdm": {"identityMap": {"Email": [{"id": "{email}"}]}}, "data": {"type": "{event_type}"}})
    assert template.call(VALUES)[0] == {"data": {"type": "page"}}


def test_a_placeholder_keeps_its_type_alone_and_is_text_inside_of_one() -> None:
    template = Template({"data": {"time": "{time}", "label": "at {time}", "who": "user {email}", "odd": "{what}"}})
    assert template.call(VALUES)[0] == {"data": {"time": 7, "label": "at 7", "odd": "{what}"}}


def test_a_template_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "call.yaml"
    path.write_text(
        "xdm: {identityMap: {ECID: [{id: '{ecid}'}]}, eventType: '{event_type}'}\n"
        "data: {user: '{user_id}'}\n"
        "request: {header: {host: shop}}\n"
        "event_types: {browse: view, log in: login}\n"
    )
    template = load_template(path)
    assert template.places() == {
        "ecid": ["event.xdm.identityMap.ECID[0].id"],
        "event_type": ["event.xdm.eventType"],
        "user_id": ["event.data.user"],
    }
    assert template.types["log in"] == "login"
    assert template.types["log out"] == "userAccount.logout"
    assert template.call({**VALUES, "user_id": "u"})[1] == {"header": {"host": "shop"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found nothing"),
        ("[1]", "needs a map"),
        ("xdm: {a: '{ecid}'}\ndata: {}\n", "which path is the user id"),
        ("data: {a: '{email}'}\n", "which path is the device id"),
        ("xmd: {a: '{ecid}', b: '{email}'}\n", "Did you mean 'xdm'?"),
        ("data: {a: '{ecid}', b: '{email}'}\nevent_types: [a]\n", "event_types: needs a map"),
        ("data: {a: '{ecid}', b: '{email}'}\nevent_types: {login: a}\n", "Did you mean 'log in'?"),
        ("data: {a: '{ecid}', b: '{email}'}\nevent_types: {log in: [a]}\n", "needs an event type"),
    ],
)
def test_a_wrong_template_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "call.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"call\.yaml:\d+: ") as caught:
        load_template(path)
    assert message in str(caught.value)
