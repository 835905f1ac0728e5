"""`harness resolve` as its users call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.shell import Shell

UUID = "13bbf794-3e58-4084-8885-c2531aaaaaaa"


def line(name: str, number: int, **properties: Any) -> str:
    ids = {key.replace("S_", "$"): value for key, value in properties.items()}
    return json.dumps({"event": name, "properties": {"time": 1_767_614_400, "$insert_id": f"i{number}", **ids}})


EVENTS = "\n".join(
    [
        line("Page", 0, distinct_id=UUID),
        line("$identify", 1, distinct_id="u1", S_anon_id=UUID),
        "",
        "no json",
        line("Page", 2, distinct_id="b7"),
        line("Page", 2, distinct_id="b7"),
        line("", 3, distinct_id="b7"),
        json.dumps({"event": "Flat", "distinct_id": "u1", "time": 1_767_614_400, "$insert_id": "i4"}),
    ]
)


def test_every_event_is_told_in_its_place(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(EVENTS)
    done = shell.run("resolve", tmp_path / "events.jsonl", "--id-merge", "original", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["id_merge"], found["users"]) == ("original", 2)
    assert [event["status"] for event in found["events"]] == [
        "accepted", "accepted", "rejected", "duplicate", "accepted", "rejected", "accepted",
    ]  # fmt: skip
    assert [event["index"] for event in found["events"]] == list(range(7))
    joined = found["events"][1]
    assert joined["received_distinct_id"] == "u1"
    assert joined["decision"] == {"kind": "identify", "outcome": "merged", "reason": None}
    assert found["events"][0]["distinct_id"] == joined["distinct_id"]
    assert found["events"][0]["decision"] is None
    assert "line 4" in found["events"][2]["errors"][0]["message"]
    assert found["events"][5]["line"] == 7
    assert found["clusters"] == [[UUID, "u1"], ["b7"]]


def test_standard_input_is_read(shell: Shell) -> None:
    done = shell.run("resolve", "-", "--id-merge", "simplified", "--json", stdin=line("x", 1, S_user_id="ana"))
    assert json.loads(done.out)["clusters"] == [["ana"]]


def test_people_get_a_table(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(EVENTS)
    done = shell.run("resolve", tmp_path / "events.jsonl", "--id-merge", "original")
    assert "identify merged" in done.out
    assert "original: 2 users; 4 accepted, 1 duplicate, 2 rejected; 0 refused" in done.out


def test_the_clock_is_the_newest_event_unless_given(shell: Shell) -> None:
    stream = line("old", 1, distinct_id="a", time=1_767_614_400 - 6 * 86_400) + "\n" + line("new", 2, distinct_id="a")
    track = ("resolve", "-", "--id-merge", "simplified", "--endpoint", "track", "--json")
    statuses = [event["status"] for event in json.loads(shell.run(*track, stdin=stream).out)["events"]]
    assert statuses == ["rejected", "accepted"]
    later = shell.run(*track, "--now", "2026-02-01T00:00:00Z", stdin=stream)
    assert [event["status"] for event in json.loads(later.out)["events"]] == ["rejected", "rejected"]


def test_without_strict_what_is_missing_is_made_up(shell: Shell) -> None:
    stream = json.dumps({"event": "x", "properties": {"time": 1_767_614_400}})
    strict = shell.run("resolve", "-", "--id-merge", "original", "--json", stdin=stream)
    assert json.loads(strict.out)["events"][0]["status"] == "rejected"
    loose = shell.run("resolve", "-", "--id-merge", "original", "--no-strict", "--json", stdin=stream)
    assert json.loads(loose.out)["events"][0]["status"] == "accepted"


def test_the_limit_of_a_cluster_can_be_set(shell: Shell) -> None:
    uuids = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(3)]
    stream = "\n".join(line("$identify", at, distinct_id="u", S_anon_id=uuid) for at, uuid in enumerate(uuids))
    done = shell.run("resolve", "-", "--id-merge", "original", "--cluster-limit", "3", "--json", stdin=stream)
    assert json.loads(done.out)["events"][2]["decision"]["reason"] == "errManyIDs"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.jsonl", "--id-merge", "original"), "nowhere.jsonl: can't be read"),
        ((".", "--id-merge", "original"), "can't be read"),
        (("-",), "--id-merge"),
        (("-", "--id-merge", "modern"), "modern"),
        (("-", "--id-merge", "original", "--now", "noon"), "no instant such as"),
        (("-", "--id-merge", "original", "--cluster-limit", "0"), "--cluster-limit"),
        (("-", "--id-merge", "original", "--settings", "nowhere.yaml"), "nowhere.yaml"),
        (("-", "--id-merg", "original"), "--id-merge"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    done = shell.run("resolve", *arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert not done.out


@pytest.mark.parametrize(
    "stream",
    [
        b"\xff\xfe",
        b'{"event": "x", "properties": {"time": NaN}}',
        b'{"event": "x", "properties": {"time": 1e400}}',
        b'{"event": "x", "properties": {"time": ' + b"9" * 5000 + b"}}",
        b'{"event": "\\ud800", "properties": {"distinct_id": "\\udfff"}}',
        b"[" * 100_000,
        b'null\n1\n[]\n"x"\n{}',
        b'{"event": "x\x00"}',
        b'{"event": "x", "properties": []}',
    ],
)
def test_hostile_lines_are_rejected_in_their_place(shell: Shell, stream: bytes) -> None:
    for system in ("simplified", "original", "legacy"):
        done = shell.run("resolve", "-", "--id-merge", system, "--json", stdin=stream)
        assert done.code == 0, done.err
        events = json.loads(done.out)["events"]
        assert {event["status"] for event in events} == {"rejected"}
        assert shell.run("resolve", "-", "--id-merge", system, stdin=stream).code == 0
