"""Irreversible joins that nobody asked for: a decision that makes one user of two who are known to be two.

Who is known: in a scenario the people who did the events; in an event file, where nobody tells, an id that an identity
event names as the user, and an id that does not look like a device's (or what `--known-user` says). A device that joins
its user is what identity events are for; two users who become one can't be taken apart again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import TypeAlias

from harness.event import IDENTITY_EVENTS, Event, id_text
from harness.identity.blast import Blast
from harness.identity.looks import looks_anonymous
from harness.identity.model import Decision, IdentityModel
from harness.identity.simplified import named_ids

Label: TypeAlias = Callable[[str], str | None]
"""Says of an id whose it is: the name of a user, or None for an id that is nobody's by itself."""


class Joins:
    """Watches a model while events go in, and knows which users each cluster holds.

    Args:
        model: the model that the events go into.
        label: says whose an id is.
        by_role: whether an id that an identity event names as the user counts as one, however it looks.
    """

    def __init__(self, model: IdentityModel, label: Label, *, by_role: bool) -> None:
        self._model = model
        self._label = label
        self._by_role = by_role
        self._roles: set[str] = set()
        self._users: dict[Hashable, tuple[str, ...]] = {}
        self._sides: list[tuple[Hashable, tuple[str, ...]]] = []
        self._sizes = (0, 0)

    def before(self, event: Event) -> None:
        """Look at an event that the model is about to get."""
        self._sides = []
        if event.name not in IDENTITY_EVENTS or self._model.id_merge == "simplified":
            return
        ids = named_ids(event, id_text(event.properties.get("distinct_id")))
        if self._by_role and event.name == "$identify" and len(ids) == 2:
            self._note_role(ids[1])
        if len(ids) != 2:
            return
        key = self._model.cluster_key
        self._sides = [(key(text), self._of(text)) for text in ids]
        if all(users for _, users in self._sides):
            first, second = (len(self._model.members(text)) for text in ids)
            self._sizes = max(first, second), min(first, second)

    def after(self, decision: Decision | None) -> Blast | None:
        """Return what the event joined, where that made one user of several."""
        if decision is None or decision.outcome != "merged" or len(self._sides) != 2:
            return None
        (first_key, first), (second_key, second) = self._sides
        together = tuple(sorted({*first, *second}))
        if together:
            self._users.pop(first_key, None)
            self._users.pop(second_key, None)
            self._users[self._model.cluster_key(decision.ids[-1])] = together
        if len(together) <= max(len(first), len(second), 1):
            return None
        return Blast(decision, *self._sizes, (), together, mixes=True)

    def _of(self, text: str) -> tuple[str, ...]:
        found = self._users.get(self._model.cluster_key(text))
        if found is not None:
            return found
        label = self._user(text)
        return () if label is None else (label,)

    def _user(self, text: str) -> str | None:
        return text if text in self._roles else self._label(text)

    def _note_role(self, text: str) -> None:
        self._roles.add(text)
        key = self._model.cluster_key(text)
        found = self._users.get(key, ())
        if key != text and text not in found:
            self._users[key] = (*found, text)


def guessed(is_known: Callable[[str], object] | None) -> Label:
    """Return the label of ids in an event file.

    Args:
        is_known: says what the id of a known user looks like; None: one that does not look like a device's.
    """

    def label(text: str) -> str | None:
        known = not looks_anonymous(text) if is_known is None else bool(is_known(text))
        return text if known else None

    return label


def is_allowed(blast: Blast, allowed: Collection[frozenset[str]]) -> bool:
    """Return whether somebody named a join beforehand: two of its users, on either side of it or both in one.

    Args:
        blast: the join.
        allowed: pairs of users that may become one.
    """
    users = set(blast.known_users)
    groups = [{user} for user in users]
    for pair in allowed:
        if pair <= users:
            touched = [group for group in groups if group & pair]
            groups = [group for group in groups if not group & pair] + [set().union(*touched)]
    return len(groups) == 1
