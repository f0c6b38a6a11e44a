"""Answers that no well upstream gives: a second job in a row holds it, and what is one request's own fault comes to an
end.
"""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from jobs.dispatch.failure import Judgement, Reason
from jobs.dispatch.holds import read_holds
from jobs.dispatch.outages import LONGEST_DOUBT_SECONDS
from jobs.dispatch.upstream_holds import LONGEST_PROBE_SECONDS
from jobs.intake.submission import submit_job
from jobs.lifecycle.lease import claim
from jobs.lifecycle.transitions import finish
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts
from jobs.tables import holds, lanes
from jobs.upstreams import UNDECLARED
from tests.sparing import on_sqlite
from tests.store.failing import accept, due, fail, hold_again, prove, reasons
from tests.store.store_fixtures import LEASE, Store, new_job, store, written

__all__ = ["store"]  # a fixture

ODD: list[Reason] = ["odd", "broken"]


def start(store: Store, count: int, project: str = "default") -> list[str]:
    """So many jobs, which run."""
    ids = []
    for _ in range(count):
        ids.append(submit_job(store.database, new_job(), project=project).id)
        store.clock.advance(0.001)  # ids of one millisecond come in no order
    due(store)
    for job_id in ids:
        store.claim(job_id)
    return ids


def fail_so(store: Store, job_id: str, reason: Reason) -> Judgement:
    """It has written first, if that is what its reason says."""
    if reason == "broken":
        accept(store)
    judged = fail(store, job_id, reason, written_bytes=700 if reason == "broken" else 0)
    hold_again(store, job_id, store.job(job_id).attempt, judged)
    return judged


@pytest.mark.parametrize("reason", ODD)
def test_the_second_job_in_a_row_holds_the_upstream_and_the_first_is_forgiven(store: Store, reason: Reason) -> None:
    first, second, third = start(store, 3)
    assert fail_so(store, first, reason) == Judgement(charged=True, suspect=True)
    assert reasons(store) == []
    assert fail_so(store, second, reason).began
    assert reasons(store) == ["away"]
    assert not fail_so(store, third, reason).charged
    assert [store.job(job_id).failures for job_id in (first, second, third)] == [0, 0, 0]
    assert {attempt.outcome for attempt in read_attempts(store.database, first)} == {"held"}
    store.clock.advance(1)
    [probe] = due(store)
    store.claim(probe)
    (prove if reason == "broken" else accept)(store)
    assert reasons(store) == []


@on_sqlite
@pytest.mark.parametrize("reason", ODD)
def test_one_that_is_asked_for_one_text_at_a_time_is_held_all_the_same(store: Store, reason: Reason) -> None:
    """The first words of the second text prove nothing of an upstream that breaks each one off."""
    for expected in (False, True):
        [job_id] = start(store, 1)
        assert fail_so(store, job_id, reason).began is expected
        store.clock.advance(0.5)


def test_one_job_alone_holds_an_upstream_with_a_wrong_url_and_waits_uncharged(store: Store) -> None:
    """No request brings that about, so it would fail, and each further one, for what an operator has to mend."""
    [job_id] = start(store, 1)
    for _ in range(6):
        assert not fail_so(store, job_id, "url").charged
        assert reasons(store) == ["url"]
        store.clock.advance(LONGEST_PROBE_SECONDS)
        assert due(store) == [job_id]
        store.claim(job_id)
    accept(store)
    assert (reasons(store), store.job(job_id).failures) == ([], 0)


@on_sqlite
def test_what_was_accepted_at_the_url_before_does_not_vouch_for_another_one(store: Store) -> None:
    """Its name stays: the first texts come from a simulator, and then the URL of a provider is set without its path."""
    accept(store)
    store.clock.advance(60)
    [job_id] = start(store, 1)
    other = replace(UNDECLARED, url="http://127.0.0.1:9000")
    assert fail(store, job_id, "url", address_mark=other.address_mark).began
    assert reasons(store) == ["url"]


def test_a_text_that_was_asked_for_before_the_url_changed_does_not_vouch_for_the_new_one(store: Store) -> None:
    """Its worker has read the new file by the time at which its first text comes."""
    accept(store, replace(UNDECLARED, url="http://127.0.0.1:9000/v1").address_mark)
    store.clock.advance(60)
    [job_id] = start(store, 1)
    assert fail(store, job_id, "url", address_mark=UNDECLARED.address_mark).began


@pytest.mark.parametrize("is_of_before", [False, True])
def test_a_url_at_which_a_text_was_written_is_right(store: Store, is_of_before: bool) -> None:
    """Also after the worker was started anew, and where a version before has noted the text."""
    accept(store)
    if is_of_before:
        with store.database.write() as connection:
            connection.execute(update(lanes).where(lanes.c.pace.is_not(None)).values(pace='{"wrote_at": 1.0}'))
    store.clock.advance(60)
    [job_id] = start(store, 1)
    assert fail(store, job_id, "url", address_mark=UNDECLARED.address_mark).charged
    assert reasons(store) == []


