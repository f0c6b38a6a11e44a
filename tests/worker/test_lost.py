"""The attempt of a worker that died costs what it had written by its last checkpoint, and the history says so."""

from typing import Any

import pytest

from jobs.lifecycle.continued import note_segments
from jobs.lifecycle.lease import Checkpoint, note_continued, renew
from jobs.lifecycle.lost import list_lost_texts
from jobs.lifecycle.rescue import rescue_lost
from jobs.model.records import Usage
from jobs.model.segments import Segment
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tokens import Tokenizers
from longhand.simulator import ServedSimulator
from tests.store.reserving import claim_now
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    DELTAS,
    MODEL,
    TEXT,
    ask,
    expire_lease,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
    wait_until,
)
from worker.active_attempts import StopReason
from worker.lost import LostCounter

WAITS: dict[str, Any] = {"deltas": DELTAS, "silent_after": 3}


@pytest.fixture
def tokenizers() -> Tokenizers:
    return Tokenizers(None)


def lose(database: Database, job_id: str, text: str, *, continued: int = 0) -> None:
    """Let a worker write this much of a job and die."""
    claimed = claim_now(database, job_id, "dead", 60)
    assert claimed is not None
    note_continued(database, job_id, claimed.attempt, continued)
    renew(database, "dead", [Checkpoint(job_id, claimed.attempt, text, 7)], 60)
    expire_lease(database, job_id)
    assert [change.id for change in rescue_lost(database)] == [job_id]


def test_an_attempt_whose_worker_died_is_counted_as_one_that_was_cancelled(
    database: Database, redis_url: str, simulator: ServedSimulator, tokenizers: Tokenizers
) -> None:
    lost, cancelled = (submit(database, WAITS | {"key": name}) for name in ("lost", "cancelled"))
    with open_worker(database, small_settings(redis_url, simulator.url, between_deltas_seconds=60)) as worker:
        for job_id in (lost, cancelled):
            with listening(redis_url, job_id) as ear:
                worker.start(job_id)
                ear.wait_for_bytes(len(TEXT.encode()))
        worker.heartbeat._beat(worker.running.all())
        expire_lease(database, lost)
        assert [change.id for change in rescue_lost(database)] == [lost]
        worker.running.stop(lost, StopReason.LOST)
        worker.running.stop(cancelled, StopReason.CANCEL)
        wait_until(lambda: len(worker.running) == 0, "both streams are cut")
    [of_lost], [of_cancelled] = history(database, lost), history(database, cancelled)
    assert (of_lost.outcome, of_lost.usage, of_lost.deltas, of_lost.bytes) == (AttemptOutcome.LOST, None, None, None)
    LostCounter(database, tokenizers, 60).count_all()
    [of_lost] = history(database, lost)
    assert of_lost.usage == of_cancelled.usage
    assert of_lost.usage is not None
    assert (of_lost.usage.source, of_lost.deltas, of_lost.bytes) == ("tokenizer", 3, len(TEXT.encode()))
    assert of_lost.usage.output_tokens == tokenizers.count_text(MODEL, TEXT).tokens > 0
    assert of_lost.usage.input_tokens == tokenizers.count_messages(MODEL, ask()["messages"]).tokens > 0
    assert list_lost_texts(database) == []


def test_a_text_that_goes_on_is_charged_once_and_then_as_prompt(database: Database, tokenizers: Tokenizers) -> None:
    job_id = submit(database, on_interrupt="continue")
    begun, whole = "Once upon a time there was a river. ", "Once upon a time there was a river. It ran into the sea."
    lose(database, job_id, begun)
    lose(database, job_id, whole, continued=len(begun.encode()))
    LostCounter(database, tokenizers, 60).count_all()
    first, second = (attempt.usage for attempt in history(database, job_id))
    assert first is not None
    assert second is not None
    of_begun, of_whole = (tokenizers.count_text(MODEL, text).tokens for text in (begun, whole))
    assert first.output_tokens == of_begun
    assert second.output_tokens == of_whole - of_begun
    assert second.input_tokens == (first.input_tokens or 0) + of_begun


