"""The command `longhand submit`."""

import sys
from typing import Annotated

import typer

from jobs.inputs.reading import ReadOptions
from jobs.settings import load_settings
from longhand.cli.arguments import AsJson, confirm
from longhand.cli.command_client import open_client
from longhand.cli.submission import (
    Options,
    Submission,
    looks_like_a_path,
    read_submission,
)
from longhand.cli.submit_options import parse_metadata, read_accept, read_expiry
from longhand.cli.watch_commands import follow
from longhand.client.client import Client
from longhand.client.errors import InputError, RefusedError
from longhand.client.objects import Json
from longhand.terminal.output import print_json, print_line
from longhand.words.catalogue import t


def submit(
    source: Annotated[str, typer.Argument(metavar="FILE|PROMPT")],
    model: str | None = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    on_length: Annotated[str | None, typer.Option(metavar="stop|continue")] = None,
    max_continuations: Annotated[int | None, typer.Option(min=1, max=100)] = None,
    template: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    id_column: Annotated[str | None, typer.Option(metavar="COLUMN")] = None,
    title: str | None = None,
    metadata: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE")] = None,
    accept: Annotated[str | None, typer.Option(metavar="FILE|JSON")] = None,
    on_reject: str | None = None,
    expires_after: Annotated[str | None, typer.Option(metavar="PERIOD")] = None,
    as_prompt: Annotated[bool, typer.Option("--as-prompt")] = False,
    watch_it: Annotated[bool, typer.Option("--watch")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit one job (a prompt) or a batch (a file), and print its id."""
    if watch_it and as_json:
        raise InputError(t("submit.json_or_watch"))
    if not as_prompt and looks_like_a_path(source):
        _ask_whether_it_is_a_prompt(source)
    pairs = parse_metadata(metadata or ())
    if title is not None:
        pairs["title"] = title
    fields: Json = {"temperature": temperature, "max_tokens": max_tokens, "on_length": on_length,
                    "max_continuations": max_continuations}  # fmt: skip
    defaults = {name: value for name, value in fields.items() if value is not None}
    read = ReadOptions(template, encoding, delimiter, id_column)
    rules: Json = {"accept": read_accept(accept), "on_reject": on_reject, "expires_after": read_expiry(expires_after)}
    own = {name: value for name, value in rules.items() if value is not None}
    options = Options(model, read, pairs, system, defaults, own)
    submission = read_submission(source, options, max_line_bytes=load_settings().max_line_bytes, is_prompt=as_prompt)
    for remark in submission.remarks:
        print_line(remark, err=True)
    with open_client() as client:
        accepted = _send(client, submission)
        _report(client, submission, accepted, watch_it=watch_it, as_json=as_json)


def _ask_whether_it_is_a_prompt(source: str) -> None:
    """A misspelt file name would be paid for as a prompt."""
    if not sys.stdin.isatty():
        raise InputError(t("submit.no_such_file", source=source))
    confirm(t("submit.ask", source=repr(source)))


def _send(client: Client, submission: Submission) -> Json:
    try:
        return (client.submit_batch if submission.is_batch else client.submit_job)(submission.body)
    except RefusedError as error:
        if error.status >= 500:
            raise
        raise InputError(submission.in_terms_of_input(error)) from None


def _report(client: Client, submission: Submission, accepted: Json, *, watch_it: bool, as_json: bool) -> None:
    if as_json:
        print_json(accepted)
        return
    resource_id = accepted["id"]
    # The watched text of a job comes to stdout, which the id would spoil.
    print_line(resource_id, err=watch_it and not submission.is_batch)
    if watch_it:
        follow(client, resource_id)
    else:
        print_line(t("submit.accepted", count=submission.count, id=resource_id), err=True)
