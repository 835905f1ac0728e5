"""Node and Adobe's packages: found, installed once, or an error that says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.forwarder.engine import Call, Response
from harness.forwarder.turbine import packages
from harness.forwarder.turbine.engine import NodeHost, TurbineEngine
from harness.problems import OutsideError
from tests.forwarder.recordings import property_of
from tests.forwarder.strategies import document, shows

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs here are shell scripts")

FOLDER = Path(packages.__file__).parent


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it, and a cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(packages.MODULES_VARIABLE, raising=False)
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def _run(host: NodeHost) -> None:
    TurbineEngine(property_of(document([], [[shows(v=1)]])), host).run(Call({}), lambda _: Response())


def test_without_node_the_error_says_how_to_get_it(programs: Path) -> None:
    with pytest.raises(OutsideError, match=r"no `node` in the PATH: install Node 18 or newer.* or use --engine python"):
        _run(NodeHost())


def test_an_old_node_is_named_with_its_version(programs: Path) -> None:
    _program(programs, "node", "echo v14.21.3")
    with pytest.raises(OutsideError, match=r"is Node v14\.21\.3, which is too old: install Node 18"):
        _run(NodeHost())


@pytest.mark.parametrize("script", ["echo broken >&2; exit 1", "exit 0", "echo nothing like a version"])
def test_a_broken_node_is_told_from_a_missing_one(programs: Path, script: str) -> None:
    _program(programs, "node", script)
    with pytest.raises(OutsideError, match=r"--version` says .*: install Node 18"):
        _run(NodeHost())


def test_a_node_that_dies_is_an_error_and_no_result(programs: Path, tmp_path: Path) -> None:
    _program(programs, "node", 'test "$1" = --version && echo v20.0.0 || { echo "Error: no luck" >&2; exit 1; }')
    _program(programs, "npm", "/bin/mkdir node_modules")
    with pytest.raises(OutsideError, match=r"does not start in .*: Error: no luck; remove that folder"):
        _run(NodeHost())


def test_without_npm_the_error_names_the_way_round(programs: Path) -> None:
    with pytest.raises(OutsideError, match=f"no `npm` in the PATH.*{packages.MODULES_VARIABLE}"):
        packages.modules_folder()


def test_a_failed_installation_names_the_command_to_run(programs: Path, tmp_path: Path) -> None:
    _program(programs, "npm", "echo 'npm error network is down' >&2; exit 1")
    with pytest.raises(OutsideError, match=r"network is down. Run: cd .* && npm ci --ignore-scripts") as caught:
        packages.modules_folder()
    home = Path(str(caught.value).split("Run: cd ")[1].split(" && ")[0])
    assert sorted(path.name for path in home.iterdir()) == ["empty", "package-lock.json", "package.json"]


def test_the_packages_are_installed_once(programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    _program(programs, "npm", f'echo "$*" >> {log}; /bin/mkdir node_modules')
    assert packages.modules_folder() == packages.modules_folder()
    assert log.read_text(encoding="utf-8") == "ci --ignore-scripts --no-audit --no-fund\n"
    assert capsys.readouterr().err.count("installing Adobe's packages") == 1


def test_a_cache_that_cant_be_written_is_named(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutsideError, match="Set XDG_CACHE_HOME to a folder that can be written"):
        packages.modules_folder()


def test_a_folder_that_was_named_needs_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(packages.MODULES_VARIABLE, str(tmp_path))
    with pytest.raises(OutsideError, match="has no @adobe/reactor-turbine-edge"):
        packages.modules_folder()


def test_every_version_is_exact_and_no_address_is_locked() -> None:
    manifest = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in manifest["dependencies"].items():
        assert lock[f"node_modules/{name}"]["version"] == version
    installed = [package for package in lock.values() if "integrity" in package]
    assert len(installed) > 40
    assert not [package for package in installed if "resolved" in package]
    assert all(package["integrity"].startswith("sha512-") for package in installed)
