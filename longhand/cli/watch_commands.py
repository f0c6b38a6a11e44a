"""The commands that show texts: `watch`, `text` and `open`."""

import sys
import webbrowser
from dataclasses import asdict
from typing import Annotated

import typer

from jobs.settings import load_settings
from longhand.cli.arguments import AsJson, Id, JobId
from longhand.cli.command_client import open_client, server_url
from longhand.client.calls import TextKind
from longhand.client.client import Client
from longhand.client.errors import ConflictError, InputError, LonghandError
from longhand.client.events import BatchDone, Done, Event
from longhand.terminal import progress
from longhand.terminal.output import open_console, print_json, print_json_line, print_line, print_text
from longhand.words.catalogue import t

_NAMES = {"OnHold": "hold", "BatchStatus": "batch", "BatchDone": "batch_done"}
"""Events whose name in JSON is not that of their class."""


def watch(
    resource_id: Id,
    text: Annotated[bool, typer.Option("--text")] = False,
    reasoning: Annotated[bool, typer.Option("--reasoning")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow a job's text while it is written, or a batch's progress, until it ends."""
    with open_client() as client:
        if as_json:
            _print_events(client, resource_id, with_texts=text)
        else:
            follow(client, resource_id, with_texts=text, with_reasoning=reasoning)


def text(
    job_id: JobId,
    partial: Annotated[bool, typer.Option("--partial")] = False,
    reasoning: Annotated[bool, typer.Option("--reasoning")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the stored text of a job, and nothing else."""
    part: TextKind = "reasoning" if reasoning else "text"
    with open_client() as client:
        try:
            found = client.text(job_id, partial=partial, part=part)
        except ConflictError as error:
            if error.code != "not_completed":
                raise
            raise LonghandError(t("text.not_completed", id=job_id)) from None
    if as_json:
        print_json({"id": job_id, "part": part, "text": found})
    else:
        print_text(found)


def open_page(
    resource_id: Annotated[str, typer.Argument(metavar="[ID]")] = "",
    as_json: AsJson = False,
) -> None:
    """Open the page in your browser: all work, or one job or batch."""
    kind = resource_id.partition("_")[0]
    if resource_id and kind not in ("job", "batch"):
        raise InputError(t("id.unknown", id=repr(resource_id)))
    places = {"job": "/jobs/", "batch": "/batches/"}
    address = server_url(load_settings()) + (f"/#{places[kind]}{resource_id}" if resource_id else "")
    if not as_json:
        print_line(address)
    opened = webbrowser.open(address)
    if as_json:
        print_json({"url": address, "opened": opened})
    elif not opened:
        print_line(t("open.no_browser"), err=True)


def follow(client: Client, resource_id: str, *, with_texts: bool = False, with_reasoning: bool = False) -> None:
    """Show it until its end. Raises `typer.Exit` with 1 if it, or a job of it, did not complete."""
    try:
        if resource_id.startswith("batch_"):
            completed = progress.watch_batch(
                client, resource_id, open_console(stderr=True), sys.stdout, with_texts=with_texts
            )
        else:
            completed = progress.watch_job(client, resource_id, sys.stdout, with_reasoning=with_reasoning)
    except KeyboardInterrupt:
        print_line("\n" + t("watch.stopped", id=resource_id), err=True)
        raise
    if not completed:
        raise typer.Exit(1)


def _print_events(client: Client, resource_id: str, *, with_texts: bool) -> None:
    """Each event as a line: its fields, and its name in `event`. Of a batch, its texts only if they are asked for."""
    is_batch = resource_id.startswith("batch_")
    completed = True
    for event in client.watch(resource_id, texts="all" if with_texts or not is_batch else "none"):
        print_json_line({"event": _name_of(event), **asdict(event)})
        if isinstance(event, Done):
            completed = completed and event.job["status"] == "completed"
        elif isinstance(event, BatchDone):
            completed = progress.all_completed(event.batch)
    if not completed:
        raise typer.Exit(1)


def _name_of(event: Event) -> str:
    name = type(event).__name__
    return _NAMES.get(name, name.lower())
