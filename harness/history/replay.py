"""Exact replay: every stored event of a history goes through the rules of its system in order of arrival.

The loops work on codes in arrays that grow with the dictionary; what they decide is what `harness.identity` decides,
and tests hold both equal on every stream. Everything a decision depends on is in the arrays, so their size is known:
about 40 bytes an id beside the dictionary, whatever the number of events.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.event import DEVICE_PREFIX, IdMerge
from harness.history.canonical import canonical_of
from harness.history.dictionary import Dictionary
from harness.history.door import Admitted
from harness.history.marks import COMPAT, PHP_LOOSE, PREFIXED, STRICT_V4
from harness.history.native import compiled, integer, prefetch
from harness.history.records import NO_RULE, RULE_NAMES, EventBatch, ResolvedIds
from harness.history.replay_legacy import IS_STORED, replay_legacy
from harness.history.replay_model import Came, Replay
from harness.history.replay_original import IDENTIFIED, replay_original
from harness.history.replay_simplified import IS_DEVICE, IS_USER, replay_simplified
from harness.identity.settings import IdentitySettings

_CHUNK: Final = 1 << 17
_SOON: Final = 16
_FORMS: Final = {"strict_v4": STRICT_V4, "compat": COMPAT, "php_loose": PHP_LOOSE}
_LINK: Final = RULE_NAMES.index("simplified.link")
_LEGACY_ALIAS: Final = RULE_NAMES.index("legacy.alias")


class OriginalReplay(Replay):
    """Original ID Merge."""

    id_merge = "original"
    _above: NDArray[np.int32]
    _number: NDArray[np.uint32]
    _flags: NDArray[np.uint8]
    _tree: NDArray[np.uint32]
    _tree_event: NDArray[np.int64]
    _tree_rule: NDArray[np.uint8]

    def __init__(self, ids: Dictionary, settings: IdentitySettings | None = None) -> None:
        super().__init__(ids, settings)
        chosen = self.settings
        anon_only = chosen.assigned_rule == "anon_only"
        noop = chosen.reidentify_same_pair == "noop"
        self._keeps_pairs = anon_only or noop
        self._numbers = np.array([chosen.max_cluster_ids, _FORMS[chosen.anon_id_form], anon_only, noop], np.int64)
        self._assigned = np.zeros(1, np.uint32)
        self._bare = np.zeros(0, np.uint32)
        self._counter = np.zeros(1, np.int64)
        self._tops: NDArray[np.uint32] | None = None

    def known(self) -> NDArray[np.uint32]:
        """Return the codes of all ids in clusters, in order of first appearance."""
        self._grow()
        ordered = np.empty(int(self._counter[0]), np.uint32)
        _in_order(self._number, ordered)
        return ordered

    def roots(self) -> NDArray[np.uint32]:
        """Return for every code the root of its cluster; 0 for what is no id of the model."""
        self._grow()
        if self._tops is None or len(self._tops) < len(self._above):
            self._tops = np.zeros(len(self._above), np.uint32)
            _roots(self._above, self._number, self._tops)
        return self._tops

    def sizes(self) -> NDArray[np.int32]:
        """Return for every code that is a root the size of its cluster."""
        self._grow()
        return np.where(self._above > 0, 0, 1 - self._above).astype(np.int32)

    def settled(self) -> NDArray[np.uint32]:
        """Return the root of each code; for what is no id of the model the code itself."""
        root = self.roots()
        found = np.empty(len(root), np.uint32)
        _through(root, root, found)
        return found

    def canonical(self) -> NDArray[np.uint32]:
        """Return the canonical id of each code, picked by the policy of the settings."""
        root = self.roots()
        heap, place = self.ids.raw()
        picked = canonical_of(
            root, self._number, (self._flags & IDENTIFIED) != 0, self.sizes(), self.settings, heap, place
        )
        found = np.empty(len(root), np.uint32)
        _through(root, picked, found)
        return found

    def picked(self, members: Mapping[int, NDArray[np.uint32]]) -> dict[int, int]:
        """Return the canonical ids of a few clusters, picked by the policy of the settings."""
        keys = list(members)
        codes = np.concatenate([np.zeros(1, np.uint32), *(members[key] for key in keys)])
        size = np.array([len(members[key]) for key in keys], np.int32)
        first = 1 + np.cumsum(size) - size
        root = np.zeros(len(codes), np.uint32)
        root[1:] = np.repeat(first, size)
        sizes = np.zeros(len(codes), np.int32)
        sizes[first] = size
        heap, place = self.ids.raw()
        identified = (self._flags[codes] & IDENTIFIED) != 0
        found = canonical_of(root, self._number[codes], identified, sizes, self.settings, heap, place[codes])
        return {key: int(codes[found[at]]) for key, at in zip(keys, first, strict=True)}

    def resolved(self) -> ResolvedIds:
        """Return who every id is; `rule` and `event_index` are those that made it one user with its canonical id."""
        codes = self.known()
        canonical = self.canonical()[codes]
        event_index, rule = np.empty(len(codes), np.int64), np.empty(len(codes), np.uint8)

        def since(first: int) -> None:
            part = slice(first, first + _CHUNK)
            _since(
                codes[part],
                canonical[part],
                self._tree,
                self._tree_event,
                self._tree_rule,
                event_index[part],
                rule[part],
            )

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(since, range(0, len(codes), _CHUNK)))
        return ResolvedIds(codes, canonical, rule, event_index)

    def _state(self) -> dict[str, type[np.generic]]:
        arrays: dict[str, type[np.generic]] = {
            "_above": np.int32,
            "_number": np.uint32,
            "_flags": np.uint8,
            "_tree": np.uint32,
            "_tree_event": np.int64,
            "_tree_rule": np.uint8,
        }
        if self._keeps_pairs:
            arrays["_assigned"] = np.uint32
        return {**super()._state(), **arrays}

    def _decide(self, batch: EventBatch, admitted: Admitted, came: Came, out: tuple[NDArray[Any], ...]) -> int:
        if self.settings.device_prefix_equivalent:
            self._map_prefixed()
            self._grow()
        self._tops = None
        return replay_original(
            batch.first_index,
            admitted.status,
            batch.kind,
            admitted.distinct_id,
            batch.identified_id,
            batch.anonymous_id,
            batch.alias,
            batch.merge_rows,
            batch.merge_offsets,
            batch.merge_ids,
            came.by_track,
            self.ids.marks,
            self._bare,
            self._numbers,
            self._above,
            self._number,
            self._flags,
            self._assigned,
            self._tree,
            self._tree_event,
            self._tree_rule,
            self.tries,
            self._counter,
            *out,
        )

    def _map_prefixed(self) -> None:
        """Extend the map from ids to what they are without any `$device:`."""
        first = len(self._bare)
        last = len(self.ids)
        while first < last:
            more = np.arange(first, last, dtype=np.uint32)
            prefixed = np.flatnonzero(self.ids.marks[first:last] & PREFIXED)
            texts = self.ids.texts(more[prefixed])
            more[prefixed] = self.ids.codes([_without_prefixes(text) for text in texts])
            self._bare = np.concatenate([self._bare, more])
            first, last = last, len(self.ids)


def _without_prefixes(text: str) -> str:
    while text.startswith(DEVICE_PREFIX):
        text = text[len(DEVICE_PREFIX) :]
    return text


class SimplifiedReplay(Replay):
    """Simplified ID Merge."""

    id_merge = "simplified"
    _owner: NDArray[np.uint32]
    _flags: NDArray[np.uint8]
    _owner_event: NDArray[np.int64]

    def known(self) -> NDArray[np.uint32]:
        """Return the codes of all ids in clusters, in the order of their codes."""
        self._grow()
        return np.flatnonzero(self._flags & (IS_DEVICE | IS_USER)).astype(np.uint32)

    def settled(self) -> NDArray[np.uint32]:
        """Return the user of each code, or where it has none the code itself."""
        self._grow()
        return np.where(self._owner == 0, np.arange(len(self._owner), dtype=np.uint32), self._owner)

    def canonical(self) -> NDArray[np.uint32]:
        """Return the user of each code, or where it has none the code itself."""
        return self.settled()

    def resolved(self) -> ResolvedIds:
        """Return who every id is; a device that belongs to a user has the event that gave it."""
        codes = self.known()
        owner = self._owner[codes]
        rule = np.where(owner == 0, NO_RULE, _LINK).astype(np.uint8)
        return ResolvedIds(codes, self.settled()[codes], rule, self._owner_event[codes] - 1)

    def _most_decisions(self, batch: EventBatch) -> int:
        return batch.size

    def _state(self) -> dict[str, type[np.generic]]:
        arrays = {"_owner": np.uint32, "_flags": np.uint8, "_owner_event": np.int64}
        return {**super()._state(), **arrays}

    def _decide(self, batch: EventBatch, admitted: Admitted, came: Came, out: tuple[NDArray[Any], ...]) -> int:
        return replay_simplified(
            batch.first_index,
            admitted.status,
            batch.kind,
            admitted.distinct_id,
            admitted.device_id,
            admitted.user_id,
            batch.identified_id,
            batch.anonymous_id,
            batch.alias,
            batch.merge_rows,
            batch.merge_offsets,
            batch.merge_ids,
            self.settings.empty_id == "literal",
            self.ids.marks,
            self._owner,
            self._flags,
            self._owner_event,
            self.tries,
            *out,
        )


class LegacyReplay(Replay):
    """Legacy."""

    id_merge = "legacy"
    _target: NDArray[np.uint32]
    _target_event: NDArray[np.int64]
    _flags: NDArray[np.uint8]
    _works_from: NDArray[np.int64]

    def known(self) -> NDArray[np.uint32]:
        """Return the codes of all ids that events are stored under."""
        self._grow()
        return np.flatnonzero(self._flags & IS_STORED).astype(np.uint32)

    def settled(self) -> NDArray[np.uint32]:
        """Return each code itself: what came before an alias stays where it was."""
        self._grow()
        return np.arange(self._room, dtype=np.uint32)

    def canonical(self) -> NDArray[np.uint32]:
        """Return each code itself."""
        return self.settled()

    def resolved(self) -> ResolvedIds:
        """Return every id that events are stored under as its own, and every other alias with where it leads now."""
        self._grow()
        aliases = (self._flags & IS_STORED == 0) & (self._target_event > 0)
        codes = np.flatnonzero((self._flags & IS_STORED != 0) | aliases).astype(np.uint32)
        leads = np.arange(self._room, dtype=np.uint32)
        _ends(codes, aliases, self._target, leads)
        event_index = np.where(aliases[codes], self._target_event[codes] - 1, -1)
        rule = np.where(aliases[codes], _LEGACY_ALIAS, NO_RULE).astype(np.uint8)
        return ResolvedIds(codes, leads[codes], rule, event_index)

    def _state(self) -> dict[str, type[np.generic]]:
        arrays: dict[str, type[np.generic]] = {
            "_target": np.uint32,
            "_target_event": np.int64,
            "_flags": np.uint8,
            "_works_from": np.int64,
        }
        return {**super()._state(), **arrays}

    def _decide(self, batch: EventBatch, admitted: Admitted, came: Came, out: tuple[NDArray[Any], ...]) -> int:
        return replay_legacy(
            batch.first_index,
            admitted.status,
            batch.kind,
            admitted.distinct_id,
            batch.identified_id,
            batch.anonymous_id,
            batch.alias,
            batch.merge_rows,
            batch.merge_offsets,
            batch.merge_ids,
            came.arrival_ms,
            self.settings.alias_delay_ms,
            self.ids.marks,
            self._target,
            self._target_event,
            self._works_from,
            self._flags,
            self.tries,
            *out,
        )


def replay(id_merge: IdMerge, ids: Dictionary, settings: IdentitySettings | None = None) -> Replay:
    """Return a fresh replay of a system.

    Args:
        id_merge: simplified, original or legacy.
        ids: the dictionary of the history's ids.
        settings: the reading of the rules; None: the defaults.
    """
    kinds: dict[IdMerge, type[Replay]] = {
        "simplified": SimplifiedReplay,
        "original": OriginalReplay,
        "legacy": LegacyReplay,
    }
    return kinds[id_merge](ids, settings)


@compiled
def _in_order(number: Any, ordered: Any) -> None:
    for code in range(len(number)):
        if number[code] != 0:
            ordered[number[code] - 1] = code


@compiled
def _through(root: Any, names: Any, found: Any) -> None:
    """Find what each root is named, for all codes; what has no root is named by its own code."""
    at = names.ctypes.data
    for code in range(len(root)):
        if code + _SOON < len(root):
            prefetch(at + 4 * integer(root[code + _SOON]))
        found[code] = code if root[code] == 0 else names[root[code]]


@compiled
def _roots(above: Any, number: Any, root: Any) -> None:
    for code in range(len(above)):
        if number[code] == 0:
            continue
        top = integer(code)
        while above[top] > 0:
            top = integer(above[top])
        step = integer(code)
        while above[step] > 0 and above[step] != top:
            up = integer(above[step])
            above[step] = top
            step = up
        root[code] = top


@compiled
def _since(codes: Any, canonical: Any, tree: Any, tree_event: Any, tree_rule: Any, event_index: Any, rule: Any) -> None:
    """Find the last event on the way between an id and its canonical id, over the clusters as they were joined.

    Events on the way up a tree come later and later, so whichever side has the earlier one goes up.
    """
    for row in range(len(codes)):
        a, b = integer(codes[row]), integer(canonical[row])
        event_index[row] = -1
        rule[row] = 0
        while a != b:
            if tree_event[b] == 0 or (tree_event[a] != 0 and tree_event[a] < tree_event[b]):
                event_index[row] = tree_event[a] - 1
                rule[row] = tree_rule[a]
                a = integer(tree[a])
            else:
                event_index[row] = tree_event[b] - 1
                rule[row] = tree_rule[b]
                b = integer(tree[b])


@compiled
def _ends(codes: Any, aliases: Any, target: Any, leads: Any) -> None:
    for code in codes:
        if aliases[code]:
            end = integer(code)
            while target[end] != 0:
                end = integer(target[end])
            leads[code] = end
