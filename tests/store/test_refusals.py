"""A limit that lasts longer than any window of a minute is no rate limit: the upstream is held, nobody is charged."""

from datetime import timedelta

import pytest

from jobs.dispatch.failure import Judgement
from jobs.dispatch.holds import read_holds
from jobs.dispatch.refusals import LONGEST_WINDOW_SECONDS, LaneRefusals, LimitRefusal, note_refusal
from jobs.intake.submission import submit_job
from jobs.lifecycle.transitions import wait_for_limit
from jobs.tables import lanes
from tests.sparing import on_sqlite
from tests.store.failing import accept, due, fail, hold_again, reasons, why
from tests.store.reserving import take_due
from tests.store.store_fixtures import REFUSED, Store, new_job, store, written

__all__ = ["store"]  # a fixture


def refuse(
    store: Store, job_id: str, retry_after: float = 0.0, model: str = "m1", *, is_limit: bool = True
) -> LaneRefusals:
    """This job is refused now."""
    refusal = LimitRefusal("default", model, job_id, "slow down (HTTP 429)", retry_after, is_limit)
    return note_refusal(store.database, refusal)


def refuse_for(store: Store, seconds: float, job_id: str, every: float = 15.0) -> None:
    """Refuse this job again and again for so long, and once more at the end."""
    for _ in range(int(seconds / every)):
        assert not refuse(store, job_id).began
        store.clock.advance(every)


def test_a_limit_that_outlasts_any_window_of_a_minute_holds_its_upstream_and_says_what_it_said(store: Store) -> None:
    batch_id, ids = store.submit_batch(3)
    [first] = due(store, 1)
    attempt = store.claim(first).attempt
    refuse_for(store, LONGEST_WINDOW_SECONDS, first)
    assert refuse(store, first) == LaneRefusals(None, first, (batch_id,), began=True)
    wait_for_limit(store.database, first, attempt, written(), REFUSED, store.clock.now)
    [hold] = read_holds(store.database)
    assert (hold.reason, hold.held_by) == ("limit", "system")
    assert hold.message == "slow down (HTTP 429)"
    assert due(store) == []
    assert [why(store, job_id) for job_id in ids] == ["hold"] * 3
    assert [store.job(job_id).failures for job_id in ids] == [0] * 3


@on_sqlite
def test_its_probes_are_refused_at_growing_intervals_and_the_first_text_lifts_it(store: Store) -> None:
    store.submit_batch(8)
    [first] = due(store, 1)
    attempt = store.claim(first).attempt
    refuse_for(store, LONGEST_WINDOW_SECONDS, first)
    refuse(store, first)
    wait_for_limit(store.database, first, attempt, written(), REFUSED, store.clock.now)
    waits = []
    for _ in range(6):
        [hold] = read_holds(store.database)
        assert hold.probe_at is not None
        waits.append((hold.probe_at - store.clock.now).total_seconds())
        store.clock.now = hold.probe_at
        [probe] = due(store)
        attempt = store.claim(probe).attempt
        assert not refuse(store, probe).began
        wait_for_limit(store.database, probe, attempt, written(), REFUSED, store.clock.now)
    assert waits == [30, 60, 120, 240, 300, 300]
    store.clock.advance(300)
    accept(store)
    assert reasons(store) == []


@on_sqlite
def test_a_limit_that_somebody_passes_is_a_rate_limit_however_long_it_lasts(store: Store) -> None:
    job_id = store.submit()
    for _ in range(20):
        assert not refuse(store, job_id).began
        store.clock.advance(60)
        accept(store)
        store.clock.advance(1)
    assert reasons(store) == []


def test_refusals_that_are_far_apart_are_not_one_that_lasts(store: Store) -> None:
    job_id = store.submit()
    for _ in range(5):
        assert not refuse(store, job_id).began
        store.clock.advance(LONGEST_WINDOW_SECONDS + 1)
    assert reasons(store) == []


