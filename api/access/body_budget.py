"""A limit on the bytes of request bodies that one API process holds at once, by key and in all."""

from api.http.errors import ApiError

FREE_BYTES = 64 * 1024
"""So much of each body is not counted: while large bodies fill the budget, ordinary requests go on."""
_RETRY_SECONDS = 2


class BodyBudget:
    """Counts what is held. One key may have half of it, so that one key alone never stops the others."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self._by_key: dict[tuple[str, str | None], int] = {}

    def open(self, project: str, key_id: str | None) -> "HeldBody":
        """The account of one body; `release` it when the body is not needed any more."""
        return HeldBody(self, (project, key_id))

    def take(self, key: tuple[str, str | None], size: int) -> None:
        """Count so many bytes more. Raises `ApiError` (503) where there is no room for them."""
        of_key = self._by_key.get(key, 0) + size
        if self.held + size > self.most or of_key > self.most // 2:
            message = (
                f"this server holds as many bytes of large bodies as it may at once ({self.most}, half of it for one"
                " key; four times LONGHAND_MAX_BODY_BYTES): nothing was stored, send it again shortly"
            )
            raise ApiError(503, "too_many_bodies", message, headers={"Retry-After": str(_RETRY_SECONDS)})
        self.held += size
        self._by_key[key] = of_key

    def give_back(self, key: tuple[str, str | None], size: int) -> None:
        """They are not held any more."""
        self.held -= size
        self._by_key[key] -= size
        if not self._by_key[key]:
            del self._by_key[key]


class HeldBody:
    """How many bytes of one body are counted."""

    __slots__ = ("_budget", "_key", "_length", "_taken")

    def __init__(self, budget: BodyBudget, key: tuple[str, str | None]) -> None:
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
        """The body is not held any more. Safe to call twice."""
        if self._taken:
            self._budget.give_back(self._key, self._taken)
            self._taken = 0
