"""`harness explain` and `harness compare` as their users call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.shell import Shell

UUID = "13bbf794-3e58-4084-8885-c2531aaaaaaa"
ROOT = Path(__file__).parents[2]


def line(name: str, number: int, **properties: Any) -> str:
    ids = {key.replace("S_", "$"): value for key, value in properties.items()}
    return json.dumps({"event": name, "properties": {"time": 1_767_614_400, "$insert_id": f"i{number}", **ids}})


EVENTS = "\n".join(
    [
        line("Page", 0, distinct_id=UUID),
        "no json",
        line("$identify", 1, distinct_id="ana", S_anon_id=UUID),
        line("$identify", 2, distinct_id="ben", S_anon_id=UUID),
        line("Page", 3, distinct_id="ben"),
    ]
)


def explain(shell: Shell, *arguments: str) -> Any:
    done = shell.run("explain", "-", "--id-merge", "original", "--json", *arguments, stdin=EVENTS)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_two_ids_of_one_user_have_a_chain(shell: Shell) -> None:
    found = explain(shell, "ana", UUID)
    assert found["same_user"] is True
    assert found["path"] == [{"index": 2, "kind": "identify", "ids": ["ana", UUID]}]
    assert found["refused"] == []
    assert found["joined"] == [{"index": 2, "ids": 2, "people": []}]


def test_two_users_have_the_refusals_between_them_and_what_would_have_to_change(shell: Shell) -> None:
    found = explain(shell, "ana", "ben")
    assert found["same_user"] is False
    assert found["path"] == []
    reason = "errAnonDistinctIdAssignedAlready"
    assert found["refused"] == [{"index": 3, "kind": "identify", "ids": [UUID, "ben"], "reason": reason}]
    assert any(change["index"] == 3 and "$merge" in change["change"] for change in found["changes"])


def test_the_answer_as_it_was_earlier(shell: Shell) -> None:
    before = shell.run("explain", "-", "--id-merge", "original", "--at", "1", UUID, "--json", stdin=EVENTS)
    assert json.loads(before.out)["members"] == [{"id": UUID, "index": None, "kind": None}]
    after = explain(shell, "--at", "2", "ana")
    assert [member["id"] for member in after["members"]] == ["ana", UUID]


def test_people_read_sentences(shell: Shell) -> None:
    said = shell.run("explain", "-", "--id-merge", "original", "ana", "ben", stdin=EVENTS).out
    assert "ana and ben are two users." in said
    assert "event 3 ($identify) would have joined them, but was refused, errAnonDistinctIdAssignedAlready." in said
    assert "They would be one user" in said
    alone = shell.run("explain", "-", "--id-merge", "original", "ana", stdin=EVENTS).out
    assert "ana is one user with 2 ids" in alone
    assert "joined 2 ids, and that can't be undone" in alone


def test_a_scenario_knows_its_people(shell: Shell) -> None:
    scenario = ROOT / "scenarios" / "failures" / "01-cdp-merges-everyone-of-one-device.yaml"
    done = shell.run("explain", scenario, "--id-merge", "original", "user-ana", "user-ben", "--json")
    found = json.loads(done.out)
    assert found["same_user"] is True
    assert found["joined"][-1]["people"] == ["ana", "ben"]
    said = shell.run("explain", scenario, "--id-merge", "original", "user-ana", "user-ben").out
    assert "joined 2 people (ana, ben) and 3 ids, and that can't be undone" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.jsonl", "a", "--id-merge", "original"), "can't be read"),
        (("-", "annna", "--id-merge", "original"), "did you mean 'ana'?"),
        (("-", "--id-merge", "original"), "Missing argument"),
        (("-", "ana", "--id-merge", "original", "--at", "-1"), "--at"),
        (("nowhere.yaml", "a", "--id-merge", "original"), "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    done = shell.run("explain", *arguments, stdin=EVENTS)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


def test_compare_puts_the_three_systems_side_by_side(shell: Shell) -> None:
    done = shell.run("compare", "-", "--json", "--endpoint", "track", stdin=EVENTS)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    systems = {one["id_merge"]: one for one in found["systems"]}
    assert (systems["simplified"]["users"], systems["original"]["users"], systems["legacy"]["users"]) == (2, 2, 2)
    assert systems["original"]["refused"] == {"errAnonDistinctIdAssignedAlready": 1}
    assert (systems["simplified"]["ignored"], systems["legacy"]["ignored"]) == (2, 2)
    assert systems["simplified"]["orphans"] == systems["legacy"]["orphans"] == [UUID]
    first = found["differences"][0]
    assert (first["systems"], first["index"]) == (["simplified", "original"], 2)
    assert first["sentence"] == f"event 2 ($identify): simplified ignored it; original joined {UUID} and ana"


def test_compare_takes_a_scenario_and_tells_split_and_mixed_people(shell: Shell) -> None:
    scenario = ROOT / "scenarios" / "failures" / "01-cdp-merges-everyone-of-one-device.yaml"
    said = shell.run("compare", scenario).out
    assert "people mixed" in said
    assert "1: ana+ben" in said
    assert "original joined" in said


def test_compare_says_when_nothing_differs(shell: Shell) -> None:
    assert "All three systems agree" in shell.run("compare", "-", stdin=line("Page", 1, distinct_id="ana")).out
