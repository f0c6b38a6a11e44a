"""`python -m tests.chaos.strangers HOST PORT KIND=NUMBER[:PATH,...] ...`: so many attackers of these kinds, each again
and again until the process is killed. Those of `hold` and `flood` have no key.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from itertools import cycle
from typing import Any

import uvloop

from tests.chaos.beside import answer_questions

# A proxy that asks for somebody else is refused where no key is set up, before its body is read.
_HOST = b"Host: localhost\r\n"
_REFUSED = _HOST + b"X-Forwarded-For: 192.0.2.7\r\n"
_HEALTH = b"GET /healthz HTTP/1.1\r\n" + _HOST + b"\r\n"
_SIZED = b"POST /v1/jobs HTTP/1.1\r\n" + _REFUSED + b"Content-Length: 1000\r\n\r\n"
_CHUNKED = b"POST /v1/jobs HTTP/1.1\r\n" + _REFUSED + b"Transfer-Encoding: chunked\r\n\r\n"
_FORMS = ((b"", b""), (_HEALTH, b"\r\n"), (_SIZED, b"x"), (_CHUNKED, b"ff"))
"""What is sent, and what after its answer."""
_BODY_BYTES = 60_000_000

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Attack = Callable[[Line, str, Counter[str]], Coroutine[Any, Any, None]]


async def _hold(line: Line, number: str, tally: Counter[str]) -> None:
    """Keep a connection without a request for as long as the other end lets one."""
    reader, writer = line
    first, then = _FORMS[int(number) % len(_FORMS)]
    if first:
        writer.write(first)
        await reader.readuntil(b"\r\n\r\n")
        tally["answered"] += 1
        writer.write(then)
    while await reader.read(65536):
        pass


async def _flood(line: Line, _: str, tally: Counter[str]) -> None:
    """After a refusal go on with the body, in chunks of one byte."""
    reader, writer = line
    writer.write(_CHUNKED)
    if b" 403 " in await reader.readuntil(b"\r\n\r\n"):
        tally["refused"] += 1
    while True:
        writer.write(b"1\r\nx\r\n" * 1000)
        await writer.drain()
        tally["chunks"] += 1000


async def _withhold(line: Line, _: str, tally: Counter[str]) -> None:
    """Send the largest body without its last byte."""
    reader, writer = line
    head = b"POST /v1/batches HTTP/1.1\r\n" + _HOST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % _BODY_BYTES)
    piece = b" " * 262_144
    answer = asyncio.ensure_future(reader.read(65536))
    answer.add_done_callback(lambda read: read.cancelled() or read.exception())  # a cut is told by the writer
    left = _BODY_BYTES - 1
    while left and not answer.done():
        writer.write(piece[:left])
        left -= min(left, len(piece))
        await writer.drain()
    tally["withheld"] += not left
    said = await answer
    tally["refused for the others"] += b"too_many_bodies" in said
    tally["refused as slow"] += b"body_too_slow" in said


async def _sip(line: Line, path: str, tally: Counter[str]) -> None:
    """Read a download very slowly."""
    reader, writer = line
    writer.write(b"GET %b HTTP/1.1\r\n" % path.encode() + _HOST + b"\r\n")
    while piece := await reader.read(4096):
        tally["read"] += len(piece)
        await asyncio.sleep(0.05)


async def _watch(line: Line, path: str, tally: Counter[str]) -> None:
    """Watch a job."""
    reader, writer = line
    writer.write(b"GET %b HTTP/1.1\r\n" % path.encode() + _HOST + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    tally["watched" if b" 200 " in head else "refused"] += 1
    while piece := await reader.read(65536):
        tally["read"] += len(piece)


_ATTACKS: dict[str, Attack] = {"hold": _hold, "flood": _flood, "withhold": _withhold, "sip": _sip, "watch": _watch}


async def _repeat(host: str, port: int, name: str, target: str, tally: Counter[str]) -> None:
    while True:
        try:
            line = await asyncio.open_connection(host, port, limit=16_384)
        except OSError:
            tally["locked out"] += 1
            await asyncio.sleep(0.2)
            continue
        tally["opened"] += 1
        tally["open"] += 1
        try:
            await _ATTACKS[name](line, target, tally)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            line[1].transport.abort()
            tally["open"] -= 1
        await asyncio.sleep(0.2)


async def _run(host: str, port: int, orders: Sequence[str]) -> None:
    tally: Counter[str] = Counter()
    attacks: list[Coroutine[Any, Any, None]] = []
    for order in orders:
        name, _, rest = order.partition("=")
        number, _, paths = rest.partition(":")
        targets = cycle(paths.split(",") if paths else map(str, range(len(_FORMS))))
        attacks += [_repeat(host, port, name, next(targets), tally) for _ in range(int(number))]
    await answer_questions(_all(attacks), lambda: dict(tally))


async def _all(attacks: Sequence[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*attacks)


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
