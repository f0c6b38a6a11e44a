"""One transaction for the writes of many threads that come at the same time.

A claim and a finish each cost a commit, and a commit is a sync of the disk, which on SQLite everybody else waits for.
So while one thread commits, the others queue up, and the first of them then commits for all.
"""

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate
from logging import getLogger
from typing import Generic, TypeVar

from jobs.store.database import DATABASE_ERRORS, driver_message, is_transient
from jobs.store.text_bytes import MOST_BYTES_TOGETHER

log = getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

MOST_TOGETHER = 50
"""How many share one transaction: the rows that it locks are locked until the last one is done."""


def _no_bytes(_: object) -> int:
    return 0


class _Asked(Generic[T, R]):
    """What one thread waits for. `turn` is released once: when the outcome is there, or when this thread is to lead."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.turn = threading.Lock()
        self.turn.acquire()
        self.answered = False
        self.result: R | None = None
        self.error: Exception | None = None


class GroupCommit(Generic[T, R]):
    """Shares transactions between threads: `submit` it instead of calling `alone`.

    `many` does the same as `alone` for several at once, or gives None for those that are not as simple; these are
    done alone, each by its own thread. So is every member of a group that the database refused: one text that it will
    not take must not cost the others theirs. When the database is away, all of them get that error. `size_of` gives how
    many bytes an item has to store, where they may be many.
    """

    def __init__(
        self,
        alone: Callable[[T], R],
        many: Callable[[Sequence[T]], Sequence[R | None]],
        size_of: Callable[[T], int] = _no_bytes,
    ) -> None:
        self._alone = alone
        self._many = many
        self._size_of = size_of
        self._lock = threading.Lock()
        self._led = False
        self._waiting: list[_Asked[T, R]] = []

    def submit(self, item: T) -> R:
        """What `alone` gives for this item, or raises."""
        asked: _Asked[T, R] = _Asked(item)
        with self._lock:
            self._waiting.append(asked)
            leads, self._led = not self._led, True
        if not leads:
            asked.turn.acquire()
        if not asked.answered:  # it came first, or the leader before it has handed over
            group = self._take()
            try:
                if len(group) == 1:
                    return self._alone(item)
                self._answer(group)
            finally:
                self._hand_over(group, asked)
        if asked.error is not None:
            raise asked.error
        return self._alone(item) if asked.result is None else asked.result

    def _take(self) -> list[_Asked[T, R]]:
        """The threads that wait, as many as may share a transaction; the leader is the first of them."""
        with self._lock:
            sizes = accumulate(self._size_of(asked.item) for asked in self._waiting[:MOST_TOGETHER])
            count = max(1, sum(size <= MOST_BYTES_TOGETHER for size in sizes))
            group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _answer(self, group: Sequence[_Asked[T, R]]) -> None:
        try:
            results = self._many([asked.item for asked in group])
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS) and is_transient(error):
                for asked in group:
                    asked.error = error
            else:
                log.warning("%d together were refused, trying one by one: %s", len(group), driver_message(error))
            return
        for asked, result in zip(group, results, strict=True):
            asked.result = result

    def _hand_over(self, group: Sequence[_Asked[T, R]], leader: _Asked[T, R]) -> None:
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._led = following is not None
        if following is not None:
            following.turn.release()
        for asked in group:
            asked.answered = True
            if asked is not leader:
                asked.turn.release()
