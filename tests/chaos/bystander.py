"""`python -m tests.chaos.bystander HOST PORT JOB_ID`: an honest client, and what it notices of what happens beside it.

It asks `/healthz` every 20 ms over one connection, and follows one job: how long each answer takes, and how long it is
between two deltas. Both in milliseconds.
"""

import asyncio
import sys
import time
from typing import Any

import uvloop

from tests.chaos.beside import answer_questions

_HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_EVERY_SECONDS = 0.02


class Noticed:
    """What came since it was last asked."""

    def __init__(self) -> None:
        self.answers: list[float] = []
        self.gaps: list[float] = []
        self.broken = 0

    def take(self) -> dict[str, Any]:
        """The figures, and a new beginning."""
        taken = {"health": _figures(self.answers), "gaps": _figures(self.gaps), "broken": self.broken}
        self.answers, self.gaps, self.broken = [], [], 0
        return taken


def _figures(values: list[float]) -> dict[str, float]:
    ranked = sorted(values)
    if not ranked:
        return {"count": 0}
    return {"count": len(ranked), "p99": round(ranked[int(0.99 * (len(ranked) - 1))], 1), "max": round(ranked[-1], 1)}


async def _probe(host: str, port: int, noticed: Noticed) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            while True:
                asked = time.monotonic()
                writer.write(_HEALTH)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                assert head.startswith(b"HTTP/1.1 200"), head
                noticed.answers.append((time.monotonic() - asked) * 1000)
                await asyncio.sleep(max(0.0, asked + _EVERY_SECONDS - time.monotonic()))
        except (OSError, asyncio.IncompleteReadError):
            noticed.broken += 1
            await asyncio.sleep(_EVERY_SECONDS)


async def _follow(host: str, port: int, job_id: str, noticed: Noticed) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /v1/jobs/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % job_id.encode())
    before = None
    while piece := await reader.read(65536):
        if b"event: delta" not in piece:
            continue
        now = time.monotonic()
        if before is not None:
            noticed.gaps.append((now - before) * 1000)
        before = now


async def _run() -> None:
    host, port, job_id = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    noticed = Noticed()

    async def notice() -> None:
        await asyncio.gather(_probe(host, port, noticed), _follow(host, port, job_id, noticed))

    await answer_questions(notice(), noticed.take)


if __name__ == "__main__":
    uvloop.run(_run())
