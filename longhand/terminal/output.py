"""The one way out: all that the command writes to a terminal goes through here, and no character of it is obeyed.

Names, messages and texts come from clients, files and models. One that holds an escape could move the cursor, set the
window's title or forge a line. Only the texts that were asked for (`watch` into a file or a pipe) are written as they
are.
"""

import io
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from jobs.strict_json import dump_json
from longhand.terminal.cells import CONTROL, plain


def print_line(line: str, *, err: bool = False) -> None:
    """Write a line to stdout, or to stderr."""
    # The stream of this moment: a live view puts one of its own there, to know where its lines are.
    print(plain(line), file=sys.stderr if err else sys.stdout, flush=True)


def print_prompt(question: str) -> None:
    """Write a question to stderr, and stay on its line."""
    print(plain(question), end="", file=sys.stderr, flush=True)


def never_fail_to_print() -> None:
    """Let a character that this terminal's encoding does not have become a `?`: no command fails for that."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not _is_unicode(stream.encoding):
            stream.reconfigure(errors="replace")


def print_json(value: Any) -> None:
    """Write a value to stdout as JSON that people can read, too."""
    _write_json(value, indent=2)


def print_answer(answer: Any, line: str, *, as_json: bool, err: bool = False) -> None:
    """Say what came of a command: the answer as JSON, or a line about it."""
    if as_json:
        print_json(answer)
    else:
        print_line(line, err=err)


def print_json_line(value: Any) -> None:
    """Write a value to stdout as one line of JSON."""
    _write_json(value, indent=None)


def _write_json(value: Any, indent: int | None) -> None:
    escaped = not _is_unicode(sys.stdout.encoding)
    text = dump_json(value, indent=indent, ascii_only=escaped)
    # Other characters that a terminal would obey, or that have no UTF-8, are escaped: the value stays the same.
    print(CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text), flush=True)


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "utf-8").lower().replace("-", "").startswith("utf")


def print_text(text: str) -> None:
    """Write a text that was asked for: to a terminal without what that would obey, elsewhere every byte as stored."""
    if sys.stdout.isatty():
        print(plain(text), end="" if text.endswith("\n") else "\n", flush=True)
    else:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


class PlainConsole(Console):
    """Rich's console, which writes escapes of its own (colours, the cursor of a live view) and none of anybody else."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, with their text cleaned."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def open_console(**options: Any) -> PlainConsole:
    """A console that highlights nothing by itself."""
    return PlainConsole(highlight=False, **options)
