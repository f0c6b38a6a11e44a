"""The client, for who waits. What it shares with the one for asyncio stands in `calls.py` and `following.py`."""

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar, cast, overload

import httpx

from longhand import calls
from longhand.calls import Call, JobPages, LineSplitter
from longhand.connection import address_of, answering, http_options, refusal
from longhand.errors import LonghandError, NoAnswerError, RefusedError
from longhand.events import Event
from longhand.following import TIMEOUT, Following, Mend, Texts
from longhand.objects import Batch, Job, JobStatus, Json, Result

T = TypeVar("T")


class Client:
    """Talks to a running Longhand at `url`; without one, at LONGHAND_URL, or on this machine.

    `api_key` is sent as `Authorization: Bearer`; without one, that of LONGHAND_API_KEY, if it is set.

    May be used from many threads at once; close it at the end, best by `with`. `patience_seconds` is how long a watch
    that lost its connection goes on trying to get one. `on_retry` is told, in one line, whenever something is tried
    again.

    Every method may raise `NoAnswerError` (nothing answers, or not to the end), `RefusedError` in one of its branches
    (Longhand's own answer; see `errors.py`), and `InputError` for what cannot even be asked. Objects are as the API
    shows them, see `objects.py` and the page `/docs` of a running Longhand.
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
        self._http = httpx.Client(**http_options(self.url, api_key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up every connection."""
        self._http.close()

    @overload
    def submit(self, work: str | Mapping[str, Any], *, idempotency_key: str | None = None, **fields: Any) -> Job: ...

    @overload
    def submit(
        self, work: Iterable[str | Mapping[str, Any]], *, idempotency_key: str | None = None, **fields: Any
    ) -> Batch: ...

    def submit(
        self,
        work: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job | Batch:
        """Submit one thing to write as a job, or many as a batch, which is taken whole or not at all.

        One thing is a prompt, or a chat-completions body: `{"messages": [...]}` or `{"prompt": "..."}` with any other
        parameter of the upstream; in a batch also `{"custom_id": ..., "body": {...}}`. `fields` (`model`,
        `temperature`, ...) are for every body that does not say otherwise. Longhand's own are `custom_id`, `metadata`,
        `priority` (-100 to 100, higher is sooner), `max_attempts`, `on_interrupt` and, of a batch, `completion_window`
        ("24h").

        When it returns, the work is stored. A try whose answer was lost is repeated with the same `idempotency_key`
        (a new one for each call, unless given), which never makes a thing twice; after four of them the error is
        raised. `InvalidRequestError.param` says which request is wrong; `ConflictError`: the key came with another
        body before.
        """
        return cast("Job | Batch", self._ask(calls.submit(work, idempotency_key, fields)))

    def submit_job(self, body: Mapping[str, Any]) -> Json:
        """Submit a body of `POST /v1/jobs` as it is."""
        return self._ask(calls.submit_body("/v1/jobs", body))

    def submit_batch(self, body: Mapping[str, Any]) -> Json:
        """Submit a body of `POST /v1/batches` as it is: `{"requests": [{"custom_id", "body"}], ...}`."""
        return self._ask(calls.submit_body("/v1/batches", body))

    def job(self, job_id: str) -> Job:
        """A job with its request and attempts. Raises `NotFoundError`."""
        return self._ask(calls.read_job(job_id))

    def batch(self, batch_id: str) -> Batch:
        """A batch with its counts. Raises `NotFoundError`."""
        return self._ask(calls.read_batch(batch_id))

    def read(self, resource_id: str) -> Json:
        """A job or a batch: the id says which."""
        return self._ask(calls.read_object(resource_id))

    def jobs(
        self,
        *,
        limit: int | None = None,
        batch_id: str | None = None,
        status: JobStatus | None = None,
        model: str | None = None,
        custom_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        created_after: float | str | None = None,
        created_before: float | str | None = None,
        q: str | None = None,
    ) -> Generator[Job, None, None]:
        """The jobs that the filters let through, newest first, read page by page while they are iterated.

        Times are Unix seconds or ISO 8601. `q`: jobs whose text so far contains exactly this, ignoring case.
        """
        pages = JobPages(
            calls.job_filters(
                batch_id=batch_id, status=status, model=model, custom_id=custom_id, metadata=metadata,
                created_after=created_after, created_before=created_before, q=q,
            ),
            limit,
        )  # fmt: skip
        while pages.more:
            yield from pages.take(self._ask(pages.call()))

    def text(self, job_id: str, *, partial: bool = False) -> str:
        """The stored text of a completed job; of any other one `ConflictError`, unless `partial` asks for what is
        stored of it so far.
        """
        return self._ask(calls.read_text(job_id, partial=partial))

    def results(self, batch_id: str) -> Generator[Result, None, None]:
        """Every job of a batch in input order, with its `text` if it is completed; also while the batch runs.

        They come over one connection as they are iterated; `NoAnswerError` when it breaks.
        """
        splitter = LineSplitter()
        with self.stream_results(batch_id, "jsonl") as chunks:
            for chunk in chunks:
                yield from map(json.loads, splitter.feed(chunk))
        yield from map(json.loads, splitter.close())

    @contextmanager
    def stream_results(self, batch_id: str, form: str) -> Iterator[Iterator[bytes]]:
        """The results of a batch in input order as `jsonl`, `csv` or `md`, in chunks as they come."""
        with self._stream(calls.read_results(batch_id, form), httpx.USE_CLIENT_DEFAULT) as response:
            yield response.iter_bytes()

    def cancel(self, resource_id: str) -> Json:
        """Cancel a job or a batch. Returns it as it is then: what runs ends within seconds, and what it has written is
        kept. `ConflictError`: it had ended already.
        """
        return self._ask(calls.cancel(resource_id))

    def retry(self, resource_id: str) -> Json:
        """Run the failures of a batch again, and only those, or one job that failed. Returns the batch or the job.

        They keep their ids. `ConflictError`: there is nothing to run again, or the batch is being cancelled.
        """
        return self._ask(calls.retry(resource_id))

    def watch(self, resource_id: str, *, texts: Texts = "all") -> Generator[Event, None, None]:
        """Follow a job or a batch from its beginning until it has ended; see `events.py` for what is yielded.

        Of a job the last event is `Done`, of a batch `BatchDone`, after a `Done` for each of its jobs. The texts of a
        job's deltas since its last `Reset`, joined, are always its text so far. By its `Done` they are exactly what is
        stored: this is verified with a hash of what was yielded, and if it were not so, a `Reset` and the stored text
        would be yielded first. No text is kept in memory.

        A lost connection is opened again where the events had come to, never sooner than the server wishes (`retry:`,
        `Retry-After`) and later each time. Of a batch, `texts` says which texts are wanted: "all", those of jobs still
        "running" when the watch begins, or "none".

        Raises `NotFoundError` (also for a job that is deleted meanwhile), `NoAnswerError` when nothing answers at
        first, or not again within the patience of this client, and `BrokenTextError`.
        """
        follow = Following(resource_id, texts=texts, patience_seconds=self._patience_seconds, on_retry=self._on_retry)
        while not follow.ended:
            reason: LonghandError | None = None
            try:
                with self._stream(follow.call(), TIMEOUT) as response:
                    follow.begin(response.status_code)
                    for chunk in response.iter_bytes():
                        for event in follow.feed(chunk):
                            if isinstance(event, Mend):
                                yield from event.events(self._ask(event.call))
                            else:
                                yield event
                        if follow.ended:
                            return
            except (NoAnswerError, RefusedError) as error:
                reason = error
            if not follow.ended:
                if self._http.is_closed:
                    raise NoAnswerError("the client was closed")
                time.sleep(follow.pause(reason))

    def _ask(self, call: Call[T]) -> T:
        for wait in call.waits:
            try:
                return self._ask_once(call)
            except LonghandError as error:
                seconds = call.pause(error, wait)
                if seconds:
                    self._on_retry(f"{error}; trying again")
            time.sleep(seconds)
        return self._ask_once(call)

    def _ask_once(self, call: Call[T]) -> T:
        with answering(self.url, self._http):
            response = self._http.request(
                call.method, call.path, params=call.params, content=call.content, headers=call.headers
            )
        if not response.is_success:
            raise refusal(response)
        return call.read(response)

    @contextmanager
    def _stream(self, call: Call[None], timeout: Any) -> Iterator[httpx.Response]:
        request = self._http.stream(call.method, call.path, params=call.params, headers=call.headers, timeout=timeout)
        with answering(self.url, self._http), request as response:
            if not response.is_success:
                response.read()
                raise refusal(response)
            yield response
