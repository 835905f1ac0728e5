"""What turns the actions of a flow into what is sent: one small class a sender, and the post office they share.

A sender answers each action with drafts. The post office keeps them while a device is offline, gives them their order
of arrival, and sends again what got no answer. What comes out are exactly the steps of a scenario.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

from harness.clock import parse_instant
from harness.event import Endpoint, Json
from harness.fuzz import ids
from harness.fuzz.flow import HOURS_OFFLINE, VERBS, Action, Flow, Jar, Risk, Verb, World
from harness.scenario.format import AdvanceStep, EdgeStep, EventStep, ResendStep, Step

START_MS: Final = parse_instant("2026-01-05T12:00:00Z")
"""Mixpanel's clock at the first action, milliseconds since 1970."""

_HOUR_MS: Final = 3_600_000
_HOUR_S: Final = 3_600
_LATER: Final = 5_000


class Draft(NamedTuple):
    """Something a sender wants to send.

    Attributes:
        name: the event name; None for an Edge call.
        content: the event properties, or `{"xdm": ..., "data": ...}`.
        endpoint: the route of an event.
        request: what an Edge call carries beside its event; None for nothing.
    """

    name: str | None
    content: dict[str, Json]
    endpoint: Endpoint = "track"
    request: Json = None


class At(NamedTuple):
    """One action as a sender sees it.

    Attributes:
        person: who acts.
        device: the device; "" for a server.
        jar: the storage of the device, before the action.
        user: who was logged in before the action; "" for nobody.
        user_id: the account id of the person, or of whoever is logged in where that is another.
        email: the e-mail address of that account now.
        typed: the same as typed at this moment.
        resets: whether a logout resets the device's id.
        time_s: the clock of the device, seconds since 1970; behind Mixpanel's, as real ones may be.
        number: the place of the action in the flow, from 0.
    """

    person: str
    device: str
    jar: Jar
    user: str
    user_id: str
    email: str
    typed: str
    resets: bool
    time_s: int
    number: int


