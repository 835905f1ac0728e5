"""The setting that would explain a difference is found, whatever the setting is."""

from __future__ import annotations

import pytest

from harness.event import Event, IdMerge, Json
from harness.live import explaining
from harness.live.calibrate import PROBES
from harness.live.prediction import Replay, SentRow
from harness.live.probe import Kit
from tests.live.exports import NOW_MS, export_of, line, replay, row, settings, uuid, verified

ABOUT_USERS = [
    (probe, value)
    for probe in PROBES
    if probe.switch and "users" in probe.looks_at and probe.judge is None
    for value in probe.values[1:]
]


def as_sent(name: str, asks: object) -> Replay:
    rows, now_ms = [], NOW_MS
    for ask in asks:  # type: ignore[attr-defined]
        now_ms += ask.pause_ms
        rows += [SentRow(one.name, Event(one.event, one.properties), ask.endpoint, now_ms) for one in ask.rows]
    return Replay(rows)


@pytest.mark.parametrize(("probe", "value"), ABOUT_USERS, ids=lambda part: getattr(part, "switch", str(part)))
def test_every_switch_that_changes_who_is_one_user_explains_what_it_changed(probe: object, value: Json) -> None:
    switch, id_merge = probe.switch, probe.systems[0]  # type: ignore[attr-defined]
    sent = as_sent(switch, probe.asks(Kit("run", "probe", NOW_MS)))  # type: ignore[attr-defined]
    if switch == "cluster_limit":
        sent = Replay([one for one in sent.rows if one.where != "user"])
    reality = sent.predict(id_merge, settings(**{switch: value}))
    found = verified(sent, export_of(reality), id_merge)
    if value in (200, 3_000):
        # Between two events any number of milliseconds does the same.
        assert [list(one.settings) for one in found.explanations if one.agrees]
        return
    agreeing = [one.settings for one in found.explanations if one.agrees]
    assert {switch: value} in agreeing
    assert all(one.agrees for one in found.explanations)
    explained = [at for one in found.explanations if one.settings == {switch: value} for at in one.explains]
    assert explained == list(range(len(found.comparison.differ)))


