"""The registry of lint rules: what a rule is, what it finds, and how it gets its name and its documentation.

A rule is one generator function. Its name is that of the function, its summary the docstring; the decorator says how
bad a finding is, what to do, and shows an example that is found beside one that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar

from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.identity.rules import Evidence

Severity: TypeAlias = Literal["error", "warning", "note"]
Subject: TypeAlias = Literal["property", "events", "scenario"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Spot:
    """One place where a rule finds something.

    Attributes:
        line: the line, counted from 1; None where it is not known.
        key: what stands there, for example `rules[0] "Login"` or `steps[3]`; "" for the whole file.
        message: what is wrong there and what follows from it.
        file: the file; "" for the one that is linted.
        steps: the steps of a scenario that it is about, so that what a scenario expects is no finding.
        people: the people of a scenario that it is about, for the same reason.
    """

    line: int | None
    key: str
    message: str
    file: str = ""
    steps: tuple[int, ...] = ()
    people: tuple[str, ...] = ()


Check: TypeAlias = Callable[[S], Iterator[Spot]]


@dataclass(frozen=True, slots=True)
class LintRule:
    """One rule.

    Attributes:
        name: its name, for example `ip-missing`.
        subject: what it looks at.
        severity: `error`: wrong for sure; `warning`: likely to hurt; `note`: worth knowing.
        summary: what it finds, in one sentence.
        fix: what to do about a finding.
        bad: an example that it finds.
        good: the same without the mistake.
        evidence: what the knowledge rests on, and `source` where it is written or was seen.
        source: see `evidence`.
        systems: the ID-merge systems that it has something to say about.
        when_unknown: whether it runs, too, where nobody says which system the project has: what it looks at has a
            meaning in `systems` only. A rule for all systems then has to find the same under each.
        endpoint: the route by which the examples are sent, where they are lines of an event file.
        check: finds the spots.
    """

    name: str
    subject: Subject
    severity: Severity
    summary: str
    fix: str
    bad: str
    good: str
    evidence: Evidence
    source: str
    systems: tuple[IdMerge, ...]
    when_unknown: bool
    endpoint: Endpoint
    check: Callable[[Any], Iterator[Spot]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a rule, and where it applies.

    Attributes:
        rule: the name of the rule.
        severity: how bad it is.
        file: the file.
        line: the line, counted from 1; None where it is not known.
        key: what stands there; "" for the whole file.
        message: what is wrong.
        fix: what to do about it.
    """

    rule: str
    severity: Severity
    file: str
    line: int | None
    key: str
    message: str
    fix: str

    @property
    def where(self) -> str:
        """The place in one text: `file:line: key`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}" if self.key else place


REGISTRY: Final[dict[str, LintRule]] = {}
"""Every rule by name; complete once `harness.lint.rules` is imported."""


def rule(
    subject: Subject,
    severity: Severity,
    *,
    fix: str,
    bad: str,
    good: str,
    evidence: Evidence,
    source: str,
    systems: tuple[IdMerge, ...] = ID_MERGE_SYSTEMS,
    when_unknown: bool = False,
    endpoint: Endpoint = "import",
) -> Callable[[Check[S]], Check[S]]:
    """Register the decorated function as a rule (see `LintRule` for the arguments).

    Examples may be cut down, properties to rules or actions, events to steps; `harness.lint.examples` completes them.
    """

    def register(check: Check[S]) -> Check[S]:
        function: Any = check
        name = function.__name__.replace("_", "-")
        summary = (function.__doc__ or name).strip().splitlines()[0]
        if name in REGISTRY:
            raise ValueError(f"there are two lint rules named {name}")
        REGISTRY[name] = LintRule(
            name, subject, severity, summary, fix, bad.strip("\n"), good.strip("\n"), evidence, source, systems,
            when_unknown, endpoint, check,
        )  # fmt: skip
        return check

    return register
