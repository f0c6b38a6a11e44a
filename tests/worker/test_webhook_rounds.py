"""However many deliveries an endpoint has, no transaction changes many of them, and who ends between two rounds leaves
nothing that is sent by mistake or never.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select, update

from jobs.lifecycle import erase
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.erase import NOBODY, delete_batch
from jobs.lifecycle.rescue import expire_and_cancel_queued, rescue_lost
from jobs.lifecycle.retention import delete_some
from jobs.tables import batches, jobs, webhook_deliveries, webhooks
from jobs.webhooks import endpoints, events, past, waiting
from jobs.webhooks.deliveries import store_outcome, take
from jobs.webhooks.endpoints import change_endpoint, delete_endpoint, endpoint_row, read_endpoint
from jobs.webhooks.events import JOB_ENDS, RESPONSE_ENDS
from jobs.webhooks.past import clear_deliveries, list_deliveries, replay
from jobs.webhooks.waiting import TAKEN_SECONDS
from tests.store.plans import plans_of
from tests.store.store_fixtures import Store, store
from tests.worker.delivering import FAILED, due, event_for, make, without_jitter

__all__ = ["store", "without_jitter"]  # fixtures

HOUR = 3600.0


class KilledError(Exception):
    """The process ends here."""


@pytest.fixture(autouse=True)
def _two_in_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (waiting, past, erase):
        monkeypatch.setattr(module, "MOST_DELIVERIES", 2)


@contextmanager
def changed(store: Store) -> Iterator[list[int]]:
    """How many deliveries each transaction writes meanwhile, of those that write any."""
    found: list[int] = []
    of_this = [0]

    def note(_connection: Any, cursor: Any, statement: str, given: Any, _context: Any, is_many: bool) -> None:
        verb, *_ = statement.partition("webhook_deliveries")
        if verb in ("INSERT INTO ", "UPDATE ", "DELETE FROM "):
            of_this[0] += len(given) if is_many else cursor.rowcount

    def end(_connection: Connection) -> None:
        if of_this[0]:
            found.append(of_this[0])
        of_this[0] = 0

    event.listen(store.database.engine, "after_cursor_execute", note)
    event.listen(store.database.engine, "commit", end)
    yield found
    event.remove(store.database.engine, "after_cursor_execute", note)
    event.remove(store.database.engine, "commit", end)


@contextmanager
def killed_before_second(store: Store, statement: str) -> Iterator[None]:
    """The process ends when it is about to carry out the second statement that begins so."""
    seen = count()

    def die(_connection: Any, _cursor: Any, asked: str, *_: Any) -> None:
        if asked.startswith(statement) and next(seen) == 1:
            raise KilledError

    event.listen(store.database.engine, "before_cursor_execute", die)
    with pytest.raises(KilledError):
        yield
    event.remove(store.database.engine, "before_cursor_execute", die)


def pause(store: Store, webhook_id: str) -> None:
    assert change_endpoint(store.database, webhook_id, project="default", paused=True)


def resume(store: Store, webhook_id: str) -> None:
    assert change_endpoint(store.database, webhook_id, project="default", paused=False)


def set_all(store: Store, **values: Any) -> None:
    with store.database.write() as connection:
        connection.execute(update(webhook_deliveries).values(values))


def due_times(store: Store) -> list[datetime | None]:
    with store.database.read() as connection:
        wanted = select(webhook_deliveries.c.due_at).order_by(webhook_deliveries.c.event_id)
        return list(connection.scalars(wanted))


def waiting_events(store: Store, number: int = 5) -> tuple[str, list[tuple[str, str]]]:
    """An endpoint and its deliveries, each of which is due."""
    webhook_id = make(store)
    return webhook_id, [(webhook_id, event_for(store, webhook_id)) for _ in range(number)]


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
    store_outcome(store.database, take(store.database, found)[0], FAILED)
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


def test_what_waits_for_an_endpoint_that_was_removed_is_deleted_in_rounds(store: Store) -> None:
    webhook_id, _ = waiting_events(store)
    _, others = waiting_events(store, 3)
    delete_endpoint(store.database, webhook_id, project="default")
    with changed(store) as rounds:
        assert [clear_deliveries(store.database) for _ in range(4)] == [2, 2, 1, 0]
    assert rounds == [2, 2, 1]
    assert due(store) == others


def test_the_oldest_of_too_many_that_wait_are_given_up_and_can_be_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 3)
    webhook_id, found = waiting_events(store, 6)
    _, others = waiting_events(store, 3)
    pause(store, webhook_id)
    with changed(store) as rounds:
        assert [clear_deliveries(store.database) for _ in range(3)] == [2, 1, 0]
    assert rounds == [2, 1]
    given_up, _ = list_deliveries(store.database, webhook_id, status="failed", after=None, limit=9)
    assert [(webhook_id, one.event_id) for one in reversed(given_up)] == found[:3]
    assert {(one.due_at, one.last_error) for one in given_up} == {(None, "more than 3 events waited")}
    assert due(store) == others, "no more than the bound wait"
    resume(store, webhook_id)
    assert [one for one in due(store) if one not in others] == found[3:]
    assert replay(store.database, webhook_id) == 3


def deliveries_of_a_batch(store: Store, number: int) -> tuple[str, str]:
    """A batch that has ended, whose own webhook has so many deliveries: their ids."""
    batch_id, _ = store.submit_batch(number - 1)
    row = endpoint_row(store.clock.now, project="default", url="https://app.example/", events=JOB_ENDS)
    row |= {"batch_id": batch_id, "events": [*JOB_ENDS, "batch.cancelled"]}
    with store.database.write() as connection:
        connection.execute(insert(webhooks).values(row))
    cancel_batch(store.database, batch_id)
    assert len(due_times(store)) == number
    return batch_id, str(row["id"])


def rows_left(store: Store) -> dict[str, int]:
    with store.database.read() as connection:
        tables = (batches, jobs, webhooks, webhook_deliveries)
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def delete_by_hand(store: Store, _batch_id: str) -> None:
    while delete_some(store.database):
        pass


@pytest.mark.parametrize("go_on", [delete_batch, delete_by_hand], ids=["asked again", "by a worker"])
def test_the_deliveries_of_a_deleted_batch_go_in_rounds_and_others_go_on(
    store: Store, go_on: Callable[[Any, str], Any]
) -> None:
    batch_id, webhook_id = deliveries_of_a_batch(store, 6)
    with killed_before_second(store, "DELETE FROM webhook_deliveries"):
        delete_batch(store.database, batch_id)
    assert rows_left(store) == {"batches": 1, "jobs": 0, "webhooks": 1, "webhook_deliveries": 4}
    assert due(store) == []
    assert read_endpoint(store.database, webhook_id, project="default") is None
    hidden = read_endpoint(store.database, webhook_id, project=NOBODY)
    assert hidden is not None
    assert (hidden.secret, hidden.url, hidden.old_secret) == ("", "", None), "a secret must not outlive its batch"
    with changed(store) as rounds:
        go_on(store.database if go_on is delete_batch else store, batch_id)
    assert rounds == [2, 2]
    assert set(rows_left(store).values()) == {0}


@pytest.mark.parametrize("way", ["cancelled", "expired", "rescued"])
def test_jobs_that_end_together_are_fewer_where_many_endpoints_hear_of_them(
    store: Store, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(events, "MOST_DELIVERIES", 7)
    heard = [make(store, events=[*JOB_ENDS, *RESPONSE_ENDS]) for _ in range(3)]
    batch_id, ids = (
        store.submit_batch(5, expires_at=store.clock.after(60)) if way == "expired" else store.submit_batch(5)
    )
    with changed(store) as rounds:
        if way == "cancelled":
            cancel_batch(store.database, batch_id)
        elif way == "expired":
            store.clock.advance(61)
            while expire_and_cancel_queued(store.database):
                pass
        else:
            for job_id in ids:
                store.claim(job_id)
            cancel_batch(store.database, batch_id)
            store.clock.advance(60)
            while rescue_lost(store.database):
                pass
    assert rounds == [6, 6, 3], "two jobs, two, and one"
    with store.database.read() as connection:
        wanted = select(webhook_deliveries.c.webhook_id, func.count()).group_by(webhook_deliveries.c.webhook_id)
        assert {(row[0], row[1]) for row in connection.execute(wanted)} == {(one, 5) for one in heard}


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
