"""The tails: the text so far of running attempts, read from Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import getLogger

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobs.live.channel import TextKind, reasoning_key, tail_key
from jobs.live.worker_signs import WORKERS_KEY, WorkerSign, decode_signs

_SLICE_BYTES = 256 * 1024
_CONNECTIONS = 32

log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a tail, and how long the whole of it is."""

    text: bytes
    length: int


class Tails:
    """Reads tails a slice at a time, so that a slow watcher of a long text costs no more than one slice."""

    def __init__(self, redis_url: str) -> None:
        # Many watchers may come at the same moment: those that find no free connection wait for one.
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=_CONNECTIONS,
            timeout=5,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 1),  # once, at once: a connection from the pool may be one that Redis has closed
        )
        self._redis: Redis = Redis.from_pool(pool)

    async def read(self, job_id: str, attempt: int, offset: int, kind: TextKind = "text") -> Slice | None:
        """What stands in a tail from byte `offset` on; None when there is no tail or no Redis."""
        key = tail_key(job_id, attempt) if kind == "text" else reasoning_key(job_id, attempt)
        return (await self._read((key, offset)))[0]

    async def read_both(
        self, job_id: str, attempt: int, offset: int, reasoning_offset: int
    ) -> tuple[Slice | None, Slice | None]:
        """What stands in the tails of text and reasoning from these bytes on, in one call."""
        places = (tail_key(job_id, attempt), offset), (reasoning_key(job_id, attempt), reasoning_offset)
        text, reasoning = await self._read(*places)
        return text, reasoning

    async def _read(self, *places: tuple[str, int]) -> list[Slice | None]:
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, start in places:
                    pipeline.strlen(key)
                    pipeline.getrange(key, start, start + _SLICE_BYTES - 1)
                found = await pipeline.execute()
        except Exception as error:  # redis-py raises others than its own: an IndexError for an OSError without words
            log.warning("tail not read, the checkpoint has to do: %s: %s", type(error).__name__, error)
            return [None] * len(places)
        return [Slice(text, length) if length else None for length, text in zip(found[::2], found[1::2], strict=True)]

    async def try_write(self) -> None:
        """Return when Redis has taken a write; raises OSError or TimeoutError when it does not. One that is full still
        answers a ping.
        """
        with _plain_errors():
            await self._redis.set("longhand:ready", b"", ex=60)

    async def read_signs(self, moment: float) -> dict[str, WorkerSign]:
        """The signs of life of the workers, by name. Raises as `try_write`."""
        with _plain_errors():
            signs = await self._redis.hgetall(WORKERS_KEY)
        return decode_signs(signs, moment)

    async def close(self) -> None:
        """Give up every connection."""
        await self._redis.aclose()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """TimeoutError, PermissionError when Redis refuses, and OSError for all else."""
    try:
        yield
    except RedisTimeoutError as error:
        raise TimeoutError from error
    except ResponseError as error:
        raise PermissionError(str(error)) from error
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
