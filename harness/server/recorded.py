"""What arrived in a session as a scenario file: "record what my app just did and make it a test".

The people are the users that came out, so the scenario says that today's result is right. It is run before it is handed
out, and expects what that run gave; rows that a scenario can't tell are named in comments.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.clock import format_instant
from harness.event import DEVICE_PREFIX, Endpoint, Json
from harness.forwarder.engine import RulesEngine
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import SWITCHES
from harness.problems import Problem
from harness.scenario.format import Scenario, parse_scenario
from harness.scenario.results import EventRecord, ScenarioResult
from harness.scenario.run import ScenarioRun
from harness.server.sessions import EdgeCall, Session
from harness.server.writing import block, comment, inline, scalar

_MOST_GROUPS: Final = 50
_MOST_IDS: Final = 20
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What to write down.

    Attributes:
        session: the session.
        first: the first row.
        end: the row behind the last one.
        name: the name of the scenario.
        property_path: the property that Edge calls went through, or None.
        folder: the folder the file will be kept in, so that it names the property from there; None: by its whole path.
        engine: runs calls through that property, or None.
    """

    session: Session
    first: int
    end: int
    name: str
    property_path: Path | None = None
    folder: Path | None = None
    engine: RulesEngine | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """One step to be: the rows it is about, when they came, and its lines; None for what a scenario can't tell."""

    rows: range
    at_ms: int
    lines: list[str] | None
    told: str = ""


def scenario_text(recorded: Recorded) -> str:
    """Return the scenario file as text."""
    pieces = _pieces(recorded)
    left_out: dict[int, str] = {place: piece.told for place, piece in enumerate(pieces) if piece.lines is None}
    for _ in range(3):
        text, result = _tried(recorded, pieces, left_out)
        strays = {} if result is None else _strays(recorded, pieces, left_out, result)
        if not strays:
            break
        left_out.update(strays)
    return text


def _pieces(recorded: Recorded) -> list[_Piece]:
    people = _people(recorded)
    calls = {call.first_row: call for call in recorded.session.edge_calls if _is_inside(call, recorded)}
    pieces: list[_Piece] = []
    index = recorded.first
    while index < recorded.end:
        call = calls.get(index) if recorded.property_path is not None else None
        if call is not None and call.end_row > index:
            pieces.append(_edge_piece(call, people))
            index = call.end_row
        else:
            pieces.append(_row_piece(recorded.session, index, people))
            index += 1
    return pieces


def _is_inside(call: EdgeCall, recorded: Recorded) -> bool:
    return recorded.first <= call.first_row < call.end_row <= recorded.end


def _people(recorded: Recorded) -> dict[int, str]:
    """Return who did each stored event: one person for each user that came out."""
    project = recorded.session.project
    names: dict[str, str] = {}
    people: dict[int, str] = {}
    for index in range(recorded.first, recorded.end):
        canonical = project.distinct_id(index)
        if canonical:
            names.setdefault(canonical, _person(canonical, project, len(names) + 1))
            people[index] = names[canonical]
    return people


def _person(canonical: str, project: MixpanelProject, number: int) -> str:
    readable = project.id_merge == "simplified" and not canonical.startswith(DEVICE_PREFIX) and canonical.strip()
    return canonical if readable and canonical.isprintable() else f"person {number}"


def _edge_piece(call: EdgeCall, people: Mapping[int, str]) -> _Piece:
    rows = range(call.first_row, call.end_row)
    event = call.call["event"]
    if set(event) - {"xdm", "data"}:
        return _Piece(rows, call.at_ms, None, "an Edge call with more than xdm and data")
    first, *others = block("edge", event, 4)
    lines = [f"  - {first.strip()}", *others, *_person_line({people[row] for row in rows if row in people})]
    if "request" in call.call:
        lines += block("request", call.call["request"], 4)
    return _Piece(rows, call.at_ms, lines)


