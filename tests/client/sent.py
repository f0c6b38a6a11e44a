"""What a scripted server sends and answers in the tests of the clients, and both clients behind one function."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from hashlib import sha256
from typing import Any

from longhand import AsyncClient, Client
from longhand.client.events import Event
from longhand.client.following import Texts
from tests.upstream.scripted_upstream import head

KINDS = ("sync", "async")
JOB: Any = {"id": "job_1", "status": "in_progress", "attempt": 1, "custom_id": None, "error": None}
RETRY = b"retry: 10\n\n"


def ended(text: str, job_id: str = "job_1", status: str = "completed", attempt: int = 1) -> Any:
    """A job that has ended with this text stored."""
    encoded = text.encode()
    digest = sha256(encoded).hexdigest()
    return {**JOB, "id": job_id, "status": status, "attempt": attempt, "bytes": len(encoded), "sha256": digest}


ENDED = ended("hello")


def sent(name: str, payload: object, cursor: str) -> bytes:
    """An event on the wire."""
    return f"event: {name}\nid: {cursor}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


def delta(offset: int, text: str, attempt: int = 1) -> bytes:
    """A delta on the wire."""
    payload = {"attempt": attempt, "offset": offset, "text": text}
    return sent("delta", payload, f"{attempt}:{offset + len(text.encode())}")


DONE = sent("done", ENDED, "1:5:completed")


def answer(status: int, body: object, **headers: str) -> bytes:
    """A whole answer with a JSON body, or with a text."""
    is_text = isinstance(body, str)
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/plain; charset=utf-8" if is_text else "application/json"
    return head(status, kind, content_length=str(len(content)), connection="close", **headers) + content


def watched(
    kind: str,
    url: str,
    resource_id: str,
    *,
    texts: Texts = "all",
    patience_seconds: float = 60,
    on_retry: Callable[[str], None] = lambda _: None,
    first: int | None = None,
) -> Sequence[Event]:
    """The events of a watch to its end, or the first of them, by either client."""
    if kind == "sync":
        events: list[Event] = []
        with Client(url, patience_seconds=patience_seconds, on_retry=on_retry) as client:
            watch = client.watch(resource_id, texts=texts)
            for event in watch:
                events.append(event)
                if len(events) == first:
                    watch.close()
        return events
    return asyncio.run(_watched(url, resource_id, texts, patience_seconds, on_retry, first))


async def _watched(
    url: str,
    resource_id: str,
    texts: Texts,
    patience_seconds: float,
    on_retry: Callable[[str], None],
    first: int | None,
) -> list[Event]:
    events: list[Event] = []
    async with (
        AsyncClient(url, patience_seconds=patience_seconds, on_retry=on_retry) as client,
        aclosing(client.watch(resource_id, texts=texts)) as watch,
    ):
        async for event in watch:
            events.append(event)
            if len(events) == first:
                break
    return events
