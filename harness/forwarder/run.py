"""One rule at work on one call: what its components read and write, and how they fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from harness.event import Json
from harness.forwarder.jsvalues import Value


class Request(NamedTuple):
    """One HTTP request that a rule makes.

    Attributes:
        rule: the name of the rule.
        url: where it goes.
        method: the HTTP method.
        headers: the headers, as the component wrote them.
        body: the exact text sent.
    """

    rule: str
    url: str
    method: str
    headers: Mapping[str, str]
    body: str


class Response(NamedTuple):
    """What the destination answers.

    Attributes:
        status: the HTTP status; no status fails a rule.
        body: the text of the answer.
        delay_ms: how long the answer takes, in milliseconds of virtual time; 0 is at once.
    """

    status: int = 200
    body: str = "1"
    delay_ms: float = 0


class NetworkFailure(NamedTuple):
    """A request that gets no answer.

    Attributes:
        message: the message of the error, for example `fetch failed`.
        delay_ms: when it fails, in milliseconds of virtual time.
    """

    message: str
    delay_ms: float = 0


Fetch: TypeAlias = Callable[[Request], Response | NetworkFailure]


class Run:
    """The state of one rule during one call.

    Args:
        rule: the name of the rule, for its requests.
        arc: the request context: `ruleStash`, `event`, and `request` where the call has one.
        env: secret values by secret id.
        fetch: answers requests.
        now_ms: the time at which it runs; None for the wall clock. Only custom code asks for it.

    `memory` holds the values of data elements that are made of others, until something may have changed them;
    `requests` what the rule sent so far.
    """

    __slots__ = ("arc", "env", "fetch", "memory", "now_ms", "requests", "rule")

    def __init__(
        self,
        rule: str,
        arc: dict[str, Value],
        env: Mapping[str, Json],
        fetch: Fetch,
        now_ms: float | None = None,
    ) -> None:
        self.rule = rule
        self.arc = arc
        self.env = env
        self.fetch = fetch
        self.now_ms = now_ms
        self.memory: dict[str, Value] = {}
        self.requests: list[Request] = []


Resolve: TypeAlias = Callable[[Run], Value]
"""Gives the value of a data element; raises `ElementError`."""

Resolvers: TypeAlias = Sequence[Resolve]


class ElementError(Exception):
    """A data element has no value.

    Args:
        message: the engine's message.
        turns: after how many turns of the engine's job queue it fails (see `turns`).
    """

    def __init__(self, message: str, turns: int) -> None:
        super().__init__(message)
        self.turns = turns


def values(resolvers: Resolvers, run: Run) -> list[Value]:
    """Return the values of the data elements that a component names.

    Raises:
        ElementError: the failure that the engine sees first, where one or more fail.
    """
    found: list[Value] = []
    failure: ElementError | None = None
    for resolve in resolvers:
        try:
            found.append(resolve(run))
        except ElementError as error:
            if failure is None or error.turns < failure.turns:
                failure = error
    if failure is not None:
        raise failure
    return found
