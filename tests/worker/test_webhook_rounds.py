"""However many deliveries an endpoint has, no transaction changes many of them, and who ends between two rounds leaves
nothing that is sent by mistake or never.
"""

import pytest

from jobs.webhooks import endpoints, waiting
from jobs.webhooks.deliveries import take
from jobs.webhooks.endpoints import read_endpoint
from jobs.webhooks.past import clear_deliveries, replay
from jobs.webhooks.waiting import TAKEN_SECONDS
from tests.store.plans import plans_of
from tests.store.store_fixtures import Store, store
from tests.worker.delivering import FAILED, due, store_outcome, without_jitter
from tests.worker.webhook_rounds import (
    changed,
    due_times,
    killed_before_second,
    pause,
    resume,
    set_all,
    two_in_a_round,
    waiting_events,
)

__all__ = ["store", "two_in_a_round", "without_jitter"]  # fixtures

HOUR = 3600.0


def test_a_pause_changes_no_delivery_and_nothing_is_due(store: Store) -> None:
    webhook_id, found = waiting_events(store)
    other, later = waiting_events(store, 1)
    before = due_times(store)
    with changed(store) as rounds:
        pause(store, webhook_id)
        clear_deliveries(store.database)
    assert (rounds, due_times(store)) == ([], before)
    assert due(store) == later
    assert [one.webhook_id for one in take(store.database, [*found, *later])] == [other]


def test_a_resume_sends_all_in_the_order_of_events_also_what_was_to_be_tried_later(store: Store) -> None:
    webhook_id, found = waiting_events(store)
    pause(store, webhook_id)
    set_all(store, due_at=store.clock.after(HOUR), tries=5)
    with changed(store) as rounds:
        resume(store, webhook_id)
    assert rounds == [2, 2, 1]
    assert due(store, per_endpoint=9) == found


def test_a_resume_sends_what_an_earlier_version_took_out_when_it_paused(store: Store) -> None:
    webhook_id, found = waiting_events(store)
    pause(store, webhook_id)
    set_all(store, due_at=None)
    with changed(store) as rounds:
        resume(store, webhook_id)
    assert rounds == [2, 2, 1]
    assert due(store, per_endpoint=9) == found


def test_a_resume_sends_what_a_worker_of_an_earlier_version_takes_out_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id, found = waiting_events(store)
    pause(store, webhook_id)
    monkeypatch.setattr(endpoints, "bring_forward", lambda *_: set_all(store, due_at=None))
    resume(store, webhook_id)
    assert due(store, per_endpoint=9) == found


def test_who_ends_between_two_rounds_of_a_resume_leaves_a_paused_endpoint_to_be_resumed_again(store: Store) -> None:
    webhook_id, found = waiting_events(store)
    pause(store, webhook_id)
    set_all(store, due_at=None)
    with killed_before_second(store, "UPDATE webhook_deliveries"):
        resume(store, webhook_id)
    assert due_times(store)[2:] == [None] * 3
    assert due(store) == []
    left = read_endpoint(store.database, webhook_id, project="default")
    assert left is not None
    assert left.paused_at is not None
    resume(store, webhook_id)
    assert due(store, per_endpoint=9) == found


def test_who_resumes_second_leaves_the_tries_alone_that_have_begun(store: Store) -> None:
    webhook_id, found = waiting_events(store, 1)
    pause(store, webhook_id)
    resume(store, webhook_id)
    store_outcome(store, take(store.database, found)[0], FAILED)
    later = due_times(store)
    waiting.bring_forward(store.database, webhook_id)
    resume(store, webhook_id)
    assert due_times(store) == later


def test_what_is_being_sent_while_its_endpoint_is_paused_and_resumed_is_not_sent_twice(store: Store) -> None:
    webhook_id, found = waiting_events(store, 1)
    take(store.database, found)
    pause(store, webhook_id)
    resume(store, webhook_id)
    assert due(store) == []
    store.clock.advance(TAKEN_SECONDS)
    assert due(store) == found


def test_a_replay_of_all_goes_in_rounds_and_who_ends_in_between_leaves_the_rest_given_up(store: Store) -> None:
    webhook_id, found = waiting_events(store)
    set_all(store, due_at=None, given_up_at=store.clock.now, tries=7)
    with killed_before_second(store, "UPDATE webhook_deliveries"):
        replay(store.database, webhook_id)
    assert due(store, per_endpoint=9) == found[:2]
    with changed(store) as rounds:
        assert replay(store.database, webhook_id) == 3
    assert rounds == [2, 1]
    assert due(store, per_endpoint=9) == found
    assert replay(store.database, webhook_id) == 0


def test_a_look_takes_one_step_for_an_endpoint_however_much_waits_for_it(store: Store) -> None:
    webhook_id, _ = waiting_events(store)
    pause(store, webhook_id)
    if not store.database.is_sqlite:
        with store.database.write() as connection:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # of a table with five rows
    with plans_of(store.database, "WITH") as plans:
        assert due(store) == []
    [(_, plan)] = plans
    reads = [step for step in plan if "webhook_deliveries" in step and "Seq Scan" not in step]
    assert reads
    assert all("webhook_deliveries_due_of" in step for step in reads), plan
