"""Ways through a graph that visit no node twice: the shortest one, and every node that lies on any of them.

A million decisions may leave a hundred thousand failed links that hang together, so this is one pass over plain lists.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeAlias

Neighbours: TypeAlias = Mapping[Hashable, list[Hashable]]


def neighbours(pairs: Iterable[tuple[Hashable, Hashable]]) -> Neighbours:
    """Return the neighbours of every node; a pair that comes several times is listed several times."""
    found: dict[Hashable, list[Hashable]] = {}
    for one, two in pairs:
        found.setdefault(one, []).append(two)
        found.setdefault(two, []).append(one)
    return found


def shortest_way(graph: Neighbours, start: Hashable, end: Hashable) -> list[Hashable]:
    """Return the nodes of the shortest way between two different nodes; empty where there is none."""
    came_from: dict[Hashable, Hashable] = {start: start}
    reached = [start]
    for node in reached:
        for other in graph.get(node, ()):
            if other in came_from:
                continue
            came_from[other] = node
            if other == end:
                way = [end]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            reached.append(other)
    return []


def on_any_way(graph: Neighbours, start: Hashable, end: Hashable) -> set[Hashable]:
    """Return every node on any way between two different nodes that are connected.

    With a link from start to end such a way becomes a circle, and what lies on a circle with that link is its
    biconnected component. A depth-first search that takes this link first finds it: a node belongs to the component
    when its parent does, and when it or one of its descendants leads back to before the parent. Two components share
    one node at most, so a link belongs to it when both its nodes do.
    """
    number: dict[Hashable, int] = {start: 0, end: 1}
    parent: dict[Hashable, Hashable] = {}
    lowest: dict[Hashable, int] = {end: 0}
    found = [end]
    stack = [(end, iter(graph[end]))]
    while stack:
        node, others = stack[-1]
        for other in others:
            known = number.get(other)
            if known is None:
                number[other] = lowest[other] = len(number)
                parent[other] = node
                found.append(other)
                stack.append((other, iter(graph[other])))
                break
            if known < lowest[node] and other != parent.get(node):
                lowest[node] = known
        else:
            stack.pop()
            up = parent.get(node)
            if up is not None and lowest[node] < lowest[up]:
                lowest[up] = lowest[node]
    inside = {start, end}
    for node in found[1:]:
        if parent[node] in inside and lowest[node] < number[parent[node]]:
            inside.add(node)
    return inside
