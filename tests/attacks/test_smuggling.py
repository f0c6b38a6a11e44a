"""Behind a proxy the requests of all clients share connections: what one sends is never another one's request."""

import json

import pytest

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.attacks.test_connections import HEALTH, everything_from
from tests.attacks.test_pipelining import connected

_LAST = HEALTH.replace(b"Host:", b"Connection: close\r\nHost:")
_HALF = b"POST /v1/batches HTTP/1.1\r\nX-Half: "
"""Whatever comes next on the connection would be the rest of this request."""


@pytest.fixture(autouse=True)
def key(sqlite_database: Database) -> str:
    """Who has it is let in."""
    return create_key(sqlite_database)[1]


def asking_for(protocol: bytes, body: bytes, *more: bytes) -> bytes:
    """A request that asks to go on in another protocol; without a key, unless `more` has it."""
    asks = (b"Connection: keep-alive, Upgrade", b"Upgrade: " + protocol, *more)
    framing = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"POST /v1/jobs HTTP/1.1", b"Host: localhost", *asks, framing, b"", body))


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"any"])
@pytest.mark.parametrize("sizes", [(1,), (100,), (8192,), (100_000,)])
def test_the_body_of_a_request_that_asks_for_an_upgrade_is_its_body(
    sqlite_api: ApiServer, key: str, protocol: bytes, sizes: tuple[int, ...]
) -> None:
    """Before, it was the next request: with the key of the next client, a stranger paused its upstream."""
    ours = b"Authorization: Bearer " + key.encode()  # who has none is answered at once, and may send no more
    pad = b"X-Pad: " + b"p" * (8192 - len(asking_for(protocol, _HALF, ours, b"X-Pad: ")) + len(_HALF))
    for request in (asking_for(protocol, _HALF, ours), asking_for(protocol, _HALF, ours, pad)):
        answers = sent_in_pieces(sqlite_api, request + _LAST, sizes[0])
        assert answers.count(b"HTTP/1.1 ") == 2, answers
        assert answers.startswith(b"HTTP/1.1 400 ")
        assert answers.endswith(b'{"status":"ok"}')


def test_no_part_of_a_strangers_body_is_a_request(sqlite_api: ApiServer) -> None:
    answers = sent_in_pieces(sqlite_api, asking_for(b"h2c", _HALF) + _LAST, 100_000)
    assert answers.count(b"HTTP/1.1 ") == 2, answers
    assert answers.startswith(b"HTTP/1.1 401 ")
    assert answers.endswith(b'{"status":"ok"}')


def test_a_chunked_body_of_such_a_request_is_its_body(sqlite_api: ApiServer, key: str) -> None:
    ours = b"Authorization: Bearer " + key.encode()
    head = asking_for(b"h2c", b"", ours).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunked = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_HALF), _HALF)
    answers = sent_in_pieces(sqlite_api, chunked + HEALTH + _LAST, 100_000)
    assert [answers.count(b"HTTP/1.1 " + status) for status in (b"400", b"200")] == [1, 2], answers


def sent_in_pieces(api: ApiServer, sent: bytes, size: int) -> bytes:
    """All that comes back on one connection."""
    with connected(api) as line:
        for start in range(0, len(sent), size):
            line.sendall(sent[start : start + size])
        return everything_from(line)


def test_a_client_that_asks_for_http_2_in_its_first_request_submits_its_job(sqlite_api: ApiServer, key: str) -> None:
    """Java's client does, and LangChain4j with it. Before, its body was "not valid JSON: line 1 column 1"."""
    body = json.dumps({"model": "m1", "messages": [{"role": "user", "content": "hello"}]}).encode()
    more = b"Authorization: Bearer " + key.encode(), b"HTTP2-Settings: AAEAAEAA", b"Content-Type: application/json"
    with connected(sqlite_api) as line:
        line.sendall(asking_for(b"h2c", body, *more).replace(b"Upgrade\r\n", b"Upgrade, HTTP2-Settings\r\n") + _LAST)
        answers = everything_from(line)
    assert answers.startswith(b"HTTP/1.1 202 "), answers
    assert answers.endswith(b'{"status":"ok"}')


def test_nobody_is_connected_to_another_host(sqlite_api: ApiServer) -> None:
    with connected(sqlite_api) as line:
        line.sendall(b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n" + HEALTH)
        answers = everything_from(line)
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert b"CONNECT" in answers
    assert answers.count(b"HTTP/1.1 ") == 1
