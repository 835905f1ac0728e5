"""Which files are run, and how `-k` picks from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.problems import InputError
from harness.scenario.collect import collect, matcher


def test_a_folder_is_searched_and_properties_in_it_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.yaml").write_text("name: two\nsteps: []\n")
    (tmp_path / "one.yaml").write_text("name: one\nsteps: []\n")
    (tmp_path / "retail.yaml").write_text("property: Retail\ndata_elements: {a: arc.event}\nrules: []\n")
    (tmp_path / "notes.txt").write_text("x")
    found, problems = collect([tmp_path])
    assert [item.path.name for item in found] == ["two.yaml", "one.yaml"]
    assert not problems


def test_a_scenario_that_speaks_of_rules_is_still_a_scenario(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nsteps: []\nrules: []\n")
    assert len(collect([tmp_path])[0]) == 1


def test_a_file_named_twice_runs_once(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: a\nsteps: []\n")
    assert len(collect([file, tmp_path, file])[0]) == 1


def test_a_path_that_is_not_there_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: a\nsteps: []\n")
    found, problems = collect([tmp_path / "none", file])
    assert len(found) == 1
    assert "does not exist" in str(problems[0])


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    assert "holds no *.yaml scenario" in str(collect([tmp_path])[1][0])


@pytest.mark.parametrize(
    ("expression", "name", "matches"),
    [
        ("login", "Login of ana original", True),
        ("login and not original", "Login of ana original", False),
        ("login and not original", "Login of ana legacy", True),
        ("legacy or simplified", "x simplified", True),
        ("not (legacy or simplified)", "x simplified", False),
        ("'of ana' and legacy", "Login of ana legacy", True),
        ("not not login", "login", True),
        ("a or b and c", "a", True),
    ],
)
def test_expressions_pick_by_words(expression: str, name: str, matches: bool) -> None:
    assert matcher(expression)(name.casefold()) is matches


@pytest.mark.parametrize("expression", ["", "and", "a and", "(a", "a)", "a b", "'a", "not", "(" * 5000])
def test_an_expression_that_makes_no_sense_is_a_mistake(expression: str) -> None:
    with pytest.raises(InputError, match="-k"):
        matcher(expression)
