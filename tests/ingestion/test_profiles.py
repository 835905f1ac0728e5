from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from harness.event import IdMerge
from harness.identity.settings import IdentitySettings
from harness.ingestion.project import MixpanelProject
from harness.ingestion.sdks import SDK_FORMS, SdkName, encode
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.wire import WireRequest
from tests.ingestion.rows import NOW_MS, row

UUID = "11111111-1111-4111-8111-111111111111"


def send(here: MixpanelProject, *records: Any, path: str = "/engage", query: str = "verbose=1") -> Any:
    body = json.dumps(list(records)).encode()
    answer = here.handle(WireRequest("POST", path, query, {}, body), NOW_MS)
    assert answer.status == 200
    return json.loads(answer.body)


def update(distinct_id: Any = "u", **operations: Any) -> dict[str, Any]:
    return {"$token": "t", "$distinct_id": distinct_id, **{f"${name}": value for name, value in operations.items()}}


def project(id_merge: IdMerge = "simplified") -> MixpanelProject:
    return MixpanelProject(id_merge)


OK = {"status": 1, "error": None}


@pytest.mark.parametrize(
    ("operations", "profile"),
    [
        ([{"set": {"a": 1}}, {"set": {"a": 2, "b": 3}}], {"a": 2, "b": 3}),
        ([{"set_once": {"a": 1}}, {"set_once": {"a": 2}}], {"a": 1}),
        ([{"add": {"n": 2}}, {"add": {"n": -0.5}}], {"n": 1.5}),
        ([{"set": {"n": "x"}}, {"add": {"n": 1}}], {"n": "x"}),
        ([{"append": {"l": 1}}, {"append": {"l": 1}}], {"l": [1, 1]}),
        ([{"union": {"l": [1, 2]}}, {"union": {"l": [2, 3]}}], {"l": [1, 2, 3]}),
        ([{"set": {"l": [1, 2, 1]}}, {"remove": {"l": 1}}], {"l": [2]}),
        ([{"set": {"a": 1, "b": 2}}, {"unset": ["a", "c"]}], {"b": 2}),
        ([{"set": {"a": 1}, "append": {"l": 2}}], {"a": 1, "l": [2]}),
    ],
)
def test_each_operation_does_what_its_name_says(operations: list[dict[str, Any]], profile: dict[str, Any]) -> None:
    here = project()
    for one in operations:
        assert send(here, update(**one)) == OK
    assert here.profiles.users == {"u": profile}


def test_a_profile_can_be_deleted() -> None:
    here = project()
    send(here, update(set={"a": 1}), update(delete=""))
    assert here.profiles.users == {}


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({"$distinct_id": "u", "$set": {}}, "token, missing or empty"),
        ({"$token": "", "$distinct_id": "u", "$set": {}}, "token, missing or empty"),
        ({"$token": "t", "$set": {}}, "Engage API error: $distinct_id, missing or empty"),
        (update("", set={}), "Engage API error: $distinct_id, missing or empty"),
        (update(set=5), "'$set' is invalid: found a number"),
        (update(unset={"a": 1}), "'$unset' is invalid: found an object"),
        (5, "an update must be a JSON object, found a number"),
    ],
)
def test_a_wrong_update_is_answered_200_with_its_reason(record: Any, error: str) -> None:
    here = project()
    assert send(here, record) == {"status": 0, "error": error}
    assert send(here, record, update(set={"a": 1})) == OK
    assert list(here.profiles.users) == ["u"]


def test_engage_takes_no_gzip() -> None:
    here = project()
    body = gzip.compress(json.dumps([update(set={"a": 1})]).encode())
    answer = here.handle(WireRequest("POST", "/engage", "", {"content-encoding": "gzip"}, body), NOW_MS)
    assert (answer.status, answer.body) == (200, b"0")


def test_updates_of_another_project_are_dropped_without_a_word() -> None:
    here = MixpanelProject("simplified", ProjectSettings(token="mine"))
    assert send(here, update(set={"a": 1})) == OK
    assert here.profiles.users == {}


def test_a_devices_profile_is_not_carried_over_to_its_user() -> None:
    here = project()
    send(here, update("$device:D", set={"a": 1}))
    here.receive([row(S_device_id="D", S_user_id="u")], now_ms=NOW_MS)
    assert here.profiles.of("$device:D") is None
    assert here.profiles.of("u") is None
    send(here, update("$device:D", set={"b": 2}))
    assert here.profiles.of("u") == {"b": 2}


def test_in_original_the_canonical_profile_is_shown_and_the_only_one_is_kept() -> None:
    here = project("original")
    send(here, update(UUID, set={"anonymous": True}))
    here.receive([row("$identify", distinct_id="u", S_anon_distinct_id=UUID)], now_ms=NOW_MS)
    assert here.profiles.of("u") == here.profiles.of(UUID) == {"anonymous": True}
    assert here.profiles.of("someone else") is None


@pytest.mark.parametrize("canonical", [UUID, "u"])
def test_an_update_after_a_merge_goes_on_with_the_profile_that_was_kept(canonical: str) -> None:
    picks = IdentitySettings(canonical="first_seen" if canonical == UUID else "user_first")
    here = MixpanelProject("original", ProjectSettings(identity=picks))
    here.receive([row("Visit", distinct_id=UUID)], now_ms=NOW_MS)
    send(here, update("u", set={"plan": "gold"}))
    here.receive([row("$identify", distinct_id="u", S_anon_distinct_id=UUID)], now_ms=NOW_MS)
    assert here.distinct_id(0) == canonical
    send(here, update("u", set_once={"city": "Bern"}), update(UUID, add={"visits": 1}))
    assert here.profiles.of("u") == here.profiles.of(UUID) == {"plan": "gold", "city": "Bern", "visits": 1}


def test_in_legacy_updates_under_an_alias_reach_the_old_id() -> None:
    here = project("legacy")
    here.receive([row("$create_alias", distinct_id="d", alias="u")], now_ms=NOW_MS)
    send(here, update("u", set={"a": 1}))
    assert here.profiles.users == {"d": {"a": 1}}
    send(here, {**update("u", delete=""), "$ignore_alias": True})
    assert here.profiles.users == {"d": {"a": 1}}
    send(here, update("u", delete=""))
    assert here.profiles.users == {}


def test_groups_have_profiles_by_key_and_id() -> None:
    here = project()
    record = {"$token": "t", "$group_key": "company", "$group_id": 7, "$set": {"a": 1}}
    assert send(here, record, path="/groups") == OK
    assert here.profiles.groups == {("company", "7"): {"a": 1}}
    assert send(here, {**record, "$distinct_id": "u"}, path="/groups")["status"] == 0
    assert send(here, {"$token": "t", "$group_key": "company", "$set": {}}, path="/groups")["status"] == 0


@pytest.mark.parametrize("name", [name for name in SDK_FORMS if name != "import_ndjson"])
def test_every_sdk_can_update_profiles(name: SdkName) -> None:
    here = project()
    for request in encode(name, "/engage", [update(set={"a": "é😀 + 1"})]):
        assert here.handle(request, NOW_MS).status == 200
    assert here.profiles.users == {"u": {"a": "é😀 + 1"}}
