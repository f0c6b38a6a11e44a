"""The three clocks: none of them is moved by comments, and none costs a stream that goes on."""

import asyncio
import gc
import threading
import time
import weakref

import pytest

from tests.upstream.reading import BODY, read, run_with
from tests.upstream.scripted_upstream import (
    DONE,
    FINISH,
    PATIENCE_SECONDS,
    ROLE,
    USAGE,
    Linger,
    Script,
    ScriptedUpstream,
    Signal,
    Stall,
    Wait,
    chunk,
    event,
    head,
    http_chunk,
    text,
)
from worker.upstream import Clocks, Upstream
from worker.upstream.clocks import Watchdog
from worker.upstream.errors import ClockRanOut, NoFirstDelta, Stalled, TookTooLong

COMMENT = http_chunk(b": keep-alive\n\n")
EMPTY = http_chunk(chunk({"content": ""}) + event({"choices": []}))


def run_out(clocks: Clocks, *script: bytes | Stall) -> tuple[ClockRanOut, list[str]]:
    """The clock error of an upstream that stalls, once it has hung up, and the text until then."""
    pieces: list[str] = []
    with ScriptedUpstream([head(transfer_encoding="chunked"), *script]) as upstream:
        with pytest.raises(ClockRanOut) as caught:
            read(upstream.url, pieces, clocks=clocks)
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert upstream.last.fired == ["Stall"]
    return caught.value, pieces


@pytest.mark.parametrize("idle", [b"", COMMENT, EMPTY])
def test_an_upstream_that_writes_no_first_delta_in_time_fails(idle: bytes) -> None:
    error, pieces = run_out(Clocks(first_delta_seconds=0.2), http_chunk(ROLE), Stall(idle))
    assert type(error) is NoFirstDelta
    assert error.retryable
    assert "`first_delta_seconds` in the upstreams file, or LONGHAND_FIRST_DELTA_SECONDS" in error.message
    assert pieces == []


def test_an_upstream_that_does_not_answer_at_all_fails_as_well() -> None:
    with ScriptedUpstream([Stall()]) as upstream, pytest.raises(NoFirstDelta):
        read(upstream.url, [], clocks=Clocks(first_delta_seconds=0.2))
    assert upstream.last.fired == ["Stall"]


@pytest.mark.parametrize("idle", [b"", COMMENT, EMPTY])
def test_an_upstream_that_stalls_between_deltas_fails(idle: bytes) -> None:
    error, pieces = run_out(Clocks(between_deltas_seconds=0.2), http_chunk(text("One")), Stall(idle))
    assert type(error) is Stalled
    assert error.retryable
    assert "`between_deltas_seconds` in the upstreams file, or LONGHAND_BETWEEN_DELTAS_SECONDS" in error.message
    assert pieces == ["One"]
    assert error.ending is not None
    assert error.ending.upstream_id == "chatcmpl-1"


@pytest.mark.parametrize("delta", [{"content": "x"}, {"reasoning_content": "hm"}, {"tool_calls": [{"index": 0}]}])
def test_the_total_ends_a_stream_that_goes_on_and_on(delta: object) -> None:
    clocks = Clocks(first_delta_seconds=10, between_deltas_seconds=10, total_seconds=0.5)
    error, _ = run_out(clocks, Stall(http_chunk(chunk(delta))))
    assert type(error) is TookTooLong
    assert "`total_seconds` in the upstreams file, or LONGHAND_TOTAL_SECONDS" in error.message


@pytest.mark.parametrize("delta", [{"reasoning_content": "hm"}, {"tool_calls": [{"index": 0}]}, {"content": "x"}])
def test_any_content_moves_the_clocks_between_deltas(delta: object) -> None:
    # Deltas 20 ms apart for longer than the clock that would stop them, if they did not count.
    clocks = Clocks(first_delta_seconds=10, between_deltas_seconds=2, total_seconds=3)
    error, _ = run_out(clocks, Stall(http_chunk(chunk(delta))))
    assert type(error) is TookTooLong


