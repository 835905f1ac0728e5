"""`harness property`: what it says about a property, and about a change of one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands.shell import Done, Shell
from tests.forwarder.property_samples import document, element, shop
from tests.forwarder.property_writers import write_answers, write_document, write_tree

SAMPLE = Path(__file__).parents[1] / "forwarder" / "samples" / "reactor-downloader"

BEFORE = """\
property: Shop
data_elements:
  ECID: arc.event.xdm.identityMap.ECID[0].id
  E-mail: {path: arc.event.data.email, lower_case: true}
  Idle: arc.event.data.idle
rules:
  - name: Every event
    conditions: [{left: "{{ECID}}", operator: isTruthy, timeout: 50}]
    actions:
      - send_event:
          event: Page View
          properties: {token: "{{Token}}", distinct_id: "{{ECID}}"}
          custom_properties: {$device_id: "{{ECID}}", $user_id: "{{E-mail}}", distinct_id: ""}
  - {name: Off, enabled: false}
""".replace('token: "{{Token}}"', "token: t")
WITHOUT_USER = BEFORE.replace(', $user_id: "{{E-mail}}"', "")
SCENARIO = """\
name: A login joins the visit
id_merge: [simplified, original]
property: ../shop.yaml
steps:
  - {edge: {xdm: {identityMap: {ECID: [{id: D1}]}}}, person: ana}
  - {edge: {xdm: {identityMap: {ECID: [{id: D1}]}}, data: {email: Ana}}, person: ana}
  - {event: Server, person: ana, properties: {distinct_id: ana, $user_id: ana}}
