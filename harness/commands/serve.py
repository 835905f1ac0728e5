"""`harness serve`: a local Mixpanel that real SDKs and forwarders send to."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.sources import chosen_settings, instant
from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.problems import InputError, Problem


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free port.")
@click.option(
    "--id-merge",
    type=click.Choice(ID_MERGE_SYSTEMS),
    default="simplified",
    show_default=True,
    help="The project's ID-merge system.",
)
@click.option("--token", metavar="T", help="The project token.  [default: any]")
@click.option("--secret", metavar="S", help="The project's API secret.  [default: any]")
@click.option("--now", metavar="ISO", help="Let the clock stand still at this instant.  [default: the wall clock]")
@click.option("--rate-limit", is_flag=True, help="Enforce Mixpanel's rate limits.")
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
    now: str | None,
    rate_limit: bool,  # noqa: FBT001 - click passes options by name
    cluster_limit: int | None,
    settings: Path | None,
) -> None:
    """Run a local Mixpanel that real SDKs talk to.

    Set the API host of an SDK to the address that is printed, and look at what arrives at that address in a browser.
    """
    try:
        from harness.server.serving import LocalServer, ServerOptions
    except ModuleNotFoundError as error:
        message = f"harness serve needs {error.name}, which is not installed"
        fix = "Run: pip install 'identity-harness[server]'"
        raise InputError([Problem("", None, "", message, fix)]) from None
    options = ServerOptions(
        id_merge=id_merge,
        settings=chosen_settings(settings, cluster_limit),
        token=token,
        secret=secret,
        host=host,
        port=port,
        now_ms=instant(now),
        limits_rate=rate_limit,
    )
    LocalServer(options, lambda server: click.echo(f"listening on {server.url}")).run()
