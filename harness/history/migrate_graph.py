"""Clusters of the source without some of their ids, and the user that is nearest to each device in what joined them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from harness.history.migrate_records import Codes, Edges, Flags
from harness.history.native import compiled


def clusters(count: int, edges: Edges, is_out: Flags) -> Codes:
    """Return for each code the lowest code of its cluster.

    What the source joined is exactly what its merged decisions connect, so the clusters are their connected components.

    Args:
        count: how many codes there are.
        edges: what was joined.
        is_out: bool, by code; ids that join nothing.
    """
    above = np.arange(count, dtype=np.uint32)
    _unite(above, edges.a, edges.b, is_out)
    return above


@compiled
def _unite(above: Any, first: Any, second: Any, is_out: Any) -> None:
    for edge in range(len(first)):
        a, b = first[edge], second[edge]
        if is_out[a] or is_out[b]:
            continue
        while above[a] != a:
            above[a] = above[above[a]]
            a = above[a]
        while above[b] != b:
            above[b] = above[above[b]]
            b = above[b]
        if a < b:
            above[b] = a
        elif b < a:
            above[a] = b
    for code in range(len(above)):
        # The root of a code has a lower code, so it points at its own root already.
        above[code] = above[above[code]]


def nearest(candidates: Sequence[int], pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return for each id that the candidates are connected with the one that is nearest, by steps.

    Args:
        candidates: user ids; of two that are equally near, the first one counts.
        pairs: which ids were joined directly.
    """
    beside: dict[int, list[int]] = {}
    for a, b in pairs:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    found = {code: code for code in candidates}
    waiting = deque(candidates)
    while waiting:
        code = waiting.popleft()
        for other in beside.get(code, ()):
            if other not in found:
                found[other] = found[code]
                waiting.append(other)
    return found
