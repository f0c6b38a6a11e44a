"""A batch from a file: its lines are checked and stored as they are read, and taken whole or not at all."""

import threading
from collections.abc import Callable
from logging import getLogger
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import anyio.to_thread
from starlette.responses import Response

from api.access.caller import Caller
from api.errors import ApiError, JsonAnswer
from api.openai.uploads import not_readable
from api.parameters import is_id
from api.parts import Parts
from api.submitting.checks import NewFileBatch, check_file_batch
from api.submitting.idempotency import replayed
from api.submitting.input_lines import MOST_ERRORS, LineChecker, LineError, read_lines
from jobs.drafts import Draft, DraftLostError
from jobs.files import BATCH, File, read_file
from jobs.idempotency import IdempotencyKey, KeyReusedError, find_key
from jobs.queries import read_batch
from jobs.settings import Settings
from jobs.submission import Accepted, BatchTerms, NewJob

_JOBS_PER_WRITE = 500
_BYTES_PER_WRITE = 2 * 1024 * 1024
"""What one transaction stores: every other writer waits for it on SQLite."""

log = getLogger(__name__)


class StoppedError(Exception):
    """The process was told to end before the whole file was read."""


async def post_file_batch(parts: Parts, caller: Caller, body: bytes, key: IdempotencyKey | None) -> Response:
    """Make a batch of the file that the body names; the answer is the batch, in progress or failed.

    Raises `ApiError`, and `KeyReusedError`.
    """
    wanted = await anyio.to_thread.run_sync(check_file_batch, body)
    stopped = threading.Event()
    try:
        # A few at a time: each is minutes of work for one core at worst, and holds one of the process's threads.
        accepted = await anyio.to_thread.run_sync(
            make_file_batch, parts, caller.project, wanted, key, stopped.is_set, limiter=parts.file_batches,
            abandon_on_cancel=True,
        )  # fmt: skip
    finally:
        stopped.set()  # when this was cancelled: the process ends, and the thread gives up what it has stored
    if not accepted.repeated:
        parts.waker.wake()
    batch = await anyio.to_thread.run_sync(_read, parts, accepted.id, caller.project)
    return JsonAnswer(batch, 200, headers={"location": f"/v1/batches/{accepted.id}", **replayed(accepted)})


def make_file_batch(
    parts: Parts, project: str, wanted: NewFileBatch, key: IdempotencyKey | None, stopped: Callable[[], bool]
) -> Accepted:
    """Read a file and store a batch: one that runs, or one that has failed with the errors of its lines.

    Raises `ApiError`, `KeyReusedError`, and `StoppedError` once `stopped` says so; nothing is stored then.
    """
    if key is not None:
        known = find_key(parts.database, project, key)  # not to read 200 MB for a batch that is there
        if known is not None:
            return Accepted(known, repeated=True)
    file = _find(parts, project, wanted.input_file_id)
    terms = BatchTerms(
        project,
        file.id,
        wanted.metadata,
        wanted.completion_window,
        wanted.completion_seconds,
        wanted.output_seconds,
        key,
    )
    draft = Draft(parts.database, terms)
    began = monotonic()
    try:
        errors = _fill(draft, parts.settings, wanted.for_all, parts.settings.files_folder / file.id, stopped)
        accepted = draft.refuse(errors.as_json()) if errors.first else draft.accept()
    except FileNotFoundError:
        draft.drop()
        raise not_readable(file.id, param="input_file_id") from None
    except DraftLostError:
        raise ApiError(503, "interrupted", "the service was stopped for too long while it read the file, and nothing"
                       " of it was kept; send it again", headers={"Retry-After": "2"}) from None  # fmt: skip
    except BaseException:
        draft.drop()
        raise
    log.info("submit %d jobs of %s in %.1f s, %d errors", draft.total, file.id, monotonic() - began, len(errors.first))
    return accepted


class _Errors:
    """The errors of a file's lines: the first ones, and how many more there are."""

    def __init__(self) -> None:
        self.first: list[LineError] = []
        self._more = 0

    def add(self, error: LineError) -> None:
        if len(self.first) < MOST_ERRORS:
            self.first.append(error)
        else:
            self._more += 1

    def as_json(self) -> list[dict[str, Any]]:
        rest = [LineError(None, "more_errors", f"{self._more} more lines are wrong")] if self._more else []
        return [error.as_json() for error in (*self.first, *rest)]


def _fill(draft: Draft, settings: Settings, for_all: NewJob, path: Path, stopped: Callable[[], bool]) -> _Errors:
    """Store the file's jobs. After the first error nothing more is stored, but every line is still checked."""
    checker = LineChecker(for_all, settings.max_line_bytes)
    errors = _Errors()
    waiting: list[NewJob] = []
    waiting_bytes = taken = 0
    with path.open("rb", buffering=1024 * 1024) as opened:
        for number, line in read_lines(opened, settings.max_line_bytes):
            if stopped():
                raise StoppedError
            taken += 1
            if taken > settings.max_batch_jobs:
                message = f"the file has more than {settings.max_batch_jobs} lines (LONGHAND_MAX_BATCH_JOBS): split it"
                errors.add(LineError(number, "too_many_lines", message))
                break
            try:
                waiting.append(checker.check(number, line))
            except LineError as error:
                errors.add(error)
                continue
            waiting_bytes += len(line or b"")
            if len(waiting) >= _JOBS_PER_WRITE or waiting_bytes >= _BYTES_PER_WRITE:
                if not errors.first:
                    draft.add(waiting)
                waiting, waiting_bytes = [], 0
    if not taken:
        errors.add(LineError(None, "empty_file", "the file has no lines: each is one request as JSON"))
    if not errors.first:
        draft.add(waiting)
    return errors


def _find(parts: Parts, project: str, file_id: str) -> File:
    file = read_file(parts.database, file_id, project=project) if is_id(file_id) else None
    if file is None:
        raise ApiError(404, "not_found", f"input_file_id: no file has the id {file_id[:80]!r}", param="input_file_id")
    if file.purpose != BATCH:
        raise ApiError(400, "invalid_value", f"input_file_id: the purpose of {file.id} is {file.purpose!r}; it must be"
                       f" {BATCH!r}", param="input_file_id")  # fmt: skip
    return file


def _read(parts: Parts, batch_id: str, project: str) -> dict[str, object]:
    batch = read_batch(parts.database, batch_id, project=project)
    if batch is None:  # what the key stands for is a job
        raise KeyReusedError
    return batch.as_json()
