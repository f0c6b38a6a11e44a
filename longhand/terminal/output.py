"""The one way out: all that the command writes to a terminal goes through here, and no character of it is obeyed.

Names, messages and texts come from clients, files and models. One that holds an escape could move the cursor, set the
window's title or forge a line. Only the texts that were asked for (`watch` into a file or a pipe) are written as they
are.
"""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from longhand.terminal.cells import plain


def say(line: str, *, err: bool = False) -> None:
    """Write a line to stdout, or to stderr."""
    # The stream of this moment: a live view puts one of its own there, to know where its lines are.
    print(plain(line), file=sys.stderr if err else sys.stdout, flush=True)


class PlainConsole(Console):
    """Rich's console, which writes escapes of its own (colours, the cursor of a live view) and none of anybody else."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, with their text cleaned."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def open_console(**options: Any) -> PlainConsole:
    """A console that highlights nothing by itself."""
    return PlainConsole(highlight=False, **options)
