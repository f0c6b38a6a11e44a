"""Whose a failure is: the job's own, which is charged, or its upstream's, which charges nobody but not without end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from jobs.dispatch.failure import MOST_ALONE, MOST_DOUBTED, Failure, Judgement
from jobs.dispatch.holds import read_holds
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.outages import judge
from jobs.lifecycle.lease import claim
from jobs.lifecycle.transitions import retry
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts
from tests.sparing import on_sqlite
from tests.store.failing import accept, due, fail, hold_again, note, prove, reasons
from tests.store.store_fixtures import LEASE, REFUSED, Store, store, written

__all__ = ["store"]  # a fixture


def test_a_500_that_one_job_alone_gets_is_charged_and_the_second_in_a_row_holds_and_forgives(store: Store) -> None:
    first, second = store.submit(), store.submit()
    for job_id in due(store, 2):
        store.claim(job_id)
    assert fail(store, first, "failing").charged
    retry(store.database, first, 1, written(), REFUSED, store.clock.after(30))
    assert read_holds(store.database) == []
    assert not fail(store, second, "failing").charged
    [hold] = read_holds(store.database)
    assert hold.reason == "away"
    job = store.job(first)
    assert (job.failures, job.due_at) == (0, store.clock.now)
    assert [attempt.outcome for attempt in read_attempts(store.database, first)] == ["held"]


def test_a_500_while_others_are_accepted_is_the_jobs_own(store: Store) -> None:
    first, second = store.submit(), store.submit()
    for job_id in due(store, 2):
        store.claim(job_id)
    assert fail(store, first, "failing").charged
    store.clock.advance(1)
    accept(store)
    assert fail(store, second, "failing") == Judgement(charged=False, alone=True), "those sent after it write later"
    assert read_holds(store.database) == []


@on_sqlite
@pytest.mark.parametrize("reason", ["failing", "away", "credit", "key", "url", "odd"])
def test_a_few_bad_requests_hold_no_upstream_that_accepts_others_and_end_themselves(store: Store, reason: str) -> None:
    """A refusal is quicker than a first word: of 200 good jobs and 8 bad ones, 95 were done after 150 s."""
    good = [store.submit() for _ in range(2)]
    bad = [store.submit() for _ in range(2)]
    for job_id in due(store, 4):
        store.claim(job_id)
    note(store, LaneNews(accepted_at=store.clock.now, first_delta_seconds=[1.0]))
    refused = dict.fromkeys(bad, store.clock.now)
    most = MOST_DOUBTED if reason == "away" else MOST_ALONE
    for turn in range(most):
        store.clock.advance(1)
        for job_id in bad:
            told = fail(store, job_id, reason, refusals=turn, refused_at=refused[job_id] if turn else None)
            assert told == Judgement(charged=False, alone=True)
            refused[job_id] = store.clock.now
        store.clock.advance(0.5)
        note(store, LaneNews(accepted_at=store.clock.now, first_delta_seconds=[1.0]))
    store.clock.advance(1)
    assert all(fail(store, job_id, reason, refusals=most, refused_at=refused[job_id]).charged for job_id in bad)
    assert read_holds(store.database) == []
    assert good


def test_once_nobody_was_accepted_for_longer_than_a_first_word_takes_the_upstream_is_held(store: Store) -> None:
    first, second = store.submit(), store.submit()
    for job_id in due(store, 2):
        store.claim(job_id)
    note(store, LaneNews(accepted_at=store.clock.now, first_delta_seconds=[1.0]))
    store.clock.advance(2.4)
    assert fail(store, first, "failing") == Judgement(charged=False, alone=True)
    store.clock.advance(0.1)
    assert fail(store, first, "failing").suspect
    assert fail(store, second, "failing").began


def test_a_502_of_a_job_while_others_are_accepted_is_charged_in_the_end(store: Store) -> None:
    """Of ten servers nine were away for 20 s, and 82 of 200 jobs failed for good."""
    job_id = store.submit()
    [claimed] = due(store)
    store.claim(claimed)
    sent_at = store.clock.now
    store.clock.advance(1)
    accept(store)
    failure = Failure("default", "m1", job_id, sent_at, "away", "upstream_error", "bad gateway", True, 0)
    assert judge(store.database, failure) == Judgement(charged=False, alone=True)
    failure = replace(failure, refusals=MOST_DOUBTED)
    assert judge(store.database, failure) == Judgement(charged=True, alone=True)
    assert read_holds(store.database) == []


def test_a_cut_stream_goes_back_uncharged_from_a_held_upstream_but_not_without_end(store: Store) -> None:
    first, second = store.submit(), store.submit()
    for job_id in due(store, 2):
        store.claim(job_id)
    fail(store, first, "away")
    assert fail(store, second, "cut") == Judgement(charged=False, alone=True)
    assert fail(store, second, "cut", refusals=8).charged


@on_sqlite
def test_an_upstream_that_writes_and_then_cuts_every_stream_is_not_paid_without_end(store: Store) -> None:
    waiting = [store.submit(max_attempts=3), store.submit(max_attempts=3)]
    rounds = 0
    while waiting:
        rounds += 1
        assert rounds < 40
        store.clock.advance(301)  # any probe is due
        for job_id in due(store, 2):
            claimed = store.claim(job_id)
            accept(store)  # its first text
            hold_again(store, job_id, claimed.attempt, fail(store, job_id, "cut", by_status=False))
            if store.job(job_id).is_final:
                waiting.remove(job_id)


@on_sqlite
def test_a_hold_that_cut_streams_began_is_lifted_by_a_text_that_is_longer_and_not_by_its_first_words(
    store: Store,
) -> None:
    """Such an upstream begins every text: its first words prove nothing."""
    _, ids = store.submit_batch(20)
    for job_id in due(store, 4):
        store.claim(job_id)
    assert fail(store, ids[0], "cut", written_bytes=900).suspect
    retry(store.database, ids[0], 1, written(), REFUSED, store.clock.after(30))
    for job_id in ids[1:4]:
        hold_again(store, job_id, 1, fail(store, job_id, "cut", written_bytes=1100))
    for _ in range(9):  # a probe is cut every time, after growing intervals
        [hold] = read_holds(store.database)
        assert (hold.cut_bytes, hold.probe_at is not None) == (1100, True)
        store.clock.now = hold.probe_at or store.clock.now
        [probe] = due(store)
        claimed = store.claim(probe)
        accept(store)
        assert due(store) == []
        hold_again(store, probe, claimed.attempt, fail(store, probe, "cut", written_bytes=1000))
    assert [store.job(job_id).failures for job_id in ids] == [0] * 20
    store.clock.advance(300)
    [probe] = due(store)
    store.claim(probe)
    prove(store)
    assert reasons(store) == []
    assert due(store)


def test_an_upstream_that_cut_its_streams_and_then_is_away_is_back_with_its_first_text(store: Store) -> None:
    """As a server that is killed and started again: it cut what ran, and refused what came."""
    first, second = store.submit(), store.submit()
    for job_id in due(store, 2):
        store.claim(job_id)
        hold_again(store, job_id, 1, fail(store, job_id, "cut", written_bytes=500))
    store.clock.advance(1)
    [probe] = due(store)
    hold_again(store, probe, store.claim(probe).attempt, fail(store, probe, "away", by_status=False))
    assert [hold.cut_bytes for hold in read_holds(store.database)] == [None]
    store.clock.advance(2)
    accept(store)
    assert reasons(store) == []
    assert [store.job(job_id).failures for job_id in (first, second)] == [0, 0]


def test_a_job_that_was_charged_is_forgiven_whatever_then_shows_that_its_upstream_is_away(store: Store) -> None:
    """Of an upstream that dies the next job may get no connection at all."""
    cut, other, away = store.submit(), store.submit(), store.submit()
    for job_id in due(store, 3):
        store.claim(job_id)
    assert fail(store, cut, "cut").suspect
    retry(store.database, cut, 1, written(), REFUSED, store.clock.after(30))
    assert not fail(store, other, "away", sent_at=store.clock.now - timedelta(seconds=9)).charged
    assert not fail(store, away, "away", by_status=False).charged
    assert reasons(store) == ["away"]
    assert store.job(cut).failures == 0


@on_sqlite
def test_a_lone_job_that_always_gets_502_ends_while_others_complete(store: Store) -> None:
    """It begins hold after hold, and every time another job shows that its upstream is well."""
    poison = store.submit(max_attempts=3)
    for _ in range(20):
        if store.job(poison).is_final:
            break
        store.clock.advance(60)
        if poison in due(store):
            hold_again(store, poison, store.claim(poison).attempt, fail(store, poison, "away"))
        store.clock.advance(1)
        other = store.submit()
        for job_id in due(store):
            if job_id == other:
                store.claim(other)
                accept(store)
    job = store.job(poison)
    assert (job.status, job.failures, job.attempt) == (JobStatus.FAILED, 3, 7)
    assert reasons(store) == []


@on_sqlite
def test_two_jobs_that_always_lose_their_connection_end_while_others_complete(store: Store) -> None:
    poison = [store.submit(max_attempts=3), store.submit(max_attempts=3)]
    for _ in range(200):
        if store.all_ended(poison):
            break
        store.submit()
        store.clock.advance(10)
        for job_id in due(store):
            claimed = claim(store.database, job_id, "w1", LEASE)
            if claimed is None:  # the one before it has begun a hold
                continue
            if job_id in poison:
                hold_again(store, job_id, claimed.attempt, fail(store, job_id, "away", by_status=False))
            else:
                accept(store)
    assert [(store.job(job_id).status, store.job(job_id).failures) for job_id in poison] == [(JobStatus.FAILED, 3)] * 2


@on_sqlite
def test_a_job_that_is_alone_with_an_upstream_that_is_away_never_ends_and_is_probed_with_every_minute(
    store: Store,
) -> None:
    job_id = store.submit()
    for _ in range(20):
        store.clock.advance(61)
        [probe] = due(store)
        hold_again(store, probe, store.claim(probe).attempt, fail(store, probe, "away"))
    job = store.job(job_id)
    assert (job.status, job.failures, job.refusals) == (JobStatus.QUEUED, 0, 0)
    assert reasons(store) == ["away"]
