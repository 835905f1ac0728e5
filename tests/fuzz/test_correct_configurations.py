"""What is set up well survives the search, or nobody could have it in CI."""

from __future__ import annotations

import pytest

from harness.event import IdMerge
from harness.fuzz.bench import Bench
from harness.fuzz.search import Explored, Search
from tests.fuzz.benches import shipped, twin

IN_CI = 2_000
SLOWLY = 20_000
_TWINS: list[tuple[str, IdMerge]] = [
    ("browser", "simplified"),
    ("browser", "original"),
    ("mobile", "original"),
    ("server", "simplified"),
    ("server", "original"),
    ("rudderstack", "simplified"),
    ("segment", "original"),
]
_PROPERTIES: list[tuple[str, IdMerge]] = [
    ("retail.yaml", "simplified"),
    ("retail-one-rule.yaml", "simplified"),
    ("retail-original-uuid.yaml", "original"),
    ("retail-original-alias.yaml", "original"),
]
_names = [f"{name} {id_merge}" for name, id_merge in (*_TWINS, *_PROPERTIES)]
every_configuration = pytest.mark.parametrize(
    "bench",
    [
        *(twin(name, id_merge) for name, id_merge in _TWINS),
        *(shipped(name, id_merge) for name, id_merge in _PROPERTIES),
    ],
    ids=_names,
)


pytestmark = pytest.mark.usefixtures("untraced")


@every_configuration
def test_it_survives_every_flow(bench: Bench) -> None:
    _survives(bench, IN_CI)


@pytest.mark.slow
@every_configuration
def test_it_survives_ten_times_as_many(bench: Bench) -> None:
    _survives(bench, SLOWLY)


def _survives(bench: Bench, examples: int) -> None:
    result = Search(bench).run(examples=examples, seed=0)
    assert [(found.broken.sentence, found.played.flow) for found in result.findings] == []
    _is_no_empty_search(result.explored, examples, bench)


def _is_no_empty_search(explored: Explored, examples: int, bench: Bench) -> None:
    assert explored.examples == examples
    assert explored.different > examples / 2
    assert explored.handed_over > examples / 50
    assert sum(flows for people, flows in explored.people.items() if people > 1) > examples / 5
    assert all(explored.actions[verb] > examples / 20 for verb in bench.verbs), explored.actions
    assert explored.events["duplicate"] > examples / 20
    assert any(outcome.endswith("merged") for outcome in explored.decisions)
