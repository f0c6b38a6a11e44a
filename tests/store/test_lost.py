"""What a lost attempt had written is kept by its rescue, counted once, and no cost of a batch goes without it."""

from functools import partial

from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.lost import list_lost_texts, read_lost_text, store_lost_count
from jobs.lifecycle.rescue import cancel_job, rescue_lost
from jobs.lifecycle.retry import retry_job
from jobs.lifecycle.transitions import cancel_running, finish
from jobs.model.endings import MAX_CRASHES
from jobs.model.records import Usage
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts, read_batch
from tests.store.store_fixtures import LEASE, USAGE, Interruption, Store, at_once, postgres_store, store, written

__all__ = ["postgres_store", "store"]  # fixtures

COUNTED = Usage(9, None, 4, None, 13, source="tokenizer")


def lose(store: Store, job_id: str, text: str | None = "so far 😀", deltas: int = 3) -> int:
    """Let a worker take the job, write this much and die; the attempt that was lost."""
    attempt = store.claim(job_id).attempt
    renew(store.database, "w1", [Checkpoint(job_id, attempt, text, deltas)], LEASE)
    store.clock.advance(LEASE + 1)
    assert [change.id for change in rescue_lost(store.database)] == [job_id]
    return attempt


def count(store: Store, job_id: str, attempt: int) -> bool:
    """What a worker does with it."""
    lost = read_lost_text(store.database, job_id, attempt)
    assert lost is not None
    return store_lost_count(store.database, lost, COUNTED, 4, "tokenizer")


def test_the_text_of_a_lost_attempt_outlives_the_next_attempts_checkpoint(store: Store) -> None:
    job_id = store.submit(prompt="Write about snow.")
    lose(store, job_id)
    store.claim(job_id, "w2")
    renew(store.database, "w2", [Checkpoint(job_id, 2, "another text", 5)], LEASE)
    assert list_lost_texts(store.database) == [(job_id, 1)]
    lost = read_lost_text(store.database, job_id, 1)
    assert lost is not None
    assert (lost.text, lost.deltas, lost.model, lost.continued_bytes) == ("so far 😀", 3, "m1", 0)
    assert lost.request["messages"][0]["content"] == "Write about snow."


def test_a_lost_attempt_gets_its_usage_deltas_and_bytes_and_its_running_job_does_not(store: Store) -> None:
    job_id = store.submit()
    lose(store, job_id)
    store.claim(job_id, "w2")
    assert count(store, job_id, 1)
    first, second = read_attempts(store.database, job_id)
    assert (first.usage, first.deltas, first.bytes) == (COUNTED, 3, len("so far 😀".encode()))
    assert (second.usage, second.deltas, second.bytes) == (None, None, None)
    job = store.job(job_id)
    assert (job.usage, job.text_tokens) == (None, None)
    finish(store.database, job_id, 2, written("whole", usage=USAGE, text_tokens=1))
    assert (store.job(job_id).usage, store.job(job_id).text_tokens) == (USAGE, 1)
    assert list_lost_texts(store.database) == []
    assert read_lost_text(store.database, job_id, 1) is None


def test_a_job_that_ends_with_its_lost_attempt_gets_the_count_too(store: Store) -> None:
    job_id = store.submit()
    for _ in range(MAX_CRASHES):
        lose(store, job_id)
    for attempt in range(1, MAX_CRASHES + 1):
        assert count(store, job_id, attempt)
    job = store.job(job_id)
    assert (job.status, job.usage) == (JobStatus.FAILED, COUNTED)
    assert (job.text_tokens, job.text_tokens_source) == (4, "tokenizer")
    assert [one.usage for one in read_attempts(store.database, job_id)] == [COUNTED] * MAX_CRASHES


def test_a_job_that_keeps_the_text_of_an_earlier_attempt_gets_the_count_of_that_one(store: Store) -> None:
    job_id = store.submit()
    for _ in range(MAX_CRASHES - 1):
        lose(store, job_id)
    lose(store, job_id, text=None)
    assert count(store, job_id, MAX_CRASHES - 1)
    job = store.job(job_id)
    assert (job.status, job.usage, job.text_tokens) == (JobStatus.FAILED, COUNTED, 4)


