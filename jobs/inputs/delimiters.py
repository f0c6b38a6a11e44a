"""Finds the delimiter between the cells of a table: a comma, a semicolon, a tab or a bar."""

import csv
import io
import re
from dataclasses import dataclass

_CANDIDATES = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MOST_ROWS = 100
# What Excel writes and reads in the first line, to be told the delimiter.
_SEP = re.compile(r'"?sep=([^\r\n"])"?[,;\t|]*\r?\n?\Z', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is written."""

    delimiter: str
    skips_space: bool = False
    """A space stands after each delimiter, before the quotation mark of a cell."""

    @property
    def name(self) -> str:
        return _NAMES.get(self.delimiter, repr(self.delimiter))


def sep_line(line: str) -> str | None:
    """The delimiter that the first line names, as Excel has it (`sep=;`)."""
    found = _SEP.match(line)
    return found[1] if found else None


def find_form(sample: str, *, delimiter: str | None = None) -> Form:
    """How the table that begins so is written. A delimiter that is known already is taken."""
    if delimiter is None:
        best = max(_CANDIDATES, key=lambda candidate: _fits(sample, candidate))  # the first of equals
        delimiter = best if _fits(sample, best) > (0, 0) else ","
    return Form(delimiter, _has_space(sample, delimiter))


def _fits(sample: str, delimiter: str) -> tuple[float, int]:
    """How many rows have as many cells as the header, and how many those are; (0, 0) for one column."""
    rows = _rows(sample, delimiter, skips_space=False)
    widths = [len(row) for row in rows if any(cell.strip() for cell in row)]
    if not widths or len(rows[0]) < 2:
        return 0, 0
    return round(sum(width == widths[0] for width in widths) / len(widths), 2), widths[0]


def _has_space(sample: str, delimiter: str) -> bool:
    """Whether a cell begins with a space and then a quotation mark that was written as one."""
    plain, skipped = (_rows(sample, delimiter, skips_space=skips) for skips in (False, True))
    return any(
        cell != other and cell.startswith(" ") and cell.lstrip(" ").startswith('"')
        for row, other_row in zip(plain, skipped, strict=False)
        for cell, other in zip(row, other_row, strict=False)
    )


def _rows(sample: str, delimiter: str, *, skips_space: bool) -> list[list[str]]:
    """The first rows that are not empty."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=skips_space)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) > _MOST_ROWS:
                break
    except csv.Error:
        pass  # a cell is longer than the limit: what came before it is enough
    return rows
