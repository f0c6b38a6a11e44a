"""The bytes of one simulated completion: OpenAI's chunks, one delta per step, with the faults ordered for it."""

import itertools
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Literal, NamedTuple

from longhand.simulator.continuation import rest_of
from longhand.simulator.deltas import deltas_of, thought_of
from longhand.simulator.orders import ChatRequest, Orders
from longhand.simulator.provider import Provider
from longhand.simulator.tool_calls import call_pieces, whole_calls
from longhand.simulator.wire_form import http_chunk, to_json

LINE_PIECE_BYTES = 16_384


class Finale(NamedTuple):
    """What follows the last delta: the last bytes, and what becomes of the connection.

    `end` leaves it for the next request, `close` cuts it, `stall` continues with comments only, `silent` with nothing.
    """

    wire: bytes
    ending: Literal["end", "close", "stall", "silent"]


Steps = Generator[bytes, None, Finale]


def in_one_piece(response: bytes) -> Steps:
    """A stream without deltas: its last bytes are the whole response."""
    yield from ()
    return Finale(response, "end")


class Completion:
    """One completion as bytes, whole or streamed. `fired` is called with the name of each fault that is carried out."""

    def __init__(
        self,
        request: ChatRequest,
        orders: Orders,
        seed: str,
        fired: Callable[[str], None],
        provider: Provider,
    ) -> None:
        self.request = request
        self.orders = orders
        rest = rest_of(request, orders, sloppy=provider.sloppy_continuations)
        self.deltas = deltas_of(request, orders, seed, fired) if rest is None else rest
        limits = (request.max_deltas, provider.max_output_tokens)
        self._limit = min((limit for limit in limits if limit is not None), default=None)
        self.thoughts: Iterable[str] = map(thought_of, range(orders.reasoning))
        self.called = request.called(orders)
        self._reason = "tool_calls" if self.called else "stop"
        self.fired = fired
        self.sent = self.thought = 0
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        # Every chunk of a stream begins with these bytes, and every delta but for its text is the same.
        self.opening = b'data: {"id":"%b","object":"chat.completion.chunk","created":%d,"model":%b,' % (
            self.id.encode(),
            self.created,
            to_json(request.model),
        ) + (
            b'"system_fingerprint":"fp_simulator","usage":null,'
            if request.include_usage
            else b'"system_fingerprint":"fp_simulator",'
        )
        self.line_end = b"\r\n" if orders.crlf else b"\n"

    def whole(self) -> tuple[bytes, int]:
        """The response in one piece, and in how many deltas its text would have come."""
        limit = self._limit
        deltas = list(self.deltas if limit is None else itertools.islice(self.deltas, limit + 1))
        finish_reason = self._reason
        if limit is not None and len(deltas) > limit:
            finish_reason = "length"
            del deltas[limit:]
        self.sent, self.thought = len(deltas), self.orders.reasoning
        message: dict[str, Any] = {"role": "assistant", "content": "".join(deltas), "refusal": None, "annotations": []}
        if self.called:
            message |= {"content": message["content"] or None, "tool_calls": whole_calls(self.called)}
        if self.orders.reasoning:
            message["reasoning_content"] = "".join(map(thought_of, range(self.orders.reasoning)))
        reason = self._finish_reason(finish_reason)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        completion = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.request.model,
            "choices": [choice],
            "usage": self._usage(),
            "system_fingerprint": "fp_simulator",
        }
        if completion["usage"] is None:
            del completion["usage"]
        return to_json(completion), self.sent

    def steps(self) -> Steps:
        """Yield the wire bytes (HTTP chunks) of each delta; the value is what follows the last one.

        What comes before the first delta is part of its step, so that a step is always one delta.
        """
        lead = self._lead()
        if self.orders.long_line is not None:
            self.fired("long_line")
            yield lead
            yield from self._long_line(self.orders.long_line)
            self.sent = 1
            return self._finale(b"", "stop")
        before = self.opening + b'"choices":[{"index":0,"delta":{"content":'
        reason = b'"stop"' if self.orders.finish_early else b"null"
        after = b'},"logprobs":null,"finish_reason":%b}]}' % reason + self.line_end * 2
        framing = len(before) + len(after)
        limit = self._limit
        stop_at, stop = self._stop()
        for number, thought in enumerate(self.thoughts, 1):
            self.thought = number
            yield lead + self._choice({"content": None, "reasoning_content": thought})
            lead = b""
        for delta in self.deltas:
            if self.sent == stop_at:
                return self._stopped(lead, stop)
            if self.sent == limit:
                return self._finale(lead, "length")
            text = to_json(delta)
            self.sent += 1
            yield b"%b%x\r\n%b%b%b\r\n" % (lead, framing + len(text), before, text, after)
            lead = b""
        for piece in call_pieces(self.called):
            if self.sent in (stop_at, limit):
                break
            self.sent += 1
            yield lead + self._choice(piece)
            lead = b""
        else:
            limit = None
        if self.sent == stop_at:
            return self._stopped(lead, stop)
        return self._finale(lead, self._reason if limit is None else "length")

    def comment(self) -> bytes:
        """What a stalled stream keeps sending."""
        return http_chunk(b": keep-alive" + self.line_end * 2)

    def _event(self, rest: bytes) -> bytes:
        return http_chunk(self.opening + rest + b"}" + self.line_end * 2)

    def _choice(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._event(b'"choices":' + to_json([choice]))

    def _lead(self) -> bytes:
        reason = "stop" if self.orders.finish_early else None
        lead = self._choice({"role": "assistant", "content": "", "refusal": None}, reason) + self._shapes()
        if self.orders.crlf:
            self.fired("crlf")
        if self.orders.shapes:
            self.fired("shapes")
        if self.orders.bom:
            self.fired("bom")
            lead = http_chunk(b"\xef\xbb\xbf") + lead
        return lead

    def _shapes(self) -> bytes:
        """The ordered odd chunks: once before the first delta and once before the end."""
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
        made = {
            "empty_choices": lambda: self._event(b'"choices":[]'),
            "null_content": lambda: self._choice({"content": None}),
            "reasoning": lambda: self._choice({"content": None, "reasoning_content": "Let me think."}),
            "tool_calls": lambda: self._choice({"content": None, "tool_calls": [call]}),
            "refusal": lambda: self._choice({"content": None, "refusal": "I cannot help with that."}),
        }
        return b"".join(made[shape]() for shape in self.orders.shapes)

    def _stop(self) -> tuple[int, str]:
        """The first fault that stops the deltas, with its position; -1 when none does."""
        stops = (
            (name, getattr(self.orders, name)) for name in ("cut_after", "stall_after", "silent_after", "error_after")
        )
        return min(((at, name) for name, at in stops if at is not None), default=(-1, ""))

    def _stopped(self, lead: bytes, stop: str) -> Finale:
        self.fired(stop)
        if stop == "error_after":
            error = {
                "message": "The server had an error while writing.",
                "type": "server_error",
                "param": None,
                "code": None,
            }
            event = b"data: " + to_json({"error": error}) + self.line_end * 2
            return Finale(lead + http_chunk(event) + b"0\r\n\r\n", "end")
        if stop == "cut_after":
            return Finale(lead, "close")
        return Finale(lead, "stall" if stop == "stall_after" else "silent")

    def _finale(self, lead: bytes, finish_reason: str) -> Finale:
        orders = self.orders
        if orders.no_end:
            self.fired("no_end")
            return Finale(lead + b"0\r\n\r\n", "end")
        wire = lead + self._shapes() + self._choice({}, self._finish_reason(finish_reason))
        if (self.request.include_usage or orders.usage) and (usage := self._usage()) is not None:
            opening = self.opening.replace(b'"usage":null,', b"")
            wire += http_chunk(opening + b'"choices":[],"usage":' + to_json(usage) + b"}" + self.line_end * 2)
        return Finale(wire + http_chunk(b"data: [DONE]" + self.line_end * 2) + b"0\r\n\r\n", "end")

    def _finish_reason(self, finish_reason: str) -> str:
        if self.orders.finish_reason is None:
            return finish_reason
        self.fired("finish_reason")
        return self.orders.finish_reason

    def _usage(self) -> dict[str, Any] | None:
        if self.orders.usage is not None:
            self.fired("usage")
            return self.orders.usage or None
        prompt_tokens, thought = self.request.prompt_tokens(), self.thought
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": self.sent + thought,
            "total_tokens": prompt_tokens + self.sent + thought,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
        }

    def _long_line(self, length: int) -> Iterator[bytes]:
        """One chunk whose line has exactly `length` bytes, in pieces that are never joined."""
        before = self.opening + b'"choices":[{"index":0,"delta":{"content":"'
        after = b'"},"logprobs":null,"finish_reason":null}]}'
        left = length - len(before) - len(after)
        yield http_chunk(before)
        piece = b"x" * LINE_PIECE_BYTES
        chunk = http_chunk(piece)
        while left > LINE_PIECE_BYTES:
            yield chunk
            left -= LINE_PIECE_BYTES
        yield http_chunk(piece[:left] + after + self.line_end * 2)
