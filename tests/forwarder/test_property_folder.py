"""Properties as a folder of raw API answers, and the components that stand beside the rules in one document."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.forwarder.property import load_property
from harness.problems import InputError, Problem
from tests.forwarder.property_samples import bare, component, document, object_id, rule, shop
from tests.forwarder.property_writers import (
    page,
    wrapped,
    write_answers,
    write_document,
    write_document_with_components_apart,
)

RULE_FILE = f"{object_id('RL', 1)}.json"
Change = Callable[[Any], Any]


def _folder(tmp_path: Path, **changes: Change) -> Path:
    """The shop as answers of the API, with some files changed; names come without `.json`."""
    folder = write_answers(tmp_path / "export", shop())
    for name, change in changes.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(change(json.loads(path.read_text())), indent=1))
    return folder


def _problems(path: Path) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        load_property(path)
    return list(caught.value.problems)


def _problem(path: Path) -> Problem:
    (problem,) = _problems(path)
    return problem


def test_a_folder_of_answers_is_the_same_property_as_one_document(tmp_path: Path) -> None:
    property_ = load_property(_folder(tmp_path))
    assert bare(property_) == bare(load_property(write_document(tmp_path / "one.json", shop())))
    assert property_.shape == "API answers"
    assert property_.rules[0].rule_id == object_id("RL", 1)


def test_bare_lists_and_flat_objects_are_read_as_well(tmp_path: Path) -> None:
    def bared(answer: Any) -> Any:
        data = answer["data"]
        flat = [{"id": one["id"], **one["attributes"]} for one in (data if isinstance(data, list) else [data])]
        return flat if isinstance(data, list) else flat[0]

    changes = dict.fromkeys(("property", "rules", "data_elements", object_id("RL", 1)), bared)
    answers = load_property(write_answers(tmp_path / "answers", shop()))
    assert bare(load_property(_folder(tmp_path, **changes))) == bare(answers)


def test_conditions_come_before_actions_and_each_in_its_order(tmp_path: Path) -> None:
    (one,) = load_property(_folder(tmp_path)).rules
    assert [condition.name for condition in one.conditions] == ["Has an address", "Is a login"]
    assert [action.name for action in one.actions] == ["Remember", "Send"]


def test_deleted_and_disabled_things_are_left_out_and_said(tmp_path: Path) -> None:
    left_out = load_property(_folder(tmp_path)).left_out
    assert [(one.kind, one.name, one.reason) for one in left_out] == [
        ("data element", "Old", "deleted"),
        ("data element", "Off", "disabled"),
        ("action", "Elsewhere", "disabled"),
        ("action", "Gone", "deleted"),
        ("rule", "Gone", "deleted"),
    ]


def test_a_deleted_rule_needs_no_file_of_components(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / f"{object_id('RL', 2)}.json").unlink()
    assert [one.name for one in load_property(folder).rules] == ["Login"]


@pytest.mark.parametrize(
    ("pagination", "says"),
    [
        (
            {"next_page": 2, "total_pages": 5, "total_count": 402},
            "holds only 5 of 402 resources (page 1 of 5); 397",
        ),
        ({"total_count": 6}, "holds only 5 of 6 resources (page 1 of 1); 1 are missing"),
        ({"next_page": 2, "total_count": None, "total_pages": None}, "holds only 5 resources; page 2 follows"),
        ({"current_page": 2, "prev_page": 1, "total_pages": 2, "total_count": 105}, "holds only 5 of 105 resources"),
        ({"total_pages": 2, "total_count": None}, "holds only 5 resources (page 1 of 2)"),
    ],
)
def test_an_incomplete_list_is_refused_with_its_file_and_what_is_missing(
    tmp_path: Path, pagination: dict[str, Any], says: str
) -> None:
    problem = _problem(_folder(tmp_path, data_elements=lambda answer: page(answer["data"], **pagination)))
    assert Path(problem.file).name == "data_elements.json"
    assert problem.key == "meta.pagination"
    assert problem.line is not None
    assert says in problem.message
    assert "Ask for every page" in problem.fix


def test_components_of_a_rule_can_be_incomplete_too(tmp_path: Path) -> None:
    change = {object_id("RL", 1): lambda answer: page(answer["data"], next_page=2)}
    assert Path(_problem(_folder(tmp_path, **change)).file).name == RULE_FILE


def test_pages_that_were_joined_are_complete(tmp_path: Path) -> None:
    joined = {"current_page": 3, "prev_page": 2, "total_pages": 3}
    load_property(_folder(tmp_path, data_elements=lambda answer: page(answer["data"], **joined)))


@pytest.mark.parametrize("name", ["property.json", "rules.json", "data_elements.json", RULE_FILE])
def test_a_missing_file_is_named_with_the_request_that_gives_it(tmp_path: Path, name: str) -> None:
    folder = _folder(tmp_path)
    (folder / name).unlink()
    problem = _problem(folder)
    assert Path(problem.file).name == name
    assert problem.message.startswith("is missing")
    assert "GET /" in problem.fix


def test_all_missing_files_come_at_once(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    for name in ("property.json", "data_elements.json", RULE_FILE):
        (folder / name).unlink()
    assert [Path(problem.file).name for problem in _problems(folder)] == [
        "property.json", "data_elements.json", RULE_FILE,
    ]  # fmt: skip


def test_components_of_an_unknown_rule_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "RL99.json").write_text("[]")
    assert "a rule that rules.json does not have" in _problem(folder).message


def test_a_tags_property_is_said_and_nothing_else(tmp_path: Path) -> None:
    def web(answer: Any) -> Any:
        answer["data"]["attributes"]["platform"] = "web"
        return answer

    def with_event(answer: Any) -> Any:
        answer["data"][0]["attributes"]["delegate_descriptor_id"] = "core::events::click"
        return answer

    problem = _problem(_folder(tmp_path, property=web, **{object_id("RL", 1): with_event}))
    assert (Path(problem.file).name, problem.key) == ("property.json", "data.platform")
    assert "tags property" in problem.message


def _with_component(tmp_path: Path, **more: Any) -> Path:
    one = {**component(1, "Odd", "core::actions::custom-code", {"source": ""}), **more}
    return write_answers(tmp_path / "odd", document([], [rule(1, "Track", one)]))


@pytest.mark.parametrize(
    ("descriptor", "says", "fix"),
    [
        ("core::events::library-loaded", "rules at the edge can't have events", "Remove it"),
        (
            "other-cloud::actions::send-data",
            "the extension 'other-cloud' is not run here, only core and mixpanel-",
            "Disable or delete it",
        ),
        ("mixpanel-conector-edge::actions::send-event", "is not run here", "Did you mean 'mixpanel-connector-edge'?"),
        ("core::actions::custom-cod", "is the unknown type", "Did you mean 'core::actions::custom-code'?"),
    ],
)
def test_a_component_that_is_not_run_is_named_with_its_file(
    tmp_path: Path, descriptor: str, says: str, fix: str
) -> None:
    problem = _problem(_with_component(tmp_path, delegate_descriptor_id=descriptor))
    assert Path(problem.file).name == RULE_FILE
    assert problem.key == 'rule "Track" component "Odd".delegate_descriptor_id'
    assert problem.line is not None
    assert says in problem.message
    assert fix in problem.fix
    (tmp_path / "off").mkdir()
    load_property(_with_component(tmp_path / "off", delegate_descriptor_id=descriptor, enabled=False))


def test_a_tags_token_is_found_in_the_file_it_stands_in(tmp_path: Path) -> None:
    settings = json.dumps({"event": "%name%"})
    descriptor = "mixpanel-connector-edge::actions::send-event"
    problem = _problem(_with_component(tmp_path, delegate_descriptor_id=descriptor, settings=settings))
    assert Path(problem.file).name == RULE_FILE
    assert "tags property" in problem.message


def test_mistakes_of_all_files_come_at_once_with_their_lines(tmp_path: Path) -> None:
    broken = shop()
    broken["data_elements"][0]["settings"] = "{"
    broken["rules"][0]["rule_components"][0]["timeout"] = "soon"
    problems = _problems(write_answers(tmp_path / "export", broken))
    assert [(Path(problem.file).name, problem.key) for problem in problems] == [
        ("data_elements.json", "data[0].settings"),
        (RULE_FILE, 'rule "Login" component "Send".timeout'),
    ]
    lines = [Path(problem.file).read_text().splitlines()[(problem.line or 0) - 1] for problem in problems]
    assert ['"settings"' in lines[0], '"timeout"' in lines[1]] == [True, True]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("5", "needs an answer of the API or its resources"),
        ('{"errors": [{"status": "403"}]}', "a request that failed"),
        ('{"data": 5}', "needs a list of resources"),
        ("[5]", "needs an object"),
        ('[{"type": "rules", "name": "a"}]', "is 'rules'; this file is for data_elements"),
    ],
)
def test_a_file_that_is_no_answer_is_refused(tmp_path: Path, text: str, says: str) -> None:
    folder = _folder(tmp_path)
    (folder / "data_elements.json").write_text(text)
    problem = _problems(folder)[0]
    assert says in problem.message
    assert Path(problem.file).name == "data_elements.json"


def test_a_resource_that_was_joined_twice_is_refused(tmp_path: Path) -> None:
    problem = _problem(_folder(tmp_path, rules=lambda answer: [*answer["data"], answer["data"][0]]))
    assert "is here twice" in problem.message


def test_an_id_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    def renamed(answer: Any) -> Any:
        answer["data"][1]["attributes"]["deleted_at"] = None
        answer["data"][1]["id"] = "../../RL"
        return answer

    assert any("is no id" in problem.message for problem in _problems(_folder(tmp_path, rules=renamed)))


def test_installed_extensions_are_named(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    attributes = {"name": "core", "version": "1.4.0"}
    extensions = [{"id": "EX1", "type": "extensions", "attributes": attributes}]
    (folder / "extensions.json").write_text(json.dumps(page(extensions)))
    assert load_property(folder).extensions == ("core 1.4.0",)


def test_one_answer_alone_is_answered_with_the_folder(tmp_path: Path) -> None:
    assert "give the folder" in _problem(_folder(tmp_path) / "rules.json").fix


@pytest.mark.parametrize("names", [[], ["readme.txt"], ["RL", "notes"]])
def test_a_folder_that_is_no_property_is_told_what_it_needs(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    problem = _problem(tmp_path)
    assert "holds no property" in problem.message
    assert "rules.json" in problem.fix


def test_components_beside_the_rules_belong_to_the_rules_they_name(tmp_path: Path) -> None:
    apart = load_property(write_document_with_components_apart(tmp_path / "apart.json", shop()))
    assert bare(apart) == bare(load_property(write_document(tmp_path / "inside.json", shop())))


def test_one_component_can_belong_to_several_rules(tmp_path: Path) -> None:
    shared = wrapped("rule_components", component(1, "Shared", "core::actions::custom-code", {"source": ""}))
    shared["relationships"] = {"rules": {"data": [{"id": object_id("RL", 1)}, {"id": object_id("RL", 2)}]}}
    plain = document([], [{"id": object_id("RL", number), "name": f"r{number}"} for number in (1, 2)])
    property_ = load_property(write_document(tmp_path / "shared.json", {**plain, "rule_components": [shared]}))
    assert [[action.name for action in one.actions] for one in property_.rules] == [["Shared"], ["Shared"]]


@pytest.mark.parametrize(
    ("relationships", "says"),
    [
        ({}, "does not say which rule it belongs to"),
        ({"rules": {"links": {}}}, "does not say which rule it belongs to"),
        ({"rules": {"data": [{"id": "RL99"}]}}, "belongs to the rule RL99, which is not among the rules"),
    ],
)
def test_a_component_without_a_rule_is_refused(tmp_path: Path, relationships: Any, says: str) -> None:
    lost = wrapped("rule_components", component(1, "Lost", "core::actions::custom-code", {}))
    whole = {**document([], []), "rule_components": [{**lost, "relationships": relationships}]}
    problem = _problem(write_document(tmp_path / "lost.json", whole))
    assert problem.key == "rule_components[0]"
    assert says in problem.message
