"""The shipped suites in `scenarios/`: complete, well described, and green."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import jsonschema
import pytest

from harness.forwarder.property import load_property
from harness.problems import Problems
from harness.scenario.format import Scenario, is_property_file, load_scenario
from harness.scenario.results import RunResult
from harness.scenario.runner import run_paths
from harness.yamltext import parse_yaml, plain

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
FAILURES = SCENARIOS / "failures"
THEMES = ("simplified", "original", "legacy", "adobe-retail", "failures")
SCHEMA = json.loads((ROOT / "harness" / "scenario" / "scenario.schema.json").read_text(encoding="utf-8"))
SCHEMA_LINE = "# yaml-language-server: $schema=../../harness/scenario/scenario.schema.json"
WITHOUT_A_THREAD = {29}
"""For this failure no thread was found; its files name the page of the docs instead."""

FILES = sorted(file for theme in THEMES for file in (SCENARIOS / theme).glob("*.yaml"))
PROPERTIES = sorted((SCENARIOS / "properties").iterdir())


def _name(path: Path) -> str:
    return path.relative_to(SCENARIOS).as_posix()


def _story(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return "\n".join(lines[: next(at for at, line in enumerate(lines) if not line.startswith("#"))])


@functools.cache
def _scenario(path: Path) -> Scenario:
    scenario = load_scenario(path, _name(path))
    assert isinstance(scenario, Scenario), scenario
    return scenario


@pytest.fixture(scope="module")
def run() -> RunResult:
    return run_paths([SCENARIOS])


def test_every_shipped_scenario_holds_or_fails_as_announced(run: RunResult) -> None:
    wrong = [(one.file, one.id_merge, one.headline) for one in run.scenarios if one.status in ("failed", "error")]
    assert wrong == []
    assert run.exit_code == 0


def test_every_file_of_every_theme_was_run(run: RunResult) -> None:
    assert {Path(one.file).resolve() for one in run.scenarios} == {file.resolve() for file in FILES}
    assert sorted(path for path in SCENARIOS.rglob("*.yaml") if path not in PROPERTIES) == FILES


def test_names_are_unique() -> None:
    names = [_scenario(file).name for file in FILES]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_a_scenario_tells_its_story_names_its_systems_and_expects_something(file: Path) -> None:
    assert file.read_text(encoding="utf-8").startswith(SCHEMA_LINE + "\n# ")
    assert "\n# Source: " in _story(file) or "\n# Thread: " in _story(file)
    scenario = _scenario(file)
    assert scenario.id_merge
    assert "expect:" in file.read_text(encoding="utf-8")
    expect = scenario.expect
    assert expect.users is not None
    assert len(scenario.name) <= 100


@pytest.mark.parametrize("file", FILES, ids=_name)
def test_a_scenario_holds_to_the_json_schema(file: Path) -> None:
    node = parse_yaml(file.read_text(encoding="utf-8"), Problems(_name(file)))
    assert node is not None
    jsonschema.Draft202012Validator(SCHEMA).validate(plain(node))


@pytest.mark.parametrize("number", range(1, 30))
def test_a_failure_of_a_real_team_has_a_file_or_a_reason_why_not(number: int) -> None:
    files = list(FAILURES.glob(f"{number:02}-*.yaml"))
    readme = (FAILURES / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| {number} \|", readme, re.MULTILINE)
    assert files or re.search(rf"^- {number}: .*?https://", readme, re.MULTILINE | re.DOTALL)
    for file in files:
        assert f"({file.name})" in readme


@pytest.mark.parametrize("file", sorted(FAILURES.glob("*.yaml")), ids=_name)
def test_a_failure_names_its_thread(file: Path) -> None:
    number = int(file.name[:2])
    pattern = r"^# https://docs\." if number in WITHOUT_A_THREAD else r"^# Thread: https://"
    assert re.search(pattern, _story(file), re.MULTILINE)


@pytest.mark.parametrize("file", sorted(FAILURES.glob("*.yaml")), ids=_name)
def test_a_fixed_flow_stands_beside_a_failing_one(file: Path) -> None:
    if _scenario(file).known_failure is None:
        return
    beside = [other for other in FAILURES.glob(f"{file.name[:2]}-*.yaml") if _scenario(other).known_failure is None]
    assert beside


@pytest.mark.parametrize("file", PROPERTIES, ids=_name)
def test_a_property_can_be_read_and_some_scenario_uses_it(file: Path) -> None:
    assert load_property(file).rules
    used = {path.resolve() for path in (_scenario(one).property_path for one in FILES) if path is not None}
    assert file.resolve() in used
    if file.suffix == ".yaml":
        node = parse_yaml(file.read_text(encoding="utf-8"), Problems(_name(file)))
        assert node is not None
        assert is_property_file(node)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("adobe-retail/identity-rule-missing.yaml", "nothing ever connected them; send one event with both"),
        ("adobe-retail/e-mail-spelling-as-typed.yaml", "differ in letter case or spaces only"),
        ("adobe-retail/ecid-as-bare-distinct-id.yaml", "a phantom user"),
        ("adobe-retail/original-ecid-as-anonymous-id.yaml", "an ECID is not a UUID"),
        ("failures/01-cdp-merges-everyone-of-one-device.yaml", "$merge has no guard"),
        ("failures/02-reset-keeps-the-anonymous-id.yaml", "both sent"),
        ("failures/06-reset-identifies-a-random-id.yaml", "since step 2; call reset()"),
        ("failures/07-reset-at-every-logout.yaml", "apart from user-ana: the $identify of step 4"),
        ("failures/13-server-identifies-in-simplified.yaml", "the $identify of step 1 was ignored"),
        ("failures/16-server-renders-the-first-page.yaml", "nothing ever connected them"),
        ("failures/18-one-id-for-everybody.yaml", "ana, ben and cleo share the user"),
        ("failures/20-device-prefix-doubled-in-a-load.yaml", "$device: in front twice"),
        ("failures/20-test-account-on-everybodys-phone.yaml", "which belongs to 1234 since step 0"),
        ("failures/22-project-in-the-eu.yaml", "is the host of us projects"),
    ],
)
def test_a_failing_flow_says_why(name: str, says: str, run: RunResult) -> None:
    headlines = [one.headline for one in run.scenarios if one.file.endswith(name)]
    assert headlines
    assert all(says in headline for headline in headlines)


def test_a_changed_address_is_told_by_what_each_system_can_do(run: RunResult) -> None:
    said = {one.id_merge: one.headline for one in run.scenarios if one.file.endswith("29-e-mail-address-changes.yaml")}
    assert "users never merge in simplified" in said["simplified"]
    assert "send $create_alias, or $merge by /import" in said["original"]
    assert "legacy never joins what came earlier" in said["legacy"]
