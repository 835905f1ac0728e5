"""`harness forward`: what it prints, and what it says about wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands.forward import command
from harness.forwarder.engine import Call, CallResult, Engine, Fetch
from harness.forwarder.property import Property
from harness.forwarder.turbine.engine import DOES_NOT_COME_BACK, NodeHost
from harness.problems import InputError

PROPERTY = """\
property: Shop
data_elements:
  E-mail: arc.event.data.email
  Token: {secret: {production: {id: SE1, name: Mixpanel token}}}
rules:
  - name: Track
    conditions:
      - {left: "{{E-mail}}", operator: contains, right: "@"}
    actions:
      - send_event: {event: Sign Up, properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}}
"""
CALL = {"event": {"xdm": {}, "data": {"email": "ana@example.com"}}, "env": {"SE1": "t0k3n"}}


@pytest.fixture
def property_file(tmp_path: Path) -> Path:
    path = tmp_path / "property.yaml"
    path.write_text(PROPERTY, encoding="utf-8")
    return path


def _run(*arguments: str | Path, stdin: str = "") -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_json_names_every_rule_its_status_and_the_exact_text_sent(property_file: Path) -> None:
    result = _run(property_file, "-", "--json", stdin=json.dumps(CALL))
    assert json.loads(result.stdout) == [
        {
            "call": 0,
            "rules": [{"name": "Track", "status": "success"}],
            "requests": [
                {
                    "rule": "Track",
                    "url": "https://api.mixpanel.com/track",
                    "method": "POST",
                    "headers": {"content-type": "application/json", "accept": "text/plain"},
                    "body": '[{"event":"Sign Up","properties":{"token":"t0k3n","distinct_id":"ana@example.com"}}]',
                }
            ],
        }
    ]


def test_a_failed_rule_says_why_and_the_exit_code_stays_0(property_file: Path) -> None:
    result = _run(property_file, "-", "--json", stdin=json.dumps({"event": CALL["event"]}))
    assert result.exit_code == 0
    (rule,) = json.loads(result.stdout)[0]["rules"]
    assert rule["status"] == "failed"
    assert rule["error"].startswith(
        'Failed to execute "Send Event". Failed to execute module for data element "Token".'
    )


def test_people_get_a_readable_account(property_file: Path) -> None:
    result = _run(property_file, "-", stdin=json.dumps(CALL) + "\n" + json.dumps({"event": {}}))
    assert "call 0: 1 request\n  Track  success\n    POST https://api.mixpanel.com/track\n" in result.stdout
    assert 'Condition "Value Comparison" from rule "Track" not met.' in result.stdout


def test_secrets_come_from_a_file_where_the_call_has_none(property_file: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    secrets.write_text('{"SE1": "from-file"}', encoding="utf-8")
    result = _run(property_file, "-", "--secrets", secrets, "--json", stdin=json.dumps({"event": CALL["event"]}))
    assert '"token\\":\\"from-file\\"' in result.stdout


def test_the_destination_answers_as_the_call_says(property_file: Path) -> None:
    call = {**CALL, "responses": {"Track": [{"error": "fetch failed"}]}}
    result = _run(property_file, "-", "--json", stdin=json.dumps(call))
    assert json.loads(result.stdout)[0]["rules"][0]["error"] == 'Failed to execute "Send Event". fetch failed'


def test_an_answer_for_an_unknown_rule_is_noted(property_file: Path) -> None:
    call = {**CALL, "responses": {"Trak": [{"status": 500}]}}
    result = _run(property_file, "-", "--json", stdin=json.dumps(call))
    assert result.stderr == "note: line 1: the property has no rule 'Trak' to answer. Did you mean 'Track'?\n"


def test_no_calls_give_an_empty_list(property_file: Path) -> None:
    assert _run(property_file, "-", "--json").stdout == "[]\n"


def test_all_wrong_lines_are_reported_at_once(property_file: Path) -> None:
    lines = ["{", "[]", '{"event": 1}', '{"evnt": {}}', '{"event": {}, "responses": {"*": [{"status": "x"}]}}']
    with pytest.raises(InputError) as caught:
        _run(property_file, "-", stdin="\n".join(lines))
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4, 4, 5]
    assert "Did you mean 'event'?" in str(caught.value)


def test_problems_of_all_files_come_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _run(tmp_path / "no-property.json", tmp_path / "no-calls.jsonl", "--secrets", tmp_path / "no-secrets.json")
    assert [Path(problem.file).name for problem in caught.value.problems] == [
        "no-property.json",
        "no-secrets.json",
        "no-calls.jsonl",
    ]


def test_a_broken_secrets_file_is_reported_without_its_values(property_file: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    secrets.write_text('["hush"]', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        _run(property_file, "-", "--secrets", secrets, stdin=json.dumps(CALL))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("engine", ["turbine", "both"])
def test_adobes_own_engine_sends_the_same(property_file: Path, engine: str, turbine: NodeHost) -> None:
    ours = _run(property_file, "-", "--json", stdin=json.dumps(CALL))
    theirs = _run(property_file, "-", "--json", "--engine", engine, stdin=json.dumps(CALL))
    assert theirs.stdout == ours.stdout
    assert theirs.exit_code == 0


@pytest.fixture
def differing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for Adobe's engine with one that writes every body twice, and does not come back from a second call."""

    class Odd:
        def __init__(self, property_: Property) -> None:
            self.engine = Engine(property_)
            self.calls = 0

        def run(self, call: Call, fetch: Fetch) -> CallResult:
            (rule,) = self.engine.run(call, fetch).rules
            self.calls += 1
            if self.calls > 1:
                return CallResult((rule._replace(status="failed", error=f"{DOES_NOT_COME_BACK}: stopped"),))
            (request,) = rule.requests
            return CallResult((rule._replace(requests=(request._replace(body=request.body * 2),)),))

    monkeypatch.setattr("harness.commands.forward.TurbineEngine", Odd)


def _both(property_file: Path, *more: str) -> Result:
    calls = "\n".join([json.dumps(CALL)] * 2)
    return CliRunner().invoke(
        command, [str(property_file), "-", "--engine", "both", *more], input=calls, standalone_mode=False
    )


@pytest.mark.usefixtures("differing")
def test_both_tells_where_the_engines_differ_and_ends_with_1(property_file: Path) -> None:
    result = _both(property_file)
    assert result.return_value == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[:2] == ["call 0: the engines differ", "Track: requests"]
    assert lines[2].startswith(
        "python   request 0: POST https://api.mixpanel.com/track [content-type: application/json"
    )
    assert lines[3].startswith("turbine  request 0: POST")
    assert lines[3].endswith(lines[2].split("] ")[-1] * 2)
    assert "Track: status (known: does not come back)" in lines
    assert lines[-2] == "2 of 2 calls differ"
    assert lines[-1].startswith("known, does not come back: Adobe's engine goes round for ever")


@pytest.mark.usefixtures("differing")
def test_both_gives_the_differences_as_data(property_file: Path) -> None:
    result = _both(property_file, "--json")
    assert result.return_value == 1
    first, *others = json.loads(result.stdout)["differences"]
    assert (first["call"], first["rule"], first["what"], first["known"]) == (0, "Track", "requests", None)
    assert first["python"][0]["body"] * 2 == first["turbine"][0]["body"]
    assert [(one["call"], one["what"], one["python"]) for one in others] == [
        (1, "status", "success"),
        (1, "error", None),
    ]
    assert {one["known"] for one in others} == {"does not come back"}
