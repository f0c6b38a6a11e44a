"""A job through a whole Runner: real upstream, real Redis, real database; what is stored, and what is told when."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from jobs.intake.submission import NewJob, submit_batch
from jobs.live.channel import Message
from jobs.model.status import AttemptOutcome, BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch
from longhand.simulator import ServedSimulator
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    MODEL,
    WorkerParts,
    ask,
    history,
    ids_of,
    job_and_text,
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
