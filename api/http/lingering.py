"""An answer that comes before the end of its request: its connection is not closed at once."""

import asyncio
from collections.abc import Callable

LINGER_BYTES = 512 * 1024
LINGER_SECONDS = 2.0
"""What is taken, unread and not kept, after an answer that came before the end of its body. An instant close would
reset the connection, and the client might lose the answer: many send a whole body before they read."""


class LingeringTransport:
    """What such an answer is written to: at its end it calls `linger`."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, linger: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = linger
