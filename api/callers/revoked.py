"""A key that is revoked while a request lasts: a body may be sent for hours, and a download be read as slowly."""

import time

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.access.keyring import REMEMBERED_SECONDS, Keyring
from api.callers.caller import MAKE_KEY
from api.http.connections import CONNECTION, Closable
from api.http.errors import ApiError


class KeyInUse:
    """The key of one request. It is looked at again every few seconds for as long as that lasts.

    Events are sent past it, by `Envelope`: a watch ends by itself, and says why.
    """

    def __init__(self, keyring: Keyring, key_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._keyring = keyring
        self._key_id = key_id
        self._scope = scope
        self._receive = receive
        self._send = send
        self._look_at = time.monotonic() + REMEMBERED_SECONDS

    async def receive(self) -> Message:
        """The next piece of the body. Raises `ApiError` (401) if the key was revoked."""
        message = await self._receive()
        if message["type"] == "http.request" and await self._is_revoked():
            raise ApiError(
                401,
                "invalid_api_key",
                f"this API key was revoked while its request was being sent: {MAKE_KEY}",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the answer. If the key was revoked, the connection is closed instead: a client can tell that
        what it has is not whole.
        """
        if message.get("more_body") and await self._is_revoked():
            connection: Closable | None = self._scope.get(CONNECTION)
            if connection is not None:
                connection.give_up()
            raise ClientDisconnect
        await self._send(message)

    async def _is_revoked(self) -> bool:
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + REMEMBERED_SECONDS
        try:
            return await self._keyring.find_by_id(self._key_id) is None
        except SQLAlchemyError:
            return False  # it was good, and the database does not tell
