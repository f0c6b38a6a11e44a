"""The one connection on which an API process receives every watched channel.

A bare asyncio protocol: receiving one message costs 8 us this way, with redis-py's pub/sub 30 to 42.
"""

import asyncio
from collections.abc import Callable, Iterable
from logging import getLogger
from typing import Any, cast

import hiredis

from jobs.live.redis_connection import connect, handshake_commands

_CHANNELS_PER_COMMAND = 1000

log = getLogger(__name__)


class Subscriber(asyncio.Protocol):
    """Subscribes, and calls back for each message, for each channel that the server has confirmed, and at the end of
    each piece of data.
    """

    def __init__(
        self,
        on_message: Callable[[bytes, bytes], None],
        on_confirmed: Callable[[bytes], None],
        on_all: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self._on_message = on_message
        self._on_confirmed = on_confirmed
        self._on_all = on_all
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        # Replies that are still to come, by channel: a channel that was left and subscribed again at once is confirmed
        # by the second of them.
        self._asked: dict[bytes, int] = {}
        self.lost: asyncio.Future[None] = loop.create_future()
        self.ready: asyncio.Future[None] = loop.create_future()
        """Resolved by the first reply: the server answers."""
        self.heard_at = loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(str(exc or "closed by the server")))

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._now()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except hiredis.ProtocolError as error:
            log.warning("the subscriber connection speaks nonsense: %s", error)
            self.abort()
        self._on_all()

    def subscribe(self, channels: Iterable[bytes]) -> None:
        """Ask for these channels; each is confirmed by a call of `on_confirmed`."""
        names = list(channels)
        for name in names:
            self._asked[name] = self._asked.get(name, 0) + 1
        for start in range(0, len(names), _CHANNELS_PER_COMMAND):
            self.send(b"SUBSCRIBE", *names[start : start + _CHANNELS_PER_COMMAND])

    def unsubscribe(self, channel: bytes) -> None:
        """Leave a channel."""
        self.send(b"UNSUBSCRIBE", channel)

    def send(self, *command: bytes | str) -> None:
        """Send one command; its reply is heard later."""
        if self._transport is not None:
            packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # the stub says a tuple of one, and means any
            self._transport.write(packed)

    def abort(self) -> None:
        """Drop the connection, whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            log.error("Redis refused a command of the subscriber: %s", reply)
            if not self.ready.done():
                self.ready.set_exception(ConnectionError(str(reply)))
            self.abort()
            return
        if not self.ready.done():
            self.ready.set_result(None)
        if not isinstance(reply, list) or len(reply) != 3:
            return  # the answer to PING, AUTH or CLIENT SETNAME
        kind, channel, payload = reply
        if kind == b"message":
            self._on_message(channel, payload)
        elif kind == b"subscribe":
            left = self._asked.pop(channel, 1) - 1
            if left:
                self._asked[channel] = left
            else:
                self._on_confirmed(channel)


async def connect_subscriber(
    redis_url: str,
    on_message: Callable[[bytes, bytes], None],
    on_confirmed: Callable[[bytes], None],
    on_all: Callable[[], None],
) -> Subscriber:
    """A connection on which the server has answered. Raises OSError when there is none."""
    subscriber = await connect(redis_url, lambda: Subscriber(on_message, on_confirmed, on_all))
    try:
        for command in handshake_commands(redis_url, "longhand-api-subscriber"):
            subscriber.send(*command)
        await subscriber.ready
    except BaseException:
        subscriber.abort()
        raise
    return subscriber
