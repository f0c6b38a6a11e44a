"""The template that makes a prompt of each row of a CSV file: `Write about {topic}`.

Not `str.format`: a template must not be able to reach into Python objects, and its mistakes need names.
"""

import re
from collections.abc import Mapping, Sequence

from longhand.errors import InputError

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def parse_template(name: str, columns: Sequence[str], template: str | None) -> str:
    """The template to use for the file `name` with these columns; without one, a column `prompt` is the prompt.

    Raises `InputError` for a template that names no column or an unknown one, or has a brace too many.
    """
    if not columns:
        raise InputError(f"{name}:1: the first row must have the names of the columns")
    if len(set(columns)) != len(columns):
        raise InputError(f"{name}:1: two columns have the same name")
    there = "the columns are " + ", ".join(columns)
    if template is None:
        if "prompt" in columns:
            return "{prompt}"
        raise InputError(f"{name}:1: give --template 'Write about {{{columns[0]}}}' or a column `prompt`; {there}")
    parts = list(_PART.finditer(template))
    for part in parts:
        if part[0] in ("{", "}"):
            raise InputError(f"--template: a single {part[0]} at character {part.start() + 1}; double it to write it")
        if part[1] is not None and part[1].strip() not in columns:
            raise InputError(f"--template: {part[0]} is not a column of {name}; {there}")
    if all(part[1] is None for part in parts):
        raise InputError(f"--template names no column, so every row would ask for the same; {there}")
    return template


def fill(template: str, cells: Mapping[str, str]) -> str:
    """The prompt of one row."""
    return _PART.sub(lambda part: part[0][0] if part[1] is None else cells[part[1].strip()], template)