def test_a_limit_that_says_for_how_long_is_probed_when_that_is_over(store: Store) -> None:
    job_id = store.submit()
    assert not refuse(store, job_id, retry_after=600).began
    store.clock.advance(600)
    assert refuse(store, job_id, retry_after=600).began
    [hold] = read_holds(store.database)
    assert hold.probe_at == store.clock.after(600)


def test_an_upstream_of_which_another_model_writes_is_not_held(store: Store) -> None:
    job_id = store.submit()
    with store.database.write() as connection:
        connection.execute(lanes.insert().values(upstream="default", model="m2", updated_at=store.clock.now))
    refuse_for(store, LONGEST_WINDOW_SECONDS, job_id)
    accept(store)  # in the lane of m1, which is the same to the upstream
    refuse_for(store, LONGEST_WINDOW_SECONDS, job_id)
    with store.database.write() as connection:
        of_other = lanes.update().where(lanes.c.model == "m2")
        connection.execute(of_other.values(accepted_at=store.clock.now))
    assert not refuse(store, job_id).began
    assert reasons(store) == []


@on_sqlite
def test_while_a_stream_writes_that_may_be_all_that_its_upstream_takes_it_is_not_held(store: Store) -> None:
    store.running()
    job_id = store.submit()
    store.clock.advance(1)
    refuse_for(store, 3 * LONGEST_WINDOW_SECONDS, job_id)
    assert reasons(store) == []


@pytest.mark.parametrize("reason", ["away", "credit", "key"])
def test_a_probe_that_is_refused_for_a_limit_comes_later_the_next_time(store: Store, reason: str) -> None:
    job_id = store.submit()
    store.claim(due(store)[0])
    hold_again(store, job_id, 1, fail(store, job_id, reason))
    store.clock.advance(5)
    [probe] = take_due(store.database, 1, 30)
    store.claim(probe)
    refuse(store, probe, retry_after=45)
    [hold] = read_holds(store.database)
    assert (hold.reason, hold.probes, hold.probe_at) == (reason, 1, store.clock.after(45))


def submit(store: Store, project: str) -> str:
    return submit_job(store.database, new_job(), project=project).id


@pytest.mark.parametrize("is_lasting", [False, True])
def test_what_a_probe_of_one_project_is_told_to_wait_keeps_no_other_project_waiting(
    store: Store, is_lasting: bool
) -> None:
    """It may be a limit of its own. Before, all waited for an hour; `is_lasting`: all that it sent was refused."""
    own = submit(store, "alpha")
    store.claim(own)
    if is_lasting:
        refuse_for(store, LONGEST_WINDOW_SECONDS - 15, own)
    accept(store)
    store.clock.advance(30)
    submit(store, "beta")
    fail_as_away(store, due(store)[0])
    probed = list[str]()
    for _ in range(6):
        if not probed or probed[-1] == "alpha":  # each of its jobs waits for itself
            submit(store, "alpha")
        began = store.clock.now
        [probe] = next_due(store)
        assert store.clock.now <= began + timedelta(seconds=60)
        probed.append(store.job(probe).project)
        if probed[-1] == "beta":
            fail_as_away(store, probe)
            continue
        attempt = store.claim(probe).attempt
        refuse(store, probe, retry_after=3600)
        wait_for_limit(store.database, probe, attempt, written(), REFUSED, store.clock.after(3600))
    assert reasons(store) == ["away"]
    assert {probed.count("alpha"), probed.count("beta")} <= {2, 3, 4}


def fail_as_away(store: Store, job_id: str) -> None:
    attempt = store.claim(job_id).attempt
    fail(store, job_id, "away")
    hold_again(store, job_id, attempt, Judgement(charged=False))


def next_due(store: Store) -> list[str]:
    """The jobs that go now, or when it is time for the next probe."""
    found = due(store)
    if not found:
        [hold] = read_holds(store.database)
        assert hold.probe_at is not None
        store.clock.now = hold.probe_at
        found = due(store)
    return found


@on_sqlite
def test_what_waited_in_a_queue_is_no_refusal_of_the_upstream(store: Store) -> None:
    job_id = store.submit()
    for _ in range(20):
        assert not refuse(store, job_id, is_limit=False).began
        store.clock.advance(60)
    assert reasons(store) == []
