"""The pytest plugin: scenario files as tests, one a file and ID-merge system, and fixtures for tests of your own.

`*.scenario.yaml` files are collected wherever pytest looks, and every `*.yaml` in the folders that `harness_scenarios`
names. Nothing of the harness is imported before a scenario is collected or a fixture is used, so that pytest starts as
fast as without it; `-p no:harness` leaves the plugin out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from harness.event import IdMerge
    from harness.ingestion.settings import ProjectSettings
    from harness.problems import HarnessError
    from harness.scenario.format import Scenario
    from harness.scenario.results import ScenarioResult
    from harness.scenario.runner import Engines
    from harness.server.background import RunningServer
    from harness.server.fixture import NewServer
    from harness.testing import NewForwarder, NewProject, ProjectInTest

ENDING: Final = ".scenario.yaml"
PROJECT_FILE: Final = "harness.yaml"
_FOLDERS = pytest.StashKey[list[Path]]()
_SETTINGS = pytest.StashKey["ProjectSettings"]()
_ENGINES = pytest.StashKey["Engines"]()
_PROJECT = pytest.StashKey["ProjectInTest"]()
_MOST_EVENTS: Final = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, on the command line and in the configuration file."""
    about = "files, or folders whose *.yaml files are all scenarios; run where pytest is given no paths"
    parser.addini("harness_scenarios", f"identity-harness: {about}", type="paths", default=[])
    parser.addini("harness_settings", "identity-harness: settings for all scenarios, instead of harness.yaml")
    group = parser.getgroup("identity-harness")
    group.addoption(
        "--harness-scenarios", action="append", default=[], metavar="PATH", help=f"{about}; may be repeated"
    )
    group.addoption("--harness-settings", metavar="FILE", help="settings for all scenarios, instead of harness.yaml")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and let a run without paths include the configured folders."""
    config.addinivalue_line("markers", "scenario: a scenario file of identity-harness")
    config.addinivalue_line("markers", "id_merge(system): the ID-merge system of the fixture mixpanel_project")
    folders = [Path(path) for path in config.getini("harness_scenarios")]
    folders += [config.invocation_params.dir / path for path in config.getoption("--harness-scenarios")]
    missing = [str(path) for path in folders if not path.exists()]
    if missing:
        raise pytest.UsageError(f"harness_scenarios: {', '.join(missing)}: does not exist. Check the path.")
    reals = [Path(os.path.realpath(path)) for path in folders]
    config.stash[_FOLDERS] = reals
    chosen = config.args_source is not config.ArgsSource.ARGS
    if chosen and config.invocation_params.dir == config.rootpath:
        inside = [Path(os.path.realpath(argument)) for argument in config.args]
        config.args += [
            str(path)
            for path, real in zip(folders, reals, strict=True)
            if not any(real == other or other in real.parents for other in inside)
        ]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect a scenario file."""
    if _is_scenario(file_path, parent.config.stash[_FOLDERS]):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


def _is_scenario(path: Path, folders: list[Path]) -> bool:
    if path.name.endswith(ENDING):
        return True
    if not folders or path.suffix not in (".yaml", ".yml"):
        return False
    real = Path(os.path.realpath(path))
    if real in folders:
        return True
    if path.suffix != ".yaml" or not any(folder in real.parents for folder in folders):
        return False
    from harness.scenario.collect import holds_property

    return not holds_property(path)


