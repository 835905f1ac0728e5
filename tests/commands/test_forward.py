"""`harness forward`: what it prints, and what it says about wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands.forward import command
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
