"""Sends one event to one endpoint: signed, to a checked address, once, within a bounded time."""

import asyncio
import ssl
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from math import floor
from typing import Any

import httpcore
import httpx
from standardwebhooks import Webhook

from jobs.webhooks.addresses import LookUp, Network, ReceiverRefusedError, check_addresses, check_url, look_up
from jobs.webhooks.deliveries import Attempted, Delivery

TOTAL_SECONDS = 15.0
"""How long a try may take, from the name of the host to the status of the answer."""

CONNECT_SECONDS = 5.0
"""How long one of several addresses may take, before the next one is tried."""


class Sender:
    """It follows no redirect, uses no proxy of the environment, and reads no answer's body.

    `tls` is what the certificates are checked with.
    """

    def __init__(self, allowed: Sequence[Network], tls: ssl.SSLContext | None = None, find: LookUp = look_up) -> None:
        self._backend = _CheckedBackend(find, allowed)
        self._tls = tls or httpx.create_ssl_context()

    async def send(self, delivery: Delivery, now: datetime) -> Attempted:
        """Make one try. Whatever happens is what it got."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return Attempted(await self._post(delivery, now))
        except TimeoutError:
            return Attempted(error=f"no answer within {TOTAL_SECONDS:g} s")
        except ReceiverRefusedError as refused:
            return Attempted(error=f"the URL {refused}")
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            return Attempted(error=f"no connection: {_words(error)}")
        except _NO_ANSWER as error:
            return Attempted(error=f"no valid answer: {_words(error)}")

    async def _post(self, delivery: Delivery, now: datetime) -> int:
        check_url(delivery.url)
        headers = list(sign(delivery, now).items())
        body = delivery.body.encode()
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=self._backend) as pool,
            pool.stream("POST", delivery.url, headers=headers, content=body) as answer,
        ):
            return answer.status


def sign(delivery: Delivery, now: datetime) -> dict[str, str]:
    """The headers of the Standard Webhooks specification: a signature with each secret that is valid."""
    signatures = [Webhook(secret).sign(delivery.event_id, now, delivery.body) for secret in delivery.secrets]
    return {
        "content-type": "application/json",
        "user-agent": "longhand",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(floor(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


_NO_ANSWER = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, and connects to what was checked. TLS and the Host header still go by the name."""

    def __init__(self, find: LookUp, allowed: Sequence[Network]) -> None:
        self._find = find
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await _in_daemon_thread(self._find, host, port)
        except OSError:
            raise ReceiverRefusedError("has a host name without an address") from None
        failure: Exception = OSError("no address")
        for address in check_addresses(found, self._allowed):
            try:
                return await self._inner.connect_tcp(address, port, CONNECT_SECONDS, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise ReceiverRefusedError("names a socket")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _in_daemon_thread(find: LookUp, host: str, port: int) -> list[str]:
    """Look a name up. Name servers may take longer than anybody waits: neither the end of the process does."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | Exception) -> None:
        if answer.done():  # nobody waits any more
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def run() -> None:
        try:
            found: list[str] | Exception = find(host, port)
        except Exception as error:  # it belongs to the one that waits
            found = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=run, name="webhook-name", daemon=True).start()
    return await answer
