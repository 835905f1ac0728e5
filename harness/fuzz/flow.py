"""Flows: what people do on which devices, as plain data; nothing here knows what is sent.

A flow is a list of actions. Who sits where, who is logged in and which cookies a device has follows from the actions,
and `World` keeps track of it. A *jar* is the storage of a device between two times that it is emptied: what a sender
knows about an anonymous visitor lives there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from harness.event import Json

Verb: TypeAlias = Literal[
    "browse",
    "log in",
    "log out",
    "retry",
    "order",
    "clear cookies",
    "change e-mail",
    "go offline",
    "come online",
]
Risk: TypeAlias = Literal["shared", "new-e-mail", "long-offline"]
IdKind: TypeAlias = Literal["plain", "number", "e-mail", "uuid", "unicode"]

VERBS: Final[tuple[Verb, ...]] = get_args(Verb)
RISKS: Final[dict[Risk, str]] = {
    "shared": "another person takes over a device whose cookies nobody has reset",
    "new-e-mail": "people change their e-mail address although it is their user id",
    "long-offline": "devices stay offline for up to nine days",
}
"""What no sender can make up for, and is therefore left out of a search unless it is asked for."""

PEOPLE: Final = ("ana", "ben", "cleo")
DEVICES: Final = ("laptop", "phone", "tablet")
HOURS_OFFLINE: Final = (2, 30, 90, 216)
_MOST_HOURS: Final = 100
_MOST_BACK: Final = 2
SPELLINGS: Final = 3


class Action(NamedTuple):
    """One thing that a person does, or that happens to a device.

    Attributes:
        verb: what.
        person: who; "" for what happens to a device by itself.
        device: where; "" for what a server does.
        detail: `log in`: how the e-mail address is typed, 0 is the plain way. `log out`: 0 with reset, 1 without.
            `retry`: how many actions of that device lie between the lost answer and now. `come online`: the place of
            the hours in `HOURS_OFFLINE`.
    """

    verb: Verb
    person: str = ""
    device: str = ""
    detail: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """Actions in their order, and the kind of user ids that people have in it."""

    actions: tuple[Action, ...]
    id_kind: IdKind = "plain"

    def as_json(self) -> Json:
        """Return the flow as JSON data, for `flow_from_json`."""
        return {"ids": self.id_kind, "actions": [list(action) for action in self.actions]}


def flow_from_json(data: Json) -> Flow | None:
    """Return a flow that was kept as JSON data; None where it is none."""
    if not isinstance(data, dict) or not isinstance(data.get("actions"), list) or data.get("ids") not in _ID_KINDS:
        return None
    actions = [_action(item) for item in data["actions"]]
    return None if None in actions else Flow(tuple(action for action in actions if action), data["ids"])


def _action(item: Json) -> Action | None:
    if not isinstance(item, list) or len(item) != 4 or item[0] not in VERBS:
        return None
    verb, person, device, detail = item
    known = person in ("", *PEOPLE) and device in ("", *DEVICES)
    return Action(verb, person, device, detail) if known and type(detail) is int and 0 <= detail < 10 else None


_ID_KINDS: Final = get_args(IdKind)


class Jar(NamedTuple):
    """One filling of a device's storage: the device, and how often it was emptied before."""

    device: str
    number: int


@dataclass(slots=True)
class Seat:
    """A device at one moment.

    Attributes:
        jar: its storage now.
        owner: whoever used this jar first; "" while nobody did.
        user: who is logged in; "" for nobody.
        is_offline: whether nothing leaves it now.
        acts: how many actions it has sent anything for, since ever.
    """

    jar: Jar
    owner: str = ""
    user: str = ""
    is_offline: bool = False
    acts: int = 0


