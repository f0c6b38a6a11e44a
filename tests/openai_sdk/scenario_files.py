"""Files and batches as a user of the `openai` package has them: `scenario_files.py <base URL>`.

It runs all scenarios of a client at once, then those of the other, and prints what became of each as JSON, in a process
of its own with whichever version of the package is on its path. One text serves both clients: what the asynchronous one
gives is awaited, what the other gives is taken as it is.
"""

import asyncio
import json
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import openai
from openai.types import Batch, FileDeleted, FileObject
from openai.types.chat import ChatCompletion

from tests.openai_sdk.batch_calls import (
    ENDED,
    ENDPOINT,
    create,
    everything,
    line,
    read_lines,
    refused,
    upload,
    value,
    wait_for,
)


async def a_batch_runs_to_its_end(client: Any) -> None:
    lines = [line("蜂蜜", text="sweet"), line("bad", status=400), line("tides", text="wet")]
    batch = await create(client, lines, metadata={"series": "one"})
    assert batch.status in ("in_progress", "finalizing", "completed")  # it may be over when it is read
    assert batch.created_at <= (batch.in_progress_at or 0)
    assert batch.expires_at == batch.created_at + 86400
    assert batch.metadata == {"series": "one"}
    batch = await wait_for(client, batch, *ENDED)
    assert batch.status == "completed"
    counts = batch.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    assert batch.completed_at is not None
    assert batch.finalizing_at is not None
    assert batch.finalizing_at <= batch.completed_at
    assert (batch.failed_at, batch.expired_at, batch.cancelled_at, batch.errors) == (None, None, None, None)
    usage: Any = batch.to_dict()["usage"]
    answers = await read_lines(client, batch.output_file_id)
    assert [answer["custom_id"] for answer in answers] == ["蜂蜜", "tides"]
    spent = 0
    for answer, text in zip(answers, ("sweet", "wet"), strict=True):
        assert answer.keys() == {"id", "custom_id", "response", "error"}
        assert answer["id"].startswith("batch_req_")
        assert (answer["error"], answer["response"]["status_code"]) == (None, 200)
        completion = ChatCompletion.model_validate(answer["response"]["body"], strict=True)
        assert (completion.object, completion.model) == ("chat.completion", "m-1")
        assert completion.choices[0].message.content == text
        assert completion.choices[0].finish_reason == "stop"
        assert completion.usage is not None
        assert completion.usage.prompt_tokens + completion.usage.completion_tokens == completion.usage.total_tokens > 0
        spent += completion.usage.total_tokens
    assert usage["total_tokens"] == spent
    (error,) = await read_lines(client, batch.error_file_id)
    assert (error["custom_id"], error["error"], error["response"]["status_code"]) == ("bad", None, 400)
    assert error["response"]["body"]["error"]["message"]


async def a_batch_without_failures_has_no_error_file(client: Any) -> None:
    batch = await wait_for(client, await create(client, [line("a", text="A")]), *ENDED)
    assert (batch.status, batch.error_file_id) == ("completed", None)
    assert len(await read_lines(client, batch.output_file_id)) == 1
    batch = await wait_for(client, await create(client, [line("a", status=400)]), *ENDED)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert len(await read_lines(client, batch.error_file_id)) == 1


async def a_bad_file_fails_with_its_lines(client: Any) -> None:
    wrong_url = {**line("b"), "url": "/v1/embeddings"}
    batch = await create(client, [line("a"), "{", "", wrong_url, line("a")])
    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert (batch.in_progress_at, batch.output_file_id, batch.error_file_id) == (None, None, None)
    assert batch.errors is not None
    assert batch.errors.data is not None
    told = [(error.line, error.code, error.param) for error in batch.errors.data]
    assert told == [
        (2, "invalid_json_line", None),
        (4, "invalid_url", "url"),
        (5, "duplicate_custom_id", "custom_id"),
    ]
    assert all(error.message for error in batch.errors.data)
    assert (await value(client.batches.retrieve(batch.id))).status == "failed"


async def a_cancelled_batch_keeps_what_was_finished(client: Any) -> None:
    slow = [line(f"slow-{number}", deltas=["x"] * 500, deltas_per_second=1) for number in range(3)]
    batch = await create(client, [line("quick", text="Q"), *slow])
    deadline = time.monotonic() + 30
    while batch.request_counts is None or batch.request_counts.completed < 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
        batch = await value(client.batches.retrieve(batch.id))
    batch = await value(client.batches.cancel(batch.id))
    assert batch.status in ("cancelling", "cancelled")
    assert batch.cancelling_at is not None
    batch = await wait_for(client, batch, *ENDED)
    assert batch.status == "cancelled"
    assert batch.cancelled_at is not None
    assert [answer["custom_id"] for answer in await read_lines(client, batch.output_file_id)] == ["quick"]
    errors = await read_lines(client, batch.error_file_id)
    assert [(error["custom_id"], error["response"]) for error in errors] == [(f"slow-{n}", None) for n in range(3)]
    assert {error["error"]["code"] for error in errors} == {"batch_cancelled"}


