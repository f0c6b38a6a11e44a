"""Durable chat completions and models, sync and async: python scenario_completions.py URL."""

import asyncio
import sys
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

MODEL = "simulator"
MESSAGES: Any = [{"role": "user", "content": "Write 60 words about tea."}]
UNICODE: Any = {"simulate": {"deltas": ["茶", "\u2028 ", "👩‍👩‍👧", "\n\n", '"end"']}}


def check_whole(completion: ChatCompletion, text: str | None = None) -> None:
    """That this is a chat completion in the SDK's own types."""
    choice = completion.choices[0]
    assert (completion.object, choice.index, choice.finish_reason, choice.logprobs) == (
        "chat.completion",
        0,
        "stop",
        None,
    )
    assert (choice.message.role, choice.message.refusal, choice.message.tool_calls) == ("assistant", None, None)
    assert choice.message.content
    assert text is None or choice.message.content == text
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0


def check_chunks(chunks: list[ChatCompletionChunk], *, usage: bool) -> str:
    """That these are the chunks of one completion; its text."""
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    if usage:
        assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks.pop().choices == []
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def run_sync(client: OpenAI) -> None:
    """Everything, with the sync client."""
    create = client.chat.completions.create
    check_whole(create(model=MODEL, messages=MESSAGES))
    check_whole(create(model=MODEL, messages=MESSAGES, extra_body=UNICODE), '茶\u2028 👩‍👩‍👧\n\n"end"')
    assert check_chunks(list(create(model=MODEL, messages=MESSAGES, stream=True)), usage=False)
    chunks = list(
        create(model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}, extra_body=UNICODE)
    )
    assert check_chunks(chunks, usage=True) == '茶\u2028 👩‍👩‍👧\n\n"end"'

    # Its job is named, and can be asked for.
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES, metadata={"a": "b"})
    completion = raw.parse()
    job = httpx.get(f"{client.base_url}jobs/{raw.headers['x-job-id']}").json()
    assert (job["status"], job["metadata"], job["request"]["messages"]) == ("completed", {"a": "b"}, MESSAGES)
    text = httpx.get(f"{client.base_url}jobs/{job['id']}/text").text
    assert text == completion.choices[0].message.content

    # The same key: the same completion from its start, streamed or not.
    key = {"Idempotency-Key": f"sync-{openai.__version__}"}
    first = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=MESSAGES, stream=True, extra_headers=key
    )
    again = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=MESSAGES, stream=True, extra_headers=key
    )
    assert first.headers["x-job-id"] == again.headers["x-job-id"]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert check_chunks(list(again.parse()), usage=False) == check_chunks(list(first.parse()), usage=False)
    with pytest.raises(openai.ConflictError):
        create(model=MODEL, messages=MESSAGES, temperature=0.1, stream=True, extra_headers=key)

    # The streaming helper.
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        seen = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert final.choices[0].message.content == seen

    # What goes wrong.
    for status, kind in ((400, openai.BadRequestError), (422, openai.UnprocessableEntityError)):
        with pytest.raises(kind) as refused:
            create(model=MODEL, messages=MESSAGES, extra_body={"simulate": {"status": status}})
        assert refused.value.code == "upstream_rejected"
        assert refused.value.response.headers["x-job-id"].startswith("job_")
        # On a slow machine the stream has begun before the upstream's answer is known.
        with pytest.raises(openai.APIError) as refused_stream:
            list(create(model=MODEL, messages=MESSAGES, stream=True, extra_body={"simulate": {"status": status}}))
        assert refused_stream.value.code == "upstream_rejected"
    late = create(
        model=MODEL, messages=MESSAGES, stream=True,
        extra_body={"simulate": {"error_after": 3}, "max_attempts": 1},
    )  # fmt: skip
    with pytest.raises(openai.APIError) as failed:
        list(late)
    assert failed.value.code == "upstream_error_in_stream"
    cut = create(
        model=MODEL, messages=MESSAGES, stream=True,
        extra_body={"simulate": {"cut_after": 3, "times": 1, "key": f"cut-{openai.__version__}"}},
    )  # fmt: skip
    with pytest.raises(openai.APIError) as restarted:
        list(cut)
    assert restarted.value.code == "attempt_restarted"
    assert "/v1/jobs/job_" in restarted.value.message
    with pytest.raises(openai.BadRequestError, match="submit the same request n times") as unsupported:
        create(model=MODEL, messages=MESSAGES, n=2)
    assert unsupported.value.param == "n"

    # Models.
    listed = client.models.list()
    assert [(model.id, type(model)) for model in listed] == [("simulator", Model)]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no/such-model")


async def run_async(client: AsyncOpenAI) -> None:
    """Everything, with the async client."""
    create = client.chat.completions.create
    check_whole(await create(model=MODEL, messages=MESSAGES))
    stream = await create(model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True})
    assert check_chunks([chunk async for chunk in stream], usage=True)
    async with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as helper:
        seen = "".join([event.delta async for event in helper if event.type == "content.delta"])
        assert (await helper.get_final_completion()).choices[0].message.content == seen
    with pytest.raises(openai.BadRequestError):
        await create(model=MODEL, messages=MESSAGES, extra_body={"simulate": {"status": 400}})
    assert [model.id async for model in client.models.list()] == ["simulator"]


async def main(url: str) -> None:
    """Both."""
    with OpenAI(base_url=url, api_key="none", timeout=60) as client:
        run_sync(client)
    async with AsyncOpenAI(base_url=url, api_key="none", timeout=60) as client:
        await run_async(client)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
