"""The commands `longhand upstreams ...`: what is declared of the upstreams, and how each is doing."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.settings import load_settings
from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.terminal import tables, upstream_tables
from longhand.terminal.output import print_json, print_line
from longhand.words.catalogue import t, translated


def make_upstreams_app() -> typer.Typer:
    """The commands under `longhand upstreams`, which by itself lists them."""
    upstreams = typer.Typer(invoke_without_command=True)
    upstreams.callback()(list_all)
    upstreams.command("check")(check)
    return upstreams


def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List the upstreams of the running Longhand: state, streams, window, use of each limit, last error."""
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
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    no_keys: Annotated[bool, typer.Option("--no-keys")] = False,
    as_json: AsJson = False,
) -> None:
    """Check an upstreams file: every mistake with its line, and what was understood."""
    from jobs.upstreams.source import read_file  # noqa: PLC0415  # no other command needs it

    reading = read_file(file, load_settings(), needs_keys=not no_keys)
    if as_json:
        mistakes = [{"line": mistake.line, "message": mistake.message} for mistake in reading.mistakes]
        print_json({"mistakes": mistakes, "upstreams": [spec.name for spec in reading.upstreams.specs]})
        raise typer.Exit(1 if mistakes else 0)
    for mistake in reading.mistakes:
        # As compilers write it, so that editors find the place.
        place = f"{file}:{mistake.line}" if mistake.line else str(file)
        print_line(f"{place}: {translated(mistake.message)}", err=True)
    if reading.upstreams.specs:
        tables.table_console().print(upstream_tables.declared_table(reading.upstreams))
    count = len(reading.mistakes)
    if count:
        print_line(t("upstreams.mistakes", count=count), err=True)
        raise typer.Exit(1)
    print_line(t("upstreams.no_mistakes", file=file), err=True)
