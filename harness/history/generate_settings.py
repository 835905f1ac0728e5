"""What a synthetic history is asked to be: its size, its system, and how often each mistake happens."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

from harness.clock import parse_instant
from harness.event import IdMerge
from harness.problems import did_you_mean

EVENTS_A_PERSON: Final = 25
"""How many events a person has on average where the number of people is not given."""


def _rate(default: float, about: str) -> float:
    found: float = field(default=default, metadata={"about": about})
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often things happen, each a share from 0 to 1. Those before `retries` are life, the others are mistakes."""

    login: float = _rate(0.4, "sessions of somebody who is not logged in, in which they log in")
    logout: float = _rate(0.3, "sessions of somebody who is logged in that end with a logout")
    shared: float = _rate(0.1, "households of two people who also share a device")
    server: float = _rate(0.05, "events of somebody logged in that the server sends, without any device")
    clear_cookies: float = _rate(0.05, "sessions before which the device's storage was emptied")
    offline: float = _rate(0.02, "sessions whose events arrive late, all at once")
    other_domain: float = _rate(0.02, "device ids that are another one on a second domain, joined by $merge (original)")
    retries: float = _rate(0.01, "events that arrive twice, with the same $insert_id")
    test_accounts: float = _rate(0.002, "sessions on a new device that log in with a test account: large clusters")
    no_reset: float = _rate(0.05, "logouts without reset(): whoever comes next is sent as the last user")
    keep_device: float = _rate(0.1, "logouts that keep the device id: whoever comes next has the last user's device")
    lost_login: float = _rate(0.02, "logins whose identity event, or event with both ids, never arrives")
    merge: float = _rate(0.02, "device ids whose logins are sent as $merge instead of $identify (original)")
    non_uuid: float = _rate(0.03, "device ids that are no UUID but an ECID of 38 digits")
    phantom: float = _rate(0.01, "anonymous sessions sent with the bare device id as distinct_id")
    double_prefix: float = _rate(0.005, "anonymous sessions sent with $device: in front once too often")
    disallowed: float = _rate(0.002, "events whose distinct_id is undefined, null and the like")
    no_insert_id: float = _rate(0.01, "events without $insert_id")
    uuid_users: float = _rate(0.0, "people whose user id is a UUID")
    broken_lines: float = _rate(0.0, "lines that are cut off in the middle (JSONL only); they count as events")


MISTAKES: Final = tuple(one.name for one in fields(Rates))[7:]
"""The names of the rates that `none` sets to 0."""


def about_rates() -> dict[str, tuple[float, str]]:
    """Return every rate with its default and what it is a share of."""
    return {one.name: (one.default, one.metadata["about"]) for one in fields(Rates)}  # type: ignore[misc]


def parse_rates(text: str) -> Rates | list[str]:
    """Return rates written as `merge=0.1,no_reset=0`, on top of the defaults, or everything that is wrong with them.

    `none` stands for a history without mistakes.
    """
    known = about_rates()
    found: dict[str, float] = {}
    wrong: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name == "none" and not equals:
            found.update(dict.fromkeys(MISTAKES, 0.0))
        elif name not in known:
            wrong.append(f"{name!r} is no rate. {did_you_mean(name, [*known, 'none'])}")
        else:
            share = _share(value)
            if share is None:
                wrong.append(f"{name} is {value!r}; a rate is a number from 0 to 1, such as {name}=0.1")
            else:
                found[name] = share
    return wrong or Rates(**found)


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSettings:
    """One synthetic history; equal settings give equal events.

    Attributes:
        id_merge: the system whose senders make the events.
        events: how many rows, identity events and retries included.
        people: how many people.
        seed: another number, another history.
        rates: how often things happen.
        start_ms: when it begins, milliseconds since 1970; the start of a day in UTC.
        days: how many days it lasts.
        truth: the column or event property that names the person who really did it.
    """

    id_merge: IdMerge
    events: int
    people: int
    seed: int = 0
    rates: Rates = field(default_factory=Rates)
    start_ms: int = parse_instant("2025-01-01T00:00:00Z")
    days: int = 365
    truth: str = "person"


def default_people(events: int) -> int:
    """Return how many people a history of so many events has where nobody says."""
    return max(1, events // EVENTS_A_PERSON)
