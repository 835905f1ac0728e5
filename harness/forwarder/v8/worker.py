"""The process that runs custom code: V8 behind a pipe, one JSON document a line.

It is started as a script and imports nothing of the harness, so that it is up quickly. A message is one of

    {"build": [text, ...]}                                  -> {"built": [{"code"} or {"problem"}, ...]}
    {"load": key, "factory": text}                          -> {"loaded": key}
    {"run": {...}, "key": key}                              -> {"ask": [...]} any number of times, each answered by
                                                               {"answers": [...]}, then {"result": {"status", "error"}}
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, TextIO

from py_mini_racer import JSEvalException, JSOOMException, init_mini_racer, mini_racer

CPU_SECONDS: Final = 3.0
MEMORY_BYTES: Final = 128 * 1024 * 1024
_PROCESS_BYTES: Final = 1024 * 1024 * 1024
_RUNS_PER_ISOLATE: Final = 5_000
_HERE: Final = Path(__file__).parent
_RUNTIME: Final = (
    "prelude", "loop", "random", "text", "url", "events", "fetch", "modules", "rules", "guard", "entry",
)  # fmt: skip
_BUILDER: Final = ("prelude", "build")
_HASHES: Final = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}

Message = dict[str, Any]


def _script(names: tuple[str, ...]) -> str:
    return "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)


class StoppedError(Exception):
    """Custom code was stopped; the text says why."""


class Isolate:
    """One V8 with the calls of a script: nothing in it is seen by any other.

    Args:
        script: the body of a function that returns the object with the calls.
        before: what is evaluated first.
    """

    def __init__(self, script: str, before: str = "") -> None:
        self._stack = ExitStack()
        self._racer = self._stack.enter_context(mini_racer(asyncio.get_running_loop()))
        # Code can't list the names of constants, so it does not find this one.
        self._calls = f"calls_{secrets.token_hex(16)}"
        self._racer.eval(f"{before}\nconst {self._calls} = (() => {{\n{script}\n}})(); 0")
        self._racer.set_hard_memory_limit(MEMORY_BYTES)
        self.loaded: set[str] = set()
        self.runs = 0
        self.seconds_left = CPU_SECONDS

    async def call(self, name: str, *arguments: str) -> Any:
        """Return what a call gives, with its microtasks done.

        Raises:
            StoppedError: when it takes too long or needs too much memory.
        """
        code = f"{self._calls}.{name}({', '.join(map(json.dumps, arguments))})"
        started = time.perf_counter()
        try:
            async with asyncio.timeout(max(self.seconds_left, 0.001)):
                return await self._racer.eval_cancelable(code)
        except TimeoutError:
            raise StoppedError(f"custom code ran for longer than {CPU_SECONDS:g} seconds") from None
        except JSOOMException:
            raise StoppedError(f"custom code needed more than {MEMORY_BYTES >> 20} MB of memory") from None
        finally:
            self.seconds_left -= time.perf_counter() - started

    def close(self) -> None:
        """Give up this V8."""
        with suppress(Exception):
            self._stack.close()


class Worker:
    """Answers the messages of one pipe."""

    def __init__(self, source: TextIO, target: TextIO) -> None:
        self._source = source
        self._target = target
        self._factories: dict[str, str] = {}
        self._builder: Isolate | None = None
        self._isolate: Isolate | None = None
        self._runtime = _script(_RUNTIME)

    async def serve(self) -> None:
        """Answer every message until the pipe is closed."""
        self._write({"ready": True})
        while line := self._source.readline():
            message = json.loads(line)
            if "build" in message:
                self._write({"built": await self._build(message["build"])})
            elif "load" in message:
                self._factories[message["load"]] = message["factory"]
                self._write({"loaded": message["load"]})
            else:
                self._write({"result": await self._run(message["key"], message["run"])})

    def _write(self, message: Message) -> None:
        self._target.write(json.dumps(message) + "\n")
        self._target.flush()

    async def _build(self, texts: list[str]) -> Any:
        if self._builder is None:
            self._builder = Isolate(_script(_BUILDER), (_HERE / "acorn.js").read_text(encoding="utf-8"))
            self._builder.seconds_left = 60.0
        return json.loads(await self._builder.call("build", json.dumps(texts)))

    async def _run(self, key: str, run: Message) -> Message:
        isolate = await self._ready(key)
        self._isolate = None
        try:
            result = await self._played(isolate, json.dumps({**run, "key": key}))
            if isolate.runs < _RUNS_PER_ISOLATE and await isolate.call("clean") is True:
                self._isolate = isolate
        except (StoppedError, JSEvalException, ValueError, KeyError, TypeError) as error:
            result = {"stopped": str(error) if isinstance(error, StoppedError) else "custom code broke its engine"}
            with suppress(Exception):
                isolate.seconds_left = 1.0
                result["place"] = json.loads(await isolate.call("place"))
        if self._isolate is None:
            isolate.close()
        return result

    async def _ready(self, key: str) -> Isolate:
        isolate = self._isolate or Isolate(self._runtime)
        isolate.runs += 1
        isolate.seconds_left = CPU_SECONDS
        if key not in isolate.loaded:
            await isolate.call("load", key, self._factories[key])
            isolate.loaded.add(key)
        return isolate

    async def _played(self, isolate: Isolate, run: str) -> Message:
        await isolate.call("start", run)
        while True:
            step = json.loads(await isolate.call("pump"))
            if "ask" in step:
                await isolate.call("pump", json.dumps(self._answers(step["ask"])))
            elif "done" in step:
                result: Message = step["result"] or {"status": "failed", "error": "custom code broke its engine"}
                return {"status": str(result["status"]), "error": result.get("error")}

    def _answers(self, questions: list[Message]) -> list[Message]:
        answers = [{"id": item["id"], "value": _digest(item)} for item in questions if item["kind"] == "digest"]
        asked = [item for item in questions if item["kind"] == "fetch"]
        if asked:
            self._write({"ask": asked})
            answers += json.loads(self._source.readline())["answers"]
        return answers


def _digest(question: Message) -> str:
    name, data = _HASHES[question["hash"]], bytes.fromhex(question["data"])
    if "key" in question:
        return hmac.new(bytes.fromhex(question["key"]), data, name).hexdigest()
    return hashlib.new(name, data).hexdigest()


def _limit_process() -> None:
    """Keep the process itself small, where the system can; V8 holds some things outside the memory it counts."""
    with suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (_PROCESS_BYTES, _PROCESS_BYTES))


def main() -> None:
    """Serve standard input and output."""
    _limit_process()
    init_mini_racer(flags=["--single-threaded", "--stack-size=800"])
    asyncio.run(Worker(sys.stdin, sys.stdout).serve())


if __name__ == "__main__":
    main()
