"""Whatever a file holds, linting gives findings or problems, never an exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS
from harness.lint.check import Options, lint_paths
from harness.lint.examples import DATA_ELEMENTS
from harness.lint.sarif import sarif
from harness.lint.show import findings_document, findings_text

TOKENS = ["{{ECID}}", "$device:{{ECID}}", "{{E-mail}}", "{{Nowhere}}", "{{Event id}}{{Time}}", "a{{IP}}", "{{Token}}"]
TEXTS = ["", "a", "null", "undefined", "$identify", "$merge", "$device:$device:a", "\ud800", "5f0c-1-2-3-4", *TOKENS]
KEYS = [
    "token", "time", "distinct_id", "$insert_id", "$user_id", "$device_id", "$anon_id", "$identified_id", "alias",
    "$distinct_ids", "event", "properties", "custom_properties", "$ignore", "ip",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.sampled_from([0, -1, 1, 123, 1_767_614_400, 1e15, 1e308]), st.sampled_from(TEXTS)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=12,
)
OPTIONS = st.builds(
    Options,
    st.sampled_from([None, *ID_MERGE_SYSTEMS]),
    st.sampled_from(["import", "track"]),
    st.sampled_from(["production", "staging"]),
)
SEND_EVENT = st.fixed_dictionaries(
    {"event": SCALARS, "properties": st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)},
    optional={"custom_properties": VALUES},
)
CONDITION = st.fixed_dictionaries(
    {"left": SCALARS, "operator": st.sampled_from(["equals", "isFalse", "matchesRegex", "lessThan", "doesNotEqual"])},
    optional={"right": VALUES, "negate": st.booleans(), "case_insensitive": st.booleans()},
)
ACTIONS = st.lists(SEND_EVENT.map(lambda one: {"send_event": one}), max_size=3)
RULES = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["One", "Two"]), "actions": ACTIONS},
        optional={"conditions": st.lists(CONDITION, max_size=3), "enabled": st.booleans()},
    ),
    max_size=3,
)
STEPS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"event": st.sampled_from(["Page", "$identify", "$create_alias", "$merge"])},
            optional={
                "properties": st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
                "person": st.sampled_from(["ana", "ben"]),
                "endpoint": st.sampled_from(["import", "track"]),
            },
        ),
        st.fixed_dictionaries({"edge": st.fixed_dictionaries({}, optional={"xdm": VALUES, "data": VALUES})}),
        st.just({"resend": 0}),
    ),
    max_size=6,
)

EASY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(path: Path, options: Options, stdin: bytes = b"") -> None:
    result = lint_paths([path], options, stdin)
    assert bool(result.problems) == (result.exit_code == 2)
    json.dumps(findings_document(result.findings))
    json.dumps(sarif(result.findings, result.problems))
    assert findings_text(result.findings, result.files)


@EASY
@given(st.lists(VALUES, max_size=5), OPTIONS)
def test_any_json_lines_are_linted(rows: list[Any], options: Options) -> None:
    check(Path("-"), options, "\n".join(map(json.dumps, rows)).encode())


@EASY
@given(
    st.lists(st.fixed_dictionaries({"event": SCALARS, "properties": st.dictionaries(st.sampled_from(KEYS), VALUES)})),
    OPTIONS,
)
def test_any_events_are_linted(rows: list[Any], options: Options) -> None:
    check(Path("-"), options, "\n".join(map(json.dumps, rows)).encode())


@EASY
@given(st.binary(max_size=60), OPTIONS)
def test_any_bytes_are_linted(raw: bytes, options: Options) -> None:
    check(Path("-"), options, raw)


@EASY
@given(rules=RULES, options=OPTIONS)
def test_any_property_is_linted(rules: list[Any], options: Options, tmp_path: Path) -> None:
    path = tmp_path / "property.yaml"
    path.write_text(f"property: Any\n{DATA_ELEMENTS}rules: {json.dumps(rules)}\n")
    check(path, options)


@EASY
@given(rules=RULES, steps=STEPS, id_merge=st.sampled_from(ID_MERGE_SYSTEMS), options=OPTIONS)
def test_any_scenario_is_linted(
    rules: list[Any], steps: list[Any], id_merge: str, options: Options, tmp_path: Path
) -> None:
    (tmp_path / "p.yaml").write_text(f"property: Any\n{DATA_ELEMENTS}rules: {json.dumps(rules)}\n")
    path = tmp_path / "a.scenario.yaml"
    path.write_text(f"name: Any\nid_merge: {id_merge}\nproperty: p.yaml\nsteps: {json.dumps(steps)}\n")
    check(path, options)


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.jsonl", "a.txt"])
@EASY
@given(raw=st.one_of(st.binary(max_size=40), VALUES.map(lambda value: json.dumps(value).encode())), options=OPTIONS)
def test_a_file_of_any_name_and_content_is_linted(name: str, raw: bytes, options: Options, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    check(path, options)
    check(tmp_path, options)
