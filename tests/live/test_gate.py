"""The gate lets through what holds, and names the line of what does not; what it lets through are the bytes to send."""

from __future__ import annotations

import hashlib
import json
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.identity.settings import IdentitySettings
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.live.marking import Marking
from harness.live.proof import Allowed
from harness.scenario.stream import read_stream, resolve_stream
from tests.live.rows import NOW_MS, OTHER_UUID, UUID, Kept, event, lines, prove

LOGIN = (
    event("Page", distinct_id=UUID),
    event("$identify", distinct_id="ana", S_anon_distinct_id=UUID),
    event("Buy", distinct_id="ana"),
)


def found(raw: bytes, id_merge: IdMerge = "original", **options: Any) -> list[tuple[str, int | None]]:
    findings = prove(raw, id_merge, **options).proof.findings
    return [(one.kind, one.line) for one in findings.in_order()]


def test_a_login_goes_through_and_its_rows_are_hashed_as_they_are_sent() -> None:
    kept = Kept()
    proof = prove(lines(*LOGIN), spool=kept).proof
    assert not proof.findings
    assert (proof.rows, proof.users, proof.duplicates) == (3, 1, 0)
    blob = b"\n".join(block.blob for block in kept.blocks) + b"\n"
    assert proof.sha256 == hashlib.sha256(blob).hexdigest()
    assert [row["event"] for row in kept.rows] == ["Page", "$identify", "Buy"]
    assert [place for block in kept.blocks for place in block.places] == [1, 2, 3]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ("no json", "rejected"),
        ("[1]", "rejected"),
        ('{"event": ""}', "rejected"),
        ('{"event": "x", "properties": {"distinct_id": "a"}}', "rejected"),
        (event("x", distinct_id="undefined"), "rejected"),
        (event("x", distinct_id="a", time=NOW_MS // 1000 + 7_200), "rejected"),
        (event("x", distinct_id="a", S_ignore=True), "rejected"),
        (event("x", distinct_id="a", S_insert_id="a:b"), "rejected"),
        (event("$identify", distinct_id="ben", S_anon_distinct_id=UUID), "refused"),
        (event("$identify", distinct_id="ben", S_anon_distinct_id="D1"), "refused"),
        (event("$create_alias", distinct_id="ana", alias="ben"), "join"),
        (event("$merge", S_distinct_ids=["ana", "ben"]), "join"),
    ],
)
def test_one_line_that_does_not_hold_stops_all_and_is_named(bad: Any, kind: str) -> None:
    assert found(lines(*LOGIN, bad, event("Page", distinct_id="ana"))) == [(kind, 4)]


def test_all_that_is_wrong_is_told_at_once() -> None:
    raw = lines("?", *LOGIN, event("$merge", S_distinct_ids=["ana", "ben"]), "?")
    assert found(raw) == [("rejected", 1), ("join", 5), ("rejected", 6)]


def test_a_file_without_events_is_not_sent() -> None:
    assert found(b"\n  \n") == [("empty", None)]


def test_a_malformed_insert_id_is_refused_on_track_too_where_mixpanel_would_take_it() -> None:
    assert found(lines(event("x", distinct_id="a", S_insert_id="a:b")), endpoint="track") == [("insert_id", 1)]


def test_a_refusal_can_be_expected_by_its_reason() -> None:
    again = lines(*LOGIN, event("$identify", distinct_id="ben", S_anon_distinct_id=UUID))
    assert found(again, allowed=Allowed(frozenset({"errAnonDistinctIdAssignedAlready"}))) == []
    assert found(again, allowed=Allowed(frozenset({"errSameIDs"}))) == [("refused", 4)]


def test_a_refusal_of_ids_that_are_one_user_anyway_can_be_expected_alone() -> None:
    harmless = lines(*LOGIN, event("$identify", distinct_id="ana", S_anon_distinct_id=UUID, S_insert_id="again"))
    finding = prove(harmless).proof.findings.kept[0]
    assert (finding.kind, finding.line) == ("refused", 4)
    assert "--allow-refused same-user" in finding.fix
    same_user = Allowed(frozenset({"same-user"}))
    assert found(harmless, allowed=same_user) == []
    assert found(lines(*LOGIN, event("$identify", distinct_id="ben", S_anon_distinct_id=UUID)), allowed=same_user)


def test_an_identity_event_that_is_there_twice_is_a_retry_and_no_refusal() -> None:
    identify = event("$identify", distinct_id="ana", S_anon_distinct_id=UUID, S_insert_id="i1")
    proof = prove(lines(identify, identify)).proof
    assert not proof.findings
    assert proof.duplicates == 1


