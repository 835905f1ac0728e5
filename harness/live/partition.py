"""Compares who is one user by the model with who is one user by an export.

Users are compared as groups of events, never by the name of a canonical id, which nobody can predict in original. In
simplified and legacy the name is a promise, so there a user under another name is told as well.

While a project settles, rows of one user may be shown under an old and a new canonical id at once. Merges can't be
undone, so one row that was moved proves the merge: ids that any row connects are one user, whatever the other rows
still say. In legacy nothing is moved, and every row stands for itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.ingestion.limits import DAY_MS
from harness.live.differences import Difference, Groups, Joined, merged_pairs, torn_pairs
from harness.live.matching import Found, Shown
from harness.live.prediction import Prediction, SentEvent


class Renamed(NamedTuple):
    """A user that came out as predicted, but under another name: the name predicted, and those shown."""

    predicted: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Model and reality side by side.

    Attributes:
        agree: how many found events belong to exactly the user that was predicted.
        differ: what differs, two ids at a time: the fewest pairs that tell it all.
        missing: the indexes of sent events that should be there and are not.
        rejected_but_there: the indexes of sent events that are there although the model has them rejected.
        renamed: users under another name than promised.
        settling: how many users are still shown under several canonical ids.
    """

    agree: int
    differ: tuple[Difference, ...]
    missing: tuple[int, ...]
    rejected_but_there: tuple[int, ...]
    renamed: tuple[Renamed, ...]
    settling: int


def users_shown(prediction: Prediction, found: Found) -> dict[int, Hashable]:
    """Return for every sent event with a row what stands for its user by the export."""
    joined = Joined()
    if prediction.id_merge != "legacy":
        first_shown: dict[Hashable, str] = {}
        for index, rows in found.shown.items():
            sent = prediction.sent[index]
            _join_rows(joined, sent, rows, prediction)
            alike = sent.distinct_id if prediction.id_merge == "original" else sent[3:6]
            if rows[0].distinct_id and any(alike):
                joined.join(first_shown.setdefault(alike, rows[0].distinct_id), rows[0].distinct_id)
    users: dict[int, Hashable] = {}
    for index, rows in found.shown.items():
        shown = next((row.distinct_id for row in rows if row.distinct_id), "")
        users[index] = joined.find(shown) if shown else (index,)
    return users


def _join_rows(joined: Joined, sent: SentEvent, rows: Sequence[Shown], prediction: Prediction) -> None:
    """Join the ids that the rows of one event prove to be one user."""
    shown = [row.distinct_id for row in rows if row.distinct_id]
    before = [row.before for row in rows if row.before and row.distinct_id]
    if prediction.id_merge == "original" and sent.distinct_id:
        before.append(sent.distinct_id)
    for text in (*shown[1:], *before) if shown else ():
        joined.join(shown[0], text)


def compare(prediction: Prediction, found: Found) -> Comparison:
    """Return what model and export agree and differ on."""
    actual = users_shown(prediction, found)
    compared: dict[int, tuple[Hashable, Hashable]] = {}
    rejected_but_there = []
    for index, user in actual.items():
        predicted = prediction.events[index]
        if predicted.is_stored:
            compared[index] = (predicted.distinct_id or (index,), user)
        else:
            rejected_but_there.append(index)
    by_predicted, by_actual = _groups(compared, 0), _groups(compared, 1)
    differ = [*torn_pairs(prediction, found, by_predicted), *merged_pairs(prediction, found, by_actual)]
    agreeing = {
        label: parts
        for label, parts in by_predicted.items()
        if len(parts) == 1 and len(by_actual[next(iter(parts))]) == 1
    }
    agree = sum(len(indexes) for parts in agreeing.values() for indexes in parts.values())
    names = [(label, _names(found, next(iter(parts.values())))) for label, parts in agreeing.items()]
    renamed = [
        Renamed(label, names_shown)
        for label, names_shown in names
        if isinstance(label, str) and names_shown and label not in names_shown
    ]
    return Comparison(
        agree=agree,
        differ=tuple(differ),
        missing=tuple(_missing(prediction, found)),
        rejected_but_there=tuple(sorted(rejected_but_there)),
        renamed=() if prediction.id_merge == "original" else tuple(renamed),
        settling=sum(len(names_shown) > 1 for _, names_shown in names),
    )


def _groups(compared: Mapping[int, tuple[Hashable, Hashable]], side: int) -> Groups:
    groups: dict[Hashable, dict[Hashable, list[int]]] = {}
    for index, users in compared.items():
        groups.setdefault(users[side], {}).setdefault(users[1 - side], []).append(index)
    return groups


def _names(found: Found, indexes: Iterable[int]) -> tuple[str, ...]:
    return tuple(sorted({row.distinct_id for index in indexes for row in found.shown[index]} - {""}))


def _missing(prediction: Prediction, found: Found) -> Iterable[int]:
    """Yield the events that should have a row and have none.

    Identity events are left out: whether an export has them is written nowhere. So is an event that is the same again
    as one that has a row: compaction may have left that one only.
    """
    twins = {_same(prediction, index) for index in found.shown}
    for sent, predicted in zip(prediction.sent, prediction.events, strict=True):
        if not predicted.is_stored or sent.is_identity or sent.event_index in found.shown:
            continue
        if not sent.insert_id or _same(prediction, sent.event_index) not in twins:
            yield sent.event_index


def _same(prediction: Prediction, index: int) -> Hashable:
    """Return what events have in common that compaction takes for one: name, `$insert_id`, user and day (`docs`)."""
    sent, predicted = prediction.sent[index], prediction.events[index]
    day = None if predicted.time_ms is None else predicted.time_ms // DAY_MS
    return sent.event, sent.insert_id, predicted.distinct_id, day
