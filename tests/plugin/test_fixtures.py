"""The fixtures, as users' tests take them, and the example of the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plugin.runs import PROPERTY, Runs

README = Path(__file__).parents[2] / "README.md"


def test_the_project_is_fresh_and_of_the_marked_system(runs: Runs) -> None:
    tests = """
import pytest

def test_plain(mixpanel_project):
    assert mixpanel_project.id_merge == "simplified"
    mixpanel_project.send({"event": "E", "properties": {"$user_id": "ana"}})

def test_fresh(mixpanel_project):
    assert len(mixpanel_project.rows) == 0

@pytest.mark.id_merge("original")
def test_marked(mixpanel_project):
    assert mixpanel_project.id_merge == "original"

@pytest.mark.id_merge("original")
class TestGroup:
    @pytest.mark.id_merge(system="legacy")
    def test_nearest(self, mixpanel_project):
        assert mixpanel_project.id_merge == "legacy"

    def test_class(self, mixpanel_project):
        assert mixpanel_project.id_merge == "original"

@pytest.mark.parametrize("system", ["simplified", "original", "legacy"])
def test_made(mixpanel_projects, system):
    assert mixpanel_projects(system).id_merge == system
    assert mixpanel_projects(system) is not mixpanel_projects(system)

@pytest.mark.id_merge("orignal")
def test_wrong(mixpanel_project): pass
"""
    (runs.folder / "test_own.py").write_text(tests)
    done = runs.run("--strict-markers")
    done.assert_outcomes(passed=8, errors=1)
    done.stdout.fnmatch_lines(["*ValueError: 'orignal' is no ID-merge system. Did you mean 'original'?*"])


def test_the_project_follows_the_project_file(runs: Runs) -> None:
    runs.write(harness_yaml="token: mine\n")
    (runs.folder / "test_own.py").write_text(
        "def test_own(mixpanel_project):\n    assert mixpanel_project.settings.token == 'mine'\n"
    )
    runs.run().assert_outcomes(passed=1)


def test_the_forwarder_finds_a_property_from_the_root(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.write(pytest_ini="[pytest]\n", shop_yaml=PROPERTY)
    (runs.folder / "below").mkdir()
    (runs.folder / "below" / "test_own.py").write_text(
        "from harness.testing import assert_one_user\n"
        "def test_own(forwarder, mixpanel_project):\n"
        "    shop = forwarder('shop.yaml')\n"
        "    shop.edge({'xdm': {'ecid': 'D1'}, 'data': {'user': 'ana'}})\n"
        "    assert_one_user(mixpanel_project, '$device:D1', 'ana')\n"
        "    assert shop.project is mixpanel_project\n"
        "def test_alone(forwarder, mixpanel_projects):\n"
        "    assert forwarder('shop.yaml').project is not forwarder('shop.yaml').project\n"
        "    project = mixpanel_projects('original')\n"
        "    assert forwarder('shop.yaml', project).project is project\n"
    )
    monkeypatch.chdir(runs.folder / "below")
    runs.run().assert_outcomes(passed=2)


def test_a_failed_assertion_shows_the_explanation_and_no_code_of_ours(runs: Runs) -> None:
    (runs.folder / "test_own.py").write_text(
        "from harness.testing import assert_one_user\n"
        "def test_own(mixpanel_project):\n"
        "    for ids in ({'$device_id': 'D1'}, {'$user_id': 'ana'}):\n"
        "        mixpanel_project.send({'event': 'E', 'properties': ids})\n"
        "    assert_one_user(mixpanel_project, '$device:D1', 'ana')\n"
    )
    done = runs.run()
    done.stdout.fnmatch_lines(
        [
            "E * AssertionError: $device:D1 and ana are two users.",
            "E * Nothing ever connected them.",
            "E * They would be one user:",
            "test_own.py:5: AssertionError",
        ]
    )
    assert "testing.py" not in done.stdout.str()


def test_a_fixture_of_the_same_name_in_a_conftest_wins(runs: Runs) -> None:
    (runs.folder / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef forwarder(): return 'own'\n")
    (runs.folder / "test_own.py").write_text("def test_own(forwarder): assert forwarder == 'own'\n")
    runs.run().assert_outcomes(passed=1)


def readme_examples() -> list[str]:
    return re.findall(r"<!-- example -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_of_the_readme_pass(runs: Runs) -> None:
    examples = readme_examples()
    assert len(examples) == 2
    (runs.folder / "scenarios").symlink_to(README.parent / "scenarios")
    for number, text in enumerate(examples):
        (runs.folder / f"test_{number}.py").write_text(text)
    runs.run("test_0.py", "test_1.py").assert_outcomes(passed=2)


def test_the_example_with_hypothesis_finds_a_mistake_and_explains_it(runs: Runs) -> None:
    (runs.folder / "test_site.py").write_text(readme_examples()[1].replace("self.resets[device] += 1", "pass"))
    done = runs.run()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "E * AssertionError: $device:*-0 and * are two users.",
            "E * was refused (errAnonDistinctIdAssignedAlready); it would have joined them.",
            "E * flow=flow_of(",
        ]
    )


def test_hypothesis_says_which_fixture_to_take_where_the_plain_one_would_be_shared(runs: Runs) -> None:
    (runs.folder / "test_own.py").write_text(
        "from hypothesis import given, strategies as st\n"
        "@given(number=st.integers())\n"
        "def test_own(mixpanel_project, number): pass\n"
    )
    runs.run().assert_outcomes(failed=1)
