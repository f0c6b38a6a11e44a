"""Fenced code blocks of Markdown: at the margin, in items of lists and in quotations."""

import re
from typing import NamedTuple

_OPENING = re.compile(r"((?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)(`{3,}|~{3,})(.*)")
_CLOSING = re.compile(r"([ \t>]*)(`{3,}|~{3,})\s*$")


class FencesRead(NamedTuple):
    """What the fences of a text make of its lines."""

    plain: list[str]
    """The lines that are neither code nor a fence. A block that is never closed is no code."""
    is_open: bool
    """Whether a fence is open at the end."""
    closes: bool
    """Whether the last line closes one."""


def read_fences(lines: list[str]) -> FencesRead:
    plain: list[str] = []
    marks, width, opened, is_quoted, closes = "", 0, 0, False, False
    for number, line in enumerate(lines):
        closes = False
        if marks and is_quoted and not line.lstrip().startswith(">"):
            marks = ""  # the quotation has ended, and its code with it
        if marks:
            found = _CLOSING.match(line)
            # Four more spaces make it a line of the code, such as one that shows a fence.
            if found and found[2].startswith(marks) and _width(found[1]) < width + 4:
                marks, closes = "", True
            continue
        found = _OPENING.match(line)
        if found is None or (found[2][0] == "`" and "`" in found[3]):
            plain.append(line)
            continue
        marks, width, opened, is_quoted = found[2], _width(found[1]), number, ">" in found[1]
    if marks:
        plain += lines[opened:]
    return FencesRead(plain, bool(marks), closes)


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))
