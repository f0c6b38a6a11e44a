"""The simulator as a healthy upstream: OpenAI's wire, at an even pace, with honest statistics."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from longhand.simulator import Pace, ServedSimulator, Simulator, serve_in_thread
from longhand.simulator.stats import LATE_SECONDS
from tests.simulator.wire import (
    UNPACED,
    address,
    asking,
    events,
    exchange,
    http_chunks,
    post,
    receive_until,
    text_of,
)


@pytest.fixture
def simulator() -> Iterator[ServedSimulator]:
    with serve_in_thread(UNPACED) as served:
        yield served


def test_a_stream_is_what_openai_sends(simulator: ServedSimulator) -> None:
    request = asking(stream_options={"include_usage": True})
    response = httpx.post(f"{simulator.url}/chat/completions", json=request)
    chunks = events(response.text)

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-request-id"].startswith("req_")
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in chunks} == {
        (chunks[0]["id"], "chat.completion.chunk", "m")
    }
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert chunks[-1]["choices"] == []
    usage = chunks[-1]["usage"]
    assert usage["completion_tokens"] == len(chunks) - 3
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


def test_usage_is_sent_only_to_those_who_ask(simulator: ServedSimulator) -> None:
    chunks = events(httpx.post(f"{simulator.url}/chat/completions", json=asking()).text)
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)


def test_a_response_in_one_piece_has_the_text_and_usage_of_the_stream(simulator: ServedSimulator) -> None:
    streamed = events(
        httpx.post(f"{simulator.url}/chat/completions", json=asking(stream_options={"include_usage": True})).text
    )
    whole = httpx.post(f"{simulator.url}/chat/completions", json=asking(stream=False)).json()
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"]["content"] == text_of(streamed)
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"] == streamed[-1]["usage"]


def test_each_delta_is_an_http_chunk_of_its_own(simulator: ServedSimulator) -> None:
    raw = exchange(simulator.url, asking(simulate={"deltas": ["one", " two", "\ud83d", "\ude00", "\x00", ""]}))
    chunks = http_chunks(raw)
    contents = [json.loads(chunk.removeprefix(b"data: "))["choices"][0]["delta"]["content"] for chunk in chunks[1:7]]
    assert contents == ["one", " two", "\ud83d", "\ude00", "\x00", ""]
    assert chunks[-2:] == [b"data: [DONE]\n\n", b""]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_limit_cuts_the_text_and_says_length(simulator: ServedSimulator, field: str, stream: bool) -> None:
    request = asking(stream=stream, simulate={"deltas": ["a", "b", "c"]}) | {field: 2}
    response = httpx.post(f"{simulator.url}/chat/completions", json=request)
    if stream:
        chunks = events(response.text)
        assert (text_of(chunks), chunks[-1]["choices"][0]["finish_reason"]) == ("ab", "length")
    else:
        choice = response.json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("ab", "length")


def test_a_text_that_just_fits_its_limit_is_not_cut(simulator: ServedSimulator) -> None:
    request = asking(max_tokens=3, simulate={"deltas": ["a", "b", "c"]})
    chunks = events(httpx.post(f"{simulator.url}/chat/completions", json=request).text)
    assert (text_of(chunks), chunks[-1]["choices"][0]["finish_reason"]) == ("abc", "stop")


def test_a_retry_writes_the_same_text_and_another_prompt_another_text(simulator: ServedSimulator) -> None:
    def text(prompt: str) -> str:
        return text_of(events(httpx.post(f"{simulator.url}/chat/completions", json=asking(prompt)).text))

    assert text("about bees") == text("about bees") != text("about wasps")


def test_deltas_come_on_an_absolute_schedule() -> None:
    with serve_in_thread(Pace(deltas_per_second=200, first_delta_seconds=0.1)) as simulator:
        began = time.monotonic()
        httpx.post(f"{simulator.url}/chat/completions", json=asking(simulate={"deltas": ["x"] * 101}))
        seconds = time.monotonic() - began
        assert seconds >= 0.1 + 101 / 200
        stats = simulator.stats()
    assert stats["deltas_sent"] == 101
    # Late is what this machine was kept from doing in time, and no more than that.
    assert (stats["late_deltas"] > 0) == (stats["max_late_ms"] > 1000 * LATE_SECONDS)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"model": "m"}', "messages"),
        (b'{"model": "m", "messages": []}', "messages"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "model"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": "9"}', "max_tokens"),
    ],
)
def test_a_bad_request_is_refused_in_openais_form(simulator: ServedSimulator, body: bytes, param: str | None) -> None:
    response = httpx.post(f"{simulator.url}/chat/completions", content=body)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["param"] == param
    assert "x-request-id" in response.headers


def test_what_is_not_served_is_404_or_405(simulator: ServedSimulator) -> None:
    assert httpx.get(f"{simulator.url}/files").status_code == 404
    assert httpx.get(f"{simulator.url}/chat/completions").status_code == 405
    assert httpx.get(f"{simulator.url}/models").json()["data"][0]["object"] == "model"


def test_a_connection_is_kept_for_the_next_request(simulator: ServedSimulator) -> None:
    with socket.create_connection(address(simulator.url)) as connection:
        for _ in range(2):
            connection.sendall(post(asking()))
            assert receive_until(connection, b"0\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    simulator.wait_until(lambda stats: stats["completed"] == 2)


def test_a_client_that_leaves_is_seen_at_once() -> None:
    with serve_in_thread(Pace(deltas_per_second=50, first_delta_seconds=0)) as simulator:
        with socket.create_connection(address(simulator.url)) as connection:
            connection.sendall(post(asking("write 5000 words")))
            receive_until(connection, b'"content"')
        left = time.monotonic()
        stats = simulator.wait_until(lambda stats: stats["clients_gone"] == 1, timeout_seconds=10)
    assert stats["running"] == 0
    assert left - 1 < stats["last"]["client_gone"]["monotonic"] < left + 2


class Clock:
    """Stands in for `time` where the simulator keeps its schedule: time passes only when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def reach(self, delta: int) -> None:
        """Let it be 5 ms after the time of a delta, at 100 deltas per second."""
        self.now = 1000.005 + delta / 100


