"""Where two engines differ on a call, and the differences that are known and stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from harness.forwarder.engine import CallResult, Request, RuleResult
from harness.forwarder.turbine.engine import DOES_NOT_COME_BACK

What: TypeAlias = Literal["status", "error", "requests"]


class Difference(NamedTuple):
    """One thing about one rule that the engines do not agree on.

    Attributes:
        rule: the name of the rule.
        what: how it ended, what is said about it, or what it sent.
        python: ours.
        turbine: Adobe's.
        known: the name of a known difference that explains it; None for a new one.
    """

    rule: str
    what: What
    python: str | Sequence[Request] | None
    turbine: str | Sequence[Request] | None
    known: str | None


class Known(NamedTuple):
    """A difference that stays.

    Attributes:
        name: what it is called.
        real: what Adobe's engine does.
        ours: what ours does.
        explains: whether it explains how a rule differs (ours, theirs); None where only people can tell.
    """

    name: str
    real: str
    ours: str
    explains: Callable[[RuleResult, RuleResult], bool] | None = None


def _hangs(_: RuleResult, theirs: RuleResult) -> bool:
    return (theirs.error or "").startswith(DOES_NOT_COME_BACK)


def _is_not_built_in(ours: RuleResult, _: RuleResult) -> bool:
    return "--engine turbine" in (ours.error or "")


KNOWN: Final = (
    Known(
        "does not come back",
        "goes round for ever in a circle of data elements or in endless code, and takes every rule of the call along",
        "fails the component, with the chain or with where the code was stopped; the other rules go on",
        _hangs,
    ),
    Known(
        "not built in",
        "has all of Node: streams, blobs, forms, every algorithm of crypto.subtle",
        "fails the component and names what is missing",
        _is_not_built_in,
    ),
    Known("chance", "draws its own random numbers and UUIDs", "draws others"),
    Known("text of a function", "shows code as Babel has printed it", "shows it as it was written"),
    Known("old Node", "in Node 18 lacks what came later, and words some errors otherwise", "is like Node 20"),
    Known("stack", "shows its own frames in the `stack` of an error", "shows others"),
    Known(
        "leftovers",
        "keeps what code changes in built-in objects until its process ends; new globals go after each rule",
        "starts every rule with clean ones",
    ),
)
"""Every known difference, for help texts and reports."""


def differences(ours: CallResult, theirs: CallResult) -> list[Difference]:
    """Return where our result of a call differs from that of Adobe's engine, in the order of the rules."""
    return [found for one, other in zip(ours.rules, theirs.rules, strict=True) for found in _of_rule(one, other)]


def _of_rule(ours: RuleResult, theirs: RuleResult) -> Iterator[Difference]:
    known = next((known.name for known in KNOWN if known.explains is not None and known.explains(ours, theirs)), None)
    if ours.status != theirs.status:
        yield Difference(ours.name, "status", ours.status, theirs.status, known)
    if ours.error != theirs.error:
        yield Difference(ours.name, "error", ours.error, theirs.error, known)
    if ours.requests != theirs.requests:
        yield Difference(ours.name, "requests", ours.requests, theirs.requests, known)
