"""Gives the jobs of a worker that died back at once: nobody need wait until its leases have run out.

The supervisor has seen the end of the process, so nothing of it can still write. What it had sent to PostgreSQL before
may be carried out a moment later; attempt numbers and statuses guard against that, as against every late write.
"""

import socket
import threading
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from api.status_publisher import StatusPublisher
from jobs.lifecycle.rescue import rescue_dead
from jobs.live.wake import Waker
from jobs.live.worker_signs import WORKERS_KEY
from jobs.model.ids import worker_name
from jobs.store.database import DATABASE_ERRORS, open_database


def give_back_jobs(database_url: str, redis_url: str, pid: int, mark: str) -> None:
    """Queue again what the worker with this pid and mark held, and wake the others. Returns at once: it is done in a
    thread, and where the database is away, the leases run out as ever.
    """
    worker = worker_name(socket.gethostname(), pid, mark)
    threading.Thread(target=_give_back, args=(database_url, redis_url, worker), name="dead worker", daemon=True).start()


def _give_back(database_url: str, redis_url: str, worker: str) -> None:
    database = open_database(database_url, connections=1)
    try:
        database.synchronize()
        changes = rescue_dead(database, worker)
    except DATABASE_ERRORS:
        return
    finally:
        database.close()
    _take_sign_away(redis_url, worker)
    if changes:
        waker, publisher = Waker(redis_url), StatusPublisher(redis_url)
        waker.wake()
        publisher.publish(changes)
        publisher.close()
        waker.close()


def _take_sign_away(redis_url: str, worker: str) -> None:
    """Who looks at the whole need not wait, either, until it is old: nothing is left to do about this worker."""
    with suppress(RedisError, OSError), Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5) as client:
        client.hdel(WORKERS_KEY, worker)
