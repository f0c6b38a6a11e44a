"""The lists of the upstreams' models, kept for a moment and asked for anew beside those who ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Any

from anyio import CapacityLimiter, to_thread

from api.http.errors import ApiError
from api.model_lists.model_lists import merge
from jobs.strict_json import dump_json
from jobs.upstreams import Upstreams, UpstreamSpec

log = getLogger(__name__)

KEPT_SECONDS = 30.0
FAILED_SECONDS = 2.0

FIRST_SECONDS = 5.0
"""How long the list waits for an upstream of which nothing is known yet. It is left out then, until it has answered."""

AGAIN_SECONDS = 0.5
"""The same for one that has answered before, or failed. Until it answers again, that stands."""

Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ModelList:
    """A list as it is sent: written once, and not for each who asks."""

    content: bytes
    by_id: Mapping[str, dict[str, Any]]


class _Kept:
    """What one upstream said last."""

    def __init__(self, spec: UpstreamSpec, read: Callable[[UpstreamSpec], Awaitable[Items | ApiError]]) -> None:
        self.spec = spec
        self.said: Items | ApiError | None = None
        self._read = read
        self._until = 0.0
        self._began = 0.0
        self._task: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Ask anew if that is due, and wait for the answer, but not for long."""
        if self._task is None and time.monotonic() >= self._until:
            self._began = time.monotonic()
            self._task = asyncio.create_task(self._ask())
        if self._task is not None:
            patience = FIRST_SECONDS if self.said is None else AGAIN_SECONDS
            await asyncio.wait({self._task}, timeout=max(0.0, self._began + patience - time.monotonic()))

    def close(self) -> None:
        """Wait for no answer any more."""
        if self._task is not None:
            self._task.cancel()

    async def _ask(self) -> None:
        try:
            self.said = await self._read(self.spec)
            failed = isinstance(self.said, ApiError)
            self._until = time.monotonic() + (FAILED_SECONDS if failed else KEPT_SECONDS)
        finally:
            self._task = None


class KeptLists:
    """Keeps what `read` gives of each upstream. One that does not answer delays nobody for long."""

    def __init__(self, read: Callable[[UpstreamSpec], Awaitable[Items | ApiError]]) -> None:
        self._read = read
        self._upstreams: Upstreams | None = None
        self._kept: list[_Kept] = []
        self._merging = CapacityLimiter(1)
        self._merged: tuple[list[Items | ApiError | None], ModelList | ApiError] | None = None

    async def read(self, upstreams: Upstreams, late: ApiError) -> ModelList | ApiError:
        """One list of the models of all these; an error if none has one. `late` stands for one that is waited for."""
        if upstreams is not self._upstreams:
            self.close()
            self._upstreams = upstreams
            self._kept = [_Kept(spec, self._read) for spec in upstreams.specs]
            self._merged = None
        kept = self._kept
        await asyncio.gather(*(each.refresh() for each in kept))
        # Not on the event loop: a list may have a hundred thousand models. Those who ask meanwhile get the same list.
        return await to_thread.run_sync(self._merge, kept, late, limiter=self._merging)

    def close(self) -> None:
        """Wait for no answer any more."""
        for each in self._kept:
            each.close()

    def _merge(self, kept: Sequence[_Kept], late: ApiError) -> ModelList | ApiError:
        said = [each.said for each in kept]
        if self._merged is None or list(map(id, self._merged[0])) != list(map(id, said)):
            self._merged = (said, _merge([each.spec for each in kept], said, late))
        return self._merged[1]


def _merge(
    specs: Sequence[UpstreamSpec], said: Sequence[Items | ApiError | None], late: ApiError
) -> ModelList | ApiError:
    listed, errors = [], []
    for spec, items in zip(specs, said, strict=True):
        error = late if items is None else items
        if isinstance(error, ApiError):
            errors.append(error)
            log.warning("the models of upstream %s are not in the list: %s", spec.name, error.message)
        listed.append((spec, items if isinstance(items, list) else []))
    merged = merge(listed)
    if len(errors) == len(listed) and not merged["data"]:
        return errors[0]
    return ModelList(dump_json(merged).encode("ascii"), {item["id"]: dict(item) for item in merged["data"]})
