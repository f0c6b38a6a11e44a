"""What many tries got is stored together: each transaction waits for a turn to write, and the next tries for it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DataError, OperationalError

from jobs.store.database import Database
from jobs.webhooks.deliveries import SCHEDULE, Delivery, Outcome, Tried, store_outcomes, take
from jobs.webhooks.endpoints import read_endpoint
from jobs.webhooks.past import read_delivery, send_test
from tests.api.watching import PATIENCE_SECONDS, wait_until
from tests.store.store_fixtures import Store, store
from tests.worker.delivering import FAILED, TAKEN, due, event_for, make, without_jitter
from tests.worker.receiving import receiving
from tests.worker.test_webhook_deliverer import delivering, endpoint_at, past_of
from worker.webhooks import outcomes
from worker.webhooks.deliverer import Deliverer
from worker.webhooks.delivery_turns import PER_ENDPOINT, PER_PROJECT
from worker.webhooks.outcomes import Outcomes

__all__ = ["store", "without_jitter"]  # fixtures

GONE = Outcome(status=410)


@pytest.fixture
def commits(store: Store) -> Iterator[list[Connection]]:
    """The transactions that have been committed."""
    found: list[Connection] = []

    def note(connection: Connection) -> None:
        found.append(connection)

    event.listen(store.database.engine, "commit", note)
    yield found
    event.remove(store.database.engine, "commit", note)


def taken_of(store: Store, *webhook_ids: str) -> list[Delivery]:
    """An event for each of these, taken; in this order."""
    wanted = [(webhook_id, event_for(store, webhook_id)) for webhook_id in webhook_ids]
    taken = {(one.webhook_id, one.event_id): one for one in take(store.database, due(store))}
    return [taken[one] for one in wanted]


def status_of(store: Store, delivery: Delivery) -> tuple[str, int | None, datetime | None]:
    past = read_delivery(store.database, delivery.webhook_id, delivery.event_id)
    assert past is not None
    return past.status, past.last_status, past.due_at


def failures_of(store: Store, webhook_id: str) -> tuple[int, str | None]:
    endpoint = read_endpoint(store.database, webhook_id, project="default")
    assert endpoint is not None
    return endpoint.failures, endpoint.pause_reason


def test_what_many_tries_got_is_stored_in_one_transaction(store: Store, commits: list[Connection]) -> None:
    well, failing, gone = (make(store) for _ in range(3))
    taken = taken_of(store, gone, well, failing, well, failing)
    commits.clear()
    paused = store_outcomes(store.database, list(zip(taken, [GONE, TAKEN, FAILED, TAKEN, FAILED], strict=True)))
    assert len(commits) == 1
    later = store.clock.after(SCHEDULE[1])
    delivered, failed = ("delivered", 204, None), ("pending", 500, later)
    statuses = [status_of(store, one) for one in taken]
    assert statuses == [("pending", 410, later), delivered, failed, delivered, failed]
    assert paused == {gone: "the receiver answered 410 Gone"}
    assert [failures_of(store, one) for one in (well, failing, gone)] == [(0, None), (2, None), (1, paused[gone])]


def test_failures_in_a_row_are_counted_in_the_order_in_which_tries_ended(store: Store) -> None:
    webhook_id = make(store)
    [before] = taken_of(store, webhook_id)
    store_outcomes(store.database, [(before, FAILED)])
    taken = taken_of(store, *[webhook_id] * 3)
    assert all(one.fails for one in taken)
    store_outcomes(store.database, list(zip(taken, [FAILED, TAKEN, FAILED], strict=True)))
    assert failures_of(store, webhook_id) == (1, None)


def test_a_try_that_was_taken_over_changes_nothing_beside_one_that_was_not(store: Store) -> None:
    over, own = taken_of(store, make(store), make(store))
    store.clock.advance(10)
    take(store.database, [(over.webhook_id, over.event_id)])
    before = status_of(store, over)
    store_outcomes(store.database, [(over, FAILED), (own, TAKEN)])
    assert (status_of(store, over), status_of(store, own)[0]) == (before, "delivered")


async def call_at_once(action: Callable[[], None]) -> None:
    await asyncio.sleep(0)
    action()


class Storing:
    """Stands for `store_outcomes`: notes the events of each transaction, and refuses what a test wants refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuse: Callable[[Sequence[str]], Exception | None]) -> None:
        self.groups: list[list[str]] = []
        self._refuse = refuse
        monkeypatch.setattr(outcomes, "store_outcomes", self._store)

    def _store(self, _database: Database, together: Sequence[Tried]) -> dict[str, str]:
        events = [delivery.event_id for delivery, _ in together]
        self.groups.append(events)
        if refused := self._refuse(events):
            raise refused
        return {}

    def store(self, database: Database, *event_ids: str) -> None:
        """All of these come at once."""

        async def store_all() -> None:
            all_outcomes = Outcomes(database, call_at_once)
            await asyncio.gather(*(all_outcomes.store(delivery_of(name), TAKEN) for name in event_ids))

        asyncio.run(store_all())


