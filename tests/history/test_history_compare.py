"""Histories under all three systems: the numbers of three audits, and a funnel beside one counted plainly."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from harness.event import ID_MERGE_SYSTEMS
from harness.history.compare import ComparedHistories, compare_histories, compared_json, compared_text
from harness.history.engines import AuditOrder
from harness.history.funnel import parse_funnel
from harness.history.local import LocalEngine
from harness.history.records import audit_json
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError
from harness.scenario.stream import read_stream, resolve_stream
from tests.commands.shell import Shell
from tests.history.lines_of_files import random_file


def write(path: Path, *sent: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in sent))
    return path


def compared(path: Path, funnel: str | None = None, window_ms: int | None = None, **more: Any) -> ComparedHistories:
    order = AuditOrder([str(path)], "simplified", ProjectSettings(), **more)
    return compare_histories(order, parse_funnel(funnel, window_ms) if funnel else None)


def test_each_system_has_the_numbers_of_its_own_audit(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for seed in range(12):
        path.write_bytes(random_file(random.Random(seed)))
        for system, found in zip(ID_MERGE_SYSTEMS, compared(path).audits, strict=True):
            alone = LocalEngine().audit(AuditOrder([str(path)], system, ProjectSettings()))
            assert audit_json(found) == audit_json(alone)


def plain_funnel(raw: bytes, system: Any, steps: tuple[str, ...], window_ms: float) -> list[int]:
    """Count a funnel by trying every choice of events."""
    project = resolve_stream(read_stream(raw), system).project
    users: dict[str, set[tuple[int, str]]] = {}
    for stored in project.events:
        user = project.distinct_id(stored.event_index)
        if user:
            users.setdefault(user, set()).add((stored.time_ms, stored.event.name))
    counts = [0] * len(steps)
    for events in users.values():
        for length in range(1, len(steps) + 1):
            chosen = [sorted(time for time, name in events if name == step) for step in steps[:length]]
            counts[length - 1] += any(
                list(times) == sorted(times)
                and times[-1] - times[0] <= window_ms
                and len({(time, step) for time, step in zip(times, steps, strict=False)}) == length
                for times in itertools.product(*chosen)
            )
    return counts


@pytest.mark.parametrize("steps", ["View,Buy", "View,Sign Up,Buy", "View,View,Buy", "Buy,View"])
def test_a_funnel_counts_what_trying_every_choice_counts(steps: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    converted = 0
    for seed in range(25):
        chance = random.Random(seed)
        rows = []
        for number in range(chance.randint(3, 25)):
            properties: dict[str, Any] = {"time": 1767225600 + chance.randrange(12), "$insert_id": f"i{number}"}
            if chance.random() < 0.7:
                properties["$device_id"] = f"d{chance.randrange(3)}"
            if chance.random() < 0.5:
                properties["$user_id"] = f"u{chance.randrange(2)}"
            properties["distinct_id"] = properties.get("$user_id") or f"$device:{properties.get('$device_id', 'x')}"
            rows.append({"event": chance.choice(("View", "Sign Up", "Buy", "Other")), "properties": properties})
        write(path, *rows)
        window = chance.choice((None, 2_000, 5_000))
        found = compared(path, steps, window)
        limit = float("inf") if window is None else window
        for system, funnel in zip(ID_MERGE_SYSTEMS, found.funnels, strict=True):
            expected = plain_funnel(path.read_bytes(), system, tuple(steps.split(",")), limit)
            assert list(funnel.users) == expected, f"{system}, seed {seed}"
            converted += funnel.users[-1]
    assert converted


LOGIN = (
    {"event": "Page View", "time": 1767225600, "$device_id": "d", "distinct_id": "$device:d", "$insert_id": "a1"},
    {
        "event": "Sign Up",
        "time": 1767225601,
        "$device_id": "d",
        "$user_id": "ana",
        "distinct_id": "ana",
        "$insert_id": "a2",
    },
    {
        "event": "Purchase",
        "time": 1767225602,
        "$user_id": "ana",
        "distinct_id": "ana",
        "$insert_id": "a3",
        "who": "ana",
    },
)


def test_a_conversion_across_login_is_owed_to_the_join(tmp_path: Path) -> None:
    found = compared(write(tmp_path / "events.jsonl", *LOGIN), "Page View,Sign Up,Purchase")
    simplified, original, legacy = found.funnels
    assert (simplified.users, simplified.across, simplified.rate) == ((1, 1, 1), 1, 1.0)
    assert (original.users, original.across, original.rate) == ((1, 0, 0), 0, 0.0)
    assert legacy.users == (1, 0, 0)
    text = compared_text(found)
    assert "only as ids were joined" in text
    assert "original shows 1 fewer users at the end of the funnel than simplified" in text
    document = compared_json(found)
    assert [one["rate"] for one in document["funnel"]["systems"]] == [1.0, 0.0, 0.0]


def test_a_step_that_no_event_has_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    found = compared(write(tmp_path / "events.jsonl", *LOGIN), "Page View,Purchases")
    assert found.missing == ("No event is named 'Purchases'. Did you mean 'Purchase'?",)


@pytest.mark.parametrize("text", ["", "View", "View,,Buy", ",", ",".join("abcdefghijklmnopqrstuvwxyz")])
def test_a_funnel_needs_steps(text: str) -> None:
    with pytest.raises(InputError, match="--funnel: needs 2 to 20 event names"):
        parse_funnel(text, None)


def test_the_commands_as_a_user_types_them(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    (tmp_path / "export").mkdir()
    write(tmp_path / "export" / "a.jsonl", *LOGIN)
    (tmp_path / "export" / "b.jsonl").write_text("broken\n")
    done = shell.run("compare", "export", "--funnel", "Page View,Purchase", "--truth", "who", "--json")
    document = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert [one["users"] for one in document["systems"]] == [1, 2, 2]
    assert document["funnel"]["people"] == [0, 0]
    audited = shell.run(
        *("audit", "export", "--id-merge", "simplified", "--save", "ids.parquet", "--report", "audit.html", "--json")
    )
    assert audited.code == 0
    assert json.loads(audited.out)["users"] == 1
    assert (tmp_path / "ids.parquet").exists()
    assert "<!doctype html>" in (tmp_path / "audit.html").read_text()
    strict = shell.run("audit", "export", "--id-merge", "simplified", "--strict-lines")
    assert (strict.code, strict.out) == (2, "")
    assert "b.jsonl:1: not JSON" in strict.err


def test_what_is_wrong_with_a_command_is_one_clear_message(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    write(tmp_path / "events.jsonl", *LOGIN)
    for arguments, message in (
        (("audit", "nowhere", "--id-merge", "original"), "nowhere: can't be read: No such file or directory"),
        (("audit", "events.jsonl", "--id-merge", "original", "--known-user", "("), "--known-user: '(' is no regular"),
        (("audit", "events.jsonl", "--id-merge", "original", "--save", "no/ids.parquet"), "there is no folder no"),
        (("compare", "events.jsonl", "--funnel-window", "3d"), "--funnel-window: needs a --funnel"),
        (("compare", "events.jsonl", "--funnel", "A,B", "--funnel-window", "x"), "--funnel-window: 'x' is no duration"),
    ):
        done = shell.run(*arguments)
        assert (done.code, done.out) == (2, ""), arguments
        assert message in done.err
        assert "Traceback" not in done.err


def test_without_the_extra_one_sentence_names_it(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", *LOGIN)
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'numba' else find(name, *more)\n"
    )
    done = Shell(tmp_path).run(
        "audit",
        "events.jsonl",
        "--id-merge",
        "original",
        environment={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    )
    assert done.code == 2
    assert done.err == "harness: histories need the extra `history`. Run: pip install 'identity-harness[history]'\n"