class ScenarioFile(pytest.File):
    """One scenario file: its tests are the ID-merge systems that it names."""

    def collect(self) -> Iterator[ScenarioTest]:
        """Yield the tests.

        Raises:
            CollectError: with everything that is wrong with the file.
        """
        from harness.scenario.format import load_scenario
        from harness.scenario.runner import systems_of

        scenario = load_scenario(self.path, _shown(self.path, self.config), _settings_for(self))
        if isinstance(scenario, list):
            raise self.CollectError("\n".join(map(str, scenario)))
        for system in systems_of(scenario, None, named=True):
            yield ScenarioTest.from_parent(self, name=system, scenario=scenario, id_merge=system)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what is wrong with the file, without any traceback."""
        return str(excinfo.value) if isinstance(excinfo.value, self.CollectError) else super().repr_failure(excinfo)


class ScenarioTest(pytest.Item):
    """One scenario under one ID-merge system."""

    def __init__(self, *, scenario: Scenario, id_merge: IdMerge, **others: Any) -> None:
        from harness.report.plain import one_line

        super().__init__(**others)
        self.scenario = scenario
        self.id_merge = id_merge
        self.extra_keyword_matches.add(scenario.name)
        self.headline = f"{one_line(scenario.name)} ({id_merge})"
        self.user_properties.append(("scenario", one_line(scenario.name)))
        self.add_marker(pytest.mark.scenario)
        if scenario.known_failure is not None:
            reason = one_line(scenario.known_failure)
            self.add_marker(pytest.mark.xfail(reason=reason, raises=KnownFailure, strict=True))

    def setup(self) -> None:
        """Load the property; one that can't be read is an error of this test, not a failure of the flow."""
        if self.scenario.property_path is None:
            return
        from harness.problems import HarnessError

        try:
            _engines(self.config)(self.scenario.property_path, self.scenario.environment)
        except HarnessError as error:
            pytest.fail(_told(error, self.config), pytrace=False)

    def runtest(self) -> None:
        """Run the scenario; it fails where `harness run` says so."""
        from harness.problems import HarnessError
        from harness.report.terminal import details
        from harness.scenario.runner import run_scenario

        try:
            result = run_scenario(self.scenario, self.id_merge, _engines(self.config))
        except HarnessError as error:
            pytest.fail(_told(error, self.config), pytrace=False)
        if result.status == "passed":
            return
        lines = [line.removeprefix("    ") for line in details(result)]
        text = "\n".join([*lines, *_timeline(result)])
        raise KnownFailure(text) if result.status == "known_failure" else ScenarioFailed(text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what went wrong, without any traceback."""
        if not isinstance(excinfo.value, ScenarioFailed):
            return super().repr_failure(excinfo, style)
        shown = excinfo.getrepr(style="value")
        if shown.reprcrash is not None:
            first = str(excinfo.value).partition("\n")[0]
            shown.reprcrash.path, shown.reprcrash.lineno = str(self.path), 1
            shown.reprcrash.message = first
        return shown

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test is, and its headline among the failures."""
        return self.path, 0, self.headline


class ScenarioFailed(Exception):  # noqa: N818 - a failed check is no mistake of the program
    """A check of the scenario failed."""


class KnownFailure(ScenarioFailed):
    """A check failed, as the file announces."""


def _told(error: HarnessError, config: pytest.Config) -> str:
    """Return what a mistake is, with the paths of files as people find them."""
    from harness.problems import InputError

    if not isinstance(error, InputError):
        return str(error)
    return "\n".join(str(replace(one, file=_shown(Path(one.file), config))) for one in error.problems)


def _shown(path: Path, config: pytest.Config) -> str:
    """Return a path as people find it: from the folder they are in where it is below it."""
    folder = config.invocation_params.dir
    return path.relative_to(folder).as_posix() if folder in path.parents else path.as_posix()


def _timeline(result: ScenarioResult) -> list[str]:
    """Return what arrived, event by event, with the user it ended with."""
    from tabulate import tabulate

    from harness.report.plain import shorten_middle, visible

    if not result.events:
        return []
    rows = []
    for event in result.events[:_MOST_EVENTS]:
        outcome = str(event.status)
        if event.decision is not None:
            outcome += f", {event.decision.kind} {event.decision.outcome}"
            outcome += f" ({event.decision.reason})" if event.decision.reason else ""
        user = shorten_middle(visible(event.distinct_id), 44)
        rows.append((event.step, visible(event.person or ""), visible(event.name), outcome, user))
    drawn = tabulate(rows, ["step", "person", "event", "outcome", "user"], tablefmt="plain", disable_numparse=True)
    more = len(result.events) - _MOST_EVENTS
    end = [f"... and {more:,} more events; `harness run` draws all of them"] if more > 0 else []
    return ["", *(line.rstrip() for line in drawn.split("\n")), *end]


def _engines(config: pytest.Config) -> Engines:
    if _ENGINES not in config.stash:
        from harness.scenario.runner import engine_cache

        config.stash[_ENGINES] = engine_cache()
    return config.stash[_ENGINES]


def _settings(config: pytest.Config) -> ProjectSettings:
    """Return the settings for all scenarios: of the file named, else of `harness.yaml` in this folder or the root.

    Raises:
        InputError: when the file is wrong.
    """
    if _SETTINGS not in config.stash:
        from harness.ingestion.settings import ProjectSettings
        from harness.scenario.project_file import read_project_file

        here, root = config.invocation_params.dir, config.rootpath
        option, line = config.getoption("--harness-settings"), config.getini("harness_settings")
        named = here / option if option else root / line if line else None
        usual = [folder / PROJECT_FILE for folder in (here, root) if (folder / PROJECT_FILE).exists()]
        path = named or next(iter(usual), None)
        config.stash[_SETTINGS] = ProjectSettings() if path is None else read_project_file(path)
    return config.stash[_SETTINGS]


def _settings_for(collector: pytest.Collector) -> ProjectSettings:
    from harness.problems import HarnessError

    try:
        return _settings(collector.config)
    except HarnessError as error:
        raise collector.CollectError(_told(error, collector.config)) from None


@pytest.fixture
def mixpanel_project(request: pytest.FixtureRequest, mixpanel_projects: NewProject) -> Iterator[ProjectInTest]:
    """A fresh Mixpanel project; `@pytest.mark.id_merge("original")` chooses its system, which is else simplified.

    Hypothesis runs a test many times with one value of this fixture: there take `mixpanel_projects`.
    """
    marker = request.node.get_closest_marker("id_merge")
    project = mixpanel_projects() if marker is None else mixpanel_projects(*marker.args, **marker.kwargs)
    request.config.stash[_PROJECT] = project
    yield project
    del request.config.stash[_PROJECT]


@pytest.fixture(scope="session")
def mixpanel_projects(pytestconfig: pytest.Config) -> NewProject:
    """Makes fresh Mixpanel projects: `mixpanel_projects("original")`. Good inside of Hypothesis tests."""
    from harness.event import ID_MERGE_SYSTEMS
    from harness.problems import did_you_mean
    from harness.testing import ProjectInTest

    base = _settings(pytestconfig)

    def make(system: IdMerge = "simplified", *, settings: ProjectSettings | None = None) -> ProjectInTest:
        if system not in ID_MERGE_SYSTEMS:
            raise ValueError(f"{system!r} is no ID-merge system. {did_you_mean(str(system), ID_MERGE_SYSTEMS)}")
        return ProjectInTest(system, base if settings is None else settings)

    return make


@pytest.fixture
def mixpanel_server(request: pytest.FixtureRequest, mixpanel_servers: NewServer) -> RunningServer:
    """A local Mixpanel on a free port, for real SDKs: `.url` is their API host; `.wait(events=3)`, `.users()`.

    `@pytest.mark.id_merge("original")` chooses its system, which is else simplified. Needs the extra `[server]`.
    """
    marker = request.node.get_closest_marker("id_merge")
    return mixpanel_servers() if marker is None else mixpanel_servers(*marker.args, **marker.kwargs)


@pytest.fixture
def mixpanel_servers(pytestconfig: pytest.Config) -> Iterator[NewServer]:
    """Starts local Mixpanels that end with the test: `mixpanel_servers("original", token="T", fail="502:0.1")`."""
    from harness.server.fixture import servers

    with servers(_settings(pytestconfig)) as start:
        yield start


@pytest.fixture(scope="session")
def forwarder(pytestconfig: pytest.Config, mixpanel_projects: NewProject) -> NewForwarder:
    """Makes forwarders: `forwarder("property.yaml", project)` sends Edge calls through a property into a project.

    Without a project that is the `mixpanel_project` of the test, where it takes one, and else a fresh one. A relative
    path starts in the working folder, or else in pytest's root folder.
    """
    from harness.testing import forwarders

    def project() -> ProjectInTest:
        return pytestconfig.stash[_PROJECT] if _PROJECT in pytestconfig.stash else mixpanel_projects()

    return forwarders(pytestconfig.rootpath, project)
