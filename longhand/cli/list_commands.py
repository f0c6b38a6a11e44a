"""The commands that show what there is: `jobs`, `batches` and `show`."""

from typing import Annotated

import typer

from jobs.model.status import JobStatus
from longhand.cli.arguments import AsJson, Id
from longhand.cli.command_client import open_client
from longhand.client.filters import JobFilters
from longhand.client.objects import FINAL
from longhand.terminal import lists, tables
from longhand.terminal.batch_list import batch_list
from longhand.terminal.explanations import NOT_COMPLETED, retry_command
from longhand.terminal.failures import is_rejected
from longhand.terminal.output import PlainConsole, print_json, print_line
from longhand.terminal.waiting_words import waiting_notes
from longhand.words.catalogue import t

_WIDE = 120
"""A terminal with this many columns has room for every column of a table."""
_WIDE_WITH_REASONS = 180
"""The same where jobs have failed, with the reasons."""

Limit = Annotated[int, typer.Option(min=1)]


def jobs(
    status: JobStatus | None = None,
    batch: Annotated[str | None, typer.Option(metavar="ID")] = None,
    model: str | None = None,
    custom_id: str | None = None,
    search: Annotated[str | None, typer.Option("--search", "--text", metavar="WORDS")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first, and say what the queued ones wait for."""
    filters: JobFilters = {
        "batch_id": batch,
        "status": status.value if status else None,
        "model": model,
        "custom_id": custom_id,
        "q": search,
    }
    with open_client() as client:
        found = list(client.jobs(limit=limit + 1, **filters))  # one more than is shown tells whether there are more
    listed = found[:limit]
    if as_json:
        print_json(listed)
    elif listed:
        console = tables.table_console()
        with_reasons = any(map(lists.failure_of, listed))
        needed = _WIDE_WITH_REASONS if with_reasons else _WIDE
        wide = console.width >= needed
        console.print(lists.jobs_table(listed, wide=wide))
        for note in waiting_notes(listed):
            print_line(note, err=True)
        hidden = "" if wide else lists.narrow_lacks(with_reasons=with_reasons)
        _note_the_rest(console, more=len(found) > limit, hidden=hidden, wide=needed)
    else:
        print_line(t("jobs.no_such" if any(filters.values()) else "jobs.none"), err=True)


def batches(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List batches and their progress, newest first."""
    with open_client() as client:
        found = list(client.batches(limit=limit + 1))
    listed = found[:limit]
    if as_json:
        print_json(listed)
    elif listed:
        console = tables.table_console()
        shown = batch_list(listed, console.width)
        console.print(shown.table)
        _note_the_rest(console, more=len(found) > limit, hidden=shown.hidden, wide=shown.wide)
    else:
        print_line(t("batches.none"), err=True)


def show(resource_id: Id, as_json: AsJson = False) -> None:
    """Show a job with its attempts, or a batch."""
    with open_client() as client:
        found = client.read(resource_id)
        is_batch = found.get("object") == "batch"
        failed = found["request_counts"]["failed"] if is_batch and found["status"] in FINAL else 0
        first = {
            one: next(client.jobs(batch_id=found["id"], status=one, limit=1), None) for one in NOT_COMPLETED if failed
        }
    if as_json:
        print_json(found)
        return
    draw = tables.batch_summary if is_batch else tables.job_summary
    tables.table_console().print(draw(found))
    if statuses := [one for one in NOT_COMPLETED if first.get(one)]:
        why = t("join.comma").join(f"longhand jobs --batch {resource_id} --status {status}" for status in statuses)
        again = retry_command(resource_id, statuses)
        print_line(t("show.not_completed", count=failed, why=why, again=again), err=True)
        if any(job and job["error"] and is_rejected(job["error"]["code"]) for job in first.values()):
            print_line(t("show.rejected"), err=True)


def _note_the_rest(console: PlainConsole, *, more: bool, hidden: str, wide: int) -> None:
    """Say what the table does not show."""
    if more:
        print_line(t("list.more"), err=True)
    if hidden:
        print_line(t("list.wider", wide=wide, width=console.width, hidden=hidden), err=True)
