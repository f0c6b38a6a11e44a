"""The loop guard: finds a model that repeats itself without end, so that nobody waits for the rest and pays for it.

A loop is exact: the last bytes of a text equal those one period before them. Verses with a refrain, the rows of a table
and parallel sentences repeat their structure and not their bytes, so they are none. Neither is a loop that counts
("Step 41", "Step 42").
"""

from collections.abc import Callable
from dataclasses import dataclass

from jobs.live.channel import TextKind
from worker.recording import Recording
from worker.upstream.errors import Repetition, quote

Add = Callable[[str], None]

SHORTEST_TEXT = 4096
"""In a shorter text nothing is looked for."""
STEP = 256
"""After so many new bytes the end of the text is looked at: some microseconds for about sixty deltas."""
SHORTEST_PERIOD, LONGEST_PERIOD = 8, 2000
BEYOND = 1792
"""A loop goes on for this many bytes after its third repetition. With those of one step it is cut within 2 kB."""
BEYOND_OF_ROWS = 12_288
"""The same for what may be a drawn table or rows of zeros: the longest ones of 25,000 documents have 10 kB."""
_PROBE = 600
"""So many bytes are sought. `find` takes a time that no text can stretch if what it reads is three times as long."""
_MOST_TRIED = 8
_MOST_QUOTED = 80


@dataclass(frozen=True, slots=True)
class Loop:
    """The end of a text, from byte `start`, is the same `period` bytes again and again."""

    start: int
    period: int


def adders(recording: Recording, write: Add, *, guarded: bool) -> tuple[Add, Add]:
    """What takes the pieces of the text, which `write` records, and of the reasoning of an attempt."""
    if not guarded:
        return write, recording.add_reasoning
    text = LoopGuard("text", recording.text, write)
    return text.add, LoopGuard("reasoning", recording.reasoning, recording.add_reasoning).add


class LoopGuard:
    """Adds the pieces of one of the two texts of an attempt, until that repeats itself: raises `Repetition`."""

    __slots__ = ("_add", "_kind", "_look_at", "_text")

    def __init__(self, kind: TextKind, text: bytearray, add: Add) -> None:
        self._kind: TextKind = kind
        self._text = text
        self._add = add
        # What an attempt continues was looked at before, but for the last step.
        self._look_at = max(SHORTEST_TEXT, len(text) - len(text) % STEP)

    def add(self, piece: str) -> None:
        """Take the next piece of the text."""
        self._add(piece)
        if len(self._text) >= self._look_at:
            self._look()

    def _look(self) -> None:
        """Look at the end of each step, so that it does not matter in which pieces the text came."""
        while self._look_at <= len(self._text):
            loop = find_loop(self._text, self._look_at)
            if loop is not None:
                raise self._error(loop)
            self._look_at += STEP

    def _error(self, loop: Loop) -> Repetition:
        kept = loop.start + loop.period
        while self._text[kept] & 0xC0 == 0x80:  # inside a character
            kept -= 1
        times = (self._look_at - loop.start) // loop.period
        words = quote(self._text[loop.start : kept].decode("utf-8", "ignore"))
        words = words if len(words) <= _MOST_QUOTED else words[: _MOST_QUOTED - 1] + "…"
        return Repetition(
            f"The model repeated itself: from byte {loop.start} of its {self._kind} on it wrote the same {loop.period}"
            f' bytes {times} times ("{words}"). What comes before their second time is kept. If this text must repeat'
            " itself, set loop_guard to false for its upstream.",
            kind=self._kind,
            kept=kept,
        )


def find_loop(text: bytearray, end: int) -> Loop | None:
    """The loop with which the first `end` bytes of a text end."""
    # Backwards: `find` gives the nearest place, and `rfind` can be made slow by a text.
    last = text[max(0, end - LONGEST_PERIOD - _PROBE) : end][::-1]
    probe = last[:_PROBE]
    period = 0
    for _ in range(_MOST_TRIED):
        # What ends a loop is there one period before, too. The nearest such place tells the period, unless that ends
        # with a smaller loop, which must then be passed.
        period = last.find(probe, period + 1)
        if period < 0:
            return None
        shortest = 3 * period + _beyond(text[end - period : end])
        length = _length(text[max(0, end - shortest) : end], period)
        if length >= shortest:
            return Loop(end - _length(text[:end], period), period)
        period = max(period, length - _PROBE)
    return None


def _beyond(repeated: bytearray) -> int:
    """Less than half letters may be a row of figures or of a drawn box; so may be what is very short."""
    if len(repeated) < SHORTEST_PERIOD:
        return BEYOND_OF_ROWS
    words = repeated.decode("utf-8", "ignore")
    return BEYOND if 2 * sum(map(str.isalpha, words)) >= len(words) else BEYOND_OF_ROWS


def _length(text: bytearray, period: int) -> int:
    """How many bytes at the end of a text repeat with this period. Two numbers are compared faster than bytes."""
    differ = int.from_bytes(text[period:], "little") ^ int.from_bytes(text[: len(text) - period], "little")
    return len(text) - (differ.bit_length() + 7) // 8
