"""Plays a case over HTTP and judges every reading of it."""

import asyncio
import threading
from collections.abc import Sequence

import uvloop

from tests.providers.case import QUIET_SECONDS, Asked, Case, Fails, Right, Seen, Whole
from tests.upstream.reading import BODY
from tests.upstream.scripted_upstream import Exchange, ScriptedUpstream, Wait
from worker.upstream import Clocks, Ending, Upstream
from worker.upstream.errors import UpstreamError


class _Watch:
    """Lets scripts go on when their text was given."""

    def __init__(self) -> None:
        self._text = ""
        self._waiting: list[tuple[str, threading.Event]] = []

    def wait_for(self, seen: Seen) -> Wait:
        event = threading.Event()
        self._waiting.append((seen.text, event))
        return Wait(event)

    def note(self, text: str) -> None:
        self._text += text
        for awaited, event in self._waiting:
            if awaited in self._text:
                event.set()


def judge(case: Case) -> None:
    """Play the case and assert that everything about it is right."""
    watch = _Watch()
    scripts = [[watch.wait_for(step) if isinstance(step, Seen) else step for step in script] for script in case.scripts]
    with ScriptedUpstream(*scripts) as upstream:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcomes = runner.run(_read_all(case, upstream.url, watch))
        exchanges = list(upstream.exchanges)
    for (found, text), right in zip(outcomes, case.rights, strict=True):
        judge_reading(found, text, right)
    assert len(exchanges) == (case.calls or len(case.rights)), "another number of calls"
    assert not [exchange for exchange in exchanges if "waited in vain" in exchange.fired]
    _judge_requests(exchanges, case.asked)


async def _read_all(case: Case, url: str, watch: _Watch) -> list[tuple[Ending | UpstreamError, str]]:
    clocks = Clocks(**{"after_finish_seconds": QUIET_SECONDS, "between_deltas_seconds": 10, **case.clocks})
    upstream = Upstream(url, "sk-a-key-of-tests", clocks, **case.options)
    outcomes: list[tuple[Ending | UpstreamError, str]] = []
    try:
        for place in range(len(case.rights)):
            model = {"model": case.models[place]} if case.models else {}
            outcomes.append(await _read(upstream, {**BODY, **case.body, **model}, watch))
    finally:
        await upstream.aclose()
    return outcomes


async def _read(upstream: Upstream, body: dict[str, object], watch: _Watch) -> tuple[Ending | UpstreamError, str]:
    pieces: list[str] = []

    def take(text: str) -> None:
        pieces.append(text)
        watch.note(text)

    try:
        return await upstream.stream(body, take), "".join(pieces)
    except UpstreamError as error:
        return error, "".join(pieces)


def judge_reading(found: Ending | UpstreamError, text: str, right: Right) -> None:
    """Assert that a reading, and the text that it gave, are right."""
    if isinstance(right, Whole):
        assert isinstance(found, Ending), f"{type(found).__name__}: {found}"
        assert text == right.text
        assert (found.finish_reason, found.is_unsaid) == (right.finish_reason, right.is_unsaid)
        if right.input_tokens is not None or right.output_tokens is not None:
            assert found.usage is not None, "the usage was lost"
            assert (found.usage.input_tokens, found.usage.output_tokens) == (right.input_tokens, right.output_tokens)
        noted = getattr(found, "message", None) or {}
        assert {name: noted.get(name) for name in right.message} == right.message
    else:
        _judge_error(found, text, right)


def _judge_error(found: Ending | UpstreamError, text: str, right: Fails) -> None:
    assert isinstance(found, UpstreamError), f"read as whole: {text!r} {found}"
    codes = (right.code,) if isinstance(right.code, str) else right.code
    assert found.code in codes, found.message
    assert right.cause in (None, found.cause), found.message
    assert found.retryable == right.retryable, found.message
    missing = [words for words in right.says if words.lower() not in found.message.lower()]
    assert not missing, f"not in the message: {missing}: {found.message}"
    if right.wait is None:
        assert found.retry_after_seconds is None
    else:
        assert found.retry_after_seconds is not None, "the wait was not read"
        assert right.wait[0] <= found.retry_after_seconds <= right.wait[1]
    assert text == right.given


def _judge_requests(exchanges: Sequence[Exchange], asked: Sequence[Asked]) -> None:
    for exchange, right in zip(exchanges, asked, strict=False):
        sent = exchange.body
        assert {name: sent.get(name) for name in right.has} == right.has
        assert not set(right.lacks) & set(sent), f"sent again: {sent}"
        assert {name: exchange.headers.get(name) for name in right.headers} == right.headers
