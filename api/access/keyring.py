"""The API keys in one API process: read from the database and cached for a few seconds."""

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from api.access.shared_lookups import SharedLookups
from jobs.store.database import Database
from jobs.store.keys import (
    ApiKey,
    any_keys,
    digest_of,
    find_keys_by_digest,
    find_keys_by_id,
    looks_like_key,
    read_token_secret,
)

REMEMBERED_SECONDS = 5.0
"""For this long a found key is not asked for again. So a revoked one opens nothing after 5 s, at the latest."""


_READS_AT_ONCE = 4
"""In threads of their own: a request is never kept waiting for its key by what other requests do."""
LOOKUPS_AT_ONCE = 2
MOST_TOGETHER = 200
"""Keys that one read looks up: strangers may send any number of keys that there are not."""

T = TypeVar("T")


class Keyring:
    """Finds keys. Only keys that exist are remembered, so what strangers send takes no room here."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[ApiKey, float]] = {}
        self._closed = False
        self._open_until = 0.0
        self._token_secret: bytes | None = None
        self._threads = CapacityLimiter(_READS_AT_ONCE)
        self._by_digest = self._lookups(find_keys_by_digest)
        self._by_id = self._lookups(find_keys_by_id)

    async def find(self, secret: str) -> ApiKey | None:
        """The key with this secret; None when there is none, or when it was revoked."""
        if not looks_like_key(secret):
            return None
        return await self._remembered(digest_of(secret), self._by_digest)

    def recall(self, secret: str) -> str | None:
        """The project of a key that was good when it was read last: to be trusted with nothing."""
        known = self._known.get(digest_of(secret)) if looks_like_key(secret) else None
        return known[0].project if known is not None else None

    async def find_by_id(self, key_id: str) -> ApiKey | None:
        """The key with this id; None when there is none, or when it was revoked."""
        return await self._remembered(key_id, self._by_id)

    async def requires_keys(self) -> bool:
        """Whether there ever was a key. Once that is so it stays so, and nobody is asked again."""
        if not self._closed and self._clock() >= self._open_until:
            asked_at = self._clock()
            self._closed = await self._read(any_keys)
            self._open_until = asked_at + REMEMBERED_SECONDS
        return self._closed

    async def token_secret(self) -> bytes:
        """What watch tokens are signed with."""
        if self._token_secret is None:
            self._token_secret = await self._read(read_token_secret)
        return self._token_secret

    async def _remembered(self, name: str, lookups: SharedLookups[ApiKey]) -> ApiKey | None:
        known = self._known.get(name)
        if known is not None and self._clock() < known[1]:
            return known[0]
        asked_at = self._clock()
        found = await lookups.find(name)
        if found is None:
            self._known.pop(name, None)
        else:
            self._known[name] = (found, asked_at + REMEMBERED_SECONDS)
        return found

    def _lookups(self, find: Callable[[Database, Collection[str]], dict[str, ApiKey]]) -> SharedLookups[ApiKey]:
        read = partial(self._read_keys, find)
        return SharedLookups(read, together=MOST_TOGETHER, reads_at_once=LOOKUPS_AT_ONCE)

    async def _read(self, read: Callable[[Database], T]) -> T:
        return await run_sync(read, self._database, limiter=self._threads)

    async def _read_keys(
        self, find: Callable[[Database, Collection[str]], dict[str, ApiKey]], names: Collection[str]
    ) -> dict[str, ApiKey]:
        return await self._read(lambda database: find(database, names))
