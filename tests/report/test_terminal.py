from __future__ import annotations

from harness.report import terminal
from harness.report.plain import cells
from harness.scenario.results import RunResult
from tests.report.samples import green, passing, rich, with_hostile


def test_the_last_line_sums_up() -> None:
    last = terminal.render(rich()).splitlines()[-1]
    assert last.startswith("7 scenarios: 3 passed, 3 failed, 1 known failure; 1 file can't be read · ")
    assert "recall 0.9" in last


def test_failures_come_before_known_failures_before_passed() -> None:
    text = terminal.render(rich())
    order = [text.index(mark) for mark in ("\nerror ", "\nfailed ", "\nknown failure ", "\npassed ")]
    assert order == sorted(order)


def test_under_a_failure_stands_what_went_wrong_and_each_failed_check() -> None:
    lines = terminal.render(rich()).splitlines()
    at = next(place for place, line in enumerate(lines) if "Two people share one kiosk" in line)
    assert lines[at + 1].strip().startswith("ben's event before login went to ana@example.com")
    assert lines[at + 2].strip() == '- split: expected [], found ["ben"]'
    assert "his own" in lines[at + 3]
    assert lines[at + 4].strip() == '- mixed: expected [], found [["ana", "ben"]]'


def test_a_file_that_cannot_be_read_lists_its_problems() -> None:
    assert "- scenarios/broken.yaml:3: steps[0].evnt: unknown key. Did you mean 'event'?" in terminal.render(rich())


def test_many_passed_scenarios_are_counted_by_folder() -> None:
    text = terminal.render(green(45))
    assert "passed    7 scenarios  " in text
    assert "scenarios/theme6/" in text
    assert "Flow 3" not in text
    assert len(text.splitlines()) < 15


def test_files_are_counted_where_scenarios_share_them() -> None:
    text = terminal.render(RunResult(tuple(passing(f"Flow {number}") for number in range(21))))
    assert "21 scenarios in 1 file " in text


def test_all_passed_scenarios_are_listed_on_request_and_when_they_are_few() -> None:
    assert "Flow 44" in terminal.render(green(45), detail="all")
    assert "Flow 2" in terminal.render(green(3))


def test_color_marks_statuses_only_when_asked() -> None:
    assert "\x1b" not in terminal.render(rich())
    assert "\x1b[31mfailed\x1b[0m" in terminal.render(rich(), color=True)


def test_nothing_in_a_name_acts_on_the_terminal() -> None:
    text = terminal.render(with_hostile())
    assert not any(character < " " and character != "\n" for character in text)
    assert not any("\x7f" <= character <= "\x9f" for character in text)
    assert "\u202e" not in text
    text.encode("utf-8")
    assert r"\x1b[31mred" in text


def test_a_given_width_is_kept() -> None:
    for width in (90, 120):
        assert max(cells(line) for line in terminal.render(rich(), width=width).splitlines()[:-1]) <= width


def test_an_empty_run_is_one_line() -> None:
    assert terminal.render(RunResult()) == "0 scenarios: 0 passed"


def test_equal_runs_give_equal_text() -> None:
    assert terminal.render(RunResult((passing(),))) == terminal.render(RunResult((passing(),)))
