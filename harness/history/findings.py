"""What an audit found, as codes, and a few examples of each finding as texts for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.dictionary import Dictionary
from harness.history.marks import LOOKS_ANONYMOUS
from harness.history.native import compiled
from harness.history.records import Sample
from harness.history.replay_model import Replay

MOST_SAMPLES: Final = 20
_MOST_IDS: Final = 8


class Findings(NamedTuple):
    """The findings of an audit, as codes.

    Attributes:
        orphans: uint32; anonymous ids whose every attempt to join failed.
        mixed: uint32; what clusters with several known users have in common; see `Replay.settled`.
        phantoms: uint32; anonymous ids that became users.
        shared: uint32; anonymous ids that a second user tried to take.
        known_in_cluster: int32, an entry a code: how many known users the cluster has that the code stands for.
    """

    orphans: NDArray[np.uint32]
    mixed: NDArray[np.uint32]
    phantoms: NDArray[np.uint32]
    shared: NDArray[np.uint32]
    known_in_cluster: NDArray[np.int32]

    def samples(
        self,
        ids: Dictionary,
        user_of: NDArray[np.uint32],
        size_of: NDArray[np.int32],
        known: NDArray[np.uint32],
        replay: Replay,
        near: int,
        listed: Mapping[str, int],
    ) -> dict[str, tuple[Sample, ...]]:
        """Return examples of every finding.

        Args:
            ids: the dictionary.
            user_of: an entry a code: what all ids of one user have in common.
            size_of: an entry a code: the size of the cluster it stands for.
            known: the codes of all ids in clusters.
            replay: who is who.
            near: from how many ids on a cluster is near the limit; 0 for no limit.
            listed: events by disallowed id.
        """
        largest = _largest(np.flatnonzero(size_of > 1).astype(np.uint32), size_of)
        by_known = _largest(self.mixed, self.known_in_cluster)
        wanted = np.unique(np.concatenate([largest, by_known]))
        members = _members(wanted, user_of, known)
        canonical = replay.picked({int(key): members[int(key)] for key in wanted})

        def cluster(key: int, note: str) -> Sample:
            # What looks like no device comes first: it is what is remarkable.
            codes = members[key]
            first = codes[np.argsort(ids.marks[codes] & LOOKS_ANONYMOUS, kind="stable")][:_MOST_IDS]
            return Sample(ids.text(canonical[key]), int(size_of[key]), tuple(ids.texts(first)), note)

        def alone(codes: NDArray[np.uint32], note: str = "") -> tuple[Sample, ...]:
            texts = sorted(ids.texts(codes[:MOST_SAMPLES]))
            return tuple(Sample(text, 1, (text,), note) for text in texts)

        def limit_note(key: int) -> str:
            return "near or at the limit" if near and size_of[key] >= near else ""

        return {
            "top_clusters": tuple(cluster(int(key), limit_note(int(key))) for key in largest),
            "mixed_suspects": tuple(
                cluster(int(key), f"{int(self.known_in_cluster[key])} known users") for key in by_known
            ),
            "orphans": alone(self.orphans),
            "phantom_users": alone(self.phantoms),
            "shared_devices": alone(self.shared),
            "disallowed": tuple(
                Sample(text, 1, (text,), f"{count:,} event{'' if count == 1 else 's'}")
                for text, count in sorted(listed.items(), key=lambda item: (-item[1], item[0]))[:MOST_SAMPLES]
            ),
        }


def _largest(codes: NDArray[np.uint32], size: NDArray[np.int32]) -> NDArray[np.uint32]:
    """Return the few codes with the largest sizes, the lowest code first among equal ones."""
    if len(codes) > MOST_SAMPLES:
        least = np.partition(size[codes], -MOST_SAMPLES)[-MOST_SAMPLES]
        codes = codes[size[codes] >= least]
    return codes[np.argsort(-size[codes], kind="stable")][:MOST_SAMPLES]


def _members(
    keys: NDArray[np.uint32], user_of: NDArray[np.uint32], known: NDArray[np.uint32]
) -> dict[int, NDArray[np.uint32]]:
    """Return the ids of a few clusters."""
    chosen = np.zeros(len(user_of), np.bool_)
    chosen[keys] = True
    codes = np.empty(len(known) + 1, np.uint32)
    codes = codes[: _chosen(known, user_of, chosen, codes)].copy()
    found: dict[int, NDArray[np.uint32]] = {}
    for key in keys:
        found[int(key)] = codes[user_of[codes] == key]
    return found


@compiled
def _chosen(codes: Any, user_of: Any, chosen: Any, found: Any) -> int:
    """Find those of some ids whose user is chosen; return how many. There is room for one more in `found`."""
    count = 0
    for at in range(len(codes)):
        found[count] = codes[at]
        count += chosen[user_of[codes[at]]]
    return count
