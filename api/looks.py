"""How the database and Redis answer at this moment, told within a bounded time.

One look at each is under way at a time, however many ask: one that is frozen holds a single thread.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from api.shared_task import SharedTask
from api.watching.tails import Tails
from jobs.live.worker_signs import WorkerSign
from jobs.store.database import Database
from jobs.store.revision import read_revision
from jobs.store.write_trial import find_refusal

LOOK_SECONDS = 1.0
TRIAL_SECONDS = 10.0
"""How long it holds that the database took a write. Anybody may ask, and each trial is a write."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LookAnswer(Generic[T]):
    """`slow`: no answer in time. `refuses`: it answers and takes no writes."""

    state: Literal["ok", "slow", "away", "refuses"]
    seconds: float | None = None
    found: T | None = None


async def within(seconds: float, asked: Awaitable[T]) -> T:
    """What was asked for. Raises TimeoutError after so many seconds; a thread that does it goes on alone."""
    task = asyncio.ensure_future(asked)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.add_done_callback(_drop)
        raise TimeoutError
    return task.result()


class Looks:
    """Looks at the database and at Redis."""

    def __init__(self, database: Database, tails: Tails) -> None:
        self._trial_thread = CapacityLimiter(1)
        self._trial: asyncio.Task[str | None] | None = None
        self._tried_at: float | None = None
        self._database = database
        self._tails = tails
        self._thread = CapacityLimiter(1)
        self._at_database: SharedTask[LookAnswer[str]] = SharedTask()
        self._at_redis: SharedTask[LookAnswer[Mapping[str, WorkerSign]]] = SharedTask()

    async def at_database(self) -> LookAnswer[str]:
        """How long it takes to read the revision of its tables, and that."""
        return await _answer_of(self._at_database.result(self._ask_database))

    async def at_redis(self) -> LookAnswer[Mapping[str, WorkerSign]]:
        """How long it takes to write something, and the signs of life of the workers."""
        return await _answer_of(self._at_redis.result(self._ask_redis))

    async def refusal(self) -> str | None:
        """Why the database takes no writes, as the last trial found; a new one if that was long ago. One that waits for
        its turn to write says nothing yet.
        """
        now = time.monotonic()
        if self._tried_at is None or (now - self._tried_at >= TRIAL_SECONDS and self._trial_ended()):
            self._tried_at = now
            self._trial = asyncio.create_task(run_sync(find_refusal, self._database, limiter=self._trial_thread))
        try:
            return None if self._trial is None else await within(LOOK_SECONDS, asyncio.shield(self._trial))
        except TimeoutError:
            return None

    def _trial_ended(self) -> bool:
        return self._trial is None or self._trial.done()

    async def _ask_database(self) -> LookAnswer[str]:
        return await run_sync(self._read_revision, limiter=self._thread)

    def _read_revision(self) -> LookAnswer[str]:
        began = time.perf_counter()
        try:
            with self._database.read() as connection:
                revision = read_revision(connection)
        except SQLAlchemyError:
            return LookAnswer("away")
        return LookAnswer("ok", time.perf_counter() - began, revision)

    async def _ask_redis(self) -> LookAnswer[Mapping[str, WorkerSign]]:
        began = time.perf_counter()
        state: Literal["ok", "refuses"] = "ok"
        try:
            try:
                await self._tails.try_write()
            except PermissionError:
                state = "refuses"
            seconds = time.perf_counter() - began
            signs = await self._tails.read_signs(self._database.now().timestamp())
        except TimeoutError:
            return LookAnswer("slow")
        except OSError:
            return LookAnswer("away")
        return LookAnswer(state, seconds, signs)


async def _answer_of(look: Awaitable[LookAnswer[T]]) -> LookAnswer[T]:
    try:
        return await within(LOOK_SECONDS, look)
    except TimeoutError:
        return LookAnswer("slow")


def _drop(task: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more; a failure of it is no news."""
    if not task.cancelled():
        task.exception()
