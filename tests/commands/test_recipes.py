"""The CI recipes: valid by the schemas of GitHub and GitLab, the same in README, and their commands really run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from harness.cli import command_line
from harness.server.background import running_server
from tests.commands.shell import Shell
from tests.commands.test_verify import SECRETS
from tests.commands.within import complaint
from tests.live.exports import uuid

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "harness" / "commands" / "recipes"
SCHEMAS = {
    "github-pull-request": "vendor.github-workflows",
    "github-nightly": "vendor.github-workflows",
    "gitlab": "vendor.gitlab-ci",
}


def scripts(name: str) -> list[str]:
    """Return what a recipe runs, step by step."""
    recipe: dict[str, Any] = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    if name == "gitlab":
        return [step for job in recipe.values() for step in job.get("script", ())]
    return [step["run"] for job in recipe["jobs"].values() for step in job["steps"] if "run" in step]


def checked(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    return subprocess.run([*checker, *files], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("schema", sorted(set(SCHEMAS.values())))
def test_recipes_are_valid_by_the_schema_of_their_ci(schema: str) -> None:
    done = checked(schema, *(RECIPES / f"{name}.yaml" for name in SCHEMAS if SCHEMAS[name] == schema))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_recipe_with_a_mistake_is_not_valid(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text((RECIPES / "github-nightly.yaml").read_text().replace("runs-on:", "run-on:"))
    assert checked("vendor.github-workflows", broken).returncode == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_readme_shows_the_recipe_as_it_is_shipped(name: str) -> None:
    shown = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert (RECIPES / f"{name}.yaml").read_text("utf-8") in shown


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_option_that_a_recipe_uses_exists(name: str) -> None:
    used = [line for script in scripts(name) for line in script.replace("\\\n", " ").splitlines() if "harness " in line]
    lines = [line[line.index("harness ") :] for line in used if "pip install" not in line]
    assert lines
    for line in lines:
        words = shlex.split(re.split(r" >>?|\|\|", line)[0])[1:]
        command = command_line.get_command(click.Context(command_line), words[0])
        assert command is not None, line
        command.make_parser(click.Context(command)).parse_args(words[1:])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_shell_line_of_a_recipe_is_shell(name: str) -> None:
    for script in scripts(name):
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_secrets_come_from_the_store_of_the_ci(name: str) -> None:
    text = (RECIPES / f"{name}.yaml").read_text()
    for line in text.splitlines():
        if name == "github-nightly" and re.match(r" +MIXPANEL_(TOKEN|SERVICE|PROJECT)", line):
            assert "${{ secrets." in line
    if name != "github-nightly":
        assert "secrets." not in text


def test_the_job_of_a_pull_request_runs_offline(shell: Shell) -> None:
    assert shell.run("new", "scenarios").code == 0
    done = played(shell, "github-pull-request", {})
    assert done.returncode == 0, done.stdout + done.stderr
    reports = {path.name for path in (shell.folder / "reports").iterdir()}
    assert {"lint.sarif", "junit.xml", "report.md", "report.html"} <= reports
    assert "Page views before login" in (shell.folder / "summary.md").read_text()


NIGHTLY = f"""
name: A visitor logs in
id_merge: simplified
steps:
  - {{event: Page, person: ana, properties: {{$device_id: {uuid(1)}}}}}
  - {{event: Login, person: ana, properties: {{$device_id: {uuid(1)}, $user_id: ana}}}}
"""


def test_the_job_of_the_night_sends_and_reads_back(shell: Shell) -> None:
    nightly = shell.folder / "scenarios" / "nightly"
    nightly.mkdir(parents=True)
    (nightly / "login.yaml").write_text(NIGHTLY)
    with running_server() as server:
        done = played(shell, "github-nightly", {**SECRETS, "MIXPANEL_REGION": server.url, "ID_MERGE": "simplified"})
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.users()) == 1
    assert "2 events as predicted" in (shell.folder / "reports" / "verify.txt").read_text()
    assert "2 events as predicted" in (shell.folder / "summary.md").read_text()
    for secret in (SECRETS["MIXPANEL_TOKEN"], SECRETS["MIXPANEL_SERVICE_SECRET"]):
        assert secret not in done.stdout + done.stderr


def test_gitlab_runs_what_github_runs() -> None:
    def plain(name: str) -> list[str]:
        kept = [script.strip() for script in scripts(name)]
        return [script for script in kept if "pip install" not in script and "GITHUB" not in script]

    assert plain("gitlab") == [*plain("github-pull-request"), *plain("github-nightly")]


def played(shell: Shell, name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the steps of a recipe one after the other, as a CI system would, but for the installation."""
    steps = [script for script in scripts(name) if "pip install" not in script]
    binary = shell.folder / "bin"
    binary.mkdir()
    (binary / "harness").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness "$@"\n')
    (binary / "harness").chmod(0o755)
    return subprocess.run(
        ["bash", "-e", "-c", "\n".join(f"(\n{step}\n)" for step in steps)],
        cwd=shell.folder,
        env={
            **os.environ,
            **environment,
            "PATH": f"{binary}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(shell.folder / "summary.md"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("system", "files"),
    [
        ("github", {".github/workflows/identity.yml", ".github/workflows/identity-nightly.yml"}),
        ("gitlab", {".gitlab/identity.yml"}),
    ],
)
def test_new_writes_the_recipes_where_the_ci_looks_for_them(folder: Path, system: str, files: set[str]) -> None:
    assert command_line.main(["new", "--ci", system], standalone_mode=False) is None
    written = {str(path.relative_to(folder)) for path in folder.rglob("*.yml")}
    assert written == files
    shipped = {path.read_text() for path in RECIPES.glob("*.yaml")}
    assert {(folder / name).read_text() for name in files} <= shipped
    assert "is there already" in complaint("new", "--ci", system)
