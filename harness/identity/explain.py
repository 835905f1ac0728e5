"""Why two ids are one user, or why they are not: the evidence graph behind the clusters.

Ids are nodes, decisions are links. Merged decisions form a forest, because each joined two clusters, so the chain
between two ids of one user is the very chain of events that joined them. Refused and ignored decisions are links that
never came about: they lead from cluster to cluster.

In legacy an alias points one way and works for later events only; two ids are one user there when events that are sent
under them now go to one user.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from harness.event import device_key
from harness.identity.model import Decision, DecisionRow, IdentityModel
from harness.identity.ways import neighbours, on_any_way, shortest_way

_Pair: TypeAlias = tuple[Hashable, Hashable]
_Failed: TypeAlias = tuple[_Pair, DecisionRow]
"""Two clusters that a failed decision would have joined, and the decision."""


class Link(NamedTuple):
    """One link of a chain: the decision, and its two ids in the order of the chain."""

    decision: Decision
    ids: tuple[str, str]


class PairExplanation(NamedTuple):
    """Why two ids are one user or not.

    Attributes:
        same_user: whether they are one user.
        path: the chain of decisions that joined them, from the first id to the second; empty when they are two.
        refused: the refused decisions that would have joined them, in order of arrival: each lies on some way of
            failed decisions from the one cluster to the other.
        ignored: the ignored ones, likewise.
        nearest: the shortest such way, from the cluster of the first id to that of the second.
        one_sided: failed decisions about one of the two clusters that name no second id; they joined nothing, and
            would not have joined these two as they are.
    """

    same_user: bool
    path: tuple[Link, ...]
    refused: tuple[Decision, ...]
    ignored: tuple[Decision, ...]
    nearest: tuple[Decision, ...] = ()
    one_sided: tuple[Decision, ...] = ()


class Joined(NamedTuple):
    """One member of a cluster: since which decision it is one user with the id that was asked for."""

    id: str
    since: Decision | None


class Failures(NamedTuple):
    """The failed decisions between two clusters (`between`), the shortest way of them, and the one-sided ones."""

    between: tuple[Decision, ...]
    nearest: tuple[Decision, ...]
    one_sided: tuple[Decision, ...]


def explain_pair(model: IdentityModel, a: str, b: str) -> PairExplanation:
    """Return why two known ids are one user, or why they are not.

    Args:
        model: the model after the events in question.
        a: an id.
        b: another id.
    """
    if model.cluster_key(a) == model.cluster_key(b):
        return PairExplanation(same_user=True, path=_path(model, a, b), refused=(), ignored=())
    between, nearest, one_sided = _failures(model, a, b)
    return PairExplanation(
        same_user=False,
        path=(),
        refused=tuple(made for made in between if made.outcome == "refused"),
        ignored=tuple(made for made in between if made.outcome == "ignored"),
        nearest=nearest,
        one_sided=one_sided,
    )


def explain_cluster(model: IdentityModel, text: str) -> list[Joined]:
    """Return the cluster of an id: each member with the decision since which it is one user with that id.

    Args:
        model: the model after the events in question.
        text: an id.

    Returns:
        The members, the earliest first; the id itself has no such decision.
    """
    text = model.spelling(text)
    inside = model.ids_of_one_user(text)
    links: dict[str, list[tuple[str, Decision]]] = {}
    for made in joining_decisions(model, inside):
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
        (Joined(one, made) for one, made in since.items()),
        key=lambda joined: (joined.since.event_index if joined.since else -1, joined.id),
    )


def joining_decisions(model: IdentityModel, inside: Iterable[str]) -> list[Decision]:
    """Return the merged decisions among the ids of one or several whole clusters, in order of arrival."""
    wanted = frozenset(inside)
    return [
        Decision._make(row)
        for row in model.decisions.rows
        if row[2] == "merged" and row[1][0] in wanted and row[1][-1] in wanted
    ]


def meant(model: IdentityModel, text: str) -> str:
    """Return the id that an identity event means by a text.

    In simplified, senders write device ids into identity events without the `$device:` that events get there.
    """
    if model.id_merge == "simplified" and not model.knows(text) and model.knows(device_key(text)):
        return device_key(text)
    return model.spelling(text)


def _path(model: IdentityModel, a: str, b: str) -> tuple[Link, ...]:
    a, b = model.spelling(a), model.spelling(b)
    if a == b:
        return ()
    import networkx

    graph: networkx.Graph[str] = networkx.Graph()
    for made in joining_decisions(model, model.ids_of_one_user(a)):
        graph.add_edge(made.ids[0], made.ids[-1], decision=made)
    nodes = networkx.shortest_path(graph, a, b)
    return tuple(Link(graph.edges[pair]["decision"], pair) for pair in itertools.pairwise(nodes))


def _failures(model: IdentityModel, a: str, b: str) -> Failures:
    start, end = model.cluster_key(a), model.cluster_key(b)
    failed, one_sided = _failed(model)
    alone = tuple(Decision._make(row) for one, row in one_sided if one in (start, end))
    graph = neighbours(pair for pair, _ in failed)
    nodes = shortest_way(graph, start, end)
    if not nodes:
        return Failures((), (), alone)
    inside = on_any_way(graph, start, end)
    between = {row[5]: row for (one, two), row in failed if one in inside and two in inside}
    return Failures(tuple(map(Decision._make, between.values())), _nearest(nodes, failed), alone)


def _failed(model: IdentityModel) -> tuple[list[_Failed], list[tuple[Hashable, DecisionRow]]]:
    """Return the failed decisions with the clusters they name; those that name one only stand apart."""
    failed: list[_Failed] = []
    one_sided: list[tuple[Hashable, DecisionRow]] = []
    is_simplified = model.id_merge == "simplified"
    for row in [row for row in model.decisions.rows if row[2] == "refused" or row[2] == "ignored"]:
        ids = [meant(model, text) for text in row[1]] if is_simplified else row[1]
        clusters = [model.cluster_key(text) for text in ids if text]
        if len(set(ids)) < 2 or len(clusters) < 2:
            one_sided += [(one, row) for one in clusters[:1]]
        elif len(clusters) == 2:
            if clusters[0] != clusters[1]:
                failed.append(((clusters[0], clusters[1]), row))
        else:
            failed += [(pair, row) for pair in itertools.pairwise(clusters) if pair[0] != pair[1]]
    return failed, one_sided


def _nearest(nodes: Sequence[Hashable], failed: Sequence[_Failed]) -> tuple[Decision, ...]:
    """Return the decisions along a way; of several for one step the earliest."""
    place = {one: number for number, one in enumerate(nodes)}
    steps: dict[int, DecisionRow] = {}
    for (one, two), row in failed:
        if one in place and two in place and abs(place[one] - place[two]) == 1:
            steps.setdefault(min(place[one], place[two]), row)
    return tuple(dict.fromkeys(Decision._make(steps[number]) for number in sorted(steps)))
