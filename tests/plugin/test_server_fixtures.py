"""The fixtures of a local Mixpanel, as users' tests take them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.plugin.runs import Runs

README = Path(__file__).parents[2] / "README.md"

SEND = """
import json
import urllib.request

import pytest

def track(url, *events, token="t"):
    rows = [{"event": name, "properties": {"token": token, **ids}} for name, ids in events]
    asked = urllib.request.Request(url + "/track", json.dumps(rows).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        assert answer.read() == b"1"

VISIT = ("View", {"$device_id": "d1"})
LOGIN = ("Login", {"$device_id": "d1", "$user_id": "ana"})
"""


def test_a_server_is_fresh_and_of_the_marked_system(runs: Runs) -> None:
    tests = """
def test_users(mixpanel_server):
    track(mixpanel_server.url, VISIT, LOGIN)
    mixpanel_server.wait(events=2)
    assert [user["distinct_id"] for user in mixpanel_server.users()] == ["ana"]
    assert mixpanel_server.explain("ana", "$device:d1")["same_user"]

def test_fresh(mixpanel_server):
    assert mixpanel_server.events() == []

@pytest.mark.id_merge("legacy")
def test_marked(mixpanel_server):
    assert mixpanel_server.get("health")["id_merge"] == "legacy"

def test_several(mixpanel_servers):
    mine, other = mixpanel_servers("original", token="mine"), mixpanel_servers()
    track(mine.url, VISIT, token="other")
    assert mine.events()[0]["silent"]
    assert other.events() == []

@pytest.mark.id_merge("orignal")
def test_wrong(mixpanel_server): pass

def test_waiting_in_vain_just_fails(mixpanel_server):
    mixpanel_server.wait(events=1, timeout=0.05)
"""
    (runs.folder / "test_own.py").write_text(SEND + tests)
    done = runs.run("--strict-markers", "-W", "error")
    done.assert_outcomes(passed=4, errors=1, failed=1)
    done.stdout.fnmatch_lines(["*ValueError: 'orignal' is no ID-merge system. Did you mean 'original'?*"])


def test_a_server_follows_the_project_file(runs: Runs) -> None:
    runs.write(harness_yaml="token: mine\n")
    tests = """
def test_own(mixpanel_server):
    track(mixpanel_server.url, VISIT, token="mine")
    track(mixpanel_server.url, VISIT, token="other")
    assert [row["status"] for row in mixpanel_server.events()] == ["accepted", "rejected"]
"""
    (runs.folder / "test_own.py").write_text(SEND + tests)
    runs.run().assert_outcomes(passed=1)


def test_without_the_extra_only_tests_that_want_a_server_fail_and_say_how_to_get_it(runs: Runs) -> None:
    tests = """
import sys

@pytest.fixture(autouse=True)
def without(monkeypatch):
    for name in [*sys.modules]:
        if name.startswith(("harness.server", "uvicorn", "starlette")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

def test_server(mixpanel_server): pass

def test_project(mixpanel_project): pass
"""
    (runs.folder / "test_own.py").write_text(SEND + tests)
    done = runs.run_apart()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*which is not installed. Run: pip install 'identity-harness[[]server]'*"])


def test_the_example_of_the_readme_passes(runs: Runs) -> None:
    found = re.findall(r"<!-- server example -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 1
    (runs.folder / "test_readme.py").write_text(found[0])
    runs.run().assert_outcomes(passed=1)
