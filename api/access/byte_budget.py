"""A limit on the bytes of large bodies, or of large answers, that one API process holds at once, by key and in all."""

from api.http.errors import ApiError

FREE_BYTES = 64 * 1024
"""So much of each is not counted: while large ones fill the budget, ordinary requests go on."""
_RETRY_SECONDS = 2


class ByteBudget:
    """Counts what is held. One key may have half of it, so that one key alone never stops the others.

    `code` and `message` are of the refusal.
    """

    def __init__(self, most: int, code: str, message: str) -> None:
        self.most = most
        self._refusal = code, message
        self.held = 0
        self._by_key: dict[tuple[str, str | None], int] = {}

    def open(self, project: str, key_id: str | None) -> "HeldBytes":
        """The account of one body or answer; `release` it at its end."""
        return HeldBytes(self, (project, key_id))

    def take(self, key: tuple[str, str | None], size: int) -> None:
        """Count so many bytes more. Raises `ApiError` (503) where there is no room for them."""
        of_key = self._by_key.get(key, 0) + size
        if self.held + size > self.most or of_key > self.most // 2:
            raise ApiError(503, *self._refusal, headers={"Retry-After": str(_RETRY_SECONDS)})
        self.held += size
        self._by_key[key] = of_key

    def give_back(self, key: tuple[str, str | None], size: int) -> None:
        """Count so many bytes less."""
        self.held -= size
        self._by_key[key] -= size
        if not self._by_key[key]:
            del self._by_key[key]


class HeldBytes:
    """How many bytes of one body or answer are counted."""

    __slots__ = ("_budget", "_key", "_length", "_taken")

    def __init__(self, budget: ByteBudget, key: tuple[str, str | None]) -> None:
        self._budget = budget
        self._key = key
        self._length = 0
        self._taken = 0

    def add(self, size: int) -> None:
        """So many bytes more have come. Raises `ApiError` (503) where there is no room for them."""
        self._length += size
        more = self._length - FREE_BYTES - self._taken
        if more > 0:
            self._budget.take(self._key, more)
            self._taken += more

    def release(self) -> None:
        """Give back all that was counted. Safe to call twice."""
        if self._taken:
            self._budget.give_back(self._key, self._taken)
            self._taken = 0


def body_budget(largest: int) -> ByteBudget:
    """Room for four of the largest bodies that a request may have."""
    most = 4 * largest
    message = (
        f"this server holds as many bytes of large bodies as it may at once ({most}, half of it for one key; four times"
        " LONGHAND_MAX_BODY_BYTES): nothing was stored, send it again shortly"
    )
    return ByteBudget(most, "too_many_bodies", message)


def answer_budget(most: int = 256 * 1024 * 1024) -> ByteBudget:
    """Room for large answers, each of which is held until its reader has it."""
    message = (
        f"this server holds as many bytes of large answers as it may at once ({most}, half of it for one key), because"
        " their readers are slow: ask again shortly, or for fewer at once"
    )
    return ByteBudget(most, "too_many_large_answers", message)