def _row_piece(session: Session, index: int, people: Mapping[int, str]) -> _Piece:
    project, rows = session.project, range(index, index + 1)
    stored = project.stored(index)
    if stored is not None:
        properties = {key: value for key, value in stored.event.properties.items() if key != "token"}
        lines = _event_lines(stored.event.name, stored.endpoint, properties, people.get(index))
        return _Piece(rows, stored.arrived_ms, lines)
    error = project.rows[index].errors[0]
    told = f"{error.field}: {error.message}" if error.field else error.message
    arrived = _arrived(session, index)
    raw = project.refused.get(index)
    if not isinstance(raw, dict) or not isinstance(raw.get("event"), str):
        return _Piece(rows, arrived, None, told)
    sent = raw.get("properties")
    properties = sent if isinstance(sent, dict) else {}
    properties = {key: value for key, value in properties.items() if key != "token"}
    try:
        inline({"event": raw["event"], **properties}).encode()
    except (UnicodeError, RecursionError, ValueError):
        return _Piece(rows, arrived, None, told)
    return _Piece(rows, arrived, _event_lines(raw["event"], project.way_of(index)[0], properties, None), told)


def _arrived(session: Session, index: int) -> int:
    """Return about when a row came that was not stored: with the last stored one before it."""
    for earlier in range(index, -1, -1):
        stored = session.project.stored(earlier)
        if stored is not None:
            return stored.arrived_ms
    return session.clock.now_ms()


def _event_lines(name: str, endpoint: Endpoint, properties: Mapping[str, Json], person: str | None) -> list[str]:
    shown = dict(properties)
    if endpoint == "import":
        # A scenario adds what every SDK sends; null says that it was not sent.
        shown = {**shown, **{key: None for key in ("time", "$insert_id") if key not in shown}}
    lines = [f"  - event: {scalar(name)}", *_person_line(set() if person is None else {person})]
    if endpoint == "import":
        lines.append("    endpoint: import")
    return lines + (block("properties", shown, 4) if shown else [])


def _person_line(people: set[str]) -> list[str]:
    return [f"    person: {scalar(next(iter(people)))}"] if len(people) == 1 else []


def _tried(
    recorded: Recorded, pieces: Sequence[_Piece], left_out: Mapping[int, str]
) -> tuple[str, ScenarioResult | None]:
    """Return the scenario with the expectations of its own run, and that run; without any where it can't be read."""
    # The folder may be none of this machine, so the run takes the property by its whole path.
    found = _run(recorded, _written(replace(recorded, folder=None), pieces, left_out, {}))
    expect = {} if found is None else _expect(found)
    return _written(recorded, pieces, left_out, expect), found


def _run(recorded: Recorded, text: str) -> ScenarioResult | None:
    session = recorded.session
    scenario: Scenario | list[Problem] = parse_scenario(text.encode(), "recorded", Path.cwd())
    if isinstance(scenario, list):
        return None
    return ScenarioRun(scenario, MixpanelProject(session.plan.id_merge, scenario.settings), recorded.engine).play()


def _written(
    recorded: Recorded, pieces: Sequence[_Piece], left_out: Mapping[int, str], expect: Mapping[str, Json]
) -> str:
    session = recorded.session
    start_ms = pieces[0].at_ms if pieces else session.clock.now_ms()
    lines = [
        comment(f"Recorded by harness serve: rows {recorded.first} to {recorded.end - 1} of a session."),
        "# Each person is a user that came out, so this says that today's result is right; correct it where it is not.",
        f"name: {scalar(recorded.name)}",
        f"id_merge: {session.plan.id_merge}",
    ]
    if recorded.property_path is not None and any(piece.lines and "edge" in piece.lines[0] for piece in pieces):
        lines.append(f"property: {scalar(_path_from(recorded))}")
    lines.append(f"settings: {inline(_settings(recorded, start_ms))}")
    lines.append("steps:")
    lines += _step_lines(pieces, left_out, start_ms) or ["  []"]
    if expect:
        lines += ["expect:", *(row for key, value in expect.items() for row in block(key, value, 2))]
    return "\n".join(lines) + "\n"


