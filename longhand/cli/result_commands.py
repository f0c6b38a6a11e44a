"""The command `longhand results`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from jobs.model.article_names import NameBy
from longhand.cli.arguments import AsJson, Id, confirm
from longhand.cli.command_client import open_client
from longhand.cli.output_form import check_name_by, form_of
from longhand.cli.results import ExportReport, copy_results, write_results
from longhand.client.errors import InputError
from longhand.terminal.output import print_json, print_line
from longhand.words.catalogue import speaking, spoken, t


def results(
    resource_id: Id,
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR|FILE")],
    form: Annotated[str | None, typer.Option("--format")] = None,
    name_by: Annotated[NameBy | None, typer.Option("--name-by")] = None,
    force: Annotated[bool, typer.Option("--force", "-f")] = False,
    mix: Annotated[bool, typer.Option("--mix")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the results of a batch to files, in input order, or those of one job. The batch may still be running."""
    if as_json and output == "-":
        raise InputError(t("results.json_or_stdout"))
    form, is_file = form_of(output, form)
    check_name_by(name_by, form, is_file=is_file or (output == "-" and form != "zip"))
    may_ask = not as_json and sys.stdin.isatty()

    def may_replace(files: Sequence[Path]) -> bool:
        if not force and may_ask:
            confirm(t("results.ask", count=len(files), first=files[0]))
        return force or may_ask

    def may_mix(others: Sequence[str]) -> bool:
        if not mix and may_ask:
            confirm(t("results.ask_mix", folder=output, other=others[-1], id=resource_id))
        return mix or may_ask

    with open_client() as client:
        if output == "-":
            copy_results(client, resource_id, form, sys.stdout.buffer, name_by)
            return
        # What programs read is the same in every language.
        with speaking("en" if as_json else spoken()):
            written = write_results(
                client,
                resource_id,
                Path(output),
                form,
                is_file=is_file,
                name_by=name_by,
                may_replace=may_replace,
                may_mix=may_mix,
            )
    if as_json:
        print_json({"files": [str(file) for file in written.files], "remarks": written.remarks})
    else:
        _report(written, output, is_folder=form == "md" and not is_file)
    if not written.files and not written.incomplete:
        raise typer.Exit(1)


def _report(written: ExportReport, output: str, *, is_folder: bool) -> None:
    for line in written.lines:
        print_line(line, err=True)
    if is_folder and not written.files and not written.incomplete:
        print_line(t("results.wrote_nothing"), err=True)
    elif is_folder:
        print_line(t("results.wrote_articles", count=len(written.files), folder=output), err=True)
    else:
        print_line(t("results.wrote", file=written.files[0], count=written.jobs), err=True)
