"""`python -m benchmarks.readers HOST PORT`: many cheap watchers in one process, apart from what is measured.

A bare protocol that counts events and reads the time out of one delta of each piece that comes. The ids of the jobs to
watch come as one JSON list on the standard input; after that, every line asks for the figures since the last one.
"""

import asyncio
import json
import subprocess
import sys
from typing import Any

import uvloop

from benchmarks.machine import quantile
from benchmarks.stack import Stack, read_line
from benchmarks.upstream import WRAP, stamp_now

_MARK = b'"text":" '
_EVENT, _REASONING = b"event: delta", b"event: reasoning"


class Tally:
    """What all watchers of the process have received."""

    def __init__(self) -> None:
        self.open = 0
        self.events = 0
        self.delays: list[int] = []

    def take(self) -> dict[str, Any]:
        """The figures since the last call; delays in milliseconds."""
        delays = sorted(delay / 1000 for delay in self.delays)
        figures = {
            "open": self.open,
            "events": self.events,
            "p50": quantile(delays, 0.5),
            "p99": quantile(delays, 0.99),
            "max": delays[-1] if delays else 0.0,
        }
        self.events = 0
        self.delays = []
        return figures


class Reader(asyncio.Protocol):
    """Asks for the events of one job and counts them."""

    def __init__(self, tally: Tally, job_id: str) -> None:
        self._tally = tally
        self._job_id = job_id
        self._caught_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"GET /v1/jobs/%b/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % self._job_id.encode())  # type: ignore[attr-defined]  # it is a write transport

    def data_received(self, data: bytes) -> None:
        tally = self._tally
        tally.events += data.count(_EVENT) + data.count(_REASONING)
        # The first of the piece: it has waited longest.
        at = data.find(_MARK)
        if at < 0:
            return
        stamp = data[at + 9 : at + 17]
        if not self._caught_up:
            self._caught_up = True  # the first delta is the text so far, in one piece
            tally.open += 1
        elif len(stamp) == 8:
            tally.delays.append((stamp_now() - int(stamp)) % WRAP)


async def _read(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    job_ids = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    tally = Tally()
    for job_id in job_ids:
        await loop.create_connection(lambda job_id=job_id: Reader(tally, job_id), host, port)  # type: ignore[misc]  # the id is bound now
    while await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(tally.take()) + "\n")
        sys.stdout.flush()


class Readers:
    """The process, as the benchmark holds it."""

    def __init__(self, stack: Stack, job_ids: list[str]) -> None:
        host, port = stack.address
        command = [sys.executable, "-m", "benchmarks.readers", host, str(port)]
        self.process = stack.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._write(json.dumps(job_ids))

    def take(self) -> dict[str, Any]:
        """The figures since the last call."""
        self._write("")
        figures: dict[str, Any] = json.loads(read_line(self.process))
        return figures

    def _write(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


if __name__ == "__main__":
    uvloop.run(_read(sys.argv[1], int(sys.argv[2])))
