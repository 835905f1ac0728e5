"""The plan of a migration: from what the source knows about every id to what becomes of it in the target.

The clusters are those of the source, refusals included. Ids that are nobody's and test accounts are taken out of them
first: whoever met only in one of those was never one person.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from harness.event import DEVICE_PREFIX
from harness.history.dictionary import Dictionary
from harness.history.marks import COMPAT, LOOKS_ANONYMOUS
from harness.history.migrate_ambiguous import settle
from harness.history.migrate_graph import clusters
from harness.history.migrate_ids import Ids, bare, device_keys, matching, nobodys
from harness.history.migrate_records import NO_TIME, Census, Codes, Edges, Flags, Longs, MigrateOrder, Plan, Unresolved
from harness.history.records import ABSENT, EMPTY

NO_USER: Final = "no user id, and devices meet only through a user"
TOO_MANY: Final = "more ids than one cluster may have"


def plan(order: MigrateOrder, census: Census, dictionary: Dictionary) -> Plan:
    """Return what becomes of every id.

    Args:
        order: what was asked for.
        census: what the source knows.
        dictionary: the ids; those that only the target has are entered.
    """
    dictionary.codes(sorted(order.excluded_ids))
    census = padded(census, len(dictionary))
    ids, keys, both_forms = _ids_of(order, census, dictionary)
    count = len(ids.cluster)
    looks_like_a_device = (dictionary.marks[:count] & LOOKS_ANONYMOUS) != 0
    events_in = np.bincount(ids.cluster, weights=census.events, minlength=count).astype(np.int64)
    users_in = np.bincount(ids.cluster[ids.is_user], minlength=count)
    owner_of = _sole_users(ids, users_in)
    ambiguous, owners = settle(order, census, dictionary, ids, np.flatnonzero((users_in > 1) & (events_in > 0)))
    for device, user in owners.items():
        owner_of[device] = user
    if order.target == "original":
        unresolved = _joined_anyway(order, census, dictionary, ids, users_in, owner_of)
    else:
        unresolved = _unresolved(census, dictionary, ids, keys, (users_in == 0) & (events_in > 0))
    owner = np.zeros(len(dictionary), np.uint32)
    linked = np.flatnonzero((owner_of != ABSENT) & (events_in[ids.cluster] > 0))
    owner[keys[linked]] = owner_of[linked]
    devices, time_ms = _associations(order, census, linked, keys)
    joins = _joins(census, ids, keys, owner)
    return Plan(
        cluster=ids.cluster,
        is_user=ids.is_user,
        is_nobody=ids.is_nobody,
        is_excluded=ids.is_excluded,
        key=keys,
        owner=owner,
        devices=devices,
        users=owner[devices],
        by_merge=(dictionary.marks[devices] & COMPAT) == 0,
        time_ms=time_ms,
        ambiguous=ambiguous,
        unresolved=unresolved,
        junk=_told(census, dictionary, _junk(ids)),
        unmatched=_told(census, dictionary, ids.is_device & ~looks_like_a_device),
        both_forms=both_forms,
        joins_before=joins[0],
        joins_after=joins[1],
    )


def padded(census: Census, count: int) -> Census:
    """Return a census with an entry for each of so many codes."""

    def longer(column: Longs, empty: int) -> Longs:
        return np.concatenate([column, np.full(count - len(column), empty, column.dtype)])

    return replace(
        census,
        is_known=np.concatenate([census.is_known, np.zeros(count - len(census.is_known), np.bool_)]),
        events=longer(census.events, 0),
        first_ms=longer(census.first_ms, NO_TIME),
        last_ms=longer(census.last_ms, NO_TIME),
        links=longer(census.links, 0),
        nameless=longer(census.nameless, 0),
    )


def _ids_of(order: MigrateOrder, census: Census, dictionary: Dictionary) -> tuple[Ids, Codes, tuple[str, ...]]:
    """Return what every id is, the code of what its events are sent under, and devices that occur in both forms."""
    count = len(census.is_known)
    is_known = census.is_known
    is_nobody = nobodys(dictionary)
    is_out = is_nobody.copy()
    is_excluded = np.zeros(count, np.bool_)
    if order.excluded is not None:
        is_excluded |= matching(dictionary, order.excluded, is_known & ~is_nobody)
    if order.excluded_ids:
        is_excluded[dictionary.codes(sorted(order.excluded_ids))] = True
    is_out |= is_excluded
    is_user = matching(dictionary, order.user_id, is_known & ~is_out)
    is_device = is_known & ~is_user & ~is_out
    codes = np.arange(count, dtype=np.uint32)
    if order.target == "original":
        cluster = clusters(count, census.edges, is_out)
        return Ids(cluster, is_known, is_user, is_device, is_nobody, is_excluded), np.where(is_out, ABSENT, codes), ()
    keys = np.where(is_user, codes, device_keys(dictionary, is_device))
    edges = census.edges if order.device_forms == "apart" else _with_forms(census.edges, keys, is_device)
    ids = Ids(clusters(count, edges, is_out), is_known, is_user, is_device, is_nobody, is_excluded)
    return ids, *_apart(dictionary, ids, keys)


def _with_forms(edges: Edges, keys: Codes, is_device: Flags) -> Edges:
    """Return what joins ids, with each device's other spellings among it."""
    devices = np.flatnonzero(is_device)
    devices = devices[np.argsort(keys[devices], kind="stable")].astype(np.uint32)
    same = np.flatnonzero(keys[devices[1:]] == keys[devices[:-1]])
    return Edges(
        np.concatenate([edges.a, devices[1:][same]]),
        np.concatenate([edges.b, devices[:-1][same]]),
        np.concatenate([edges.time_ms, np.full(len(same), NO_TIME, np.int64)]),
    )


