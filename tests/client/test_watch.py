"""A watch by either client against a server that plays scripts: cuts, refusals, gone jobs, texts not as stored."""

import threading
import time
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from longhand import (
    BatchDone,
    BrokenTextError,
    Client,
    Delta,
    Done,
    InputError,
    NoAnswerError,
    NotFoundError,
    Reset,
    Status,
)
from longhand.client.events import Event
from longhand.client.following import Following, Texts
from tests.client.sent import DONE, ENDED, JOB, KINDS, RETRY, answer, delta, ended, sent, watched
from tests.conftest import free_port
from tests.upstream.scripted_upstream import Cut, Script, ScriptedUpstream, Wait, head

BATCH: Any = {"id": "batch_1", "object": "batch", "status": "completed"}
each_client = pytest.mark.parametrize("kind", KINDS)


def text_of(events: Iterable[Event], job_id: str = "job_1") -> str:
    """What the rule of a watch says that the text is."""
    text = ""
    for event in events:
        if isinstance(event, Delta) and event.job_id == job_id:
            text += event.text
        elif isinstance(event, Reset) and event.job_id == job_id:
            text = ""
    return text


@each_client
def test_a_watch_gives_typed_events_up_to_done(kind: str) -> None:
    body = sent("status", JOB, "1:0") + delta(0, "he") + sent("reset", {"attempt": 2}, "2:0") + delta(0, "hello", 2)
    with ScriptedUpstream([head(), body + DONE + delta(9, "never")]) as server:
        events = watched(kind, server.url, "job_1")
    assert events == [
        Status(JOB),
        Delta("job_1", 1, 0, "he"),
        Reset("job_1", 2),
        Delta("job_1", 2, 0, "hello"),
        Done(ENDED),
    ]
    assert server.last.path == "/v1/jobs/job_1/events"
    assert "last-event-id" not in server.last.headers


@each_client
def test_a_broken_watch_goes_on_at_its_cursor(kind: str) -> None:
    retries: list[str] = []
    scripts: tuple[Script, ...] = (
        [
            head(transfer_encoding="chunked"),
            b"%x\r\n%s\r\n" % (len(RETRY + delta(0, "he")), RETRY + delta(0, "he")),
            Cut(),
        ],
        [head(), RETRY + delta(2, "l"), b"id: 1:99\ndata: an event that was cut off"],
        [answer(503, {"error": {"message": "the database is away"}})],
        [head(), delta(3, "lo") + DONE],
    )
    with ScriptedUpstream(*scripts) as server:
        events = watched(kind, server.url, "job_1", on_retry=retries.append)
    assert [event.text for event in events if isinstance(event, Delta)] == ["he", "l", "lo"]
    assert server.exchanges[0].fired == ["Cut"]
    assert [exchange.headers.get("last-event-id") for exchange in server.exchanges] == [None, "1:2", "1:3", "1:3"]
    assert len(retries) == 3


@each_client
def test_a_watch_comes_back_no_sooner_than_the_server_wishes(kind: str) -> None:
    away = answer(503, {"error": {"message": "this server is going down"}}, retry_after="1")
    with ScriptedUpstream(
        [away], [head(), b"retry: 300\n\n" + delta(0, "hel")], [head(), delta(3, "lo") + DONE]
    ) as server:
        began = time.monotonic()
        events = watched(kind, server.url, "job_1")
    assert time.monotonic() - began >= 1.3
    assert text_of(events) == "hello"


@each_client
def test_a_watch_that_is_told_204_is_over(kind: str) -> None:
    with ScriptedUpstream([head(204)]) as server:
        assert watched(kind, server.url, "job_1") == []


@each_client
def test_a_watch_of_an_unknown_job_is_refused_at_once(kind: str) -> None:
    script = [answer(404, {"error": {"message": "no such job", "code": "not_found"}})]
    with ScriptedUpstream(script) as server:
        with pytest.raises(NotFoundError, match="no such job") as refused:
            watched(kind, server.url, "job_1")
        assert (refused.value.status, refused.value.code) == (404, "not_found")
        assert len(server.exchanges) == 1


@each_client
def test_a_job_that_is_deleted_under_its_watcher_is_a_typed_error(kind: str) -> None:
    gone = answer(404, {"error": {"message": "no such job", "code": "not_found"}})
    with ScriptedUpstream([head(), RETRY + delta(0, "he")], [gone]) as server:
        with pytest.raises(NotFoundError, match="no such job"):
            watched(kind, server.url, "job_1")
        assert len(server.exchanges) == 2


@each_client
def test_nothing_that_answers_at_first_is_told_at_once(kind: str) -> None:
    with pytest.raises(NoAnswerError, match="nothing answers at"):
        watched(kind, f"http://127.0.0.1:{free_port()}", "job_1")


@each_client
def test_a_watch_loses_patience_with_a_server_that_only_says_503(kind: str) -> None:
    away = answer(503, {"error": {"message": "the database is away"}})
    with ScriptedUpstream([head(), RETRY + delta(0, "he")], [away]) as server:
        with pytest.raises(Exception, match="the database is away"):
            watched(kind, server.url, "job_1", patience_seconds=1)
        assert len(server.exchanges) > 2


