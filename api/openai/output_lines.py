"""The lines of a batch's output and error files, in the form of OpenAI's Batch API, written from the rows each time."""

from collections.abc import Iterator
from typing import Any

from api.http.json_lines import json_line
from api.openai.chat_answers import whole_completion
from jobs.model.records import Job
from jobs.model.status import FINAL, JobStatus
from jobs.store.database import Database
from jobs.store.files import File
from jobs.store.queries import StoredResult, read_batch, stream_results

_COMPLETED = frozenset({JobStatus.COMPLETED})
_CODES = {JobStatus.EXPIRED: "batch_expired", JobStatus.CANCELLED: "batch_cancelled"}
_BYTES_PER_CHUNK = 64 * 1024


def output_lines(database: Database, file: File, *, project: str) -> Iterator[bytes]:
    """The file in pieces of many lines: of the jobs that completed, or of those that ended without, in input order."""
    batch = read_batch(database, file.batch_id or "", project=project)
    if batch is None:
        return
    is_output = file.filename.endswith("_output.jsonl")  # the name is Longhand's own
    waiting: list[bytes] = []
    size = 0
    for result in stream_results(database, batch.id, _COMPLETED if is_output else FINAL - _COMPLETED):
        line = json_line(_line(result))
        waiting.append(line)
        size += len(line)
        if size >= _BYTES_PER_CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _line(result: StoredResult) -> dict[str, Any]:
    job = result.job
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    if job.status is JobStatus.COMPLETED:
        response = _response(job, 200, whole_completion(result))
    elif job.status is JobStatus.FAILED and job.error_status is not None and job.error_status >= 400:
        kind = "invalid_request_error" if job.error_status < 500 else "server_error"
        told = {"message": job.error_message, "type": kind, "param": None, "code": job.error_code}
        response = _response(job, job.error_status, {"error": told})
    else:
        error = {"code": _CODES.get(job.status, job.error_code), "message": job.error_message}
    return {"id": f"batch_req_{_suffix(job)}", "custom_id": job.custom_id, "response": response, "error": error}


def _response(job: Job, status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": status, "request_id": job.id, "body": body}


def _suffix(job: Job) -> str:
    return job.id.removeprefix("job_")
