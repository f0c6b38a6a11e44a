"""What was paid is kept: a job that ends without completing has the longest text of all its attempts."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.forms.jobs import job_json
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.lost import list_lost_texts
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued, rescue_lost
from jobs.lifecycle.transitions import cancel_running, expire_running, fail, finish, release, retry, wait_for_limit
from jobs.model.status import FINAL, JobStatus
from jobs.store.search import JobFilter, list_jobs
from jobs.store.stored_texts import read_longest, read_stored
from tests.store.kept_texts import LONG, again, expected, kept_rows, stored
from tests.store.store_fixtures import LEASE, LIMITED, REFUSED, START, USAGE, Store, store, written
from tests.text_so_far import read_text_so_far

__all__ = ["store"]  # a fixture

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


@pytest.mark.parametrize("is_longer", [True, False])
def test_what_stands_beside_a_text_is_of_the_attempt_that_wrote_it(store: Store, is_longer: bool) -> None:
    """Annotations have places in the text. Of an earlier attempt only its counts and times are known."""
    job_id = store.submit()
    again(store, job_id, LONG)
    attempt = store.claim(job_id).attempt
    last = written(LONG * 2 if is_longer else "Rain")
    beside: dict[str, Any] = {
        "finish_reason": "length",
        "upstream_id": "u1",
        "upstream_model": "m1-large",
        "message": {"refusal": "x"},
    }
    began = store.clock.after(5)
    assert fail(store.database, job_id, attempt, replace(last, first_delta_at=began, **beside), REFUSED)
    job = store.job(job_id)
    assert job.text_attempt == (2 if is_longer else 1)
    assert {name: getattr(job, name) for name in beside} == (beside if is_longer else dict.fromkeys(beside))
    assert job.first_delta_at == (began if is_longer else START)


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


def test_what_came_beside_a_text_is_stored_with_it_whatever_it_holds(store: Store) -> None:
    job_id = store.running()
    message = {"citations": [{"url": "https://example.com/\x00\ud800"}], "refusal": None}
    finish(store.database, job_id, 1, written("Rain", message=message))
    assert store.job(job_id).message == message
    assert job_json(store.job(job_id))["message"] == message


@pytest.mark.parametrize("seed", range(10))
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
