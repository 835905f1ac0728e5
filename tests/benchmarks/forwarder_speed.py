"""Our engine against Adobe's in Node: a property of three paths, one condition and one action.

Adobe's engine is measured twice: by itself, which is the target, and as `--engine turbine` runs it, behind a pipe.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from harness.forwarder.engine import Call, Engine, Response, RulesEngine
from harness.forwarder.property import Property, read_property
from harness.forwarder.turbine import packages
from harness.forwarder.turbine.engine import NodeHost, TurbineEngine, described
from harness.problems import OutsideError, Problems
from tests.benchmarks.rows import Row, timed, times_as_fast

CALLS: Final = 100_000
THEIR_CALLS: Final = 3_000
ROUNDS: Final = 3
TARGET: Final = 15.0

PROPERTY: Final = """\
property: Shop
data_elements:
  Type: arc.event.xdm.eventType
  E-mail: {path: arc.event.data.email, clean_text: true, lower_case: true}
  ECID: arc.event.xdm.identityMap.ECID[0].id
rules:
  - name: Login
    conditions:
      - {left: "{{Type}}", operator: equals, right: login}
    actions:
      - send_event:
          event: "{{Type}}"
          properties: {token: T, distinct_id: "{{E-mail}}"}
          custom_properties: {$device_id: "{{ECID}}", plan: gold}
"""
EVENT: Final[dict[str, Any]] = {
    "xdm": {"eventType": "login", "identityMap": {"ECID": [{"id": "26783473982374982374982374982374982374"}]}},
    "data": {"email": " Ana@Example.com "},
}


def measure() -> list[Row]:
    """Run all three and compare a call; no row where Node is not there."""
    try:
        node, modules = packages.node_command(), packages.modules_folder()
    except OutsideError as error:
        print(f"forwarder_speed: skipped: {error}", file=sys.stderr)
        return []
    property_ = read_property(PROPERTY, "production", Problems("property.yaml"), is_yaml=True)
    assert property_ is not None
    host = NodeHost(seconds=60)
    ours, theirs = Engine(property_), TurbineEngine(property_, host)
    assert _run(ours, 1) == _run(theirs, 1)
    _run(theirs, THEIR_CALLS)
    mine: list[float] = []
    alone: list[float] = []
    piped: list[float] = []
    for _ in range(ROUNDS):
        alone.append(_alone(node, modules, property_) / THEIR_CALLS)
        mine.append(timed(lambda: _run(ours, CALLS)) / CALLS)
        piped.append(timed(lambda: _run(theirs, THEIR_CALLS)) / THEIR_CALLS)
    host.close()
    each = min(mine)
    what = f"forwarder: {1 / each:,.0f} calls/s, 3 paths, 1 condition, 1 action"
    return [
        times_as_fast(what, each * CALLS, f"Adobe's engine, {1 / min(alone):,.0f}/s", min(alone) * CALLS, TARGET),
        times_as_fast("the same", each * CALLS, f"--engine turbine, {1 / min(piped):,.0f}/s", min(piped) * CALLS),
    ]


def _run(engine: RulesEngine, calls: int) -> object:
    call, answer = Call(EVENT), Response()
    result = None
    for _ in range(calls):
        result = engine.run(call, lambda _: answer)
    return result


def _alone(node: str, modules: Path, property_: Property) -> float:
    script = Path(__file__).with_name("turbine_alone.js")
    texts = [json.dumps(described(property_)), json.dumps({"event": EVENT}), str(THEIR_CALLS)]
    done = subprocess.run(
        [node, script, Path(packages.__file__).parent, modules, *texts], capture_output=True, text=True, check=True
    )
    return float(done.stdout)
