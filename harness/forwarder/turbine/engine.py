"""Calls through Adobe's own engine: the same interface as `harness.forwarder.engine.Engine`, the same results."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

from harness.forwarder.engine import Call, CallResult, Fetch, NetworkFailure, Request, RuleResult, Status
from harness.forwarder.jsvalues import UNDEFINED
from harness.forwarder.model import Action, Condition, DataElement, Property, Rule
from harness.forwarder.tokens import BuildError
from harness.forwarder.turbine.packages import INSTEAD, modules_folder, node_command
from harness.forwarder.turbine.process import LostError, Message, NodeProcess
from harness.problems import InputError, OutsideError, Problem

CALL_SECONDS: Final = 10.0
DOES_NOT_COME_BACK: Final = "the real engine does not come back from this call"

_STARTING_SECONDS: Final = 60.0
_BUILD_SECONDS: Final = 120.0
_HEAP_MEGABYTES: Final = 512
_SCRIPT: Final = Path(__file__).with_name("serve.js")


class TurbineEngine:
    """Runs calls through a property in Adobe's engine, which is started and given the property when needed.

    Args:
        property_: the property.
        host: the process that runs it; by default the one that all engines share.
    """

    def __init__(self, property_: Property, host: NodeHost | None = None) -> None:
        self.property = property_
        self._described = described(property_)
        self._key = hashlib.sha256(json.dumps(self._described).encode()).hexdigest()
        self._host = host or node_host()

    def run(self, call: Call, fetch: Fetch) -> CallResult:
        """Return what becomes of a call.

        Args:
            call: the call.
            fetch: answers the requests that rules make, one by one as they are made.

        Raises:
            OutsideError: when Node or Adobe's packages are missing, or do not work.
            InputError: when Adobe's build can't make code of the property.
        """
        arc = {"event": call.event} if call.request is UNDEFINED else {"event": call.event, "request": call.request}
        message = {"arc": arc, "env": dict(call.env), "now": call.now_ms}
        requests: list[list[Request]] = [[] for _ in self.property.rules]

        def answer(position: int, asked: Message) -> Message:
            rule = self.property.rules[position].name
            request = Request(rule, asked["url"], asked["method"], asked["headers"], asked["body"])
            requests[position].append(request)
            found = fetch(request)
            if isinstance(found, NetworkFailure):
                return {"delay": found.delay_ms, "error": found.message}
            return {"delay": found.delay_ms, "status": found.status, "body": found.body}

        try:
            results = self._host.run(self._key, self._described, message, answer)
        except BuildError as error:
            raise InputError([Problem(self.property.file, None, "", str(error))]) from None
        except LostError as error:
            # One that spins takes the rules beside it along, as it does at the edge.
            results = [{"status": "failed", "error": _lost(error, self._host.seconds)}] * len(requests)
        return CallResult(
            tuple(
                RuleResult(rule.name, rule.rule_id, _status(result), result["error"], tuple(sent))
                for rule, result, sent in zip(self.property.rules, results, requests, strict=True)
            )
        )


class NodeHost:
    """The one process of Node, started with the first call and again after one that did not come back.

    Args:
        seconds: how long one call may take; waiting costs no time, because the clock is virtual.
    """

    def __init__(self, seconds: float = CALL_SECONDS) -> None:
        self.seconds = seconds
        self._process: NodeProcess | None = None
        self._lock = threading.Lock()

    def run(self, key: str, property_: Message, call: Message, answer: Any) -> list[Message]:
        """Return what became of each rule of a property.

        Args:
            key: stands for the property.
            property_: what the process is given, the first time.
            call: the call.
            answer: gives the answer to a request, from the position of its rule and the request.

        Raises:
            LostError: when the call does not come back; the process is gone.
            BuildError: when Adobe's build can't make code of the property.
        """
        with self._lock:
            process = self._ready()
            self._load(process, key, property_)
            deadline = time.monotonic() + self.seconds
            told = process.ask({"key": key, "call": call}, deadline)
            while "fetch" in told:
                told = process.ask({"answer": answer(told["rule"], told["fetch"])}, deadline)
            results: list[Message] = told["results"]
            return results

    def close(self) -> None:
        """End the process; the next call starts another one."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    @property
    def pid(self) -> int | None:
        """The id of the process; None where there is none."""
        return self._process.pid if self._process is not None and self._process.is_running else None

    def _ready(self) -> NodeProcess:
        process = self._process
        if process is None or process.owner != os.getpid() or not process.is_running:
            node, modules = node_command(), modules_folder()
            try:
                process = NodeProcess(
                    [node, "--no-warnings", f"--max-old-space-size={_HEAP_MEGABYTES}", _SCRIPT, modules]
                )
                process.receive(time.monotonic() + _STARTING_SECONDS)
            except (LostError, OSError) as error:
                raise OutsideError(
                    f"Adobe's engine does not start in {node} with the packages in {modules}: "
                    f"{error or 'it says nothing'}; remove that folder to install them again, {INSTEAD}"
                ) from None
            self._process = process
        return process

    def _load(self, process: NodeProcess, key: str, property_: Message) -> None:
        if key in process.loaded:
            return
        told = process.ask({"load": key, "property": property_}, time.monotonic() + _BUILD_SECONDS)
        if "problem" in told:
            raise BuildError(f"Adobe's build says: {told['problem']}")
        process.loaded.add(key)


@cache
def node_host() -> NodeHost:
    """Return the host that all engines of this process share."""
    return NodeHost()


def described(property_: Property) -> Message:
    """Return a property as `container.js` takes it."""
    return {
        "environment": property_.environment,
        "dataElements": [_element(element) for element in property_.data_elements],
        "rules": [_rule(rule) for rule in property_.rules],
    }


def _lost(error: LostError, seconds: float) -> str:
    if error.too_late:
        cause = "a circle of data elements, or code without end"
        return f"{DOES_NOT_COME_BACK} ({cause}): stopped after {seconds:g} seconds"
    return f"{DOES_NOT_COME_BACK}: Node ended ({error.said or 'it says nothing'})"


def _status(result: Message) -> Status:
    status: Status = result["status"]
    return status


def _rule(rule: Rule) -> Message:
    return {
        "id": rule.rule_id,
        "name": rule.name,
        "conditions": [{**_part(part), "negate": part.negate, "timeout": part.timeout} for part in rule.conditions],
        "actions": [{**_part(part), "timeout": part.timeout} for part in rule.actions],
    }


def _element(element: DataElement) -> Message:
    return {
        **_part(element),
        "defaultValue": element.default_value,
        "cleanText": element.clean_text,
        "forceLowerCase": element.force_lower_case,
    }


def _part(part: DataElement | Condition | Action) -> Message:
    return {"type": part.type, "id": part.component_id, "name": part.name, "settings": part.settings}
