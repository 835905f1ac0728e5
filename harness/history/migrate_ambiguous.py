"""Clusters with several user ids, which simplified can't have: the evidence for each, and whose the devices become.

Such a cluster is two people on one device, or one person with two accounts; the ids alone don't say which. Users keep
their own events in any case. Only the devices have to be decided about, and a policy does that.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.history.dictionary import Dictionary
from harness.history.migrate_graph import nearest
from harness.history.migrate_ids import Ids
from harness.history.migrate_records import NO_TIME, Ambiguous, Candidate, Census, Longs, MigrateOrder


def settle(
    order: MigrateOrder, census: Census, dictionary: Dictionary, ids: Ids, roots: Longs
) -> tuple[tuple[Ambiguous, ...], dict[int, int]]:
    """Return ambiguous clusters, those with most events first, and the user of each device that gets one.

    Args:
        order: what was asked for, with the policy.
        census: what the source knows.
        dictionary: the ids.
        ids: what every id is.
        roots: the clusters.
    """
    found: list[Ambiguous] = []
    owners: dict[int, int] = {}
    for members, pairs in _clusters(census, ids, roots):
        one, own = _settled(order, census, dictionary, ids, members, pairs)
        found.append(one)
        owners.update(own)
    return tuple(sorted(found, key=lambda one: (-one.events, one.candidates[0].id))), owners


def _clusters(census: Census, ids: Ids, roots: Longs) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Yield the ids of each cluster, ascending, and what joined them, in order of arrival."""
    if not len(roots):
        return
    is_wanted = np.zeros(len(ids.cluster), np.bool_)
    is_wanted[roots] = True
    is_in = ids.is_user | ids.is_device
    codes = np.flatnonzero(is_wanted[ids.cluster] & is_in)
    codes = codes[np.argsort(ids.cluster[codes], kind="stable")]
    a, b, _ = census.edges
    edges = np.flatnonzero(is_wanted[ids.cluster[a]] & is_in[a] & is_in[b])
    edges = edges[np.argsort(ids.cluster[a[edges]], kind="stable")]
    of_codes, of_edges = ids.cluster[codes], ids.cluster[a[edges]]
    for root in roots:
        members = codes[np.searchsorted(of_codes, root) : np.searchsorted(of_codes, root, side="right")]
        joins = edges[np.searchsorted(of_edges, root) : np.searchsorted(of_edges, root, side="right")]
        yield members.tolist(), list(zip(a[joins].tolist(), b[joins].tolist(), strict=True))


def _settled(
    order: MigrateOrder,
    census: Census,
    dictionary: Dictionary,
    ids: Ids,
    members: list[int],
    pairs: list[tuple[int, int]],
) -> tuple[Ambiguous, dict[int, int]]:
    users = [code for code in members if ids.is_user[code]]
    devices = [code for code in members if ids.is_device[code]]
    direct: dict[int, set[int]] = {code: set() for code in users}
    for a, b in pairs:
        for user, device in ((a, b), (b, a)):
            if user in direct and device not in direct:
                direct[user].add(device)
    candidates = {code: _candidate(census, dictionary, code, len(direct[code])) for code in users}
    ranked = sorted(users, key=lambda code: _strength(candidates[code]))
    owners: dict[int, int] = {}
    if order.ambiguous == "elect":
        owners = dict.fromkeys(devices, ranked[0])
    elif order.ambiguous == "per-device":
        closest = nearest(ranked, pairs)
        owners = {code: closest[code] for code in devices if code in closest}
    told = tuple((dictionary.text(code), dictionary.text(owners[code]) if code in owners else None) for code in devices)
    ranking = tuple(candidates[code] for code in ranked)
    return Ambiguous(ranking, len(members), told, int(census.events[devices].sum())), owners


def _candidate(census: Census, dictionary: Dictionary, code: int, devices: int) -> Candidate:
    first, last = int(census.first_ms[code]), int(census.last_ms[code])
    return Candidate(
        dictionary.text(code),
        int(census.links[code]),
        devices,
        int(census.events[code]),
        None if first == NO_TIME else first,
        None if last == NO_TIME else last,
    )


def _strength(one: Candidate) -> tuple[int, int, int, int, str]:
    """Return the order of an election: most devices and links first, of equals whoever was seen last, then by id."""
    return (-one.devices, -one.links, -(one.last_ms or 0), -one.events, one.id)
