"""A flow told as a story: one line an action, and what a reader needs to know about who sat there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.fuzz import ids
from harness.fuzz.flow import HOURS_OFFLINE, Action, Flow, Seat, Verb, World


def tell(flow: Flow) -> list[str]:
    """Return the lines of a flow, for example `ben logs in on the same tablet, without a reset`."""
    world = World(risks=frozenset())
    last: dict[str, tuple[str, int]] = {}
    seen: set[str] = set()
    lines = []
    for action in flow.actions:
        seat = world.seats.get(action.device)
        lines.append(_LINES[action.verb](action, _where(action, seat, last, seen), world))
        if seat is not None and action.person:
            last[action.device] = (action.person, seat.jar.number)
            seen.add(action.person)
        world.take(action)
    return lines


def _where(action: Action, seat: Seat | None, last: dict[str, tuple[str, int]], seen: set[str]) -> str:
    """Return the device in words: that somebody else had it before matters, and whether it was reset since."""
    if seat is None:
        return ""
    person, jar = last.get(action.device, ("", 0))
    kept = "" if seat.jar.number != jar else ", without a reset"
    if not action.person or person in ("", action.person):
        return f"the {action.device}"
    return f"the same {action.device}{kept}"


def _browse(action: Action, where: str, world: World) -> str:
    return f"{action.person} looks at a page on {where}"


def _log_in(action: Action, where: str, world: World) -> str:
    line = f"{action.person} logs in on {where}"
    if not action.detail:
        return line
    spelled = ids.typed(ids.email(action.person, world.addresses.get(action.person, 0)), action.detail)
    return f"{line}, and types {spelled!r}"


def _log_out(action: Action, where: str, world: World) -> str:
    return f"{action.person} logs out on {where}" + (", and nothing is reset" if action.detail else "")


def _retry(action: Action, where: str, world: World) -> str:
    what = ("the last answer", "the answer before the last", "the answer two before the last")[min(action.detail, 2)]
    return f"{what} to {where} is lost, so it sends that again"


def _order(action: Action, where: str, world: World) -> str:
    return f"the server reports an order of {action.person}"


def _clear_cookies(action: Action, where: str, world: World) -> str:
    return f"the cookies of {where} are cleared"


def _change_email(action: Action, where: str, world: World) -> str:
    return f"{action.person} changes the e-mail address on {where}"


def _go_offline(action: Action, where: str, world: World) -> str:
    return f"{where} goes offline"


def _come_online(action: Action, where: str, world: World) -> str:
    return f"{where} comes online after {HOURS_OFFLINE[action.detail]} hours, and sends what it kept"


_LINES: Final[dict[Verb, Callable[[Action, str, World], str]]] = {
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
