"""Every fault that can be ordered: what is then on the wire, and that the statistics say it was carried out."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from longhand.simulator import ServedSimulator, serve_in_thread
from tests.simulator.wire import (
    ABC,
    UNPACED,
    address,
    asking,
    contents,
    events,
    exchange,
    http_chunks,
    ordering,
    post,
    receive_until,
)


@pytest.fixture
def simulator() -> Iterator[ServedSimulator]:
    with serve_in_thread(UNPACED) as served:
        yield served


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_cut_sends_so_many_deltas_and_closes_without_an_end(simulator: ServedSimulator, after: int) -> None:
    chunks = http_chunks(exchange(simulator.url, ordering(cut_after=after)))
    assert contents(chunks) == "abc"[:after]
    assert chunks[-1] != b""
    assert b"[DONE]" not in b"".join(chunks)
    assert simulator.stats()["faults"] == {"cut_after": 1}
    assert simulator.stats()["clients_gone"] == 0


def test_a_cut_loses_none_of_the_deltas_that_a_slow_reader_has_not_taken_yet(simulator: ServedSimulator) -> None:
    delta = "x" * 1_000_000
    with socket.create_connection(address(simulator.url)) as connection:
        connection.sendall(post(asking(simulate={"deltas": [delta] * 9, "cut_after": 8})))
        # The cut is made while most of this still waits for the reader.
        simulator.wait_until(lambda stats: stats["faults"] == {"cut_after": 1})
        connection.settimeout(60)
        received = bytearray()
        while piece := connection.recv(1_000_000):
            received += piece
    assert len(contents(http_chunks(bytes(received)))) == 8 * len(delta)


def test_a_position_that_is_never_reached_fires_nothing(simulator: ServedSimulator) -> None:
    assert http_chunks(exchange(simulator.url, ordering(cut_after=4)))[-1] == b""
    assert simulator.stats()["faults"] == {}


def test_a_stall_sends_comments_until_the_client_leaves(simulator: ServedSimulator) -> None:
    with socket.create_connection(address(simulator.url)) as connection:
        connection.sendall(post(ordering(stall_after=2)))
        received = receive_until(connection, b": keep-alive\n\n\r\ne\r\n: keep-alive\n\n\r\n")
        assert contents(http_chunks(received)) == "ab"
        assert simulator.stats()["running"] == 1
    stats = simulator.wait_until(lambda stats: stats["clients_gone"] == 1)
    assert stats["faults"] == {"stall_after": 1}
    assert stats["deltas_sent"] == 2


def test_a_silence_sends_nothing_more_and_keeps_the_connection(simulator: ServedSimulator) -> None:
    with socket.create_connection(address(simulator.url)) as connection:
        connection.sendall(post(ordering(silent_after=1)))
        assert (
            contents(
                http_chunks(
                    receive_until(connection, b'"content":"a"},"logprobs":null,"finish_reason":null}]}\n\n\r\n')
                )
            )
            == "a"
        )
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    stats = simulator.wait_until(lambda stats: stats["clients_gone"] == 1)
    assert stats["faults"] == {"silent_after": 1}


def test_an_error_comes_inside_the_200(simulator: ServedSimulator) -> None:
    chunks = http_chunks(exchange(simulator.url, ordering(error_after=2)))
    assert contents(chunks) == "ab"
    assert json.loads(chunks[-2].removeprefix(b"data: "))["error"]["type"] == "server_error"
    assert chunks[-1] == b""
    assert simulator.stats()["faults"] == {"error_after": 1}


def test_an_end_can_be_missing(simulator: ServedSimulator) -> None:
    chunks = http_chunks(exchange(simulator.url, ordering(no_end=True)))
    assert contents(chunks) == "abc"
    assert chunks[-1] == b"", "the body ends cleanly"
    assert not any(b'"finish_reason":"stop"' in chunk or b"[DONE]" in chunk for chunk in chunks)
    assert simulator.stats()["faults"] == {"no_end": 1}


def test_a_status_comes_with_its_headers_and_an_error_in_openais_form(simulator: ServedSimulator) -> None:
    request = ordering(
        status=429, retry_after=1.5, headers={"retry-after-ms": "1500", "x-ratelimit-reset-requests": "2s"}
    )
    response = httpx.post(f"{simulator.url}/chat/completions", json=request)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1.5"
    assert response.headers["retry-after-ms"] == "1500"
    assert response.headers["x-ratelimit-reset-requests"] == "2s"
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert simulator.stats()["faults"] == {"status": 1, "headers": 1}


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503, 529])
@pytest.mark.parametrize("stream", [True, False])
def test_any_error_status_can_be_ordered(simulator: ServedSimulator, status: int, stream: bool) -> None:
    response = httpx.post(f"{simulator.url}/chat/completions", json=ordering(status=status) | {"stream": stream})
    assert response.status_code == status
    assert response.json()["error"]["type"]


@pytest.mark.parametrize(
    ("body", "kind", "content"),
    [
        ("json_error", "application/json", b'{"error":'),
        ("html", "text/html", b"<!DOCTYPE html>"),
        ("bare_done", "text/event-stream", b"data: [DONE]\n\n"),
        ("empty", "text/event-stream", b""),
    ],
)
def test_a_200_can_hold_no_stream_at_all(simulator: ServedSimulator, body: str, kind: str, content: bytes) -> None:
    response = httpx.post(f"{simulator.url}/chat/completions", json=ordering(body=body))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert response.content.startswith(content)
    assert simulator.stats()["faults"] == {"body": 1}


@pytest.mark.parametrize("stream", [True, False])
def test_the_finish_reason_and_the_usage_can_be_ordered(simulator: ServedSimulator, stream: bool) -> None:
    request = ordering(finish_reason="content_filter", usage={"total_tokens": 7}) | {"stream": stream}
    text = httpx.post(f"{simulator.url}/chat/completions", json=request).text
    assert '"finish_reason":"content_filter"' in text
    assert '"usage":{"total_tokens":7}' in text
    assert simulator.stats()["faults"] == {"finish_reason": 1, "usage": 1}


def test_usage_can_be_refused_to_those_who_ask(simulator: ServedSimulator) -> None:
    request = ordering(usage=False) | {"stream_options": {"include_usage": True}}
    chunks = events(httpx.post(f"{simulator.url}/chat/completions", json=request).text)
    assert all(chunk.get("usage") is None for chunk in chunks)
    assert simulator.stats()["faults"] == {"usage": 1}


def test_a_fault_can_be_over_after_so_many_requests_of_a_key(simulator: ServedSimulator) -> None:
    def status(key: str | None) -> int:
        request = ordering(status=503, times=2, key=key)
        return httpx.post(f"{simulator.url}/chat/completions", json=request).status_code

    assert [status("k") for _ in range(3)] == [503, 503, 200]
    assert [status(None) for _ in range(3)] == [503, 503, 200]
    assert simulator.stats()["by_key"]["k"] == 3
    assert simulator.stats()["faults"] == {"status": 4}


def test_the_orders_may_come_in_a_header(simulator: ServedSimulator) -> None:
    orders = json.dumps({"deltas": ABC, "cut_after": 1})
    assert contents(http_chunks(exchange(simulator.url, asking(), f"x-simulate: {orders}"))) == "a"
    assert simulator.stats()["faults"] == {"cut_after": 1}


@pytest.mark.parametrize(
    ("orders", "named"),
    [
        ({"cut_afte": 1}, "cut_afte"),
        ({"cut_after": -1}, "cut_after"),
        ({"body": "xml"}, "body"),
        ({"shapes": ["odd"]}, "shapes"),
        ({"status": 200}, "status"),
        ({"retry_after": 1}, "retry_after"),
        ({"headers": {"x": "a\r\nb"}}, "header"),
        ({"text": "a", "deltas": ["a"]}, "text"),
        ({"usage": True}, "usage"),
    ],
)
def test_orders_that_cannot_be_carried_out_are_refused_by_name(
    simulator: ServedSimulator, orders: dict[str, Any], named: str
) -> None:
    in_body = httpx.post(f"{simulator.url}/chat/completions", json=asking(simulate=orders))
    in_header = httpx.post(
        f"{simulator.url}/chat/completions", json=asking(), headers={"x-simulate": json.dumps(orders)}
    )
    for response in (in_body, in_header):
        assert response.status_code == 400
        assert named in response.json()["error"]["message"]
    assert simulator.stats()["requests"] == 0


def test_faults_of_a_stream_are_refused_for_a_response_in_one_piece(simulator: ServedSimulator) -> None:
    response = httpx.post(f"{simulator.url}/chat/completions", json=ordering(cut_after=1) | {"stream": False})
    assert response.status_code == 400
    assert "cut_after" in response.json()["error"]["message"]
