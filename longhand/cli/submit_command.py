"""The command `longhand submit`."""

import sys
from typing import Annotated

import typer

from jobs.inputs.reading import ReadOptions
from jobs.settings import load_settings
from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.cli.submission import (
    Options,
    Submission,
    looks_like_a_path,
    parse_metadata,
    read_accept,
    read_submission,
)
from longhand.cli.watch_commands import follow
from longhand.client.client import Client
from longhand.client.errors import InputError, RefusedError
from longhand.client.objects import Json
from longhand.terminal.output import print_json, print_line


def submit(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|PROMPT", help="A .jsonl, .csv, .tsv or .txt file, - (JSONL from stdin) or a prompt."
        ),
    ],
    model: Annotated[str | None, typer.Option(help="For requests that name no model.")] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System prompt of requests without one.")] = None,
    temperature: Annotated[float | None, typer.Option(help="For requests that set none.", min=0, max=2)] = None,
    max_tokens: Annotated[int | None, typer.Option(help="The longest text, for requests that set none.", min=1)] = None,
    on_length: Annotated[
        str | None, typer.Option(metavar="stop|continue", help="At the upstream's token limit: ask for the rest.")
    ] = None,
    max_continuations: Annotated[
        int | None, typer.Option(help="How often, with --on-length continue. Default: 8.", min=1, max=100)
    ] = None,
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
    title: Annotated[str | None, typer.Option(help="The name of the batch, as the page shows it.")] = None,
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
    as_prompt: Annotated[
        bool, typer.Option("--as-prompt", help="It is a prompt, although it looks like the name of a file.")
    ] = False,
    watch_it: Annotated[bool, typer.Option("--watch", help="Watch it afterwards, as `longhand watch` does.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit one job (a prompt) or a batch (a file), and print its id.

    A line of JSONL is {"prompt": "..."}, {"messages": [...]}, {"body": {...}} or a line of an OpenAI batch file, each
    with a "custom_id" if you like. The table columns `custom_id` and `model` are used as such. In a .txt file each line
    is a prompt. If any line is wrong, nothing is submitted.

    Examples: `longhand submit 'Write 100 words about tea.' --model gpt-4o-mini --watch`,
    `longhand submit topics.csv --model gpt-4o-mini --template 'Write about {topic}.' --system 'Be brief.'`
    """
    if watch_it and as_json:
        raise InputError("--json prints the job or batch as it was accepted; watch it with: longhand watch ID --json")
    if not as_prompt and looks_like_a_path(source):
        _ask_whether_it_is_a_prompt(source)
    pairs = parse_metadata(metadata or ())
    if title is not None:
        pairs["title"] = title
    fields: Json = {"temperature": temperature, "max_tokens": max_tokens, "on_length": on_length,
                    "max_continuations": max_continuations}  # fmt: skip
    defaults = {name: value for name, value in fields.items() if value is not None}
    read = ReadOptions(template, encoding, delimiter, id_column)
    rules: Json = {"accept": read_accept(accept), "on_reject": on_reject}
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
        raise InputError(f"{source}: there is no such file; if it is a prompt, add --as-prompt")
    typer.confirm(f"There is no file {source!r}. Submit these words as a prompt?", abort=True, err=True)


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
    # With --watch the text comes to stdout, which the id would spoil.
    print_line(resource_id, err=watch_it)
    jobs_word = "1 job" if submission.count == 1 else f"{submission.count} jobs"
    if watch_it:
        follow(client, resource_id)
    else:
        print_line(f"submitted {jobs_word}; follow with: longhand watch {resource_id}", err=True)
