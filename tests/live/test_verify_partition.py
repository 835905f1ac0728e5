"""Users of the model beside users of an export: groups of events, never names of canonical ids."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from harness.event import IdMerge, Json
from harness.live.export_row import read_row
from harness.live.matching import Matching
from harness.live.partition import compare
from tests.live.exports import differences, export_of, line, replay, row, settings, uuid, verified

A = line(0, "Page", distinct_id=uuid(1))
IDENTIFY = line(1, "$identify", distinct_id="ana", S_anon_distinct_id=uuid(1))
B = line(2, "Page", distinct_id="ana")
C = line(3, "Page", distinct_id="ben")
FLOW = replay([A, IDENTIFY, B, C])


def test_an_export_as_predicted_agrees() -> None:
    found = verified(FLOW, [row(A, "ana", uuid(1)), row(IDENTIFY, "ana"), row(B, "ana"), row(C, "ben")])
    assert found.holds
    assert (found.comparison.agree, found.found.duplicates, found.found.unexpected) == (4, 0, 0)


def test_any_member_may_be_the_canonical_id_in_original() -> None:
    found = verified(FLOW, [row(A, uuid(1)), row(IDENTIFY, uuid(1), "ana"), row(B, uuid(1), "ana"), row(C, "ben")])
    assert found.holds


def test_a_pair_that_should_be_joined_and_is_not_is_told_with_its_event_and_rule() -> None:
    found = verified(FLOW, [row(A, uuid(1)), row(IDENTIFY, "ana", S_failure_reason="errManyIDs"), row(B, "ana")])
    assert differences(found) == [({uuid(1), "ana"}, "joined", "separate")]
    only = found.comparison.differ[0]
    assert (only.event_index, only.rule, only.reason) == (1, "original.identify", "errManyIDs")
    assert found.comparison.missing == (3,)
    assert not found.holds


def test_a_pair_that_should_be_separate_and_is_joined_is_told_with_the_refusal() -> None:
    again = line(4, "$identify", distinct_id="ben", S_anon_distinct_id=uuid(1))
    export = [row(one, "ana") for one in (A, IDENTIFY, B, C)]
    found = verified(replay([A, IDENTIFY, B, C, again]), export)
    assert differences(found) == [({uuid(1), "ben"}, "separate", "joined")]
    only = found.comparison.differ[0]
    assert (only.event_index, only.rule) == (4, "original.assigned_already")
    assert only.decision is not None
    assert only.decision.reason == "errAnonDistinctIdAssignedAlready"


def test_users_that_nothing_connects_are_told_without_a_rule() -> None:
    found = verified(FLOW, [row(A, "ana"), row(B, "ana"), row(C, "ana", "ben")])
    assert differences(found) == [({"ana", "ben"}, "separate", "joined")] or differences(found) == [
        ({uuid(1), "ben"}, "separate", "joined")
    ]
    assert found.comparison.differ[0].rule is None


def test_a_user_in_three_parts_is_told_by_two_pairs() -> None:
    other = line(5, "$identify", distinct_id="ana", S_anon_distinct_id=uuid(2))
    page = line(6, "Page", distinct_id=uuid(2))
    found = verified(replay([A, IDENTIFY, B, other, page]), [row(A, uuid(1)), row(B, "ana"), row(page, uuid(2))])
    assert differences(found) == [
        ({uuid(1), "ana"}, "joined", "separate"),
        ({uuid(2), "ana"}, "joined", "separate"),
    ]


def test_one_row_that_was_moved_proves_the_merge_whatever_the_others_still_say() -> None:
    second = line(7, "Page", distinct_id=uuid(1))
    flow = replay([A, second, IDENTIFY, B])
    half = verified(flow, [row(A, uuid(1)), row(second, "ana", uuid(1)), row(B, "ana")])
    assert half.holds
    assert half.comparison.settling == 1
    assert not verified(flow, [row(A, uuid(1)), row(second, uuid(1)), row(B, "ana")]).holds


def test_rows_under_an_old_and_a_new_canonical_id_are_one_user() -> None:
    flow = replay([A, IDENTIFY, B])
    assert verified(flow, [row(A, "ana", uuid(1)), row(B, uuid(1), "ana")]).holds
    assert verified(flow, [row(A, "x9", uuid(1)), row(B, "ana"), row(B, "x9", "ana")]).holds


def test_the_same_without_the_property_that_says_where_a_row_was_before() -> None:
    assert verified(FLOW, [row(A, "ana"), row(B, "ana"), row(C, "ben")]).holds


def test_rows_that_are_there_twice_are_retries() -> None:
    found = verified(FLOW, [row(one, "ana") for one in (A, A, IDENTIFY, B, B, B)] + [row(C, "ben")])
    assert found.holds
    assert (found.found.duplicates, found.found.unexpected) == (3, 0)


def test_an_event_sent_twice_and_kept_once_is_not_missing() -> None:
    again = replay([A, A, IDENTIFY, B, C])
    assert verified(again, [row(A, "ana"), row(B, "ana"), row(C, "ben")]).holds


def test_an_event_of_another_day_under_the_same_insert_id_is_another_event() -> None:
    other = line(0, "Page", distinct_id=uuid(1), time=1_767_600_000 - 2 * 86_400)
    found = verified(replay([A, other]), [row(A, uuid(1))])
    assert found.comparison.missing == (1,)
    assert verified(replay([A, other]), [row(A, uuid(1)), row(other, uuid(1))]).holds


def test_a_user_in_thousands_of_parts_is_told_by_one_pair_less() -> None:
    devices = [f"13bbf794-3e58-4084-8885-{at:012x}" for at in range(4_000)]
    lines = [line(at, "Page", S_device_id=device, distinct_id="") for at, device in enumerate(devices)]
    lines += [
        line(10_000 + at, "Login", S_device_id=device, S_user_id="ana", distinct_id="ana")
        for at, device in enumerate(devices)
    ]
    apart = [row(one, f"$device:{one['properties']['$device_id']}") for one in lines[:4_000]]
    sent = replay(lines).predict("simplified", settings())
    matching = Matching(sent)
    for one in [*apart, *(row(two, "ana") for two in lines[4_000:])]:
        matching.take(read_row(one))
    found = compare(sent, matching.found())
    assert len(found.differ) == 4_000
    assert {one.decision is not None and one.ids[1] for one in found.differ} == {"ana"}


def test_identity_events_may_be_absent_and_other_events_may_not() -> None:
    found = verified(FLOW, [row(A, "ana"), row(C, "ben")])
    assert found.comparison.missing == (2,)
    assert found.comparison.agree == 2


def test_a_row_under_a_second_insert_id_is_unexpected() -> None:
    twice = row(B, "ana", S_insert_id="another")
    found = verified(FLOW, [row(A, "ana"), row(B, "ana"), twice, row(C, "ben")])
    assert found.found.unexpected == 1
    assert [one.insert_id for one in found.found.unexpected_of_ours] == ["another"]
    assert not found.holds


def test_strangers_are_unexpected_but_no_failure() -> None:
    stranger = row(line(9, "Page", distinct_id="zoe"), "zoe")
    found = verified(FLOW, [row(A, "ana"), row(B, "ana"), row(C, "ben"), stranger])
    assert found.found.unexpected == 1
    assert found.holds


def test_events_that_the_model_has_rejected_must_not_be_there() -> None:
    wrong = line(8, "Page", distinct_id="undefined")
    found = verified(replay([A, wrong]), [row(A, uuid(1)), row(wrong, "")])
    assert found.comparison.rejected_but_there == (1,)
    assert not found.holds


def test_events_without_an_insert_id_are_found_by_id_and_second() -> None:
    bare = [line(at, "Page", distinct_id="ana", S_insert_id=None) for at in (10, 10, 11)]
    rows = [row(one, "ana", S_insert_id=f"made-up-{at}") for at, one in enumerate(bare)]
    assert verified(replay(bare), rows).holds
    found = verified(replay(bare), rows[:2])
    assert found.comparison.missing == (2,)
    elsewhere = row(line(12, "Page", distinct_id="ana"), "ana", S_insert_id="made-up-3")
    assert verified(replay(bare), [*rows, elsewhere]).found.unexpected == 1


def test_events_without_a_time_are_found_by_id() -> None:
    bare = line(0, "Page", distinct_id="ana", S_insert_id=None, time=None)
    assert verified(replay([bare], "track"), [row(bare, "ana", time=1_767_699_999, S_insert_id="x")]).holds


def test_in_simplified_the_name_is_a_promise() -> None:
    both = line(0, "Page", S_device_id="D1", S_user_id="ana", distinct_id="ana")
    device = line(1, "Page", S_device_id="D1", distinct_id="")
    flow = replay([both, device])
    assert verified(flow, [row(both, "ana"), row(device, "ana", "$device:D1")], "simplified").holds
    found = verified(flow, [row(both, "x9"), row(device, "x9")], "simplified")
    assert [(one.predicted, one.shown) for one in found.comparison.renamed] == [("ana", ("x9",))]
    assert not found.holds


def test_in_simplified_an_event_of_another_user_on_the_device_joins_nobody() -> None:
    flow = [
        line(0, "Page", S_device_id="D1", S_user_id="ana", distinct_id="ana"),
        line(1, "Page", S_device_id="D1", S_user_id="ben", distinct_id="$device:D1"),
        line(2, "Page", S_device_id="D1", distinct_id=""),
    ]
    rows = [row(flow[0], "ana"), row(flow[1], "ben"), row(flow[2], "ana", "$device:D1")]
    assert verified(replay(flow), rows, "simplified").holds


def test_in_legacy_every_row_stands_for_itself() -> None:
    flow = [
        line(0, "Page", distinct_id="ana"),
        line(1, "Page", distinct_id="D1"),
        line(2, "$create_alias", distinct_id="D1", alias="ana"),
        line(3, "Page", distinct_id="ana"),
    ]
    as_predicted = [row(flow[0], "ana"), row(flow[1], "D1"), row(flow[3], "D1", "ana")]
    assert verified(replay(flow), as_predicted, "legacy").holds
    late = verified(replay(flow), [row(flow[0], "ana"), row(flow[1], "D1"), row(flow[3], "ana")], "legacy")
    assert differences(late)[0] == ({"ana", "D1"}, "joined", "separate")
    assert late.comparison.differ[0].rule == "legacy.alias"


def test_events_of_nobody_are_nobody_s() -> None:
    flow = [line(0, "Page", distinct_id=""), line(1, "Page", distinct_id="")]
    assert verified(replay(flow), [row(one, "") for one in flow]).holds
    found = verified(replay(flow), [row(one, "x") for one in flow])
    assert len(found.comparison.differ) == 1


def test_events_of_a_hot_shard_are_known_by_their_old_name() -> None:
    hot = {"event": "$hotshard_events", "properties": {**B["properties"], "mp_original_event_name": "Page"}}
    found = verified(replay([B]), [row(hot, "", mp_original_distinct_id="ana")])
    assert (found.comparison.missing, found.found.unexpected) == ((), 0)


def test_only_rows_of_the_run_count_where_a_run_is_named() -> None:
    other = row(line(9, "Page", distinct_id="zoe"), "zoe", harness_run="r1")
    mine = row(line(10, "Page", distinct_id="zoe"), "zoe", harness_run="r2")
    ours = row(line(11, "Page", distinct_id="ana"), "ana", harness_run="r1")
    rows = [row(A, "ana"), row(B, "ana"), row(C, "ben"), other, mine, ours]
    found = verified(FLOW, rows, run="r2")
    assert (found.found.others, found.found.unexpected) == (1, 2)
    assert not found.holds


IDS = ["ana", "ben", uuid(1), uuid(2), uuid(3), "$device:" + uuid(1)]


@st.composite
def streams(draw: st.DrawFn) -> list[Json]:
    lines = []
    for at in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(["Page", "Page", "$identify", "$create_alias", "$merge", "Login"]))
        one, other = draw(st.sampled_from(IDS)), draw(st.sampled_from(IDS))
        forms: dict[str, dict[str, Json]] = {
            "$identify": {"distinct_id": one, "S_anon_distinct_id": other},
            "$create_alias": {"distinct_id": one, "alias": other},
            "$merge": {"S_distinct_ids": [one, other]},
            "Login": {"distinct_id": one, "S_device_id": other, "S_user_id": one},
        }
        lines.append(line(at, kind, **forms.get(kind, {"distinct_id": one})))
    return lines


@given(streams(), st.sampled_from(["simplified", "original", "legacy"]), st.integers(0, 3), st.randoms())
def test_what_the_model_exports_agrees_with_it_in_any_order_and_with_any_canonical_id(
    lines: list[Json], id_merge: IdMerge, seed: int, lots: object
) -> None:
    sent = replay(lines, strict=False)
    other = sent.predict(id_merge, settings(canonical_seed=seed))
    rows = export_of(other)
    rows += rows[::2]
    lots.shuffle(rows)  # type: ignore[attr-defined]
    found = verified(sent, rows, id_merge)
    assert found.holds, found.comparison
    assert found.comparison.agree == sum(one.is_stored for one in other.events)


@given(streams(), st.lists(st.sampled_from(["u1", "u2", "u3"]), min_size=14, max_size=14))
def test_pairs_differ_exactly_where_the_groups_of_events_do(lines: list[Json], shown: list[str]) -> None:
    # In legacy every row stands for itself, so the groups of the export are the names it shows.
    sent = replay(lines, strict=False)
    predicted = sent.predict("legacy", settings())
    there = [at for at, one in enumerate(predicted.events) if one.is_stored and one.distinct_id]
    rows = [row(lines[at], shown[at]) for at in there]
    matching = Matching(predicted)
    for one in rows:
        matching.take(read_row(one))
    found = compare(predicted, matching.found())

    def apart(at: int, other: int) -> bool:
        return predicted.events[at].distinct_id != predicted.events[other].distinct_id

    wrong = [(at, other) for at, other in combinations(there, 2) if apart(at, other) != (shown[at] != shown[other])]
    assert bool(found.differ) == bool(wrong)
    users = len({predicted.events[at].distinct_id for at in there})
    groups = len({shown[at] for at in there})
    cells = len({(predicted.events[at].distinct_id, shown[at]) for at in there})
    torn = [one for one in found.differ if one.predicted == "joined"]
    assert (len(torn), len(found.differ) - len(torn)) == (cells - users, cells - groups)
    assert found.agree == sum(all(at not in pair for pair in wrong) for at in there)
