"""Which ids are known users: those that a pattern matches, or without one those that look like no device."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.history.dictionary import Dictionary
from harness.history.known_check import check_pattern
from harness.history.marks import LOOKS_ANONYMOUS
from harness.identity.looks import known_user

_AT_ONCE: Final = 1 << 18


class KnownUsers(Protocol):
    """Tells which ids are known users."""

    def among(self, ids: Dictionary, codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return which of some ids are."""
        ...


class ByLook:
    """Known is what does not look like a device, a UUID or an ECID."""

    def among(self, ids: Dictionary, codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return which of some ids are."""
        found: NDArray[np.bool_] = ids.marks[codes] & LOOKS_ANONYMOUS == 0
        return found


class ByPattern:
    """Known is what a regular expression matches; see `harness.identity.looks.known_user`.

    Args:
        pattern: the regular expression.
        option: the option it comes from, for the message.

    Raises:
        InputError: when it is none.
    """

    def __init__(self, pattern: str, option: str = "--known-user") -> None:
        check_pattern(pattern, option)
        self._matches = known_user(pattern)

    def among(self, ids: Dictionary, codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return which of some ids are."""
        found = np.empty(len(codes), np.bool_)
        matches = self._matches
        for first in range(0, len(codes), _AT_ONCE):
            some = codes[first : first + _AT_ONCE]
            texts = ids.plain_texts(some)
            found[first : first + len(some)] = [matches(text) for text in texts]
        return found


def known_users(pattern: str | None) -> ByLook | ByPattern:
    """Return what tells known users: a pattern, or their look."""
    return ByLook() if pattern is None else ByPattern(pattern)
