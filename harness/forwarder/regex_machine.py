"""Runs a parsed pattern on a text by backtracking, and never goes the same way twice.

A way that failed once from some place of the pattern and the text fails again, so it is remembered and not tried
again: patterns that keep other engines busy for ever, such as `(a+)+$`, end after a time that grows with the text.
What a way depends on besides its place (rounds of a loop, captured text) is part of what is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from harness.forwarder.regex_classes import WORD, canonical, membership
from harness.forwarder.regex_terms import INFINITY, Boundary, Chars, Group, Look, Pattern, Reference, Repeat, Term

MAX_STEPS: Final = 2_000_000

State: TypeAlias = tuple[int, ...]
"""What a way carries along: for every loop with a count its round and its place, for every group what it captured."""

Way: TypeAlias = tuple[int, int, State]
"""A step of the program, a place in the text, and what the way carries along."""

_is_word: Final = membership(WORD)


class TooManyStepsError(Exception):
    """The pattern takes too long on the text."""


@dataclass(slots=True)
class Step:
    """One step of a program; `next` is the step after it, `other` the one to try where that fails."""

    kind: str
    next: int = 0
    other: int = 0
    accepts: Callable[[int], bool] = lambda unit: False
    back: bool = False
    negative: bool = False
    register: int = -1
    least: int = 0
    most: int = 0
    greedy: bool = True
    forgets: tuple[int, ...] = ()
    boundary: str = ""


@dataclass(slots=True)
class Program:
    """A compiled pattern."""

    steps: list[Step] = field(default_factory=list)
    start: int = 0
    registers: int = 0
    ignore_case: bool = False


def compile_program(pattern: Pattern, *, ignore_case: bool) -> Program:
    """Return the program of a pattern."""
    compiler = _Compiler(pattern, ignore_case=ignore_case)
    compiler.program.start = compiler.group(pattern.body, compiler.add(Step("match")), back=False)
    return compiler.program


class _Compiler:
    """Compiles terms from the last one to the first, so that each knows what follows it."""

    def __init__(self, pattern: Pattern, *, ignore_case: bool) -> None:
        self.program = Program(ignore_case=ignore_case)
        self._captures = 3 * pattern.captures if pattern.has_references else 0
        self.program.registers = self._captures

    def add(self, step: Step) -> int:
        self.program.steps.append(step)
        return len(self.program.steps) - 1

    def group(self, group: Group, after: int, *, back: bool) -> int:
        if group.capture and self._captures:
            after = self.add(Step("close", after, register=3 * group.capture - 3, back=back))
        starts = [self._sequence(terms, after, back=back) for terms in group.alternatives]
        start = starts.pop()
        while starts:
            start = self.add(Step("split", starts.pop(), start))
        if group.capture and self._captures:
            start = self.add(Step("open", start, register=3 * group.capture - 3))
        return start

    def _sequence(self, terms: list[Term], after: int, *, back: bool) -> int:
        for term in terms if back else reversed(terms):
            after = self._term(term, after, back=back)
        return after

    def _term(self, term: Term, after: int, *, back: bool) -> int:
        if isinstance(term, Chars):
            accepts = membership(term.ranges, ignore_case=self.program.ignore_case, negative=term.negative)
            return self.add(Step("char", after, accepts=accepts, back=back))
        if isinstance(term, Boundary):
            return self.add(Step("boundary", after, boundary=term.kind))
        if isinstance(term, Reference):
            return self.add(Step("reference", after, register=3 * term.group - 3, back=back))
        if isinstance(term, Look):
            body = self.group(term.body, self.add(Step("match")), back=term.behind)
            return self.add(Step("look", after, body, negative=term.negative))
        if isinstance(term, Group):
            return self.group(term, after, back=back)
        return self._repeat(term, after, back=back)

    def _repeat(self, term: Repeat, after: int, *, back: bool) -> int:
        if term.most == 0:
            return after
        if not self._captures and term.least <= 1 and term.most in (1, INFINITY):
            return self._simple_repeat(term, after, back=back)
        register = self.program.registers
        self.program.registers += 2
        forgets = tuple(range(3 * term.first - 3, 3 * term.last)) if self._captures else ()
        loop = self.add(
            Step(
                "loop",
                0,
                after,
                register=register,
                least=term.least,
                most=term.most,
                greedy=term.greedy,
                forgets=forgets,
            )
        )
        self.program.steps[loop].next = self._term(term.body, loop, back=back)
        return self.add(Step("enter", loop, register=register))

    def _simple_repeat(self, term: Repeat, after: int, *, back: bool) -> int:
        """Compile `?`, `*` and `+` where nothing is captured: then it does not matter in which round a way is."""
        if term.most == 1:
            body = self._term(term.body, after, back=back)
            if term.least == 1:
                return body
            return self.add(Step("split", body, after) if term.greedy else Step("split", after, body))
        loop = self.add(Step("split"))
        body = self._term(term.body, loop, back=back)
        step = self.program.steps[loop]
        step.next, step.other = (body, after) if term.greedy else (after, body)
        return body if term.least == 1 else loop


def search(program: Program, units: list[int]) -> bool:
    """Return whether a program matches anywhere in a text.

    Args:
        program: the program.
        units: the text, as UTF-16 units.

    Raises:
        TooManyStepsError: when that takes more than `MAX_STEPS` steps.
    """
    machine = _Machine(program, units)
    state = (-1,) * program.registers
    seen: set[Way] = set()
    return any(machine.run(program.start, at, state, seen) is not None for at in range(len(units) + 1))


class _Machine:
    """One program on one text."""

    def __init__(self, program: Program, units: list[int]) -> None:
        self._steps = program.steps
        self._units = units
        self._ignore_case = program.ignore_case
        self._left = MAX_STEPS

    def run(self, start: int, at: int, state: State, seen: set[Way]) -> State | None:
        """Return the state at the end of the first way that matches, or None."""
        ways = [(start, at, state)]
        while ways:
            pc, at, state = ways.pop()
            while True:
                self._left -= 1
                if self._left < 0:
                    raise TooManyStepsError
                step = self._steps[pc]
                kind = step.kind
                if kind == "char":
                    index = at - 1 if step.back else at
                    if not 0 <= index < len(self._units) or not step.accepts(self._units[index]):
                        break
                    pc, at = step.next, (index if step.back else at + 1)
                    continue
                if kind == "match":
                    return state
                if kind in ("split", "loop"):
                    key = (pc, at, state)
                    if key in seen:
                        break
                    seen.add(key)
                    if kind == "split":
                        ways.append((step.other, at, state))
                        pc = step.next
                        continue
                moved = self._MOVES[kind](self, step, at, state, ways)
                if moved is None:
                    break
                pc, at, state = moved
        return None

    def _loop(self, step: Step, at: int, state: State, ways: list[Way]) -> Way | None:
        count, place = state[step.register], state[step.register + 1]
        if count > step.least and place == at:
            return None
        left = (step.other, at, _with(state, (step.register, step.register + 1), (-1, -1)))
        if count >= step.most:
            return left
        again = count + 1 if step.most < INFINITY else min(count + 1, step.least + 1)
        state = _with(state, step.forgets, (-1,) * len(step.forgets))
        inside = (step.next, at, _with(state, (step.register, step.register + 1), (again, at)))
        if count < step.least:
            return inside
        first, second = (inside, left) if step.greedy else (left, inside)
        ways.append(second)
        return first

    def _enter(self, step: Step, at: int, state: State, _: object) -> Way:
        return step.next, at, _with(state, (step.register, step.register + 1), (0, -1))

    def _open(self, step: Step, at: int, state: State, _: object) -> Way:
        return step.next, at, _with(state, (step.register + 2,), (at,))

    def _close(self, step: Step, at: int, state: State, _: object) -> Way:
        opened = state[step.register + 2]
        ends = (at, opened) if step.back else (opened, at)
        return step.next, at, _with(state, (step.register, step.register + 1, step.register + 2), (*ends, -1))

    def _boundary(self, step: Step, at: int, state: State, _: object) -> Way | None:
        if step.boundary == "start":
            holds = at == 0
        elif step.boundary == "end":
            holds = at == len(self._units)
        else:
            holds = (self._word_at(at - 1) != self._word_at(at)) == (step.boundary == "word")
        return (step.next, at, state) if holds else None

    def _word_at(self, at: int) -> bool:
        return 0 <= at < len(self._units) and _is_word(self._units[at])

    def _reference(self, step: Step, at: int, state: State, _: object) -> Way | None:
        start, end = state[step.register], state[step.register + 1]
        if start < 0:
            return step.next, at, state
        captured = self._units[start:end]
        low = at - len(captured) if step.back else at
        found = self._units[max(low, 0) : low + len(captured)]
        if self._ignore_case:
            captured, found = [canonical(unit) for unit in captured], [canonical(unit) for unit in found]
        self._left -= len(captured)
        if low < 0 or captured != found:
            return None
        return step.next, (low if step.back else at + len(captured)), state

    def _look(self, step: Step, at: int, state: State, _: object) -> Way | None:
        inner = self.run(step.other, at, state, set())
        if (inner is None) != step.negative:
            return None
        return step.next, at, (state if inner is None else inner)

    _MOVES: Final = {
        "loop": _loop,
        "enter": _enter,
        "open": _open,
        "close": _close,
        "boundary": _boundary,
        "reference": _reference,
        "look": _look,
    }


def _with(state: State, registers: tuple[int, ...], values: tuple[int, ...]) -> State:
    if not registers:
        return state
    changed = list(state)
    for register, value in zip(registers, values, strict=True):
        changed[register] = value
    return tuple(changed)
