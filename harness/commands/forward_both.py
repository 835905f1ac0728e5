"""`harness forward --engine both`: where our engine and Adobe's differ, as text and as data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.event import Json
from harness.forwarder.calls import ScriptedCall
from harness.forwarder.engine import CallResult, Engine, Request
from harness.forwarder.turbine.compare import KNOWN, Difference, differences
from harness.forwarder.turbine.engine import TurbineEngine

_LEGEND = {known.name: known for known in KNOWN}


class Differing(NamedTuple):
    """A call on which the engines differ, by its number, and how."""

    call: int
    found: list[Difference]


def run_both(
    ours: Engine, theirs: TurbineEngine, calls: Sequence[ScriptedCall]
) -> tuple[list[CallResult], list[Differing]]:
    """Return our results, and the calls on which Adobe's engine gives others."""
    results, differing = [], []
    for index, call in enumerate(calls):
        # Custom code that reads the clock has to read the same one.
        at_once = call.call._replace(now_ms=time.time_ns() // 1_000_000)
        result = ours.run(at_once, call.fetch())
        found = differences(result, theirs.run(at_once, call.fetch()))
        results.append(result)
        if found:
            differing.append(Differing(index, found))
    return results, differing


def as_json(differing: Sequence[Differing]) -> Json:
    """Return the differences as one document."""
    return {
        "differences": [
            {
                "call": one.call,
                "rule": found.rule,
                "what": found.what,
                "python": _value(found.python),
                "turbine": _value(found.turbine),
                "known": found.known,
            }
            for one in differing
            for found in one.found
        ]
    }


def as_text(differing: Sequence[Differing], calls: int) -> Iterator[str]:
    """Yield the lines that tell the differences."""
    for one in differing:
        yield f"call {one.call}: the engines differ"
        for found in one.found:
            note = "" if found.known is None else f" (known: {found.known})"
            yield f"  {found.rule}: {found.what}{note}"
            yield f"    python   {_shown(found.python, found.turbine)}"
            yield f"    turbine  {_shown(found.turbine, found.python)}"
    yield f"{len(differing)} of {calls} calls differ"
    for name in sorted({found.known for one in differing for found in one.found if found.known is not None}):
        yield f"known, {name}: Adobe's engine {_LEGEND[name].real}; ours {_LEGEND[name].ours}"


def _value(side: str | Sequence[Request] | None) -> Json:
    if side is None or isinstance(side, str):
        return side
    return [{**request._asdict(), "headers": dict(request.headers)} for request in side]


def _shown(side: str | Sequence[Request] | None, other: str | Sequence[Request] | None) -> str:
    """Return one side of a difference in a line; of requests, the first one that differs."""
    if side is None or isinstance(side, str):
        return side or "nothing"
    others = () if other is None or isinstance(other, str) else other
    at = next((index for index, pair in enumerate(zip(side, others, strict=False)) if pair[0] != pair[1]), len(others))
    if at >= len(side):
        return f"{len(side)} requests"
    request = side[at]
    headers = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    return f"request {at}: {request.method} {request.url} [{headers}] {request.body}"
