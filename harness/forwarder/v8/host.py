"""Runs rules with custom code in V8: what they ask for goes through here, what became of them comes back."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from harness.forwarder import jsjson
from harness.forwarder.javascript import Outcome, Part, Program
from harness.forwarder.model import Property
from harness.forwarder.run import NetworkFailure, Request, Run
from harness.forwarder.v8.container import Built, container_text, settings_text
from harness.forwarder.v8.process import LostError, Message, Process
from harness.problems import OutsideError

_ANSWER_SECONDS: Final = 8.0
_BUILD_SECONDS: Final = 120.0
_STATUSES: Final = frozenset({"success", "condition_not_met", "failed"})
_ADVICE: Final = "and was stopped; --engine turbine runs it in Node"
_LOST: Final = "custom code took too much time or memory and was stopped with its V8; --engine turbine runs it in Node"


class V8Host:
    """Runs custom code in one process of its own, which starts with the first use.

    Args:
        seconds: how long one rule may compute on one call; waiting costs no time, because the clock is virtual.
    """

    def __init__(self, seconds: float = 3.0) -> None:
        self._seconds = seconds
        self._process: Process | None = None
        self._lock = threading.Lock()
        self._runs = 0

    def problem(self, part: Part) -> str | None:
        """Return why Adobe's build can't make code of a component; None when it can."""
        return self._build([settings_text(part)])[0].problem

    def programs(self, property_: Property, positions: Iterable[int]) -> Mapping[int, Program]:
        """Return what runs some rules of a property, given by their positions.

        Raises:
            BuildError: when Adobe's build can't make code of the settings of a component.
        """
        factory = container_text(property_, self._build)
        key = hashlib.sha256(factory.encode("utf-8", "surrogatepass")).hexdigest()

        def program(position: int) -> Program:
            def run_rule(run: Run) -> Outcome:
                with self._lock:
                    return self._run(run, key, factory, position, property_.environment)

            return run_rule

        return {position: program(position) for position in positions}

    def close(self) -> None:
        """End the process; the next use starts another one."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _build(self, texts: list[str]) -> list[Built]:
        with self._lock:
            try:
                answer = self._ready().ask({"build": texts}, _BUILD_SECONDS)
            except LostError:
                self.close()
                return [Built(None, "V8 could not read it in time")] * len(texts)
        return [Built(item.get("code"), item.get("problem")) for item in answer["built"]]

    def _ready(self) -> Process:
        process = self._process
        if process is None or process.owner != os.getpid() or not process.close.alive:
            try:
                process = self._process = Process()
            except (LostError, OSError):
                raise OutsideError("the V8 of mini-racer does not start here; use --engine turbine") from None
        return process

    def _run(self, run: Run, key: str, factory: str, index: int, environment: str) -> Outcome:
        self._runs += 1
        call = {"event": run.arc["event"], **({"request": run.arc["request"]} if "request" in run.arc else {})}
        message = {
            "rule": index, "arc": jsjson.write(call), "env": dict(run.env), "environment": environment,
            "now": run.now_ms, "seed": self._runs,
        }  # fmt: skip
        process, patience = self._ready(), self._seconds + _ANSWER_SECONDS
        try:
            if key not in process.loaded:
                process.ask({"load": key, "factory": factory}, _ANSWER_SECONDS)
                process.loaded.add(key)
            answer = process.ask({"key": key, "run": message, "seconds": self._seconds}, patience)
            while "ask" in answer:
                answers = [_answered(run, question) for question in answer["ask"]]
                answer = process.ask({"answers": answers}, patience)
        except LostError:
            self.close()
            return Outcome("failed", _LOST)
        return _outcome(answer["result"])


def _answered(run: Run, question: Message) -> Message:
    asked = question["request"]
    request = Request(run.rule, asked["url"], asked["method"], asked["headers"], asked["body"])
    run.requests.append(request)
    answer = run.fetch(request)
    if isinstance(answer, NetworkFailure):
        return {"id": question["id"], "delay": answer.delay_ms, "error": answer.message}
    value = {"status": answer.status, "body": answer.body}
    return {"id": question["id"], "delay": answer.delay_ms, "value": value}


def _outcome(result: dict[str, Any]) -> Outcome:
    if "stopped" in result:
        title, name = [*result["place"], "", ""][:2]
        where = f'Failed to execute "{title}"' + (f' ("{name}"). ' if name else ". ")
        return Outcome("failed", f"{where if title else ''}{result['stopped']} {_ADVICE}")
    status = result["status"]
    if status not in _STATUSES:
        return Outcome("failed", _LOST)
    return Outcome(status, result.get("error") if status != "success" else None)