def test_a_join_of_two_known_users_names_them_and_its_blast_radius() -> None:
    raw = lines(
        *LOGIN,
        event("$identify", distinct_id="ben", S_anon_distinct_id=OTHER_UUID),
        event("$merge", S_distinct_ids=[OTHER_UUID, UUID]),
    )
    finding = prove(raw).proof.findings.kept[0]
    assert finding.line == 5
    assert "ana and ben one user for good" in finding.message
    assert "2 and 2 ids become one cluster of 4" in finding.message
    assert "--allow-join ana ben" in finding.fix
    allowed = prove(raw, allowed=Allowed(joins=[frozenset({"ana", "ben"})])).proof
    assert not allowed.findings
    assert [join.known_users for join in allowed.joins] == [("ana", "ben")]
    assert found(raw, allowed=Allowed(joins=[frozenset({"ana", "cleo"})])) == [("join", 5)]


def test_user_ids_that_are_uuids_are_known_by_their_role() -> None:
    raw = lines(
        event("$identify", distinct_id=OTHER_UUID, S_anon_distinct_id=UUID),
        event("$identify", distinct_id="99ccf794-3e58-4084-8885-c2531bbbbbbb", S_anon_distinct_id="88" + UUID[2:]),
        event("$merge", S_distinct_ids=[UUID, "88" + UUID[2:]]),
    )
    assert found(raw) == [("join", 3)]


def test_what_a_known_user_looks_like_can_be_said() -> None:
    raw = lines(event("$merge", S_distinct_ids=["visitor-7", "u1"]))
    assert found(raw) == [("join", 1)]
    assert found(raw, allowed=Allowed(is_known=re.compile("u[0-9]+").fullmatch)) == []


def test_a_merge_of_a_device_and_its_user_is_what_merges_are_for() -> None:
    assert found(lines(event("$merge", S_distinct_ids=[UUID, "ana"]))) == []


def test_a_cluster_near_its_limit_is_refused() -> None:
    settings = ProjectSettings(identity=IdentitySettings(cluster_limit=5))
    devices = [f"{at}0000000-0000-4000-8000-000000000000" for at in range(4)]
    login = [event("$identify", distinct_id="ana", S_anon_distinct_id=device) for device in devices]
    assert found(lines(*login[:2]), settings=settings) == []
    assert found(lines(*login), settings=settings) == [("near_limit", 3)]


def test_an_ignored_identity_event_that_nothing_makes_up_for_is_a_split() -> None:
    track: dict[str, Any] = {"endpoint": "track"}
    identify = event("$identify", distinct_id="ana", S_anon_distinct_id="$device:D1")
    before = event("Page", S_device_id="D1", distinct_id="$device:D1")
    after = event("Buy", S_user_id="ana", distinct_id="ana")
    both = event("Buy", S_user_id="ana", S_device_id="D1", distinct_id="ana")
    assert found(lines(before, identify, after), "simplified", **track) == [("split", 2)]
    assert found(lines(before, identify, both), "simplified", **track) == []
    assert found(lines(event("Page", distinct_id="a"), event("$merge", S_distinct_ids=["a", "b"])), **track) == [
        ("split", 2)
    ]


def test_a_shared_device_is_refused_in_simplified() -> None:
    raw = lines(event("x", S_device_id="D", S_user_id="ana"), event("x", S_device_id="D", S_user_id="ben"))
    assert found(raw, "simplified") == [("refused", 2)]
    assert found(lines(event("$identify", distinct_id="a", S_anon_distinct_id=UUID)), "simplified") == [("rejected", 1)]


def test_rows_of_track_get_a_time_and_an_insert_id_that_never_change() -> None:
    kept = Kept()
    raw = lines({"event": "x", "properties": {"distinct_id": "a", "token": "their-own-token"}})
    proof = prove(raw, "simplified", endpoint="track", spool=kept).proof
    properties = kept.rows[0]["properties"]
    assert properties["time"] == (NOW_MS - 60_000) // 1000
    assert re.fullmatch("[0-9a-f]{32}", properties["$insert_id"])
    assert "token" not in properties
    assert len(proof.notes) == 3
    later = Kept()
    prove(raw, "simplified", endpoint="track", spool=later, now_ms=NOW_MS + 86_400_000)
    assert later.rows[0]["properties"]["$insert_id"] == properties["$insert_id"]


def test_equal_events_on_different_lines_are_different_events() -> None:
    kept = Kept()
    same = event("x", distinct_id="a")
    assert prove(lines(same, same), "simplified", spool=kept).proof.duplicates == 0
    assert len({row["properties"]["$insert_id"] for row in kept.rows}) == 2


