"""Delivers webhooks: one loop in every worker process, in a thread of its own, and no leader.

It shares neither loop nor threads with the streams: a receiver that hangs, or a name server, delays no text. How many
tries one endpoint and one project may have at once is bounded, so they delay only their own events
(`delivery_turns.py`).
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from logging import getLogger
from math import inf
from time import monotonic, sleep
from typing import ParamSpec, TypeVar

from jobs.store.database import DATABASE_ERRORS, Database, driver_message
from jobs.webhooks.deliveries import (
    RENEW_SECONDS,
    Attempted,
    Delivery,
    LateTurnError,
    give_back,
    renew,
    take,
)
from jobs.webhooks.due import has_due
from jobs.webhooks.past import clear_deliveries
from worker.webhooks.delivery_turns import AT_ONCE, DeliveryTurns
from worker.webhooks.outcomes import Outcomes
from worker.webhooks.sender import Sender

P = ParamSpec("P")
R = TypeVar("R")

log = getLogger(__name__)

LOOK_SECONDS = 0.3
SHORTEST_ROUND_SECONDS = 0.2
"""A job that ends wakes the loop, and those that end within this time share the next round."""
CLEAR_SECONDS = 300.0

_STOP_SECONDS = 5.0


class Deliverer:
    """Start it after the parts are made; it ends with `stop`."""

    def __init__(self, database: Database, sender: Sender) -> None:
        self._database = database
        self._sender = sender
        self._loop = asyncio.new_event_loop()
        self._delivery_turns = DeliveryTurns(database)
        self._woken = threading.Event()
        self._stirred = asyncio.Event()  # the same for the loop, while it runs
        self._ended = False
        self._outcomes = Outcomes(database, self._ask)
        self._running: dict[asyncio.Task[None], Delivery] = {}
        self._clear_at = monotonic()
        # Within how long of its beginning a round may take something. Where the database is slow or was away, those who
        # send could not renew, so they go first; once until it is quick again, because it may be slow all the time.
        self._patience = RENEW_SECONDS
        # One statement at a time: what waits for the database must not take its connections from the streams. And one
        # to renew, which cannot wait for the others.
        self._statements = ThreadPoolExecutor(1, thread_name_prefix="webhook-rows")
        self._renewals = ThreadPoolExecutor(1, thread_name_prefix="webhook-renewals")
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look for events now: something has ended."""
        self._woken.set()
        # A loop that does not run keeps what is scheduled on it, so the callbacks would pile up; the thread looks at
        # `_woken` before it runs the loop again.
        if self._loop.is_running():
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stirred.set)

    def stop(self) -> None:
        """End; what is being sent is given back, to be sent again by another process."""
        self._ended = True
        self.wake()
        self._thread.join(timeout=_STOP_SECONDS)

    def _run(self) -> None:
        """The loop runs only while something is due, also for a paused endpoint, or being sent: its timers and its
        threads took most of what an idle worker cost.
        """
        try:
            while not self._ended:
                began = monotonic()
                self._woken.clear()
                if self._is_due():
                    self._loop.run_until_complete(self._deliver())
                if self._woken.wait(SHORTEST_ROUND_SECONDS + LOOK_SECONDS):
                    sleep(max(0.0, began + SHORTEST_ROUND_SECONDS - monotonic()))
        finally:
            for executor in (self._statements, self._renewals):
                executor.shutdown(wait=False, cancel_futures=True)
            self._loop.close()

    def _is_due(self) -> bool:
        began = monotonic()
        if began >= self._clear_at:
            return True
        try:
            found = has_due(self._database)
        except Exception:  # the round meets it, too, and says so
            self._patience = -inf
            return True
        if monotonic() - began > RENEW_SECONDS and self._patience < inf:
            self._patience = -inf
        return found

    async def _deliver(self) -> None:
        """Send what is due, until there is no more and nothing is being sent."""
        renewing = self._loop.create_task(self._renew_for_ever())
        while not self._ended:
            self._stirred.clear()
            try:
                await self._round()
            except DATABASE_ERRORS as error:
                log.warning("webhooks failed, trying again: %s", driver_message(error))
                self._patience = -inf
            except Exception:
                log.exception("webhooks failed, trying again")
            # A try that ended during the look leaves room that the look did not know of.
            if not self._running and not self._stirred.is_set():
                break
            # Also after a long round: most receivers answer within this time, and leave room for the next events.
            await asyncio.sleep(SHORTEST_ROUND_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), LOOK_SECONDS)
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await self._give_back()

    async def _round(self) -> None:
        began = monotonic()
        if len(self._running) < AT_ONCE:
            delivered = [one for one in self._running.values() if self._outcomes.has_delivered(one)]
            sending = [one for one in self._running.values() if not self._outcomes.has_delivered(one)]
            chosen = await self._ask(self._delivery_turns.choose, sending, delivered)
            if chosen:
                # At once only where there was something: the retries of thousands may be hours ahead.
                if self._delivery_turns.has_more:
                    self._stirred.set()
                await self._begin(chosen, began)
        if monotonic() >= self._clear_at:
            self._clear_at = monotonic() + CLEAR_SECONDS
            if await self._ask(clear_deliveries, self._database):
                self._clear_at = monotonic() + LOOK_SECONDS

    async def _begin(self, chosen: Sequence[tuple[str, str]], round_began: float) -> None:
        try:
            taken = await self._ask(take, self._database, chosen, by=round_began + self._patience)
        except LateTurnError:
            self._patience = inf
            return
        # As long as every turn is late, to give way each second time would only halve what is sent.
        self._patience = RENEW_SECONDS if monotonic() - round_began <= RENEW_SECONDS else inf
        for delivery in taken:
            task = self._loop.create_task(self._try(delivery))
            self._running[task] = delivery
            task.add_done_callback(self._forget)

    async def _try(self, delivery: Delivery) -> None:
        try:
            # Signed with the machine's own time, which its receiver compares with: the database's never steps back, so
            # after a clock that was an hour ahead no receiver would take an event for ten hours.
            got = await self._sender.send(delivery, datetime.now(UTC))
        except Exception as error:  # it counts as a try: what always fails must not be tried for ever
            log.exception("a webhook cannot be sent", extra={"webhook_id": delivery.webhook_id})
            got = Attempted(error=type(error).__name__)
        verb = "deliver" if got.delivered else "deliver failed"
        extra = {"webhook_id": delivery.webhook_id, "event_id": delivery.event_id}
        log.info("%s: try %d, HTTP %s", verb, delivery.tries, got.status, extra=extra)
        if got.delivered:
            self._stirred.set()  # the next one need not wait for the turn to write
        await self._outcomes.store(delivery, got)

    async def _renew_for_ever(self) -> None:
        """Keep what takes its receiver longer than a moment, so that no other process sends it, too."""
        before: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            slow = [delivery for task, delivery in self._running.items() if task in before]
            before = set(self._running)
            if slow:
                try:
                    await self._loop.run_in_executor(self._renewals, renew, self._database, slow)
                except DATABASE_ERRORS as error:
                    log.warning("webhooks are not renewed, trying again: %s", driver_message(error))
                except Exception:
                    log.exception("webhooks are not renewed, trying again")

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._stirred.set()  # there may be more for this endpoint

    async def _give_back(self) -> None:
        left = dict(self._running)
        for task, delivery in left.items():
            if delivery not in self._outcomes:
                task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        unsent = [delivery for task, delivery in left.items() if task.cancelled()]
        if unsent:
            try:
                await self._ask(give_back, self._database, unsent)
            except DATABASE_ERRORS as error:
                log.warning("webhooks are not given back, and sent later: %s", driver_message(error))

    async def _ask(self, question: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        return await self._loop.run_in_executor(self._statements, partial(question, *arguments, **named))
