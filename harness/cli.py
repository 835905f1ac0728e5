"""The `harness` command line: finds a command by name, loads only that one, and turns errors into exit codes.

Exit codes of every command: 0 all held, 1 a check failed, 2 the input or usage is wrong, 3 something outside failed,
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Final

import click

from harness import __version__
from harness.problems import HarnessError, OutsideError, did_you_mean

COMMANDS: Final[dict[str, str]] = {
    "run": "Run scenario files and write reports.",
    "resolve": "Tell which user every event of a file belongs to.",
    "explain": "Tell why two ids are one user, or why they are not.",
    "compare": "Run the same input under all three ID-merge systems, side by side.",
    "forward": "Send Edge Network calls through an event forwarding property.",
    "property": "Show what a property does, or what a change of it does to identity.",
    "fuzz": "Look for a flow of people and devices that breaks identity.",
    "lint": "Find what is wrong with a property, an event file or a scenario.",
    "serve": "Run a local Mixpanel that real SDKs talk to.",
    "audit": "Tell how healthy identity is in a whole history of events.",
    "migrate": "Rewrite a history for a project of another ID-merge system, with proof.",
    "generate": "Make up a labelled history of any size, to try the tool with.",
    "send": "Send to a real project what the model has proven, and only that.",
    "verify": "Compare the users that the model predicts with those of a raw export.",
    "calibrate": "Ask a throw-away project which reading of each uncertain rule is true.",
    "new": "Write a commented example scenario and property to start from.",
}
"""Every command with its line in the overview; the module `harness.commands.<name>` holds it as `command`."""


class CommandLine(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"harness.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"No such command {args[0]!r}. {did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def command_line() -> None:
    """Prove that events before and after login become one Mixpanel user, before anything is sent.

    \b
    Start here:
      harness new demo            write an example scenario and property
      harness run demo            run it, and write reports
      harness COMMAND --help      options and examples of a command
    """


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    sys.exit(_run())


def _run() -> int:
    try:
        code = command_line.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except HarnessError as error:
        click.echo(f"harness: {error}", err=True)
        return 3 if isinstance(error, OutsideError) else 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