@on_sqlite
def test_a_wrong_url_for_one_project_keeps_no_other_one_from_its_first_probe(store: Store) -> None:
    """What says so little may be a relay's word for a model that it does not have."""
    [job_id] = start(store, 1)
    [other] = [submit_job(store.database, new_job(), project="beta").id]
    assert fail_so(store, job_id, "url").began
    assert due(store) == [other]
    store.claim(other)
    accept(store)
    assert reasons(store) == []
    store.clock.advance(1)
    assert due(store) == [job_id]
    store.claim(job_id)
    assert fail_so(store, job_id, "url").charged
    assert reasons(store) == []


@on_sqlite
@pytest.mark.parametrize("reason", ["url", "odd"])
def test_what_one_job_is_told_while_others_are_accepted_is_its_own(store: Store, reason: Reason) -> None:
    accept(store)
    for _ in range(4):
        [job_id, _] = start(store, 2)
        store.clock.advance(1)
        assert fail_so(store, job_id, reason).charged
        store.clock.advance(1)
        accept(store)
    assert reasons(store) == []


@on_sqlite
def test_texts_that_break_off_while_others_are_whole_are_their_own(store: Store) -> None:
    for _ in range(4):
        [poison] = start(store, 1)
        assert fail_so(store, poison, "broken").charged
        store.clock.advance(1)
        [good] = start(store, 1)
        accept(store)
        finish(store.database, good, 1, written("whole"))
        store.clock.advance(1)
    assert reasons(store) == []


@on_sqlite
@pytest.mark.parametrize("reason", ["broken", "cut"])
def test_texts_of_one_project_that_break_off_do_not_hold_what_another_one_uses(store: Store, reason: Reason) -> None:
    """Such a hold is lifted by more than first words, so it would cost the others much."""
    own = start(store, 4)
    [other] = start(store, 1, "beta")
    assert [fail_so(store, job_id, reason).charged for job_id in own] == [True] * 4
    assert reasons(store) == []
    assert fail_so(store, other, reason).began
    assert store.job(other).failures == 0


@on_sqlite
@pytest.mark.parametrize("reason", ODD)
def test_two_jobs_that_are_at_fault_themselves_end_while_others_complete(store: Store, reason: Reason) -> None:
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
                fail_so(store, job_id, reason)
            else:
                accept(store)
                prove(store)
                finish(store.database, job_id, claimed.attempt, written("whole"))
    jobs = [store.job(job_id) for job_id in poison]
    assert [(job.status, job.failures) for job in jobs] == [(JobStatus.FAILED, 3)] * 2
    assert max(job.attempt for job in jobs) <= 11


@on_sqlite
@pytest.mark.parametrize("reason", ["odd", "broken"])
def test_a_lone_project_whose_every_request_is_at_fault_comes_to_an_end(store: Store, reason: Reason) -> None:
    ids = start(store, 12)
    began_at, calls = store.clock.now, len(ids)
    for job_id in ids:
        fail_so(store, job_id, reason)
    while not store.all_ended(ids):
        [hold] = read_holds(store.database)
        assert hold.probe_at is not None
        store.clock.now = max(store.clock.now, hold.probe_at)
        for job_id in due(store):
            store.claim(job_id)
            fail_so(store, job_id, reason)
            calls += 1
        store.clock.advance(0.1)
        assert calls < 200
    seconds = (store.clock.now - began_at).total_seconds()
    assert LONGEST_DOUBT_SECONDS < seconds < LONGEST_DOUBT_SECONDS + 300 + 3 * len(ids) * 2.5
    assert {store.job(job_id).failures for job_id in ids} == {3}


def test_a_version_before_reads_a_wrong_url_as_away_and_this_one_reads_what_that_writes(store: Store) -> None:
    first, second = start(store, 2)
    fail_so(store, first, "url")
    fail_so(store, second, "url")
    assert reasons(store) == ["url"]
    with store.database.write() as connection:
        [row] = connection.execute(select(holds)).mappings()
        assert row["reason"] == "away"
        connection.execute(update(holds).values(last_probe=row["last_probe"].replace("!url", "")))  # its probe failed
    assert reasons(store) == ["away"]


@on_sqlite
def test_jobs_wait_without_end_for_an_upstream_whose_url_is_wrong(store: Store) -> None:
    ids = start(store, 3)
    for job_id in ids:
        fail_so(store, job_id, "url")
    for _ in range(20):
        store.clock.advance(301)
        [probe] = due(store)
        store.claim(probe)
        assert fail_so(store, probe, "url") == Judgement(charged=False)
    assert {store.job(job_id).failures for job_id in ids} == {0}
    assert reasons(store) == ["url"]
