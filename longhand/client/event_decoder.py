"""What a watcher is sent: server-sent events, decoded to typed events.

Follows "Interpreting an event stream" of the WHATWG HTML standard. The decoder does no I/O; bytes may be cut anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from longhand.client.answers import LONGEST_WAIT_SECONDS, expecting, json_of, typed
from longhand.client.batch_objects import Batch
from longhand.client.errors import StrangeAnswerError
from longhand.client.events import (
    BatchDone,
    BatchStatus,
    Delta,
    Done,
    Event,
    OnHold,
    Progress,
    Reasoning,
    Reset,
    Status,
)
from longhand.client.objects import FINAL, Job

MOST_EVENT_BYTES = 32 * 1024 * 1024
"""Of one event, or of one of its lines. A text comes in events of at most 64 KiB, and the ends of 500 jobs in one."""
_LINE_BYTES = 64
"""What an empty line of an event takes in memory, about."""
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event as it was sent. `id` is the cursor after it."""

    name: str
    payload: str
    id: str

    def typed(self, job_id: str) -> list[Event]:
        """The events that it holds; none if this version does not know its name. `job_id` is the job that is watched:
        the events of a single job do not name it.
        """
        fields = json_of(self.payload)
        with expecting(f"event {self.name[:40]!r}"):
            return self._typed(fields, job_id)

    def _typed(self, fields: Any, job_id: str) -> list[Event]:
        match self.name:
            case "delta" | "reasoning":
                kind = Delta if self.name == "delta" else Reasoning
                return [kind(job_id, *_piece(fields))]
            case "deltas":
                return _deltas(fields)
            case "status":
                return [Status(_job(fields))]
            case "hold":
                return [OnHold(job_id, typed(fields["hold"], dict, None))]
            case "jobs":
                return [Done(job) if job["status"] in FINAL else Status(job) for job in map(_job, fields["jobs"])]
            case "reset":
                return [Reset(_id(fields.get("id", job_id)), typed(fields["attempt"], int))]
            case "batch":
                return [BatchStatus(_batch(fields))]
            case "progress":
                counts, usage = typed(fields["request_counts"], dict), typed(fields["usage"], dict, None)
                return [Progress(typed(fields["status"], str), counts, usage)]
            case "done":
                is_batch = fields.get("object") == "batch"
                return [BatchDone(_batch(fields)) if is_batch else Done(_job(fields))]
        return []


def _deltas(fields: Mapping[str, Any]) -> list[Event]:
    """The texts of many jobs, after their reasoning, which a server sends only where there is any."""
    thought = [Reasoning(_id(delta["id"]), *_piece(delta)) for delta in fields.get("reasoning", ())]
    return [*thought, *(Delta(_id(delta["id"]), *_piece(delta)) for delta in fields["deltas"])]


def _piece(delta: Mapping[str, Any]) -> tuple[int, int, str]:
    return typed(delta["attempt"], int), typed(delta["offset"], int), typed(delta["text"], str)


def _id(job_id: Any) -> str:
    if len(typed(job_id, str)) > _LONGEST_ID:
        raise ValueError("no id is so long")
    return str(job_id)


def _job(fields: Any) -> Job:
    """A job with the fields that a watch stands on."""
    _id(fields["id"])
    typed(fields["status"], str), typed(fields["attempt"], int)
    typed(fields.get("bytes"), int, None), typed(fields.get("sha256"), str, None)
    if (reasoning := fields.get("reasoning")) is not None:
        typed(reasoning["bytes"], int), typed(reasoning["sha256"], str)
    return cast("Job", typed(fields, dict))


def _batch(fields: Any) -> Batch:
    _id(fields["id"])
    return cast("Batch", typed(fields, dict))


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
        self._payload_bytes = 0

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
        self._require_room()
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
                self._payload_bytes += len(value) + _LINE_BYTES
                self._require_room()
                self._payload.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_seconds = min(float(value) / 1000, LONGEST_WAIT_SECONDS)
        return None

    def _dispatch(self) -> SentEvent | None:
        name, payload = self._name, self._payload
        self._name, self._payload, self._payload_bytes = "", [], 0
        return SentEvent(name or "message", "\n".join(payload), self._id) if payload else None

    def _require_room(self) -> None:
        if len(self._pending) + self._payload_bytes > MOST_EVENT_BYTES:
            raise StrangeAnswerError(f"an event is longer than {MOST_EVENT_BYTES} bytes")
