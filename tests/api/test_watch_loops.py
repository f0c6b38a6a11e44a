"""A model that repeats itself is cut and tried again: what watchers end with is exactly what is stored."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
import redis

from api.server import ApiServer
from jobs.intake.submission import NewJob, submit_batch, submit_job
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.store.stored_texts import read_longest
from longhand.client.client import Client
from longhand.client.events import Delta, Done, Reset
from longhand.simulator import ServedSimulator
from longhand.simulator.prose import split, write
from tests.api.batch_watching import BatchWatcher, ids_of, submit_jobs
from tests.api.watchers import WatcherThread
from tests.api.watching import Writer
from tests.worker.worker_fixtures import (
    WorkerParts,
    all_final,
    ask,
    fast_simulator,
    history,
    job_and_text,
    open_worker,
    small_settings,
    wait_until,
)

ARTICLE = "".join(write("Write 1200 words about bees."))
LINE = "The bees come back, and the bees come back again.\n"
BEFORE = ARTICLE + "\n\nSo: "
BEGUN = BEFORE + LINE
LOOPS = {"text": BEGUN + LINE * 200}


@pytest.fixture
def simulator() -> Iterator[ServedSimulator]:
    with fast_simulator() as served:
        yield served


@pytest.fixture
def worker(sqlite_database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(sqlite_database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


def submit(worker: WorkerParts, simulate: dict[str, Any], prompt: str, **options: Any) -> tuple[str, str]:
    """A batch of one job; both ids."""
    batch_id = submit_batch(worker.database, [NewJob(ask(simulate, prompt), **options)]).id
    return batch_id, ids_of(worker.database, batch_id)[0]


def test_a_text_that_loops_is_cut_and_retried_and_completed(
    worker: WorkerParts, simulator: ServedSimulator, sqlite_api: ApiServer
) -> None:
    prompt = "Write 1200 words about bees."
    batch_id, job_id = submit(worker, {"loop_after": 1200, "times": 1}, prompt)
    watchers = [WatcherThread(sqlite_api.port, job_id), BatchWatcher(sqlite_api.port, batch_id)]
    watchers[0].wait_for(lambda shown: "status" in shown.names())
    worker.dispatch.start()
    shown = watchers[0].join()
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.attempt, job.failures) == (JobStatus.COMPLETED, 2, 1)
    assert shown.text == text == watchers[1].join().texts[job_id]
    assert simulator.stats()["faults"] == {"loop_after": 1}
    first, second = history(worker.database, job_id)
    assert (first.outcome, first.error_code) == (AttemptOutcome.FAILED, "repetition")
    assert second.outcome is AttemptOutcome.COMPLETED
    assert shown.resets == 1
    simulator.wait_until(lambda stats: stats["clients_gone"] == 1)  # what it would have written is not paid for


def test_a_job_that_loops_each_time_keeps_the_text_before_the_loop(worker: WorkerParts, sqlite_api: ApiServer) -> None:
    batch_id, job_id = submit(worker, LOOPS, "Write.", max_attempts=2)
    early = WatcherThread(sqlite_api.port, job_id)
    of_batch = BatchWatcher(sqlite_api.port, batch_id)
    early.wait_for(lambda shown: "status" in shown.names())
    worker.dispatch.start()
    shown = early.join()
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.error_code, job.failures) == (JobStatus.FAILED, "repetition", 2)
    assert text == BEGUN == shown.text == of_batch.join().texts[job_id]
    assert str(job.error_message).startswith(f"The model repeated itself: from byte {len(BEFORE.encode())} of")
    assert "The bees come back" in str(job.error_message)
    assert WatcherThread(sqlite_api.port, job_id).join().text == BEGUN


@pytest.mark.usefixtures("either_text")
def test_a_watcher_that_saw_the_loop_begins_again_and_ends_with_what_is_kept(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, (job_id,) = submit_jobs(sqlite_database, 1)
    watcher, of_batch = WatcherThread(sqlite_api.port, job_id), BatchWatcher(sqlite_api.port, batch_id)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write(BEGUN, LINE * 40)
    watcher.wait_for(lambda shown: shown.text == BEGUN + LINE * 40)
    of_batch.wait_for(lambda shown: shown.texts.get(job_id) == BEGUN + LINE * 40)
    writer.text = BEGUN  # what `measure` makes of it
    if writer.thinks:
        writer.reasoning = BEGUN
    writer.fail()
    shown, all_shown = watcher.join(), of_batch.join()
    assert (shown.text, shown.resets) == (BEGUN, 1)
    assert all_shown.texts[job_id] == BEGUN
    if writer.thinks:
        assert shown.reasoning == all_shown.reasoning[job_id] == BEGUN


def test_the_python_client_proves_what_is_kept(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    _, (job_id,) = submit_jobs(sqlite_database, 1)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write(BEGUN, LINE * 40)
    text, cut = "", False
    with Client(f"http://127.0.0.1:{sqlite_api.port}") as client:
        for event in client.watch(job_id):
            match event:
                case Delta(text=piece):
                    text += piece
                    if not cut and text == BEGUN + LINE * 40:
                        cut, writer.text = True, BEGUN
                        writer.fail()
                case Reset():
                    text = ""
                case Done(job=job):
                    assert job["sha256"] == sha256(text.encode()).hexdigest()
    assert (cut, text) == (True, BEGUN)


def test_a_loop_does_not_make_a_text_the_longest(worker: WorkerParts, simulator: ServedSimulator) -> None:
    """The first attempt writes more than the second, but for its loop less; the second one is no JSON."""
    loops = {"text": ARTICLE, "loop_after": len(split(ARTICLE)) * 3 // 4, "times": 1}
    request = ask(loops, response_format={"type": "json_object"})
    job_id = submit_job(worker.database, NewJob(request, max_attempts=2)).id
    worker.run(job_id)
    first = history(worker.database, job_id)[0]
    assert first.error_code == "repetition"
    assert (first.deltas or 0) > len(split(ARTICLE))
    assert (first.bytes or 0) < len(ARTICLE.encode())
    worker.dispatch.start()
    wait_until(lambda: all_final(worker.database, [job_id]), "the job ends")
    job, text = job_and_text(worker.database, job_id)
    assert (job.error_code, job.text_attempt, text) == ("schema_mismatch", 2, ARTICLE)
    assert first.usage is not None
    assert (first.usage.output_tokens or 0) > (job.text_tokens or 0)  # all of it is paid for
    assert simulator.stats()["faults"] == {"loop_after": 1}


def test_a_loop_is_not_continued(sqlite_database: Database, redis_url: str, simulator: ServedSimulator) -> None:
    """Its tail in Redis has the loop, too: what an interrupted text would go on from."""
    with open_worker(sqlite_database, small_settings(redis_url, simulator.url, upstream_prefix="assistant")) as worker:
        loops = {"text": ARTICLE, "loop_after": len(split(ARTICLE)) * 3 // 4, "times": 1}
        job_id = submit_job(worker.database, NewJob(ask(loops), on_interrupt="continue")).id
        worker.dispatch.start()
        wait_until(lambda: all_final(worker.database, [job_id]), "the job ends")
        job, text = job_and_text(worker.database, job_id)
        first, second = history(worker.database, job_id)
    assert first.error_code == "repetition"
    assert (job.status, text, second.continued_bytes) == (JobStatus.COMPLETED, ARTICLE, 0)


def test_reasoning_that_loops_is_cut(sqlite_database: Database, redis_url: str, simulator: ServedSimulator) -> None:
    settings = small_settings(redis_url, simulator.url, upstream_think_tags=True)
    with open_worker(sqlite_database, settings) as worker:
        simulate = {"text": f"<think>{BEGUN}{LINE * 200}</think>Bees."}
        job_id = submit_job(worker.database, NewJob(ask(simulate), max_attempts=1)).id
        worker.run(job_id)
        longest = read_longest(worker.database, job_id)
        job, text = job_and_text(worker.database, job_id)
    assert longest is not None
    assert (job.error_code, text, longest.reasoning) == ("repetition", "", BEGUN)
    assert "of its reasoning on" in str(job.error_message)


def test_a_worker_without_the_guard_lets_a_text_repeat_itself(
    sqlite_database: Database, redis_url: str, simulator: ServedSimulator
) -> None:
    with open_worker(sqlite_database, small_settings(redis_url, simulator.url, loop_guard=False)) as worker:
        job_id = submit_job(worker.database, NewJob(ask(LOOPS))).id
        worker.run(job_id)
        job, text = job_and_text(worker.database, job_id)
    assert (job.status, text) == (JobStatus.COMPLETED, LOOPS["text"])
