"""Rewriting a line as bytes gives what rewriting it as JSON gives, and copies the rest of it letter for letter."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history.dictionary import Dictionary
from harness.history.migrate_lines import split
from harness.history.migrate_slow import rewritten
from harness.history.migrate_splice import (
    KEEP_ID_MEMBERS,
    KEEP_INSERT_ID,
    MOVE_DEVICE,
    MOVE_USER,
    MOVED_DEVICE,
    MOVED_USER,
    REWRITTEN,
    SERVER_MEMBERS,
    Rewriting,
    splice,
)

INSERT_ID = "0123456789abcdef0123456789abcdef"
ALL = REWRITTEN | MOVE_DEVICE | MOVE_USER

# Lone surrogates are left out of texts: Python would not write them as UTF-8 either.
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = st.one_of(
    TEXT, st.sampled_from(["distinct_id", "$device_id", "$user_id", "$insert_id", "time", "event", *SERVER_MEMBERS])
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
IDS = st.text(max_size=12).filter(bool)


def spliced(
    lines: list[bytes], action: int, distinct_id: str = "u1", user: str = "u1", device: str = ""
) -> list[bytes]:
    """Return rewritten lines; those that are left to the slow way are rewritten so."""
    dictionary = Dictionary()
    codes = dictionary.codes([distinct_id, user, device])
    found = split(np.frombuffer(b"\n".join(lines), np.uint8))
    count = len(found.start)
    insert_ids = np.tile(np.frombuffer(INSERT_ID.encode(), np.uint8), (count, 1))

    def column(value: Any, kind: Any) -> Any:
        return np.full(count, value, kind)

    made, ends, unusual = splice(
        found,
        Rewriting(
            column(action, np.uint8),
            column(codes[0], np.uint32),
            column(codes[1] if user else 0, np.uint32),
            column(codes[2] if device else 0, np.uint32),
            insert_ids,
        ),
        *dictionary.raw(),
    )
    parts = [made[begin:end].tobytes() for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    for row in unusual:
        assert parts[row] == b""
        new = "" if action & KEEP_INSERT_ID else INSERT_ID
        parts[row] = rewritten(lines[row], action, distinct_id, user, device, new)
    return parts


def expected(row: dict[str, Any], action: int, distinct_id: str, user: str, device: str) -> dict[str, Any]:
    properties = dict(row["properties"]) if "properties" in row else {k: v for k, v in row.items() if k != "event"}
    if action & MOVE_DEVICE and not action & KEEP_ID_MEMBERS and "$device_id" in properties:
        properties[MOVED_DEVICE] = properties["$device_id"]
    if action & MOVE_USER and not action & KEEP_ID_MEMBERS and "$user_id" in properties:
        properties[MOVED_USER] = properties["$user_id"]
    for name in ("distinct_id", *SERVER_MEMBERS):
        properties.pop(name, None)
    if not action & KEEP_ID_MEMBERS:
        properties.pop("$device_id", None)
        properties.pop("$user_id", None)
    properties["distinct_id"] = distinct_id
    if user:
        properties["$user_id"] = user
    if device:
        properties["$device_id"] = device.removeprefix("$device:")
    if not action & KEEP_INSERT_ID:
        properties["$insert_id"] = INSERT_ID
    return {"event": row["event"], "properties": properties}


@given(
    name=TEXT.filter(str.strip),
    properties=st.dictionaries(NAMES, VALUES, max_size=6),
    is_wire=st.booleans(),
    keep=st.booleans(),
    moves=st.sampled_from([0, MOVE_DEVICE, MOVE_USER, MOVE_DEVICE | MOVE_USER]),
    user=IDS | st.just(""),
    device=IDS.map("$device:{}".format) | st.just(""),
    indent=st.sampled_from([None, " "]),
    is_ascii=st.booleans(),
)
def test_the_fast_way_the_slow_way_and_plain_dictionaries_give_the_same_event(
    name: str,
    properties: dict[str, Any],
    is_wire: bool,
    keep: bool,
    moves: int,
    user: str,
    device: str,
    indent: str | None,
    is_ascii: bool,
) -> None:
    properties.pop("properties", None)
    for moved in (MOVED_DEVICE, MOVED_USER):
        properties.pop(moved, None)
    if not is_wire:
        properties.pop("event", None)
    row = {"event": name, "properties": properties} if is_wire else {"event": name, **properties}
    separators = (f"{indent},{indent}", f"{indent}:{indent}") if indent else (",", ":")
    line = json.dumps(row, separators=separators, ensure_ascii=is_ascii).encode()
    action = REWRITTEN | moves | (KEEP_INSERT_ID if keep else 0)
    distinct_id = user or device or "x"
    (fast,) = spliced([line], action, distinct_id, user, device)
    slow = rewritten(line, action, distinct_id, user, device, "" if keep else INSERT_ID)
    assert json.loads(fast) == json.loads(slow) == expected(row, action, distinct_id, user, device)


@pytest.mark.parametrize(
    ("line", "made"),
    [
        (
            b'{"event":"a","properties":{"distinct_id":"x","time":1.50,"big":12345678901234567890123}}',
            b'{"event":"a","properties":{"distinct_id":"u1","$user_id":"u1","time":1.50,"big":12345678901234567890123}}\n',
        ),
        (
            b' { "event" : "a" , "distinct_id" : "x", "z" : { "event": [ 1 , "}" ] } } ',
            b'{"event":"a","properties":{"distinct_id":"u1","$user_id":"u1","z" : { "event": [ 1 , "}" ] }}}\n',
        ),
        (b'{"event":"a","properties":{}}', b'{"event":"a","properties":{"distinct_id":"u1","$user_id":"u1"}}\n'),
        (b'{"event":"a"}', b'{"event":"a","properties":{"distinct_id":"u1","$user_id":"u1"}}\n'),
        (
            b'{"$import":true,"event":"\\"","mp_processing_time_ms":5,"k":"\\\\"}',
            b'{"event":"\\"","properties":{"distinct_id":"u1","$user_id":"u1","k":"\\\\"}}\n',
        ),
        (
            b'{"properties":{"$device_id":"d","$user_id":null},"extra":[1],"event":"a"}',
            b'{"event":"a","properties":{"distinct_id":"u1","$user_id":"u1",'
            b'"original_device_id":"d","original_user_id":null}}\n',
        ),
    ],
)
def test_what_is_not_an_id_is_copied_letter_for_letter(line: bytes, made: bytes) -> None:
    assert spliced([line], ALL | KEEP_INSERT_ID) == [made]


def test_lines_with_escaped_names_or_a_name_twice_take_the_slow_way_and_the_others_keep_their_places() -> None:
    lines = [
        b'{"event":"one","properties":{"distinct_id":"x"}}',
        b'{"ev\\u0065nt":"two","properties":{"distinct_id":"x"}}',
        b'{"event":"no","event":"three","properties":{"distinct_id":"x"}}',
        b'{"event":"four","properties":{"\\u0024user_id":"x","a":1}}',
        b'{"event":"five","properties":{}}',
    ]
    made = [json.loads(line) for line in spliced(lines, REWRITTEN | KEEP_INSERT_ID)]
    assert [row["event"] for row in made] == ["one", "two", "three", "four", "five"]
    assert made[3]["properties"] == {"distinct_id": "u1", "$user_id": "u1", "a": 1}


def test_blank_lines_are_no_events_and_the_last_line_needs_no_line_feed() -> None:
    found = split(np.frombuffer(b"\n \t\r\n{}\r\n\x0b\n[1]", np.uint8))
    assert [found.data[a:b].tobytes() for a, b in zip(found.start, found.end, strict=True)] == [b"{}\r", b"[1]"]
