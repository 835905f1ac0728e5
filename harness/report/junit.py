"""The run as JUnit XML, the form every CI system reads: a suite a file, a test case a scenario and ID-merge system.

A known failure is a skipped test, a file that can't be read is an error. No times and no host name: equal runs give
equal bytes.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

from harness.report.overview import failing, sentence
from harness.report.plain import one_line, shorten, value, visible
from harness.scenario.results import CheckResult, RunResult, ScenarioResult

_VALUE_WIDTH: Final = 1000


def render(run: RunResult) -> str:
    """Return the run as an XML 1.0 document."""
    root = ElementTree.Element("testsuites", {"name": "identity-harness", **_counted(run.scenarios)})
    by_file: dict[str, list[ScenarioResult]] = {}
    for result in run.scenarios:
        by_file.setdefault(result.file, []).append(result)
    for file, results in by_file.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": visible(file), **_counted(results)})
        for result in results:
            _add_case(suite, result)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counted(results: list[ScenarioResult] | tuple[ScenarioResult, ...]) -> dict[str, str]:
    statuses = [result.status for result in results]
    return {
        "tests": str(len(statuses)),
        "failures": str(statuses.count("failed")),
        "errors": str(statuses.count("error")),
        "skipped": str(statuses.count("known_failure")),
        "time": "0",
    }


def _add_case(suite: ElementTree.Element, result: ScenarioResult) -> None:
    name = one_line(result.name)
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": visible(result.file),
            "name": f"{name} [{result.id_merge}]" if result.id_merge else name,
            "file": visible(result.file),
            "time": "0",
        },
    )
    if result.status == "failed":
        failure = ElementTree.SubElement(case, "failure", {"message": sentence(result), "type": "failed"})
        failure.text = "\n".join(_line(check) for check in failing(result))
    elif result.status == "error":
        error = ElementTree.SubElement(case, "error", {"message": _first_problem(result), "type": "error"})
        error.text = "\n".join(one_line(str(problem)) for problem in result.problems)
    elif result.status == "known_failure":
        ElementTree.SubElement(case, "skipped", {"message": f"known failure: {sentence(result)}"})


def _first_problem(result: ScenarioResult) -> str:
    return one_line(str(result.problems[0])) if result.problems else sentence(result)


def _line(check: CheckResult) -> str:
    expected = shorten(value(check.expected), _VALUE_WIDTH)
    actual = shorten(value(check.actual), _VALUE_WIDTH)
    text = f"{visible(check.check)}: expected {expected}, found {actual}"
    why = one_line(check.sentence)
    return f"{text}. {why}" if why else text
