"""Submission: what a client hands in is stored once, whole, and as it was."""

import json
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.intake import idempotency
from jobs.intake.idempotency import IdempotencyKey, KeyReusedError, forget_keys
from jobs.intake.submission import BatchOptions, NewJob, submit_batch, submit_job
from jobs.model.ids import new_id
from jobs.model.status import BatchStatus, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch, read_job
from jobs.tables import batches, idempotency_keys, jobs
from tests.store.store_fixtures import Interruption, Store, at_once, new_job, postgres_store, store

__all__ = ["postgres_store", "store"]  # fixtures


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def test_a_new_job_is_queued_and_due_and_nobody_has_it(store: Store) -> None:
    accepted = submit_job(store.database, new_job(priority=3, max_attempts=5, custom_id="c", metadata={"a": "b"}))
    job = store.job(accepted.id)
    assert not accepted.repeated
    assert (job.status, job.attempt, job.priority, job.max_attempts) == (JobStatus.QUEUED, 0, 3, 5)
    assert (job.custom_id, job.metadata, job.batch_id) == ("c", {"a": "b"}, None)
    assert job.created_at == job.due_at == store.clock.now
    assert (job.hinted_at, job.upstream) == (None, None)
    assert (job.failures, job.crashes, job.rate_limits, job.drains) == (0, 0, 0, 0)


def test_a_batch_is_stored_in_input_order(store: Store) -> None:
    submitted = [new_job(custom_id=f"c{place}") for place in range(1203)]
    accepted = submit_batch(store.database, submitted, BatchOptions(metadata={"for": "tests"}))
    stored = [store.job(job_id) for job_id in store.ids(accepted.id)[:9]]
    assert [job.custom_id for job in stored] == [f"c{place}" for place in range(9)]
    batch = read_batch(store.database, accepted.id, project=None)
    assert batch is not None
    assert (batch.status, batch.total, batch.completed, batch.failed) == (BatchStatus.IN_PROGRESS, 1203, 0, 0)
    assert batch.times["created_at"] == batch.times["in_progress_at"] == store.clock.now
    assert batch.metadata == {"for": "tests"}


def test_the_jobs_of_a_batch_expire_with_its_window_unless_they_say_otherwise(store: Store) -> None:
    own = store.clock.after(5)
    submitted = [new_job(), new_job(expires_at=own)]
    accepted = submit_batch(store.database, submitted, BatchOptions(completion_window="1h", completion_seconds=3600))
    first, second = (store.job(job_id) for job_id in store.ids(accepted.id))
    batch = read_batch(store.database, accepted.id, project=None)
    assert batch is not None
    assert first.expires_at == batch.times["expires_at"] == store.clock.after(3600)
    assert second.expires_at == own
    assert batch.completion_window == "1h"


def test_a_batch_with_one_bad_job_stores_nothing(store: Store) -> None:
    before = store.rows()
    # The bad one is in the second of the inserts that the batch is cut into.
    submitted = [*[new_job()] * 700, NewJob(request={"model": None})]
    with pytest.raises(Exception, match=r"(?i)null"):
        submit_batch(store.database, submitted, BatchOptions(idempotency_key=IdempotencyKey("k", "f")))
    assert store.rows() == before


def test_the_same_key_with_the_same_body_gives_the_same_job(store: Store) -> None:
    key = IdempotencyKey.of("k", "/v1/jobs", b"body")
    first = submit_job(store.database, new_job(), idempotency_key=key)
    again = submit_job(store.database, new_job(), idempotency_key=IdempotencyKey.of("k", "/v1/jobs", b"body"))
    assert (again.id, again.repeated) == (first.id, True)
    assert count(store.database, jobs) == 1


def test_the_same_key_with_another_body_is_refused_and_stores_nothing(store: Store) -> None:
    submit_job(store.database, new_job(), idempotency_key=IdempotencyKey.of("k", "/v1/jobs", b"body"))
    before = store.rows()
    with pytest.raises(KeyReusedError):
        submit_job(store.database, new_job(), idempotency_key=IdempotencyKey.of("k", "/v1/jobs", b"another"))
    with pytest.raises(KeyReusedError):
        submit_batch(
            store.database, [new_job()], BatchOptions(idempotency_key=IdempotencyKey.of("k", "/v1/jobs", b"another"))
        )
    assert store.rows() == before


