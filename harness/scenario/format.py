"""The scenario file: YAML in, typed records out, and every mistake of a file at once with its line.

Steps are numbered from 0. `vars:` gives names to values; `{name}` in a text of a step or an expectation stands for the
value of that name. Nothing in a file is ever executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from harness.clock import parse_duration, parse_instant
from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge, Json
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import read_settings
from harness.problems import Problem, Problems, did_you_mean
from harness.scenario.expect import Expect, read_expect
from harness.scenario.variables import fill, read_variables
from harness.source import Reader, decode_text, read_text
from harness.yamltext import Mapping as MapNode
from harness.yamltext import Node, Scalar, kind_of, parse_yaml, plain

DEFAULT_NOW_MS: Final = parse_instant("2026-01-05T12:00:00Z")
_STEP_KINDS: Final = ("event", "edge", "advance", "resend")
_OWN_SETTINGS: Final = ("now", "environment", "env")
_ENDPOINTS: Final[tuple[Endpoint, ...]] = ("track", "import")


@dataclass(frozen=True, slots=True)
class EventStep:
    """One event straight to Mixpanel, as an SDK or a server sends it."""

    number: int
    line: int
    person: str | None
    name: str
    endpoint: Endpoint
    properties: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class EdgeStep:
    """One Edge Network call through the property: `event` holds `xdm` and `data`."""

    number: int
    line: int
    person: str | None
    event: Mapping[str, Json]
    request: Json


@dataclass(frozen=True, slots=True)
class AdvanceStep:
    """Moves the clock by some milliseconds."""

    number: int
    line: int
    text: str
    by_ms: int
    person: None = None


@dataclass(frozen=True, slots=True)
class ResendStep:
    """Sends again, byte for byte, what an earlier step sent: a retry."""

    number: int
    line: int
    person: str | None
    of: int


Step: TypeAlias = EventStep | EdgeStep | AdvanceStep | ResendStep


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario file.

    Attributes:
        name: what it shows.
        file: the file as it was found.
        id_merge: the systems to run it under; empty where the file names none.
        property_path: the property its Edge calls go through, or None.
        now_ms: the clock at the first step, milliseconds since 1970.
        environment: the build environment of the property.
        env: secret values by secret id, for the property.
        settings: the reading of Mixpanel's rules to follow.
        steps: the steps in order.
        expect: what has to come out.
        known_failure: why the flow is expected to fail today, or None.
    """

    name: str
    file: str
    id_merge: tuple[IdMerge, ...]
    property_path: Path | None
    now_ms: int
    environment: str
    env: Mapping[str, Json]
    settings: ProjectSettings
    steps: tuple[Step, ...]
    expect: Expect = field(default_factory=Expect)
    known_failure: str | None = None


def load_scenario(path: Path, file: str, base: ProjectSettings | None = None) -> Scenario | list[Problem]:
    """Read a scenario file.

    Args:
        path: where it is.
        file: the name to use for it in messages.
        base: settings from outside the file, which its own `settings` override.

    Returns:
        The scenario, or everything that is wrong with the file.
    """
    problems = Problems(file)
    text = read_text(path, problems)
    return problems.found if text is None else _read(text, path.parent, problems, base)


def parse_scenario(
    raw: bytes, file: str, folder: Path, base: ProjectSettings | None = None
) -> Scenario | list[Problem]:
    """Read a scenario from bytes; `folder` is where its `property` path starts. Otherwise like `load_scenario`."""
    problems = Problems(file)
    text = decode_text(raw, problems)
    return problems.found if text is None else _read(text, folder, problems, base)


def is_property_file(node: Node) -> bool:
    """Return whether a YAML document is a property in shorthand, which a folder of scenarios may hold too."""
    return (
        isinstance(node, MapNode)
        and "steps" not in node.entries
        and "expect" not in node.entries
        and ("rules" in node.entries or "data_elements" in node.entries)
    )


