"""Searches: deterministic, stopped in time, and what they write is tried first next time."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.fuzz.configure import chosen_invariants, property_bench, twin_bench
from harness.fuzz.flow import Flow
from harness.fuzz.scenario_file import known_flows, write
from harness.fuzz.search import Search, combined
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError
from harness.scenario.format import Scenario, load_scenario
from tests.fuzz.benches import PROPERTIES, flow, shipped, twin

TARGET = "harness fuzz --id-merge simplified"


def test_the_same_seed_gives_the_same_result() -> None:
    first, second = (Search(shipped("retail-original.yaml", "original")).run(examples=300, seed=9) for _ in range(2))
    assert first.explored == second.explored
    assert [found.played.flow for found in first.findings] == [found.played.flow for found in second.findings]
    assert len(first.findings) > 1


def test_other_seeds_try_other_flows() -> None:
    explored = [Search(twin("browser", "simplified")).run(examples=60, seed=seed).explored for seed in (1, 2)]
    assert explored[0].actions != explored[1].actions


def test_no_more_flows_are_tried_than_were_asked_for() -> None:
    told: list[int] = []
    result = Search(twin("browser", "simplified"), on_example=told.append).run(examples=77, seed=0)
    assert result.explored.examples == 77
    assert told == list(range(1, 78))


def test_a_search_whose_time_is_over_says_so_and_keeps_what_it_has() -> None:
    calls = iter(range(1_000))
    result = Search(twin("browser", "simplified"), stop=lambda: "time" if next(calls) >= 20 else "").run(
        examples=500, seed=0
    )
    assert result.stopped == "time"
    assert result.explored.examples == 20


def test_ctrl_c_leaves_the_smallest_flow_so_far() -> None:
    search = Search(twin("mobile-plain", "simplified"))
    tried = search._try

    def interrupted(flow: Flow) -> object:
        if search.explored.shrinking == 5:
            raise KeyboardInterrupt
        return tried(flow)

    search._try = interrupted  # type: ignore[method-assign, assignment]
    result = search.run(examples=500, seed=0)
    assert result.stopped == "interrupted"
    assert [found.broken.invariant for found in result.findings] == ["retry-counts-once"]


def test_what_was_found_is_known_to_the_next_search_of_the_same_configuration(tmp_path: Path) -> None:
    search = Search(twin("mobile-plain", "simplified"))
    written = write(search.run(examples=100, seed=0).findings[0], tmp_path, TARGET, 0)
    (tmp_path / written.file_name).write_text(written.text)
    (tmp_path / "own.yaml").write_text("name: a scenario of somebody's own\nsteps: []\n")
    (tmp_path / "broken.yaml").write_bytes(b"\xff\xfe")
    known = known_flows(tmp_path, TARGET)
    assert [one.seed for one in known] == [0]
    assert known_flows(tmp_path, "harness fuzz --id-merge original") == []
    assert known_flows(tmp_path / "missing", TARGET) == []

    again = Search(twin("mobile-plain", "simplified")).replay([one.flow for one in known])
    assert [found.broken.invariant for found in again.findings] == ["retry-counts-once"]
    mended = Search(twin("mobile", "simplified")).replay([one.flow for one in known])
    assert mended.findings == ()


def test_of_two_flows_the_smaller_one_counts() -> None:
    bench = twin("mobile-plain", "simplified")
    small = Search(bench).replay([flow("ana: browse, laptop", "retry, laptop")])
    found = Search(bench).run(examples=100, seed=0)
    assert combined(found, small).findings[0].played.flow == small.findings[0].played.flow
    assert combined(small, found).explored == small.explored


def test_a_known_flow_is_tidied_too() -> None:
    long = flow("ben: browse, phone", "ana: log in, laptop, 1", "ben: log in, phone", "retry, phone, 1", kind="uuid")
    found = Search(twin("mobile-plain", "simplified")).replay([long]).findings
    assert [action.verb for action in found[0].played.flow.actions] == ["browse", "retry"]
    assert found[0].played.flow.id_kind == "plain"


def test_every_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="Did you mean 'nobody-split'"):
        chosen_invariants(["nobody-splt"])
    with pytest.raises(InputError, match="Did you mean 'browser'"):
        twin_bench("brwser", "simplified", ProjectSettings(), frozenset())


def test_invariants_come_in_the_order_of_their_gravity() -> None:
    names = [one.name for one in chosen_invariants(["nobody-split", "nobody-mixed"])]
    assert names == ["nobody-mixed", "nobody-split"]


def test_a_property_without_any_path_needs_a_template(tmp_path: Path) -> None:
    path = tmp_path / "property.yaml"
    path.write_text("property: T\ndata_elements: {}\nrules: []\n")
    with pytest.raises(InputError, match="--template"):
        property_bench(path, None, "simplified", ProjectSettings(), frozenset())


def test_a_changed_address_is_played_where_it_is_not_the_user_id_or_the_risk_is_taken() -> None:
    path = PROPERTIES / "retail.yaml"
    careful = property_bench(path, None, "simplified", ProjectSettings(), frozenset()).bench
    daring = property_bench(path, None, "simplified", ProjectSettings(), frozenset({"new-e-mail"})).bench
    assert "change e-mail" not in careful.verbs
    assert "change e-mail" in daring.verbs


def test_a_written_scenario_tells_the_story_and_names_ids_and_the_property(tmp_path: Path) -> None:
    bench = shipped("retail-without-identity-rule.yaml", "simplified")
    found = Search(bench).replay([flow("ana: browse, laptop", "ana: log in, laptop")]).findings[0]
    folder = tmp_path / "found"
    folder.mkdir()
    written = write(found, folder, TARGET, 0)
    for line in (
        "#   1. ana looks at a page on the laptop",
        "# found by: harness fuzz --id-merge simplified --seed 0",
        '  laptop_ecid: "10000000000000000000000000000000000000"',
        "    person: ana",
    ):
        assert line in written.text.splitlines()
    assert "{laptop_ecid}" in written.text
    path = folder / written.file_name
    path.write_text(written.text)
    scenario = load_scenario(path, written.file_name)
    assert isinstance(scenario, Scenario)
    assert scenario.property_path is not None
    assert scenario.property_path.samefile(PROPERTIES / "retail-without-identity-rule.yaml")
    played = [getattr(step, "event", None) for step in found.played.sending.steps]
    assert [getattr(step, "event", None) for step in scenario.steps] == played


@pytest.mark.parametrize("name", ["true", "12", "a: b", "ana # b", "{laptop}", "", " x", "日本", "\u2028", "-", "~"])
def test_any_text_survives_being_written(tmp_path: Path, name: str) -> None:
    from harness.fuzz.scenario_file import scalar

    path = tmp_path / "s.yaml"
    path.write_text(f"name: n\nsteps:\n  - {{event: E, properties: {{x: {scalar(name)}}}}}\n", encoding="utf-8")
    scenario = load_scenario(path, "s.yaml")
    assert isinstance(scenario, Scenario), scenario
    assert scenario.steps[0].properties["x"] == name  # type: ignore[union-attr]


def test_a_fault_of_our_own_is_not_taken_for_a_finding() -> None:
    search = Search(twin("browser", "simplified"))

    def faulty(flow: Flow) -> object:
        raise ZeroDivisionError

    search._try = faulty  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        search.run(examples=10, seed=0)
