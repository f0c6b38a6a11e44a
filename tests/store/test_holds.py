"""Holds and outages: nothing that is held starts or is charged, one probe goes, and the first text lifts the hold."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from jobs.dispatch.holds import HoldKind, pause, read_holds, resume
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.outages import Failure, Judgement, judge
from jobs.dispatch.waiting import find_why_waiting
from jobs.intake.submission import BatchOptions, submit_batch
from jobs.lifecycle import transitions
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.erase import delete_batch
from jobs.lifecycle.lease import claim, find_stop_requests
from jobs.lifecycle.transitions import hold_back, release, retry
from jobs.model.endings import MAX_CRASHES
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts
from jobs.tables import jobs, lanes
from jobs.upstreams import UNDECLARED, UpstreamSpec
from tests.store.reserving import lanes_of, take_due, upstream
from tests.store.store_fixtures import LEASE, REFUSED, Store, new_job, store, written

__all__ = ["store"]  # a fixture

HINT_SECONDS = 30.0


def due(store: Store, room: int = 100) -> list[str]:
    return take_due(store.database, room, HINT_SECONDS)


def why(store: Store, job_id: str, *specs: UpstreamSpec) -> str | None:
    found = find_why_waiting(store.database, [job_id], specs or (UNDECLARED,), HINT_SECONDS)
    return found[job_id].limited_by if job_id in found else None


def fail(store: Store, job_id: str, reason: Any, *, by_status: bool = True, **given: Any) -> Judgement:
    """An attempt of this job, sent now, fails so at once."""
    job = store.job(job_id)
    known: dict[str, Any] = {"sent_at": store.clock.now, "refusals": job.refusals, "refused_at": job.refused_at}
    store.clock.advance(0.01)
    known |= {"reason": reason, "code": "upstream_error", "message": "it said no", "by_status": by_status} | given
    failure = Failure("default", "m1", job_id, **known)
    return judge(store.database, failure)


def accept(store: Store) -> None:
    """A request that was sent at this moment has written its first text, and dispatch has noted that."""
    note(store, LaneNews(accepted_at=store.clock.now))


def note(store: Store, news: LaneNews) -> None:
    """Dispatch has noted this of the lane."""
    own = lanes_of(store.database, HINT_SECONDS)
    own.note(("default", "m1"), news)
    own.reserve(0, MAX_CRASHES)


def prove(store: Store) -> None:
    """A request that was sent at this moment has written more than those that were cut."""
    note(store, LaneNews(proved_at=store.clock.now))


def hold_again(store: Store, job_id: str, attempt: int, judged: Judgement) -> None:
    """Queue a job again as its worker does after this judgement; at its last attempt it fails."""
    job, now = store.job(job_id), store.clock.now
    if not judged.charged:
        hold_back(store.database, job_id, attempt, written(), REFUSED, now, refused=judged.alone)
    elif job.failures + 1 >= job.max_attempts:
        transitions.fail(store.database, job_id, attempt, written(), REFUSED)
    else:
        retry(store.database, job_id, attempt, written(), REFUSED, now)


def reasons(store: Store) -> list[str]:
    return [hold.reason for hold in read_holds(store.database)]


@pytest.mark.parametrize("kind", list(HoldKind))
def test_what_is_paused_does_not_start_until_it_is_resumed(store: Store, kind: HoldKind) -> None:
    batch_id = submit_batch(store.database, [new_job() for _ in range(2)], BatchOptions(project="p")).id
    first, second = store.ids(batch_id)
    target = {"batch": batch_id, "project": "p", "model": "m1", "upstream": "default"}[kind]
    assert due(store, 1) == [first]
    assert pause(store.database, kind, target).changed
    assert claim(store.database, first, "w1", LEASE) is None
    store.clock.advance(HINT_SECONDS + 1)
    assert due(store) == []
    assert why(store, first) == why(store, second) == "hold"
    held = read_holds(store.database, [batch_id])
    assert [(hold.kind, hold.target, hold.held_by) for hold in held] == [(kind, target, "person")]
    assert not pause(store.database, kind, target).changed
    assert resume(store.database, kind, target).batch_ids == [batch_id]
    assert not resume(store.database, kind, target).changed
    assert due(store) == [first, second]
    assert [store.job(job_id).failures for job_id in (first, second)] == [0, 0]


@pytest.mark.parametrize("ends", ["cancelled", "completed", "deleted"])
def test_the_hold_of_a_batch_ends_with_it(store: Store, ends: str) -> None:
    """Before, it stayed for ever, and everything that read holds read it."""
    batch_id, [job_id] = store.submit_batch(1)
    if ends == "completed":
        store.claim(job_id)
    pause(store.database, HoldKind.BATCH, batch_id)
    assert [hold.target for hold in read_holds(store.database, [batch_id])] == [batch_id]
    if ends == "completed":
        transitions.finish(store.database, job_id, 1, written("text"))
        close_batch(store.database, batch_id)
    else:
        cancel_batch(store.database, batch_id)
    if ends == "deleted":
        pause(store.database, HoldKind.BATCH, batch_id)  # as an earlier version left it
        assert delete_batch(store.database, batch_id)
    assert read_holds(store.database, [batch_id]) == []


def test_holds_of_other_batches_are_not_read(store: Store) -> None:
    """20,000 paused batches of one project made everybody's jobs wait for seconds."""
    for _ in range(3):
        pause(store.database, HoldKind.BATCH, store.submit_batch(1)[0])
    batch_id, [job_id] = store.submit_batch(1)
    assert read_holds(store.database) == read_holds(store.database, [batch_id]) == []
    assert due(store) == [job_id]