def _read(text: str, folder: Path, problems: Problems, base: ProjectSettings | None) -> Scenario | list[Problem]:
    node = parse_yaml(text, problems)
    if node is None:
        if not problems:
            problems.add(1, "", "is empty", "Write a scenario; `harness new` gives one to start from.")
        return problems.found
    if not isinstance(node, MapNode):
        problems.add(node.line, "", f"needs a map with name and steps, found {kind_of(node)}")
        return problems.found
    scenario = _scenario(Reader(node, "", problems), folder, base)
    return problems.found if problems or scenario is None else scenario


def _scenario(top: Reader, folder: Path, base: ProjectSettings | None) -> Scenario | None:
    problems = top.problems
    variables = read_variables(top)
    top.required("name", "one line that says what the flow shows")
    name = top.text("name")
    if name is not None and not name.strip():
        top.wrong("name", "is blank", "Say what the flow shows.")
    id_merge = _id_merge(top)
    settings_node = top.mapping("settings", "settings")
    reader = Reader(settings_node or MapNode({}, {}, top.node.line), "settings", problems)
    now_ms = _now(reader)
    environment = reader.text("environment") or "production"
    env = reader.mapping("env", "secret values by secret id")
    settings = read_settings(reader, other=_OWN_SETTINGS, base=base)
    property_path = _property(top, folder)
    steps = _steps(top, variables, has_property="property" in top)
    expect_node = top.mapping("expect", "expectations")
    expect = Expect()
    if expect_node is not None:
        expect = read_expect(Reader(expect_node, "expect", problems), steps, variables)
    known_failure = top.text("known_failure")
    if known_failure is not None and not known_failure.strip():
        top.wrong("known_failure", "is blank", "Say why the flow is expected to fail today.")
    top.finish()
    if name is None:
        return None
    secrets = plain(env) if env is not None else {}
    return Scenario(
        name, problems.file, id_merge, property_path, now_ms, environment, secrets, settings,
        tuple(steps), expect, known_failure,
    )  # fmt: skip


def _id_merge(top: Reader) -> tuple[IdMerge, ...]:
    node = top.get("id_merge")
    if node is None:
        return ()
    items = [node] if isinstance(node, Scalar) else top.items("id_merge", "ID-merge systems") or []
    chosen: list[IdMerge] = []
    for item in items:
        value = item.value if isinstance(item, Scalar) else None
        found = next((system for system in ID_MERGE_SYSTEMS if system == value), None)
        if found is None:
            fix = did_you_mean(str(value), ID_MERGE_SYSTEMS)
            top.problems.add(item.line, "id_merge", f"{kind_of(item)} is no ID-merge system", fix)
        elif found not in chosen:
            chosen.append(found)
    if not items and not isinstance(node, Scalar):
        top.wrong("id_merge", "is an empty list", "Name one of " + ", ".join(ID_MERGE_SYSTEMS) + ".")
    return tuple(chosen)


def _now(settings: Reader) -> int:
    text = settings.text("now", what="an instant such as 2026-01-05T12:00:00Z")
    if text is None:
        return DEFAULT_NOW_MS
    try:
        return parse_instant(text)
    except ValueError as error:
        settings.wrong("now", str(error))
        return DEFAULT_NOW_MS


def _property(top: Reader, folder: Path) -> Path | None:
    text = top.text("property", what="the path of a property file")
    if text is None:
        return None
    path = folder / text
    try:
        exists = path.exists()
    except (OSError, ValueError):
        exists = False
    if not exists:
        top.wrong("property", f"{text[:200]!r} does not exist", "The path starts at the folder of this file.")
    return path


