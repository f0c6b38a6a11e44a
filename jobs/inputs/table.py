"""A table as requests: the first row names the columns, and each other row fills the template."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.inputs.mistakes import MistakeError, Notes
from jobs.inputs.rows import Row
from jobs.inputs.template import fields_of, fill, name_columns, nearest, parse_template

MOST_COLUMNS = 16_384
"""As many as a spreadsheet has."""

_FILL = "write something into the cell, such as none, delete the row, or leave the column out of the template"
_FILL_PROMPT = "write something into the cell, or delete the row"
_BLANK = " \t\r\n\f\v\xa0\u3000\u200b\ufeff"


@dataclass(frozen=True, slots=True)
class Line:
    """One request as a line of JSON, and where it comes from."""

    line: int
    content: bytes
    row: int | None = None


class Header:
    """The columns of a table: those of the first row that have a name."""

    def __init__(self, row: Row, notes: Notes) -> None:
        cells = [cell.strip(_BLANK) for cell in row.cells]
        while cells and not cells[-1]:
            cells.pop()  # columns that a spreadsheet still thinks used
        self.width = len(cells)
        self.whole_width = len(row.cells)
        self.names = {place: name for place, name in enumerate(cells) if name}
        self.columns = list(self.names.values())
        if self.width > MOST_COLUMNS:
            reason = f"the first row has {self.width} columns, and {MOST_COLUMNS} are allowed"
            raise MistakeError("too_many_columns", reason, "leave out those that no prompt needs", line=row.line)
        place_of: dict[str, int] = {}
        for place, name in self.names.items():
            first = place_of.setdefault(name, place)
            if first != place:
                reason = f"two columns have the same name, {name[:200]!r}: the {first + 1}. and the {place + 1}."
                raise MistakeError("duplicate_column", reason, "rename one of them", line=row.line, row=row.row)
        for place in range(self.width):
            if place not in self.names:
                notes.add("unnamed_column", f"the {place + 1}. column has no name and was left out", row.line)


class RowFiller:
    """Makes a request of each row of a table."""

    def __init__(
        self,
        header: Header,
        template: str | None,
        notes: Notes,
        *,
        id_column: str | None,
        max_bytes: int,
        keeps_cells: bool = True,
    ) -> None:
        self._header = header
        self._keeps_cells = keeps_cells
        self._notes = notes
        self._template = parse_template(header.columns, template)
        self._fields = fields_of(self._template)
        self._max_bytes = max_bytes
        if id_column is not None and id_column not in header.columns:
            near = nearest(id_column, header.columns)
            remedy = (f"did you mean {near}? " if near else "") + name_columns(header.columns)
            raise MistakeError("unknown_column", f"{id_column!r} is not a column", remedy, param="id_column")
        self._id_column = id_column or "custom_id"
        self._first_longer: Row | None = None
        self._has_even = False

    def lines(self, rows: Iterator[Row | MistakeError]) -> Iterator[Line | MistakeError]:
        """The requests of these rows, and what is wrong with those that cannot be one."""
        for row in rows:
            if isinstance(row, MistakeError):
                yield row
                continue
            if not "".join(row.cells).strip(_BLANK):
                if row.cells:  # a line with nothing in it at all is nothing to tell
                    self._notes.add("blank_row", "a row without any text was left out", row.line)
                continue
            filled = [bool(cell.strip(_BLANK)) for cell in row.cells]
            uneven = self._uneven(row)
            if uneven is not None:
                yield uneven
                if uneven.line == row.line:
                    continue  # the row itself has the mistake, which was told
            try:
                yield Line(row.line, self._request(row, filled), row.row)
            except MistakeError as mistake:
                yield mistake.at(row.line, row.row)

    def _uneven(self, row: Row) -> MistakeError | None:
        """Empty cells behind the last column are a spreadsheet's when every row has them. When only some have, each of
        those holds a delimiter too many, and its cells may stand under the wrong names.
        """
        longer: Row | None = row
        if len(row.cells) <= self._header.whole_width:
            longer, self._first_longer, self._has_even = self._first_longer, None, True
        elif not self._has_even:
            self._first_longer = self._first_longer or row
            return None
        return self._too_many(len(longer.cells)).at(longer.line, longer.row) if longer else None

    def _too_many(self, cells: int) -> MistakeError:
        reason = f"{cells} cells, but the first row has {self._header.width}"
        return MistakeError(
            "wrong_cells", reason, "put a cell that holds the delimiter in quotation marks, or name every column"
        )

    def _request(self, row: Row, filled: list[bool]) -> bytes:
        width = self._header.width
        if any(filled[width:]):
            raise self._too_many(len(row.cells) - filled[::-1].index(True))
        if len(row.cells) < width:
            reason = f"only {len(row.cells)} of {width} cells"
            raise MistakeError("wrong_cells", reason, "add the cells that are missing, empty ones too")
        cells_by_name = {name: row.cells[place] for place, name in self._header.names.items()}
        # Before it is filled: a template may name a cell of 10 MB some thousand times.
        length = sum(len(cells_by_name[name]) * times for name, times in self._fields.items())
        if length > self._max_bytes:
            raise self._too_long()
        for name in self._fields:
            if not cells_by_name[name].strip(_BLANK):
                reason = "the prompt is empty" if self._template.strip() == f"{{{name}}}" else f"{{{name}}} is empty"
                raise MistakeError("empty_cell", reason, _FILL if reason.startswith("{") else _FILL_PROMPT)
        body = {"messages": [{"role": "user", "content": fill(self._template, cells_by_name)}]}
        request: dict[str, object] = {"body": body}
        if self._keeps_cells:
            request["cells"] = cells_by_name
        if model := cells_by_name.get("model", "").strip(_BLANK):
            body["model"] = model  # type: ignore[assignment]  # a body has values of any kind
        if custom_id := cells_by_name.get(self._id_column, "").strip(_BLANK):
            request["custom_id"] = custom_id
        content = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
        if len(content) > self._max_bytes:
            raise self._too_long()
        return content

    def _too_long(self) -> MistakeError:
        reason = f"its prompt with its cells is longer than {self._max_bytes} bytes (LONGHAND_MAX_LINE_BYTES)"
        return MistakeError("line_too_long", reason, "shorten its cells, or name them less often in the template")