class Sender(ABC):
    """Sends for all devices of a flow, and for the server behind them. Fresh for every flow.

    Attributes:
        name: how users ask for it.
        about: one line for people.
        verbs: the actions it can send something for.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    verbs: frozenset[Verb] = frozenset(VERBS)

    @abstractmethod
    def browse(self, at: At) -> Sequence[Draft]:
        """Return what a look at a page sends."""

    @abstractmethod
    def log_in(self, at: At) -> Sequence[Draft]:
        """Return what a login sends."""

    @abstractmethod
    def log_out(self, at: At) -> Sequence[Draft]:
        """Return what a logout sends; afterwards the device has forgotten its ids where `at.resets` says so."""

    def change_email(self, at: At) -> Sequence[Draft]:
        """Return what a changed e-mail address sends; `at.email` is the new one."""
        return self.browse(at)

    def order(self, at: At) -> Sequence[Draft]:
        """Return what the server sends for a person, without any device."""
        return ()

    def forget(self, device: str) -> None:  # noqa: B027 - most senders keep something, a few have nothing to forget
        """Take note that the storage of a device was emptied."""

    def batch(self, waiting: list[Any]) -> list[Any]:
        """Return in which order a batch that waited arrives."""
        return waiting


class Origin(NamedTuple):
    """Where a step comes from: the action, who did it, and the jar; None for a server."""

    action: int
    person: str
    jar: Jar | None


class Sending(NamedTuple):
    """A flow as it is sent.

    Attributes:
        steps: the steps of a scenario, in order of arrival.
        origins: where each step that sends something comes from, by its number.
        world: who sits where at the end.
    """

    steps: tuple[Step, ...]
    origins: dict[int, Origin]
    world: World


def send(flow: Flow, sender: Sender, risks: frozenset[Risk] = frozenset()) -> Sending:
    """Return a flow as a sender sends it; at the end every device is online.

    Args:
        flow: the flow.
        sender: a fresh sender.
        risks: see `World`.
    """
    office = _PostOffice(flow, sender, World(risks, sender.verbs))
    for number, action in enumerate(flow.actions):
        office.act(number, action)
    for device, seat in office.world.seats.items():
        if seat.is_offline:
            office.deliver(device)
    return Sending(tuple(office.steps), office.origins, office.world)


class _PostOffice:
    def __init__(self, flow: Flow, sender: Sender, world: World) -> None:
        self.flow = flow
        self.sender = sender
        self.world = world
        self.steps: list[Step] = []
        self.origins: dict[int, Origin] = {}
        self.now_ms = START_MS
        self.waiting: dict[str, list[tuple[Origin, Draft]]] = {}
        self.sent: dict[str, list[list[int]]] = {}

    def act(self, number: int, action: Action) -> None:
        verb, device = action.verb, action.device
        seat = self.world.seats.get(device)
        jar = seat.jar if seat is not None else None
        user = seat.user if seat is not None else ""
        self.world.take(action)
        drafts: Sequence[Draft] = ()
        if action.person:
            drafts = self._drafts(action, self._at(number, action, jar, user))
        if verb == "retry":
            self._again(device, action.detail)
        elif verb == "come online":
            hours = HOURS_OFFLINE[action.detail]
            self._advance(f"{hours}h", hours * _HOUR_MS)
            self.deliver(device)
        elif verb == "clear cookies" or (verb == "log out" and action.detail == 0):
            self.sender.forget(device)
        if not drafts:
            return
        origin = Origin(number, action.person, jar)
        if seat is not None and seat.is_offline:
            self.waiting.setdefault(device, []).extend((origin, draft) for draft in drafts)
        else:
            self._post(device, [(origin, draft) for draft in drafts])

    def deliver(self, device: str) -> None:
        waiting = self.waiting.pop(device, None)
        if waiting:
            self._post(device, self.sender.batch(waiting))

    def _at(self, number: int, action: Action, jar: Jar | None, user: str) -> At:
        person = action.person
        # Whoever uses a session of somebody else acts under that user's ids.
        known = person if action.verb in ("log in", "order") or not user else user
        address = ids.email(known, self.world.addresses.get(known, 0))
        typed = ids.typed(address, action.detail) if action.verb == "log in" else address
        # A device's clock an hour behind lets events have times of their own, a minute apart, without any waiting.
        time_s = self.now_ms // 1_000 - _HOUR_S + 60 * number
        resets = action.verb == "log out" and action.detail == 0
        account = ids.user_id(known, self.flow.id_kind)
        where = jar or Jar("", 0)
        return At(person, action.device, where, user, account, address, typed, resets, time_s, number)

    def _drafts(self, action: Action, at: At) -> Sequence[Draft]:
        if action.verb == "browse":
            return self.sender.browse(at)
        if action.verb == "log in":
            return self.sender.log_in(at)
        if action.verb == "log out":
            return self.sender.log_out(at)
        return self.sender.order(at) if action.verb == "order" else self.sender.change_email(at)

    def _post(self, device: str, parcels: Sequence[tuple[Origin, Draft]]) -> None:
        numbers = []
        for origin, draft in parcels:
            number = len(self.steps)
            if draft.name is None:
                self.steps.append(EdgeStep(number, 0, origin.person, draft.content, draft.request))
            else:
                self.steps.append(EventStep(number, 0, origin.person, draft.name, draft.endpoint, draft.content))
            self.origins[number] = origin
            numbers.append(number)
        self.sent.setdefault(device, []).append(numbers)

    def _again(self, device: str, back: int) -> None:
        sent = self.sent.get(device)
        if not sent:
            return
        self._advance("5s", _LATER)
        for of in sent[max(0, len(sent) - 1 - back)]:
            number = len(self.steps)
            origin = self.origins[of]
            self.steps.append(ResendStep(number, 0, origin.person, of))
            self.origins[number] = origin

    def _advance(self, text: str, by_ms: int) -> None:
        self.now_ms += by_ms
        self.steps.append(AdvanceStep(len(self.steps), 0, text, by_ms))