def test_after_the_finish_reason_a_stall_is_no_error() -> None:
    pieces: list[str] = []
    finished = [http_chunk(text("One") + FINISH), http_chunk(USAGE)]
    script: Script = [head(transfer_encoding="chunked"), *finished, Stall(COMMENT)]
    with ScriptedUpstream(script) as upstream:
        ending = read(upstream.url, pieces, clocks=Clocks(after_finish_seconds=1))
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert upstream.last.fired == ["Stall"]
    assert (pieces, ending.finish_reason) == (["One"], "stop")
    assert ending.usage is not None


@pytest.mark.parametrize("cancel_after_seconds", [0.1, 0.3])
def test_a_cancel_wins_over_a_clock_that_runs_out_in_the_same_turn_of_the_loop(cancel_after_seconds: float) -> None:
    async def story(upstream: Upstream) -> None:
        reading = asyncio.Event()
        task = asyncio.create_task(upstream.stream(BODY, lambda _: reading.set()))
        await asyncio.wait_for(reading.wait(), PATIENCE_SECONDS)
        asyncio.get_running_loop().call_later(cancel_after_seconds, task.cancel)
        time.sleep(0.5)  # noqa: ASYNC251 - the loop must stand still until both timers are due
        with pytest.raises(asyncio.CancelledError):
            await task

    with ScriptedUpstream([head(transfer_encoding="chunked"), http_chunk(text("x")), Stall()]) as server:
        run_with(server.url, Clocks(between_deltas_seconds=0.2), story)
    assert server.last.fired == ["Stall"]


def test_a_request_that_waits_while_an_earlier_one_is_written_is_not_cut() -> None:
    """One slot: the second text begins when the first has ended, after twice the clock for a first delta."""
    written = threading.Event()
    first: Script = [head(), text("One."), Linger(1.5), text("One more."), Linger(1.5), FINISH, DONE, Signal(written)]
    second: Script = [Wait(written), head(), text("Two."), FINISH, DONE]
    pieces: list[str] = []

    async def story(upstream: Upstream) -> None:
        begun = asyncio.Event()
        ahead = asyncio.create_task(upstream.stream(BODY, lambda _: begun.set()))
        await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
        await upstream.stream(BODY, pieces.append)
        await ahead

    with ScriptedUpstream(first, second) as server:
        run_with(server.url, Clocks(first_delta_seconds=2), story)
    assert [exchange.fired for exchange in server.exchanges] == [["Linger", "Linger", "Signal"], ["Wait"]]
    assert pieces == ["Two."]


def test_a_request_that_is_lost_is_found_although_later_ones_are_written() -> None:
    arrived = threading.Event()

    async def story(upstream: Upstream) -> None:
        lost = asyncio.create_task(upstream.stream(BODY, lambda _: None))
        assert await asyncio.to_thread(arrived.wait, PATIENCE_SECONDS)
        later = asyncio.create_task(upstream.stream(BODY, lambda _: None))
        with pytest.raises(NoFirstDelta):
            await lost
        assert not later.done()
        later.cancel()

    with ScriptedUpstream([Signal(arrived), Stall()], [head(), Stall(text("x"))]) as server:
        run_with(server.url, Clocks(first_delta_seconds=1), story)
    assert [exchange.fired for exchange in server.exchanges] == [["Signal", "Stall"], ["Stall"]]


def test_a_request_that_ended_is_forgotten_by_those_behind_it() -> None:
    async def story() -> None:
        task = asyncio.current_task()
        assert task is not None
        ahead = Watchdog(Clocks(), task)
        behind = Watchdog(Clocks(), task, (ahead,))
        forgotten = weakref.ref(ahead)
        behind.note_delta()
        ahead.end()
        behind.stop()
        del ahead
        gc.collect()
        assert forgotten() is None

    asyncio.run(story())
