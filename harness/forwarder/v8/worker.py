"""The process that runs custom code: V8 behind a pipe, one JSON document a line.

It is started as a script and imports nothing of the harness, so that it is up quickly. A message is one of

    {"build": [text, ...]}                                  -> {"built": [{"code"} or {"problem"}, ...]}
    {"load": key, "factory": text}                          -> {"loaded": key}
    {"run": {...}, "key": key, "seconds": limit}            -> {"ask": [...]} any number of times, each answered by
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

_OTHER_SECONDS: Final = 60.0
MEMORY_BYTES: Final = 128 * 1024 * 1024
_PROCESS_BYTES: Final = 1024 * 1024 * 1024
_RUNS_PER_ISOLATE: Final = 5_000
_HERE: Final = Path(__file__).parent
_RUNTIME: Final = (
    "prelude", "loop", "random", "text", "url", "events", "fetch", "modules", "rules", "guard", "entry",
)  # fmt: skip
_BUILDER: Final = ("prelude", "build")
_TOO_MUCH: Final = f"custom code needed more than {MEMORY_BYTES >> 20} MB of memory"
_BROKEN: Final = "custom code broke the engine that it runs in"
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
        self._board: Any = None
        self._seconds = self._seconds_left = _OTHER_SECONDS

    def give(self, seconds: float) -> None:
        """Say how long the calls from now on may take together."""
        self._seconds = self._seconds_left = seconds

    async def call(self, name: str, *arguments: str) -> Any:
        """Return what a call gives (see `calls`)."""
        return (await self.calls((name, *arguments)))[0]

    async def calls(self, *calls: tuple[str, ...]) -> list[Any]:
        """Return what calls give, each made when the microtasks of the one before are done.

        Raises:
            StoppedError: when they take too long or need too much memory.
        """
        codes = [f"{self._calls}.{name}({', '.join(map(json.dumps, arguments))})" for name, *arguments in calls]
        started = time.perf_counter()
        try:
            async with asyncio.timeout(max(self._seconds_left, 0.001)):
                results = await asyncio.gather(*[self._racer.eval_cancelable(code) for code in codes])
        except TimeoutError:
            raise StoppedError(f"custom code ran for longer than {self._seconds:g} seconds") from None
        except JSOOMException:
            raise StoppedError(_TOO_MUCH) from None
        finally:
            self._seconds_left -= time.perf_counter() - started
        # Code runs in microtasks, behind the result; what happened to those of earlier calls shows here.
        if self._racer.was_hard_memory_limit_reached():
            raise StoppedError(_TOO_MUCH)
        return results

    def show_board(self) -> None:
        """Have `place` read where this V8 shows what it is at."""
        self._board = self._racer.eval(f"{self._calls}.board()")

    def place(self) -> list[str]:
        """Return the title of the component that a run has got to, and its name where it has one."""
        units = bytes(self._board)
        size = int.from_bytes(units[:2], sys.byteorder)
        return units[2 : 2 + 2 * size].decode(f"utf-16-{sys.byteorder[0]}e", "replace").split("\n") if size else []

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
                self._write({"result": await self._run(message["key"], message["run"], message["seconds"])})

    def _write(self, message: Message) -> None:
        self._target.write(json.dumps(message) + "\n")
        self._target.flush()

    async def _build(self, texts: list[str]) -> Any:
        if self._builder is None:
            self._builder = Isolate(_script(_BUILDER), (_HERE / "acorn.js").read_text(encoding="utf-8"))
        self._builder.give(_OTHER_SECONDS)
        return json.loads(await self._builder.call("build", json.dumps(texts)))

    async def _run(self, key: str, run: Message, seconds: float) -> Message:
        isolate = await self._ready(key, seconds)
        self._isolate = None
        try:
            result, is_clean = await self._played(isolate, json.dumps({**run, "key": key}))
        except (StoppedError, JSEvalException, ValueError, KeyError, TypeError) as error:
            is_clean = False
            result = {"stopped": str(error) if isinstance(error, StoppedError) else _BROKEN, "place": isolate.place()}
        if is_clean and isolate.runs < _RUNS_PER_ISOLATE:
            self._isolate = isolate
        else:
            isolate.close()
        return result

    async def _ready(self, key: str, seconds: float) -> Isolate:
        isolate = self._isolate
        if isolate is None:
            isolate = Isolate(self._runtime)
            isolate.show_board()
        isolate.runs += 1
        if key not in isolate.loaded:
            await isolate.call("load", key, self._factories[key])
            isolate.loaded.add(key)
        isolate.give(seconds)
        return isolate

    async def _played(self, isolate: Isolate, run: str) -> tuple[Message, bool]:
        """Return how a run ended, and whether it left its V8 as it was."""
        _, step = await isolate.calls(("start", run), ("pump",))
        while True:
            told = json.loads(step)
            if "done" in told:
                result: Message = told["result"] or {"status": "failed", "error": _BROKEN}
                return {"status": str(result["status"]), "error": result.get("error")}, told["clean"] is True
            if "ask" in told:
                _, step = await isolate.calls(("pump", json.dumps(self._answers(told["ask"]))), ("pump",))
            else:
                (step,) = await isolate.calls(("pump",))

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
