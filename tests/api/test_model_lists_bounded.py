"""An upstream that lists its models without end, in many bytes or in few: what is read of it is bounded."""

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from api.model_lists.bounded_body import BodyError, BoundedBody
from tests.api.test_models import LIST, client_of

ITEM = b'{"id": "meta/llama", "object": "model"},' * 1000


class Endless:
    """An upstream that writes a list for as long as somebody reads it."""

    def __init__(
        self, *, compressed: bytes = b"", encoding: str = "gzip", raw: bytes = b"", item: bytes = ITEM
    ) -> None:
        self.sent = 0
        self.stopped = threading.Event()
        upstream = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server looks for
                if raw:
                    self.wfile.write(raw)
                    self.go_on()
                    return
                self.send_response(200)
                if compressed:
                    self.send_header("content-encoding", encoding)
                self.end_headers()
                self.wfile.write(compressed or b'{"object": "list", "data": [')
                if not compressed:
                    self.go_on()

            def go_on(self) -> None:
                while True:
                    try:
                        self.wfile.write(item)
                    except OSError:
                        upstream.stopped.set()
                        return
                    upstream.sent += len(item)

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


HINT = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "item", "code"),
    [
        (HINT, HINT * 100, "upstream_unreachable"),
        (CHUNKS, b"1\r\n \r\n" * 400, "upstream_error"),
        (CHUNKS, b"20;" + b"x" * 1000 + b"\r\n" + b" " * 32 + b"\r\n", "upstream_unreachable"),
    ],
    ids=["hints", "chunks of one byte", "long heads of chunks"],
)
def test_what_comes_beside_the_list_is_bounded_too(
    sqlite_url: str, redis_url: str, raw: bytes, item: bytes, code: str
) -> None:
    """It took the event loop for 20 s, in which nobody was answered quickly."""
    upstream = Endless(raw=raw, item=item)
    with upstream.serving(), client_of(sqlite_url, redis_url, upstream.url) as client:
        answer = client.get("/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, code)
        assert upstream.stopped.wait(10)
        assert upstream.sent < 16 << 20  # and what the sockets hold


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_list_that_an_upstream_compresses_unasked_is_read(sqlite_url: str, redis_url: str, encoding: str) -> None:
    packed = gzip.compress(LIST) if encoding == "gzip" else zlib.compress(LIST)
    upstream = Endless(compressed=packed, encoding=encoding)
    with upstream.serving(), client_of(sqlite_url, redis_url, upstream.url) as client:
        answer = client.get("/models")
        assert answer.status_code == 200
        assert [item["id"] for item in answer.json()["data"]] == [item["id"] for item in json.loads(LIST)["data"]]


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(b" " * (8 << 20)), "gzip"),
        (zlib.compress(b" " * (8 << 20)), "deflate"),
        (gzip.compress(LIST)[:-9], "gzip"),
        (LIST, "gzip"),
        (LIST, "br"),
    ],
    ids=["a gzip bomb", "a deflate bomb", "cut short", "not packed", "unknown"],
)
def test_a_compressed_list_that_is_too_long_or_broken_is_refused(
    sqlite_url: str, redis_url: str, packed: bytes, encoding: str
) -> None:
    upstream = Endless(compressed=packed, encoding=encoding)
    with upstream.serving(), client_of(sqlite_url, redis_url, upstream.url) as client:
        answer = client.get("/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")


def test_no_more_is_unpacked_than_there_is_room_for() -> None:
    body = BoundedBody("gzip", 1000)
    with pytest.raises(BodyError):
        body.add(gzip.compress(b" " * (64 << 20)))
    assert len(body._unpacked) == 1001


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
