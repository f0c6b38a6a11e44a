"""Watch slots: a limit on the watchers of one key; watchers of a revoked key are ended."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from api.access.keyring import REMEMBERED_SECONDS, Keyring
from api.http.errors import ApiError
from jobs.store.database import driver_message

_RETRY_SECONDS = 5

log = getLogger(__name__)


class Stoppable(Protocol):
    """A watch, or a client that waits for a job's end."""

    def stop(self) -> None:
        """End soon."""


class WatchSlot:
    """A place for one watcher. It can be taken before there is anything to watch."""

    def __init__(self) -> None:
        self.revoked = False
        self._watch: Stoppable | None = None

    def hold(self, watch: Stoppable) -> None:
        """From now on this watch is what ends when the key is revoked."""
        self._watch = watch
        if self.revoked:
            watch.stop()

    def revoke(self) -> None:
        """Let the watch end soon: its key is good no more."""
        self.revoked = True
        if self._watch is not None:
            self._watch.stop()


class WatchLimiter:
    """The slots of one API process. Each process counts its own; a service of four lets in four times as many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: dict[tuple[str, str | None], set[WatchSlot]] = {}

    @property
    def taken(self) -> int:
        """How many watch now."""
        return sum(len(slots) for slots in self._taken.values())

    @contextmanager
    def take(self, project: str, key_id: str | None, watch: Stoppable | None = None) -> Iterator[WatchSlot]:
        """A slot for as long as the watch goes on. Raises `ApiError` (429) when all slots of this key are taken."""
        if len(self._taken.get((project, key_id), ())) >= self.most:
            raise self._full(project, key_id)
        slots = self._taken.setdefault((project, key_id), set())
        slot = WatchSlot()
        if watch is not None:
            slot.hold(watch)
        slots.add(slot)
        try:
            yield slot
        finally:
            slots.discard(slot)
            if not slots and self._taken.get((project, key_id)) is slots:
                del self._taken[project, key_id]

    async def clear_for_ever(self, keyring: Keyring) -> None:
        """Stop, within seconds, the watches whose key was revoked, and those without one once there are keys."""
        while True:
            await asyncio.sleep(REMEMBERED_SECONDS / 2)
            try:
                await self.clear(keyring)
            except SQLAlchemyError as error:
                log.warning("keys were not looked at, the database does not answer: %s", driver_message(error))

    async def clear(self, keyring: Keyring) -> None:
        """Stop, once, the watches that `clear_for_ever` stops."""
        for project, key_id in list(self._taken):
            if key_id is None:
                welcome = not await keyring.requires_keys()
            else:
                welcome = await keyring.find_by_id(key_id) is not None
            if not welcome:
                for slot in list(self._taken.get((project, key_id), ())):
                    slot.revoke()

    def _full(self, project: str, key_id: str | None) -> ApiError:
        whose = "this API key" if key_id else f"the project {project!r}"
        message = (
            f"{whose} has {self.most} watchers on this server, which is all it may have: close some, or watch a batch"
            " over one connection with ?deltas=true (the limit is LONGHAND_MAX_WATCHERS_PER_KEY)"
        )
        return ApiError(429, "too_many_watchers", message, headers={"Retry-After": str(_RETRY_SECONDS)})
