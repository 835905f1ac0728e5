"""`harness serve`: a local Mixpanel that real SDKs and forwarders send to."""

from __future__ import annotations

import gc
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from harness.clock import parse_duration
from harness.commands.sources import chosen_settings, instant
from harness.event import ID_MERGE_SYSTEMS, IdMerge, Json
from harness.problems import InputError, Problem


@click.command("serve")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen on. Others than this need --token."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free port.")
@click.option(
    "--id-merge",
    type=click.Choice(ID_MERGE_SYSTEMS),
    default="simplified",
    show_default=True,
    help="The project's ID-merge system.",
)
@click.option("--token", metavar="T", help="The project token; events with another one are dropped.  [default: any]")
@click.option("--secret", metavar="S", help="The project's API secret, for /import and exports.  [default: any]")
@click.option(
    "--property",
    "property_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="An event forwarding property: POST /edge sends calls through it.",
)
@click.option(
    "--environment", metavar="NAME", default="production", show_default=True, help="The property's build environment."
)
@click.option(
    "--secrets",
    "secrets_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The property's secret values by secret id, one JSON object.",
)
@click.option(
    "--store", metavar="FILE", type=click.Path(path_type=Path), help="Keep everything in a file, and go on from it."
)
@click.option("--now", metavar="ISO", help="Let the clock stand still at this instant.  [default: the wall clock]")
@click.option("--fail", metavar="FAULTS", default="", help="Let requests fail, for example 429:0.1,drop:0.05.")
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="The seed of --fail.")
@click.option(
    "--rate-limit",
    is_flag=False,
    flag_value=30_000,
    type=click.IntRange(min=1),
    metavar="[N]",
    help="Enforce Mixpanel's rate limits: 30,000 events a second on /import, or N; 60 exports an hour.",
)
@click.option("--export-duplicates", is_flag=True, help="Exports show duplicates, as real ones do.")
@click.option("--export-lag", metavar="TIME", help="Exports lag behind merges by so much, for example 2h.")
@click.option("--cluster-limit", type=click.IntRange(min=1), metavar="N", help="Most ids in one cluster in original.")
@click.option(
    "--settings", type=click.Path(path_type=Path), help="Settings (YAML). Default: harness.yaml, where there is one."
)
def command(
    host: str,
    port: int,
    id_merge: IdMerge,
    token: str | None,
    secret: str | None,
    property_path: Path | None,
    environment: str,
    secrets_path: Path | None,
    store: Path | None,
    now: str | None,
    fail: str,
    seed: int,
    rate_limit: int | None,
    export_lag: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    *,
    export_duplicates: bool,
) -> None:
    """Run a local Mixpanel that real SDKs talk to.

    Set the API host of an SDK, or the URL of a sender, to the address that is printed. It answers Mixpanel's own routes
    (/track, /engage, /groups, /import, /api/2.0/export) with Mixpanel's rules; what arrived, and who became one user,
    is shown by the page at / and by the routes under /harness, which tests ask (ROUTES.md in harness/server tells all).

    \b
    --fail KIND:SHARE,...  tests how a sender copes; the kinds are
      429, 500, 502...   that answer; nothing is stored
      502-after          the request is stored, then that answer
      drop               the request is stored, the answer is lost
      drop-before        nothing is stored, no answer
      slow:2s            the answer comes so much later
    The header X-Harness-Fail: KIND does the same to one request.

    \b
    Examples:
      harness serve --id-merge original --token T
      harness serve --port 0 --property property.yaml --store shop.db
      harness serve --fail "429:0.1,502:0.05,drop:0.05,slow:2s:0.1" --seed 7
    """
    try:
        from harness.server.export import ExportOptions
        from harness.server.serving import LocalServer, ServerOptions
    except ModuleNotFoundError as error:
        _needs_extra(error)
    _blank_is_wrong("--token", token)
    _blank_is_wrong("--secret", secret)
    options = ServerOptions(
        id_merge=id_merge,
        settings=chosen_settings(settings, cluster_limit),
        token=token,
        secret=secret,
        host=host,
        port=port,
        now_ms=instant(now),
        events_per_second=rate_limit,
        fail=fail,
        seed=seed,
        export=ExportOptions(shows_duplicates=export_duplicates, lag_ms=_lag(export_lag)),
        property_path=property_path,
        environment=environment,
        secrets=_secrets(secrets_path),
        store=store,
    )
    server = LocalServer(options, lambda ready: click.echo(f"listening on {ready.url}"))
    # A server that is told to end has done what it should: exit code 0. Ctrl-C stays what it is everywhere, 130.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: server.stop())
    # Stored events hold no circles, so the collector finds nothing in them; looking less often is all it takes.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    server.run()


def _needs_extra(error: ModuleNotFoundError) -> NoReturn:
    if error.name is None or error.name.startswith("harness"):
        raise error
    message = f"harness serve needs {error.name}, which is not installed"
    raise InputError([Problem("", None, "", message, "Run: pip install 'identity-harness[server]'")]) from None


def _blank_is_wrong(option: str, text: str | None) -> None:
    if text is not None and not text.strip():
        raise InputError([Problem("", None, option, "is blank", "Give a text, or leave the option out.")])


def _lag(text: str | None) -> int:
    if text is None:
        return 0
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError([Problem("", None, "--export-lag", str(error))]) from None


def _secrets(path: Path | None) -> Mapping[str, Json]:
    if path is None:
        return {}
    from harness.forwarder.calls import read_secrets
    from harness.problems import Problems
    from harness.source import read_text

    problems = Problems(str(path))
    text = read_text(path, problems)
    found = {} if text is None else read_secrets(text, problems)
    if problems:
        raise InputError(problems.found)
    return found
