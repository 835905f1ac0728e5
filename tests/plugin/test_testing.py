"""The project, the forwarder and the assertions for tests of users' own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.event import Event, IdMerge, Json
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError
from harness.testing import ProjectInTest, assert_different_users, assert_one_user, forwarders
from tests.plugin.runs import PROPERTY

UUID = "8b3f2f3e-6a0e-4d1c-9a53-0d6f2a3c9b11"


def page(**ids: Json) -> Json:
    return {"event": "Page View", "properties": {f"${name}": text for name, text in ids.items()}}


def joined() -> ProjectInTest:
    project = ProjectInTest("simplified")
    project.send(page(device_id="D1"), page(device_id="D1", user_id="ana"), page(device_id="D2", user_id="ana"))
    project.send(page(user_id="ben"))
    return project


def failure(check: object, *arguments: object) -> str:
    with pytest.raises(AssertionError) as caught:
        check(*arguments)  # type: ignore[operator]
    return str(caught.value)


def test_what_holds_passes_in_silence() -> None:
    project = joined()
    assert_one_user(project, "$device:D1", "ana", "$device:D2")
    assert_different_users(project, "ana", "ben")
    assert_different_users(project, "ben", "$device:D1")


def test_one_user_too_many_is_told_with_what_would_have_to_change() -> None:
    project = ProjectInTest("simplified")
    project.send(page(device_id="D1"), page(user_id="ana"))
    told = failure(assert_one_user, project, "$device:D1", "ana")
    assert told.splitlines()[0] == "$device:D1 and ana are two users."
    assert "Nothing ever connected them." in told
    assert "They would be one user:" in told
    assert "$user_id" in told


def test_a_refused_link_is_told_with_its_reason_and_rule() -> None:
    project = joined()
    project.send(page(device_id="D1", user_id="ben"))
    told = failure(assert_one_user, project, "ana", "$device:D1", "ben")
    assert told.splitlines()[0] == "$device:D1 and ben are two users."
    assert "Event 4 (Page View) named" in told
    assert "refused" in told
    assert "Rule: " in told


def test_two_users_joined_are_told_by_the_chain_that_joined_them() -> None:
    told = failure(assert_different_users, joined(), "ben", "$device:D1", "$device:D2")
    assert told.splitlines()[0] == "$device:D1 and $device:D2 are one user."
    assert "Event 1 (Page View) joined $device:D1 and ana." in told
    assert "Event 2 (Page View) joined ana and $device:D2." in told


def test_an_id_that_no_event_carried_fails_either_assertion() -> None:
    for check in (assert_one_user, assert_different_users):
        assert failure(check, joined(), "D1", "ana") == (
            "no accepted event carried the id 'D1'; did you mean '$device:D1'?"
        )
        assert "no accepted event carried the id ''" in failure(check, joined(), "", "ana")


def test_rejected_events_are_told_as_they_are_often_the_reason() -> None:
    project = ProjectInTest("original")
    project.receive([{"event": "Page View", "properties": {"distinct_id": "ana"}}] * 5)
    told = failure(assert_one_user, project, UUID, "ana")
    assert "Event 0 (Page View) was rejected: 'properties.time' is invalid" in told
    assert told.endswith("... and 2 more events were rejected or dropped.")


def test_a_rejected_attempt_is_told_as_the_reason() -> None:
    project = ProjectInTest("original")
    project.send({"event": "A", "properties": {"distinct_id": "a"}}, {"event": "B", "properties": {"distinct_id": "b"}})
    project.receive([{"event": "$merge", "properties": {"$distinct_ids": ["a", "b"], "time": "soon"}}])
    assert "Event 2 ($merge) names both, but was rejected" in failure(assert_one_user, project, "a", "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", "b"), "needs a project first and then ids, found str: 'a'"),
        ((ProjectInTest(), "a"), "needs two ids or more, found 1"),
        ((ProjectInTest(), "a", 7), "needs ids as texts, found int: 7"),
        ((ProjectInTest(), ["a", "b"], "c"), "needs ids as texts, found list"),
    ],
)
def test_wrong_arguments_are_told(arguments: tuple[object, ...], message: str) -> None:
    for check in (assert_one_user, assert_different_users):
        with pytest.raises(TypeError) as caught:
            check(*arguments)  # type: ignore[arg-type]
        assert message in str(caught.value)


def test_any_project_will_do_for_the_assertions() -> None:
    project = MixpanelProject("simplified")
    project.receive([page(device_id="D1"), page(user_id="ana"), "no event"], now_ms=0, endpoint="track")
    assert_different_users(project, "$device:D1", "ana")
    assert "Nothing ever connected them." in failure(assert_one_user, project, "$device:D1", "ana")


@pytest.mark.parametrize("id_merge", ["original", "legacy"])
def test_the_other_systems_explain_too(id_merge: IdMerge) -> None:
    project = ProjectInTest(id_merge)
    for name in ("a", "b"):
        project.send({"event": "Page View", "properties": {"distinct_id": name}})
    assert "a and b are two users." in failure(assert_one_user, project, "a", "b")


def test_events_arrive_by_track_at_the_clock_of_the_project() -> None:
    project = ProjectInTest()
    project.send(page(device_id="D1"))
    start = project.now_ms
    project.advance("2h")
    result = project.send(page(device_id="D1"), Event("Page View", {"$device_id": "D2"}), "no event")
    assert [row.status for row in result] == ["accepted", "accepted", "rejected"]
    assert [stored.time_ms - start for stored in project.events] == [0, 7_200_000, 7_200_000]
    assert [stored.endpoint for stored in project.events] == ["track"] * 3
    with pytest.raises(ValueError, match="duration"):
        project.advance("soon")


def test_an_event_with_the_token_of_another_project_is_dropped() -> None:
    project = ProjectInTest("simplified", replace(ProjectSettings(), token="mine"))
    sent: list[Json] = [{"event": "E", "properties": {"$user_id": "ana", "token": name}} for name in ("mine", "yours")]
    assert [row.status for row in project.send(*sent)] == ["accepted", "dropped"]
    assert [row.status for row in project.send(page(user_id="ben"))] == ["accepted"]


def test_edge_calls_go_through_the_property_into_the_project(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(PROPERTY)
    project = ProjectInTest("simplified")
    shop = forwarders(tmp_path)("shop.yaml", project)
    shop.edge({"xdm": {"ecid": "D1"}, "data": {}})
    done = shop.edge({"xdm": {"ecid": "D1"}, "data": {"user": "ana"}}, request={"header": {"host": "shop"}})
    assert [(rule.name, rule.status, len(rule.requests)) for rule in done.rules] == [("Everything", "success", 1)]
    assert_one_user(project, "$device:D1", "ana")
    assert shop.elsewhere == []


def test_a_forwarder_without_a_project_has_a_fresh_one(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(PROPERTY)
    make = forwarders(tmp_path)
    first, second = make("shop.yaml"), make(tmp_path / "shop.yaml")
    first.edge({"xdm": {"ecid": "D1"}, "data": {"user": "ana"}})
    assert first.project.users() == ["ana"]
    assert second.project.users() == []
    assert first.engine is second.engine


def test_a_property_that_was_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(PROPERTY)
    make = forwarders(tmp_path)
    before = make(path).engine
    path.write_text(PROPERTY.replace("Everything", "All"))
    os.utime(path, ns=(1, 1))
    assert make(path).engine is not before
    assert make(path).edge({"xdm": {}, "data": {}}).rules[0].name == "All"


def test_secrets_reach_the_property_and_a_wrong_token_the_wrong_project(tmp_path: Path) -> None:
    text = PROPERTY.replace("token: T", 'token: "{{Token}}"').replace(
        "data_elements: {", "data_elements: {Token: {secret: {production: {id: SE1, name: Token}}}, "
    )
    (tmp_path / "shop.yaml").write_text(text)
    project = ProjectInTest("simplified", replace(ProjectSettings(), token="mine"))
    for token in ("mine", "yours"):
        forwarders(tmp_path)("shop.yaml", project, secrets={"SE1": token}).edge({"xdm": {"ecid": "D1"}, "data": {}})
    assert [row.status for row in project.rows] == ["accepted", "dropped"]


def test_requests_to_other_hosts_are_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(PROPERTY)
    shop = forwarders()(path)
    engine = shop.engine

    class Elsewhere:
        property = engine.property

        def run(self, call: object, fetch: object) -> object:
            return engine.run(call, lambda request: fetch(request._replace(url="https://example.com/")))  # type: ignore

    shop.engine = Elsewhere()  # type: ignore[assignment]
    shop.edge({"xdm": {"ecid": "D1"}, "data": {}})
    assert [request.url for request in shop.elsewhere] == ["https://example.com/"]
    assert len(shop.project.rows) == 0


def test_a_property_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml: can't be read"):
        forwarders(tmp_path)("nowhere.yaml")
