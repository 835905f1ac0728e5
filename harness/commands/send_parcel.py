"""What `harness send` is told by its options, as a parcel for the gate."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from harness.commands.sources import chosen_settings, is_scenario, scenario_of
from harness.event import Endpoint, IdMerge
from harness.identity import looks
from harness.ingestion.settings import ProjectSettings
from harness.live.destination import Destination
from harness.live.gate import Parcel
from harness.live.marking import RUN_ID, Marking
from harness.live.proof import SAME_USER, Allowed
from harness.problems import InputError, Problem, did_you_mean
from harness.scenario.expect import REASONS


def parcel_of(
    events: Path,
    destination: Destination,
    id_merge: IdMerge | None,
    endpoint: Endpoint | None,
    concurrency: int,
    isolate: bool | None,  # noqa: FBT001 - three answers: yes, no, as usual
    run_id: str | None,
    settings_path: Path | None,
    cluster_limit: int | None,
    allowed: Allowed,
) -> Parcel:
    """Return what is to be sent; the arguments are the options of the command.

    Raises:
        InputError: when an option is wrong, or the scenario can't be read.
    """
    settings = _at_home(chosen_settings(settings_path, cluster_limit), destination)
    scenario = None
    systems: tuple[IdMerge, ...] = (id_merge or "simplified",)
    if is_scenario(events):
        scenario = scenario_of(events, settings)
        settings = _at_home(scenario.settings, destination)
        scenario = replace(scenario, settings=settings)
        systems = (id_merge,) if id_merge else scenario.id_merge or systems
    is_test = scenario is not None or bool(isolate) or run_id is not None
    isolates = scenario is not None if isolate is None else isolate
    marking = Marking(_run_id(run_id), isolates) if is_test else None
    route: Endpoint | None = endpoint if scenario is not None else endpoint or "import"
    path = None if str(events) == "-" else events
    return Parcel(str(events), path, scenario, systems, settings, route, allowed, marking, concurrency, run_id)


def _at_home(settings: ProjectSettings, destination: Destination) -> ProjectSettings:
    """Return settings of a project that lives where events are sent to; others would lose them."""
    if destination.region is None or settings.region == destination.region:
        return settings
    if settings.region != "us":
        message = f"is {destination.region}, but the settings say the project lives in {settings.region}"
        raise _wrong("--to", message, "A project of another region loses every event without a word.")
    return replace(settings, region=destination.region)


def allowed_by(refused: tuple[str, ...], joins: tuple[tuple[str, str], ...], known_user: str | None) -> Allowed:
    """Return what is expected, as the options say.

    Raises:
        InputError: when one names no reason, or is no regular expression.
    """
    known = (*REASONS, SAME_USER)
    for reason in refused:
        if reason not in known and "." not in reason:
            raise _wrong("--allow-refused", f"{reason[:60]!r} is no reason", did_you_mean(reason, known))
    is_known = None
    if known_user is not None:
        try:
            is_known = looks.known_user(known_user)
        except re.error as error:
            raise _wrong("--known-user", f"{known_user!r} is no regular expression: {error}", "") from None
    return Allowed(frozenset(refused), [frozenset(pair) for pair in joins], is_known)


def _run_id(given: str | None) -> str:
    if given is None:
        import secrets

        return f"run-{secrets.token_hex(6)}"
    if not RUN_ID.fullmatch(given):
        raise _wrong("--run", f"{given[:60]!r} is no run id", "Use up to 40 letters, digits and hyphens.")
    return given


def _wrong(option: str, message: str, fix: str) -> InputError:
    return InputError([Problem("", None, option, message, fix)])
