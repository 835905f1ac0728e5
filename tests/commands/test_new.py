"""`harness new`, and the command line as a whole."""

from __future__ import annotations

from tests.commands.shell import Shell


def test_what_new_writes_is_green(shell: Shell) -> None:
    done = shell.run("new", "demo")
    assert done.code == 0, done.err
    assert "harness run demo" in done.out
    ran = shell.run("run", "demo")
    assert ran.code == 0, ran.out
    assert "1 scenario: 1 passed" in ran.out


def test_new_writes_over_nothing(shell: Shell) -> None:
    shell.run("new", "demo")
    (shell.folder / "demo" / "property.yaml").write_text("mine")
    again = shell.run("new", "demo")
    assert again.code == 2
    assert "is there already" in again.err
    assert (shell.folder / "demo" / "property.yaml").read_text() == "mine"
    assert shell.run("new", "demo", "--force").code == 0


def test_new_says_when_a_folder_cannot_be_made(shell: Shell) -> None:
    (shell.folder / "file").write_text("x")
    done = shell.run("new", "file/demo")
    assert done.code == 2
    assert "can't be written" in done.err


def test_an_unknown_command_is_answered_with_the_nearest(shell: Shell) -> None:
    done = shell.run("resolv")
    assert done.code == 2
    assert "Did you mean 'resolve'?" in done.err


def test_version_and_overview(shell: Shell) -> None:
    assert shell.run("--version").out.startswith("harness, version ")
    overview = shell.run("--help")
    assert overview.code == 0
    assert "Run scenario files and write reports." in overview.out
