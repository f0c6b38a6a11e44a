"""A limit on what one API process holds at once: the bytes of large bodies, or of large answers, or uploads."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from api.http.errors import ApiError

FREE_BYTES = 8 * 1024
"""So much of each is not counted: while large ones fill the budget, small requests go on. A project may have thousands
of connections, and with 64 KiB they took gigabytes that nobody counted."""
_RETRY_SECONDS = 2

MOST_ANSWER_BYTES = 256 * 1024 * 1024
MOST_UPLOADS = 96
"""Each takes up to 700 KiB of memory: what it reads, what came meanwhile, and what is on its way to the disk."""


Account = tuple[str, str | None]
"""A project and the id of a key; None for a caller without one."""


class Budget:
    """Counts what is held. A project may have as much as is still free, and one key half as much as is free.

    So a project that holds all it may leaves room for the next one, and one key leaves room for the next of its
    project; a third key of that project may have to wait. `code` and `message` are of the refusal.
    """

    def __init__(self, most: int, code: str, message: str) -> None:
        self.most = most
        self.code = code
        self._message = message
        self.held = 0
        self._by_project: Counter[str] = Counter()
        self._by_key: Counter[Account] = Counter()

    def open(self, account: Account) -> "HeldBytes":
        """The account of one body or answer; `release` it at its end."""
        return HeldBytes(self, account)

    @contextmanager
    def holding(self, account: Account, size: int) -> Iterator[None]:
        """Count so much for as long as this is open. Raises as `take`."""
        self.take(account, size)
        try:
            yield
        finally:
            self.give_back(account, size)

    def take(self, account: Account, size: int) -> None:
        """Count so much more. Raises `ApiError` (503) where there is no room for it."""
        free = self.most - self.held - size
        if self._by_project[account[0]] + size > free or 2 * (self._by_key[account] + size) > free:
            raise ApiError(503, self.code, self._message, headers={"Retry-After": str(_RETRY_SECONDS)})
        self._count(account, size)

    def give_back(self, account: Account, size: int) -> None:
        """Count so much less."""
        self._count(account, -size)
        if not self._by_key[account]:
            del self._by_key[account]
        if not self._by_project[account[0]]:
            del self._by_project[account[0]]

    def _count(self, account: Account, size: int) -> None:
        self.held += size
        self._by_project[account[0]] += size
        self._by_key[account] += size

    @property
    def most_of_one(self) -> int:
        """So much one key may have while it is alone."""
        return self.most // 3


class HeldBytes:
    """How many bytes of one body or answer are counted. As a context manager it releases them at its end."""

    __slots__ = ("_account", "_budget", "_length", "_taken")

    def __init__(self, budget: Budget, account: Account) -> None:
        self._budget = budget
        self._account = account
        self._length = 0
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def add(self, size: int) -> None:
        """So many bytes more have come. Raises `ApiError` (503) where there is no room for them."""
        self.hold(self._length + size)

    def hold(self, size: int) -> None:
        """So many bytes are held now, not fewer than before. Raises as `add`."""
        self._length = size
        more = size - FREE_BYTES - self._taken
        if more > 0:
            self._budget.take(self._account, more)
            self._taken += more

    def release(self) -> None:
        """Give back all that was counted. Safe to call twice."""
        if self._taken:
            self._budget.give_back(self._account, self._taken)
            self._taken = 0


def body_budget(largest: int) -> Budget:
    """Room for six of the largest bodies that a request may have, two of them by one key."""
    most = 6 * largest
    message = (
        f"this server holds as many bytes of large bodies as it may at once ({most}, six times"
        " LONGHAND_MAX_BODY_BYTES; one key half as many as are free): nothing was stored, send it again shortly"
    )
    return Budget(most, "too_many_bodies", message)


def answer_budget() -> Budget:
    """Room for large answers, each of which is held until its reader has it."""
    message = (
        f"this server holds as many bytes of large answers as it may at once ({MOST_ANSWER_BYTES}; one key half as"
        " many as are free), because their readers are slow: ask again shortly, or for fewer at once"
    )
    return Budget(MOST_ANSWER_BYTES, "too_many_large_answers", message)


def upload_budget() -> Budget:
    """Room for so many uploads, a third of them by one key."""
    message = (
        f"this server reads as many uploads as it may at once ({MOST_UPLOADS}; one key half as many as are free):"
        " nothing was stored, send this one when another has ended"
    )
    return Budget(MOST_UPLOADS, "too_many_uploads", message)