def test_what_others_have_goes_on_while_a_project_is_paused(store: Store) -> None:
    submit_batch(store.database, [new_job()] * 3, BatchOptions(project="p"))
    other = store.submit()
    pause(store.database, HoldKind.PROJECT, "p")
    assert due(store) == [other]


def test_a_running_job_goes_on_unless_it_is_to_be_released(store: Store) -> None:
    batch_id, [job_id] = store.submit_batch(1)
    store.claim(job_id)
    pause(store.database, HoldKind.BATCH, batch_id)
    assert find_stop_requests(store.database, "w1") == []
    pause(store.database, HoldKind.BATCH, batch_id, release_running=True)
    assert find_stop_requests(store.database, "w1") == [(job_id, "release")]
    release(store.database, job_id, 1, written("so far"))
    assert due(store) == []
    resume(store.database, HoldKind.BATCH, batch_id)
    assert due(store) == [job_id]
    store.claim(job_id)
    assert find_stop_requests(store.database, "w1") == []
    assert store.job(job_id).failures == 0


@pytest.mark.parametrize("reason", ["credit", "key", "away"])
def test_an_upstream_is_held_at_once_and_probed_with_one_job_at_growing_intervals(store: Store, reason: str) -> None:
    _, ids = store.submit_batch(6)
    [first] = due(store, 1)
    store.claim(first)
    assert not fail(store, first, reason).charged
    hold_back(store.database, first, 1, written(), REFUSED, store.clock.now, refused=False)
    [hold] = read_holds(store.database)
    assert (hold.reason, hold.held_by, hold.message) == (reason, "system", "it said no")
    assert hold.probe_at is not None
    waits = []
    for _ in range(12):
        assert due(store) == []
        [hold] = read_holds(store.database)
        assert hold.probe_at is not None
        waits.append((hold.probe_at - store.clock.now).total_seconds())
        store.clock.now = hold.probe_at
        [probe] = due(store)
        assert due(store) == []
        claimed = store.claim(probe)
        assert fail(store, probe, reason) == Judgement(charged=False)
        hold_back(store.database, probe, claimed.attempt, written(), REFUSED, store.clock.now, refused=False)
    assert waits[0] <= 60
    assert waits == sorted(waits)
    assert 290 < waits[-1] <= 300
    assert {store.job(job_id).failures for job_id in ids} == {0}
    assert {attempt.outcome for attempt in read_attempts(store.database, first)} == {"held"}


