"""The commands that show what there is: `jobs`, `batches` and `show`."""

from typing import Annotated

import typer

from jobs.model.status import JobStatus
from longhand.cli.arguments import AsJson, Id
from longhand.cli.command_client import open_client
from longhand.terminal import lists, tables
from longhand.terminal.output import PlainConsole, print_json, print_line
from longhand.terminal.waiting_words import waiting_notes

_WIDE = 120
"""A terminal with this many columns has room for every column of a table."""

Limit = Annotated[int, typer.Option(help="At most this many, newest first.", min=1)]


def jobs(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this status.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Only jobs of this batch.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs of this model.")] = None,
    text: Annotated[str | None, typer.Option(help="Only jobs whose text so far contains this, ignoring case.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first, and below them what the queued ones wait for.

    Examples: `longhand jobs --status failed`, `longhand jobs --batch batch_... --limit 100 --json`
    """
    with open_client() as client:
        found = list(
            # One more than is shown tells whether there are more.
            client.jobs(batch_id=batch, status=status.value if status else None, model=model, q=text, limit=limit + 1)
        )
    listed = found[:limit]
    if as_json:
        print_json(listed)
    elif listed:
        console = tables.table_console()
        wide = console.width >= _WIDE
        console.print(lists.jobs_table(listed, wide=wide))
        for note in waiting_notes(listed):
            print_line(note, err=True)
        _note_the_rest(console, more=len(found) > limit, hidden="" if wide else "attempt, created and model")
    else:
        print_line("no such jobs" if batch or status or model or text else "no jobs yet: longhand submit", err=True)


def batches(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List batches, newest first, each with how far it is.

    Examples: `longhand batches`, `longhand batches --limit 100 --json`
    """
    with open_client() as client:
        found = list(client.batches(limit=limit + 1))
    listed = found[:limit]
    if as_json:
        print_json(listed)
    elif listed:
        console = tables.table_console()
        wide = console.width >= _WIDE
        console.print(lists.batches_table(listed, wide=wide))
        _note_the_rest(console, more=len(found) > limit, hidden="" if wide else "created and model")
    else:
        print_line("no batches yet: longhand submit FILE", err=True)


def show(resource_id: Id, as_json: AsJson = False) -> None:
    """Show a job with its attempts, or a batch.

    Examples: `longhand show job_...`, `longhand show batch_... --json`
    """
    with open_client() as client:
        found = client.read(resource_id)
    if as_json:
        print_json(found)
        return
    draw = tables.batch_summary if found.get("object") == "batch" else tables.job_summary
    tables.table_console().print(draw(found))


def _note_the_rest(console: PlainConsole, *, more: bool, hidden: str) -> None:
    """Say what the table does not show."""
    if more:
        print_line("there are more: --limit shows them", err=True)
    if hidden:
        print_line(f"a terminal of {_WIDE} columns (this has {console.width}) also shows {hidden}", err=True)
