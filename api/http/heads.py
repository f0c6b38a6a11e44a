"""What the head of a request may be."""

from collections.abc import Iterable, Sequence

from httptools import HttpRequestParser

from api.http.errors import ApiError

Headers = Iterable[tuple[bytes, bytes]]

MOST_HEAD_BYTES = 32 * 1024
MOST_URL_BYTES = 16 * 1024
MOST_PARAMETERS = 100
MOST_HEADERS = 200
"""What is in a head is parsed on the event loop, before anybody has shown a key: 15,000 parameters took 37 ms, and
12,900 headers 13. No request needs more: its longest part is a cursor of 8,192 bytes.
"""

MOST_PIPELINED, PIPELINED_HEADERS, PIPELINED_BYTES = 8, 100, 8 * 1024
"""How many requests may wait on one connection for the answer before theirs, and how large their heads may be together.
Each is kept with its head, and browsers, SDKs and proxies send none before the answer has come: eight with 195 headers
each, on 4,000 connections, took 800 MB.
"""


def too_large() -> ApiError:
    message = (
        f"the request's head is too large: at most {MOST_HEAD_BYTES} bytes are taken with {MOST_HEADERS} headers,"
        f" and {MOST_URL_BYTES} of them for the address with {MOST_PARAMETERS} parameters"
    )
    return ApiError(431, "head_too_large", message)


def find_fault(parser: HttpRequestParser, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> ApiError | None:
    """Why a head is refused that the parser has just read, if it is."""
    length = len(url) + sum(len(name) + len(value) for name, value in headers)
    if length > MOST_HEAD_BYTES or len(url) > MOST_URL_BYTES or url.count(b"&") >= MOST_PARAMETERS:
        return too_large()
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (hosts == 0 and parser.get_http_version() == "1.1"):
        # RFC 9112, 3.2. What stands in front may have judged another one than is read here.
        return ApiError(400, "invalid_http", f"a request has one Host header, and this one has {hosts}")
    if parser.get_method() == b"CONNECT":
        return ApiError(400, "invalid_http", "CONNECT asks for a connection through a proxy, and this is none")
    return None


def may_wait(heads: Sequence[Headers], url: bytes) -> bool:
    """Whether the requests with these headers may wait on one connection; `url` is that of the last."""
    sizes = [len(name) + len(value) for headers in heads for name, value in headers]
    is_few = len(heads) <= MOST_PIPELINED and len(sizes) <= PIPELINED_HEADERS
    return is_few and sum(sizes) + len(url) <= PIPELINED_BYTES
