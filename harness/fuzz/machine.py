"""The state machine: Hypothesis chooses what people do next, and at the end the flow is played and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from harness.fuzz.bench import Bench
from harness.fuzz.flow import VERBS, Action, Flow, IdKind, Verb, World
from harness.fuzz.strategies import id_kinds, wishes

LONGEST = 8
"""Most actions that Hypothesis draws for one flow."""


class FlowMachine(RuleBasedStateMachine):
    """People and devices; each rule is one verb. `machine_for` makes the class for a configuration."""

    bench: ClassVar[Bench]
    judge: ClassVar[Callable[[Flow], None]]
    verbs: ClassVar[frozenset[Verb]]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.bench.risks, self.verbs)
        self.actions: list[Action] = []
        self.id_kind: IdKind = "plain"

    @initialize(kind=id_kinds())
    def choose_ids(self, kind: IdKind) -> None:
        """Choose what kind of user ids people have."""
        self.id_kind = kind

    def wish(self, action: Action) -> None:
        """Do what somebody wants to do, or what is possible of it: no step of a search is for nothing."""
        possible = self.world.nearest(action)
        if possible is not None:
            self.world.take(possible)
            self.actions.append(possible)

    def teardown(self) -> None:
        """Play the flow; the judge raises where an invariant is broken."""
        type(self).judge(Flow(tuple(self.actions), self.id_kind))


def _rule_of(verb: Verb) -> Any:
    def act(self: FlowMachine, action: Action) -> None:
        self.wish(action)

    act.__name__ = act.__qualname__ = verb.replace(" ", "_").replace("-", "_")
    return rule(action=wishes(verb))(act)


def machine_for(bench: Bench, judge: Callable[[Flow], None]) -> type[FlowMachine]:
    """Return the state machine of a configuration, with one rule for each verb that it can send.

    Args:
        bench: the configuration.
        judge: is given every flow, and raises where it breaks something.
    """
    verbs = bench.verbs
    rules = {f"rule_{number}": _rule_of(verb) for number, verb in enumerate(VERBS) if verb in verbs}
    attributes = {"bench": bench, "judge": staticmethod(judge), "verbs": verbs, **rules}
    return type("FlowsOfPeople", (FlowMachine,), attributes)


def keep_notes_in(folder: Path) -> None:
    """Let Hypothesis keep its notes, from which no result depends, in a folder instead of `.hypothesis` right here."""
    set_hypothesis_home_dir(folder)


def explore(machine: type[FlowMachine], *, examples: int, start: int, phases: Iterable[Phase]) -> None:
    """Let Hypothesis run a state machine; whatever its judge raises for the smallest flows comes out.

    Args:
        machine: the machine.
        examples: most flows to try.
        start: the seed; equal seeds try equal flows.
        phases: what Hypothesis does: generate, shrink.
    """
    chosen = settings(
        max_examples=examples,
        stateful_step_count=LONGEST + 1,  # the first one chooses the kind of ids
        database=None,
        deadline=None,
        derandomize=False,
        phases=tuple(phases),
        print_blob=False,
        report_multiple_bugs=True,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    run_state_machine_as_test(seed(start)(machine), settings=chosen)
