"""Sending completions on time: one wheel of ticks for all streams, none with its own task or timer."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from longhand.simulator.script import Finale, Steps
from longhand.simulator.stats import LATE_SECONDS, Stats

TICK_SECONDS = 0.002
KEEP_ALIVE_SECONDS = 0.05
# A stream that is behind, or not paced, sends at most this many steps per tick, to keep no other waiting.
BURST = 64


@dataclass(frozen=True)
class Pace:
    """How fast an upstream writes. Zero deltas per second means: as fast as the reader takes them."""

    deltas_per_second: float = 50
    first_delta_seconds: float = 0.2

    def __post_init__(self) -> None:
        if self.deltas_per_second < 0 or self.first_delta_seconds < 0:
            raise ValueError("a pace cannot be negative")

    def ordered(self, deltas_per_second: float | None, first_delta_seconds: float | None) -> "Pace":
        """The pace of one request, which may order its own."""
        return Pace(
            self.deltas_per_second if deltas_per_second is None else deltas_per_second,
            self.first_delta_seconds if first_delta_seconds is None else first_delta_seconds,
        )

    @property
    def interval_seconds(self) -> float:
        return 1 / self.deltas_per_second if self.deltas_per_second else 0.0


class Wheel:
    """Streams by the tick in which they have to send next."""

    def __init__(self) -> None:
        self._slots: dict[int, list[Stream]] = {}
        self._done = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: "Stream", due: float) -> None:
        if self._timer is None:
            self._done = int(time.monotonic() / TICK_SECONDS)
            self._timer = self._next_tick()
        # Rounded up: a stream never sends before its time.
        slot = max(int(due / TICK_SECONDS), self._done) + 1
        self._slots.setdefault(slot, []).append(stream)

    def _tick(self) -> None:
        now = int(time.monotonic() / TICK_SECONDS)
        for slot in range(self._done + 1, now + 1):
            self._done = slot
            for stream in self._slots.pop(slot, ()):
                stream.advance()
        self._timer = self._next_tick() if self._slots else None

    def _next_tick(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()


class Stream:
    """One response being sent, by an absolute schedule: step n is due at `first_due + n * interval_seconds`."""

    def __init__(
        self,
        steps: Steps,
        *,
        comment: bytes,
        transport: asyncio.Transport,
        wheel: Wheel,
        stats: Stats,
        counted: bool,
        first_due: float,
        interval_seconds: float,
        bytes_per_write: int | None,
        on_over: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        self._steps: Iterator[bytes] = steps
        self._comment = comment
        self._transport = transport
        self._wheel = wheel
        self._stats = stats
        self._counted = counted
        self._first_due = first_due
        self._interval = interval_seconds
        self._index = 0
        self._on_over = on_over
        self._on_end = on_end
        self._bytes_per_write = bytes_per_write
        self._unwritten = bytearray()
        self._finale: Finale | None = None
        self._queued = False
        self._paused = False
        # It is behind its schedule because the reader was slow, which does not count as the simulator's lateness.
        self._held = False
        self.over = False

    def begin(self, head: bytes) -> None:
        self._write(head)
        self._queue(self._first_due)

    def advance(self) -> None:
        """Send every step that is due."""
        self._queued = False
        if self._paused or self.over:
            return
        now = time.monotonic()
        first_due = due = self._first_due + self._index * self._interval
        wire: list[bytes] = []
        try:
            while due <= now and len(wire) < BURST:
                wire.append(next(self._steps))
                self._index += 1
                due = self._first_due + self._index * self._interval
        except StopIteration as stop:
            self._finale = stop.value
        self._count(len(wire), now - first_due)
        if wire:
            self._write(wire[0] if len(wire) == 1 else b"".join(wire))
        if self._finale is not None:
            self._close(self._finale)
            return
        self._held = self._held and due <= now
        self._queue(due)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        # A pause that is shorter than the wait for the next step changes nothing.
        if not self._queued and self._finale is None and not self.over:
            self._held = True
            self._queue(time.monotonic())

    def give_up(self, event: str) -> None:
        """Send nothing more: the client is gone, or the server goes away."""
        self._over(event)

    def _queue(self, due: float) -> None:
        self._queued = True
        self._wheel.add(self, due)

    def _count(self, steps: int, late_seconds: float) -> None:
        if not self._counted or not steps:
            return
        late = 0
        if self._held or not self._interval:
            late_seconds = 0.0
        elif late_seconds > LATE_SECONDS:
            late = min(steps, 1 + int((late_seconds - LATE_SECONDS) / self._interval))
        self._stats.sent(steps, late, late_seconds)

    def _close(self, finale: Finale) -> None:
        self._write(finale.wire)
        if finale.ending == "stall":
            self._finale = None
            self._counted = False
            self._steps = itertools.repeat(self._comment)
            self._first_due, self._index, self._interval = time.monotonic(), 1, KEEP_ALIVE_SECONDS
            self._queue(self._first_due + KEEP_ALIVE_SECONDS)
        elif not self._unwritten:
            self._end(finale)

    def _end(self, finale: Finale) -> None:
        if self.over:
            return
        if finale.ending == "close":
            self._over("closed")
            # Not abort, which may discard deltas that count as sent.
            self._transport.close()
        elif finale.ending == "end":
            self._over("completed")
            self._on_end()

    def _over(self, event: str) -> None:
        if not self.over:
            self.over = True
            self._on_over(event)

    def _write(self, wire: bytes) -> None:
        if self._bytes_per_write is None:
            self._transport.write(wire)
            return
        idle = not self._unwritten
        self._unwritten += wire
        if idle and wire:
            self._write_piece()

    def _write_piece(self) -> None:
        """Write the next few bytes in a loop turn of their own.

        That is all a sender can do: a reader that is slower finds several writes joined. Tests that need every cut feed
        their parser themselves.
        """
        if self.over:
            return
        assert self._bytes_per_write is not None  # noqa: S101  # only then are bytes kept back
        self._transport.write(bytes(self._unwritten[: self._bytes_per_write]))
        del self._unwritten[: self._bytes_per_write]
        if self._unwritten:
            asyncio.get_running_loop().call_soon(self._write_piece)
        elif self._finale is not None:
            self._end(self._finale)