@pytest.mark.parametrize(
    ("probe", "value"),
    [one for one in ABOUT_USERS if one[0].switch != "cluster_limit"],
    ids=lambda part: getattr(part, "switch", str(part)),
)
def test_a_part_of_the_events_explains_what_all_of_them_do(
    probe: object, value: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch, id_merge = probe.switch, probe.systems[0]  # type: ignore[attr-defined]
    rows = list(as_sent(switch, probe.asks(Kit("run", "probe", NOW_MS))).rows)  # type: ignore[attr-defined]
    strangers = [line(at, "Page", distinct_id=f"u{at}") for at in range(5)]
    strangers += [line(9, "$identify", distinct_id="u1", S_anon_distinct_id="13bbf7943e584-0885c2531-5c79-3e80-13bb")]
    rows += list(replay(strangers).rows)
    sent = Replay(rows, strict=False)
    export = export_of(sent.predict(id_merge, settings(**{switch: value})))
    by_all = verified(sent, export, id_merge).explanations
    monkeypatch.setattr(explaining, "_SMALL", 0)
    by_part = verified(sent, export, id_merge).explanations
    assert [(one.settings, one.agrees) for one in by_part] == [(one.settings, one.agrees) for one in by_all]
    assert by_all


def test_a_limit_of_any_size_is_read_from_the_largest_user() -> None:
    lines = [line(0, "Page", distinct_id="ana")]
    for at in range(9):
        lines += [
            line(10 + at, "Page", distinct_id=uuid(at)),
            line(30 + at, "$identify", distinct_id="ana", S_anon_distinct_id=uuid(at)),
        ]
    sent = replay(lines)
    found = verified(sent, export_of(sent.predict("original", settings(cluster_limit=6))))
    assert [str(one) for one in found.explanations] == ["cluster_limit: 6"]


def test_the_documented_limit_is_told_before_the_profile_that_implies_it() -> None:
    lines = [line(0, "Page", distinct_id="ana")]
    for at in range(501):
        anonymous = f"13bbf794-3e58-4084-8885-{at:012x}"
        lines += [
            line(1_000 + at, "Page", distinct_id=anonymous),
            line(2_000 + at, "$identify", distinct_id="ana", S_anon_distinct_id=anonymous),
        ]
    sent = replay(lines)
    found = verified(sent, export_of(sent.predict("original", settings(cluster_limit=500))))
    assert [str(one) for one in found.explanations] == ["cluster_limit: 500", "profile: docs"]


def two_switches() -> list[Json]:
    return [
        line(0, "Page", distinct_id=uuid(1)),
        line(1, "Page", distinct_id=uuid(2)),
        line(2, "Page", distinct_id="ben"),
        line(3, "$identify", distinct_id=uuid(2), S_anon_distinct_id=uuid(1)),
        line(4, "$identify", distinct_id="ben", S_anon_distinct_id=uuid(2)),
        line(5, "Page", distinct_id="$device:" + uuid(9)),
        line(6, "$identify", distinct_id="zoe", S_anon_distinct_id=uuid(9)),
        line(7, "Page", distinct_id="zoe"),
    ]


def test_two_switches_together_are_tried_where_one_does_not_suffice() -> None:
    both: dict[str, Json] = {"original.assigned_rule": "anon_only", "original.device_prefix_equivalent": True}
    sent = replay(two_switches())
    found = verified(sent, export_of(sent.predict("original", settings(**both))))
    assert [one.settings for one in found.explanations] == [both]
    assert str(found.explanations[0]) == (
        "original.assigned_rule: anon_only and original.device_prefix_equivalent: true"
    )


@pytest.mark.parametrize("real", ["original", "legacy"])
def test_a_project_of_another_system_is_recognised(real: IdMerge) -> None:
    lines = [
        line(0, "Page", distinct_id="D1"),
        line(1, "$create_alias", distinct_id="D1", alias="ana"),
        line(2, "Page", distinct_id="ana"),
        line(3, "Page", distinct_id=uuid(1)),
        line(4, "$identify", distinct_id="ben", S_anon_distinct_id=uuid(1)),
        line(5, "Page", distinct_id="ben"),
    ]
    sent = replay(lines, strict=False)
    found = verified(sent, export_of(sent.predict(real, settings())), "simplified")
    assert [one.settings for one in found.explanations] == [{"id_merge": real}]


def test_another_order_of_arrival_is_recognised_by_what_the_rows_tell() -> None:
    lines = [
        line(0, "Page", distinct_id=uuid(1)),
        line(1, "Page", distinct_id="ana"),
        line(2, "Page", distinct_id="ben"),
        line(3, "$identify", distinct_id="ana", S_anon_distinct_id=uuid(1)),
        line(4, "$identify", distinct_id="ben", S_anon_distinct_id=uuid(1)),
    ]
    order = [0, 1, 2, 4, 3]
    shown = {0: "ben", 1: "ana", 2: "ben", 3: "ana", 4: "ben"}
    rows = [
        row(lines[at], shown[at], uuid(1) if at == 0 else None, mp_processing_time_ms=1_000 + place)
        for place, at in enumerate(order)
    ]
    found = verified(replay(lines), rows)
    assert [list(one.settings) for one in found.explanations] == [["order of arrival"]]


def test_what_no_setting_explains_is_not_explained() -> None:
    lines = [line(0, "Page", distinct_id="ana"), line(1, "Page", distinct_id="ben")]
    found = verified(replay(lines), [row(lines[0], "ana"), row(lines[1], "ana", "ben")])
    assert found.explanations == ()


def test_nothing_is_explained_where_nothing_differs() -> None:
    lines = [line(0, "Page", distinct_id="ana"), line(1, "Page", distinct_id="ben")]
    assert verified(replay(lines), [row(lines[0], "ana")]).explanations == ()