def _apart(dictionary: Dictionary, ids: Ids, keys: Codes) -> tuple[Codes, tuple[str, ...]]:
    """Return keys under which no two clusters meet, and the devices that would have met: `X` beside `$device:X`.

    The form with `$device:` keeps its id, because that is what SDKs go on sending; the others get a number behind.
    """
    devices = np.flatnonzero(ids.is_device)
    devices = devices[np.lexsort((ids.cluster[devices], keys[devices]))]
    meets = (keys[devices[1:]] == keys[devices[:-1]]) & (ids.cluster[devices[1:]] != ids.cluster[devices[:-1]])
    of_devices = keys[devices]
    found = []
    for key in np.unique(of_devices[1:][meets]):
        first, last = np.searchsorted(of_devices, key), np.searchsorted(of_devices, key, side="right")
        members = [int(code) for code in np.sort(devices[first:last])]
        text = bare(dictionary.text(int(key)))
        found.append(text)
        main = int(key) if int(key) in members else members[0]
        kept = {int(ids.cluster[main]): int(key)}
        for code in members:
            root = int(ids.cluster[code])
            if root not in kept:
                kept[root] = _unused(dictionary, text, len(kept) + 1)
        for code in members:
            keys[code] = kept[int(ids.cluster[code])]
    return keys, tuple(sorted(found))


def _unused(dictionary: Dictionary, text: str, number: int) -> int:
    """Return the code of a device id that nobody has, with a number behind."""
    while True:
        known = len(dictionary)
        code = int(dictionary.codes([f"{DEVICE_PREFIX}{text}-{number}"])[0])
        if code >= known:
            return code
        number += 1


def _sole_users(ids: Ids, users_in: Longs) -> Codes:
    """Return for each device the only user of its cluster; `ABSENT` where there is none, or several."""
    sole = np.zeros(len(users_in), np.uint32)
    users = np.flatnonzero(ids.is_user)
    sole[ids.cluster[users]] = users
    has_one = ids.is_device & (users_in[ids.cluster] == 1)
    return np.where(has_one, sole[ids.cluster], ABSENT).astype(np.uint32)


def _unresolved(
    census: Census, dictionary: Dictionary, ids: Ids, keys: Codes, is_wanted: Flags
) -> tuple[Unresolved, ...]:
    """Return the clusters without a user that are more than one device in the target, those with most events first."""
    devices = np.flatnonzero(ids.is_device & is_wanted[ids.cluster])
    # A cluster that is one device has the key of its first id everywhere.
    first_key = np.zeros(len(ids.cluster), np.uint32)
    first_key[ids.cluster[devices[::-1]]] = keys[devices[::-1]]
    is_several = np.zeros(len(ids.cluster), np.bool_)
    is_several[ids.cluster[devices[keys[devices] != first_key[ids.cluster[devices]]]]] = True
    devices = devices[is_several[ids.cluster[devices]]]
    devices = devices[np.lexsort((devices, ids.cluster[devices]))]
    found = []
    for members in np.split(devices, np.flatnonzero(np.diff(ids.cluster[devices].astype(np.int64))) + 1):
        if len(members):
            texts = tuple(sorted(dictionary.texts(members.astype(np.uint32))))
            found.append(Unresolved(texts, int(census.events[members].sum()), NO_USER))
    return tuple(sorted(found, key=lambda one: (-one.events, one.ids)))


