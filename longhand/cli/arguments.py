"""Arguments and options that several commands have."""

import sys
from typing import Annotated

import typer

from longhand.terminal.output import print_prompt

Id = Annotated[str, typer.Argument(metavar="ID")]
JobId = Annotated[str, typer.Argument(metavar="JOB")]
AsJson = Annotated[bool, typer.Option("--json")]

_YES = ("y", "yes", "是", "是的")


def confirm(question: str) -> None:
    """Ask the person at the terminal; anything but a yes ends the command."""
    print_prompt(f"{question} [y/N]: ")
    if sys.stdin.readline().strip().lower() not in _YES:
        raise typer.Abort
