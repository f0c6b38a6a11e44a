"""An upstream that lists its models without end, in many bytes or in few: what is read of it is bounded."""

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.api.test_models import LIST, client_of

ITEM = b'{"id": "meta/llama", "object": "model"},' * 1000


class Endless:
    """An upstream that writes a list for as long as somebody reads it."""

    def __init__(self, *, compressed: bytes = b"") -> None:
        self.sent = 0
        self.stopped = threading.Event()
        upstream = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server looks for
                self.send_response(200)
                if compressed:
                    self.send_header("content-encoding", "gzip")
                self.end_headers()
                self.wfile.write(compressed or b'{"object": "list", "data": [')
                while not compressed:
                    try:
                        self.wfile.write(ITEM)
                    except OSError:
                        upstream.stopped.set()
                        return
                    upstream.sent += len(ITEM)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve for as long as the block lasts."""
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


def test_an_endless_list_is_read_up_to_its_bound_and_left(sqlite_url: str, redis_url: str) -> None:
    upstream = Endless()
    with upstream.serving(), client_of(sqlite_url, redis_url, upstream.url) as client:
        answer = client.get("/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
        assert upstream.stopped.wait(10)
        assert (2 << 20) - len(ITEM) < upstream.sent < 64 << 20  # and what the sockets hold


def test_a_compressed_list_that_nobody_asked_for_is_not_unpacked(sqlite_url: str, redis_url: str) -> None:
    upstream = Endless(compressed=gzip.compress(LIST))
    with upstream.serving(), client_of(sqlite_url, redis_url, upstream.url) as client:
        answer = client.get("/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")


def test_many_who_ask_at_once_cost_one_read(sqlite_url: str, redis_url: str) -> None:
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server looks for
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-length", str(len(LIST)))
            self.end_headers()
            self.wfile.write(LIST)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    upstream = Endless()
    upstream.server.RequestHandlerClass = Answers
    with (
        upstream.serving(),
        client_of(sqlite_url, redis_url, upstream.url) as client,
        ThreadPoolExecutor(20) as pool,
    ):
        answers: list[httpx.Response] = list(pool.map(lambda _: client.get("/models"), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked == ["/v1/models"]
