"""Batches keep the order of their lane, fit what Mixpanel takes, and may arrive twice."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.event import ID_MERGE_SYSTEMS, Endpoint, Event, IdMerge
from harness.ingestion.limits import MAX_IMPORT_BYTES, MAX_ROWS
from harness.ingestion.project import MixpanelProject
from harness.ingestion.wire import Body, WireRequest, decode
from harness.live.batches import Batch, batches
from harness.live.completion import encode
from harness.live.journal import Chunk
from tests.live.rows import NOW_MS, OTHER_UUID, UUID, event


def chunks(
    rows: Sequence[bytes], numbers: Sequence[int], size: int = 7, endpoint: Endpoint = "import"
) -> Iterator[Chunk]:
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield Chunk(endpoint, start, rows[part], list(range(len(rows)))[part], numbers[part], 0)


def sent(found: Sequence[Batch], lane: int) -> list[bytes]:
    return [row for batch in found if batch.lane == lane for row in batch.rows]


@given(some.lists(some.integers(0, 5), max_size=60), some.integers(1, 4), some.data())
def test_every_row_that_is_left_is_in_its_lane_once_and_in_order(
    numbers: list[int], lanes: int, data: some.DataObject
) -> None:
    rows = [b'{"event":"%d","properties":{}}' % at for at in range(len(numbers))]
    lane_of = [number % lanes for number in range(6)]
    done = [data.draw(some.integers(-1, len(rows) - 1)) for _ in range(lanes)]
    found = list(batches(chunks(rows, numbers), lane_of, done, "original"))
    for lane in range(lanes):
        own = [at for at, number in enumerate(numbers) if lane_of[number] == lane and at > done[lane]]
        assert sent(found, lane) == [rows[at] for at in own]
        ends = [batch.last_row for batch in found if batch.lane == lane]
        assert ends == sorted(ends)
        assert not own or ends[-1] == own[-1]


def test_a_batch_holds_what_mixpanel_takes() -> None:
    many = [b'{"event":"x","properties":{}}'] * (2 * MAX_ROWS + 1)
    assert [len(batch.rows) for batch in batches(chunks(many, [0] * len(many)), b"\0", [-1], "original")] == [
        MAX_ROWS, MAX_ROWS, 1,
    ]  # fmt: skip
    large = [encode(event("x", distinct_id="a", text="y" * 900_000)).encode()] * 25
    found = list(batches(chunks(large, [0] * 25), b"\0", [-1], "original"))
    assert [len(batch.rows) for batch in found] == [11, 11, 3]
    for batch in found:
        body = gzip.decompress(batch.body(""))
        assert len(body) == batch.size - 1 <= MAX_IMPORT_BYTES
        assert json.loads(body) == [json.loads(row) for row in batch.rows]


def test_a_batch_goes_by_one_route() -> None:
    rows = [b'{"event":"x","properties":{}}'] * 3
    mixed = [*chunks(rows, [0] * 3), Chunk("track", 3, rows, [0, 1, 2], [0] * 3, 0)]
    assert [(batch.endpoint, len(batch.rows)) for batch in batches(mixed, b"\0", [-1], "original")] == [
        ("import", 3), ("track", 3),
    ]  # fmt: skip


@pytest.mark.parametrize("token", ["abc", 'q"uo\\te'])
def test_every_event_of_track_carries_the_token_and_is_otherwise_the_row_that_was_proven(token: str) -> None:
    rows = [
        encode({"event": 'a,"properties":{', "properties": {}}).encode(),
        encode({"event": "b", "properties": {"distinct_id": 'x,"properties":{"token":"no"'}}).encode(),
    ]
    batch = Batch(0, "track", rows, [1, 2])
    body = decode(WireRequest("POST", "/track", "", {"content-encoding": "gzip"}, batch.body(token)), most_bytes=10**6)
    assert isinstance(body, Body)
    for sent_row, proven in zip(body.rows, map(json.loads, rows), strict=True):
        assert sent_row == {**proven, "properties": {**proven["properties"], "token": token}}
    assert token.encode() not in gzip.decompress(Batch(0, "import", rows, [1, 2]).body(token))


def test_a_batch_that_is_too_large_for_the_way_is_halved_in_order() -> None:
    batch = Batch(1, "import", [b"a", b"b", b"c"], [4, 5, 6], last_row=9)
    first, second = batch.halves()
    assert (first.rows, second.rows) == ([b"a"], [b"b", b"c"])
    assert (first.places, second.places) == ([4], [5, 6])
    assert first.last_row == second.last_row == 9


def test_in_legacy_an_alias_begins_a_batch() -> None:
    names = ["a", "$create_alias", "$create_alias", 'b"$create_alias"', "$create_alias", "c"]
    rows = [encode({"event": name, "properties": {"said": "$create_alias"}}).encode() for name in names]
    legacy = [len(batch.rows) for batch in batches(chunks(rows, [0] * 6), b"\0", [-1], "legacy")]
    assert legacy == [1, 1, 2, 2]
    assert [len(batch.rows) for batch in batches(chunks(rows, [0] * 6), b"\0", [-1], "original")] == [6]


some_id = some.sampled_from(["ana", "ben", UUID, OTHER_UUID])
some_rows = some.lists(
    some.builds(
        lambda name, a, b: event(
            name, distinct_id=a, S_anon_distinct_id=b, S_distinct_ids=[a, b], alias=b, S_device_id=b, S_user_id=a
        ),
        some.sampled_from(["Page", "$identify", "$create_alias", "$merge"]),
        some_id,
        some_id,
    ),
    max_size=10,
)


@given(some_rows, some.sampled_from(ID_MERGE_SYSTEMS), some.data())
def test_batches_that_arrive_again_at_once_change_no_user_and_count_nothing_twice(
    events: list[dict[str, dict[str, object]]], id_merge: IdMerge, data: some.DataObject
) -> None:
    """The lost answer: whatever was stored is sent again, as often as it takes, before anything else of its lane is."""
    for at, one in enumerate(events):
        one["properties"]["$insert_id"] = f"i{at}"
    rows = [encode(one).encode() for one in events]
    once, again = MixpanelProject(id_merge), MixpanelProject(id_merge)
    for batch in batches(chunks(rows, [0] * len(rows), 3), b"\0", [-1], id_merge):
        good = [json.loads(row) for row in batch.rows]
        for project, times in ((once, 1), (again, data.draw(some.integers(1, 3)))):
            for _ in range(times):
                project.receive(good, now_ms=NOW_MS, endpoint="track")
    assert [cluster.ids for cluster in once.model.clusters()] == [cluster.ids for cluster in again.model.clusters()]
    assert once.users() == again.users() or id_merge == "original"
    assert _counted(once) == _counted(again)


def _counted(project: MixpanelProject) -> list[tuple[str, str, frozenset[str]]]:
    statuses = project.statuses()
    counted = [stored for stored in project.events if statuses[stored.event_index] == "accepted"]
    return sorted(
        (stored.event.name, stored.insert_id, project.model.ids_of_one_user(stored.arrival.stored))
        for stored in counted
    )


@given(some_rows, some.sampled_from(("simplified", "original")), some.data())
def test_an_old_copy_of_a_batch_that_arrives_late_changes_no_user(
    events: list[dict[str, dict[str, object]]], id_merge: IdMerge, data: some.DataObject
) -> None:
    once, again = MixpanelProject(id_merge), MixpanelProject(id_merge)
    plain = [Event(str(one["event"]), one["properties"]) for one in events]
    once.receive(plain, now_ms=NOW_MS, endpoint="track")
    again.receive(plain, now_ms=NOW_MS, endpoint="track")
    start = data.draw(some.integers(0, len(plain)))
    again.receive(plain[start : start + 4], now_ms=NOW_MS, endpoint="track")
    assert [cluster.ids for cluster in once.model.clusters()] == [cluster.ids for cluster in again.model.clusters()]
