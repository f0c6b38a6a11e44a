"""A job through a whole Runner: real upstream, real Redis, real database; what is stored, and what is told when."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import update

from jobs.intake.submission import NewJob, submit_batch
from jobs.live.channel import Message
from jobs.model.status import AttemptOutcome, BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.worker.worker_fixtures import (
    MODEL,
    WorkerParts,
    ask,
    history,
    ids_of,
    job_and_text,
    listening,
    open_worker,
    small_settings,
    submit,
)
from worker import attempt as run_module

DELTAS = ["One ", "two – ", "three 🙂", " four"]
TEXT = "".join(DELTAS)


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


def run_to_the_end(worker: WorkerParts, job_id: str) -> list[Message]:
    """Hint a job as submit does, and let dispatch hint it again when it is due; returns what was told."""
    with listening(worker.settings.require_redis_url(), job_id) as ear:
        worker.hint([job_id])
        worker.dispatch.start()
        return ear.wait_for_event("done")


def test_a_completed_job_is_stored_whole(worker: WorkerParts, simulator: ServedSimulator) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS})
    worker.run(job_id)
    job, text = job_and_text(worker.database, job_id)
    encoded = TEXT.encode()
    assert (job.status, text, job.finish_reason) == (JobStatus.COMPLETED, TEXT, "stop")
    assert (job.bytes, job.sha256) == (len(encoded), sha256(encoded).hexdigest())
    assert (job.attempt, job.failures, job.error_code, job.lease_until) == (1, 0, None, None)
    assert job.upstream_model == MODEL
    assert str(job.upstream_id).startswith("chatcmpl-")
    times = [job.created_at, job.started_at, job.first_delta_at, job.finished_at]
    assert times == sorted(time for time in times if time is not None)
    (attempt,) = history(worker.database, job_id)
    assert (attempt.worker, attempt.outcome) == ("w1", AttemptOutcome.COMPLETED)
    assert (attempt.deltas, attempt.bytes, attempt.continued_bytes) == (4, len(encoded), 0)
    assert attempt.started_at == job.started_at
    assert attempt.first_delta_at == job.first_delta_at
    assert attempt.usage == job.usage
    assert simulator.stats()["requests"] == 1


@pytest.mark.parametrize(
    ("model", "told", "source", "text_source"),
    [
        (MODEL, {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}, "upstream", "tokenizer"),
        (MODEL, False, "tokenizer", "tokenizer"),
        ("nobody-knows-it", False, "estimate", "estimate"),
    ],
)
def test_tokens_are_counted_and_their_source_is_named(
    worker: WorkerParts, simulator: ServedSimulator, model: str, told: Any, source: str, text_source: str
) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "usage": told}, fields={"model": model})
    worker.run(job_id)
    job, _ = job_and_text(worker.database, job_id)
    assert job.usage is not None
    assert (job.usage.source, job.text_tokens_source) == (source, text_source)
    assert job.text_tokens
    if told:
        assert (job.usage.input_tokens, job.usage.output_tokens, job.usage.total_tokens) == (7, 9, 16)
    else:
        assert job.usage.output_tokens == job.text_tokens
        assert job.usage.total_tokens == (job.usage.input_tokens or 0) + job.text_tokens
        assert job.usage.cached_tokens is None
    assert simulator.stats()["faults"] == {"usage": 1}


def test_what_is_told_equals_what_is_stored_and_done_comes_after_the_commit(
    worker: WorkerParts, redis_url: str
) -> None:
    half, other_half = "\ud83d", "\ude42"
    deltas = ["NUL \x00, ", "smile ", half, other_half, ", alone ", half, " end", half]
    job_id = submit(worker.database, {"deltas": deltas})
    found: list[tuple[JobStatus, str]] = []

    def look(message: Message) -> None:
        if message.event == "done":
            job, text = job_and_text(worker.database, job_id)
            found.append((job.status, text))

    with listening(redis_url, job_id, look) as ear:
        worker.run(job_id)
        done = ear.wait_for_event("done")[-1]
        stored = "NUL \ufffd, smile 🙂, alone \ufffd end\ufffd"
        assert found == [(JobStatus.COMPLETED, stored)]
        assert ear.text(1) == stored
        assert ear.short_tails == []
        assert [message.event for message in ear.messages if message.event] == ["started", "done"]
    job, _ = job_and_text(worker.database, job_id)
    assert (done.bytes, done.sha256, done.status) == (job.bytes, job.sha256, "completed")


@pytest.mark.parametrize(
    ("reason", "incomplete"), [("length", "max_output_tokens"), ("content_filter", "content_filter"), ("stop", None)]
)
def test_a_text_that_was_limited_is_stored_and_flagged(
    worker: WorkerParts, reason: str, incomplete: str | None
) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "finish_reason": reason})
    worker.run(job_id)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.finish_reason, text) == (JobStatus.COMPLETED, reason, TEXT)
    assert (job.incomplete, job.text_attempt) == (incomplete, 1)


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


def test_the_last_job_to_end_ends_its_batch(worker: WorkerParts) -> None:
    new_jobs = [NewJob(ask({"deltas": [word]})) for word in DELTAS]
    new_jobs.append(NewJob(ask({"deltas": DELTAS, "status": 400})))
    batch_id = submit_batch(worker.database, new_jobs)
    ids = ids_of(worker.database, batch_id.id)
    for job_id in ids[:-1]:
        worker.run(job_id)
    batch = read_batch(worker.database, batch_id.id, project=None)
    assert batch is not None
    assert batch.status is BatchStatus.IN_PROGRESS
    worker.run(ids[-1])
    batch = read_batch(worker.database, batch_id.id, project=None)
    assert batch is not None
    assert (batch.status, batch.completed, batch.failed) == (BatchStatus.COMPLETED, 4, 1)


def test_hints_doubled_unknown_or_late_run_nothing(worker: WorkerParts, simulator: ServedSimulator) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "deltas_per_second": 20})
    doubled = [worker.start(job_id) for _ in range(10)]
    for attempt in doubled:
        attempt.result(20)
    assert not worker.run(job_id)  # late: the job has ended
    assert not worker.run("job_nobody_knows")
    assert simulator.stats()["requests"] == 1
    assert len(history(worker.database, job_id)) == 1
    assert job_and_text(worker.database, job_id)[1] == TEXT


def test_a_doubled_hint_runs_no_attempt_again_whose_thread_has_died(
    worker: WorkerParts, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds its lease for a while, but its number is used: watchers would mix the new text with the old one."""

    def die(*_: object) -> None:
        raise MemoryError

    job_id = submit(worker.database, {"deltas": DELTAS})
    with monkeypatch.context() as patched:
        patched.setattr(run_module, "measure", die)
        with pytest.raises(MemoryError):
            worker.run(job_id)
    assert not worker.run(job_id)
    assert simulator.stats()["requests"] == 1
    job, _ = job_and_text(worker.database, job_id)
    assert (job.status, job.attempt) == (JobStatus.IN_PROGRESS, 1)
