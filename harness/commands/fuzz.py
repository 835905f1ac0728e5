"""`harness fuzz`: looks for the smallest flow of people and devices that breaks an invariant of identity."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from harness.fuzz.bench import Bench
    from harness.fuzz.configure import Configured
    from harness.fuzz.invariants import Invariant
    from harness.fuzz.scenario_file import Known
    from harness.fuzz.search import Finding, SearchResult, Stopped


@click.command("fuzz")
@click.option("--property", "property_", type=click.Path(path_type=Path), help="Send Edge calls through this property.")
@click.option(
    "--template",
    type=click.Path(path_type=Path),
    help="The Edge call with placeholders (YAML). Default: inferred from the property.",
)
@click.option(
    "--id-merge",
    type=click.Choice(ID_MERGE_SYSTEMS),
    default="simplified",
    show_default=True,
    help="The project's ID-merge system.",
)
@click.option("--twin", metavar="NAME", help="Without a property: the SDK that sends.  [default: browser]")
@click.option("--invariant", "invariants", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("--risk", "risks", multiple=True, metavar="NAME", help="What no sender can make up for; see --list.")
@click.option("--max-examples", type=click.IntRange(min=1), default=1000, show_default=True, help="Most flows to try.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same output.")
@click.option("--time-budget", metavar="DURATION", help="Stop searching after this long: 30s, 5m.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("scenarios/found"),
    show_default=True,
    help="Where found flows are written; those that are there are tried first.",
)
@click.option("--cluster-limit", type=click.IntRange(min=1), metavar="N", help="Most ids in one cluster in original.")
@click.option(
    "--settings", type=click.Path(path_type=Path), help="Settings (YAML). Default: harness.yaml, where there is one."
)
@click.option("--list", "as_list", is_flag=True, help="List invariants, twins, risks and placeholders, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    property_: Path | None,
    template: Path | None,
    id_merge: IdMerge,
    twin: str | None,
    invariants: tuple[str, ...],
    risks: tuple[str, ...],
    max_examples: int,
    seed: int,
    time_budget: str | None,
    save: Path,
    cluster_limit: int | None,
    settings: Path | None,
    as_list: bool,  # noqa: FBT001 - click passes options by name
    as_json: bool,  # noqa: FBT001
) -> int:
    """Look for a flow of people, devices, logins, logouts and retries that breaks an invariant.

    With a property, Edge calls are built from the paths that its data elements read. Without one, an SDK twin sends
    what Mixpanel's SDKs send. What is found is told as a story and written as a scenario that fails under harness run.

    \b
    Examples:
      harness fuzz --property property.yaml --id-merge simplified
      harness fuzz --id-merge original --twin rudderstack --risk shared
      harness fuzz --property property.yaml --template call.yaml --max-examples 20000 --time-budget 10m

    \b
    Exit codes:
      0  every invariant held in every flow that was tried
      1  a flow breaks an invariant
      2  a file or an option is wrong
      130  stopped by Ctrl-C, with what was found so far
    """
    pressed = _listen()
    stop = _stopper(time_budget, pressed)
    from harness.commands import fuzz_text
    from harness.commands.sources import chosen_settings
    from harness.fuzz.configure import chosen_invariants
    from harness.fuzz.scenario_file import known_flows

    if as_list:
        click.echo(fuzz_text.catalogue())
        return 0
    configured = _configured(property_, template, id_merge, twin, risks, chosen_settings(settings, cluster_limit))
    target = _target(property_, template, id_merge, twin, risks)
    chosen, known = chosen_invariants(invariants), known_flows(save, target)
    if as_json and configured.template is not None:
        click.echo(fuzz_text.calls(configured.template, configured.inferred), err=True)
    result = _searched(configured.bench, chosen, known, save, max_examples, seed, stop)
    seeds = {one.flow: one.seed for one in known}
    written = [_written(one, save, target, seeds.get(one.played.flow, seed)) for one in result.findings]
    if pressed:
        result = replace(result, stopped="interrupted")
    if as_json:
        click.echo(fuzz_text.document(result, written))
    else:
        click.echo(fuzz_text.report(configured, result, written, max_examples, seed))
    if pressed:
        click.echo("stopped", err=True)
        return 130
    return 1 if result.findings else 0


def _configured(
    property_: Path | None,
    template: Path | None,
    id_merge: IdMerge,
    twin: str | None,
    risks: tuple[str, ...],
    settings: object,
) -> Configured:
    from harness.fuzz.configure import DEFAULT_TWIN, property_bench, twin_bench
    from harness.fuzz.flow import RISKS
    from harness.ingestion.settings import ProjectSettings
    from harness.problems import did_you_mean

    problems = [
        Problem("", None, "--risk", f"{name!r} is no risk", did_you_mean(name, RISKS))
        for name in risks
        if name not in RISKS
    ]
    if property_ is None and template is not None:
        problems.append(Problem("", None, "--template", "has no meaning without --property", "Give the property too."))
    if property_ is not None and twin is not None:
        problems.append(Problem("", None, "--twin", "has no meaning with --property", "Leave one of the two out."))
    if problems:
        raise InputError(problems)
    chosen = frozenset(name for name in RISKS if name in risks)
    base = settings if isinstance(settings, ProjectSettings) else ProjectSettings()
    if property_ is not None:
        return property_bench(property_, template, id_merge, base, chosen)
    return twin_bench(twin or DEFAULT_TWIN, id_merge, base, chosen)


def _target(
    property_: Path | None, template: Path | None, id_merge: IdMerge, twin: str | None, risks: tuple[str, ...]
) -> str:
    """Return the configuration as a command line: found flows belong to it."""
    parts = ["harness fuzz"]
    if property_ is not None:
        parts.append(f"--property {property_.as_posix()}")
    if template is not None:
        parts.append(f"--template {template.as_posix()}")
    parts.append(f"--id-merge {id_merge}")
    if twin is not None:
        parts.append(f"--twin {twin}")
    return " ".join([*parts, *(f"--risk {name}" for name in sorted(set(risks)))])


def _listen() -> list[int]:
    """Return a list that gets an entry when somebody presses Ctrl-C.

    It is acted upon between two flows, since an exception can be lost wherever Python ignores some. Pressed once more
    it works as everywhere.
    """
    import signal

    pressed: list[int] = []

    def press(number: int, frame: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, press)
    return pressed


def _stopper(time_budget: str | None, pressed: Sequence[int]) -> Callable[[], Stopped]:
    """Return what tells why to stop: the time budget is over, or somebody pressed Ctrl-C."""
    from time import monotonic

    from harness.clock import parse_duration

    try:
        end = float("inf") if time_budget is None else monotonic() + parse_duration(time_budget) / 1_000
    except ValueError as error:
        raise InputError([Problem("", None, "--time-budget", str(error), "Units: s, m, h, d.")]) from None

    def why() -> Stopped:
        if pressed:
            return "interrupted"
        return "time" if monotonic() >= end else ""

    return why


def _searched(
    bench: Bench,
    chosen: Sequence[Invariant],
    known: Sequence[Known],
    save: Path,
    max_examples: int,
    seed: int,
    stop: Callable[[], Stopped],
) -> SearchResult:
    """Try what is known first. A flow of another seed that still breaks is the result; one of this seed is found anew.

    So the same command prints the same bytes once more, although what it found the first time is known by then.
    """
    from tempfile import TemporaryDirectory

    from harness.fuzz.machine import keep_notes_in
    from harness.fuzz.search import Search, combined

    if known:
        click.echo(f"trying {len(known)} known flow{'s' if len(known) > 1 else ''} of {save} first", err=True)
    of_others = Search(bench, chosen, stop=stop).replay([one.flow for one in known if one.seed != seed])
    own = Search(bench, chosen, stop=stop).replay([one.flow for one in known if one.seed == seed])
    if of_others.findings:
        return of_others
    shown = sys.stderr.isatty()
    with (
        TemporaryDirectory() as notes,
        click.progressbar(length=max_examples, label="flows", file=sys.stderr, hidden=not shown) as bar,
    ):
        keep_notes_in(Path(notes))
        search = Search(bench, chosen, lambda examples: bar.update(1), stop)
        result = search.run(examples=max_examples, seed=seed)
    return combined(result, own)


def _written(finding: Finding, save: Path, target: str, seed: int) -> tuple[Finding, str, int]:
    """Write a found scenario; return it with its path and how many steps it has."""
    from harness.fuzz.scenario_file import write

    scenario = write(finding, save, target, seed)
    path = save / scenario.file_name
    try:
        save.mkdir(parents=True, exist_ok=True)
        path.write_text(scenario.text, encoding="utf-8", newline="\n")
    except OSError as error:
        problem = Problem(str(path), None, "", f"can't be written: {error.strerror or error}", "Give --save DIR.")
        raise InputError([problem]) from None
    return finding, path.as_posix(), scenario.steps
