"""Uploads: a multipart form on its way to disk, never more than two pieces of it in memory.

The caps hold while it is read: what is too large is refused when that is known, not when all of it has come.
"""

import os
import re
import secrets
import time
from collections.abc import Iterable
from logging import getLogger
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.access.turns import Turns
from api.http.errors import ApiError
from api.http.gone import has_gone

_BYTES_AT_ONCE = 64 * 1024
_MOST_FIELD_BYTES = 64 * 1024
_MOST_PARTS = 32
_DAY_SECONDS = 86400.0
_NAME = re.compile(r"file_[0-9a-z]+(\.part-[0-9a-f]+)?")

log = getLogger(__name__)


class Upload:
    """One form with one file in it. Use it as a context manager: what was not kept is deleted at its end."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size = 0
        self._folder = folder
        self._max_bytes = max_bytes
        self._path = folder / f"file_0.part-{secrets.token_hex(12)}"
        self._file: BinaryIO | None = None
        # The part that is being read: its headers, its name, and its value when it is no file.
        self._header = [b"", b""]
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        self._is_file = False
        self._parts = 0
        self._field_bytes = 0
        self._ended = False

    def __enter__(self) -> "Upload":
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = self._path.open("xb", buffering=_BYTES_AT_ONCE)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._file is not None:
                self._file.close()  # which writes what is left, and the disk may be full
        finally:
            self._path.unlink(missing_ok=True)  # one that was kept was renamed

    async def read(self, request: Request, turns: Turns) -> None:
        """Read the form to its end, its bytes in `turns`. Raises `ApiError` for one that is too large, broken, or has
        no file.
        """
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise ApiError(415, "unsupported_media_type", "send the file as multipart/form-data, with its boundary")
        declared = request.headers.get("content-length", "")
        most = self._max_bytes + _MOST_FIELD_BYTES * 2
        if declared.isdecimal() and int(declared) > most:
            raise self._too_large()
        came = 0
        try:
            parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._take_header_name,
                    "on_header_value": self._take_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
            async for piece in request.stream():
                came += len(piece)
                if came > most:  # also what no part holds: the parser reads past it for ever
                    raise self._too_large()
                await self._parse(parser, piece, request, turns)
        except FormParserError as error:
            raise _broken(str(error)) from None
        if not self._ended:
            raise _broken("it ends in the middle")
        if self.filename is None:
            raise ApiError(400, "missing_required_parameter", "file: is missing; it is the file to upload",
                           param="file")  # fmt: skip

    async def _parse(self, parser: MultipartParser, piece: bytes, request: Request, turns: Turns) -> None:
        # The parser takes a microsecond for each byte that may begin a boundary: on the event loop, the 18 MB/s of
        # twenty uploads stopped everybody for as long as they came.
        for start in range(0, len(piece), _BYTES_AT_ONCE):
            if has_gone(request.scope):
                raise ClientDisconnect
            await turns.run(parser.write, piece[start : start + _BYTES_AT_ONCE])

    def keep(self, file_id: str) -> None:
        """Put the bytes in their place, so that they survive a power cut from here on. Call it from a thread."""
        assert self._file is not None  # noqa: S101  # it is read inside the context
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(self._folder / file_id)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _broken(f"it has more than {_MOST_PARTS} parts")
        self._disposition, self._name, self._is_file = b"", "", False
        self._value = bytearray()

    def _take_header_name(self, piece: bytes, start: int, end: int) -> None:
        self._header[0] += piece[start:end]

    def _take_header_value(self, piece: bytes, start: int, end: int) -> None:
        self._header[1] += piece[start:end]

    def _end_header(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if not self._name:
            raise _broken("a part of it has no name")
        if b"filename" not in options:
            return
        if self._name != "file":
            raise ApiError(400, "unknown_parameter", f"{self._name[:64]}: a file must be named `file`",
                           param=self._name[:64])  # fmt: skip
        if self.filename is not None:
            raise ApiError(400, "invalid_value", "file: comes twice; upload one file at a time", param="file")
        self._is_file = True
        self.filename = options[b"filename"].decode("utf-8", "replace")

    def _take(self, piece: bytes, start: int, end: int) -> None:
        if not self._is_file:
            self._field_bytes += end - start
            if self._field_bytes > _MOST_FIELD_BYTES:
                raise ApiError(413, "field_too_large", f"{self._name[:64]}: the form's fields are larger than"
                               f" {_MOST_FIELD_BYTES} bytes", param=self._name[:64])  # fmt: skip
            self._value += piece[start:end]
            return
        self.size += end - start
        if self.size > self._max_bytes:
            raise self._too_large()
        assert self._file is not None  # noqa: S101  # as above
        self._file.write(memoryview(piece)[start:end])

    def _end_part(self) -> None:
        if self._is_file:
            return
        if self._name in self.fields:
            raise ApiError(400, "invalid_value", f"{self._name[:64]}: comes twice", param=self._name[:64])
        self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True

    def _too_large(self) -> ApiError:
        return ApiError(413, "file_too_large", f"file: is larger than {self._max_bytes} bytes"
                        " (LONGHAND_MAX_FILE_BYTES): split it", param="file")  # fmt: skip


def delete_bytes(folder: Path, file_ids: Iterable[str]) -> None:
    """Delete the bytes of files whose rows are gone. An output has none."""
    for file_id in file_ids:
        (folder / file_id).unlink(missing_ok=True)


def not_readable(file_id: str, *, param: str | None = None) -> ApiError:
    """The refusal of a file whose row is there and whose bytes are not."""
    message = f"{file_id} is not in the folder of the files (LONGHAND_FILES); all API processes must share one"
    return ApiError(503, "file_not_readable", message, param=param)


def find_old(folder: Path) -> list[str]:
    """The names of what has been in the folder for more than a day; the caller asks which of them have a row."""
    if not folder.is_dir():
        return []
    before = time.time() - _DAY_SECONDS
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if _NAME.fullmatch(entry.name) and _is_older(entry, before)]


def _is_older(entry: os.DirEntry[str], before: float) -> bool:
    try:
        return entry.is_file() and entry.stat().st_mtime < before
    except FileNotFoundError:  # an upload that was kept, or given up, at this moment
        return False


def _broken(why: str) -> ApiError:
    return ApiError(400, "invalid_multipart", f"the form cannot be read: {why}")
