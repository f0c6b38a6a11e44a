"""A text whose check does not come soon waits where it holds no stream and no place in a lane, and is as safe there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from jobs.acceptance import check_turns
from jobs.dispatch.due import count_in_flight
from jobs.dispatch.lane_news import LaneNews
from jobs.intake.submission import NewJob, submit_job
from jobs.lifecycle.rescue import rescue_lost
from jobs.model.status import JobStatus
from jobs.pace.reports import Finished
from jobs.store.database import Database
from jobs.tables import jobs
from tests.store.reserving import claim_now
from tests.upstream.scripted_upstream import ScriptedUpstream
from tests.worker.accepting import GOOD, RULES, worker_on, writes
from tests.worker.worker_fixtures import (
    PATIENCE_SECONDS,
    WorkerParts,
    ask,
    expire_lease,
    history,
    job_and_text,
    submit,
    wait_until,
)
from worker import waiting_checks
from worker.active_attempts import StopReason
from worker.metrics import WorkerMetrics


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_checks, "PATIENCE_SECONDS", 0.0)


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(writes(GOOD)) as scripted:
        yield scripted


@pytest.fixture
def worker(database: Database, redis_url: str, upstream: ScriptedUpstream) -> Iterator[WorkerParts]:
    """With one stream."""
    with worker_on(database, redis_url, upstream, streams=1) as made:
        yield made


@contextmanager
def checks_held(worker: WorkerParts, project: str = "slow") -> Iterator[None]:
    """As if this project's check took so long."""
    with worker.answer_check.format_check.turns.hold(project):
        yield


def submit_of(project: str, worker: WorkerParts, **options: Any) -> str:
    return submit_job(worker.database, NewJob(ask(), **options), project=project).id


def last_upstream(database: Database, job_id: str) -> str | None:
    with database.read() as connection:
        return connection.scalar(select(jobs.c.last_upstream).where(jobs.c.id == job_id))


def let_wait(worker: WorkerParts, project: str = "default", **options: Any) -> str:
    """A job whose text is written and waits for its check; its thread is free."""
    job_id = submit_of(project, worker, accept=RULES, **options)
    worker.start(job_id).result(PATIENCE_SECONDS)
    assert [(one.job.id, one.waits_for_check) for one in worker.running.all()] == [(job_id, True)]
    return job_id


def wait_for_end(worker: WorkerParts) -> None:
    wait_until(lambda: len(worker.running) == 0, "the attempt that waited has ended")


def in_flight(database: Database) -> int:
    with database.read() as connection:
        return sum(lane.total for lane in count_in_flight(connection, database.now(), 60).values())


def free_streams(worker: WorkerParts) -> list[float]:
    metrics = WorkerMetrics(worker.counts, worker.running, 1).read()
    return [one.samples[0].value for one in metrics if one.name == "longhand_worker_streams_free"]


def test_a_text_that_waits_for_its_check_keeps_no_stream_and_no_place_from_others(worker: WorkerParts) -> None:
    with checks_held(worker):
        job_id = let_wait(worker)
        assert (worker.running.streams, free_streams(worker), in_flight(worker.database)) == (0, [1], 0)
        job, _ = job_and_text(worker.database, job_id)
        assert (job.status, job.upstream) == (JobStatus.IN_PROGRESS, "default")
        other = submit(worker.database)
        worker.dispatch._round()  # the one stream of the process is free
        wait_until(lambda: job_and_text(worker.database, other)[0].is_final, "the other job has ended")
        assert worker.hints == [[other]]
    wait_for_end(worker)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.attempt, job.upstream) == (JobStatus.COMPLETED, GOOD, 1, "default")
    assert job.usage is not None
    assert job.usage.output_tokens == 7


@pytest.mark.parametrize(("then", "status"), [(None, JobStatus.COMPLETED), (StopReason.CANCEL, JobStatus.CANCELLED)])
def test_a_pause_that_gives_back_what_runs_takes_no_whole_text_but_a_cancel_still_ends_the_wait(
    worker: WorkerParts, then: StopReason | None, status: JobStatus
) -> None:
    """It was written again, and paid twice."""
    with checks_held(worker):
        job_id = let_wait(worker)
        worker.running.stop(job_id, StopReason.RELEASE)
        if then is not None:
            worker.running.stop(job_id, then)
            wait_for_end(worker)  # the check has not come
    wait_for_end(worker)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.attempt) == (status, GOOD, 1)


def test_its_lane_hears_once_that_it_has_ended(worker: WorkerParts, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Finished] = []

    def note(_: object, news: LaneNews) -> None:
        told.extend(report for report in news.reports if isinstance(report, Finished))

    monkeypatch.setattr(worker.lanes, "note", note)
    with checks_held(worker):
        let_wait(worker)
        assert [report.used_tokens for report in told] == [27]
    wait_for_end(worker)
    assert len(told) == 1


def test_its_text_is_rejected_as_any_other(worker: WorkerParts) -> None:
    with checks_held(worker):
        job_id = submit(worker.database, accept={"min_words": 90}, on_reject="retry", max_attempts=2)
        worker.start(job_id).result(PATIENCE_SECONDS)
    wait_for_end(worker)
    job, _ = job_and_text(worker.database, job_id)
    assert (job.status, job.failures, job.upstream) == (JobStatus.QUEUED, 1, None)
    assert [one.outcome for one in history(worker.database, job_id)] == ["not_accepted"]
    wait_until(lambda: worker.run(job_id), "the second attempt is due")
    wait_until(lambda: job_and_text(worker.database, job_id)[0].is_final, "the second attempt has ended")
    assert job_and_text(worker.database, job_id)[0].error_code == "not_accepted"


