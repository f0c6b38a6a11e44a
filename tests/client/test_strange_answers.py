"""Whatever answers in the place of Longhand, a command ends with a sentence, and a client keeps no more than it may."""

import gzip
import json
import tracemalloc
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from longhand import Client, LonghandError, RefusedError, StrangeAnswerError
from longhand.cli import command
from longhand.client import answers, event_decoder, following, lines
from longhand.client.event_decoder import EventDecoder
from longhand.words.catalogue import speak
from tests.client.sent import ENDED, JOB, KINDS, answer, delta, sent, watched
from tests.client.typers_words import keep_typers_words
from tests.upstream.scripted_upstream import Flood, Script, ScriptedUpstream, head

COMMANDS = (
    "show job_1", "show batch_1", "jobs", "batches", "status", "cancel job_1", "retry batch_1", "delete --yes job_1",
    "watch job_1", "watch batch_1", "watch batch_1 --text", "watch --json batch_1", "pause batch_1", "resume batch_1",
    "results job_1 -o out", "results batch_1 -o out", "submit Write. --model m", "upstreams", "webhooks list",
)  # fmt: skip
NO_ANSWERS = {
    "no JSON": b"<html>",
    "no text": b"\xff\xfe\x00{",
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "a list of numbers": b'{"data": [1], "has_more": true, "last_id": 3, "id": 5, "status": [], "object": "batch"}',
    "a list of empty jobs": b'{"data": [{}], "has_more": true, "last_id": "job_1", "object": "job", "status": null}',
    "depth": b"[" * 100_000,
    "a number that is too long": b'{"data": ' + b"9" * 5000 + b"}",
    "a time that is none": json.dumps({**ENDED, "created_at": 1e300, "request": 1, "attempts": 7}).encode(),
}
WRONG_EVENTS = {
    "no JSON": b"event: delta\ndata: {\n\n",
    "a list": b"event: status\ndata: []\n\n",
    "a delta of nothing": sent("delta", {}, "1:0"),
    "a delta with a number for a text": sent("delta", {"attempt": 1, "offset": 0, "text": 7}, "1:0"),
    "jobs that are numbers": sent("jobs", {"jobs": [1, 2]}, "1:0"),
    "an end without an id": sent("done", {"status": "completed"}, "1:0"),
    "an end whose length is a text": sent("done", {**ENDED, "bytes": "five"}, "1:0"),
    "reasoning without a length": sent("done", {**ENDED, "reasoning": {}}, "1:0"),
    "a batch that is null": sent("batch", None, "1:0"),
    "progress without counts": sent("progress", {"status": "in_progress"}, "1:0"),
    "an id without end": sent("reset", {"id": "j" * 1000, "attempt": 1}, "1:0"),
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    keep_typers_words(monkeypatch)
    yield
    speak("en")


def run(server: ScriptedUpstream, words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("LONGHAND_URL", server.url)
    return command.run(words.split())


def say(body: bytes, commands: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> int:
    """How many of the commands say that this is no answer; the others find nothing wrong with it."""
    said_so = 0
    script = [head(200, "application/json", content_length=str(len(body)), connection="close") + body]
    with ScriptedUpstream(script) as server:
        for words in commands:
            assert run(server, words, monkeypatch) in (0, 1), words
            said = capsys.readouterr().err
            assert "Traceback" not in said, words
            said_so += "the answer is none of Longhand's" in said
    return said_so


def test_every_command_says_in_a_sentence_that_an_answer_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(b'{"data": [{}], "id": 5}', COMMANDS, monkeypatch, capsys) > len(COMMANDS) // 2


@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_whatever_is_wrong_with_an_answer_is_said(
    body: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(body, ["show job_1", "jobs"], monkeypatch, capsys)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("event", WRONG_EVENTS.values(), ids=WRONG_EVENTS)
def test_a_watch_says_so_of_an_event(
    event: bytes, language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGHAND_LANG", language)
    with ScriptedUpstream([head(), event]) as server:
        assert run(server, "watch job_1", monkeypatch) == 1
    assert ("是 Longhand 的" if language == "zh" else "none of Longhand's") in capsys.readouterr().err


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_takes_no_more_memory_than_is_allowed(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 2_000_000
    monkeypatch.setattr("longhand.client.client.AnswerBody", lambda _=most: answers.AnswerBody(most))
    endless: Script = [head(status, "application/json", connection="close"), Flood(b"[" * 65_536, 1_000_000_000)]
    with ScriptedUpstream(endless) as server, Client(server.url) as client:
        tracemalloc.start()
        with pytest.raises(StrangeAnswerError, match="longer than 2000000 bytes"):
            client.read("job_1")
        assert tracemalloc.get_traced_memory()[1] < 4 * most
        tracemalloc.stop()


def test_an_event_or_a_line_without_end_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_decoder, "MOST_EVENT_BYTES", 1000)
    monkeypatch.setattr(lines, "MOST_ANSWER_BYTES", 1000)
    for piece in (b"data: x", b"data:\n", b"data: abc\n"):
        decoder = EventDecoder()
        with pytest.raises(StrangeAnswerError, match="an event is longer than 1000 bytes"):
            deque(map(decoder.feed, repeat(piece, 1000)), maxlen=0)
    with pytest.raises(StrangeAnswerError, match="a line is longer than 1000 bytes"):
        deque(map(lines.LineSplitter().feed, repeat(b"abc", 1000)), maxlen=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_watch_knows_so_many_jobs_and_no_more(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST_JOBS", 3)
    resets = b"".join(sent("reset", {"id": f"job_{n}", "attempt": 1}, "x") for n in range(9))
    with ScriptedUpstream([head(), resets]) as server, pytest.raises(StrangeAnswerError, match="more than 3 jobs"):
        watched(kind, server.url, "batch_1")


def test_what_was_packed_twice_is_not_unpacked() -> None:
    bomb = gzip.compress(gzip.compress(b"[" * 1_000_000))
    packed = head(200, "application/json", content_encoding="gzip, gzip", connection="close") + bomb
    with ScriptedUpstream([packed]) as server, Client(server.url) as client:
        with pytest.raises(StrangeAnswerError, match="its encoding is 'gzip, gzip'"):
            client.read("job_1")
        assert server.last.headers["accept-encoding"] == "gzip, deflate"


def test_what_is_packed_once_is_read_and_what_only_says_so_is_an_error() -> None:
    packed = gzip.compress(json.dumps(JOB).encode())
    for body in (packed, zlib.compress(b"{")[:4]):
        script = head(200, "application/json", content_encoding="gzip", connection="close") + body
        with ScriptedUpstream([script]) as server, Client(server.url) as client:
            if body is packed:
                assert client.read("job_1") == JOB
            else:
                with pytest.raises(LonghandError, match="did not answer to the end"):
                    client.read("job_1")


def test_a_page_that_has_more_than_was_asked_for_is_the_last_one() -> None:
    page = answer(200, {"data": [{"id": f"job_{n}"} for n in range(9)], "has_more": True, "last_id": "job_8"})
    with ScriptedUpstream([page]) as server, Client(server.url) as client:
        assert len(list(client.jobs(limit=4))) == 4


def test_no_server_lets_a_client_wait_for_ever() -> None:
    decoder = EventDecoder()
    decoder.feed(b"retry: " + b"9" * 5000 + b"\n" + delta(0, "a"))
    assert decoder.retry_seconds == answers.LONGEST_WAIT_SECONDS
    error = {"error": {"message": "later", "code": "away", "param": None}}
    with ScriptedUpstream([answer(429, error, retry_after="9" * 400)]) as server, Client(server.url) as client:
        with pytest.raises(RefusedError) as refused:
            client.read("job_1")
        assert refused.value.retry_after_seconds == answers.LONGEST_WAIT_SECONDS
