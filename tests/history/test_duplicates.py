"""Duplicates of a history: equal `$insert_id`s, however they are kept, and none that only look alike."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.history.engines import AuditOrder
from harness.history.local import LocalEngine
from harness.ingestion.settings import IngestionSettings, ProjectSettings

ANY_INSERT_ID: Final = ProjectSettings(strict=False, ingestion=IngestionSettings(bad_ids_nonstrict="accept"))

_HEX: Final = st.text("0123456789abcdef", min_size=1, max_size=40)
_INSERT_IDS: Final = st.one_of(
    _HEX,
    st.sampled_from([8, 16, 24, 32]).flatmap(lambda size: st.text("0189af", min_size=size, max_size=size)),
    st.uuids().map(str),
    st.uuids().map(lambda one: str(one).upper()),
    st.text("0123456789abcdefghABCDEFGH-", min_size=1, max_size=36),
)


@given(st.lists(_INSERT_IDS, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equal_insert_ids_are_duplicates_and_like_ones_are_not(
    tmp_path: Path, insert_ids: list[str], chance: random.Random
) -> None:
    # One letter more, less or other, and capitals, make another id.
    likes = [like for text in insert_ids for like in (text, text.swapcase(), text[:-1], text + "0", "0" + text[1:])]
    sent = [text for text in likes if text for _ in range(chance.randint(1, 3))]
    chance.shuffle(sent)
    path = tmp_path / "events.jsonl"
    path.write_text(
        "".join(
            json.dumps({"event": "Page", "properties": {"time": 1767225600, "distinct_id": "u", "$insert_id": text}})
            + "\n"
            for text in sent
        )
    )
    found = LocalEngine().audit(AuditOrder([str(path)], "original", ANY_INSERT_ID))
    assert found.events == len(sent)
    assert found.duplicates == len(sent) - len(set(sent))
