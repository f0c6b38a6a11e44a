"""Every call of the SDK's `responses`, sync and async: python scenario_responses.py URL."""

import asyncio
import re
import sys
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response, ResponseStreamEvent

MODEL = "simulator"
PROMPT = "Write 60 words about tea. 茶はおいしい 👩‍👩‍👧"
STARTED = ("queued", "in_progress", "completed")
"""What a Response may be when its creation is answered: a worker may be that quick."""
TERMINAL = ("response.completed", "response.failed", "response.incomplete", "error")


def check_events(events: list[Any], *, in_background: bool) -> str:
    """That these are all events of a Response that completed; its text."""
    kinds = [event.type for event in events]
    head = ["response.created", "response.queued", "response.in_progress"]
    head = head if in_background else [head[0], head[2]]
    added = ["response.output_item.added", "response.content_part.added"]
    tail = ["output_text.done", "content_part.done", "output_item.done", "completed"]
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert kinds == [
        *head,
        *added,
        *(["response.output_text.delta"] * len(deltas)),
        *(f"response.{one}" for one in tail),
    ]
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers)), numbers
    text = "".join(event.delta for event in deltas)
    done = events[-4]
    assert done.text == text
    item = events[-2].item
    assert (item.type, item.role, item.status, item.content[0].text) == ("message", "assistant", "completed", text)
    final = events[-1].response
    assert isinstance(final, Response)
    check_whole(final, text)
    assert [one.id for one in final.output] == [item.id] == list({event.item_id for event in deltas})
    return text


def check_whole(response: Response, text: str | None = None) -> None:
    """That this is a completed Response in the SDK's own types."""
    assert (response.object, response.status, response.error, response.incomplete_details) == (
        "response", "completed", None, None,
    )  # fmt: skip
    assert response.output_text
    assert text is None or response.output_text == text
    part = response.output[0].content[0]
    assert (part.type, part.annotations) == ("output_text", [])
    usage = response.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens_details.cached_tokens in (None, 0)  # the simulator says 0; counted here it is unknown
    assert usage.output_tokens_details.reasoning_tokens in (None, 0)


def same(ours: list[Any], theirs: list[Any]) -> bool:
    """Whether a resumed stream tells what the whole one tells, however it is cut into deltas."""
    return told(ours) == told(theirs)


def told(events: list[Any]) -> list[Any]:
    """Events with the deltas joined."""
    joined: list[Any] = []
    for event in events:
        if event.type != "response.output_text.delta":
            joined.append(event.model_dump(mode="json"))
        elif joined and isinstance(joined[-1], str):
            joined[-1] += event.delta
        else:
            joined.append(event.delta)
    return joined


def run_sync(client: OpenAI) -> None:
    """Everything, with the sync client."""
    # At once, in the foreground.
    first = client.responses.create(
        model=MODEL, input=PROMPT, instructions="Be brief.", metadata={"a": "b"}, temperature=0.5
    )
    check_whole(first)
    assert (first.instructions, first.metadata, first.temperature, first.background) == (
        "Be brief.",
        {"a": "b"},
        0.5,
        False,
    )

    # In the background, then asked for until it is there.
    queued = client.responses.create(model=MODEL, input=[{"role": "user", "content": PROMPT}], background=True)
    assert queued.status in STARTED
    assert queued.background is True
    if queued.status == "queued":
        assert (queued.output, queued.usage) == ([], None)
    while (polled := client.responses.retrieve(queued.id)).status in ("queued", "in_progress"):
        pass
    check_whole(polled)
    assert polled.id == queued.id
    assert polled.created_at == queued.created_at

    # In the background and streamed; then again, and from every event of it.
    whole = list(client.responses.create(model=MODEL, input=PROMPT, background=True, stream=True))
    text = check_events(whole, in_background=True)
    response_id = whole[0].response.id
    assert same(list(client.responses.retrieve(response_id, stream=True)), whole)
    for place in {0, 1, 2, 4, 5, len(whole) // 2, len(whole) - 5, len(whole) - 3, len(whole) - 1}:
        number = whole[place].sequence_number
        rest = list(client.responses.retrieve(response_id, stream=True, starting_after=number))
        assert same(rest, whole[place + 1 :]), place
    check_events(list(client.responses.create(model=MODEL, input=PROMPT, stream=True)), in_background=False)

    # The streaming helper.
    with client.responses.stream(model=MODEL, input=PROMPT, background=True) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == final.output_text
    assert final.status == "completed"
    with client.responses.stream(response_id=response_id, starting_after=whole[-6].sequence_number) as stream:
        events = list(stream)
        assert [event.type for event in events] == [event.type for event in whole[-5:]]
        assert stream.get_final_response().output_text == text

    # Going on from it.
    after = client.responses.create(
        model=MODEL,
        previous_response_id=response_id,
        input=[
            {"role": "developer", "content": "Go on."},
            {"role": "user", "content": [{"type": "input_text", "text": "More, please."}]},
        ],
    )
    check_whole(after)
    assert after.previous_response_id == response_id

    # Cut by its limit.
    short = client.responses.create(model=MODEL, input=PROMPT, max_output_tokens=5)
    assert (short.status, short.max_output_tokens) == ("incomplete", 5)
    assert short.incomplete_details is not None
    assert short.incomplete_details.reason == "max_output_tokens"
    assert short.output_text
    events = list(client.responses.create(model=MODEL, input=PROMPT, max_output_tokens=5, stream=True))
    assert events[-1].type == "response.incomplete"

    # Cancelled while it is written.
    long = "Write 5000 words about rain."
    with client.responses.create(model=MODEL, input=long, background=True, stream=True) as stream:
        seen: list[ResponseStreamEvent] = []
        for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
        response_id = seen[0].response.id
        cancelled = client.responses.cancel(response_id)
        assert cancelled.status == "cancelled"
        seen.extend(stream)
    assert [event.type for event in seen[-4:]] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "error",
    ]  # fmt: skip
    assert seen[-1].code == "cancelled"
    assert client.responses.cancel(response_id).status == "cancelled"
    again = client.responses.retrieve(response_id)
    assert (again.status, again.output_text) == ("cancelled", seen[-4].text)

    # Deleted.
    assert client.responses.delete(response_id) is None
    for gone in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            gone(response_id)

    # Refused by name.
    for name, value in (
        ("tools", [{"type": "web_search"}]), ("conversation", "conv_1"), ("prompt", {"id": "pmpt_1"}),
        ("include", ["message.output_text.logprobs"]), ("top_logprobs", 3),
    ):  # fmt: skip
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=MODEL, input="x", **{name: value})
        assert (refused.value.code, re.split(r"[.[]", refused.value.param or "")[0]) == ("unsupported_parameter", name)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=MODEL, input="x", previous_response_id="resp_00")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_00")


