"""The calls that the scenarios of files and batches make, each with a look at the types that come back.

The functions serve both clients: what the asynchronous one gives is awaited, what the other gives is taken as it is.
"""

import asyncio
import inspect
import json
import time
from typing import Any

import openai
from openai.types import Batch, FileObject

ENDPOINT: Any = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


async def value(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given


async def everything(pages: Any) -> list[Any]:
    """All items of all pages: the SDK asks for the next one by itself."""
    if hasattr(pages, "__aiter__"):
        return [item async for item in pages]
    return list(await value(pages))


def line(custom_id: str, **order: Any) -> dict[str, Any]:
    body = {"model": "m-1", "messages": [{"role": "user", "content": f"Write about {custom_id}."}], "max_tokens": 40}
    return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": {**body, "simulate": order}}


async def upload(client: Any, lines: list[Any], name: str = "in.jsonl", **options: Any) -> FileObject:
    content = "".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in lines)
    sent: FileObject = await value(client.files.create(file=(name, content.encode()), purpose="batch", **options))
    assert isinstance(sent, FileObject)
    assert (sent.bytes, sent.purpose, sent.filename) == (len(content.encode()), "batch", name)
    return sent


async def create(client: Any, lines: list[Any], **options: Any) -> Batch:
    file = await upload(client, lines)
    terms = {"endpoint": ENDPOINT, "completion_window": "24h", **options}
    batch: Batch = await value(client.batches.create(input_file_id=file.id, **terms))
    assert isinstance(batch, Batch)
    assert (batch.object, batch.endpoint, batch.input_file_id) == ("batch", ENDPOINT, file.id)
    return batch


async def wait_for(client: Any, batch: Batch, *statuses: str) -> Batch:
    deadline = time.monotonic() + 60
    while batch.status not in statuses:
        assert time.monotonic() < deadline, batch
        await asyncio.sleep(0.1)
        batch = await value(client.batches.retrieve(batch.id))
        assert isinstance(batch, Batch)
    return batch


async def read_lines(client: Any, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of an output; its File object says truly how long it is."""
    assert file_id is not None
    content = (await value(client.files.content(file_id))).content
    file = await value(client.files.retrieve(file_id))
    assert isinstance(file, FileObject)
    assert (file.bytes, file.purpose, file.status) == (len(content), "batch_output", "processed")
    return [json.loads(item) for item in content.decode().splitlines()]


async def refused(kind: type[openai.APIStatusError], call: Any, *arguments: Any, **named: Any) -> Any:
    try:
        await value(call(*arguments, **named))
    except kind as error:
        return error
    raise AssertionError(f"not refused: {arguments} {named}")
