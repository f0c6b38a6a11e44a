"""The tool calls of a Response: as output items, as events at its end, and as the message that a next one follows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.model.records import Job

Item = dict[str, Any]


def call_items(job: Job, *, whole: bool) -> list[Item]:
    """The output items of the functions that were called."""
    number = job.id.partition("_")[2]
    status = "completed" if whole else "incomplete"
    return [_call_item(f"fc_{number}_{place}", call, status) for place, call in enumerate(_calls(job))]


def call_events(items: Sequence[Item], index: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events that send these items, the first of which stands at this place of the output. A call is sent when the
    job has ended: only then it is sure to be whole.
    """
    for output_index, item in enumerate(items, start=index):
        place = {"item_id": item["id"], "output_index": output_index}
        begun = {**item, "status": "in_progress", "arguments": ""}
        yield "response.output_item.added", {"output_index": output_index, "item": begun}
        yield "response.function_call_arguments.delta", {**place, "delta": item["arguments"]}
        done = {**place, "name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", done
        yield "response.output_item.done", {"output_index": output_index, "item": item}


def answer_message(job: Job, text: str | None) -> dict[str, Any]:
    """What the assistant answered, as a message for the next request."""
    calls = _calls(job)
    content = text or (None if calls else "")
    return {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}


def call_message(job: Job, place: int) -> dict[str, Any] | None:
    """One of the calls alone."""
    calls = _calls(job)[place : place + 1]
    return {"role": "assistant", "content": None, "tool_calls": calls} if calls else None


def input_items(item_id: str, message: Mapping[str, Any]) -> list[Item]:
    """The items of a chat message that calls tools, or says what one gave."""
    if message["role"] == "tool":
        output = {"call_id": message["tool_call_id"], "output": message["content"]}
        return [{"id": item_id, "type": "function_call_output", "status": "completed", **output}]
    calls = enumerate(message.get("tool_calls") or ())
    return [_call_item(f"{item_id}_{place}", call, "completed") for place, call in calls]


def _call_item(item_id: str, call: Mapping[str, Any], status: str) -> Item:
    called = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
    return {"id": item_id, "type": "function_call", "status": status, "call_id": call["id"], **called}


def _calls(job: Job) -> list[dict[str, Any]]:
    """Those of functions, which are all that a Response can ask for."""
    return [call for call in (job.message or {}).get("tool_calls") or () if "function" in call]
