"""Sends one event to one endpoint: signed, to a checked address, once, within a bounded time."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import floor
from typing import Any

import httpcore
import httpx
from standardwebhooks import Webhook

from jobs.bounded_stream import BoundedBackend
from jobs.webhooks.addresses import LookUp, Network, ReceiverRefusedError, check_addresses, check_url, look_up
from jobs.webhooks.deliveries import Delivery, Outcome
from jobs.webhooks.lookups import LOOKUP_SECONDS, Lookups

TOTAL_SECONDS = 15.0
"""How long a try may take, from the name of the host to the status of the answer."""

CONNECT_SECONDS = 5.0
"""How long one of several addresses may take, before the next one is tried."""

MOST_ANSWER_BYTES = 32 * 1024
"""How much of an answer is read until its status is known. Some receivers that sent nothing but `100 Continue` held up
the webhooks of all others for a minute."""


class Sender:
    """It follows no redirect, uses no proxy of the environment, and reads no answer's body.

    `tls` is what the certificates are checked with.
    """

    def __init__(self, allowed: Sequence[Network], tls: ssl.SSLContext | None = None, find: LookUp = look_up) -> None:
        self._lookups = Lookups(find)
        self._allowed = allowed
        self._tls = tls or httpx.create_ssl_context()

    async def send(self, delivery: Delivery, now: datetime) -> Outcome:
        """Make one try. Whatever happens is what it got."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return Outcome(await self._post(delivery, now))
        except TimeoutError:
            return Outcome(error=f"no answer within {TOTAL_SECONDS:g} s")
        except ReceiverRefusedError as refused:
            return Outcome(error=f"the URL {refused}")
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            return Outcome(error=f"no connection: {_words(error)}")
        except _NO_ANSWER as error:
            return Outcome(error=f"no valid answer: {_words(error)}")

    async def _post(self, delivery: Delivery, now: datetime) -> int:
        check_url(delivery.url)
        headers = list(sign(delivery, now).items())
        body = delivery.body.encode()
        backend = _CheckedBackend(self._lookups, delivery.project, self._allowed)
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
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


class _CheckedBackend(BoundedBackend):
    """Resolves a name once, and connects to what was checked. TLS and the Host header still go by the name."""

    def __init__(self, lookups: Lookups, project: str, allowed: Sequence[Network]) -> None:
        super().__init__(MOST_ANSWER_BYTES)
        self._lookups = lookups
        self._project = project
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await self._lookups.find(self._project, host, port)
        except TimeoutError:
            raise ReceiverRefusedError(f"has a host name that is not found within {LOOKUP_SECONDS:g} s") from None
        except OSError:
            raise ReceiverRefusedError("has a host name without an address") from None
        failure: Exception = OSError("no address")
        for address in check_addresses(found, self._allowed):
            try:
                return await super().connect_tcp(address, port, CONNECT_SECONDS, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
