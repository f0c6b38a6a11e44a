"""The template that makes a prompt of each row of a table: `Write about {topic}`.

Not `str.format`: a template must not be able to reach into Python objects, and its mistakes need names.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from jobs.inputs.mistakes import MistakeError

_MOST_NAMES, _LONGEST_NAME = 50, 100

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def parse_template(columns: Sequence[str], template: str | None) -> str:
    """The template to use for these columns; without one, a column `prompt` is the prompt.

    Raises `MistakeError` for a template that names no column or an unknown one, or has a brace too many.
    """
    there = name_columns(columns)
    if template is None:
        if "prompt" in columns:
            return "{prompt}"
        remedy = f"give one such as 'Write about {{{columns[0]}}}', or name a column `prompt`; {there}"
        raise MistakeError("no_template", "there is no template that makes a prompt of each row", remedy, line=1, row=1)
    parts, known = list(_PART.finditer(template)), frozenset(columns)
    for part in parts:
        if part[0] in ("{", "}"):
            reason = f"a single {part[0]} at character {part.start() + 1} of the template"
            raise MistakeError("wrong_template", reason, "double it to write it", param="template")
        if part[1] is not None and part[1].strip() not in known:
            reason = f"{part[0]} in the template is not a column"
            near = nearest(part[1], columns)
            meant = f"did you mean {{{near}}}? " if near else ""
            raise MistakeError("wrong_template", reason, meant + there, param="template")
    if all(part[1] is None for part in parts):
        reason = "the template names no column, so every row would ask for the same"
        raise MistakeError("wrong_template", reason, f"write one in braces; {there}", param="template")
    return template


def fields_of(template: str) -> dict[str, int]:
    """The columns that a template names, in order, and how often it names each."""
    return Counter(part[1].strip() for part in _PART.finditer(template) if part[1] is not None)


def fill(template: str, cells: Mapping[str, str]) -> str:
    return _PART.sub(lambda part: part[0][0] if part[1] is None else cells[part[1].strip()], template)


def name_columns(columns: Sequence[str]) -> str:
    """The columns, as a mistake tells them; not all of ten thousand, and not all of a name that is a page long."""
    shown = [name[:_LONGEST_NAME] for name in columns[:_MOST_NAMES]]
    return "the columns are " + ", ".join(shown) + (", ..." if len(columns) > _MOST_NAMES else "")


def nearest(name: str, columns: Sequence[str]) -> str:
    """The column that is meant most likely; empty if none is like it."""
    if len(name) > _LONGEST_NAME:  # finding the nearest takes the product of all lengths
        return ""
    near = [column for column in columns[: 10 * _MOST_NAMES] if len(column) <= _LONGEST_NAME]
    folded = {column.casefold(): column for column in reversed(near)}
    found = get_close_matches(name.strip().casefold(), folded, n=1)
    return folded[found[0]] if found else ""
