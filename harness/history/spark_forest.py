"""Connected components of the edges that fit in one process: a forest of numbers, each node under its smallest one.

Spark's tasks use it twice: to shrink the edges of a slice to one a node before anything is shuffled, and to finish the
components once what is left fits in one task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.history.native import compiled

if TYPE_CHECKING:
    from harness.history.records import Longs


def forest(left: Longs, right: Longs) -> tuple[Longs, Longs]:
    """Return every node of some edges once, ascending, and beside it the smallest node of its component.

    Args:
        left: int64; one end of each edge.
        right: int64; the other one. An edge from a node to itself makes it a node.
    """
    nodes, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    above = np.arange(len(nodes), dtype=np.int64)
    _join(above, places[: len(left)], places[len(left) :])
    return nodes, nodes[above]


@compiled
def _join(above: Any, left: Any, right: Any) -> None:
    # Places ascend with nodes, so a root that is always the smaller place is the smallest node.
    for edge in range(len(left)):
        a = left[edge]
        while above[a] != a:
            above[a] = above[above[a]]
            a = above[a]
        b = right[edge]
        while above[b] != b:
            above[b] = above[above[b]]
            b = above[b]
        if a < b:
            above[b] = a
        else:
            above[a] = b
    for place in range(len(above)):
        above[place] = above[above[place]]
