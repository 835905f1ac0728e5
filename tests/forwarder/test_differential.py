"""Generated properties and calls through both engines: the same requests to the byte, the same statuses and errors."""

from __future__ import annotations

import json
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.forwarder.calls import read_calls
from harness.forwarder.engine import Engine
from harness.forwarder.javascript import code_host
from harness.forwarder.property import read_property
from harness.forwarder.turbine.compare import differences
from harness.forwarder.turbine.engine import NodeHost, TurbineEngine
from harness.problems import InputError, Problems
from tests.forwarder.strategies import CASES, Case

EXAMPLES: Final = {"code": 400}
USUAL_EXAMPLES: Final = 250
NOW_MS: Final = 1_767_600_000_000


def disagreements(case: Case, host: NodeHost) -> list[str]:
    """Return in which ways the engines disagree on a case."""
    problems = Problems("property.json")
    property_ = read_property(json.dumps(case.document), "production", problems, is_yaml=False)
    assert property_ is not None, problems.found
    theirs = TurbineEngine(property_, host)
    calls = Problems("calls.jsonl")
    scripted = read_calls("\n".join(json.dumps(call) for call in case.calls), {}, calls)
    assert not calls, calls.found
    found = []
    ours = None if problems else Engine(property_, code_host())
    for call in scripted:
        at_once = call.call._replace(now_ms=NOW_MS)
        try:
            result = theirs.run(at_once, call.fetch())
        except InputError as error:
            return [] if ours is None else [f"only Adobe's build refuses it: {error}"]
        if ours is None:
            return [f"only our build refuses it: {problems.found[0]}"]
        found += [str(one) for one in differences(ours.run(at_once, call.fetch()), result)]
    return found


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("kind", CASES)
def test_no_generated_case_tells_the_engines_apart(kind: str, turbine: NodeHost) -> None:
    @settings(
        max_examples=EXAMPLES.get(kind, USUAL_EXAMPLES),
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    )
    @given(st.data())
    def same(data: st.DataObject) -> None:
        case = data.draw(CASES[kind])
        assert disagreements(case, turbine) == []

    same()


def test_a_run_has_at_least_two_thousand_cases() -> None:
    assert sum(EXAMPLES.get(kind, USUAL_EXAMPLES) for kind in CASES) >= 2_000
