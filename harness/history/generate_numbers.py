"""Numbers that look random and are the same on every machine: a hash of a seed, a purpose and a counter.

Nothing is drawn in turn, so no library's generator and no order of drawing is part of a history. The hash is the
finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection: different counters give different numbers.
"""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
Flags: TypeAlias = NDArray[np.bool_]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_HALF: Final = np.uint64(32)


class Draws:
    """Numbers for one seed.

    Args:
        seed: any whole number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys: dict[str, np.uint64] = {}

    def words(self, purpose: str, counters: Integers) -> Words:
        """Return a number of 64 bits for each counter; another purpose gives unrelated ones."""
        found = counters.astype(np.uint64)
        found *= _STEP
        found += self._key(purpose)
        found ^= found >> np.uint64(30)
        found *= _FIRST
        found ^= found >> np.uint64(27)
        found *= _SECOND
        found ^= found >> np.uint64(31)
        return found

    def below(self, purpose: str, counters: Integers, limit: int) -> Integers:
        """Return a number from 0 up to, and without, a limit of at most 2**31 for each counter."""
        found = self.words(purpose, counters)
        found >>= _HALF
        found *= np.uint64(limit)
        found >>= _HALF
        return found.astype(np.int64)

    def coins(self, purpose: str, counters: Integers, share: float) -> Flags:
        """Return for each counter whether something that happens in a share of all cases happens."""
        if share <= 0:
            return np.zeros(len(counters), np.bool_)
        found = self.words(purpose, counters)
        found >>= _HALF
        return found < np.uint64(int(share * 2**32))

    def _key(self, purpose: str) -> np.uint64:
        key = self._keys.get(purpose)
        if key is None:
            digest = hashlib.blake2b(f"{self._seed} {purpose}".encode(), digest_size=8).digest()
            key = self._keys[purpose] = np.uint64(int.from_bytes(digest, "big"))
        return key
