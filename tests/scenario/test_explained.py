"""The explanations a result carries, and how the HTML report draws them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.report import html, jsonreport
from harness.report.cast import cast_of
from harness.report.chains import MOST_LINKS, Chain, chains_of
from harness.scenario.explained import MOST_EXPLAINED
from harness.scenario.format import Scenario, parse_scenario
from harness.scenario.results import Explained, RunResult, ScenarioResult
from harness.scenario.runner import run_paths, run_scenario
from tests.commands.shell import Shell

ROOT = Path(__file__).parents[2]
ECID = "26783473982374982374982374982374982374"
UUID = "8b3f2f3e-6a0e-4d1c-9a53-0d6f2a3c9b11"
OTHER = "0b9f6c34-77a1-4e0d-b5b3-94d2c1f0a6e7"

REFUSED = f"""
- {{event: Page, person: ana, properties: {{distinct_id: '{ECID}'}}}}
- {{advance: 1h}}
- {{event: $identify, person: ana, properties: {{distinct_id: ana, $anon_id: '{ECID}'}}}}
- {{event: Buy, person: ana, properties: {{distinct_id: ana}}}}
"""
MERGED = f"""
- {{event: $merge, endpoint: import, person: ana, properties: {{$distinct_ids: ['{UUID}', ana]}}}}
- {{event: Buy, person: ana, properties: {{distinct_id: ana}}}}
- {{event: $merge, endpoint: import, person: ben, properties: {{$distinct_ids: ['{UUID}', ben]}}}}
- {{event: Buy, person: ben, properties: {{distinct_id: ben}}}}
"""


def played(steps: str, id_merge: IdMerge, expect: str = "{}") -> ScenarioResult:
    scenario = parse_scenario(f"name: a\nsteps:\n{steps}\nexpect: {expect}\n".encode(), "a.yaml", Path())
    assert isinstance(scenario, Scenario), scenario
    return run_scenario(scenario, id_merge)


def only(result: ScenarioResult) -> Explained:
    assert len(result.explained) == 1
    return result.explained[0]


def drawn(result: ScenarioResult) -> list[Chain]:
    return chains_of(result.explained, cast_of(result))


def test_a_split_person_is_explained_by_the_refused_link_and_a_change_that_was_tried() -> None:
    found = only(played(REFUSED, "original"))
    assert (found.about, found.people, found.ids, found.same_user) == ("split", ("ana",), (ECID, "ana"), False)
    (link,) = found.chain
    assert (link.kind, link.index, link.reason) == ("refused", 1, "errAnonDistinctIdNonGUIDForm")
    assert link.text == "step 2: $identify of ana, identify refused"
    assert any(
        said.startswith(
            "They would be one user had event 1 (step 2) sent a UUID as $anon_id, here and in event 0 (step 0)"
        )
        for said in found.sentences
    )


def test_mixed_people_are_explained_by_the_chain_and_its_blast_radius() -> None:
    found = only(played(MERGED, "original"))
    assert (found.about, found.people, found.ids, found.same_user) == ("mixed", ("ana", "ben"), ("ana", "ben"), True)
    assert [(link.kind, link.ids) for link in found.chain] == [("merged", ("ana", UUID)), ("merged", (UUID, "ben"))]
    assert any("joined 2 people (ana, ben) and 3 ids, and that can't be undone" in said for said in found.sentences)


def test_people_who_used_one_id_are_told_so() -> None:
    steps = "\n".join(f"- {{event: Page, person: {who}, properties: {{distinct_id: x}}}}" for who in ("ana", "ben"))
    found = only(played(steps, "original"))
    assert (found.ids, found.chain) == (("x", "x"), ())
    assert found.sentences == ("ana and ben used one and the same id, x.",)
    assert "ana and ben used one and the same id, x." in html.render(RunResult((played(steps, "original"),)))


@pytest.mark.parametrize("check", ["same_user: [[ana, ben]]", "different_users: [[ana, ben], [a, b]]"])
def test_a_failed_check_on_ids_is_explained(check: str) -> None:
    join = "- {event: $merge, endpoint: import, properties: {$distinct_ids: [ana, ben]}}\n"
    steps = "\n".join(f"- {{event: Buy, properties: {{distinct_id: {who}}}}}" for who in ("ana", "ben", "a", "b"))
    same = check.startswith("same")
    found = only(played(steps if same else join + steps, "original", f"{{{check}}}"))
    assert (found.about, found.ids, found.same_user) == (check.partition(":")[0], ("ana", "ben"), not same)
    assert [link.kind for link in found.chain] == ["nothing" if same else "merged"]


def test_what_holds_and_an_id_that_nobody_knows_are_not_explained() -> None:
    steps = "- {event: Buy, person: ana, properties: {distinct_id: ana}}"
    assert played(steps, "original").explained == ()
    assert played(steps, "original", "{same_user: [[ana, ghost]]}").explained == ()


def test_of_many_questions_the_first_are_answered() -> None:
    steps = "\n".join(
        f"- {{event: Page, person: p{number}, properties: {{distinct_id: {kind}{number}}}}}"
        for number in range(MOST_EXPLAINED + 4)
        for kind in "ab"
    )
    found = played(steps, "original")
    assert len(found.people.split) == MOST_EXPLAINED + 4
    assert [each.people for each in found.explained] == [(who,) for who in found.people.split[:MOST_EXPLAINED]]


def test_a_long_chain_is_drawn_from_both_ends() -> None:
    links = "\n".join(
        f"- {{event: $create_alias, properties: {{distinct_id: n{number}, alias: n{number + 1}}}}}"
        for number in range(30)
    )
    uses = "\n".join(
        f"- {{event: Buy, person: {who}, properties: {{distinct_id: n{at}}}}}" for who, at in (("ana", 0), ("ben", 30))
    )
    result = played(f"{links}\n{uses}", "original")
    assert len(only(result).chain) == 30
    (chain,) = drawn(result)
    assert [pill.full for pill in chain.pills] == [f"n{n}" for n in (0, 1, 2, 3, 4, 26, 27, 28, 29, 30)]
    assert chain.left_out == 30 - MOST_LINKS
    assert any(link.full == f"= {30 - MOST_LINKS} more links" for link in chain.links)


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_every_chain_of_the_shipped_scenarios_leads_from_the_first_id_to_the_second(id_merge: IdMerge) -> None:
    explained = [each for result in run_paths([ROOT / "scenarios"], id_merge).scenarios for each in result.explained]
    assert len(explained) > 5
    for each in explained:
        here = each.ids[0]
        for link in each.chain:
            assert link.ids[0] == here
            here = link.ids[1]
        assert here == each.ids[1]
        kinds = {link.kind for link in each.chain}
        assert kinds <= ({"merged"} if each.same_user else {"same", "refused", "ignored", "nothing"})


def test_a_result_says_what_explain_says(tmp_path: Path) -> None:
    flow = tmp_path / "a.yaml"
    flow.write_text(f"name: a\nsteps:\n{REFUSED}", "utf-8")
    done = Shell(tmp_path).run("explain", flow, "--id-merge", "original", "--json", ECID, "ana")
    document = jsonreport.document(RunResult((played(REFUSED, "original"),)))
    assert document["scenarios"][0]["explained"][0]["explain"] == json.loads(done.out)


def test_the_page_draws_the_chain_with_its_reason_and_says_what_would_have_to_change() -> None:
    page = html.render(RunResult((played(REFUSED, "original"), played(MERGED, "original"))))
    assert "Why ana is two users" in page
    assert "Why ana and ben are one user" in page
    assert 'class="link refused"' in page
    assert "errAnonDistinctIdNonGUIDForm</text>" in page
    assert "sent a UUID as $anon_id" in page
    assert "joined 2 people (ana, ben) and 3 ids, and that can&#39;t be undone" in page


def test_hostile_ids_stay_text_in_a_chain() -> None:
    bad = "<script>alert(1)</script>"
    steps = f"""
- {{event: '{bad}', person: '{bad}', properties: {{distinct_id: '{bad}'}}}}
- {{event: $identify, person: '{bad}', properties: {{distinct_id: ana, $anon_id: '{bad}'}}}}
- {{event: Buy, person: '{bad}', properties: {{distinct_id: ana}}}}
"""
    result = played(steps, "original")
    assert only(result).chain
    assert bad not in html.render(RunResult((result,)))