def _joined_anyway(
    order: MigrateOrder, census: Census, dictionary: Dictionary, ids: Ids, users_in: Longs, owner_of: Codes
) -> tuple[Unresolved, ...]:
    """Join clusters without a user too, and return those that have more ids than original takes.

    In original any two ids can be joined, by `$merge`; only the size of a cluster is limited.
    """
    is_hub = ids.cluster == np.arange(len(ids.cluster))
    without = np.flatnonzero(ids.is_device & (users_in[ids.cluster] == 0) & ~is_hub)
    owner_of[without] = ids.cluster[without]
    limit = order.settings.identity.max_cluster_ids
    sizes = np.bincount(owner_of[owner_of != ABSENT], minlength=len(owner_of)) + 1
    found = []
    for hub in np.flatnonzero(sizes > limit):
        members = np.flatnonzero(owner_of == hub)
        members = members[np.argsort(-census.events[members], kind="stable")]
        left = members[limit - 1 :]
        owner_of[left] = ABSENT
        texts = tuple(sorted(dictionary.texts(left.astype(np.uint32))))
        found.append(Unresolved(texts, int(census.events[left].sum()), TOO_MANY))
    return tuple(sorted(found, key=lambda one: (-one.events, one.ids)))


def _associations(order: MigrateOrder, census: Census, linked: Longs, keys: Codes) -> tuple[Codes, Longs]:
    """Return the devices to link and the time of each link, in the order of time."""
    if isinstance(order.association_time, int):
        times = np.full(len(linked), order.association_time, np.int64)
    else:
        times = census.first_ms[linked] if order.association_time == "first" else _link_times(census)[linked]
        times = np.where(times == NO_TIME, census.first_ms[linked], times)
        times = np.where(times == NO_TIME, census.now_ms, times)
    arrival = np.lexsort((keys[linked], times))
    _, first = np.unique(keys[linked][arrival], return_index=True)
    arrival = arrival[np.sort(first)]
    return keys[linked][arrival].astype(np.uint32), times[arrival]


def _link_times(census: Census) -> Longs:
    """Return for each id the time of the first event that joined it; `NO_TIME` for none."""
    times = np.full(len(census.events), NO_TIME, np.int64)
    for side in (census.edges.a, census.edges.b):
        earlier = np.full(len(times), NO_TIME, np.int64)
        earlier[side[::-1]] = census.edges.time_ms[::-1]
        times = np.where((times == NO_TIME) | ((earlier != NO_TIME) & (earlier < times)), earlier, times)
    return times


def _joins(census: Census, ids: Ids, keys: Codes, owner: Codes) -> tuple[int, int]:
    """Return how many ids with events were joined with another one before, and how many of those are afterwards."""
    active = np.flatnonzero((ids.is_user | ids.is_device) & (census.events > 0))
    groups = np.where(owner[keys[active]] != ABSENT, owner[keys[active]], keys[active]).astype(np.int64)
    before = len(active) - len(np.unique(ids.cluster[active]))
    pairs = ids.cluster[active].astype(np.int64) << 32 | groups
    return before, len(active) - len(np.unique(pairs))


def _told(census: Census, dictionary: Dictionary, is_wanted: Flags) -> tuple[tuple[str, int], ...]:
    """Return some ids with how many events were sent under each, most first."""
    codes = np.flatnonzero(is_wanted)
    codes = codes[np.argsort(-census.events[codes], kind="stable")]
    found = [(dictionary.text(int(code)), int(census.events[code])) for code in codes]
    return tuple(sorted(found, key=lambda one: (-one[1], one[0])))


def _junk(ids: Ids) -> Flags:
    """Return which ids that occur are nobody's; an empty one is no id at all."""
    found = ids.is_nobody & ids.is_known
    found[[ABSENT, EMPTY]] = False
    return found
