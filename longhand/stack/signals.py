"""Waits for the signals that end a stack, and for the death of a child."""

import os
import select
import signal
from types import FrameType
from typing import Any, Self

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """In its `with` block SIGINT, SIGTERM and SIGHUP only set `stopped`; `wait` ends early for them and for SIGCHLD.

    An exception raised by a signal handler could interrupt the start or the end of a child, which would then be
    forgotten. A pipe, unlike an `Event`, may be written to from a handler at any moment. For the main thread only.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in (*_ENDING, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float) -> None:
        """Wait until a signal comes, or has come since the last wait, or the time is up."""
        if self.stopped:
            return
        select.select([self._read], [], [], seconds)
        try:
            while os.read(self._read, 512):
                pass
        except BlockingIOError:
            pass

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.stopped = True
