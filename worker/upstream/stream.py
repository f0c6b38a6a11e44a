"""Reads completions from the upstream: one request, one stream of text, one typed ending."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx

from jobs.proxy import Proxy
from worker.upstream.answer import Answer
from worker.upstream.body import Body
from worker.upstream.clocks import Clocks, Watchdog
from worker.upstream.ending import Ending
from worker.upstream.errors import CutMidStream, UpstreamError
from worker.upstream.failures import error_of_body, error_of_status, find_error, parse
from worker.upstream.opening import MAX_QUOTED_BYTES, QUOTED_SECONDS, read_opening, read_whole
from worker.upstream.retry_after import read_retry_after
from worker.upstream.secrets import secrets_of
from worker.upstream.sse import SSEParser
from worker.upstream.transport import open_client

AROUND_TEXT_BYTES = 1 << 20
"""How much longer than its text a body may be that holds the whole completion."""


class Upstream:
    """One OpenAI-compatible endpoint, for all the streams of one event loop.

    `url` is its base, with `/v1`; a query in it is kept.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        clocks: Clocks,
        *,
        ask_for_usage: bool = True,
        max_line_bytes: int = 1 << 20,
        max_text_bytes: int = 16 << 20,
        proxy: Proxy | None = None,
    ) -> None:
        base = httpx.URL(url)
        if base.userinfo:
            raise ValueError("the upstream's URL holds a user or password; set LONGHAND_UPSTREAM_API_KEY instead")
        path = base.path.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self._url = base.copy_with(path=path, fragment=None)
        # The query may hold a key, so messages show the address without it.
        where = str(self._url.copy_with(query=None))
        self._api_key = api_key
        self._secrets = secrets_of(self._url, api_key)
        self._clocks = clocks
        self._ask_for_usage = ask_for_usage
        self._max_line_bytes = max_line_bytes
        self._max_text_bytes = max_text_bytes
        self._client = open_client(self._url, where, proxy)

    async def stream(
        self, body: Mapping[str, object], on_text: Callable[[str], None], idempotency_key: str | None = None
    ) -> Ending:
        """Ask for the completion that `body` describes and call `on_text` with each piece of its text, in order.

        Returns when the text is whole, and raises `UpstreamError` when it is not: its `ending` has what was known by
        then. Cancelling the task closes the connection at once.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream must be read in a task")
        answer = Answer(on_text, self._max_text_bytes)
        watchdog = Watchdog(self._clocks, task)
        try:
            try:
                await self._read(body, idempotency_key, answer, watchdog)
            except asyncio.CancelledError:
                if not watchdog.caused():
                    raise
                error = watchdog.error()
                if error is not None:
                    raise error from None
            finally:
                watchdog.stop()
            return answer.finish()
        except UpstreamError as error:
            error.ending = answer.ending()
            error.hide(self._secrets)
            raise

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _read(
        self, body: Mapping[str, object], idempotency_key: str | None, answer: Answer, watchdog: Watchdog
    ) -> None:
        request = self._build_request(body, idempotency_key)
        response = await self._client.send(request, stream=True)
        try:
            opened = Body(response)
            if not response.is_success:
                raise await self._read_refusal(response, opened)
            content_type = response.headers.get("content-type", "")
            opening, is_event_stream = await read_opening(content_type, opened)
            if is_event_stream:
                await self._read_events(opening, opened, answer, watchdog)
            else:
                longest = self._max_text_bytes + AROUND_TEXT_BYTES
                _take_whole(content_type, await read_whole(opening, opened, watchdog, longest), answer)
        finally:
            # No clock may cancel the closing.
            watchdog.stop()
            await response.aclose()

    async def _read_refusal(self, response: httpx.Response, body: Body) -> UpstreamError:
        return error_of_status(
            response.status_code,
            await body.read_up_to(MAX_QUOTED_BYTES, QUOTED_SECONDS),
            retry_after_seconds=read_retry_after(response.headers, datetime.now(UTC)),
            location=response.extensions["location"],
            asked_for_usage=self._ask_for_usage,
        )

    async def _read_events(self, opening: bytes, body: Body, answer: Answer, watchdog: Watchdog) -> None:
        parser = SSEParser(self._max_line_bytes)

        def take(piece: bytes) -> bool:
            for payload in parser.feed(piece):
                if answer.take(payload):
                    watchdog.note_delta()
            if answer.finish_reason is not None:
                watchdog.note_finish()
            return not answer.is_done

        try:
            if take(opening):
                await body.relay(take)
        except CutMidStream:
            if not answer.is_whole:
                raise
        else:
            for payload in parser.close():
                answer.take(payload)

    def _build_request(self, body: Mapping[str, object], idempotency_key: str | None) -> httpx.Request:
        asked: dict[str, object] = {**body, "stream": True}
        if self._ask_for_usage:
            options = asked.get("stream_options")
            asked["stream_options"] = {**(options if isinstance(options, Mapping) else {}), "include_usage": True}
        headers = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        # In ASCII escapes even a lone surrogate can be sent. Whether to accept it is for the upstream to say.
        content = json.dumps(asked, separators=(",", ":")).encode()
        return self._client.build_request("POST", self._url, content=content, headers=headers)


def _take_whole(content_type: str, body: bytes, answer: Answer) -> None:
    """Take a body that is no event stream: the whole completion of an upstream that cannot stream, or an error."""
    found = parse(body)
    if isinstance(found, Mapping) and "choices" in found and find_error(found) is None:
        answer.take_whole(found)
    else:
        raise error_of_body(content_type, body, found)
