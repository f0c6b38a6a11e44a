"""The client for asyncio: the same thin loops as in `client.py`, over the same `calls.py` and `following.py`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self, TypeVar, Unpack, cast, overload

import httpx

from longhand.client import calls, hold_calls
from longhand.client.answers import MOST_REFUSAL_BYTES, AnswerBody, require_readable
from longhand.client.batch_objects import Batch
from longhand.client.calls import Call, Pages, TextKind
from longhand.client.connection import address_of, answering, http_options, refusal
from longhand.client.errors import LonghandError, NoAnswerError, RefusedError
from longhand.client.events import Event
from longhand.client.filters import JobFilters, query_of
from longhand.client.following import TIMEOUT, Following, TextRepair, Texts
from longhand.client.hold_calls import Held
from longhand.client.lines import LineSplitter
from longhand.client.objects import Job, Json, Result, Retried
from longhand.client.webhooks import Webhooks

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same methods with the same meaning, units and errors.

    Use it on the event loop that it was first used on. A `watch`, `jobs` or `results` that is left before its end holds
    its connection until it is closed: `async with contextlib.aclosing(client.watch(id)) as events`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        patience_seconds: float = 60,
        on_retry: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.url = address_of(url)
        self._patience_seconds = patience_seconds
        self._on_retry = on_retry
        self._http = httpx.AsyncClient(**http_options(self.url, api_key))
        self.webhooks = Webhooks(self._ask)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    @overload
    async def submit(
        self, work: str | Mapping[str, Any], *, idempotency_key: str | None = None, **fields: Any
    ) -> Job: ...

    @overload
    async def submit(
        self, work: Iterable[str | Mapping[str, Any]], *, idempotency_key: str | None = None, **fields: Any
    ) -> Batch: ...

    async def submit(
        self,
        work: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job | Batch:
        """Submit one request as a job, or many as a batch; see `Client.submit`."""
        return cast("Job | Batch", await self._ask(calls.submit(work, idempotency_key, fields)))

    async def job(self, job_id: str) -> Job:
        """A job with its request and attempts; see `Client.job`."""
        return await self._ask(calls.read_job(job_id))

    async def batch(self, batch_id: str) -> Batch:
        """A batch with its counts; see `Client.batch`."""
        return await self._ask(calls.read_batch(batch_id))

    async def jobs(self, *, limit: int | None = None, **filters: Unpack[JobFilters]) -> AsyncGenerator[Job, None]:
        """The jobs that match the filters, newest first; see `Client.jobs`."""
        pages: Pages[Job] = Pages("/v1/jobs", query_of(filters), limit)
        while pages.more:
            for job in pages.take(await self._ask(pages.call())):
                yield job

    async def batches(self, *, limit: int | None = None) -> AsyncGenerator[Batch, None]:
        """The batches, newest first, read page by page during the iteration."""
        pages: Pages[Batch] = Pages("/v1/batches", {}, limit)
        while pages.more:
            for batch in pages.take(await self._ask(pages.call())):
                yield batch

    async def text(self, job_id: str, *, partial: bool = False, part: TextKind = "text") -> str:
        """The stored text of a job; see `Client.text`."""
        return await self._ask(calls.read_text(job_id, partial=partial, part=part))

    async def results(self, batch_id: str) -> AsyncGenerator[Result, None]:
        """Every job of a batch in input order with its text; see `Client.results`."""
        splitter = LineSplitter()
        call = calls.read_results(batch_id, "jsonl")
        async with self._stream(call, httpx.USE_CLIENT_DEFAULT) as response, _chunks_of(response) as chunks:
            async for chunk in chunks:
                for line in splitter.feed(chunk):
                    yield calls.read_json(line)
        for line in splitter.close():
            yield calls.read_json(line)

    async def upstreams(self) -> Json:
        """The upstreams, each with its state; see `Client.upstreams`."""
        return await self._ask(calls.read_upstreams())

    async def status(self) -> Json:
        """The state of the whole; see `Client.status`."""
        return await self._ask(calls.read_status())

    async def me(self) -> Json:
        """The project and the key of this client."""
        return await self._ask(calls.read_me())

    async def pause(
        self, batch_id: str | None = None, *, release_running: bool = False, message: str = "", **held: Unpack[Held]
    ) -> Json:
        """Start no more jobs of one thing until `resume`; see `Client.pause`."""
        target = hold_calls.held_path(batch_id, held)
        return await self._ask(hold_calls.pause(target, release_running=release_running, message=message))

    async def resume(self, batch_id: str | None = None, **held: Unpack[Held]) -> Json:
        """Lift the hold of one thing; see `Client.resume`."""
        return await self._ask(hold_calls.resume(hold_calls.held_path(batch_id, held)))

    async def cancel(self, resource_id: str) -> Json:
        """Cancel a job or a batch; see `Client.cancel`."""
        return await self._ask(calls.cancel(resource_id))

    async def delete(self, resource_id: str) -> Json:
        """Delete an ended job or batch; see `Client.delete`."""
        return await self._ask(calls.delete(resource_id))

    async def retry(self, resource_id: str, *, which: Iterable[Retried] | None = None) -> Json:
        """Run what failed again; see `Client.retry`."""
        return await self._ask(calls.retry(resource_id, which))

    async def watch(self, resource_id: str, *, texts: Texts = "all") -> AsyncGenerator[Event, None]:
        """Follow a job or a batch from its beginning until it has ended; see `Client.watch`."""
        follow = Following(resource_id, texts=texts, patience_seconds=self._patience_seconds, on_retry=self._on_retry)
        while not follow.ended:
            reason: LonghandError | None = None
            try:
                async with self._stream(follow.call(), TIMEOUT) as response:
                    follow.begin(response)
                    async with _chunks_of(response) as chunks:
                        async for chunk in chunks:
                            for event in follow.feed(chunk):
                                if isinstance(event, TextRepair):
                                    for mended in event.events(await self._ask(event.call)):
                                        yield mended
                                else:
                                    yield event
                            if follow.ended:
                                return
            except (NoAnswerError, RefusedError) as error:
                reason = error
            if not follow.ended:
                if self._http.is_closed:
                    raise NoAnswerError("the client was closed")
                await asyncio.sleep(follow.pause(reason))

    async def _ask(self, call: Call[T]) -> T:
        for wait in call.waits:
            try:
                return await self._ask_once(call)
            except LonghandError as error:
                seconds = call.pause(error, wait)
                if seconds:
                    self._on_retry(f"{error}; trying again")
            await asyncio.sleep(seconds)
        return await self._ask_once(call)

    async def _ask_once(self, call: Call[T]) -> T:
        body = AnswerBody()
        async with self._stream(call, httpx.USE_CLIENT_DEFAULT) as response:
            async for chunk in response.aiter_bytes():
                body.add(chunk)
        return call.read(body.whole())

    @asynccontextmanager
    async def _stream(self, call: Call[Any], timeout: Any) -> AsyncIterator[httpx.Response]:
        request = self._http.stream(
            call.method, call.path, params=call.params, content=call.content, headers=call.headers, timeout=timeout
        )
        with answering(self.url, self._http):
            async with request as response:
                require_readable(response)
                if not response.is_success:
                    body = AnswerBody(MOST_REFUSAL_BYTES)
                    async for chunk in response.aiter_bytes():
                        body.add(chunk)
                    raise refusal(response, body.whole())
                yield response


def _chunks_of(response: httpx.Response) -> aclosing[AsyncGenerator[bytes, None]]:
    # A stream that is left before its end must be closed here and now, not whenever it is garbage-collected.
    return aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes()))