def _step_lines(pieces: Sequence[_Piece], left_out: Mapping[int, str], start_ms: int) -> list[str]:
    lines: list[str] = []
    has_steps = False
    now_ms = start_ms
    for place, piece in enumerate(pieces):
        if piece.lines is None or place in left_out:
            lines.append("  " + comment(f"row {piece.rows.start} is left out: {left_out.get(place) or piece.told}"))
            continue
        if piece.at_ms > now_ms:
            lines.append(f"  - advance: {_duration(piece.at_ms - now_ms)}")
            now_ms = piece.at_ms
        lines += piece.lines
        has_steps = True
    return lines if has_steps else [*lines, "  []"]


def _strays(
    recorded: Recorded, pieces: Sequence[_Piece], left_out: Mapping[int, str], result: ScenarioResult
) -> dict[int, str]:
    """Return the pieces whose rows fared otherwise in the scenario than in the session, and how."""
    project = recorded.session.project
    by_step: dict[int, list[EventRecord]] = {}
    for event in result.events:
        by_step.setdefault(event.step, []).append(event)
    told = [place for place, piece in enumerate(pieces) if piece.lines is not None and place not in left_out]
    sending = [step.number for step in result.steps if step.kind in ("event", "edge")]
    strays = {}
    for place, step in zip(told, sending, strict=True):
        piece = pieces[place]
        was = [project.stored(row) is not None for row in piece.rows]
        now = [event.time_ms is not None for event in by_step.get(step, [])]
        if was != now:
            strays[place] = piece.told or "it is taken in another way there"
    return strays


def _expect(result: ScenarioResult) -> dict[str, Json]:
    expect: dict[str, Json] = {"users": result.users, "accepted": result.accepted}
    groups = [list(cluster.ids[:_MOST_IDS]) for cluster in result.clusters if len(cluster.ids) > 1]
    if groups:
        expect["same_user"] = groups[:_MOST_GROUPS]
    rejected = {(event.step, event.errors[0][0]): None for event in result.events if event.errors}
    if rejected:
        expect["rejected"] = [{"step": step, **({"field": field} if field else {})} for step, field in rejected]
    refused = {
        (event.step, event.decision.reason): None
        for event in result.events
        if event.decision is not None and event.decision.outcome == "refused"
    }
    if refused:
        expect["refused"] = [{"step": step, **({"reason": reason} if reason else {})} for step, reason in refused]
    if result.people.split:
        expect["split"] = list(result.people.split)
    if result.people.mixed:
        expect["mixed"] = [list(names) for names in result.people.mixed]
    return expect


def _settings(recorded: Recorded, start_ms: int) -> dict[str, Json]:
    """Return the clock, and the switches that are not at their default."""
    session = recorded.session
    settings, plain = session.plan.settings, ProjectSettings()
    found: dict[str, Json] = {"now": format_instant(start_ms)}
    parts: dict[str, tuple[object, object]] = {
        "identity": (settings.identity, plain.identity),
        "ingestion": (settings.ingestion, plain.ingestion),
        "project": (settings, plain),
    }
    for switch in SWITCHES.values():
        if switch.part in parts and switch.name not in ("token", "strict"):
            chosen, usual = (getattr(part, switch.field) for part in parts[switch.part])
            if chosen != usual:
                found[switch.name] = chosen
    if not all(_is_strict(session, row) for row in range(recorded.first, recorded.end)):
        found["strict"] = False
    return found


def _is_strict(session: Session, index: int) -> bool:
    endpoint, strict = session.project.way_of(index)
    return strict or endpoint == "track"


def _path_from(recorded: Recorded) -> str:
    assert recorded.property_path is not None, "asked for only where there is one"
    whole = recorded.property_path.resolve()
    if recorded.folder is None:
        return str(whole)
    return os.path.relpath(whole, recorded.folder.resolve()).replace(os.sep, "/")


def _duration(by_ms: int) -> str:
    parts = []
    for unit, size in _UNITS[:-1]:
        count, by_ms = divmod(by_ms, size)
        if count:
            parts.append(f"{count}{unit}")
    if by_ms or not parts:
        parts.append(f"{by_ms // 1_000}.{by_ms % 1_000:03d}s" if by_ms % 1_000 else f"{by_ms // 1_000}s")
    return "".join(parts)
