"""The Adobe sender: what people do becomes Edge Network calls, which the rules of a property forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from harness.fuzz.flow import Risk, Verb
from harness.fuzz.sender import At, Draft, Sender
from harness.fuzz.template import Template, values_at

_ALWAYS: Final[frozenset[Verb]] = frozenset(
    {"browse", "log in", "log out", "retry", "clear cookies", "go offline", "come online"}
)


def edge_verbs(template: Template, risks: frozenset[Risk]) -> frozenset[Verb]:
    """Return what can happen through a template.

    A changed e-mail address can't be survived where it is the only user id, so that needs the risk `new-e-mail`.
    """
    changes = "user_id" in template.places() or "new-e-mail" in risks
    return _ALWAYS | {"change e-mail"} if changes else _ALWAYS


class Edge(Sender):
    """A site with the Adobe Web SDK: every action is one call, and after login every call knows the user.

    Args:
        template: the call.
        verbs: what can happen; see `edge_verbs`.
    """

    name: ClassVar[str] = "edge"
    about: ClassVar[str] = "Edge Network calls through an Adobe event forwarding property"

    def __init__(self, template: Template, verbs: frozenset[Verb] = _ALWAYS) -> None:
        self.template = template
        self.verbs = verbs
        self.typed: dict[str, str] = {}
        self.count = 0

    def browse(self, at: At) -> Sequence[Draft]:
        """Return the call of a page view."""
        return [self.call("browse", at, logged_in=bool(at.user))]

    def log_in(self, at: At) -> Sequence[Draft]:
        """Return the call of a login, the first that knows the user."""
        self.typed[at.device] = at.typed
        return [self.call("log in", at, logged_in=True)]

    def log_out(self, at: At) -> Sequence[Draft]:
        """Return the call of a logout, which knows the device alone."""
        self.typed.pop(at.device, None)
        return [self.call("log out", at, logged_in=False)]

    def change_email(self, at: At) -> Sequence[Draft]:
        """Return the call that carries the new address."""
        self.typed[at.device] = at.email
        return [self.call("change e-mail", at, logged_in=True)]

    def forget(self, device: str) -> None:
        """Forget who was logged in: cookies are gone."""
        self.typed.pop(device, None)

    def call(self, verb: Verb, at: At, *, logged_in: bool) -> Draft:
        """Return one call; `logged_in` says whether it knows the user."""
        self.count += 1
        event_type = self.template.types[verb]
        values = values_at(
            at,
            logged_in=logged_in,
            typed=self.typed.get(at.device, at.email),
            event_type=event_type,
            event_id=f"call-{self.count}",
        )
        event, request = self.template.call(values)
        return Draft(None, event, request=request)