@each_client
@pytest.mark.parametrize(
    "wrong",
    [
        delta(0, "he") + delta(3, "lo"),  # a gap
        delta(0, "he") + delta(0, "hello"),  # a doubled text
        delta(0, "jello"),  # another text
        b"",  # none at all
    ],
)
def test_what_was_yielded_and_is_not_what_is_stored_is_mended_at_the_end(kind: str, wrong: bytes) -> None:
    with ScriptedUpstream([head(), wrong + DONE], [answer(200, "hello")]) as server:
        events = watched(kind, server.url, "job_1")
    assert events[-3:] == [Reset("job_1", 1), Delta("job_1", 1, 0, "hello"), Done(ENDED)]
    assert server.last.path == "/v1/jobs/job_1/text?partial=true"


@each_client
def test_a_mend_that_is_cut_is_made_on_the_next_connection(kind: str) -> None:
    scripts: tuple[Script, ...] = (
        [head(), RETRY + delta(0, "x") + DONE],
        [Cut()],
        [Cut()],
        [head(), DONE],
        [answer(200, "hello")],
    )
    with ScriptedUpstream(*scripts) as server:
        events = watched(kind, server.url, "job_1")
    assert text_of(events) == "hello"
    assert [exchange.fired for exchange in server.exchanges[1:3]] == [["Cut"], ["Cut"]]
    assert server.exchanges[3].headers["last-event-id"] == "1:1"


@each_client
def test_a_stored_text_that_is_not_what_its_job_says_is_an_error(kind: str) -> None:
    with ScriptedUpstream([head(), DONE], [answer(200, "jello")]) as server:
        with pytest.raises(
            BrokenTextError, match="job_1: 5 bytes are stored, and they are not the 5 bytes with SHA-256"
        ):
            watched(kind, server.url, "job_1")
        assert len(server.exchanges) == 2


@each_client
def test_each_job_of_a_batch_is_proved_on_its_own_and_once(kind: str) -> None:
    first, second = ended("hello", "job_1"), ended("bye", "job_2")

    def deltas(job_id: str, text: str, cursor: str) -> bytes:
        return sent("deltas", {"deltas": [{"id": job_id, "attempt": 1, "offset": 0, "text": text}]}, cursor)

    scripts: tuple[Script, ...] = (
        [head(), RETRY + deltas("job_1", "hello", "a") + sent("jobs", {"jobs": [first]}, "b")],
        # What was shown as ended is shown again, and one job has another text than the stored one.
        [head(), deltas("job_2", "BYE", "c") + sent("jobs", {"jobs": [first, second]}, "d") + sent("done", BATCH, "e")],
        [answer(200, "bye")],
    )
    with ScriptedUpstream(*scripts) as server:
        events = watched(kind, server.url, "batch_1")
    assert [exchange.path for exchange in server.exchanges] == [
        "/v1/batches/batch_1/events?deltas=true",
        "/v1/batches/batch_1/events?deltas=true",
        "/v1/jobs/job_2/text?partial=true",
    ]
    assert (text_of(events, "job_1"), text_of(events, "job_2")) == ("hello", "bye")
    assert isinstance(events[-1], BatchDone)


@each_client
def test_a_batch_is_watched_without_texts_or_with_those_that_run(kind: str) -> None:
    body = sent("jobs", {"jobs": [ended("hello")]}, "a") + sent("done", BATCH, "b")
    with ScriptedUpstream([head(), body]) as server:
        wanted: tuple[Texts, ...] = ("none", "running")
        for texts in wanted:
            events = watched(kind, server.url, "batch_1", texts=texts)
            assert events == [Done(ended("hello")), BatchDone(BATCH)]
        assert [exchange.path.partition("?")[2] for exchange in server.exchanges] == ["", "deltas=true&texts=running"]
        with pytest.raises(InputError, match="texts is one of all, running, none, not 'some'"):
            watched(kind, server.url, "batch_1", texts="some")  # type: ignore[arg-type]  # that is the test


@each_client
def test_a_watch_that_is_left_gives_up_its_connection(kind: str) -> None:
    with ScriptedUpstream([head(), RETRY + delta(0, "he"), Wait(threading.Event())]) as server:
        assert watched(kind, server.url, "job_1", first=1) == [Delta("job_1", 1, 0, "he")]
        assert server.last.gone.wait(10)


def test_a_watch_loses_patience_with_a_server_that_stays_away() -> None:
    go_on = threading.Event()
    with ScriptedUpstream([head(), RETRY + delta(0, "he"), Wait(go_on)]) as server:
        client = Client(server.url, patience_seconds=0.05)
        watch = client.watch("job_1")
        assert next(watch) == Delta("job_1", 1, 0, "he")
        go_on.set()
    with client, pytest.raises(NoAnswerError, match="nothing answers at"):
        list(watch)


def test_a_watch_of_a_client_that_is_closed_ends() -> None:
    go_on = threading.Event()
    with ScriptedUpstream([head(), RETRY + delta(0, "he"), Wait(go_on)]) as server:
        client = Client(server.url)
        watch = client.watch("job_1")
        assert next(watch) == Delta("job_1", 1, 0, "he")
        client.close()
        go_on.set()
        with pytest.raises(NoAnswerError):
            list(watch)
    with pytest.raises(NoAnswerError, match="the client was closed"):
        list(client.watch("job_1"))


def test_a_watch_holds_a_hash_and_not_the_text() -> None:
    follow = Following("job_1", texts="all", patience_seconds=60, on_retry=lambda _: None)
    follow.call()
    piece = "x" * 16384
    tracemalloc.start()
    try:
        for number in range(1000):
            for _ in follow.feed(delta(number * len(piece), piece)):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    done = sent("done", ended(piece * 1000), "1:16384000:completed")
    assert [type(event) for event in follow.feed(done)] == [Done]
    assert follow.ended
