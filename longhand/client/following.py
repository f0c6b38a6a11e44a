"""A watch without its I/O: where it is, when and from where to connect again, and the proof at its end.

A client sends what `call` gives, feeds in the bytes that arrive, and yields the events that they make. A `TextRepair`
among them is for the client itself: what was yielded of a job is not what is stored, so the client must fetch that.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import httpx

from longhand.client.calls import Call, TextKind, events_call, read_text
from longhand.client.errors import (
    BrokenTextError,
    InputError,
    LonghandError,
    NoAnswerError,
    RefusedError,
    StrangeAnswerError,
    UnavailableError,
)
from longhand.client.event_decoder import EventDecoder
from longhand.client.events import BatchDone, Delta, Done, Event, Reasoning, Reset

Texts = Literal["all", "running", "none"]

SILENCE_SECONDS = 45.0
"""The server writes a comment every 15 s; a connection that is silent for three of them is dead."""
TIMEOUT = httpx.Timeout(10, read=SILENCE_SECONDS)
MOST_JOBS = 1_000_000
"""Of one watch: what proves their texts is kept of each, some hundred bytes."""
_RETRY_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 15.0
_QUERIES: dict[str, Mapping[str, str]] = {
    "all": {"deltas": "true"},
    "running": {"deltas": "true", "texts": "running"},
    "none": {},
}


@dataclass(frozen=True, slots=True)
class TextRepair:
    """What was yielded of this job's text, or of its reasoning, is not what is stored."""

    done: Done
    part: TextKind
    is_last: bool
    """Whether nothing else of the job has to be mended, so that its end may be yielded."""

    @property
    def call(self) -> Call[str]:
        """Fetches what is stored."""
        return read_text(self.done.job["id"], partial=True, part=self.part)

    def events(self, stored: str) -> list[Event]:
        """What to yield instead. Raises `BrokenTextError` if the stored text is not what its job says either."""
        job = self.done.job
        encoded = stored.encode()
        length, digest = self.done.proof if self.part == "text" else self.done.reasoning_proof
        if (len(encoded), sha256(encoded).hexdigest()) != (length, digest):
            of = " of reasoning" if self.part == "reasoning" else ""
            raise BrokenTextError(
                f"{job['id']}: {len(encoded)} bytes{of} are stored, and they are not the {length} bytes"
                f" with SHA-256 {digest} that the job states"
            )
        end: list[Event] = [self.done] if self.is_last else []
        if self.part == "reasoning":
            return [Reasoning(job["id"], job["attempt"], 0, stored), *end]
        return [Reset(job["id"], job["attempt"]), Delta(job["id"], job["attempt"], 0, stored), *end]


class _Text:
    """What was yielded of one job since its last reset: a running hash, not the text."""

    __slots__ = ("bytes", "hash")

    def __init__(self) -> None:
        self.bytes = 0
        self.hash = sha256()

    def add(self, text: str) -> None:
        # A lone surrogate is never sent. If one were, the proof should fail and not the watch.
        encoded = text.encode("utf-8", "surrogatepass")
        self.bytes += len(encoded)
        self.hash.update(encoded)

    def equals(self, proof: tuple[int, str]) -> bool:
        return (self.bytes, self.hash.hexdigest()) == proof


