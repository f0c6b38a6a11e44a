"""What is wrong with an input, and what was read differently from how it was written."""

import re
from dataclasses import dataclass
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MOST_NOTES = 50


class MistakeError(Exception):
    """One thing that is wrong: where, why, and what to do about it."""

    def __init__(
        self,
        code: str,
        reason: str,
        remedy: str = "",
        *,
        line: int | None = None,
        row: int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(f"{reason}: {remedy}" if remedy else reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy
        self.line = line
        """The line of the text in which it begins, from 1."""
        self.row = row
        """The row of the table, from 1, the header included: what a spreadsheet shows. None for a file of JSON."""
        self.param = param

    def at(self, line: int | None, row: int | None = None) -> "MistakeError":
        """The same, at this place."""
        return MistakeError(self.code, self.reason, self.remedy, line=line, row=row, param=self.param)

    @property
    def message(self) -> str:
        """Reason and remedy, with the row where its number is not that of the line."""
        return str(self) if self.row in (None, self.line) else f"row {self.row}: {self}"

    def as_json(self) -> dict[str, Any]:
        # What is wrong may be quoted, and PostgreSQL's jsonb takes neither NUL nor half a surrogate pair.
        param = None if self.param is None else _UNSTORABLE.sub("\ufffd", self.param)
        message = _UNSTORABLE.sub("\ufffd", self.message)
        return {"code": self.code, "line": self.line, "message": message, "param": param}


def line_too_long(max_bytes: int, line: int, row: int | None = None) -> MistakeError:
    """Of a line that nobody keeps in memory."""
    reason = f"the line is longer than {max_bytes} bytes (LONGHAND_MAX_LINE_BYTES)"
    return MistakeError("line_too_long", reason, "shorten it", line=line, row=row)


@dataclass(slots=True)
class Note:
    """What was read otherwise than it was written, or left out."""

    code: str
    message: str
    line: int | None
    """The first line of which it is true."""
    count: int = 1
    """Of how many lines it is true."""

    def as_json(self) -> dict[str, Any]:
        message = _UNSTORABLE.sub("\ufffd", self.message)
        return {"code": self.code, "line": self.line, "message": message, "count": self.count}

    def __str__(self) -> str:
        if self.line is None:
            return self.message
        more = f" and {self.count - 1} more" if self.count > 1 else ""
        return f"{self.message} (line {self.line}{more})"


class Notes:
    """The notes of one input: one for each kind, and counted from then on, so that a long file has a short list."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], Note] = {}

    def add(self, code: str, message: str, line: int | None = None) -> None:
        """Note something, of a line or of the whole input."""
        known = self._notes.get((code, message))
        if known is not None:
            known.count += 1
        elif len(self._notes) < _MOST_NOTES:
            self._notes[code, message] = Note(code, message, line)

    def __iter__(self) -> Any:
        return iter(self._notes.values())

    def as_json(self) -> list[dict[str, Any]]:
        return [note.as_json() for note in self._notes.values()]
