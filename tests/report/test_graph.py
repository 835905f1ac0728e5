from __future__ import annotations

from itertools import pairwise

import pytest

from harness.report.cast import cast_of
from harness.report.drawing import Drawing
from harness.report.graph import MOST_CARDS, after, before
from harness.report.plain import cells
from harness.scenario.results import ScenarioResult
from tests.report.samples import (
    A,
    Step,
    alias_flow,
    big_cluster,
    edge_flow,
    hostile,
    merge_accident,
    passing,
    play,
    shared_device,
)

ALL = [passing(), shared_device(), merge_accident(), big_cluster(), edge_flow(), alias_flow(), hostile()]


def drawings(result: ScenarioResult) -> list[Drawing]:
    cast = cast_of(result)
    return [before(result, cast), after(result, cast)]


def titles(drawing: Drawing) -> list[str]:
    return [card.full for card in drawing.cards]


@pytest.mark.parametrize("result", ALL, ids=lambda result: result.file)
def test_nothing_overlaps_and_all_fits_the_drawing(result: ScenarioResult) -> None:
    for drawing in drawings(result):
        for one, other in pairwise(drawing.cards):
            assert one.y + one.height < other.y
        for upper, lower in pairwise(drawing.pills):
            assert upper.y + 20 <= lower.y
        for first, second in pairwise(drawing.labels):
            assert first.bottom <= second.y
        for card in drawing.cards:
            assert card.y + card.height <= drawing.height
        for label in drawing.labels:
            assert label.bottom <= drawing.height
            assert all(label.x + 7.1 * cells(line) <= drawing.width + 1 for line in label.lines)


@pytest.mark.parametrize("result", ALL, ids=lambda result: result.file)
def test_texts_fit_their_pills_and_are_whole_in_their_titles(result: ScenarioResult) -> None:
    for drawing in drawings(result):
        for pill in drawing.pills:
            assert pill.text_x + 7.3 * cells(pill.text) <= pill.right
            assert pill.full
        for card in drawing.cards:
            assert 14 + 7.2 * cells(card.title) <= card.width


def test_before_shows_every_id_under_those_who_used_it() -> None:
    result = shared_device()
    drawing = before(result, cast_of(result))
    assert titles(drawing) == ["ana", "Shared by ana, ben", "ben"]
    assert [pill.full for pill in drawing.pills] == ["ana@example.com", "$device:kiosk-7", "ben@example.com"]
    assert drawing.links == ()


def test_after_shows_users_with_their_people() -> None:
    result = shared_device()
    drawing = after(result, cast_of(result))
    assert titles(drawing) == ["User 1 · mixed: ana, ben · 4 events", "User 2 · ben (split) · 2 events"]
    assert [card.kind for card in drawing.cards] == ["mixed", "plain"]


def test_merged_links_and_refused_links_are_told_apart() -> None:
    result = merge_accident()
    drawing = after(result, cast_of(result))
    assert [link.kind for link in drawing.links].count("merged") == 3
    assert {link.kind for link in drawing.links} == {"merged", "refused"}
    assert ["".join(label.lines) for label in drawing.labels] == [
        "✗ errAnonDistinctIdAssignedAlready",
        "✗ errAnonDistinctIdNonGUIDForm",
    ]


def test_an_ignored_identify_is_labelled_as_ignored() -> None:
    result = edge_flow()
    (label,) = after(result, cast_of(result)).labels
    assert label.kind == "ignored"
    assert "identify" in label.lines[0]


def test_a_refusal_tried_again_is_counted_not_drawn_twice() -> None:
    result = shared_device()
    (label,) = after(result, cast_of(result)).labels
    assert label.lines[-1] == "×2"


def test_a_big_cluster_shows_ten_ids_and_counts_the_rest() -> None:
    result = big_cluster()
    drawing = after(result, cast_of(result))
    assert len(drawing.pills) < 30
    assert next(pill.text for pill in drawing.pills if pill.kind == "more") == "+491 more"
    assert drawing.notes[0].endswith("not drawn")
    assert len(drawing.cards) == MOST_CARDS


def test_many_refusals_for_one_reason_share_a_label() -> None:
    result = big_cluster()
    (label,) = after(result, cast_of(result)).labels
    assert label.lines == ("✗ errManyIDs ×9",)


def test_an_identify_of_an_id_as_itself_has_a_label_too() -> None:
    result = play("same", "original", [Step("$identify", "ana", {"$identified_id": A, "$anon_id": A})])
    drawing = after(result, cast_of(result))
    assert ["".join(label.lines) for label in drawing.labels] == ["✗ errSameIDs"]
    assert drawing.links == ()


def test_a_refusal_towards_a_user_that_is_not_drawn_keeps_its_label() -> None:
    steps = [Step("Login", f"p{n}", {"$device_id": "shared", "$user_id": f"user-{n:02}"}) for n in range(20)]
    result = play("crowd", "simplified", steps)
    drawing = after(result, cast_of(result))
    assert len(drawing.cards) == MOST_CARDS
    assert drawing.labels


def test_a_scenario_without_ids_has_an_empty_drawing() -> None:
    result = play("nothing", "simplified", [Step("Page View", "ana", {})])
    for drawing in drawings(result):
        assert drawing.cards == ()
        assert drawing.height >= 0


def test_the_graph_is_told_in_words() -> None:
    result = shared_device()
    summary = after(result, cast_of(result)).summary
    assert summary.startswith("After: User 1 · mixed: ana, ben · 4 events: 2 ids; User 2")
    assert "Not joined: refused: $device:kiosk-7, ben@example.com (errAnonDistinctIdAssignedAlready)" in summary
