"""What a watcher is sent: server-sent events, decoded to typed events.

Follows "Interpreting an event stream" of the WHATWG HTML standard. The decoder does no I/O; bytes may be cut anywhere.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from longhand.client.batch_objects import Batch, BatchUsage, Counts
from longhand.client.objects import FINAL, Hold, Job


@dataclass(frozen=True, slots=True)
class Status:
    """A job as it is now, without its text: the first event, which comes again when status or attempt changes."""

    job: Job


@dataclass(frozen=True, slots=True)
class OnHold:
    """What keeps a queued job from starting has changed; `hold` is None once nothing does. Of a batch, see
    `BatchStatus`.
    """

    job_id: str
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of a job. `offset` counts the UTF-8 bytes of the job's text before it."""

    job_id: str
    attempt: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """New reasoning of a job, which stands beside its text. One at offset 0 starts it over, even when it is empty."""

    job_id: str
    attempt: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Text and reasoning of a job start over with this attempt; discard what came of them before."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Done:
    """A job has ended, and its text is stored: `job["bytes"]` long, with the SHA-256 `job["sha256"]`."""

    job: Job

    @property
    def bytes(self) -> int:
        """The length of the stored text in UTF-8."""
        return self.job["bytes"] or 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the stored text in UTF-8, as hexadecimal digits."""
        return self.job["sha256"] or sha256(b"").hexdigest()

    @property
    def proof(self) -> tuple[int, str]:
        """Both of these."""
        return self.bytes, self.sha256

    @property
    def reasoning_proof(self) -> tuple[int, str]:
        """Length and SHA-256 of the stored reasoning; of an empty one, too, if the server is older than reasoning."""
        stored = self.job.get("reasoning")
        return (stored["bytes"], stored["sha256"]) if stored else (0, sha256(b"").hexdigest())


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The batch as it is now: the first event, which comes again whenever its status changes."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come; sent at most twice a second. `usage` sums up the tokens that it has cost so far."""

    status: str
    counts: Counts
    usage: BatchUsage | None


@dataclass(frozen=True, slots=True)
class BatchDone:
    """The batch has ended; a `Done` came for each of its jobs before."""

    batch: Batch


JobEvent = Status | OnHold | Delta | Reasoning | Reset | Done
"""What the watch of a job yields; the last one is `Done`."""
Event = JobEvent | BatchStatus | Progress | BatchDone
"""What the watch of a batch yields; the last one is `BatchDone`."""


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event as it was sent. `id` is the cursor after it."""

    name: str
    payload: str
    id: str

    def typed(self, job_id: str = "") -> list[Event]:
        """The events that it holds; none if this version does not know its name. `job_id` is the job that is watched:
        the events of a single job do not name it.
        """
        fields = json.loads(self.payload)
        match self.name:
            case "delta" | "reasoning":
                kind = Delta if self.name == "delta" else Reasoning
                return [kind(job_id, fields["attempt"], fields["offset"], fields["text"])]
            case "deltas":
                return _deltas(fields)
            case "status":
                return [Status(fields)]
            case "hold":
                return [OnHold(job_id, fields["hold"])]
            case "jobs":
                return [Done(job) if job["status"] in FINAL else Status(job) for job in fields["jobs"]]
            case "reset":
                return [Reset(fields.get("id", job_id), fields["attempt"])]
            case "batch":
                return [BatchStatus(fields)]
            case "progress":
                return [Progress(fields["status"], fields["request_counts"], fields["usage"])]
            case "done":
                return [BatchDone(fields) if fields.get("object") == "batch" else Done(fields)]
        return []


def _deltas(fields: Mapping[str, Any]) -> list[Event]:
    """The texts of many jobs, after their reasoning, which a server sends only where there is any."""
    thought = [
        Reasoning(delta["id"], delta["attempt"], delta["offset"], delta["text"])
        for delta in fields.get("reasoning", ())
    ]
    texts = [Delta(delta["id"], delta["attempt"], delta["offset"], delta["text"]) for delta in fields["deltas"]]
    return [*thought, *texts]


class EventDecoder:
    """Feed it bytes, get the events that they complete. Use a new decoder for each connection."""

    def __init__(self) -> None:
        self.retry_seconds: float | None = None
        """How long the server wants a client to wait before it connects again."""
        self._pending = bytearray()
        self._skip_lf = False
        self._first_line = True
        self._name = ""
        self._id = ""
        self._payload: list[str] = []

    def feed(self, chunk: bytes) -> list[SentEvent]:
        """The events that `chunk` completes, in order."""
        if self._skip_lf and chunk:
            # The last chunk ended with a CR, which ended its line; an LF at the start of this one belongs to that CR.
            self._skip_lf = False
            chunk = chunk[1:] if chunk[:1] == b"\n" else chunk
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._pending += chunk
        if b"\n" not in chunk:
            return []
        *lines, rest = bytes(self._pending).split(b"\n")
        self._pending[:] = rest
        events = (self._take(line.decode("utf-8", "replace")) for line in lines)
        return [event for event in events if event is not None]

    def _take(self, line: str) -> SentEvent | None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix("\ufeff")
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._payload.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_seconds = int(value) / 1000
        return None

    def _dispatch(self) -> SentEvent | None:
        name, payload = self._name, self._payload
        self._name, self._payload = "", []
        return SentEvent(name or "message", "\n".join(payload), self._id) if payload else None
