"""Writes results to files, each under a temporary name first, so that half a file never passes for a whole one.

All in input order: one `.jsonl` or `.csv` file, or one Markdown file for each article. An incomplete text never has the
name of a complete one: its file ends in `.partial.md`, also when the job completed and the text was cut short.
"""

import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from jobs.model.message import has_calls
from longhand.client.client import Client
from longhand.client.errors import InputError, LonghandError
from longhand.client.objects import Result, cut_short, why

_FORMATS = ("md", "jsonl", "csv")
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(slots=True)
class ExportReport:
    """What was written."""

    files: list[Path] = field(default_factory=list)
    """The files with complete texts, or the one file with all results."""
    remarks: list[str] = field(default_factory=list)
    """One line for each text that is missing, incomplete or cut short."""


def write_results(client: Client, batch_id: str, directory: Path, form: str) -> ExportReport:
    """Write the results of a batch into a directory, made if it is missing. Raises `LonghandError`."""
    if form not in _FORMATS:
        raise InputError(f"--format is one of {', '.join(_FORMATS)}, not {form!r}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if form == "md":
            return _write_articles(client, batch_id, directory)
        path = directory / f"{safe_name(batch_id)}.{form}"
        with client.stream_results(batch_id, form) as chunks, _whole_file(path) as file:
            for chunk in chunks:
                file.write(chunk)
    except OSError as error:
        raise LonghandError(f"{error.filename or directory}: {error.strerror}") from None
    return ExportReport([path])


def _write_articles(client: Client, batch_id: str, directory: Path) -> ExportReport:
    written = ExportReport()
    with closing(client.results(batch_id)) as found:
        for number, item in enumerate(found, 1):
            stem = f"{number:04}-{safe_name(item.get('custom_id') or item['id'])}"
            whole, partial = directory / f"{stem}.md", directory / f"{stem}.partial.md"
            text = item.get("text")
            if text is not None and (cut := cut_short(item)):
                _write_text(partial, text)
                written.remarks.append(f"{partial}: {cut}")
            elif text == "" and has_calls(item.get("message")):
                written.remarks.append(f"{stem}: no text, but a tool call: --format jsonl has it")
            elif text is not None:
                _write_text(whole, text)
                # What an earlier call found while the batch still ran is out of date now.
                partial.unlink(missing_ok=True)
                written.files.append(whole)
            elif part := item.get("partial_text"):
                _write_text(partial, part)
                written.remarks.append(f"{partial}: incomplete: {_status_and_reason(item)}")
            else:
                written.remarks.append(f"{stem}: no text: {_status_and_reason(item)}")
    return written


def safe_name(name: str) -> str:
    """`name` as a part of a file name on any system: letters, digits, `_`, `-` and inner dots, at most 80 bytes."""
    plain = _UNSAFE.sub("-", unicodedata.normalize("NFC", name)).strip("-.")
    return plain.encode()[:80].decode(errors="ignore").strip("-.") or "article"


def _status_and_reason(item: Result) -> str:
    because = why(item)
    return f"{item['status']} ({because})" if because else item["status"]


def _write_text(path: Path, text: str) -> None:
    with _whole_file(path) as file:
        file.write(text.encode())


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name only when all of it is on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; a result is an ordinary file.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
