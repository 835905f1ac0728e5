"""The run at a glance: what is worst, how much there is of it, and one sentence that sums it up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.report.plain import one_line, plural, ratio, visible
from harness.scenario.results import CheckResult, RunResult, ScenarioResult, ScenarioStatus

WORST_FIRST: Final[tuple[ScenarioStatus, ...]] = ("error", "failed", "known_failure", "passed")
STATUS_NAMES: Final[dict[ScenarioStatus, str]] = {
    "error": "error",
    "failed": "failed",
    "known_failure": "known failure",
    "passed": "passed",
}


@dataclass(frozen=True, slots=True)
class SystemCounts:
    """How the scenarios of one ID-merge system ended."""

    id_merge: IdMerge
    scenarios: int
    passed: int
    failed: int
    known_failure: int


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of identity with what it means, in one line."""

    name: str
    share: float
    meaning: str

    @property
    def text(self) -> str:
        """The share with three decimals."""
        return ratio(self.share)


def worst_first(run: RunResult) -> list[ScenarioResult]:
    """Return every scenario, files that can't be read first, then failures; the order of files within a status."""
    rank = {status: place for place, status in enumerate(WORST_FIRST)}
    return sorted(run.scenarios, key=lambda result: rank[result.status])


def failing(result: ScenarioResult) -> list[CheckResult]:
    """Return the checks that failed."""
    return [check for check in result.checks if check.status == "failed"]


def checks_text(result: ScenarioResult) -> str:
    """Return how many checks held, for example `3/4`."""
    return f"{len(result.checks) - len(failing(result))}/{len(result.checks)}"


def sentence(result: ScenarioResult) -> str:
    """Return the one sentence that says what went wrong, or why it is known to; "" when all held."""
    if result.status == "known_failure" and result.known_failure:
        return one_line(result.known_failure)
    if result.headline:
        return one_line(result.headline)
    failed = failing(result)
    for check in failed:
        if check.sentence:
            return one_line(check.sentence)
    if result.status == "error":
        return "The file can't be read."
    return "Failed: " + ", ".join(visible(check.check) for check in failed) + "." if failed else ""


def counts(run: RunResult) -> list[tuple[ScenarioStatus, int]]:
    """Return how many scenarios ended with each status, worst first; a status nobody has is left out."""
    return [(status, run.count(status)) for status in WORST_FIRST if run.count(status)]


def systems(run: RunResult) -> list[SystemCounts]:
    """Return the counts of every ID-merge system that took part."""
    found = []
    for id_merge in ID_MERGE_SYSTEMS:
        statuses = [result.status for result in run.scenarios if result.id_merge == id_merge]
        if statuses:
            ended = (statuses.count("passed"), statuses.count("failed"), statuses.count("known_failure"))
            found.append(SystemCounts(id_merge, len(statuses), *ended))
    return found


def measures(run: RunResult) -> list[Measure]:
    """Return the measures of the run: do users match people?"""
    quality = run.quality
    return [
        Measure(
            "Pairwise precision",
            quality.pairwise_precision,
            "Of all pairs of events under one user, the share that one person did. Below 1: people are mixed.",
        ),
        Measure(
            "Pairwise recall",
            quality.pairwise_recall,
            "Of all pairs of events by one person, the share under one user. Below 1: people are split.",
        ),
        Measure(
            "B-cubed precision",
            quality.bcubed_precision,
            "Seen from each event: how much of its user is the same person, averaged over events.",
        ),
        Measure(
            "B-cubed recall",
            quality.bcubed_recall,
            "Seen from each event: how much of its person is under the same user, averaged over events.",
        ),
    ]


def verdict(run: RunResult) -> str:
    """Return the outcome in a few words, for a title."""
    ran = _ran(run)
    if not run.scenarios:
        return "No scenarios"
    if run.count("failed"):
        return f"{run.count('failed'):,} of {plural(ran, 'scenario')} failed"
    if run.count("error"):
        return f"{plural(_unreadable(run), 'file')} can't be read"
    if run.count("known_failure"):
        return "No unexpected failure"
    return f"All {plural(ran, 'scenario')} hold" if ran > 1 else "The scenario holds"


def tally(run: RunResult) -> str:
    """Return the counts in one line, for example `12 scenarios: 10 passed, 1 failed, 1 known failure`."""
    parts = list(_parts(run))
    text = plural(_ran(run), "scenario") + (": " + ", ".join(parts) if parts else "")
    unreadable = _unreadable(run)
    return f"{text}; {plural(unreadable, 'file')} can't be read" if unreadable else text


def quality_text(run: RunResult) -> str:
    """Return the measures in one line, or "" where no event has a person."""
    quality = run.quality
    if not quality.events:
        return ""
    pairwise = f"precision {ratio(quality.pairwise_precision)}, recall {ratio(quality.pairwise_recall)}"
    bcubed = f"precision {ratio(quality.bcubed_precision)}, recall {ratio(quality.bcubed_recall)}"
    return f"identity pairwise {pairwise}; B-cubed {bcubed}"


def _parts(run: RunResult) -> Iterable[str]:
    yield f"{run.count('passed'):,} passed"
    if run.count("failed"):
        yield f"{run.count('failed'):,} failed"
    if run.count("known_failure"):
        yield plural(run.count("known_failure"), "known failure")


def _ran(run: RunResult) -> int:
    return len(run.scenarios) - run.count("error")


def _unreadable(run: RunResult) -> int:
    return len({result.file for result in run.scenarios if result.status == "error"})
