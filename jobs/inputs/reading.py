"""The entrance: reads a file of any accepted kind once, as a stream of requests."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from jobs.inputs.delimiters import Form, find_form, sep_line
from jobs.inputs.encodings import Encoding, find_encoding, open_utf8
from jobs.inputs.json_items import read_json_items
from jobs.inputs.mistakes import MistakeError, Notes, line_too_long
from jobs.inputs.rows import Row, RowReader, checked_row
from jobs.inputs.table import Header, Line, RowFiller

_JSON, _TABLES, _PROMPTS = (".jsonl", ".ndjson", ".json"), (".csv", ".tsv", ".tab"), (".txt", ".text")
SUFFIXES = (*_JSON, *_TABLES, *_PROMPTS)
"""How the names of files end that are taken."""

BUFFER_BYTES = 1024 * 1024
"""The buffer to open a file with: what is found out of its beginning is found out in it."""

_SAMPLE_BYTES = 256 * 1024
_SAVE = "open it in its program and save it as CSV UTF-8"
_FOREIGN = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive", _SAVE),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", _SAVE),
    (b"%PDF", "a PDF", "give its prompts as text, one a line"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first"),
    (b"{\\rtf", "a rich text", "save it as plain text"),
)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What is said of a file, where it does not say it itself."""

    template: str | None = None
    """The prompt for each row of a table, with column names in braces."""
    encoding: str | None = None
    delimiter: str | None = None
    id_column: str | None = None
    """The column whose cells are the jobs' `custom_id`; without it, the one of that name."""
    skip: int = 0
    """So many requests at the beginning are left out."""
    take: int | None = None
    """At most so many are taken, for a trial of the first ones."""


class InputFile:
    """A file of requests, of the kind that `kind_of` says. Raises `MistakeError` at once if it cannot be read at all.

    `lines()` may be called once; `notes` are complete at its end.
    """

    def __init__(
        self,
        file: io.BufferedReader,
        kind: str,
        options: ReadOptions,
        *,
        max_line_bytes: int,
        notes: Notes | None = None,
    ) -> None:
        self.notes = Notes() if notes is None else notes
        self.columns: list[str] = []
        self.form: Form | None = None
        """How its cells are parted; None for a file that is no table."""
        self._options = options
        self._max_bytes = max_line_bytes
        self.is_table = kind in (*_TABLES, *_PROMPTS)
        _refuse_foreign(file.peek(64))
        self.encoding = find_encoding(file, options.encoding, is_json=not self.is_table)
        self._note_encoding(self.encoding)
        self._text = open_utf8(file, self.encoding)
        self._header: Header | None = None
        self._rows: Iterator[Row | MistakeError] = iter(())
        if self.is_table:
            self._open_table(kind)
        elif options.template is not None:
            reason = "a template is for tables, and this file is read as JSON lines"
            remedy = "leave it out, or give a file whose name ends in .csv"
            raise MistakeError("wrong_template", reason, remedy, param="template")

    def lines(self) -> Iterator[Line | MistakeError]:
        """Every request as a line of JSON, and what is wrong in place of each that cannot be one.

        Raises `MistakeError` for a template that does not fit.
        """
        if not self.is_table:
            yield from read_json_items(self._text, self._max_bytes, self.notes)
        elif self._header is not None:
            options = self._options
            filler = RowFiller(
                self._header,
                options.template,
                self.notes,
                id_column=options.id_column,
                max_bytes=self._max_bytes,
                keeps_cells=self.form is not None,  # a line of prompts has no cells
            )
            yield from filler.lines(self._rows)

    def rows(self) -> Iterator[Row | MistakeError]:
        """The rows of a table after its header, instead of `lines()`."""
        return self._rows

    def named_cells(self, cells: list[str]) -> list[str]:
        """The cells of a row that stand in a named column."""
        places = self._header.names if self._header is not None else {}
        return [cells[place] if place < len(cells) else "" for place in places]

    def _open_table(self, kind: str) -> None:
        sample = self._text.peek(_SAMPLE_BYTES).decode("utf-8", "replace")
        first, delimiter = 1, _delimiter_named(self._options.delimiter)
        named = sep_line(sample[: sample.find("\n") + 1])
        if kind in _PROMPTS and not _has_tabs(sample):
            self._rows = self._prompts()
            self._header = Header(Row(1, 1, ["prompt"]), self.notes)
            self.columns = self._header.columns
            return
        if named is not None:
            self._text.readline()
            first, sample, delimiter = 2, sample[sample.find("\n") + 1 :], delimiter or named
        if kind != ".csv" and "\t" in sample:
            delimiter = delimiter or "\t"
        self.form = find_form(sample, delimiter=delimiter)
        rows = RowReader(self._text, self.form, self._max_bytes, self.notes, first_line=first).rows()
        for row in rows:
            if isinstance(row, MistakeError):
                raise row
            if any(cell.strip() for cell in row.cells):
                self._header = Header(row, self.notes)
                self.columns = self._header.columns
                break
        self._rows = rows

    def _prompts(self) -> Iterator[Row | MistakeError]:
        """The lines of a text as rows with one cell."""
        text = io.TextIOWrapper(self._text, "utf-8", errors="surrogateescape")
        for number, line in enumerate(iter(lambda: text.readline(self._max_bytes + 2), ""), 1):
            if len(line) > self._max_bytes + 1:
                yield line_too_long(self._max_bytes, number, number)
                return
            if line.strip():
                yield checked_row(number, number, [line.strip()])

    def _note_encoding(self, encoding: Encoding) -> None:
        if encoding.is_guess:
            advice = "if the texts look wrong, name the encoding, or save the file as UTF-8"
            self.notes.add(
                "encoding", f"the file was read as {encoding.name}, which is a guess from its text: {advice}"
            )


class _WatchedFile(io.FileIO):
    """Calls this before each read, which may raise."""

    def __init__(self, path: Path, before_read: Callable[[], None]) -> None:
        super().__init__(path)
        self._before_read = before_read

    def readinto(self, buffer: Any) -> int | None:  # any writable buffer
        self._before_read()
        return super().readinto(buffer)


def open_input(path: Path, before_read: Callable[[], None] = lambda: None) -> io.BufferedReader:
    """Open a file to be read as an `InputFile`. `before_read` is called for each buffer of it, and may raise."""
    return io.BufferedReader(_WatchedFile(path, before_read), BUFFER_BYTES)


def kind_of(name: str) -> str:
    """How the name of a file ends, if it is one that is taken. Raises `MistakeError` for another."""
    suffix = PurePath(name).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    if suffix in (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"):
        raise MistakeError("wrong_kind", f"a workbook ({suffix}) is not read", "save its sheet as CSV UTF-8")
    raise MistakeError("wrong_kind", "the name of a file must end in .jsonl, .csv, .tsv or .txt", "rename it")


def _refuse_foreign(head: bytes) -> None:
    for mark, what, remedy in _FOREIGN:
        if head.startswith(mark):
            raise MistakeError("wrong_kind", f"the file is {what} and no text", remedy)


def _delimiter_named(delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    known = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "pipe": "|"}
    delimiter = known.get(delimiter.lower(), delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise MistakeError("wrong_delimiter", f"{delimiter[:20]!r} cannot part cells", "take one such as , ; | or tab",
                      param="delimiter")  # fmt: skip
    return delimiter


def _has_tabs(sample: str) -> bool:
    """Whether a text is a table that a spreadsheet has saved as text: the same tabs in every line."""
    counts = {line.count("\t") for line in sample.splitlines()[:20] if line.strip()}
    return len(counts) == 1 and counts != {0}
