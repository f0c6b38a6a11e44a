"""llama-cpp-python's server as a script, for machines where it cannot be built: the same locks, the same bytes.

It writes one answer at a time. While it writes one, a request that comes waits with its head already sent; the writer
sees it after each event, says `[DONE]` without a finish_reason, and hangs up before its body has ended. So do the
recorded answers in `tests/upstream/recorded/`.
"""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.real_servers.servers import Running
from tests.real_servers.tiny_vocabulary import WORDS

PATIENCE_SECONDS = 30.0
MODEL = "tiny-random.gguf"
BETWEEN_EVENTS_SECONDS = 0.002
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
_LIST = b'{"object": "list", "data": [{"id": "tiny-random.gguf", "object": "model"}]}'
MODELS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_LIST), _LIST)


class _Interrupting:
    def __init__(self) -> None:
        self.interrupted = 0
        self._next = asyncio.Lock()
        """Held by the one request that waits to be the next: while it is held, the writer stops."""
        self._writing = asyncio.Lock()
        self._number = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            method, body = await _read_request(reader)
            if method == "POST":
                writer.write(HEAD)
            await self._next.acquire()
            async with self._writing:
                self._next.release()
                if method == "POST":
                    await self._answer(writer, int(body.get("max_tokens", 100)))
                else:  # asking for the models takes its turn, and interrupts, too
                    writer.write(MODELS)
                    await writer.drain()
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, max_tokens: int) -> None:
        self._number += 1
        chosen = random.Random(self._number)
        length = chosen.randint(5, 60)
        deltas = [{"role": "assistant"}, *({"content": f" {chosen.choice(WORDS)}"} for _ in range(length))]
        for delta in deltas[: max_tokens + 1]:
            await self._say(writer, {"delta": delta, "finish_reason": None})
            if self._next.locked():
                self.interrupted += 1
                await _send(writer, "[DONE]")
                return
        await self._say(writer, {"delta": {}, "finish_reason": "length" if length > max_tokens else "stop"})
        await _send(writer, "[DONE]")
        writer.write(LAST_CHUNK)

    async def _say(self, writer: asyncio.StreamWriter, choice: dict[str, Any]) -> None:
        chunk = {"id": f"chatcmpl-{self._number}", "model": MODEL, "object": "chat.completion.chunk"}
        await _send(writer, json.dumps({**chunk, "choices": [{"index": 0, "logprobs": None, **choice}]}))
        await asyncio.sleep(BETWEEN_EVENTS_SECONDS)


@contextmanager
def interrupting_server() -> Iterator[Running]:
    """The server, in a thread; at the end it must have interrupted somebody, or nothing was shown by it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="interrupting-server")
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE_SECONDS)

    serving = _Interrupting()
    server = run(asyncio.start_server(serving.serve, "127.0.0.1", 0))
    try:
        yield Running(server.sockets[0].getsockname()[1], MODEL, restart=_refuse_to_restart)
    finally:
        run(_stop(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        loop.close()
    assert serving.interrupted, "no answer was interrupted"


def _refuse_to_restart() -> None:
    raise NotImplementedError("the script is no process; restart a real server")


async def _stop(server: asyncio.Server) -> None:
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    length = next((int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")), 0)
    return lines[0].partition(" ")[0], json.loads(await reader.readexactly(length) or b"{}")


async def _send(writer: asyncio.StreamWriter, payload: str) -> None:
    event = f"data: {payload}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(event), event))
    await writer.drain()