"""


def _written(shell: Shell, after: str = WITHOUT_USER, scenario: str = SCENARIO) -> Shell:
    (shell.folder / "shop.yaml").write_text(BEFORE)
    (shell.folder / "other.yaml").write_text(after)
    (shell.folder / "scenarios").mkdir()
    (shell.folder / "scenarios" / "login.yaml").write_text(scenario)
    return shell


def _json(done: Done) -> Any:
    assert "Traceback" not in done.err
    return json.loads(done.out)


def test_people_read_rules_in_words_with_what_they_send(shell: Shell) -> None:
    done = _written(shell).run("property", "shop.yaml")
    assert done.code == 0, done.err
    assert done.out.startswith("Shop, YAML shorthand: shop.yaml\nenvironment production · 1 rule · 3 data elements\n")
    assert "Rule 1: Every event\n  if  ECID is truthy  (timeout 50 ms)\n  send the event Page View\n" in done.out
    lines = [line.split() for line in done.out.splitlines()]
    assert ["distinct_id", "{{ECID}}", "overridden", "below"] in lines
    assert ["$user_id", "{{E-mail}}", "custom"] in lines
    assert ["E-mail", "path", "arc.event.data.email", "lower", "case", "rule", "1"] in lines
    assert ["Idle", "path", "arc.event.data.idle", "nobody:", "unused"] in lines
    assert ["disabled", "rule", "Off", "shop.yaml:14"] in lines


def test_the_sample_of_reactor_downloader_names_what_is_undefined(shell: Shell) -> None:
    done = shell.run("property", SAMPLE)
    assert done.code == 0, done.err
    assert "EF prod, a tree of reactor-downloader: " in done.out
    assert 'event_type equals "login" in any case of letters  (timeout 2000 ms)' in done.out
    assert 'token was never there, and is named by rule "Login -> Mixpanel" action' in done.out
    found = _json(shell.run("property", SAMPLE, "--json"))
    assert [(one["name"], one["reason"]) for one in found["undefined"]] == [
        ("event_type", "unknown"), ("token", "unknown"),
    ]  # fmt: skip
    assert found["unused"] == ["Computed/Id"]
    assert found["property"]["extensions"] == ["core 1.4.0"]


def test_an_undefined_data_element_that_was_deleted_or_mistyped_is_told_apart(shell: Shell) -> None:
    changed = shop()
    action = changed["rules"][0]["rule_components"][0]
    action["settings"] = json.dumps({"event": "{{Old}}", "properties": {"token": "{{Emial}}", "time": "{{Off}}"}})
    path = write_tree(shell.folder / "tree", changed)
    found = _json(shell.run("property", path, "--json"))["undefined"]
    assert [(one["name"], one["reason"], one["nearest"]) for one in found] == [
        ("Old", "deleted", None),
        ("Emial", "unknown", "E-mail"),
        ("Off", "disabled", None),
    ]
    done = shell.run("property", path)
    assert "Old is deleted, and is named by" in done.out
    assert "Emial was never there" in done.out
    assert "did you mean E-mail?" in done.out


@pytest.mark.parametrize(("environment", "own_id"), [("production", "SE1"), ("staging", "SE2"), ("testing", None)])
def test_secrets_are_those_of_the_environment(shell: Shell, environment: str, own_id: str | None) -> None:
    path = write_answers(shell.folder / "answers", shop())
    (secret,) = _json(shell.run("property", path, "--environment", environment, "--json"))["secrets"]
    assert (secret["data_element"], secret["environment"], secret["id"]) == ("Token", environment, own_id)
    assert secret["needed"] is True
    assert (own_id or "every rule that asks for it fails") in shell.run(
        "property", path, "--environment", environment
    ).out


def test_the_document_says_all_that_was_understood(shell: Shell) -> None:
    found = _json(shell.run("property", write_document(shell.folder / "shop.json", shop()), "--json"))
    assert set(found) == {"property", "rules", "data_elements", "unused", "undefined", "secrets", "left_out"}
    (rule,) = found["rules"]
    assert [one["words"] for one in rule["conditions"]] == ["not (E-mail is truthy)", 'Event type equals "login"']
    assert [(one["type"], one["event"]) for one in rule["actions"]] == [("custom-code", None), ("send-event", "Login")]
    assert rule["actions"][1]["tokens"] == ["Token", "E-mail"]
    assert found["data_elements"][1]["used_by"] == [
        'rule "Login" condition "Has an address"', 'rule "Login" action "Send"',
    ]  # fmt: skip
    assert [(one["kind"], one["name"], one["reason"]) for one in found["left_out"]] == [
        ("data element", "Old", "deleted"),
        ("data element", "Off", "disabled"),
        ("action", "Elsewhere", "disabled"),
        ("action", "Gone", "deleted"),
        ("rule", "Gone", "deleted"),
    ]


def test_elements_that_only_unused_elements_ask_for_are_unused(shell: Shell) -> None:
    elements = [
        element(1, "inner", settings={"path": "arc.event.data.a"}),
        element(2, "outer", settings={"path": "arc.event.data.{{inner}}"}),
    ]
    path = write_document(shell.folder / "idle.json", document(elements, []))
    assert _json(shell.run("property", path, "--json"))["unused"] == ["inner", "outer"]
    assert "outer, but no rule asks for it: unused" in shell.run("property", path).out


def test_lost_links_end_with_2_and_say_how_to_repair_them(shell: Shell) -> None:
    shutil.copytree(SAMPLE, shell.folder / "sample", symlinks=True)
    for link in (shell.folder / "sample").glob("PR*/rules/RL*/rule_components/*"):
        target = link.readlink()
        link.unlink()
        link.write_text(str(target))
    done = shell.run("property", "sample")
    assert done.code == 2
    assert done.out == ""
    assert "a zip or a checkout has lost the links" in done.err
    assert "core.symlinks" in done.err


def test_a_change_is_told_field_by_field_and_by_what_it_does_to_identity(shell: Shell) -> None:
    done = _written(shell).run("property", "shop.yaml", "--diff", "other.yaml")
    assert done.code == 1, done.err
    assert '~ rule "Every event" action "Send Event" changed\n' in done.out
    assert "custom_properties.$user_id: {{E-mail}} -> nothing" in done.out
    assert "4 events of the rules compared: $user_id differs in 4" in done.out
    (row,) = [line.split() for line in done.out.splitlines() if "A login joins the visit" in line]
    assert row[:3] == ["passed", "->", "failed"]
    assert row[-5:] == ["simplified", "1", "->", "2", "scenarios/login.yaml"]
    assert "ana's 2 events" in done.out
    assert "split now: ana" in done.out
    assert "users only before: $device:D1 = ana" in done.out
    assert done.out.endswith("2 scenarios compared: other users come out of 1\n")


def test_the_change_is_one_document_for_scripts(shell: Shell) -> None:
    done = _written(shell).run("property", "shop.yaml", "--diff", "other.yaml", "scenarios", "--json")
    assert done.code == 1
    found = _json(done)
    assert (found["property"], found["other"]) == ("shop.yaml", "other.yaml")
    (change,) = found["changes"]
    assert (change["kind"], change["name"], change["rule"], change["what"]) == (
        "action", "Send Event", "Every event", "changed",
    )  # fmt: skip
    assert change["fields"] == [
        {"field": "custom_properties.$user_id", "what": "removed", "before": "{{E-mail}}", "after": None}
    ]
    assert found["scenarios"]["compared"] == 2
    (scenario,) = found["scenarios"]["changed"]
    assert (scenario["name"], scenario["id_merge"]) == ("A login joins the visit", "simplified")
    assert (scenario["before"]["status"], scenario["after"]["status"]) == ("passed", "failed")
    assert (scenario["before"]["users"], scenario["after"]["users"]) == (1, 2)
    assert scenario["after"]["people"]["split"] == ["ana"]
    assert scenario["checks"][0]["check"] == "split"
    assert found["events"]["differ"] == {"distinct_id": 0, "$device_id": 0, "$user_id": 4}


def test_a_change_for_the_better_is_told_as_well(shell: Shell) -> None:
    _written(shell)
    (shell.folder / "shop.yaml").write_text(WITHOUT_USER)
    (shell.folder / "other.yaml").write_text(BEFORE)
    done = shell.run("property", "shop.yaml", "--diff", "other.yaml", "--id-merge", "simplified")
    assert done.code == 1
    assert "failed -> passed" in done.out
    assert "no longer so: ana's 2 events" in done.out
    assert "no longer split: ana" in done.out


def test_another_system_may_not_mind(shell: Shell) -> None:
    done = _written(shell).run("property", "shop.yaml", "--diff", "other.yaml", "--id-merge", "original")
    assert done.code == 0, done.out
    assert "1 scenario compared: the same users come out of all of them" in done.out


def test_a_property_is_equal_to_itself_in_another_shape(shell: Shell) -> None:
    tree, answers = write_tree(shell.folder / "tree", shop()), write_answers(shell.folder / "answers", shop())
    done = shell.run("property", tree, "--diff", answers)
    assert done.code == 0
    assert "Both do the same: every rule and data element is equal." in done.out
    assert "only the properties are compared" in done.err


def test_scenarios_find_the_property_by_any_way_to_it(shell: Shell) -> None:
    _written(shell, scenario=SCENARIO.replace("../shop.yaml", "../tree"))
    tree = write_tree(shell.folder / "tree", shop())
    (root,) = tree.iterdir()
    done = shell.run("property", root, "--diff", tree)
    assert "2 scenarios compared: the same users" in done.out


def test_scenarios_of_other_properties_are_left_alone(shell: Shell) -> None:
    done = _written(shell).run("property", "other.yaml", "--diff", "shop.yaml")
    assert done.code == 0
    assert "no scenario sends anything through other.yaml" in done.err
    assert "+" not in done.out


def test_a_scenario_that_cannot_be_read_ends_with_2_and_the_others_run(shell: Shell) -> None:
    _written(shell)
    (shell.folder / "scenarios" / "wrong.yaml").write_text("nam: x\nsteps: []\n")
    done = shell.run("property", "shop.yaml", "--diff", "other.yaml")
    assert done.code == 2
    assert "wrong.yaml:1: nam: is an unknown key" in done.err
    assert "other users come out of 1" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.yaml",), "nowhere.yaml: can't be read"),
        (("scenarios",), "holds no property"),
        (("shop.yaml", "scenarios"), "only have a meaning with --diff"),
        (("shop.yaml", "--id-merge", "original"), "only have a meaning with --diff"),
        (("shop.yaml", "--diff", "nowhere.yaml"), "nowhere.yaml: can't be read"),
        (("shop.yaml", "--diff", "other.yaml", "nowhere"), "nowhere: does not exist"),
        (("shop.yaml", "--diff", "other.yaml", "--id-merge", "modern"), "modern"),
        (("shop.yaml", "--diff", "other.yaml", "--settings", "nowhere.yaml"), "nowhere.yaml"),
        ((), "Missing argument"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    done = _written(shell).run("property", *arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


def test_names_that_act_on_a_terminal_are_spelled_out(shell: Shell) -> None:
    (shell.folder / "odd.yaml").write_text('property: "a\\e[31m"\nrules: [{name: "x\\u202ey"}]\n')
    done = shell.run("property", "odd.yaml")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


def test_the_help_has_examples_and_exit_codes(shell: Shell) -> None:
    help_text = shell.run("property", "--help").out
    assert "harness property properties/retail.yaml --diff" in help_text
    assert "Exit codes" in help_text
