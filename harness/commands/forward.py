"""`harness forward`: Edge Network calls through the rules of a property."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import click

from harness.commands import forward_both
from harness.event import Json
from harness.forwarder.calls import ANY_RULE, ScriptedCall, read_calls, read_secrets
from harness.forwarder.engine import CallResult, Engine, Request, RuleResult
from harness.forwarder.javascript import code_host
from harness.forwarder.property import Property, load_property
from harness.forwarder.turbine.engine import TurbineEngine
from harness.jsontext import dump
from harness.problems import InputError, Problem, Problems, did_you_mean
from harness.source import decode_text, read_text

EngineName: TypeAlias = Literal["python", "turbine", "both"]

_STDIN = "-"


@click.command("forward")
@click.argument("property_path", metavar="PROPERTY", type=click.Path(path_type=Path))
@click.argument("calls_path", metavar="CALLS", type=click.Path(allow_dash=True))
@click.option(
    "--engine",
    type=click.Choice(["python", "turbine", "both"]),
    default="python",
    show_default=True,
    help="Which rules engine runs the calls: ours, Adobe's own in Node, or both compared.",
)
@click.option(
    "--environment", metavar="NAME", default="production", show_default=True, help="The build environment, for secrets."
)
@click.option(
    "--secrets",
    "secrets_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Secret values by secret id, one JSON object.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    property_path: Path,
    calls_path: str,
    engine: EngineName,
    environment: str,
    secrets_path: Path | None,
    *,
    as_json: bool,
) -> int:
    """Run Edge Network calls through an event forwarding property, and show what it would send.

    PROPERTY is a JSON document of Reactor objects, the YAML shorthand, a folder of answers of the Reactor API, or the
    tree of reactor-downloader. CALLS has one call a line, or is - for standard input. Nothing is sent: `responses` in a
    call says what the destination answers, by default 200.

    --engine turbine runs Adobe's own engine in Node 18 or newer; its packages are installed into your cache folder the
    first time. --engine both runs both: where they differ, it prints the differences instead and ends with 1. Some
    differences are known and stay: Adobe's engine does not come back from a circle of data elements or from endless
    code and takes all rules of the call along, where ours fails the one rule; only there custom code has all of Node;
    and random numbers, the text of a function, stacks and what code leaves behind in built-in objects differ.

    \b
    Examples:
      echo '{"event": {"xdm": {"eventType": "login"}, "data": {"email": "ana@example.com"}}}' > calls.jsonl
      harness forward property.yaml calls.jsonl --json
      harness forward property.yaml calls.jsonl --engine both

    \b
    Exit codes:
      0  every call was run; a rule that failed is part of the result
      1  --engine both: the engines differ
      2  a file or an option is wrong
      3  Adobe's engine can't be had: no Node, or its packages can't be installed
    """
    property_, calls = _read_input(property_path, calls_path, environment, secrets_path)
    _note_unknown_rules(property_, calls)
    return _run(property_, calls, engine, as_json=as_json)


def _run(property_: Property, calls: list[ScriptedCall], engine: EngineName, *, as_json: bool) -> int:
    if engine == "both":
        results, differing = forward_both.run_both(Engine(property_, code_host()), TurbineEngine(property_), calls)
        if differing:
            told = forward_both.as_text(differing, len(calls))
            click.echo(dump(forward_both.as_json(differing)) if as_json else "\n".join(map(_printable, told)))
            return 1
    else:
        running = TurbineEngine(property_) if engine == "turbine" else Engine(property_, code_host())
        results = [running.run(call.call, call.fetch()) for call in calls]
    if as_json:
        click.echo(dump([_as_json(index, result) for index, result in enumerate(results)]))
        return 0
    for index, result in enumerate(results):
        click.echo("\n".join(_as_text(index, result)))
    return 0


def _read_input(
    property_path: Path, calls_path: str, environment: str, secrets_path: Path | None
) -> tuple[Property, list[ScriptedCall]]:
    """Return the property and the calls; the problems of all files are reported together."""
    found: list[Problem] = []
    property_ = None
    try:
        property_ = load_property(property_path, environment)
    except InputError as error:
        found += error.problems
    secrets: dict[str, Json] = {}
    if secrets_path is not None:
        problems = Problems(str(secrets_path))
        text = read_text(secrets_path, problems)
        secrets = {} if text is None else read_secrets(text, problems)
        found += problems.found
    problems = Problems(calls_path)
    text = _calls_text(calls_path, problems)
    calls = [] if text is None else read_calls(text, secrets, problems)
    found += problems.found
    if found or property_ is None:
        raise InputError(found)
    return property_, calls


def _calls_text(path: str, problems: Problems) -> str | None:
    if path == _STDIN:
        return decode_text(sys.stdin.buffer.read(), problems)
    return read_text(Path(path), problems)


def _note_unknown_rules(property_: Property, calls: list[ScriptedCall]) -> None:
    names = {rule.name for rule in property_.rules}
    for call in calls:
        for name in call.answers.keys() - names - {ANY_RULE}:
            hint = did_you_mean(name, names) if names else "It has no rules."
            click.echo(f"note: line {call.line}: the property has no rule {name!r} to answer. {hint}", err=True)


def _as_json(index: int, result: CallResult) -> dict[str, Json]:
    return {
        "call": index,
        "rules": [_rule_as_json(rule) for rule in result.rules],
        "requests": [_request_as_json(request) for request in result.requests],
    }


def _rule_as_json(rule: RuleResult) -> dict[str, Json]:
    shown: dict[str, Json] = {"name": rule.name, "status": rule.status}
    return {**shown, "error": rule.error} if rule.status == "failed" else shown


def _request_as_json(request: Request) -> dict[str, Json]:
    return {**request._asdict(), "headers": dict(request.headers)}


def _as_text(index: int, result: CallResult) -> Iterator[str]:
    sent = len(result.requests)
    yield f"call {index}: {sent} request{'' if sent == 1 else 's'}"
    width = max((len(rule.name) for rule in result.rules), default=0)
    for rule in result.rules:
        yield f"  {_printable(rule.name):{width}}  {rule.status}"
        if rule.error is not None:
            yield f"    {_printable(rule.error)}"
        for request in rule.requests:
            yield f"    {request.method} {request.url}"
            yield f"    {_printable(request.body)}"


def _printable(text: str) -> str:
    """Return a text without control characters and lone surrogates, which a terminal can't show."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
