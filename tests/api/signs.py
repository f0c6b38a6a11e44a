"""Signs of life, as workers give them."""

from typing import Any

import redis

from jobs.live.worker_signs import WORKERS_KEY, WorkerSign, encode_sign
from jobs.store.database import Database


def give_sign(client: redis.Redis, database: Database, name: str, age: float = 0.0, **said: Any) -> None:
    """What a worker of this name says of itself, so many seconds ago."""
    moment = database.now().timestamp() - age
    sign: dict[str, Any] = {"version": "1", "streams": 100, "running": 0, "draining": False}
    sign |= {"started_at": moment, "at": moment}
    client.hset(WORKERS_KEY, name, encode_sign(WorkerSign(**(sign | said))))
