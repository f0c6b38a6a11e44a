"""Server-sent events as bytes: the last step before the network, and the most frequent one."""

from collections.abc import Iterator
from typing import Any

import msgspec

from api.http.json_lines import one_line
from api.watching.inbox import ReceivedMessage
from jobs.live.channel import encode_delta
from jobs.live.follower import Reasoning, Text
from jobs.strict_json import dump_json

RETRY = b"retry: 1000\n\n"
COMMENT = b": still here\n\n"

_encoder = msgspec.json.Encoder()


def event_frame(name: str, cursor: str, shown: dict[str, Any]) -> bytes:
    """An event other than a delta."""
    return f"id: {cursor}\nevent: {name}\ndata: {dump_json(shown)}\n\n".encode()


def deltas_frame(cursor: str, deltas: list[dict[str, Any]], reasoning: list[dict[str, Any]]) -> bytes:
    """The event of deltas of many jobs, and of their reasoning if there is any."""
    shown = {"deltas": deltas, "reasoning": reasoning} if reasoning else {"deltas": deltas}
    return b"id: %b\nevent: deltas\ndata: %b\n\n" % (cursor.encode(), one_line(_encoder.encode(shown)))


def whole_frame(received: ReceivedMessage, step: Text | Reasoning, beside: int) -> bytes:
    """The event of a delta that nothing is trimmed from, the same for every watcher that is as far in the other text
    (`beside`): for a text the message as published.
    """
    payload = received.payload
    if b"\n" in payload or b"\r" in payload:
        return delta_frame(step, beside)  # valid JSON, but not one line
    frame = _frame(step, payload, beside) if isinstance(step, Text) else delta_frame(step, beside)
    received.frame, received.text, received.end, received.beside = frame, step.text.encode(), step.end, beside
    return frame


def delta_frame(step: Text | Reasoning, beside: int) -> bytes:
    """The event of a delta. `beside` says how far the watcher is in the other text."""
    return _frame(step, encode_delta(step.attempt, step.offset, step.text), beside)


def split_text(encoded: bytes, size: int) -> Iterator[str]:
    """UTF-8 in pieces of at most `size` bytes, none cut inside a character; a character that is cut at the end is left
    out. Raises UnicodeDecodeError for what does not begin with a character.
    """
    start = 0
    while start < len(encoded):
        end = _boundary(encoded, start + size)
        if end <= start:
            return
        yield encoded[start:end].decode()
        start = end


def _frame(step: Text | Reasoning, payload: bytes, beside: int) -> bytes:
    if isinstance(step, Reasoning):
        shown = (step.attempt, beside, step.end, one_line(payload))
        return b"id: %d:%d:%d\nevent: reasoning\ndata: %b\n\n" % shown
    if beside:
        return b"id: %d:%d:%d\nevent: delta\ndata: %b\n\n" % (step.attempt, step.end, beside, one_line(payload))
    return b"id: %d:%d\nevent: delta\ndata: %b\n\n" % (step.attempt, step.end, one_line(payload))


def _boundary(encoded: bytes, end: int) -> int:
    """The last place up to `end` that is not inside a character."""
    if end < len(encoded):
        while end > 0 and encoded[end] & 0xC0 == 0x80:
            end -= 1
        return end
    end = len(encoded)
    # Where the last character begins, and whether all of it is there.
    for back in range(1, min(4, end) + 1):
        byte = encoded[end - back]
        if byte & 0xC0 != 0x80:
            needed = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return end if needed <= back else end - back
    return end
