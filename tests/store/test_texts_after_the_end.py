"""A stored text after its job's end: retried by hand, found to be cut short, counted at last, or erased."""

from jobs.intake.submission import submit_job
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.lost import read_lost_text, store_lost_count
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.responses import delete_response
from jobs.lifecycle.retry import retry_batch, retry_job
from jobs.lifecycle.transitions import fail, finish, retry
from jobs.model.ids import response_id
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts, read_batch
from jobs.store.stored_texts import read_longest
from tests.store.kept_texts import LONG, again, expected, kept_rows, stored
from tests.store.store_fixtures import LEASE, REFUSED, USAGE, Store, new_job, store, written
from tests.text_so_far import read_text_so_far

__all__ = ["store"]  # a fixture


def test_a_job_that_is_retried_by_hand_keeps_its_text_until_it_completes(store: Store) -> None:
    batch_id, (job_id,) = store.submit_batch(1)
    store.claim(job_id)
    finish(
        store.database, job_id, 1, written(LONG, usage=USAGE, finish_reason="length", incomplete="max_output_tokens")
    )
    close_batch(store.database, batch_id)
    assert retry_batch(store.database, batch_id) == []
    assert [change.id for change in retry_batch(store.database, batch_id, (), incomplete=True)] == [job_id]
    job = store.job(job_id)
    assert (job.status, job.incomplete, job.text_attempt, job.finish_reason) == (JobStatus.QUEUED, None, None, None)
    assert read_longest(store.database, job_id) == (1, LONG, "")
    store.claim(job_id)
    fail(store.database, job_id, 2, written("Rain"), REFUSED)
    assert stored(store, job_id) == expected(LONG, 1)
    assert retry_job(store.database, job_id, batch_id) is not None
    store.claim(job_id)
    finish(store.database, job_id, 3, written("Rain falls", usage=USAGE))
    assert stored(store, job_id) == expected("Rain falls", 3)
    assert retry_job(store.database, job_id, batch_id) is None  # a whole text is for ever


def test_a_text_that_was_cut_short_is_written_anew_and_not_continued(store: Store) -> None:
    job_id = store.submit(on_interrupt="continue")
    store.claim(job_id)
    finish(store.database, job_id, 1, written("Rain", finish_reason="length", incomplete="max_output_tokens"))
    retry_job(store.database, job_id, None)
    claimed = store.claim(job_id)
    assert (claimed.continues, claimed.text) == (False, "")
    retry(store.database, job_id, 2, written("Rain fa"), REFUSED, store.clock.now)
    claimed = store.claim(job_id)
    assert (claimed.continues, claimed.text) == (True, "Rain fa")
    assert [attempt.continued_bytes for attempt in read_attempts(store.database, job_id)] == [0, 0, None]


def test_the_counts_of_a_batch_name_its_texts_that_were_cut_short(store: Store) -> None:
    batch_id, (first, second) = store.submit_batch(2)
    for job_id, reason in ((first, None), (second, "content_filter")):
        store.claim(job_id)
        finish(store.database, job_id, 1, written("Rain", usage=USAGE, incomplete=reason))
        batch = read_batch(store.database, batch_id, project=None)
        assert batch is not None
        assert batch.incomplete == (1 if reason else 0)
    close_batch(store.database, batch_id)
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert (batch.completed, batch.failed, batch.incomplete) == (2, 0, 1)
    retry_batch(store.database, batch_id, (), incomplete=True)
    batch = read_batch(store.database, batch_id, project=None)
    assert batch is not None
    assert (batch.completed, batch.incomplete) == (1, 0)


def test_an_erased_response_leaves_no_text_behind(store: Store) -> None:
    accepted = submit_job(store.database, new_job(), response={"model": "m1"})
    store.clock.advance(0.001)
    again(store, accepted.id, LONG)
    store.claim(accepted.id)
    renew(store.database, "w1", [Checkpoint(accepted.id, 2, "Rain", 1)], LEASE)
    assert kept_rows(store) == 1
    retry(store.database, accepted.id, 2, written("Rain"), REFUSED, store.clock.now)
    assert delete_response(store.database, response_id(accepted.id), project="default") is not None
    assert kept_rows(store) == 0
    assert read_text_so_far(store.database, accepted.id) is None


def test_a_lost_text_that_is_stored_at_the_end_gets_its_counts_afterwards(store: Store) -> None:
    job_id = store.submit()
    store.claim(job_id)
    renew(store.database, "w1", [Checkpoint(job_id, 1, LONG, 3)], LEASE)
    store.clock.advance(LEASE + 1)
    assert [change.id for change in rescue_lost(store.database)] == [job_id]
    store.claim(job_id)
    fail(store.database, job_id, 2, written("Rain", text_tokens=1, usage=USAGE), REFUSED)
    assert stored(store, job_id) == expected(LONG, 1)
    assert (store.job(job_id).text_tokens, store.job(job_id).usage) == (None, None)  # nobody has counted it yet
    lost = read_lost_text(store.database, job_id, 1)
    assert lost is not None
    assert store_lost_count(store.database, lost, USAGE, 7, "tokenizer")
    assert (store.job(job_id).text_tokens, store.job(job_id).usage) == (7, USAGE)
