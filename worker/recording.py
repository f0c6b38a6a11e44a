"""The text so far of one attempt, and the part that is not yet published."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jobs.live.channel import channel_name, encode_delta, tail_key

_EVENT_START = b'{"event"'

ENDED_TAIL_SECONDS = 60
"""How long a tail stays after its attempt has ended: the text is in the row; watchers that are reading it finish."""

FULL_SECONDS = 1.0
"""After Redis had no room for a tail it is not written again before this time: that takes the whole text."""


class Recording:
    """The text so far of one attempt, and what of it the watchers have not been told yet.

    `text` is written by the event loop alone. Other threads may copy it at any time: a piece is appended whole.
    """

    def __init__(
        self, wake: "Callable[[Recording], None]", now: Callable[[], datetime], job_id: str, attempt: int, text: str
    ) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.text = bytearray(text.encode())
        self.deltas = 0
        self.first_delta_at: datetime | None = None
        self.on_first: Callable[[], None] | None = None
        """Called when the first piece comes."""
        self._mark: tuple[int, Callable[[], None]] | None = None
        self.channel = channel_name(job_id)
        self.tail = tail_key(job_id, attempt)
        self._wake = wake
        self._now = now
        self._told = 0
        self._messages: list[bytes] = []
        self._whole = bool(text)
        self._finished = False
        self._expire_at = 0.0
        self._again_at = 0.0

    def add(self, piece: str) -> None:
        """Take the next piece of text, and tell it soon."""
        if self.deltas == 0:
            self.first_delta_at = self._now()
            if self.on_first is not None:
                self.on_first()
        self.deltas += 1
        self._messages.append(encode_delta(self.attempt, len(self.text), piece))
        self.text += piece.encode()
        if self._mark is not None and len(self.text) >= self._mark[0]:
            (_, reached), self._mark = self._mark, None
            reached()
        self._wake(self)

    def call_after(self, count: int, reached: Callable[[], None]) -> None:
        """Call this when so many more bytes have come."""
        self._mark = (len(self.text) + count, reached)

    def publish(self, message: bytes) -> None:
        """Tell an event, after all that was added before."""
        self._messages.append(message)
        self._wake(self)

    def pack(self, keys: list[str], values: list[Any], now: float, tail_seconds: int) -> int:
        """Add what is due to a call of `RECORD_SCRIPT`; returns how many messages."""
        messages, self._messages = self._messages, []
        seconds = 0
        if self._finished:
            tail_seconds = min(tail_seconds, ENDED_TAIL_SECONDS)
        if self.text and (self._finished or now >= self._expire_at):  # before the first text there is no tail
            seconds = tail_seconds
            self._expire_at = now + tail_seconds / 4
        if self._whole and now < self._again_at:
            values += [0, 0, b"", self.channel, len(messages)]
        elif self._whole:
            # Watchers may have missed anything before this: a nudge at the end shows them. It comes after `started`, or
            # it would be of an attempt that they do not know yet.
            messages.append(encode_delta(self.attempt, len(self.text), ""))
            values += [tail_seconds, -1, bytes(self.text), self.channel, len(messages)]
            self._whole = False
        else:
            values += [seconds, self._told, bytes(self.text[self._told :]), self.channel, len(messages)]
        values += messages
        keys.append(self.tail)
        self._told = len(self.text)
        return len(messages)

    def finish(self, message: bytes) -> None:
        """Tell the last event. From here on the text is in the row."""
        self._finished = True
        self.publish(message)

    def write_anew(self) -> None:
        """The tail in Redis is gone or unknown: send the whole text with the next call.

        When the attempt has finished, only its events: while Redis is away, thousands of jobs may end, and their texts
        must not stay in memory.
        """
        if self._finished:
            self.text.clear()
            self._told = 0
        self._whole = bool(self.text)

    def write_later(self, now: float) -> None:
        """Redis has no room for the tail. What was published has reached the watchers; the rest they find in the row's
        checkpoints, until a later call with new text has room for all of it.
        """
        self._again_at = now + FULL_SECONDS
        self.write_anew()

    def keep_events(self, messages: list[bytes]) -> None:
        """Tell the events among messages that could not be told again; the deltas are in the tail."""
        self._messages = [message for message in messages if message.startswith(_EVENT_START)] + self._messages
