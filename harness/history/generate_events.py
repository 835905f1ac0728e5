"""Events of a synthetic history as numbers: who, when, under which ids. Their texts are made elsewhere.

One batch is the events of some slots in order of arrival, a column each; what a sender of the chosen ID-merge system
sends at a login is decided here, and so are the mistakes that concern single events.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from harness.history.generate_numbers import Draws, Flags, Integers
from harness.history.generate_seasons import Slot, slots, total_weight
from harness.history.generate_settings import GenerateSettings
from harness.history.generate_world import MEAN_SIZE, NOBODY, Sessions, World

BATCH_EVENTS: Final = 100_000
_GAPS_S: Final = np.array([2, 5, 8, 12, 20, 30, 45, 60, 75, 90, 120, 180, 240, 300, 420, 600], np.int64)
_MOST_RETRY_S: Final = 600
_MOST_SESSIONS: Final = 200_000

ORDINARY: Final = 0
IDENTIFY: Final = 1
ALIAS: Final = 2
MERGE: Final = 3
LOGIN: Final = 4
HANDOVER: Final = 5
"""Kinds of an event; a login is ordinary but for its name, and a handover joins the device ids of two domains."""

OTHER_DOMAIN: Final = 1 << 40
"""What the serial number of a device id is raised by on the second domain."""

PLAIN: Final = 0
BARE: Final = 1
DOUBLE: Final = 2
"""How an anonymous id is written: as SDKs do, without `$device:`, or with one too many."""


class Events(NamedTuple):
    """Events in order of arrival, a column each.

    Attributes:
        number: the number of the event; a retry has that of the event it repeats.
        kind: see `ORDINARY` and those after it.
        name: which of the ordinary names.
        time_s: when it happened, seconds since 1970.
        person: who did it.
        user: the person whose user id it carries, or `NOBODY`.
        user_before: whose user id the device carried before, for identity events.
        device_id: the serial number of the device id it carries, or `NOBODY`.
        writing: how its anonymous id is written.
        junk: which disallowed id stands in place of its own, or `NOBODY`.
        is_nameless: whether it has no `$insert_id`.
        is_broken: whether its line is cut off.
    """

    number: Integers
    kind: Integers
    name: Integers
    time_s: Integers
    person: Integers
    user: Integers
    user_before: Integers
    device_id: Integers
    writing: Integers
    junk: Integers
    is_nameless: Flags
    is_broken: Flags

    def take(self, places: Integers) -> Events:
        """Return the events at some places."""
        return Events._make(column[places] for column in self)


def event_batches(settings: GenerateSettings) -> Iterator[Events]:
    """Yield all events of a history in order of arrival, in batches of bounded size."""
    waiting: list[Events] = []
    count = left = 0
    left = settings.events
    for events in _slot_events(settings):
        found = events.take(np.arange(left)) if len(events.number) > left else events
        waiting.append(found)
        count += len(found.number)
        left -= len(found.number)
        if count >= BATCH_EVENTS or not left:
            yield _joined(waiting)
            waiting, count = [], 0
        if not left:
            return


def _slot_events(settings: GenerateSettings) -> Iterator[Events]:
    """Yield the events of each slot: as many as its weight asks for, of all that are still to be made."""
    draws = Draws(settings.seed)
    world = World(settings, draws)
    sender = _Sender(settings, draws)
    weight = total_weight(settings.start_ms, settings.days)
    left = settings.events
    slot = Slot(0, 0, 1, 1)
    for slot in slots(settings.start_ms, settings.days, _slots_a_day(settings)):
        wanted = left * slot.weight // weight
        weight -= slot.weight
        sessions = (wanted + sender.owed) // MEAN_SIZE
        sender.owed += wanted - sessions * MEAN_SIZE
        if sessions:
            events = sender.send(world.play(slot, sessions), slot)
            sender.owed += sessions * MEAN_SIZE - len(events.number)
            left -= len(events.number)
            yield events
            if left <= 0:
                return
    while left > 0:
        events = sender.send(world.play(slot, max(1, min(left // MEAN_SIZE, settings.people))), slot)
        left -= len(events.number)
        yield events


def _slots_a_day(settings: GenerateSettings) -> int:
    """Return how many slots a day needs so that sessions are few beside people, and memory stays small."""
    sessions = settings.events // (MEAN_SIZE * settings.days) + 1
    most = max(1, min(settings.people // 4, _MOST_SESSIONS))
    return min(-(-sessions // most), 20_000)


def _joined(parts: list[Events]) -> Events:
    return parts[0] if len(parts) == 1 else Events._make(map(np.concatenate, zip(*parts, strict=True)))


class _Sender:
    """Turns sessions into what is sent.

    Attributes:
        owed: how many events fewer than wanted were made so far.
    """

    def __init__(self, settings: GenerateSettings, draws: Draws) -> None:
        self._settings = settings
        self._draws = draws
        self._events = 0
        self._aliased = np.full(settings.people + 16, NOBODY, np.int64)
        self.owed = 0

    def send(self, sessions: Sessions, slot: Slot) -> Events:
        """Return the events of a slot's sessions in order of arrival."""
        count = len(sessions.number)
        logs_in = sessions.login_at < sessions.size
        rows = sessions.size + logs_in
        session = np.repeat(np.arange(count, dtype=np.int64), rows)
        starts = np.cumsum(rows) - rows
        at = np.arange(len(session), dtype=np.int64) - starts[session]
        numbers = np.arange(self._events, self._events + len(session), dtype=np.int64)
        self._events += len(session)
        events, is_late = self._events_of(sessions, session, at, numbers, starts)
        return self._arrived(events, is_late, slot)

    def _events_of(
        self, sessions: Sessions, session: Integers, at: Integers, numbers: Integers, starts: Integers
    ) -> tuple[Events, Flags]:
        draws, rates = self._draws, self._settings.rates
        login_at = sessions.login_at[session]
        is_login = at == login_at
        is_login &= login_at < sessions.size[session]
        is_after = at > login_at
        lost = sessions.is_lost[session]
        person = sessions.person[session]
        before = sessions.user_before[session]
        device_id = sessions.device_id[session]
        user = np.where(is_after | is_login, person, before)

        gaps = np.cumsum(_GAPS_S[draws.below("gap", numbers, len(_GAPS_S))])
        time_s = sessions.start_s[session] + gaps - gaps[starts][session]
        kind = np.where(is_login & ~lost, self._login_kinds(person, device_id, is_login & ~lost), ORDINARY)
        writing = self._writing(sessions)[session]
        user, device_id = self._after_login(kind, user, person, device_id, is_after & lost)
        kind, device_id = self._over_domains(kind, user, device_id, at)
        is_server = (user != NOBODY) & (kind == ORDINARY) & draws.coins("server", numbers, rates.server)
        device_id = np.where(is_server, NOBODY, device_id)
        junk = np.where(
            (kind == ORDINARY) & draws.coins("disallowed", numbers, rates.disallowed),
            draws.below("which disallowed", numbers, 2**16),
            NOBODY,
        )
        events = Events(
            numbers,
            kind,
            draws.below("name", numbers, 2**16),
            time_s,
            person,
            user,
            before,
            device_id,
            writing,
            junk,
            draws.coins("no insert id", numbers, rates.no_insert_id),
            draws.coins("broken", numbers, rates.broken_lines),
        )
        return events, sessions.is_late[session]

    def _login_kinds(self, person: Integers, device_id: Integers, is_login: Flags) -> Integers:
        """Return what a login sends in place of, or as, its event."""
        system = self._settings.id_merge
        if system == "simplified":
            return np.full(len(person), LOGIN, np.int64)
        if system == "original":
            is_merge = self._draws.coins("merge", device_id, self._settings.rates.merge)
            return np.where(is_merge, MERGE, IDENTIFY)
        # An alias is made at the first login of a person, and test accounts are nobody's.
        is_first = is_login & (self._aliased[person] == NOBODY)
        self._aliased[person[is_first]] = device_id[is_first]
        return np.where(is_first, ALIAS, LOGIN)

    def _after_login(
        self, kind: Integers, user: Integers, person: Integers, device_id: Integers, is_lost: Flags
    ) -> tuple[Integers, Integers]:
        """Return whose user id and which device id events carry, seen from the sender's habits.

        In legacy the device that made the alias goes on with its anonymous id. In simplified a login that is lost means
        that the device id is never sent together with the user id.
        """
        if self._settings.id_merge == "legacy":
            goes_on = (kind != ALIAS) & (user == person) & (self._aliased[person] == device_id)
            return np.where(goes_on, NOBODY, user), device_id
        if self._settings.id_merge == "simplified":
            return user, np.where(is_lost, NOBODY, device_id)
        return user, device_id

    def _over_domains(
        self, kind: Integers, user: Integers, device_id: Integers, at: Integers
    ) -> tuple[Integers, Integers]:
        """Let some devices have another device id on every second page, and in original join both on the first one."""
        rate = self._settings.rates.other_domain
        has_other = (kind == ORDINARY) & (user == NOBODY) & self._draws.coins("other domain", device_id, rate)
        other = np.where(has_other & (at % 2 == 1), device_id + OTHER_DOMAIN, device_id)
        if self._settings.id_merge != "original":
            return kind, other
        return np.where(has_other & (at == 0), HANDOVER, kind), other

    def _writing(self, sessions: Sessions) -> Integers:
        draws, rates = self._draws, self._settings.rates
        is_bare = draws.coins("phantom", sessions.number, rates.phantom)
        is_double = draws.coins("double prefix", sessions.number, rates.double_prefix)
        return np.where(is_bare, BARE, np.where(is_double, DOUBLE, PLAIN))

    def _arrived(self, events: Events, is_late: Flags, slot: Slot) -> Events:
        """Return events in the order in which they arrive, with those that arrive twice."""
        draws = self._draws
        arrival = np.where(is_late, np.maximum(events.time_s, slot.end_s), events.time_s)
        again = np.flatnonzero(draws.coins("retry", events.number, self._settings.rates.retries))
        delay = 1 + draws.below("retry after", events.number[again], _MOST_RETRY_S)
        places = np.concatenate([np.arange(len(arrival), dtype=np.int64), again])
        order = np.argsort(np.concatenate([arrival, arrival[again] + delay]), kind="stable")
        return events.take(places[order])
