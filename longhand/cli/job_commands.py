"""The commands that change work that was submitted: `cancel`, `retry` and `delete`."""

import sys
from typing import Annotated, get_args

import typer

from longhand.cli.arguments import AsJson, Id, confirm
from longhand.cli.command_client import open_client
from longhand.cli.watch_commands import follow
from longhand.client.errors import ConflictError, InputError, LonghandError
from longhand.client.objects import Json, Retried
from longhand.terminal.explanations import heading, status_word
from longhand.terminal.output import print_answer, print_json_line, print_line
from longhand.words.catalogue import t


def cancel(resource_id: Id, as_json: AsJson = False) -> None:
    """Cancel a job or all jobs of a batch. The text so far is kept."""
    with open_client() as client:
        cancelled = client.cancel(resource_id)
    status = "cancelling" if cancelled["status"] == "in_progress" else cancelled["status"]
    print_answer(cancelled, t("cancel.done", id=resource_id, status=status_word(status)), as_json=as_json)


def retry(
    resource_id: Id,
    which: Annotated[str | None, typer.Option(metavar="WHICH,...")] = None,
    watch_it: Annotated[bool, typer.Option("--watch")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a failed job again, or only the failed jobs of a batch. They keep their ids."""
    if watch_it and as_json:
        raise InputError(t("submit.json_or_watch"))
    with open_client() as client:
        chosen = _read_which(which)
        try:
            retried = client.retry(resource_id, which=chosen)
        except ConflictError as error:
            raise _in_own_words(error, resource_id, chosen) from None
        print_answer(retried, _said_of(retried), as_json=as_json, err=True)
        if watch_it:
            follow(client, resource_id)


def _in_own_words(error: ConflictError, batch_id: str, chosen: list[Retried] | None) -> LonghandError:
    """A refusal that names a field of the API, with the option of the command. An older API sends only its sentence."""
    if error.retryable is None:
        return error
    about = {"id": batch_id, "statuses": t("retry.or").join(map(heading, chosen or ("failed", "expired")))}
    if not error.retryable:
        return LonghandError(t("retry.nothing", **about))
    name, count = max(error.retryable.items(), key=lambda pair: pair[1])
    return LonghandError(t("retry.nothing_but", **about, count=count, other=heading(name), name=name))


def _said_of(retried: Json) -> str:
    counts = retried.get("request_counts")
    if counts is None:
        return t("retry.done", id=retried["id"])
    left = counts["total"] - counts["completed"] - counts["failed"]  # as an older server lets us reckon
    return t("retry.done_batch", id=retried["id"], count=retried.get("retried", left), total=counts["total"])


def delete(
    resource_ids: Annotated[list[str], typer.Argument(metavar="ID...")],
    yes: Annotated[bool, typer.Option("--yes", "-y")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete ended jobs or batches for good, with their requests, texts, attempts and output files."""
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(t("delete.needs_yes"))
        confirm(t("delete.ask", count=len(resource_ids), first=resource_ids[0]))
    with open_client() as client:
        for resource_id in resource_ids:
            deleted = client.delete(resource_id)
            if as_json:
                print_json_line(deleted)
            else:
                print_line(t("delete.done", id=resource_id))


def _read_which(named: str | None) -> list[Retried] | None:
    if named is None:
        return None
    known = {name: name for name in get_args(Retried)}
    chosen = [part.strip() for part in named.split(",")]
    for name in chosen:
        if name not in known:
            raise InputError(t("retry.which", known=", ".join(known), given=repr(name)))
    return [known[name] for name in chosen]
