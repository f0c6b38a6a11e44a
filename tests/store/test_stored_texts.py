"""What was paid is kept: a job that ends without completing has the longest text of all its attempts."""

import random
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from api.forms.jobs import job_json
from jobs.intake.submission import submit_job
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.lost import list_lost_texts, read_lost_text, store_lost_count
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued, rescue_lost
from jobs.lifecycle.responses import delete_response
from jobs.lifecycle.retry import retry_batch, retry_job
from jobs.lifecycle.transitions import cancel_running, expire_running, fail, finish, release, retry, wait_for_limit
from jobs.model.ids import response_id
from jobs.model.status import FINAL, JobStatus
from jobs.store.queries import read_attempts, read_batch, read_result
from jobs.store.search import JobFilter, list_jobs
from jobs.store.stored_texts import read_longest, read_stored
from jobs.tables import longest_texts
from tests.store.store_fixtures import LEASE, LIMITED, REFUSED, USAGE, Store, new_job, store, written
from tests.text_so_far import read_text_so_far

__all__ = ["store"]  # a fixture

LONG = "Rain falls on the roof 😀."


def kept_rows(store: Store) -> int:
    """How many texts of earlier attempts are kept."""
    with store.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(longest_texts)) or 0


def again(store: Store, job_id: str, text: str = "", **told: int) -> None:
    """Run an attempt that writes this and fails; the job waits for the next one."""
    attempt = store.claim(job_id).attempt
    assert retry(store.database, job_id, attempt, written(text, **told), REFUSED, store.clock.now)


def stored(store: Store, job_id: str) -> tuple[str | None, int | None, int | None, str | None]:
    """The text of an ended job, its attempt, its length and its hash."""
    result = read_result(store.database, job_id, project=None)
    assert result is not None
    return result.text, result.job.text_attempt, result.job.bytes, result.job.sha256


def expected(text: str, attempt: int) -> tuple[str, int, int, str]:
    """The same for this text of this attempt."""
    encoded = text.encode()
    return text, attempt, len(encoded), sha256(encoded).hexdigest()


ENDS: dict[str, Callable[[Store, str, int], object]] = {
    "fail": lambda store, job_id, attempt: fail(store.database, job_id, attempt, written(""), REFUSED),
    "cancel": lambda store, job_id, attempt: cancel_running(store.database, job_id, attempt, written("Ra")),
    "expire": lambda store, job_id, attempt: expire_running(store.database, job_id, attempt, written("Ra")),
}


@pytest.mark.parametrize("end", list(ENDS))
def test_later_attempts_that_write_less_cost_no_text(store: Store, end: str) -> None:
    job_id = store.submit()
    again(store, job_id, LONG, text_tokens=7)
    again(store, job_id, "Rain")
    attempt = store.claim(job_id).attempt
    ENDS[end](store, job_id, attempt)
    assert stored(store, job_id) == expected(LONG, 1)
    assert store.job(job_id).text_tokens == 7  # of the attempt that wrote it
    assert kept_rows(store) == 0
    proof = read_stored(store.database, job_id, 3)
    assert proof is not None
    assert (proof.bytes, proof.sha256) == expected(LONG, 1)[2:]
    assert [job.id for job in list_jobs(store.database, JobFilter(text="roof"), project=None, after=None, limit=5)[0]]


@pytest.mark.parametrize("leave", ["limit", "release", "crash"])
def test_a_text_outlives_every_way_back_to_the_queue(store: Store, leave: str) -> None:
    job_id = store.submit()
    again(store, job_id, LONG)
    attempt = store.claim(job_id).attempt
    match leave:
        case "limit":
            wait_for_limit(store.database, job_id, attempt, written(""), LIMITED, store.clock.now)
        case "release":
            release(store.database, job_id, attempt, written("Rain"))
        case _:
            renew(store.database, "w1", [Checkpoint(job_id, attempt, "Rain", 1)], LEASE)
            store.clock.advance(LEASE + 1)
            assert [change.id for change in rescue_lost(store.database)] == [job_id]
    assert read_longest(store.database, job_id) == (1, LONG, "")
    change = cancel_job(store.database, job_id)
    assert change is not None
    assert (change.bytes, change.sha256) == expected(LONG, 1)[2:]
    assert stored(store, job_id) == expected(LONG, 1)


def test_a_rescue_that_ends_the_job_stores_the_longest_text_and_counts_the_lost_one(store: Store) -> None:
    job_id = store.submit()
    again(store, job_id, LONG)
    store.claim(job_id)
    renew(store.database, "w1", [Checkpoint(job_id, 2, "Rain", 1)], LEASE)
    cancel_job(store.database, job_id)
    store.clock.advance(LEASE + 1)
    (change,) = rescue_lost(store.database)
    assert (change.status, change.bytes, change.sha256) == (JobStatus.CANCELLED, *expected(LONG, 1)[2:])
    assert stored(store, job_id) == expected(LONG, 1)
    assert list_lost_texts(store.database) == [(job_id, 2)]