@dataclass(slots=True)
class World:
    """Who sits where after the actions so far.

    Attributes:
        risks: what may happen although no sender can make up for it.
        verbs: what can happen at all, for a sender may know no way to send some of it.
        seats: the devices by name.
        logins: for each person, the jars in which they logged in.
        addresses: how often each person changed the e-mail address.
        hours: how many hours went by while devices were offline.
    """

    risks: frozenset[Risk] = frozenset()
    verbs: frozenset[Verb] = frozenset(VERBS)
    seats: dict[str, Seat] = field(default_factory=lambda: {name: Seat(Jar(name, 0)) for name in DEVICES})
    logins: dict[str, set[Jar]] = field(default_factory=dict)
    addresses: dict[str, int] = field(default_factory=dict)
    hours: int = 0

    def fit(self, wish: Action) -> Action | None:
        """Return what comes of a wish in this world: the action itself, the nearest one that is possible, or None.

        Where the wish is not possible on its device it happens on another. Without the risk `shared` whoever owns a
        jar acts in place of anybody else, so that no two people share one.
        """
        if wish.verb not in self.verbs:
            return None
        start = DEVICES.index(wish.device) if wish.device else 0
        for device in (*DEVICES[start:], *DEVICES[:start]):
            action = _FITS[wish.verb](self, wish, self.seats[device])
            if action is not None:
                return action
        return None

    def nearest(self, wish: Action) -> Action | None:
        """Return what comes of a wish, or of what has to happen before it can come true."""
        found = self.fit(wish)
        if found is None and wish.verb in _FIRST:
            return self.nearest(wish._replace(verb=_FIRST[wish.verb], person=wish.person or PEOPLE[0], detail=0))
        return found

    def take(self, action: Action) -> None:
        """Move on by one action that fits."""
        seat = self.seats.get(action.device)
        verb = action.verb
        if verb == "change e-mail":
            self.addresses[action.person] = self.addresses.get(action.person, 0) + 1
        if seat is None:
            return
        if verb in _SENDING:
            seat.owner = seat.owner or action.person
            seat.acts += 1
        if verb == "log in":
            seat.user = action.person
            self.logins.setdefault(action.person, set()).add(seat.jar)
        elif verb == "log out":
            seat.user = ""
            if action.detail == 0:
                _empty(seat)
        elif verb == "clear cookies":
            _empty(seat)
        elif verb == "go offline":
            seat.is_offline = True
        elif verb == "come online":
            seat.is_offline = False
            self.hours += HOURS_OFFLINE[action.detail]

    def who(self, wish: Action, seat: Seat) -> str:
        """Return who acts at a seat when somebody wants to."""
        return wish.person if "shared" in self.risks else seat.owner or wish.person


_FIRST: Final[dict[Verb, Verb]] = {
    "log out": "log in",
    "order": "log in",
    "change e-mail": "log in",
    "log in": "browse",
    "clear cookies": "browse",
    "retry": "browse",
    "come online": "go offline",
    "go offline": "come online",
}
_SENDING: Final = frozenset({"browse", "log in", "log out", "change e-mail"})


def _empty(seat: Seat) -> None:
    seat.jar = Jar(seat.jar.device, seat.jar.number + 1)
    seat.owner = seat.user = ""


def _browse(world: World, wish: Action, seat: Seat) -> Action:
    return Action("browse", world.who(wish, seat), seat.jar.device)


def _log_in(world: World, wish: Action, seat: Seat) -> Action | None:
    person = world.who(wish, seat)
    return None if seat.user == person else Action("log in", person, seat.jar.device, wish.detail % SPELLINGS)


def _log_out(world: World, wish: Action, seat: Seat) -> Action | None:
    return Action("log out", seat.user, seat.jar.device, wish.detail % 2) if seat.user else None


def _retry(world: World, wish: Action, seat: Seat) -> Action | None:
    if seat.is_offline or not seat.acts:
        return None
    return Action("retry", "", seat.jar.device, min(wish.detail, _MOST_BACK, seat.acts - 1))


def _order(world: World, wish: Action, seat: Seat) -> Action | None:
    return Action("order", wish.person) if wish.person in world.logins else None


def _clear_cookies(world: World, wish: Action, seat: Seat) -> Action | None:
    # What waits in an offline device's storage would be gone for good, and nobody could tell that from the events.
    return Action("clear cookies", "", seat.jar.device) if seat.owner and not seat.is_offline else None


def _change_email(world: World, wish: Action, seat: Seat) -> Action | None:
    return Action("change e-mail", seat.user, seat.jar.device) if seat.user else None


def _go_offline(world: World, wish: Action, seat: Seat) -> Action | None:
    return None if seat.is_offline else Action("go offline", "", seat.jar.device)


def _come_online(world: World, wish: Action, seat: Seat) -> Action | None:
    if not seat.is_offline:
        return None
    # Within five days all in all, or what another device keeps, or sends again, would be too old as well.
    left = HOURS_OFFLINE[-1] if "long-offline" in world.risks else _MOST_HOURS - world.hours
    possible = [at for at, hours in enumerate(HOURS_OFFLINE[: wish.detail + 1]) if hours <= left]
    return Action("come online", "", seat.jar.device, possible[-1]) if possible else None


_FITS: Final = {
    "browse": _browse,
    "log in": _log_in,
    "log out": _log_out,
    "retry": _retry,
    "order": _order,
    "clear cookies": _clear_cookies,
    "change e-mail": _change_email,
    "go offline": _go_offline,
    "come online": _come_online,
}


def fitted(
    wishes: Iterable[Action],
    risks: frozenset[Risk] = frozenset(),
    verbs: frozenset[Verb] = frozenset(VERBS),
    id_kind: IdKind = "plain",
) -> Flow:
    """Return the flow that comes of some wishes, in order; what is not possible is left out.

    Args:
        wishes: actions, possible or not.
        risks: see `World`.
        verbs: see `World`.
        id_kind: the kind of user ids.
    """
    world = World(risks, verbs)
    actions: list[Action] = []
    for wish in wishes:
        action = world.fit(wish)
        if action is not None:
            world.take(action)
            actions.append(action)
    return Flow(tuple(actions), id_kind)


def people_of(actions: Sequence[Action]) -> list[str]:
    """Return the people of a flow in order of appearance."""
    return list(dict.fromkeys(action.person for action in actions if action.person))
