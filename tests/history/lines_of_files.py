"""Event files made to collide and to be odd: every kind of value where an id, a time or an `$insert_id` should be."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.identity.streams import ALL_IDS, EVENT_NAMES, ID_PROPERTIES, USUAL_PROPERTIES

TIMES: tuple[Any, ...] = (
    1767225600,
    1767225600.5,
    1767225600.0004,
    1767225600123,
    1767225600123.75,
    1767225601,
    1.7672256e9,
    99999999999,
    100000000000,
    31535999,
    31536000,
    0,
    -5,
    -0.0,
    1e15,
    10**15,
    10**20,
    "1767225600",
    True,
    None,
    [],
)
INSERT_IDS: tuple[Any, ...] = (
    "a1",
    "A1",
    "5d958f87-542d-4c10-9422-0ed75893dc81",
    "5D958F87-542d-4c10-9422-0ed75893dc81",
    "x" * 36,
    "x" * 37,
    "a:b",
    "é",
    "",
    None,
    12345,
    1.5,
    "undefined",
    "NULL",
    "00000000-0000-0000-0000-000000000000",
    {"a": 1},
)
DISALLOWED: tuple[Any, ...] = (
    "undefined",
    "Undefined",
    "un\u212anown",
    "UN\u212aNOWN",
    "$device:undefined",
    "null",
    "0",
    0,
    "-1",
    -1,
    True,
    False,
    [],
    {},
    "lmy47d",
    "00000000-0000-0000-0000-000000000000",
    "$device:00000000-0000-0000-0000-000000000000",
    "anonymous",
    "\u212a",
)
OTHERS: tuple[Any, ...] = (
    1,
    "x" * 300,
    "tab\there",
    'quote"here',
    "back\\slash",
    "日本語 😀",
    {"a": {"b": {"c": 1}}},
    {"a": {"b": {"c": {"d": 1}}}},
    [[[["deep"]]]],
    [1] * 254,
    [1] * 255,
    {str(key): key for key in range(254)},
    {str(key): key for key in range(255)},
    "\ud83d",
    None,
    1e300,
)
BROKEN: tuple[bytes, ...] = (
    b'{"event": "Page View", ',
    b"nothing",
    b"[]",
    b"null",
    b'"event"',
    b'{"properties": {}}',
    b'{"event": "", "properties": {}}',
    b'{"event": " \\t", "properties": {}}',
    b'{"event": "\\u3000", "properties": {}}',
    '{"event": "\u3000\u2003", "properties": {}}'.encode(),
    b'{"event": 5, "properties": {}}',
    b'{"event": "x", "properties": []}',
    b'{"event": "x", "properties": null}',
    b'{"event": "x", "time": NaN}',
    b'{"event": "x", "time": 01}',
    b'{"event": "x", "time": 1.}',
    b'{"event": "x", "time": 1e999}',
    b'{"event": "x", "time": -}',
    b'{"event": "x", "a": "\xff"}',
    b'{"event": "x", "a": "\xed\xa0\x80"}',
    b'{"event": "x", "a": "\xc0\x80"}',
    b'{"event": "x"} {"event": "y"}',
    b'{"event": "x",}',
    b'{"event": "x", "a": [1,]}',
    b'{"event": "x", "a": "\x01"}',
    b'{"event": "x", "a": "\\x"}',
    b'{"event": "x", "a": "\\u12"}',
    b'{"event": "x", "a": {"b" 1}}',
    b'{"event": "x", "a": tru}',
    b"{'event': 'x'}",
    b"\x00",
    b"\xef\xbb\xbf{}",
    b'{"event": "x", "a": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    b'{"event": "x", "n": ' + b"1" * 500 + b"}",
)
ODD: tuple[bytes, ...] = (
    b'  {"event":"x","distinct_id":"a","time":1767225600,"$insert_id":"q1"}\r',
    b'{"properties":{"distinct_id":"a","time":1767225600,"$insert_id":"q2"},"event":"x"}',
    b'{"event":"x","distinct_id":"a","distinct_id":"b","time":1767225600,"$insert_id":"q3"}',
    b'{"event":"y","event":"x","properties":{"distinct_id":"a","time":1767225600,"$insert_id":"q4"},"distinct_id":"zz"}',
    b'{"event":"x","distinct_id":"u","$distinct_id_before_identity":"d","time":1767225600,"$insert_id":"q5"}',
    b'{"event":"x","distinct_id":"u","$distinct_id_before_identity":null,"time":1767225600,"$insert_id":"q5a"}',
    b'{"event":"x","properties":{"distinct_id":"u","$distinct_id_before_identity":"d","time":1767225600,"$insert_id":"q6"}}',
    b'{"event":"x","properties":{}}',
    b'{"event":"x","properties":{},"time":1767225600}',
    b'{"event":"\\u0024identify","properties":{"distinct_id":"u1","time":1767225600,"$insert_id":"q7"}}',
    b'{"event":"x","properties":{"\\u0024user_id":"u1","time":1767225600,"$insert_id":"q8"}}',
    b'{"event":"x","properties":{"event":"z","properties":"w","distinct_id":"a","time":1767225600,"$insert_id":"q9"}}',
    b'{"event":"x","properties":{"distinct_id":"a","time":1767225600,"$insert_id":"q10","$ignore":true}}',
    b'{"event":"x","properties":{"distinct_id":"a","time":1767225600,"$insert_id":"q11","$ignore":false}}',
    b'{"event":"x","properties":{"distinct_id":"a","time":1767225600,"$insert_id":"q12","$ignore":0}}',
    b'{"event":"x","properties":{"distinct_id":"a","time":1767225600,"$insert_id":"q13","$ignore":"no"}}',
    b'{"event":"$merge","properties":{"$distinct_ids":["u1","u2"]}}',
    b'{"event":"$merge","properties":{"$distinct_ids":["u1","u2"],"$insert_id":"m1"}}',
    b'{"event":"$merge","properties":{"$distinct_ids":["u1","u2"],"$insert_id":"m1"}}',
    b'{"event":"$merge","properties":{"$distinct_ids":["\\u0075","2",3]}}',
    b'{"event":"' + b"n" * 300 + b'","properties":{"distinct_id":"a","time":1767225600,"$insert_id":"q14"}}',
    b'{"event":"x","properties":{"distinct_id":"\\ud83d\\ude00","time":1767225600,"$insert_id":"q15"}}',
    b'{"event":"x","properties":{"distinct_id":"\\ud83d","time":1767225600,"$insert_id":"q16"}}',
    b"",
    b"   ",
    b"\t\x0b\x0c",
)


def random_file(chance: random.Random, longest: int = 30) -> bytes:
    """Draw an event file; half of them hold odd and broken lines."""
    pool = chance.sample(ALL_IDS, chance.randint(2, 6)) + list(chance.sample(DISALLOWED, chance.randint(0, 2)))
    wild = chance.random() < 0.5
    lines = []
    for _ in range(chance.randint(1, longest)):
        pick = chance.random()
        if wild and pick < 0.06:
            lines.append(chance.choice(BROKEN))
        elif wild and pick < 0.16:
            lines.append(chance.choice(ODD))
        elif lines and pick > 0.85:
            lines.append(chance.choice(lines))
        else:
            lines.append(_line(chance, pool, wild))
    end = b"" if chance.random() < 0.3 else b"\n"
    start = b"\xef\xbb\xbf" if chance.random() < 0.05 else b""
    return start + b"\n".join(lines) + end


def _line(chance: random.Random, pool: list[Any], wild: bool) -> bytes:
    name = chance.choice(EVENT_NAMES)
    keys = chance.choice(USUAL_PROPERTIES[name])
    if chance.random() < 0.1:
        keys = tuple(chance.sample(ID_PROPERTIES, chance.randint(0, len(ID_PROPERTIES))))
    properties: dict[str, Any] = {key: chance.choice(pool) for key in keys}
    if name == "$merge":
        properties["$distinct_ids"] = [chance.choice(pool) for _ in range(chance.choice((2, 2, 2, 1, 3, 0)))]
    properties["time"] = chance.choice(TIMES) if wild and chance.random() < 0.3 else 1767225600 + chance.randrange(3)
    properties["$insert_id"] = (
        chance.choice(INSERT_IDS) if wild and chance.random() < 0.3 else f"i{chance.randrange(12)}"
    )
    if wild and chance.random() < 0.2:
        properties[chance.choice(("page", "$os", "token", "é", "x" * 300))] = chance.choice(OTHERS)
    for key in list(properties):
        if wild and chance.random() < 0.03:
            properties[key] = None if chance.random() < 0.5 else ""
    items = list(properties.items())
    chance.shuffle(items)
    properties = dict(items)
    raw: dict[str, Any] = {"event": name, "properties": properties}
    if chance.random() < 0.3:
        raw = {"event": name, **properties}
    text = json.dumps(raw, ensure_ascii=chance.random() < 0.5 or '\\ud83d"' in json.dumps(raw))
    return text.encode("utf-8", "surrogatepass")
