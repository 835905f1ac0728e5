"""Why two ids are one user, or why they are not: the evidence graph behind the clusters.

Ids are nodes, decisions are links. Merged decisions form a forest, because each joined two clusters, so the chain
between two ids of one user is the very chain of events that joined them. Refused and ignored decisions are links that
never came about.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.identity.model import Decision, IdentityModel

if TYPE_CHECKING:
    import networkx


class Link(NamedTuple):
    """One link of a chain: the decision, and its two ids in the order of the chain."""

    decision: Decision
    ids: tuple[str, str]


class PairExplanation(NamedTuple):
    """Why two ids are one user or not.

    Attributes:
        same_user: whether they are one user.
        path: the chain of decisions that joined them, from the first id to the second; empty when they are two.
        refused: the refused decisions that would have joined them, in order of arrival.
        ignored: the ignored decisions that would have joined them, in order of arrival.
    """

    same_user: bool
    path: tuple[Link, ...]
    refused: tuple[Decision, ...]
    ignored: tuple[Decision, ...]


class Joined(NamedTuple):
    """One member of a cluster: since which decision it is one user with the id that was asked for."""

    id: str
    since: Decision | None


class Blast(NamedTuple):
    """What one decision joined for good: how many ids each side had, the smaller side last."""

    decision: Decision
    larger: int
    smaller: int

    @property
    def ids(self) -> int:
        """How many ids are one user since then."""
        return self.larger + self.smaller


def explain_pair(model: IdentityModel, a: str, b: str) -> PairExplanation:
    """Return why two known ids are one user, or why they are not.

    Args:
        model: the model after the events in question.
        a: an id.
        b: another id.
    """
    if model.resolve(a) == model.resolve(b):
        return PairExplanation(same_user=True, path=_path(model, a, b), refused=(), ignored=())
    failed = [made for made in model.decisions if made.outcome in ("refused", "ignored") and len(set(made.ids)) > 1]
    between = _between(model, failed, a, b)
    refused = tuple(made for made in between if made.outcome == "refused")
    ignored = tuple(made for made in between if made.outcome == "ignored")
    return PairExplanation(same_user=False, path=(), refused=refused, ignored=ignored)


def explain_cluster(model: IdentityModel, text: str) -> list[Joined]:
    """Return the cluster of an id: each member with the decision since which it is one user with that id."""
    inside = {*model.members(text), text}
    links: dict[str, list[tuple[str, Decision]]] = {}
    for made in _merged(model.decisions, inside):
        left, right = made.ids[0], made.ids[-1]
        links.setdefault(left, []).append((right, made))
        links.setdefault(right, []).append((left, made))
    since: dict[str, Decision | None] = {text: None}
    reached = [text]
    for one in reached:
        so_far = since[one]
        for other, made in links.get(one, ()):
            if other not in since:
                later = so_far is not None and so_far.event_index > made.event_index
                since[other] = so_far if later else made
                reached.append(other)
    return sorted(
        (Joined(one, since.get(one)) for one in inside),
        key=lambda joined: (joined.since.event_index if joined.since else -1, joined.id),
    )


def blast_radius(decisions: Iterable[Decision]) -> list[Blast]:
    """Return for every merged decision how many ids it joined for good, in order of arrival."""
    size: dict[str, int] = {}
    above: dict[str, str] = {}

    def root(text: str) -> str:
        while (up := above.get(text)) is not None:
            further = above.get(up)
            if further is not None:
                above[text] = further
            text = up
        return text

    found = []
    for made in decisions:
        if made.outcome != "merged":
            continue
        a, b = root(made.ids[0]), root(made.ids[-1])
        larger, smaller = size.get(a, 1), size.get(b, 1)
        if larger < smaller:
            a, b, larger, smaller = b, a, smaller, larger
        above[b], size[a] = a, larger + smaller
        found.append(Blast(made, larger, smaller))
    return found


def _merged(decisions: Iterable[Decision], inside: set[str]) -> list[Decision]:
    return [made for made in decisions if made.outcome == "merged" and made.ids[0] in inside and made.ids[-1] in inside]


def _path(model: IdentityModel, a: str, b: str) -> tuple[Link, ...]:
    if a == b:
        return ()
    import networkx

    inside = {*model.members(a), a, b}
    if model.id_merge == "legacy":
        inside = {text for made in model.decisions if made.kind == "alias" for text in made.ids}
    graph: networkx.Graph[str] = networkx.Graph()
    graph.add_nodes_from((a, b))
    for made in _merged(model.decisions, inside):
        if not graph.has_edge(made.ids[0], made.ids[-1]):
            graph.add_edge(made.ids[0], made.ids[-1], decision=made)
    if not networkx.has_path(graph, a, b):
        return ()
    nodes = networkx.shortest_path(graph, a, b)
    return tuple(Link(graph.edges[pair]["decision"], pair) for pair in itertools.pairwise(nodes))


def _between(model: IdentityModel, failed: Sequence[Decision], a: str, b: str) -> list[Decision]:
    """Return the failed decisions that lie on some way from one cluster to the other."""
    import networkx

    start, end = model.resolve(a), model.resolve(b)
    graph: networkx.Graph[Any] = networkx.Graph()
    links: dict[frozenset[str], list[Decision]] = {}
    for made in failed:
        ends = [model.resolve(text) for text in made.ids]
        for left, right in itertools.pairwise(ends):
            if left != right:
                graph.add_edge(left, right)
                links.setdefault(frozenset((left, right)), []).append(made)
    if start not in graph or end not in graph:
        return []
    graph.add_edge(start, end)
    for edges in networkx.biconnected_component_edges(graph):
        pairs = {frozenset(edge) for edge in edges}
        if frozenset((start, end)) in pairs:
            between = {made.event_index: made for pair in pairs for made in links.get(pair, ())}
            return [between[index] for index in sorted(between)]
    return []
