"""What a watcher was sent of a text: a running hash, not the text."""

from collections.abc import Awaitable, Callable
from hashlib import sha256


class SentText:
    """What this connection sent of one of the two texts, and from which byte on: a client that came with a cursor has
    the bytes before.
    """

    __slots__ = ("hash", "start")

    def __init__(self, start: int = 0) -> None:
        self.hash = sha256()
        self.start = start

    async def begins(self, read: Callable[[int], Awaitable[bytes]], end: int) -> bool:
        """Whether what was sent, up to byte `end`, is also what `read` gives."""
        stored, at = sha256(), self.start
        while at < end:
            part = (await read(at))[: end - at]
            if not part:
                return False
            stored.update(part)
            at += len(part)
        return stored.digest() == self.hash.digest()
