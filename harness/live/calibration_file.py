"""The answers of a calibration as a settings file, with date and evidence, and as a JSON document."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from harness import __version__
from harness.event import Json
from harness.live.calibrate import NOT_PROBED, Calibrated, Verdict
from harness.live.explaining import shown
from harness.live.probes_identity import SYSTEM

_WIDTH = 118


def settings_text(calibrated: Calibrated, project: str, date: str) -> str:
    """Return a settings file: each answered switch with its value, all else in comments.

    Args:
        calibrated: the answers.
        project: the id of the project.
        date: when it was asked, ISO 8601.
    """
    lines = [
        f"# What a Mixpanel project answered to the probes of `harness calibrate` {__version__}.",
        f"# project {project} · {calibrated.id_merge} · {date} · run {calibrated.run}",
        "# Use it with `--settings`, or as harness.yaml.",
    ]
    if not calibrated.is_settled:
        lines.append("# The project had not settled when time was up: ask again, or wait longer.")
    decided = [verdict for verdict in calibrated.verdicts if verdict.status == "decided" and verdict.probe.switch]
    for verdict in decided:
        lines += ["", f"{verdict.probe.switch}: {_value(verdict)}", *_evidence(verdict)]
    rest = [verdict for verdict in calibrated.verdicts if verdict not in decided]
    for verdict in rest:
        lines += ["", f"# {_headline(verdict)}", *_evidence(verdict)]
    lines += ["", "# Not asked:"]
    for name, why in NOT_PROBED.items():
        lines += _comment(f"{name}: {why}")
    return "\n".join(lines) + "\n"


def calibrated_json(calibrated: Calibrated, project: str, date: str) -> dict[str, Json]:
    """Return the document of `harness calibrate --json`; for the arguments see `settings_text`."""
    return {
        "project": project,
        "id_merge": calibrated.id_merge,
        "run": calibrated.run,
        "date": date,
        "settled": calibrated.is_settled,
        "readings": calibrated.readings,
        "settings": {
            verdict.probe.switch: verdict.value
            for verdict in calibrated.verdicts
            if verdict.status == "decided" and verdict.probe.switch
        },
        "answers": [_answer(verdict) for verdict in calibrated.verdicts],
        "not_probed": NOT_PROBED,
    }


def table(calibrated: Calibrated) -> str:
    """Return the answers as a table for people."""
    from tabulate import tabulate

    rows = []
    for verdict in calibrated.verdicts:
        value = "" if verdict.value is None else shown(verdict.value)
        exactly = f" ({verdict.how_exactly})" if verdict.how_exactly else ""
        rows.append([verdict.status, _subject(verdict), f"{value}{exactly}", verdict.why])
    return tabulate(rows, ["status", "switch or rule", "value", ""], disable_numparse=True)


def _answer(verdict: Verdict) -> dict[str, Json]:
    return {
        "probe": verdict.probe.name,
        "switch": verdict.probe.switch or None,
        "rules": list(verdict.probe.rules),
        "question": verdict.probe.question,
        "status": verdict.status,
        "value": verdict.value,
        "how_exactly": verdict.how_exactly or None,
        "why": verdict.why or None,
        "settled": verdict.is_settled,
        "sent": verdict.sent,
        "came_back": verdict.came_back,
    }


def _headline(verdict: Verdict) -> str:
    if verdict.probe is SYSTEM and verdict.status == "decided":
        return f"The project is {verdict.value}."
    what = {"holds": "holds", "fails": "DOES NOT HOLD", "undecided": "UNDECIDED", "decided": "decided"}
    return f"{_subject(verdict)}: {what[verdict.status]}"


def _subject(verdict: Verdict) -> str:
    if verdict.probe is SYSTEM:
        return "id_merge"
    return verdict.probe.switch or ", ".join(verdict.probe.rules)


def _evidence(verdict: Verdict) -> Iterator[str]:
    yield from _comment(f"asked      {verdict.probe.question}")
    if verdict.how_exactly:
        yield from _comment(f"exactly    {verdict.how_exactly}")
    if not verdict.is_settled:
        yield from _comment("UNSETTLED  not all had come back that every reading lets expect")
    if verdict.why:
        yield from _comment(f"why        {verdict.why}")
    if verdict.probe.rules and verdict.probe.switch:
        yield from _comment(f"rules      {', '.join(verdict.probe.rules)}")
    yield from _comment(f"sent       {verdict.sent}")
    yield from _comment(f"came back  {verdict.came_back}")


def _comment(text: str) -> Sequence[str]:
    start = "#   "
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=start + " " * 11,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _value(verdict: Verdict) -> str:
    """Return a value as YAML reads it back: 1e11 would be a text there."""
    value = verdict.value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return shown(value)
