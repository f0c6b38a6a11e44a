"""The signs of life of this worker process, for `GET /v1/status`."""

import math
import threading
from logging import getLogger

from redis import Redis

from jobs.live.worker_signs import WORKERS_KEY, WorkerSign, decode_signs, encode_sign
from jobs.settings import Settings
from jobs.store.database import Database
from jobs.version import read_version
from worker.active_attempts import ActiveAttempts

log = getLogger(__name__)

_TIMEOUT_SECONDS = 5.0


class SignsOfLife:
    """Start it after the parts are made; it ends with `stop`. It has its own thread: neither a database nor a Redis
    that hangs may make it late for more than itself.
    """

    def __init__(self, database: Database, running: ActiveAttempts, worker: str, settings: Settings) -> None:
        self._database = database
        self._running = running
        self._worker = worker
        self._settings = settings
        self._version = read_version()
        self._started_at = database.now().timestamp()
        self._has_cleared = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signs of life", daemon=True)

    def start(self) -> None:
        """Give the first sign, and go on."""
        self._thread.start()

    def stop(self) -> None:
        """Take the sign away: this worker has not died, it has ended."""
        self._ended.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        redis_url = self._settings.require_redis_url()
        with Redis.from_url(
            redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
        ) as client:
            is_away = False
            while True:
                try:
                    self._give(client)
                    is_away = False
                except Exception as error:  # redis-py raises others than its own
                    if not is_away:
                        log.warning("no sign of life can be given, trying on: %s: %s", type(error).__name__, error)
                    is_away = True
                if self._ended.wait(self._settings.heartbeat_seconds):
                    break
            try:
                client.hdel(WORKERS_KEY, self._worker)
            except Exception:
                log.debug("the sign of life stays until it is old")

    def _give(self, client: Redis) -> None:
        sign = WorkerSign(
            version=self._version,
            streams=self._settings.streams,
            running=self._running.streams,
            draining=self._running.draining,
            started_at=self._started_at,
            at=self._database.now().timestamp(),
            every=self._settings.heartbeat_seconds,
        )
        with client.pipeline(transaction=False) as pipeline:
            pipeline.hset(WORKERS_KEY, self._worker, encode_sign(sign))
            pipeline.expire(WORKERS_KEY, math.ceil(sign.forgotten_after))
            pipeline.execute()
        if not self._has_cleared:
            self._forget_old(client)
            self._has_cleared = True

    def _forget_old(self, client: Redis) -> None:
        """Workers that die again and again leave a sign each: the next one clears them away."""
        found = client.hgetall(WORKERS_KEY)
        old = found.keys() - {name.encode() for name in decode_signs(found, self._database.now().timestamp())}
        if old:
            client.hdel(WORKERS_KEY, *old)
