"""Who sits where: people with their devices, what is stored on each device, and the sessions that come of it.

Everything is held in arrays over devices and people, so memory grows with people and never with events. In one slot a
person and a device have one session at most, so all sessions of a slot can be worked out at once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from harness.history.generate_numbers import Draws, Flags, Integers
from harness.history.generate_seasons import Slot, seconds_of
from harness.history.generate_settings import GenerateSettings

NOBODY: Final = -1
TEST_ACCOUNTS: Final = 3
_DEVICES_A_PERSON: Final = 3
_SIZES: Final = np.array([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 10, 13], np.int64)
MEAN_SIZE: Final = 5
"""Events of a session, on average."""


class Sessions(NamedTuple):
    """The sessions of one slot, a column each.

    Attributes:
        number: the number of the session in the history.
        person: who it is; people come first, then the test accounts.
        device_id: the serial number of the device id that the device has during the session.
        user_before: who the device says is logged in when it begins, or `NOBODY`.
        login_at: which of its events the login comes before; at least `size` where there is none.
        is_lost: whether nobody hears of that login.
        size: how many ordinary events it has.
        start_s: when it begins, seconds since 1970.
        is_late: whether its events arrive at the end of the slot.
    """

    number: Integers
    person: Integers
    device_id: Integers
    user_before: Integers
    login_at: Integers
    is_lost: Flags
    size: Integers
    start_s: Integers
    is_late: Flags


class World:
    """People, devices and who is logged in, slot after slot."""

    def __init__(self, settings: GenerateSettings, draws: Draws) -> None:
        self._settings = settings
        self._draws = draws
        self._people = settings.people
        devices = settings.people * _DEVICES_A_PERSON
        self._device_id = np.full(devices, NOBODY, np.int64)
        self._user = np.full(devices, NOBODY, np.int32)
        self._device_ids = 0
        self._sessions = 0

    def play(self, slot: Slot, wanted: int) -> Sessions:
        """Return about as many sessions as wanted, all in one slot, and keep what they leave behind."""
        draws, rates = self._draws, self._settings.rates
        numbers = np.arange(self._sessions, self._sessions + wanted, dtype=np.int64)
        self._sessions += wanted
        is_test = draws.coins("test account", numbers, rates.test_accounts)
        person, device = self._who(numbers)
        keep = is_test | (_is_first(person) & _is_first(device))
        numbers, is_test, person, device = numbers[keep], is_test[keep], person[keep], device[keep]
        person[is_test] = self._people + draws.below("which test account", numbers[is_test], TEST_ACCOUNTS)

        device_id, user = self._device_id[device], self._user[device].astype(np.int64)
        is_new = is_test | (device_id == NOBODY) | draws.coins("clear cookies", numbers, rates.clear_cookies)
        made = int(np.count_nonzero(is_new))
        device_id[is_new] = np.arange(self._device_ids, self._device_ids + made, dtype=np.int64)
        self._device_ids += made
        user[is_new] = NOBODY

        size = _SIZES[draws.below("size", numbers, len(_SIZES))]
        logs_in = (user != person) & (draws.coins("login", numbers, rates.login) | is_test)
        login_at = np.where(logs_in, draws.below("login at", numbers, 2**20) * size >> 20, size)
        parts = slot.first + draws.below("start", numbers, slot.last - slot.first)
        found = Sessions(
            numbers,
            person,
            device_id,
            user,
            login_at,
            logs_in & draws.coins("lost login", numbers, rates.lost_login),
            size,
            slot.day_s + seconds_of(parts),
            draws.coins("late", numbers, rates.offline),
        )
        self._leave(found, device, is_test, np.where(logs_in, person, user))
        return found

    def _who(self, numbers: Integers) -> tuple[Integers, Integers]:
        """Return a person for each session, some more often than others, and the device they sit at."""
        draws = self._draws
        spread = draws.below("who", numbers, 2**20)
        # The square makes a tenth of the people three times as active as the average.
        person = (spread * spread >> 20) * self._people >> 20
        width = max(1, self._people >> 10)
        person = np.minimum(person + draws.below("neighbour", numbers, width), self._people - 1)
        household = person >> 1
        is_shared = draws.coins("shared", household, self._settings.rates.shared)
        which = draws.below("which device", numbers, 4)
        own = person * _DEVICES_A_PERSON + np.where(which == 3, 1, 0)
        common = household * 2 * _DEVICES_A_PERSON + 2
        return person, np.where(is_shared & (which < 2), common, own)

    def _leave(self, sessions: Sessions, device: Integers, is_test: Flags, user: Integers) -> None:
        draws, rates, numbers = self._draws, self._settings.rates, sessions.number
        logs_out = (user == sessions.person) & draws.coins("logout", numbers, rates.logout)
        forgets_nothing = logs_out & draws.coins("no reset", numbers, rates.no_reset)
        keeps_device = draws.coins("keep device", numbers, rates.keep_device)
        left_user = np.where(logs_out & ~forgets_nothing, NOBODY, user)
        left_id = np.where(logs_out & ~forgets_nothing & ~keeps_device, NOBODY, sessions.device_id)
        stays = ~is_test
        self._user[device[stays]] = left_user[stays]
        self._device_id[device[stays]] = left_id[stays]


def _is_first(values: Integers) -> Flags:
    """Return which values occur for the first time."""
    _, first = np.unique(values, return_index=True)
    found = np.zeros(len(values), np.bool_)
    found[first] = True
    return found
