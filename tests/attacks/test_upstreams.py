"""Upstreams that mean harm, or echo a prompt of somebody who does: what they say is read in linear time, and what they
state is believed within reason. The worker's other streams depend on it.
"""

import json
import math
import struct
import time
from datetime import UTC, datetime

import msgspec
import pytest

from jobs.pace.rate import Rate
from jobs.pace.reports import Observed
from worker.upstream import sse
from worker.upstream.errors import UpstreamError
from worker.upstream.failures import error_of_object, error_of_status
from worker.upstream.lean import is_whole_object
from worker.upstream.retry_after import LONGEST_WAIT_SECONDS, read_rate_limits, read_retry_after
from worker.upstream.tool_calls import ToolCalls

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NINES = "9" * 400


@pytest.mark.parametrize(
    "words",
    [
        "9" * 20_000,
        "reset" * 8000,
        "again in " + "1" * 20_000,
        "again" + " " * 20_000,
        "9." * 10_000,
        "again in " + "1s " * 9000,
    ],
    ids=lambda words: words[:12],
)
def test_what_an_error_says_is_searched_in_linear_time(words: str) -> None:
    """Before, the first of these kept a worker from everything else, its heartbeats too, for a minute and more."""
    began = time.process_time()
    error: UpstreamError = error_of_object({"message": words, "detail": [{"msg": words}]})
    body = json.dumps({"error": {"message": words, "code": words}}).encode()
    refusal = error_of_status(400, body, retry_after_seconds=None, location=None)
    assert time.process_time() - began < 2  # of this process
    assert words[:5] in error.message
    assert words[:5] in refusal.message


@pytest.mark.parametrize("line", [b"data:}\n", b"event: x}\n"])
def test_an_event_of_many_lines_is_not_read_again_for_each(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, 70 kB of them after one long line took a worker a minute and more."""
    looks: list[int] = []

    def count(text: bytes) -> bool:
        looks.append(len(text))
        return is_whole_object(text)

    monkeypatch.setattr("worker.upstream.sse_objects.is_whole_object", count)
    parser = sse.SSEParser()
    assert parser.feed(b': x\n\ndata: {"a": "%b", "b": [}\n' % (b"x" * 100_000)) == []
    assert parser.feed(line * 10_000) == []
    assert 0 < sum(looks) < 100 * 200_000  # it was looked, and not each time
    assert parser.feed(b'\n\ndata: {"c": 1}\ndata: {"d": 1}\n\n')[-2:] == [b'{"c": 1}', b'{"d": 1}']


def test_lines_that_only_look_like_objects_are_not_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, a megabyte of them took a worker one and a half seconds, as an answer may bring again and again."""
    looks: list[bytes] = []

    def count(text: bytes) -> bool:
        looks.append(text)
        return is_whole_object(text)

    monkeypatch.setattr("worker.upstream.sse_objects.is_whole_object", count)
    parser = sse.SSEParser()
    assert parser.feed(b'{"a": 1}\n' + b"{x}\n" * 100_000 + b'data: 1\n\n{"b": 1}\n') == [
        b'{"a": 1}',
        b"1",
        b'{"b": 1}',
    ]
    assert len(looks) < 10_000


def test_a_wait_of_a_structured_header_is_bounded_as_all_others() -> None:
    """Before, it was no time that a computer can count, and the attempt was never ended."""
    for seconds in ("99999999999999999999", NINES):
        headers = {"ratelimit": f'"default";r=0;t={seconds}'}
        assert read_retry_after(headers, NOW) == LONGEST_WAIT_SECONDS


def test_limits_without_sense_are_none() -> None:
    headers = {
        "x-ratelimit-limit-requests": "1" + "0" * 300,
        "x-ratelimit-remaining-requests": "-1",
        "ratelimit": '"default";r=5;t=5',
        "ratelimit-policy": f'"default";q={NINES};w={NINES}',
    }
    stated = read_rate_limits(headers, NOW)
    assert [(limit.limit, limit.window_seconds) for limit in stated] == [(None, None), (None, None)]
    rate = Rate()
    for limit in stated:
        rate.observe(Observed(0.0, "requests", limit.limit, limit.remaining, limit.reset_seconds), 0.0)
    assert rate.known(None, 1.0) is None


def test_a_limit_that_an_older_version_stored_without_sense_is_forgotten() -> None:
    """Before, no worker reserved a job any more, of any upstream, once one answer had stated it."""
    stored = msgspec.msgpack.encode(Rate(stated=1.0)).replace(struct.pack(">d", 1.0), struct.pack(">d", math.inf), 1)
    rate = msgspec.msgpack.decode(stored, type=Rate)
    assert math.inf not in (rate.stated, rate.known(None, 0.0))
    assert rate.opens_at(rate.known(None, 0.0), 5.0) == 5.0


def test_thousands_of_calls_are_not_searched_for_each_piece() -> None:
    """Each has an id of its own, and the limit of their bytes lets some 14,000 in."""
    calls, began = ToolCalls(), time.process_time()
    pieces = [{"id": f"call-{number}", "function": {"name": "f", "arguments": "1"}} for number in range(9000)]
    for piece in pieces:
        calls.feed([piece], None, is_message=False)
    assert len(calls.as_message()["tool_calls"]) == len(pieces)
    assert time.process_time() - began < 1.5
