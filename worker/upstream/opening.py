"""Finds out what a body is from its first bytes, because the content type alone cannot be trusted."""

from collections.abc import Mapping

from worker.upstream.clocks import Watchdog
from worker.upstream.errors import BodyTooLong, CutMidStream
from worker.upstream.failures import parse
from worker.upstream.http.body import Body
from worker.upstream.lean import is_whole_object
from worker.upstream.sse import BOM

MAX_QUOTED_BYTES = 1 << 16
"""When this much of a body has come that is neither a stream nor a completion, no more is read: it is only quoted."""

QUOTED_SECONDS = 5.0

_MOST_LOOKED = 1 << 24
"""More is not looked at: each look reads all of a body that may come byte by byte. Then it is no stream."""

_FIELDS = (b"data", b"event", b"id", b"retry", b"error", b":")


async def read_opening(content_type: str, body: Body, watchdog: Watchdog) -> tuple[bytes, bool]:
    """The first bytes of a body, and whether it is an event stream."""
    opening, looked = b"", 0
    while (verdict := _is_event_stream(content_type, opening)) is None:
        piece = await body.read()
        if not piece:
            return opening, content_type.startswith("text/event-stream") and not opening.startswith(b"{")
        # Blank lines before the first event mean nothing, and some proxies send them for as long as they wait.
        opening = (opening + piece).removeprefix(BOM).lstrip()
        looked += len(opening)
        if looked > _MOST_LOOKED:
            return opening, False
        if opening[:1] == b"{":
            watchdog.note_delta()
    return opening, verdict


async def read_whole(opening: bytes, body: Body, watchdog: Watchdog, max_bytes: int) -> bytes:
    """A body that is no event stream: all of it when it may be a completion, else as much as may be quoted.

    Raises `BodyTooLong` for a completion of more than `max_bytes`.
    """
    watchdog.note_delta()
    whole = bytearray(opening)
    whole += await body.read_up_to(MAX_QUOTED_BYTES, QUOTED_SECONDS)
    if opening[:1] != b"{" or parse(whole) is not None:
        return bytes(whole)
    try:
        while piece := await body.read():
            watchdog.note_delta()
            whole += piece
            if len(whole) > max_bytes:
                raise BodyTooLong(
                    f"The upstream ignored `stream: true` and answered in one piece of more than {max_bytes} bytes."
                    " Make it stream its answers, or raise LONGHAND_MAX_TEXT_BYTES."
                )
    except CutMidStream:
        # What is compressed without an end mark is an object whole, too.
        if not body.has_ended or not is_whole_object(bytes(whole)):
            raise
    return bytes(whole)


def _is_event_stream(content_type: str, opening: bytes) -> bool | None:
    """Whether a body that begins so is an event stream; None when more of it must be seen."""
    if not opening:
        return None
    if opening[:1] == b"{":
        return _is_stream_of_lines(content_type, opening)
    if opening[:1] in (b"[", b"<"):
        return False
    if content_type.startswith("text/event-stream") or opening.startswith(_FIELDS):
        return True
    return None if any(field.startswith(opening) for field in _FIELDS) else False


def _is_stream_of_lines(content_type: str, opening: bytes) -> bool | None:
    """Whether a body that begins with an object has one in each line, as chunks without `data:` in front of them."""
    line, newline, _ = opening.partition(b"\n")
    if not (newline or line.rstrip().endswith(b"}")) and len(opening) < MAX_QUOTED_BYTES:
        return None
    first = parse(line)
    if not isinstance(first, Mapping):
        return False if newline or len(opening) >= MAX_QUOTED_BYTES else None
    choices = first.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    has_delta = isinstance(choice, Mapping) and "delta" in choice
    if has_delta or "done" in first or str(first.get("object")).endswith(".chunk") or opening[len(line) :].strip():
        return True
    # It may be the whole answer, or more lines may follow it.
    may_go_on = newline and not content_type.startswith("application/json") and len(opening) < MAX_QUOTED_BYTES
    return None if may_go_on else False
