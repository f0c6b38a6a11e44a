"""The reasoning of Responses: an item of its own, told while it is written, and resumed anywhere."""

from typing import Any

import httpx
import redis

from jobs.store.database import Database
from tests.api.responding import Reader, create, follow, job_of, told
from tests.api.watching import Writer
from tests.sparing import on_sqlite

pytestmark = on_sqlite


def test_the_reasoning_is_an_item_of_its_own_and_told_while_it_is_written(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    writer = Writer(database, valkey_client, job_of(created))
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        writer.think("Let me 茶 ")
        live.until("response.reasoning_text.delta")
        writer.think("think.")
        live.until("response.reasoning_text.delta")
        writer.write("the ")
        live.until("response.output_text.delta")
        writer.write("text")
        writer.finish()
        whole = live.rest()
    kinds = [event["type"].removeprefix("response.") for event in whole]
    assert kinds == [
        "created", "queued", "in_progress",
        "output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.delta",
        "reasoning_text.done", "content_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    numbers = [event["sequence_number"] for event in whole]
    assert numbers == sorted(set(numbers))
    output = whole[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "Let me 茶 think."}]
    done = [event for event in whole if event["type"] == "response.output_item.done"]
    assert [(event["output_index"], event["item"]) for event in done] == list(enumerate(output))
    assert client.get(f"/v1/responses/{created['id']}").json()["output"] == output
    # From every number on the rest is the same, live or afterwards.
    for event in whole:
        after = event["sequence_number"]
        expected = [one for one in whole if one["sequence_number"] > after]
        assert thought_told(follow(client, created["id"], after)) == thought_told(expected)


def test_reasoning_that_comes_after_the_text_has_begun_is_in_the_item_alone(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    writer = Writer(database, valkey_client, job_of(created))
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        writer.write("the ")
        live.until("response.output_text.delta")
        writer.think("Late.")
        writer.write("text")
        writer.finish()
        whole = live.rest()
    assert not [event for event in whole if "reasoning" in event["type"]]
    assert [item["type"] for item in whole[-1]["response"]["output"]] == ["reasoning", "message"]


def test_a_text_that_begins_anew_after_reasoning_has_indexes_without_a_gap(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        first = Writer(database, valkey_client, job_of(created))
        first.think("Void thought.")
        first.write("void text")
        live.until("response.output_text.delta")
        first.retry()
        second = Writer(database, valkey_client, job_of(created))
        second.think("Kept thought.")
        live.until("response.reasoning_text.delta")
        second.write("kept text")
        second.finish()
        whole = live.rest()
    added = [event["output_index"] for event in whole if event["type"] == "response.output_item.added"]
    assert added == [0, 1, 2, 3]
    output = whole[-1]["response"]["output"]
    done = [event["item"] for event in whole if event["type"] == "response.output_item.done"]
    assert done[-2:] == output
    assert output[0]["id"].endswith("_2")
    assert client.get(f"/v1/responses/{created['id']}").json()["output"] == output
    late = follow(client, created["id"])
    assert late[-1] == whole[-1]
    assert [event["output_index"] for event in late if event["type"] == "response.output_item.added"] == [0, 1, 2]


def test_the_numbers_of_reasoning_that_goes_on_beside_the_text_are_the_same_for_everybody(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    """They stood for a byte before what came later: a client that came back with one got the rest with a hole in it."""
    created = create(client)
    writer = Writer(database, valkey_client, job_of(created))
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        writer.think("First.")
        live.until("response.reasoning_text.delta")
        writer.write("the ")
        live.until("response.output_text.delta")
        writer.think(" And later, much more than before.")
        writer.write("text")
        writer.finish()
        whole = live.rest()
    late = follow(client, created["id"])
    ends = [numbers_of_ends(events) for events in (whole, late)]
    assert ends[0] == ends[1]
    assert len(ends[0]) == 5
    for number in ends[0]:
        expected = [event for event in whole if event["sequence_number"] > number]
        kept = [event for event in follow(client, created["id"], number) if event["type"] in ENDS or "delta" in event]
        assert numbers_of_ends(kept) == numbers_of_ends(expected)
        assert not [event for event in kept if event["type"] == "response.reasoning_text.delta"]


def test_a_reasoning_that_is_given_up_before_its_text_ends_as_incomplete_for_who_saw_it(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        first = Writer(database, valkey_client, job_of(created))
        first.think("Void thought.")
        live.until("response.reasoning_text.delta")
        first.retry()
        second = Writer(database, valkey_client, job_of(created))
        second.write("text")
        second.finish()
        whole = live.rest()
    done = [event["item"] for event in whole if event["type"] == "response.output_item.done"]
    assert [(item["type"], item.get("status")) for item in done] == [
        ("reasoning", "incomplete"),
        ("message", "completed"),
    ]
    assert done[0]["id"] in [event["item"]["id"] for event in whole if event["type"] == "response.output_item.added"]
    numbers = [event["sequence_number"] for event in whole]
    assert numbers == sorted(set(numbers))


ENDS = ("response.reasoning_text.done", "response.content_part.done", "response.output_item.done")


def numbers_of_ends(events: list[dict[str, Any]]) -> list[int]:
    """Of the events that end an item or its part."""
    return [event["sequence_number"] for event in events if event["type"] in ENDS]


def thought_told(events: list[dict[str, Any]]) -> list[Any]:
    """Events without numbers, the deltas of both texts joined."""
    joined: list[Any] = []
    for one in told(events):
        if not isinstance(one, dict) or one["type"] != "response.reasoning_text.delta":
            joined.append(one)
        elif joined and isinstance(joined[-1], dict) and joined[-1]["type"] == one["type"]:
            joined[-1] = {**one, "delta": joined[-1]["delta"] + one["delta"]}
        else:
            joined.append(one)
    return joined
