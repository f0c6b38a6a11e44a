"""A TCP proxy that keeps every byte of both directions: what the client asked, and what the server really sent."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 30.0
PIECE_BYTES = 1 << 16


@dataclass(slots=True)
class Conversation:
    """One connection of a client. Longhand opens one for each request, so it holds one request and one answer."""

    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)

    @property
    def path(self) -> str:
        """The request's path; empty when nothing was asked."""
        words = bytes(self.sent).partition(b"\r\n")[0].split(b" ")
        return words[1].decode("latin-1") if len(words) > 1 else ""

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, by their names in small letters."""
        lines = bytes(self.sent).partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> dict[str, Any]:
        """The request's JSON object."""
        content = bytes(self.sent).partition(b"\r\n\r\n")[2]
        body: dict[str, Any] = json.loads(content) if content else {}
        return body


class RecordingProxy:
    """`with RecordingProxy(port) as proxy`: forwards from a free port to another one, until the block ends."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.conversations: list[Conversation] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="recording-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(PATIENCE_SECONDS)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Let nothing listen meanwhile, as when a server is down. Connections that stand are left to the server."""
        self._loop.call_soon_threadsafe(self._server.close)
        try:
            yield
        finally:
            listening = asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(PATIENCE_SECONDS)

    async def _stop(self) -> None:
        self._server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection. When one side ends, the other is ended too: an interrupted client is seen as one."""
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()  # the client sees what it would see without the proxy, or nearly
            return
        conversation = Conversation()
        self.conversations.append(conversation)
        ways = (
            asyncio.create_task(_carry(reader, to_server, conversation.sent)),
            asyncio.create_task(_carry(from_server, writer, conversation.received)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.close()
            to_server.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(PIECE_BYTES):
            kept += piece
            writer.write(piece)
            await writer.drain()
