"""Properties as the tree that reactor-downloader writes, whole and damaged, and one property in all its shapes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.forwarder.engine import Engine
from harness.forwarder.property import load_property
from harness.problems import InputError, Problem
from tests.forwarder.property_samples import bare, object_id, properties, shop
from tests.forwarder.property_writers import (
    END,
    START,
    write_answers,
    write_document,
    write_document_with_components_apart,
    write_shorthand,
    write_tree,
)

SAMPLE = Path(__file__).parent / "samples" / "reactor-downloader"
PROPERTY = "PRaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
RULE = "RL33333333333333333333333333333333"
CONDITION = "RC44444444444444444444444444444444"
ACTION = "RC55555555555555555555555555555555"
CODE = "DE22222222222222222222222222222222"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the sample with its links; the folder of the property."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample", symlinks=True)) / PROPERTY


def _problems(path: Path) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        load_property(path)
    return list(caught.value.problems)


def _problem(path: Path) -> Problem:
    (problem,) = _problems(path)
    return problem


def _links(root: Path) -> Path:
    return root / "rules" / RULE / "rule_components"


def test_the_sample_is_read_by_its_links_and_ids() -> None:
    property_ = load_property(SAMPLE)
    assert (property_.name, property_.shape, property_.extensions) == ("EF prod", "downloaded tree", ("core 1.4.0",))
    assert [one.name for one in property_.data_elements] == ["ECID", "Computed/Id"]
    (rule,) = property_.rules
    assert (rule.name, rule.rule_id) == ("Login -> Mixpanel", RULE)
    assert [(one.name, one.timeout) for one in rule.conditions] == [("Value Comparison", 2000)]
    assert [one.settings for one in rule.actions] == [
        {"event": "Login", "properties": {"token": "{{token}}", "distinct_id": "{{ECID}}"}}
    ]


@pytest.mark.parametrize("inside", [".", PROPERTY, "_EF prod"])
def test_the_path_may_be_the_folder_of_the_property_or_the_one_around_it(inside: str) -> None:
    assert bare(load_property(SAMPLE / inside)) == bare(load_property(SAMPLE))


def test_several_properties_in_one_folder_have_to_be_told_apart(root: Path) -> None:
    shutil.copytree(root, root.parent / "PRbb", symlinks=True)
    problem = _problem(root.parent)
    assert f"holds 2 properties: {PROPERTY}, PRbb" in problem.message


def _flatten(folder: Path) -> None:
    """What an unzip or a checkout without links does: a file whose text is the path."""
    for link in sorted(folder.rglob("*")):
        if link.is_symlink():
            target = os.readlink(link)
            link.unlink()
            link.write_text(target)


def test_links_that_became_plain_files_are_said_with_a_way_to_repair_them(root: Path) -> None:
    _flatten(root.parent)
    problem = _problem(root)
    assert Path(problem.file) == _links(root)
    assert f"has plain files where symbolic links to rule components belong ({CONDITION}, {ACTION})" in problem.message
    assert "a zip or a checkout has lost the links" in problem.message
    assert "core.symlinks true" in problem.fix


@pytest.mark.skipif(shutil.which("sh") is None, reason="the advice is for a shell")
def test_the_advice_repairs_the_links(root: Path) -> None:
    _flatten(root.parent)
    advice = _problem(root).fix.partition("in this folder: ")[2].removesuffix(".")
    assert os.spawnlp(os.P_WAIT, "sh", "sh", "-c", f"cd '{_links(root)}' && {advice}") == 0
    assert bare(load_property(root)) == bare(load_property(SAMPLE))


def test_a_link_to_the_property_that_became_a_plain_file_is_said(root: Path) -> None:
    _flatten(root.parent)
    problem = _problem(root.parent / "_EF prod")
    assert f"a symbolic link to {PROPERTY} was" in problem.message


@pytest.mark.parametrize("what", ["empty", "missing"])
def test_a_rule_without_any_link_is_said(root: Path, what: str) -> None:
    shutil.rmtree(_links(root))
    if what == "empty":
        _links(root).mkdir()
    problem = _problem(root)
    assert Path(problem.file) == _links(root)
    assert f"is {what}: a zip or a checkout has lost the symbolic links" in problem.message
    assert f"no rule links to {CONDITION}, {ACTION}" in problem.message


def test_an_empty_folder_of_links_is_said_even_where_the_components_are_gone(root: Path) -> None:
    shutil.rmtree(_links(root))
    _links(root).mkdir()
    shutil.rmtree(root / "rule_components")
    assert "lost the symbolic links" in _problem(root).message


def test_links_for_people_say_nothing(root: Path) -> None:
    (_links(root) / CONDITION).unlink()
    (_links(root) / ACTION).unlink()
    assert "lost the symbolic links" in _problem(root).message


def test_a_link_that_leads_nowhere_is_said(root: Path) -> None:
    shutil.rmtree(root / "rule_components" / ACTION)
    problem = _problem(root)
    assert problem.key == ACTION
    assert f"a symbolic link to ../../../rule_components/{ACTION}, which is not there" in problem.message


def test_a_single_lost_link_leaves_a_component_that_no_rule_has(root: Path) -> None:
    (_links(root) / ACTION).unlink()
    problem = _problem(root)
    assert Path(problem.file).name == ACTION
    assert "no rule links to" in problem.message


def test_a_copy_that_followed_the_links_says_as_much_as_they_did(root: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(root, tmp_path / "copied", symlinks=False)
    assert bare(load_property(Path(copied))) == bare(load_property(SAMPLE))


def test_a_rule_without_components_is_a_rule(root: Path) -> None:
    other = root / "rules" / "RL34"
    other.mkdir()
    (other / "data.json").write_text(json.dumps({"id": "RL34", "attributes": {"name": "Empty"}}))
    assert [len(rule.actions) for rule in load_property(root).rules] == [1, 0]


def _change(path: Path, **attributes: Any) -> None:
    document = json.loads(path.read_text())
    document["attributes"].update(attributes)
    path.write_text(json.dumps(document, indent=1))


def test_the_component_of_a_deleted_rule_and_lost_links_of_it_harm_nobody(root: Path) -> None:
    _change(root / "rules" / RULE / "data.json", deleted_at="2026-01-05T00:00:00Z")
    _flatten(root)
    property_ = load_property(root)
    assert property_.rules == ()
    assert [(one.kind, one.name, one.reason) for one in property_.left_out] == [
        ("rule", "Login -> Mixpanel", "deleted"),
    ]


def test_one_component_can_be_linked_from_several_rules(root: Path) -> None:
    shutil.copytree(root / "rules" / RULE, root / "rules" / "RL44", symlinks=True)
    assert [len(rule.actions) for rule in load_property(root).rules] == [1, 1]


def _source(root: Path) -> Any:
    code = load_property(root).data_elements[1].settings
    assert code is not None
    return code["source"]


def test_code_in_its_own_file_wins_over_settings_and_they_over_data(root: Path) -> None:
    folder = root / "data_elements" / CODE
    text = (folder / "settings.source.js").read_text()
    (folder / "settings.source.js").write_text(text.replace("arc.event.xdm._id", "'own file'"))
    (folder / "settings.json").write_text('{"source": "settings", "more": 1}')
    assert _source(root) == "return 'own file';"
    assert load_property(root).data_elements[1].settings == {"source": "return 'own file';", "more": 1}
    (folder / "settings.source.js").unlink()
    assert _source(root) == "settings"
    (folder / "settings.json").unlink()
    assert _source(root) == "return arc.event.xdm._id;"


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_code_is_what_stands_between_the_marker_comments(root: Path, line_break: str) -> None:
    lines = [START, "function (arc, utils) {", END, "", "  return 1;", "", START, "}", END, ""]
    path = root / "data_elements" / CODE / "settings.source.js"
    path.write_bytes(line_break.join(lines).encode())
    assert _source(root) == line_break.join(["", "  return 1;", ""])


def test_a_code_file_without_markers_is_all_code(root: Path) -> None:
    path = root / "data_elements" / CODE / "settings.source.js"
    path.write_text("return 2;\n")
    assert _source(root) == "return 2;\n"


def test_code_that_lost_a_marker_is_refused(root: Path) -> None:
    path = root / "data_elements" / CODE / "settings.source.js"
    path.write_text(path.read_text().replace(END, "", 1))
    problem = _problem(root)
    assert Path(problem.file) == path
    assert "marker comments" in problem.message


def test_code_can_belong_deeper_in_the_settings(root: Path) -> None:
    (root / "data_elements" / CODE / "settings.a.b.js").write_text("deep")
    code = load_property(root).data_elements[1].settings
    assert code == {"source": "return arc.event.xdm._id;", "a": {"b": "deep"}}
    (root / "data_elements" / CODE / "settings.source.b.js").write_text("deeper")
    assert "belongs under source, which is not a map" in _problem(root).message


@pytest.mark.parametrize(
    ("file", "text", "line", "says"),
    [
        (f"rule_components/{ACTION}/settings.json", '{\n"event": ,\n}', 2, "is not JSON"),
        (f"rule_components/{ACTION}/settings.json", "[]", 1, "needs an object, found a list"),
        (f"rule_components/{ACTION}/data.json", "[]", 1, "needs an object of the API"),
        (f"rules/{RULE}/data.json", '{"attributes":\n{"name": 5}}', 2, "needs a text"),
        (f"data_elements/{CODE}/data.json", "{}", 1, "is missing"),
        ("data.json", '{"name": "x",\n"platform": "web"}', 2, "tags property"),
    ],
)
def test_a_mistake_carries_the_name_of_its_own_file_and_its_line(
    root: Path, file: str, text: str, line: int, says: str
) -> None:
    (root / file).write_text(text)
    problem = _problems(root)[0]
    assert (Path(problem.file), problem.line) == (root / file, line)
    assert says in problem.message


@pytest.mark.parametrize("file", ["data.json", f"rules/{RULE}/data.json", f"rule_components/{ACTION}/data.json"])
def test_a_missing_file_is_named(root: Path, file: str) -> None:
    (root / file).unlink()
    assert str(root / file) in {problem.file for problem in _problems(root)}


def test_a_tree_without_any_rules_is_refused(root: Path) -> None:
    shutil.rmtree(root / "rules")
    assert "rules: is missing, so the property would send nothing" in str(_problems(root)[0])


def test_an_extension_that_is_not_run_is_named_unless_its_component_is_off(root: Path) -> None:
    path = root / "rule_components" / ACTION / "data.json"
    _change(path, delegate_descriptor_id="other-cloud::actions::send-data")
    problem = _problem(root)
    assert (Path(problem.file), problem.line) == (path, 6)
    assert "the extension 'other-cloud' is not run here" in problem.message
    _change(path, enabled=False)
    assert [(one.kind, one.name) for one in load_property(root).left_out] == [("action", "Mixpanel - Send Event")]


def test_two_data_elements_of_one_name_name_each_others_file(root: Path) -> None:
    _change(root / "data_elements" / CODE / "data.json", name="ECID")
    problem = _problem(root)
    assert "DE11111111111111111111111111111111" in problem.message
    assert CODE in problem.file


def test_a_folder_without_any_permission_to_look_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Path.iterdir

    def look_with_permission(folder: Path) -> Iterator[Path]:
        # The administrator of a machine may look anywhere, so the system's answer is played.
        if folder == root / "rules":
            raise PermissionError(13, "Permission denied", str(folder))
        return look(folder)

    monkeypatch.setattr(Path, "iterdir", look_with_permission)
    assert "can't be read" in _problems(root)[0].message


@settings(max_examples=60)
@given(properties())
def test_a_property_is_the_same_in_every_shape(document: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shapes = [
            write_document(folder / "inside.json", document),
            write_document_with_components_apart(folder / "apart.json", document),
            write_answers(folder / "answers", document),
            write_tree(folder / "tree", document),
            write_shorthand(folder / "short.yaml", document),
        ]
        first, *others = [bare(load_property(shape)) for shape in shapes]
        for other in others:
            assert other == first


DAMAGE = st.sampled_from(["remove", "empty", "cut", "null", "list", "folder", "dangle", "circle"])


def _damage(path: Path, how: str) -> None:
    raw = b"" if path.is_dir() else path.read_bytes() if path.exists() else b""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    if how in ("empty", "cut", "null", "list"):
        path.write_bytes({"empty": b"", "cut": raw[: len(raw) // 2], "null": b"null", "list": b"[1, {}]"}[how])
    elif how == "folder":
        path.mkdir()
    elif how in ("dangle", "circle"):
        path.symlink_to("nowhere" if how == "dangle" else path.name)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_folder_is_a_property_or_a_list_of_problems(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        if data.draw(st.booleans()):
            folder = write_tree(Path(name) / "tree", shop())
        else:
            folder = write_answers(Path(name) / "answers", shop())
        for _ in range(data.draw(st.integers(1, 4))):
            paths = sorted(folder.rglob("*"))
            if paths:
                _damage(data.draw(st.sampled_from(paths)), data.draw(DAMAGE))
        with contextlib.suppress(InputError):
            Engine(load_property(folder))


def test_ids_in_the_tree_are_what_custom_code_can_ask_for(tmp_path: Path) -> None:
    property_ = load_property(write_tree(tmp_path / "tree", shop()))
    assert property_.data_elements[0].component_id == object_id("DE", 1)
    assert property_.rules[0].actions[0].component_id == object_id("RC", 4)
