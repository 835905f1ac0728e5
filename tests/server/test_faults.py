"""Faults for senders: drawn by lot with a seed or asked for by header, before or after the request is stored."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.problems import InputError
from harness.server.background import RunningServer
from harness.server.faults import Faults, fault_of
from harness.server.serving import LocalServer, ServerOptions
from tests.server.client import Answer, basic, event, get, post


def track(server: RunningServer, kind: str) -> Answer | None:
    """Send one event with a fault; None when no answer came."""
    try:
        return post(server.url, "/track", [event()], x_harness_fail=kind)
    except ConnectionError:
        return None


@pytest.mark.parametrize(
    ("kind", "status", "is_stored"),
    [
        ("429", 429, False), ("502", 502, False), ("599", 599, False), ("502-after", 502, True),
        ("drop", None, True), ("drop-before", None, False), ("slow:0.2s", 200, True),
    ],
)  # fmt: skip
def test_a_kind_says_whether_the_request_is_stored(
    server: RunningServer, kind: str, status: int | None, is_stored: bool
) -> None:
    begun = time.monotonic()
    answer = track(server, kind)
    assert (None if answer is None else answer.status) == status
    assert len(server.events()) == is_stored
    assert time.monotonic() - begun >= (0.2 if kind.startswith("slow") else 0)
    assert server.get("faults")["injected"][kind] >= 1


def test_429_says_what_mixpanel_says(server: RunningServer) -> None:
    answer = post(server.url, "/import", [event()], authorization=basic("t"), x_harness_fail="429")
    assert (answer.json()["code"], answer.json()["status"]) == (429, "Too Many Requests")


def test_a_browser_sees_the_failure_too(server: RunningServer) -> None:
    answer = post(server.url, "/track", [event()], origin="http://a.b", x_harness_fail="503")
    assert answer.headers["access-control-allow-origin"] == "http://a.b"


def test_other_requests_go_on_while_one_is_slow(server: RunningServer) -> None:
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(track, server, "slow:2s")
        begun = time.monotonic()
        assert post(server.url, "/track", [event()]).body == b"1"
        assert time.monotonic() - begun < 1.8
        answer = slow.result()
    assert answer is not None
    assert answer.body == b"1"


def test_exports_and_profiles_fail_too(server: RunningServer) -> None:
    path = "/api/2.0/export?from_date=2026-01-01&to_date=2026-01-09"
    assert get(server.url, path, authorization=basic("s"), x_harness_fail="500").status == 500
    assert get(server.url, path, authorization=basic("s"), x_harness_fail="slow:0.01s").status == 200
    assert post(server.url, "/engage", [], x_harness_fail="502").status == 502


def test_an_unknown_kind_is_told(server: RunningServer) -> None:
    answer = track(server, "drp")
    assert answer is not None
    assert answer.status == 400
    assert "Did you mean 'drop'?" in answer.json()["error"]


def test_the_same_seed_gives_the_same_faults(serve: Callable[..., RunningServer]) -> None:
    text = "429:0.2,502:0.1,drop:0.1,drop-before:0.1"
    runs = []
    for seed in (7, 7, 8):
        server = serve(fail=text, seed=seed)
        answers = []
        for _ in range(60):
            try:
                answers.append(post(server.url, "/track", [event()]).status)
            except ConnectionError:
                answers.append(0)
        runs.append(answers)
        assert server.get("faults")["requests"] == 60
    assert runs[0] == runs[1] != runs[2]
    assert {0, 200, 429, 502} == set(runs[0])


@settings(max_examples=20)
@given(st.integers(0, 2**40))
def test_shares_are_kept(seed: int) -> None:
    faults = Faults("429:0.1, 502:0.05,drop:0.05,slow:2s:0.1", seed)
    drawn = Counter(fault.name if fault else None for fault in (faults.draw() for _ in range(4_000)))
    for kind, share in {"429": 0.1, "502": 0.05, "drop": 0.05, "slow:2s": 0.1, None: 0.7}.items():
        assert abs(drawn[kind] - 4_000 * share) < 160
    assert sum(faults.injected.values()) == 4_000 - drawn[None]


def test_faults_can_be_changed_while_it_runs(server: RunningServer) -> None:
    assert server.post("faults", {"fail": "429:1"}) == {"fail": "429:1", "seed": 0, "requests": 0, "injected": {}}
    assert post(server.url, "/track", [event()]).status == 429
    assert post(server.url, "/harness/faults", {"fail": "429:2"}).status == 400
    server.post("faults", {"fail": ""})
    assert post(server.url, "/track", [event()]).status == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("429", "has no share"),
        ("429:x", "share from 0 to 1"),
        ("429:1.5", "share from 0 to 1"),
        ("429:0.6,502:0.6", "more than 1"),
        ("slo:2s:0.1", "Did you mean 'slow'?"),
        ("slow:0.1", "says not how slow"),
        ("slow:soon:0.1", "no duration"),
        ("slow:2h:0.1", "10 minutes"),
        ("200:0.1", "no kind of fault"),
        ("drop-after:0.1", "Did you mean 'drop"),
    ],
)
def test_shares_that_make_no_sense_are_told_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError, match="--fail") as caught:
        LocalServer(ServerOptions(fail=text), lambda _: None)
    assert said in str(caught.value)


def test_a_slow_fault_needs_its_time() -> None:
    with pytest.raises(ValueError, match="says not how slow"):
        fault_of("slow")