def delivery_of(event_id: str) -> Delivery:
    return Delivery("wh", event_id, "default", "http://a.example/", "{}", 1, (), fails=False)


def test_one_that_the_database_will_not_take_costs_the_others_nothing(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing = Storing(monkeypatch, lambda events: DataError("", {}, Exception("no")) if "b" in events else None)
    storing.store(sqlite_database, "a", "b", "c")
    assert storing.groups == [["a", "b", "c"], ["a"], ["b"], ["c"]]


def test_a_database_that_is_away_is_asked_once_for_all(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    storing = Storing(monkeypatch, lambda _: OperationalError("", {}, Exception("away")))
    with caplog.at_level(logging.WARNING):
        storing.store(sqlite_database, "a", "b", "c")
    assert storing.groups == [["a", "b", "c"]]
    assert caplog.messages == ["the outcomes of 3 webhooks are not stored: away"]


def test_it_tells_what_is_delivered_and_only_to_be_stored(sqlite_database: Database) -> None:
    well, failed = delivery_of("a"), delivery_of("b")

    async def look() -> None:
        asked: list[tuple[bool, ...]] = []

        async def ask(_: Callable[[], None]) -> None:
            await asyncio.sleep(0)
            asked.append((well in found, found.has_delivered(well), failed in found, found.has_delivered(failed)))

        found = Outcomes(sqlite_database, ask)
        await asyncio.gather(found.store(well, TAKEN), found.store(failed, FAILED))
        assert asked[0] == (True, True, True, False)
        assert (well in found, found.has_delivered(well)) == (False, False)

    asyncio.run(look())


class SlowForOne:
    """Stands for `Sender`: the receivers of one project hang, all others take what they are sent."""

    def __init__(self, slow: str) -> None:
        self._slow = slow
        self.begun: list[Delivery] = []

    async def send(self, delivery: Delivery, _now: datetime) -> Outcome:
        self.begun.append(delivery)
        if delivery.project == self._slow:
            await asyncio.Event().wait()
        return TAKEN

    def of(self, project: str) -> list[str]:
        return [one.event_id for one in self.begun if one.project == project]


def test_slow_receivers_with_a_backlog_leave_another_project_its_turns_and_few_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty of them. Each outcome of the other project once waited for a turn to write, and the next look for all."""
    sender = SlowForOne("slow")
    with receiving() as nobody:
        for _ in range(20):
            endpoint = endpoint_at(database, nobody, "slow")
            for _ in range(15):
                send_test(database, endpoint.id)
        healthy = [endpoint_at(database, nobody, "healthy") for _ in range(3)]
        wanted = [send_test(database, endpoint.id) for endpoint in healthy for _ in range(PER_ENDPOINT)]
    deliverer = Deliverer(database, sender)  # type: ignore[arg-type]
    groups: list[int] = []

    def store_when_all_have_come(asked: Database, together: Sequence[Tried]) -> dict[str, str]:
        if not groups:
            wait_until(lambda: len(deliverer._outcomes._unstored) == len(wanted))
        groups.append(len(together))
        return store_outcomes(asked, together)

    monkeypatch.setattr(outcomes, "store_outcomes", store_when_all_have_come)
    deliverer.start()
    try:
        wait_until(lambda: sum(groups) == len(wanted))
    finally:
        deliverer.stop()
    assert sorted(sender.of("healthy")) == sorted(wanted), "each once"
    assert len(sender.of("slow")) == PER_PROJECT
    assert {one.project for one in sender.begun[: PER_PROJECT + len(wanted)]} == {"slow", "healthy"}
    assert len(groups) <= 2, groups


def test_what_was_answered_when_a_worker_ends_is_stored_and_not_given_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given back, a try that failed would be made again at once, as if it had not been."""
    is_ending = threading.Event()
    give_back = Deliverer._give_back

    async def note_ending(self: Deliverer) -> None:
        is_ending.set()
        await give_back(self)

    def store_late(*given: Any) -> dict[str, str]:
        assert is_ending.wait(PATIENCE_SECONDS)
        return store_outcomes(*given)

    monkeypatch.setattr(Deliverer, "_give_back", note_ending)
    monkeypatch.setattr(outcomes, "store_outcomes", store_late)
    monkeypatch.setattr("worker.webhooks.deliverer.AT_ONCE", 1)  # no look waits behind it
    with receiving(b"HTTP/1.1 500 No\r\n\r\n") as receiver:
        endpoint = endpoint_at(database, receiver)
        event_id = send_test(database, endpoint.id)
        with delivering(database) as deliverer:
            wait_until(lambda: bool(deliverer._outcomes._unstored))
    past = past_of(database, endpoint, event_id)
    assert (past.tries, past.last_status) == (1, 500)
    assert past.due_at is not None
    assert past.tried_at is not None
    assert (past.due_at - past.tried_at).total_seconds() >= SCHEDULE[1]
