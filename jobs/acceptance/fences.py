"""Fenced code blocks of Markdown: at the margin, in items of lists and in quotations."""

import re
from typing import NamedTuple

_OPENING = re.compile(r"((?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)(`{3,}|~{3,})(.*)")
_CLOSING = re.compile(r"([ \t>]*)(`{3,}|~{3,})\s*$")
_MARKER = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)")
_INDENTED = re.compile(r"(?: {0,3}\t| {4})")
_WORDS = re.compile(r"[ \t]*[^\s={]+(?:[ \t]+[^\s={]+)+\s*")
"""Behind the marks: words of a sentence, and no language with its attributes."""


class FencesRead(NamedTuple):
    """What the fences of a text make of its lines."""

    plain: list[str]
    """The lines that are neither code nor a fence. A block that is never closed is no code."""
    is_open: bool
    """Whether a fence is open at the end."""
    closes: bool
    """Whether the last line closes one."""
    marks: str
    """Of the fence that is open at the end, such as "```"; else empty."""
    info: str
    """What stands behind them: the language."""


def read_fences(lines: list[str]) -> FencesRead:
    plain: list[str] = []
    marks, info, width, opened, is_quoted, closes = "", "", 0, 0, False, False
    is_in_list, is_indented, shown_until = False, False, 0
    for number, line in enumerate(lines):
        closes = False
        if marks and is_quoted and not line.lstrip().startswith(">"):
            marks = ""  # the quotation has ended, and its code with it
        if marks:
            if _closes(line, marks, width):
                marks, closes = "", True
            continue
        is_behind_empty_line = number == 0 or not lines[number - 1].strip()
        if line.strip():
            is_in_list = bool(_MARKER.match(line)) or (is_in_list and (line[:1] in " \t" or not is_behind_empty_line))
            may_be_code = (is_behind_empty_line or is_indented) and not is_in_list
            is_indented = may_be_code and bool(_INDENTED.match(line))
        found = _OPENING.match(line)
        if found is not None and is_indented and number >= shown_until:
            shown_until = _find_end_of_shown(lines, number, found[2], _width(found[1]))
        is_code = number < shown_until
        if found is None or is_code or (found[2][0] == "`" and "`" in found[3]) or _is_said_in_item(line, found[3]):
            plain.append(line)
            continue
        marks, width, opened, is_quoted = found[2], _width(found[1]), number, ">" in found[1]
        info = found[3].strip()
    if marks:
        plain += lines[opened:]
    return FencesRead(plain, bool(marks), closes, marks, info if marks else "")


def _closes(line: str, marks: str, width: int) -> bool:
    """Four more spaces make it a line of the code, such as one that shows a fence."""
    found = _CLOSING.match(line)
    return found is not None and found[2].startswith(marks) and _width(found[1]) < width + 4


def _find_end_of_shown(lines: list[str], opening: int, marks: str, width: int) -> int:
    """Where the indented code ends that shows this fence; `opening` if it opens one: it is closed there, or the text
    ends before the code.
    """
    for number in range(opening + 1, len(lines)):
        line = lines[number]
        if _closes(line, marks, width):
            return opening
        if line.strip() and not _INDENTED.match(line) and not lines[number - 1].strip():
            return number
    return opening


def _is_said_in_item(line: str, info: str) -> bool:
    """Whether an item of a list speaks of a fence: "- ``` opens a block"."""
    return _MARKER.match(line) is not None and _WORDS.fullmatch(info) is not None


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))