def run_strict(client: OpenAI) -> None:
    """What a client that checks every answer against its types is told, with what others send by default."""
    first = client.responses.create(model=MODEL, input=PROMPT, include=[], truncation="auto", service_tier="flex")
    check_whole(first)
    items = list(client.responses.input_items.list(first.id, limit=1, include=["message.input_image.image_url"]))
    assert [item.type for item in items] == ["message"]
    referred: Any = [{"type": "item_reference", "id": item.id} for item in (*items, *first.output)]
    check_whole(client.responses.create(model=MODEL, input=[*referred, {"role": "user", "content": "More."}]))
    counting = getattr(client.responses, "input_tokens", None)  # not in the SDK's first version
    if counting is not None:
        assert counting.count(model="gpt-4o-mini", input="hello world").input_tokens == 9
    unstored = client.responses.create(model=MODEL, input=PROMPT, store=False)
    check_whole(unstored)
    with pytest.raises(openai.NotFoundError):
        retrieve_for_ever(client, unstored.id)  # it is erased once its answer is sent


def retrieve_for_ever(client: OpenAI, response_id: str) -> None:
    """Ask for a Response until the client raises."""
    while True:
        client.responses.retrieve(response_id)


async def run_async(client: AsyncOpenAI) -> None:
    """Everything, with the async client."""
    check_whole(await client.responses.create(model=MODEL, input=PROMPT))
    queued = await client.responses.create(model=MODEL, input=PROMPT, background=True)
    assert queued.status in STARTED
    while (polled := await client.responses.retrieve(queued.id)).status in ("queued", "in_progress"):
        pass
    check_whole(polled)
    stream = await client.responses.create(model=MODEL, input=PROMPT, background=True, stream=True)
    whole = [event async for event in stream]
    text = check_events(whole, in_background=True)
    response_id = whole[0].response.id
    middle = len(whole) // 2
    resumed = await client.responses.retrieve(response_id, stream=True, starting_after=whole[middle].sequence_number)
    assert same([event async for event in resumed], whole[middle + 1 :])
    async with client.responses.stream(model=MODEL, input=PROMPT) as helper:
        async for _ in helper:
            pass
        assert (await helper.get_final_response()).status == "completed"
    async with client.responses.stream(response_id=response_id) as helper:
        assert (await helper.get_final_response()).output_text == text
    running = await client.responses.create(model=MODEL, input="Write 5000 words about rain.", background=True)
    assert (await client.responses.cancel(running.id)).status == "cancelled"
    await client.responses.delete(running.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(running.id)


async def main(url: str) -> None:
    """Both."""
    with OpenAI(base_url=url, api_key="none", timeout=60) as client:
        run_sync(client)
    with OpenAI(base_url=url, api_key="none", timeout=60, _strict_response_validation=True) as client:
        run_strict(client)
    async with AsyncOpenAI(base_url=url, api_key="none", timeout=60) as client:
        await run_async(client)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