def test_of_the_jobs_of_a_held_upstream_only_the_probe_can_be_claimed(store: Store) -> None:
    _, ids = store.submit_batch(3)
    assert due(store, 3) == ids
    store.claim(ids[0])
    fail(store, ids[0], "away")
    assert [claim(store.database, job_id, "w1", LEASE) for job_id in ids[1:]] == [None, None]
    store.clock.advance(1)
    [probe] = due(store)
    assert claim(store.database, probe, "w1", LEASE) is not None


def test_the_first_text_that_was_asked_for_since_lifts_the_hold(store: Store) -> None:
    _, ids = store.submit_batch(4)
    [first] = due(store, 1)
    store.claim(first)
    fail(store, first, "credit")
    own = lanes_of(store.database, HINT_SECONDS)
    before = store.clock.now - timedelta(seconds=1)
    own.note(("default", "m1"), LaneNews(accepted_at=before))
    own.reserve(0, MAX_CRASHES)
    assert len(read_holds(store.database)) == 1  # that one was sent before the credit ran out
    store.clock.advance(5)
    [probe] = due(store)
    store.claim(probe)
    own.note(("default", "m1"), LaneNews(accepted_at=store.clock.now))
    done = own.reserve(10, MAX_CRASHES)
    assert done.lifted
    assert len(done.batch_ids) == 1
    assert read_holds(store.database) == []
    started = own.reserve(10, MAX_CRASHES).reserved
    assert started
    assert set(started) <= set(ids)


def test_another_job_is_the_next_probe(store: Store) -> None:
    poison, good = store.submit(), store.submit()
    [first] = due(store, 1)
    store.claim(first)
    assert first == poison
    fail(store, poison, "away")
    hold_back(store.database, poison, 1, written(), REFUSED, store.clock.now, refused=False)
    store.clock.advance(1)
    assert due(store) == [good]


def test_a_probe_waits_for_one_of_the_streams_that_its_upstream_may_have(store: Store) -> None:
    _, ids = store.submit_batch(4)
    narrow = lanes_of(store.database, HINT_SECONDS, upstream("default", max_streams=2))
    for job_id in narrow.reserve(10, MAX_CRASHES).reserved:
        store.claim(job_id)
    fail(store, ids[0], "credit")
    store.clock.advance(60)
    assert narrow.reserve(10, MAX_CRASHES).reserved == []
    hold_back(store.database, ids[0], 1, written(), REFUSED, store.clock.now, refused=False)
    store.clock.advance(1)
    assert len(narrow.reserve(10, MAX_CRASHES).reserved) == 1


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
    assert fail(store, second, "failing").charged
    assert read_holds(store.database) == []


def test_a_502_of_a_job_while_others_are_accepted_is_charged(store: Store) -> None:
    job_id = store.submit()
    [claimed] = due(store)
    store.claim(claimed)
    sent_at = store.clock.now
    store.clock.advance(1)
    accept(store)
    failure = Failure("default", "m1", job_id, sent_at, "away", "upstream_error", "bad gateway", True, 0)
    assert judge(store.database, failure) == Judgement(charged=True, alone=True)
    assert read_holds(store.database) == []


def test_a_cut_stream_goes_back_uncharged_from_a_held_upstream_but_not_without_end(store: Store) -> None:
    first, second = store.submit(), store.submit()
    for job_id in due(store, 2):
        store.claim(job_id)
    fail(store, first, "away")
    assert fail(store, second, "cut") == Judgement(charged=False, alone=True)
    assert fail(store, second, "cut", refusals=8).charged


