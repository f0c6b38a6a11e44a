"""The sequence numbers of a Response's events: each says where in its two texts it stands, and needs nothing else.

    0 created, 1 queued, 2 in_progress,
    3 output_item.added and 4 content_part.added of the reasoning, 4 + r the delta that ends at byte r of it,
    HALF - 3, 2, 1 reasoning_text.done, content_part.done, output_item.done;
    then, from HALF = 2^27 on, those of the text:
    HALF output_item.added, HALF + 1 content_part.added, HALF + 1 + n the delta that ends at byte n of the text,
    HALF + 2, 3, 4 + length output_text.done, content_part.done, output_item.done, then four for each tool call,
    HALF + 5 + 4 * calls + length the last event

These are the numbers of the first attempt; those of attempt a are higher by (a - 1) * 2^32. So they are the same for
every client and at any time, and need not be stored: a client that comes back with one is sent the bytes after it. They
rise, and have gaps. See docs/responses.md.

They also say whether an attempt has diverged for this client: it was sent as a new item although it had continued the
text before. (A worker that dies while Redis is erased leaves its last checkpoint, and watchers may have
been ahead of it.) There is one mark for the attempt itself and one for each of the three before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from jobs.model.records import Attempt
from jobs.model.status import AttemptOutcome

ROOM = 1 << 32
"""Numbers of one attempt. A number of the two-millionth attempt is still exact in JavaScript."""
MARK = 1 << 28
"""Numbers of one attempt with the same marks: more than both texts have bytes."""
HALF = MARK // 2
"""Where the numbers of the text begin; those of the reasoning are below."""
_MARKS = 4

CREATED, QUEUED, IN_PROGRESS, THOUGHT_ADDED, THOUGHT = range(5)
"""`THOUGHT` is what is added to a byte offset of the reasoning to give its number."""
THOUGHT_DONE = HALF - 3
"""Not beside its last byte: reasoning may go on after the text has begun, and nothing stored says how long it was then.
"""
ITEM_ADDED, PART_ADDED = HALF, HALF + 1
TEXT = PART_ADDED
"""What is added to a byte offset of the text to give its number."""
THOUGHT_VOID, VOID = MARK - 2, MARK - 1
"""The events that a reasoning without a text, and that a text is void: another attempt began again."""


def number_of(attempt: int, place: int, diverged: frozenset[int] = frozenset()) -> int:
    """The number of an event of an attempt, for a client for which these attempts have diverged."""
    marks = sum(1 << attempt - back_to for back_to in diverged if 0 <= attempt - back_to < _MARKS)
    return (attempt - 1) * ROOM + marks * MARK + place


def attempt_of(number: int) -> int:
    """Which attempt a number belongs to."""
    return number // ROOM + 1


def offset_of(number: int) -> int:
    """How many bytes of the attempt's text were sent up to a number."""
    return max(0, number % MARK - TEXT)


def thought_offset_of(number: int) -> int:
    """How many bytes of the reasoning were sent up to a number, when nothing of the text was."""
    return max(0, number % MARK - THOUGHT)


def diverged_up_to(number: int) -> frozenset[int]:
    """The attempts that have diverged for a client that was given this number."""
    if number < 0:
        return frozenset()
    marks = number % ROOM // MARK
    return frozenset(attempt_of(number) - back for back in range(_MARKS) if marks >> back & 1)


@dataclass(slots=True)
class Chain:
    """Attempts that wrote one text, each continuing from a byte of the one before: one item of the output."""

    first: int
    starts: list[tuple[int, int]] = field(default_factory=list)
    """Each attempt with the byte that it continued from."""
    diverged: bool = False
    """Whether its first attempt has diverged from the text before it."""
    may_be_sent: bool = False
    """Whether anything of it may have been sent."""

    @property
    def last(self) -> int:
        """Its last attempt."""
        return self.starts[-1][0]

    def owner(self, end: int) -> int:
        """The attempt that wrote the byte before `end`."""
        return next((attempt for attempt, start in reversed(self.starts) if end > start), self.first)


def chains_up_to(attempts: Sequence[Attempt], last: int, diverged: frozenset[int] = frozenset()) -> list[Chain]:
    """The texts that a job's attempts have written, the present one last. An attempt in `diverged` begins one of its
    own, whatever it continued from.
    """
    chains: list[Chain] = []
    for written in attempts:
        if written.attempt > last:
            break
        continues = bool(chains) and bool(written.continued_bytes)
        goes_on = continues and written.attempt not in diverged
        if not goes_on:
            chains.append(Chain(written.attempt, diverged=continues))
        chain = chains[-1]
        chain.starts.append((written.attempt, (written.continued_bytes or 0) if goes_on else 0))
        # Of one that was lost only the last checkpoint is known: more may have been sent, or anything at all.
        chain.may_be_sent |= bool(written.bytes) or written.outcome in (AttemptOutcome.LOST, None)
    if not chains or chains[-1].last != last:
        chains.append(Chain(last, [(last, 0)]))
    return chains


def diverged_by(chain: Chain, number: int) -> int | None:
    """The attempt of this chain that cannot continue for a client that has come to `number`: it began below what that
    client has of the attempt before it, which is void. None: all can.
    """
    attempt, offset = attempt_of(number), offset_of(number)
    for (before, _), (after, start) in pairwise(chain.starts):
        if before == attempt and offset > start:
            return after
    return None
