"""The subscriber of the raw channel that the documentation shows, run as it stands there: it has every byte."""

import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import cycle
from typing import Any

import pytest
import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from api.server import ApiServer
from jobs.live.channel import TextKind, channel_name, encode_delta, tail_key
from jobs.store.database import Database
from longhand import Client
from tests.api.watching import Writer, pieces, submit, wait_until
from tests.client.test_docs import blocks_of


class CountedClient(Client):
    """Counts how often a text was read from its row."""

    rows_read = 0

    def text(self, job_id: str, *, partial: bool = False, part: TextKind = "text") -> str:
        self.rows_read += 1
        return super().text(job_id, partial=partial, part=part)


class Subscriber:
    """The documented subscriber, in a thread. `rows_read`: how often the channel and the tail were not enough."""

    def __init__(self, redis_url: str, api_port: int, job_id: str) -> None:
        names: dict[str, Any] = {}
        [block] = blocks_of("channel.md")
        exec(compile(block, "channel.md", "exec"), names)  # noqa: S102  # the document is what is tested
        self._follow: Callable[..., Iterator[bytes]] = names["follow"]
        self.texts: list[bytes] = []
        self.rows_read = 0
        self._redis_url = redis_url
        self._url = f"http://127.0.0.1:{api_port}"
        self._job_id = job_id
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(lambda: bool(self.texts))

    def _run(self) -> None:
        again = Retry(ExponentialBackoff(), 10)
        with redis.Redis.from_url(self._redis_url, retry=again) as connected, CountedClient(self._url) as longhand:
            for text in self._follow(connected, longhand, self._job_id):
                self.rows_read = longhand.rows_read
                self.texts.append(text)

    def wait_for(self, text: str) -> None:
        """Wait until it has exactly this text."""
        wait_until(lambda: self.texts[-1] == text.encode())

    def end_equals(self, text: str) -> bool:
        """Whether the last text is this one, by its SHA-256."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return sha256(self.texts[-1]).digest() == sha256(text.encode()).digest()


class Played:
    """A job whose worker is played by the test."""

    def __init__(self, database: Database, client: redis.Redis, redis_url: str, port: int) -> None:
        self.client = client
        self._database = database
        self._redis_url = redis_url
        self._port = port
        self.job_id = submit(database, on_interrupt="continue")

    def write(self, *, continued: str = "") -> Writer:
        """The next attempt."""
        return Writer(self._database, self.client, self.job_id, continued=continued)

    def subscribe(self) -> Subscriber:
        """A subscriber that begins now, and is there."""
        return Subscriber(self._redis_url, self._port, self.job_id)


@pytest.fixture
def played(sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, redis_url: str) -> Played:
    return Played(sqlite_database, valkey_client, redis_url, sqlite_api.port)


def lose(writer: Writer, text: str) -> None:
    """A delta that is in the tail and whose message never came."""
    offset = len(writer.text.encode())
    writer.text += text
    assert writer.redis.append(tail_key(writer.job_id, writer.attempt), text) == offset + len(text.encode())


def test_the_subscriber_has_every_byte(played: Played) -> None:
    subscriber = played.subscribe()
    writer = played.write()
    writer.write(*pieces(200, seed=1))
    assert subscriber.end_equals(writer.finish())
    assert len(subscriber.texts) > 200
    assert subscriber.rows_read == 0


def test_a_late_subscriber_has_the_text_at_once_and_every_byte_after(played: Played) -> None:
    writer = played.write()
    writer.write(*pieces(50, seed=2))
    subscriber = played.subscribe()
    assert subscriber.texts[0].decode() == writer.text
    writer.write(*pieces(50, seed=3))
    assert subscriber.end_equals(writer.finish())
    assert subscriber.rows_read == 0


def test_subscribers_that_come_at_any_time_are_exact(played: Played) -> None:
    writer = played.write()
    enough = threading.Event()

    def write() -> None:
        for piece in cycle(pieces(2000, seed=4)):
            if enough.is_set():
                return
            writer.write(piece)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        subscribers = [played.subscribe() for _ in range(8)]  # each is there before the next one comes
    finally:
        enough.set()
        thread.join()
    text = writer.finish()
    assert all(subscriber.end_equals(text) and subscriber.rows_read == 0 for subscriber in subscribers)


def test_a_message_that_is_lost_is_read_from_the_tail(played: Played) -> None:
    writer = played.write()
    subscriber = played.subscribe()
    writer.write("The ", "pencil ")
    lose(writer, "蜂 of ")
    writer.write("wood")
    subscriber.wait_for("The pencil 蜂 of wood")
    assert b"The pencil " in subscriber.texts
    writer.write(" and lead")
    assert subscriber.end_equals(writer.finish())
    assert subscriber.rows_read == 0


def test_what_was_lost_at_the_very_end_is_read_from_the_row(played: Played) -> None:
    writer = played.write()
    subscriber = played.subscribe()
    writer.write("The pencil ")
    lose(writer, "of wood")
    assert subscriber.end_equals(writer.finish())
    assert subscriber.rows_read == 1


def test_a_connection_that_is_killed_costs_no_byte(played: Played) -> None:
    writer = played.write()
    subscriber = played.subscribe()
    writer.write("The pencil ")
    subscriber.wait_for("The pencil ")
    assert played.client.client_kill_filter(_type="pubsub") >= 1  # the API hears nothing: nobody watches there
    writer.write(*pieces(100, seed=5))
    subscriber.wait_for(writer.text)
    writer.write("the end")
    assert subscriber.end_equals(writer.finish())
    assert subscriber.rows_read == 0


def test_an_erased_redis_costs_no_byte(played: Played) -> None:
    writer = played.write()
    subscriber = played.subscribe()
    writer.write("The ", "pencil ")
    played.client.flushall()
    writer.write(*pieces(20, seed=6))
    assert writer.broken == 1
    assert subscriber.end_equals(writer.finish())
    assert subscriber.rows_read == 0


def test_attempts_that_begin_anew_and_that_go_on_are_exact_and_a_zombie_is_not_heard(played: Played) -> None:
    first = played.write()
    subscriber = played.subscribe()
    first.write("The void ")
    subscriber.wait_for("The void ")
    first.retry()
    second = played.write()
    second.write("The pencil ")
    subscriber.wait_for("The pencil ")
    played.client.publish(channel_name(played.job_id), encode_delta(1, 11, "a zombie's "))
    second.retry()
    third = played.write(continued=second.text)
    third.write("of wood")
    assert subscriber.end_equals(third.finish())
    assert subscriber.texts[-1] == b"The pencil of wood"
    assert not any(b"zombie" in text for text in subscriber.texts)
    assert subscriber.rows_read == 0


def test_a_subscriber_of_an_ended_job_has_the_stored_text(played: Played) -> None:
    writer = played.write()
    writer.write("The pencil")
    writer.finish()
    assert played.subscribe().end_equals("The pencil")
