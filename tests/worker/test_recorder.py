"""The recorder against a real Valkey: each delta is told once, in order, and stands in the tail before it is told."""

import asyncio
from typing import Any

import pytest
import redis as redis_py

from jobs.live.channel import encode_done, tail_key
from tests.conftest import free_port
from tests.worker.ear import Ear, listening
from tests.worker.one_recording import JOB, PIECES, OneRecording, counting_warnings, recording_on, tail_of
from tests.worker.worker_fixtures import PATIENCE_SECONDS
from worker import recorder as recorder_module


def test_every_delta_is_told_once_in_order_and_is_in_the_tail_before_it_is_told(redis_url: str, ear: Ear) -> None:
    with recording_on(redis_url) as one:
        one.add(*PIECES)
        ear.wait_for_bytes(len(one.recording.text))
        assert ear.text(1) == "".join(PIECES) == one.text
        assert [message.text for message in ear.deltas(1)] == PIECES
        assert ear.messages[0].event == "started"
    assert ear.short_tails == []


def test_an_attempt_that_goes_on_writes_the_text_before_it_into_its_own_tail(
    redis_url: str, ear: Ear, valkey_client: redis_py.Redis
) -> None:
    with recording_on(redis_url, text="Before – ") as one:
        one.add("after")
        ear.wait_for_bytes(len(one.recording.text))
    assert tail_of(valkey_client) == "Before – after"
    assert ear.wait_for_event("started")[-1].attempt == 1
    started = next(message for message in ear.messages if message.event == "started")
    assert started.offset == len("Before – ".encode())
    assert ear.short_tails == []


def test_a_tail_expires_some_time_after_the_last_write(redis_url: str, ear: Ear, valkey_client: redis_py.Redis) -> None:
    with recording_on(redis_url, tail_seconds=600) as one:
        ear.wait_for_event("started")  # told before there is a tail whose time could be set
        one.add("text")
        ear.wait_for_bytes(4)
        assert 590 <= int(valkey_client.ttl(tail_key(JOB, 1))) <= 600


def test_many_recordings_share_one_call(redis_url: str, valkey_client: redis_py.Redis) -> None:
    with recording_on(redis_url) as one, listening(redis_url, "job_49") as last:

        async def write() -> None:
            others = [one.recorder.open(f"job_{number}", 1) for number in range(50)]
            for piece in PIECES[:40]:
                for other in others:
                    other.add(piece)

        valkey_client.config_resetstat()
        one.loop.run(write())
        last.wait_for_bytes(len("".join(PIECES[:40]).encode()))
        stats: Any = valkey_client.info("commandstats")
        calls, published = stats["cmdstat_evalsha"]["calls"], stats["cmdstat_publish"]["calls"]
    assert published >= 50 * 41
    assert calls <= 3


def test_an_idle_process_tells_a_single_delta_at_once(
    redis_url: str, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With so long a pause before it, a delta would not be heard in the time that the ear waits for it.
    monkeypatch.setattr(recorder_module, "MAX_PAUSE_SECONDS", 10 * PATIENCE_SECONDS)
    with recording_on(redis_url) as one:
        one.add("one")
        ear.wait_for_bytes(3)


@pytest.mark.parametrize("turns", range(8))
def test_closing_tells_what_is_due_whatever_is_under_way(
    redis_url: str, ear: Ear, valkey_client: redis_py.Redis, turns: int
) -> None:
    one = OneRecording(redis_url)

    async def end() -> None:
        one.recording.add("the text")
        for _ in range(turns):
            await asyncio.sleep(0)
        one.recording.publish(encode_done(1, "completed", 8, ""))
        await one.recorder.aclose()

    one.loop.run(end())
    one.loop.close()
    assert tail_of(valkey_client) == "the text"
    ear.wait_for_event("done")
    assert any(message.event == "started" for message in ear.messages)


def test_a_tail_can_be_read_back_and_is_empty_when_redis_is_away(redis_url: str, ear: Ear) -> None:
    with recording_on(redis_url) as one:
        one.add(*PIECES)
        ear.wait_for_bytes(len(one.recording.text))
        assert one.loop.run(one.recorder.read_tails(JOB, 1)) == ("".join(PIECES), "")
        assert one.loop.run(one.recorder.read_tails(JOB, 2)) == ("", "")
    with (
        recording_on(f"redis://127.0.0.1:{free_port()}") as one,
        counting_warnings("tail not read") as wait_for_warnings,
    ):
        assert one.loop.run(one.recorder.read_tails(JOB, 1)) == ("", "")
        wait_for_warnings(1)
