"""An uploaded file as jobs: every line of it checked, one after the other."""

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath

from api.submitting.batch_orders import NewFileBatch
from api.submitting.input_lines import LineChecker
from api.submitting.named_upstreams import NamedUpstreams
from jobs.inputs.mistakes import MistakeError, Notes
from jobs.inputs.reading import SUFFIXES, InputFile, ReadOptions, kind_of
from jobs.inputs.table import Line
from jobs.intake.submission import NewJob
from jobs.settings import Settings


def open_file(
    opened: io.BufferedReader, filename: str, read: ReadOptions | None, settings: Settings, notes: Notes
) -> InputFile:
    """The file, ready to be read. Raises `MistakeError`.

    Without `read` the file is in OpenAI's form, whose names may end in anything.
    """
    ending = PurePath(filename).suffix.lower()
    kind = kind_of(filename) if read is not None else ending if ending in SUFFIXES else ".jsonl"
    return InputFile(opened, kind, read or ReadOptions(), max_line_bytes=settings.max_line_bytes, notes=notes)


def check_file(
    opened: io.BufferedReader,
    filename: str,
    order: NewFileBatch,
    settings: Settings,
    upstreams: NamedUpstreams,
    notes: Notes,
) -> Iterator[NewJob | MistakeError]:
    """The jobs of a file, and what is wrong in place of each that cannot be one."""
    try:
        file = open_file(opened, filename, order.read, settings, notes)
        yield from check_lines(file, order, settings, upstreams)
    except MistakeError as mistake:
        yield mistake


def check_lines(
    file: InputFile, order: NewFileBatch, settings: Settings, upstreams: NamedUpstreams, *, limit: int | None = None
) -> Iterator[NewJob | MistakeError]:
    """The jobs of a file that is open already. Raises `MistakeError` for a template that does not fit."""
    needs_custom_id = order.read is None and not file.is_table
    checker = LineChecker(
        order.defaults,
        file.notes,
        upstreams,
        needs_custom_id=needs_custom_id,
        endpoint=order.options.endpoint,
        merge=order.merge,
    )
    taken, size, shared_size = 0, 0, order.shared.size if order.shared else 0
    skip, most = (order.read.skip, order.read.take) if order.read else (0, None)
    stop = min((skip + end for end in (limit, most) if end is not None), default=None)
    for line in islice(file.lines(), skip, stop):
        taken += 1
        if taken > settings.max_batch_jobs:
            reason = f"the file has more than {settings.max_batch_jobs} lines (LONGHAND_MAX_BATCH_JOBS)"
            yield MistakeError("too_many_lines", reason, "split it", line=line.line)
            return
        size += shared_size + (len(line.content) if isinstance(line, Line) else 0)
        if size > settings.max_file_bytes:  # a short row can be a long request: each has the template and the columns
            reason = f"its requests, each with all that is stated once, have over {settings.max_file_bytes} bytes"
            yield MistakeError("batch_too_large", f"{reason} (LONGHAND_MAX_FILE_BYTES)", "split it", line=line.line)
            return
        try:
            yield checker.check(line)
        except MistakeError as mistake:
            yield mistake
    if not taken:
        yield MistakeError("empty_file", "the file has no requests", "write one a line")
