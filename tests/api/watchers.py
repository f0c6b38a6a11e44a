"""For the tests of watching: a watcher that believes nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import httpx

from tests.api.watching import PATIENCE_SECONDS


class Shown:
    """What a watcher has been shown, byte by byte. Any byte that is doubled or left out fails the test at once."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.attempt = 0
        self.cursor: str | None = None
        self.done: dict[str, Any] | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.resets = 0
        self.comments = 0

    def take(self, name: str, shown: dict[str, Any], cursor: str) -> None:
        """Take one event."""
        self.events.append((name, shown))
        self.cursor = cursor
        if name == "reset":
            self.resets += 1
            self.text = self.reasoning = ""
        elif name == "reasoning":
            had = "" if shown["offset"] == 0 else self.reasoning
            assert shown["offset"] == len(had.encode()), f"a byte of the reasoning lost or doubled at {cursor}"
            self.reasoning = had + shown["text"]
        elif name == "delta":
            assert shown["offset"] == len(self.text.encode()), f"a byte lost or doubled at {cursor}"
            self.text += shown["text"]
        elif name == "done":
            encoded = self.text.encode()
            assert (len(encoded), sha256(encoded).hexdigest()) == (shown["bytes"], shown["sha256"])
            assert_reasoning_is(self.reasoning, shown)
            assert cursor.endswith(f":{shown['status']}")
            self.done = shown
        attempt, offset, *beside = cursor.split(":")
        assert int(offset) == len(self.text.encode())
        thought = int(beside[0]) if beside and beside[0].isdigit() else 0
        assert thought == len(self.reasoning.encode())
        self.attempt = int(attempt)

    def names(self) -> list[str]:
        """The events' names, one for each run of equal ones."""
        names = [name for name, _ in self.events]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]


def assert_reasoning_is(reasoning: str, job: dict[str, Any]) -> None:
    """What was shown of the reasoning is what the job was stored with."""
    stored = job["reasoning"] or {"bytes": 0, "sha256": sha256(b"").hexdigest()}
    encoded = reasoning.encode()
    assert (len(encoded), sha256(encoded).hexdigest()) == (stored["bytes"], stored["sha256"])


def events_of(lines: Iterator[str], shown: Any) -> Iterator[str]:
    """Read server-sent events into `shown`; the name of each."""
    name, data, cursor = "", "", ""
    for line in lines:
        if line.startswith(":"):
            shown.comments += 1
        elif line:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data = value
            elif field == "id":
                cursor = value
        elif data:
            shown.take(name, json.loads(data), cursor)
            yield name
            name, data, cursor = "", "", ""


class WatcherThread:
    """A real client of the event stream in a thread of its own."""

    def __init__(
        self,
        port: int,
        job_id: str,
        *,
        cursor: str | None = None,
        shown: Any = None,
        path: str | None = None,
        key: str | None = None,
    ) -> None:
        self.shown = shown or Shown()
        self._error: BaseException | None = None
        self.status = 0
        self._heard = threading.Condition()
        self._url = f"http://127.0.0.1:{port}{path or f'/v1/jobs/{job_id}/events'}"
        self._headers = {"Last-Event-ID": cursor} if cursor else {}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self.ended_whole = False
        self._thread = threading.Thread(target=self._run, name="watcher")
        self._thread.start()

    def wait_for(self, met: Callable[[Any], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until what was shown meets a condition."""
        with self._heard:
            fulfilled = self._heard.wait_for(lambda: met(self.shown) or not self._thread.is_alive(), seconds)
        if self._error is not None:
            raise self._error
        assert fulfilled, f"not shown in {seconds} s: {self.shown.names()}"
        assert met(self.shown), f"ended with {self.shown.names()}"

    def join(self, seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait for the end of the stream; what was shown."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"still watching: {self.shown.names()}"
        if self._error is not None:
            raise self._error
        return self.shown

    def _run(self) -> None:
        try:
            with httpx.stream("GET", self._url, headers=self._headers, timeout=60) as response:
                self.status = response.status_code
                for _ in events_of(response.iter_lines(), self.shown):
                    with self._heard:
                        self._heard.notify_all()
                self.ended_whole = True
        except BaseException as error:
            self._error = error
        finally:
            with self._heard:
                self._heard.notify_all()
