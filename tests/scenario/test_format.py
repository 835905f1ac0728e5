"""The scenario file: what is read from it, and what is said about its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ingestion.settings import ProjectSettings
from harness.problems import Problem
from harness.scenario.format import (
    AdvanceStep,
    EdgeStep,
    EventStep,
    ResendStep,
    Scenario,
    load_scenario,
    parse_scenario,
)

WHOLE = """
name: Page views before login join the account
id_merge: [simplified, original]
property: retail.yaml
settings: {now: 2026-01-05T12:00:00Z, cluster_limit: 500}
steps:
  - event: Page View
    person: ana
    properties: {$device_id: D1}
  - edge: {xdm: {web: {a: 1}}, data: {b: 2}}
    person: ana
  - event: $merge
    endpoint: import
    properties: {$distinct_ids: [a, b]}
  - advance: 2h
  - resend: 0
expect:
  users: 1
  same_user: [["$device:D1", "ana"]]
  different_users: [["ana", "ben"]]
  canonical: {"$device:D1": ana}
  accepted: 3
  rejected: [{step: 4, field: properties.time}]
  refused: [{step: 2, reason: errAnonDistinctIdAssignedAlready}]
  split: [ana]
  mixed: []
known_failure: because
"""


def read(text: str, folder: Path = Path()) -> Scenario:
    found = parse_scenario(text.encode(), "a.yaml", folder)
    assert isinstance(found, Scenario), found
    return found


def mistakes(text: str) -> list[Problem]:
    found = parse_scenario(text.encode(), "a.yaml", Path())
    assert isinstance(found, list)
    assert found
    assert all(problem.file == "a.yaml" for problem in found)
    return found


def test_every_part_of_the_format_is_read(tmp_path: Path) -> None:
    (tmp_path / "retail.yaml").write_text("property: x\n")
    scenario = read(WHOLE, tmp_path)
    assert scenario.name == "Page views before login join the account"
    assert scenario.id_merge == ("simplified", "original")
    assert scenario.property_path == tmp_path / "retail.yaml"
    assert scenario.now_ms == 1_767_614_400_000
    assert scenario.settings.identity.cluster_limit == 500
    assert scenario.steps == (
        EventStep(0, 7, "ana", "Page View", "track", {"$device_id": "D1"}),
        EdgeStep(1, 10, "ana", {"xdm": {"web": {"a": 1}}, "data": {"b": 2}}, None),
        EventStep(2, 12, None, "$merge", "import", {"$distinct_ids": ["a", "b"]}),
        AdvanceStep(3, 15, "2h", 7_200_000),
        ResendStep(4, 16, "ana", 0),
    )
    expect = scenario.expect
    assert (expect.users, expect.accepted) == (1, 3)
    assert expect.same_user == (("$device:D1", "ana"),)
    assert expect.canonical == (("$device:D1", "ana"),)
    assert expect.split == ("ana",)
    assert expect.mixed == ()
    assert expect.refused is not None
    assert expect.refused[0].what == "errAnonDistinctIdAssignedAlready"
    assert scenario.known_failure == "because"


def test_one_system_may_stand_without_a_list() -> None:
    assert read("name: a\nid_merge: legacy\nsteps: []\n").id_merge == ("legacy",)


def test_a_file_without_systems_names_none() -> None:
    assert read("name: a\nsteps: []\n").id_merge == ()


def test_settings_from_outside_are_the_base_of_those_in_the_file() -> None:
    from dataclasses import replace

    base = replace(ProjectSettings(), token="T", region="eu")
    found = parse_scenario(b"name: a\nsettings: {region: in}\nsteps: []\n", "a.yaml", Path(), base)
    assert isinstance(found, Scenario)
    assert (found.settings.token, found.settings.region) == ("T", "in")


def test_placeholders_stand_for_variables_and_keep_their_type() -> None:
    scenario = read(
        "name: a\nvars: {n: 5, who: ana}\nsteps:\n"
        "- event: 'Seen {n}'\n  person: '{who}'\n  properties: {amount: '{n}', text: '<{n}>', other: '{unknown}'}\n"
    )
    step = scenario.steps[0]
    assert isinstance(step, EventStep)
    assert (step.name, step.person) == ("Seen 5", "ana")
    assert step.properties == {"amount": 5, "text": "<5>", "other": "{unknown}"}


def test_without_variables_braces_are_left_alone() -> None:
    step = read("name: a\nsteps: [{event: '{x}', properties: {a: '{name}'}}]").steps[0]
    assert isinstance(step, EventStep)
    assert (step.name, step.properties) == ("{x}", {"a": "{name}"})


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("name: a\nstesp: []\n", 2, "stesp", "Did you mean 'steps'?"),
        ("name: a\nsteps:\n- event: x\n  persom: ana\n", 4, "steps[0].persom", "Did you mean 'person'?"),
        ("name: a\nsteps:\n- evnt: x\n", 3, "steps[0]", "Did you mean 'event'?"),
        ("name: a\nsteps:\n- event: x\n  edge: {}\n", 3, "steps[0]", "found event and edge"),
        ("name: a\nid_merge: simplifed\nsteps: []\n", 2, "id_merge", "Did you mean 'simplified'?"),
        ("name: a\nid_merge: []\nsteps: []\n", 2, "id_merge", "is an empty list"),
        ("name: a\nsteps: []\nsettings: {cluster_limt: 5}\n", 3, "settings.cluster_limt", "cluster_limit"),
        ("name: a\nsteps: []\nsettings: {now: noon}\n", 3, "settings.now", "no instant such as"),
        ("name: a\nsteps: []\nexpect: {user: 1}\n", 3, "expect.user", "Did you mean 'users'?"),
        ("name: a\nsteps: []\nexpect: {users: one}\n", 3, "expect.users", "whole number"),
        ("name: a\nsteps: []\nexpect: {same_user: [a, b]}\n", 3, "expect.same_user", "[[a, b]]"),
        ("name: a\nsteps: []\nexpect: {refused: [{step: 3}]}\n", 3, "expect.refused[0].step", "is no step"),
        ("name: a\nsteps: [{event: x}]\nexpect:\n  refused: [{step: 0, reason: errSameID}]\n", 4,
         "expect.refused[0].reason", "Did you mean 'errSameIDs'?"),
        ("name: a\nsteps: [{event: x, person: ana}]\nexpect: {split: [anna]}\n", 3, "expect.split",
         "Did you mean 'ana'?"),
        ("name: a\nsteps:\n- advance: 2 hours\n", 3, "steps[0].advance", "no duration such as"),
        ("name: a\nsteps:\n- resend: 0\n", 3, "steps[0].resend", "is not an earlier step"),
        ("name: a\nsteps:\n- advance: 1s\n- resend: 0\n", 4, "steps[1].resend", "is a wait"),
        ("name: a\nsteps:\n- event: x\n  endpoint: imports\n", 4, "steps[0].endpoint", "Did you mean 'import'?"),
        ("name: a\nsteps:\n- event: 5\n", 3, "steps[0].event", "the number 5"),
        ("name: a\nsteps:\n- event:\n", 3, "steps[0].event", "found nothing"),
        ("name: a\nsteps:\n- edge: {xdn: {}}\n", 3, "steps[0].edge.xdn", "Did you mean 'xdm'?"),
        ("name: a\nsteps:\n- edge: {xdm: {}}\n", 3, "steps[0].edge", "needs a property"),
        ("name: a\nproperty: nowhere.yaml\nsteps: []\n", 2, "property", "does not exist"),
        ("steps: []\n", 1, "name", "is missing"),
        ("name: a\n", 1, "steps", "is missing"),
        ("name: a\nname: b\nsteps: []\n", 2, "name", "is here twice"),
        ("- a\n", 1, "", "needs a map"),
        ("", 1, "", "is empty"),
        ("name: a\nsteps: [\n", 3, "", "is not valid YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_key_and_what_to_do(text: str, line: int, key: str, says: str) -> None:
    told = [problem for problem in mistakes(text) if problem.key == key]
    assert told, mistakes(text)
    assert told[0].line == line
    assert says in str(told[0])


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    text = "nam: a\nid_merge: [orignal]\nsteps:\n- event: x\n  persn: b\n- advance: 1x\nexpect: {userz: 1}\n"
    keys = {problem.key for problem in mistakes(text)}
    assert keys >= {"nam", "name", "id_merge", "steps[0].persn", "steps[1].advance", "expect.userz"}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"name: \xff\xfe\n", "is not UTF-8"),
        (b"name: a\0b\n", "NUL"),
        (b"name: &a [" + b"x," * 50 + b"]\n", "needs a text"),
        (b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1) if n else b"*a"] * 9)) for n in range(9)
        ), "grows to more than"),
        (b"a: " + b"[" * 10_000, "nested more than"),
        (b"- " * 10_000, "nested more than"),
        (b"a: " + b"[" * 101 + b"]" * 101, "nested more than"),
        (b'name: "\\ud800"\nsteps: []\n', "not valid YAML"),
        (b"name: a\nsteps: []\nsettings: {cluster_limit: 1" + b"0" * 5000 + b"}\n", "whole number"),
        (b"name: a\nsteps: [{event: x, properties: {n: 1e999}}]\n", "too large"),
        (b"!!python/object:os.system x\n", "tag"),
    ],
)  # fmt: skip
def test_hostile_files_are_answered_with_a_message(raw: bytes, says: str) -> None:
    found = parse_scenario(raw, "a.yaml", Path())
    assert isinstance(found, list)
    assert any(says in str(problem) for problem in found), found


def test_a_file_that_does_not_exist_is_a_problem_of_that_file(tmp_path: Path) -> None:
    found = load_scenario(tmp_path / "none.yaml", "none.yaml")
    assert isinstance(found, list)
    assert "can't be read" in str(found[0])


def test_ten_thousand_steps_are_read() -> None:
    text = "name: a\nsteps:\n" + "- {event: x, person: ana, properties: {$device_id: D1}}\n" * 10_000
    assert len(read(text).steps) == 10_000


@given(st.text())
def test_any_text_is_a_scenario_or_a_list_of_problems(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    found = parse_scenario(raw, "a.yaml", Path())
    assert isinstance(found, Scenario) or found


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "steps", "expect", "event", "edge", "settings", "person", "advance", "resend"])
                | st.text(max_size=5),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_data_is_a_scenario_or_a_list_of_problems(data: object) -> None:
    import yaml

    raw = yaml.safe_dump({"name": "a", "steps": [], "x": data} if not isinstance(data, dict) else data).encode()
    found = parse_scenario(raw, "a.yaml", Path())
    assert isinstance(found, Scenario) or found