class Following:
    """The state of one watch, over all its connections. `ended` says that the last event has been yielded."""

    def __init__(
        self, resource_id: str, *, texts: Texts, patience_seconds: float, on_retry: Callable[[str], None]
    ) -> None:
        if texts not in _QUERIES:
            raise InputError(f"texts is one of {', '.join(_QUERIES)}, not {texts!r}")
        self.ended = False
        self._id = resource_id
        is_batch = resource_id.startswith("batch_")
        self._params = _QUERIES[texts] if is_batch else {}
        self._has_texts = texts != "none" or not is_batch
        # Then the text of a job that had already ended is not sent, and cannot be proved.
        self._may_be_silent = texts == "running" and is_batch
        self._patience_seconds = patience_seconds
        self._on_retry = on_retry
        self._decoder = EventDecoder()
        self._cursor = ""
        self._retry_seconds = _RETRY_SECONDS
        self._has_received = False
        self._failures = 0
        self._lost_at = 0.0
        self._last_said = ""
        self._texts: dict[str, _Text] = {}
        self._reasoning: dict[str, _Text] = {}
        self._proved: dict[str, tuple[str, str]] = {}

    def call(self) -> Call[None]:
        """The request for the next connection, from where the last one broke off."""
        self._decoder = EventDecoder()
        return events_call(self._id, self._params, self._cursor)

    def begin(self, response: httpx.Response) -> None:
        """An answer has begun. 204 means that this watch has already had its last event. Raises `StrangeAnswerError`
        for what is no stream of events: it would break off, and be asked for again without end.
        """
        self.ended = response.status_code == 204
        kind = response.headers.get("content-type", "")
        if not self.ended and not kind.startswith("text/event-stream"):
            raise StrangeAnswerError(f"it is no stream of events, but {kind[:60]!r}")

    def feed(self, chunk: bytes) -> Iterator[Event | TextRepair]:
        """The events that these bytes complete. The cursor moves past what was sent only when all of it was yielded."""
        self._has_received = True
        self._failures = 0
        self._last_said = ""
        sent_events = self._decoder.feed(chunk)
        if self._decoder.retry_seconds is not None:
            self._retry_seconds = self._decoder.retry_seconds
        for sent in sent_events:
            for event in sent.typed(self._id):
                if max(len(self._texts), len(self._reasoning), len(self._proved)) > MOST_JOBS:
                    raise StrangeAnswerError(f"it has events of more than {MOST_JOBS} jobs")
                yield from self._checked(event)
                if isinstance(event, Done):
                    # Not earlier: if a mend breaks off, the same event comes again and must be found wrong again.
                    self._texts.pop(event.job["id"], None)
                    self._reasoning.pop(event.job["id"], None)
                    self._proved[event.job["id"]] = (event.sha256, event.reasoning_proof[1])
                self.ended = isinstance(event, BatchDone) or (isinstance(event, Done) and event.job["id"] == self._id)
            self._cursor = sent.id or self._cursor
            if self.ended:
                return

    def pause(self, reason: LonghandError | None) -> float:
        """How many seconds to wait, now that a connection has ended, before the next one. Raises `reason` if it will
        not pass, if nothing has ever answered, or if the patience is over.
        """
        error = reason or NoAnswerError(f"the events of {self._id} broke off", was_there=True)
        if not isinstance(error, NoAnswerError | UnavailableError):
            raise error
        if isinstance(error, NoAnswerError) and not (error.was_there or self._has_received):
            raise error  # most likely the URL is wrong
        now = time.monotonic()
        if self._failures == 0:
            self._lost_at = now
        if now - self._lost_at > self._patience_seconds:
            raise error
        if str(error) != self._last_said:
            self._last_said = str(error)
            self._on_retry(f"{error}; trying again")
        # Never sooner than the server asks, and at random, because it may have lost a thousand watchers at once.
        pause = min(self._retry_seconds * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE_SECONDS)
        self._failures += 1
        wished = error.retry_after_seconds if isinstance(error, RefusedError) else None
        return max(pause, self._retry_seconds, wished or 0.0) * random.uniform(1.0, 1.5)

    def _checked(self, event: Event) -> list[Event | TextRepair]:
        if not self._has_texts:
            return [event]
        if isinstance(event, Delta):
            self._texts.setdefault(event.job_id, _Text()).add(event.text)
        elif isinstance(event, Reasoning):
            if event.offset == 0:
                self._reasoning[event.job_id] = _Text()
            self._reasoning.setdefault(event.job_id, _Text()).add(event.text)
        elif isinstance(event, Reset):
            self._texts[event.job_id] = _Text()
            self._reasoning.pop(event.job_id, None)
            self._proved.pop(event.job_id, None)
        elif isinstance(event, Done):
            return self._proved_or_mended(event)
        return [event]

    def _proved_or_mended(self, done: Done) -> list[Event | TextRepair]:
        thinks = done.reasoning_proof[0] > 0
        if not self._is_proved(done, self._texts, done.proof, 0):
            # Its reset voids the reasoning, too.
            return [TextRepair(done, "text", not thinks), *([TextRepair(done, "reasoning", True)] if thinks else [])]
        if not self._is_proved(done, self._reasoning, done.reasoning_proof, 1):
            return [TextRepair(done, "reasoning", True)]
        return [done]

    def _is_proved(self, done: Done, texts: Mapping[str, _Text], proof: tuple[int, str], place: int) -> bool:
        text = texts.get(done.job["id"])
        if text is not None:
            return text.equals(proof)
        # After a lost connection the server may send the end of a job once more.
        proved = self._proved.get(done.job["id"])
        return (proved is not None and proved[place] == proof[1]) or proof[0] == 0 or self._may_be_silent
