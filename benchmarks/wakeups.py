"""`python -m benchmarks.wakeups`: what the same work costs when a process does it after a pause.

A worker with ten streams sleeps after every delta; one with 400 never gets to it. What a sleeping process had in the
processor's caches is gone when it wakes up, so the same instructions take more CPU time. This measures how much more on
this machine, with work like that of a delta: how far CPU per delta can be flat at all. The second column is the same
while something that gives way to everything else keeps the cores awake.
"""

import time
from typing import Any

from benchmarks.awake import cores_awake
from benchmarks.results import show
from jobs.live.channel import encode_delta
from worker.upstream.answer import Answer
from worker.upstream.sse import SSEParser

PAUSES_MS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
_ROUNDS = 400
_STREAMS = 5
_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":" 12345678"},"finish_reason":null}]}\n\n'
)


class _Stream:
    """Parses and encodes one delta after the other, as the worker does."""

    def __init__(self) -> None:
        self._parser = SSEParser()
        self._answer = Answer(self._take, 1 << 30)
        self._offset = 0

    def feed(self) -> None:
        for payload in self._parser.feed(_EVENT):
            self._answer.take(payload)

    def _take(self, text: str) -> None:
        encode_delta(1, self._offset, text)
        self._offset += len(text)


def measure(pause_ms: float) -> float:
    """Microseconds of CPU per delta, when one of each stream is read between two pauses, without those of pausing."""
    reading = [_Stream() for _ in range(_STREAMS)]
    return 1e6 * (_spend(reading, pause_ms) - _spend([], pause_ms)) / (_ROUNDS * _STREAMS)


def _spend(reading: list[_Stream], pause_ms: float) -> float:
    began = time.process_time()
    for _ in range(_ROUNDS):
        for stream in reading:
            stream.feed()
        if pause_ms:
            time.sleep(pause_ms / 1000)
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    measure(0.0)  # what is only paid once
    hot = min(measure(0.0) for _ in range(5))
    rows: list[dict[str, Any]] = []
    for pause_ms in PAUSES_MS:
        cost = min(measure(pause_ms) for _ in range(3))
        with cores_awake():
            awake = min(measure(pause_ms) for _ in range(3))
        rows.append({"pause ms": pause_ms, "times as much": cost / hot, "cores awake": awake / hot, "us, hot": hot})
    show("CPU of the same work after a pause", rows, "wakeups")


if __name__ == "__main__":
    main()
