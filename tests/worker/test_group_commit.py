"""Threads that ask at the same time share a transaction, and what befalls one of them befalls no other."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from jobs.store.text_bytes import MOST_BYTES_TOGETHER
from tests.worker.worker_fixtures import PATIENCE_SECONDS, wait_until
from worker.group_commit import MOST_TOGETHER, GroupCommit

DATABASE_ERRORS = OperationalError("UPDATE", {}, Exception("the server closed the connection"))
REFUSED = IntegrityError("UPDATE", {}, Exception("the text is not taken"))


class Shared:
    """Asks are answered with the item doubled. The first is held until `release`, so that the others gather."""

    def __init__(
        self,
        together: Callable[[Sequence[int]], Sequence[int | None]] | None = None,
        sizes: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self.alone: list[int] = []
        self.groups: list[list[int]] = []
        self._answer = together or (lambda items: [2 * item for item in items])
        self._held = threading.Event()
        self.release = self._held.set
        self.shared = GroupCommit(self._do_alone, self._do_together, lambda item: sizes.get(item, 0))

    def _do_alone(self, item: int) -> int:
        self.alone.append(item)
        if item == 0:
            assert self._held.wait(PATIENCE_SECONDS)
        return 2 * item

    def _do_together(self, items: Sequence[int]) -> Sequence[int | None]:
        self.groups.append(list(items))
        return self._answer(items)


@contextmanager
def asking(shared: Shared, count: int) -> Iterator[list[Future[int]]]:
    """So many threads ask while the first of them is at it; it goes on when the block is over."""
    with ThreadPoolExecutor(count) as pool:
        try:
            futures = [pool.submit(shared.shared.submit, 0)]
            wait_until(lambda: shared.alone == [0], "the first is at it")
            for item in range(1, count):
                futures.append(pool.submit(shared.shared.submit, item))
                wait_until(lambda: len(shared.shared._waiting) == len(futures) - 1, "they wait in their order")
            yield futures
        finally:
            shared.release()


def test_who_asks_alone_is_answered_alone() -> None:
    shared = Shared()
    assert [shared.shared.submit(item) for item in (1, 2, 3)] == [2, 4, 6]
    assert (shared.alone, shared.groups) == ([1, 2, 3], [])


def test_those_who_come_while_one_is_at_it_share_the_next_transaction() -> None:
    shared = Shared()
    with asking(shared, 9) as futures:
        pass
    assert [future.result(PATIENCE_SECONDS) for future in futures] == [2 * item for item in range(9)]
    assert [sorted(group) for group in shared.groups] == [list(range(1, 9))]
    assert shared.alone == [0]


def test_a_group_has_a_bound_and_the_next_one_goes_on() -> None:
    shared = Shared()
    with asking(shared, MOST_TOGETHER + 11) as futures:
        pass
    assert [future.result(PATIENCE_SECONDS) for future in futures] == [2 * n for n in range(MOST_TOGETHER + 11)]
    assert [len(group) for group in shared.groups] == [MOST_TOGETHER, 10]


def test_those_who_have_much_to_store_share_with_few_or_nobody() -> None:
    """50 texts of 65,000 Chinese letters that ended together were indexed in one transaction of ten seconds."""
    half = MOST_BYTES_TOGETHER // 2
    shared = Shared(sizes={3: half, 4: half, 5: half, 6: 3 * MOST_BYTES_TOGETHER})
    with asking(shared, 9) as futures:
        pass
    assert [future.result(PATIENCE_SECONDS) for future in futures] == [2 * item for item in range(9)]
    assert shared.groups == [[1, 2, 3, 4], [7, 8]]
    assert shared.alone == [0, 5, 6]


def test_those_who_are_not_simple_are_done_alone() -> None:
    shared = Shared(lambda items: [None if item % 2 else 2 * item for item in items])
    with asking(shared, 9) as futures:
        pass
    assert [future.result(PATIENCE_SECONDS) for future in futures] == [2 * item for item in range(9)]
    assert sorted(shared.alone) == [0, 1, 3, 5, 7]


@pytest.mark.parametrize("error", [REFUSED, ValueError("a defect")], ids=["refused", "defect"])
def test_what_a_group_cannot_do_each_tries_alone(error: Exception) -> None:
    def refuse(_: Sequence[int]) -> Sequence[int | None]:
        raise error

    shared = Shared(refuse)
    with asking(shared, 5) as futures:
        pass
    assert [future.result(PATIENCE_SECONDS) for future in futures] == [0, 2, 4, 6, 8]
    assert sorted(shared.alone) == [0, 1, 2, 3, 4]


def test_while_the_database_is_away_all_of_a_group_are_told_and_may_ask_again() -> None:
    def away(_: Sequence[int]) -> Sequence[int | None]:
        raise DATABASE_ERRORS

    shared = Shared(away)
    with asking(shared, 5) as futures:
        pass
    assert futures[0].result(PATIENCE_SECONDS) == 0
    assert [type(future.exception(PATIENCE_SECONDS)) for future in futures[1:]] == [OperationalError] * 4
    assert shared.alone == [0]
    assert shared.shared.submit(7) == 14


def test_an_error_alone_is_for_who_asked_and_the_next_one_leads() -> None:
    def fail(item: int) -> int:
        if item == 1:
            raise REFUSED
        return item

    shared: GroupCommit[int, int] = GroupCommit(fail, list)
    with pytest.raises(IntegrityError):
        shared.submit(1)
    assert shared.submit(2) == 2
