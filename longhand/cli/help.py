"""Gives every command and option its help from the catalogue: by the names of the command and the parameter.

Typer has its own words in English alone. In another language they are replaced here, each only where this Typer has it.
"""

import re
from collections.abc import Callable
from typing import Any

import rich.text
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table

from longhand.terminal.wrapping import divide_line
from longhand.words.catalogue import help_text, spoken

_CONSTANTS = (
    "ARGUMENTS_PANEL_TITLE",
    "OPTIONS_PANEL_TITLE",
    "COMMANDS_PANEL_TITLE",
    "DEFAULT_STRING",
    "REQUIRED_LONG_STRING",
)

_TYPE = re.compile(r"^(?:<([a-z \[\]]+)>|[A-Z]+$)")
"""The kind of a value, or a word of ours for it."""


def add_help(found: Any, path: str = "") -> None:
    """Give a command, and all below it, their help."""
    key = path or "longhand"
    found.help = help_text(f"{key}.help")
    for param in found.params:
        param.help = help_text(f"{key}.{param.name}", f"any.{param.name}")
        if panel := getattr(param, "rich_help_panel", None):
            param.rich_help_panel = help_text(f"panels.{panel}")
    if spoken() != "en":
        _translate(found)
    for name, inner in getattr(found, "commands", {}).items():
        add_help(inner, f"{path}.{name}".strip("."))


def translate_typer() -> None:
    """Say the headings of every help in the spoken language."""
    from typer import rich_utils  # noqa: PLC0415  # English needs nothing of it

    for name in _CONSTANTS:
        if hasattr(rich_utils, name):
            setattr(rich_utils, name, help_text(f"typer.{name.lower()}"))
    # Rich cuts a word that is longer than its column, and Chinese has no space in a whole sentence.
    vars(rich_utils).update(Table=_FoldingTable, Columns=lambda items: Group(*items))
    # To Rich such a sentence is one word, which it breaks at any character, also within a name or before a full stop.
    if hasattr(rich.text, "divide_line"):
        vars(rich.text).update(divide_line=divide_line)


class _FoldingTable(Table):
    """A table of which no cell is cut."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for column in self.columns:
            column.overflow = "fold"
        yield from super().__rich_console__(console, options)


def _translate(found: Any) -> None:
    found.options_metavar = help_text("typer.options_metavar")
    if hasattr(found, "subcommand_metavar"):
        found.subcommand_metavar = help_text("typer.subcommand_metavar")
    usage, option = found.get_usage, found.get_help_option

    def get_usage(context: Any) -> str:
        return str(usage(context)).replace("Usage: ", help_text("typer.usage") or "", 1)

    def get_help_option(context: Any) -> Any:
        made = option(context)
        if made is not None:
            made.help = help_text("typer.help_option")
            _translate_type(made)
        return made

    found.get_usage, found.get_help_option = get_usage, get_help_option
    for param in found.params:
        _translate_type(param)


def _translate_type(param: Any) -> None:
    """`<str>` and the like: what an option without a name for its value shows."""
    show: Callable[..., str | None] | None = getattr(param, "display_type_rich", None)
    if show is None or getattr(show, "__name__", "") == "in_words":
        return

    def in_words(*arguments: Any, **named: Any) -> str | None:
        shown = show(*arguments, **named)
        return (
            re.sub(_TYPE, lambda kind: help_text(f"types.{kind[1] or kind[0]}") or kind[0], shown) if shown else shown
        )

    param.display_type_rich = in_words
