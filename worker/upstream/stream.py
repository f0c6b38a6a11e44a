"""Reads completions from the upstream: one request, one stream of text, one typed ending."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.proxy import Proxy
from worker.upstream.answer import Answer
from worker.upstream.asking import Asked, Refusal
from worker.upstream.clocks import Clocks, Watchdog
from worker.upstream.dialects.parameters import find_change, may_change
from worker.upstream.dialects.shapes import find_error
from worker.upstream.end_signs import BodyEnd
from worker.upstream.ending import Ending
from worker.upstream.errors import CutMidStream, UpstreamError
from worker.upstream.failures import error_of_body, error_of_status, parse
from worker.upstream.habits import Habits
from worker.upstream.http.body import Body
from worker.upstream.http.client import HttpClient
from worker.upstream.opening import MAX_QUOTED_BYTES, QUOTED_SECONDS, read_opening, read_whole
from worker.upstream.own_words import OwnWords
from worker.upstream.request import RequestForm, completions_url, encode
from worker.upstream.retry_after import read_rate_limits, read_retry_after
from worker.upstream.secrets import secrets_of
from worker.upstream.sse import SSEParser

AROUND_TEXT_BYTES = 1 << 20
"""How much longer than its text a body may be that holds the whole completion."""

_BYTES_AT_ONCE = 1 << 14
"""How much of a whole body is looked at for lines before the other streams get their turn."""


class Upstream:
    """One OpenAI-compatible endpoint, for all the streams of one event loop.

    `url` is its base, with `/v1`; a query in it is kept. `habits` is what it has shown of itself before.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        clocks: Clocks,
        *,
        ask_for_usage: bool = True,
        headers: Mapping[str, str] | None = None,
        rename: Mapping[str, str] | None = None,
        parameters: Mapping[str, str | bool] | None = None,
        think_tags: bool = False,
        habits: Habits | None = None,
        max_text_bytes: int = 16 << 20,
        proxy: Proxy | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._url = completions_url(url)
        # The query may hold a key, so messages show the address without it.
        where = str(self._url.copy_with(query=None))
        self._form = RequestForm(api_key, headers or {}, rename or {}, parameters or {}, ask_for_usage)
        self._secrets = secrets_of(self._url, api_key, *(headers or {}).values())
        self._clocks = clocks
        self._think_tags = think_tags
        self.habits = habits or Habits()
        self._max_text_bytes = max_text_bytes
        self._client = HttpClient(self._url, where, proxy, ca_file)
        self._running: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()
        self._watched: defaultdict[str, list[Watchdog]] = defaultdict(list)

    async def stream(
        self,
        body: Mapping[str, object],
        on_text: Callable[[str], None],
        idempotency_key: str | None = None,
        on_accepted: Callable[[], None] | None = None,
        on_reasoning: Callable[[str], None] = lambda _: None,
        traceparent: str | None = None,
    ) -> Ending:
        """Ask for the completion that `body` describes and call `on_text` with each piece of its text, in order, and
        `on_reasoning` with each piece of its reasoning.

        Returns when the text is whole, and raises `UpstreamError` when it is not: its `ending` has what was known by
        then. Cancelling the task closes the connection at once. `on_accepted` is called once, at the first sign that
        the upstream is writing: text, reasoning, or any other content.
        """
        model = str(body.get("model"))
        own = OwnWords(body)
        answer = Answer(
            on_text,
            self._max_text_bytes,
            think_tags=self._think_tags,
            on_accepted=on_accepted,
            on_reasoning=on_reasoning,
            own=own,
        )
        known = [change for change in self.habits.changes_of(model) if may_change(change, body)]
        asked = Asked(body, answer, own, known)
        others = self._running[model]
        self._running[model] += 1
        self._begun[model] += 1
        begun = self._begun[model]
        try:
            end = await self._ask(asked, idempotency_key, traceparent)
            alone = not others and begun == self._begun[model]
            ending = answer.finish(end, self.habits.of(model), alone=alone)
            ending = self._with_changes(ending, asked)
        except UpstreamError as error:
            error.ending = self._with_changes(answer.ending(), asked)
            error.rate_limits = answer.rate_limits
            error.hide(self._secrets)
            self.habits.note(model, answer.signs.habits_of_failure())
            raise
        finally:
            if answer.is_accepted:  # else nothing shows that it was refused for what was changed
                self.habits.note_changes(model, asked.new)
            self._running[model] -= 1
            if not self._running[model]:  # names of models are the users' own: there is no end of them
                for kept in (self._running, self._begun, self._watched):
                    kept.pop(model, None)
        self.habits.note(model, answer.signs.habits(end, alone=alone))
        return ending

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, asked: Asked, idempotency_key: str | None, traceparent: str | None) -> BodyEnd:
        """Ask, and ask again without what is refused by name: before any text that is as good as the first time."""
        while True:
            headers = self._form.http_headers(idempotency_key, traceparent)
            outcome = await self._watch(self._form.body(asked.request, asked.changes), headers, asked)
            if isinstance(outcome, BodyEnd):
                return outcome
            change = asked.change(outcome)
            if idempotency_key:  # the request is another one, and its key must be, too
                idempotency_key = f"{idempotency_key}-{change.name}"

    def _with_changes(self, ending: Ending, asked: Asked) -> Ending:
        """The same ending, whose message says how the request was not sent as it was written."""
        changed = self._form.changed(asked.request, asked.changes)
        return replace(ending, message={**(ending.message or {}), "changed_parameters": changed}) if changed else ending

    async def _watch(self, body: Mapping[str, Any], headers: dict[str, str], asked: Asked) -> "BodyEnd | Refusal":
        """Read one answer under the clocks, beside those of the requests to its model that run, the oldest first."""
        watched = self._watched[asked.model]
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream must be read in a task")
        watchdog = Watchdog(self._clocks, task, tuple(watched))
        watched.append(watchdog)
        try:
            return await self._read(body, headers, asked, watchdog)
        except asyncio.CancelledError:
            if not watchdog.caused():
                raise
            error = watchdog.error()
            if error is not None:
                raise error from None
            return BodyEnd.SILENT
        finally:
            watchdog.end()
            watched.remove(watchdog)

    async def _read(
        self, body: Mapping[str, Any], headers: dict[str, str], asked: Asked, watchdog: Watchdog
    ) -> "BodyEnd | Refusal":
        """How the body of the answer ended; or the refusal, and what to change of the request."""
        answer, own = asked.answer, asked.own
        response = await self._client.post(headers, encode(body))
        try:
            opened = response.body
            answer.rate_limits = read_rate_limits(response.headers, datetime.now(UTC))
            if not 200 <= response.status < 300:
                words = await opened.read_up_to(MAX_QUOTED_BYTES, QUOTED_SECONDS)
                refusal = error_of_status(
                    response.status,
                    words,
                    retry_after_seconds=read_retry_after(response.headers, datetime.now(UTC)),
                    location=response.headers.get("location"),
                    own=own,
                )
                return Refusal(refusal, find_change(response.status, parse(words), words, body, own))
            content_type = response.headers.get("content-type", "")
            opening, is_event_stream = await read_opening(content_type, opened, watchdog)
            if is_event_stream:
                return await self._read_events(opening, opened, answer, watchdog)
            longest = self._max_text_bytes + AROUND_TEXT_BYTES
            return await _take_whole(content_type, await read_whole(opening, opened, watchdog, longest), answer)
        finally:
            # No clock may cancel the closing.
            watchdog.stop()
            response.close()

    async def _read_events(self, opening: bytes, body: Body, answer: Answer, watchdog: Watchdog) -> BodyEnd:
        parser = SSEParser()
        signs = answer.signs

        def take(piece: bytes) -> bool:
            for payload in parser.feed(piece):
                if answer.take(payload):
                    watchdog.note_delta()
            if signs.reason is not None or signs.is_done:
                signs.note_astray(parser.is_astray, at_end=signs.is_done)
                in_doubt = signs.was_beside_content
                watchdog.note_finish(signs.may_end_in_silence(), is_done=signs.is_done, in_doubt=in_doubt)
            # Without a reason, the end of the body tells an answer from a request that the server dropped.
            return not signs.is_done or signs.reason is None

        try:
            if take(opening):
                await body.relay(take)
        except CutMidStream as error:
            # Some flush what they compress after each event and never end it. Behind a `[DONE]` nothing was cut off.
            if not (body.has_ended and signs.is_done):
                answer.note_cut(error)
                # A body that ends with its connection has no better end, over TLS often without a goodbye.
                return BodyEnd.CUT if body.is_delimited or not signs.is_done else BodyEnd.HUNG_UP
        for payload in parser.close():
            answer.take(payload)
        signs.note_astray(parser.is_astray, at_end=True)
        answer.note_stray(parser.stray)
        return BodyEnd.ANNOUNCED if body.is_delimited else BodyEnd.HUNG_UP


async def _take_whole(content_type: str, body: bytes, answer: Answer) -> BodyEnd:
    """Take a body that is no event stream: the whole completion of an upstream that cannot stream, or an error."""
    found = answer.read_whole(body)
    if found is None and body[:1] == b"{":
        lines, any_events = SSEParser(len(body) + 1), False
        for start in range(0, len(body), _BYTES_AT_ONCE):
            payloads = lines.feed(body[start : start + _BYTES_AT_ONCE])
            any_events = any_events or bool(payloads)
            for payload in payloads:
                answer.take(payload)
            await asyncio.sleep(0)  # millions of lines may come in one body
        for payload in lines.close():
            any_events = True
            answer.take(payload)
        if any_events:  # a whole answer with a `[DONE]` behind it
            return BodyEnd.ANNOUNCED
    if not isinstance(found, Mapping) or not ("choices" in found or "done" in found) or find_error(found) is not None:
        raise error_of_body(content_type, body, found, answer.own)
    answer.take_whole(found, body)
    return BodyEnd.ANNOUNCED
