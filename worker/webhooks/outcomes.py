"""Stores what tries got, all that have come together.

On a busy SQLite each transaction waits a tenth to a third of a second for its turn to write. With one for each outcome
the next look waited for seconds, and the events of all projects came ever later.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from logging import getLogger

from jobs.store.database import DATABASE_ERRORS, Database, driver_message, is_transient
from jobs.webhooks.deliveries import Delivery, Outcome, Tried, store_outcomes
from jobs.webhooks.keys import Key

log = getLogger(__name__)


class Outcomes:
    """While some are stored, the next ones gather. `ask` calls a function in the thread for statements."""

    def __init__(self, database: Database, ask: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        self._database = database
        self._ask = ask
        self._storing = asyncio.Lock()
        self._lock = threading.Lock()  # of `_waiting`, which the loop fills and the thread empties
        self._waiting: dict[Key, Tried] = {}
        self._unstored: dict[Key, bool] = {}  # and whether it was delivered

    def __contains__(self, delivery: Delivery) -> bool:
        """Whether what this one got is still to be stored."""
        return _key_of(delivery) in self._unstored

    def has_delivered(self, delivery: Delivery) -> bool:
        """Whether its receiver has taken this one, which is still to be stored."""
        return self._unstored.get(_key_of(delivery), False)

    async def store(self, delivery: Delivery, got: Outcome) -> None:
        """It ends when this is stored, or was refused: then it is sent again, with the same id."""
        key = _key_of(delivery)
        self._unstored[key] = got.delivered
        with self._lock:
            self._waiting[key] = (delivery, got)
        try:
            async with self._storing:
                if key in self._waiting:  # else it was among those before
                    await self._ask(self._store_waiting)
        finally:
            del self._unstored[key]

    def _store_waiting(self) -> None:
        """In the thread, so that what has come while others had it goes along."""
        with self._lock:
            together, self._waiting = list(self._waiting.values()), {}
        try:
            self._store(together)
        except DATABASE_ERRORS as error:
            if is_transient(error) or len(together) == 1:
                log.warning("the outcomes of %d webhooks are not stored: %s", len(together), driver_message(error))
                return
            # What the database will not take must not cost the others theirs.
            log.warning("%d together were refused, trying one by one: %s", len(together), driver_message(error))
            for one in together:
                try:
                    self._store([one])
                except DATABASE_ERRORS as refused:
                    extra = {"webhook_id": one[0].webhook_id, "event_id": one[0].event_id}
                    log.warning("the outcome of a webhook is not stored: %s", driver_message(refused), extra=extra)

    def _store(self, together: Sequence[Tried]) -> None:
        for webhook_id, reason in store_outcomes(self._database, together).items():
            log.warning("pause webhook: %s", reason, extra={"webhook_id": webhook_id})


def _key_of(delivery: Delivery) -> Key:
    return delivery.webhook_id, delivery.event_id
