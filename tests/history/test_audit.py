"""The audit against one by the plain model: every number, for files that hold anything, under every reading."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.history.audit_page import page
from harness.history.audit_text import audit_text
from harness.history.duplicates import Repetitions
from harness.history.engines import AuditOrder
from harness.history.local import LocalEngine
from harness.history.records import Audit, audit_json
from harness.identity.settings import IdentitySettings
from harness.ingestion.settings import IngestionSettings, ProjectSettings
from harness.problems import InputError
from harness.scenario.partition import match_people, measure
from harness.scenario.results import EventRecord
from harness.scenario.stream import read_stream, resolve_stream
from tests.history.lines_of_files import random_file
from tests.history.plain_audit import plain_audit
from tests.identity.streams import random_settings

FILES: Final = 70
KNOWN: Final = r".*@.*|u\d"


def audit_of(path: Path, id_merge: IdMerge, settings: ProjectSettings | None = None, **more: Any) -> Audit:
    return LocalEngine().audit(AuditOrder([str(path)], id_merge, settings or ProjectSettings(), **more))


def random_ingestion(chance: random.Random) -> IngestionSettings:
    if chance.random() < 0.4:
        return IngestionSettings()
    return IngestionSettings(
        time_future=chance.choice(("strict_reject_else_clamp", "always_clamp", "always_reject")),
        missing_distinct_id=chance.choice(("strict400_else_iphash", "reject", "empty")),
        bad_ids_nonstrict=chance.choice(("blank", "accept", "drop")),
        verbs_on_import=chance.choice(("reject_row", "ignore")),
        verbs_on_track=chance.choice(("ignore", "reject")),
        dedup_id=chance.choice(("resolved", "raw")),
        dedup_compaction=chance.choice((True, False)),
        ms_threshold=chance.choice((1e11, 1e11, 1e12)),
    )


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_every_number_is_that_of_the_plain_model(id_merge: IdMerge, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    refused, duplicates, broken, orphans = 0, 0, 0, 0
    for seed in range(FILES):
        chance = random.Random(f"{id_merge}{seed}")
        raw = random_file(chance)
        path.write_bytes(raw)
        settings = ProjectSettings(random_settings(chance), random_ingestion(chance))
        endpoint: Endpoint = chance.choice(("import", "import", "track"))
        strict = chance.choice((None, True, False))
        now_ms = chance.choice((None, None, 1767225601000, 1767225600500))
        known = chance.choice((None, KNOWN))
        more: dict[str, Any] = {"endpoint": endpoint, "strict": strict, "now_ms": now_ms, "known_user": known}
        expected = plain_audit(raw, id_merge, settings, **more)
        found = audit_json(audit_of(path, id_merge, settings, **more))
        alike = {key: found[key] for key, value in expected.items() if value is not None}
        assert alike == {key: value for key, value in expected.items() if value is not None}, f"seed {seed}"
        refused += len(found["refused"])
        duplicates += found["duplicates"]
        broken += found["broken_lines"]
        orphans += found["orphans"]
    assert broken
    assert duplicates
    assert orphans
    assert refused or id_merge == "legacy"


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_people_are_matched_as_in_a_scenario(id_merge: IdMerge, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for seed in range(25):
        chance = random.Random(seed)
        lines = []
        for raw in random_file(chance).split(b"\n"):
            try:
                line = json.loads(raw)
                line.get("properties", line)["who"] = chance.choice(("ana", "ben", "cleo", None))
                lines.append(json.dumps(line))
            except (ValueError, AttributeError, TypeError):
                continue
        text = "\n".join(lines)
        path.write_text(text)
        found = audit_of(path, id_merge, truth="who")
        resolved = resolve_stream(read_stream(text.encode()), id_merge)
        project = resolved.project
        records = [
            EventRecord(
                index=stored.event_index,
                step=0,
                name=stored.event.name,
                person=stored.event.properties.get("who"),
                status=project.status(stored.event_index),
                distinct_id=project.distinct_id(stored.event_index),
                received_distinct_id=stored.arrival.received,
                endpoint="import",
                arrival_ms=0,
                time_ms=stored.time_ms,
                ids=(),
                decision=None,
            )
            for stored in project.events
        ]
        quality, people = measure(records), match_people(records)
        assert found.precision == pytest.approx(quality.pairs_right / quality.pairs_user if quality.pairs_user else 1)
        assert found.recall == pytest.approx(quality.pairs_right / quality.pairs_person if quality.pairs_person else 1)
        assert found.split == len(people.split)


def events(*sent: dict[str, Any]) -> str:
    return "".join(json.dumps({"event": "Page View", "time": 1767225600, **one}) + "\n" for one in sent)


def test_the_document_has_the_keys_of_the_contract_and_numbers_only(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(events({"distinct_id": "a", "$insert_id": "1"}) + "nothing\n")
    document = audit_json(audit_of(path, "original"))
    assert list(document)[:14] == [
        *("events", "users", "clusters", "ids", "largest_cluster", "near_limit", "at_limit", "refused"),
        *("orphans", "mixed_suspects", "phantom_users", "disallowed", "duplicates", "broken_lines"),
    ]
    assert all(isinstance(value, (int, float)) for key, value in document.items() if key != "refused")
    assert document["events"] == 1
    assert document["broken_lines"] == 1


def test_an_orphan_with_a_pattern_is_one_that_failed_to_join_a_known_user(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    odd = "shop-7"
    path.write_text(
        events(
            {"distinct_id": odd, "$insert_id": "1"},
            {"event": "$identify", "distinct_id": "ana@x.org", "$anon_distinct_id": odd, "$insert_id": "2"},
            {"event": "$identify", "distinct_id": "guest", "$anon_distinct_id": "shop-8", "$insert_id": "3"},
            {"distinct_id": "shop-8", "$insert_id": "4"},
        )
    )
    assert audit_of(path, "original").orphans == 2
    found = audit_of(path, "original", known_user=r".+@.+")
    assert found.orphans == 1
    assert [sample.canonical for sample in found.samples["orphans"]] == [odd]


def test_mixed_suspects_follow_the_pattern(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        events(
            {"event": "$merge", "$distinct_ids": ["ana", "ben"], "$insert_id": "1"},
            {"event": "$merge", "$distinct_ids": ["u1", "x1"], "$insert_id": "2"},
        )
    )
    assert audit_of(path, "original").mixed_suspects == 2
    assert audit_of(path, "original", known_user="^[a-z]+$").mixed_suspects == 1


def test_phantom_users_follow_the_pattern(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        events(
            {"distinct_id": "3f0c1d5e-7a44-4b6e-9d2a-0123456789ab", "$insert_id": "1"},
            {"distinct_id": "visitor7", "$insert_id": "2"},
            {"distinct_id": "ana", "$user_id": "ana", "$insert_id": "3"},
        )
    )
    assert audit_of(path, "simplified").phantom_users == 1
    assert audit_of(path, "simplified", known_user="^[a-z]+$").phantom_users == 2


def test_a_stored_history_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text(
        events({"distinct_id": "a"}, {"distinct_id": "null"}, {"time": None, "distinct_id": "b"})
        + json.dumps({"event": "x", "properties": {"distinct_id": "u", "$distinct_id_before_identity": "d"}})
    )
    asked, stored = audit_of(path, "simplified"), audit_of(path, "simplified", stored=True)
    assert (asked.rejected, stored.rejected) == (4, 0)
    assert stored.users == 4
    assert {sample.canonical for sample in stored.samples["disallowed"]} == {"null"}


def test_what_is_saved_says_who_every_id_is_and_since_when(tmp_path: Path) -> None:
    path, out = tmp_path / "events.jsonl", tmp_path / "ids.parquet"
    device = "3f0c1d5e-7a44-4b6e-9d2a-0123456789ab"
    path.write_text(
        events(
            {"distinct_id": device, "$insert_id": "1"},
            {"event": "$identify", "distinct_id": "ana", "$anon_distinct_id": device, "$insert_id": "2"},
            {"distinct_id": "ben", "$insert_id": "3"},
        )
    )
    audit_of(path, "original", save=out)
    rows = pq.read_table(out)
    assert rows.column_names == ["id", "canonical", "reason", "event_index"]
    assert [str(kind) for kind in rows.schema.types] == ["string", "string", "string", "int64"]
    saved = {row["id"]: row for row in rows.to_pylist()}
    canonical = saved["ana"]["canonical"]
    other = device if canonical == "ana" else "ana"
    assert saved[other] == {"id": other, "canonical": canonical, "reason": "original.identify", "event_index": 1}
    assert saved["ben"] == {"id": "ben", "canonical": "ben", "reason": None, "event_index": None}
    assert [name.name for name in tmp_path.iterdir() if "unfinished" in name.name] == []


def test_duplicates_are_the_same_in_memory_and_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    chance = random.Random(3)
    path.write_text(
        events(
            *({"distinct_id": f"u{chance.randrange(9)}", "$insert_id": f"{chance.randrange(99)}"} for _ in range(5000))
        )
    )
    in_memory = audit_of(path, "original").duplicates
    whole = Repetitions.__init__
    monkeypatch.setattr(Repetitions, "__init__", lambda self, settings: whole(self, settings, in_memory_bytes=1000))
    assert audit_of(path, "original").duplicates == in_memory > 4000


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (ProjectSettings(shuffle_seed=1), "arrival.shuffle_seed"),
        (ProjectSettings(ingestion=IngestionSettings(verbs_on_import="reject_batch")), "simplified.verbs_on_import"),
        (
            ProjectSettings(ingestion=IngestionSettings(dedup_compaction=True, dedup_day="project")),
            "dedup.day",
        ),
    ],
)
def test_a_switch_that_a_history_cannot_honour_is_refused(
    settings: ProjectSettings, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(events({"distinct_id": "a"}))
    with pytest.raises(InputError, match=named):
        audit_of(path, "simplified", settings)


HOSTILE: Final = "</text><script>alert(1)</script>\x1b[31m\u202e"


def test_the_page_and_the_text_show_hostile_ids_harmlessly(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        events(
            *(
                {"event": "$merge", "$distinct_ids": [HOSTILE + str(number), "x" * 40_000], "$insert_id": f"{number}"}
                for number in range(9)
            )
        )
    )
    audit = audit_of(path, "original")
    shown = page(audit, ["<b>.jsonl"])
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>" not in shown.replace("<b>", "", shown.count("<dd><b>"))
    assert "http" not in shown.replace("http-equiv", "")
    assert len(shown) < 100_000
    text = audit_text(audit)
    assert "\x1b" not in text + shown
    assert "\u202e" not in text + shown


def test_the_page_draws_the_sizes_the_limit_and_the_months(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    merges = [
        {
            "event": "$merge",
            "time": 1767225600 + number * 2_700_000,
            "$distinct_ids": ["a", f"b{number}"],
            "$insert_id": f"i{number}",
        }
        for number in range(12)
    ]
    path.write_text(events(*merges, {"distinct_id": "<i>", "$insert_id": "z"}) + "broken\n")
    audit = audit_of(path, "original", ProjectSettings(IdentitySettings(cluster_limit=10)))
    assert (audit.near_limit, audit.at_limit, audit.refused) == (1, 1, {"errManyIDs": 3})
    shown = page(audit, [str(path)])
    assert "<title>1 clusters of 8–15 ids</title>" in shown
    assert "limit</text>" in shown
    assert "<title>2026-10: 1 errManyIDs</title>" in shown
    assert "1 broken lines" in shown
    assert "&lt;i&gt;" not in shown  # an id that is alone is no finding


def test_an_empty_history_has_nothing_to_tell(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("\n\n")
    for id_merge in ID_MERGE_SYSTEMS:
        audit = audit_of(path, id_merge, truth="who", save=tmp_path / "ids.parquet")
        assert (audit.events, audit.users, audit.clusters) == (0, 0, 0)
        assert page(audit, ["x"])
        assert audit_text(audit)
    assert pq.read_table(tmp_path / "ids.parquet").num_rows == 0
    assert pa.types.is_int64(pq.read_schema(tmp_path / "ids.parquet").field("event_index").type)
