"""The lines of a batch's input file: read one by one, checked one by one."""

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, BinaryIO

from api.errors import ApiError
from api.submitting.bodies import read_fields
from api.submitting.checks import check_item
from jobs.submission import NewJob

MOST_ERRORS = 100
"""This many errors of a file are listed one by one; the others are counted."""

_REQUIRED = ("custom_id", "method", "url", "body")
_LINE_CODES = {"invalid_json": "invalid_json_line", "invalid_type": "invalid_json_line"}
_FIELD_CODES = {("invalid_value", "url"): "invalid_url", ("invalid_value", "method"): "invalid_method"}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"


class LineError(Exception):
    """A line that cannot become a job."""

    def __init__(self, line: int | None, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.code = code
        self.message = message
        self.param = param

    def as_json(self) -> dict[str, Any]:
        """The error as OpenAI's Batch object shows it."""
        # What is wrong may be quoted, and PostgreSQL's jsonb takes neither NUL nor half a surrogate pair.
        param = None if self.param is None else _UNSTORABLE.sub("\ufffd", self.param)
        message = _UNSTORABLE.sub("\ufffd", self.message)
        return {"code": self.code, "line": self.line, "message": message, "param": param}


def read_lines(file: BinaryIO, max_line_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """The lines that are not blank, with their numbers from 1. None stands for one that is too long, and is not kept
    in memory either.
    """
    number = 0
    while piece := file.readline(max_line_bytes + 2):
        number += 1
        if number == 1:
            piece = piece.removeprefix(_BOM)
        line: bytes | None = piece.removesuffix(b"\n").removesuffix(b"\r")
        if len(piece) > max_line_bytes and len(line or b"") > max_line_bytes:
            line = None
            while piece and not piece.endswith(b"\n"):
                piece = file.readline(65536)
        if line is None or line.strip():
            yield number, line


class LineChecker:
    """Makes jobs of lines, and remembers which `custom_id` came where: 16 bytes and a number for each."""

    def __init__(self, for_all: NewJob, max_line_bytes: int) -> None:
        self._for_all = for_all
        self._max_line_bytes = max_line_bytes
        self._line_of: dict[bytes, int] = {}

    def check(self, number: int, line: bytes | None) -> NewJob:
        """The job of a line. Raises `LineError`."""
        if line is None:
            raise LineError(number, "line_too_long", f"the line is longer than {self._max_line_bytes} bytes"
                            " (LONGHAND_MAX_LINE_BYTES)")  # fmt: skip
        try:
            line.decode()
            fields = read_fields(line, "")
            job = check_item(fields, "", self._for_all, required=_REQUIRED)
        except UnicodeDecodeError as error:
            message = f"the line is not UTF-8: its byte {error.start + 1} is 0x{line[error.start]:02x}"
            raise LineError(number, "invalid_json_line", message) from None
        except ApiError as error:
            raise LineError(number, *_told(error)) from None
        key = blake2b((job.custom_id or "").encode(), digest_size=16).digest()
        first = self._line_of.setdefault(key, number)
        if first != number:
            raise LineError(number, "duplicate_custom_id",
                            f"custom_id: is the same as that of line {first}", "custom_id")  # fmt: skip
        return job


def _told(error: ApiError) -> tuple[str, str, str | None]:
    """The code, the message and the parameter of a refused line, with the codes that OpenAI has for some of them."""
    if error.param is None:
        return _LINE_CODES.get(error.code, error.code), error.message.replace("the body: ", "the line: ", 1), None
    return _FIELD_CODES.get((error.code, error.param), error.code), error.message, error.param
