"""The published JSON Schema of the scenario file says the same as the loader."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.ingestion.switches import SWITCHES
from harness.problems import Problems
from harness.scenario.expect import REASONS
from harness.scenario.format import parse_scenario
from harness.yamltext import parse_yaml, plain

SCHEMA: dict[str, Any] = json.loads(
    resources.files("harness.scenario").joinpath("scenario.schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)


def data(text: str) -> Any:
    node = parse_yaml(text, Problems(""))
    assert node is not None
    return plain(node)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_switch_is_in_the_schema_with_what_it_is_about() -> None:
    settings = SCHEMA["$defs"]["settings"]["properties"]
    for switch in SWITCHES.values():
        for spelling in (switch.name, *switch.also):
            assert switch.about[1:] in settings[spelling]["description"]
            group, dot, inner = spelling.partition(".")
            if dot:
                assert inner in settings[group]["properties"]
    names = {spelling for switch in SWITCHES.values() for spelling in (switch.name, *switch.also)}
    groups = {name.partition(".")[0] for name in names if "." in name}
    assert set(settings) == names | groups | {"now", "environment", "env"}


def test_every_reason_is_in_the_schema() -> None:
    refused = SCHEMA["$defs"]["expect"]["properties"]["refused"]["items"]["properties"]["reason"]
    assert tuple(refused["enum"]) == REASONS


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nsteps: []\n",
        "name: a\nid_merge: [simplified, legacy]\nvars: {x: 1}\nsteps:\n- {event: x, person: ana, endpoint: import}\n"
        "- {advance: 1h30m}\n- {resend: 0}\nexpect: {users: 1, same_user: [[a, 5]], mixed: [[ana, ana]]}\n",
        "name: a\nsettings: {now: '2026-01-05', original: {canonical: first_seen}, dedup.id: raw}\nsteps: []\n",
    ],
)
def test_what_the_loader_takes_the_schema_takes(text: str) -> None:
    assert not isinstance(parse_scenario(text.encode(), "a.yaml", Path()), list)
    VALIDATOR.validate(data(text))


@pytest.mark.parametrize(
    "text",
    [
        "name: a\n",
        "steps: []\n",
        "name: ' '\nsteps: []\n",
        "name: a\nsteps: []\nextra: 1\n",
        "name: a\nid_merge: modern\nsteps: []\n",
        "name: a\nid_merge: []\nsteps: []\n",
        "name: a\nsteps: [{event: x, edge: {}}]\n",
        "name: a\nsteps: [{event: x, persn: a}]\n",
        "name: a\nsteps: [{advance: soon}]\n",
        "name: a\nsteps: [{event: x, endpoint: imports}]\n",
        "name: a\nsteps: []\nexpect: {user: 1}\n",
        "name: a\nsteps: []\nexpect: {users: -1}\n",
        "name: a\nsteps: []\nexpect: {same_user: [a, b]}\n",
        "name: a\nsteps: []\nsettings: {cluster_limt: 1}\n",
        "name: a\nsteps: []\nknown_failure: ' '\n",
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(text: str) -> None:
    assert isinstance(parse_scenario(text.encode(), "a.yaml", Path()), list)
    assert list(VALIDATOR.iter_errors(data(text)))
