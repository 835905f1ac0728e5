"""What a path holds shows in what is there, not in its name alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lint.targets import Kind, find_targets

EVENT = '{"event": "Page", "properties": {"distinct_id": "ana"}}'
PROPERTY = '{"property": {"name": "Shop"}, "data_elements": [], "rules": []}'
SCENARIO = "name: x\nsteps: []\n"
SHORTHAND = "property: Shop\nrules: []\n"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.jsonl", EVENT, "events"),
        ("a.jsonl", "no json", "events"),
        ("a.json", EVENT, "events"),
        ("a.json", f"{EVENT}\n{EVENT}\n", "events"),
        ("a.txt", f"\n{EVENT}\nbroken", "events"),
        ("a.json", PROPERTY, "property"),
        ("a.json", "{", "property"),
        ("a", PROPERTY, "property"),
        ("a.yaml", SHORTHAND, "property"),
        ("a.yaml", SCENARIO, "scenario"),
        ("a.yml", f"property: p.yaml\n{SCENARIO}", "scenario"),
        ("a.yaml", "name: x", "scenario"),
        ("a.yaml", "a: [", "scenario"),
    ],
)
def test_a_file_that_is_named_is_told_by_what_it_holds(name: str, text: str, kind: Kind, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    targets, problems = find_targets([tmp_path / name])
    assert [(target.kind, target.is_named) for target in targets] == [(kind, True)]
    assert problems == []


@pytest.mark.parametrize(("name", "text"), [("a.json", "[]"), ("a.txt", "hello"), ("a.md", "# x"), ("a", "")])
def test_a_file_that_is_nothing_to_lint_is_a_problem(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    targets, problems = find_targets([tmp_path / name])
    assert targets == []
    assert "is neither a property, nor an event file, nor a scenario" in str(problems[0])


def test_a_folder_is_searched_and_what_is_something_else_is_passed_over(tmp_path: Path) -> None:
    files = {
        "b/one.yaml": SCENARIO,
        "b/property.yaml": SHORTHAND,
        "b/broken.yaml": "name: x\nsteps: [\n",
        "a/events.ndjson": EVENT,
        "a/retail.json": PROPERTY,
        "a/report.json": '{"scenarios": []}',
        "a/calls.jsonl": '{"event": {"xdm": {}}}',
        "a/notes.md": "# steps:",
        "harness.yaml": "token: x\n",
        "workflow.yaml": "name: CI\njobs: {}\n",
        "latin.yaml": "",
        ".hidden/one.yaml": SCENARIO,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\nsteps: []\n")
    targets, problems = find_targets([tmp_path])
    found = [(Path(target.file).relative_to(tmp_path).as_posix(), target.kind) for target in targets]
    assert found == [
        ("a/events.ndjson", "events"),
        ("a/retail.json", "property"),
        ("b/broken.yaml", "scenario"),
        ("b/one.yaml", "scenario"),
        ("b/property.yaml", "property"),
    ]
    assert problems == []


def test_a_property_that_is_a_folder_is_one_target(tmp_path: Path) -> None:
    inner = tmp_path / "exports" / "shop"
    inner.mkdir(parents=True)
    for name in ("property.json", "rules.json", "data_elements.json"):
        (inner / name).write_text("[]")
    tree = tmp_path / "exports" / "PR1"
    (tree / "rules").mkdir(parents=True)
    (tree / "data.json").write_text("{}")
    targets, _ = find_targets([tmp_path])
    assert [(Path(target.file).name, target.kind, target.is_named) for target in targets] == [
        ("PR1", "property", False),
        ("shop", "property", False),
    ]
    assert [target.is_named for target in find_targets([inner])[0]] == [True]


def test_a_file_is_linted_once_however_often_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(EVENT)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    targets, _ = find_targets([tmp_path / "a.jsonl", tmp_path, tmp_path / "link.jsonl"])
    assert len(targets) == 1


def test_a_path_that_leads_nowhere_and_an_empty_folder_are_problems(tmp_path: Path) -> None:
    _, problems = find_targets([tmp_path / "nowhere", tmp_path, Path("a\0b")])
    assert [problem.message for problem in problems] == [
        "can't be read: No such file or directory",
        "holds no property, event file or scenario",
        "can't be read: embedded null byte",
    ]


def test_a_broken_link_in_a_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a.jsonl").write_text(EVENT)
    targets, problems = find_targets([tmp_path])
    assert len(targets) == 1
    assert problems == []
