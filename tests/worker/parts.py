"""Answers of an upstream that writes a text in parts, or refuses to, and a worker that asks it for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.store.database import Database
from tests.upstream.scripted_upstream import DONE, ROLE, chunk, chunked, event, head, text
from tests.worker.worker_fixtures import WorkerParts, open_worker, small_settings

AT_LIMIT = chunk({}, "length")
WHOLE = chunk({}, "stop")


def usage(prompt: int, completion: int) -> bytes:
    """The chunk with the usage."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return event({"id": "1", "object": "chat.completion.chunk", "choices": [], "usage": counts})


def part(*pieces: str, end: bytes = AT_LIMIT, prompt: int = 10, completion: int = 5) -> list[bytes]:
    return chunked(ROLE, *map(text, pieces), end, usage(prompt, completion), DONE)


def refused(status: int, message: str, code: str = "") -> list[bytes]:
    content = event({"error": {"message": message, "code": code}})[len(b"data: ") :].strip()
    return [head(status, "application/json", content_length=str(len(content))) + content]


TOO_LONG = refused(400, "too long", "context_length_exceeded")
NO_PREFIX = refused(400, "the last message must be the user's")
DECLINED = chunked(ROLE, chunk({"refusal": "I cannot go on with this."}), WHOLE, usage(10, 5), DONE)


@contextmanager
def worker_on(
    database: Database, redis_url: str, url: str, form: str = "assistant", **changed: Any
) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, url, upstream_prefix=form, **changed)) as worker:
        yield worker
