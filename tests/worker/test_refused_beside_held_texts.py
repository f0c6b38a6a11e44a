"""A real worker and an upstream that refuses one project, while the texts of another last until the test ends them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.intake.submission import BatchOptions, NewJob, submit_batch
from jobs.store.database import Database
from tests.worker.worker_fixtures import PATIENCE_SECONDS
from tests.worker.worker_processes import worker_process

pytestmark = pytest.mark.races

STREAMS, ENDED = 6, 6
REFUSAL = json.dumps({"error": {"message": "Too many requests of this user", "code": "rate_limit_exceeded"}}).encode()


class Held(ThreadingHTTPServer):
    """Writes a first word of each text, and the rest when it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.changed = threading.Condition()
        self.running = self.to_end = self.begun = self.refused = 0

    def end_one(self) -> None:
        with self.changed:
            self.to_end += 1
            self.changed.notify_all()

    def wait_for(self, running: int, begun: int) -> bool:
        with self.changed:
            return self.changed.wait_for(
                lambda: (self.running, self.begun) == (running, begun), timeout=PATIENCE_SECONDS
            )


class Answering(BaseHTTPRequestHandler):
    server: Held

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if b"refuse me" in body:
            with self.server.changed:
                self.server.refused += 1
            self.send_response(429)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(REFUSAL)))
            self.end_headers()
            self.wfile.write(REFUSAL)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self._write({"choices": [{"index": 0, "delta": {"content": "word"}, "finish_reason": None}]})
        with self.server.changed:
            self.server.running += 1
            self.server.begun += 1
            self.server.changed.notify_all()
            self.server.changed.wait_for(lambda: self.server.to_end > 0)
            self.server.to_end -= 1
            self.server.running -= 1
        self._write({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def _write(self, chunk: dict[str, object]) -> None:
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def jobs_of(database: Database, project: str, count: int, content: str) -> None:
    body = {"model": "m1", "messages": [{"role": "user", "content": content}]}
    submit_batch(database, [NewJob(body) for _ in range(count)], BatchOptions(project=project))


def test_each_stream_that_ends_is_followed_by_one_of_the_same_project_although_another_is_refused(
    database_url: str, database: Database, redis_url: str
) -> None:
    """Before, each refusal took one stream, and the refused project was next at each that was left."""
    with Held() as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{upstream.server_port}/v1"
        jobs_of(database, "long", STREAMS + ENDED + 20, "write")
        try:
            with worker_process(redis_url, database_url, url, streams=STREAMS):
                assert upstream.wait_for(STREAMS, STREAMS)
                jobs_of(database, "refused", 100, "refuse me")
                for ended in range(1, ENDED + 1):
                    upstream.end_one()
                    assert upstream.wait_for(STREAMS, STREAMS + ended), f"{upstream.running} run, after {ended} ended"
                assert upstream.refused > 0
        finally:
            with upstream.changed:
                upstream.to_end = 10_000
                upstream.changed.notify_all()
            upstream.shutdown()
