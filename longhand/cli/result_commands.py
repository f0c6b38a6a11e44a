"""The command `longhand results`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from longhand.cli.arguments import AsJson, Id
from longhand.cli.command_client import open_client
from longhand.cli.results import copy_results, write_results
from longhand.client.errors import InputError
from longhand.terminal.output import print_json, print_line


def results(
    resource_id: Id,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the files, made if it is missing; -: stdout."),
    ],
    form: Annotated[str, typer.Option("--format", help="md (a file for each article), jsonl or csv.")] = "md",
    as_json: AsJson = False,
) -> None:
    """Write the results of a batch to files, in input order, or those of one job. The batch may still be running.

    md: `0001-<custom_id>.md` for each whole text; the name of an incomplete or cut-short one ends in `.partial.md`.
    --json prints the names of the files and what was remarked.

    Examples: `longhand results batch_... -o articles`, `longhand results batch_... -o - --format jsonl | jq .custom_id`
    """
    if as_json and output == "-":
        raise InputError("--json prints the names of files, and -o - writes none: leave one of them out")
    with open_client() as client:
        if output == "-":
            copy_results(client, resource_id, form, sys.stdout.buffer)
            return
        written = write_results(client, resource_id, Path(output), form)
    if as_json:
        print_json({"files": [str(file) for file in written.files], "remarks": written.remarks})
        return
    for line in written.remarks:
        print_line(line, err=True)
    articles = "1 article" if len(written.files) == 1 else f"{len(written.files)} articles"
    what = str(written.files[0]) if form != "md" else f"{articles} to {output}"
    print_line(f"wrote {what}", err=True)