def test_a_time_that_mixpanel_would_set_to_now_at_each_retry_is_fixed() -> None:
    kept = Kept()
    for time in (NOW_MS // 1000 + 1800, NOW_MS + 1_800_000, NOW_MS / 1000 + 0.5):
        prove(lines(event("x", distinct_id="a", time=time)), "simplified", spool=kept)
    assert {row["properties"]["time"] for row in kept.rows} == {(NOW_MS - 60_000) // 1000}


def test_a_line_goes_as_it_is_where_every_reader_understands_it_alike() -> None:
    plain = (
        b'{"event": "\xc3\xa4", "properties": {"distinct_id": "a", "time": 1795000000, "$insert_id": "i1", "n": 1.50}}'
    )
    kept = Kept()
    prove(plain + b"\n", "simplified", spool=kept)
    assert kept.blocks[0].blob == plain


@pytest.mark.parametrize(
    "line",
    [
        b'{"event":"x","properties":{"distinct_id":"a","time":1795000000,"$insert_id":"i","k":1,"k":2}}',
        b'{"event":"x","properties":{"distinct_id":"a","time":1795000000,"$insert_id":"i","k":1,"k" :2}}',
        b'{"event":"x","properties":{"distinct_id":"a","time":1795000000,"$insert_id":"i","k":1,"k"\t:2}}',
        b'{"event":"x","distinct_id":"a","time":1795000000,"$insert_id":"i","k":1,"k":2,"z":"properties"}',
        b'{"event":"x","event":"y","properties":{"distinct_id":"a","time":1795000000,"$insert_id":"i"}}',
        b'{"event":"x","properties":{"distinct_id":"a","time":1795000000,"$insert_id":"i","o":{"k":1,"k":2}}}',
    ],
)
def test_a_line_that_readers_may_understand_differently_is_written_anew(line: bytes) -> None:
    kept = Kept()
    prove(line, "simplified", spool=kept)
    blob = kept.blocks[0].blob
    assert blob != line
    pairs: list[str] = []
    json.loads(blob, object_pairs_hook=lambda found: pairs.extend(key for key, _ in found))
    assert len(pairs) == len(set(pairs))


some_value = (
    some.none() | some.booleans() | some.integers(-5, 5) | some.text(max_size=6) | some.sampled_from(['a":b', '":'])
)
some_pairs = some.lists(some.tuples(some.sampled_from(["a", "b", 'q":', "properties"]), some_value), max_size=4)


@given(some_pairs, some.sampled_from([":", ": ", " :", " : "]), some.booleans())
def test_bytes_that_leave_never_hold_a_key_twice(pairs: list[tuple[str, Any]], colon: str, is_flat: bool) -> None:
    fixed: list[tuple[str, Any]] = [("distinct_id", "a"), ("time", 1_795_000_000), ("$insert_id", "i")]
    body = ",".join(json.dumps(key) + colon + json.dumps(value) for key, value in [*fixed, *pairs])
    line = f'{{"event":"x",{body}}}' if is_flat else f'{{"event":"x","properties":{{{body}}}}}'
    kept = Kept()
    prove(line.encode(), "simplified", spool=kept)
    if kept.blocks:
        blob = kept.blocks[0].blob
        objects: list[list[str]] = []
        json.loads(blob, object_pairs_hook=lambda got: objects.append([key for key, _ in got]) or dict(got))  # type: ignore[func-returns-value]
        assert all(len(keys) == len(set(keys)) for keys in objects)
        assert json.loads(blob)["event"] == "x"
        assert set(json.loads(blob)) == {"event", "properties"}


some_events = some.lists(
    some.builds(
        lambda name, a, b, n: event(
            name, distinct_id=a, S_anon_distinct_id=b, S_distinct_ids=[a, b], alias=b, S_insert_id=f"i{n}"
        ),
        some.sampled_from(["Page", "Page", "$identify", "$create_alias", "$merge"]),
        some.sampled_from(["ana", "ben", UUID, OTHER_UUID]),
        some.sampled_from(["ana", "ben", UUID, OTHER_UUID]),
        some.integers(0, 3),
    ),
    max_size=10,
)


@given(some_events, some.sampled_from(ID_MERGE_SYSTEMS))
def test_users_and_duplicates_are_those_of_the_project_that_keeps_everything(
    events: list[dict[str, Any]], id_merge: IdMerge
) -> None:
    raw = lines(*events)
    proof = prove(raw, id_merge).proof
    resolved = resolve_stream(read_stream(raw), id_merge, now_ms=NOW_MS).project
    statuses = resolved.statuses()
    assert proof.duplicates == statuses.count("duplicate")
    assert proof.users == len(resolved.users())
    rejected = sum(status in ("rejected", "dropped") for status in statuses)
    assert proof.findings.counts["rejected"] == rejected
    if rejected == 0 and not proof.findings:
        assert proof.rows == len(events)


@given(some_events, some.sampled_from(ID_MERGE_SYSTEMS), some.integers(2, 4))
def test_events_that_name_an_id_together_are_in_one_lane(
    events: list[dict[str, Any]], id_merge: IdMerge, lanes: int
) -> None:
    kept = Kept()
    proven = prove(lines(*events), id_merge, endpoint="track", spool=kept, lanes=lanes)
    numbers = [number for block in kept.blocks for number in block.numbers]
    by_id: dict[str, set[int]] = {}
    for row, number in zip(kept.rows, numbers, strict=True):
        properties = row["properties"]
        ids = {properties["distinct_id"]}
        if row["event"] == "$merge" and id_merge == "original":
            ids = {*ids, *properties["$distinct_ids"]}
        for text in ids:
            by_id.setdefault(text, set()).add(proven.lanes[number])
    assert all(len(found_lanes) == 1 for found_lanes in by_id.values())


@given(some_events, some.sampled_from(ID_MERGE_SYSTEMS), some.integers(2, 4), some.randoms(use_true_random=False))
def test_lanes_may_overtake_each_other_without_changing_any_user_or_decision(
    events: list[dict[str, Any]], id_merge: IdMerge, lanes: int, lots: Random
) -> None:
    for at, one in enumerate(events):
        one["properties"]["n"] = at
    kept = Kept()
    proven = prove(lines(*events), id_merge, endpoint="track", spool=kept, lanes=lanes)
    queues: dict[int, list[dict[str, Any]]] = {}
    numbers = [number for block in kept.blocks for number in block.numbers]
    for row, number in zip(kept.rows, numbers, strict=True):
        queues.setdefault(proven.lanes[number], []).append(row)
    in_order, overtaken = MixpanelProject(id_merge), MixpanelProject(id_merge)
    in_order.receive(kept.rows, now_ms=NOW_MS, endpoint="track")
    while any(queues.values()):
        queue = lots.choice([queue for queue in queues.values() if queue])
        overtaken.receive([queue.pop(0)], now_ms=NOW_MS, endpoint="track")
    for project in (in_order, overtaken):
        assert not {row.status for row in project.rows} - {"accepted"}
    assert [one.ids for one in in_order.model.clusters()] == [one.ids for one in overtaken.model.clusters()]
    assert _decided(in_order) == _decided(overtaken)


def _decided(project: MixpanelProject) -> dict[int, Any]:
    return {
        stored.event.properties["n"]: stored.arrival.decision and stored.arrival.decision[:4]
        for stored in project.events
    }


def test_a_large_file_prepared_by_other_processes_gives_the_same_bytes_and_findings() -> None:
    events = [event(f"E{at % 7}", distinct_id=f"user-{at % 50}", text="x" * 2_000) for at in range(5_000)]
    events[4_000]["properties"]["distinct_id"] = "null"
    raw = lines(*events)
    here, beside = Kept(), Kept()
    alone = prove(raw, "simplified", spool=here)
    helped = prove(raw, "simplified", spool=beside, workers=2)
    assert alone == helped or alone.proof.sha256 == helped.proof.sha256
    assert here.blocks == beside.blocks
    assert [one.line for one in helped.proof.findings.kept] == [4_001]
    assert alone.source_sha256 == helped.source_sha256 == hashlib.sha256(raw).hexdigest()


def test_a_line_without_end_is_rejected_and_the_rest_goes_on() -> None:
    raw = lines(LOGIN[0]) + b"x" * 17_000_000 + b"\n" + lines(*LOGIN[1:])
    assert found(raw) == [("rejected", 2)]


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter() -> None:
    raw = b"\xef\xbb\xbf" + lines(*LOGIN).replace(b"\n", b"\r\n")
    assert found(raw) == []


def test_events_of_a_run_are_marked_before_they_are_proven() -> None:
    kept = Kept()
    proof = prove(lines(*LOGIN), spool=kept, marking=Marking("r1")).proof
    assert not proof.findings
    assert {row["properties"]["harness_run"] for row in kept.rows} == {"r1"}
    assert kept.rows[2]["properties"]["distinct_id"] == "r1_ana"
