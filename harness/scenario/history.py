"""A history: events after all of them, or the first so many, have arrived; what `explain` and `compare` ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Event, device_key, id_text
from harness.identity.blast import Use
from harness.identity.looks import looks_anonymous
from harness.identity.model import KIND_OF_EVENT, IdentityModel, Kind, build
from harness.identity.remedies import Sent
from harness.identity.simplified import named_ids
from harness.ingestion.project import HOT_SHARD, MixpanelProject, StoredEvent
from harness.problems import nearest
from harness.scenario.results import People

_MOST_COMPARED: Final = 20_000


class Attempt(NamedTuple):
    """An identity event that was rejected: its row, what it asserts, the ids it names, and why it was rejected."""

    row: int
    kind: Kind
    ids: tuple[str, ...]
    error: str


@dataclass(frozen=True, slots=True)
class History:
    """Events after they have arrived. Rows are numbered as they arrived, indexes are what people know events by.

    Attributes:
        project: the project they went into, all of them.
        model: who is who after the last row that counts.
        last: the last row that counts.
        index_of: turns a row into its index.
        row_of: turns an index into its row.
        names: the names of the events by index, rejected ones too.
        people: who really did an event, by row; empty where nobody knows.
        steps: the step of a scenario that sent an event, by row; empty for an event file.
        raw: gives the event of a row as it was sent, rejected or not; None for what is no event.
        matched: the people of a scenario against its users; None for an event file.
    """

    project: MixpanelProject
    model: IdentityModel
    last: int
    index_of: Callable[[int], int] = int
    row_of: Callable[[int], int] = int
    names: Mapping[int, str] = field(default_factory=dict)
    people: Mapping[int, str] = field(default_factory=dict)
    steps: Mapping[int, int] = field(default_factory=dict)
    raw: Callable[[int], Event | None] = lambda row: None
    matched: People | None = None
    _received: list[str] = field(default_factory=list, repr=False, compare=False)

    def up_to(self, index: int) -> History:
        """Return the history as it was after the event with an index had arrived; past the end it is the whole.

        Rows are accepted or rejected one by one, so the accepted ones up to there are given to a fresh model.
        """
        if index >= len(self.project.rows):
            return self
        last = self.row_of(index)
        model = build(self.project.id_merge, self.project.settings.identity)
        for stored in self.project.events:
            if stored.event_index > last:
                break
            event = _as_it_came(stored)
            model.add(event, index=stored.event_index, endpoint=stored.endpoint, arrival_ms=stored.arrived_ms)
        return replace(self, model=model, last=last, _received=[])

    def place(self, row: int) -> str:
        """Return the number people know an event by: its index, in a scenario with the step that sent it."""
        step = self.steps.get(row)
        return f"{self.index_of(row)}" + ("" if step is None else f" (step {step})")

    def event(self, row: int) -> str:
        """Return an event in a few words: its index, its name, its step and its person where they are known."""
        index, person, step = self.index_of(row), self.people.get(row), self.steps.get(row)
        where = "" if step is None else f"step {step}, "
        return f"event {index} ({where}{self.names.get(index, '?')}{f' of {person}' if person else ''})"

    def around(self, ids: frozenset[str], most: int) -> list[Sent] | None:
        """Return every event that carried or named any of some ids; None where there are more than `most`."""
        spelled = ids | {text.removeprefix(DEVICE_PREFIX) for text in ids}
        if self.project.settings.identity.device_prefix_equivalent:
            spelled |= {device_key(text) for text in ids}
        rows = {row[5] for row in self.model.decisions.rows if not spelled.isdisjoint(row[1])}
        rows.update(row for row, text in enumerate(self._received_ids()) if text in spelled)
        return [self._sent(row) for row in sorted(rows)] if len(rows) <= most else None

    def uses(self) -> Iterator[Use]:
        """Yield which ids people used, in order of arrival."""
        for row in sorted(self.people):
            used = self.project.events.received_id(row)
            if used and row <= self.last:
                yield Use(row, self.model.spelling(used), self.people[row])

    def unknown(self, text: str) -> str | None:
        """Return what to say of an id that no event carried or named; None for a known one."""
        if text and self.model.knows(text):
            return None
        if text and self.project.model.knows(text):
            return f"no event up to event {self.index_of(self.last)} carried the id {text!r}; later ones do"
        if text and self.model.knows(device_key(text)):
            return f"no accepted event carried the id {text!r}; did you mean {device_key(text)!r}?"
        known = self._known_ids()
        alike = sorted(known, key=lambda one: (abs(len(one) - len(text)), one))[:_MOST_COMPARED]
        close = nearest(text, alike)
        hint = f"did you mean {close!r}?" if close else f"known ids: {', '.join(sorted(known)[:10]) or 'none'}"
        return f"no accepted event carried the id {text!r}; {hint}"

    def rejected_attempts(self) -> Iterator[Attempt]:
        """Yield the identity events that were not even stored, in order of arrival."""
        if len(self.project.events) == len(self.project.rows):
            return
        for result in self.project.rows[: self.last + 1]:
            event = None if result.status == "accepted" else self.raw(result.event_index)
            if event is not None and event.name in IDENTITY_EVENTS:
                ids = named_ids(event, id_text(event.properties.get("distinct_id")))
                yield Attempt(result.event_index, KIND_OF_EVENT[event.name], ids, result.errors[0].message)

    def orphans(self) -> list[str]:
        """Return the orphans, sorted: anonymous ids with events whose every attempt to join failed.

        An attempt is an identity event, or in simplified an event with a device id and a user id; it failed when it was
        refused, ignored or rejected. The anonymous id is the one beside the user: `$anon_id` of `$identify`, the
        `distinct_id` of `$create_alias`, the `$device_id`, and in `$merge` what looks like a device; an id that any of
        them names as the user is not anonymous.
        """
        joined = {text for row in self.model.decisions.rows if row[2] in ("merged", "already") for text in row[1]}
        attempts = [(row[0], row[1]) for row in self.model.decisions.rows]
        attempts += [(attempt.kind, attempt.ids) for attempt in self.rejected_attempts()]
        tried: set[str] = set()
        users: set[str] = set()
        for kind, ids in attempts:
            if kind == "merge" or len(ids) != 2:
                tried.update(filter(looks_anonymous, ids))
            else:
                anonymous, user = ids[::-1] if kind == "alias" else ids
                tried.add(anonymous)
                users.add(user)
        if self.project.id_merge == "simplified":
            tried |= {device_key(text) for text in tried if not text.startswith(DEVICE_PREFIX)}
        with_events = self.project.events.stored_ids(self.project.duplicates())
        return sorted((tried - joined - users - {""}) & with_events)

    def _sent(self, row: int) -> Sent:
        stored = self.project.stored(row)
        assert stored is not None, "only stored events decide anything and carry ids"
        arrival = stored.arrival
        event = _as_it_came(stored)
        return Sent(row, event, stored.endpoint, stored.arrived_ms, arrival.received, arrival.decision)

    def _known_ids(self) -> set[str]:
        named = {text for row in self.model.decisions.rows for text in row[1]}
        return {text for text in named.union(self._received_ids()) if text and self.model.knows(text)}

    def _received_ids(self) -> list[str]:
        """Return the id every row carried or implied, "" for none; kept, since several questions need all of them."""
        if not self._received:
            self._received.extend(map(self.project.events.received_id, range(self.last + 1)))
        return self._received


def _as_it_came(stored: StoredEvent) -> Event:
    """Return the event that the identity model got; past the limit of a day the project keeps another one."""
    event = stored.event
    if event.name != HOT_SHARD or "mp_original_event_name" not in event.properties:
        return event
    properties = dict(event.properties)
    name = properties.pop("mp_original_event_name")
    properties["distinct_id"] = properties.pop("mp_original_distinct_id", "")
    return Event(str(name), properties)
