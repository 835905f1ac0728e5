"""Every rule of the registry: it has a name, a documentation, an example that it finds and one that it does not."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from harness.lint.registry import REGISTRY, SEVERITIES, LintRule, rule
from harness.lint.rules import MODULES, RULES
from tests.lint.linting import lint_example, names

ALL = list(RULES.values())


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_the_example_of_a_rule_is_found(rule: LintRule, tmp_path: Path) -> None:
    assert rule.name in names(lint_example(rule, rule.bad, tmp_path))


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_the_corrected_example_of_a_rule_is_not_found(rule: LintRule, tmp_path: Path) -> None:
    assert rule.name not in names(lint_example(rule, rule.good, tmp_path))


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_is_documented(rule: LintRule) -> None:
    assert rule.summary.endswith(".")
    assert rule.fix.endswith(".")
    assert rule.source
    assert rule.severity in SEVERITIES
    assert rule.systems


def test_there_are_rules_about_properties_events_and_scenarios() -> None:
    by_subject = {rule.subject for rule in ALL}
    assert by_subject == {"property", "events", "scenario"}
    assert len(ALL) >= 25


def test_every_module_holds_rules_and_no_rule_is_left_out() -> None:
    homes = {inspect.getmodule(rule.check) for rule in ALL}
    assert homes == set(MODULES)
    assert dict(RULES) == dict(sorted(REGISTRY.items()))


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_fits_a_screen(rule: LintRule) -> None:
    function = ast.parse(inspect.getsource(rule.check)).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert len(ast.unparse(ast.Module(function.body, [])).splitlines()) <= 25


def test_two_rules_of_one_name_are_refused() -> None:
    register = rule("property", "note", fix="-", bad="-", good="-", evidence="docs", source="-")

    def ip_missing(_: object) -> None: ...

    with pytest.raises(ValueError, match="two lint rules named ip-missing"):
        register(ip_missing)  # type: ignore[arg-type]
