"""A job whose upstream fails: what passes is retried, what lasts fails the job, and what was written is kept."""

import json
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import update

from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.sparing import on_sqlite
from tests.worker.ear import listening, run_to_the_end
from tests.worker.test_attempt import DELTAS, TEXT, worker
from tests.worker.worker_fixtures import WorkerParts, ask, history, job_and_text, open_worker, small_settings, submit

__all__ = ["worker"]  # a fixture


def order_next(worker: WorkerParts, job_id: str, simulate: dict[str, Any]) -> None:
    """What the upstream is to do at the next attempt."""
    with worker.database.write() as connection:
        changed = {"request": json.dumps(ask(simulate)), "due_at": worker.database.now()}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(changed))


@pytest.mark.parametrize("refusal", [{"status": 400}, {"deltas": ["One "], "finish_reason": "stop", "no_end": True}])
def test_a_paid_text_outlives_a_last_attempt_that_writes_less(worker: WorkerParts, refusal: dict[str, Any]) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "cut_after": 3}, max_attempts=2)
    with listening(worker.settings.require_redis_url(), job_id) as ear:
        worker.run(job_id)
        order_next(worker, job_id, refusal)
        worker.run(job_id)
        done = ear.wait_for_event("done")[-1]
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text) == (JobStatus.FAILED, "".join(DELTAS[:3]))
    assert (job.attempt, job.text_attempt) == (2, 1)
    first, second = history(worker.database, job_id)
    assert (job.usage, job.bytes) == (first.usage, first.bytes)
    assert second.bytes is not None
    assert second.bytes < len(text.encode())
    # What is told of the end is what is stored, and not what the last attempt wrote.
    assert (done.attempt, done.bytes, done.sha256) == (2, job.bytes, job.sha256)
    assert job.sha256 == sha256(text.encode()).hexdigest()


RETRIED: list[tuple[dict[str, Any], str]] = [
    *(({"cut_after": k}, "upstream_cut") for k in range(5)),
    ({"no_end": True}, "upstream_ended_without_end"),
    ({"error_after": 2}, "upstream_error_in_stream"),
    ({"body": "json_error"}, "upstream_error_in_stream"),
    ({"body": "html"}, "upstream_not_a_stream"),
    ({"body": "bare_done"}, "upstream_empty_completion"),
    ({"body": "empty"}, "upstream_ended_without_end"),
    ({"stall_after": 2}, "upstream_stalled"),
    ({"silent_after": 2}, "upstream_stalled"),
    ({"stall_after": 0}, "upstream_no_first_delta"),
    ({"status": 500}, "upstream_server_error"),
]


@pytest.mark.parametrize(("fault", "code"), RETRIED, ids=str)
def test_a_passing_fault_is_retried_and_costs_one_attempt(
    sqlite_database: Database, redis_url: str, simulator: ServedSimulator, fault: dict[str, Any], code: str
) -> None:
    # Only what is to run out is short, and long enough for a slow machine to write a delta in time.
    hurry = {"first_delta_seconds": 2, "between_deltas_seconds": 2} if "stall" in code or "no_first" in code else {}
    hurried = small_settings(redis_url, simulator.url, **hurry)
    job_id = submit(sqlite_database, {"deltas": DELTAS, **fault, "times": 1, "key": "k"})
    with open_worker(sqlite_database, hurried) as worker:
        run_to_the_end(worker, job_id)
    job, text = job_and_text(sqlite_database, job_id)
    assert (job.status, text, job.failures, job.attempt, job.error_code) == (JobStatus.COMPLETED, TEXT, 1, 2, None)
    first, second = history(sqlite_database, job_id)
    assert (first.outcome, first.error_code) == (AttemptOutcome.FAILED, code)
    assert second.outcome is AttemptOutcome.COMPLETED
    after = next((value for name, value in fault.items() if name.endswith("_after") and name != "retry_after"), 0)
    assert (first.deltas, first.bytes) == (
        4 if "no_end" in fault else after,
        len(("" if not after else "".join(DELTAS[:after])).encode() if "no_end" not in fault else TEXT.encode()),
    )
    # Nothing written: what it cost is unknown. Something written: it is counted here.
    assert (first.usage is None) == (first.bytes == 0)
    assert simulator.stats()["by_key"]["k"] == 2
    assert sum(simulator.stats()["faults"].values()) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("fault", "code", "calls"),
    [
        ({"cut_after": 2}, "upstream_cut", 3),
        ({"status": 400}, "upstream_rejected", 1),
        ({"deltas": [], "shapes": ["refusal"]}, "upstream_refusal", 1),
        ({"long_line": 3_000_000}, "upstream_line_too_long", 1),
    ],
)
def test_a_lasting_fault_fails_the_job_and_keeps_what_was_written(
    worker: WorkerParts, simulator: ServedSimulator, fault: dict[str, Any], code: str, calls: int
) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "key": "k", **fault})
    heard = run_to_the_end(worker, job_id)
    done = heard[-1]
    queued = [message.attempt for message in heard if message.event == "queued"]
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.error_code, job.failures) == (JobStatus.FAILED, code, calls)
    assert job.error_message
    assert simulator.stats()["by_key"]["k"] == calls
    assert queued == list(range(1, calls))
    assert (done.status, done.bytes, done.sha256) == ("failed", len(text.encode()), sha256(text.encode()).hexdigest())
    if "cut_after" in fault:
        assert text == "".join(DELTAS[:2])


@pytest.mark.parametrize("shape", ["empty_choices", "null_content", "reasoning"])
def test_odd_chunks_are_no_fault(worker: WorkerParts, simulator: ServedSimulator, shape: str) -> None:
    job_id = submit(
        worker.database, {"deltas": DELTAS, "shapes": [shape], "crlf": True, "bom": True, "bytes_per_write": 3}
    )
    worker.run(job_id)
    assert job_and_text(worker.database, job_id)[1] == TEXT
    assert simulator.stats()["faults"]["shapes"] == 1


def test_a_job_waits_uncharged_as_long_as_a_busy_upstream_asked(
    sqlite_database: Database, redis_url: str, simulator: ServedSimulator
) -> None:
    job_id = submit(sqlite_database, {"deltas": DELTAS, "status": 503, "retry_after": 40})
    with open_worker(sqlite_database, small_settings(redis_url, simulator.url)) as worker:
        worker.run(job_id)
        job, _ = job_and_text(sqlite_database, job_id)
        attempt = history(sqlite_database, job_id)[0]
        assert attempt.finished_at is not None
        assert (job.due_at - attempt.started_at).total_seconds() >= 40
        assert (job.due_at - attempt.finished_at).total_seconds() < 41
        worker.run(job_id)  # not due: nothing runs
    assert (job.status, job.failures, job.rate_limits) == (JobStatus.QUEUED, 0, 1)
    assert simulator.stats()["requests"] == 1