def test_a_window_that_closes_stores_the_longest_text(store: Store) -> None:
    _, (job_id,) = store.submit_batch(1, expires_at=store.clock.after(60))
    again(store, job_id, LONG)
    again(store, job_id, "Rain")
    store.clock.advance(61)
    (change,) = expire_and_cancel_queued(store.database)
    assert (change.status, change.bytes, change.sha256) == (JobStatus.EXPIRED, *expected(LONG, 1)[2:])
    assert stored(store, job_id) == expected(LONG, 1)


def test_a_completed_job_has_its_own_text_however_short(store: Store) -> None:
    job_id = store.submit()
    again(store, job_id, LONG)
    store.claim(job_id)
    renew(store.database, "w1", [Checkpoint(job_id, 2, "Ra", 1)], LEASE)
    assert kept_rows(store) == 1
    finish(store.database, job_id, 2, written("Rain", usage=USAGE))
    assert stored(store, job_id) == expected("Rain", 2)
    assert kept_rows(store) == 0


def test_while_a_job_runs_the_longer_of_checkpoint_and_kept_text_is_given(store: Store) -> None:
    job_id = store.submit()
    again(store, job_id, "Rain falls")
    assert read_longest(store.database, job_id) == (1, "Rain falls", "")
    store.claim(job_id)
    renew(store.database, "w1", [Checkpoint(job_id, 2, "Snow", 1)], LEASE)
    assert read_longest(store.database, job_id) == (1, "Rain falls", "")
    assert read_text_so_far(store.database, job_id) == (2, "Snow")  # what watchers of attempt 2 are sent
    renew(store.database, "w1", [Checkpoint(job_id, 2, "Snow falls down", 3)], LEASE)
    assert read_longest(store.database, job_id) == (2, "Snow falls down", "")


def test_length_is_in_bytes_not_in_letters(store: Store) -> None:
    job_id = store.submit()
    again(store, job_id, "😀😀😀")
    again(store, job_id, "Rain falls")
    store.claim(job_id)
    fail(store.database, job_id, 3, written("雨雨"), REFUSED)
    assert stored(store, job_id) == expected("😀😀😀", 1)


def test_a_zombie_neither_keeps_nor_deletes_a_text(store: Store) -> None:
    job_id = store.submit()
    again(store, job_id, LONG)
    again(store, job_id, "Rain")
    store.claim(job_id)
    before = store.rows()
    for stale in (1, 2):
        assert not cancel_running(store.database, job_id, stale, written(LONG * 2))
        assert renew(store.database, "w1", [Checkpoint(job_id, stale, LONG * 2, 9)], LEASE) == set()
        assert not finish(store.database, job_id, stale, written(LONG * 2, usage=USAGE))
    assert store.rows() == before


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


def test_what_came_beside_a_text_is_stored_with_it_whatever_it_holds(store: Store) -> None:
    job_id = store.running()
    message = {"citations": [{"url": "https://example.com/\x00\ud800"}], "refusal": None}
    finish(store.database, job_id, 1, written("Rain", message=message))
    assert store.job(job_id).message == message
    assert job_json(store.job(job_id))["message"] == message


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


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_attempts_write_the_longest_text_is_stored(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    job_id = store.submit(max_attempts=20)
    best = ""
    for attempt in range(1, rng.randint(2, 7)):
        store.claim(job_id)
        text = rng.choice(["", "a", "é", "雨", "😀"]) * rng.randint(0, 12)
        for _ in range(rng.randint(0, 2)):
            part = text[: rng.randint(0, len(text))]
            renew(store.database, "w1", [Checkpoint(job_id, attempt, part, 1)], LEASE)
        match rng.choice(["retry", "limit", "release", "lost"]):
            case "retry":
                retry(store.database, job_id, attempt, written(text), REFUSED, store.clock.now)
            case "limit":
                wait_for_limit(store.database, job_id, attempt, written(text), LIMITED, store.clock.now)
            case "release":
                release(store.database, job_id, attempt, written(text))
            case _:
                renew(store.database, "w1", [Checkpoint(job_id, attempt, text, 1)], LEASE)
                store.clock.now += timedelta(seconds=LEASE + 1)
                (change,) = rescue_lost(store.database)
                if change.status in FINAL:
                    best = max(best, text, key=lambda one: len(one.encode()))
                    break
        best = max(best, text, key=lambda one: len(one.encode()))
    if store.job(job_id).status is JobStatus.QUEUED:
        cancel_job(store.database, job_id)
    end, by, length, digest = stored(store, job_id)
    assert end is not None
    assert by is not None
    assert len(end.encode()) == len(best.encode())
    assert (length, digest) == expected(end, by)[2:]
    assert kept_rows(store) == 0


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
