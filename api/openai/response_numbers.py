"""The sequence numbers of a Response's events: each says where in the text it stands, and needs nothing else for it.

    0 created, 1 queued, 2 in_progress, 3 output_item.added, 4 content_part.added,
    4 + n the delta that ends at byte n of the text,
    5, 6, 7 + length output_text.done, content_part.done, output_item.done, 8 + length the last event

These are the numbers of the first attempt; those of attempt a are higher by (a - 1) * 2^32. So they are the same for
everybody and at any time, also when nobody has kept them: who comes back with one is sent the bytes after it. They
rise, and have gaps. See docs/responses.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.records import Attempt
from jobs.status import AttemptOutcome

ROOM = 1 << 32
"""Numbers of one attempt. A number of the two-millionth attempt is still exact in JavaScript."""

CREATED, QUEUED, IN_PROGRESS, ITEM_ADDED, PART_ADDED = range(5)
TEXT = PART_ADDED
"""The number of the text's byte 0, so to speak."""


def first_number(attempt: int) -> int:
    """What is added to the numbers above for an attempt."""
    return (attempt - 1) * ROOM


def attempt_of(number: int) -> int:
    """Which attempt a number belongs to."""
    return number // ROOM + 1


def offset_of(number: int) -> int:
    """How many bytes of the attempt's text were told up to a number."""
    return max(0, number % ROOM - TEXT)


@dataclass(slots=True)
class Chain:
    """Attempts that wrote one text, each going on from a byte of the one before: one item of the output."""

    first: int
    starts: list[tuple[int, int]] = field(default_factory=list)
    """Each attempt with the byte that it went on from."""
    told: bool = False
    """Whether anything of it may have been told."""

    @property
    def last(self) -> int:
        """Its last attempt."""
        return self.starts[-1][0]

    @property
    def void_number(self) -> int:
        """The number of the event that its text is void: another attempt began anew."""
        return first_number(self.last) + ROOM - 1

    def owner(self, end: int) -> int:
        """The attempt that wrote the byte before `end`."""
        return next((attempt for attempt, start in reversed(self.starts) if end > start), self.first)

    def delta_number(self, end: int) -> int:
        """The number of the delta that ends at byte `end`."""
        return first_number(self.owner(end)) + TEXT + end


def chains_up_to(attempts: Sequence[Attempt], last: int, torn: frozenset[int] = frozenset()) -> list[Chain]:
    """The texts that a job's attempts have written, the present one last. An attempt in `torn` is taken as writing
    anew, whatever it went on from.
    """
    chains: list[Chain] = []
    for one in attempts:
        if one.attempt > last:
            break
        goes_on = bool(chains) and bool(one.continued_bytes) and one.attempt not in torn
        if not goes_on:
            chains.append(Chain(one.attempt))
        chain = chains[-1]
        chain.starts.append((one.attempt, (one.continued_bytes or 0) if goes_on else 0))
        # Of one that was lost only the last checkpoint is known: more may have been told, or anything at all.
        chain.told |= bool(one.bytes) or one.outcome in (AttemptOutcome.LOST, None)
    if not chains or chains[-1].last != last:
        chains.append(Chain(last, [(last, 0)]))
    return chains


def torn_by(chain: Chain, number: int) -> int | None:
    """The attempt of this chain that cannot go on for a client who has come to `number`; None: all can.

    Who has seen more of an attempt than the next one went on from has seen what is void. (A worker that died while
    Redis was erased leaves its last checkpoint, and watchers may have been ahead of it.) And who was numbered by the
    next one below the byte that it went on from has been told so before.
    """
    attempt, offset = attempt_of(number), offset_of(number)
    for place, (one, start) in enumerate(chain.starts):
        if one != attempt:
            continue
        if place > 0 and offset <= start:
            return one
        if place + 1 < len(chain.starts) and offset > chain.starts[place + 1][1]:
            return chain.starts[place + 1][0]
    return None
