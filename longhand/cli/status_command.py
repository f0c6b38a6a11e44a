"""The command `longhand status`: the whole at one glance."""

import typer

from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.client.objects import Json
from longhand.terminal import status_tables, tables, upstream_tables
from longhand.terminal.output import print_json, print_line


def status(as_json: AsJson = False) -> None:
    """Show what runs, what waits and why: workers, queue, upstreams, database and Redis."""
    with open_client() as client:
        found = client.status()
    if as_json:
        print_json(found)
    else:
        _show(found)
    if not status_tables.is_well(found):
        raise typer.Exit(1)


def _show(found: Json) -> None:
    console = tables.table_console()
    for line in status_tables.services_lines(found):
        print_line(line)
    for name, table in (
        ("workers", status_tables.workers_table),
        ("queue", status_tables.queue_table),
        ("upstreams", upstream_tables.upstreams_table),
    ):
        if found[name]:
            print_line("")
            console.print(table(found[name]))
    for note in status_tables.notes(found):
        print_line(note, err=True)
