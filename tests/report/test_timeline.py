from __future__ import annotations

from dataclasses import replace

from harness.report.cast import cast_of
from harness.report.timeline import MOST_LANES, Row, Timeline, timeline_of, verdict_of
from harness.scenario.results import ScenarioResult, StepRecord
from tests.report.samples import Step, alias_flow, edge_flow, merge_accident, passing, play, shared_device


def drawn(result: ScenarioResult) -> Timeline:
    return timeline_of(result, cast_of(result))


def row(result: ScenarioResult, step: int) -> Row:
    return next(each for each in drawn(result).rows if each.step == str(step))


def test_events_are_rows_in_order_of_arrival() -> None:
    rows = drawn(passing()).rows
    assert [each.text for each in rows if each.kind == "event"][:3] == ["Page View", "Page View", "Login"]
    assert [each.step for each in rows] == ["0", "1", "2", "3", "4", "5", "6"]


def test_an_advance_is_a_gap_with_its_length_and_the_new_time() -> None:
    gap = row(shared_device(), 3)
    assert (gap.kind, gap.text) == ("gap", "1 day 2 hours later, now 2026-01-06T14:00:00Z")


def test_an_advance_as_first_step_shows_its_title() -> None:
    first = StepRecord(0, "advance", "advance 2h", None, 3, 7_200_000)
    assert drawn(replace(passing(), steps=(first,), events=())).rows[0].text == "advance 2h, now 1970-01-01T02:00:00Z"


def test_each_person_has_a_lane_from_first_to_last_event() -> None:
    lanes = [each.lanes for each in drawn(shared_device()).rows]
    assert [lane[0] for lane in lanes[:4]] == ["p0 from dot", "p0 on dot", "p0 to dot", ""]
    assert [lane[1] for lane in lanes[3:6]] == ["", "p1 from dot", "p1 on dot"]


def test_people_beyond_the_lanes_are_still_named_at_their_events() -> None:
    steps = [Step("Login", f"person {n}", {"$user_id": f"u{n}"}) for n in range(14)]
    found = drawn(play("many", "simplified", steps))
    assert len(found.laned) == MOST_LANES
    assert len(found.people) == 14
    assert found.rows[13].person is not None
    assert found.rows[13].person.name == "person 13"


def test_an_event_shows_its_user_and_what_is_wrong_with_it() -> None:
    assert (row(shared_device(), 4).user, row(shared_device(), 4).trouble) == ("User 1", "mixed, split")
    assert (row(shared_device(), 5).user, row(shared_device(), 5).trouble) == ("User 2", "split")
    assert row(passing(), 0).trouble == ""


def test_an_event_that_was_not_stored_has_no_user() -> None:
    for step in (7, 8, 9):
        assert row(shared_device(), step).user == ""
    assert row(shared_device(), 7).remarks == ("properties.time: is in the past",)


def test_a_refusal_carries_reason_rule_and_evidence() -> None:
    verdict = row(merge_accident(), 4).verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.reason) == ("refused", "errAnonDistinctIdAssignedAlready")
    assert verdict.rule.startswith("An anonymous id that was identified before")
    assert verdict.evidence.startswith("docs: ")


def test_every_outcome_has_a_sign_of_its_own() -> None:
    decisions = [*merge_accident().decisions, *shared_device().decisions, *edge_flow().decisions]
    signs = {verdict_of(decision).outcome: verdict_of(decision).sign for decision in decisions}
    assert len(set(signs.values())) == len(signs) == 4


def test_a_legacy_alias_does_not_claim_to_join_the_past() -> None:
    verdict = row(alias_flow(), 1).verdict
    assert verdict is not None
    assert verdict.text == "points there from here on"


def test_ids_that_the_verdict_names_are_not_repeated() -> None:
    login = row(passing(), 3)
    assert login.verdict is not None
    assert [each.text for each in login.verdict.ids] == ["$device:D1", "ana"]
    assert login.ids == ()


def test_an_edge_call_shows_its_rules_before_its_events() -> None:
    call, event = drawn(edge_flow()).rows[:2]
    assert (call.kind, call.text) == ("call", "Edge call: web.webpagedetails.pageViews")
    assert call.records is not None
    assert [rule.status for rule in call.records.rules] == ["success", "condition_not_met", "failed"]
    assert (event.kind, event.step, event.remarks) == ("event", "", ("sent by rule Track page views",))


def test_a_step_that_sent_nothing_says_so() -> None:
    quiet = replace(passing(), events=())
    assert drawn(quiet).rows[0].text == "Page View: nothing reached Mixpanel"


def test_an_event_time_far_from_its_arrival_is_shown() -> None:
    backdated = passing()
    events = (replace(backdated.events[0], time_ms=0), *backdated.events[1:])
    assert row(replace(backdated, events=events), 0).remarks == ("event time 1970-01-01T00:00:00Z",)


def test_long_ids_keep_both_ends_and_their_full_text() -> None:
    long = play("long", "simplified", [Step("Login", "ana", {"$device_id": "x" * 90 + "END"})])
    (found,) = drawn(long).rows[0].ids
    assert found.text.startswith("$device:xxx")
    assert found.text.endswith("END")
    assert found.full == "$device:" + "x" * 90 + "END"


def test_marks_of_people_are_unique() -> None:
    names = ["ana", "abe", "1", "", "ana ", "李", "<b>", "2"]
    steps = [Step("Login", name, {"$user_id": f"u{at}"}) for at, name in enumerate(names)]
    marks = [person.mark for person in cast_of(play("marks", "simplified", steps)).people.values()]
    assert len(set(marks)) == len(names)
