"""The synchronous client. What it shares with the one for asyncio is in `calls.py` and `following.py`."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
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


class Client:
    """Talks to a running Longhand at `url`: by default that of LONGHAND_URL, or else this machine's own.

    `api_key`, by default that of LONGHAND_API_KEY, is sent as `Authorization: Bearer`.

    Many threads may use a client at once. Close it at the end, or use it in a `with` block. `patience_seconds` is how
    long a watch that lost its connection tries to get a new one. `on_retry` gets a line for each further try.

    Every method may raise `NoAnswerError` (nothing answers, or an answer breaks off), a branch of `RefusedError` (see
    `errors.py`), and `InputError` for input that cannot be sent. Objects are as the API shows them; see `objects.py`.
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
        self.webhooks = Webhooks(self._ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
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
        """Submit one request as a job, or many as a batch, which is accepted whole or not at all.

        A request is a prompt or a chat-completions body: `{"messages": [...]}` or `{"prompt": "..."}` with any other
        parameter of the upstream; in a batch also `{"custom_id": ..., "body": {...}}`. `fields` (`model`,
        `temperature`, ...) go into every body that does not set them itself. Longhand's own fields are `metadata`,
        `priority` (-100 to 100, higher is sooner), `max_attempts`, `on_interrupt`, `on_length`, `max_continuations`,
        `upstream`, `accept`, `on_reject`, `max_repairs`, `expires_after`; of one job `custom_id`; of a batch
        `defaults`, `completion_window` ("24h"), `max_concurrency`, `webhook`, `endpoint`, `output_expires_after`.

        When `submit` returns, the work is stored. If the answer is lost, the request is sent again with the same
        `idempotency_key` (a new one for each call, unless given), so nothing is made twice; after four more tries the
        error is raised. `InvalidRequestError.param` says which request is wrong; `ConflictError`: the key was used
        before with another body.
        """
        return cast("Job | Batch", self._ask(calls.submit(work, idempotency_key, fields)))

    def submit_job(self, body: Mapping[str, Any]) -> Json:
        """Submit a body of `POST /v1/jobs` as it is."""
        return self._ask(calls.submit_body("/v1/jobs", body))

    def submit_batch(self, body: Mapping[str, Any]) -> Json:
        """Submit a body of `POST /v1/batches` as it is."""
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

    def jobs(self, *, limit: int | None = None, **filters: Unpack[JobFilters]) -> Generator[Job, None, None]:
        """The jobs that match the filters, newest first, read page by page during the iteration; see `filters.py`."""
        pages: Pages[Job] = Pages("/v1/jobs", query_of(filters), limit)
        while pages.more:
            yield from pages.take(self._ask(pages.call()))

    def batches(self, *, limit: int | None = None) -> Generator[Batch, None, None]:
        """The batches, newest first, read page by page during the iteration."""
        pages: Pages[Batch] = Pages("/v1/batches", {}, limit)
        while pages.more:
            yield from pages.take(self._ask(pages.call()))

    def text(self, job_id: str, *, partial: bool = False, part: TextKind = "text") -> str:
        """The stored text of a completed job; of another, `ConflictError`, unless `partial` asks for its text so far.
        `part="reasoning"`: what the model thought, in place of the text.
        """
        return self._ask(calls.read_text(job_id, partial=partial, part=part))

    def results(self, batch_id: str) -> Generator[Result, None, None]:
        """Every job of a batch in input order, with its `text` if it is completed; also while the batch runs.

        They come over one connection during the iteration, which raises `NoAnswerError` if the connection breaks.
        """
        splitter = LineSplitter()
        with self.stream_results(batch_id, "jsonl") as chunks:
            for chunk in chunks:
                yield from map(calls.read_json, splitter.feed(chunk))
        yield from map(calls.read_json, splitter.close())

    @contextmanager
    def stream_results(
        self, batch_id: str, form: str, *, language: str = "en", name_by: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The results of a batch in input order, in chunks: `jsonl`, `zip`, or `csv` or `md` in "en" or "zh"."""
        with self._stream(calls.read_results(batch_id, form, language, name_by), httpx.USE_CLIENT_DEFAULT) as response:
            yield response.iter_bytes()

    def upstreams(self) -> Json:
        """The upstreams in `data`, each with its state; in `file_mistakes` what is wrong with the file of them."""
        return self._ask(calls.read_upstreams())

    def status(self) -> Json:
        """Workers, queue, holds, upstreams, and how fast the database and Redis answer; what is not known is None."""
        return self._ask(calls.read_status())

    def me(self) -> Json:
        """The project and the key of this client."""
        return self._ask(calls.read_me())

    def pause(
        self, batch_id: str | None = None, *, release_running: bool = False, message: str = "", **held: Unpack[Held]
    ) -> Json:
        """Start no more jobs of a batch, a `model`, an `upstream` or a `project`, until `resume`. Jobs that run go
        on, unless `release_running` gives them back to the queue: no failed attempt, but they are paid for again.
        """
        target = hold_calls.held_path(batch_id, held)
        return self._ask(hold_calls.pause(target, release_running=release_running, message=message))

    def resume(self, batch_id: str | None = None, **held: Unpack[Held]) -> Json:
        """Lift the hold of a batch, or of a `model`, an `upstream` or a `project`."""
        return self._ask(hold_calls.resume(hold_calls.held_path(batch_id, held)))

    def cancel(self, resource_id: str) -> Json:
        """Cancel a job or a batch; it as it then is. A running job ends within seconds, and its text so far is kept.
        Raises `ConflictError` if it had already ended.
        """
        return self._ask(calls.cancel(resource_id))

    def delete(self, resource_id: str) -> Json:
        """Delete an ended job or batch with all that belongs to it, for good. Raises `ConflictError` if it runs."""
        return self._ask(calls.delete(resource_id))

    def retry(self, resource_id: str, *, which: Iterable[Retried] | None = None) -> Json:
        """Run one failed job again, or all failed jobs of a batch and only those. Returns the job or the batch.

        `which` chooses among the jobs of a batch: `failed` and `expired` if you say nothing, `cancelled`, and
        `incomplete` for completed ones whose text was cut short. Jobs keep their ids. Raises `ConflictError` if there
        is nothing to run again, or the batch is being cancelled.
        """
        return self._ask(calls.retry(resource_id, which))

    def watch(self, resource_id: str, *, texts: Texts = "all") -> Generator[Event, None, None]:
        """Follow a job or a batch from its beginning until it has ended; see `events.py` for what is yielded.

        The last event of a job is `Done`; that of a batch is `BatchDone`, after a `Done` for each of its jobs. The
        texts of a job's deltas since its last `Reset`, joined, are always its text so far. At its `Done` they are
        exactly what is stored: this is verified with a hash of what was yielded, and if they differ, a `Reset` and the
        stored text are yielded first. No text is kept in memory.

        A lost connection is opened again where the events broke off, never sooner than the server asks. For a batch,
        `texts` says which are wanted: "all", those of jobs still "running" when the watch begins, or "none".

        Raises `NotFoundError` (also for a job that is deleted meanwhile), `NoAnswerError` if nothing answers at first,
        or nothing again within this client's patience, and `BrokenTextError`.
        """
        follow = Following(resource_id, texts=texts, patience_seconds=self._patience_seconds, on_retry=self._on_retry)
        while not follow.ended:
            reason: LonghandError | None = None
            try:
                with self._stream(follow.call(), TIMEOUT) as response:
                    follow.begin(response)
                    for chunk in response.iter_bytes():
                        for event in follow.feed(chunk):
                            if isinstance(event, TextRepair):
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
        body = AnswerBody()
        with self._stream(call, httpx.USE_CLIENT_DEFAULT) as response:
            for chunk in response.iter_bytes():
                body.add(chunk)
        return call.read(body.whole())

    @contextmanager
    def _stream(self, call: Call[Any], timeout: Any) -> Iterator[httpx.Response]:
        request = self._http.stream(
            call.method, call.path, params=call.params, content=call.content, headers=call.headers, timeout=timeout
        )
        with answering(self.url, self._http), request as response:
            require_readable(response)
            if not response.is_success:
                body = AnswerBody(MOST_REFUSAL_BYTES)
                for chunk in response.iter_bytes():
                    body.add(chunk)
                raise refusal(response, body.whole())
            yield response