def test_a_simulator_that_falls_behind_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("longhand.simulator.stream.time", clock)
    monkeypatch.setattr("longhand.simulator.connection.time", clock)

    async def fall_behind() -> Simulator:
        simulator = Simulator(Pace(deltas_per_second=100, first_delta_seconds=0))
        await simulator.start()
        reader, writer = await asyncio.open_connection(*address(simulator.url))
        writer.write(post(asking(simulate={"deltas": ["x"] * 50})))
        await reader.readuntil(b"\r\n\r\n")
        clock.reach(0)
        await reader.readuntil(b'"content":"x"')
        # From here on no turn of the loop for 0.3 s.
        clock.reach(30)
        for _ in range(30):
            await reader.readuntil(b'"content":"x"')
        for delta in range(31, 50):
            clock.reach(delta)
            await reader.readuntil(b'"content":"x"')
        clock.reach(50)
        await reader.readuntil(b"[DONE]")
        writer.close()
        await simulator.stop()
        return simulator

    stats = asyncio.run(fall_behind()).stats.snapshot()
    # Deltas 1 to 30 were due between 295 and 5 ms before; the first 20 of them more than 100 ms.
    assert (stats["deltas_sent"], stats["late_deltas"], stats["max_late_ms"]) == (50, 20, 295)


def test_stats_can_be_read_and_reset_over_http(simulator: ServedSimulator) -> None:
    server = simulator.url.removesuffix("/v1")
    httpx.post(f"{simulator.url}/chat/completions", json=asking(simulate={"key": "k"}))
    assert httpx.get(f"{server}/stats").json()["by_key"] == {"k": 1}
    assert httpx.post(f"{server}/stats/reset").json()["requests"] == 0


def test_an_address_that_is_taken_is_an_error() -> None:
    async def start_twice() -> None:
        first, second = Simulator(), Simulator()
        await first.start()
        try:
            await second.start(port=address(first.url)[1])
        finally:
            await first.stop()

    with pytest.raises(OSError, match="in use"):
        asyncio.run(start_twice())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_in_the_middle_of_a_stream(number: signal.Signals) -> None:
    code = (
        "from longhand.simulator import *;"
        " run_simulators('127.0.0.1', [Upstream()], lambda urls: print(*urls, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        with socket.create_connection(address(url)) as connection:
            connection.sendall(post(asking("write 5000 words")))
            receive_until(connection, b'"content"')
            run.send_signal(number)
            _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (0, "")
