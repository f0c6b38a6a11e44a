"""A watcher as a browser would be one: it follows a job's events, comes back when the connection breaks, and believes
nothing: every rule of the stream is checked as it comes.
"""

import contextlib
import http.client
import threading
import time
from hashlib import sha256
from urllib.parse import urlsplit

from longhand.client.event_decoder import EventDecoder
from longhand.client.events import Delta, Done, Reasoning, Reset
from tests.chaos.processes import PATIENCE_SECONDS

_SILENT_SECONDS = 25
"""The API sends a comment every 15 s; who hears nothing for this long comes back."""


class Watcher(threading.Thread):
    """Follows one job until `done`. After `join`, `wrongs` is empty if every rule held."""

    def __init__(self, url: str, job_id: str) -> None:
        super().__init__(name=f"watcher {job_id}", daemon=True)
        self.url = url
        self.job_id = job_id
        self.text = bytearray()
        self.reasoning = bytearray()
        self.attempt = 0
        self.resets = 0
        self.reconnects = 0
        self.deltas = 0
        self.done: Done | None = None
        self.done_at = 0.0
        """When `done` came, in `time.monotonic`."""
        self.wrongs: list[str] = []
        self._cursor = ""
        self._begun = threading.Event()
        self._stopping = threading.Event()
        self._grown = threading.Condition()

    def run(self) -> None:
        """Read until `done`, over as many connections as it takes."""
        while self.done is None and not self._stopping.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._read()
            if self.done is None:
                self.reconnects += 1
                self._stopping.wait(0.1)

    def stop(self) -> None:
        """Give up."""
        self._stopping.set()

    def wait_begun(self, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the first event has come: the API is subscribed by then."""
        if not self._begun.wait(timeout_seconds):
            raise TimeoutError(f"no event of {self.job_id} within {timeout_seconds} s")

    def wait_for_bytes(self, count: int, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many bytes of the present attempt's text are here."""
        with self._grown:
            if not self._grown.wait_for(lambda: len(self.text) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self.text)} of {count} bytes of {self.job_id} within {timeout_seconds} s")

    def wait_for_reasoning(self, count: int, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many bytes of the present attempt's reasoning are here."""
        with self._grown:
            if not self._grown.wait_for(lambda: len(self.reasoning) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self.reasoning)} of {count} bytes of the reasoning of {self.job_id}")

    def wait_done(self, timeout_seconds: float = PATIENCE_SECONDS) -> Done:
        """Wait for `done`."""
        self.join(timeout_seconds)
        if self.done is None:
            raise TimeoutError(f"no done of {self.job_id} within {timeout_seconds} s, {len(self.text)} bytes so far")
        return self.done

    def _read(self) -> None:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_SILENT_SECONDS)
        try:
            headers = {"last-event-id": self._cursor} if self._cursor else {}
            connection.request("GET", f"/v1/jobs/{self.job_id}/events", headers=headers)
            response = connection.getresponse()
            if response.status == 503:
                return  # it goes down, or its database is away: come back
            if response.status != 200:
                self.wrongs.append(f"status {response.status}")
                self._stopping.set()
                return
            decoder = EventDecoder()
            while (piece := response.read1(1 << 16)) and not self._stopping.is_set():
                for event in decoder.feed(piece):
                    for typed in event.typed(self.job_id):
                        self._take(typed)
                    self._cursor = event.id
                if self.done is not None:
                    return
        finally:
            connection.close()

    def _take(self, event: object) -> None:
        self._begun.set()
        if self.done is not None:
            self.wrongs.append(f"an event after done: {event}")
        if isinstance(event, Delta):
            self._take_delta(event)
        elif isinstance(event, Reasoning):
            self._take_reasoning(event)
        elif isinstance(event, Reset):
            self.resets += 1
            self.text.clear()
            self.reasoning.clear()
            self.attempt = event.attempt
        elif isinstance(event, Done):
            self.done_at = time.monotonic()
            if len(self.text) != event.bytes or sha256(self.text).hexdigest() != event.sha256:
                self.wrongs.append(f"has {len(self.text)} bytes that are not the {event.bytes} stored ones")
            if (len(self.reasoning), sha256(self.reasoning).hexdigest()) != event.reasoning_proof:
                self.wrongs.append(f"has {len(self.reasoning)} bytes of reasoning, not {event.reasoning_proof}")
            self.done = event

    def _take_delta(self, delta: Delta) -> None:
        if delta.offset != len(self.text):
            self.wrongs.append(f"a delta at {delta.offset} where {len(self.text)} bytes are shown")
        if delta.attempt < self.attempt:
            self.wrongs.append(f"a delta of attempt {delta.attempt} after one of {self.attempt}")
        self.attempt = delta.attempt
        self.deltas += 1
        with self._grown:
            self.text += delta.text.encode()
            self._grown.notify_all()

    def _take_reasoning(self, piece: Reasoning) -> None:
        if piece.offset == 0:
            self.reasoning.clear()
        if piece.offset != len(self.reasoning):
            self.wrongs.append(f"reasoning at {piece.offset} where {len(self.reasoning)} bytes are shown")
        if piece.attempt < self.attempt:
            self.wrongs.append(f"reasoning of attempt {piece.attempt} after one of {self.attempt}")
        self.attempt = piece.attempt
        with self._grown:
            self.reasoning += piece.text.encode()
            self._grown.notify_all()
