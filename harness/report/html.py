"""The run as one HTML file that needs nothing else: no network, no fonts, no script to be read in full.

Scenarios are drawn worst first, each in full as long as the file stays small enough to open anywhere, then in brief,
then not at all; what is left out is said where it is missing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources
from typing import Final, Literal, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.event import Json
from harness.report import overview
from harness.report.cast import cast_of
from harness.report.chains import chains_of
from harness.report.graph import after, before
from harness.report.plain import one_line, plural, shorten, value, visible
from harness.report.timeline import timeline_of
from harness.scenario.results import RunResult, ScenarioResult

FULL_UNTIL: Final = 3_500_000
"""Bytes of scenarios after which the timeline and the graphs are left out."""

BRIEF_UNTIL: Final = 4_600_000
"""Bytes of scenarios after which nothing more is listed."""

MOST_CHECKS: Final = 40
MOST_PROBLEMS: Final = 40
_NAME_CELLS: Final = 200
_VALUE_CELLS: Final = 400
_SENTENCE_CELLS: Final = 1000
_SIGNS: Final = {"passed": "✓", "failed": "✗", "known_failure": "~", "error": "!"}

Detail: TypeAlias = Literal["full", "brief"]


def render(run: RunResult) -> str:
    """Return the run as an HTML document."""
    environment = _environment()
    style, script = _asset("report.css"), _asset("report.js")
    scenarios = list(_scenarios(environment, run))
    page = environment.get_template("report.html.j2").render(
        run=run,
        overview=overview,
        style=Markup(style),  # noqa: S704 - our own file, not text from a run
        script=Markup(script),  # noqa: S704
        style_hash=_digest(style),
        script_hash=_digest(script),
        scenarios=scenarios,
        left_out=len(run.scenarios) - len(scenarios),
    )
    return page.rstrip("\n") + "\n"


def _scenarios(environment: Environment, run: RunResult) -> Iterator[Markup]:
    template = environment.get_template("scenario.html.j2")
    size = 0
    for number, result in enumerate(overview.worst_first(run), start=1):
        detail: Detail = "full" if size < FULL_UNTIL else "brief"
        text = template.render(number=number, **_parts(result, detail))
        size += len(text.encode("utf-8"))
        if size > BRIEF_UNTIL:
            return
        yield Markup(text)  # noqa: S704 - escaped by its own template


def _parts(result: ScenarioResult, detail: Detail) -> dict[str, Json]:
    parts: dict[str, Json] = {
        "result": result,
        "detail": detail,
        "sentence": overview.sentence(result),
        "checks_text": overview.checks_text(result),
        "most_checks": MOST_CHECKS,
        "most_problems": MOST_PROBLEMS,
        "checks": sorted(result.checks, key=lambda check: check.status != "failed"),
        "timeline": None,
        "chains": [],
    }
    if detail == "full" and result.steps:
        cast = cast_of(result)
        parts["chains"] = chains_of(result.explained, cast)
        parts["timeline"] = timeline_of(result, cast)
        parts["before"] = before(result, cast)
        parts["after"] = after(result, cast)
    return parts


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_harmless,
    )
    environment.filters["plural"] = plural
    environment.filters["json_text"] = lambda found: shorten(value(found), _VALUE_CELLS)
    environment.filters["named"] = lambda text: shorten(one_line(text), _NAME_CELLS)
    environment.filters["said"] = lambda text: shorten(one_line(text), _SENTENCE_CELLS)
    environment.globals["signs"] = _SIGNS
    environment.globals["status_names"] = overview.STATUS_NAMES
    return environment


def _harmless(found: object) -> object:
    """Spell out control characters in whatever a template writes, so that no place can forget to."""
    if isinstance(found, str) and not isinstance(found, Markup):
        return visible(found)
    return found


def _asset(name: str) -> str:
    return resources.files("harness.report").joinpath("templates", name).read_text("utf-8").strip()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
