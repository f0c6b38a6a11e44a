"""The commands `longhand upstreams ...`: what is declared of the upstreams, and how each is doing."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.settings import load_settings
from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.terminal import tables, upstream_tables
from longhand.terminal.output import print_json, print_line


def make_upstreams_app() -> typer.Typer:
    """The commands under `longhand upstreams`, which by itself lists them."""
    upstreams = typer.Typer(
        help="List the upstreams and how each is doing; `check` a file of them.",
        invoke_without_command=True,
    )
    upstreams.callback()(list_all)
    upstreams.command("check")(check)
    return upstreams


def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List the upstreams of the running Longhand: state, streams, window, use of each limit, last error.

    An empty cell means that nothing is known yet.

    Examples: `longhand upstreams`, `longhand upstreams --json`, `longhand upstreams check upstreams.toml`
    """
    if context.invoked_subcommand is not None:
        return
    with open_client() as client:
        listed = client.upstreams()
    if as_json:
        print_json(listed)
        return
    tables.table_console().print(upstream_tables.upstreams_table(listed["data"]))
    for note in upstream_tables.notes(listed):
        print_line(note, err=True)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file, as in LONGHAND_UPSTREAMS.")],
    no_keys: Annotated[
        bool, typer.Option("--no-keys", help="Do not require the keys, for a check on another machine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check an upstreams file: every mistake with its line, and what was understood. Exit code 1 if there is a mistake.

    Nothing is sent to any upstream.

    Example: `longhand upstreams check upstreams.toml --no-keys`
    """
    from jobs.upstreams.source import read_file  # noqa: PLC0415  # no other command needs it

    reading = read_file(file, load_settings(), needs_keys=not no_keys)
    if as_json:
        mistakes = [{"line": mistake.line, "message": mistake.message} for mistake in reading.mistakes]
        print_json({"mistakes": mistakes, "upstreams": [spec.name for spec in reading.upstreams.specs]})
        raise typer.Exit(1 if mistakes else 0)
    for mistake in reading.mistakes:
        # As compilers write it, so that editors find the place.
        place = f"{file}:{mistake.line}" if mistake.line else str(file)
        print_line(f"{place}: {mistake.message}", err=True)
    if reading.upstreams.specs:
        tables.table_console().print(upstream_tables.declared_table(reading.upstreams))
    count = len(reading.mistakes)
    if count:
        print_line(f"{count} mistake{'s' if count > 1 else ''}: this file would not be used", err=True)
        raise typer.Exit(1)
    print_line(f"{file}: no mistakes", err=True)
