"""Findings and rules as people and scripts read them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.event import ID_MERGE_SYSTEMS, Json
from harness.lint.registry import SEVERITIES, Finding, LintRule
from harness.lint.rules import RULES


def findings_document(findings: Iterable[Finding]) -> list[Json]:
    """Return the document of `harness lint --json`."""
    return [
        {
            "rule": finding.rule,
            "severity": finding.severity,
            "where": finding.where,
            "message": finding.message,
            "fix": finding.fix,
        }
        for finding in findings
    ]


def findings_text(findings: Sequence[Finding], files: int) -> str:
    """Return findings for people, the worst told by their word in front, and a line that counts them."""
    parts = [_finding(finding) for finding in findings]
    count = Counter(finding.severity for finding in findings)
    told = [f"{count[one]} {one}{'' if count[one] == 1 else 's'}" for one in SEVERITIES if count[one]]
    what = ", ".join(told) or "nothing found"
    return "\n".join([*parts, f"{what} in {files} file{'' if files == 1 else 's'}"])


def _finding(finding: Finding) -> str:
    lines = (
        f"{finding.severity}: {finding.where}",
        f"  {finding.message}  [{finding.rule}]",
        f"  fix: {finding.fix}",
    )
    return "\n".join(_printable(line) for line in lines) + "\n"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def rule_document(rule: LintRule) -> dict[str, Json]:
    """Return a rule with its documentation as JSON."""
    return {
        "rule": rule.name,
        "subject": rule.subject,
        "severity": rule.severity,
        "id_merge": list(rule.systems),
        "summary": rule.summary,
        "fix": rule.fix,
        "example": rule.bad,
        "fixed_example": rule.good,
        "evidence": rule.evidence,
        "source": rule.source,
    }


def rules_text() -> str:
    """Return all rules as a table, by what they look at."""
    from tabulate import tabulate

    rules = sorted(RULES.values(), key=lambda rule: (rule.subject, SEVERITIES.index(rule.severity), rule.name))
    rows = [(rule.subject, rule.severity, rule.name, "\n".join(textwrap.wrap(rule.summary, 80))) for rule in rules]
    table: str = tabulate(rows, ["looks at", "severity", "rule", "finds"], disable_numparse=True)
    return f"{table}\n\n{len(rules)} rules; `harness lint --explain RULE` shows one with an example and what to do"


def rule_text(rule: LintRule) -> str:
    """Return one rule with its example, what to do, and what the knowledge rests on."""
    systems = "all systems" if rule.systems == ID_MERGE_SYSTEMS else " and ".join(rule.systems)
    parts = (
        f"{rule.name} ({rule.severity}, {rule.subject}, {systems})",
        rule.summary,
        f"Found:\n{textwrap.indent(rule.bad, '    ')}",
        f"Not found:\n{textwrap.indent(rule.good, '    ')}",
        f"What to do: {rule.fix}",
        f"Evidence: {rule.evidence} ({rule.source})",
    )
    return "\n\n".join(parts)