def test_of_a_text_in_parts_the_whole_requests_cost_what_they_said(
    sqlite_database: Database, tokenizers: Tokenizers
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    first, rest = "Once upon a time there was a river. ", "It ran into the sea."
    claimed = claim_now(sqlite_database, job_id, "dead", 60)
    assert claimed is not None
    told = Usage(11, None, 13, None, 24, source="upstream")
    part = Segment(1, 0, len(first.encode()), "default", "length", told)
    note_segments(sqlite_database, job_id, 1, [part])
    renew(sqlite_database, "dead", [Checkpoint(job_id, 1, first + rest, 7)], 60)
    expire_lease(sqlite_database, job_id)
    assert rescue_lost(sqlite_database)
    LostCounter(sqlite_database, tokenizers, 60).count_all()
    [lost] = history(sqlite_database, job_id)
    assert lost.usage is not None
    of_first, of_whole = (tokenizers.count_text(MODEL, text).tokens for text in (first, first + rest))
    assert lost.usage.output_tokens == 13 + of_whole - of_first
    prompt = tokenizers.count_messages(MODEL, ask()["messages"]).tokens
    assert lost.usage.input_tokens == 11 + prompt + of_first
    assert lost.usage.source == "tokenizer"


def test_what_an_attempt_only_took_over_says_nothing_of_its_cost(database: Database, tokenizers: Tokenizers) -> None:
    job_id = submit(database, on_interrupt="continue")
    lose(database, job_id, TEXT)
    lose(database, job_id, TEXT, continued=len(TEXT.encode()))
    LostCounter(database, tokenizers, 60).count_all()
    first, second = history(database, job_id)
    assert first.usage is not None
    assert (second.usage, second.bytes) == (None, len(TEXT.encode()))
    assert list_lost_texts(database) == []


def test_without_a_tokenizer_it_is_an_estimate_and_says_so(database: Database, tokenizers: Tokenizers) -> None:
    job_id = submit(database, fields={"model": "some-model-of-their-own"})
    lose(database, job_id, TEXT)
    LostCounter(database, tokenizers, 60).count_all()
    [only] = history(database, job_id)
    assert only.usage is not None
    assert only.usage.source == "estimate"
    assert (only.usage.output_tokens or 0) > 0


def test_a_job_that_ends_as_worker_lost_has_the_usage_of_its_last_attempt(
    database: Database, tokenizers: Tokenizers
) -> None:
    job_id = submit(database)
    for number in range(3):
        lose(database, job_id, TEXT * (number + 1))
    LostCounter(database, tokenizers, 60).count_all()
    usages = [attempt.usage for attempt in history(database, job_id)]
    job, text = job_and_text(database, job_id)
    assert (job.status, job.error_code, text) == (JobStatus.FAILED, "worker_lost", TEXT * 3)
    assert job.usage == usages[2]
    assert job.text_tokens == tokenizers.count_text(MODEL, TEXT * 3).tokens
    written = [usage.output_tokens or 0 for usage in usages if usage is not None]
    assert written == sorted(set(written))
    assert len(written) == 3


def test_one_that_cannot_be_counted_stays_and_keeps_no_other_from_it(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture, tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [submit(sqlite_database) for _ in range(5)]
    for job_id in ids:
        lose(sqlite_database, job_id, TEXT if job_id != ids[2] else "broken")
    counter = LostCounter(sqlite_database, tokenizers, 60)
    count_text = tokenizers.count_text

    def refuse(model: str, text: str) -> Any:
        if text == "broken":
            raise ValueError("a text that no tokenizer takes")
        return count_text(model, text)

    with monkeypatch.context() as patched:
        patched.setattr(tokenizers, "count_text", refuse)
        counter.count_all()
    assert "a lost attempt cannot be counted" in caplog.text
    assert list_lost_texts(sqlite_database) == [(ids[2], 1)]
    counter.count_all()
    assert list_lost_texts(sqlite_database) == []
    assert all(isinstance(history(sqlite_database, job_id)[0].usage, Usage) for job_id in ids)


def test_it_counts_by_itself_from_its_start_to_its_stop(sqlite_database: Database, tokenizers: Tokenizers) -> None:
    job_id = submit(sqlite_database)
    counter = LostCounter(sqlite_database, tokenizers, 0.01)
    counter.start()
    lose(sqlite_database, job_id, TEXT)
    wait_until(lambda: history(sqlite_database, job_id)[0].usage, "it is counted")
    counter.stop()
    assert not counter._thread.is_alive()
