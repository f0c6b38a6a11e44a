"""A trap in the fault proxy: waits for bytes to pass, and breaks something just there."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Literal

from tests.chaos.processes import PATIENCE_SECONDS

Direction = Literal["to_server", "to_client"]
Action = Literal["cut", "hold", "swallow"]


class Trap:
    """Waits for `at` to pass, after `after` has passed before it on the same connection; then it springs, once.

    `cut` breaks the connection and the bytes do not arrive. `hold` keeps them until `release`, or until the trap is
    told to `break_off`. `swallow` lets them through, waits for the server's answer, drops it and breaks the connection:
    what was asked was carried out, and looks as if it had failed.
    """

    def __init__(self, at: bytes, after: bytes, action: Action, direction: Direction, call: Callable[..., Any]) -> None:
        self.at = at
        self.after = after
        self.action = action
        self.direction = direction
        self._call = call
        self._sprung = threading.Event()
        self._let_go = asyncio.Event()
        self.armed = True
        self.broken_off = False

    @property
    def sprung(self) -> bool:
        """Whether it has caught something."""
        return self._sprung.is_set()

    def wait(self, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until it has sprung. Raises `TimeoutError`."""
        if not self._sprung.wait(timeout_seconds):
            raise TimeoutError(f"{self.at!r} after {self.after!r} did not pass within {timeout_seconds} s")

    def release(self) -> None:
        """Let the held bytes through."""
        self._call(self._let_go.set)

    def break_off(self) -> None:
        """Drop the held bytes and break their connection."""
        self.broken_off = True
        self._call(self._let_go.set)

    def spring(self) -> None:
        """It has caught something: no second time."""
        self.armed = False
        self._sprung.set()

    async def held(self) -> bool:
        """Wait for the test's word; whether the bytes are to go on."""
        await self._let_go.wait()
        return not self.broken_off