async def an_expired_batch_keeps_what_was_finished(client: Any) -> None:
    slow = line("slow", deltas=["x"] * 500, deltas_per_second=1)
    window: Any = "8s"
    batch = await create(client, [line("quick", text="Q"), slow], completion_window=window)
    batch = await wait_for(client, batch, *ENDED)
    assert (batch.status, batch.completed_at) == ("expired", None)
    assert batch.expired_at is not None
    assert [answer["custom_id"] for answer in await read_lines(client, batch.output_file_id)] == ["quick"]
    (error,) = await read_lines(client, batch.error_file_id)
    assert (error["custom_id"], error["response"], error["error"]["code"]) == ("slow", None, "batch_expired")


async def files_and_batches_are_listed_in_pages(client: Any) -> None:
    made = []
    for number in range(3):
        made.append(await create(client, [line("a", text="A")], metadata={"number": str(number)}))
        await asyncio.sleep(0.002)  # ids of one millisecond come in no order
    listed = await everything(client.batches.list(limit=2))
    assert all(isinstance(item, Batch) for item in listed)
    assert [item.id for item in listed if item.id in {batch.id for batch in made}] == [item.id for item in made[::-1]]
    files = await everything(client.files.list(limit=2, purpose="batch"))
    assert all(isinstance(item, FileObject) for item in files)
    wanted = [batch.input_file_id for batch in made]
    assert [item.id for item in files if item.id in wanted] == wanted[::-1]
    oldest = await everything(client.files.list(limit=2, order="asc"))
    assert [item.id for item in oldest if item.id in wanted] == wanted


async def a_file_is_deleted_and_refusals_are_typed(client: Any) -> None:
    expiry: Any = {"anchor": "created_at", "seconds": 3600}
    file = await upload(client, [line("a", text="A")], extra_body=None)
    assert (await value(client.files.wait_for_processing(file.id))).status == "processed"
    deleted = await value(client.files.delete(file.id))
    assert isinstance(deleted, FileDeleted)
    assert deleted.deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        await refused(openai.NotFoundError, call, file.id)
    gone = await refused(
        openai.NotFoundError, client.batches.create, input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
    )
    assert gone.param == "input_file_id"
    wrong = await refused(openai.BadRequestError, client.files.create, file=("a", b"x"), purpose="fine-tune")
    assert (wrong.param, wrong.code, wrong.type) == ("purpose", "invalid_value", "invalid_request_error")
    file = await upload(client, [line("a", text="A")])
    wrong = await refused(
        openai.BadRequestError, client.batches.create, input_file_id=file.id, endpoint="/v1/embeddings",
        completion_window="24h",
    )  # fmt: skip
    assert wrong.param == "endpoint"
    batch = await value(
        client.batches.create(
            input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h",
            extra_body={"output_expires_after": expiry},
        )
    )  # fmt: skip
    batch = await wait_for(client, batch, *ENDED)
    output = await value(client.files.retrieve(batch.output_file_id))
    assert output.expires_at == output.created_at + 3600


SCENARIOS = (
    a_batch_runs_to_its_end,
    a_batch_without_failures_has_no_error_file,
    a_bad_file_fails_with_its_lines,
    a_cancelled_batch_keeps_what_was_finished,
    an_expired_batch_keeps_what_was_finished,
    files_and_batches_are_listed_in_pages,
    a_file_is_deleted_and_refusals_are_typed,
)


def run(scenario: Any, kind: str, base_url: str) -> tuple[str, str]:
    """The name of a scenario, and its traceback; empty when all went well."""

    async def with_client() -> None:
        make: Any = openai.OpenAI if kind == "sync" else openai.AsyncOpenAI
        client = make(base_url=base_url, api_key="none", max_retries=0)
        await scenario(client)
        await value(client.close())

    try:
        asyncio.run(with_client())
    except BaseException:
        return scenario.__name__, traceback.format_exc()
    return scenario.__name__, ""


def main(base_url: str) -> None:
    outcomes = {}
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:  # mostly they wait for the server
        for kind in ("sync", "async"):
            outcomes[kind] = dict(pool.map(partial(run, kind=kind, base_url=base_url), SCENARIOS))
    print(json.dumps({"version": openai.__version__, "outcomes": outcomes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
