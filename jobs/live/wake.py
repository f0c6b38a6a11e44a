"""Wakes: after adding work, a process publishes a wake on one Redis channel, and every dispatch looks at the rows at
once.

A wake names nothing and may be lost: dispatch looks every second anyway.
"""

import threading
from collections.abc import Callable
from logging import getLogger

from redis import Redis
from redis.exceptions import RedisError

from jobs.live.background_sender import BackgroundSender

WAKE_CHANNEL = "longhand:wake"

RECONNECT_SECONDS = 0.5
_TIMEOUT_SECONDS = 5.0
_LISTEN_SECONDS = 1.0

log = getLogger(__name__)


class Waker:
    """Publishes wakes from its own thread. A wake that comes while another one waits is the same wake."""

    def __init__(self, redis_url: str) -> None:
        self._client = _connect(redis_url)
        self._sender = BackgroundSender("waker", self._publish, most=1)

    def wake(self) -> None:
        """Let every dispatch look for jobs soon; returns at once and never raises."""
        self._sender.put(b"")

    def close(self) -> None:
        """Stop after the last wake."""
        if self._sender.close():
            self._client.close()

    def _publish(self, wake: bytes) -> None:
        try:
            self._client.publish(WAKE_CHANNEL, wake)
        except (RedisError, OSError) as error:
            log.warning("wake failed, dispatch will look within a second: %s", error)


class WakeListener:
    """Calls `wake` for each wake that is heard, and after each connection, for what was missed before it."""

    def __init__(self, redis_url: str, wake: Callable[[], None]) -> None:
        self._redis_url = redis_url
        self._wake = wake
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wake listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End within a second or so."""
        self._ended.set()
        self._thread.join(timeout=2 * _LISTEN_SECONDS)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen()
            except Exception as error:  # redis-py raises others than its own
                log.warning("no wakes are heard, connecting again: %s: %s", type(error).__name__, error)
                self._ended.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with _connect(self._redis_url) as client, client.pubsub() as pubsub:
            pubsub.subscribe(WAKE_CHANNEL)
            while not self._ended.is_set():
                if pubsub.get_message(timeout=_LISTEN_SECONDS) is not None:
                    self._wake()


def _connect(redis_url: str) -> Redis:
    return Redis.from_url(
        redis_url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        socket_keepalive=True,
        health_check_interval=15,
    )
