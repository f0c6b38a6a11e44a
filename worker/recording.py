"""The text so far of one attempt, and the part that is not yet published."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Any

from jobs.live.channel import channel_name, encode_delta, encode_reasoning, reasoning_key, tail_key

_EVENT_START = b'{"event"'

ENDED_TAIL_SECONDS = 60
"""How long a tail stays after its attempt has ended: the text is in the row; watchers that are reading it finish."""

FULL_SECONDS = 1.0
"""After Redis had no room for a tail it is not written again before this time: that takes the whole text."""


class Recording:
    """The text and the reasoning so far of one attempt, and the messages that are not sent yet.

    Both are written by the event loop alone. Other threads may copy it at any time: a piece is appended whole.
    """

    def __init__(
        self,
        wake: "Callable[[Recording], None]",
        now: Callable[[], datetime],
        job_id: str,
        attempt: int,
        text: str,
        reasoning: str = "",
    ) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.text = bytearray(text.encode())
        self.reasoning = bytearray(reasoning.encode())
        self.deltas = 0
        self.received_bytes = 0
        """Of text and reasoning, without those that it continues. The texts may be let go at the end; this stays."""
        self.first_delta_at: datetime | None = None
        self._mark: tuple[int, Callable[[], None]] | None = None
        self.channel = channel_name(job_id)
        self.tail = tail_key(job_id, attempt)
        self.reasoning_tail = reasoning_key(job_id, attempt)
        self._wake = wake
        self._now = now
        self._sent_text = self._sent_reasoning = 0
        self.made_at = monotonic()
        self._messages: list[bytes] = []
        self.packed_bytes = 0
        """How much the last `pack` has added."""
        self._whole = bool(text or reasoning)
        self._finished = False
        self._expire_at = 0.0
        self._again_at = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes: its attempt has ended, or it was made for one event."""
        return self._finished or self.attempt == 0

    def add(self, piece: str) -> None:
        """Take the next piece of text; it is sent soon."""
        if self.deltas == 0:
            self.first_delta_at = self._now()
        self.deltas += 1
        self._messages.append(encode_delta(self.attempt, len(self.text), piece))
        encoded = piece.encode()
        self.text += encoded
        self.received_bytes += len(encoded)
        if self._mark is not None and len(self.text) >= self._mark[0]:
            (_, reached), self._mark = self._mark, None
            reached()
        self._wake(self)

    def add_reasoning(self, piece: str) -> None:
        """Take the next piece of the reasoning; it is sent soon."""
        self._messages.append(encode_reasoning(self.attempt, len(self.reasoning), piece))
        encoded = piece.encode()
        self.reasoning += encoded
        self.received_bytes += len(encoded)
        self._wake(self)

    def call_after(self, count: int, reached: Callable[[], None]) -> None:
        """Call this when so many more bytes have come."""
        self._mark = (len(self.text) + count, reached)

    def publish(self, message: bytes) -> None:
        """Send an event after all that was added before."""
        self._messages.append(message)
        self._wake(self)

    def pack(self, keys: list[str], values: list[Any], now: float, tail_seconds: int) -> int:
        """Add what is due to a call of `RECORD_SCRIPT`; returns how many messages, which are the last values.

        They are published in the order in which they came, once both tails have grown.
        """
        messages, self._messages = self._messages, []
        is_usual = now < self._expire_at and not (self._whole or self._finished)
        if is_usual and len(self.reasoning) == self._sent_reasoning:  # of nearly all deltas, each of which comes here
            new = bytes(self.text[self._sent_text :])
            keys.append(self.tail)
            values += (0, self._sent_text, new, self.channel, len(messages), *messages)
            self._sent_text += len(new)
            self.packed_bytes = len(new) + sum(map(len, messages))
            return len(messages)
        self.packed_bytes = 0
        self._pack_unusual(keys, values, now, tail_seconds, messages)
        self._sent_text, self._sent_reasoning = len(self.text), len(self.reasoning)
        return len(messages)

    def _pack_unusual(
        self, keys: list[str], values: list[Any], now: float, tail_seconds: int, messages: list[bytes]
    ) -> None:
        """Where a tail begins, is written again, is kept for longer or ends; and all of a reasoning."""
        seconds = 0
        if self._finished:
            tail_seconds = min(tail_seconds, ENDED_TAIL_SECONDS)
        # Before the first piece there is no tail that could expire.
        if (self.text or self.reasoning) and (self._finished or now >= self._expire_at):
            seconds = tail_seconds
            self._expire_at = now + tail_seconds / 4
        thinks = len(self.reasoning) > self._sent_reasoning
        if self._whole and now < self._again_at:
            self._pack(keys, values, self.tail, 0, 0, bytearray(), messages)
        elif self._whole:
            # Watchers may have missed anything before this: nudges at the end show them. They come after `started`, or
            # they would be of an attempt that they do not know yet.
            if self.reasoning:
                messages.append(encode_reasoning(self.attempt, len(self.reasoning), ""))
                self._pack(keys, values, self.reasoning_tail, tail_seconds, -1, self.reasoning, [])
            messages.append(encode_delta(self.attempt, len(self.text), ""))
            start = -1 if self.text else 0
            self._pack(keys, values, self.tail, tail_seconds, start, self.text, messages)
            self._whole = False
        elif thinks and not self._finished and len(self.text) == self._sent_text:
            # Nearly all of the reasoning: one tail grows, as for a text.
            new = self.reasoning[self._sent_reasoning :]
            self._pack(keys, values, self.reasoning_tail, seconds, self._sent_reasoning, new, messages)
        else:
            if thinks or (self.reasoning and seconds):
                new = self.reasoning[self._sent_reasoning :]
                self._pack(keys, values, self.reasoning_tail, seconds, self._sent_reasoning, new, [])
            self._pack(keys, values, self.tail, seconds, self._sent_text, self.text[self._sent_text :], messages)

    def _pack(
        self,
        keys: list[str],
        values: list[Any],
        key: str,
        seconds: int,
        start: int,
        new: bytearray,
        messages: list[bytes],
    ) -> None:
        keys.append(key)
        values += [seconds, start, bytes(new), self.channel, len(messages)]
        values += messages
        self.packed_bytes += len(new) + sum(map(len, messages))

    def finish(self, message: bytes) -> None:
        """Send the last event. From here on the text is in the row."""
        self._finished = True
        self.publish(message)

    def write_anew(self) -> None:
        """The tail in Redis is gone or unknown: send the whole text with the next call.

        When the attempt has finished, only its events: while Redis is away, thousands of jobs may end, and their texts
        must not stay in memory.
        """
        if self._finished:
            self.text.clear()
            self.reasoning.clear()
            self._sent_text = self._sent_reasoning = 0
        self._whole = bool(self.text or self.reasoning)

    def write_later(self, now: float) -> None:
        """Redis has no room for the tail. What was published has reached the watchers; the rest they find in the row's
        checkpoints, until a later call with new text has room for all of it.
        """
        self._again_at = now + FULL_SECONDS
        self.write_anew()

    def keep_events(self, messages: list[bytes]) -> None:
        """Send the events again of a call that failed; its deltas are in the tail."""
        self._messages = [message for message in messages if message.startswith(_EVENT_START)] + self._messages
