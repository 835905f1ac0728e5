"""The sender: order within a lane, retries under the same `$insert_id`, bad rows told and never sent again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.live.answer import Again, Answer, Taken, TooLarge
from harness.live.batches import Batch
from harness.live.journal import FailedRow, Journal
from harness.live.retry import Patience
from harness.live.sender import Means, Progress, Sender
from harness.problems import OutsideError
from tests.live.rows import begun, event, lines


class Script:
    """A door that answers as told, and keeps every batch that it saw."""

    def __init__(self, answer: Callable[[Batch, int], Answer]) -> None:
        self.answer = answer
        self.seen: list[Batch] = []
        self.lock = threading.Lock()

    def post(self, batch: Batch) -> Answer:
        with self.lock:
            self.seen.append(batch)
            count = len(self.seen)
        return self.answer(batch, count)

    def close(self) -> None:
        """Have nothing to let go of."""


def run(journal: Journal, door: Script, waits: list[float] | None = None, patience: Patience | None = None) -> Progress:
    means = Means(
        door=lambda: door,
        lot=lambda: 0.0,
        patience=patience or Patience(),
        wait=(waits if waits is not None else []).append,
    )
    sender = Sender(journal, "original", means)
    sender.run()
    return sender.progress


def events(count: int, users: int = 1) -> bytes:
    return lines(*(event("x", distinct_id=f"u{at % users}", n=at) for at in range(count)))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.live.batches.MAX_ROWS", 5)


def numbers(batches: Sequence[Batch], lane: int = 0) -> list[int]:
    return [json.loads(row)["properties"]["n"] for batch in batches if batch.lane == lane for row in batch.rows]


@pytest.mark.usefixtures("small")
def test_everything_is_sent_once_and_in_order(tmp_path: Path) -> None:
    door = Script(lambda batch, count: Taken())
    with begun(tmp_path / "j", events(23)) as journal:
        assert run(journal, door) == Progress(23, 5, 0)
        assert journal.counts() == {"sent": 23, "failed": 0, "requests": 5, "retries": 0}
    assert numbers(door.seen) == list(range(23))


@pytest.mark.usefixtures("small")
def test_lanes_go_beside_each_other_and_each_keeps_its_order(tmp_path: Path) -> None:
    meeting = threading.Barrier(3, timeout=20)

    def answer(batch: Batch, count: int) -> Answer:
        if batch.last_row < 15:
            meeting.wait()
        return Taken()

    door = Script(answer)
    raw = lines(*(event("x", distinct_id=f"u{at % 3}", n=at) for at in range(60)))
    with begun(tmp_path / "j", raw, lanes=3) as journal:
        run(journal, door)
    lanes = {batch.lane for batch in door.seen}
    assert len(lanes) == 3
    assert sorted(number for lane in lanes for number in numbers(door.seen, lane)) == list(range(60))
    for lane in lanes:
        assert numbers(door.seen, lane) == sorted(numbers(door.seen, lane))


def test_a_lane_has_one_request_on_its_way_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.live.batches.MAX_ROWS", 2)
    on_the_way: dict[int, int] = {}
    most = 0
    lock = threading.Lock()

    def answer(batch: Batch, count: int) -> Answer:
        nonlocal most
        with lock:
            on_the_way[batch.lane] = on_the_way.get(batch.lane, 0) + 1
            most = max(most, on_the_way[batch.lane])
        threading.Event().wait(0.002)
        with lock:
            on_the_way[batch.lane] -= 1
        return Taken()

    with begun(tmp_path / "j", events(40, users=8), lanes=4) as journal:
        run(journal, Script(answer))
    assert most == 1


def test_a_batch_is_sent_again_as_it_was_until_it_is_answered(tmp_path: Path) -> None:
    waits: list[float] = []
    door = Script(lambda batch, count: Again("answer 429", 30 if count == 2 else None) if count < 4 else Taken())
    with begun(tmp_path / "j", events(3)) as journal:
        assert run(journal, door, waits) == Progress(3, 4, 3)
        assert journal.counts()["retries"] == 3
    assert waits == [3, 31, 9]
    assert len({tuple(batch.rows) for batch in door.seen}) == 1


def test_a_sender_gives_up_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with begun(tmp_path / "j", events(3)) as journal:
        with pytest.raises(OutsideError, match=r"gave up after 3 attempts \(answer 503\); the same command goes on"):
            run(journal, Script(lambda batch, count: Again("answer 503")), patience=Patience(attempts=3))
        assert journal.counts()["sent"] == 0
        assert run(journal, Script(lambda batch, count: Taken())).rows == 3


def test_bad_rows_are_told_by_line_and_never_sent_again(tmp_path: Path) -> None:
    door = Script(lambda batch, count: Taken(((1, "properties.time", "no"),)))
    with begun(tmp_path / "j", events(3)) as journal:
        run(journal, door)
        (failed,) = journal.failed()
        assert (failed.place, failed.field, failed.message) == (2, "properties.time", "no")
        assert failed.insert_id == json.loads(door.seen[0].rows[1])["properties"]["$insert_id"]
        assert journal.counts()["sent"] == 2
    assert len(door.seen) == 1


def test_a_batch_too_large_for_the_way_is_sent_in_parts_in_order(tmp_path: Path) -> None:
    door = Script(lambda batch, count: TooLarge() if len(batch.rows) > 2 else Taken())
    with begun(tmp_path / "j", events(7)) as journal:
        run(journal, door)
        assert journal.counts()["sent"] == 7
    assert numbers([batch for batch in door.seen if len(batch.rows) <= 2]) == list(range(7))


def test_a_row_too_large_for_the_way_fails_alone(tmp_path: Path) -> None:
    with begun(tmp_path / "j", events(2)) as journal:
        run(
            journal,
            Script(lambda batch, count: TooLarge() if b'"n":1' in batch.rows[0] or len(batch.rows) > 1 else Taken()),
        )
        assert [row.place for row in journal.failed()] == [2]
        assert journal.failed()[0] == FailedRow(2, "", journal.failed()[0].message, journal.failed()[0].insert_id)


@pytest.mark.usefixtures("small")
def test_what_goes_wrong_in_one_lane_stops_all_and_loses_no_answer(tmp_path: Path) -> None:
    broken = OutsideError("no such project")

    def answer(batch: Batch, count: int) -> Answer:
        if count == 4:
            raise broken
        return Taken()

    with begun(tmp_path / "j", events(60, users=6), lanes=3) as journal:
        door = Script(answer)
        with pytest.raises(OutsideError, match="no such project"):
            run(journal, door)
        sent = journal.counts()["sent"]
        assert sent == sum(len(batch.rows) for batch in door.seen) - 5
        rest = Script(lambda batch, count: Taken())
        run(journal, rest)
        assert journal.counts()["sent"] == 60
        assert sum(len(batch.rows) for batch in rest.seen) == 60 - sent


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(8))
def test_stopped_anywhere_again_and_again_nothing_is_lost_and_no_insert_id_is_new(tmp_path: Path, seed: int) -> None:
    """Each start breaks off at a random request: before it was stored, after that, or after the answer."""
    lots = Random(seed)
    stored: list[Any] = []
    fail = OutsideError("stop")

    def answer(batch: Batch, count: int) -> Answer:
        kind = lots.choice(["fine", "fine", "fine", "lost", "stored", "again"])
        if kind == "lost":
            raise fail
        stored.extend(json.loads(row)["properties"] for row in batch.rows)
        if kind == "stored":
            raise fail
        return Again("lost answer") if kind == "again" else Taken()

    begun(tmp_path / "j", events(60, users=5), lanes=2).close()
    for _ in range(200):
        with Journal(tmp_path / "j") as journal:
            try:
                run(journal, Script(answer))
            except OutsideError:
                continue
            assert journal.counts()["sent"] == 60
            break
    ids = {row["n"]: {other["$insert_id"] for other in stored if other["n"] == row["n"]} for row in stored}
    assert sorted(ids) == list(range(60))
    assert all(len(found) == 1 for found in ids.values())
    for user in range(5):
        first = list(dict.fromkeys(row["n"] for row in stored if row["distinct_id"] == f"u{user}"))
        assert first == sorted(first)
