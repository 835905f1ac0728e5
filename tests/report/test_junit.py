from __future__ import annotations

from xml.etree import ElementTree

from harness.report import junit
from harness.scenario.results import RunResult
from tests.report.samples import passing, rich, with_hostile


def test_a_suite_is_a_file_and_a_case_is_a_scenario_under_a_system() -> None:
    root = ElementTree.fromstring(junit.render(rich()))
    assert root.attrib["tests"] == "8"
    assert [suite.attrib["name"] for suite in root][:2] == [
        "scenarios/login/sample.yaml",
        "scenarios/devices/kiosk.yaml",
    ]
    names = [case.attrib["name"] for case in root.iter("testcase")]
    assert "A $merge on every identify joins two people [original]" in names


def test_each_status_has_its_element() -> None:
    root = ElementTree.fromstring(junit.render(rich()))
    assert len(list(root.iter("failure"))) == 3
    assert len(list(root.iter("error"))) == 1
    skipped = [element.attrib["message"] for element in root.iter("skipped")]
    assert skipped == [
        "known failure: Mixpanel keeps 500 ids in a cluster; the devices after that stay users of their own."
    ]


def test_counts_add_up() -> None:
    root = ElementTree.fromstring(junit.render(rich()))
    for key in ("tests", "failures", "errors", "skipped"):
        assert int(root.attrib[key]) == sum(int(suite.attrib[key]) for suite in root)


def test_a_failure_says_what_was_expected_and_found() -> None:
    root = ElementTree.fromstring(junit.render(rich()))
    failure = next(root.iter("failure"))
    assert failure.attrib["message"].startswith("ben's event before login")
    assert failure.text is not None
    assert 'split: expected [], found ["ben"]. ben\'s events' in failure.text


def test_scenarios_of_one_file_share_a_suite() -> None:
    root = ElementTree.fromstring(junit.render(RunResult((passing("one"), passing("two")))))
    assert [suite.attrib["tests"] for suite in root] == ["2"]


def test_any_text_gives_valid_xml() -> None:
    text = junit.render(with_hostile())
    ElementTree.fromstring(text.encode("utf-8"))
    assert not any(character < " " and character != "\n" for character in text)
    assert not any(character in text for character in "\ufffe\uffff\ud800")
    assert "<img" not in text


def test_nothing_in_it_depends_on_when_or_where_it_ran() -> None:
    text = junit.render(rich())
    assert "timestamp" not in text
    assert "hostname" not in text
