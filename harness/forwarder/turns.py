"""When a data element fails: of several failures in one component, the engine reports the one that comes first.

The engine resolves the data elements of a component side by side, each through a chain of promises. Without custom
code all of them settle in the same run of the job queue, so their order is fixed by the number of links: counted here
in turns of the queue, from the moment at which the component asks for its data elements.
"""

from __future__ import annotations

from typing import Final

AT_ONCE: Final = -1
"""The list of data elements itself throws, before anything is asked for."""

UNKNOWN: Final = 0
"""A name without a definition."""

WITHOUT_SETTINGS: Final = 9
"""A data element that has no settings."""

WITH_SETTINGS: Final = 11
"""A data element whose settings hold no token."""

NEVER: Final = 1_000_000
"""A circle: the engine would go round for ever, so any other failure comes first."""

_THROWN_INSIDE: Final = 5
_FROM_INNER: Final = 12


def outer(inner: int) -> int:
    """Return the turns of a data element whose settings name one that settles after `inner` turns."""
    return _THROWN_INSIDE if inner == AT_ONCE else inner + _FROM_INNER
