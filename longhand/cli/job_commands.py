"""The commands that change work that was submitted: `cancel` and `retry`."""

import sys
from typing import Annotated, get_args

import typer

from longhand.cli.arguments import AsJson, Id
from longhand.cli.command_client import open_client
from longhand.client.errors import InputError
from longhand.client.objects import Retried
from longhand.terminal.output import print_json, print_json_line, print_line


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


def delete(
    resource_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ended jobs or batches.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete ended jobs or batches with all that belongs to them: requests, texts, attempts, output files. For good.

    Examples: `longhand delete batch_...`, `longhand delete job_... job_... --yes`
    """
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("nothing was deleted: add --yes where nobody can be asked")
        what = resource_ids[0] if len(resource_ids) == 1 else f"these {len(resource_ids)}"
        typer.confirm(f"Delete {what} for good?", abort=True, err=True)
    with open_client() as client:
        for resource_id in resource_ids:
            deleted = client.delete(resource_id)
            if as_json:
                print_json_line(deleted)
            else:
                print_line(f"{resource_id}: deleted")


def _read_which(named: str | None) -> list[Retried] | None:
    if named is None:
        return None
    known = {name: name for name in get_args(Retried)}
    chosen = [part.strip() for part in named.split(",")]
    for name in chosen:
        if name not in known:
            raise InputError(f"--which takes {', '.join(known)}, not {name!r}")
    return [known[name] for name in chosen]