def test_a_job_that_is_cancelled_after_its_lost_attempt_was_counted_has_the_count(store: Store) -> None:
    job_id = store.submit()
    lose(store, job_id)
    assert count(store, job_id, 1)
    cancel_job(store.database, job_id)
    job = store.job(job_id)
    assert (job.status, job.usage, job.text_tokens) == (JobStatus.CANCELLED, COUNTED, 4)


def test_a_job_that_was_retried_by_hand_meanwhile_is_left_as_it_is(store: Store) -> None:
    job_id = store.submit()
    for _ in range(MAX_CRASHES):
        lose(store, job_id)
    assert retry_job(store.database, job_id, None) is not None
    assert count(store, job_id, MAX_CRASHES)
    job = store.job(job_id)
    assert (job.status, job.usage, job.text_tokens) == (JobStatus.QUEUED, None, None)


def test_an_attempt_that_died_before_its_first_checkpoint_has_an_unknown_usage(store: Store) -> None:
    job_id = store.submit()
    lose(store, job_id)
    lose(store, job_id, text=None)  # the checkpoint that is there is of the attempt before it
    assert list_lost_texts(store.database) == [(job_id, 1)]
    lose(store, job_id, text="")
    assert list_lost_texts(store.database) == [(job_id, 1)]
    assert [one.usage for one in read_attempts(store.database, job_id)] == [None] * 3


def test_an_attempt_that_was_not_lost_is_not_counted_here(store: Store) -> None:
    job_id = store.running()
    renew(store.database, "w1", [Checkpoint(job_id, 1, "so far")], LEASE)
    cancel_running(store.database, job_id, 1, written("so far"))
    rescue_lost(store.database)
    assert list_lost_texts(store.database) == []


def test_a_batch_that_ended_before_the_count_costs_what_it_cost(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    lose(store, job_id)
    store.claim(job_id)
    finish(store.database, job_id, 2, written("whole", usage=USAGE))
    assert close_batch(store.database, batch_id)
    assert cost(store, batch_id) == USAGE.total_tokens
    assert count(store, job_id, 1)
    assert cost(store, batch_id) == (USAGE.total_tokens or 0) + 13


def test_a_batch_that_ended_with_an_unknown_cost_gets_it_from_the_count(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    lose(store, job_id)
    store.claim(job_id)
    finish(store.database, job_id, 2, written("whole"))
    assert close_batch(store.database, batch_id)
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert batch.usage is None
    assert count(store, job_id, 1)
    assert cost(store, batch_id) == 13


def test_a_batch_that_ends_while_its_lost_attempt_is_counted_misses_nothing(postgres_store: Store) -> None:
    store = postgres_store
    batch_id, [job_id] = store.submit_batch(1)
    lose(store, job_id)
    store.claim(job_id)
    finish(store.database, job_id, 2, written("whole", usage=USAGE))
    settle = partial(close_batch, store.database, batch_id)
    with Interruption(store.database, "UPDATE attempts", settle) as interruption:
        assert count(store, job_id, 1)
    assert interruption.waited_for_us
    assert interruption.result() is True
    assert cost(store, batch_id) == (USAGE.total_tokens or 0) + 13


def test_a_count_that_comes_while_its_batch_ends_is_not_missed(postgres_store: Store) -> None:
    store = postgres_store
    batch_id, [job_id] = store.submit_batch(1)
    lose(store, job_id)
    store.claim(job_id)
    finish(store.database, job_id, 2, written("whole", usage=USAGE))
    with Interruption(store.database, "SELECT sum", partial(count, store, job_id, 1)) as interruption:
        assert close_batch(store.database, batch_id)
    assert interruption.waited_for_us
    assert interruption.result() is True
    assert cost(store, batch_id) == (USAGE.total_tokens or 0) + 13


def test_eight_processes_count_a_lost_attempt_once(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    lose(store, job_id)
    lost = read_lost_text(store.database, job_id, 1)
    assert lost is not None
    done = at_once([partial(store_lost_count, store.database, lost, COUNTED, 4, "tokenizer")] * 8)
    assert sorted(done) == [False] * 7 + [True]
    assert cost(store, batch_id) == 13


def cost(store: Store, batch_id: str) -> int:
    """The tokens that a batch has cost so far."""
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert batch.usage is not None
    return int(batch.usage["total_tokens"])
