"""The commands that talk to a running Longhand."""

import sys
from pathlib import Path
from typing import Annotated, get_args

import typer

from jobs.inputs.reading import ReadOptions
from jobs.model.status import JobStatus
from jobs.settings import load_settings
from longhand.cli.command_client import open_client
from longhand.cli.results import write_results
from longhand.cli.submission import Options, parse_metadata, read_accept, read_submission
from longhand.client.client import Client
from longhand.client.errors import InputError, RefusedError
from longhand.client.objects import Retried
from longhand.terminal import progress, tables
from longhand.terminal.output import open_console, print_line
from longhand.terminal.waiting_words import waiting_notes

_WIDE = 120
"""A terminal with this many columns has room for every column of a table."""

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a job or a batch.")]


def submit(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|PROMPT", help="A .jsonl, .csv, .tsv or .txt file, - (JSONL from stdin) or a prompt."
        ),
    ],
    model: Annotated[str | None, typer.Option(help="For requests that name no model.")] = None,
    template: Annotated[
        str | None, typer.Option(help="Prompt for each CSV row: 'Write about {topic}'. Default: column `prompt`.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="The file's encoding, such as gb18030. Default: detected.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="The character between the cells of a table. Default: detected.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column with each row's custom_id. Default: `custom_id`.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Stored with the job or batch; repeatable.")
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(metavar="FILE|JSON", help='What a text must satisfy: \'{"min_words": 300, "ends_well": true}\'.'),
    ] = None,
    on_reject: Annotated[
        str | None, typer.Option(help="What becomes of a text that is not accepted: fail (default), retry or repair.")
    ] = None,
    watch_it: Annotated[bool, typer.Option("--watch", help="Watch it afterwards, as `longhand watch` does.")] = False,
) -> None:
    """Submit one job (a prompt) or a batch (a file), and print its id.

    A line of JSONL is {"prompt": "..."}, {"messages": [...]}, {"body": {...}} or a line of an OpenAI batch file, each
    with a "custom_id" if you like. The table columns `custom_id` and `model` are used as such. In a .txt file each line
    is a prompt. If any line is wrong, nothing is submitted.
    """
    read = ReadOptions(template, encoding, delimiter, id_column)
    given = {"accept": read_accept(accept), "on_reject": on_reject}
    fields = {name: value for name, value in given.items() if value is not None}
    submission = read_submission(
        source,
        Options(model, read, parse_metadata(metadata or ()), fields),
        max_line_bytes=load_settings().max_line_bytes,
    )
    for remark in submission.remarks:
        print_line(remark, err=True)
    with open_client() as client:
        try:
            accepted = (client.submit_batch if submission.is_batch else client.submit_job)(submission.body)
        except RefusedError as error:
            if error.status >= 500:
                raise
            raise InputError(submission.in_terms_of_input(error)) from None
        resource_id = accepted["id"]
        # With --watch the text comes to stdout, which the id would spoil.
        print_line(resource_id, err=watch_it)
        jobs_word = "1 job" if submission.count == 1 else f"{submission.count} jobs"
        if watch_it:
            _watch(client, resource_id)
        else:
            print_line(f"submitted {jobs_word}; follow with: longhand watch {resource_id}", err=True)


def watch(
    resource_id: Id,
    text: Annotated[bool, typer.Option("--text", help="For a batch, also show the texts as they are written.")] = False,
    reasoning: Annotated[
        bool, typer.Option("--reasoning", help="For a job, also show on stderr what the model thinks.")
    ] = False,
) -> None:
    """Follow a job's text while it is written, or a batch's progress, until it ends.

    Ctrl-C stops watching and nothing else. The exit code is 1 if the job, or any job of the batch, did not complete.
    """
    with open_client() as client:
        _watch(client, resource_id, with_texts=text, with_reasoning=reasoning)


def jobs(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this status.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Only jobs of this batch.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs of this model.")] = None,
    text: Annotated[str | None, typer.Option(help="Only jobs whose text so far contains this, ignoring case.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many, newest first.", min=1)] = 20,
) -> None:
    """List jobs, newest first, and below them what the queued ones wait for."""
    with open_client() as client:
        listed = list(
            client.jobs(batch_id=batch, status=status.value if status else None, model=model, q=text, limit=limit)
        )
    if listed:
        console = tables.table_console()
        console.print(tables.jobs_table(listed, wide=console.width >= _WIDE))
        for note in waiting_notes(listed):
            print_line(note, err=True)
    else:
        print_line("no such jobs" if batch or status or model or text else "no jobs yet: longhand submit", err=True)


def show(resource_id: Id) -> None:
    """Show a job with its attempts, or a batch."""
    with open_client() as client:
        found = client.read(resource_id)
        draw = tables.batch_summary if found.get("object") == "batch" else tables.job_summary
        tables.table_console().print(draw(found))


def results(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the files; created if it is missing.")
    ],
    form: Annotated[str, typer.Option("--format", help="md (a file for each article), jsonl or csv.")] = "md",
) -> None:
    """Write a batch's results to files, in input order. The batch may still be running.

    md: `0001-<custom_id>.md` for each whole text; the name of an incomplete or cut-short one ends in `.partial.md`.
    """
    if not batch_id.startswith("batch_"):
        raise InputError(f"{batch_id!r} is not the id of a batch, which begins with batch_")
    with open_client() as client:
        written = write_results(client, batch_id, output, form)
    for line in written.remarks:
        print_line(line, err=True)
    what = str(written.files[0]) if form != "md" else f"{len(written.files)} articles to {output}"
    print_line(f"wrote {what}", err=True)


def cancel(resource_id: Id) -> None:
    """Cancel a job or all jobs of a batch. The text so far is kept."""
    with open_client() as client:
        cancelled = client.cancel(resource_id)
    print_line(f"{resource_id}: {'cancelling' if cancelled['status'] == 'in_progress' else cancelled['status']}")


def retry(
    resource_id: Id,
    which: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH,...",
            help="Of a batch: failed, expired, cancelled, incomplete (cut short). Default: failed,expired.",
        ),
    ] = None,
) -> None:
    """Run one failed job again, or all failed jobs of a batch and only those. They keep their ids."""
    with open_client() as client:
        client.retry(resource_id, which=_read_which(which))
    print_line(f"{resource_id}: queued again; follow with: longhand watch {resource_id}", err=True)


def _read_which(named: str | None) -> list[Retried] | None:
    if named is None:
        return None
    known = {name: name for name in get_args(Retried)}
    chosen = [part.strip() for part in named.split(",")]
    for name in chosen:
        if name not in known:
            raise InputError(f"--which takes {', '.join(known)}, not {name!r}")
    return [known[name] for name in chosen]


def _watch(client: Client, resource_id: str, *, with_texts: bool = False, with_reasoning: bool = False) -> None:
    try:
        if resource_id.startswith("batch_"):
            completed = progress.watch_batch(
                client, resource_id, open_console(stderr=True), sys.stdout, with_texts=with_texts
            )
        else:
            completed = progress.watch_job(client, resource_id, sys.stdout, with_reasoning=with_reasoning)
    except KeyboardInterrupt:
        print_line(f"\nstopped watching; the work continues: longhand watch {resource_id}", err=True)
        raise
    if not completed:
        raise typer.Exit(1)
