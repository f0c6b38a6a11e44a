"""Reads a recorded answer without any of Longhand's own code: HTTP by h11, events by the SSE standard."""

import json
from dataclasses import dataclass, field
from typing import Any

import h11


@dataclass(slots=True)
class WireAnswer:
    """What a server sent in answer to one request."""

    status: int
    content_type: str
    body: bytes
    is_complete: bool
    """The body ended as its HTTP framing says; false: the connection was cut before."""
    events: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The contents of all deltas, joined."""
        return "".join(choice.get("delta", {}).get("content") or "" for choice in self._choices())

    @property
    def finish_reasons(self) -> list[str]:
        """Every finish_reason that is not null, in order."""
        return [choice["finish_reason"] for choice in self._choices() if choice.get("finish_reason")]

    @property
    def says_done(self) -> bool:
        """Whether `[DONE]` was sent."""
        return "[DONE]" in self.events

    @property
    def is_whole(self) -> bool:
        """Whether the server ended its text itself: only then can a stored text be exact.

        After a reason and `[DONE]` Longhand may hang up before the end of the body has come.
        """
        return bool(self.finish_reasons) and (self.is_complete or self.says_done)

    def _choices(self) -> list[dict[str, Any]]:
        chunks = [json.loads(event, strict=False) for event in self.events if event.startswith("{")]
        return [choice for chunk in chunks for choice in chunk.get("choices", [])]


def read_answer(received: bytes) -> WireAnswer | None:
    """The answer in the bytes that came over one connection; None when there is not even a head."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "localhost")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(received)
    connection.receive_data(b"")
    answer: WireAnswer | None = None
    body = bytearray()
    try:
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                kind = dict(event.headers).get(b"content-type", b"")
                answer = WireAnswer(event.status_code, kind.decode("latin-1"), b"", is_complete=False)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                if answer is not None:
                    answer.is_complete = isinstance(event, h11.EndOfMessage)
                break
    except h11.RemoteProtocolError:
        pass  # cut: `is_complete` stays false
    if answer is not None:
        answer.body = bytes(body)
        answer.events = _events_of(answer.body)
    return answer


def _events_of(body: bytes) -> list[str]:
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events: list[str] = []
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            events.append("\n".join(data))
            data = []
    return events