def _steps(top: Reader, variables: Mapping[str, Json], *, has_property: bool) -> list[Step]:
    top.required("steps", "the events, Edge calls and waits of the flow, in order")
    steps: list[Step] = []
    for number, node in enumerate(top.items("steps", "steps") or []):
        key = f"steps[{number}]"
        if not isinstance(node, MapNode):
            top.problems.add(node.line, key, f"needs a map with one of {', '.join(_STEP_KINDS)}, found {kind_of(node)}")
            continue
        step = _step(Reader(node, key, top.problems), number, steps, variables)
        if isinstance(step, EdgeStep) and not has_property:
            top.problems.add(step.line, f"{key}.edge", "needs a property", "Add `property: path` at the top.")
        if step is not None:
            steps.append(step)
    return steps


def _step(reader: Reader, number: int, before: list[Step], variables: Mapping[str, Json]) -> Step | None:
    kinds = [kind for kind in _STEP_KINDS if kind in reader]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        fix = did_you_mean(next(iter(reader.node.entries), ""), _STEP_KINDS) if not kinds else "Make them two steps."
        reader.problems.add(
            reader.node.line, reader.key, f"needs exactly one of {', '.join(_STEP_KINDS)}, found {found}", fix
        )
        return None
    readers = {"event": _event, "edge": _edge, "advance": _advance, "resend": _resend}
    step = readers[kinds[0]](reader, number, before, variables)
    reader.finish()
    return step


def _person(reader: Reader, variables: Mapping[str, Json]) -> str | None:
    person = reader.text("person", what="the name of a person")
    if person is not None and not person.strip():
        reader.wrong("person", "is blank", "Name the person, or leave the key out.")
    return None if person is None else str(fill(person, variables))


def _event(reader: Reader, number: int, before: list[Step], variables: Mapping[str, Json]) -> Step | None:
    name = reader.text("event", what="the name of an event")
    endpoint = reader.choice("endpoint", _ENDPOINTS) or "track"
    node = reader.mapping("properties", "event properties")
    properties = fill(plain(node), variables) if node is not None else {}
    person = _person(reader, variables)
    if name is None:
        if reader.node.entries["event"] == Scalar(None, reader.line("event")):
            reader.wrong("event", "is empty", "Name the event.")
        return None
    chosen: Endpoint = "import" if endpoint == "import" else "track"
    return EventStep(number, reader.node.line, person, str(fill(name, variables)), chosen, properties)


def _edge(reader: Reader, number: int, before: list[Step], variables: Mapping[str, Json]) -> Step | None:
    node = reader.mapping("edge", "xdm and data")
    person = _person(reader, variables)
    request = reader.data("request")
    if node is None:
        if isinstance(reader.node.entries["edge"], Scalar):
            reader.finish()
        return None
    edge = Reader(node, reader.path("edge"), reader.problems)
    edge.finish(("xdm", "data"))
    return EdgeStep(number, reader.node.line, person, fill(plain(node), variables), fill(request, variables))


def _advance(reader: Reader, number: int, before: list[Step], variables: Mapping[str, Json]) -> Step | None:
    text = reader.text("advance", what="a duration such as 2h")
    if "person" in reader:
        reader.get("person")
        reader.wrong("person", "has no meaning here: a wait is nobody's", "Remove it.")
    if text is None:
        return None
    try:
        return AdvanceStep(number, reader.node.line, text, parse_duration(str(fill(text, variables))))
    except ValueError as error:
        reader.wrong("advance", str(error), "Units: s, m, h, d.")
        return None


def _resend(reader: Reader, number: int, before: list[Step], variables: Mapping[str, Json]) -> Step | None:
    of = reader.number("resend")
    person = _person(reader, variables)
    if of is None:
        return None
    earlier = next((step for step in before if step.number == of), None)
    if of >= number:
        reader.wrong("resend", f"{of} is not an earlier step", f"Name one of the steps 0 to {number - 1}.")
        return None
    if isinstance(earlier, AdvanceStep):
        reader.wrong("resend", f"step {of} is a wait and sent nothing", "Name a step that sent something.")
        return None
    if person is None and earlier is not None:
        person = earlier.person
    return ResendStep(number, reader.node.line, person, of)
