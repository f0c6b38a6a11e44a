"""A real HTTP server in a thread that plays scripts byte by byte and records what happened.

The n-th request plays the n-th script, later ones the last. A script is a sequence of steps: bytes are sent as they
are; the other steps are faults or waits, and each leaves its name in `Exchange.fired`, so that a test can tell that its
fault did happen.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 60.0
"""How long tests and the server wait for what must happen; nothing is measured with it."""


TLS_HANDSHAKE = b"\x16"
"""The first byte of a TLS connection."""


@dataclass(frozen=True)
class Wait:
    """Go on when the test sets the event."""

    event: threading.Event


@dataclass(frozen=True)
class Signal:
    """Tell the test that the script has come to here."""

    event: threading.Event


@dataclass(frozen=True)
class Cut:
    """Close the connection here, in the middle of the body."""


@dataclass(frozen=True)
class Stall:
    """Send `comment` again and again (nothing when it is empty) until the client hangs up."""

    comment: bytes = b""


@dataclass(frozen=True)
class Flood:
    """Send `piece` again and again until `total_bytes` are offered or the client hangs up."""

    piece: bytes
    total_bytes: int


@dataclass(frozen=True)
class Linger:
    """Send nothing for so long. A client that hangs up in the meantime gets nothing more."""

    seconds: float


Step = bytes | Wait | Signal | Cut | Stall | Flood | Linger
Script = Sequence[Step]


@dataclass
class Exchange:
    """One request and what became of it."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    fired: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    gone: threading.Event = field(default_factory=threading.Event)
    """The client closed the connection."""

    @property
    def body(self) -> Any:
        """The request's JSON."""
        return json.loads(self.content)


class ScriptedUpstream:
    """`with ScriptedUpstream(script, ...) as upstream`: serves at `upstream.url` until the block ends."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.exchanges: list[Exchange] = []
        self.tls_greetings = 0
        """Connections that began with TLS; they are answered in plain HTTP, as many servers do."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-upstream")
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def last(self) -> Exchange:
        return self.exchanges[-1]

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result(PATIENCE_SECONDS)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.Event()
        watch: asyncio.Task[None] | None = None
        try:
            first = await reader.readexactly(1)
            if first == TLS_HANDSHAKE:
                self.tls_greetings += 1
                writer.write(head(400))
                await writer.drain()
                return
            exchange = await _read_request(first, reader)
            script = self._scripts[min(len(self.exchanges), len(self._scripts) - 1)]
            self.exchanges.append(exchange)
            watch = asyncio.create_task(_watch_client(reader, exchange, gone))
            for step in script:
                if gone.is_set():
                    break
                await _play(step, exchange, writer, gone)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up, which `_watch_client` records
        finally:
            writer.close()
            if watch is not None:
                await watch


async def _read_request(first: bytes, reader: asyncio.StreamReader) -> Exchange:
    lines = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
    return Exchange(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _watch_client(reader: asyncio.StreamReader, exchange: Exchange, gone: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    exchange.gone.set()
    gone.set()


async def _play(step: Step, exchange: Exchange, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    if isinstance(step, bytes):
        await _send(step, exchange, writer)
        return
    exchange.fired.append(type(step).__name__)
    if isinstance(step, Wait):
        if not await asyncio.to_thread(step.event.wait, PATIENCE_SECONDS):
            exchange.fired.append("waited in vain")
    elif isinstance(step, Signal):
        step.event.set()
    elif isinstance(step, Cut):
        writer.close()
    elif isinstance(step, Stall):
        while not gone.is_set():
            await _send(step.comment, exchange, writer)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), 0.02)
    elif isinstance(step, Linger):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), step.seconds)
    else:
        while not gone.is_set() and exchange.sent_bytes < step.total_bytes:
            await _send(step.piece, exchange, writer)


async def _send(content: bytes, exchange: Exchange, writer: asyncio.StreamWriter) -> None:
    writer.write(content)
    await writer.drain()
    exchange.sent_bytes += len(content)


def head(status: int = 200, content_type: str = "text/event-stream", **headers: str) -> bytes:
    """The head of an answer whose body ends with the connection, unless the headers say otherwise."""
    lines = [f"HTTP/1.1 {status} Scripted", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(*events: bytes) -> list[bytes]:
    """A whole answer in which each event is its own HTTP chunk."""
    return [head(transfer_encoding="chunked"), *(http_chunk(event) for event in events), http_chunk(b"")]


def http_chunk(content: bytes) -> bytes:
    """One chunk of the chunked transfer coding; the empty one ends the body."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def event(payload: object) -> bytes:
    """One server-sent event that holds `payload` as JSON."""
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def chunk(delta: object, finish_reason: str | None = None, **more: object) -> bytes:
    """A chat.completion.chunk as OpenAI sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more})


def text(content: str) -> bytes:
    """A chunk with a piece of text."""
    return chunk({"content": content})


ROLE = chunk({"role": "assistant", "content": ""})
FINISH = chunk({}, "stop")
DONE = b"data: [DONE]\n\n"
USAGE = event(
    {
        "id": "chatcmpl-1",
        "choices": [],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 2,
            "total_tokens": 11,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": None,
        },
    }
)
