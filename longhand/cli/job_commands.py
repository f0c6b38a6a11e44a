"""The commands that change work that was submitted: `cancel` and `retry`."""

from typing import Annotated, get_args

import typer

from longhand.cli.arguments import AsJson, Id
from longhand.cli.command_client import open_client
from longhand.client.errors import InputError
from longhand.client.objects import Retried
from longhand.terminal.output import print_json, print_line


def cancel(resource_id: Id, as_json: AsJson = False) -> None:
    """Cancel a job or all jobs of a batch. The text so far is kept.

    Examples: `longhand cancel job_...`, `longhand cancel batch_...`
    """
    with open_client() as client:
        cancelled = client.cancel(resource_id)
    if as_json:
        print_json(cancelled)
    else:
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
    as_json: AsJson = False,
) -> None:
    """Run one failed job again, or all failed jobs of a batch and only those. They keep their ids.

    Examples: `longhand retry batch_...`, `longhand retry batch_... --which failed,incomplete`
    """
    with open_client() as client:
        retried = client.retry(resource_id, which=_read_which(which))
    if as_json:
        print_json(retried)
    else:
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
