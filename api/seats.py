"""Seats: how many watch with one key, no more than are allowed, and none whose key was revoked."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from api.errors import ApiError
from api.keyring import REMEMBERED_SECONDS, Keyring

_RETRY_SECONDS = 5

log = getLogger(__name__)


class Stoppable(Protocol):
    """What sits: a watch."""

    def stop(self) -> None:
        """End soon."""


class Seats:
    """The seats of one API process. Each process counts its own; a service of four lets in four times as many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: dict[tuple[str, str | None], set[Stoppable]] = {}

    @property
    def taken(self) -> int:
        """How many watch now."""
        return sum(len(sitting) for sitting in self._taken.values())

    def require_free(self, project: str, key_id: str | None) -> None:
        """Raises `ApiError` (429) when all seats of this key are taken: for who makes something before taking one."""
        if len(self._taken.get((project, key_id), ())) >= self.most:
            whose = "this API key" if key_id else f"the project {project!r}"
            raise ApiError(
                429,
                "too_many_watchers",
                f"{whose} has {self.most} watchers on this server, which is all it may have: close some, or watch a"
                " batch over one connection with ?deltas=true (the limit is LONGHAND_MAX_WATCHERS_PER_KEY)",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )

    @contextmanager
    def take(self, project: str, key_id: str | None, watch: Stoppable) -> Iterator[None]:
        """A seat for as long as the watch goes on. Raises `ApiError` (429) when all seats of this key are taken."""
        self.require_free(project, key_id)
        sitting = self._taken.setdefault((project, key_id), set())
        sitting.add(watch)
        try:
            yield
        finally:
            sitting.discard(watch)
            if not sitting and self._taken.get((project, key_id)) is sitting:
                del self._taken[project, key_id]

    async def clear_for_ever(self, keyring: Keyring) -> None:
        """Stop, within seconds, the watches whose key was revoked, and those without one once there are keys."""
        while True:
            await asyncio.sleep(REMEMBERED_SECONDS / 2)
            try:
                await self.clear(keyring)
            except SQLAlchemyError as error:
                log.warning("keys were not looked at, the database does not answer: %s", getattr(error, "orig", error))

    async def clear(self, keyring: Keyring) -> None:
        """As above, once."""
        for project, key_id in list(self._taken):
            if key_id is None:
                welcome = not await keyring.requires_keys()
            else:
                welcome = await keyring.find_by_id(key_id) is not None
            if not welcome:
                for watch in list(self._taken.get((project, key_id), ())):
                    watch.stop()