def test_other_keys_and_no_key_make_other_jobs(store: Store) -> None:
    made = {
        submit_job(store.database, new_job(), idempotency_key=key).id
        for key in (IdempotencyKey("a", "f"), IdempotencyKey("b", "f"), None, None)
    }
    assert len(made) == count(store.database, jobs) == 4


def test_eight_submissions_of_one_batch_at_the_same_time_make_one(store: Store) -> None:
    key = IdempotencyKey.of("k", "/v1/jobs", b"body")

    def submit() -> Any:
        return submit_batch(store.database, [new_job()] * 3, BatchOptions(idempotency_key=key))

    accepted = at_once([submit] * 8)
    assert len({one.id for one in accepted}) == 1
    assert sorted(one.repeated for one in accepted) == [False] + [True] * 7
    assert [count(store.database, table) for table in (batches, jobs, idempotency_keys)] == [1, 3, 1]


@pytest.mark.parametrize(
    "prompt",
    [
        "a\x00b",
        "\ud83d",
        "\udc00 alone",
        "😀👩\u200d👩\u200d👧 \U0010ffff",
        "line\u2028line\u2029",
        "中文 ñ \\u0000 \\ \" '",
        "\x01\x1f\x7f\ufeff",
    ],
)
def test_a_prompt_comes_back_as_it_went_in(store: Store, prompt: str) -> None:
    request = {"model": "m1", "messages": [{"role": "user", "content": prompt}], "z": 1, "a": {prompt: [prompt]}}
    job_id = submit_job(store.database, NewJob(request=request)).id
    assert store.job(job_id).request == request
    assert json.dumps(store.job(job_id).request) == json.dumps(request)  # the order of its names too


def test_an_unknown_id_is_nothing(store: Store) -> None:
    assert read_job(store.database, new_id("job"), project=None) is None
    assert read_batch(store.database, new_id("batch"), project=None) is None


def test_the_same_key_and_body_for_another_path_are_refused(store: Store) -> None:
    submit_job(store.database, new_job(), idempotency_key=IdempotencyKey.of("k", "/v1/jobs", b"body"))
    with pytest.raises(KeyReusedError):
        submit_job(store.database, new_job(), idempotency_key=IdempotencyKey.of("k", "/v1/chat/completions", b"body"))
    assert count(store.database, jobs) == 1


def test_old_keys_are_forgotten_the_oldest_first_and_so_many_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_MOST_FORGOTTEN", 2)
    keys = [IdempotencyKey.of(name, "/v1/jobs", b"body") for name in ("a", "b", "c", "d")]
    first = [submit(store, key) for key in keys[:3]]
    store.clock.advance(100)
    last = submit(store, keys[3])
    assert forget_keys(store.database, 101) == 0
    assert forget_keys(store.database, 99) == 2
    assert count(store.database, idempotency_keys) == 2
    assert submit(store, keys[2]) == first[2]
    assert forget_keys(store.database, 99) == 1
    assert forget_keys(store.database, 99) == 0
    assert submit(store, keys[3]) == last
    assert submit(store, keys[0]) != first[0]


def test_eight_processes_forget_a_key_once(store: Store) -> None:
    for number in range(40):
        submit(store, IdempotencyKey.of(str(number), "/v1/jobs", b"body"))
    store.clock.advance(100)
    assert sum(at_once([partial(forget_keys, store.database, 50)] * 8)) == 40


def test_a_key_that_is_forgotten_while_it_comes_again_makes_a_new_job(postgres_store: Store) -> None:
    store = postgres_store
    key = IdempotencyKey.of("k", "/v1/jobs", b"body")
    first = submit(store, key)
    store.clock.advance(100)
    with Interruption(
        store.database, "INSERT INTO idempotency_keys", partial(forget_keys, store.database, 50)
    ) as interruption:
        again = submit(store, key)
    assert interruption.result() == 1
    assert again != first
    assert submit(store, key) == again


def submit(store: Store, key: IdempotencyKey) -> str:
    """Submit a job with this key; the id of the job that it stands for."""
    return submit_job(store.database, new_job(), idempotency_key=key).id
