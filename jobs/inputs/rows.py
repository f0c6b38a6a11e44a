"""The rows of a table, each with the line that it begins in.

The standard library's reader reads them, strictly. A row that it refuses is read once more: a quotation mark inside a
cell that nobody has doubled is meant as one, as long as no cell could end elsewhere.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from jobs.inputs.delimiters import Form
from jobs.inputs.mistakes import MistakeError, Notes

# What a byte that is not valid in its encoding has become.
_NOT_UTF8 = re.compile("[\udc80-\udcff]")

_NOTHING = ("\n", "\r\n", "\r")
"""Lines with nothing in them."""

_SAVE = "save the file as UTF-8 (in Excel: CSV UTF-8), or name its encoding"


@dataclass(frozen=True, slots=True)
class Row:
    """One row, as it stands in the file."""

    line: int
    row: int
    cells: list[str]


def checked_row(line: int, row: int, cells: list[str]) -> Row | MistakeError:
    """The row, unless it has bytes in it that are no text."""
    text = "".join(cells)
    if not text.isascii() and _NOT_UTF8.search(text):
        return MistakeError("not_text", "it has bytes that no text in this encoding has", _SAVE, line=line, row=row)
    return Row(line, row, cells)


class RowReader:
    """Reads rows out of a text in UTF-8. No line and no cell may be longer than `max_bytes`."""

    def __init__(self, file: BinaryIO, form: Form, max_bytes: int, notes: Notes, *, first_line: int = 1) -> None:
        self._form = form
        self._max_bytes = max_bytes
        self._notes = notes
        self._lines = _Lines(file, max_bytes, first_line - 1)

    def rows(self) -> Iterator[Row | MistakeError]:
        """Every row to the end but those of a line with nothing in it, which are only counted; in place of one that
        cannot be read, what is wrong with it.
        """
        csv.field_size_limit(self._max_bytes)
        reader = csv.reader(
            self._lines, delimiter=self._form.delimiter, skipinitialspace=self._form.skips_space, strict=True
        )
        number = self._lines.number
        while True:
            line, skipped = self._lines.begin_row()
            number += 1 + skipped
            try:
                cells = next(reader, None)
            except csv.Error as error:
                read = self._read_again(str(error))
                if isinstance(read, MistakeError):
                    yield read.at(line, number)
                    continue
                self._notes.add(
                    "stray_quote", "a quotation mark that is not doubled was read as part of its cell", line
                )
                cells = read
            except MistakeError as mistake:
                yield mistake.at(line, number)
                return
            if cells is None:
                return
            yield checked_row(line, number, cells)

    def _read_again(self, refusal: str) -> list[str] | MistakeError:
        if "field larger" in refusal:
            return MistakeError(
                "cell_too_long",
                f"a cell is longer than {self._max_bytes} bytes (LONGHAND_MAX_LINE_BYTES)",
                "shorten it, or look for a quotation mark that is opened and not closed",
            )
        if "end of data" in refusal:
            return MistakeError(
                "open_quote",
                "a quotation mark is opened here and never closed",
                'close it, or write it twice ("") where it belongs to the text',
            )
        cells = split_leniently(self._lines.row[0], self._form) if len(self._lines.row) == 1 else None
        if cells is not None:
            return cells
        return MistakeError(
            "stray_quote",
            "a quotation mark stands inside a cell in quotation marks, so that its end is not certain",
            'write it twice ("")',
        )


def split_leniently(line: str, form: Form) -> list[str] | None:
    """The cells of one line in which quotation marks are not doubled; None where the end of a cell is not certain.

    One inside a cell is text unless a delimiter or the end of the line follows.
    """
    line = line.rstrip("\r\n")
    cells: list[str] = []
    at = 0
    closing = re.compile(rf'"[ \t]*(?:{re.escape(form.delimiter)}|\Z)')
    while True:
        opening = re.compile(r' *"' if form.skips_space else '"').match(line, at)
        if opening is None:
            end = line.find(form.delimiter, at)
            cells.append(line[at:] if end < 0 else line[at:end])
            if end < 0:
                return cells
            at = end + 1
            continue
        start = at = opening.end()
        while (found := line.find('"', at)) >= 0 and not closing.match(line, found):
            at = found + (2 if line.startswith('""', found) else 1)
        if found < 0:
            return None
        cells.append(line[start:found].replace('""', '"'))
        closed = closing.match(line, found)
        at = closed.end() if closed else found + 1
        if not line.startswith(form.delimiter, at - 1):
            return cells


class _Lines:
    """The lines of a text with their ends, and those that the row which is being read has so far."""

    def __init__(self, file: BinaryIO, max_bytes: int, number: int) -> None:
        # Only as it is: a line end inside a cell belongs to its text.
        self._text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
        self._max_length = max_bytes
        self._next = ""
        self.number = number
        self.row: list[str] = []

    def begin_row(self) -> tuple[int, int]:
        """The line in which the next row begins, and how many with nothing in them are before it: a file may have
        millions of those, and nothing else.
        """
        self.row.clear()
        readline, longest, before = self._text.readline, self._max_length + 2, self.number
        while (line := readline(longest)) in _NOTHING:
            self.number += 1
        self._next = line
        return self.number + 1, self.number - before

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._next = self._next or self._text.readline(self._max_length + 2), ""
        if not line:
            raise StopIteration
        if len(line) > self._max_length + 1:
            reason = f"a line is longer than {self._max_length} bytes (LONGHAND_MAX_LINE_BYTES)"
            raise MistakeError("line_too_long", reason, "split it")
        self.number += 1
        self.row.append(line)
        return line
