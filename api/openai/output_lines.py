"""The lines of a batch's output and error files, in the form of OpenAI's Batch API, written from the rows each time."""

from collections.abc import Iterator
from typing import Any

from api.http.errors import ApiError, error_body
from api.http.json_lines import json_line
from api.openai.chat_answers import whole_completion
from api.openai.response_object import read_response_object
from jobs.inputs.dialects import RESPONSES
from jobs.lifecycle.responses import stream_responses
from jobs.model.batch_records import Batch
from jobs.model.records import Job
from jobs.model.status import FINAL, JobStatus
from jobs.store.database import Database
from jobs.store.files import File
from jobs.store.groups_by_bytes import most_bytes_at_once
from jobs.store.queries import read_batch, stream_results

_COMPLETED = frozenset({JobStatus.COMPLETED})
_CODES = {JobStatus.EXPIRED: "batch_expired", JobStatus.CANCELLED: "batch_cancelled"}


def output_lines(database: Database, file: File, *, project: str) -> Iterator[bytes]:
    """The file in pieces of many lines: of the jobs that completed, or of those that ended without, in input order."""
    batch = read_batch(database, file.batch_id or "", project=project)
    if batch is None:
        return
    yield from map(json_line, _lines(database, batch, _statuses_of(file)))


def bytes_at_once(database: Database, file: File) -> int:
    """How many bytes of texts are read at a time for such a file."""
    return most_bytes_at_once(database, file.batch_id or "", _statuses_of(file), also=["request"])


def _statuses_of(file: File) -> frozenset[JobStatus]:
    is_output = file.filename.endswith("_output.jsonl")  # the name is Longhand's own
    return _COMPLETED if is_output else FINAL - _COMPLETED


def _lines(database: Database, batch: Batch, statuses: frozenset[JobStatus]) -> Iterator[dict[str, Any]]:
    """The lines, in the form of the endpoint that the batch was made for."""
    if batch.endpoint == RESPONSES:
        for stored in stream_responses(database, batch.id, statuses):
            yield _line(stored.job, read_response_object(database, stored))
    else:
        for result in stream_results(database, batch.id, statuses):
            yield _line(result.job, whole_completion(result))


def _line(job: Job, whole: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    if job.status is JobStatus.COMPLETED:
        response = _response(job, 200, whole)
    elif job.status is JobStatus.FAILED and job.error_status is not None and job.error_status >= 400:
        refused = ApiError(job.error_status, job.error_code or "failed", job.error_message or "")
        response = _response(job, job.error_status, error_body(refused))
    else:
        error = {"code": _CODES.get(job.status, job.error_code), "message": job.error_message}
    line_id = f"batch_req_{job.id.removeprefix('job_')}"
    return {"id": line_id, "custom_id": job.custom_id, "response": response, "error": error}


def _response(job: Job, status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": status, "request_id": job.id, "body": body}
