"""Which ids are users, which are devices, which are nobody's, and how a device is spelled in the target."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from harness.event import DEVICE_PREFIX
from harness.history.dictionary import Dictionary
from harness.history.known import ByPattern
from harness.history.marks import DISALLOWED, PREFIXED, REST_DISALLOWED
from harness.history.migrate_records import NO_TIME, Codes, Edges, Flags
from harness.history.records import BARE_PREFIX

_FIRST: Final = BARE_PREFIX + 1


class Ids(NamedTuple):
    """What every id is, by code. An id that is known is a user, a device, nobody's or a test account.

    Attributes:
        cluster: uint32; its cluster, as the lowest code in it.
        is_known: bool; the source knows it.
        is_user, is_device, is_nobody, is_excluded: bool; what it is.
    """

    cluster: Codes
    is_known: Flags
    is_user: Flags
    is_device: Flags
    is_nobody: Flags
    is_excluded: Flags


def matching(dictionary: Dictionary, pattern: str, is_candidate: Flags) -> Flags:
    """Return which ids a regular expression says are ids of users, by code.

    See `harness.identity.looks.known_user`: simplified would never link an id with `$device:` in front as a user.

    Args:
        dictionary: the ids.
        pattern: the expression.
        is_candidate: bool, by code; which ids to look at.
    """
    places = np.flatnonzero(is_candidate & ((dictionary.marks & PREFIXED) == 0)).astype(np.uint32)
    found = np.zeros(len(dictionary), np.bool_)
    found[places] = ByPattern(pattern, "--user-id").among(dictionary, places)
    return found


def nobodys(dictionary: Dictionary) -> Flags:
    """Return which ids are nobody's, by code: those on the list of disallowed ids, as sent or behind `$device:`.

    The door of the target would reject events with them, and whoever shares one would become one user.
    """
    marks = dictionary.marks
    found: Flags = (marks & (DISALLOWED | REST_DISALLOWED)) != 0
    doubled = [code for code in _doubled(dictionary) if _is_listed(dictionary.text(code))]
    found[doubled] = True
    found[:_FIRST] = True
    return found


def device_keys(dictionary: Dictionary, is_device: Flags) -> Codes:
    """Return the code of `$device:<id>` for each device, by code; `ABSENT` for others.

    However often `$device:` stands in front of an id, it does once in the target.
    """
    keys = np.zeros(len(dictionary), np.uint32)
    marks = dictionary.marks
    doubled = _doubled(dictionary)
    spelled = is_device & ((marks & PREFIXED) != 0)
    spelled[doubled] = False
    keys[spelled] = np.flatnonzero(spelled)
    others = np.flatnonzero(is_device & ~spelled)
    texts = [DEVICE_PREFIX + bare(dictionary.text(int(code))) for code in others]
    keys[others] = dictionary.codes(texts)
    return keys


def with_bare_forms(dictionary: Dictionary, edges: Edges) -> Edges:
    """Return what joins ids, each id with `$device:` in front joined with what stands behind it.

    So it is in original where the settings take both for one id.
    """
    codes = np.flatnonzero((dictionary.marks & PREFIXED) != 0).astype(np.uint32)
    forms = dictionary.codes([bare(text) for text in dictionary.texts(codes)])
    keep = forms > BARE_PREFIX
    return Edges(
        np.concatenate([edges.a, codes[keep]]),
        np.concatenate([edges.b, forms[keep]]),
        np.concatenate([edges.time_ms, np.full(int(keep.sum()), NO_TIME, np.int64)]),
    )


def bare(text: str) -> str:
    """Return an id without any `$device:` in front."""
    while text.startswith(DEVICE_PREFIX):
        text = text[len(DEVICE_PREFIX) :]
    return text


def _doubled(dictionary: Dictionary) -> list[int]:
    """Return the codes of ids with more than one `$device:` in front."""
    import pyarrow.compute as pc

    prefixed = np.flatnonzero((dictionary.marks & PREFIXED) != 0).astype(np.uint32)
    is_doubled = pc.starts_with(dictionary.arrow(prefixed), DEVICE_PREFIX * 2)
    return [int(code) for code in prefixed[is_doubled.to_numpy(zero_copy_only=False)]]


def _is_listed(text: str) -> bool:
    from harness.ingestion.limits import DISALLOWED_IDS

    return not bare(text) or bare(text).lower() in DISALLOWED_IDS
