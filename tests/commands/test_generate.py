"""`harness generate` as users call it."""

from __future__ import annotations

import json
import os

import pytest

from tests.commands.shell import Shell


def test_a_history_is_made_and_audited_users_are_told_how_to_read_it(shell: Shell) -> None:
    done = shell.run("generate", "history.jsonl", "--events", "500", "--days", "10")
    assert done.code == 0
    assert done.out.startswith("wrote history.jsonl: 500 events of 20 people for a project with original ID merge")
    assert "^user-" in done.out
    lines = (shell.folder / "history.jsonl").read_text().splitlines()
    assert len(lines) == 500
    assert json.loads(lines[0])["properties"]["person"].startswith("P")
    resolved = shell.run("resolve", "history.jsonl", "--id-merge", "original", "--json")
    assert resolved.code == 0
    assert json.loads(resolved.out)["users"] > 5


def test_the_same_seed_gives_the_same_bytes_in_any_time_zone_locale_and_hash_seed(shell: Shell) -> None:
    arguments = ("--events", "400", "--days", "5", "--seed", "7", "--json")
    one = shell.run("generate", "a.jsonl.gz", *arguments, environment={"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"})
    two = shell.run("generate", "b.jsonl.gz", *arguments, environment={"TZ": "America/Lima", "LC_ALL": "C"})
    assert one.code == two.code == 0
    assert (shell.folder / "a.jsonl.gz").read_bytes() == (shell.folder / "b.jsonl.gz").read_bytes()
    document = json.loads(one.out)
    assert document == {**json.loads(two.out), "out": "a.jsonl.gz"}
    assert document["events"] == 400
    assert document["truth"] == "person"


def test_shards_are_a_folder_and_only_a_folder_of_shards_is_replaced(shell: Shell) -> None:
    arguments = ("generate", "parts", "--events", "300", "--days", "5", "--shards", "100", "--as", "parquet")
    assert shell.run(*arguments).code == 0
    assert sorted(os.listdir(shell.folder / "parts")) == [f"part-{n:05d}.parquet" for n in range(3)]
    again = shell.run(*arguments)
    assert (again.code, again.err) == (
        2,
        "harness: parts: exists, and nothing is overwritten. Give --force to replace it.\n",
    )
    assert shell.run(*arguments, "--force", "--seed", "1").code == 0
    (shell.folder / "parts" / "mine.txt").write_text("precious")
    kept = shell.run(*arguments, "--force")
    assert kept.code == 2
    assert "holds more than files of a history" in kept.err
    assert (shell.folder / "parts" / "mine.txt").read_text() == "precious"


def test_an_existing_file_stays_as_it_is_without_force(shell: Shell) -> None:
    (shell.folder / "h.jsonl").write_text("mine")
    done = shell.run("generate", "h.jsonl", "--events", "10")
    assert done.code == 2
    assert (shell.folder / "h.jsonl").read_text() == "mine"
    assert shell.run("generate", "h.jsonl", "--events", "10", "--days", "2", "--force").code == 0
    assert (shell.folder / "h.jsonl").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "OUT: is missing"),
        (("h.csv",), "h.csv: is no .jsonl, .jsonl.gz, .parquet file"),
        (("h.jsonl", "--shards", "5"), "looks like a file, but --shards makes a folder"),
        (("h.jsonl", "--rates", "shard=1"), "--rates: 'shard' is no rate. Did you mean 'shared'?"),
        (("h.jsonl", "--start", "tomorrow"), "--start: 'tomorrow' is no day such as 2025-01-01"),
        (("h.jsonl", "--start", "2025-01-01T05:00:00Z"), "is not the start of a day"),
        (("h.jsonl", "--truth", "$user_id"), "--truth: '$user_id' can't name the truth"),
        (("h.jsonl", "--truth", "distinct_id"), "--truth: 'distinct_id' can't name the truth"),
        (("nowhere/h.jsonl", "--events", "5"), "nowhere is no folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_and_nothing_is_written(
    arguments: tuple[str, ...], said: str, shell: Shell
) -> None:
    done = shell.run("generate", *arguments)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""
    assert list(shell.folder.iterdir()) == []


def test_the_rates_are_listed_with_what_they_are_a_share_of(shell: Shell) -> None:
    done = shell.run("generate", "--list")
    assert done.code == 0
    assert "no_reset" in done.out
    assert "share of" in done.out
