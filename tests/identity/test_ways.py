"""Ways through a graph against networkx, which lists all of them."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from harness.identity.ways import neighbours, on_any_way, shortest_way

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1]), max_size=14)


@given(PAIRS)
def test_the_shortest_way_and_what_lies_on_any_are_those_of_all_simple_paths(pairs: list[tuple[int, int]]) -> None:
    graph: networkx.Graph[int] = networkx.Graph(pairs)
    graph.add_nodes_from((0, 1))
    ways = list(networkx.all_simple_paths(graph, 0, 1))
    found = shortest_way(neighbours(pairs), 0, 1)
    assert len(found) == min(map(len, ways), default=0)
    assert not found or found in ways
    if ways:
        assert on_any_way(neighbours(pairs), 0, 1) == {node for way in ways for node in way}


def test_a_long_chain_needs_no_deep_recursion() -> None:
    pairs = [(number, number + 1) for number in range(50_000)]
    assert len(on_any_way(neighbours(pairs), 0, 50_000)) == 50_001
