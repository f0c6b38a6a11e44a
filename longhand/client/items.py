"""Turns the short forms in which people write requests into the bodies that the API takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from longhand.client.objects import Json

ENDPOINT = "/v1/chat/completions"
"""Also in `jobs/inputs/dialects.py`: the client imports nothing of the server."""


class WrongItemError(Exception):
    """Says what is wrong with one item, but not which item it is."""


def ask(prompt: str) -> list[Json]:
    """The messages of a prompt."""
    return [{"role": "user", "content": prompt}]


def as_body(request: Json) -> Json:
    """A chat-completions body, from one or from an object that has a `prompt` instead of `messages`."""
    ways = [key for key in ("messages", "prompt") if key in request]
    if len(ways) != 1:
        raise WrongItemError(f'a request needs one of "messages" and "prompt", and this one {_found(ways)}')
    if ways == ["messages"]:
        return request
    inside = dict(request)
    prompt = inside.pop("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise WrongItemError('"prompt" must be a text that is not empty')
    return {**inside, "messages": ask(prompt)}


def as_item(line: Json) -> Json:
    """`{"custom_id"?, "cells"?, "body"}` from a line in OpenAI's form, one with a `body`, or a bare request."""
    if line.get("method", "POST") != "POST":
        raise WrongItemError('"method" must be "POST"')
    if line.get("url", ENDPOINT) != ENDPOINT:
        raise WrongItemError(f'"url" must be "{ENDPOINT}"')
    beside = ("custom_id", "cells") if "body" in line else ("custom_id",)
    around = {key: line[key] for key in beside if line.get(key) is not None}
    inside = {key: value for key, value in line.items() if key not in (*beside, "method", "url")}
    ways = [key for key in ("body", "messages", "prompt") if key in line]
    if len(ways) != 1:
        raise WrongItemError(f'a line needs one of "body", "messages" and "prompt", and this one {_found(ways)}')
    if ways != ["body"]:
        return {**around, "body": as_body(inside)}
    body = inside.pop("body")
    if not isinstance(body, dict):
        raise WrongItemError('"body" must be an object')
    if inside:
        raise WrongItemError(f'"{next(iter(inside))}" must stand inside "body"')
    return {**around, "body": body}


def check_item(item: Json, defaults: Mapping[str, Any]) -> Json:
    """The item with `defaults` for what its body leaves out. Raises `WrongItemError` if it cannot be submitted."""
    body = {**defaults, **item["body"]}
    if body.get("model") is None:
        body["model"] = defaults.get("model")  # null counts as left out
    if body["model"] is None:
        raise WrongItemError('no "model"')
    if not isinstance(body["model"], str) or not body["model"]:
        raise WrongItemError('"model" must be a text that is not empty')
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise WrongItemError('"messages" must be a list that is not empty')
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise WrongItemError('each of "messages" must be an object with a "role"')
    around = {key: item[key] for key in ("custom_id", "cells") if item.get(key) is not None}
    if not isinstance(around.get("custom_id", "a"), str) or around.get("custom_id") == "":
        raise WrongItemError('"custom_id" must be a text that is not empty')
    return {**around, "body": body}


def _found(ways: Sequence[str]) -> str:
    return "has " + " and ".join(f'"{way}"' for way in ways) if ways else "has none of them"
