"""Scenario files as tests: what pytest's users do with tests works with them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.plugin.runs import BROKEN, JOINED, KNOWN, MENDED, PROPERTY, SPLIT, THROUGH_PROPERTY, Runs

STRICT = "--strict-markers"


def test_a_scenario_file_is_collected_anywhere_with_one_test_a_system(runs: Runs) -> None:
    runs.write(joined_scenario_yaml=JOINED, deep__down__split_scenario_yaml=SPLIT, other_yaml=JOINED)
    done = runs.run("--collect-only", "-q")
    done.stdout.fnmatch_lines(
        [
            "deep/down/split.scenario.yaml::simplified",
            "joined.scenario.yaml::simplified",
            "joined.scenario.yaml::original",
            "3 tests collected*",
        ]
    )


def test_without_scenarios_nothing_is_different(runs: Runs) -> None:
    runs.write(other_yaml=JOINED, harness_yaml="a: [")
    (runs.folder / "test_own.py").write_text("def test_own(): pass\n")
    done = runs.run(STRICT)
    done.assert_outcomes(passed=1)
    assert "harness" not in done.stdout.str().replace("identity-harness", "")


@pytest.mark.parametrize("how", ["ini", "option"])
def test_every_file_of_a_configured_folder_is_a_scenario_but_for_properties(runs: Runs, how: str) -> None:
    runs.write(flows__a_yaml=THROUGH_PROPERTY, flows__shop_yaml=PROPERTY, flows__deep__b_yaml=SPLIT, else__c_yaml=SPLIT)
    options = ["--harness-scenarios", "flows"]
    if how == "ini":
        runs.write(pytest_ini="[pytest]\nharness_scenarios = flows\n")
        options = []
    done = runs.run(STRICT, "-v", *options)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["flows/a.yaml::simplified PASSED*", "flows/deep/b.yaml::simplified FAILED*"])


def test_configured_folders_are_run_beside_testpaths_and_not_beside_paths_that_were_named(runs: Runs) -> None:
    runs.write(pytest_ini="[pytest]\ntestpaths = tests\nharness_scenarios = flows\n", flows__a_yaml=JOINED)
    (runs.folder / "tests").mkdir()
    (runs.folder / "tests/test_own.py").write_text("def test_own(): pass\n")
    runs.run().assert_outcomes(passed=3)
    runs.run("tests").assert_outcomes(passed=1)
    runs.run("flows").assert_outcomes(passed=2)
    runs.run("flows/a.yaml::original").assert_outcomes(passed=1)


def test_a_file_that_is_configured_by_its_name_is_a_scenario_however_it_ends(runs: Runs) -> None:
    runs.write(flows__a_yml=JOINED, flows__b_yml=JOINED, flows__c_yaml=JOINED)
    done = runs.run("--harness-scenarios", "flows/a.yml", "--harness-scenarios", "flows/c.yaml", "-v")
    done.assert_outcomes(passed=4)


def test_a_configured_folder_that_is_not_there_is_wrong_usage(runs: Runs) -> None:
    done = runs.run("--harness-scenarios", "flowz")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: harness_scenarios: *flowz: does not exist. Check the path."])


def test_a_failure_reads_as_in_harness_run_and_has_no_traceback(runs: Runs) -> None:
    runs.write(split_scenario_yaml=SPLIT)
    done = runs.run("-ra")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "*___ A visit stays apart (simplified) ___*",
            "ana's 1 event before login (step 0) stayed with $device:D1, apart from ana: nothing ever connected them; "
            "send one event with both $device_id and $user_id after login",
            '- split: expected [[]], found [[]"ana"]',
            "",
            "step * person * event * outcome * user",
            "0 * ana * Page View * accepted * $device:D1",
            "1 * ana * Log In * accepted, link merged * ana",
            "FAILED split.scenario.yaml::simplified - ana's 1 event before login*",
        ]
    )
    _has_no_traceback(done)


@pytest.mark.parametrize("style", ["--tb=short", "--tb=line", "--tb=native", "--tb=no", "--full-trace", "--showlocals"])
def test_no_style_of_tracebacks_brings_one(runs: Runs, style: str) -> None:
    runs.write(split_scenario_yaml=SPLIT, broken_scenario_yaml=BROKEN)
    done = runs.run(style, "--continue-on-collection-errors")
    done.assert_outcomes(failed=1, errors=1)
    _has_no_traceback(done)


def _has_no_traceback(done: pytest.RunResult) -> None:
    text = done.stdout.str() + done.stderr.str()
    assert "Traceback" not in text
    assert "pytest_plugin.py" not in text
    assert "Error(" not in text


def test_a_broken_file_is_a_collection_error_with_every_mistake(runs: Runs) -> None:
    runs.write(broken_scenario_yaml=BROKEN, joined_scenario_yaml=JOINED)
    done = runs.run()
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(
        [
            "*ERROR collecting broken.scenario.yaml*",
            "broken.scenario.yaml:1: steps: is missing. Add steps: *",
            "broken.scenario.yaml:2: stepz: is an unknown key. Did you mean 'steps'?",
            "ERROR broken.scenario.yaml*",
        ]
    )
    _has_no_traceback(done)
    runs.run("--continue-on-collection-errors").assert_outcomes(passed=2, errors=1)


def test_a_file_that_is_no_text_is_a_collection_error_too(runs: Runs) -> None:
    (runs.folder / "a.scenario.yaml").write_bytes(b"\xff\xfe\x00")
    (runs.folder / "b.scenario.yaml").write_bytes(b"")
    (runs.folder / "c.scenario.yaml").mkdir()
    done = runs.run()
    done.assert_outcomes(errors=2)
    _has_no_traceback(done)


def test_a_property_that_cannot_be_read_is_an_error_and_not_a_failure(runs: Runs) -> None:
    runs.write(a_scenario_yaml=THROUGH_PROPERTY, shop_yaml=PROPERTY.replace("actions", "action"))
    done = runs.run()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["shop.yaml:5: rules[[]0].action: is an unknown key. Did you mean 'actions'?"])
    _has_no_traceback(done)


def test_a_known_failure_is_an_xfail_and_its_passing_a_failure(runs: Runs) -> None:
    runs.write(known_scenario_yaml=KNOWN, mended_scenario_yaml=MENDED)
    done = runs.run("-rxf")
    done.assert_outcomes(xfailed=1, failed=1)
    done.stdout.fnmatch_lines(
        [
            "*A visit stays apart (simplified)*",
            "this flow was expected to fail (the site makes a new device id at login), but it holds; *",
            "XFAIL known.scenario.yaml::simplified - the site makes a new device id at login",
            "FAILED mended.scenario.yaml::simplified - this flow was expected to fail*",
        ]
    )
    runs.run("--runxfail").assert_outcomes(failed=2)


def test_a_known_failure_whose_property_cannot_be_read_is_an_error(runs: Runs) -> None:
    runs.write(a_scenario_yaml=THROUGH_PROPERTY + "known_failure: later\n", shop_yaml="property: [")
    runs.run().assert_outcomes(errors=1)


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        (["-k", "original"], 1),
        (["-k", "visit and joins"], 2),
        (["-k", "ACCOUNT and not original"], 1),
        (["-m", "scenario"], 2),
        (["-m", "not scenario"], 0),
        (["joined.scenario.yaml::original"], 1),
        (["joined.scenario.yaml"], 2),
        (["--deselect", "joined.scenario.yaml::original"], 1),
        (["--ignore-glob", "*.scenario.yaml"], 0),
        (["-p", "no:harness"], 0),
    ],
)
def test_tests_are_picked_as_all_tests_are(runs: Runs, options: list[str], passed: int) -> None:
    runs.write(joined_scenario_yaml=JOINED)
    runs.run(STRICT, *options).assert_outcomes(passed=passed, deselected=None)


def test_markers_of_a_conftest_work(runs: Runs) -> None:
    runs.write(joined_scenario_yaml=JOINED)
    (runs.folder / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items[0].add_marker(pytest.mark.skip(reason='not today'))\n"
    )
    runs.run().assert_outcomes(passed=1, skipped=1)


def test_the_last_failures_alone_run_again(runs: Runs) -> None:
    runs.write(joined_scenario_yaml=JOINED, split_scenario_yaml=SPLIT)
    run = runs.pytester.runpytest_inprocess
    run().assert_outcomes(passed=2, failed=1)
    run("--lf").assert_outcomes(failed=1)
    runs.write(split_scenario_yaml=SPLIT.replace("D2", "D1"))
    run("--lf").assert_outcomes(passed=1)
    run("--lf").assert_outcomes(passed=3)


def test_several_processes_give_the_same(runs: Runs) -> None:
    runs.write(
        pytest_ini="[pytest]\ntestpaths = tests\nharness_scenarios = flows\n",
        tests__known_scenario_yaml=KNOWN,
        tests__broken_scenario_yaml=BROKEN,
        flows__a_yaml=THROUGH_PROPERTY,
        flows__shop_yaml=PROPERTY,
        flows__split_yaml=SPLIT,
    )
    done = runs.run("-n", "2", "--continue-on-collection-errors")
    done.assert_outcomes(passed=1, failed=1, xfailed=1, errors=1)
    done.stdout.fnmatch_lines(
        [
            "tests/broken.scenario.yaml:2: stepz: is an unknown key. *",
            "ana's 1 event before login (step 0) stayed with $device:D1, apart from ana: *",
            "FAILED flows/split.yaml::simplified - ana's 1 event before login*",
        ]
    )
    _has_no_traceback(done)


def test_junit_has_a_case_a_system_with_the_sentence_and_the_name_of_the_scenario(runs: Runs) -> None:
    runs.write(flows__split_scenario_yaml=SPLIT, known_scenario_yaml=KNOWN, joined_scenario_yaml=JOINED)
    runs.run("--junitxml", "junit.xml")
    suite = ElementTree.parse(runs.folder / "junit.xml").getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    case = next(case for case in suite.iter("testcase") if case.find("failure") is not None)
    assert (case.get("classname"), case.get("name")) == ("flows.split.scenario.yaml", "simplified")
    failure = case.find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("ana's 1 event before login")
    assert "Log In" in str(failure.text)
    found = case.find("properties/property")
    assert found is not None
    assert dict(found.attrib) == {"name": "scenario", "value": "A visit stays apart"}


def test_the_project_file_is_the_base_of_all_scenarios(runs: Runs) -> None:
    flow = "name: n\nid_merge: original\nsteps:\n" + "".join(
        f"  - {{event: $merge, endpoint: import, properties: {{$distinct_ids: [a, b{number}]}}}}\n"
        for number in range(2)
    )
    runs.write(a_scenario_yaml=flow + "expect: {refused: []}\n", other_yaml="cluster_limit: 2\n")
    runs.run().assert_outcomes(passed=1)
    runs.run("--harness-settings", "other.yaml").assert_outcomes(failed=1)
    runs.write(pytest_ini="[pytest]\nharness_settings = other.yaml\n")
    runs.run().assert_outcomes(failed=1)
    (runs.folder / "pytest.ini").write_text("[pytest]\n")
    runs.write(harness_yaml="cluster_limit: 2\n")
    runs.run().assert_outcomes(failed=1)
    runs.write(harness_yaml="cluster_limitt: 2\n")
    done = runs.run()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["harness.yaml:1: cluster_limitt: *Did you mean 'cluster_limit'?"])
    _has_no_traceback(done)
    (runs.folder / "harness.yaml").unlink()
    runs.run("--harness-settings", "missing.yaml").assert_outcomes(errors=1)


def test_the_root_holds_the_project_file_where_the_working_folder_has_none(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write(pytest_ini="[pytest]\n", harness_yaml="cluster_limitt: 2\n", below__a_scenario_yaml=JOINED)
    monkeypatch.chdir(runs.folder / "below")
    done = runs.run()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*harness.yaml:1: cluster_limitt: *"])


def test_a_name_of_many_lines_and_signs_is_shown_on_one(runs: Runs) -> None:
    name = 'name: "one\\ntwo \\e[31m"\n' + SPLIT.partition("\n")[2] + 'known_failure: "first\\nsecond"\n'
    runs.write(a_scenario_yaml=name, b_scenario_yaml=name.rpartition("known")[0])
    done = runs.run("-rx")
    done.stdout.fnmatch_lines(["*one two \\x1b?31m (simplified)*", "XFAIL a.scenario.yaml::simplified - first second"])


def test_a_long_flow_is_cut(runs: Runs) -> None:
    step = "  - {event: Page View, person: ana, properties: {$device_id: D1}}\n"
    runs.write(a_scenario_yaml="name: Long\nsteps:\n" + step * 60 + "expect: {users: 2}\n")
    done = runs.run()
    done.stdout.fnmatch_lines(["... and 20 more events; `harness run` draws all of them"])


def test_a_link_to_a_configured_folder_is_the_folder(runs: Runs) -> None:
    runs.write(real__a_yaml=JOINED)
    Path(runs.folder / "link").symlink_to("real")
    runs.run("--harness-scenarios", "link", "link").assert_outcomes(passed=2)
