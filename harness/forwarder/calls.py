"""Reads calls and the answers of the destination from JSON lines, all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from harness.event import Json
from harness.forwarder import jsjson
from harness.forwarder.engine import Call
from harness.forwarder.jsvalues import UNDEFINED
from harness.forwarder.run import Fetch, NetworkFailure, Request, Response
from harness.problems import Problems, did_you_mean

Answer: TypeAlias = Response | NetworkFailure

ANY_RULE: Final = "*"
_CALL_KEYS: Final = ("event", "request", "env", "responses")
_ANSWER_KEYS: Final = ("status", "body", "delay_ms", "error")
_DEFAULT_ANSWERS: Final = (Response(),)
_KINDS: Final[dict[type, str]] = {str: "a text", bool: "true or false", list: "a list", dict: "an object"}


class ScriptedCall(NamedTuple):
    """A call and what the destination answers to its requests.

    Attributes:
        call: the call.
        answers: answers by rule name or `*`, used in order, the last one again.
        line: its line in the file.
    """

    call: Call
    answers: Mapping[str, tuple[Answer, ...]]
    line: int

    def fetch(self) -> Fetch:
        """Return a new destination, which begins with the first answer for every rule."""
        used: dict[str, int] = {}

        def answer(request: Request) -> Answer:
            answers = self.answers.get(request.rule) or self.answers.get(ANY_RULE) or _DEFAULT_ANSWERS
            count = used.get(request.rule, 0)
            used[request.rule] = count + 1
            return answers[min(count, len(answers) - 1)]

        return answer


def read_calls(text: str, secrets: Mapping[str, Json], problems: Problems) -> list[ScriptedCall]:
    """Return the calls of a text, one a line; blank lines are skipped, mistakes are noted with their line.

    Args:
        text: JSON lines `{"event", "request"?, "env"?, "responses"?}`.
        secrets: secret values by secret id, for what a call's `env` does not give.
        problems: where mistakes are noted.
    """
    calls = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            call = _read_call(line, number, secrets, problems)
            if call is not None:
                calls.append(call)
    return calls


def read_secrets(text: str, problems: Problems) -> dict[str, Json]:
    """Return secret values by secret id; mistakes are noted, and never with a value."""
    try:
        secrets = jsjson.parse(text)
    except ValueError as error:
        problems.add(None, "", str(error), "Write one JSON object: secret values by secret id.")
        return {}
    if isinstance(secrets, dict):
        return secrets
    problems.add(None, "", "needs a JSON object: secret values by secret id")
    return {}


def _read_call(line: str, number: int, secrets: Mapping[str, Json], problems: Problems) -> ScriptedCall | None:
    try:
        data = jsjson.parse(line)
    except ValueError as error:
        problems.add(number, "", str(error).removesuffix(" at line 1"), "Write one JSON object a line.")
        return None
    if not isinstance(data, dict):
        problems.add(number, "", f"needs an object with event, found {_kind(data)}")
        return None
    before = len(problems.found)
    for key in data:
        if key not in _CALL_KEYS:
            problems.add(number, key, "is an unknown key", did_you_mean(key, _CALL_KEYS))
    if "event" not in data:
        problems.add(number, "event", "is missing", 'Add "event": {"xdm": ..., "data": ...}.')
    elif not isinstance(data["event"], dict):
        problems.add(number, "event", f"needs an object, found {_kind(data['event'])}")
    env = _object(data, "env", number, problems)
    answers = _read_answers(_object(data, "responses", number, problems), number, problems)
    if len(problems.found) > before:
        return None
    call = Call(data["event"], data.get("request", UNDEFINED), {**secrets, **env})
    return ScriptedCall(call, answers, number)


def _object(data: dict[str, Json], key: str, number: int, problems: Problems) -> dict[str, Json]:
    value = data.get(key)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    problems.add(number, key, f"needs an object, found {_kind(value)}")
    return {}


def _read_answers(data: dict[str, Json], number: int, problems: Problems) -> dict[str, tuple[Answer, ...]]:
    answers = {}
    for rule, items in data.items():
        key = f"responses[{rule!r}]"
        if not isinstance(items, list) or not items:
            problems.add(number, key, "needs a list of answers with at least one")
            continue
        read = [_read_answer(item, f"{key}[{index}]", number, problems) for index, item in enumerate(items)]
        answers[rule] = tuple(answer for answer in read if answer is not None)
    return answers


def _read_answer(item: Json, key: str, number: int, problems: Problems) -> Answer | None:
    if not isinstance(item, dict):
        problems.add(number, key, f"needs an object such as {{'status': 200, 'body': '1'}}, found {_kind(item)}")
        return None
    before = len(problems.found)
    for name in item:
        if name not in _ANSWER_KEYS:
            problems.add(number, f"{key}.{name}", "is an unknown key", did_you_mean(name, _ANSWER_KEYS))
    status, body, delay = item.get("status", 200), item.get("body", "1"), item.get("delay_ms", 0)
    error = item.get("error", "")
    checks = (
        ("status", type(status) is int and 200 <= status <= 599, "an HTTP status from 200 to 599"),
        ("body", isinstance(body, str), "a text"),
        ("delay_ms", type(delay) in (int, float) and delay >= 0, "a number of milliseconds, at least 0"),
        ("error", isinstance(error, str), "a text"),
    )
    for name, right, wanted in checks:
        if not right:
            problems.add(number, f"{key}.{name}", f"needs {wanted}, found {_kind(item[name])}")
    if len(problems.found) > before:
        return None
    return NetworkFailure(error, delay) if "error" in item else Response(status, body, delay)


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    return _KINDS.get(type(value), f"the number {value}")