@pytest.mark.parametrize(
    ("reason", "status"),
    [(StopReason.CANCEL, JobStatus.CANCELLED), (StopReason.EXPIRE, JobStatus.EXPIRED)],
)
def test_what_stops_a_stream_ends_the_waiting_and_keeps_the_text(
    worker: WorkerParts, reason: StopReason, status: JobStatus
) -> None:
    with checks_held(worker):
        job_id = let_wait(worker)
        worker.running.stop(job_id, reason)
        wait_for_end(worker)  # the check has not come
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.failures, text) == (status, 0, GOOD)
    [attempt] = history(worker.database, job_id)
    assert (attempt.bytes, attempt.upstream) == (len(GOOD), "default")


@pytest.mark.parametrize("comes", [True, False])
def test_a_drain_waits_some_seconds_for_a_check_and_then_gives_the_job_back(
    worker: WorkerParts, monkeypatch: pytest.MonkeyPatch, *, comes: bool
) -> None:
    monkeypatch.setattr(waiting_checks, "DRAIN_SECONDS", PATIENCE_SECONDS if comes else 0.0)
    with checks_held(worker):
        job_id = let_wait(worker)
        worker.running.drain()
        if not comes:
            wait_for_end(worker)
    wait_for_end(worker)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.drains) == ((JobStatus.COMPLETED, 0) if comes else (JobStatus.QUEUED, 1))
    assert text == (GOOD if comes else "")


def test_its_lease_is_renewed_and_its_text_stored_and_after_a_crash_another_worker_has_it(
    worker: WorkerParts, redis_url: str, upstream: ScriptedUpstream
) -> None:
    database = worker.database
    with checks_held(worker):
        job_id = let_wait(worker, on_interrupt="continue")
        expire_lease(database, job_id)
        worker.heartbeat._beat(worker.running.all())
        assert rescue_lost(database) == []
        expire_lease(database, job_id)
        assert [change.id for change in rescue_lost(database)] == [job_id]
        assert last_upstream(database, job_id) == "default"
        with worker_on(database, redis_url, upstream) as second:
            claimed = claim_now(second.database, job_id, "w2", 60)
            assert claimed is not None
            assert (claimed.attempt, claimed.text, claimed.continues) == (2, GOOD, True)
        worker.heartbeat._beat(worker.running.all())  # it finds its lease gone
        wait_for_end(worker)
    job, _ = job_and_text(database, job_id)
    assert (job.status, job.attempt, job.crashes) == (JobStatus.IN_PROGRESS, 2, 1)


def test_where_there_is_no_room_it_waits_in_its_own_thread(worker: WorkerParts) -> None:
    room = worker.runner._ends._waiting._room
    while room.acquire(blocking=False):
        pass
    with checks_held(worker):
        job_id = submit(worker.database, accept=RULES)
        attempt = worker.start(job_id)
        wait_until(lambda: worker.answer_check.format_check.turns._waiting, "it waits for its check")
        wait_until(lambda: len(worker.running) and in_flight(worker.database) == 0, "it has left its lane")
        assert worker.running.streams == 1
        assert not attempt.done()
    attempt.result(PATIENCE_SECONDS)
    assert job_and_text(worker.database, job_id)[0].status is JobStatus.COMPLETED


def test_where_no_thread_can_start_it_ends_in_its_own(worker: WorkerParts, monkeypatch: pytest.MonkeyPatch) -> None:
    refused, start = threading.Event(), threading.Thread.start

    def start_unless_waiting(thread: threading.Thread) -> None:
        if thread.name == "waiting check":
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_unless_waiting)
    waiting, job_id = worker.runner._ends._waiting, submit(worker.database, accept=RULES)
    room = waiting._room._value
    with checks_held(worker):
        attempt = worker.start(job_id)
        wait_until(refused.is_set, "no thread is given")
    attempt.result(PATIENCE_SECONDS)
    assert (waiting._room._value, waiting._threads) == (room, set()), "nothing is left there"
    assert [(one.attempt, one.outcome) for one in history(worker.database, job_id)] == [(1, "completed")]


def test_a_project_whose_checks_take_long_gets_no_more_streams_and_others_do(
    worker: WorkerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_turns, "MOST_BEHIND_SECONDS", 0.0)
    with checks_held(worker, "red"):
        first = let_wait(worker, project="red")
        assert worker.answer_check.behind(10) == {"red"}
        second, other = submit_of("red", worker), submit_of("blue", worker)
        for _ in range(2):
            worker.dispatch._round()
            wait_until(lambda: job_and_text(worker.database, other)[0].is_final, "the other project's job has ended")
        assert worker.hints == [[other]]
    wait_for_end(worker)
    worker.dispatch._round()
    wait_until(lambda: job_and_text(worker.database, second)[0].is_final, "the second one has ended, too")
    assert {job_and_text(worker.database, one)[0].status for one in (first, second)} == {JobStatus.COMPLETED}
