"""The channel: how a text travels live from the worker that records it to its watchers.

Each delta is appended to the tail and then published, in that order. A message says at which byte it starts, so a
watcher that knows the byte it has reached can tell what is new, what it has already, and what it has missed. Pub/sub
is at most once and loses messages without an error; offsets make that harmless, because the tail holds what was
missed.

Names of keys are made here and nowhere else. They carry the id as a hash tag, which would keep a job's tail and channel
on one shard; the recorder's call names the keys of many jobs, so a Redis Cluster would refuse it as it is. The tail's
name carries the attempt, so a zombie can write only its own tail.
"""

from typing import Literal

import msgspec

TextKind = Literal["text", "reasoning"]
"""The two texts of a job: what it wrote, and what it thought meanwhile. Each has its offsets and its tail."""


def tail_key(job_id: str, attempt: int) -> str:
    """The key of the text so far of one attempt."""
    return f"longhand:{{{job_id}}}:tail:{attempt}"


def reasoning_key(job_id: str, attempt: int) -> str:
    """The key of the reasoning so far of one attempt."""
    return f"longhand:{{{job_id}}}:reasoning:{attempt}"


def channel_name(resource_id: str) -> str:
    """The pub/sub topic of a job or a batch."""
    return f"longhand:{{{resource_id}}}:channel"


class Message(msgspec.Struct, omit_defaults=True):
    """What a channel carries: one delta, or an event.

    A delta of the reasoning has `reasoning` and `reasoning_offset`, and no text: a reader that does not know them reads
    an empty text at offset 0, which says nothing.

    `event` is empty for a delta; `started` says that an attempt begins and at which byte (0: from the beginning; more:
    it continues the text of the attempt before it); `queued` that the job waits for its next attempt; `done` that it
    has ended, is stored, and with how many bytes and which SHA-256.

    A batch's channel has two events: `job` says that the job `id` has this status and attempt now, and `batch` that the
    batch's own row has changed, or more of its jobs than are worth naming.
    """

    attempt: int = 0
    offset: int = 0
    text: str = ""
    event: Literal["", "started", "queued", "done", "job", "batch"] = ""
    id: str = ""
    status: str = ""
    bytes: int = 0
    sha256: str = ""
    reasoning: str | None = None
    reasoning_offset: int = 0
    reasoning_bytes: int = 0
    reasoning_sha256: str = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


def encode_delta(attempt: int, offset: int, text: str) -> bytes:
    """The message of one delta that starts at byte `offset` of the job's text.

    An empty text at the end of the tail is a nudge: it lets a watcher see that it has missed something.
    """
    return _encoder.encode({"attempt": attempt, "offset": offset, "text": text})


def encode_reasoning(attempt: int, offset: int, text: str) -> bytes:
    """The same for a delta that starts at byte `offset` of the reasoning."""
    return _encoder.encode({"attempt": attempt, "reasoning_offset": offset, "reasoning": text})


def encode_started(attempt: int, offset: int) -> bytes:
    """The message that an attempt begins at byte `offset`."""
    return _encoder.encode({"event": "started", "attempt": attempt, "offset": offset})


def encode_queued(attempt: int) -> bytes:
    """The message that an attempt is over and the job waits for the next one."""
    return _encoder.encode({"event": "queued", "attempt": attempt})


def encode_done(
    attempt: int, status: str, length: int, sha256: str, reasoning_bytes: int = 0, reasoning_sha256: str = ""
) -> bytes:
    """The message that a job has ended; published only after its row says so."""
    done = {"event": "done", "attempt": attempt, "status": status, "bytes": length, "sha256": sha256}
    if reasoning_bytes:
        done |= {"reasoning_bytes": reasoning_bytes, "reasoning_sha256": reasoning_sha256}
    return _encoder.encode(done)


def encode_job(job_id: str, attempt: int, status: str) -> bytes:
    """The message to a batch that one of its jobs has changed; published only after the job's row says so."""
    return _encoder.encode({"event": "job", "id": job_id, "attempt": attempt, "status": status})


def encode_batch() -> bytes:
    """The message to a batch that its own row has changed, or many of its jobs: look at the rows."""
    return _encoder.encode({"event": "batch"})


def decode(payload: bytes) -> Message:
    """A message as it was published. Raises `msgspec.DecodeError` for what is not one."""
    return _decoder.decode(payload)


# One call for all that a worker process has to say. For each key: seconds to live (0: as it was), the byte at which the
# text starts (-1: it is the whole text), the text, the channel, how many messages follow, the messages. A tail that was
# not as long as the worker believes (Redis was erased) is removed, nothing is published for it, and its number is
# returned, for the worker to write the whole of it. +2 us in the server over plain commands, -22 us in the worker.
# Where Redis is full, the tail is removed, the messages are published even so, and the number is returned negative.
RECORD_SCRIPT = """
local broken = {}
local full = {}
local a = 1
for i = 1, #KEYS do
  local seconds, offset, text, count = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), ARGV[a + 2], tonumber(ARGV[a + 4])
  local whole, kept = true, true
  if offset < 0 or #text > 0 then
    local done = #full > 0 or redis.pcall(offset < 0 and 'SET' or 'APPEND', KEYS[i], text)
    if done == true or (type(done) == 'table' and done.err) then
      if done ~= true and not string.find(done.err, 'OOM') then
        return redis.error_reply(done.err)
      end
      full[#full + 1] = KEYS[i]
      broken[#broken + 1] = -i
      kept = false
    elseif offset >= 0 and done ~= offset + #text then
      redis.call('DEL', KEYS[i])
      broken[#broken + 1] = i
      whole = false
    end
  end
  if whole then
    if kept and seconds > 0 then
      redis.call('EXPIRE', KEYS[i], seconds)
    end
    for m = a + 5, a + 4 + count do
      redis.call('PUBLISH', ARGV[a + 3], ARGV[m])
    end
  end
  a = a + 5 + count
end
for i = 1, #full do
  redis.call('DEL', full[i])
end
return broken
"""