def test_a_person_who_resumes_lifts_the_systems_hold_and_jobs_start_at_once(store: Store) -> None:
    _, ids = store.submit_batch(2)
    store.claim(due(store, 1)[0])
    fail(store, ids[0], "key")
    assert due(store) == []
    assert resume(store.database, HoldKind.UPSTREAM, "default").changed
    assert due(store) == [ids[1]]


def test_jobs_of_a_held_upstream_go_to_another_that_takes_them(store: Store) -> None:
    job_id = store.submit()
    pause(store.database, HoldKind.UPSTREAM, "default")
    assert why(store, job_id) == "hold"
    assert why(store, job_id, UNDECLARED, upstream("other")) == "no_free_stream"
    assert take_due(store.database, 5, HINT_SECONDS, MAX_CRASHES, UNDECLARED, upstream("other")) == [job_id]
    assert store.job(job_id).upstream == "other"


def test_after_a_hold_the_lane_starts_slowly_again(store: Store) -> None:
    store.submit_batch(2)
    store.claim(due(store, 1)[0])
    fail(store, store.ids(str(store.job(store.rows()["jobs"][0][0]).batch_id))[0], "away")
    with store.database.read() as connection:
        assert connection.scalars(select(lanes.c.restart)).all() == [True]
    store.clock.advance(2)
    accept(store)
    with store.database.read() as connection:
        assert connection.scalars(select(lanes.c.restart)).all() == [False]


def test_a_deadline_goes_on_while_a_job_is_held(store: Store) -> None:
    job_id = store.submit(expires_at=store.clock.after(10))
    pause(store.database, HoldKind.MODEL, "m1")
    store.clock.advance(10)
    resume(store.database, HoldKind.MODEL, "m1")
    assert due(store) == []
    assert store.job(job_id).status is JobStatus.QUEUED


def test_a_queued_job_says_why_it_waits(store: Store) -> None:
    waits = store.running()
    retry(store.database, waits, 1, written(), REFUSED, store.clock.after(5))
    alone = store.submit(model="m9")
    named = store.submit(only_upstream="gone")
    capped = submit_batch(store.database, [new_job()] * 2, BatchOptions(max_concurrency=1)).id
    first, second = store.ids(capped)
    store.claim(first)
    assert why(store, waits) == "retry"
    assert why(store, alone, upstream("default", models=("m1",))) == "no_upstream"
    assert why(store, named) == "no_upstream"
    assert why(store, second) == "max_concurrency"
    assert why(store, first) is None  # it runs
    found = find_why_waiting(store.database, [waits, second], [UNDECLARED], HINT_SECONDS)
    assert all(one.message for one in found.values())
    with store.database.read() as connection:
        assert connection.scalar(select(jobs.c.failures).where(jobs.c.id == second)) == 0


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


def test_two_jobs_that_always_lose_their_connection_end_while_others_complete(store: Store) -> None:
    poison = [store.submit(max_attempts=3), store.submit(max_attempts=3)]
    for _ in range(200):
        if all(store.job(job_id).is_final for job_id in poison):
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


def test_a_job_that_is_alone_with_an_upstream_that_is_away_never_ends_and_is_probed_with_every_minute(
    store: Store,
) -> None:
    job_id = store.submit()
    for _ in range(50):
        store.clock.advance(61)
        [probe] = due(store)
        hold_again(store, probe, store.claim(probe).attempt, fail(store, probe, "away"))
    job = store.job(job_id)
    assert (job.status, job.failures, job.refusals) == (JobStatus.QUEUED, 0, 0)
    assert reasons(store) == ["away"]


def test_the_reason_of_a_hold_is_that_of_the_last_probe(store: Store) -> None:
    job_id = store.submit()
    store.claim(due(store)[0])
    hold_again(store, job_id, 1, fail(store, job_id, "away"))
    store.clock.advance(1)
    store.claim(due(store)[0])
    hold_again(store, job_id, 2, fail(store, job_id, "credit"))
    assert reasons(store) == ["credit"]
