"""Arguments and options that several commands have."""

import sys
from typing import Annotated

import typer

from jobs.model.retention import LONGEST_SECONDS, SHORTEST_SECONDS, read_period
from longhand.client.errors import InputError
from longhand.terminal.output import print_prompt
from longhand.words.catalogue import t

Id = Annotated[str, typer.Argument(metavar="ID")]
JobId = Annotated[str, typer.Argument(metavar="JOB")]
AsJson = Annotated[bool, typer.Option("--json")]

_YES = ("y", "yes", "是", "是的")


def read_seconds(period: str, mistake: str) -> int:
    """How long a period such as `30d` is. Raises `InputError` with the sentence `mistake` if it cannot be one."""
    seconds = read_period(period)
    if seconds is None or not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InputError(t(mistake, given=repr(period[:40])))
    return seconds


def confirm(question: str) -> None:
    """Ask the person at the terminal; anything but a yes ends the command."""
    print_prompt(f"{question} [y/N]: ")
    if sys.stdin.readline().strip().lower() not in _YES:
        raise typer.Abort
