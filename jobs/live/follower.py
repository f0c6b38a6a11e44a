"""Where a watcher is in the two texts of a job, and what each message of the channel means from there."""

from dataclasses import dataclass

from jobs.live.channel import Message


@dataclass(frozen=True, slots=True)
class Text:
    """New text that starts at byte `offset`."""

    attempt: int
    offset: int
    text: str
    end: int
    """The byte after it."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """New reasoning that starts at byte `offset` of it. One at 0 begins it anew, and voids what was shown."""

    attempt: int
    offset: int
    text: str
    end: int
    """The byte after it."""


@dataclass(frozen=True, slots=True)
class ResetMessage:
    """Text and reasoning begin again with this attempt; what was shown before is void."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Something was missed: read the tail (or the row) before you continue."""


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt has begun."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The job waits for its next attempt."""

    attempt: int


@dataclass(frozen=True, slots=True)
class DoneMessage:
    """The job has ended; its row has all there is to say."""


Step = Text | Reasoning | ResetMessage | Gap | Started | Queued | DoneMessage


class Follower:
    """Where a watcher is in a job's text, and what each message means from there. It reads nothing itself."""

    __slots__ = ("attempt", "offset", "reasoning_offset")

    def __init__(self, attempt: int = 0, offset: int = 0, reasoning_offset: int = 0) -> None:
        self.attempt = attempt
        self.offset = offset
        self.reasoning_offset = reasoning_offset

    def follow(self, message: Message) -> list[Step]:
        """What a message means here: nothing for what is known already or comes from a zombie's attempt."""
        if message.event == "done":
            return [DoneMessage()]
        if message.attempt < self.attempt:
            return []
        if message.event == "queued":
            return [Queued(message.attempt)] if message.attempt == self.attempt else []
        if message.event == "started":
            return self._start(message)
        if message.attempt > self.attempt:
            return [Gap()]
        if message.reasoning is not None:
            if message.reasoning_offset > self.reasoning_offset:
                return [Gap()]
            return self.take_reasoning(message.reasoning_offset, message.reasoning)
        if message.offset > self.offset:
            return [Gap()]
        return self.take(message.offset, message.text)

    def take(self, offset: int, text: str) -> list[Step]:
        """Take text of the present attempt that starts at byte `offset`."""
        if offset == self.offset:
            if not text:
                return []
            self.offset = end = offset + len(text.encode())
            return [Text(self.attempt, offset, text, end)]
        new = _cut(offset, text, self.offset)
        if not new:
            return [] if new == "" else [Gap()]
        start, self.offset = self.offset, self.offset + len(new.encode())
        return [Text(self.attempt, start, new, self.offset)]

    def take_reasoning(self, offset: int, text: str) -> list[Step]:
        """The same for the reasoning of the present attempt."""
        new = text if offset == self.reasoning_offset else _cut(offset, text, self.reasoning_offset)
        if not new:
            return [] if new == "" else [Gap()]
        start, self.reasoning_offset = self.reasoning_offset, self.reasoning_offset + len(new.encode())
        return [Reasoning(self.attempt, start, new, self.reasoning_offset)]

    def restart(self, attempt: int, *, anew: bool) -> list[Step]:
        """Change to another attempt, which begins the text again (`anew`) or continues where this one is.

        The reasoning is always that of the present attempt, so one that was shown of another is void.
        """
        shown = self.offset > 0 or self.reasoning_offset > 0
        if not anew:
            is_other, self.attempt = attempt != self.attempt, attempt
            return self.restart_reasoning() if is_other else []
        self.attempt = attempt
        self.offset = self.reasoning_offset = 0
        return [ResetMessage(attempt)] if shown else []

    def restart_reasoning(self) -> list[Step]:
        """Begin the reasoning again, and leave the text as it is."""
        shown, self.reasoning_offset = self.reasoning_offset, 0
        return [Reasoning(self.attempt, 0, "", 0)] if shown else []

    def _start(self, message: Message) -> list[Step]:
        if message.attempt == self.attempt:
            return []
        follows = message.attempt == self.attempt + 1
        goes_on = follows and message.offset > 0 and self.offset <= message.offset
        if not goes_on and message.offset > 0 and not follows:
            # An attempt in between was missed; only the rows can tell whether this text continues ours.
            return [Gap()]
        return [*self.restart(message.attempt, anew=not goes_on), Started(message.attempt)]


def _cut(offset: int, text: str, known: int) -> str | None:
    """What of a text that starts at byte `offset` comes after byte `known`. None: that is inside a character, which was
    never given out as a cursor, so the reader begins again.
    """
    encoded = text.encode()
    if offset + len(encoded) <= known:
        return ""
    cut = known - offset
    return None if encoded[cut] & 0xC0 == 0x80 else encoded[cut:].decode()
