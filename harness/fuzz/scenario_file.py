"""A finding as a scenario file: people named, ids readable, the story on top; it fails for the reason that was found.

The flow itself stands in a comment of the file, so that a folder of found scenarios is the database of the next search.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from harness.clock import format_instant
from harness.event import IdMerge, Json
from harness.fuzz import ids
from harness.fuzz.flow import Flow, flow_from_json
from harness.fuzz.invariants import INVARIANTS
from harness.fuzz.search import Finding
from harness.fuzz.sender import START_MS
from harness.fuzz.story import tell
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import SWITCHES
from harness.scenario.format import AdvanceStep, EdgeStep, EventStep, ResendStep, Step

_WIDTH: Final = 118
_PLAIN: Final = re.compile(r"[A-Za-z$_][A-Za-z0-9$_@./ -]*(?<! )")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_FLOW: Final = "# flow: "
_FOUND_BY: Final = "# found by: "


class Known(NamedTuple):
    """A flow of an earlier search: the flow, and the seed of that search."""

    flow: Flow
    seed: int


class Written(NamedTuple):
    """A scenario ready to be written: the name of its file, its text, and how many steps it has."""

    file_name: str
    text: str
    steps: int


def known_flows(folder: Path, target: str) -> list[Known]:
    """Return the flows in the found scenarios of a folder, by file name.

    Args:
        folder: the folder; it may be missing.
        target: the configuration they have to belong to, as in `write`.
    """
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        by, _, seed = _comment(lines, _FOUND_BY).rpartition(" --seed ")
        flow = flow_from_json(_json(_comment(lines, _FLOW)))
        if by == target and flow is not None and seed.isdecimal():
            found.append(Known(flow, int(seed)))
    return found


def _comment(lines: Sequence[str], mark: str) -> str:
    return next((line.removeprefix(mark) for line in lines if line.startswith(mark)), "")


def _json(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return None


def write(finding: Finding, folder: Path, target: str, seed: int) -> Written:
    """Return a finding as a scenario.

    Args:
        finding: the flow and how it breaks.
        folder: where the file will be; paths in it start there.
        target: the configuration, as a command line without seed.
        seed: the seed of the search.
    """
    played, broken = finding.played, finding.broken
    bench, flow = played.bench, played.flow
    id_merge: IdMerge = broken.id_merge or bench.id_merge
    steps = list(broken.steps if broken.steps is not None else played.sending.steps)
    names = _names(steps)
    has_edge = any(isinstance(step, EdgeStep) for step in steps)
    settings = _settings(bench.settings, broken.settings)
    if has_edge and bench.env:
        settings["env"] = dict(bench.env)
    lines = [
        *_header(finding, f"{target} --seed {seed}"),
        f"name: {scalar(_title(finding))}",
        f"id_merge: {id_merge}",
    ]
    if has_edge and bench.property_path is not None:
        path = os.path.relpath(bench.property_path.resolve(), folder.resolve()).replace(os.sep, "/")
        lines.append(f"property: {scalar(path)}")
    lines.append(f"settings: {_flow_style(settings)}")
    if names:
        lines += ["vars:", *(f"  {name}: {scalar(text)}" for text, name in names.items())]
    lines += ["steps:", *(line for step in _numbered(steps) for line in _step(step, names))]
    if broken.expect:
        lines += ["expect:", *(f"  {key}: {_flow_style(_named(item, names))}" for key, item in broken.expect.items())]
    digest = hashlib.sha256(json.dumps(flow.as_json()).encode() + target.encode()).hexdigest()[:8]
    return Written(f"{broken.invariant}-{id_merge}-{digest}.yaml", "\n".join(lines) + "\n", len(steps))


def _header(finding: Finding, command: str) -> list[str]:
    broken, flow = finding.broken, finding.played.flow
    story = [f"  {number}. {line}" for number, line in enumerate(tell(flow), 1)]
    texts = [
        f"What has to hold ({broken.invariant}): {INVARIANTS[broken.invariant].holds}",
        "The smallest flow found that breaks it:",
        *story,
        f"What comes out: {broken.sentence}.",
    ]
    lines = [line for text in texts for line in _wrapped(text)]
    kept = json.dumps(flow.as_json(), separators=(",", ":"))
    return [*lines, f"{_FOUND_BY}{command}", f"{_FLOW}{kept}"]


def _wrapped(text: str) -> list[str]:
    import textwrap

    indent = "#   " if text.startswith("  ") else "# "
    clean = " ".join(text.split())
    return textwrap.wrap(clean, _WIDTH, initial_indent=indent, subsequent_indent="#   ", break_on_hyphens=False)


def _title(finding: Finding) -> str:
    name = finding.broken.invariant.replace("-", " ")
    story = "; ".join(tell(finding.played.flow))
    title = f"Found by fuzz, against {name}: {story}"
    return title if len(title) <= 200 else title[:199] + "…"


def _settings(settings: ProjectSettings, own: Mapping[str, Json]) -> dict[str, Json]:
    """Return the clock, the switches that are not at their default, and those that the finding needs."""
    found: dict[str, Json] = {"now": format_instant(START_MS)}
    plain = ProjectSettings()
    parts = {
        "identity": (settings.identity, plain.identity),
        "ingestion": (settings.ingestion, plain.ingestion),
        "project": (settings, plain),
    }
    for switch in SWITCHES.values():
        if switch.part in parts:
            chosen, usual = (getattr(part, switch.field) for part in parts[switch.part])
            if chosen != usual:
                found[switch.name] = chosen
    return {**found, **own}


def _names(steps: Iterable[Step]) -> dict[str, str]:
    """Return names for the ids of devices that steps carry, longest id first."""
    text = json.dumps([_content(step) for step in steps])
    found: dict[str, str] = {}
    for jar in ids.every_jar():
        for made, ending in ((ids.uuid_of(jar), ""), (ids.ecid_of(jar), "_ecid")):
            if made in text:
                found[made] = ids.jar_name(jar) + ending
    return found


def _content(step: Step) -> Json:
    if isinstance(step, EventStep):
        return dict(step.properties)
    return [dict(step.event), step.request] if isinstance(step, EdgeStep) else None


def _numbered(steps: Sequence[Step]) -> list[Step]:
    """Return steps numbered by their place, with retries that name the new numbers."""
    places = {step.number: place for place, step in enumerate(steps)}
    numbered: list[Step] = []
    for place, step in enumerate(steps):
        if isinstance(step, ResendStep):
            numbered.append(ResendStep(place, 0, step.person, places[step.of]))
        else:
            numbered.append(step)
    return numbered


def _step(step: Step, names: Mapping[str, str]) -> list[str]:
    if isinstance(step, AdvanceStep):
        return [f"  - advance: {step.text}"]
    if isinstance(step, ResendStep):
        return [f"  - resend: {step.of}"]
    person = [f"    person: {scalar(step.person)}"] if step.person is not None else []
    if isinstance(step, EventStep):
        lines = [f"  - event: {scalar(step.name)}", *person]
        if step.endpoint != "track":
            lines.append(f"    endpoint: {step.endpoint}")
        return lines + _block("properties", _named(dict(step.properties), names), 4)
    first, *others = _block("edge", _named(dict(step.event), names), 4)
    lines = [f"  - {first.strip()}", *others, *person]
    if step.request is not None:
        lines += _block("request", _named(step.request, names), 4)
    return lines


def _block(key: str, value: Json, indent: int) -> list[str]:
    """Return a key with its value on one line where that fits, else a line for each key inside."""
    margin = " " * indent
    line = f"{margin}{scalar(key)}: {_flow_style(value)}"
    if len(line) <= _WIDTH or not isinstance(value, dict) or not value:
        return [line]
    return [
        f"{margin}{scalar(key)}:",
        *(row for name, item in value.items() for row in _block(name, item, indent + 2)),
    ]


def _named(value: Json, names: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        for text, name in names.items():
            value = value.replace(text, f"{{{name}}}")
        return value
    if isinstance(value, dict):
        return {key: _named(item, names) for key, item in value.items()}
    return [_named(item, names) for item in value] if isinstance(value, list) else value


def _flow_style(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_flow_style(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow_style, value)) + "]"
    return scalar(value)


def scalar(value: Json) -> str:
    """Return a value as YAML 1.2: a text without quotes where it can't be taken for anything else."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS and not _NUMBER.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
